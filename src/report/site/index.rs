//! The first page: what there is, by paper, with the counts of verdicts.

use super::doc::Nothing;
use super::layout::{Place, page as layout};
use super::{Book, Entry, transfer};
use crate::report::html::{escape, sentence, tally_cells, tally_header, with_papers};
use crate::report::page::summary;
use crate::report::{Judged, Tally};
use std::fmt::Write;

/// A paper as a reader calls it: its title, or the folder's name where the folder is not of one paper.
pub(super) fn paper_title(book: &Book, paper: &str) -> String {
    book.paper_header(paper).title().unwrap_or_else(|| sentence(&paper.replace('_', " ")))
}

fn tally<'a>(entries: impl IntoIterator<Item = &'a &'a Entry>) -> Tally {
    entries.into_iter().fold(Tally::default(), |sum, e| sum.and(Tally::of(&e.judged.checks)))
}

pub(super) fn page(book: &Book) -> String {
    let judged: Vec<&Judged> = book.entries.iter().map(|e| &e.judged).collect();
    let mut out = format!(
        "<h1>Claims and verdicts</h1>\n<p class=\"lede\">rewardlab reproduces what papers on language-model alignment claim, in small \
         worlds in which everything can be computed, and in language models.</p>\n<p>{}</p>\n",
        escape(&summary(judged.iter().copied()))
    );
    let papers = book.papers();
    let _ = writeln!(
        out,
        "<h2 id=\"papers\">By paper</h2>\n<table class=\"experiments fold\">\n<thead><tr><th scope=\"col\">paper</th>\
         <th scope=\"col\" class=\"number\">experiments</th>{}</tr></thead>\n<tbody>",
        tally_header()
    );
    for (paper, entries) in &papers {
        let _ = writeln!(
            out,
            "<tr><td class=\"lead\"><a href=\"#{}\">{}</a></td><td class=\"number\" data-label=\"experiments\">{}</td>{}</tr>",
            escape(paper),
            escape(&paper_title(book, paper)),
            entries.len(),
            tally_cells(tally(entries))
        );
    }
    let all: Vec<&Entry> = book.entries.iter().collect();
    let _ = writeln!(
        out,
        "</tbody>\n<tfoot><tr><td class=\"lead\">All</td><td class=\"number\" data-label=\"experiments\">{}</td>{}</tr></tfoot>\n</table>",
        all.len(),
        tally_cells(tally(&all))
    );
    if !book.pairs.is_empty() {
        let _ = writeln!(
            out,
            "<p>What carries over from the small worlds: <a href=\"{}\">small worlds against language models</a>, effect by effect.</p>",
            transfer::PATH
        );
    }
    for (paper, entries) in papers {
        out.push_str(&section(book, paper, &entries));
    }
    layout(&Place::new("index.html", "rewardlab: claims and verdicts", !book.pairs.is_empty()), &out)
}

fn section(book: &Book, paper: &str, entries: &[&Entry]) -> String {
    let mut out = format!(
        "<section>\n<h2 id=\"{}\">{}</h2>\n<div class=\"prose\">{}</div>\n",
        escape(paper),
        escape(&paper_title(book, paper)),
        book.paper_header(paper).first().render(&Nothing).body
    );
    let _ = writeln!(
        out,
        "<table class=\"experiments fold\">\n<thead><tr><th scope=\"col\">claim</th><th scope=\"col\">item</th>{}</tr></thead>\n<tbody>",
        tally_header()
    );
    for entry in entries {
        let j = &entry.judged;
        let _ = writeln!(
            out,
            "<tr><td class=\"lead\"><a href=\"{0}.html\">{1}</a><small><code>{0}</code></small></td>\
             <td class=\"item\" data-label=\"item\">{2}</td>{3}</tr>",
            escape(&j.id),
            escape(&sentence(&j.claim)),
            with_papers(&j.paper),
            tally_cells(Tally::of(&j.checks))
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
    out
}

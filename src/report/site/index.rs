//! The first page: what there is, by paper, with the counts of verdicts.

use super::doc::Nothing;
use super::layout::{Place, page as layout};
use super::{Book, Entry, models, transfer};
use crate::report::html::{escape, met, sentence, tally_cells, tally_header, with_papers};
use crate::report::page::summary;
use crate::report::{Check, Judged, Kind, Tally};
use std::fmt::Write;

/// A paper as a reader calls it: its title, or the folder's name where the folder is not of one paper.
pub(super) fn paper_title(book: &Book, paper: &str) -> String {
    book.paper_header(paper).title().unwrap_or_else(|| sentence(&paper.replace('_', " ")))
}

/// The title over a folder's experiments; says so where some are of other papers.
pub(super) fn group_title(book: &Book, paper: &str) -> String {
    let title = paper_title(book, paper);
    let Some(own) = book.paper_header(paper).title().and_then(|_| book.paper_header(paper).number()) else {
        return title;
    };
    let is_foreign = |e: &Entry| e.judged.folder() == paper && !e.judged.paper.contains(&own);
    if book.entries.iter().any(is_foreign) { format!("{title}, and follow-ups") } else { title }
}

/// A paper is asked about its claims: they alone are in the three columns; theory and controls, which are ours, stand beside.
fn cells<'a>(entries: &[&'a Entry]) -> String {
    let of = |is_claim: bool| {
        let is_asked = |c: &&'a Check| (c.kind == Kind::Claim) == is_claim;
        Tally::of(entries.iter().flat_map(|e| &e.judged.checks).filter(is_asked))
    };
    format!("{}<td class=\"others\" data-label=\"theory, controls\">{}</td>", tally_cells(of(true)), met(of(false)))
}

fn cells_header() -> String {
    format!("{}<th scope=\"col\">theory, controls</th>", tally_header())
}

/// Units without rows, which leave all of an experiment undecided.
fn failed<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    match entries.into_iter().map(|e| e.judged.failures.len()).sum::<usize>() {
        0 => String::new(),
        1 => "<small class=\"failed\"><strong>failed</strong>: 1 unit</small>".into(),
        units => format!("<small class=\"failed\"><strong>failed</strong>: {units} units</small>"),
    }
}

pub(super) fn page(book: &Book) -> String {
    let judged: Vec<&Judged> = book.entries.iter().map(|e| &e.judged).collect();
    let mut out = format!(
        "<h1>Claims and verdicts</h1>\n<p class=\"lede\">rewardlab reproduces what papers on language-model alignment claim, in small \
         worlds in which everything can be computed, and in language models.</p>\n<p>{}</p>\n\
         <p>In the tables below the three columns of verdicts count claims; beside them is how many checks of theory and how many controls \
         came out as they must. Claims, theory and controls together are the {} checks that the report counts.</p>\n",
        escape(&summary(judged.iter().copied()).replace('\'', "’")),
        judged.iter().map(|j| j.checks.len()).sum::<usize>()
    );
    let papers = book.papers();
    let _ = writeln!(
        out,
        "<h2 id=\"papers\">By paper</h2>\n<table class=\"experiments fold\">\n<thead><tr><th scope=\"col\">paper</th>\
         <th scope=\"col\" class=\"number\">experiments</th>{}</tr></thead>\n<tbody>",
        cells_header()
    );
    for (paper, entries) in &papers {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\" class=\"lead\"><a href=\"#{}\">{}</a>{}</th><td class=\"number\" data-label=\"experiments\">{}</td>{}</tr>",
            escape(paper),
            escape(&group_title(book, paper)),
            failed(entries.iter().copied()),
            entries.len(),
            cells(entries)
        );
    }
    let all: Vec<&Entry> = book.entries.iter().collect();
    let _ = writeln!(
        out,
        "</tbody>\n<tfoot><tr><th scope=\"row\" class=\"lead\">All</th><td class=\"number\" data-label=\"experiments\">{}</td>{}</tr></tfoot>\n</table>",
        all.len(),
        cells(&all)
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
        "<section>\n<h2 id=\"{}\">{}</h2>\n<div class=\"prose\">{}</div>\n{}",
        escape(paper),
        escape(&group_title(book, paper)),
        book.paper_header(paper).first().render(&Nothing).body,
        models::paragraph(entries.iter().copied())
    );
    let _ = writeln!(
        out,
        "<table class=\"experiments fold\">\n<thead><tr><th scope=\"col\">claim</th><th scope=\"col\">item</th>{}</tr></thead>\n<tbody>",
        cells_header()
    );
    for entry in entries {
        let j = &entry.judged;
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\" class=\"lead\"><a href=\"{0}.html\">{1}</a><small><code>{0}</code></small>{4}</th>\
             <td class=\"item\" data-label=\"item\">{2}</td>{3}</tr>",
            escape(&j.id),
            escape(&sentence(&j.claim)),
            with_papers(&j.paper),
            cells(&[entry]),
            failed([*entry])
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
    out
}

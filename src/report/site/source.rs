//! The experiments' files, readable: one page per experiment with its own folder, one per paper with what is shared.

use super::Book;
use super::index::paper_title;
use super::layout::{Place, page as layout, up};
use crate::report::html::{self, escape};
use std::fmt::Write;

/// The file of an experiment, from the folder of all experiments.
pub(super) fn file(id: &str) -> String {
    format!("{id}.rs")
}

/// Where its source is shown.
pub(super) fn path(id: &str) -> String {
    format!("source/{id}.html")
}

/// Where a paper's shared files are shown.
fn shared_path(paper: &str) -> String {
    format!("source/{paper}/mod.html")
}

pub(super) fn pages(book: &Book) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for (paper, entries) in book.papers() {
        let is_own = |path: &str| entries.iter().any(|e| belongs(path, &e.judged.id));
        let shared: Vec<&str> =
            paths(book).filter(|p| p.strip_prefix(paper).is_some_and(|r| r.starts_with('/')) && !is_own(p)).collect();
        for entry in &entries {
            let id = &entry.judged.id;
            let own: Vec<&str> = paths(book).filter(|p| belongs(p, id)).collect();
            if !own.is_empty() {
                let beside = (!shared.is_empty()).then(|| shared_path(paper));
                pages.push((path(id), page(book, &path(id), (id, Some(id)), &own, beside)));
            }
        }
        if !shared.is_empty() {
            let title = format!("{}: shared files", paper_title(book, paper));
            pages.push((shared_path(paper), page(book, &shared_path(paper), (&title, None), &shared, None)));
        }
    }
    pages
}

/// `paper/figure.rs`, or a file in the folder `paper/figure`.
fn belongs(path: &str, id: &str) -> bool {
    path.strip_prefix(id).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// All paths; an experiment's own file stands before those in its folder.
fn paths(book: &Book) -> impl Iterator<Item = &str> {
    let mut paths: Vec<&str> = book.sources.keys().map(String::as_str).collect();
    paths.sort_by_key(|p| (p.matches('/').count(), *p));
    paths.into_iter()
}

fn page(book: &Book, path: &str, (title, id): (&str, Option<&str>), files: &[&str], shared: Option<String>) -> String {
    let up = up(path);
    let mut out = match id {
        Some(id) => format!(
            "<p class=\"where\"><a href=\"{up}{0}.html\">The experiment’s page</a></p>\n<h1>Source of <code>{1}</code></h1>\n",
            escape(id),
            html::path(id)
        ),
        None => format!(
            "<p class=\"where\"><a href=\"{up}index.html\">All experiments</a></p>\n<h1>{}</h1>\n",
            escape(title)
        ),
    };
    out.push_str("<ul class=\"links\">\n");
    for file in files {
        let _ = writeln!(
            out,
            "<li><a href=\"#{}\"><code>experiments/<wbr>{}</code></a></li>",
            escape(file),
            html::path(file)
        );
    }
    if let Some(shared) = shared {
        let _ = writeln!(
            out,
            "<li><a href=\"{up}{}\">What several experiments of this paper share</a></li>",
            escape(&shared)
        );
    }
    out.push_str("</ul>\n");
    for file in files {
        let _ = writeln!(
            out,
            "<section>\n<h2 id=\"{0}\"><code>experiments/<wbr>{1}</code></h2>\n<pre class=\"source\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><code>{2}</code></pre>\n</section>",
            escape(file),
            html::path(file),
            book.sources.get(*file).map_or_else(String::new, |text| lines(text))
        );
    }
    let title = format!("Source: {title}");
    layout(&Place::new(path, &title, !book.pairs.is_empty()), &out)
}

/// Each line in an element of its own, which the style sheet numbers.
fn lines(text: &str) -> String {
    text.lines().fold(String::with_capacity(text.len() * 3 / 2), |mut out, line| {
        let _ = writeln!(out, "<span>{}</span>", escape(line));
        out
    })
}

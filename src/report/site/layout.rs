//! What every page of the site has around its content.

use super::transfer;
use crate::report::html::escape;
use std::fmt::Write;

/// Where a page is and what is beside it.
pub(super) struct Place<'a> {
    /// Its path from the site's root.
    pub(super) path: &'a str,
    /// Its title.
    pub(super) title: &'a str,
    /// Whether the site has the table of small worlds against language models.
    pub(super) has_transfer: bool,
    /// The page before it, and its title.
    pub(super) previous: Option<(String, String)>,
    /// The page after it, and its title.
    pub(super) next: Option<(String, String)>,
}

impl<'a> Place<'a> {
    pub(super) fn new(path: &'a str, title: &'a str, has_transfer: bool) -> Self {
        Self { path, title, has_transfer, previous: None, next: None }
    }
}

/// The way from a page up to the site's root: empty, or some `../`.
pub(super) fn up(path: &str) -> String {
    "../".repeat(path.matches('/').count())
}

/// A whole page.
pub(super) fn page(place: &Place, content: &str) -> String {
    let up = up(place.path);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"{up}style.css\">\n",
        escape(place.title)
    );
    for (rel, beside) in [("prev", &place.previous), ("next", &place.next)] {
        if let Some((path, _)) = beside {
            let _ = writeln!(out, "<link rel=\"{rel}\" href=\"{up}{}\">", escape(path));
        }
    }
    out.push_str(
        "</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<header class=\"site\">\n",
    );
    let here = |path: &str| if place.path == path { " aria-current=\"page\"" } else { "" };
    let _ = write!(
        out,
        "<nav aria-label=\"Site\"><a class=\"name\" href=\"{up}index.html\"{}>rewardlab</a> ",
        here("index.html")
    );
    if place.has_transfer {
        let path = transfer::PATH;
        let _ = write!(out, "<a href=\"{up}{path}\"{}>Sim to real</a>", here(path));
    }
    out.push_str("</nav>\n</header>\n<main id=\"content\">\n");
    out.push_str(content);
    out.push_str(&beside(place, &up));
    let _ = write!(
        out,
        "</main>\n<footer class=\"site\"><p>Written by rewardlab {}. Measured values, intervals and verdicts are \
         computed from the rows of a run; formulas and notes are the words of the source file’s header.</p></footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    out
}

/// Links to the pages before and after.
fn beside(place: &Place, up: &str) -> String {
    if place.previous.is_none() && place.next.is_none() {
        return String::new();
    }
    let link = |beside: &Option<(String, String)>, rel: &str, word: &str| {
        beside.as_ref().map_or_else(
            || "<span></span>".to_owned(),
            |(path, title)| {
                format!("<a rel=\"{rel}\" href=\"{up}{}\"><small>{word}</small>{}</a>", escape(path), escape(title))
            },
        )
    };
    format!(
        "<nav class=\"beside\" aria-label=\"Neighbours\">{}{}</nav>\n",
        link(&place.previous, "prev", "← Previous"),
        link(&place.next, "next", "Next →")
    )
}

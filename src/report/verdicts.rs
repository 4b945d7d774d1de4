//! The verdict table in HTML: claims, theory and controls told apart. It folds into blocks where the page is narrow.

use super::html::{escape, verdict, with_papers};
use super::{Check, Kind, PaperNumber, short};
use std::fmt::Write;

/// What the kinds of checks are, said above each group.
fn heading(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Claim => ("Claims", "what the paper says, or whatever source is named"),
        Kind::Theory => ("Theory", "derived in this project, beside the paper’s own"),
        Kind::Control => {
            ("Controls", "conditions in which the effect must vanish; reproduced: they behaved as they must")
        }
    }
}

/// The table of an experiment's checks. A row's id is `anchor` and the check's; `discussed` says where its result is
/// discussed, as a link within the page, where it is.
pub(super) fn table(checks: &[Check], anchor: &str, discussed: impl Fn(&Check) -> Option<String>) -> String {
    let mut out = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Verdicts\">\n<table class=\"verdicts fold\">\n<thead><tr>\
         <th scope=\"col\">verdict</th><th scope=\"col\">statement</th><th scope=\"col\">measured [95%]</th>\
         <th scope=\"col\">criterion</th><th scope=\"col\">paper’s number</th><th scope=\"col\">why</th></tr></thead>\n",
    );
    for kind in [Kind::Claim, Kind::Theory, Kind::Control] {
        if !checks.iter().any(|c| c.kind == kind) {
            continue;
        }
        let (name, meaning) = heading(kind);
        let _ = writeln!(
            out,
            "<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"6\">{name} <small>{meaning}</small></th></tr>"
        );
        for check in checks.iter().filter(|c| c.kind == kind) {
            row(&mut out, check, anchor, discussed(check));
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n</div>\n");
    out
}

fn row(out: &mut String, check: &Check, anchor: &str, discussed: Option<String>) {
    let id = escape(&check.id);
    let why = discussed.map_or_else(String::new, |link| format!(" <a href=\"{}\">Discussed</a>.", escape(&link)));
    let _ = writeln!(
        out,
        "<tr id=\"{}{id}\"><td data-label=\"verdict\">{}</td>\
         <td data-label=\"statement\">{}<small><code>{id}</code>: {}; n\u{a0}=\u{a0}{}. {}.</small></td>\
         <td data-label=\"measured [95%]\" class=\"value\">{}</td><td data-label=\"criterion\" class=\"whole\">{}</td>\
         <td data-label=\"paper’s number\" class=\"value\">{}</td><td data-label=\"why\">{}{why}</td></tr>",
        escape(anchor),
        verdict(check.verdict()),
        escape(&check.statement),
        escape(&check.statistic),
        check.estimate.n,
        source(check.source.trim_end_matches('.')),
        value(&check.shown_estimate()),
        escape(&check.criterion.to_string().replace('-', "−")),
        paper(check.paper),
        escape(&check.reason().replace(" -", " −")),
    );
}

/// What is derived has no source elsewhere.
fn source(text: &str) -> String {
    match text.strip_prefix("derived") {
        Some(rest) => format!("Derived here{}", with_papers(rest)),
        None => format!("Source: {}", with_papers(text)),
    }
}

/// A value and its interval, with a real minus sign; it may break before the interval, and nowhere else.
pub(super) fn value(text: &str) -> String {
    let text = escape(&text.replace('-', "−"));
    match text.split_once(" [") {
        Some((value, range)) => format!("<b>{value}</b> <span class=\"whole\">[{range}</span>"),
        None => format!("<b>{text}</b>"),
    }
}

fn paper(number: Option<PaperNumber>) -> String {
    match number {
        None => "<span class=\"nothing\">—</span>".into(),
        Some(PaperNumber::Confirmed(x)) => short(x).replace('-', "−"),
        Some(PaperNumber::SecondHand(x)) => {
            format!("{} <small>reported second-hand</small>", short(x).replace('-', "−"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Criterion;
    use crate::stats::{Estimate, Method};

    #[test]
    fn kinds_are_told_apart_and_second_hand_numbers_say_so() {
        let estimate = Estimate { value: 0.5, low: 0.25, high: 0.75, n: 5, method: Method::Bootstrap };
        let check =
            |kind, id: &str| Check::new(kind, id, "<i>s</i>", "Table 1", "x & y", estimate, Criterion::AtLeast(0.5));
        let checks = [
            check(Kind::Control, "c"),
            check(Kind::Claim, "a").paper(PaperNumber::SecondHand(0.7)),
            check(Kind::Claim, "b").paper(PaperNumber::Confirmed(0.6)),
        ];
        let html = table(&checks, "check-", |c| (c.id == "a").then(|| "#note-a".to_owned()));
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not in {html}"));
        assert!(
            place("Claims <small>") < place("id=\"check-a\"") && place("id=\"check-b\"") < place("Controls <small>")
        );
        assert!(place("Controls <small>") < place("id=\"check-c\"") && !html.contains("Theory"));
        assert!(html.contains("0.7 <small>reported second-hand</small>") && html.contains(">0.6</td>"));
        assert!(html.contains("&lt;i&gt;s&lt;/i&gt;") && html.contains("x &amp; y"));
        assert!(html.contains("<b>0.5</b> <span class=\"whole\">[0.25, 0.75]</span>"));
        assert_eq!(html.matches("href=\"#note-a\"").count(), 1);
        assert_eq!(source("derived; dynamic programming"), "Derived here; dynamic programming");
        assert_eq!(source("Table 1"), "Source: Table 1");
    }
}

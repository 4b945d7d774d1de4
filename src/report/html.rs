//! What all pages of HTML share: the style sheet, escaping, links to papers, how a verdict looks.

use super::{Tally, Verdict};
use std::fmt::Write;

/// The one style sheet: beside the pages of a site, inside the self-contained page.
pub(super) const STYLE: &str = include_str!("style.css");

/// Text as HTML, also inside a double-quoted attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text as HTML in which the numbers of papers on arXiv are links to them.
pub(super) fn with_papers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((at, length)) = paper_number(rest) {
        let number = &rest[at..at + length];
        let from = if rest[..at].ends_with("arXiv:") { at - "arXiv:".len() } else { at };
        out.push_str(&escape(&rest[..from]));
        let _ = write!(out, "<a href=\"https://arxiv.org/abs/{number}\">{}</a>", &rest[from..at + length]);
        rest = &rest[at + length..];
    }
    out.push_str(&escape(rest));
    out
}

/// Where the first number of the form YYMM.NNNN or YYMM.NNNNN stands, and how long it is.
fn paper_number(text: &str) -> Option<(usize, usize)> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let mut at = 0;
    while let Some(start) = text[at..].find(is_part).map(|i| at + i) {
        let end = text[start..].find(|c: char| !is_part(c)).map_or(text.len(), |i| start + i);
        let word = text[start..end].trim_end_matches('.');
        let is_number = word.split_once('.').is_some_and(|(month, paper)| {
            let is_month = month.len() == 4 && month[2..].parse().is_ok_and(|m: u8| (1..=12).contains(&m));
            is_month && (4..=5).contains(&paper.len()) && !paper.contains('.')
        });
        if is_number && !text[..start].ends_with(|c: char| c.is_alphanumeric()) {
            return Some((start, word.len()));
        }
        at = end;
    }
    None
}

/// A path that may break after each folder.
pub(super) fn path(path: &str) -> String {
    escape(path).replace('/', "/<wbr>")
}

/// A text that starts as a sentence does, unless it starts with a symbol.
pub(super) fn sentence(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default().trim_end_matches([',', ':', ';']);
    let is_word = first.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'));
    let mut letters = text.chars();
    match letters.next() {
        Some(letter) if is_word => letter.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// A verdict by symbol and word; colour only adds to them.
pub(super) fn verdict(verdict: Verdict) -> String {
    format!(
        "<span class=\"verdict {verdict}\"><span aria-hidden=\"true\">{}</span>\u{a0}{verdict}</span>",
        verdict.symbol()
    )
}

/// How many ended how, in words.
pub(super) fn tally(tally: Tally) -> String {
    tally
        .counts()
        .map(|(count, verdict)| {
            format!(
                "<span class=\"count {verdict}\"><span aria-hidden=\"true\">{}</span>\u{a0}{count}\u{a0}{verdict}</span>",
                verdict.symbol()
            )
        })
        .join(" ")
}

/// How many theory checks and controls came out as they must, and what became of the others.
pub(super) fn met(tally: Tally) -> String {
    let all = tally.reproduced + tally.refuted + tally.inconclusive;
    if all == 0 {
        return "<span class=\"nothing\">—</span>".into();
    }
    let others = tally.counts().into_iter().skip(1).filter(|(count, _)| *count > 0);
    let others = others.map(|(count, verdict)| format!("{count}\u{a0}{verdict}")).collect::<Vec<_>>().join(", ");
    let others = if others.is_empty() { others } else { format!("<small>{others}</small>") };
    format!("{}\u{a0}of\u{a0}{all}{others}", tally.reproduced)
}

/// How many ended how, as three cells of a table whose header names the verdicts.
pub(super) fn tally_cells(tally: Tally) -> String {
    tally
        .counts()
        .map(|(count, verdict)| {
            let none = if count == 0 { " none" } else { "" };
            format!(
                "<td class=\"number\" data-label=\"{verdict}\"><span class=\"count {verdict}{none}\"><span aria-hidden=\"true\">{}</span>\u{a0}{count}</span></td>",
                verdict.symbol()
            )
        })
        .concat()
}

/// The header of these three cells.
pub(super) fn tally_header() -> String {
    Verdict::ALL.map(|v| format!("<th scope=\"col\" class=\"number\">{v}</th>")).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_become_markup() {
        assert_eq!(escape("<b a=\"x\">&</b>"), "&lt;b a=&quot;x&quot;&gt;&amp;&lt;/b&gt;");
        assert_eq!(with_papers("a<b, arXiv:x<y>"), "a&lt;b, arXiv:x&lt;y&gt;");
    }

    #[test]
    fn numbers_of_papers_are_links_and_nothing_else_is() {
        assert_eq!(
            with_papers("Razin et al., arXiv:2310.20703; 0.1234, 2305., 2313.12345, x2310.12345"),
            "Razin et al., <a href=\"https://arxiv.org/abs/2310.20703\">arXiv:2310.20703</a>; 0.1234, 2305., 2313.12345, \
             x2310.12345"
        );
        assert!(with_papers("see 1909.08593.").ends_with("\">1909.08593</a>."));
        assert_eq!(with_papers("π = 3.14, 1e4"), "π = 3.14, 1e4");
    }

    #[test]
    fn sentences_start_with_a_capital_and_symbols_stay() {
        assert_eq!(sentence("a claim holds"), "A claim holds");
        assert_eq!(sentence("k1, k2 estimate"), "k1, k2 estimate");
        assert_eq!((sentence(""), sentence("it's so")), (String::new(), "It's so".into()));
    }
}

//! What all pages of HTML share: the style sheet, escaping, links to papers, how a verdict looks.

use super::{Tally, Verdict};

/// The one style sheet: beside the pages of a site, inside the self-contained page.
pub(super) const STYLE: &str = include_str!("style.css");

/// Text as HTML, also inside a double-quoted attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text as HTML in which every `arXiv:NNNN.NNNNN` is a link to the paper.
pub(super) fn with_papers(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("arXiv:") {
        let (before, from) = rest.split_at(at);
        let digits = &from["arXiv:".len()..];
        let length = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let number = digits[..length].trim_end_matches('.');
        let whole = &from[.."arXiv:".len() + number.len()];
        out.push_str(&escape(before));
        if number.split_once('.').is_some_and(|(year, paper)| year.len() == 4 && paper.len() >= 4) {
            out.push_str(&format!("<a href=\"https://arxiv.org/abs/{number}\">{whole}</a>"));
        } else {
            out.push_str(&escape(whole));
        }
        rest = &from[whole.len()..];
    }
    out.push_str(&escape(rest));
    out
}

/// A text that starts as a sentence does.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
            with_papers("Razin et al., arXiv:2310.20703, arXiv:2305."),
            "Razin et al., <a href=\"https://arxiv.org/abs/2310.20703\">arXiv:2310.20703</a>, arXiv:2305."
        );
        assert!(with_papers("see arXiv:2310.20703.").ends_with("arXiv:2310.20703</a>."));
    }
}

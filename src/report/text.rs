//! The verdict table for a terminal.

use super::{Judged, Tally, Verdict};
use std::fmt::Write;

/// One block per experiment, one line per check, and the tally.
pub fn text(judged: &[Judged], width: usize) -> String {
    let mut out = String::new();
    for j in judged {
        let _ = writeln!(out, "\n{}  ({})", j.id, j.paper);
        for failure in &j.failures {
            let _ = writeln!(out, "  ! failed: {failure}");
        }
        for check in &j.checks {
            let mark = check.verdict().symbol();
            let left = format!("  {mark} {:<12} {:<7} {}", check.verdict(), check.kind.name(), check.id);
            let paper = check.paper.map(|_| format!("; paper {}", check.shown_paper())).unwrap_or_default();
            let right = format!("{}, wants {}{paper}", check.shown_estimate(), check.criterion);
            let _ = writeln!(out, "{left:<58} {right}");
            if check.verdict() != Verdict::Reproduced {
                for line in wrap(&format!("{} — {}", check.statement, check.statistic), width.saturating_sub(26)) {
                    let _ = writeln!(out, "{:26}{line}", "");
                }
            }
        }
    }
    let Tally { reproduced, refuted, inconclusive } = Tally::of(judged.iter().flat_map(|j| &j.checks));
    let _ = writeln!(
        out,
        "\n{reproduced} reproduced, {refuted} refuted, {inconclusive} inconclusive, in {} experiments",
        judged.len()
    );
    out
}

/// Lines of whole words, none longer than `width` (of at least 20) unless a word is.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("never empty");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width.max(20) {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

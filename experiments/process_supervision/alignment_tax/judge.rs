//! Right answers, and right answers by wrong steps.

use super::{Chooser, Row};
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::mean_interval;

/// A column of the writer or of what it learned from.
type Column = (&'static str, fn(&Row) -> f64);

const CHOSEN_TAINTED: Column = ("share of chosen right answers with a wrong step", |r| r.chosen_tainted);
const TAINTED: Column = ("share of held-out right answers with a wrong step", |r| r.tainted);
const RIGHT: Column = ("share of held-out right answers", |r| r.right);
const FORGIVEN: Column = ("share of readable held-out solutions with a wrong step that end right", |r| {
    (r.right - r.sound) / (r.readable - r.sound)
});

fn words(chooser: Chooser) -> &'static str {
    match chooser {
        Chooser::Answer => "random right answers",
        Chooser::Steps => "oracle of steps",
        other => other.name(),
    }
}

/// A column after one chooser less the same after another, paired by seed.
fn less(
    rows: &[Record<Row>],
    (kind, id): (Kind, &str),
    statement: &str,
    source: &str,
    (what, of): Column,
    [one, other]: [Chooser; 2],
    criterion: Criterion,
) -> Check {
    let units = by_seed(rows.iter(), |g| {
        let at = |chooser: Chooser| g.iter().find(|r| r.chooser == chooser.name()).map_or(f64::NAN, |r| of(r));
        at(one) - at(other)
    });
    let statistic = format!("{what}: {} less {}", words(one), words(other));
    Check::new(kind, id, statement, source, statistic, mean_interval(&units), criterion)
}

pub(super) fn check(rows: &[Record<Row>]) -> Vec<Check> {
    use Chooser::{Answer, Nobody, Outcome, Process, Steps};
    let paper = "arXiv:2305.20050, discussion (reported second-hand); criterion ours";
    let (ours, after) = ("our question", "our question, after a run");
    let above = |kind, id: &str, source: &str, statement: &str, column, arms| {
        less(rows, (kind, id), statement, source, column, arms, Criterion::AtLeast(0.0))
    };
    [
        above(
            Kind::Claim,
            "chosen_sound",
            paper,
            "what the process verifier chose has fewer right answers by wrong steps than what the outcome verifier chose",
            CHOSEN_TAINTED,
            [Outcome, Process],
        ),
        above(
            Kind::Claim,
            "sounder",
            paper,
            "finetuned on it the writer has fewer right answers by wrong steps",
            TAINTED,
            [Outcome, Process],
        ),
        above(
            Kind::Claim,
            "negative_tax",
            paper,
            "and at least as many right answers: the alignment tax is negative",
            RIGHT,
            [Process, Outcome],
        ),
        above(
            Kind::Theory,
            "answers_raise_taint",
            ours,
            "finetuned on right answers the writer reaches more of its right answers by wrong steps than before",
            TAINTED,
            [Answer, Nobody],
        ),
        above(
            Kind::Theory,
            "outcome_raises_taint",
            ours,
            "and so when an outcome verifier chose",
            TAINTED,
            [Outcome, Nobody],
        ),
        above(
            Kind::Theory,
            "fewer_are_forgiven",
            after,
            "not only because the writer errs less: of its solutions with a wrong step fewer end right",
            FORGIVEN,
            [Outcome, Process],
        ),
        above(
            Kind::Theory,
            "tax_against_answers",
            after,
            "and there are as many right answers as after finetuning on right answers at random, which needs no verifier",
            RIGHT,
            [Process, Answer],
        ),
        above(
            Kind::Theory,
            "oracle_is_soundest",
            ours,
            "the process verifier's choice makes the writer no sounder than that of who sees the steps",
            TAINTED,
            [Process, Steps],
        ),
    ]
    .into_iter()
    .chain(controls(rows))
    .collect()
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let readable = by_seed(rows.iter().filter(|r| r.chooser == Chooser::Nobody.name()), |g| g[0].readable);
    let alike = |id: &str, statement: &str, column| {
        let arms = [Chooser::Random, Chooser::Nobody];
        less(rows, (Kind::Control, id), statement, "control", column, arms, Criterion::near(0.0, 0.02))
    };
    vec![
        Check::new(
            Kind::Claim,
            "format_first",
            "the format finetuning makes solutions readable",
            "arXiv:2305.20050, generator (reported second-hand); criterion ours",
            "share of held-out solutions in the right format after the format finetuning",
            mean_interval(&readable),
            Criterion::AtLeast(0.9),
        ),
        alike("random_right", "finetuned on random choices the writer has as many right answers as before", RIGHT),
        alike("random_tainted", "and reaches as many of them by wrong steps", TAINTED),
    ]
}

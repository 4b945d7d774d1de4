//! Right answers, and right answers by wrong steps.

use super::{Chooser, Row};
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::mean_interval;

/// A column after one chooser less the same after another, per seed.
fn less(rows: &[Record<Row>], (one, other): (&str, &str), of: fn(&Row) -> f64) -> Vec<f64> {
    by_seed(rows.iter(), |g| {
        let at = |name: &str| g.iter().find(|r| r.chooser == name).map_or(f64::NAN, |r| of(r));
        at(one) - at(other)
    })
}

fn check_of(
    kind: Kind,
    id: &str,
    statement: &str,
    source: &str,
    statistic: &str,
    values: Vec<f64>,
    criterion: Criterion,
) -> Check {
    Check::new(kind, id, statement, source, statistic, mean_interval(&values), criterion)
}

pub(super) fn check(rows: &[Record<Row>]) -> Vec<Check> {
    let paper = "arXiv:2305.20050, discussion (reported second-hand); criterion ours";
    let [process, outcome, answer, steps] =
        [Chooser::Process, Chooser::Outcome, Chooser::Answer, Chooser::Steps].map(Chooser::name);
    vec![
        check_of(
            Kind::Claim,
            "chosen_sound",
            "what the process verifier chose has fewer right answers by wrong steps than what the outcome verifier chose",
            paper,
            "share of chosen right answers with a wrong step: outcome less process",
            less(rows, (outcome, process), |r| r.chosen_tainted),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Claim,
            "sounder",
            "finetuned on it the writer has fewer right answers by wrong steps",
            paper,
            "share of held-out right answers with a wrong step: outcome less process",
            less(rows, (outcome, process), |r| r.tainted),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Claim,
            "negative_tax",
            "and at least as many right answers: the alignment tax is negative",
            paper,
            "share of held-out right answers: process less outcome",
            less(rows, (process, outcome), |r| r.right),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Theory,
            "answers_raise_taint",
            "finetuned on right answers the writer reaches more of its right answers by wrong steps than before",
            "our question",
            "share of held-out right answers with a wrong step: random right answers less before",
            less(rows, (answer, "before"), |r| r.tainted),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Theory,
            "outcome_raises_taint",
            "and so when an outcome verifier chose",
            "our question",
            "share of held-out right answers with a wrong step: outcome less before",
            less(rows, (outcome, "before"), |r| r.tainted),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Theory,
            "fewer_are_forgiven",
            "not only because the writer errs less: of its solutions with a wrong step fewer end right",
            "our question, after a run",
            "share of readable held-out solutions with a wrong step that end right: outcome less process",
            less(rows, (outcome, process), |r| (r.right - r.sound) / (r.readable - r.sound)),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Theory,
            "tax_against_answers",
            "and there are as many right answers as after finetuning on right answers at random, which needs no verifier",
            "our question, after a run",
            "share of held-out right answers: process less random right answers",
            less(rows, (process, answer), |r| r.right),
            Criterion::AtLeast(0.0),
        ),
        check_of(
            Kind::Theory,
            "oracle_is_soundest",
            "the process verifier's choice makes the writer no sounder than that of who sees the steps",
            "our question",
            "share of held-out right answers with a wrong step: process less oracle of steps",
            less(rows, (process, steps), |r| r.tainted),
            Criterion::AtLeast(0.0),
        ),
    ]
    .into_iter()
    .chain(controls(rows))
    .collect()
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let random = Chooser::Random.name();
    vec![
        check_of(
            Kind::Claim,
            "format_first",
            "the format finetuning makes solutions readable",
            "arXiv:2305.20050, generator (reported second-hand); criterion ours",
            "share of held-out solutions in the right format after the format finetuning",
            by_seed(rows.iter().filter(|r| r.chooser == "before"), |g| g[0].readable),
            Criterion::AtLeast(0.9),
        ),
        check_of(
            Kind::Control,
            "random_right",
            "finetuned on random choices the writer has as many right answers as before",
            "control",
            "share of held-out right answers: random less before",
            less(rows, (random, "before"), |r| r.right),
            Criterion::near(0.0, 0.02),
        ),
        check_of(
            Kind::Control,
            "random_tainted",
            "and reaches as many of them by wrong steps",
            "control",
            "share of held-out right answers with a wrong step: random less before",
            less(rows, (random, "before"), |r| r.tainted),
            Criterion::near(0.0, 0.02),
        ),
    ]
}

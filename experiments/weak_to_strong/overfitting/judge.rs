//! Best, early-stopped and last.

use super::Row;
use crate::statistics::{by_seed, largest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean_interval, paired_difference};

const FIGURE: &str = "arXiv:2312.09390, Figures 7 and 13";

/// Accuracies of one seed's run.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) best: f64,
    /// At the time of the largest agreement with the teacher.
    pub(super) stopped: f64,
    pub(super) last: f64,
    /// At the first time after the start.
    first: f64,
    /// Where the best is, as a share of the grid.
    place: f64,
}

/// Rows of one seed, size and kind of labels, in the order of time.
pub(super) fn run(g: &[&Record<Row>]) -> Run {
    let at = |value: fn(&Row) -> f64| {
        let better = |best: usize, i: usize| if value(&g[i].row) > value(&g[best].row) { i } else { best };
        (0..g.len()).fold(0, better)
    };
    let best = at(|r| r.accuracy);
    Run {
        best: g[best].accuracy,
        stopped: g[at(|r| r.agreement)].accuracy,
        last: g[g.len() - 1].accuracy,
        first: g[0].accuracy,
        place: best as f64 / (g.len() - 1).max(1) as f64,
    }
}

pub(super) fn of<'a>(rows: &'a [Record<Row>], labels: &'a str, size: usize) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.labels == labels && r.size == size)
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let least = rows.iter().map(|r| r.size).min().unwrap_or(0);
    let most = rows.iter().map(|r| r.size).max().unwrap_or(0);
    let of_runs = |labels, size, value: fn(Run) -> f64| by_seed(of(rows, labels, size), |g| value(run(g)));
    let claim = |id: &str, statement: &str, statistic: String, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, FIGURE, statistic, estimate, criterion)
    };
    let control = |id: &str, statement: &str, statistic: String, estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    let lost = |size| of_runs("weak", size, |r| r.best - r.last);
    vec![
        claim(
            "interior_maximum",
            "true accuracy has its maximum inside the run",
            format!("place of the maximum at size {most}, share of the grid of log time, by seed"),
            mean_interval(&of_runs("weak", most, |r| r.place)),
            Criterion::Within(0.05, 0.95),
        ),
        claim(
            "rises",
            "before the maximum accuracy rises",
            format!("best less at the start, size {most}, by seed"),
            mean_interval(&of_runs("weak", most, |r| r.best - r.first)),
            Criterion::AtLeast(0.05),
        ),
        claim(
            "declines",
            "after the maximum accuracy declines",
            format!("best less last, size {most}, by seed"),
            mean_interval(&lost(most)),
            Criterion::AtLeast(0.02),
        ),
        claim(
            "more_for_larger_gaps",
            "more is lost where the gap is larger",
            format!("best less last: at size {most} less at size {least}, by seed"),
            paired_difference(&lost(most), &lost(least)),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Theory,
            "agreement_does_not_find_it",
            "early stopping by agreement with held-out weak labels does not find the best",
            "derived",
            format!("best less early-stopped, size {most}, by seed"),
            mean_interval(&of_runs("weak", most, |r| r.best - r.stopped)),
            Criterion::AtLeast(0.02),
        ),
        control(
            "true_labels",
            "on true labels much less is lost by going on",
            format!("best less last: on true labels less a fifth of that on weak ones, size {most}, by seed"),
            paired_difference(
                &of_runs("true", most, |r| r.best - r.last),
                &of_runs("weak", most, |r| 0.2 * (r.best - r.last)),
            ),
            Criterion::AtMost(0.0),
        ),
        control(
            "descent_is_its_closed_form",
            "gradient descent is its closed form",
            "largest ‖descent − closed form‖ / ‖closed form‖ over sizes and seeds".into(),
            largest(rows.iter().filter_map(|r| r.descent_error)),
            Criterion::AtMost(1e-9),
        ),
        control(
            "descent_tends_to_the_flow",
            "gradient descent tends to the flow as its steps shrink",
            "distance to the flow with steps η over that with η/2, mean over sizes, by seed".into(),
            mean_interval(&by_seed(rows.iter().filter(|r| r.step_ratio.is_some()), |g| {
                g.iter().filter_map(|r| r.step_ratio).sum::<f64>() / g.len() as f64
            })),
            Criterion::Within(1.9, 2.1),
        ),
    ]
}

//! Weak, student and ceiling over a ladder: the figure that the paper has for every domain, and PGR over seeds.

use crate::statistics::{banded, intervals, log_axis};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::plot::{Axis, Layer, Panel, Stroke};
use rewardlab::stats::{Estimate, mean};
use std::collections::BTreeSet;

/// A run: one teacher, one student, their scores (over tasks: their means).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    /// The teacher's and the student's level in the ladder, from 0.
    pub(crate) levels: (usize, usize),
    /// The student's size (parameters), for the axis.
    pub(crate) size: f64,
    pub(crate) scores: Scores,
}

/// The mean scores of the runs of each seed, in the order of seeds: tasks of a seed are not independent runs.
pub(crate) fn per_seed(runs: impl IntoIterator<Item = Run>) -> Vec<Scores> {
    let runs: Vec<Run> = runs.into_iter().collect();
    let seeds: BTreeSet<u64> = runs.iter().map(|r| r.seed).collect();
    let of = |seed: u64| {
        let own = || runs.iter().filter(move |r| r.seed == seed);
        let over = |value: fn(&Scores) -> f64| mean(&own().map(|r| value(&r.scores)).collect::<Vec<_>>());
        Scores { weak: over(|s| s.weak), student: over(|s| s.student), ceiling: over(|s| s.ceiling) }
    };
    seeds.into_iter().map(of).collect()
}

/// PGR over seeds of mean scores: what the runs recover of their mean gap, with Fieller's interval.
pub(crate) fn pgr(runs: impl IntoIterator<Item = Run>) -> Estimate {
    gap_recovered(&per_seed(runs))
}

/// PGR of each seed alone, of its mean scores; NaN where there is no gap.
pub(crate) fn pgr_by_seed(runs: impl IntoIterator<Item = Run>) -> Vec<f64> {
    per_seed(runs).iter().map(|s| s.recovered(0.0).unwrap_or(f64::NAN)).collect()
}

/// Accuracy (or another score) against student size, a line per teacher and the ceiling dashed, and PGR under it. `names`: of the
/// levels, for the legend.
pub(crate) fn panels(runs: &[Run], names: &[String], x: &str, y: &str) -> [Panel; 2] {
    let teachers: BTreeSet<usize> = runs.iter().map(|r| r.levels.0).collect();
    let mut lines = Vec::new();
    let mut recovered = Vec::new();
    // over tasks first, so that the band is over seeds
    let seeds: BTreeSet<u64> = runs.iter().map(|r| r.seed).collect();
    let points = |inside: &dyn Fn(&Run) -> bool, value: fn(&Scores) -> f64| {
        let students: BTreeSet<usize> = runs.iter().filter(|r| inside(r)).map(|r| r.levels.1).collect();
        let mut points = Vec::new();
        for student in students {
            for seed in &seeds {
                let own: Vec<&Run> =
                    runs.iter().filter(|r| r.seed == *seed && r.levels.1 == student && inside(r)).collect();
                if let Some(first) = own.first() {
                    points.push((first.size, mean(&own.iter().map(|r| value(&r.scores)).collect::<Vec<_>>())));
                }
            }
        }
        intervals(points)
    };
    lines.extend(banded("ceiling (truth)", &points(&|_| true, |s| s.ceiling), Stroke::Dashed));
    for teacher in teachers {
        let name = format!("teacher {}", names[teacher]);
        lines.extend(banded(&name, &points(&|r| r.levels.0 == teacher, |s| s.student), Stroke::Solid));
        let students: BTreeSet<usize> = runs.iter().filter(|r| r.levels.0 == teacher).map(|r| r.levels.1).collect();
        let mut curve = Vec::new();
        for student in students.into_iter().filter(|s| *s > teacher) {
            let own = || runs.iter().filter(move |r| r.levels == (teacher, student)).copied();
            let e = pgr(own());
            if let (Some(run), false) = (own().next(), e.value.is_nan()) {
                let (low, high) = if e.low.is_nan() { (e.value, e.value) } else { (e.low, e.high) };
                curve.push((run.size, e.value, low, high));
            }
        }
        recovered.extend(banded(&name, &curve, Stroke::Solid));
    }
    let ends = |y: f64| {
        let sizes = runs.iter().map(|r| r.size);
        let (low, high) = (sizes.clone().fold(f64::INFINITY, f64::min), sizes.fold(0.0, f64::max));
        vec![(low, y), (high, y)]
    };
    recovered.push(Layer::Reference { label: "all of the gap".into(), points: ends(1.0) });
    recovered.push(Layer::Reference { label: "none".into(), points: ends(0.0) });
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    [
        Panel { title: "Students of weak teachers".into(), x: log_axis(x), y: axis(y), layers: lines },
        Panel {
            title: "Performance gap recovered".into(),
            x: log_axis(x),
            y: axis("PGR (95%, Fieller)"),
            layers: recovered,
        },
    ]
}

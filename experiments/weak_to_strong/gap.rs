//! Weak, student and ceiling over a ladder: the figure that the paper has for every domain, and PGR over seeds.

use crate::statistics::{banded, intervals, log_axis};
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::plot::{Axis, Layer, Panel, Stroke};
use rewardlab::stats::{Estimate, mean, mean_interval};
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

/// The gain of one student over another in the place of its gain over their teacher: PGR of these is the difference of the two students'.
pub(crate) fn lead(weak: f64, [student, other]: [f64; 2], ceiling: f64) -> Scores {
    Scores { weak, student: weak + student - other, ceiling }
}

/// PGR over seeds of mean scores: what the runs recover of their mean gap, with Fieller's interval.
pub(crate) fn pgr(runs: impl IntoIterator<Item = Run>) -> Estimate {
    gap_recovered(&per_seed(runs))
}

/// The difference of two PGRs, each of the means over the same seeds; jackknife over these, for PGR is a ratio of means.
pub(crate) fn pgr_difference(one: &[Scores], other: &[Scores]) -> Estimate {
    let without = |runs: &[Scores], left: Option<usize>| {
        let kept = || runs.iter().enumerate().filter(|(i, _)| Some(*i) != left).map(|(_, s)| s);
        let (gain, gap) = (kept().map(Scores::gain).sum::<f64>(), kept().map(Scores::gap).sum::<f64>());
        if gap > 0.0 { gain / gap } else { f64::NAN }
    };
    if one.len() != other.len() {
        return mean_interval(&[]);
    }
    let n = one.len() as f64;
    let whole = without(one, None) - without(other, None);
    let parts = (0..one.len()).map(|i| n * whole - (n - 1.0) * (without(one, Some(i)) - without(other, Some(i))));
    mean_interval(&parts.collect::<Vec<_>>())
}

/// The axis of PGR. An interval stretches it by no more than the spread of the values, or a quarter: those of narrow gaps have next to no end.
/// Where one is cut the label says so. `marks`: other values that the panel shows.
pub(crate) fn recovered_axis(points: &[(f64, f64, f64, f64)], marks: &[f64]) -> Axis {
    let label = "PGR (95%, Fieller)";
    let values = points.iter().map(|p| p.1).chain(marks.iter().copied());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let room = (high - low).max(0.25);
    let (least, most) = (low - room, high + room);
    if !points.iter().any(|p| p.2 < least || p.3 > most) {
        return Axis { label: label.into(), ..Axis::default() };
    }
    let farthest_low = points.iter().fold(low, |end, p| end.min(p.2)).max(least);
    let farthest_high = points.iter().fold(high, |end, p| end.max(p.3)).min(most);
    let margin = 0.04 * (farthest_high - farthest_low);
    Axis {
        label: format!("{label}; long intervals are cut"),
        range: Some((farthest_low - margin, farthest_high + margin)),
        ..Axis::default()
    }
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
    let (mut recovered, mut recovered_points) = (Vec::new(), Vec::new());
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
        recovered_points.extend(curve);
    }
    let ends = |y: f64| {
        let sizes = runs.iter().map(|r| r.size);
        let (low, high) = (sizes.clone().fold(f64::INFINITY, f64::min), sizes.fold(0.0, f64::max));
        vec![(low, y), (high, y)]
    };
    recovered.push(Layer::Reference { label: "all of the gap".into(), points: ends(1.0) });
    recovered.push(Layer::Reference { label: "none".into(), points: ends(0.0) });
    let scores = Axis { label: y.into(), ..Axis::default() };
    [
        Panel { title: "Students of weak teachers".into(), x: log_axis(x), y: scores, layers: lines },
        Panel {
            title: "Performance gap recovered".into(),
            x: log_axis(x),
            y: recovered_axis(&recovered_points, &[0.0, 1.0]),
            layers: recovered,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(weak: f64, student: f64, ceiling: f64) -> Scores {
        Scores { weak, student, ceiling }
    }

    #[test]
    fn differences_are_of_ratios_of_means() {
        let one = [scores(0.5, 0.7, 0.9), scores(0.5, 0.6, 0.7), scores(0.4, 0.6, 0.8)];
        assert!(pgr_difference(&one, &one).value.abs() < 1e-12);
        // a ratio that is the same whoever is left out: the jackknife is exact
        let half = one.map(|s| scores(s.weak, s.weak + 0.5 * s.gap(), s.ceiling));
        let fifth = one.map(|s| scores(s.weak, s.weak + 0.2 * s.gap(), s.ceiling));
        let e = pgr_difference(&half, &fifth);
        assert!((e.value - 0.3).abs() < 1e-12 && (e.high - e.low).abs() < 1e-9, "{e:?}");
        assert!(pgr_difference(&one, &one[1..]).value.is_nan() && pgr_difference(&[], &[]).value.is_nan());
    }

    #[test]
    fn one_long_interval_does_not_squeeze_the_rest() {
        let short = [(1.0, 0.1, 0.0, 0.2), (2.0, -0.1, -0.3, 0.1)];
        assert_eq!(recovered_axis(&short, &[0.0]).range, None);
        let long = [(1.0, 0.1, 0.0, 0.2), (2.0, -0.1, -9.0, f64::INFINITY)];
        let axis = recovered_axis(&long, &[0.0]);
        let (low, high) = axis.range.expect("cut");
        assert!((-0.42..-0.34).contains(&low) && (0.34..0.42).contains(&high), "{low} {high}");
        assert!(axis.label.ends_with("are cut"));
    }
}

//! V along two Grows, and the gain by the second one.

use super::Row;
use crate::statistics::{means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};
use std::collections::BTreeSet;

/// Without sampling error last.
fn numbers(rows: &[Record<Row>]) -> Vec<Option<usize>> {
    let some: BTreeSet<usize> = rows.iter().filter_map(|r| r.candidates).collect();
    some.into_iter().map(Some).chain([None]).collect()
}

fn name(candidates: Option<usize>) -> String {
    candidates.map_or("no sampling error".into(), |n| format!("{n} candidates"))
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of = |world: &str| rows.iter().filter(|r| r.world == world).cloned().collect::<Vec<_>>();
    let (rows, translation) = (&of("strings")[..], of("translation"));
    let steps = 1 + rows.iter().map(|r| r.improve).max().unwrap_or(0);
    let line = |policy: &str, candidates: Option<usize>| {
        let own = rows.iter().filter(|r| r.policy == policy && r.candidates == candidates && r.grow > 0);
        let at = |r: &Row| ((r.grow - 1) * steps + r.improve) as f64;
        Layer::Line {
            series: name(candidates),
            points: means(&summary(own.map(|r| (at(r), r.value)))),
            stroke: Stroke::Solid,
            markers: true,
        }
    };
    let second = || Layer::Vertical { label: "second Grow".into(), x: steps as f64 - 0.5 };
    let curves = |policy: &str| numbers(rows).into_iter().map(|n| line(policy, n)).chain([second()]).collect();
    let tasks: Vec<&str> = rows.iter().map(|r| &*r.task).collect::<BTreeSet<_>>().into_iter().collect();
    let gain = |policy: &str, candidates: Option<usize>, task: &str, seed: u64| {
        let last = |grow: usize| {
            let own = |r: &&Record<Row>| {
                (&*r.policy, r.candidates, &*r.task, r.seed, r.grow) == (policy, candidates, task, seed, grow)
            };
            rows.iter().filter(own).max_by_key(|r| r.improve).map_or(f64::NAN, |r| r.value)
        };
        last(2) - last(1)
    };
    let bars = |candidates: Option<usize>| {
        let bar = |(at, policy): (usize, &str)| {
            let of_seed =
                |seed: u64| mean(&tasks.iter().map(|t| gain(policy, candidates, t, seed)).collect::<Vec<_>>());
            let all = mean_interval(&seeds(rows).into_iter().map(of_seed).collect::<Vec<_>>());
            (at, all.value, all.low, all.high)
        };
        Layer::Bars {
            series: name(candidates),
            bars: ["product", "tabular"].into_iter().enumerate().map(bar).collect(),
        }
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let walk = || axis("step: I = 0, 1, … of the first Grow, then of the second");
    Chart {
        title: "What a second Grow adds".into(),
        subtitle: format!(
            "Strings: V exact, means over three tasks and {} seeds (bars: with 95% t intervals). Translation: a transformer, mean chrF of \
             samples on test sources, {} seeds, bands from the lowest to the highest; dashed: a second chain on the first Grow's data. Each Grow draws its candidates anew; both take the \
             same thresholds behind I = 0, which is unfiltered.",
            seeds(rows).len(),
            seeds(&translation).len()
        ),
        panels: vec![
            Panel {
                title: "Strings: product policy".into(),
                x: walk(),
                y: axis("V, expected reward"),
                layers: curves("product"),
            },
            Panel {
                title: "Strings: tabular policy".into(),
                x: walk(),
                y: axis("V, expected reward"),
                layers: curves("tabular"),
            },
            sets(&translation),
            Panel {
                title: "Strings: what the second Grow adds".into(),
                x: Axis {
                    label: "policy".into(),
                    categories: vec!["product".into(), "tabular".into()],
                    ..Axis::default()
                },
                y: axis("gain of V"),
                layers: numbers(rows).into_iter().map(bars).collect(),
            },
        ],
        columns: 2,
    }
}

/// The walk of a transformer on each data set.
fn sets(rows: &[Record<Row>]) -> Panel {
    let steps = 1 + rows.iter().map(|r| r.improve).max().unwrap_or(0);
    let names: Vec<&str> = rows.iter().map(|r| &*r.task).collect::<BTreeSet<_>>().into_iter().collect();
    let along = |set: &str, policy: &str| {
        let own = rows.iter().filter(|r| r.task == set && r.policy == policy && r.grow > 0);
        summary(own.map(|r| (((r.grow - 1) * steps + r.improve) as f64, r.value)))
    };
    let walk = |set: &&str| {
        let (summary, again) = (along(set, "transformer"), along(set, "transformer_again"));
        let series = format!("translation, {set}");
        let again = means(&again).into_iter().filter(|p| p.0 >= steps as f64 - 1.0).collect();
        [
            Layer::Band { series: series.clone(), points: summary.iter().map(|s| (s.0, s.2, s.3)).collect() },
            Layer::Line { series: series.clone(), points: means(&summary), stroke: Stroke::Solid, markers: true },
            Layer::Line { series, points: again, stroke: Stroke::Dashed, markers: false },
        ]
    };
    let second = Layer::Vertical { label: "second Grow".into(), x: steps as f64 - 0.5 };
    Panel {
        title: "Translation: transformer".into(),
        x: Axis { label: "step: I = 0, 1, … of the first Grow, then of the second".into(), ..Axis::default() },
        y: Axis { label: "mean reward (chrF)".into(), ..Axis::default() },
        layers: names.iter().flat_map(walk).chain([second]).collect(),
    }
}

//! Share solved against N.

use super::Row;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of =
        |world: &'static str, method: &'static str| rows.iter().filter(move |r| r.world == world && r.method == method);
    let curve = |world: &'static str, method: &'static str, series: &str, stroke: Stroke| {
        let points = summary(of(world, method).map(|r| (f64::from(r.n), r.solved)));
        let band = Layer::Band { series: series.into(), points: points.iter().map(|p| (p.0, p.2, p.3)).collect() };
        let line = Layer::Line { series: series.into(), points: means(&points), stroke, markers: true };
        (band, line)
    };
    let panel = |title: &str, curves: &[(&'static str, &str, Stroke)], banded: usize, more: Vec<Layer>| {
        let drawn: Vec<(Layer, Layer)> = curves.iter().map(|(m, s, stroke)| curve("chains", m, s, *stroke)).collect();
        let bands = drawn.iter().take(banded).map(|d| d.0.clone());
        let lines = drawn.iter().map(|d| d.1.clone());
        Panel {
            title: title.into(),
            x: log_axis("N, candidates per problem"),
            y: Axis { label: "share of problems solved".into(), ..Axis::default() },
            layers: bands.chain(lines).chain(more).collect(),
        }
    };
    let modal: Vec<f64> = of("chains", "majority").filter_map(|r| r.modal).collect();
    let limit = Layer::Horizontal { label: "modal answer is right (exact)".into(), y: mean(&modal) };
    let (solid, dashed, dotted) = (Stroke::Solid, Stroke::Dashed, Stroke::Dotted);
    let main = [("process", "process", solid), ("outcome", "outcome", solid), ("majority", "majority", solid)];
    let other = [
        ("process", "process", solid),
        ("process_vote", "vote weighted by process", dashed),
        ("outcome_many", "outcome, ten times the solutions", dashed),
        ("linear", "linear outcome", dotted),
        ("shuffled", "process, labels dealt anew", dotted),
    ];
    let gap = |n: f64| {
        let own =
            |method| rows.iter().filter(move |r| r.world == "chains" && r.method == method && f64::from(r.n) == n);
        let by_seed: Vec<f64> = own("process")
            .filter_map(|a| own("outcome").find(|b| b.seed == a.seed).map(|b| a.solved - b.solved))
            .collect();
        rewardlab::stats::mean_interval(&by_seed)
    };
    let numbers: Vec<f64> =
        means(&summary(of("chains", "process").map(|r| (f64::from(r.n), 0.0)))).iter().map(|p| p.0).collect();
    let gaps: Vec<(f64, f64, f64, f64)> = numbers
        .iter()
        .map(|n| {
            let g = gap(*n);
            (*n, g.value, g.low, g.high)
        })
        .collect();
    Chart {
        title: "Best-of-N: process model, outcome model, majority".into(),
        subtitle: format!(
            "{} seeds, each a world of its own; lines: means, bands: lowest and highest seed; error bars: 95% t intervals of paired differences. \
             Process and outcome model: the same labelled solutions, the same features. Best-of-N: exact mean over all draws of N of the \
             pool; votes: random draws.",
            seeds(rows).len(),
        ),
        panels: vec![
            panel("Share solved", &main, 3, vec![limit]),
            Panel {
                title: "What the labels of steps are worth".into(),
                x: log_axis("N, candidates per problem"),
                y: Axis { label: "process less outcome, share of problems".into(), ..Axis::default() },
                layers: vec![
                    Layer::ErrorBars { series: "process less outcome".into(), points: gaps },
                    Layer::Horizontal { label: "paper at N = 1860: 0.058 (reported second-hand)".into(), y: 0.058 },
                ],
            },
            panel("Other choices", &other, 0, Vec::new()),
        ],
        columns: 3,
    }
}

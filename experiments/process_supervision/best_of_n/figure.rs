//! Share solved against N.

use super::Row;
use crate::statistics::{banded, log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of =
        |world: &'static str, method: &'static str| rows.iter().filter(move |r| r.world == world && r.method == method);
    let panel = |title: &str, curves: &[(&'static str, &str, Stroke)], more: Vec<Layer>| {
        let drawn = curves.iter().map(|(method, series, stroke)| {
            banded(series, &summary(of("chains", method).map(|r| (f64::from(r.n), r.solved))), *stroke)
        });
        let (bands, lines): (Vec<Layer>, Vec<Layer>) = drawn.map(|[band, line]| (band, line)).unzip();
        Panel {
            title: title.into(),
            x: log_axis("N, candidates per problem"),
            y: Axis { label: "share of problems solved".into(), ..Axis::default() },
            layers: bands.into_iter().chain(lines).chain(more).collect(),
        }
    };
    let modal: Vec<f64> = of("chains", "majority").filter_map(|r| r.modal).collect();
    let limit = Layer::Horizontal { label: "modal answer is right (exact)".into(), y: mean(&modal) };
    let (solid, dashed, dotted) = (Stroke::Solid, Stroke::Dashed, Stroke::Dotted);
    let main = [("process", "process", solid), ("outcome", "outcome", solid), ("majority", "majority", solid)];
    let near = [
        ("process", "process", solid),
        ("process_vote", "vote weighted by process", dashed),
        ("outcome_many", "outcome, ten times the solutions", dashed),
    ];
    let far = [("linear", "linear outcome", dotted), ("shuffled", "process, labels dealt anew", dotted)];
    let rates: Vec<f64> = of("chains", "majority").filter_map(|r| r.pass_rate).collect();
    let single = Layer::Horizontal { label: "a single candidate (exact)".into(), y: mean(&rates) };
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
            panel("Share solved", &main, vec![limit]),
            Panel {
                title: "What the labels of steps are worth".into(),
                x: log_axis("N, candidates per problem"),
                y: Axis { label: "process less outcome, share of problems".into(), ..Axis::default() },
                layers: vec![
                    Layer::ErrorBars { series: "process less outcome".into(), points: gaps },
                    Layer::Horizontal { label: "paper at N = 1860: 0.058 (reported second-hand)".into(), y: 0.058 },
                ],
            },
            panel("Weighted votes; more labelled outcomes", &near, Vec::new()),
            panel("Linear outcome model; labels dealt anew", &far, vec![single]),
        ],
        columns: 2,
    }
}

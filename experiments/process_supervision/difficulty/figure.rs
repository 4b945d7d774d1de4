//! A panel per quintile.

use super::{GROUPS, Row};
use crate::statistics::{banded, by_seed, log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};

const NAMES: [&str; GROUPS] = ["Easiest", "Second", "Third", "Fourth", "Hardest"];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of = |quintile: usize| rows.iter().filter(move |r| r.groups == "pass_rate" && r.quintile == quintile);
    let panel = |quintile: usize| {
        let points =
            |method: &str| summary(of(quintile).filter(|r| r.method == method).map(|r| (f64::from(r.n), r.solved)));
        let drawn = |method: &str, series: &str, stroke: Stroke| banded(series, &points(method), stroke);
        let curves = [
            drawn("process", "process", Stroke::Solid),
            drawn("outcome", "outcome", Stroke::Solid),
            drawn("majority", "majority", Stroke::Solid),
            drawn("linear", "linear outcome", Stroke::Dotted),
        ];
        let (bands, lines): (Vec<Layer>, Vec<Layer>) = curves.into_iter().map(|[band, line]| (band, line)).unzip();
        let any = Layer::Reference { label: "some candidate is right".into(), points: means(&points("any")) };
        let rate = mean(&of(quintile).map(|r| r.pass_rate).collect::<Vec<_>>());
        let name = NAMES[quintile - 1];
        Panel {
            title: format!("{name}: pass rate {rate:.2}"),
            x: log_axis("N, candidates per problem"),
            y: Axis { label: "share of problems solved".into(), ..Axis::default() },
            layers: bands.into_iter().take(2).chain([any]).chain(lines).collect(),
        }
    };
    Chart {
        title: "Best-of-N by difficulty".into(),
        subtitle: format!(
            "Quintiles of the generator's exact pass rate on held-out problems. Lines: means over {} seeds; bands (process and outcome): \
             lowest and highest seed. Best-of-N exact over all draws of N of the pool; majority over random draws. Vertical scales differ. \
             Bars: means of paired differences with 95% t intervals.",
            seeds(rows).len()
        ),
        panels: (1..=GROUPS).map(panel).chain([gains(rows)]).collect(),
        columns: 3,
    }
}

/// What more candidates are worth in each group.
fn gains(rows: &[Record<Row>]) -> Panel {
    let of = || rows.iter().filter(|r| r.groups == "pass_rate");
    let (first, last) = (of().map(|r| r.n).min().unwrap_or(0), of().map(|r| r.n).max().unwrap_or(0));
    let bars = |(method, series): (&'static str, &str)| {
        let bar = |quintile: usize| {
            let own = of().filter(move |r| r.quintile == quintile && r.method == method);
            let at = |g: &[&Record<Row>], n: u32| g.iter().find(|r| r.n == n).map_or(f64::NAN, |r| r.solved);
            let e = mean_interval(&by_seed(own, |g| at(g, last) - at(g, first)));
            (quintile - 1, e.value, e.low, e.high)
        };
        Layer::Bars { series: series.into(), bars: (1..=GROUPS).map(bar).collect() }
    };
    Panel {
        title: format!("Gain from N = {first} to {last}"),
        x: Axis {
            label: "quintile (1: easiest)".into(),
            categories: (1..=GROUPS).map(|q| q.to_string()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "gain in share solved".into(), ..Axis::default() },
        layers: [("process", "process"), ("outcome", "outcome"), ("linear", "linear outcome")].map(bars).into(),
    }
}

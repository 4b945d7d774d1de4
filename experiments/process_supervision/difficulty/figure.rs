//! A panel per quintile.

use super::{GROUPS, Row};
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of = |quintile: usize| rows.iter().filter(move |r| r.groups == "pass_rate" && r.quintile == quintile);
    let panel = |quintile: usize| {
        let drawn = |method: &str, stroke: Stroke| {
            let points = summary(of(quintile).filter(|r| r.method == method).map(|r| (f64::from(r.n), r.solved)));
            let band = Layer::Band { series: method.into(), points: points.iter().map(|p| (p.0, p.2, p.3)).collect() };
            (band, Layer::Line { series: method.into(), points: means(&points), stroke, markers: true })
        };
        let curves = [
            drawn("process", Stroke::Solid),
            drawn("outcome", Stroke::Solid),
            drawn("majority", Stroke::Solid),
            drawn("linear", Stroke::Dotted),
        ];
        let bands = curves.iter().take(2).map(|c| c.0.clone()).collect::<Vec<_>>();
        let rate = mean(&of(quintile).map(|r| r.pass_rate).collect::<Vec<_>>());
        let name = match quintile {
            1 => "Easiest",
            GROUPS => "Hardest",
            2 => "Second",
            3 => "Third",
            _ => "Fourth",
        };
        Panel {
            title: format!("{name}: pass rate {rate:.2}"),
            x: log_axis("N, candidates per problem"),
            y: Axis { label: "share of problems solved".into(), ..Axis::default() },
            layers: bands.into_iter().chain(curves.map(|c| c.1)).collect(),
        }
    };
    Chart {
        title: "Best-of-N by difficulty".into(),
        subtitle: format!(
            "Quintiles of the generator's exact pass rate on held-out problems. Lines: means over {} seeds; bands (process and outcome): \
             lowest and highest seed. Best-of-N exact over all draws of N of the pool; majority over random draws. Vertical scales differ.",
            seeds(rows).len()
        ),
        panels: (1..=GROUPS).map(panel).collect(),
        columns: 3,
    }
}

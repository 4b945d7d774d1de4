//! The figure: what is solved, and soundly, against N.

use super::Row;
use crate::statistics::{banded, by_seed, intervals, log_axis};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean_interval;

/// In the legend, in the rows.
const METHODS: [(&str, &str); 6] = [
    ("any is right", "any"),
    ("process model", "process"),
    ("outcome model", "outcome"),
    ("outcome, product", "product"),
    ("majority", "majority"),
    ("labels dealt anew", "shuffled"),
];

/// What stands below the bars, in the order of the verifiers.
const SHORT: [&str; 4] = ["process", "outcome", "product", "dealt anew"];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let verifiers = [METHODS[1], METHODS[2], METHODS[3], METHODS[5]];
    let bars = verifiers.iter().enumerate().map(|(i, (_, method))| {
        let last = rows.iter().map(|r| r.n).max().unwrap_or(0);
        let own = rows.iter().filter(|r| r.method == *method && r.n == last);
        let e = mean_interval(&by_seed(own, |g| g.first().and_then(|r| r.ranked).unwrap_or(f64::NAN)));
        (i, e.value, e.low, e.high)
    });
    let ranked = Panel {
        title: "Ranking of solutions".into(),
        x: Axis { label: "verifier".into(), categories: SHORT.map(String::from).to_vec(), ..Axis::default() },
        y: Axis { label: "share of pairs ranked rightly".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: vec![
            Layer::Bars { series: "sound above wrong".into(), bars: bars.collect() },
            Layer::Horizontal { label: "chance".into(), y: 0.5 },
        ],
    };
    Chart {
        title: "Language models that judge solutions: taught by steps or by answers".into(),
        subtitle: "Held-out problems; the same samples of one writer for all. Lines: means over seeds; bands and bars: 95% t intervals.".into(),
        panels: vec![
            along(rows, "Best of N", "share of problems solved", &METHODS, |r| Some(r.solved)),
            along(rows, "Right in every step", "share solved soundly", &verifiers, |r| r.sound),
            ranked,
        ],
        columns: 3,
    }
}

fn along(
    rows: &[Record<Row>],
    title: &str,
    label: &str,
    methods: &[(&str, &str)],
    column: fn(&Row) -> Option<f64>,
) -> Panel {
    let of = |(series, method): &(&str, &str)| {
        let own = rows.iter().filter(|r| r.method == *method);
        let points = own.filter_map(|r| Some((f64::from(r.n), column(r)?)));
        let stroke = if ["process", "outcome", "product"].contains(method) { Stroke::Solid } else { Stroke::Dashed };
        banded(series, &intervals(points), stroke)
    };
    let y = Axis { label: label.into(), range: Some((0.0, 1.0)), ..Axis::default() };
    Panel { title: title.into(), x: log_axis("N"), y, layers: methods.iter().flat_map(of).collect() }
}

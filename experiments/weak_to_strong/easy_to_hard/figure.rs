//! Hard puzzles solved against size, a panel per cut; and easy ones at the larger cut.

use super::Row;
use super::judge::cuts;
use crate::statistics::{banded, intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const SERIES: [(&str, &str, Stroke); 5] = [
    ("easy", "truth, easy puzzles", Stroke::Solid),
    ("as_many", "truth, as many of any difficulty", Stroke::Solid),
    ("all", "truth, all puzzles", Stroke::Dashed),
    ("weak", "a weak teacher's labels, all puzzles", Stroke::Solid),
    ("untaught", "pretrained only", Stroke::Dotted),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let panel = |cut: f64, hard: bool| {
        let own = || rows.iter().filter(move |r| !r.dealt && r.cut == cut);
        let value = |r: &Row| if hard { r.hard_solved } else { r.easy_solved };
        let mut layers: Vec<Layer> = SERIES
            .into_iter()
            .flat_map(|(taught, series, stroke)| {
                let points = own().filter(|r| r.taught == taught).map(|r| (r.parameters as f64, value(r)));
                banded(series, &intervals(points), stroke)
            })
            .collect();
        if hard {
            let teacher = intervals(own().map(|r| (r.parameters as f64, r.teacher_solved)));
            layers.push(Layer::Reference { label: "the weak teacher".into(), points: means(&teacher) });
        }
        let easy = mean(&own().map(|r| r.easy).collect::<Vec<_>>());
        let which = if hard { "Hard" } else { "Easy" };
        Panel {
            title: format!("{which} puzzles, cut {cut} ({:.0}% are easy)", 100.0 * easy),
            x: log_axis("parameters of the model"),
            y: Axis { label: format!("share of {} test puzzles solved", which.to_lowercase()), ..Axis::default() },
            layers,
        }
    };
    let cuts = cuts(rows);
    Chart {
        title: "From easy to hard chess puzzles".into(),
        subtitle: format!(
            "Easy: difficulty below the cut (an Elo-like number from exact features). Lines: means over {} seeds; bands: 95% t intervals. The \
             weak teacher has learned the truth of as many other puzzles of all difficulties.",
            seeds(rows).len()
        ),
        panels: [true, false]
            .into_iter()
            .flat_map(|hard| cuts.iter().map(move |c| (*c, hard)))
            .map(|(c, h)| panel(c, h))
            .collect(),
        columns: 2,
    }
}

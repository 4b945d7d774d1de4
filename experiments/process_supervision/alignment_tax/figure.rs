//! Right answers and tainted ones, of what was chosen and of what was learned.

use super::{Chooser, Row};
use crate::statistics::{by_seed, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::mean_interval;

fn words(chooser: Chooser) -> &'static str {
    match chooser {
        Chooser::Nobody => "before",
        Chooser::Random => "random",
        Chooser::Answer => "right answer",
        Chooser::Outcome => "outcome verifier",
        Chooser::Process => "process verifier",
        Chooser::Steps => "right steps (oracle)",
    }
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let bars = |series: &str, choosers: &[Chooser], of: fn(&Row) -> f64| {
        let bar = |(i, chooser): (usize, &Chooser)| {
            let e = mean_interval(&by_seed(rows.iter().filter(|r| r.chooser == chooser.name()), |g| of(g[0])));
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: series.into(), bars: choosers.iter().enumerate().map(bar).collect() }
    };
    let panel = |title: &str, y: &str, choosers: &[Chooser], layers: Vec<Layer>| Panel {
        title: title.into(),
        x: Axis {
            label: "who chose what the writer learned from".into(),
            categories: choosers.iter().map(|c| words(*c).to_owned()).collect(),
            ..Axis::default()
        },
        y: Axis { label: y.into(), ..Axis::default() },
        layers,
    };
    let (all, choosing) = (&Chooser::ALL[..], &Chooser::ALL[1..]);
    let (right, tainted) = ("right answer", "right answer, wrong step");
    Chart {
        title: "What a writer learns from what a verifier chose".into(),
        subtitle: format!(
            "A transformer writes solutions of modular arithmetic and is finetuned on one chosen solution per training problem, the same \
             number of steps for every chooser. Bars: means over {} seeds with 95% t intervals. Lower row: of right answers the share with a \
             wrong step.",
            seeds(rows).len()
        ),
        panels: vec![
            panel(
                "What was chosen",
                "share of chosen solutions",
                choosing,
                vec![bars(right, choosing, |r| r.chosen_right)],
            ),
            panel("The writer, held-out problems", "share of solutions", all, vec![bars(right, all, |r| r.right)]),
            panel(
                "What was chosen",
                "share of right answers",
                choosing,
                vec![bars(tainted, choosing, |r| r.chosen_tainted)],
            ),
            panel(
                "The writer, held-out problems",
                "share of right answers",
                all,
                vec![bars(tainted, all, |r| r.tainted)],
            ),
        ],
        columns: 2,
    }
}

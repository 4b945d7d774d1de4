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

/// NaN where there is nothing to share.
fn share(of: f64, all: f64) -> f64 {
    if all > 0.0 { of / all } else { f64::NAN }
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
    let (right, tainted, forgiven) = ("right answer", "right answer, wrong step", "wrong step, right answer");
    // whoever sees answers or steps forgives all or has none to forgive
    let verified = [Chooser::Random, Chooser::Outcome, Chooser::Process];
    // what is chosen is readable: no answer, no choice
    let chosen_forgiven =
        |r: &Row| share(r.chosen_right * r.chosen_tainted, 1.0 - r.chosen_right * (1.0 - r.chosen_tainted));
    let written_forgiven = |r: &Row| share(r.right - r.sound, r.readable - r.sound);
    Chart {
        title: "Right answers and wrong steps after finetuning on what a verifier chose".into(),
        subtitle: format!(
            "A transformer writes solutions of modular arithmetic and is finetuned on one chosen solution per training problem, the same \
             number of steps for every chooser. Bars: means over {} seeds with 95% t intervals. Second row: of right answers the share with a wrong \
             step. Third row: of solutions with a wrong step the share that ends right all the same.",
            seeds(rows).len()
        ),
        panels: vec![
            panel(
                "Chosen: right answers",
                "share of chosen solutions",
                choosing,
                vec![bars(right, choosing, |r| r.chosen_right)],
            ),
            panel("Writer: right answers", "share of held-out solutions", all, vec![bars(right, all, |r| r.right)]),
            panel(
                "Chosen: right answers by wrong steps",
                "share of right answers",
                choosing,
                vec![bars(tainted, choosing, |r| r.chosen_tainted)],
            ),
            panel(
                "Writer: right answers by wrong steps",
                "share of right answers",
                all,
                vec![bars(tainted, all, |r| r.tainted)],
            ),
            panel(
                "Chosen: wrong steps forgiven",
                "share of those with a wrong step",
                &verified,
                vec![bars(forgiven, &verified, chosen_forgiven)],
            ),
            panel(
                "Writer: wrong steps forgiven",
                "share of those with a wrong step",
                all,
                vec![bars(forgiven, all, written_forgiven)],
            ),
        ],
        columns: 2,
    }
}

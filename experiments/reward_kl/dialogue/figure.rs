//! Figure 3: win rate by temperature, and over training.

use super::super::temperature::{curve, grouped};
use super::{Data, Row};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;
use std::collections::BTreeSet;

const SERIES: [(&str, &str, Stroke); 5] = [
    ("dpo", "DPO", Stroke::Solid),
    ("ppo", "PPO, learned reward", Stroke::Solid),
    ("preferred", "Preferred-FT", Stroke::Solid),
    ("sft", "SFT (base)", Stroke::Solid),
    ("best_of_n", "best-of-N, learned reward", Stroke::Dashed),
];
/// What is known without training: grey.
const LIMITS: [(&str, &str); 2] =
    [("best_of_n_true", "best-of-N by the true score"), ("preferred_population", "Preferred-FT, unlimited data")];

fn axis() -> Axis {
    Axis { label: "win rate against the chosen".into(), range: Some((0.0, 1.0)), ..Axis::default() }
}

fn chosen() -> Layer {
    Layer::Horizontal { label: "as good as the chosen".into(), y: 0.5 }
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let mut layers: Vec<Layer> = SERIES
        .iter()
        .flat_map(|(method, series, stroke)| {
            curve(series, *stroke, &grouped(rows, |r| r.method == *method, |r| (r.temperature, r.win)))
        })
        .collect();
    layers.extend(LIMITS.iter().map(|(method, label)| {
        let points = grouped(rows, |r| r.method == *method, |r| (r.temperature, r.win));
        Layer::Reference { label: (*label).into(), points: points.iter().map(|(t, wins)| (*t, mean(wins))).collect() }
    }));
    layers.push(chosen());
    let mut panels = vec![Panel {
        title: "by sampling temperature".into(),
        x: Axis { label: "sampling temperature".into(), ..Axis::default() },
        y: axis(),
        layers,
    }];
    panels.extend(Data::ALL.iter().map(|data| over_training(rows, *data)));
    let samples = rows.iter().filter(|r| r.method == "dpo").map(|r| r.samples).max().unwrap_or(0);
    let n = rows.iter().filter(|r| r.method == "best_of_n").find_map(|r| r.setting).unwrap_or(0.0);
    Chart {
        title: "Dialogue: win rate against the chosen completions".into(),
        subtitle: format!(
            "Exact win rates on held-out prompts (best-of-N by the learned reward, N = {n}: sampled); {samples} completions a run in training (PPO: as many more for its reward). Bands: 95% t intervals over seeds."
        ),
        panels,
        columns: 2,
    }
}

fn over_training(rows: &[Record<Row>], data: Data) -> Panel {
    let watched = |r: &Row| r.data.as_deref() == Some(data.name());
    let temperatures: BTreeSet<u64> = rows.iter().filter(|r| watched(r)).map(|r| r.temperature.to_bits()).collect();
    let strokes = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted];
    let mut layers: Vec<Layer> = temperatures
        .iter()
        .zip(strokes.iter().cycle())
        .flat_map(|(bits, stroke)| {
            let points = grouped(
                rows,
                |r| watched(r) && r.temperature.to_bits() == *bits,
                |r| (r.step.unwrap_or(0) as f64, r.win),
            );
            curve(&format!("DPO at temperature {}", f64::from_bits(*bits)), *stroke, &points)
        })
        .collect();
    layers.push(chosen());
    let title = match data {
        Data::Finite => "over training",
        Data::Mislabelled => "over training, with wrong labels",
        Data::Many => "over training, many clean pairs",
    };
    Panel { title: title.into(), x: Axis { label: "step".into(), ..Axis::default() }, y: axis(), layers }
}

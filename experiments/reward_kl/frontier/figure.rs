//! Figure 2 (left) with the exact front, and hypervolumes.

use super::judge::{most_kl, room, volume};
use super::{Row, tangents};
use crate::statistics::by_seed;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};

/// In rows, in the legend, below its bar.
const METHODS: [(&str, &str, &str); 7] = [
    ("dpo", "DPO", "DPO"),
    ("dpo_bradley_terry", "DPO, Bradley–Terry labels", "DPO, B–T"),
    ("ppo", "PPO, learned reward", "PPO"),
    ("ppo_true_tuned", "PPO, true reward, tuned", "PPO, tuned"),
    ("ppo_true_off_the_shelf", "PPO, true reward, off the shelf", "PPO, shelf"),
    ("unlikelihood", "unlikelihood", "unlikel."),
    ("preferred", "Preferred-FT", "Pref.-FT"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let first = rows.first().map_or(0, |r| r.seed);
    let one: Vec<&Record<Row>> = rows.iter().filter(|r| r.seed == first).collect();
    let samples = one.iter().map(|r| r.samples).max().unwrap_or(0);
    let rooms = by_seed(rows, room);
    let accuracy: Vec<f64> = rows.iter().filter_map(|r| r.accuracy).collect();
    Chart {
        title: "Reward against KL of a small transformer, with the exact front".into(),
        subtitle: format!(
            "Exact values on held-out prompts. Left: every checkpoint of every run of the first seed. Right: means with 95% t intervals over \
             seeds. {samples} completions a run (PPO by a learned reward: as many more for it); as many learning rates for each tuned method. Room {:.1} \
             nats; the learned reward ranks {:.0}% of held-out pairs right.",
            mean(&rooms),
            100.0 * mean(&accuracy)
        ),
        panels: vec![cloud(&one), bars(rows)],
        columns: 2,
    }
}

fn cloud(rows: &[&Record<Row>]) -> Panel {
    let mut front: Vec<(f64, f64)> = tangents(rows).iter().map(|t| (t.kl, t.reward)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let own = |(method, series, _): &(&str, &str, &str)| Layer::Scatter {
        series: (*series).into(),
        points: rows.iter().filter(|r| r.method == *method).map(|r| (r.kl, r.reward)).collect(),
    };
    let mut layers =
        vec![Layer::Line { series: "exact front".into(), points: front, stroke: Stroke::Solid, markers: false }];
    layers.extend(METHODS.iter().map(own));
    layers.push(Layer::Vertical { label: "largest KL target".into(), x: most_kl(rows) });
    Panel {
        title: "all checkpoints".into(),
        x: Axis { label: "KL(π‖reference) (nats)".into(), ..Axis::default() },
        y: Axis { label: "expected true reward".into(), ..Axis::default() },
        layers,
    }
}

fn bars(rows: &[Record<Row>]) -> Panel {
    let bar = |(i, (method, _, _)): (usize, &(&str, &str, &str))| {
        let e = mean_interval(&by_seed(rows, |g| volume(g, method)));
        (i, e.value, e.low, e.high)
    };
    let categories = METHODS.iter().map(|m| m.2.into()).collect();
    Panel {
        title: "hypervolume up to the largest target".into(),
        x: Axis { label: "method".into(), categories, ..Axis::default() },
        y: Axis { label: "hypervolume over the front's".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: vec![Layer::Bars { series: "hypervolume".into(), bars: METHODS.iter().enumerate().map(bar).collect() }],
    }
}

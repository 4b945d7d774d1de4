//! Figure 2 (left) with the exact front, and hypervolumes.

use super::judge::{most_kl, volume};
use super::{Row, tangents};
use crate::statistics::by_seed;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean_interval;

const MATCHED: [(&str, &str); 6] = [
    ("dpo", "DPO"),
    ("ppo", "PPO"),
    ("ppo_true_tuned", "PPO-GT, tuned"),
    ("ppo_true_off_the_shelf", "PPO-GT"),
    ("unlikelihood", "unlikelihood"),
    ("preferred", "Preferred-FT"),
];
const UNLIMITED: [(&str, &str); 3] =
    [("dpo_unlimited", "DPO"), ("ppo_true_unlimited", "PPO-GT, tuned"), ("exact_gradient", "exact gradient")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let first = rows.first().map_or(0, |r| r.seed);
    let one: Vec<&Record<Row>> = rows.iter().filter(|r| r.seed == first).collect();
    let samples = |methods: &[(&str, &str)]| {
        let own = one.iter().filter(|r| methods.iter().any(|m| m.0 == r.method));
        own.map(|r| r.samples).max().unwrap_or(0)
    };
    Chart {
        title: "Reward against KL: DPO, PPO and the exact front".into(),
        subtitle: format!(
            "Exact values on held-out prompts; every checkpoint of every run (first seed). Above left: {} completions a run (PPO by a learned reward: as many more for it); above right: \
             {} (the exact gradient takes none). GT: the true reward. Below: means with 95% t intervals over seeds.",
            samples(&MATCHED),
            samples(&UNLIMITED)
        ),
        panels: vec![
            cloud(&one, "matched completions", &MATCHED),
            cloud(&one, "unlimited", &UNLIMITED),
            bars(rows, "hypervolume, matched", &MATCHED),
            bars(rows, "hypervolume, unlimited", &UNLIMITED),
        ],
        columns: 2,
    }
}

fn cloud(rows: &[&Record<Row>], title: &str, methods: &[(&str, &str)]) -> Panel {
    let mut front: Vec<(f64, f64)> = tangents(rows).iter().map(|t| (t.kl, t.reward)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let own = |(method, series): &(&str, &str)| Layer::Scatter {
        series: (*series).into(),
        points: rows.iter().filter(|r| r.method == *method).map(|r| (r.kl, r.reward)).collect(),
    };
    let mut layers =
        vec![Layer::Line { series: "exact front".into(), points: front, stroke: Stroke::Solid, markers: false }];
    layers.extend(methods.iter().map(own));
    layers.push(Layer::Vertical { label: "largest KL target".into(), x: most_kl(rows) });
    Panel {
        title: title.into(),
        x: Axis { label: "KL(π‖reference) (nats)".into(), range: Some((0.0, 20.0)), ..Axis::default() },
        y: Axis { label: "expected true reward".into(), ..Axis::default() },
        layers,
    }
}

fn bars(rows: &[Record<Row>], title: &str, methods: &[(&str, &str)]) -> Panel {
    let bar = |(i, (method, _)): (usize, &(&str, &str))| {
        let e = mean_interval(&by_seed(rows, |g| volume(g, method)));
        (i, e.value, e.low, e.high)
    };
    let bars = methods.iter().enumerate().map(bar).collect();
    Panel {
        title: title.into(),
        x: Axis { label: "method".into(), categories: methods.iter().map(|m| m.1.into()).collect(), ..Axis::default() },
        y: Axis { label: "hypervolume over the front's".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: vec![Layer::Bars { series: "hypervolume up to the largest KL target".into(), bars }],
    }
}

//! Two clouds with the front, the bars, and the long runs.

use super::families::Family;
use super::judge::{most_kl, volume};
use super::{Row, tangents};
use crate::statistics::{by_seed, log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean_interval;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let first = rows.first().map_or(0, |r| r.seed);
    let one: Vec<&Record<Row>> = rows.iter().filter(|r| r.seed == first).collect();
    let steps = one.iter().filter(|r| r.labels == "clean").map(|r| r.step).max().unwrap_or(0);
    let long = one.iter().filter(|r| r.labels == "long").map(|r| r.step).max().unwrap_or(0);
    Chart {
        title: "Losses of preferences on one reward–KL frontier".into(),
        subtitle: format!(
            "Exact values on held-out prompts. Above: every checkpoint of every strength (first seed), {steps} steps on the same pairs. Below: \
             hypervolumes with 95% t intervals over {} seeds; means of the KL after {long} steps on clean labels (solid) and after half of them \
             (dashed).",
            seeds(rows).len()
        ),
        panels: vec![
            cloud(&one, "clean labels", "clean"),
            cloud(&one, "a fifth of the labels flipped", "flipped"),
            bars(rows),
            drift(rows),
        ],
        columns: 2,
    }
}

fn cloud(rows: &[&Record<Row>], title: &str, labels: &str) -> Panel {
    let mut front: Vec<(f64, f64)> = tangents(rows).iter().map(|t| (t.kl, t.reward)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let own = |family: Family| Layer::Scatter {
        series: family.title().into(),
        points: rows
            .iter()
            .filter(|r| r.labels == labels && r.method == family.name())
            .map(|r| (r.kl, r.reward))
            .collect(),
    };
    let mut layers: Vec<Layer> = Family::ALL.into_iter().map(own).collect();
    layers.push(Layer::Reference { label: "exact front".into(), points: front });
    Panel {
        title: title.into(),
        x: Axis { label: "KL(π‖reference) (nats)".into(), range: Some((0.0, 1.5 * most_kl(rows))), ..Axis::default() },
        y: Axis { label: "expected true reward".into(), ..Axis::default() },
        layers,
    }
}

fn bars(rows: &[Record<Row>]) -> Panel {
    let of = |(labels, series): (&str, &str)| {
        let bar = |(i, family): (usize, Family)| {
            let e = mean_interval(&by_seed(rows, |g| volume(g, labels, family)));
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: series.into(), bars: Family::ALL.into_iter().enumerate().map(bar).collect() }
    };
    let most = most_kl(&rows.iter().collect::<Vec<_>>());
    Panel {
        title: format!("hypervolume up to {most} nats"),
        x: Axis {
            label: "loss".into(),
            categories: Family::ALL.iter().map(|f| f.title().into()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "hypervolume over the front's".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: [("clean", "clean labels"), ("flipped", "flipped labels")].map(of).into(),
    }
}

fn drift(rows: &[Record<Row>]) -> Panel {
    let end = rows.iter().filter(|r| r.labels == "long").map(|r| r.step).max().unwrap_or(0);
    let mut layers = Vec::new();
    for family in [Family::Dpo, Family::Conservative, Family::Ipo] {
        for (stroke, last) in [(Stroke::Solid, true), (Stroke::Dashed, false)] {
            let own = rows.iter().filter(|r| r.labels == "long" && r.method == family.name());
            let own = own.filter(|r| (r.step == end) == last).map(|r| (r.setting, r.kl));
            let points = means(&summary(own));
            layers.push(Layer::Line { series: family.title().into(), points, stroke, markers: true });
        }
    }
    Panel {
        title: "long runs on clean labels".into(),
        x: log_axis("β, or τ for IPO"),
        y: Axis { label: "KL(π‖reference) (nats)".into(), ..Axis::default() },
        layers,
    }
}

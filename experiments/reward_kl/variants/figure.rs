//! Two clouds with the front, the bars, and the long runs.

use super::families::Family;
use super::judge::{cost, most_kl, volume};
use super::{Row, tangents};
use crate::statistics::{by_seed, log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{Estimate, mean_interval};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let first = rows.first().map_or(0, |r| r.seed);
    let one: Vec<&Record<Row>> = rows.iter().filter(|r| r.seed == first).collect();
    let steps = one.iter().filter(|r| r.labels == "clean").map(|r| r.step).max().unwrap_or(0);
    let long = one.iter().filter(|r| r.labels == "long").map(|r| r.step).max().unwrap_or(0);
    Chart {
        title: "Losses of preferences on one reward–KL frontier".into(),
        subtitle: format!(
            "Exact values on held-out prompts. Clouds: every checkpoint of every strength (first seed), {steps} steps on the same pairs. Intervals: \
             95% t over {} seeds. Long runs: mean KL after {long} steps (solid) and after half of them (dashed). cDPO: conservative DPO.",
            seeds(rows).len()
        ),
        panels: vec![
            cloud(&one, "clean labels", "clean"),
            cloud(&one, "a fifth of the labels flipped", "flipped"),
            volumes(rows, "clean"),
            volumes(rows, "flipped"),
            costs(rows),
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
        x: Axis { label: "KL(π‖reference) (nats)".into(), range: Some((0.0, most_kl(rows))), ..Axis::default() },
        y: Axis { label: "expected true reward".into(), ..Axis::default() },
        layers,
    }
}

/// An interval per family.
fn intervals(title: String, y: Axis, of: impl Fn(Family) -> Estimate) -> Panel {
    let interval = |(i, family): (usize, Family)| {
        let e = of(family);
        Layer::ErrorBars { series: family.title().into(), points: vec![(i as f64, e.value, e.low, e.high)] }
    };
    Panel {
        title,
        x: Axis {
            label: "loss".into(),
            categories: Family::ALL.iter().map(|f| f.title().into()).collect(),
            ..Axis::default()
        },
        y,
        layers: Family::ALL.into_iter().enumerate().map(interval).collect(),
    }
}

fn volumes(rows: &[Record<Row>], labels: &str) -> Panel {
    let most = most_kl(&rows.iter().collect::<Vec<_>>());
    let y = Axis { label: "hypervolume over the front's".into(), range: Some((0.0, 1.0)), ..Axis::default() };
    intervals(format!("hypervolume up to {most} nats, {labels} labels"), y, |family| {
        mean_interval(&by_seed(rows, |g| volume(g, labels, family)))
    })
}

fn costs(rows: &[Record<Row>]) -> Panel {
    let y = Axis { label: "hypervolume, clean less flipped".into(), ..Axis::default() };
    intervals("what flipped labels cost".into(), y, |family| mean_interval(&by_seed(rows, |g| cost(g, family))))
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

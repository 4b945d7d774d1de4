//! Probes against their labels, and task by task.

use super::Row;
use crate::statistics::{banded, by_seed, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};
use std::collections::BTreeSet;

const BODIES: [(&str, &str, Stroke); 4] = [
    ("nothing", "probe of the pretrained body", Stroke::Solid),
    ("weak", "probe after weak labels", Stroke::Solid),
    ("truth", "probe after true labels", Stroke::Solid),
    ("dealt", "probe after dealt labels", Stroke::Dotted),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes: BTreeSet<usize> = rows.iter().map(|r| r.labels).collect();
    let over_tasks = |body: &str, labels: usize, value: &dyn Fn(&Row) -> f64| {
        let own = rows.iter().filter(|r| r.body == body && r.labels == labels);
        by_seed(own, |g| mean(&g.iter().map(|r| value(r)).collect::<Vec<_>>()))
    };
    let curve = |body: &str| {
        let at = |n: &usize| over_tasks(body, *n, &|r| r.probe).into_iter().map(|y| (*n as f64, y)).collect::<Vec<_>>();
        intervals(sizes.iter().flat_map(at))
    };
    let (first, last) = (sizes.first().copied().unwrap_or(1), sizes.last().copied().unwrap_or(1));
    let level = |label: &str, body: &str, value: &dyn Fn(&Row) -> f64| {
        let y = mean(&over_tasks(body, last, value));
        Layer::Reference { label: label.into(), points: vec![(first as f64, y), (last as f64, y)] }
    };
    let head = |r: &Row| r.head.unwrap_or(f64::NAN);
    let mut layers: Vec<Layer> =
        BODIES.into_iter().flat_map(|(body, name, stroke)| banded(name, &curve(body), stroke)).collect();
    layers.push(level("finetuned on the truth", "truth", &head));
    layers.push(level("finetuned on weak labels", "weak", &head));
    layers.push(level("the teacher", "weak", &|r| r.teacher));
    Chart {
        title: "Probes before and after finetuning on weak labels".into(),
        subtitle: format!(
            "Logistic probes of the student's final hidden state, fitted to true labels that no body saw. Lines: means over tasks and {} seeds; \
             bands: 95% t intervals over seeds. Levels: heads finetuned on all texts of the student's half.",
            seeds(rows).len()
        ),
        panels: vec![
            Panel {
                title: "All tasks".into(),
                x: log_axis("true labels of the probe"),
                y: Axis { label: "accuracy, mean over tasks".into(), ..Axis::default() },
                layers,
            },
            by_task(rows, last),
        ],
        // one below the other: two columns have no room for the names of 25 tasks
        columns: 1,
    }
}

fn by_task(rows: &[Record<Row>], labels: usize) -> Panel {
    let tasks: BTreeSet<&str> = rows.iter().map(|r| r.task.as_str()).collect();
    let gain = |task: &str| {
        let own = rows.iter().filter(|r| r.task == task && r.labels == labels);
        let of = |g: &[&Record<Row>], body: &str| g.iter().find(|r| r.body == body).map_or(f64::NAN, |r| r.probe);
        mean_interval(&by_seed(own, |g| of(g, "weak") - of(g, "nothing")))
    };
    let mut bars: Vec<(String, f64, f64, f64)> = tasks
        .into_iter()
        .map(|t| {
            let e = gain(t);
            (t.replace('_', " "), e.value, e.low, e.high)
        })
        .collect();
    bars.sort_by(|a, b| b.1.total_cmp(&a.1));
    Panel {
        title: format!("Gain of the probe by weak finetuning, {labels} labels"),
        x: Axis { label: "task".into(), categories: bars.iter().map(|b| b.0.clone()).collect(), ..Axis::default() },
        y: Axis { label: "accuracy after less before".into(), ..Axis::default() },
        layers: vec![Layer::Bars {
            series: "gain (95% t)".into(),
            bars: bars.iter().enumerate().map(|(i, b)| (i, b.1, b.2, b.3)).collect(),
        }],
    }
}

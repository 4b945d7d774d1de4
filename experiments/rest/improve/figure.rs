//! V against the Improve step, one panel per task, and what the filters leave.

use super::Row;
use crate::statistics::{means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Scale, Stroke};
use rewardlab::stats::mean;

const SERIES: [(&str, &str, &str); 6] = [
    ("tabular, exact", "tabular", "population"),
    ("product, exact", "product", "population"),
    ("tabular, sampled", "tabular", "sampled"),
    ("product, sampled", "product", "sampled"),
    ("tabular, shuffled rewards", "tabular", "shuffled"),
    ("transformer", "transformer", "sampled"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let grown = || rows.iter().filter(|r| r.grow > 0);
    let mut tasks: Vec<&str> = Vec::new();
    grown().for_each(|r| {
        if !tasks.contains(&&*r.task) {
            tasks.push(&r.task);
        }
    });
    let curves = |task: &str, value: fn(&Row) -> f64, band: bool| -> Vec<Layer> {
        let of = |(series, policy, condition): (&str, &str, &str)| {
            let own = grown()
                .filter(|r| (task.is_empty() || r.task == task) && r.policy == policy && r.condition == condition);
            let summary = summary(own.map(|r| (r.improve as f64, value(r))));
            if summary.is_empty() {
                return Vec::new();
            }
            let points = summary.iter().map(|s| (s.0, s.2, s.3)).collect();
            let line =
                Layer::Line { series: series.into(), points: means(&summary), stroke: Stroke::Solid, markers: true };
            let band = band.then(|| Layer::Band { series: series.into(), points });
            band.into_iter().chain([line]).collect::<Vec<_>>()
        };
        SERIES.into_iter().flat_map(of).collect()
    };
    let supervised = |task: &str| {
        let own: Vec<f64> = rows.iter().filter(|r| r.task == task && r.grow == 0).map(|r| r.value).collect();
        (!own.is_empty()).then(|| Layer::Horizontal { label: "supervised".into(), y: mean(&own) })
    };
    let greedy = |task: &str| -> Vec<Layer> {
        let own = |grow: usize| rows.iter().filter(move |r| r.task == task && r.grow == grow);
        let start: Vec<f64> = own(0).filter_map(|r| r.greedy).collect();
        let points = means(&summary(own(1).filter_map(|r| Some((r.improve as f64, r.greedy?)))));
        let line = Layer::Line { series: "transformer, greedy".into(), points, stroke: Stroke::Dashed, markers: true };
        if start.is_empty() {
            return Vec::new();
        }
        vec![line, Layer::Horizontal { label: "supervised, greedy".into(), y: mean(&start) }]
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let mut schedule: Vec<(usize, f64)> = grown().filter_map(|r| Some((r.improve, r.threshold?))).collect();
    schedule.sort_by_key(|s| s.0);
    schedule.dedup();
    let schedule: Vec<String> = schedule.iter().map(|s| s.1.to_string()).collect();
    let of_world = |world: &str| {
        let rows: Vec<Record<Row>> = rows.iter().filter(|r| r.world == world).cloned().collect();
        seeds(&rows).len()
    };
    let mut panels: Vec<Panel> = tasks
        .iter()
        .map(|task| Panel {
            title: if rows.iter().any(|r| r.task == *task && r.world == "strings") {
                format!("Strings: {task}")
            } else {
                format!("Translation: {task}")
            },
            x: axis("Improve step I"),
            y: axis("V, expected reward"),
            layers: supervised(task).into_iter().chain(curves(task, |r| r.value, true)).chain(greedy(task)).collect(),
        })
        .collect();
    panels.push(Panel {
        title: "What passes, all tasks and sets".into(),
        x: axis("Improve step I"),
        y: Axis { label: "share of Grow's mass".into(), scale: Scale::Log, ..Axis::default() },
        layers: curves("", |r| r.acceptance, false),
    });
    Chart {
        title: "Every Improve step raises the reward".into(),
        subtitle: format!(
            "One Grow; I = 0 is everything that it holds, then τ = {} (translation: to 0.95). Strings: V is exact. Translation: mean chrF of samples on \
             test sources, and of greedy outputs. Lines: means over {} (strings) and {} seeds; bands: lowest to highest seed.",
            schedule.join(", "),
            of_world("strings"),
            of_world("translation")
        ),
        panels,
        columns: 3,
    }
}

//! Figures 4a and 4b: by labelled solutions, by labels, by N.

use super::Row;
use crate::statistics::{banded, log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const SERIES: [(&str, &str, &str, Stroke); 5] = [
    ("process", "product", "(i) process", Stroke::Solid),
    ("outcome", "product", "(ii) outcome, product", Stroke::Solid),
    ("outcome", "linear", "(ii) outcome, linear", Stroke::Dashed),
    ("answer", "product", "(iii) final answer, product", Stroke::Solid),
    ("answer", "linear", "(iii) final answer, linear", Stroke::Dashed),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let learned: Vec<&Record<Row>> = rows.iter().filter(|r| r.part == "learned").collect();
    let most = learned.iter().map(|r| r.n).max().unwrap_or(0);
    let size = learned.iter().map(|r| r.per_problem).max().unwrap_or(0);
    let majority =
        summary(rows.iter().filter(|r| r.teaching == "majority" && r.n == most).map(|r| (f64::from(r.n), r.solved)));
    let majority = majority.first().map_or(f64::NAN, |s| s.1);
    let y = || Axis { label: "share of problems solved".into(), ..Axis::default() };
    let mut by_size: Vec<Panel> = [("model", "labels of a large model"), ("truth", "true labels")]
        .into_iter()
        .map(|(labeller, words)| {
            let own = |r: &Row| r.n == most;
            let mut layers = series(&learned, labeller, own, |r| r.per_problem as f64);
            layers.push(Layer::Horizontal { label: "majority vote".into(), y: majority });
            Panel {
                title: format!("4a: best of {most}, {words}"),
                x: log_axis("labelled solutions per problem"),
                y: y(),
                layers,
            }
        })
        .collect();
    let mut layers = series(&learned, "truth", |r| r.per_problem == size, |r| f64::from(r.n));
    let line =
        |name: &str| means(&summary(rows.iter().filter(|r| r.teaching == name).map(|r| (f64::from(r.n), r.solved))));
    layers.push(Layer::Reference { label: "majority vote".into(), points: line("majority") });
    layers.push(Layer::Reference { label: "some candidate is right".into(), points: line("any") });
    by_size.push(Panel {
        title: format!("4b: {size} solutions per problem, true labels"),
        x: log_axis("candidates N"),
        y: y(),
        layers,
    });
    by_size.push(Panel {
        title: format!("Best of {most} by labels given, true labels"),
        x: log_axis("labels: steps (i) or solutions (ii, iii); mean over seeds"),
        y: y(),
        layers: series(&learned, "truth", |r| r.n == most, |r| labels_of_size(&learned, r)),
    });
    Chart {
        title: "The same solutions, labelled by steps, by outcomes and by final answers".into(),
        subtitle: format!(
            "Modular arithmetic; held-out problems; exact over draws from each problem's candidates. Lines: means over {} seeds; bands: their range.",
            seeds(rows).len()
        ),
        panels: by_size,
        columns: 2,
    }
}

fn series(rows: &[&Record<Row>], labeller: &str, inside: impl Fn(&Row) -> bool, x: impl Fn(&Row) -> f64) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (teaching, form, name, stroke) in SERIES {
        // final answers have no labeller of steps
        let labeller = if teaching == "answer" { "truth" } else { labeller };
        let own = rows.iter().filter(|r| r.labeller == labeller && r.teaching == teaching && r.form == form);
        let points = summary(own.filter(|r| inside(r)).map(|r| (x(r), r.solved)));
        layers.extend(banded(name, &points, stroke));
    }
    layers
}

/// The number of labels differs a little between seeds: the mean over seeds of models like this one is the size's place on the axis.
fn labels_of_size(rows: &[&Record<Row>], of: &Row) -> f64 {
    let like = |r: &&&Record<Row>| {
        (&r.labeller, &r.teaching, &r.form, r.per_problem, r.n)
            == (&of.labeller, &of.teaching, &of.form, of.per_problem, of.n)
    };
    mean(&rows.iter().filter(like).map(|r| r.labels as f64).collect::<Vec<_>>())
}

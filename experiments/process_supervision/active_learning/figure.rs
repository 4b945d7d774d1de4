//! Share solved against data, and what was labelled.

use super::Row;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::fit_line;

const CHOICES: [(&str, &str); 5] = [
    ("uniform", "uniform"),
    ("active", "active: convincing and wrong"),
    ("random_wrong", "random wrong answers"),
    ("ignorant", "selector without knowledge"),
    ("retrained", "selector retrained"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let x = || log_axis("labelled solutions per problem N");
    let line = |name: &str, points: Vec<(f64, f64, f64, f64)>| -> [Layer; 2] {
        [
            Layer::Band { series: name.into(), points: points.iter().map(|s| (s.0, s.2, s.3)).collect() },
            Layer::Line { series: name.into(), points: means(&points), stroke: Stroke::Solid, markers: true },
        ]
    };
    let lines = |sight: &str, y: &dyn Fn(&Row) -> f64| -> Vec<Layer> {
        let of = |(choice, name): (&str, &str)| {
            let own = rows.iter().filter(|r| r.choice == choice && r.sight == sight);
            line(name, summary(own.map(|r| (r.per_problem as f64, y(r)))))
        };
        CHOICES.into_iter().flat_map(of).collect()
    };
    let solved = |sight: &str| {
        let mut layers = lines(sight, &|r| r.solved);
        for choice in ["uniform", "active"] {
            let own = rows.iter().filter(|r| r.choice == choice && r.sight == sight);
            let own = summary(own.map(|r| (r.per_problem as f64, r.solved)));
            let (x, y): (Vec<f64>, Vec<f64>) = own.iter().map(|s| (s.0.ln(), s.1)).unzip();
            let fit = fit_line(&x, &y);
            let ends = [x.first(), x.last()].into_iter().flatten();
            let points = ends.map(|x| (x.exp(), fit.intercept + fit.slope.value * x)).collect();
            layers.push(Layer::Reference { label: "lines on ln N".into(), points });
        }
        layers
    };
    let panel = |title: &str, y: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: x(),
        y: Axis { label: y.into(), ..Axis::default() },
        layers,
    };
    Chart {
        title: "Labelling what convinces and is wrong".into(),
        subtitle: format!(
            "Process models from true labels; best of many candidates on held-out problems. Lines: means over {} seeds; bands: their range.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Solved: models without beliefs", "share solved", solved("blank")),
            panel("Solved: models with the generator's beliefs", "share solved", solved("beliefs")),
            panel("Labelled steps that are right (without beliefs)", "share", lines("blank", &|r| r.steps_right)),
            panel("Labelled solutions that differ (without beliefs)", "share", lines("blank", &|r| r.different)),
        ],
        columns: 2,
    }
}

//! Share solved against data, and what was labelled.

use super::Row;
use super::judge::slope;
use crate::statistics::{banded, by_seed, log_axis, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{fit_line, ratio};

const CHOICES: [(&str, &str); 5] = [
    ("uniform", "uniform"),
    ("active", "active: convincing and wrong"),
    ("random_wrong", "random wrong answers"),
    ("ignorant", "selector without knowledge"),
    ("retrained", "selector retrained"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let x = || log_axis("N, labelled per problem");
    let lines = |sight: &str, y: &dyn Fn(&Row) -> f64| -> Vec<Layer> {
        let of = |(choice, name): (&str, &str)| {
            let own = rows.iter().filter(|r| r.choice == choice && r.sight == sight);
            banded(name, &summary(own.map(|r| (r.per_problem as f64, y(r)))), Stroke::Solid)
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
            layers.push(Layer::Reference { label: format!("{choice}: line fitted on ln N"), points });
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
            "Process models from true labels, without and with the generator's beliefs; best of many candidates on held-out problems. Lines: means over {} seeds; bands: their range. \
             Bars: slope of the fitted line over that of uniform data, ratio of means with its 95% bootstrap interval.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Solved: without beliefs", "share solved", solved("blank")),
            panel("Solved: generator's beliefs", "share solved", solved("beliefs")),
            slopes(rows),
            panel("Labelled steps that are right (without beliefs)", "share", lines("blank", &|r| r.steps_right)),
            panel("Labelled solutions that differ (without beliefs)", "share", lines("blank", &|r| r.different)),
            panel("Labelled solutions that end right (without beliefs)", "share", lines("blank", &|r| r.ends_right)),
        ],
        columns: 3,
    }
}

/// The paper's measure of how much data a choice saves.
fn slopes(rows: &[Record<Row>]) -> Panel {
    let sights = [("blank", "without beliefs"), ("beliefs", "with beliefs")];
    let bars = |(choice, name): (&str, &str)| {
        let of =
            |sight: &str, choice: &str| by_seed(rows.iter().filter(|r| r.choice == choice && r.sight == sight), slope);
        let bar = |(at, (sight, _)): (usize, &(&str, &str))| {
            let e = ratio(&of(sight, choice), &of(sight, "uniform"));
            (at, e.value, e.low, e.high)
        };
        Layer::Bars { series: name.into(), bars: sights.iter().enumerate().map(bar).collect() }
    };
    let paper = Layer::Horizontal { label: "paper, active: 2.6 (reported second-hand)".into(), y: 2.6 };
    Panel {
        title: "Slope on ln N over uniform's".into(),
        x: Axis {
            label: "what reward models start with".into(),
            categories: sights.map(|(_, name)| name.to_owned()).into(),
            ..Axis::default()
        },
        y: Axis { label: "ratio of slopes".into(), ..Axis::default() },
        layers: CHOICES[1..].iter().map(|c| bars(*c)).chain([paper]).collect(),
    }
}

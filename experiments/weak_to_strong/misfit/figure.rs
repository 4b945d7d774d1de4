//! Gain against misfit, and what is left between them.

use super::Row;
use crate::statistics::{log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Chart, Layer, Panel};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let scatter = |series: &str, classes: &[&str]| Layer::Scatter {
        series: series.into(),
        points: rows
            .iter()
            .filter(|r| classes.contains(&r.class.as_str()) && r.teacher != "in the class")
            .map(|r| (r.misfit, r.gain))
            .collect(),
    };
    let between = |series: &str, own: bool| Layer::Scatter {
        series: series.into(),
        points: rows
            .iter()
            .filter(|r| r.class == "unrealisable" && (r.teacher == "own residual") == own)
            .map(|r| (r.epsilon, (r.gain - r.misfit).abs() / r.misfit.sqrt()))
            .collect(),
    };
    let diagonal = |low: f64, high: f64| Layer::Reference {
        label: "gain = misfit".into(),
        points: vec![(low, low), (high, high)],
    };
    let slope = |from: f64, to: f64| Layer::Reference {
        label: "2 √ε (bound)".into(),
        points: [from, to].map(|e: f64| (e, 2.0 * e.sqrt())).into(),
    };
    let range = |of: &dyn Fn(&Row) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|r| of(r)).filter(|v| *v > 0.0).collect();
        values.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)))
    };
    let real = |r: &Row| r.teacher != "in the class";
    let is_kl = |r: &Row| r.class.starts_with("log-odds") || r.class == "mixtures";
    let squares = range(&|r| (real(r) && matches!(r.class.as_str(), "affine" | "ball")).then_some(r.misfit));
    let nats = range(&|r| (real(r) && is_kl(r)).then_some(r.misfit));
    let epsilon = range(&|r| (r.class == "unrealisable").then_some(r.epsilon));
    Chart {
        title: "Gain and misfit of a student on its teacher's labels".into(),
        subtitle: format!(
            "Each point: one teacher (noise on its representation, or a shallower network) at one of {} seeds. Population \
             quantities, no sampling error. Gain: the teacher's error less the student's; the truth has variance 1 (left, middle).",
            seeds(rows).len()
        ),
        panels: vec![
            Panel {
                title: "Squared error, the class holds the truth".into(),
                x: log_axis("misfit E (student − teacher)²"),
                y: log_axis("gain in squared error"),
                layers: vec![
                    scatter("ball of heads", &["ball"]),
                    scatter("all heads", &["affine"]),
                    diagonal(squares.0, squares.1),
                ],
            },
            Panel {
                title: "Up to ε".into(),
                x: log_axis("ε, squared error of the class's best"),
                y: log_axis("|gain − misfit| / √misfit"),
                layers: vec![
                    between("noise in the student's representation", false),
                    between("truth lacks a part of the teacher's error", true),
                    slope(epsilon.0, epsilon.1),
                ],
            },
            Panel {
                title: "Cross-entropy".into(),
                x: log_axis("misfit in KL (nats)"),
                y: log_axis("gain in KL (nats)"),
                layers: vec![
                    scatter("log-odds in a ball", &["log-odds ball"]),
                    scatter("log-odds linear", &["log-odds"]),
                    scatter("mixtures of probabilities", &["mixtures"]),
                    diagonal(nats.0, nats.1),
                ],
            },
        ],
        columns: 3,
    }
}

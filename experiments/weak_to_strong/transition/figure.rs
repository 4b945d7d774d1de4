//! Accuracy against u and m.

use super::Row;
use crate::statistics::{banded, intervals, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use std::collections::BTreeSet;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of = |features: &'static str, n: usize| rows.iter().filter(move |r| r.features == features && r.labelled == n);
    let sizes: BTreeSet<usize> = rows.iter().filter(|r| r.features == "strong").map(|r| r.labelled).collect();
    let most = sizes.last().copied().unwrap_or(0);
    let panel = |title: &str, x: Axis, at: fn(&Row) -> f64| {
        let mut layers: Vec<Layer> = vec![Layer::Horizontal { label: "guessing".into(), y: 0.5 }];
        for &n in &sizes {
            let points = intervals(of("strong", n).map(|r| (at(&r.row), r.student)));
            layers.extend(banded(&format!("student, n = {n}"), &points, Stroke::Solid));
        }
        let same = intervals(of("same", most).map(|r| (at(&r.row), r.student)));
        layers.extend(banded(&format!("student, teacher's features, n = {most}"), &same, Stroke::Dotted));
        let teachers = intervals(of("strong", most).map(|r| (at(&r.row), r.teacher)));
        layers.extend(banded(&format!("teacher, n = {most}"), &teachers, Stroke::Dashed));
        let y = Axis { label: "accuracy".into(), range: Some((0.4, 1.0)), ..Axis::default() };
        Panel { title: title.into(), x, y, layers }
    };
    Chart {
        title: "Students of a teacher that guesses, by the number of its labels".into(),
        subtitle: format!(
            "Min-norm interpolation with spiked covariances; accuracy exact for each drawn model. Lines: means over {} seeds; bands: 95% t \
             intervals.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("By exponent", Axis { label: "u (m = n^u weak labels)".into(), ..Axis::default() }, |r| r.exponent),
            panel("By number", log_axis("m, weak labels"), |r| r.relabelled as f64),
        ],
        columns: 2,
    }
}

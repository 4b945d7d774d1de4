//! Accuracy and, under it, PGR by the student's size.

use super::super::linear_world::figure;
use super::Row;
use super::judge::recovered;
use crate::statistics::{banded, intervals, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Chart, Stroke};
use std::collections::BTreeSet;

const LOSSES: [(&str, &str, Stroke); 5] = [
    ("naive", "naive", Stroke::Solid),
    ("confidence", "confidence, paper", Stroke::Solid),
    ("public_confidence", "confidence, public code", Stroke::Dashed),
    ("product", "product", Stroke::Dotted),
    ("entropy", "entropy", Stroke::Dotted),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes: BTreeSet<usize> = rows.iter().map(|r| r.size).collect();
    let accuracy = |regime: &'static str| {
        let of = |loss: &'static str, value: fn(&Row) -> f64| {
            let own = rows.iter().filter(|r| r.regime == regime && r.loss == loss && r.labels == "weak");
            intervals(own.map(|r| (r.size as f64, value(&r.row))))
        };
        let lines = LOSSES.iter().flat_map(|(loss, series, stroke)| banded(series, &of(loss, |r| r.student), *stroke));
        let title = format!("{regime}: accuracy");
        figure::accuracy(&title, &of("naive", |r| r.ceiling), &of("naive", |r| r.weak), lines)
    };
    let pgr = |regime: &'static str| {
        let line = |(loss, series, stroke): &(&str, &str, Stroke)| {
            let of_size = sizes.iter().map(|size| (*size, recovered(rows, regime, loss, *size)));
            figure::recovered_line(series, of_size, *stroke)
        };
        figure::recovered(&format!("{regime}: performance gap recovered"), LOSSES.iter().flat_map(line))
    };
    Chart {
        title: "Losses on weak labels".into(),
        subtitle: format!(
            "Linear world, exact accuracies. A: errors mostly from noise of the teacher's own; B: errors that all students can represent. \
             Means over {} seeds with 95% \
             intervals (PGR: Fieller's).",
            seeds(rows).len()
        ),
        panels: vec![accuracy("A"), accuracy("B"), pgr("A"), pgr("B")],
        columns: 2,
    }
}

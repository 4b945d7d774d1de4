//! Accuracy and, under it, PGR by the student's size.

use super::super::linear_world::figure;
use super::Row;
use super::judge::{of, recovered};
use crate::statistics::{banded, intervals, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Chart, Stroke};
use std::collections::BTreeMap;

const STUDENTS: [(&str, fn(&Row) -> f64, Stroke); 3] = [
    ("naive", |r| r.naive, Stroke::Solid),
    ("chain", |r| r.chain, Stroke::Solid),
    ("three rounds of one size", |r| r.rounds, Stroke::Dotted),
];

const REGIMES: [(&str, &str); 3] = [
    ("B", "B: errors can be represented"),
    ("A", "A: most cannot be predicted"),
    ("plain", "B, plain representations"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let places: BTreeMap<usize, usize> = rows.iter().map(|r| (r.place, r.size)).collect();
    let accuracy = |(regime, title): &(&'static str, &str)| {
        let all = |value: fn(&Row) -> f64| {
            intervals(places.keys().flat_map(|p| of(rows, regime, *p)).map(|r| (r.size as f64, value(&r.row))))
        };
        let lines = STUDENTS.iter().flat_map(|(series, value, stroke)| banded(series, &all(*value), *stroke));
        figure::accuracy(title, &all(|r| r.ceiling), &all(|r| r.weak), lines)
    };
    let pgr = |(regime, _): &(&'static str, &str)| {
        let line = |(series, value, stroke): &(&str, fn(&Row) -> f64, Stroke)| {
            let of_size = places.iter().map(|(place, size)| (*size, recovered(rows, regime, *place, *value)));
            figure::recovered_line(series, of_size, *stroke)
        };
        figure::recovered("Performance gap recovered", STUDENTS.iter().flat_map(line))
    };
    Chart {
        title: "Bootstrapping: chains of students".into(),
        subtitle: format!(
            "Linear world, exact accuracies. Chains have two intermediate sizes where the ladder has so many. Means over {} seeds with 95% intervals (PGR: \
             Fieller's).",
            seeds(rows).len()
        ),
        panels: REGIMES.iter().map(accuracy).chain(REGIMES.iter().map(pgr)).collect(),
        columns: 3,
    }
}

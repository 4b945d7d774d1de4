//! As in the paper: share solved and PGR against the student's size, a line per teacher; agreement; chains.

use super::super::gap::recovered_axis;
use super::Row;
use super::judge::whole;
use crate::statistics::{banded, intervals, log_axis, means, seeds};
use rewardlab::experiment::Record;
use rewardlab::metrics::{Scores, gap_recovered};
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean_interval;
use std::collections::BTreeMap;

/// (level, parameters), weakest first.
fn ladder(rows: &[Record<Row>]) -> BTreeMap<usize, usize> {
    whole(rows, "itself").map(|r| (r.student, r.student_parameters)).collect()
}

fn name(parameters: usize) -> String {
    format!("teacher of {:.0}k", parameters as f64 / 1e3)
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let ladder = ladder(rows);
    let last = ladder.keys().max().copied().unwrap_or(0);
    let size = || log_axis("parameters of the student");
    let panel = |title: &str, y: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: size(),
        y: Axis { label: y.into(), ..Axis::default() },
        layers,
    };
    let teachers: Vec<(usize, String)> =
        ladder.iter().filter(|(l, _)| **l < last).map(|(l, parameters)| (*l, name(*parameters))).collect();
    Chart {
        title: "Chess puzzles: students of weaker teachers".into(),
        subtitle: format!(
            "Mates in one and two, one solving move each. Lines: means over {} seeds; bands and bars: 95% t intervals, of PGR Fieller's \
             (where the gap is not clearly above 0 there is no point). A teacher's line begins with the teacher itself.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("Share solved", "share of test puzzles solved", solved(rows, &teachers)),
            recovered(rows, &teachers),
            panel("The teacher's errors repeated", "agreement where the teacher is wrong", repeated(rows, &teachers)),
            chains(rows, &teachers, last),
        ],
        columns: 2,
    }
}

fn solved(rows: &[Record<Row>], teachers: &[(usize, String)]) -> Vec<Layer> {
    let of = |value: fn(&Row) -> f64| intervals(whole(rows, "itself").map(|r| (r.student_parameters as f64, value(r))));
    let mut layers: Vec<Layer> = teachers
        .iter()
        .flat_map(|(level, series)| {
            let own =
                ["itself", "ladder"].into_iter().flat_map(|part| whole(rows, part)).filter(|r| r.teacher == *level);
            banded(series, &intervals(own.map(|r| (r.student_parameters as f64, r.solved))), Stroke::Solid)
        })
        .collect();
    layers.push(Layer::Reference { label: "ceiling: the truth".into(), points: means(&of(|r| r.ceiling)) });
    layers.push(Layer::Reference { label: "pretrained only".into(), points: means(&of(|r| r.base)) });
    layers
}

/// A line, and the intervals of its points: the nearest teacher has one point, where a band would not show. Teachers stand a little beside each other, by
/// their level.
fn whiskers(level: usize, series: &str, points: &[(f64, f64, f64, f64)]) -> [Layer; 2] {
    let beside = 1.03_f64.powi(level as i32 - 1);
    let points: Vec<_> = points.iter().map(|p| (p.0 * beside, p.1, p.2, p.3)).collect();
    [
        Layer::Line { series: series.into(), points: means(&points), stroke: Stroke::Solid, markers: true },
        Layer::ErrorBars { series: series.into(), points },
    ]
}

fn recovered(rows: &[Record<Row>], teachers: &[(usize, String)]) -> Panel {
    let mut all = Vec::new();
    let mut layers: Vec<Layer> = teachers
        .iter()
        .flat_map(|(level, series)| {
            let mut of_student: BTreeMap<usize, Vec<Scores>> = BTreeMap::new();
            let own = whole(rows, "ladder").filter(|r| r.teacher == *level);
            own.for_each(|r| of_student.entry(r.student_parameters).or_default().push(r.scores()));
            let points: Vec<(f64, f64, f64, f64)> = of_student
                .into_iter()
                .map(|(parameters, scores)| (parameters as f64, gap_recovered(&scores)))
                .filter(|(_, e)| e.low.is_finite() && e.high.is_finite())
                .map(|(x, e)| (x, e.value, e.low, e.high))
                .collect();
            all.extend_from_slice(&points);
            whiskers(*level, series, &points)
        })
        .collect();
    layers.push(Layer::Horizontal { label: "nothing recovered".into(), y: 0.0 });
    let y = recovered_axis(&all, &[0.0]);
    Panel { title: "Performance gap recovered".into(), x: log_axis("parameters of the student"), y, layers }
}

fn repeated(rows: &[Record<Row>], teachers: &[(usize, String)]) -> Vec<Layer> {
    let of = |(level, series): &(usize, String)| {
        let own = whole(rows, "ladder").filter(|r| r.teacher == *level);
        whiskers(
            *level,
            series,
            &intervals(own.filter_map(|r| Some((r.student_parameters as f64, r.agreement_wrong?)))),
        )
    };
    teachers.iter().flat_map(of).collect()
}

fn chains(rows: &[Record<Row>], teachers: &[(usize, String)], last: usize) -> Panel {
    let series = [
        ("ladder", "naive"),
        ("chain", "chain through sizes between"),
        ("chain_of_equals", "chain through the teacher's size"),
    ];
    let bars = |(part, series): (&str, &str)| {
        let bar = |(place, (level, _)): (usize, &(usize, String))| {
            let own = whole(rows, part).filter(|r| r.teacher == *level && r.student == last);
            let solved: Vec<f64> = own.map(|r| r.solved).collect();
            let e = mean_interval(&solved);
            (!solved.is_empty()).then_some((place, e.value, e.low, e.high))
        };
        Layer::Bars { series: series.into(), bars: teachers.iter().enumerate().filter_map(bar).collect() }
    };
    Panel {
        title: "The largest student, by chains".into(),
        x: Axis {
            label: "teacher".into(),
            categories: teachers.iter().map(|(_, name)| name.trim_start_matches("teacher of ").to_owned()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "share of test puzzles solved".into(), ..Axis::default() },
        layers: series.map(bars).into(),
    }
}

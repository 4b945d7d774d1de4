//! The largest student by teacher: accuracy, and what it recovers.

use super::super::gap::{Run, pgr};
use super::Row;
use crate::statistics::{banded, intervals, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::Estimate;
use std::collections::BTreeSet;

const READ: [(&str, &str, Stroke); 4] = [
    ("nothing", "nobody has read", Stroke::Dashed),
    ("student", "student and ceiling have read", Stroke::Solid),
    ("both", "teacher too", Stroke::Solid),
    ("scrambled", "read scrambled completions", Stroke::Dotted),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let students: BTreeSet<usize> = rows.iter().map(|r| r.student).collect();
    let top = students.last().copied().unwrap_or(0);
    let of = |read: &'static str| rows.iter().filter(move |r| r.read == read && r.student == top);
    let mut scores = Vec::new();
    for (read, name, stroke) in READ {
        scores.extend(banded(name, &intervals(of(read).map(|r| (r.teacher as f64, r.accuracy))), stroke));
    }
    let ceiling = |read: &'static str| intervals(of(read).map(|r| (r.teacher as f64, r.ceiling)));
    let line = |points: Vec<(f64, f64, f64, f64)>| points.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>();
    scores.push(Layer::Reference { label: "ceiling that has read".into(), points: line(ceiling("student")) });
    scores.push(Layer::Reference { label: "ceiling that has not".into(), points: line(ceiling("nothing")) });
    scores.push(Layer::Reference {
        label: "teacher that has not read".into(),
        points: line(intervals(of("nothing").map(|r| (r.teacher as f64, r.weak)))),
    });
    let categories = (0..top).map(|level| (level + 1).to_string()).collect();
    let x = Axis { label: "teacher: rung of the ladder, from the smallest".into(), categories, ..Axis::default() };
    let y = |label: &str| Axis { label: label.into(), ..Axis::default() };
    Chart {
        title: "Generative finetuning before weak supervision".into(),
        subtitle: format!(
            "Reward models of the sentiment world; reading: finetuning on all completions, whichever is preferred. The largest student; means \
             over {} seeds, bands and bars 95%: Student's t, of PGR Fieller's.",
            seeds(rows).len()
        ),
        panels: vec![
            Panel {
                title: "The largest student".into(),
                x,
                y: y("share of held-out pairs ranked right"),
                layers: scores,
            },
            bars(rows),
        ],
        columns: 1,
    }
}

/// PGR over all teachers of all larger students, at the end and as an oracle stops.
fn bars(rows: &[Record<Row>]) -> Panel {
    let over = |read: &str, stopped: bool| {
        pgr(rows.iter().filter(|r| r.read == read).map(|r| -> Run { Row::run(r, stopped) }))
    };
    let series = |stopped: bool, name: &str| {
        let bar = |(i, (read, ..)): (usize, &(&str, &str, Stroke))| {
            let Estimate { value, low, high, .. } = over(read, stopped);
            if low.is_nan() { (i, value, value, value) } else { (i, value, low, high) }
        };
        Layer::Bars {
            series: name.into(),
            bars: READ.iter().enumerate().map(bar).filter(|b| b.1.is_finite()).collect(),
        }
    };
    Panel {
        title: "Recovered, all teachers and students".into(),
        x: Axis {
            label: "who has read".into(),
            categories: ["nobody", "student", "teacher too", "scrambled"].map(str::to_owned).into(),
            ..Axis::default()
        },
        y: Axis { label: "PGR of mean accuracies".into(), ..Axis::default() },
        layers: vec![series(false, "end of training"), series(true, "oracle early stopping")],
    }
}

//! The figure: accuracies, what is recovered of the gap, agreement with the teacher.

use super::{Row, of, questions};
use rewardlab::experiment::Record;
use rewardlab::metrics::gap_recovered;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{Estimate, mean_interval};

/// In the rows and on the axis.
const STUDENTS: [(&str, &str); 5] = [
    ("naive", "naive"),
    ("confidence", "confidence loss"),
    ("random", "errors at random"),
    ("scratch", "not pretrained"),
    ("dealt", "labels dealt anew"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let questions = questions(rows);
    let mut panels: Vec<Panel> = questions.iter().map(|q| accuracies(rows, q)).collect();
    panels.push(recovered(rows, &questions));
    panels.push(agreements(rows, &questions));
    Chart {
        title: "A pretrained student of a teacher from scratch".into(),
        subtitle: "Held-out texts, half of them called yes. Bars: means over seeds with 95% t intervals; PGR: mean gain over mean gap, \
                   Fieller's 95% interval."
            .into(),
        panels,
        columns: 2,
    }
}

fn mean(rows: &[Record<Row>], question: &str, student: &str, column: impl Fn(&Row) -> f64) -> Estimate {
    mean_interval(&of(rows, question, student).iter().map(|r| column(r)).collect::<Vec<_>>())
}

fn axis(students: &[(&str, &str)]) -> Axis {
    let categories = students.iter().map(|(_, name)| (*name).into()).collect();
    Axis { label: "student".into(), categories, ..Axis::default() }
}

fn accuracies(rows: &[Record<Row>], question: &str) -> Panel {
    let bar = |(i, (student, _)): (usize, &(&str, &str))| {
        let e = mean(rows, question, student, |r| r.accuracy);
        (i, e.value, e.low, e.high)
    };
    let line = |label: &str, column: fn(&Row) -> f64| Layer::Horizontal {
        label: label.into(),
        y: mean(rows, question, "naive", column).value,
    };
    Panel {
        title: question.into(),
        x: axis(&STUDENTS),
        y: Axis { label: "accuracy".into(), range: Some((0.3, 1.02)), ..Axis::default() },
        layers: vec![
            Layer::Bars { series: "student".into(), bars: STUDENTS.iter().enumerate().map(bar).collect() },
            line("teacher", |r| r.weak),
            line("ceiling", |r| r.ceiling),
        ],
    }
}

fn recovered(rows: &[Record<Row>], questions: &[String]) -> Panel {
    let students = &STUDENTS[..4];
    let series = |question: &String| {
        let bar = |(i, (student, _)): (usize, &(&str, &str))| {
            let scores: Vec<_> = of(rows, question, student).iter().map(|r| r.scores()).collect();
            let e = gap_recovered(&scores);
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: question.clone(), bars: students.iter().enumerate().map(bar).collect() }
    };
    let mut layers: Vec<Layer> = questions.iter().map(series).collect();
    layers.push(Layer::Horizontal { label: "all of the gap".into(), y: 1.0 });
    Panel {
        title: "performance gap recovered".into(),
        x: axis(students),
        y: Axis { label: "PGR".into(), range: Some((-1.0, 1.5)), ..Axis::default() },
        layers,
    }
}

fn agreements(rows: &[Record<Row>], questions: &[String]) -> Panel {
    let columns: [(&str, fn(&Row) -> f64); 2] = [
        ("teacher right", |r| r.agreement_right.unwrap_or(f64::NAN)),
        ("teacher wrong", |r| r.agreement_wrong.unwrap_or(f64::NAN)),
    ];
    let series = |question: &String| {
        let bar = |(i, (_, column)): (usize, &(&str, fn(&Row) -> f64))| {
            let e = mean(rows, question, "naive", column);
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: question.clone(), bars: columns.iter().enumerate().map(bar).collect() }
    };
    let categories = columns.iter().map(|(name, _)| (*name).into()).collect();
    Panel {
        title: "agreement of the naive student".into(),
        x: Axis { label: "test texts".into(), categories, ..Axis::default() },
        y: Axis { label: "agreement with the teacher".into(), range: Some((0.0, 1.02)), ..Axis::default() },
        layers: questions.iter().map(series).collect(),
    }
}

//! What figures over the sizes of students share.

use crate::statistics::{banded, log_axis, means};
use rewardlab::plot::{Axis, Layer, Panel, Stroke};
use rewardlab::stats::Estimate;

/// (size, mean, low, high).
type Points = [(f64, f64, f64, f64)];

pub(crate) fn size_axis() -> Axis {
    log_axis("student's size (inputs seen)")
}

/// Accuracy by size: ceiling and teacher, and over them the students' lines.
pub(crate) fn accuracy(
    title: &str,
    ceiling: &Points,
    teacher: &Points,
    students: impl IntoIterator<Item = Layer>,
) -> Panel {
    let reference = |label: &str, points| Layer::Reference { label: label.into(), points: means(points) };
    let references = [reference("ceiling", ceiling), reference("teacher", teacher)];
    Panel {
        title: title.into(),
        x: size_axis(),
        y: Axis { label: "accuracy".into(), ..Axis::default() },
        layers: references.into_iter().chain(students).collect(),
    }
}

/// PGR by size: the line of one kind of student, with its intervals.
pub(crate) fn recovered_line(
    series: &str,
    of_size: impl IntoIterator<Item = (usize, Estimate)>,
    stroke: Stroke,
) -> [Layer; 2] {
    let points: Vec<_> = of_size.into_iter().map(|(size, e)| (size as f64, e.value, e.low, e.high)).collect();
    banded(series, &points, stroke)
}

/// PGR by size: all lines.
pub(crate) fn recovered(title: &str, lines: impl IntoIterator<Item = Layer>) -> Panel {
    Panel {
        title: title.into(),
        x: size_axis(),
        y: Axis { label: "PGR".into(), ..Axis::default() },
        layers: [Layer::Horizontal { label: "nothing recovered".into(), y: 0.0 }].into_iter().chain(lines).collect(),
    }
}

//! Scores by task, and under them what was recovered.

use super::read::File;
use super::{Overall, Recovered};
use crate::metrics::Scores;
use crate::plot::{Axis, Chart, Layer, Panel};
use crate::stats::mean_interval;

/// How far beyond the values and 0 to 1 an interval may stretch the axis of PGR: those of narrow gaps have no end.
const STRETCH: f64 = 0.75;

pub(super) fn chart(tasks: &[Recovered], [median, _]: &[Overall; 2], file: &File) -> Chart {
    let names: Vec<String> = tasks.iter().map(|t| t.task.clone()).collect();
    let x = Axis { label: "task".into(), categories: names, ..Axis::default() };
    let parts: [(&str, f64, fn(&Scores) -> f64); 3] =
        [("weak teacher", -0.18, |s| s.weak), ("student", 0.0, |s| s.student), ("strong ceiling", 0.18, |s| s.ceiling)];
    let scores = parts.map(|(series, shift, part)| {
        let point = |(i, (_, runs)): (usize, &(String, Vec<Scores>))| {
            let e = mean_interval(&runs.iter().map(part).collect::<Vec<_>>());
            let end = |end: f64| if end.is_nan() { e.value } else { end };
            (i as f64 + shift, e.value, end(e.low), end(e.high))
        };
        Layer::ErrorBars { series: series.into(), points: file.tasks.iter().enumerate().map(point).collect() }
    });
    let range = range(tasks);
    let defined = || tasks.iter().enumerate().filter(|(_, t)| !t.pgr.is_nan());
    let points = defined().map(|(i, t)| {
        let end = |end: f64| if end.is_nan() { t.pgr } else { end.clamp(range.0, range.1) };
        (i as f64, t.pgr, end(t.pgr_low), end(t.pgr_high))
    });
    let mut recovered = vec![
        Layer::Horizontal { label: "as its teacher, as its ceiling".into(), y: 0.0 },
        Layer::Horizontal { label: "as its teacher, as its ceiling".into(), y: 1.0 },
        Layer::ErrorBars { series: "PGR".into(), points: points.collect() },
    ];
    if !median.pgr.is_nan() && median.tasks > 1 {
        let label = format!("median over {} tasks: {:.2}", median.tasks, median.pgr);
        recovered.push(Layer::Horizontal { label, y: median.pgr });
    }
    let cut = defined().any(|(_, t)| t.pgr_low < range.0 || t.pgr_high > range.1);
    let undefined = tasks.len() - defined().count();
    let mut words = vec![bars(tasks).to_owned()];
    if undefined > 0 {
        words.push(format!("{undefined} of {} without PGR: no gap that is certain", tasks.len()));
    }
    if cut {
        words.push("long intervals are cut".into());
    }
    // what bars are, and under it the rest
    let (first, rest) = (words.remove(0), words.join("; "));
    let subtitle = if rest.is_empty() { first } else { format!("{first}\n{rest}") };
    let y = Axis { label: "performance gap recovered".into(), range: Some(range), ..Axis::default() };
    Chart {
        title: "What students recover of the gap between teacher and ceiling".into(),
        subtitle,
        panels: vec![
            Panel {
                title: "Scores".into(),
                x: x.clone(),
                y: Axis { label: "score (the file's unit)".into(), ..Axis::default() },
                layers: scores.into(),
            },
            Panel { title: "Recovered".into(), x, y, layers: recovered },
        ],
        columns: 1,
    }
}

/// What the bars are, where there are any.
fn bars(tasks: &[Recovered]) -> &'static str {
    let above = tasks.iter().any(|t| t.seeds > 1);
    let below = tasks.iter().any(|t| !t.pgr.is_nan() && !t.pgr_low.is_nan());
    match (above, below) {
        (true, true) => "bars: 95% intervals over seeds, Student's t above, Fieller below",
        (true, false) => "bars: 95% intervals over seeds, Student's t",
        _ => "one seed per task: no intervals",
    }
}

/// All values, 0 and 1, and the intervals up to [`STRETCH`] beyond them.
fn range(tasks: &[Recovered]) -> (f64, f64) {
    let values = || tasks.iter().filter(|t| !t.pgr.is_nan());
    let low = values().fold(0.0, |low: f64, t| low.min(t.pgr));
    let high = values().fold(1.0, |high: f64, t| high.max(t.pgr));
    let farthest_low = values().fold(low, |end: f64, t| end.min(t.pgr_low)).max(low - STRETCH);
    let farthest_high = values().fold(high, |end: f64, t| end.max(t.pgr_high)).min(high + STRETCH);
    (farthest_low - 0.08, farthest_high + 0.08)
}

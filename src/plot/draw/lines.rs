//! Lines, bands, reference curves.

use super::{Pen, clip, points};
use crate::plot::chart::{Layer, Stroke};
use crate::plot::palette::{Color, Dashes};
use crate::plot::scene::Point;

/// Width of a data line.
pub(crate) const DATA_LINE: f64 = 2.4;
/// Width of a reference line.
pub(crate) const REFERENCE_LINE: f64 = 2.0;
/// Opacity of a band.
pub(crate) const BAND_OPACITY: f64 = 0.2;
/// A line that gets only a few markers gets about this many across a panel.
const MARKED_STRETCHES: f64 = 5.0;
/// Markers nearer to each other have no rims, which would make a solid line look dashed, and get smaller.
const RIM_STEP: f64 = 45.0;
/// How far the white edge of a reference line stands out on each side.
const HALO: f64 = 1.5;
/// Points of a line nearer to each other than this are drawn as one.
const FINEST: f64 = 0.35;

/// Dash lengths of a data line.
pub(crate) fn dashes(stroke: Stroke) -> Dashes {
    match stroke {
        Stroke::Solid => &[],
        Stroke::Dashed => &[10.0, 6.0],
        Stroke::Dotted => &[2.6, 4.6],
    }
}

/// A data line with its markers.
pub(super) fn line(pen: &mut Pen<'_>, series: &str, data: &[(f64, f64)], stroke: Stroke, markers: bool) {
    let look = pen.looks.look(series);
    let runs = runs(pen, data);
    for run in &runs {
        stroke_path(pen, run, DATA_LINE, look.color, dashes(stroke));
    }
    for run in runs {
        // A lone point between gaps has no line to show it.
        let all = markers || run.len() == 1;
        let chosen = match (all, pen.looks.sparse_markers(series, stroke)) {
            (true, _) => run,
            (false, true) => every_stretch(&run, pen.frame.plot.width() / MARKED_STRETCHES, pen.looks.index(series)),
            (false, false) => continue,
        };
        let seen: Vec<Point> = chosen.into_iter().filter(|at| pen.inside(*at)).collect();
        let step = if all { typical_step(&seen) } else { f64::INFINITY };
        for at in seen {
            if step > RIM_STEP {
                points::rimmed(pen.scene, look, at);
            } else {
                points::shape(pen.scene, look.marker, at, (step * 0.45).clamp(3.2, points::MARKER), look.color);
            }
        }
    }
}

/// Some of a line's points, about `stretch` apart along it; lines of different rank start at different distances, so
/// that their markers do not pile up.
fn every_stretch(run: &[Point], stretch: f64, rank: usize) -> Vec<Point> {
    let mut next = stretch * (0.3 + 0.37 * rank as f64).fract();
    let mut walked = 0.0;
    let mut chosen = Vec::new();
    for (i, &point) in run.iter().enumerate() {
        if i > 0 {
            walked += (point.0 - run[i - 1].0).hypot(point.1 - run[i - 1].1);
        }
        if walked >= next {
            chosen.push(point);
            next = walked + stretch;
        }
    }
    chosen
}

/// The median distance between neighbouring points.
fn typical_step(points: &[Point]) -> f64 {
    let mut steps: Vec<f64> = points.windows(2).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// The placeable stretches of a line: values that an axis cannot show leave gaps.
fn runs(pen: &Pen<'_>, data: &[(f64, f64)]) -> Vec<Vec<Point>> {
    let places: Vec<Option<Point>> = data.iter().map(|&(x, y)| pen.place(x, y)).collect();
    places
        .split(Option::is_none)
        .filter(|run| !run.is_empty())
        .map(|run| run.iter().flatten().copied().collect())
        .collect()
}

fn stroke_path(pen: &mut Pen<'_>, run: &[Point], width: f64, color: Color, dashes: Dashes) {
    for part in clip::path(&thin(run), pen.frame.plot) {
        for dash in clip::dash(&part, dashes) {
            pen.scene.path(dash, width, color);
        }
    }
}

/// Leaves out points that fall on the one before; the last stays.
fn thin(run: &[Point]) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::with_capacity(run.len());
    for (i, &point) in run.iter().enumerate() {
        let near = kept.last().is_some_and(|last| (point.0 - last.0).hypot(point.1 - last.1) < FINEST);
        if !near || (i + 1 == run.len() && kept.len() == 1) {
            kept.push(point);
        }
    }
    kept
}

/// A translucent band.
pub(super) fn band(pen: &mut Pen<'_>, series: &str, data: &[(f64, f64, f64)]) {
    let color = pen.looks.look(series).color.opacity(BAND_OPACITY);
    let places: Vec<Option<(f64, f64, f64)>> = data
        .iter()
        .map(|&(x, low, high)| {
            let x = pen.at_x(pen.frame.axes.x.place(x)?);
            Some((x, pen.end(low)?, pen.end(high)?))
        })
        .collect();
    for run in places.split(Option::is_none) {
        let upper = run.iter().flatten().map(|p| (p.0, p.2));
        let lower = run.iter().rev().flatten().map(|p| (p.0, p.1));
        let outline = clip::polygon(upper.chain(lower).collect(), pen.frame.plot);
        pen.scene.polygon(outline, color);
    }
}

/// A reference curve.
pub(super) fn reference(pen: &mut Pen<'_>, label: &str, data: &[(f64, f64)]) {
    for run in runs(pen, data) {
        reference_path(pen, label, &run);
    }
}

/// Dashes; on clouds of points with a white edge, without which they drown.
fn reference_path(pen: &mut Pen<'_>, label: &str, run: &[Point]) {
    let (color, dashes) = pen.looks.reference(label);
    let cloud = |layer: &Layer| matches!(layer, Layer::Scatter { .. } | Layer::ColoredScatter { .. });
    if pen.panel.layers.iter().any(cloud) {
        stroke_path(pen, run, REFERENCE_LINE + 2.0 * HALO, Color::WHITE, dashes);
    }
    stroke_path(pen, run, REFERENCE_LINE, color, dashes);
}

/// A horizontal reference line.
pub(super) fn horizontal(pen: &mut Pen<'_>, label: &str, y: f64) {
    let Some(share) = pen.frame.axes.y.place(y) else { return };
    let (y, plot) = (pen.at_y(share), pen.frame.plot);
    reference_path(pen, label, &[(plot.left, y), (plot.right, y)]);
}

/// A vertical reference line.
pub(super) fn vertical(pen: &mut Pen<'_>, label: &str, x: f64) {
    let Some(share) = pen.frame.axes.x.place(x) else { return };
    let (x, plot) = (pen.at_x(share), pen.frame.plot);
    reference_path(pen, label, &[(x, plot.bottom), (x, plot.top)]);
}

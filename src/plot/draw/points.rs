//! Markers, error bars, clouds of points.

use std::f64::consts::TAU;

use super::Pen;
use crate::plot::chart::Layer;
use crate::plot::palette::{Color, Look, Marker};
use crate::plot::scene::{Point, Scene};

/// Radius of a marker.
pub(crate) const MARKER: f64 = 5.0;
/// Width of an interval's line.
pub(crate) const WHISKER: f64 = 1.8;
/// Half the width of its caps.
pub(crate) const CAP: f64 = 4.5;

/// A marker with a thin white rim, so that it stands clear of lines under it.
pub(crate) fn rimmed(scene: &mut Scene, look: Look, at: Point) {
    shape(scene, look.marker, at, MARKER + 1.0, Color::WHITE);
    shape(scene, look.marker, at, MARKER, look.color);
}

/// A marker shape in one colour; all shapes have about the same area.
pub(crate) fn shape(scene: &mut Scene, marker: Marker, at: Point, radius: f64, color: Color) {
    let turned = |corners: u32, turn: f64, size: f64| -> Vec<Point> {
        (0..corners)
            .map(|i| {
                let angle = TAU * (f64::from(i) / f64::from(corners) + turn);
                (at.0 + size * radius * angle.sin(), at.1 - size * radius * angle.cos())
            })
            .collect()
    };
    match marker {
        Marker::Circle => scene.disc(at, radius, color),
        Marker::Square => scene.polygon(turned(4, 0.125, 1.25), color),
        Marker::Diamond => scene.polygon(turned(4, 0.0, 1.35), color),
        Marker::Triangle => scene.polygon(turned(3, 0.0, 1.45), color),
        Marker::TriangleDown => scene.polygon(turned(3, 0.5, 1.45), color),
        Marker::Pentagon => scene.polygon(turned(5, 0.0, 1.2), color),
        Marker::Plus => scene.polygon(cross(at, radius, 0.0), color),
        Marker::Cross => scene.polygon(cross(at, radius, 0.125), color),
    }
}

/// The outline of a thick plus sign, turned by a share of a full turn.
fn cross((x, y): Point, radius: f64, turn: f64) -> Vec<Point> {
    let (long, short) = (1.3 * radius, 0.45 * radius);
    let arm = [(-short, -long), (short, -long), (short, -short)];
    let (sin, cos) = (TAU * turn).sin_cos();
    (0..4)
        .flat_map(|quarter| arm.map(|(dx, dy)| (0..quarter).fold((dx, dy), |(a, b), _| (-b, a))))
        .map(|(dx, dy)| (x + cos * dx - sin * dy, y + sin * dx + cos * dy))
        .collect()
}

/// Points with vertical intervals.
pub(super) fn error_bars(pen: &mut Pen<'_>, series: &str, data: &[(f64, f64, f64, f64)]) {
    let look = pen.looks.look(series);
    let shift = side_step(pen, series);
    for &(x, y, low, high) in data {
        let Some(at) = pen.place(x + shift, y) else { continue };
        interval(pen, at.0, CAP, (low, high), look.color);
        if pen.inside(at) {
            shape(pen.scene, look.marker, at, MARKER, look.color);
        }
    }
}

/// On a category axis error bars of several series at the same categories stand side by side, as bars do; this is a
/// series' shift, in categories. None if lines or bars are to be met, or if the author placed the points.
fn side_step(pen: &Pen<'_>, series: &str) -> f64 {
    let mut group: Vec<&str> = Vec::new();
    let mut places = Vec::new();
    for layer in &pen.panel.layers {
        match layer {
            Layer::ErrorBars { series, points } => {
                places.extend(points.iter().map(|p| (p.0 as usize, series.as_str())));
                if points.iter().any(|p| p.0.fract() != 0.0) {
                    return 0.0;
                }
                if !group.contains(&series.as_str()) {
                    group.push(series);
                }
            }
            Layer::Line { .. } | Layer::Bars { .. } => return 0.0,
            _ => {}
        }
    }
    if pen.frame.axes.x_names.is_empty() || !anywhere_side_by_side(&mut places) {
        return 0.0;
    }
    let rank = group.iter().position(|name| *name == series).unwrap_or(0) as f64;
    let slot = (0.6 / group.len().max(1) as f64).min(0.16);
    (rank - (group.len().max(1) - 1) as f64 / 2.0) * slot
}

/// Whether two series have something at the same category.
pub(super) fn anywhere_side_by_side(places: &mut Vec<(usize, &str)>) -> bool {
    places.sort_unstable();
    places.dedup();
    places.windows(2).any(|pair| pair[0].0 == pair[1].0)
}

/// A vertical interval with caps of this half width; caps only where the end is in view.
pub(super) fn interval(pen: &mut Pen<'_>, x: f64, cap: f64, (low, high): (f64, f64), color: Color) {
    let plot = pen.frame.plot;
    if low >= high || x < plot.left - 0.5 || x > plot.right + 0.5 {
        return;
    }
    let (Some(bottom), Some(top)) = (pen.end(low), pen.end(high)) else { return };
    if top > plot.bottom || bottom < plot.top {
        return;
    }
    let ends = [(bottom, bottom.min(plot.bottom)), (top, top.max(plot.top))];
    pen.scene.line((x, ends[0].1), (x, ends[1].1), WHISKER, color);
    for (wanted, shown) in ends {
        if (wanted - shown).abs() < 0.5 {
            pen.scene.line((x - cap, shown), (x + cap, shown), WHISKER, color);
        }
    }
}

/// A cloud in the series' colour.
pub(super) fn scatter(pen: &mut Pen<'_>, series: &str, data: &[(f64, f64)]) {
    let look = pen.looks.look(series);
    let (radius, opacity) = grain(data.len(), pen.frame.plot.width() * pen.frame.plot.height());
    for &(x, y) in data {
        let Some(at) = pen.place(x, y).filter(|at| pen.inside(*at)) else { continue };
        shape(pen.scene, look.marker, at, radius, look.color.opacity(opacity));
    }
}

/// A cloud coloured by a third value.
pub(super) fn colored(pen: &mut Pen<'_>, data: &[(f64, f64, f64)], value_label: &str) {
    let Some(scale) = pen.frame.color_scales.iter().find(|scale| scale.label == value_label) else { return };
    let (radius, opacity) = grain(data.len(), pen.frame.plot.width() * pen.frame.plot.height());
    for &(x, y, value) in data.iter().filter(|p| p.2.is_finite()) {
        let Some(at) = pen.place(x, y).filter(|at| pen.inside(*at)) else { continue };
        pen.scene.disc(at, radius, scale.color(value).opacity(opacity.max(0.55)));
    }
}

/// Radius and opacity of a cloud's points: the more points for the area, the smaller and fainter.
fn grain(count: usize, area: f64) -> (f64, f64) {
    let room = area / count.max(1) as f64;
    let radius = (room.sqrt() * 0.22).clamp(2.7, 5.0);
    (radius, (room / 900.0).clamp(0.18, 0.75))
}

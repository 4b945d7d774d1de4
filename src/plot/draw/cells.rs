//! Bars and heat maps: things at category positions.

use std::collections::BTreeMap;

use super::{Pen, points};
use crate::plot::axis::MOST_CATEGORIES;
use crate::plot::chart::Layer;
use crate::plot::palette::Color;
use crate::plot::scene::{Align, Rect, Scene, Text};
use crate::plot::text::{self, CENTERING};
use crate::plot::ticks;

/// Share of a category's width that its bars take together.
const GROUP: f64 = 0.8;

/// The bars of one series, beside those of the panel's other series.
pub(super) fn bars(pen: &mut Pen<'_>, series: &str, bars: &[(usize, f64, f64, f64)]) {
    let mut group: Vec<&str> = Vec::new();
    let mut places = Vec::new();
    for layer in &pen.panel.layers {
        if let Layer::Bars { series, bars } = layer {
            places.extend(bars.iter().map(|b| (b.0, series.as_str())));
            if !group.contains(&series.as_str()) {
                group.push(series);
            }
        }
    }
    if !points::anywhere_side_by_side(&mut places) {
        group.clear();
    }
    let slot = GROUP / group.len().max(1) as f64;
    let rank = group.iter().position(|name| *name == series).unwrap_or(0) as f64;
    let color = pen.looks.look(series).color;
    let plot = pen.frame.plot;
    let ground = pen.frame.axes.y.place(0.0).map_or(plot.bottom, |share| pen.at_y(share).clamp(plot.top, plot.bottom));
    for &(position, height, low, high) in bars.iter().filter(|bar| bar.0 < pen.frame.axes.x_names.len()) {
        let left = position as f64 - GROUP / 2.0 + rank * slot;
        let (Some((from, y)), Some((to, _))) = (pen.place(left, height), pen.place(left + slot, height)) else {
            continue;
        };
        let y = y.clamp(plot.top, plot.bottom);
        let gap = ((to - from) * 0.06).min(2.0);
        let area = Rect { left: from + gap, top: y.min(ground), right: to - gap, bottom: y.max(ground) };
        pen.scene.block(area, color.mix(Color::WHITE, 0.12));
        let cap = points::CAP.min(0.3 * (to - from));
        points::interval(pen, f64::midpoint(from, to), cap, (low, high), Color::INK);
    }
    if ground < plot.bottom - 0.5 {
        pen.scene.line((plot.left, ground), (plot.right, ground), 1.3, Color::AXIS);
    }
}

/// A heat map with the values printed in the cells.
pub(super) fn heat(pen: &mut Pen<'_>, cells: &[(usize, usize, f64)], value_label: &str) {
    let Some(scale) = pen.frame.color_scales.iter().find(|scale| scale.label == value_label).cloned() else { return };
    let (columns, rows) = (pen.frame.axes.x_names.len(), pen.frame.axes.y_names.len());
    let (wide, high) = (pen.frame.plot.width() / columns.max(1) as f64, pen.frame.plot.height() / rows.max(1) as f64);
    let (most_x, most_y) = (columns.min(MOST_CATEGORIES), rows.min(MOST_CATEGORIES));
    // A cell that is given twice shows its last value.
    let shown: BTreeMap<(usize, usize), f64> = cells
        .iter()
        .filter(|cell| cell.0 < most_x && cell.1 < most_y && cell.2.is_finite())
        .map(|&(x, y, value)| ((x, y), value))
        .collect();
    let values: Vec<f64> = shown.values().copied().collect();
    let labels = ticks::alike(&values);
    let widest = text::widest(&labels, 1.0, false);
    let size = (0.86 * wide / widest.max(0.1)).min(0.6 * high).min(17.0);
    for (((x, y), value), content) in shown.into_iter().zip(labels) {
        let left = pen.frame.plot.left + x as f64 * wide;
        let bottom = pen.frame.plot.bottom - y as f64 * high;
        let color = scale.color(value);
        let area = Rect { left: left + 0.7, top: bottom - high + 0.7, right: left + wide - 0.7, bottom: bottom - 0.7 };
        pen.scene.block(area, color);
        if size >= 9.0 {
            print(pen.scene, area, content, size, color);
        }
    }
}

/// A value in the middle of its cell, in the ink that stands out.
fn print(scene: &mut Scene, area: Rect, content: String, size: f64, ground: Color) {
    let at = (f64::midpoint(area.left, area.right), f64::midpoint(area.top, area.bottom) + CENTERING * size);
    let color = if ground.luminance() > 0.2 { Color::INK } else { Color::WHITE };
    scene.text(Text { at, content, size, bold: false, align: Align::Middle, upwards: false, color });
}

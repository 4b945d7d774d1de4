//! What surrounds the data: grid, axes, ticks, labels, titles.

use crate::plot::chart::{Layer, Panel};
use crate::plot::layout::{Frame, LABEL, PANEL_TITLE, TICK, TICK_GAP};
use crate::plot::names::Names;
use crate::plot::palette::Color;
use crate::plot::scene::{Align, Point, Rect, Scene, Text};
use crate::plot::text::{CENTERING, LINE};

/// Grid, titles, labels: everything behind the data.
pub(super) fn backdrop(scene: &mut Scene, panel: &Panel, frame: &Frame) {
    if !has_heat(panel) {
        grid(scene, frame);
    }
    title(scene, frame);
    axis_labels(scene, frame);
    let mut offset = 0.0;
    for scale in frame.color_scales.iter().filter(|_| frame.color_bars) {
        scale.draw(scene, frame.plot, offset);
        offset += scale.width();
    }
    if !frame.axes.shows {
        let plot = frame.plot;
        no_data(scene, (f64::midpoint(plot.left, plot.right), f64::midpoint(plot.top, plot.bottom)));
    }
}

/// Axis lines, ticks and their labels: everything before the data.
pub(super) fn outline(scene: &mut Scene, panel: &Panel, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.plot;
    if !has_heat(panel) {
        scene.line((left, top), (left, bottom), 1.3, Color::AXIS);
        scene.line((left, bottom), (right, bottom), 1.3, Color::AXIS);
    }
    if frame.axes.shows {
        x_ticks(scene, frame, !has_heat(panel));
        y_ticks(scene, frame, !has_heat(panel));
    }
}

fn has_heat(panel: &Panel) -> bool {
    panel.layers.iter().any(|layer| matches!(layer, Layer::Heat { .. }))
}

/// Says that there is nothing to see.
pub(super) fn no_data(scene: &mut Scene, at: Point) {
    label(scene, at, "no data", LABEL, Color::SOFT_INK, Align::Middle);
}

fn label(scene: &mut Scene, at: Point, content: &str, size: f64, color: Color, align: Align) {
    let at = (at.0, at.1 + CENTERING * size);
    scene.text(Text { at, content: content.to_owned(), size, bold: false, align, upwards: false, color });
}

fn grid(scene: &mut Scene, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.plot;
    if !frame.axes.shows {
        return;
    }
    for minor in [true, false] {
        let color = if minor { Color::FAINT_GRID } else { Color::GRID };
        for x in frame.x_ticks.iter().filter(|t| t.label.is_empty() == minor).filter_map(|t| frame.x_at(t.value)) {
            scene.line((x, top), (x, bottom), 1.0, color);
        }
        for y in frame.y_ticks.iter().filter(|t| t.label.is_empty() == minor).filter_map(|t| frame.y_at(t.value)) {
            scene.line((left, y), (right, y), 1.0, color);
        }
    }
}

impl Frame {
    /// Where a value lies on the page's horizontal, if it is in the data area.
    fn x_at(&self, value: f64) -> Option<f64> {
        let share = self.axes.x.place(value).filter(|s| (-1e-9..=1.0 + 1e-9).contains(s))?;
        Some(self.plot.left + share * self.plot.width())
    }

    /// Likewise on the vertical.
    fn y_at(&self, value: f64) -> Option<f64> {
        let share = self.axes.y.place(value).filter(|s| (-1e-9..=1.0 + 1e-9).contains(s))?;
        Some(self.plot.bottom - share * self.plot.height())
    }
}

fn x_ticks(scene: &mut Scene, frame: &Frame, marks: bool) {
    let bottom = frame.plot.bottom;
    for tick in &frame.x_ticks {
        let Some(x) = frame.x_at(tick.value) else { continue };
        let length = if tick.label.is_empty() { 3.0 } else { 6.0 };
        scene.line((x, bottom), (x, bottom + length), 1.3, Color::AXIS);
        let at = (x, bottom + TICK_GAP + TICK * LINE / 2.0);
        label(scene, at, &tick.label, TICK, Color::SOFT_INK, Align::Middle);
    }
    for (i, lines) in frame.x_names.lines.iter().enumerate() {
        let Some(x) = frame.x_at(i as f64) else { continue };
        if marks && !lines.is_empty() {
            scene.line((x, bottom), (x, bottom + 6.0), 1.3, Color::AXIS);
        }
        name(scene, &frame.x_names, lines, (x, bottom + TICK_GAP));
    }
}

/// A category's name under its place.
fn name(scene: &mut Scene, names: &Names, lines: &[String], (x, top): Point) {
    let size = names.size;
    for (i, line) in lines.iter().enumerate() {
        if names.upwards {
            let at = (x + CENTERING * size, top);
            let (content, color) = (line.clone(), Color::SOFT_INK);
            scene.text(Text { at, content, size, bold: false, align: Align::End, upwards: true, color });
        } else {
            let at = (x, top + (i as f64 + 0.5) * size * LINE);
            label(scene, at, line, size, Color::SOFT_INK, Align::Middle);
        }
    }
}

fn y_ticks(scene: &mut Scene, frame: &Frame, marks: bool) {
    let left = frame.plot.left;
    for tick in &frame.y_ticks {
        let Some(y) = frame.y_at(tick.value) else { continue };
        let length = if tick.label.is_empty() { 3.0 } else { 6.0 };
        scene.line((left - length, y), (left, y), 1.3, Color::AXIS);
        label(scene, (left - TICK_GAP, y), &tick.label, TICK, Color::SOFT_INK, Align::End);
    }
    for (i, lines) in frame.y_names.lines.iter().enumerate() {
        let Some(y) = frame.y_at(i as f64) else { continue };
        if marks {
            scene.line((left - 6.0, y), (left, y), 1.3, Color::AXIS);
        }
        let first = y - (lines.len() as f64 - 1.0) * TICK * LINE / 2.0;
        for (j, line) in lines.iter().enumerate() {
            let at = (left - TICK_GAP, first + j as f64 * TICK * LINE);
            label(scene, at, line, TICK, Color::SOFT_INK, Align::End);
        }
    }
}

fn title(scene: &mut Scene, frame: &Frame) {
    let lines = frame.title.len() as f64;
    for (i, line) in frame.title.iter().enumerate() {
        let y = frame.plot.top - 8.0 - (lines - i as f64 - 0.5) * PANEL_TITLE * LINE;
        scene.text(Text {
            at: (frame.plot.left, y),
            content: line.clone(),
            size: PANEL_TITLE,
            bold: true,
            align: Align::Start,
            upwards: false,
            color: Color::INK,
        });
    }
}

fn axis_labels(scene: &mut Scene, frame: &Frame) {
    let plot = frame.plot;
    let (middle_x, middle_y) = (f64::midpoint(plot.left, plot.right), f64::midpoint(plot.top, plot.bottom));
    for (i, line) in frame.x_label.iter().enumerate() {
        let y = plot.bottom + frame.x_label_offset() + (i as f64 + 0.5) * LABEL * LINE;
        label(scene, (middle_x, y), line, LABEL, Color::INK, Align::Middle);
    }
    let count = frame.y_label.len() as f64;
    for (i, line) in frame.y_label.iter().enumerate() {
        let x = plot.left - frame.y_label_offset - (count - i as f64 - 0.5) * LABEL * LINE;
        scene.text(Text {
            at: (x + CENTERING * LABEL, middle_y),
            content: line.clone(),
            size: LABEL,
            bold: false,
            align: Align::Middle,
            upwards: true,
            color: Color::INK,
        });
    }
}

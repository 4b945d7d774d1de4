//! Where everything goes: the page, the grid of panels, their margins.

use super::axis::Axes;
use super::chart::{Chart, Panel};
use super::colorbar::{self, ColorScale};
use super::names::{self, Names};
use super::scene::Rect;
use super::text;
use super::ticks::Tick;

/// Font sizes (em, page units), made to be read at half size.
pub(crate) const TITLE: f64 = 27.0;
pub(crate) const SUBTITLE: f64 = 18.5;
pub(crate) const PANEL_TITLE: f64 = 20.0;
pub(crate) const LABEL: f64 = 19.0;
pub(crate) const TICK: f64 = 17.5;

/// Page margin.
pub(crate) const MARGIN: f64 = 22.0;
/// From the axis to its tick labels, tick mark included.
pub(crate) const TICK_GAP: f64 = 10.0;
const LABEL_GAP: f64 = 8.0;
const X_LABEL_GAP: f64 = 4.0;
/// Between title and subtitle.
pub(crate) const HEADLINE_GAP: f64 = 4.0;
const COLUMN_GAP: f64 = 26.0;
const ROW_GAP: f64 = 26.0;
/// The narrowest data area; the page grows rather.
const LEAST_PLOT: f64 = 150.0;

/// A panel with its place and everything about its axes that the page's layout decides.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The data area.
    pub(crate) plot: Rect,
    pub(crate) axes: Axes,
    pub(crate) title: Vec<String>,
    pub(crate) x_label: Vec<String>,
    pub(crate) y_label: Vec<String>,
    /// Baselines' horizontal distance of the y label from the data area.
    pub(crate) y_label_offset: f64,
    pub(crate) x_ticks: Vec<Tick>,
    pub(crate) y_ticks: Vec<Tick>,
    pub(crate) x_names: Names,
    pub(crate) y_names: Names,
    /// Powers of ten that the tick labels are to be multiplied by.
    x_exponent: i32,
    y_exponent: i32,
    pub(crate) color_scales: Vec<ColorScale>,
    /// Whether the colour scales are explained beside this panel (else by the panel to its right).
    pub(crate) color_bars: bool,
}

/// The page.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) width: f64,
    pub(crate) title: Vec<String>,
    pub(crate) subtitle: Vec<String>,
    pub(crate) frames: Vec<Frame>,
    /// Where the panels end and the legend begins.
    pub(crate) bottom: f64,
}

/// Panels per row.
pub(crate) fn columns(chart: &Chart) -> usize {
    let count = chart.panels.len().max(1);
    let wanted = match (chart.columns, count) {
        (0, 1..=3) => count,
        (0, _) => (1..=count).find(|c| c * c >= count).unwrap_or(1),
        (fixed, _) => fixed,
    };
    wanted.clamp(1, count)
}

/// Lays the chart out.
pub(crate) fn layout(chart: &Chart) -> Layout {
    let columns = columns(chart);
    let height = plot_height(1200.0 / columns as f64);
    let mut frames: Vec<Frame> = chart.panels.iter().map(|panel| sketch(panel, height)).collect();
    color_bars(chart, &mut frames, columns);
    y_labels(chart, &mut frames, columns);
    let width = spread_columns(&mut frames, columns);
    let inner = width - 2.0 * MARGIN;
    let title = text::wrap(&chart.title, TITLE, true, inner);
    let subtitle = text::wrap(&chart.subtitle, SUBTITLE, false, inner);
    let lines = |lines: &[String], size: f64| lines.len() as f64 * size * text::LINE;
    let mut top = MARGIN + lines(&title, TITLE) + lines(&subtitle, SUBTITLE);
    if !(title.is_empty() && subtitle.is_empty()) {
        top += HEADLINE_GAP + 14.0;
    }
    for (panel, frame) in chart.panels.iter().zip(&mut frames) {
        finish_horizontal(panel, frame);
    }
    x_labels(chart, &mut frames, columns);
    let bottom = stack_rows(&mut frames, columns, top);
    Layout { width, title, subtitle, frames, bottom }
}

/// The height of a data area in a column of this width.
fn plot_height(column: f64) -> f64 {
    (column * 0.72 - 30.0).clamp(215.0, 590.0)
}

/// Everything vertical about a panel; its height is known before its width.
fn sketch(panel: &Panel, height: f64) -> Frame {
    let axes = Axes::of(panel);
    let (y_names, height) = names::stack(&axes.y_names, height);
    let (y_ticks, exponent) = axes.y.ticks((height / 42.0).clamp(4.0, 10.0) as usize);
    let y_ticks = if axes.y_names.is_empty() { y_ticks } else { Vec::new() };
    let tick_width = y_ticks.iter().map(|t| text::width(&t.label, TICK, false)).fold(y_names.widest(), f64::max);
    Frame {
        plot: Rect { left: 0.0, top: 0.0, right: 0.0, bottom: height },
        axes,
        title: Vec::new(),
        x_label: Vec::new(),
        y_label: Vec::new(),
        y_label_offset: TICK_GAP + tick_width + LABEL_GAP,
        x_ticks: Vec::new(),
        y_ticks,
        x_names: Names::default(),
        y_names,
        x_exponent: 0,
        y_exponent: exponent,
        color_scales: Vec::new(),
        color_bars: true,
    }
}

/// Neighbours in a row that share all their colour scales share the bars, at the right.
fn color_bars(chart: &Chart, frames: &mut [Frame], columns: usize) {
    for (frame, scales) in frames.iter_mut().zip(colorbar::scales(chart)) {
        let height = frame.plot.height();
        frame.color_scales = scales.into_iter().map(|scale| scale.beside(height)).collect();
    }
    for row in frames.chunks_mut(columns) {
        for i in 1..row.len() {
            row[i - 1].color_bars = row[i - 1].color_scales != row[i].color_scales;
        }
    }
}

/// Vertical labels; neighbours in a row that share one write it once, at the left.
fn y_labels(chart: &Chart, frames: &mut [Frame], columns: usize) {
    let labels: Vec<String> =
        chart.panels.iter().zip(&*frames).map(|(panel, f)| scaled(&panel.y.label, f.y_exponent)).collect();
    for (i, frame) in frames.iter_mut().enumerate() {
        if i % columns == 0 || labels[i] != labels[i - 1] {
            frame.y_label = text::wrap(&labels[i], LABEL, false, frame.plot.height() + 20.0);
        }
    }
}

/// Horizontal labels; neighbours in a column that share one write it once, at the bottom.
fn x_labels(chart: &Chart, frames: &mut [Frame], columns: usize) {
    let labels: Vec<String> =
        chart.panels.iter().zip(&*frames).map(|(panel, f)| scaled(&panel.x.label, f.x_exponent)).collect();
    for (i, frame) in frames.iter_mut().enumerate() {
        if labels.get(i + columns) != Some(&labels[i]) {
            frame.x_label = text::wrap(&labels[i], LABEL, false, frame.plot.width() + 20.0);
        }
    }
}

/// A label with the power of ten that its ticks are counted in.
fn scaled(label: &str, exponent: i32) -> String {
    if exponent == 0 { label.to_owned() } else { format!("{label} ×10{}", super::ticks::superscript(exponent)) }
}

/// Gives every column its margins and all data areas the same width; returns the page's width, which grows when the
/// data areas would get too narrow.
fn spread_columns(frames: &mut [Frame], columns: usize) -> f64 {
    let widest = |column: usize, margin: fn(&Frame) -> f64| {
        frames.iter().skip(column).step_by(columns).map(margin).fold(0.0, f64::max)
    };
    let left = |f: &Frame| f.y_label_offset + f.y_label.len() as f64 * LABEL * text::LINE;
    let right = |f: &Frame| {
        let bars = f.color_scales.iter().filter(|_| f.color_bars).map(ColorScale::width).sum::<f64>();
        bars.max(16.0)
    };
    let margins: Vec<(f64, f64)> = (0..columns).map(|column| (widest(column, left), widest(column, right))).collect();
    let taken = margins.iter().map(|m| m.0 + m.1).sum::<f64>() + COLUMN_GAP * (columns - 1) as f64 + 2.0 * MARGIN;
    let count = columns as f64;
    let page = (count * 290.0).clamp(1200.0, 3000.0).max(taken + count * LEAST_PLOT).ceil();
    let plot = (page - taken) / count;
    let mut at = MARGIN;
    for (column, (left, right)) in margins.into_iter().enumerate() {
        at += left;
        for frame in frames.iter_mut().skip(column).step_by(columns) {
            frame.plot.left = at;
            frame.plot.right = at + plot;
        }
        at += plot + right + COLUMN_GAP;
    }
    page
}

/// Everything that needs the data area's width: title and x ticks.
fn finish_horizontal(panel: &Panel, frame: &mut Frame) {
    let width = frame.plot.width();
    frame.title = text::wrap(&panel.title, PANEL_TITLE, true, width + 14.0);
    if !frame.axes.x_names.is_empty() {
        frame.x_names = names::fit(&frame.axes.x_names, width);
        return;
    }
    for most in (2..=(width / 60.0).clamp(3.0, 9.0) as usize).rev() {
        (frame.x_ticks, frame.x_exponent) = frame.axes.x.ticks(most);
        if fits(frame, width) {
            return;
        }
    }
    thin_out(frame, width);
}

/// Whether no two tick labels of the x axis come too near to each other.
fn fits(frame: &Frame, width: f64) -> bool {
    let mut last = f64::NEG_INFINITY;
    frame.x_ticks.iter().filter(|tick| !tick.label.is_empty()).all(|tick| {
        let Some(at) = frame.axes.x.place(tick.value) else { return true };
        let half = text::width(&tick.label, TICK, false) / 2.0;
        let free = at * width - half >= last + 12.0;
        last = at * width + half;
        free
    })
}

/// The last resort: drops labels that would touch their left neighbour.
fn thin_out(frame: &mut Frame, width: f64) {
    let mut last = f64::NEG_INFINITY;
    for tick in frame.x_ticks.iter_mut().filter(|tick| !tick.label.is_empty()) {
        let half = text::width(&tick.label, TICK, false) / 2.0;
        let at = frame.axes.x.place(tick.value).unwrap_or(0.0) * width;
        if at - half < last + 12.0 {
            tick.label.clear();
        } else {
            last = at + half;
        }
    }
}

/// Puts the rows under each other; returns where they end.
fn stack_rows(frames: &mut [Frame], columns: usize, top: f64) -> f64 {
    let mut at = top;
    for row in frames.chunks_mut(columns) {
        let title = row.iter().map(|f| f.title.len()).max().unwrap_or(0) as f64 * PANEL_TITLE * text::LINE;
        let height = row.iter().map(|f| f.plot.height()).fold(0.0, f64::max);
        let foot = row.iter().map(foot).fold(0.0, f64::max);
        at += if title > 0.0 { title + 6.0 } else { 6.0 };
        for frame in row.iter_mut() {
            frame.plot.top = at;
            frame.plot.bottom = at + height;
        }
        at += height + foot + ROW_GAP;
    }
    if frames.is_empty() { at + 200.0 } else { at - ROW_GAP }
}

/// What hangs under a data area: tick labels and axis label.
fn foot(frame: &Frame) -> f64 {
    let ticks = if frame.x_names.lines.is_empty() { TICK * text::LINE } else { frame.x_names.depth() };
    TICK_GAP + ticks + X_LABEL_GAP + frame.x_label.len() as f64 * LABEL * text::LINE
}

impl Frame {
    /// How far the x label's first line is below the data area.
    pub(crate) fn x_label_offset(&self) -> f64 {
        foot(self) - self.x_label.len() as f64 * LABEL * text::LINE
    }
}

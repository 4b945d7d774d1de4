//! From a chart to a scene.

mod cells;
mod clip;
mod frame;
pub(crate) mod lines;
pub(crate) mod points;

use super::chart::{Chart, Layer, Panel};
use super::layout::{self, Frame, HEADLINE_GAP, Layout, MARGIN, SUBTITLE, TITLE};
use super::legend;
use super::palette::{Color, Looks};
use super::scene::{Align, Point, Scene, Text};
use super::text::LINE;

pub(crate) use clip::dash;

/// What a panel's layers are drawn with.
struct Pen<'a> {
    scene: &'a mut Scene,
    panel: &'a Panel,
    frame: &'a Frame,
    looks: &'a Looks,
}

impl Pen<'_> {
    /// The page place of a data point; `None` if an axis cannot show it.
    fn place(&self, x: f64, y: f64) -> Option<Point> {
        Some((self.at_x(self.frame.axes.x.place(x)?), self.at_y(self.frame.axes.y.place(y)?)))
    }

    /// The page height of an interval's end, which may be far outside.
    fn end(&self, y: f64) -> Option<f64> {
        Some(self.at_y(self.frame.axes.y.place_end(y)?))
    }

    fn at_x(&self, share: f64) -> f64 {
        self.frame.plot.left + share * self.frame.plot.width()
    }

    fn at_y(&self, share: f64) -> f64 {
        self.frame.plot.bottom - share * self.frame.plot.height()
    }

    /// Whether a marker at this point would be in the data area.
    fn inside(&self, point: Point) -> bool {
        self.frame.plot.holds(point, 0.5)
    }
}

/// Draws a chart.
pub(crate) fn scene(chart: &Chart) -> Scene {
    let looks = Looks::of(chart);
    let layout = layout::layout(chart);
    let entries = legend::entries(chart, &looks);
    let legend = legend::arrange(&entries, layout.width - 2.0 * MARGIN);
    let height = (layout.bottom + legend.height() + MARGIN).ceil();
    let mut scene = Scene { width: layout.width, height, marks: Vec::new() };
    headline(&mut scene, &layout);
    for (panel, frame) in chart.panels.iter().zip(&layout.frames) {
        frame::backdrop(&mut scene, panel, frame);
        let mut pen = Pen { scene: &mut scene, panel, frame, looks: &looks };
        for layer in &panel.layers {
            draw_layer(&mut pen, layer);
        }
        frame::outline(&mut scene, panel, frame);
    }
    if chart.panels.is_empty() {
        frame::no_data(&mut scene, (layout.width / 2.0, layout.bottom - 100.0));
    }
    legend.draw(&mut scene, &looks, layout.bottom);
    scene
}

fn draw_layer(pen: &mut Pen<'_>, layer: &Layer) {
    match layer {
        Layer::Line { series, points, stroke, markers } => lines::line(pen, series, points, *stroke, *markers),
        Layer::Band { series, points } => lines::band(pen, series, points),
        Layer::ErrorBars { series, points } => points::error_bars(pen, series, points),
        Layer::Scatter { series, points } => points::scatter(pen, series, points),
        Layer::ColoredScatter { points, value_label, .. } => points::colored(pen, points, value_label),
        Layer::Bars { series, bars } => cells::bars(pen, series, bars),
        Layer::Heat { cells, value_label, .. } => cells::heat(pen, cells, value_label),
        Layer::Reference { label, points } => lines::reference(pen, label, points),
        Layer::Horizontal { label, y } => lines::horizontal(pen, label, *y),
        Layer::Vertical { label, x } => lines::vertical(pen, label, *x),
    }
}

/// Title and subtitle, at the left.
fn headline(scene: &mut Scene, layout: &Layout) {
    let mut y = MARGIN;
    for (lines, size, bold, color) in
        [(&layout.title, TITLE, true, Color::INK), (&layout.subtitle, SUBTITLE, false, Color::SOFT_INK)]
    {
        for line in lines {
            let at = (MARGIN, y + size * LINE / 2.0);
            let content = line.clone();
            scene.text(Text { at, content, size, bold, align: Align::Start, upwards: false, color });
            y += size * LINE;
        }
        y += HEADLINE_GAP;
    }
}

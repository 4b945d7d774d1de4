//! Colour scales of heat maps and coloured scatters, and the bars that explain them.

use super::chart::{Chart, Layer, Panel};
use super::layout::{LABEL, TICK};
use super::palette::{self, Color};
use super::scene::{Align, Rect, Scene, Text};
use super::text::{self, CENTERING};
use super::ticks;

const GAP: f64 = 18.0;
const BAR: f64 = 18.0;
const TICK_GAP: f64 = 7.0;
const STEPS: u32 = 96;

/// What a colour means: shared by all layers of the figure with the same label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColorScale {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Of a neutral zero in the middle.
    signed: bool,
    tick_width: f64,
    label_lines: Vec<String>,
}

impl ColorScale {
    /// The colour of a value.
    pub(crate) fn color(&self, value: f64) -> Color {
        self.at((value - self.low) / (self.high - self.low))
    }

    /// The colour at a share of the way from the low to the high end.
    fn at(&self, share: f64) -> Color {
        if self.signed { palette::signed(2.0 * share - 1.0) } else { palette::sequential(share) }
    }

    /// The page width that the bar takes, gap and label included.
    pub(crate) fn width(&self) -> f64 {
        GAP + BAR + TICK_GAP + self.tick_width + 4.0 + self.label_lines.len() as f64 * LABEL * text::LINE
    }

    /// Draws the bar beside `plot`, `offset` to its right.
    pub(crate) fn draw(&self, scene: &mut Scene, plot: Rect, offset: f64) {
        let left = plot.right + offset + GAP;
        let height = plot.height().min(420.0);
        let top = plot.top + (plot.height() - height) / 2.0;
        // From the top down, each step over the rest of the bar: no seams between them in an SVG.
        for i in 0..STEPS {
            let (done, middle) = (f64::from(i) / f64::from(STEPS), (f64::from(i) + 0.5) / f64::from(STEPS));
            let area = Rect { left, top: top + height * done, right: left + BAR, bottom: top + height };
            scene.block(area, self.at(1.0 - middle));
        }
        for tick in ticks::linear(self.low, self.high, 6).ticks {
            let y = top + height * (1.0 - (tick.value - self.low) / (self.high - self.low));
            let right = left + BAR;
            scene.line((right, y), (right + 4.0, y), 1.0, Color::AXIS);
            scene.text(Text {
                at: (right + TICK_GAP, y + CENTERING * TICK),
                content: tick.label,
                size: TICK,
                bold: false,
                align: Align::Start,
                upwards: false,
                color: Color::SOFT_INK,
            });
        }
        for (i, line) in self.label_lines.iter().enumerate() {
            let x = left + BAR + TICK_GAP + self.tick_width + 4.0 + (i as f64 + 0.5) * LABEL * text::LINE;
            scene.text(Text {
                at: (x, f64::midpoint(plot.top, plot.bottom)),
                content: line.clone(),
                size: LABEL,
                bold: false,
                align: Align::Middle,
                upwards: true,
                color: Color::INK,
            });
        }
    }

    /// The scale with its label broken for a data area of this height.
    pub(crate) fn beside(self, height: f64) -> Self {
        let label = match ticks::linear(self.low, self.high, 6).exponent {
            0 => self.label.clone(),
            exponent => format!("{} ×10{}", self.label, ticks::superscript(exponent)),
        };
        Self { label_lines: text::wrap(&label, LABEL, false, height + 20.0), ..self }
    }
}

/// The colour scales that each panel shows, in order of appearance.
pub(crate) fn scales(chart: &Chart) -> Vec<Vec<ColorScale>> {
    let of_panel = |panel: &Panel| {
        let mut found: Vec<ColorScale> = Vec::new();
        for layer in panel.layers.iter().filter_map(Colored::of) {
            if found.iter().all(|scale| scale.label != layer.label) {
                found.push(scale(chart, layer.label));
            }
        }
        found
    };
    chart.panels.iter().map(of_panel).collect()
}

/// What a coloured layer says about its scale.
struct Colored<'a> {
    label: &'a str,
    range: Option<(f64, f64)>,
    signed: bool,
    values: Vec<f64>,
}

impl<'a> Colored<'a> {
    fn of(layer: &'a Layer) -> Option<Self> {
        match layer {
            Layer::ColoredScatter { points, value_label, range } => {
                let values = points.iter().map(|p| p.2).collect();
                Some(Self { label: value_label, range: *range, signed: false, values })
            }
            Layer::Heat { cells, value_label, signed } => {
                let values = cells.iter().map(|c| c.2).collect();
                Some(Self { label: value_label, range: None, signed: *signed, values })
            }
            _ => None,
        }
    }

    /// The ends of the fixed range, or else all values.
    fn marks(self) -> Vec<f64> {
        match self.range {
            Some((low, high)) if usable(low) && usable(high) => vec![low, high],
            _ => self.values.into_iter().filter(|v| usable(*v)).collect(),
        }
    }
}

/// The range that covers every layer of the figure with this label.
fn scale(chart: &Chart, label: &str) -> ColorScale {
    let layers = chart.panels.iter().flat_map(|panel| &panel.layers).filter_map(Colored::of);
    let layers: Vec<_> = layers.filter(|layer| layer.label == label).collect();
    let signed = layers.iter().any(|layer| layer.signed);
    let values = layers.into_iter().flat_map(Colored::marks);
    let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    if signed {
        let most = low.abs().max(high.abs());
        (low, high) = (-most, most);
    }
    if high - low <= 1e-9 * low.abs().max(high.abs()) || high - low < 1e-290 {
        let margin = if low.abs() < 1e-280 { 1.0 } else { low.abs() * 0.5 };
        (low, high) = (low - margin, high + margin);
    }
    let labels = ticks::linear(low, high, 6).ticks;
    let tick_width = labels.iter().map(|t| text::width(&t.label, TICK, false)).fold(0.0, f64::max);
    ColorScale { label: label.to_owned(), low, high, signed, tick_width, label_lines: Vec::new() }
}

fn usable(value: f64) -> bool {
    value.is_finite() && value.abs() < 1e300
}

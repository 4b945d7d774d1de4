//! An axis with its range resolved: from values to places, ticks and all.

use super::chart::{Axis, Layer, Panel, Scale};
use super::ticks::{self, Tick};

/// Values beyond this are treated like infinities: their differences would overflow.
const HUGE: f64 = 1e300;
/// Nothing is placed further from the panel than this many times its size.
const FAR: f64 = 1e5;
/// Category positions from here on are not drawn.
pub(crate) const MOST_CATEGORIES: usize = 500;

/// The resolved range of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    scale: Scale,
    /// Lower and upper end; logarithms to base 10 on a log axis.
    low: f64,
    high: f64,
}

impl Span {
    /// Where a value lies, 0 at the low end and 1 at the high end; `None` if the axis cannot show it (not finite, or
    /// not positive on a log axis). Far outside values are drawn in to a finite distance.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let coordinate = coordinate(self.scale, value)?;
        Some(((coordinate - self.low) / (self.high - self.low)).clamp(-FAR, FAR))
    }

    /// As [`Self::place`] for the end of an interval: infinite ends, and what lies at or below zero on a log axis, are
    /// far outside the panel, so that the interval runs to its edge.
    pub(crate) fn place_end(&self, value: f64) -> Option<f64> {
        match value {
            _ if value.is_nan() => None,
            _ if value > HUGE => Some(FAR),
            _ if value < -HUGE || (self.scale == Scale::Log && value <= 0.0) => Some(-FAR),
            _ => self.place(value),
        }
    }

    /// Ticks with at most `most` labels, and the power of ten to multiply linear labels by.
    pub(crate) fn ticks(&self, most: usize) -> (Vec<Tick>, i32) {
        match self.scale {
            Scale::Linear => {
                let found = ticks::linear(self.low, self.high, most);
                (found.ticks, found.exponent)
            }
            Scale::Log => (ticks::log(self.low, self.high, most), 0),
        }
    }

    /// The range that shows `values`: a little wider than they are, and `floor` exactly at the low end if they do not
    /// go below it (bars stand on zero).
    fn around(scale: Scale, values: &[f64], floor: Option<f64>) -> Self {
        let usable = values.iter().filter_map(|&v| coordinate(scale, v));
        let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            return Self { scale, low: 0.0, high: 1.0 };
        }
        let size = low.abs().max(high.abs());
        if high - low <= size * 1e-9 || high - low < 1e-290 {
            let margin = match scale {
                Scale::Log => 0.5,
                Scale::Linear if size < 1e-280 => 1.0,
                Scale::Linear => size * 0.5,
            };
            return Self { scale, low: low - margin, high: high + margin };
        }
        let margin = (high - low) * 0.04;
        let low_margin = if floor.is_some_and(|floor| low >= floor) { 0.0 } else { margin };
        Self { scale, low: low - low_margin, high: high + margin }
    }

    /// The range that an author fixed, if the axis can show it.
    fn fixed(scale: Scale, (a, b): (f64, f64)) -> Option<Self> {
        let (a, b) = (coordinate(scale, a)?, coordinate(scale, b)?);
        let (low, high) = (a.min(b), a.max(b));
        (high - low > 1e-290 && high - low > 1e-12 * low.abs().max(high.abs())).then_some(Self { scale, low, high })
    }
}

fn coordinate(scale: Scale, value: f64) -> Option<f64> {
    match scale {
        _ if !value.is_finite() || value.abs() > HUGE => None,
        Scale::Linear => Some(value),
        Scale::Log => (value > 0.0).then(|| value.log10()),
    }
}

/// Both axes of a panel.
#[derive(Clone, Debug)]
pub(crate) struct Axes {
    pub(crate) x: Span,
    pub(crate) y: Span,
    /// Names at 0, 1, … on the horizontal axis; empty when it shows numbers.
    pub(crate) x_names: Vec<String>,
    /// Likewise on the vertical axis.
    pub(crate) y_names: Vec<String>,
    /// Whether anything at all can be drawn.
    pub(crate) shows: bool,
}

impl Axes {
    /// Resolves a panel's axes from its layers.
    pub(crate) fn of(panel: &Panel) -> Self {
        let x_names = names(&panel.x, panel.layers.iter().flat_map(x_positions));
        let y_names = names(&panel.y, panel.layers.iter().flat_map(y_positions));
        let mut values = Values::default();
        for layer in &panel.layers {
            values.take(layer);
        }
        let bars = panel.layers.iter().any(|layer| matches!(layer, Layer::Bars { .. }));
        if bars && panel.y.scale == Scale::Linear {
            values.y.push(0.0);
        }
        let y_floor = bars.then_some(0.0).filter(|_| panel.y.scale == Scale::Linear);
        let x = resolve(&panel.x, &x_names, &values.x, None);
        let y = resolve(&panel.y, &y_names, &values.y, y_floor);
        let mut axes = Self { x, y, x_names, y_names, shows: false };
        axes.shows = panel.layers.iter().any(|layer| axes.can_show(layer));
        axes
    }

    fn can_show(&self, layer: &Layer) -> bool {
        let both = |x: f64, y: f64| self.x.place(x).is_some() && self.y.place(y).is_some();
        match layer {
            Layer::Line { points, .. } | Layer::Scatter { points, .. } | Layer::Reference { points, .. } => {
                points.iter().any(|p| both(p.0, p.1))
            }
            Layer::Band { points, .. } => points.iter().any(|p| both(p.0, p.2)),
            Layer::ErrorBars { points, .. } => points.iter().any(|p| both(p.0, p.1)),
            Layer::ColoredScatter { points, .. } => points.iter().any(|p| both(p.0, p.1)),
            Layer::Bars { bars, .. } => bars.iter().any(|b| both(b.0 as f64, b.1)),
            Layer::Heat { cells, .. } => cells.iter().any(|c| both(c.0 as f64, c.1 as f64)),
            Layer::Horizontal { y, .. } => self.y.place(*y).is_some(),
            Layer::Vertical { x, .. } => self.x.place(*x).is_some(),
        }
    }
}

fn resolve(axis: &Axis, names: &[String], values: &[f64], floor: Option<f64>) -> Span {
    if !names.is_empty() {
        return Span { scale: Scale::Linear, low: -0.5, high: names.len() as f64 - 0.5 };
    }
    let fixed = axis.range.and_then(|range| Span::fixed(axis.scale, range));
    fixed.unwrap_or_else(|| Span::around(axis.scale, values, floor))
}

/// The axis' own category names, or plain numbers when bars or cells need positions and no names are given.
fn names(axis: &Axis, positions: impl Iterator<Item = usize>) -> Vec<String> {
    if axis.categories.is_empty() {
        let count = positions.filter(|p| *p < MOST_CATEGORIES).max().map_or(0, |last| last + 1);
        return (0..count).map(|i| i.to_string()).collect();
    }
    axis.categories.iter().take(MOST_CATEGORIES).cloned().collect()
}

fn x_positions(layer: &Layer) -> Vec<usize> {
    match layer {
        Layer::Bars { bars, .. } => bars.iter().map(|bar| bar.0).collect(),
        Layer::Heat { cells, .. } => cells.iter().map(|cell| cell.0).collect(),
        _ => Vec::new(),
    }
}

fn y_positions(layer: &Layer) -> Vec<usize> {
    match layer {
        Layer::Heat { cells, .. } => cells.iter().map(|cell| cell.1).collect(),
        _ => Vec::new(),
    }
}

/// Everything that the ranges must show.
#[derive(Default)]
struct Values {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Values {
    fn take(&mut self, layer: &Layer) {
        match layer {
            Layer::Line { points, .. } | Layer::Scatter { points, .. } | Layer::Reference { points, .. } => {
                self.points(points.iter().map(|p| (p.0, [p.1])));
            }
            Layer::Band { points, .. } => self.points(points.iter().map(|p| (p.0, [p.1, p.2]))),
            Layer::ErrorBars { points, .. } => self.points(points.iter().map(|p| (p.0, [p.1, p.2, p.3]))),
            Layer::ColoredScatter { points, .. } => self.points(points.iter().map(|p| (p.0, [p.1]))),
            Layer::Bars { bars, .. } => self.points(bars.iter().map(|b| (b.0 as f64, [b.1, b.2, b.3]))),
            Layer::Heat { .. } => {}
            Layer::Horizontal { y, .. } => self.y.push(*y),
            Layer::Vertical { x, .. } => self.x.push(*x),
        }
    }

    fn points<const N: usize>(&mut self, points: impl Iterator<Item = (f64, [f64; N])>) {
        for (x, ys) in points {
            self.x.push(x);
            self.y.extend(ys);
        }
    }
}

//! Figures from data: [`Chart`] describes, `plot` draws it as PNG and SVG. It sees rows' numbers, never models.
//!
//! A chart is laid out (`layout`), drawn into a list of marks in page units (`draw`, `scene`), and the marks go to a
//! `plotters` backend (`render`). Axes and ticks are our own: `plotters`' have no logarithmic labels worth printing and
//! put the legend over the data. The font is bundled, so the same chart gives the same bytes on every machine.

mod axis;
mod chart;
mod colorbar;
mod draw;
mod encode;
#[cfg(test)]
mod gallery;
mod layout;
mod legend;
mod names;
mod palette;
mod render;
mod scene;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

pub use chart::{Axis, Chart, Layer, Panel, Scale, Stroke};

use crate::error::Result;

/// Draws a chart as a PNG, 1200 pixels wide (more for over four panels side by side). The same chart gives the same
/// bytes.
///
/// Values that an axis cannot show (NaN, infinite, not positive on a log axis) are left out; a panel without any
/// others says `no data`.
///
/// # Errors
/// When the drawing backend or the encoder fails; no data makes them.
pub fn png(chart: &Chart) -> Result<Vec<u8>> {
    encode::png(&render::raster(&draw::scene(chart))?)
}

/// Draws a chart as SVG text, with the same layout as [`png()`].
///
/// # Errors
/// When the drawing backend fails; no data makes it.
pub fn svg(chart: &Chart) -> Result<String> {
    render::svg(&draw::scene(chart), &chart.title)
}

//! Figures from data: [`Chart`] describes, `plot` draws it as PNG and SVG. It sees rows' numbers, never models.

mod chart;

pub use chart::{Axis, Chart, Layer, Panel, Scale, Stroke};

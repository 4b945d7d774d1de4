//! What a figure shows, as data. An experiment builds a [`Chart`] from its rows; drawing is `plot`'s business.

use std::fmt::Write;

/// A whole figure: one or more panels under one title.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// The title over all panels.
    pub title: String,
    /// One or two lines under the title: what bands are, how many seeds, what is exact.
    pub subtitle: String,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Panels per row (0 means as square as fits).
    pub columns: usize,
}

/// One coordinate system.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// The panel's own title (may be empty when there is one panel).
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, back to front.
    pub layers: Vec<Layer>,
}

/// An axis: label with units, scale, optional fixed range.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// Label, with the unit in brackets where there is one: `KL (nats)`.
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// Fixed limits; from the data when absent.
    pub range: Option<(f64, f64)>,
    /// Names at integer positions 0, 1, … instead of numbers (bars, heat maps).
    pub categories: Vec<String>,
}

/// The scale of an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Linear.
    #[default]
    Linear,
    /// Base-10 logarithm; values that are not positive are left out.
    Log,
}

/// How a line is stroked, beside its colour, so that figures read without colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroke {
    /// Solid.
    #[default]
    Solid,
    /// Dashed.
    Dashed,
    /// Dotted.
    Dotted,
}

/// One thing drawn in a panel. Layers with the same `series` share a colour (and a legend entry) in all panels.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Layer {
    /// A line through points (x, y), with markers if asked.
    Line {
        /// Legend entry and colour key.
        series: String,
        /// Points in drawing order.
        points: Vec<(f64, f64)>,
        /// Stroke.
        stroke: Stroke,
        /// Draw a marker at each point.
        markers: bool,
    },
    /// A translucent band (x, low, high), in its series' colour; no legend entry of its own.
    Band {
        /// Colour key.
        series: String,
        /// (x, low, high).
        points: Vec<(f64, f64, f64)>,
    },
    /// Points with vertical error bars (x, y, low, high).
    ErrorBars {
        /// Legend entry and colour key.
        series: String,
        /// (x, y, low, high).
        points: Vec<(f64, f64, f64, f64)>,
    },
    /// A cloud of points in one colour; translucent, so that density shows.
    Scatter {
        /// Legend entry and colour key.
        series: String,
        /// Points.
        points: Vec<(f64, f64)>,
    },
    /// A cloud of points coloured by a third value on a sequential scale, with a colour bar.
    ColoredScatter {
        /// (x, y, value).
        points: Vec<(f64, f64, f64)>,
        /// What the colour means, with units.
        value_label: String,
        /// Fixed colour limits; from the data when absent.
        range: Option<(f64, f64)>,
    },
    /// Vertical bars at category positions with optional intervals (position, height, low, high); bars of several
    /// series at the same position stand side by side.
    Bars {
        /// Legend entry and colour key.
        series: String,
        /// (category position, height, low, high); low = high = height means no interval.
        bars: Vec<(usize, f64, f64, f64)>,
    },
    /// A heat map over category positions, each cell with its printed value, and a colour bar.
    Heat {
        /// (x category, y category, value).
        cells: Vec<(usize, usize, f64)>,
        /// What the colour means, with units.
        value_label: String,
        /// Colours leave a neutral zero to both sides, as far to one as to the other.
        signed: bool,
    },
    /// A reference curve: thin, grey or black, dashed; for theory and bounds.
    Reference {
        /// Legend entry, e.g. `slope −2 (theory)`.
        label: String,
        /// Points in drawing order.
        points: Vec<(f64, f64)>,
    },
    /// A horizontal reference line across the panel, for example the paper's value.
    Horizontal {
        /// Legend entry.
        label: String,
        /// Its height.
        y: f64,
    },
    /// A vertical reference line across the panel.
    Vertical {
        /// Legend entry.
        label: String,
        /// Its place.
        x: f64,
    },
}

impl Layer {
    /// Its entry in the legend, or what its colour means; none of a band, which shares its line's.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Line { series, .. }
            | Self::ErrorBars { series, .. }
            | Self::Scatter { series, .. }
            | Self::Bars { series, .. } => Some(series),
            Self::Reference { label, .. } | Self::Horizontal { label, .. } | Self::Vertical { label, .. } => {
                Some(label)
            }
            Self::ColoredScatter { value_label, .. } | Self::Heat { value_label, .. } => Some(value_label),
            Self::Band { .. } => None,
        }
    }
}

impl Chart {
    /// What the figure shows, in words, for a reader who cannot see it: titles, axes and what is in the legend. Numbers
    /// are in the verdicts.
    pub fn description(&self) -> String {
        let mut out = format!("{}.", self.title.trim_end_matches('.'));
        for panel in &self.panels {
            let title = if panel.title.is_empty() { "Panel" } else { panel.title.as_str() };
            let mut names: Vec<&str> = Vec::new();
            for name in panel.layers.iter().filter_map(Layer::name).filter(|n| !n.is_empty()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let shown = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            let _ = write!(out, " {title} ({} against {}){shown}.", panel.y.label, panel.x.label);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_can_be_read_aloud() {
        let line = |series: &str| Layer::Line {
            series: series.into(),
            points: vec![(0.0, 0.0)],
            stroke: Stroke::Solid,
            markers: false,
        };
        let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
        let layers =
            vec![Layer::Band { series: "DPO".into(), points: Vec::new() }, line("DPO"), line("PPO"), line("DPO")];
        let panel = Panel { title: "small".into(), x: axis("KL (nats)"), y: axis("reward"), layers };
        let chart = Chart { title: "Frontier.".into(), panels: vec![panel], ..Chart::default() };
        assert_eq!(chart.description(), "Frontier. small (reward against KL (nats)): DPO, PPO.");
    }
}

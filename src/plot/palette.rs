//! Colours and marker shapes: which series gets which, and the colour maps.

use super::chart::{Chart, Layer, Stroke};

/// An sRGB colour with opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Color {
    pub(crate) red: u8,
    pub(crate) green: u8,
    pub(crate) blue: u8,
    /// 1 is opaque.
    pub(crate) alpha: f64,
}

impl Color {
    pub(crate) const WHITE: Self = Self::hex(0xff_ff_ff);
    /// Titles and labels.
    pub(crate) const INK: Self = Self::hex(0x1a_1a_1a);
    /// Tick labels, subtitle.
    pub(crate) const SOFT_INK: Self = Self::hex(0x4d_4d_4d);
    /// Axis lines and ticks.
    pub(crate) const AXIS: Self = Self::hex(0x59_59_59);
    /// Grid lines at labelled ticks.
    pub(crate) const GRID: Self = Self::hex(0xe0_e0_e0);
    /// Grid lines between them.
    pub(crate) const FAINT_GRID: Self = Self::hex(0xf0_f0_f0);

    pub(crate) const fn hex(rgb: u32) -> Self {
        Self { red: (rgb >> 16) as u8, green: (rgb >> 8) as u8, blue: rgb as u8, alpha: 1.0 }
    }

    /// The same hue with this opacity.
    pub(crate) fn opacity(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// Mixes towards `other`: 0 leaves the colour, 1 gives `other`.
    pub(crate) fn mix(self, other: Self, share: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
            alpha: self.alpha,
        }
    }

    /// Relative luminance in [0, 1] (Rec. 709 weights on linear light, gamma 2.2).
    pub(crate) fn luminance(self) -> f64 {
        let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// The palette of Okabe and Ito, safe for the common colour deficiencies, in the order in which neighbours differ
/// most; its yellow is left out (too pale on white) and its black comes last (close to the references).
const OKABE_ITO: [Color; 7] = [
    Color::hex(0x00_72_b2),
    Color::hex(0xd5_5e_00),
    Color::hex(0x00_9e_73),
    Color::hex(0xcc_79_a7),
    Color::hex(0xe6_9f_00),
    Color::hex(0x56_b4_e9),
    Color::hex(0x26_26_26),
];

/// Greys of the reference lines, in order of first appearance.
const REFERENCE_INKS: [Color; 3] = [Color::hex(0x26_26_26), Color::hex(0x73_73_73), Color::hex(0x4d_4d_4d)];

/// Anchors of the viridis map at equal steps (S. van der Walt and N. Smith, CC0); linear between them.
const VIRIDIS: [Color; 11] = [
    Color::hex(0x44_01_54),
    Color::hex(0x48_24_75),
    Color::hex(0x41_44_87),
    Color::hex(0x35_5f_8d),
    Color::hex(0x2a_78_8e),
    Color::hex(0x21_91_8c),
    Color::hex(0x22_a8_84),
    Color::hex(0x44_bf_70),
    Color::hex(0x7a_d1_51),
    Color::hex(0xbd_df_26),
    Color::hex(0xfd_e7_25),
];

/// The sequential map at `t` in [0, 1]; outside values take the ends.
pub(crate) fn sequential(t: f64) -> Color {
    let steps = (VIRIDIS.len() - 1) as f64;
    let place = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) * steps };
    let index = (place.floor() as usize).min(VIRIDIS.len() - 2);
    VIRIDIS[index].mix(VIRIDIS[index + 1], place - index as f64)
}

/// Values at −1, 0 and 1 of the map for signed values: vermilion, nearly white, blue.
const SIGNED: [Color; 3] = [OKABE_ITO[1], Color::hex(0xf4_f4_f4), OKABE_ITO[0]];

/// The map for signed values at `t` in [−1, 1]; outside values take the ends.
pub(crate) fn signed(t: f64) -> Color {
    let t = if t.is_nan() { 0.0 } else { t.clamp(-1.0, 1.0) };
    SIGNED[1].mix(SIGNED[if t < 0.0 { 0 } else { 2 }], t.abs())
}

/// Marker shapes, in the order in which series take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Plus,
    Cross,
    Pentagon,
}

const MARKERS: [Marker; 8] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::TriangleDown,
    Marker::Plus,
    Marker::Cross,
    Marker::Pentagon,
];

/// Lengths of dash, gap, dash, gap, … in page units; empty is solid.
pub(crate) type Dashes = &'static [f64];

const REFERENCE_DASHES: [Dashes; 4] = [&[9.0, 6.0], &[12.0, 4.0, 3.0, 4.0], &[3.0, 4.0], &[18.0, 6.0]];

/// How a series looks everywhere in the figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    pub(crate) color: Color,
    pub(crate) marker: Marker,
}

/// The look of every series and reference of a chart, by order of first appearance over all panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    series: Vec<String>,
    references: Vec<String>,
    /// (series, stroke) of every line that asks for no markers.
    bare: Vec<(String, Stroke)>,
}

impl Looks {
    /// Reads the chart once; the order of panels and layers decides.
    pub(crate) fn of(chart: &Chart) -> Self {
        let mut looks = Self::default();
        for layer in chart.panels.iter().flat_map(|panel| &panel.layers) {
            let (names, name) = match layer {
                Layer::Line { series, .. }
                | Layer::Band { series, .. }
                | Layer::ErrorBars { series, .. }
                | Layer::Scatter { series, .. }
                | Layer::Bars { series, .. } => (&mut looks.series, series),
                Layer::Reference { label, .. } | Layer::Horizontal { label, .. } | Layer::Vertical { label, .. } => {
                    (&mut looks.references, label)
                }
                Layer::ColoredScatter { .. } | Layer::Heat { .. } => continue,
            };
            if !names.contains(name) {
                names.push(name.clone());
            }
            if let Layer::Line { series, stroke, markers: false, .. } = layer {
                let bare = (series.clone(), *stroke);
                if !looks.bare.contains(&bare) {
                    looks.bare.push(bare);
                }
            }
        }
        looks
    }

    /// Whether a line without markers gets a few all the same: when only colour would tell it from another line.
    pub(crate) fn sparse_markers(&self, series: &str, stroke: Stroke) -> bool {
        self.bare.iter().any(|(other, its)| other != series && *its == stroke)
    }

    /// All series, in order.
    pub(crate) fn series(&self) -> &[String] {
        &self.series
    }

    /// All references, in order.
    pub(crate) fn references(&self) -> &[String] {
        &self.references
    }

    /// The place of a series in the order.
    pub(crate) fn index(&self, series: &str) -> usize {
        self.series.iter().position(|name| name == series).unwrap_or(0)
    }

    /// Colour and marker of a series. Colours repeat after seven, markers after eight: 56 distinct pairs.
    pub(crate) fn look(&self, series: &str) -> Look {
        let index = self.index(series);
        Look { color: OKABE_ITO[index % OKABE_ITO.len()], marker: MARKERS[index % MARKERS.len()] }
    }

    /// Ink and dashes of a reference line.
    pub(crate) fn reference(&self, label: &str) -> (Color, Dashes) {
        let index = self.references.iter().position(|name| name == label).unwrap_or(0);
        (REFERENCE_INKS[index % REFERENCE_INKS.len()], REFERENCE_DASHES[index % REFERENCE_DASHES.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Panel;

    fn scatter(series: &str) -> Layer {
        Layer::Scatter { series: series.into(), points: vec![] }
    }

    fn line(series: &str, stroke: Stroke) -> Layer {
        Layer::Line { series: series.into(), points: vec![], stroke, markers: false }
    }

    fn looks(panels: Vec<Vec<Layer>>) -> Looks {
        let panels = panels.into_iter().map(|layers| Panel { layers, ..Panel::default() }).collect();
        Looks::of(&Chart { panels, ..Chart::default() })
    }

    #[test]
    fn a_series_keeps_its_look_in_all_panels_by_first_appearance() {
        let looks = looks(vec![vec![scatter("a"), scatter("b")], vec![scatter("c"), scatter("b"), scatter("a")]]);
        assert_eq!(looks.series(), ["a", "b", "c"]);
        assert_eq!(["a", "b", "c"].map(|name| looks.look(name).color), [OKABE_ITO[0], OKABE_ITO[1], OKABE_ITO[2]]);
    }

    #[test]
    fn references_take_no_series_colour() {
        let reference = Layer::Horizontal { label: "bound".into(), y: 0.0 };
        let looks = looks(vec![vec![reference, scatter("a")]]);
        assert_eq!((looks.series(), looks.references()), (&["a".to_owned()][..], &["bound".to_owned()][..]));
        assert_eq!(looks.look("a").color, OKABE_ITO[0]);
    }

    #[test]
    fn fifty_six_series_look_different() {
        let names: Vec<String> = (0..56).map(|i| i.to_string()).collect();
        let looks = looks(vec![names.iter().map(|name| scatter(name)).collect()]);
        for (i, a) in names.iter().enumerate() {
            assert!(names[..i].iter().all(|b| looks.look(a) != looks.look(b)), "{a}");
        }
    }

    #[test]
    fn only_lines_that_share_a_stroke_get_sparse_markers() {
        let looks = looks(vec![vec![line("a", Stroke::Solid), line("b", Stroke::Solid), line("c", Stroke::Dashed)]]);
        assert!(looks.sparse_markers("a", Stroke::Solid) && looks.sparse_markers("b", Stroke::Solid));
        assert!(!looks.sparse_markers("c", Stroke::Dashed));
    }

    #[test]
    fn the_sequential_map_gets_lighter_all_the_way() {
        let steps: Vec<f64> = (0..=50).map(|i| sequential(f64::from(i) / 50.0).luminance()).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((sequential(-1.0), sequential(f64::NAN)), (VIRIDIS[0], VIRIDIS[0]));
        assert_eq!(sequential(2.0), VIRIDIS[10]);
    }

    #[test]
    fn the_signed_map_gets_darker_away_from_zero() {
        for sign in [-1.0, 1.0] {
            let steps: Vec<f64> = (0..=50).map(|i| signed(sign * f64::from(i) / 50.0).luminance()).collect();
            assert!(steps.windows(2).all(|pair| pair[0] > pair[1]));
        }
        assert_eq!((signed(-3.0), signed(f64::NAN), signed(3.0)), (SIGNED[0], SIGNED[1], SIGNED[2]));
    }
}

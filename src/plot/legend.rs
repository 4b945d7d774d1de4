//! One legend for the whole figure, beneath the panels: each series and each reference once.

use super::chart::{Chart, Layer, Stroke};
use super::draw::{dash, lines, points};
use super::layout::MARGIN;
use super::palette::{Color, Looks};
use super::scene::{Align, Rect, Scene, Text};
use super::text::{self, CENTERING};

const SIZE: f64 = 18.0;
const SWATCH: f64 = 44.0;
const SWATCH_GAP: f64 = 10.0;
const ENTRY_GAP: f64 = 32.0;
const LINE: f64 = 27.0;
const TOP: f64 = 20.0;

/// What a series' swatch shows: everything that the figure draws of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // independent facts, in any combination
struct Shows {
    line: Option<Stroke>,
    marker: bool,
    band: bool,
    whisker: bool,
    cloud: bool,
    block: bool,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    name: String,
    reference: bool,
    shows: Shows,
}

/// The entries of a chart: series, then references, each in order of first appearance.
pub(crate) fn entries(chart: &Chart, looks: &Looks) -> Vec<Entry> {
    let series = looks.series().iter().map(|name| (name, false));
    let references = looks.references().iter().map(|name| (name, true));
    let mut entries: Vec<Entry> = series
        .chain(references)
        .map(|(name, reference)| Entry { name: name.clone(), reference, shows: Shows::default() })
        .collect();
    for layer in chart.panels.iter().flat_map(|panel| &panel.layers) {
        let (Layer::Line { series, .. }
        | Layer::Band { series, .. }
        | Layer::ErrorBars { series, .. }
        | Layer::Scatter { series, .. }
        | Layer::Bars { series, .. }) = layer
        else {
            continue;
        };
        let shows = &mut entries[looks.index(series)].shows;
        match layer {
            Layer::Line { stroke, markers, .. } => {
                shows.line.get_or_insert(*stroke);
                shows.marker |= *markers || looks.sparse_markers(series, *stroke);
            }
            Layer::Band { .. } => shows.band = true,
            Layer::ErrorBars { .. } => (shows.whisker, shows.marker) = (true, true),
            Layer::Scatter { .. } => shows.cloud = true,
            Layer::Bars { .. } => shows.block = true,
            _ => {}
        }
    }
    entries.retain(|entry| !entry.name.trim().is_empty());
    entries
}

/// Entries with their places, relative to the legend's top.
#[derive(Clone, Debug)]
pub(crate) struct Legend {
    placed: Vec<(Entry, f64, f64, Vec<String>)>,
    height: f64,
}

/// Sets the entries in as many aligned columns as fit into `width`, centred.
pub(crate) fn arrange(entries: &[Entry], width: f64) -> Legend {
    let most = width - SWATCH - SWATCH_GAP;
    let texts: Vec<Vec<String>> = entries.iter().map(|e| text::wrap(&e.name, SIZE, false, most)).collect();
    let widths: Vec<f64> = texts.iter().map(|lines| SWATCH + SWATCH_GAP + text::widest(lines, SIZE, false)).collect();
    let columns_of = |count: usize| -> Vec<f64> {
        (0..count).map(|c| widths.iter().skip(c).step_by(count).copied().fold(0.0, f64::max)).collect()
    };
    let total = |columns: &[f64]| columns.iter().sum::<f64>() + ENTRY_GAP * (columns.len().max(1) - 1) as f64;
    let most = (1..=entries.len()).rev().find(|c| total(&columns_of(*c)) <= width).unwrap_or(1);
    // As many rows as that needs, but no row much shorter than the others.
    let rows = entries.len().div_ceil(most).max(1);
    let balanced = (1..=most).find(|c| entries.len().div_ceil(*c) <= rows && total(&columns_of(*c)) <= width);
    let count = balanced.unwrap_or(most);
    let columns = columns_of(count);
    let start = MARGIN + ((width - total(&columns)) / 2.0).max(0.0);
    let mut placed = Vec::new();
    let mut y = TOP;
    let indexed: Vec<usize> = (0..entries.len()).collect();
    for row in indexed.chunks(count) {
        let mut x = start;
        for (column, &i) in row.iter().enumerate() {
            placed.push((entries[i].clone(), x, y, texts[i].clone()));
            x += columns[column] + ENTRY_GAP;
        }
        y += LINE * row.iter().map(|&i| texts[i].len()).max().unwrap_or(1) as f64;
    }
    Legend { placed, height: if entries.is_empty() { 0.0 } else { y } }
}

impl Legend {
    /// The page height that it takes.
    pub(crate) fn height(&self) -> f64 {
        self.height
    }

    /// Draws it with its top at `top`.
    pub(crate) fn draw(&self, scene: &mut Scene, looks: &Looks, top: f64) {
        for (entry, x, y, lines) in &self.placed {
            let middle = top + y + LINE / 2.0;
            swatch(scene, looks, entry, *x, middle);
            for (i, line) in lines.iter().enumerate() {
                scene.text(Text {
                    at: (x + SWATCH + SWATCH_GAP, middle + i as f64 * LINE + CENTERING * SIZE),
                    content: line.clone(),
                    size: SIZE,
                    bold: false,
                    align: Align::Start,
                    upwards: false,
                    color: Color::INK,
                });
            }
        }
    }
}

fn swatch(scene: &mut Scene, looks: &Looks, entry: &Entry, x: f64, y: f64) {
    let ends = [(x, y), (x + SWATCH, y)];
    let middle = (x + SWATCH / 2.0, y);
    if entry.reference {
        let (color, dashes) = looks.reference(&entry.name);
        for piece in dash(&ends, dashes) {
            scene.path(piece, lines::REFERENCE_LINE, color);
        }
        return;
    }
    let (look, shows) = (looks.look(&entry.name), entry.shows);
    if shows.block {
        let area = Rect { left: middle.0 - 11.0, top: y - 8.0, right: middle.0 + 11.0, bottom: y + 8.0 };
        scene.block(area, look.color.mix(Color::WHITE, 0.12));
    }
    if shows.band {
        let area = Rect { left: x, top: y - 8.0, right: x + SWATCH, bottom: y + 8.0 };
        scene.block(area, look.color.opacity(lines::BAND_OPACITY));
    }
    if let Some(stroke) = shows.line {
        for piece in dash(&ends, lines::dashes(stroke)) {
            scene.path(piece, lines::DATA_LINE, look.color);
        }
    }
    if shows.whisker && !shows.block {
        scene.line((middle.0, y - 11.0), (middle.0, y + 11.0), points::WHISKER, look.color);
        for end in [y - 11.0, y + 11.0] {
            scene.line((middle.0 - points::CAP, end), (middle.0 + points::CAP, end), points::WHISKER, look.color);
        }
        points::shape(scene, look.marker, middle, points::MARKER, look.color);
    } else if (shows.marker && !shows.block) || shows.cloud {
        points::rimmed(scene, look, middle);
    }
}

//! Category names on an axis: broken into lines, made smaller, turned upright or thinned out until they fit.

use super::layout::TICK;
use super::text;

/// Names are broken or cut beyond this.
const MOST_WIDTH: f64 = 200.0;
/// A data area with many categories is no higher than this.
const MOST_HEIGHT: f64 = 1000.0;

/// Category names, broken into lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) lines: Vec<Vec<String>>,
    pub(crate) size: f64,
    /// Written from bottom to top because they do not fit side by side.
    pub(crate) upwards: bool,
}

impl Names {
    /// The page height that they take under an axis.
    pub(crate) fn depth(&self) -> f64 {
        if self.upwards {
            return self.lines.iter().map(|l| text::widest(l, self.size, false)).fold(0.0, f64::max);
        }
        self.lines.iter().map(Vec::len).max().unwrap_or(0) as f64 * self.size * text::LINE
    }

    /// The page width that they take beside an axis.
    pub(crate) fn widest(&self) -> f64 {
        self.lines.iter().map(|l| text::widest(l, self.size, false)).fold(0.0, f64::max)
    }
}

/// Category names of a vertical axis, and the height that they need, if they get it: else one line each, or every k-th.
pub(crate) fn stack(names: &[String], height: f64) -> (Names, f64) {
    let mut lines: Vec<Vec<String>> =
        names.iter().map(|n| clip_lines(text::wrap(n, TICK, false, MOST_WIDTH), 2)).collect();
    let line = TICK * text::LINE;
    let most = lines.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let count = names.len() as f64;
    let height = height.max(count * (most * line + 4.0).max(38.0)).min(height.max(MOST_HEIGHT));
    if count * most * line > height {
        let stride = (count * line / height).ceil() as usize;
        for (i, name) in lines.iter_mut().enumerate() {
            let kept = usize::from(i % stride == 0);
            *name = clip_lines(std::mem::take(name), kept);
        }
    }
    (Names { lines, size: TICK, upwards: false }, height)
}

/// Breaks category names so that neighbours do not touch: in lines, then smaller, then upright.
pub(crate) fn fit(names: &[String], width: f64) -> Names {
    let cell = width / names.len().max(1) as f64 - 8.0;
    for size in [TICK, TICK - 1.5, TICK - 3.0] {
        let lines: Vec<Vec<String>> = names.iter().map(|name| text::wrap(name, size, false, cell)).collect();
        let words_whole = names.iter().flat_map(|n| n.split_whitespace()).all(|w| text::width(w, size, false) <= cell);
        if words_whole && lines.iter().all(|l| l.len() <= 3) {
            return Names { lines, size, upwards: false };
        }
    }
    // Upright names stand one line apart; with less room they get smaller, then every k-th is written.
    let room = (cell + 8.0) / text::LINE;
    let size = room.clamp(TICK - 3.0, TICK);
    let stride = (size / room - 1e-9).ceil().max(1.0) as usize;
    let lines = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let line = clip_lines(text::wrap(name, size, false, MOST_WIDTH), 1);
            if i % stride == 0 { line } else { Vec::new() }
        })
        .collect();
    Names { lines, size, upwards: true }
}

/// At most `most` lines; the last one says that it was cut.
fn clip_lines(mut lines: Vec<String>, most: usize) -> Vec<String> {
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push('…');
        }
    }
    lines
}

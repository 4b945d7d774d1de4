//! The bundled font: widths, line breaking, glyph coverage. Nothing is asked of the system.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

use super::scene::Text;

/// The family name in SVG files; a viewer without `DejaVu` takes its own sans-serif.
pub(crate) const FAMILY: &str = "DejaVu Sans, sans-serif";

/// Half the height of a lower-case x, in em: from a text's anchor down to its baseline.
const HALF_X_HEIGHT: f64 = 0.2735;
/// Half the height of a capital above the baseline, in em.
const HALF_CAPITAL: f64 = 0.3645;
/// How far an anchor must go down so that capitals and digits look centred on a place, in em.
pub(crate) const CENTERING: f64 = HALF_CAPITAL - HALF_X_HEIGHT;
/// Line spacing, in em.
pub(crate) const LINE: f64 = 1.28;

struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

// The files are part of the program, so that a failure here would be one of the build.
static FONTS: LazyLock<Fonts> = LazyLock::new(|| Fonts {
    regular: FontRef::try_from_slice(include_bytes!("font/DejaVuSans.ttf")).expect("bundled font"),
    bold: FontRef::try_from_slice(include_bytes!("font/DejaVuSans-Bold.ttf")).expect("bundled font"),
});

fn font(bold: bool) -> &'static FontRef<'static> {
    if bold { &FONTS.bold } else { &FONTS.regular }
}

/// The scale at which one em is `size` units.
fn scale(font: &FontRef<'_>, size: f64) -> PxScale {
    let em = font.units_per_em().unwrap_or(2048.0);
    PxScale::from(size as f32 * font.height_unscaled() / em)
}

/// Width of a line of text whose em is `size`.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let font = font(bold);
    let scaled = font.as_scaled(scale(font, size));
    let mut total = 0.0;
    let mut previous = None;
    for letter in text.chars() {
        let glyph = font.glyph_id(letter);
        if let Some(previous) = previous {
            total += scaled.kern(previous, glyph);
        }
        total += scaled.h_advance(glyph);
        previous = Some(glyph);
    }
    f64::from(total)
}

/// Breaks text into lines no wider than `limit`: at newlines and spaces, inside a word only if it must.
pub(crate) fn wrap(text: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if width(&longer, size, bold) <= limit {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let mut pieces = split_word(word, size, bold, limit);
            line = pieces.pop().unwrap_or_default();
            lines.append(&mut pieces);
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    lines
}

fn split_word(word: &str, size: f64, bold: bool, limit: f64) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let last = pieces.len() - 1;
        pieces[last].push(letter);
        if pieces[last].chars().count() > 1 && width(&pieces[last], size, bold) > limit {
            pieces[last].pop();
            pieces.push(letter.to_string());
        }
    }
    pieces
}

/// The widest of several lines.
pub(crate) fn widest<'a>(lines: impl IntoIterator<Item = &'a String>, size: f64, bold: bool) -> f64 {
    lines.into_iter().map(|line| width(line, size, bold)).fold(0.0, f64::max)
}

/// Calls `paint(x, y, coverage)` for each pixel that the text touches on a raster with `zoom` pixels per page unit.
pub(crate) fn rasterize(text: &Text, zoom: f64, mut paint: impl FnMut(i32, i32, f64)) {
    let font = font(text.bold);
    let size = text.size * zoom;
    let scale = scale(font, size);
    let scaled = font.as_scaled(scale);
    let total = width(&text.content, size, text.bold) as f32;
    let mut pen = match text.align {
        super::scene::Align::Start => 0.0,
        super::scene::Align::Middle => -total / 2.0,
        super::scene::Align::End => -total,
    };
    let baseline = (HALF_X_HEIGHT * size) as f32;
    let (anchor_x, anchor_y) = ((text.at.0 * zoom).round() as i32, (text.at.1 * zoom).round() as i32);
    let mut previous = None;
    for letter in text.content.chars() {
        let id = font.glyph_id(letter);
        if let Some(previous) = previous {
            pen += scaled.kern(previous, id);
        }
        previous = Some(id);
        let glyph = id.with_scale_and_position(scale, ab_glyph::point(pen, baseline));
        pen += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|x, y, coverage| {
            let (along, down) = (corner.x as i32 + x.cast_signed(), corner.y as i32 + y.cast_signed());
            let (dx, dy) = if text.upwards { (down, -along) } else { (along, down) };
            paint(anchor_x + dx, anchor_y + dy, f64::from(coverage.min(1.0)));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_within_the_limit_and_lose_no_word() {
        let text = "the quick brown fox jumps over Donaudampfschifffahrtsgesellschaftskapitän ‖∇V‖ ≤ 6·L·γ";
        for limit in [60.0, 120.0, 500.0] {
            let lines = wrap(text, 18.0, false, limit);
            assert!(lines.iter().all(|line| width(line, 18.0, false) <= limit), "{limit}: {lines:?}");
            let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
    }

    #[test]
    fn every_symbol_that_figures_use_is_in_the_font() {
        for bold in [false, true] {
            for letter in "‖∇≤≥≈±×·−⁻⁰¹²³⁴⁵⁶⁷⁸⁹αβγεθκλμπρστχ₀₁₂∞→½√∈–—…é".chars()
            {
                assert_ne!(font(bold).glyph_id(letter).0, 0, "{letter} bold {bold}");
            }
        }
    }
}

//! A scene on a plotters backend: SVG text, or an RGB raster.
//!
//! Backends take whole pixels. So the raster is drawn [`ZOOM`] times too large and averaged down, which also smooths
//! every edge, and the SVG is drawn in tenths of a page unit under a `viewBox`.

use std::collections::BTreeSet;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, ShapeStyle, TextStyle};

use super::palette::Color;
use super::scene::{Align, Mark, Point, Scene, Text};
use super::text;
use crate::error::{Error, Result};

/// Raster samples per pixel and direction.
const ZOOM: usize = 3;
/// SVG coordinates per page unit.
const SVG_ZOOM: f64 = 10.0;
/// plotters divides a font's size by this to get the em.
const PLOTTERS_EM: f64 = 1.24;

/// Pixels, three bytes each, row by row.
pub(crate) struct Raster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
    /// The opaque colours that something was drawn in: blends may be merged by the encoder, these not.
    pub(crate) solid: BTreeSet<[u8; 3]>,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Numeric(format!("figure could not be drawn: {error}"))
}

fn style(color: Color, width: u32) -> ShapeStyle {
    let rgba = RGBAColor(color.red, color.green, color.blue, color.alpha);
    ShapeStyle { color: rgba, filled: true, stroke_width: width }
}

fn place((x, y): Point, zoom: f64) -> (i32, i32) {
    ((x * zoom).round() as i32, (y * zoom).round() as i32)
}

/// Draws a scene as SVG text.
///
/// # Errors
/// When the backend refuses a mark.
pub(crate) fn svg(scene: &Scene, title: &str) -> Result<String> {
    let size = ((scene.width * SVG_ZOOM) as u32, (scene.height * SVG_ZOOM) as u32);
    let mut body = String::new();
    let mut backend = SVGBackend::with_string(&mut body, size);
    for mark in &scene.marks {
        match mark {
            Mark::Path { points, width, color } => {
                let path: Vec<_> = points.iter().map(|&p| place(p, SVG_ZOOM)).collect();
                backend.draw_path(path, &style(*color, (width * SVG_ZOOM).round().max(1.0) as u32)).map_err(failed)?;
            }
            Mark::Text(text) => svg_text(&mut backend, text)?,
            other => fill(&mut backend, other, SVG_ZOOM)?,
        }
    }
    backend.present().map_err(failed)?;
    drop(backend);
    // The root element: page size, accessible title, and joins that do not spike. The rest is plotters'.
    let rest = body.split_once(">\n").map_or("", |(_, rest)| rest);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" \
         stroke-linejoin=\"round\" stroke-linecap=\"butt\">\n<title>{}</title>\n{rest}",
        scene.width,
        scene.height,
        size.0,
        size.1,
        escape(title)
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn svg_text<B: DrawingBackend>(backend: &mut B, text: &Text) -> Result<()> {
    let weight = if text.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = FontDesc::new(FontFamily::Name(text::FAMILY), text.size * SVG_ZOOM * PLOTTERS_EM, weight);
    let font = if text.upwards { font.transform(FontTransform::Rotate270) } else { font };
    let anchor = match text.align {
        Align::Start => HPos::Left,
        Align::Middle => HPos::Center,
        Align::End => HPos::Right,
    };
    let color = style(text.color, 1).color;
    let style = TextStyle { font, color: color.to_backend_color(), pos: Pos::new(anchor, VPos::Center) };
    backend.draw_text(&text.content, &style, place(text.at, SVG_ZOOM)).map_err(failed)
}

/// The marks that every backend fills alike.
fn fill<B: DrawingBackend>(backend: &mut B, mark: &Mark, zoom: f64) -> Result<()> {
    match mark {
        Mark::Polygon { points, color } => {
            let path: Vec<_> = points.iter().map(|&p| place(p, zoom)).collect();
            backend.fill_polygon(path, &style(*color, 1)).map_err(failed)
        }
        Mark::Block { area, color } => {
            let (from, to) = (place((area.left, area.top), zoom), place((area.right, area.bottom), zoom));
            backend.draw_rect(from, to, &style(*color, 1), true).map_err(failed)
        }
        Mark::Disc { center, radius, color } => {
            let radius = (radius * zoom).round().max(1.0) as u32;
            backend.draw_circle(place(*center, zoom), radius, &style(*color, 1), true).map_err(failed)
        }
        Mark::Path { .. } | Mark::Text(_) => Ok(()),
    }
}

/// Draws a scene as pixels, one per page unit.
///
/// # Errors
/// When the backend refuses a mark.
pub(crate) fn raster(scene: &Scene) -> Result<Raster> {
    let (width, height) = (scene.width as usize, scene.height as usize);
    let (wide, high) = (width * ZOOM, height * ZOOM);
    let mut fine = vec![255_u8; wide * high * 3];
    let mut backend = BitMapBackend::with_buffer(&mut fine, (wide as u32, high as u32));
    let zoom = ZOOM as f64;
    for mark in &scene.marks {
        match mark {
            Mark::Path { points, width, color } => raster_path(&mut backend, points, *width, *color)?,
            Mark::Text(text) => {
                let color = style(text.color, 1).color.to_backend_color();
                let mut result = Ok(());
                text::rasterize(text, zoom, |x, y, coverage| {
                    let inside =
                        usize::try_from(x).is_ok_and(|x| x < wide) && usize::try_from(y).is_ok_and(|y| y < high);
                    if result.is_ok() && inside {
                        result = backend.draw_pixel((x, y), color.mix(coverage));
                    }
                });
                result.map_err(failed)?;
            }
            other => fill(&mut backend, other, zoom)?,
        }
    }
    backend.present().map_err(failed)?;
    drop(backend);
    Ok(Raster { width, height, rgb: average(&fine, width, height), solid: solid(scene) })
}

fn solid(scene: &Scene) -> BTreeSet<[u8; 3]> {
    let colors = scene.marks.iter().map(|mark| match mark {
        Mark::Path { color, .. }
        | Mark::Polygon { color, .. }
        | Mark::Block { color, .. }
        | Mark::Disc { color, .. }
        | Mark::Text(Text { color, .. }) => *color,
    });
    colors.filter(|color| color.alpha >= 1.0).map(|color| [color.red, color.green, color.blue]).collect()
}

/// A wide polyline: one quadrilateral per piece, a disc at each joint. (plotters' own wide polyline spikes at sharp
/// turns.)
fn raster_path<B: DrawingBackend>(backend: &mut B, points: &[Point], width: f64, color: Color) -> Result<()> {
    let style = style(color, 1);
    if let [from, to] = *points
        && let Some((low, high)) = whole_pixels(from, to, width)
    {
        return backend.draw_rect(low, high, &style, true).map_err(failed);
    }
    let zoom = ZOOM as f64;
    let half = width * zoom / 2.0;
    for (index, pair) in points.windows(2).enumerate() {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]].map(|(x, y)| (x * zoom, y * zoom));
        let length = (x1 - x0).hypot(y1 - y0);
        if length > 0.0 {
            let (nx, ny) = (-(y1 - y0) / length * half, (x1 - x0) / length * half);
            let corners = [(x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)];
            backend.fill_polygon(corners.map(|p| place(p, 1.0)), &style).map_err(failed)?;
        }
        if index > 0 && half >= 1.5 {
            backend.draw_circle(place((x0, y0), 1.0), half.round() as u32, &style, true).map_err(failed)?;
        }
    }
    Ok(())
}

/// The samples of a line, if it is upright or level, moved to whole pixels across its direction so that it is crisp.
fn whole_pixels(from: Point, to: Point, width: f64) -> Option<((i32, i32), (i32, i32))> {
    const SAME: f64 = 1e-6;
    let zoom = ZOOM as f64;
    let thick = width.round().max(1.0);
    let across = |center: f64| {
        let first = (center - thick / 2.0).round();
        (first, first + thick)
    };
    let along = |a: f64, b: f64| (a.min(b), a.max(b));
    let (x, y) = match ((from.0 - to.0).abs() < SAME, (from.1 - to.1).abs() < SAME) {
        (true, _) => (across(from.0), along(from.1, to.1)),
        (_, true) => (along(from.0, to.0), across(from.1)),
        _ => return None,
    };
    Some((place((x.0, y.0), zoom), place((x.1, y.1), zoom)))
}

/// The mean of each block of `ZOOM` × `ZOOM` samples.
fn average(fine: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(width * height * 3);
    let samples = (ZOOM * ZOOM) as u32;
    for row in 0..height {
        for column in 0..width {
            for channel in 0..3 {
                let mut sum = samples / 2;
                for y in 0..ZOOM {
                    for x in 0..ZOOM {
                        let pixel = (row * ZOOM + y) * width * ZOOM + column * ZOOM + x;
                        sum += u32::from(fine[pixel * 3 + channel]);
                    }
                }
                rgb.push((sum / samples) as u8);
            }
        }
    }
    rgb
}

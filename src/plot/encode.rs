//! PNG bytes from pixels: indexed by a palette of at most 256 colours, so that figures stay small; deterministic.

use std::collections::BTreeMap;

use super::render::Raster;
use crate::error::{Error, Result};

type Rgb = [u8; 3];

/// Colours that stay exactly as they are: the most frequent ones (page, grid, plain strokes).
const EXACT: usize = 48;
const PALETTE: usize = 256;

/// Encodes a raster as an indexed PNG. Up to 256 colours it is lossless; beyond, the frequent colours stay exact and
/// the rest (edge blends, colour gradients) are merged by median cut.
///
/// # Errors
/// When the encoder fails; it writes to memory.
pub(crate) fn png(raster: &Raster) -> Result<Vec<u8>> {
    let mut counts: BTreeMap<Rgb, u64> = BTreeMap::new();
    for pixel in raster.rgb.chunks_exact(3) {
        *counts.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
    }
    let palette = palette(&counts);
    let index: BTreeMap<Rgb, u8> = counts.keys().map(|&color| (color, nearest(&palette, color))).collect();
    let pixels: Vec<u8> =
        raster.rgb.chunks_exact(3).map(|p| index.get(&[p[0], p[1], p[2]]).copied().unwrap_or(0)).collect();
    let mut bytes = Vec::new();
    let failed = |error: png::EncodingError| Error::Numeric(format!("PNG encoding: {error}"));
    let mut encoder = png::Encoder::new(&mut bytes, raster.width as u32, raster.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::Best);
    encoder.set_filter(png::FilterType::NoFilter);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

fn palette(counts: &BTreeMap<Rgb, u64>) -> Vec<Rgb> {
    if counts.len() <= PALETTE {
        return counts.keys().copied().collect();
    }
    let mut by_count: Vec<(Rgb, u64)> = counts.iter().map(|(&color, &count)| (color, count)).collect();
    by_count.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let rest = by_count.split_off(EXACT);
    let mut palette: Vec<Rgb> = by_count.into_iter().map(|(color, _)| color).collect();
    palette.extend(median_cut(rest, PALETTE - EXACT));
    palette
}

/// Splits the colours into `wanted` boxes, always the box with the largest spread × root weight, and takes each box's
/// weighted mean.
fn median_cut(colors: Vec<(Rgb, u64)>, wanted: usize) -> Vec<Rgb> {
    let mut boxes = vec![colors];
    while boxes.len() < wanted {
        let score = |cell: &Vec<(Rgb, u64)>| {
            let weight: u64 = cell.iter().map(|(_, count)| count).sum();
            f64::from(spread(cell).1) * (weight as f64).powf(0.25)
        };
        let Some((widest, best)) =
            boxes.iter().map(score).enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
        else {
            break;
        };
        if best <= 0.0 {
            break;
        }
        let mut cell = boxes.swap_remove(widest);
        let (channel, _) = spread(&cell);
        cell.sort_by_key(|&(color, _)| (color[channel], color));
        let half: u64 = cell.iter().map(|(_, count)| count).sum::<u64>() / 2;
        let mut sum = 0;
        let cut = cell
            .iter()
            .take_while(|(_, count)| {
                sum += count;
                sum <= half
            })
            .count()
            .clamp(1, cell.len() - 1);
        let upper = cell.split_off(cut);
        boxes.push(cell);
        boxes.push(upper);
    }
    boxes.iter().filter(|cell| !cell.is_empty()).map(|cell| mean(cell)).collect()
}

/// The channel with the largest range, and that range.
fn spread(cell: &[(Rgb, u64)]) -> (usize, u8) {
    let mut best = (0, 0);
    for channel in 0..3 {
        let low = cell.iter().map(|(color, _)| color[channel]).min().unwrap_or(0);
        let high = cell.iter().map(|(color, _)| color[channel]).max().unwrap_or(0);
        if high - low > best.1 {
            best = (channel, high - low);
        }
    }
    best
}

fn mean(cell: &[(Rgb, u64)]) -> Rgb {
    let weight: u64 = cell.iter().map(|(_, count)| count).sum::<u64>().max(1);
    [0, 1, 2].map(|channel| {
        let sum: u64 = cell.iter().map(|(color, count)| u64::from(color[channel]) * count).sum();
        ((sum + weight / 2) / weight) as u8
    })
}

fn nearest(palette: &[Rgb], color: Rgb) -> u8 {
    let distance = |other: &Rgb| -> i32 { (0..3).map(|c| (i32::from(other[c]) - i32::from(color[c])).pow(2)).sum() };
    let best = (0..palette.len()).min_by_key(|&i| distance(&palette[i])).unwrap_or(0);
    best as u8
}

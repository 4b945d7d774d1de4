//! PNG bytes from pixels: indexed by a palette of at most 256 colours, so that figures stay small; deterministic.

use std::collections::{BTreeMap, BTreeSet};

use super::render::Raster;
use crate::error::{Error, Result};

type Rgb = [u8; 3];

const PALETTE: usize = 256;
/// How many colours at most stay exactly as they are.
const EXACT: usize = 160;
/// How many of them because they are frequent.
const FREQUENT: usize = 24;

/// Encodes a raster as an indexed PNG. Up to 256 colours it is lossless; beyond, the frequent colours and those of
/// opaque marks stay exact and the rest (edge blends, colour gradients) are merged where that shows least.
///
/// # Errors
/// When the encoder fails; it writes to memory.
pub(crate) fn png(raster: &Raster) -> Result<Vec<u8>> {
    let mut counts: BTreeMap<Rgb, u64> = BTreeMap::new();
    for pixel in raster.rgb.chunks_exact(3) {
        *counts.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
    }
    let palette = palette(&counts, &raster.solid);
    let index: BTreeMap<Rgb, u8> = counts.keys().map(|&color| (color, nearest(&palette, color))).collect();
    let pixels: Vec<u8> =
        raster.rgb.chunks_exact(3).map(|p| index.get(&[p[0], p[1], p[2]]).copied().unwrap_or(0)).collect();
    let mut bytes = Vec::new();
    let failed = |error: png::EncodingError| Error::Numeric(format!("PNG encoding: {error}"));
    let mut encoder = png::Encoder::new(&mut bytes, raster.width as u32, raster.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_deflate_compression(png::DeflateCompression::Level(9));
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

fn palette(counts: &BTreeMap<Rgb, u64>, solid: &BTreeSet<Rgb>) -> Vec<Rgb> {
    if counts.len() <= PALETTE {
        return counts.keys().copied().collect();
    }
    let mut by_count: Vec<(Rgb, u64)> = counts.iter().map(|(&color, &count)| (color, count)).collect();
    by_count.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let kept = |rank: usize, color: &Rgb| rank < FREQUENT || solid.contains(color);
    let (exact, rest): (Vec<_>, Vec<_>) = by_count.into_iter().enumerate().partition(|(rank, (c, _))| kept(*rank, c));
    let mut palette: Vec<Rgb> = exact.iter().map(|(_, (color, _))| *color).take(EXACT).collect();
    let spare = exact.into_iter().skip(EXACT).chain(rest).map(|(_, counted)| counted).collect();
    palette.extend(split_boxes(spare, PALETTE - palette.len()));
    palette
}

/// Splits the colours into `wanted` boxes, always the box with the largest squared error and at the mean of its most
/// varied channel, and takes each box's mean.
fn split_boxes(colors: Vec<(Rgb, u64)>, wanted: usize) -> Vec<Rgb> {
    let (channel, error) = worst_channel(&colors);
    let mut boxes = vec![(colors, channel, error)];
    while boxes.len() < wanted {
        let largest = |(_, a): &(usize, f64), (_, b): &(usize, f64)| a.total_cmp(b);
        let Some((index, error)) = boxes.iter().map(|b| b.2).enumerate().max_by(largest) else { break };
        if error <= 0.0 {
            break;
        }
        let (cell, channel, _) = boxes.swap_remove(index);
        let middle = mean(&cell)[channel];
        // The error is positive, so the channel has at least two values, and its mean is below the largest.
        let (lower, upper): (Vec<_>, Vec<_>) =
            cell.into_iter().partition(|(color, _)| f64::from(color[channel]) <= middle);
        for half in [lower, upper] {
            let (channel, error) = worst_channel(&half);
            boxes.push((half, channel, error));
        }
    }
    boxes.iter().filter(|b| !b.0.is_empty()).map(|b| mean(&b.0).map(|channel| channel.round() as u8)).collect()
}

/// The channel with the largest squared deviation from the mean, and that deviation, summed over the pixels.
fn worst_channel(cell: &[(Rgb, u64)]) -> (usize, f64) {
    let mean = mean(cell);
    let error = |channel: usize| -> f64 {
        cell.iter().map(|(color, count)| *count as f64 * (f64::from(color[channel]) - mean[channel]).powi(2)).sum()
    };
    (0..3)
        .map(|channel| (channel, error(channel)))
        .fold((0, 0.0), |best, next| if next.1 > best.1 { next } else { best })
}

fn mean(cell: &[(Rgb, u64)]) -> [f64; 3] {
    let weight: u64 = cell.iter().map(|(_, count)| count).sum();
    [0, 1, 2].map(|channel| {
        let sum: u64 = cell.iter().map(|(color, count)| u64::from(color[channel]) * count).sum();
        sum as f64 / weight.max(1) as f64
    })
}

fn nearest(palette: &[Rgb], color: Rgb) -> u8 {
    let distance = |other: &Rgb| -> i32 { (0..3).map(|c| (i32::from(other[c]) - i32::from(color[c])).pow(2)).sum() };
    let best = (0..palette.len()).min_by_key(|&i| distance(&palette[i])).unwrap_or(0);
    best as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Vec<u8> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels
    }

    /// A raster in which every pixel has a colour of its own along a curve in the colour cube.
    fn gradient(count: usize, solid: &[Rgb]) -> Raster {
        let rgb = (0..count).flat_map(|i| [i % 256, i * 7 % 256, i / 256 * 16].map(|c| c as u8)).collect();
        Raster { width: count, height: 1, rgb, solid: solid.iter().copied().collect() }
    }

    #[test]
    fn up_to_256_colours_nothing_is_lost() {
        let raster = gradient(256, &[]);
        assert_eq!(decode(&png(&raster).unwrap()), raster.rgb);
    }

    #[test]
    fn with_more_colours_the_solid_ones_are_exact_and_the_rest_near() {
        let solid = [[9, 63, 0], [200, 120, 48]];
        let mut raster = gradient(4096, &solid);
        raster.rgb[..3].copy_from_slice(&solid[1]);
        let decoded = decode(&png(&raster).unwrap());
        assert_eq!((&decoded[..3], &decoded[27..30]), (&solid[1][..], &solid[0][..]));
        let worst = raster.rgb.iter().zip(&decoded).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst < 64, "{worst}");
    }
}

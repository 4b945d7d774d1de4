//! Small grey images with their classes (IDX, as MNIST and Fashion-MNIST have them), as texts of digits that a language model can read.

use super::{Dropped, Imported, Item, Line, Part, Source, provenance};
use crate::env::{Images, Split};
use crate::error::{Error, Result};
use crate::record::sha256;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

/// Fashion-MNIST's, in the order of its labels.
const FASHION: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];

/// How images become lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageParams {
    /// Side of the image in the prompt, in characters; divides the image's.
    pub side: usize,
    /// Whether the line has the pixels too.
    pub pixels: bool,
    /// Whether the classes are digits, as in MNIST, and not Fashion-MNIST's.
    pub digits: bool,
    /// The first so many of train and of test; all if none.
    pub limit: Option<usize>,
}

/// Reads the four IDX files of a folder, gzipped or not. The prompt has a row of digits per row: the mean grey level of each square, from 0
/// (black) to 9. What the package tests with stays the test's; images that come twice are dropped, from train first.
///
/// # Errors
/// Files that are missing or malformed; images that are not square, or whose side is not a multiple of the prompt's.
pub fn images(folder: &Path, params: &ImageParams) -> Result<Imported> {
    Error::check_counts(&[("side", params.side, 1, 1024), ("limit", params.limit.unwrap_or(1), 1, usize::MAX)])?;
    let (mut items, mut dropped, mut seen) = (Vec::new(), Dropped::default(), 0);
    let mut classes: HashMap<String, usize> = HashMap::new();
    let mut digest = (0, String::new());
    for (split, part) in [(Split::Test, Some(Part::Test)), (Split::Train, None)] {
        let all = Images::load(folder, split, FASHION.len())?;
        let side = all.pixels_per_image().isqrt();
        if side * side != all.pixels_per_image() || !side.is_multiple_of(params.side) {
            let legal = format!("a divisor of the side of square images, which have {} pixels", all.pixels_per_image());
            return Err(Error::parameter("side", params.side, legal));
        }
        let [pixels, labels] = all.bytes();
        digest.0 += (pixels.len() + labels.len()) as u64;
        let _ = write!(digest.1, "{}  {split:?} pixels\n{}  {split:?} labels\n", sha256(pixels), sha256(labels));
        for i in 0..all.len().min(params.limit.unwrap_or(usize::MAX)) {
            seen += 1;
            let own = &pixels[i * side * side..][..side * side];
            let group = sha256(own);
            match classes.get(&group) {
                Some(known) if *known == all.label(i) => dropped.count("repeated image"),
                Some(_) => dropped.count("repeated image, with another class"),
                None => {
                    classes.insert(group.clone(), all.label(i));
                    items.push(Item { line: line(own, side, all.label(i), params), group, part });
                }
            }
        }
    }
    let name = folder.canonicalize().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let source =
        Source { name: name.unwrap_or_default(), files: 4, bytes: digest.0, sha256: sha256(digest.1.as_bytes()) };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for item in &items {
        *counts.entry(format!("kept, label {}", item.line.label.unwrap_or_default())).or_default() += 1;
    }
    let settings = provenance::settings(params)?;
    let package = if params.digits { None } else { provenance::known("images") };
    Ok(Imported { kind: "images", items, sources: vec![source], seen, dropped: dropped.0, counts, settings, package })
}

fn line(pixels: &[u8], side: usize, label: usize, params: &ImageParams) -> Line {
    let square = side / params.side;
    let mut prompt = String::with_capacity(params.side * (params.side + 1));
    for y in 0..params.side {
        for x in 0..params.side {
            let of = |i: usize| u64::from(pixels[(y * square + i / square) * side + x * square + i % square]);
            let total: u64 = (0..square * square).map(of).sum();
            let level = total * 10 / (256 * (square * square) as u64);
            prompt.push(char::from(b'0' + level as u8));
        }
        prompt.push('\n');
    }
    let name = if params.digits { label.to_string() } else { FASHION[label].to_owned() };
    Line {
        prompt: prompt.trim_end().to_owned(),
        completion: format!("\n{name}"),
        answer: Some(name),
        label: Some(label),
        pixels: params.pixels.then(|| pixels.to_vec()),
        ..Line::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Images of 2 × 2.
    fn put(folder: &Path, prefix: &str, images: &[[u8; 4]], labels: &[u8]) {
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
        let n = images.len() as u32;
        let image_file = [words(&[0x0803, n, 2, 2]), images.concat()].concat();
        fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), image_file).expect("written");
        let label_file = [words(&[0x0801, n]), labels.to_vec()].concat();
        fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), label_file).expect("written");
    }

    #[test]
    fn images_are_digits_and_the_test_stays_the_test() {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "train", &[[0, 255, 128, 25], [9; 4], [7; 4]], &[7, 1, 2]);
        put(folder.path(), "t10k", &[[9; 4], [7; 4]], &[1, 0]);
        let params = ImageParams { side: 2, pixels: true, digits: false, limit: None };
        let made = images(folder.path(), &params).expect("well formed");
        assert_eq!(made.items.len(), 3);
        assert_eq!((made.dropped["repeated image"], made.dropped["repeated image, with another class"]), (1, 1));
        let sneaker = &made.items[2];
        assert_eq!((sneaker.line.prompt.as_str(), sneaker.line.completion.as_str()), ("09\n50", "\nsneaker"));
        assert_eq!((sneaker.part, made.items[0].part), (None, Some(Part::Test)));
        assert_eq!(sneaker.line.pixels.as_deref(), Some(&[0, 255, 128, 25][..]));
        let mean = images(folder.path(), &ImageParams { side: 1, pixels: false, digits: true, ..params.clone() });
        let mean = mean.expect("well formed");
        assert_eq!((mean.items[2].line.prompt.as_str(), mean.items[2].line.answer.as_deref()), ("3", Some("7")));
        assert!(images(folder.path(), &ImageParams { side: 3, ..params }).is_err());
    }
}

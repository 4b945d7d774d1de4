//! Labelled images in the IDX format of MNIST and its drop-in replacements, raw or gzipped: the contexts of a bandit
//! whose outputs are the classes.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// First bytes of an IDX file of unsigned bytes in three and one dimensions.
const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Which half of a data set; it names the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`.
    Train,
    /// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`.
    Test,
}

impl Split {
    fn prefix(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "t10k",
        }
    }
}

/// Grey images of one size, each with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pixels: Vec<u8>,
    labels: Vec<u8>,
    size: usize,
}

impl Images {
    /// Reads one split from a folder: each file with or without `.gz` (without is preferred).
    ///
    /// # Errors
    /// A file that is absent or unreadable; those of [`Images::parse`].
    pub fn load(folder: &Path, split: Split, classes: usize) -> Result<Self> {
        let images = read_either(folder, &format!("{}-images-idx3-ubyte", split.prefix()))?;
        let labels = read_either(folder, &format!("{}-labels-idx1-ubyte", split.prefix()))?;
        Self::parse((&images.0, &images.1), (&labels.0, &labels.1), classes)
    }

    /// From the bytes of an image file and a label file, gzipped or not (told by their first bytes).
    ///
    /// # Errors
    /// Damaged gzip, a wrong magic number, too few or too many bytes for the sizes in the header, no images, a label
    /// that is not below `classes`, or different numbers of images and labels.
    pub fn parse(images: (&Path, &[u8]), labels: (&Path, &[u8]), classes: usize) -> Result<Self> {
        let ([count, height, width], pixels) = parse_idx(images, IMAGES_MAGIC)?;
        let ([label_count], labels_read) = parse_idx(labels, LABELS_MAGIC)?;
        if count == 0 || height * width == 0 {
            let message = format!("{count} images of {height} × {width}: at least one image of one pixel is needed");
            return Err(Error::content(images.0, "header", message));
        }
        if count != label_count {
            let message = format!("{label_count} labels for the {count} images of {}", images.0.display());
            return Err(Error::content(labels.0, "header", message));
        }
        if let Some(i) = labels_read.iter().position(|&l| usize::from(l) >= classes) {
            let message = format!("label {}: must be below {classes}", labels_read[i]);
            return Err(Error::content(labels.0, format!("label {i} (byte {})", 8 + i), message));
        }
        Ok(Self { pixels, labels: labels_read, size: height * width })
    }

    /// How many images there are (at least one).
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Pixels of one image.
    pub fn pixels_per_image(&self) -> usize {
        self.size
    }

    /// The class of one image.
    pub fn label(&self, image: usize) -> usize {
        usize::from(self.labels[image])
    }

    /// The pixels of the chosen images scaled to [0, 1], `chosen.len() × pixels_per_image`, row-major.
    pub fn scaled(&self, chosen: &[usize]) -> Vec<f64> {
        let pixels = chosen.iter().flat_map(|&i| &self.pixels[i * self.size..][..self.size]);
        pixels.map(|&p| f64::from(p) / 255.0).collect()
    }

    /// The raw bytes, pixels before labels: what a content hash is taken of.
    pub fn bytes(&self) -> [&[u8]; 2] {
        [&self.pixels, &self.labels]
    }
}

/// `name` or `name.gz` in `folder`; when neither exists the message names both.
fn read_either(folder: &Path, name: &str) -> Result<(PathBuf, Vec<u8>)> {
    for path in [folder.join(name), folder.join(format!("{name}.gz"))] {
        match std::fs::read(&path) {
            Ok(bytes) => return Ok((path, bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io(path, e)),
        }
    }
    let missing = std::io::Error::new(ErrorKind::NotFound, "no such file, nor with .gz added");
    Err(Error::io(folder.join(name), missing))
}

/// The dimensions and the bytes of an IDX file of unsigned bytes with this magic number.
fn parse_idx<const D: usize>((path, bytes): (&Path, &[u8]), magic: u32) -> Result<([usize; D], Vec<u8>)> {
    let mut reader: Box<dyn Read> =
        if bytes.starts_with(&[0x1f, 0x8b]) { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    let mut read = |place: &str, limit: u64| {
        let mut out = Vec::new();
        match reader.by_ref().take(limit).read_to_end(&mut out) {
            Ok(_) => Ok(out),
            Err(e) => Err(Error::content(path, format!("gzip stream, {place} byte {}", out.len()), e.to_string())),
        }
    };
    let header_size = 4 + 4 * D;
    let header = read("header", header_size as u64)?;
    if header.len() < header_size {
        let message = format!("truncated: {} of the header's {header_size} bytes", header.len());
        return Err(Error::content(path, "header", message));
    }
    let word = |i: usize| u32::from_be_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
    if word(0) != magic {
        let message = format!("magic number {:#010x}: must be {magic:#010x}", word(0));
        return Err(Error::content(path, "byte 0", message));
    }
    let dims: [usize; D] = std::array::from_fn(|d| word(4 + 4 * d) as usize);
    let expected = dims.iter().try_fold(1_u64, |product, &d| product.checked_mul(d as u64));
    let Some(expected) = expected.filter(|&e| e < u64::MAX) else {
        return Err(Error::content(path, "header", format!("sizes {dims:?} do not fit in memory")));
    };
    // one byte more than declared, so that surplus shows; memory grows with what is really there
    let body = read("content", expected + 1)?;
    let got = body.len() as u64;
    if got < expected {
        let message = format!("truncated: {got} of the {expected} bytes that sizes {dims:?} need");
        return Err(Error::content(path, format!("byte {}", header_size as u64 + got), message));
    }
    if got > expected {
        let message = format!("more than the {expected} bytes that sizes {dims:?} need");
        return Err(Error::content(path, format!("byte {}", header_size as u64 + expected), message));
    }
    Ok((dims, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn idx(magic: u32, dims: &[u32], body: &[u8]) -> Vec<u8> {
        let words = std::iter::once(&magic).chain(dims);
        words.flat_map(|w| w.to_be_bytes()).chain(body.iter().copied()).collect()
    }

    fn good() -> (Vec<u8>, Vec<u8>) {
        (idx(IMAGES_MAGIC, &[2, 1, 3], &[0, 51, 255, 1, 2, 3]), idx(LABELS_MAGIC, &[2], &[9, 0]))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn parse(images: &[u8], labels: &[u8]) -> Result<Images> {
        Images::parse((Path::new("img"), images), (Path::new("lab"), labels), 10)
    }

    fn message(images: &[u8], labels: &[u8]) -> String {
        parse(images, labels).expect_err("must be refused").to_string()
    }

    #[test]
    fn raw_and_gzipped_files_read_alike() {
        let (images, labels) = good();
        let raw = parse(&images, &labels).expect("well formed");
        assert_eq!((raw.len(), raw.pixels_per_image(), raw.label(0), raw.label(1)), (2, 3, 9, 0));
        assert_eq!(raw.scaled(&[1, 0])[3..], [0.0, 0.2, 1.0]);
        assert_eq!(parse(&gzip(&images), &gzip(&labels)).expect("well formed"), raw);
    }

    #[test]
    fn every_damage_is_named() {
        let (images, labels) = good();
        assert_eq!(
            message(&images[..17], &labels),
            "img, byte 17: truncated: 1 of the 6 bytes that sizes [2, 1, 3] need"
        );
        assert_eq!(message(&images[..9], &labels), "img, header: truncated: 9 of the header's 16 bytes");
        assert_eq!(message(b"", &labels), "img, header: truncated: 0 of the header's 16 bytes");
        assert_eq!(message(&labels, &labels), "img, header: truncated: 10 of the header's 16 bytes");
        assert_eq!(message(&images, &images), "lab, byte 0: magic number 0x00000803: must be 0x00000801");
        assert_eq!(
            message(&[images.as_slice(), &[7]].concat(), &labels),
            "img, byte 22: more than the 6 bytes that sizes [2, 1, 3] need"
        );
        assert_eq!(
            message(&images, &idx(LABELS_MAGIC, &[2], &[9, 10])),
            "lab, label 1 (byte 9): label 10: must be below 10"
        );
        assert_eq!(message(&images, &idx(LABELS_MAGIC, &[1], &[9])), "lab, header: 1 labels for the 2 images of img");
        assert_eq!(
            message(&idx(IMAGES_MAGIC, &[0, 1, 3], &[]), &idx(LABELS_MAGIC, &[0], &[])),
            "img, header: 0 images of 1 × 3: at least one image of one pixel is needed"
        );
    }

    #[test]
    fn absurd_sizes_are_refused_without_allocating_them() {
        let huge = idx(IMAGES_MAGIC, &[u32::MAX, u32::MAX, u32::MAX], &[1]);
        assert!(message(&huge, &good().1).contains("do not fit in memory"));
        let large = idx(IMAGES_MAGIC, &[u32::MAX, 1000, 1000], &[1]);
        assert!(message(&large, &good().1).contains("truncated: 1 of the 4294967295000000 bytes"));
    }

    #[test]
    fn damaged_gzip_is_refused() {
        let (images, labels) = good();
        let whole = gzip(&images);
        let cut = message(&whole[..whole.len() - 9], &labels);
        assert!(cut.starts_with("img, gzip stream, content byte ") && !cut.contains('\n'), "{cut}");
        let mut flipped = whole.clone();
        let middle = whole.len() - 6; // in the checksum
        flipped[middle] ^= 1;
        assert!(parse(&flipped, &labels).is_err());
    }

    #[test]
    fn missing_files_are_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let load = || Images::load(folder.path(), Split::Test, 10);
        let message = load().expect_err("empty").to_string();
        assert!(message.contains("t10k-images-idx3-ubyte: no such file, nor with .gz added"), "{message}");
        let (images, labels) = good();
        std::fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), gzip(&images)).expect("written");
        std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), labels).expect("written");
        assert_eq!(load().expect("both there").len(), 2);
    }
}

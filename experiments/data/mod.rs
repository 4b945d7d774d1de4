//! Small real data sets that are compiled into the binary; origin and licence beside each.

use rewardlab::env::{Images, Split};
use rewardlab::error::Result;
use std::path::Path;

macro_rules! embedded {
    ($name:literal) => {
        (Path::new(concat!("embedded:", $name)), include_bytes!($name).as_slice())
    };
}

/// The first 1,000 images of the training or the test file of Fashion-MNIST, 28 × 28, 10 classes.
///
/// # Errors
/// None, unless the files in the source tree were changed.
pub(crate) fn fashion_mnist(split: Split) -> Result<Images> {
    let (images, labels) = match split {
        Split::Train => (
            embedded!("fashion-mnist/train-images-idx3-ubyte.gz"),
            embedded!("fashion-mnist/train-labels-idx1-ubyte.gz"),
        ),
        Split::Test => {
            (embedded!("fashion-mnist/t10k-images-idx3-ubyte.gz"), embedded!("fashion-mnist/t10k-labels-idx1-ubyte.gz"))
        }
    };
    Images::parse(images, labels, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Needs the whole data set: `FASHION_MNIST=DIR cargo test embedded_images -- --nocapture`, or Debian's package
    /// dataset-fashion-mnist in its usual place.
    #[test]
    fn embedded_images_are_the_first_thousand_of_each_file() {
        let usual = "/usr/share/datasets/fashion-mnist";
        let folder = std::env::var("FASHION_MNIST").unwrap_or_else(|_| usual.to_owned());
        for split in [Split::Train, Split::Test] {
            let embedded = fashion_mnist(split).expect("embedded files are well formed");
            assert_eq!((embedded.len(), embedded.pixels_per_image()), (1000, 28 * 28));
            match Images::load(Path::new(&folder), split, 10) {
                Ok(whole) => {
                    let [pixels, labels] = whole.bytes();
                    assert!(embedded.bytes() == [&pixels[..784_000], &labels[..1000]], "{split:?} differs");
                }
                Err(reason) => eprintln!("not compared with the whole set ({reason}); set FASHION_MNIST to its folder"),
            }
        }
    }
}

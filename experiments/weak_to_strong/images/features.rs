//! Features learned without labels: responses to patches of other images.

use rewardlab::num::{Matrix, matmul, norm};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, std_dev};

/// Side of an image.
const SIDE: usize = 28;
/// Side of a patch.
const PATCH: usize = 7;
/// Pixels between neighbouring patches.
const STRIDE: usize = 3;
/// Patches along a side.
const PLACES: usize = (SIDE - PATCH) / STRIDE + 1;
/// Responses are summed over so many parts of each side.
const PARTS: usize = 3;
/// Patches flatter than this (norm without the mean) are no filters.
const FLAT: f64 = 0.5;
/// What a response (a cosine) has to exceed.
const THRESHOLD: f64 = 0.2;

/// Patches without their mean, of norm 1; a row each.
pub(super) struct Filters(Vec<f64>);

/// A patch without its mean, and its norm then; of norm 1 unless flat.
fn normalised(image: &[f64], (x, y): (usize, usize)) -> (Vec<f64>, f64) {
    let mut patch: Vec<f64> = (0..PATCH).flat_map(|row| &image[(y + row) * SIDE + x..][..PATCH]).copied().collect();
    let middle = mean(&patch);
    patch.iter_mut().for_each(|v| *v -= middle);
    let length = norm(&patch);
    // flat patches respond to nothing rather than to noise
    let scale = 1.0 / length.max(FLAT);
    patch.iter_mut().for_each(|v| *v *= scale);
    (patch, length)
}

impl Filters {
    /// `count` patches from random places of random images of `train`.
    pub(super) fn draw(pixels: &[f64], width: usize, train: &[usize], count: usize, rng: &mut Stream) -> Self {
        let mut filters = Vec::with_capacity(count * PATCH * PATCH);
        while filters.len() < count * PATCH * PATCH {
            let image = train[rng.below(train.len())];
            let place = (rng.below(SIDE - PATCH + 1), rng.below(SIDE - PATCH + 1));
            let (patch, length) = normalised(&pixels[image * width..][..width], place);
            if length >= FLAT {
                filters.extend(patch);
            }
        }
        Self(filters)
    }

    /// Of all images: responses above the threshold, summed over parts of the image; standardised by `train`. (images × width, width)
    pub(super) fn features(&self, pixels: &[f64], width: usize, train: &[usize]) -> (Vec<f64>, usize) {
        let count = self.0.len() / (PATCH * PATCH);
        let features = PARTS * PARTS * count;
        let mut all = Vec::with_capacity(pixels.len() / width * features);
        let mut responses = vec![0.0; PLACES * PLACES * count];
        for image in pixels.chunks_exact(width) {
            let places = (0..PLACES * PLACES).map(|i| (i % PLACES, i / PLACES));
            let patches: Vec<f64> =
                places.clone().flat_map(|(x, y)| normalised(image, (STRIDE * x, STRIDE * y)).0).collect();
            let patches = Matrix::new(&patches, PLACES * PLACES, PATCH * PATCH);
            matmul(patches, Matrix::new(&self.0, count, PATCH * PATCH).t(), &mut responses, false);
            let mut pooled = vec![0.0; features];
            for ((x, y), own) in places.zip(responses.chunks_exact(count)) {
                let part = PARTS * y / PLACES * PARTS + PARTS * x / PLACES;
                let sums = &mut pooled[part * count..][..count];
                sums.iter_mut().zip(own).for_each(|(s, r)| *s += (r - THRESHOLD).max(0.0));
            }
            all.extend(pooled);
        }
        for f in 0..features {
            let seen: Vec<f64> = train.iter().map(|i| all[i * features + f]).collect();
            let (middle, spread) = (mean(&seen), std_dev(&seen).max(1e-9));
            all.iter_mut().skip(f).step_by(features).for_each(|v| *v = (*v - middle) / spread);
        }
        (all, features)
    }
}

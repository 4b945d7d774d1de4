//! What teacher and students see of an image.

use rewardlab::num::{Matrix, matmul};
use rewardlab::rng::Stream;

/// Means over `blocks` × `blocks` squares of pixels.
///
/// # Shapes
/// `pixels`: images × side², row by row; returns images × blocks².
pub(super) fn shrunk(pixels: &[f64], side: usize, blocks: usize) -> Vec<f64> {
    let step = side / blocks;
    let mean = |image: &[f64], row: usize, column: usize| {
        let sum: f64 = (0..step * step).map(|i| image[(row * step + i / step) * side + column * step + i % step]).sum();
        sum / (step * step) as f64
    };
    pixels
        .chunks(side * side)
        .flat_map(|image| (0..blocks * blocks).map(move |b| mean(image, b / blocks, b % blocks)))
        .collect()
}

/// Features less their mean over the training images, over their deviation there; `train` has so many `rows`.
pub(super) fn standardised(mut train: Vec<f64>, mut test: Vec<f64>, rows: usize) -> (Vec<f64>, Vec<f64>) {
    let width = train.len() / rows;
    for j in 0..width {
        let column = || train.iter().skip(j).step_by(width);
        let mean = column().sum::<f64>() / rows as f64;
        let variance = column().map(|v| (v - mean) * (v - mean)).sum::<f64>() / rows as f64;
        // a feature that never changes says nothing
        let scale = 1.0 / (variance.sqrt() + 1e-6);
        for features in [&mut train, &mut test] {
            features.iter_mut().skip(j).step_by(width).for_each(|v| *v = (*v - mean) * scale);
        }
    }
    (train, test)
}

/// Patches that stand for all patches, found by k-means.
pub(super) struct Dictionary {
    side: usize,
    patch: usize,
    /// Words × pixels of a patch.
    words: Vec<f64>,
}

impl Dictionary {
    /// k-means of random patches of the images, each less its mean and over its deviation; the first words are random patches. A word that
    /// no patch is nearest to stays where it is.
    pub(super) fn learn(
        pixels: &[f64],
        side: usize,
        patch: usize,
        words: usize,
        patches: usize,
        rounds: usize,
        rng: &mut Stream,
    ) -> Self {
        let (images, places) = (pixels.len() / (side * side), side - patch + 1);
        let size = patch * patch;
        let mut sample = Vec::with_capacity(patches * size);
        for _ in 0..patches {
            let image = rng.below(images);
            let (row, column) = (rng.below(places), rng.below(places));
            sample.extend(cut(&pixels[image * side * side..][..side * side], side, patch, row, column));
        }
        let mut dictionary = Self { side, patch, words: sample[..words * size].to_vec() };
        for _ in 0..rounds {
            let distances = dictionary.distances(&sample);
            let (mut sums, mut counts) = (vec![0.0; words * size], vec![0.0; words]);
            for (own, distances) in sample.chunks(size).zip(distances.chunks(words)) {
                let nearest = (1..words).fold(0, |best, k| if distances[k] < distances[best] { k } else { best });
                counts[nearest] += 1.0;
                sums[nearest * size..][..size].iter_mut().zip(own).for_each(|(s, v)| *s += v);
            }
            for ((word, sum), count) in dictionary.words.chunks_mut(size).zip(sums.chunks(size)).zip(counts) {
                if count > 0.0 {
                    word.iter_mut().zip(sum).for_each(|(w, s)| *w = s / count);
                }
            }
        }
        dictionary
    }

    /// Squared distances, patches × words.
    fn distances(&self, patches: &[f64]) -> Vec<f64> {
        let size = self.patch * self.patch;
        let (n, words) = (patches.len() / size, self.words.len() / size);
        let squares = |rows: &[f64]| rows.chunks(size).map(|r| r.iter().map(|v| v * v).sum()).collect::<Vec<f64>>();
        let (own, its) = (squares(patches), squares(&self.words));
        let mut out = vec![0.0; n * words];
        matmul(Matrix::new(patches, n, size), Matrix::new(&self.words, words, size).t(), &mut out, false);
        for (row, own) in out.chunks_mut(words).zip(own) {
            row.iter_mut().zip(&its).for_each(|(v, its)| *v = (own + its - 2.0 * *v).max(0.0));
        }
        out
    }

    /// How much nearer than the mean word each word is ("triangle" encoding of Coates, Lee and Ng), summed over the patches of each quadrant;
    /// every second patch.
    ///
    /// # Shapes
    /// images × side² in; images × 4 words out.
    pub(super) fn encode(&self, pixels: &[f64]) -> Vec<f64> {
        let (side, patch) = (self.side, self.patch);
        let words = self.words.len() / (patch * patch);
        let places: Vec<usize> = (0..=side - patch).step_by(2).collect();
        let mut out = Vec::new();
        for image in pixels.chunks(side * side) {
            let cuts = places.iter().flat_map(|row| places.iter().map(move |column| (*row, *column)));
            let all: Vec<f64> = cuts.clone().flat_map(|(row, column)| cut(image, side, patch, row, column)).collect();
            let distances = self.distances(&all);
            let mut pooled = vec![0.0; 4 * words];
            for ((row, column), squares) in cuts.zip(distances.chunks(words)) {
                let middle = |at: usize| usize::from(2 * at + patch > side);
                let quadrant = 2 * middle(row) + middle(column);
                let mean = squares.iter().map(|d| d.sqrt()).sum::<f64>() / words as f64;
                let own = &mut pooled[quadrant * words..][..words];
                own.iter_mut().zip(squares).for_each(|(f, d)| *f += (mean - d.sqrt()).max(0.0));
            }
            out.extend(pooled);
        }
        out
    }
}

/// A patch less its mean, over its deviation; flat patches are nearly zero.
fn cut(image: &[f64], side: usize, patch: usize, row: usize, column: usize) -> Vec<f64> {
    let mut own: Vec<f64> = (0..patch * patch).map(|i| image[(row + i / patch) * side + column + i % patch]).collect();
    let mean = own.iter().sum::<f64>() / own.len() as f64;
    own.iter_mut().for_each(|v| *v -= mean);
    let deviation = (own.iter().map(|v| v * v).sum::<f64>() / own.len() as f64).sqrt();
    own.iter_mut().for_each(|v| *v /= deviation + 0.04);
    own
}

//! Named random streams: the only source of randomness in the laboratory.
//!
//! A stream is a function of its name alone — usually (experiment, cell, seed, purpose) — so a unit of work draws
//! the same numbers whatever the thread count, the shard or the order of work. The name is hashed with SHA-256
//! (each part behind its length, so `["ab", "c"]` differs from `["a", "bc"]`) into the key of a ChaCha8 generator.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};
use std::convert::Infallible;

/// A deterministic stream of random numbers, known by its name.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of this name.
    pub fn named(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Uniform in `0..n`; `n` must be positive.
    pub fn below(&mut self, n: usize) -> usize {
        // u64 whatever the platform, so that 32-bit machines draw the same numbers
        self.0.random_range(0..n as u64) as usize
    }

    /// Fills the slice with independent normals of standard deviation `scale`.
    pub fn fill_normal(&mut self, scale: f64, out: &mut [f64]) {
        out.iter_mut().for_each(|v| *v = scale * self.normal());
    }

    /// A random permutation of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.0);
        order
    }

    /// An index drawn with the given probabilities (they should sum to 1; the remainder goes to the last index of
    /// positive probability).
    pub fn categorical(&mut self, probs: &[f64]) -> usize {
        let mut left = self.uniform();
        let mut last = 0;
        for (i, &p) in probs.iter().enumerate() {
            if p > 0.0 {
                last = i;
                if left < p {
                    return i;
                }
                left -= p;
            }
        }
        last
    }
}

/// The raw generator, for `rand_distr` distributions.
impl TryRng for Stream {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(dst);
        Ok(())
    }
}

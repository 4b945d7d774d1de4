//! Named random streams: the only source of randomness in the laboratory.
//!
//! A stream is a function of its name alone — usually (experiment, cell, seed, purpose) — so a unit of work draws
//! the same numbers whatever the thread count, the shard or the order of work. The name is hashed with SHA-256
//! (each part behind its length, so `["ab", "c"]` differs from `["a", "bc"]`) into the key of a `ChaCha8`
//! generator.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, StandardNormal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::convert::Infallible;

/// A deterministic stream of random numbers, known by its name. Written down and read back it goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "State", from = "State")]
pub struct Stream(ChaCha8Rng);

/// A stream between two draws.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    key: [u8; 32],
    /// How many words are drawn: high half, low half.
    drawn: [u64; 2],
}

impl From<Stream> for State {
    fn from(stream: Stream) -> Self {
        let drawn = stream.0.get_word_pos();
        Self { key: stream.0.get_seed(), drawn: [(drawn >> 64) as u64, drawn as u64] }
    }
}

impl From<State> for Stream {
    fn from(state: State) -> Self {
        let mut rng = ChaCha8Rng::from_seed(state.key);
        rng.set_word_pos((u128::from(state.drawn[0]) << 64) | u128::from(state.drawn[1]));
        Self(rng)
    }
}

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

    /// The logarithm of a gamma variate of this shape, positive, and scale 1; finite where the variate itself would underflow.
    ///
    /// # Formula
    /// Γ(a) = Γ(a + 1) · U^(1/a) in distribution.
    pub fn log_gamma(&mut self, shape: f64) -> f64 {
        let larger = Gamma::new(shape + 1.0, 1.0).map_or(f64::NAN, |gamma| gamma.sample(&mut self.0));
        // 1 − U is never 0
        larger.ln() + (1.0 - self.uniform()).ln() / shape
    }

    /// Uniform in `0..n`; `n` must be positive.
    pub fn below(&mut self, n: usize) -> usize {
        // u64 whatever the platform, so that 32-bit machines draw the same numbers
        self.0.random_range(0..n as u64) as usize
    }

    /// Fills the slice with independent normals of standard deviation `scale`.
    pub fn fill_normal(&mut self, scale: f64, out: &mut [f64]) {
        for value in out {
            *value = scale * self.normal();
        }
    }

    /// A random permutation of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.0);
        order
    }

    /// A new stream, seeded by this one's next 256 bits: one per sample of a batch, so that no sample's draws depend on how
    /// many another needed.
    #[must_use]
    pub fn split(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self(ChaCha8Rng::from_seed(seed))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::named(&["test", "stability"])
    }

    fn first<const N: usize, T>(mut draw: impl FnMut(&mut Stream) -> T) -> [T; N] {
        let mut stream = stream();
        std::array::from_fn(|_| draw(&mut stream))
    }

    /// Pearson's χ² of `draws` indices against their probabilities.
    fn chi_squared(probs: &[f64], draws: usize, mut draw: impl FnMut() -> usize) -> f64 {
        let mut counts = vec![0.0; probs.len()];
        (0..draws).for_each(|_| counts[draw()] += 1.0);
        let expected = probs.iter().map(|p| p * draws as f64);
        counts.iter().zip(expected).map(|(c, e)| (c - e).powi(2) / e).sum()
    }

    // The generator's words from nothing but the definition, in Python:
    //   def words(*parts):
    //       text = b"".join(struct.pack("<Q", len(p)) + p for p in parts)
    //       key = struct.unpack("<8I", hashlib.sha256(text).digest())
    //       start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key, 0, 0, 0, 0]
    //       s = start[:]
    //       for quarters in 4 * [range(4), [4, 5, 6, 7]]:
    //           for q in quarters:
    //               a, b, c, d = (4 * i + (q + i * (q // 4)) % 4 for i in range(4))
    //               for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
    //                   s[x] = (s[x] + s[y]) % 2**32
    //                   r = s[z] ^ s[x]
    //                   s[z] = (r << n | r >> (32 - n)) % 2**32
    //       return [(x + y) % 2**32 for x, y in zip(s, start)]
    //   w = words(b"test", b"stability")
    //   print([hex(v) for v in w[:4]], [((w[i] | w[i + 1] << 32) >> 11) / 2**53 for i in (0, 2, 4, 6)])
    #[test]
    fn a_stream_is_chacha8_keyed_by_the_hash_of_its_name() {
        let mut words = stream();
        let Ok(word) = words.try_next_u32();
        let Ok(pair) = words.try_next_u64();
        assert_eq!((word, pair), (0x3e69_4db8, 0xf5d4_403b_cd05_334a));
        let mut bytes = [0; 5];
        let Ok(()) = stream().try_fill_bytes(&mut bytes);
        assert_eq!(bytes, [0xb8, 0x4d, 0x69, 0x3e, 0x4a]);
        let uniform =
            [0.800_860_601_068_426_4, 0.586_288_231_182_906_3, 0.525_469_904_013_749_5, 0.502_340_974_918_536_7];
        assert_eq!(first(Stream::uniform).map(f64::to_bits), uniform.map(f64::to_bits));
    }

    // Recorded from the first version: rand, rand_distr or this file may not change them unannounced.
    #[test]
    fn values_are_stable() {
        let normal = [0.694_736_138_273_033_9, 0.357_842_517_486_211_3, 0.045_430_926_091_174_13];
        assert_eq!(first(Stream::normal).map(f64::to_bits), normal.map(f64::to_bits));
        let mut filled = [0.0; 3];
        stream().fill_normal(0.5, &mut filled);
        assert_eq!(filled.map(f64::to_bits), normal.map(|v| (0.5 * v).to_bits()));
        let mut bounds = [2, 10, 1_000, 1 << 40, 1, 10].into_iter();
        assert_eq!(first(|s| s.below(bounds.next().unwrap())), [1, 5, 525, 552_329_743_031, 0, 8]);
        assert_eq!(stream().permutation(10), [2, 9, 7, 0, 4, 1, 3, 8, 5, 6]);
        let probs = [0.1, 0.0, 0.5, 0.4];
        assert_eq!(first(|s| s.categorical(&probs)), [3, 2, 2, 2, 0, 3, 2, 2, 3, 3]);
    }

    /// Also in the middle of a generator's block, after draws of every kind.
    #[test]
    fn a_stream_that_was_written_down_goes_on() {
        let mut stream = stream();
        for round in 0..40 {
            stream.uniform();
            stream.normal();
            let Ok(()) = stream.try_fill_bytes(&mut [0; 5]);
            stream.permutation(round);
            let text = serde_json::to_string(&stream).expect("JSON");
            let mut again: Stream = serde_json::from_str(&text).expect("a stream");
            assert_eq!(again, stream);
            assert_eq!(again.normal().to_bits(), stream.normal().to_bits());
            assert_eq!(again.split(), stream.split());
        }
    }

    #[test]
    fn names_are_not_concatenated() {
        let first = |parts: &[&str]| Stream::named(parts).uniform().to_bits();
        let names: [&[&str]; 7] = [&[], &[""], &["abc"], &["ab", "c"], &["a", "bc"], &["abc", ""], &["", "abc"]];
        let mut values = names.map(first);
        values.sort_unstable();
        assert!(values.windows(2).all(|w| w[0] != w[1]));
    }

    #[test]
    fn edges_of_below_and_permutation() {
        let mut stream = stream();
        assert!((0..100).all(|_| stream.below(1) == 0));
        assert!((0..100).all(|_| stream.below(3) < 3));
        assert!(stream.permutation(0).is_empty());
        assert_eq!(stream.permutation(1), [0]);
    }

    #[test]
    fn categorical_draws_only_what_has_probability() {
        let mut stream = stream();
        for _ in 0..1_000 {
            assert_eq!(stream.categorical(&[0.0, 1.0, 0.0]), 1);
            assert!([1, 3].contains(&stream.categorical(&[0.0, 0.5, 0.0, 0.5, 0.0])));
            // rounding leaves a sum below 1: the remainder belongs to the last possible index
            assert_eq!(stream.categorical(&[0.0, 1e-3, 0.0]), 1);
        }
    }

    // n = 60,000 draws each; χ² with 5 degrees of freedom, alpha = 0.001: critical value 20.515.
    #[test]
    fn indices_have_their_probabilities() {
        let mut stream = Stream::named(&["test", "indices"]);
        let even = [1.0 / 6.0; 6];
        let uneven = [0.02, 0.4, 0.08, 0.3, 0.15, 0.05];
        let permutations = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let below = chi_squared(&even, 60_000, || stream.below(6));
        let categorical = chi_squared(&uneven, 60_000, || stream.categorical(&uneven));
        let permutation = chi_squared(&even, 60_000, || {
            let drawn = stream.permutation(3);
            permutations.iter().position(|p| drawn == p).unwrap()
        });
        for statistic in [below, categorical, permutation] {
            assert!(statistic < 20.515, "{statistic}");
        }
    }
}

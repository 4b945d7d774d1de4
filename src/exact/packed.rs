//! Backward induction over a tree of outputs, eight contexts of a level side by side: for small vocabularies.
//!
//! Tables over (context, token) are kept as one plane of contexts per token, so that every sum over tokens is an
//! addition of planes. A level's planes are filled up to whole packs; what stands in the filling is never read.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use crate::num::pack::{PACK, Pack};
use crate::num::simd::{Kernel, dispatch};

/// The largest vocabulary for which planes pay; above it, see [`super::rows::Rows`].
pub(super) const VOCAB_MAX: usize = 8;

/// Where one level is in the tables.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Number of contexts, number of the first, and length of a plane.
    contexts: usize,
    start: usize,
    stride: usize,
    /// Where the level's numbers per context start; planes start at `vocab` times this.
    offset: usize,
}

/// What is known of every context.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    vocab: usize,
    levels: Vec<Level>,
    /// log π(a|s), π(a|s) and π(a|s) (Q(s, a) − V(s)), in planes.
    log_probs: Vec<f64>,
    probs: Vec<f64>,
    slopes: Vec<f64>,
    /// V(s) less the origin, variance and entropy below s.
    values: Vec<f64>,
    variances: Vec<f64>,
    entropies: Vec<f64>,
    /// Values, variances and entropies of the children of one level, in planes.
    children: [Vec<f64>; 3],
}

impl Packed {
    pub(super) fn new(vocab: usize, length: usize) -> Self {
        let (mut levels, mut start, mut offset) = (Vec::new(), 0, 0);
        for depth in 0..length {
            let contexts = vocab.pow(depth as u32);
            let stride = contexts.next_multiple_of(PACK);
            levels.push(Level { contexts, start, stride, offset });
            (start, offset) = (start + contexts, offset + stride);
        }
        let per_token = vec![0.0; offset * vocab];
        let per_context = vec![0.0; offset];
        let widest = vec![0.0; levels[length - 1].stride * vocab];
        Self {
            vocab,
            levels,
            log_probs: per_token.clone(),
            probs: per_token.clone(),
            slopes: per_token,
            values: per_context.clone(),
            variances: per_context.clone(),
            entropies: per_context,
            children: [widest.clone(), widest.clone(), widest],
        }
    }

    /// Replaces logits by log-probabilities; returns the root's value less `origin`, variance and entropy.
    pub(super) fn roll_up(&mut self, rows: &mut [f64], rewards: &[f64], origin: f64) -> [f64; 3] {
        match self.vocab {
            1 => dispatch(RollUp::<1>(self, rows, rewards, origin)),
            2 => dispatch(RollUp::<2>(self, rows, rewards, origin)),
            3 => dispatch(RollUp::<3>(self, rows, rewards, origin)),
            4 => dispatch(RollUp::<4>(self, rows, rewards, origin)),
            5 => dispatch(RollUp::<5>(self, rows, rewards, origin)),
            6 => dispatch(RollUp::<6>(self, rows, rewards, origin)),
            7 => dispatch(RollUp::<7>(self, rows, rewards, origin)),
            VOCAB_MAX => dispatch(RollUp::<VOCAB_MAX>(self, rows, rewards, origin)),
            vocab => unreachable!("{vocab} tokens are worked in rows"),
        }
        [self.values[0], self.variances[0], self.entropies[0]]
    }

    /// Writes the probability of reaching each context and `scale` · ∂V/∂ logit of each context and token.
    pub(super) fn descend(&self, scale: f64, reach: &mut [f64], weights: &mut [f64]) {
        match self.vocab {
            1 => dispatch(Descend::<1>(self, scale, reach, weights)),
            2 => dispatch(Descend::<2>(self, scale, reach, weights)),
            3 => dispatch(Descend::<3>(self, scale, reach, weights)),
            4 => dispatch(Descend::<4>(self, scale, reach, weights)),
            5 => dispatch(Descend::<5>(self, scale, reach, weights)),
            6 => dispatch(Descend::<6>(self, scale, reach, weights)),
            7 => dispatch(Descend::<7>(self, scale, reach, weights)),
            VOCAB_MAX => dispatch(Descend::<VOCAB_MAX>(self, scale, reach, weights)),
            vocab => unreachable!("{vocab} tokens are worked in rows"),
        }
    }

    /// V(s) less the origin.
    pub(super) fn value(&self, s: usize) -> f64 {
        let level = self.levels[self.levels.partition_point(|level| level.start <= s) - 1];
        self.values[level.offset + s - level.start]
    }
}

struct RollUp<'a, const V: usize>(&'a mut Packed, &'a mut [f64], &'a [f64], f64);

impl<const V: usize> Kernel for RollUp<'_, V> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(tree, rows, rewards, origin) = self;
        let (rows, last) = (rows.as_chunks_mut::<V>().0, tree.levels.len() - 1);
        for (depth, &level) in tree.levels.iter().enumerate().rev() {
            let Level { contexts, start, stride, offset } = level;
            let rows = &mut rows[start..start + contexts];
            let planes = offset * V..(offset + stride) * V;
            let log_probs = &mut tree.log_probs[planes.clone()];
            into_planes(rows, log_probs, stride);
            let [q, variances, entropies] = &mut tree.children;
            if depth == last {
                into_planes(rewards.as_chunks::<V>().0, q, stride);
            } else {
                let below = tree.levels[depth + 1];
                let below = below.offset..below.offset + below.contexts;
                into_planes(tree.values[below.clone()].as_chunks::<V>().0, q, stride);
                into_planes(tree.variances[below.clone()].as_chunks::<V>().0, variances, stride);
                into_planes(tree.entropies[below].as_chunks::<V>().0, entropies, stride);
            }
            let mut context = Contexts::<V> {
                stride,
                origin: Pack::splat(if depth == last { origin } else { 0.0 }),
                q,
                below: (depth < last).then_some([&**variances, &**entropies]),
                log_probs,
                probs: &mut tree.probs[planes.clone()],
                slopes: &mut tree.slopes[planes],
            };
            for at in (0..stride).step_by(PACK) {
                let [value, variance, entropy] = context.moments(at);
                value.store(&mut tree.values[offset + at..]);
                variance.store(&mut tree.variances[offset + at..]);
                entropy.store(&mut tree.entropies[offset + at..]);
            }
            out_of_planes(context.log_probs, stride, rows);
        }
    }
}

/// The planes of one level.
struct Contexts<'a, const V: usize> {
    stride: usize,
    /// What is still to be subtracted from `q`.
    origin: Pack,
    q: &'a [f64],
    /// Variances and entropies of the children; none where the children are outputs.
    below: Option<[&'a [f64]; 2]>,
    log_probs: &'a mut [f64],
    probs: &'a mut [f64],
    slopes: &'a mut [f64],
}

impl<const V: usize> Contexts<'_, V> {
    /// Value, variance and entropy of the eight contexts at `at`.
    ///
    /// # Formula
    /// V(s) = `Σ_a` π Q; Var(s) = `Σ_a` π (Q − V)² + `Σ_a` π Var(child): the variance of the children's values plus the mean
    /// of their variances, which never subtracts two large numbers; H(s) = −`Σ_a` π log π + `Σ_a` π H(child).
    #[inline(always)]
    fn moments(&mut self, at: usize) -> [Pack; 3] {
        let zero = Pack::splat(0.0);
        let (mut x, mut p, mut q) = ([zero; V], [zero; V], [zero; V]);
        let mut max = Pack::splat(f64::NEG_INFINITY);
        for a in 0..V {
            x[a] = Pack::load(&self.log_probs[a * self.stride + at..]);
            q[a] = Pack::load(&self.q[a * self.stride + at..]) - self.origin;
            max = x[a].max(max);
        }
        let mut total = zero;
        for a in 0..V {
            x[a] = x[a] - max;
            p[a] = x[a].exp();
            total = total + p[a];
        }
        let (norm, inverse) = (total.ln(), Pack::splat(1.0) / total);
        let mut mean = zero;
        for a in 0..V {
            p[a] = p[a] * inverse;
            mean = p[a].mul_add(q[a], mean);
        }
        let (mut variance, mut entropy) = (zero, zero);
        for a in 0..V {
            let plane = a * self.stride + at;
            let deviation = q[a] - mean;
            let slope = p[a] * deviation;
            let log_prob = x[a] - norm;
            variance = slope.mul_add(deviation, variance);
            // 0 · (−∞) is 0
            entropy = (-p[a]).mul_add(log_prob.max(Pack::splat(f64::MIN)), entropy);
            if let Some([variances, entropies]) = self.below {
                variance = p[a].mul_add(Pack::load(&variances[plane..]), variance);
                entropy = p[a].mul_add(Pack::load(&entropies[plane..]), entropy);
            }
            log_prob.store(&mut self.log_probs[plane..]);
            p[a].store(&mut self.probs[plane..]);
            slope.store(&mut self.slopes[plane..]);
        }
        [mean, variance, entropy]
    }
}

struct Descend<'a, const V: usize>(&'a Packed, f64, &'a mut [f64], &'a mut [f64]);

impl<const V: usize> Kernel for Descend<'_, V> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(tree, scale, reach, weights) = self;
        let (weights, last) = (weights.as_chunks_mut::<V>().0, tree.levels.len() - 1);
        reach[0] = 1.0;
        for (depth, &Level { contexts, start, stride, offset }) in tree.levels.iter().enumerate() {
            let planes = offset * V..(offset + stride) * V;
            let (here, below) = reach[start..].split_at_mut(contexts);
            if depth < last {
                scale_out_of_planes(&tree.probs[planes.clone()], stride, here, 1.0, below.as_chunks_mut::<V>().0);
            }
            let weights = &mut weights[start..start + contexts];
            scale_out_of_planes(&tree.slopes[planes], stride, here, scale, weights);
        }
    }
}

/// planes\[a\]\[s\] ← rows\[s\]\[a\].
#[inline(always)]
fn into_planes<const V: usize>(rows: &[[f64; V]], planes: &mut [f64], stride: usize) {
    for (a, plane) in planes.chunks_exact_mut(stride).take(V).enumerate() {
        for (to, row) in plane.iter_mut().zip(rows) {
            *to = row[a];
        }
    }
}

/// rows\[s\]\[a\] ← planes\[a\]\[s\].
#[inline(always)]
fn out_of_planes<const V: usize>(planes: &[f64], stride: usize, rows: &mut [[f64; V]]) {
    for (a, plane) in planes.chunks_exact(stride).take(V).enumerate() {
        for (row, from) in rows.iter_mut().zip(plane) {
            row[a] = *from;
        }
    }
}

/// rows\[s\]\[a\] ← scale · shares\[s\] · planes\[a\]\[s\].
#[inline(always)]
fn scale_out_of_planes<const V: usize>(
    planes: &[f64],
    stride: usize,
    shares: &[f64],
    scale: f64,
    rows: &mut [[f64; V]],
) {
    for (a, plane) in planes.chunks_exact(stride).take(V).enumerate() {
        for (row, (from, share)) in rows.iter_mut().zip(plane.iter().zip(shares)) {
            row[a] = scale * share * from;
        }
    }
}

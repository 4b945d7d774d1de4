//! The product policy: one independent choice per position, the cross-entropy method's. What it cannot say is what makes a
//! second Grow worth while.

use crate::env::Tree;
use crate::error::{Error, Result};

/// Per prompt and position an independent distribution over tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    tree: Tree,
    /// `prompts × length × vocab`.
    probs: Vec<f64>,
}

impl Product {
    /// Every token equally likely everywhere.
    pub fn uniform(tree: Tree) -> Self {
        Self { tree, probs: vec![1.0 / tree.vocab as f64; tree.prompts * tree.length * tree.vocab] }
    }

    /// From probabilities, `prompts × length × vocab`.
    ///
    /// # Errors
    /// A table of the wrong size; a row that is no distribution.
    pub fn new(tree: Tree, probs: Vec<f64>) -> Result<Self> {
        Error::check_shape("probabilities", tree.prompts * tree.length * tree.vocab, probs.len())?;
        for row in probs.chunks_exact(tree.vocab) {
            let sum: f64 = row.iter().sum();
            if row.iter().any(|p| *p < 0.0) || (sum - 1.0).abs() > 1e-9 || sum.is_nan() {
                return Err(Error::Numeric(format!(
                    "token probabilities must be at least 0 and sum to 1, got {row:?}"
                )));
            }
        }
        Ok(Self { tree, probs })
    }

    /// The shape.
    pub fn tree(&self) -> Tree {
        self.tree
    }

    /// The distribution over tokens at one position.
    pub fn tokens(&self, prompt: usize, position: usize) -> &[f64] {
        let at = (prompt * self.tree.length + position) * self.tree.vocab;
        &self.probs[at..at + self.tree.vocab]
    }

    /// The probability of every output of one prompt, numbered as by [`Tree`].
    pub fn output_probs(&self, prompt: usize) -> Vec<f64> {
        let mut level = vec![1.0];
        for position in 0..self.tree.length {
            let row = self.tokens(prompt, position);
            level = level.iter().flat_map(|prefix| row.iter().map(move |p| prefix * p)).collect();
        }
        level
    }

    /// log π of every output of one prompt, nats; −∞ where a token has no probability.
    pub fn output_log_probs(&self, prompt: usize) -> Vec<f64> {
        let mut level = vec![0.0];
        for position in 0..self.tree.length {
            let row = self.tokens(prompt, position);
            level = level.iter().flat_map(|prefix| row.iter().map(move |p| prefix + p.ln())).collect();
        }
        level
    }

    /// An output drawn from the policy: `uniform` gives independent numbers in [0, 1), one is taken per position.
    pub fn sample(&self, prompt: usize, mut uniform: impl FnMut() -> f64) -> usize {
        (0..self.tree.length).fold(0, |code, position| {
            let (row, mut left) = (self.tokens(prompt, position), uniform());
            let stops = |p: &f64| {
                left -= p;
                left < 0.0
            };
            let last = row.iter().rposition(|p| *p > 0.0).unwrap_or(0);
            code * self.tree.vocab + row.iter().position(stops).unwrap_or(last)
        })
    }

    /// The minimiser of KL(q‖π) over the policies of one prompt: q's marginals. `masses` are q's, or counts of samples; they
    /// need not add up to 1.
    ///
    /// # Panics
    /// Masses of the wrong number or without a positive sum.
    pub fn project(&mut self, prompt: usize, masses: &[f64]) {
        let Tree { vocab, length, .. } = self.tree;
        assert_eq!(masses.len(), self.tree.outputs(), "one mass per output");
        let total: f64 = masses.iter().sum();
        assert!(total > 0.0, "nothing to project");
        let own = &mut self.probs[prompt * length * vocab..][..length * vocab];
        own.fill(0.0);
        // from the last position, whose tokens run fastest
        let mut level = masses.to_vec();
        for row in own.rchunks_exact_mut(vocab) {
            for chunk in level.chunks_exact(vocab) {
                row.iter_mut().zip(chunk).for_each(|(sum, mass)| *sum += mass);
            }
            level = level.chunks_exact(vocab).map(|chunk| chunk.iter().sum()).collect();
            // by its own sum, so that rounding does not pile up over repeated projections
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::{best_of_n_point, expected_reward, filtered, kl};
    use crate::num::softmax_rows;
    use crate::rng::Stream;

    const TREE: Tree = Tree { prompts: 2, vocab: 3, length: 2 };

    fn random(rng: &mut Stream) -> Product {
        let mut logits = vec![0.0; TREE.prompts * TREE.length * TREE.vocab];
        let mut probs = logits.clone();
        rng.fill_normal(1.0, &mut logits);
        softmax_rows(&mut logits, &mut probs, TREE.vocab);
        Product::new(TREE, probs).expect("distributions")
    }

    /// The product of the tokens' probabilities, output by output, through the tree's own numbering.
    #[test]
    fn outputs_are_products_of_tokens() {
        let policy = random(&mut Stream::named(&["tests", "product"]));
        for prompt in 0..TREE.prompts {
            let (probs, logs) = (policy.output_probs(prompt), policy.output_log_probs(prompt));
            for y in 0..TREE.outputs() {
                let tokens = TREE.tokens(TREE.length, y);
                let by_hand: f64 = tokens.iter().enumerate().map(|(i, t)| policy.tokens(prompt, i)[*t]).product();
                assert!((probs[y] - by_hand).abs() < 1e-15 && (logs[y].exp() - by_hand).abs() < 1e-15);
            }
        }
    }

    /// No other product policy is nearer to the target, in KL; a product policy's projection is itself; the other prompt stays.
    #[test]
    fn projection_minimises_the_divergence() {
        let mut rng = Stream::named(&["tests", "projection"]);
        let mut counts: Vec<f64> = (0..TREE.outputs()).map(|_| rng.below(5) as f64).collect();
        let mut policy = random(&mut rng);
        let other = policy.output_probs(0);
        policy.project(1, &counts);
        assert_eq!(policy.output_probs(0), other);
        let total: f64 = counts.iter().sum();
        counts.iter_mut().for_each(|c| *c = (*c / total).ln());
        let nearest = kl(&counts, &policy.output_log_probs(1));
        for _ in 0..200 {
            assert!(kl(&counts, &random(&mut rng).output_log_probs(1)) > nearest);
        }
        let mut again = policy.clone();
        again.project(1, &policy.output_probs(1));
        let moved = again.probs.iter().zip(&policy.probs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(moved < 1e-15);
    }

    // 9 outputs, n = 90,000 draws; χ² with 8 degrees of freedom, alpha = 0.001: critical value 26.124.
    #[test]
    fn samples_have_the_policys_probabilities() {
        let mut rng = Stream::named(&["tests", "product samples"]);
        let policy = random(&mut rng);
        let mut counts = [0.0; 9];
        (0..90_000).for_each(|_| counts[policy.sample(1, || rng.uniform())] += 1.0);
        let chi_squared: f64 =
            (counts.iter().zip(policy.output_probs(1))).map(|(c, p)| (c - 90_000.0 * p).powi(2) / (90_000.0 * p)).sum();
        assert!(chi_squared < 26.124, "{chi_squared}");
        // a token without probability is never drawn, not even at the edge of the unit interval
        let certain = Product::new(TREE, [0.0, 1.0, 0.0].repeat(4)).expect("distributions");
        assert_eq!([0.0, 1.0 - f64::EPSILON, 1.0].map(|u| certain.sample(0, || u)), [4; 3]);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert!(Product::new(TREE, vec![0.5; 12]).is_err() && Product::new(TREE, vec![1.0; 3]).is_err());
        assert!(Product::new(TREE, [f64::NAN, 0.5, 0.5].repeat(4)).is_err());
        assert!(Product::new(TREE, [-0.5, 1.0, 0.5].repeat(4)).is_err());
    }

    /// The cross-entropy method on ten bits of which the reward is the mean; a bit's probability p is the policy's only number,
    /// by symmetry.
    struct Bits {
        policy: Product,
        rewards: Vec<f64>,
    }

    impl Bits {
        fn new() -> Self {
            let tree = Tree { prompts: 1, vocab: 2, length: 10 };
            let rewards = (0..tree.outputs()).map(|y| f64::from(y.count_ones()) / 10.0).collect();
            Self { policy: Product::uniform(tree), rewards }
        }

        /// (value, acceptance) of a policy refitted to what passes.
        fn improved(&self, threshold: f64) -> (f64, f64, Product) {
            let kept = filtered(&self.policy.output_probs(0), &self.rewards, threshold).expect("1 passes");
            let mut policy = self.policy.clone();
            policy.project(0, &kept.probs);
            (expected_reward(&policy.output_probs(0), &self.rewards), kept.acceptance, policy)
        }

        fn best_of(&self, n: u32) -> f64 {
            best_of_n_point(&self.policy.output_log_probs(0), &self.rewards, n).1
        }
    }

    /// Within half a unit of the last digit (and a hundredth of it, for halves that were rounded).
    fn printed(value: f64, expected: f64, digits: i32) {
        assert!((value - expected).abs() <= 0.51 * 0.1_f64.powi(digits), "{value} is not {expected}");
    }

    // Golden values of an independent computation with binomial coefficients:
    //   from math import comb
    //   def tail(p, t):  # P(K > 10 t), E[K given it] / 10
    //       w = [comb(10, k) * p**k * (1-p)**(10-k) * (k > 10*t + 1e-9) for k in range(11)]
    //       return sum(w), sum(k * v for k, v in enumerate(w)) / sum(w) / 10
    #[test]
    fn ten_bits_are_improved_as_computed_elsewhere() {
        let mut bits = Bits::new();
        let expected = [
            (0.0, 0.5005, 4, 0.999, 3),
            (0.5, 0.663, 3, 0.377, 3),
            (0.6, 0.739, 3, 0.172, 3),
            (0.7, 0.821, 3, 0.055, 3),
            (0.8, 0.909, 3, 0.0107, 4),
            (0.9, 1.0, 3, 0.00098, 5),
        ];
        for (threshold, value, value_digits, acceptance, digits) in expected {
            let (got, accepted, _) = bits.improved(threshold);
            printed(got, value, value_digits);
            printed(accepted, acceptance, digits);
        }
        let before = [(1, 0.5), (2, 0.588), (5, 0.681), (10, 0.738), (50, 0.840), (200, 0.906)];
        before.iter().for_each(|(n, reward)| printed(bits.best_of(*n), *reward, 3));
        bits.policy = bits.improved(0.7).2;
        printed(bits.policy.tokens(0, 9)[1], 0.821, 3);
        for (threshold, value, acceptance) in [(0.7, 0.879, 0.741), (0.8, 0.932, 0.444), (0.9, 1.0, 0.140)] {
            let (got, accepted, _) = bits.improved(threshold);
            printed(got, value, 3);
            printed(accepted, acceptance, 3);
        }
        let after = [(1, 0.821), (2, 0.888), (5, 0.947), (10, 0.978), (50, 1.0), (200, 1.0)];
        after.iter().for_each(|(n, reward)| printed(bits.best_of(*n), *reward, 3));
    }
}

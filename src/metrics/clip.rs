//! How often the clip stops a token's gradient, and how long the gradient is.

use crate::num::norm;

/// Shares of all tokens, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipFraction {
    /// Stopped at 1 − ε, advantage negative.
    pub low: f64,
    /// Stopped at 1 + ε, advantage positive.
    pub high: f64,
}

impl ClipFraction {
    /// Stopped at either side.
    pub fn region(self) -> f64 {
        self.low + self.high
    }
}

/// The shares of tokens whose gradient PPO's clip stops, as TRL's GRPO counts them: a ratio outside 1 ± ε *and* the advantage's sign that
/// makes it matter. A ratio outside whose gradient passes is not counted. NaN for no tokens.
///
/// # Shapes
/// `log_probs`, `old_log_probs`, `advantages`: one per token; `clip` is ε ≥ 0.
pub fn clip_fraction(log_probs: &[f64], old_log_probs: &[f64], advantages: &[f64], clip: f64) -> ClipFraction {
    let n = log_probs.len();
    assert!(old_log_probs.len() == n && advantages.len() == n, "one old log-prob and advantage per token");
    let share = |stopped: &dyn Fn(f64, f64) -> bool| {
        let tokens = log_probs.iter().zip(old_log_probs).zip(advantages);
        let count = tokens.filter(|((new, old), a)| stopped((*new - *old).exp(), **a)).count();
        if n == 0 { f64::NAN } else { count as f64 / n as f64 }
    };
    ClipFraction {
        low: share(&|ratio, a| ratio < 1.0 - clip && a < 0.0),
        high: share(&|ratio, a| ratio > 1.0 + clip && a > 0.0),
    }
}

/// ‖gradient‖₂ over all parameters.
pub fn grad_norm(gradient: &[f64]) -> f64 {
    norm(gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::ppo_clip_objective;
    use crate::rng::Stream;

    /// Every token that is counted has no weight, and every other one has.
    #[test]
    fn counts_what_the_objective_stops() {
        let mut stream = Stream::named(&["test", "clip"]);
        let (mut new, mut old, mut advantages) = (vec![0.0; 500], vec![0.0; 500], vec![0.0; 500]);
        for slice in [&mut new, &mut old, &mut advantages] {
            stream.fill_normal(0.3, slice);
        }
        let mut weights = vec![0.0; 500];
        ppo_clip_objective(&new, &old, &advantages, 0.2, 1.0, &mut weights);
        let stopped = weights.iter().filter(|w| **w == 0.0).count() as f64 / 500.0;
        let fraction = clip_fraction(&new, &old, &advantages, 0.2);
        assert!((fraction.region() - stopped).abs() < 1e-15 && fraction.low > 0.05 && fraction.high > 0.05);
        assert!(clip_fraction(&[], &[], &[], 0.2).low.is_nan());
        assert_eq!(grad_norm(&[3.0, 4.0]), 5.0);
    }

    // The batch of the golden values of `objective`, whose two shares TRL 1.16.0 logs as 1/12 each
    // (`clip_ratio/low_mean`, `clip_ratio/high_mean` at loss_type `dr_grpo`).
    #[test]
    fn agrees_with_trl() {
        let each = |f: &dyn Fn(f64) -> f64| (0..12).map(|i| f(f64::from(i))).collect::<Vec<_>>();
        let new = each(&|i| -1.0 - 0.5 * i.sin());
        let old = each(&|i| -1.0 - 0.5 * (i + 0.8 * (2.0 * i).cos()).sin());
        let of_sequence = [1.0, -1.0, 0.0, -1.09, 0.87, 0.22];
        let advantages: Vec<f64> =
            [3, 1, 2, 3, 2, 1].iter().zip(of_sequence).flat_map(|(n, a)| std::iter::repeat_n(a, *n)).collect();
        let fraction = clip_fraction(&new, &old, &advantages, 0.2);
        assert_eq!((fraction.low, fraction.high), (1.0 / 12.0, 1.0 / 12.0));
    }
}

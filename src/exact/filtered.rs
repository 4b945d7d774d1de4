//! Improve in closed form: the mixture of data and policy, cut off at a reward. Appendix A.9 of arXiv:2308.08998.
//!
//! Every slice has one entry per output of one prompt. Masses are non-negative and need not add up to 1, so that counts of
//! samples serve as well as probabilities.

/// A filter that leaves nothing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("nothing has a reward above {threshold}; the best is {best}")]
pub struct NothingPasses {
    /// τ.
    pub threshold: f64,
    /// The best reward of an output that has mass; −∞ if none has.
    pub best: f64,
}

/// What a filter leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// The distribution given that the filter is passed; sums to 1.
    pub probs: Vec<f64>,
    /// Which share of the mass passes, in (0, 1].
    pub acceptance: f64,
    /// E\[R given R > τ\].
    pub reward: f64,
}

/// `(1 − λ) p + λ π`: what Grow's set holds when a share λ of it is the policy's own samples.
pub fn mixture(data: &[f64], policy: &[f64], share: f64) -> Vec<f64> {
    assert_eq!(data.len(), policy.len(), "one entry per output in each");
    data.iter().zip(policy).map(|(p, q)| (1.0 - share) * p + share * q).collect()
}

/// Σ mass · r / Σ mass; NaN without mass.
pub fn expected_reward(masses: &[f64], rewards: &[f64]) -> f64 {
    assert_eq!(masses.len(), rewards.len(), "one reward per output");
    masses.iter().zip(rewards).map(|(m, r)| m * r).sum::<f64>() / masses.iter().sum::<f64>()
}

/// The best reward of an output that has mass; −∞ if none has.
pub fn best_reward(masses: &[f64], rewards: &[f64]) -> f64 {
    masses.iter().zip(rewards).filter(|(m, _)| **m > 0.0).map(|(_, r)| *r).fold(f64::NEG_INFINITY, f64::max)
}

/// `mass · 1[R > τ] / Σ mass · 1[R > τ]`: what one Improve step learns with a policy class that holds everything. The
/// comparison is strict, and a NaN reward does not pass.
///
/// # Errors
/// No mass above the threshold.
pub fn filtered(masses: &[f64], rewards: &[f64], threshold: f64) -> Result<Filtered, NothingPasses> {
    assert_eq!(masses.len(), rewards.len(), "one reward per output");
    let passes = |(m, r): (&f64, &f64)| if *r > threshold { *m } else { 0.0 };
    let mut probs: Vec<f64> = masses.iter().zip(rewards).map(passes).collect();
    let passed: f64 = probs.iter().sum();
    if passed <= 0.0 {
        return Err(NothingPasses { threshold, best: best_reward(masses, rewards) });
    }
    probs.iter_mut().for_each(|p| *p /= passed);
    let reward = expected_reward(&probs, rewards);
    Ok(Filtered { probs, acceptance: passed / masses.iter().sum::<f64>(), reward })
}

/// The threshold that keeps what lies above a percentile of this prompt's own rewards (Figure 15): the lowest reward at or
/// below which `percentile` hundredths of the mass lie. It never empties the filter: where that is the best reward itself,
/// the next lower one stands for it, and −∞ if there is none.
///
/// # Panics
/// Without mass, or with a percentile outside [0, 100].
pub fn percentile_threshold(masses: &[f64], rewards: &[f64], percentile: f64) -> f64 {
    assert!((0.0..=100.0).contains(&percentile), "a percentile");
    let mut order: Vec<usize> = (0..rewards.len()).filter(|y| masses[*y] > 0.0).collect();
    assert!(!order.is_empty(), "no mass, no percentile");
    order.sort_by(|a, b| rewards[*a].total_cmp(&rewards[*b]));
    let aim = percentile / 100.0 * masses.iter().sum::<f64>();
    let best = rewards[order[order.len() - 1]];
    let (mut below, mut threshold) = (0.0, f64::NEG_INFINITY);
    for y in order {
        // the sum's rounding must not decide
        if below >= aim * (1.0 - 1e-12) || rewards[y] >= best {
            break;
        }
        below += masses[y];
        threshold = rewards[y];
    }
    threshold
}

/// `γ V_max + (1 − γ) V_mean` of this prompt's own rewards (Figure 16). With γ < 1 something passes, unless all rewards are
/// the same.
pub fn mean_max_threshold(masses: &[f64], rewards: &[f64], gamma: f64) -> f64 {
    gamma * best_reward(masses, rewards) + (1.0 - gamma) * expected_reward(masses, rewards)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REWARDS: [f64; 5] = [0.1, 0.9, 0.5, 0.9, 1.0];
    const MASSES: [f64; 5] = [0.4, 0.1, 0.3, 0.2, 0.0];

    /// By hand; the best reward is that of an output with mass, and the comparison is strict.
    #[test]
    fn five_outputs() {
        let some = filtered(&MASSES, &REWARDS, 0.1).expect("passes");
        assert!((some.acceptance - 0.6).abs() < 1e-15 && (some.reward - (0.15 + 0.27) / 0.6).abs() < 1e-15);
        assert_eq!((some.probs[0], some.probs[4]), (0.0, 0.0));
        assert!((some.probs.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let none = filtered(&MASSES, &REWARDS, 0.9).expect_err("strict");
        assert_eq!(none, NothingPasses { threshold: 0.9, best: 0.9 });
        assert_eq!(none.to_string(), "nothing has a reward above 0.9; the best is 0.9");
        assert_eq!(filtered(&[0.0; 2], &[1.0; 2], 0.0).expect_err("no mass").best, f64::NEG_INFINITY);
        assert_eq!(filtered(&[1.0; 2], &[f64::NAN, 1.0], 0.0).expect("one").probs, [0.0, 1.0]);
    }

    /// Counts give what the probabilities in proportion to them give.
    #[test]
    fn counts_are_as_good_as_probabilities() {
        let counts = MASSES.map(|m| 10.0 * m);
        let (a, b) = (filtered(&MASSES, &REWARDS, 0.3), filtered(&counts, &REWARDS, 0.3));
        let (a, b) = (a.expect("passes"), b.expect("passes"));
        assert!((a.acceptance - b.acceptance).abs() < 1e-15 && (a.reward - b.reward).abs() < 1e-15);
        assert_eq!(percentile_threshold(&counts, &REWARDS, 70.0), percentile_threshold(&MASSES, &REWARDS, 70.0));
    }

    /// A policy of the same reward levels as the data: the second filter at the same τ finds what the first one left.
    #[test]
    fn a_second_grow_at_the_same_threshold_changes_nothing() {
        for share in [0.0, 0.3, 1.0] {
            let first = filtered(&mixture(&MASSES, &MASSES, share), &REWARDS, 0.4).expect("passes").probs;
            let second = filtered(&mixture(&MASSES, &first, share), &REWARDS, 0.4).expect("passes").probs;
            assert!(first.iter().zip(second).all(|(a, b)| (a - b).abs() < 1e-15));
        }
    }

    #[test]
    fn thresholds_of_a_prompt_of_its_own() {
        let at = |p| percentile_threshold(&MASSES, &REWARDS, p);
        // levels .1 (mass .4), .5 (.3), .9 (.3): the 70th percentile is .5, and beyond it the best level stays
        assert_eq!(
            [0.0, 10.0, 40.0, 41.0, 70.0, 71.0, 100.0].map(at),
            [f64::NEG_INFINITY, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5]
        );
        assert_eq!(percentile_threshold(&[0.5; 2], &[1.0; 2], 90.0), f64::NEG_INFINITY);
        let mean = 0.04 + 0.09 + 0.15 + 0.18;
        for gamma in [0.0, 0.25, 1.0] {
            let expected = gamma * 0.9 + (1.0 - gamma) * mean;
            assert!((mean_max_threshold(&MASSES, &REWARDS, gamma) - expected).abs() < 1e-15);
        }
        assert!(filtered(&MASSES, &REWARDS, mean_max_threshold(&MASSES, &REWARDS, 1.0)).is_err());
    }

    /// The mean of a bounded tail: a higher percentile never has a lower mean.
    #[test]
    fn a_higher_percentile_has_a_higher_mean() {
        let of = |p| filtered(&MASSES, &REWARDS, percentile_threshold(&MASSES, &REWARDS, p)).expect("passes").reward;
        let means: Vec<f64> = (0..=100).map(|p| of(f64::from(p))).collect();
        assert!(means.is_sorted());
    }
}

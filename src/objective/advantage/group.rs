//! Advantages of a group: several outputs of one prompt, judged against each other.
//!
//! Each function fills `advantages` from the rewards of *one* group; [`in_groups`] applies it to a batch.
//! A group without a comparison in it — one output, or all rewards equal — has advantages of exactly zero (a *dead
//! group*), never 0/0 and never the rounding noise of a mean divided by its own spread. Rewards must be finite.

/// `A_i = r_i` − mean of the *other* rewards: RLOO (arXiv:2402.14740), unbiased.
///
/// # Formula
/// `G/(G−1) · (r_i − mean)`, with the mean over the whole group.
pub fn rloo_advantages(rewards: &[f64], advantages: &mut [f64]) {
    dr_grpo_advantages(rewards, advantages);
    let g = rewards.len() as f64;
    if rewards.len() > 1 {
        for a in advantages {
            *a *= g / (g - 1.0);
        }
    }
}

/// `A_i = r_i − mean` of the group: Dr. GRPO (arXiv:2503.20783), no division by the standard deviation.
///
/// In expectation the step is (G−1)/G of the policy gradient, because every output is in its own baseline.
pub fn dr_grpo_advantages(rewards: &[f64], advantages: &mut [f64]) {
    assert_eq!(rewards.len(), advantages.len(), "one advantage per output");
    // measured from the first reward, so that equal rewards cancel exactly
    let origin = rewards.first().copied().unwrap_or(0.0);
    let mean = rewards.iter().map(|r| r - origin).sum::<f64>() / rewards.len().max(1) as f64;
    let equal = rewards.iter().all(|r| (r - origin).abs() <= 0.0);
    advantages.iter_mut().zip(rewards).for_each(|(a, r)| *a = if equal { 0.0 } else { (r - origin) - mean });
}

/// `A_i = (r_i − mean) / (std + epsilon)`: GRPO (arXiv:2402.03300).
///
/// `std` is the *sample* standard deviation (n − 1) of the group, as in TRL, whose `epsilon` is 1e-4. `epsilon` ≥ 0
/// has the unit of the reward: differences of its size or less are not normalised.
pub fn grpo_advantages(rewards: &[f64], epsilon: f64, advantages: &mut [f64]) {
    dr_grpo_advantages(rewards, advantages);
    let squares: f64 = advantages.iter().map(|a| a * a).sum();
    if squares > 0.0 {
        let std = (squares / (rewards.len() as f64 - 1.0)).sqrt();
        for a in advantages {
            *a /= std + epsilon;
        }
    }
}

/// `A_i = (r_i − mean of the group) / (std of the batch + epsilon)`: GRPO with TRL's `scale_rewards` `batch`.
///
/// `std` is the sample standard deviation of all `rewards`, groups mixed: a prompt whose own spread is small stays small. The
/// last group may be partial. All rewards equal: exactly zero.
pub fn grpo_batch_advantages(rewards: &[f64], group: usize, epsilon: f64, advantages: &mut [f64]) {
    // the batch as one group: r − mean, for the spread only
    dr_grpo_advantages(rewards, advantages);
    let squares: f64 = advantages.iter().map(|a| a * a).sum();
    let std = (squares / (rewards.len() as f64 - 1.0).max(1.0)).sqrt();
    in_groups(rewards, group, dr_grpo_advantages, advantages);
    if std > 0.0 {
        advantages.iter_mut().for_each(|a| *a /= std + epsilon);
    }
}

/// Applies `rule` to consecutive blocks of `group` rewards; a last block that is smaller is a group of its own.
///
/// # Panics
/// If `group` is 0 or the lengths differ.
pub fn in_groups(rewards: &[f64], group: usize, rule: impl Fn(&[f64], &mut [f64]), advantages: &mut [f64]) {
    assert_eq!(rewards.len(), advantages.len(), "one advantage per output");
    assert!(group > 0, "a group has at least one output");
    rewards.chunks(group).zip(advantages.chunks_mut(group)).for_each(|(r, a)| rule(r, a));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Rule = fn(&[f64], &mut [f64]);

    const RULES: [Rule; 4] =
        [rloo_advantages, dr_grpo_advantages, |r, a| grpo_advantages(r, 0.0, a), |r, a| grpo_advantages(r, 1e-4, a)];

    fn advantages(rule: Rule, rewards: &[f64]) -> Vec<f64> {
        let mut out = vec![f64::NAN; rewards.len()];
        rule(rewards, &mut out);
        out
    }

    fn advantages_of_batch(rewards: &[f64], group: usize) -> Vec<f64> {
        let mut out = vec![f64::NAN; rewards.len()];
        grpo_batch_advantages(rewards, group, 0.0, &mut out);
        out
    }

    fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
        assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance), "{a:?}\n{b:?}");
    }

    /// Rewards in which ties are common.
    fn group() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(prop_oneof![Just(-1.0), Just(1.0), -1.0..1.0], 1..9)
    }

    proptest! {
        #[test]
        fn a_constant_added_to_all_rewards_changes_nothing(rewards in group(), shift in -100.0..100.0) {
            let shifted: Vec<f64> = rewards.iter().map(|r| r + shift).collect();
            // rounding of r + shift is amplified by the division when rewards are all but equal
            let spread = rewards.iter().fold(0.0, |m: f64, r| m.max((r - rewards[0]).abs()));
            prop_assume!(spread == 0.0 || spread > 1e-3);
            for rule in RULES {
                assert_close(&advantages(rule, &rewards), &advantages(rule, &shifted), 1e-9);
            }
        }

        #[test]
        fn scale_passes_through_or_cancels(rewards in group(), scale in 1e-6..1e6) {
            let scaled: Vec<f64> = rewards.iter().map(|r| r * scale).collect();
            for rule in &RULES[..2] {
                let expected: Vec<f64> = advantages(*rule, &rewards).iter().map(|a| a * scale).collect();
                assert_close(&advantages(*rule, &scaled), &expected, 1e-12 * scale);
            }
            assert_close(&advantages(RULES[2], &scaled), &advantages(RULES[2], &rewards), 1e-9);
        }

        /// Whole groups, a partial one at the end, and a batch that is smaller than a group.
        #[test]
        fn batch_scaling_forgets_shift_and_scale(
            rewards in group(), size in 1usize..5, shift in -10.0..10.0, scale in 0.1..10.0,
        ) {
            let spread = rewards.iter().fold(0.0, |m: f64, r| m.max((r - rewards[0]).abs()));
            prop_assume!(spread == 0.0 || spread > 1e-3);
            let of = |rewards: &[f64]| advantages_of_batch(rewards, size);
            let other: Vec<f64> = rewards.iter().map(|r| shift + scale * r).collect();
            assert_close(&of(&rewards), &of(&other), 1e-9);
            for group in of(&rewards).chunks(size) {
                prop_assert!(group.iter().sum::<f64>().abs() < 1e-9);
            }
        }

        #[test]
        fn order_within_the_group_does_not_matter(rewards in group(), turn in 0usize..8) {
            let turn = turn % rewards.len();
            let mut turned = rewards.clone();
            turned.rotate_left(turn);
            for rule in RULES {
                let mut expected = advantages(rule, &rewards);
                expected.rotate_left(turn);
                assert_close(&advantages(rule, &turned), &expected, 1e-9);
            }
        }

        #[test]
        fn advantages_sum_to_zero_and_grpo_has_unit_sample_variance(rewards in group()) {
            for rule in RULES {
                prop_assert!(advantages(rule, &rewards).iter().sum::<f64>().abs() < 1e-9);
            }
            let a = advantages(RULES[2], &rewards);
            let squares: f64 = a.iter().map(|a| a * a).sum();
            prop_assert!(squares == 0.0 || (squares / (a.len() as f64 - 1.0) - 1.0).abs() < 1e-12);
        }

        #[test]
        fn a_dead_group_is_exactly_zero(reward in -1e3..1e3, size in 1usize..9) {
            for rule in RULES {
                prop_assert!(advantages(rule, &vec![reward; size]).iter().all(|a| *a == 0.0));
            }
        }
    }

    /// Three of four leave one out: the definition, computed the long way.
    #[test]
    fn rloo_leaves_one_out() {
        let rewards = [0.5, -1.0, 0.25, 1.0];
        let by_definition: Vec<f64> =
            (0..4).map(|i| rewards[i] - (0..4).filter(|j| *j != i).map(|j| rewards[j]).sum::<f64>() / 3.0).collect();
        assert_close(&advantages(RULES[0], &rewards), &by_definition, 1e-15);
    }

    /// The rule of TRL by hand: mean 1/2, sample standard deviation √(1/3).
    #[test]
    fn grpo_follows_trl() {
        let std = (1.0_f64 / 3.0).sqrt();
        let expected = 0.5 / (std + 1e-4);
        assert!((expected - 0.865_875).abs() < 1e-6);
        assert_close(&advantages(RULES[3], &[1.0, 0.0, 0.0, 1.0]), &[expected, -expected, -expected, expected], 1e-15);
    }

    #[test]
    fn a_partial_group_is_a_group() {
        let mut batch = [f64::NAN; 5];
        in_groups(&[1.0, 0.0, 5.0, 3.0, 7.0], 2, rloo_advantages, &mut batch);
        assert_eq!(batch, [1.0, -1.0, 2.0, -2.0, 0.0]);
    }

    #[test]
    fn batch_scaling_leaves_a_quiet_group_quiet() {
        let rewards = [0.0, 0.01, 1.0, -1.0];
        let (mut by_batch, mut by_group) = ([0.0; 4], [0.0; 4]);
        grpo_batch_advantages(&rewards, 2, 0.0, &mut by_batch);
        in_groups(&rewards, 2, RULES[2], &mut by_group);
        assert!(by_batch[1] < 0.01 && by_batch[2] > 1.0, "{by_batch:?}");
        assert!((by_group[1] - by_group[2]).abs() < 1e-12, "{by_group:?}");
        grpo_batch_advantages(&[0.3; 4], 3, 0.0, &mut by_batch);
        assert_eq!(by_batch, [0.0; 4]);
    }
}

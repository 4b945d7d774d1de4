//! The spread of rewards, within prompts and over batches, and the groups that have none.

use crate::env::World;
use crate::exact::output_log_probs;
use crate::policy::Policy;
use crate::stats::{mean, std_dev};

/// The mean reward of a batch; NaN for an empty one.
pub fn reward(rewards: &[f64]) -> f64 {
    mean(rewards)
}

/// The sample standard deviation (n − 1) of all rewards of a batch, prompts mixed: large when prompts differ, even if every
/// group is dead. NaN for fewer than two.
pub fn reward_std_batch(rewards: &[f64]) -> f64 {
    std_dev(rewards)
}

/// The mean over groups of the sample standard deviation (n − 1) within each group, groups being consecutive blocks of
/// `group` rewards (what vanishing gradients are about). A group of one has none and is left out; NaN if none is left.
///
/// # Panics
/// If `group` is 0.
pub fn reward_std_prompt(rewards: &[f64], group: usize) -> f64 {
    mean(&rewards.chunks(group).filter(|g| g.len() > 1).map(std_dev).collect::<Vec<_>>())
}

/// The share of groups whose rewards are all equal, so that no group baseline leaves a gradient; a group of one is dead. NaN
/// for an empty batch.
///
/// # Panics
/// If `group` is 0.
pub fn dead_groups(rewards: &[f64], group: usize) -> f64 {
    mean(&rewards.chunks(group).map(|g| f64::from(u8::from(g.iter().all(|r| *r == g[0])))).collect::<Vec<_>>())
}

/// The probability that `group` independent outputs all get the same reward, given the probability of each *distinct* reward.
///
/// # Formula
/// `Σ_r P(r)^G`; for binary rewards pᴳ + (1−p)ᴳ.
pub fn expected_dead_groups(chances: &[f64], group: usize) -> f64 {
    chances.iter().map(|p| p.powf(group as f64)).sum()
}

/// [`expected_dead_groups`] of one prompt, exactly, by enumerating the policy's outputs. Rewards count as equal when their bits do (and
/// 0 and −0 do).
pub fn expected_dead_groups_of(policy: &mut impl Policy, world: &World, prompt: usize, group: usize) -> f64 {
    let log_probs = output_log_probs(policy, world.tree(), prompt);
    let mut outputs: Vec<(f64, f64)> = world.rewards(prompt).iter().map(|r| r + 0.0).zip(log_probs).collect();
    outputs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let chances: Vec<f64> =
        outputs.chunk_by(|a, b| a.0 == b.0).map(|same| same.iter().map(|(_, lp)| lp.exp()).sum()).collect();
    expected_dead_groups(&chances, group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Tree;
    use crate::objective::{in_groups, rloo_advantages};
    use crate::policy::Tabular;
    use crate::rng::Stream;

    /// Two prompts that differ, each with equal rewards: all groups dead, and the batch's spread says nothing of it.
    #[test]
    fn the_two_spreads_are_not_one() {
        let rewards = [1.0, 1.0, 0.0, 0.0];
        assert!((reward_std_batch(&rewards) - (1.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!((reward_std_prompt(&rewards, 2), dead_groups(&rewards, 2)), (0.0, 1.0));
        assert_eq!((reward(&rewards), dead_groups(&rewards, 4)), (0.5, 0.0));
    }

    #[test]
    fn partial_groups_and_groups_of_one() {
        let rewards = [1.0, 0.0, 5.0];
        assert!((reward_std_prompt(&rewards, 2) - 0.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(dead_groups(&rewards, 2), 0.5);
        assert!(reward_std_prompt(&rewards, 1).is_nan() && dead_groups(&[], 4).is_nan() && reward(&[]).is_nan());
    }

    /// A group is dead exactly where its advantages vanish.
    #[test]
    fn dead_is_without_advantages() {
        let mut stream = Stream::named(&["test", "dead"]);
        let rewards: Vec<f64> = (0..400).map(|_| 0.1 * stream.below(3) as f64).collect();
        let mut advantages = vec![0.0; 400];
        in_groups(&rewards, 4, rloo_advantages, &mut advantages);
        let silent = advantages.chunks(4).filter(|g| g.iter().all(|a| *a == 0.0)).count();
        assert!((dead_groups(&rewards, 4) - silent as f64 / 100.0).abs() < 1e-15 && silent > 0);
    }

    /// Observed against predicted: 20,000 groups of 3, alpha = 0.001 two-sided: 3.29 standard errors.
    #[test]
    fn the_prediction_is_what_is_observed() {
        let tree = Tree { prompts: 1, vocab: 3, length: 2 };
        let rewards = vec![0.0, 1.0, -0.0, 0.5, 1.0, 0.0, 0.0, 0.5, 1.0];
        let world = World::new(tree, rewards.clone()).expect("finite");
        let mut policy = Tabular::from_logits(3, (0..12).map(|i| f64::from(i % 5) / 3.0).collect());
        let expected = expected_dead_groups_of(&mut policy, &world, 0, 3);
        let probs: Vec<f64> = output_log_probs(&mut policy, tree, 0).iter().map(|lp| lp.exp()).collect();
        let mut stream = Stream::named(&["test", "dead groups"]);
        let drawn: Vec<f64> = (0..60_000).map(|_| rewards[stream.categorical(&probs)]).collect();
        let error = (expected * (1.0 - expected) / 20_000.0).sqrt();
        assert!((dead_groups(&drawn, 3) - expected).abs() < 3.29 * error, "{expected}");
        assert!((expected_dead_groups(&[0.25, 0.75], 3) - (1.0 + 27.0) / 64.0).abs() < 1e-15);
    }
}

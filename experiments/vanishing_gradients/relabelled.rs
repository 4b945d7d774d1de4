//! The protocol of Section 4.2 of arXiv:2310.20703 as `controlled` and `controlled_text` share it: label sets, relabelled
//! inputs, rewards, and what is read of a group. A log-probability per input and class, row by row.

mod figure;
mod judge;

pub(crate) use figure::{GRADIENT, HIGH, REWARD, STD, panel};
pub(crate) use judge::{Judge, Point, fitting_claims, gradient_claim, high_claims, worst_high};

use rewardlab::error::{Error, Result};
use rewardlab::rng::Stream;

/// Fails unless more than no input and at most half of them are relabelled, and a wrong label's reward is below a right one's.
pub(crate) fn check_relabelling(share: f64, relabelled: usize, high_reward: f64) -> Result<()> {
    if !(share > 0.0 && share <= 0.5 && relabelled > 0) {
        return Err(Error::parameter("relabelled_share", share, "more than 0, at most 0.5, and at least one input"));
    }
    if !(-1.0..1.0).contains(&high_reward) {
        return Err(Error::parameter("high_reward", high_reward, "from -1 to below 1"));
    }
    Ok(())
}

/// Where the finetuning labels of the relabelled inputs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relabel {
    /// Outside the label set of pretraining: the reward std is small there.
    Outside,
    /// Another label of the set (control): the reward std stays large.
    Inside,
}

/// For every class a set of `size` labels: the class itself and others at random; `classes × classes`, each row a uniform
/// distribution on its set.
pub(crate) fn label_sets(classes: usize, size: usize, rng: &mut Stream) -> Vec<f64> {
    let mut sets = vec![0.0; classes * classes];
    for (class, row) in sets.chunks_exact_mut(classes).enumerate() {
        let others = rng.permutation(classes).into_iter().filter(|&c| c != class);
        std::iter::once(class).chain(others).take(size).for_each(|c| row[c] = 1.0 / size as f64);
    }
    sets
}

/// Targets and the two groups, those that keep their class first: exactly `count` inputs, unstratified, get a random
/// label outside (or inside) their set.
pub(crate) fn relabelled(
    classes_of: &[usize],
    sets: &[f64],
    count: usize,
    relabel: Relabel,
    rng: &mut Stream,
) -> (Vec<usize>, [Vec<usize>; 2]) {
    let classes = sets.len().isqrt();
    let order = rng.permutation(classes_of.len());
    let (mut small, mut large) = (order[..count].to_vec(), order[count..].to_vec());
    small.sort_unstable();
    large.sort_unstable();
    let mut targets = classes_of.to_vec();
    for &i in &small {
        let set = &sets[classes_of[i] * classes..][..classes];
        let eligible: Vec<usize> = (0..classes)
            .filter(|&c| match relabel {
                Relabel::Outside => set[c] == 0.0,
                Relabel::Inside => set[c] > 0.0 && c != classes_of[i],
            })
            .collect();
        targets[i] = eligible[rng.below(eligible.len())];
    }
    (targets, [large, small])
}

/// +1 for an input's target and −1 for every other class; with `wrong` given, that instead of −1 on relabelled inputs.
pub(crate) fn rewards(classes: usize, targets: &[usize], relabelled: &[usize], wrong: Option<f64>) -> Vec<f64> {
    let mut rewards = vec![-1.0; targets.len() * classes];
    for &i in relabelled {
        rewards[i * classes..][..classes].fill(wrong.unwrap_or(-1.0));
    }
    targets.iter().enumerate().for_each(|(i, t)| rewards[i * classes + t] = 1.0);
    rewards
}

/// 0, then `per_decade` epochs per factor of ten, then the last.
pub(crate) fn schedule(epochs: usize, per_decade: usize) -> Vec<usize> {
    let log_spaced = (0..).map(|i| 10_f64.powf(f64::from(i) / per_decade as f64).round() as usize);
    let mut out: Vec<usize> = std::iter::once(0).chain(log_spaced.take_while(|&e| e < epochs)).collect();
    out.push(epochs);
    out.dedup();
    out
}

/// Share of inputs whose label beats every other class strictly: ties count as wrong.
pub(crate) fn accuracy(log_probs: &[f64], labels: impl ExactSizeIterator<Item = usize>) -> f64 {
    let n = labels.len();
    let classes = log_probs.len() / n;
    let beats = |(row, label): (&[f64], usize)| (0..classes).all(|c| c == label || row[label] > row[c]);
    log_probs.chunks_exact(classes).zip(labels).filter(|&pair| beats(pair)).count() as f64 / n as f64
}

/// Means over inputs of the expected reward and of the reward's std.
pub(crate) fn mean_and_std<'a>(log_probs: &[f64], rewards: impl ExactSizeIterator<Item = &'a [f64]>) -> (f64, f64) {
    let n = rewards.len();
    let (mut means, mut stds) = (0.0, 0.0);
    for (row, rewards) in log_probs.chunks_exact(log_probs.len() / n).zip(rewards) {
        let mean: f64 = row.iter().zip(rewards).map(|(lp, r)| lp.exp() * r).sum();
        let variance: f64 = row.iter().zip(rewards).map(|(lp, r)| lp.exp() * (r - mean) * (r - mean)).sum();
        means += mean;
        stds += variance.sqrt();
    }
    (means / n as f64, stds / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: usize = 10;

    #[test]
    fn label_sets_hold_their_class_and_have_their_size() {
        let sets = label_sets(CLASSES, 4, &mut Stream::named(&["test"]));
        for (class, set) in sets.chunks_exact(CLASSES).enumerate() {
            assert_eq!(set.iter().filter(|&&p| p > 0.0).count(), 4);
            assert!((set.iter().sum::<f64>() - 1.0).abs() < 1e-15 && set[class] > 0.0);
        }
    }

    #[test]
    fn relabelling_is_exact_in_number_and_on_the_asked_side_of_the_set() {
        let classes: Vec<usize> = (0..57).map(|i| i % CLASSES).collect();
        let sets = label_sets(CLASSES, 5, &mut Stream::named(&["test"]));
        for relabel in [Relabel::Outside, Relabel::Inside] {
            let (targets, [large, small]) = relabelled(&classes, &sets, 6, relabel, &mut Stream::named(&["test"]));
            assert_eq!((large.len(), small.len()), (51, 6));
            assert!(large.iter().all(|&i| targets[i] == classes[i]));
            for &i in &small {
                let inside = sets[classes[i] * CLASSES + targets[i]] > 0.0;
                assert!(targets[i] != classes[i] && inside == (relabel == Relabel::Inside));
            }
        }
    }

    #[test]
    fn only_relabelled_inputs_have_another_reward_for_wrong_labels() {
        assert_eq!(rewards(2, &[1, 0], &[1], Some(0.5)), [-1.0, 1.0, 1.0, 0.5]);
        assert_eq!(rewards(2, &[1, 0], &[1], None), [-1.0, 1.0, 1.0, -1.0]);
    }

    #[test]
    fn ties_count_as_wrong() {
        let mut rows = vec![-3.0; 2 * CLASSES];
        rows[2] = -1.0;
        assert_eq!(accuracy(&rows, [2, 0].into_iter()), 0.5);
    }

    #[test]
    fn schedules_are_log_spaced_with_both_ends() {
        assert_eq!(schedule(100, 4), [0, 1, 2, 3, 6, 10, 18, 32, 56, 100]);
        assert_eq!(schedule(1, 5), [0, 1]);
        assert_eq!(schedule(2, 5), [0, 1, 2]);
    }
}

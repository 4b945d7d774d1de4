//! Generalised advantage estimation over the tokens of sequences, and whitening.

use crate::objective::sequences;

/// Token rewards of a task that pays at the end: 0 but for the last token of each sequence, which gets its reward. A
/// sequence without tokens gets none.
///
/// # Shapes
/// `lengths`, `rewards`: one per sequence; `out`: one per token of all sequences.
pub fn terminal_rewards(lengths: &[usize], rewards: &[f64], out: &mut [f64]) {
    assert_eq!(lengths.len(), rewards.len(), "one reward per sequence");
    out.fill(0.0);
    for (tokens, reward) in sequences(lengths, out.len()).zip(rewards) {
        if let Some(last) = out[tokens].last_mut() {
            *last = *reward;
        }
    }
}

/// GAE (Eq. 16 of arXiv:1506.02438): `A_t = Σ_l (γλ)^l δ_{t+l}`, `δ_t = r_t + γ V_{t+1} − V_t`; the value after the last token is 0.
///
/// `A_t + V_t` is the return that a value head learns. λ = 1, γ = 1 is the reward to go minus V; λ = 0 the one-step error.
///
/// # Shapes
/// `lengths`: tokens per sequence. `rewards`, `values`, `advantages`: one per token of all sequences; `values[t]` is the value of
/// the context *before* token t.
pub fn gae_advantages(
    lengths: &[usize],
    rewards: &[f64],
    values: &[f64],
    gamma: f64,
    lambda: f64,
    advantages: &mut [f64],
) {
    assert!(rewards.len() == values.len() && values.len() == advantages.len(), "one value and advantage per reward");
    for tokens in sequences(lengths, rewards.len()) {
        let (mut next_value, mut next_advantage) = (0.0, 0.0);
        for t in tokens.rev() {
            let delta = rewards[t] + gamma * next_value - values[t];
            next_advantage = delta + gamma * lambda * next_advantage;
            next_value = values[t];
            advantages[t] = next_advantage;
        }
    }
}

/// Shifts and scales to mean 0 and (sample) variance 1: a − mean over √(var + 1e-8), TRL's `masked_whiten`. All equal, or
/// fewer than two: exactly zero.
pub fn whiten(advantages: &mut [f64]) {
    let n = advantages.len() as f64;
    let origin = advantages.first().copied().unwrap_or(0.0);
    if advantages.len() < 2 || advantages.iter().all(|a| *a == origin) {
        return advantages.fill(0.0);
    }
    let mean = origin + advantages.iter().map(|a| a - origin).sum::<f64>() / n;
    let variance = advantages.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let scale = 1.0 / (variance + 1e-8).sqrt();
    advantages.iter_mut().for_each(|a| *a = (*a - mean) * scale);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gae(lengths: &[usize], rewards: &[f64], values: &[f64], gamma: f64, lambda: f64) -> Vec<f64> {
        let mut out = vec![f64::NAN; rewards.len()];
        gae_advantages(lengths, rewards, values, gamma, lambda, &mut out);
        out
    }

    #[test]
    fn by_hand() {
        // second sequence of one token: nothing leaks over from the first
        let got = gae(&[2, 1], &[0.0, 1.0, 5.0], &[0.5, 0.25, 2.0], 0.5, 0.5);
        let last = 1.0 - 0.25;
        assert_eq!(got, [0.5 * 0.25 - 0.5 + 0.25 * last, last, 3.0]);
    }

    #[test]
    fn rewards_are_paid_at_the_end() {
        let mut out = [f64::NAN; 3];
        terminal_rewards(&[2, 0, 1], &[1.0, 9.0, -2.0], &mut out);
        assert_eq!(out, [0.0, 1.0, -2.0]);
    }

    #[test]
    fn a_dead_batch_is_whitened_to_zero() {
        for mut batch in [vec![], vec![3.0], vec![0.1; 7]] {
            whiten(&mut batch);
            assert!(batch.iter().all(|a| *a == 0.0));
        }
    }

    proptest! {
        /// The sum over δ, written out, for sequences of any lengths.
        #[test]
        fn is_the_discounted_sum_of_errors(
            lengths in prop::collection::vec(0..5_usize, 1..5), seed in prop::collection::vec(-1.0..1.0_f64, 32),
            gamma in 0.0..=1.0, lambda in 0.0..=1.0,
        ) {
            let n = lengths.iter().sum();
            let (rewards, values) = (&seed[..n], &seed[16..16 + n]);
            let got = gae(&lengths, rewards, values, gamma, lambda);
            let mut start = 0;
            for length in lengths {
                for t in 0..length {
                    let error = |l: usize| {
                        let next = if l + 1 < length { values[start + l + 1] } else { 0.0 };
                        rewards[start + l] + gamma * next - values[start + l]
                    };
                    let sum: f64 = (t..length).map(|l| (gamma * lambda).powi((l - t) as i32) * error(l)).sum();
                    prop_assert!((got[start + t] - sum).abs() < 1e-12);
                }
                start += length;
            }
        }

        #[test]
        fn whitening_forgets_shift_and_scale(a in prop::collection::vec(-1.0..1.0_f64, 2..9), shift in -10.0..10.0, scale in 0.5..100.0) {
            let spread = a.iter().fold(0.0, |m: f64, v| m.max((v - a[0]).abs()));
            prop_assume!(spread > 0.01);
            let (mut white, mut other) = (a.clone(), a.iter().map(|v| shift + scale * v).collect::<Vec<_>>());
            whiten(&mut white);
            whiten(&mut other);
            // 1e-8 beside the variance is all that a scale can change
            prop_assert!(white.iter().zip(&other).all(|(x, y)| (x - y).abs() < 1e-3));
            prop_assert!(white.iter().sum::<f64>().abs() < 1e-9);
        }
    }
}

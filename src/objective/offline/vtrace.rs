//! V-trace (arXiv:1802.01561): targets of a value head, and advantages, from sequences that another policy drew.

use crate::objective::ppo::log_ratio;
use crate::objective::sequences;

/// The three numbers of [`vtrace`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VTrace {
    /// ρ̄ > 0: the importance weight of a temporal difference is at most this. It sets *whose* value the targets lead to: of the policy
    /// ∝ min(ρ̄ μ, π), so π's own at ∞ and nearly μ's at 0.
    pub rho_bar: f64,
    /// c̄ in [0, ρ̄]: how far corrections of later values travel back; it changes variance and speed, not the goal.
    pub c_bar: f64,
    /// The discount γ, in [0, 1].
    pub gamma: f64,
}

/// `v_t = V_t + δ_t + γ c_t (v_{t+1} − V_{t+1})` with `δ_t = ρ_t (r_t + γ V_{t+1} − V_t)` (Eq. 1, Remark 1 of arXiv:1802.01561), and
/// `A_t = ρ_t (r_t + γ v_{t+1} − V_t)`, what multiplies ∇ log π there (Section 4.2). The value after the last token is 0.
///
/// On-policy (all ratios 1, ρ̄ and c̄ at least 1) `v_t` is the discounted return to go and A is GAE at λ = 1, whatever the values are.
///
/// # Shapes
/// `lengths`: tokens per sequence. `log_probs` are of the policy π and of the behaviour policy μ that drew the tokens, constants.
/// Both, `rewards`, `values`, `targets` (v), `advantages`: one per token of all sequences; `values[t]` is V of the context
/// *before* token t. A sequence without tokens has none.
///
/// # Formula
/// `ρ_t = min(ρ̄, π/μ)`, `c_t = min(c̄, π/μ)`; ratios are compared in log space, and finite ρ̄ and c̄ keep everything finite at any ratio.
///
/// # Panics
/// If the shapes differ or the settings are outside their ranges.
pub fn vtrace(
    settings: VTrace,
    lengths: &[usize],
    [log_probs, behaviour]: [&[f64]; 2],
    rewards: &[f64],
    values: &[f64],
    targets: &mut [f64],
    advantages: &mut [f64],
) {
    let VTrace { rho_bar, c_bar, gamma } = settings;
    assert!(rho_bar > 0.0, "rho_bar must be positive, got {rho_bar}");
    assert!((0.0..=rho_bar).contains(&c_bar), "c_bar must be in [0, rho_bar], got {c_bar}");
    assert!((0.0..=1.0).contains(&gamma), "gamma must be in [0, 1], got {gamma}");
    let n = log_probs.len();
    assert!(behaviour.len() == n && rewards.len() == n && values.len() == n, "one of each per token");
    assert!(targets.len() == n && advantages.len() == n, "one target and advantage per token");
    for tokens in sequences(lengths, n) {
        let (mut next_value, mut next_target) = (0.0, 0.0);
        for t in tokens.rev() {
            let ratio = log_ratio(log_probs[t], behaviour[t]).exp();
            let rho = ratio.min(rho_bar);
            let delta = rho * (rewards[t] + gamma * next_value - values[t]);
            advantages[t] = rho * (rewards[t] + gamma * next_target - values[t]);
            targets[t] = values[t] + delta + gamma * ratio.min(c_bar) * (next_target - next_value);
            (next_value, next_target) = (values[t], targets[t]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::gae_advantages;
    use proptest::prelude::*;

    const FREE: VTrace = VTrace { rho_bar: f64::INFINITY, c_bar: f64::INFINITY, gamma: 1.0 };

    fn run(
        settings: VTrace,
        lengths: &[usize],
        log_probs: [&[f64]; 2],
        rewards: &[f64],
        values: &[f64],
    ) -> (Vec<f64>, Vec<f64>) {
        let (mut targets, mut advantages) = (vec![f64::NAN; rewards.len()], vec![f64::NAN; rewards.len()]);
        vtrace(settings, lengths, log_probs, rewards, values, &mut targets, &mut advantages);
        (targets, advantages)
    }

    #[test]
    fn one_token_and_none() {
        let settings = VTrace { rho_bar: 1.0, c_bar: 1.0, gamma: 0.9 };
        let (targets, advantages) =
            run(settings, &[0, 1, 0, 1], [&[-2.0, -1.0], &[-1.0, -2.0]], &[1.0, 3.0], &[0.5, 2.0]);
        let down = (-1.0_f64).exp();
        assert_eq!((targets, advantages), (vec![0.5 + down * 0.5, 3.0], vec![down * 0.5, 1.0]));
        assert_eq!(run(settings, &[], [&[], &[]], &[], &[]), (vec![], vec![]));
    }

    #[test]
    fn extreme_ratios_stay_finite() {
        let never = f64::NEG_INFINITY;
        let settings = VTrace { rho_bar: 2.0, c_bar: 1.0, gamma: 1.0 };
        let (targets, advantages) =
            run(settings, &[4], [&[never, -1.0, -1.0, never], &[-1.0, -1e4, never, never]], &[1.0; 4], &[0.5; 4]);
        assert!(targets.iter().chain(&advantages).all(|x| x.is_finite()), "{targets:?} {advantages:?}");
        // a token that the policy would never choose teaches nothing
        assert_eq!((targets[0], advantages[0]), (0.5, 0.0));
    }

    /// All two-token sequences over {0, 1}, drawn by μ, weighed by its probability: the mean target and advantage of the first token.
    fn mean_of_first(settings: VTrace, pi: [f64; 3], mu: [f64; 3], values: [f64; 3], reward: [f64; 4]) -> (f64, f64) {
        let of = |p: [f64; 3], context: usize, token: usize| if token == 1 { p[context] } else { 1.0 - p[context] };
        let (mut target, mut advantage) = (0.0, 0.0);
        for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let at = 1 + first;
            let log = |p: [f64; 3]| [of(p, 0, first).ln(), of(p, at, second).ln()];
            let (t, a) =
                run(settings, &[2], [&log(pi), &log(mu)], &[0.0, reward[2 * first + second]], &[values[0], values[at]]);
            let weight = of(mu, 0, first) * of(mu, at, second);
            target += weight * t[0];
            advantage += weight * a[0];
        }
        (target, advantage)
    }

    /// Values of the contexts (the empty prefix, 0, 1) under a policy given by its probabilities of token 1.
    fn value_of(pi: [f64; 3], reward: [f64; 4]) -> [f64; 3] {
        let after = |first: usize| pi[1 + first] * reward[2 * first + 1] + (1.0 - pi[1 + first]) * reward[2 * first];
        [pi[0] * after(1) + (1.0 - pi[0]) * after(0), after(0), after(1)]
    }

    proptest! {
        #[test]
        fn on_policy_is_the_discounted_return(
            lengths in prop::collection::vec(0..5_usize, 1..5), seed in prop::collection::vec(-1.0..1.0_f64, 48),
            gamma in 0.0..=1.0, bar in 1.0..3.0_f64,
        ) {
            let n = lengths.iter().sum();
            let (log_probs, rewards, values) = (&seed[..n], &seed[16..16 + n], &seed[32..32 + n]);
            let (targets, advantages) = run(VTrace { rho_bar: bar, c_bar: 1.0, gamma }, &lengths, [log_probs, log_probs], rewards, values);
            let mut gae = vec![0.0; n];
            gae_advantages(&lengths, rewards, values, gamma, 1.0, &mut gae);
            let mut start = 0;
            for length in lengths {
                for t in start..start + length {
                    let left: f64 = (t..start + length).map(|l| gamma.powi((l - t) as i32) * rewards[l]).sum();
                    prop_assert!((targets[t] - left).abs() < 1e-12 && (advantages[t] - gae[t]).abs() < 1e-12);
                }
                start += length;
            }
        }

        /// Without clipping the mean target is the policy's own value, whatever V says: importance sampling is unbiased.
        #[test]
        fn unclipped_it_is_unbiased(p in prop::array::uniform3(0.1..0.9_f64), m in prop::array::uniform3(0.1..0.9_f64),
            values in prop::array::uniform3(-1.0..1.0_f64), reward in prop::array::uniform4(-1.0..1.0_f64)) {
            let truth = value_of(p, reward)[0];
            let (target, advantage) = mean_of_first(FREE, p, m, values, reward);
            prop_assert!((target - truth).abs() < 1e-10 && (advantage - (truth - values[0])).abs() < 1e-10);
        }

        /// Eq. 3 of the paper: the fixed point is the value of the policy ∝ min(ρ̄ μ, π).
        #[test]
        fn the_clip_says_whose_value_it_is(p in prop::array::uniform3(0.1..0.9_f64), m in prop::array::uniform3(0.1..0.9_f64),
            reward in prop::array::uniform4(-1.0..1.0_f64), rho_bar in 0.3..2.0_f64, share in 0.0..=1.0_f64) {
            let clipped: [f64; 3] = std::array::from_fn(|s| {
                let (one, zero) = (p[s].min(rho_bar * m[s]), (1.0 - p[s]).min(rho_bar * (1.0 - m[s])));
                one / (one + zero)
            });
            let values = value_of(clipped, reward);
            let settings = VTrace { rho_bar, c_bar: share * rho_bar, gamma: 1.0 };
            prop_assert!((mean_of_first(settings, p, m, values, reward).0 - values[0]).abs() < 1e-12);
        }
    }
}

//! Upper bounds on the norm of a prompt's policy gradient by the standard deviation of its reward.
//!
//! Symbols: L = `length`, γ = `jacobian_norm` (largest spectral norm of the logits' Jacobian over the prompt's
//! contexts), STD = `reward_std`. The norm that is bounded is ‖∇_θ V(x; θ)‖₂.

use std::f64::consts::FRAC_1_SQRT_2;

/// Theorem 1 of arXiv:2310.20703: ‖∇V‖ ≤ 6 · L · γ · STD^(2/3), for rewards in [−1, 1] (the exponent is not
/// homogeneous in the reward, so a range has to be fixed). The constant 6 and the factors are known second-hand.
pub fn theorem1_bound(length: usize, jacobian_norm: f64, reward_std: f64) -> f64 {
    6.0 * length as f64 * jacobian_norm * reward_std.cbrt().powi(2)
}

/// The sharper bound ‖∇V‖ ≤ γ · √(L/2) · STD, for rewards of any scale (derived here, not in the paper).
///
/// # Formula
/// The logits' gradient at a context s is P(s) C(π) Q with C(π) = diag(π) − π πᵀ, and `‖C(π) Q‖ ≤ STD_π[Q]/√2` because
/// ‖C(π)^½‖² ≤ 1/2. Jensen within a step and Cauchy–Schwarz over the L steps turn the sum of the per-step deviations
/// into √L times the root of the sum of per-step variances, which is the variance of the reward.
/// Equality: one step, two tokens of probability 1/2.
pub fn sharp_bound(length: usize, jacobian_norm: f64, reward_std: f64) -> f64 {
    (length as f64).sqrt() * jacobian_norm * FRAC_1_SQRT_2 * reward_std
}

/// ‖∇V‖ ≤ STD/√2 when every context has logits of its own (tabular): contexts' gradients are orthogonal, so their
/// squares add and no √L is lost. Derived here.
pub fn sharp_tabular_bound(reward_std: f64) -> f64 {
    FRAC_1_SQRT_2 * reward_std
}

/// What is left of the sampling policy in a bound on the clipped surrogate's gradient, summed over the L steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Surrogate {
    /// `Σ_l E|A_l|`: the mean absolute advantage of step l under the sampling policy, summed.
    pub absolute_advantage: f64,
    /// `Σ_l TV_l`: total variation between current and sampling next-token distributions at step l, averaged over the
    /// prefixes that the sampling policy visits, summed.
    pub total_variation: f64,
    /// max |A(s, a)| over contexts and tokens.
    pub largest_advantage: f64,
    /// STD of the reward under the sampling policy.
    pub reward_std: f64,
}

impl Surrogate {
    /// `√2 · γ · [(1 + clip) · Σ_l E|A_l| + M · Σ_l TV_l]`, with M the largest |advantage|.
    ///
    /// # Formula
    /// Only tokens whose ratio is inside the clip, or above it with A < 0, pass gradient, so the logits' gradient at a
    /// context is C(π) (m A) with a 0/1 mask m, and `‖C(π) v‖ ≤ √2 Σ_a π(a) |v(a)|`. For a ratio within 1 + clip,
    /// `π |A| ≤ (1 + clip) π_old |A|`; above it the excess over `π_old` is at most the total variation, times M.
    /// Derived here; the paper's appendix has a bound of this shape whose constants we do not know.
    pub fn absolute_bound(&self, jacobian_norm: f64, clip: f64) -> f64 {
        let Self { absolute_advantage, total_variation, largest_advantage, .. } = *self;
        let excess = largest_advantage * total_variation;
        std::f64::consts::SQRT_2 * jacobian_norm * ((1.0 + clip) * absolute_advantage + excess)
    }

    /// `√2 · γ · [(1 + clip) · √L · STD + M · Σ_l TV_l]`: [`Surrogate::absolute_bound`] with `E|A_l| ≤ √(E A_l²)` and
    /// `Σ_l E A_l² = STD²`, by Cauchy–Schwarz over the L steps.
    pub fn std_bound(&self, length: usize, jacobian_norm: f64, clip: f64) -> f64 {
        let absolute_advantage = (length as f64).sqrt() * self.reward_std;
        Self { absolute_advantage, ..*self }.absolute_bound(jacobian_norm, clip)
    }

    /// `γ · √(L/2) · √(STD² + M² · Σ_l TV_l)`: the sharper form, which is [`sharp_bound`] when nothing has moved.
    ///
    /// # Formula
    /// `‖C(π) (m A)‖² ≤ Var_π[m A]/2 ≤ E_π[A²]/2 ≤ (E_old[A²] + M² TV)/2` at each context, then as in [`sharp_bound`].
    pub fn variance_bound(&self, length: usize, jacobian_norm: f64) -> f64 {
        let Self { total_variation, largest_advantage, reward_std, .. } = *self;
        let second_moment = reward_std * reward_std + largest_advantage * largest_advantage * total_variation;
        sharp_bound(length, jacobian_norm, second_moment.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_equal_tokens_with_opposite_rewards_attain_the_sharp_bound() {
        // p = 1/2, r = ±1: STD 1 and ∇V = (1/2, −1/2), so ‖∇V‖ = 1/√2
        assert_relative_eq!(sharp_bound(1, 1.0, 1.0), 0.5_f64.hypot(0.5));
        assert_relative_eq!(sharp_tabular_bound(1.0), 0.5_f64.hypot(0.5));
        assert_relative_eq!(theorem1_bound(1, 1.0, 1.0), 6.0);
    }

    #[test]
    fn scaling_in_length_jacobian_and_std() {
        assert_relative_eq!(theorem1_bound(3, 2.0, 0.125), 6.0 * 3.0 * 2.0 * 0.25, max_relative = 1e-15);
        assert_relative_eq!(sharp_bound(8, 3.0, 0.5), 3.0, max_relative = 1e-15);
        let at_zero = [theorem1_bound(2, 1.0, 0.0), sharp_bound(2, 1.0, 0.0), sharp_tabular_bound(0.0)];
        assert!(at_zero.iter().all(|&bound| bound == 0.0));
    }

    #[test]
    fn surrogate_bounds_by_hand() {
        let moved =
            Surrogate { absolute_advantage: 0.3, total_variation: 0.2, largest_advantage: 1.5, reward_std: 0.4 };
        let root2 = std::f64::consts::SQRT_2;
        assert_relative_eq!(moved.absolute_bound(2.0, 0.2), root2 * 2.0 * (0.36 + 0.3), max_relative = 1e-15);
        assert_relative_eq!(moved.std_bound(4, 2.0, 0.2), root2 * 2.0 * (0.96 + 0.3), max_relative = 1e-15);
        assert_relative_eq!(moved.variance_bound(2, 2.0), 2.0 * (0.16_f64 + 0.45).sqrt(), max_relative = 1e-15);
        let unmoved = Surrogate { total_variation: 0.0, ..moved };
        assert_relative_eq!(unmoved.variance_bound(3, 1.0), sharp_bound(3, 1.0, 0.4), max_relative = 1e-15);
    }
}

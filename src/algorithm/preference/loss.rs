//! Which loss of pairs a loop descends.

use crate::error::{Error, Result};
use crate::objective::{
    Kto, conservative_dpo_loss, dpo_loss, ipo_loss, kto_loss, orpo_loss, simpo_loss, unlikelihood_loss,
    unweighted_dpo_loss,
};
use serde::{Deserialize, Serialize};

/// A loss of pairs and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum PreferenceLoss {
    /// Direct preference optimisation (Eq. 7 of arXiv:2305.18290).
    Dpo {
        /// β, positive.
        beta: f64,
    },
    /// DPO with label smoothing.
    ConservativeDpo {
        /// β, positive.
        beta: f64,
        /// Share of labels taken to be wrong, in [0, 0.5).
        smoothing: f64,
    },
    /// DPO's linear loss: its gradient without the weight on wrong pairs.
    UnweightedDpo {
        /// β, positive.
        beta: f64,
    },
    /// Identity preference optimisation (arXiv:2310.12036).
    Ipo {
        /// τ, positive.
        tau: f64,
    },
    /// Kahneman–Tversky optimisation (arXiv:2402.01306), the chosen marked good and the rejected bad, both weights 1.
    Kto {
        /// β, positive.
        beta: f64,
    },
    /// Odds-ratio preference optimisation (arXiv:2403.07691).
    Orpo {
        /// λ, at least 0.
        lambda: f64,
    },
    /// Simple preference optimisation (arXiv:2405.14734).
    Simpo {
        /// β, positive.
        beta: f64,
        /// γ, at least 0.
        margin: f64,
    },
    /// The chosen's likelihood up, `alpha` times the rejected's down.
    Unlikelihood {
        /// α, at least 0.
        alpha: f64,
    },
    /// Preferred-FT: supervised finetuning on the chosen.
    Preferred,
}

/// A batch of n pairs: n chosen completions, then their n rejected ones.
#[derive(Clone, Copy, Debug)]
pub struct PairBatch<'a> {
    /// log π of each completion, nats.
    pub log_probs: &'a [f64],
    /// log `π_ref` of each, nats.
    pub reference: &'a [f64],
    /// Tokens of each.
    pub lengths: &'a [usize],
    /// Estimate of KL(π‖`π_ref`) from mismatched prompts and completions, at least 0, nats; KTO asks for it
    /// ([`PreferenceLoss::needs_kl`]).
    pub kl: f64,
}

impl PreferenceLoss {
    /// # Errors
    /// A setting outside its range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Dpo { beta } | Self::UnweightedDpo { beta } | Self::Kto { beta } => {
                Error::check_positive(&[("beta", beta)])
            }
            Self::ConservativeDpo { beta, smoothing } => {
                if !(0.0..0.5).contains(&smoothing) {
                    return Err(Error::parameter("smoothing", smoothing, "in [0, 0.5)"));
                }
                Error::check_positive(&[("beta", beta)])
            }
            Self::Ipo { tau } => Error::check_positive(&[("tau", tau)]),
            Self::Orpo { lambda } => Error::check_not_negative(&[("lambda", lambda)]),
            Self::Simpo { beta, margin } => {
                Error::check_positive(&[("beta", beta)])?;
                Error::check_not_negative(&[("margin", margin)])
            }
            Self::Unlikelihood { alpha } => Error::check_not_negative(&[("alpha", alpha)]),
            Self::Preferred => Ok(()),
        }
    }

    /// Whether the loss reads [`PairBatch::kl`].
    pub fn needs_kl(&self) -> bool {
        matches!(self, Self::Kto { .. })
    }

    /// The loss, a mean over pairs; adds `scale` times its derivatives by the completions' log-probabilities to `weights`.
    pub fn value(&self, batch: &PairBatch, scale: f64, weights: &mut [f64]) -> f64 {
        let PairBatch { log_probs, reference, lengths, kl } = *batch;
        let pairs = log_probs.len() / 2;
        match *self {
            Self::Dpo { beta } => dpo_loss(log_probs, reference, beta, scale, weights),
            Self::ConservativeDpo { beta, smoothing } => {
                conservative_dpo_loss(log_probs, reference, beta, &vec![1.0 - smoothing; pairs], scale, weights)
            }
            Self::UnweightedDpo { beta } => unweighted_dpo_loss(log_probs, reference, beta, scale, weights),
            Self::Ipo { tau } => ipo_loss(log_probs, reference, tau, scale, weights),
            Self::Kto { beta } => {
                let good: Vec<bool> = (0..log_probs.len()).map(|i| i < pairs).collect();
                let settings = Kto { beta, desirable: 1.0, undesirable: 1.0 };
                kto_loss(log_probs, reference, &good, kl, settings, scale, weights)
            }
            Self::Orpo { lambda } => orpo_loss(log_probs, lengths, lambda, scale, weights),
            Self::Simpo { beta, margin } => simpo_loss(log_probs, lengths, beta, margin, scale, weights),
            Self::Unlikelihood { alpha } => unlikelihood_loss(log_probs, alpha, scale, weights),
            Self::Preferred => unlikelihood_loss(log_probs, 0.0, scale, weights),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::assert_weights_are_the_derivative;

    const ALL: [PreferenceLoss; 9] = [
        PreferenceLoss::Dpo { beta: 0.3 },
        PreferenceLoss::ConservativeDpo { beta: 0.3, smoothing: 0.1 },
        PreferenceLoss::UnweightedDpo { beta: 0.3 },
        PreferenceLoss::Ipo { tau: 0.2 },
        PreferenceLoss::Kto { beta: 0.4 },
        PreferenceLoss::Orpo { lambda: 0.5 },
        PreferenceLoss::Simpo { beta: 2.0, margin: 0.5 },
        PreferenceLoss::Unlikelihood { alpha: 0.3 },
        PreferenceLoss::Preferred,
    ];

    /// And every loss, but Preferred-FT, pushes the rejected completion down.
    #[test]
    fn weights_are_the_derivative() {
        let log_probs = [-3.0, -2.5, -4.0, -2.0];
        let (reference, lengths) = ([-3.2, -2.6, -3.5, -2.2], [3, 2, 4, 3]);
        for loss in ALL {
            let value = |lp: &[f64], scale: f64, weights: &mut [f64]| {
                let batch = PairBatch { log_probs: lp, reference: &reference, lengths: &lengths, kl: 0.1 };
                loss.value(&batch, scale, weights)
            };
            assert_weights_are_the_derivative(&log_probs, value);
            let mut weights = [0.0; 4];
            value(&log_probs, 1.0, &mut weights);
            assert!(weights[..2].iter().all(|w| *w < 0.0) || matches!(loss, PreferenceLoss::Ipo { .. }), "{loss:?}");
            assert_eq!(weights[2] > 0.0, loss != PreferenceLoss::Preferred, "{loss:?}");
        }
    }

    #[test]
    fn settings_outside_their_ranges_are_refused() {
        for wrong in [
            PreferenceLoss::Dpo { beta: 0.0 },
            PreferenceLoss::ConservativeDpo { beta: 0.1, smoothing: 0.5 },
            PreferenceLoss::UnweightedDpo { beta: f64::NAN },
            PreferenceLoss::Ipo { tau: -1.0 },
            PreferenceLoss::Kto { beta: f64::INFINITY },
            PreferenceLoss::Orpo { lambda: -0.1 },
            PreferenceLoss::Simpo { beta: 1.0, margin: -0.1 },
            PreferenceLoss::Unlikelihood { alpha: -1.0 },
        ] {
            assert!(matches!(wrong.validate(), Err(Error::Parameter { .. })), "{wrong:?}");
        }
        assert!(ALL.iter().all(|loss| loss.validate().is_ok()));
    }
}

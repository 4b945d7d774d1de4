//! The estimators: which weights each puts on the log-probabilities of a sampled output, so that its mean should be ∇KL.

use super::super::estimation::{Moments, Space};
use rewardlab::objective::{
    corrected_k1_loss, corrected_k2_loss, corrected_k3_loss, k1, k1_loss, k2, k2_loss, k3, k3_loss, kl_loss,
    kl_penalised_token_rewards, ppo_clip_objective,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Estimate {
    K1,
    K2,
    K3,
    /// The KL of the whole next-token distribution, at sampled contexts.
    Exact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    Reward,
    Loss,
    /// The exact KL of each context, differentiated, and in the reward of the tokens before it.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Token,
    Sequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Correction {
    None,
    Ratio,
    Clipped,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Estimator {
    pub(super) estimate: Estimate,
    pub(super) placement: Placement,
    pub(super) level: Level,
    pub(super) correction: Correction,
}

impl Estimate {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::K1 => "k1",
            Self::K2 => "k2",
            Self::K3 => "k3",
            Self::Exact => "exact",
        }
    }

    /// The estimate from a log ratio; NaN for the exact KL, which needs more.
    pub(super) fn value(self, log_ratio: f64) -> f64 {
        self.function()(log_ratio)
    }

    fn function(self) -> fn(f64) -> f64 {
        match self {
            Self::K1 => k1,
            Self::K2 => k2,
            Self::K3 => k3,
            Self::Exact => |_| f64::NAN,
        }
    }
}

impl Placement {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reward => "reward",
            Self::Loss => "loss",
            Self::Both => "both",
        }
    }
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Sequence => "sequence",
        }
    }
}

impl Correction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ratio => "ratio",
            Self::Clipped => "clipped",
        }
    }
}

/// The combinations that are measured; at length 1 a token is the sequence, and a sequence's estimate is corrected in the loss only.
///
/// Unless `all`, without the corrections that change nothing on-policy: the clip, and a ratio beside a constant penalty.
pub(super) fn estimators(length: usize, all: bool) -> Vec<Estimator> {
    use Correction::{Clipped, None, Ratio};
    use Placement::{Both, Loss, Reward};
    let mut found = Vec::new();
    for correction in [None, Ratio, Clipped] {
        for placement in [Reward, Loss] {
            let mut add = |level| {
                let of = |estimate| Estimator { estimate, placement, level, correction };
                found.extend([Estimate::K1, Estimate::K2, Estimate::K3].map(of));
            };
            add(Level::Token);
            if length > 1 && (correction == None || correction == Ratio && placement == Loss) {
                add(Level::Sequence);
            }
        }
        let of = |placement| Estimator { estimate: Estimate::Exact, placement, level: Level::Token, correction };
        found.extend([Reward, Both].map(of));
        // the exact KL in the loss has no ratio
        found.extend((correction == None).then(|| of(Loss)));
    }
    found.retain(|e| all || e.correction == None || e.correction == Ratio && e.placement == Loss);
    found
}

impl Estimator {
    /// The mean gradient that theory gives on-policy, from ∇KL(π‖`π_ref`) and ∇KL(`π_ref`‖π); None where none was derived.
    pub(super) fn theory(self, length: usize, reverse: &[f64], forward: &[f64]) -> Option<Vec<f64>> {
        use Correction::None as Uncorrected;
        use Estimate::{Exact, K1, K2, K3};
        use Placement::{Both, Loss, Reward};
        let one = length == 1 || self.level == Level::Sequence;
        let reverse = || Some(reverse.to_vec());
        match (self.estimate, self.placement, self.correction) {
            // a log ratio is additive over tokens, so the level does not matter
            (K1, Reward, _) | (Exact, Both, _) => reverse(),
            (K1, Loss, Uncorrected) => Some(vec![0.0; forward.len()]),
            (K2, Loss, Uncorrected) | (K1 | K3, Loss, _) if one => match (self.estimate, self.correction) {
                (K3, Uncorrected) => Some(forward.to_vec()),
                _ => reverse(),
            },
            (K3, Reward, _) if one => Some(reverse()?.iter().zip(forward).map(|(r, f)| r - f).collect()),
            (Exact, Loss, _) if length == 1 => reverse(),
            (Exact, Reward, _) if length == 1 => Some(vec![0.0; forward.len()]),
            _ => None,
        }
    }
}

/// The three policies of one setting.
#[derive(Debug)]
pub(super) struct Spaces {
    pub(super) policy: Space,
    pub(super) reference: Space,
    /// The policy that drew the outputs.
    pub(super) sampler: Space,
    /// ε of ratios.
    pub(super) clip: f64,
}

/// Log-probabilities of one output's tokens (or of the output as one token) under the three policies.
struct Chosen {
    new: Vec<f64>,
    old: Vec<f64>,
    reference: Vec<f64>,
}

impl Spaces {
    /// ∇KL(`π_ref`‖π) = −Σ `π_ref(y)` ∇ log π(y), as weights on logits.
    pub(super) fn forward_gradient(&self) -> Vec<f64> {
        let chances: Vec<f64> = self.reference.outputs.iter().map(|lp| lp.exp()).collect();
        self.policy.moments(&chances, |y, w| self.policy.path(y).iter().for_each(|c| w[*c] = -1.0)).mean
    }

    /// Mean and second moment of an estimator's gradient from one output of the sampling policy.
    pub(super) fn moments(&self, estimator: Estimator) -> Moments {
        let chances: Vec<f64> = self.sampler.outputs.iter().map(|lp| lp.exp()).collect();
        self.policy.moments(&chances, |y, weights| {
            let path = self.policy.path(y);
            if estimator.estimate == Estimate::Exact {
                self.exact(estimator, path, weights);
                return;
            }
            let chosen = self.chosen(y, estimator.level);
            let of = sampled(estimator, &chosen, self.clip);
            for (t, c) in path.iter().enumerate() {
                weights[*c] += of[t.min(of.len() - 1)];
            }
        })
    }

    fn chosen(&self, y: usize, level: Level) -> Chosen {
        let of = |space: &Space| match level {
            Level::Token => space.path(y).iter().map(|c| space.log_probs[*c]).collect(),
            Level::Sequence => vec![space.outputs[y]],
        };
        Chosen { new: of(&self.policy), old: of(&self.sampler), reference: of(&self.reference) }
    }

    /// The KL of each context's distribution: in the reward that of the contexts *after* a token, by the sampling policy; in
    /// the loss that of every context passed.
    fn exact(&self, estimator: Estimator, path: &[usize], weights: &mut [f64]) {
        let vocab = self.policy.tree.vocab;
        let row = |space: &Space, cell: usize| space.log_probs[cell / vocab * vocab..][..vocab].to_vec();
        if estimator.placement != Placement::Reward {
            for &cell in path {
                let at = cell / vocab * vocab;
                let reference = row(&self.reference, cell);
                kl_loss(&row(&self.policy, cell), &reference, 1.0, &mut weights[at..at + vocab]);
            }
        }
        if estimator.placement != Placement::Loss {
            let of =
                |c: &usize| kl_loss(&row(&self.sampler, *c), &row(&self.reference, *c), 0.0, &mut vec![0.0; vocab]);
            let mut to_go: Vec<f64> = path.iter().map(of).collect();
            to_go.remove(0);
            to_go.push(0.0);
            suffix_sums(&mut to_go);
            let at = |space: &Space| path.iter().map(|c| space.log_probs[*c]).collect::<Vec<_>>();
            let of = through_reward(&at(&self.policy), &at(&self.sampler), &to_go, estimator.correction, self.clip);
            path.iter().zip(of).for_each(|(c, w)| weights[*c] += w);
        }
    }
}

/// The weights of k1, k2 or k3 on the tokens of one output.
fn sampled(estimator: Estimator, chosen: &Chosen, clip: f64) -> Vec<f64> {
    let Chosen { new, old, reference } = chosen;
    let n = new.len();
    let mut weights = vec![0.0; n];
    if estimator.placement == Placement::Reward {
        let mut penalties = vec![0.0; n];
        // the penalty is what the sampling policy's log-probs say, a constant
        kl_penalised_token_rewards(old, reference, &[n], &[0.0], 1.0, estimator.estimate.function(), &mut penalties);
        penalties.iter_mut().for_each(|p| *p = -*p);
        suffix_sums(&mut penalties);
        return through_reward(new, old, &penalties, estimator.correction, clip);
    }
    // a sum over tokens, as the KL of a sequence is: the losses are means
    let scale = n as f64;
    match (estimator.correction, estimator.estimate) {
        (Correction::None, Estimate::K1) => k1_loss(new, reference, scale, &mut weights),
        (Correction::None, Estimate::K2) => k2_loss(new, reference, scale, &mut weights),
        (Correction::None, _) => k3_loss(new, reference, scale, &mut weights),
        (correction, estimate) => {
            let clip = if correction == Correction::Clipped { clip } else { f64::INFINITY };
            let loss = match estimate {
                Estimate::K1 => corrected_k1_loss,
                Estimate::K2 => corrected_k2_loss,
                _ => corrected_k3_loss,
            };
            loss(new, old, reference, clip, scale, &mut weights)
        }
    };
    weights
}

/// The gradient of what a penalty in the reward descends: minus PPO's surrogate, whose advantages are minus the penalties
/// to go; without a ratio, plain REINFORCE.
fn through_reward(new: &[f64], old: &[f64], to_go: &[f64], correction: Correction, clip: f64) -> Vec<f64> {
    if correction == Correction::None {
        return to_go.to_vec();
    }
    let clip = if correction == Correction::Clipped { clip } else { f64::INFINITY };
    let advantages: Vec<f64> = to_go.iter().map(|p| -p).collect();
    let mut weights = vec![0.0; new.len()];
    ppo_clip_objective(new, old, &advantages, clip, -1.0, &mut weights);
    weights
}

fn suffix_sums(values: &mut [f64]) {
    for t in (1..values.len()).rev() {
        values[t - 1] += values[t];
    }
}

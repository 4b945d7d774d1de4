//! The parameters of the controlled experiment on text: defaults and legal ranges.

use super::super::relabelled::check_relabelling;
use rewardlab::env::text::CLASSES;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Profile;
use serde::{Deserialize, Serialize};

/// Everything that changes the numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Width of the residual stream, a multiple of `heads`; 8 to 512.
    pub(super) width: usize,
    /// Transformer blocks; 1 to 12.
    pub(super) layers: usize,
    /// Attention heads; 1 to 16.
    pub(super) heads: usize,
    /// Standard deviation of the initial weights; positive.
    pub(super) init_std: f64,
    /// Sentence pairs, all for training; 20 to 100 000.
    pub(super) inputs: usize,
    /// m, labels in the set of a class, itself included; 2 to 5.
    pub(super) labels_per_set: usize,
    /// Share of inputs that are relabelled; more than 0, at most 0.5, at least one input.
    pub(super) relabelled_share: f64,
    /// Reward of a wrong label of a relabelled input in the high variant; from −1 to below 1.
    pub(super) high_reward: f64,
    /// Inputs per step, 1 to `inputs`.
    pub(super) batch: usize,
    /// Passes over the inputs in pretraining; at least 1.
    pub(super) pretrain_epochs: usize,
    /// Peak learning rate of pretraining (Adam, warm-up over a twentieth of the steps, cosine to zero); positive.
    pub(super) pretrain: f64,
    /// Passes over the inputs in finetuning; at least 1.
    pub(super) epochs: usize,
    /// Adam's learning rate in finetuning; positive.
    pub(super) adam: f64,
    /// SGD's learning rate in finetuning; positive.
    pub(super) sgd: f64,
    /// Evaluations per factor 10 of epochs, 1 to 20.
    pub(super) evaluations_per_decade: usize,
}

impl Params {
    /// The defaults of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        let paper = Self {
            width: 32,
            layers: 2,
            heads: 4,
            init_std: 0.02,
            inputs: 300,
            labels_per_set: 3,
            relabelled_share: 0.1,
            high_reward: 0.5,
            batch: 30,
            pretrain_epochs: 250,
            pretrain: 3e-3,
            epochs: 300,
            adam: 3e-4,
            sgd: 1e-2,
            evaluations_per_decade: 5,
        };
        match profile {
            Profile::Paper => paper,
            Profile::Smoke => Self {
                width: 16,
                layers: 1,
                heads: 2,
                inputs: 60,
                batch: 15,
                pretrain_epochs: 150,
                pretrain: 1e-2,
                epochs: 60,
                adam: 3e-3,
                sgd: 2e-2,
                evaluations_per_decade: 3,
                ..paper
            },
        }
    }

    /// Checks every range.
    pub(super) fn validate(&self) -> Result<()> {
        let p = self;
        Error::check_counts(&[
            ("width", p.width, 8, 512),
            ("layers", p.layers, 1, 12),
            ("heads", p.heads, 1, 16),
            ("inputs", p.inputs, 20, 100_000),
            ("labels_per_set", p.labels_per_set, 2, CLASSES - 1),
            ("batch", p.batch, 1, p.inputs),
            ("pretrain_epochs", p.pretrain_epochs, 1, 1_000_000),
            ("epochs", p.epochs, 1, 1_000_000),
            ("evaluations_per_decade", p.evaluations_per_decade, 1, 20),
        ])?;
        if !p.width.is_multiple_of(p.heads) {
            return Err(Error::parameter("width", p.width, format!("a multiple of heads = {}", p.heads)));
        }
        Error::check_positive(&[("init_std", p.init_std), ("pretrain", p.pretrain), ("adam", p.adam), ("sgd", p.sgd)])?;
        check_relabelling(p.relabelled_share, p.relabelled(), p.high_reward)
    }

    /// How many inputs are relabelled.
    pub(super) fn relabelled(&self) -> usize {
        (self.relabelled_share * self.inputs as f64).round() as usize
    }

    /// Steps of an epoch over `inputs` inputs.
    pub(super) fn steps(&self, inputs: usize) -> usize {
        inputs.div_ceil(self.batch)
    }
}

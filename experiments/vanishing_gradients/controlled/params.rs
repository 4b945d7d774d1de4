//! The parameters of the controlled experiments: defaults and legal ranges.

use super::super::relabelled::check_relabelling;
use super::task::{CLASSES, images};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Profile;
use serde::{Deserialize, Serialize};

/// Everything that changes the numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Folder with `train-images-idx3-ubyte`, … (MNIST, Fashion-MNIST; with or without .gz); empty: the embedded images.
    pub(super) data: String,
    /// Training images, 20 to what there is; a random subset when there are more.
    pub(super) train_size: usize,
    /// Test images, 1 to what there is.
    pub(super) test_size: usize,
    /// m, labels in the set of a class, itself included; 2 to 9.
    pub(super) labels_per_set: usize,
    /// Share of training inputs that are relabelled; more than 0, at most 0.5, at least one input.
    pub(super) relabelled_share: f64,
    /// Reward of a wrong label of a relabelled input in the high variant; from −1 to below 1.
    pub(super) high_reward: f64,
    /// Inputs per step, 1 to `train_size`.
    pub(super) batch: usize,
    /// Passes over the inputs in pretraining; at least 1.
    pub(super) pretrain_epochs: usize,
    /// Passes over the inputs in finetuning; at least 1.
    pub(super) epochs: usize,
    /// Passes of SFT before RFT in the warm control; at least 1.
    pub(super) warm_epochs: usize,
    /// Finetuning passes of the controls (labels inside the set; after some SFT); at least 1.
    pub(super) control_epochs: usize,
    /// Evaluations per factor 10 of epochs, 1 to 20.
    pub(super) evaluations_per_decade: usize,
    /// The model without sharing.
    pub(super) tabular: TabularParams,
    /// Softmax regression on random ReLU features.
    pub(super) log_linear: LogLinearParams,
    /// The paper's network.
    pub(super) mlp: MlpParams,
}

impl Params {
    /// The defaults of a profile.
    pub(super) fn of(profile: Profile) -> Self {
        let paper = Self {
            data: String::new(),
            train_size: 1000,
            test_size: 1000,
            labels_per_set: 5,
            relabelled_share: 0.1,
            high_reward: 0.5,
            batch: 512,
            pretrain_epochs: 1000,
            epochs: 5000,
            warm_epochs: 250,
            control_epochs: 2000,
            evaluations_per_decade: 5,
            tabular: TabularParams { outside_probability: 1e-4, adam: 1e-2, sgd: 10.24 },
            log_linear: LogLinearParams { features: 2000, pretrain: 3e-2, adam: 1e-2, sgd: 10.0 },
            mlp: MlpParams { hidden: vec![250, 100], pretrain: 1e-4, adam: 1e-4, sgd: 1e-2 },
        };
        match profile {
            Profile::Paper => paper,
            Profile::Smoke => Self {
                train_size: 200,
                test_size: 200,
                batch: 50,
                pretrain_epochs: 150,
                epochs: 300,
                warm_epochs: 40,
                control_epochs: 150,
                tabular: TabularParams { outside_probability: 1e-4, adam: 2e-2, sgd: 33.0 },
                log_linear: LogLinearParams { features: 600, pretrain: 1e-1, adam: 5e-2, sgd: 30.0 },
                mlp: MlpParams { hidden: vec![64, 32], pretrain: 1e-3, adam: 1e-3, sgd: 1e-1 },
                ..paper
            },
        }
    }

    /// Checks every range, and that the images are there and well formed.
    pub(super) fn validate(&self) -> Result<()> {
        let p = self;
        images(p)?;
        Error::check_counts(&[
            ("labels_per_set", p.labels_per_set, 2, CLASSES - 1),
            ("batch", p.batch, 1, p.train_size),
            ("pretrain_epochs", p.pretrain_epochs, 1, 10_000_000),
            ("epochs", p.epochs, 1, 10_000_000),
            ("warm_epochs", p.warm_epochs, 1, 10_000_000),
            ("control_epochs", p.control_epochs, 1, 10_000_000),
            ("evaluations_per_decade", p.evaluations_per_decade, 1, 20),
            ("log_linear.features", p.log_linear.features, 1, 100_000),
            ("mlp.hidden (smallest)", p.mlp.hidden.iter().copied().min().unwrap_or(1), 1, 100_000),
            ("mlp.hidden (largest)", p.mlp.hidden.iter().copied().max().unwrap_or(1), 1, 100_000),
        ])?;
        Error::check_positive(&[
            ("tabular.adam", p.tabular.adam),
            ("tabular.sgd", p.tabular.sgd),
            ("log_linear.pretrain", p.log_linear.pretrain),
            ("log_linear.adam", p.log_linear.adam),
            ("log_linear.sgd", p.log_linear.sgd),
            ("mlp.pretrain", p.mlp.pretrain),
            ("mlp.adam", p.mlp.adam),
            ("mlp.sgd", p.mlp.sgd),
        ])?;
        check_relabelling(p.relabelled_share, p.relabelled(), p.high_reward)?;
        let outside = p.tabular.outside_probability;
        if !(outside > 0.0 && outside < 1.0 / CLASSES as f64) {
            return Err(Error::parameter("tabular.outside_probability", outside, "more than 0, below 1/10"));
        }
        Ok(())
    }

    /// How many inputs are relabelled.
    pub(super) fn relabelled(&self) -> usize {
        (self.relabelled_share * self.train_size as f64).round() as usize
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TabularParams {
    /// Probability of each label outside the set after pretraining; more than 0, below 1/10.
    pub(super) outside_probability: f64,
    /// Adam's learning rate in finetuning; positive.
    pub(super) adam: f64,
    /// SGD's learning rate in finetuning; positive.
    pub(super) sgd: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogLinearParams {
    /// Number of random features; at least 1.
    pub(super) features: usize,
    /// Adam's learning rate in pretraining; positive.
    pub(super) pretrain: f64,
    /// Adam's learning rate in finetuning; positive.
    pub(super) adam: f64,
    /// SGD's learning rate in finetuning; positive.
    pub(super) sgd: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MlpParams {
    /// Widths of the hidden layers; each at least 1.
    pub(super) hidden: Vec<usize>,
    /// Adam's learning rate in pretraining; positive.
    pub(super) pretrain: f64,
    /// Adam's learning rate in finetuning; positive.
    pub(super) adam: f64,
    /// SGD's learning rate in finetuning; positive.
    pub(super) sgd: f64,
}

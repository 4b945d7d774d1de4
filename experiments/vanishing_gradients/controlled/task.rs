//! The bandit of the controlled experiments: images are contexts, classes are outputs, one output is rewarded.

use super::super::relabelled::{Relabel, label_sets, relabelled, rewards};
use super::Params;
use crate::data::fashion_mnist;
use rewardlab::env::{Images, Split, World};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Outputs: the classes of MNIST and of Fashion-MNIST.
pub(super) const CLASSES: usize = 10;

/// Training and test images, from the folder of the parameters or the embedded ones.
pub(super) fn images(params: &Params) -> Result<[Images; 2]> {
    let read = |split| match params.data.as_str() {
        "" => fashion_mnist(split),
        folder => Images::load(Path::new(folder), split, CLASSES),
    };
    let both = [read(Split::Train)?, read(Split::Test)?];
    let sizes = [("train_size", params.train_size, 20), ("test_size", params.test_size, 1)];
    for ((name, size, least), images) in sizes.into_iter().zip(&both) {
        if !(least..=images.len()).contains(&size) {
            return Err(Error::parameter(name, size, format!("{least} to the {} images there are", images.len())));
        }
    }
    let pixels = both.each_ref().map(Images::pixels_per_image);
    Error::check_shape("pixels of a test image", pixels[0], pixels[1])?;
    Ok(both)
}

/// Everything about one seed's problem that models, objectives and optimisers share.
#[derive(Debug)]
pub(super) struct Task {
    /// Training inputs, `train_size × pixels`: standardised by the mean and the std of all their pixels.
    pub(super) inputs: Arc<[f64]>,
    /// Test inputs, standardised by the same two numbers.
    pub(super) test_inputs: Arc<[f64]>,
    /// Classes of the test images.
    pub(super) test_classes: Vec<usize>,
    /// Classes of the training images.
    pub(super) classes: Vec<usize>,
    /// The label set of each class as a distribution, `CLASSES × CLASSES`: uniform on the set.
    pub(super) sets: Vec<f64>,
    /// The finetuning label of each training image.
    pub(super) targets: Vec<usize>,
    /// Training images that kept their class, and those that were relabelled.
    pub(super) groups: [Vec<usize>; 2],
    /// SHA-256 of the training images: what pretraining depends on beside the parameters.
    pub(super) digest: String,
}

impl Task {
    /// The problem of this seed: which images (when there are more than asked for), label sets, relabelled inputs.
    pub(super) fn draw(params: &Params, relabel: Relabel, ctx: &Context) -> Result<Self> {
        let [train, test] = images(params)?;
        let choose = |images: &Images, size: usize, purpose: &str| {
            let mut chosen = ctx.shared_stream(purpose).permutation(images.len());
            chosen.truncate(size);
            chosen
        };
        let chosen = choose(&train, params.train_size, "training images");
        let test_chosen = choose(&test, params.test_size, "test images");
        let classes: Vec<usize> = chosen.iter().map(|&i| train.label(i)).collect();
        let (mut inputs, mut test_inputs) = (train.scaled(&chosen), test.scaled(&test_chosen));
        let digest = Sha256::new()
            .chain_update(bytes_of(&inputs))
            .chain_update(bytes_of(&classes.iter().map(|&c| c as f64).collect::<Vec<_>>()));
        standardise(&mut inputs, &mut test_inputs)?;
        let sets = label_sets(CLASSES, params.labels_per_set, &mut ctx.shared_stream("label sets"));
        let count = params.relabelled();
        let (targets, groups) = relabelled(&classes, &sets, count, relabel, &mut ctx.shared_stream("relabelling"));
        Ok(Self {
            inputs: inputs.into(),
            test_inputs: test_inputs.into(),
            test_classes: test_chosen.iter().map(|&i| test.label(i)).collect(),
            classes,
            sets,
            targets,
            groups,
            digest: format!("{:?}", digest.finalize()),
        })
    }

    /// +1 for the finetuning label and −1 for every other; with `wrong` given, that instead of −1 on relabelled inputs.
    pub(super) fn world(&self, wrong: Option<f64>) -> Result<World> {
        World::bandit(CLASSES, rewards(CLASSES, &self.targets, &self.groups[1], wrong))
    }

    /// The pretraining target of one input: uniform on the label set of its class.
    pub(super) fn set_of(&self, input: usize) -> &[f64] {
        &self.sets[self.classes[input] * CLASSES..][..CLASSES]
    }
}

fn bytes_of(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Subtracts the mean of all training pixels and divides by their std, in both sets.
fn standardise(train: &mut [f64], test: &mut [f64]) -> Result<()> {
    let n = train.len() as f64;
    let mean = train.iter().sum::<f64>() / n;
    let std = (train.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
    if std == 0.0 {
        return Err(Error::Numeric(format!("all pixels of the chosen training images are {mean}: nothing to learn")));
    }
    train.iter_mut().chain(test).for_each(|v| *v = (*v - mean) / std);
    Ok(())
}

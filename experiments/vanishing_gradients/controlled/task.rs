//! The bandit of the controlled experiments: images are contexts, classes are outputs, one output is rewarded.

use super::Params;
use crate::data::fashion_mnist;
use rewardlab::env::{Images, Split, World};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::Context;
use rewardlab::rng::Stream;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Outputs: the classes of MNIST and of Fashion-MNIST.
pub(super) const CLASSES: usize = 10;

/// Where the finetuning labels of the relabelled inputs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relabel {
    /// Outside the label set of pretraining: the reward std is small there.
    Outside,
    /// Another label of the set (control): the reward std stays large.
    Inside,
}

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
        let sets = label_sets(params.labels_per_set, &mut ctx.shared_stream("label sets"));
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
        let mut rewards = vec![-1.0; self.targets.len() * CLASSES];
        for &i in &self.groups[1] {
            rewards[i * CLASSES..][..CLASSES].fill(wrong.unwrap_or(-1.0));
        }
        self.targets.iter().enumerate().for_each(|(i, t)| rewards[i * CLASSES + t] = 1.0);
        World::bandit(CLASSES, rewards)
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

/// For every class a set of `size` labels: the class itself and others at random.
fn label_sets(size: usize, rng: &mut Stream) -> Vec<f64> {
    let mut sets = vec![0.0; CLASSES * CLASSES];
    for (class, row) in sets.chunks_exact_mut(CLASSES).enumerate() {
        let others = rng.permutation(CLASSES).into_iter().filter(|&c| c != class);
        std::iter::once(class).chain(others).take(size).for_each(|c| row[c] = 1.0 / size as f64);
    }
    sets
}

/// Targets and the two groups: exactly `count` inputs, unstratified, get a random label outside (or inside) their set.
fn relabelled(
    classes: &[usize],
    sets: &[f64],
    count: usize,
    relabel: Relabel,
    rng: &mut Stream,
) -> (Vec<usize>, [Vec<usize>; 2]) {
    let order = rng.permutation(classes.len());
    let (mut small, mut large) = (order[..count].to_vec(), order[count..].to_vec());
    small.sort_unstable();
    large.sort_unstable();
    let mut targets = classes.to_vec();
    for &i in &small {
        let set = &sets[classes[i] * CLASSES..][..CLASSES];
        let eligible: Vec<usize> = (0..CLASSES)
            .filter(|&c| match relabel {
                Relabel::Outside => set[c] == 0.0,
                Relabel::Inside => set[c] > 0.0 && c != classes[i],
            })
            .collect();
        targets[i] = eligible[rng.below(eligible.len())];
    }
    (targets, [large, small])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_sets_hold_their_class_and_have_their_size() {
        let sets = label_sets(4, &mut Stream::named(&["test"]));
        for (class, set) in sets.chunks_exact(CLASSES).enumerate() {
            assert_eq!(set.iter().filter(|&&p| p > 0.0).count(), 4);
            assert!((set.iter().sum::<f64>() - 1.0).abs() < 1e-15 && set[class] > 0.0);
        }
    }

    #[test]
    fn relabelling_is_exact_in_number_and_on_the_asked_side_of_the_set() {
        let classes: Vec<usize> = (0..57).map(|i| i % CLASSES).collect();
        let sets = label_sets(5, &mut Stream::named(&["test"]));
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
}

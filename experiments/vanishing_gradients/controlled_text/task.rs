//! One seed's problem: sentence pairs, label sets, finetuning labels.

use super::super::relabelled::{Relabel, label_sets, relabelled, rewards};
use super::Params;
use rewardlab::env::Split;
use rewardlab::env::text::{CLASSES, Pair};
use rewardlab::experiment::Context;

/// What pretraining, objectives and measurements share.
#[derive(Debug)]
pub(super) struct Task {
    /// The sentence pairs.
    pub(super) sequences: Vec<Vec<u32>>,
    /// Their classes.
    pub(super) classes: Vec<usize>,
    /// The label set of each class as a distribution, classes × classes.
    sets: Vec<f64>,
    /// The finetuning label of each pair.
    pub(super) targets: Vec<usize>,
    /// Pairs that kept their class, and those that were relabelled.
    pub(super) groups: [Vec<usize>; 2],
}

impl Task {
    /// The problem of this seed; the same pairs and sets for all cells.
    pub(super) fn draw(p: &Params, relabel: Relabel, ctx: &Context) -> Self {
        let mut rng = ctx.shared_stream("sentence pairs");
        let (sequences, classes): (Vec<_>, Vec<_>) = (0..p.inputs)
            .map(|_| {
                let pair = Pair::draw(Split::Train, &mut rng);
                (pair.tokens, pair.class)
            })
            .unzip();
        let sets = label_sets(CLASSES, p.labels_per_set, &mut ctx.shared_stream("label sets"));
        let mut rng = ctx.shared_stream("relabelling");
        let (targets, groups) = relabelled(&classes, &sets, p.relabelled(), relabel, &mut rng);
        Self { sequences, classes, sets, targets, groups }
    }

    /// The longest sequence.
    pub(super) fn context(&self) -> usize {
        self.sequences.iter().map(Vec::len).max().unwrap_or(1)
    }

    /// The pretraining target of one input: uniform on the label set of its class.
    pub(super) fn set_of(&self, input: usize) -> &[f64] {
        &self.sets[self.classes[input] * CLASSES..][..CLASSES]
    }

    /// inputs × classes: +1 for the finetuning label, −1 for others; `wrong` for those of relabelled inputs, if given.
    pub(super) fn rewards(&self, wrong: Option<f64>) -> Vec<f64> {
        rewards(CLASSES, &self.targets, &self.groups[1], wrong)
    }
}

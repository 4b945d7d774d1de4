//! One finetuning run and what is measured on the way.

use super::super::relabelled::{accuracy, mean_and_std, schedule};
use super::model::{Classifier, Optimizer, config};
use super::task::Task;
use super::{Cell, Params, Row, Variant};
use crate::statistics::worse;
use rewardlab::env::text::CLASSES;
use rewardlab::error::{Error, Result};
use rewardlab::lm::{AdamW, Sgd, clip_gradient};
use rewardlab::objective::{expected_reward_objective, nll_loss};
use rewardlab::rng::Stream;

/// Inputs per group on which RFT's gradient is compared with SFT's, one by one.
const COMPARED: usize = 50;

/// A run so far.
pub(super) struct Run<'a> {
    cell: Cell,
    task: &'a Task,
    model: Classifier,
    optimizer: Optimizer,
    learning_rate: f64,
    /// The rewards that are read, with their names; RFT ascends the first.
    rewards: Vec<(&'static str, Vec<f64>)>,
    rows: Vec<Row>,
}

/// The loss of one method, in the form that [`Classifier::gradient`] takes.
fn loss<'a>(rft: bool, targets: &'a [usize], rewards: &'a [f64]) -> impl FnMut(usize, &[f64], f64, &mut [f64]) + 'a {
    move |i, log_probs, scale, weights| {
        if rft {
            expected_reward_objective(log_probs, &rewards[i * CLASSES..][..CLASSES], -scale, weights);
        } else {
            nll_loss(log_probs, targets[i], scale, weights);
        }
    }
}

impl<'a> Run<'a> {
    /// A run from these weights, with a fresh optimiser.
    pub(super) fn new(p: &Params, cell: Cell, task: &'a Task, start: Vec<f32>) -> Result<Self> {
        let (optimizer, learning_rate) = if cell.adam {
            (Optimizer::Adam(AdamW::new(start.len(), 0.0)?), p.adam)
        } else {
            (Optimizer::Sgd(Sgd { weight_decay: 0.0 }), p.sgd)
        };
        let (normal, high) = (("normal", task.rewards(None)), ("high", task.rewards(Some(p.high_reward))));
        let rewards = match (cell.rft, cell.variant) {
            (false, Variant::Normal) => vec![normal, high],
            (true, Variant::High) => vec![high],
            _ => vec![normal],
        };
        let model = Classifier::new(&config(p, task.context()), start)?;
        Ok(Self { cell, task, model, optimizer, learning_rate, rewards, rows: Vec::new() })
    }

    /// Passes over the inputs in random minibatches, with measurements before the scheduled epochs and after the last.
    pub(super) fn finetune(mut self, p: &Params, order: &mut Stream) -> Result<Vec<Row>> {
        let inputs = if self.cell.variant.is_alone() {
            self.task.groups[1].clone()
        } else {
            (0..self.task.targets.len()).collect()
        };
        let schedule = schedule(p.epochs, p.evaluations_per_decade);
        for epoch in 0..=p.epochs {
            if schedule.contains(&epoch) {
                self.evaluate(epoch)?;
            }
            if epoch < p.epochs {
                let epoch: Vec<usize> = order.permutation(inputs.len()).into_iter().map(|i| inputs[i]).collect();
                for batch in epoch.chunks(p.batch) {
                    let loss = loss(self.cell.rft, &self.task.targets, &self.rewards[0].1);
                    self.model.gradient(&self.task.sequences, batch, loss)?;
                    self.model.step(&mut self.optimizer, self.learning_rate)?;
                }
            }
        }
        Ok(self.rows)
    }

    /// Adds the rows of the groups at this epoch.
    fn evaluate(&mut self, epoch: usize) -> Result<()> {
        let task = self.task;
        for (name, group) in ["large", "small"].into_iter().zip(&task.groups) {
            if name == "large" && self.cell.variant.is_alone() {
                continue;
            }
            let identity_error =
                (epoch == 0 && self.cell.is_compared()).then(|| self.identity_error(group)).transpose()?;
            let loss = loss(self.cell.rft, &task.targets, &self.rewards[0].1);
            self.model.gradient(&task.sequences, group, loss)?;
            let grad_norm = clip_gradient(&mut self.model.grad, f64::INFINITY)?;
            let log_probs = &self.model.log_probs;
            let own = group.iter().zip(log_probs.chunks_exact(CLASSES)).map(|(&i, lp)| lp[task.classes[i]].exp());
            let own_probability = own.sum::<f64>() / group.len() as f64;
            for (reward, rewards) in &self.rewards {
                let of_input = group.iter().map(|&i| &rewards[i * CLASSES..][..CLASSES]);
                let (reward_mean, reward_std) = mean_and_std(log_probs, of_input);
                Error::check_finite("mean reward", &[reward_mean])?;
                self.rows.push(Row {
                    epoch,
                    group: name.into(),
                    reward: (*reward).into(),
                    reward_mean,
                    reward_std,
                    accuracy: accuracy(log_probs, group.iter().map(|&i| task.targets[i])),
                    own_probability,
                    grad_norm,
                    grad_share: grad_norm / norm(&self.model.params),
                    identity_error,
                });
            }
        }
        Ok(())
    }

    /// ∇V(x) = (`r_right` − `r_wrong`) p ∇log p(right): 2p in the normal and p/2 in the high variant (for small-std inputs).
    /// The largest ‖difference‖ / ‖∇V‖ over some of the group's inputs, each gradient by its own backward pass.
    fn identity_error(&mut self, group: &[usize]) -> Result<f64> {
        let (task, rewards) = (self.task, &self.rewards[0].1);
        let mut worst = 0.0_f64;
        for &i in group.iter().take(COMPARED) {
            let right = task.targets[i];
            self.model.gradient(&task.sequences, &[i], loss(true, &task.targets, rewards))?;
            let (rft, p) = (self.model.grad.clone(), self.model.log_probs[right].exp());
            self.model.gradient(&task.sequences, &[i], loss(false, &task.targets, rewards))?;
            let factor = (1.0 - rewards[i * CLASSES + (right + 1) % CLASSES]) * p;
            let difference: Vec<f32> = rft
                .iter()
                .zip(&self.model.grad)
                .map(|(v, s)| (f64::from(*v) - factor * f64::from(*s)) as f32)
                .collect();
            worst = worse(worst, norm(&difference) / norm(&rft));
        }
        Ok(worst)
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

//! Pretraining and finetuning of a policy on a [`TaskWorld`], with exact full-batch gradients: no sampling noise, so
//! what does not move does not move for want of gradient, not of exploration.

use super::factored::Factored;
use super::tasks::{Setup, Task, TaskWorld};
use rewardlab::algorithm::{Adam, Learner, Optimizer, Sgd};
use rewardlab::error::Result;
use rewardlab::exact::{Engine, PromptStats};
use rewardlab::experiment::Context;
use rewardlab::objective::{expected_reward_objective, nll_loss, soft_cross_entropy_loss};
use rewardlab::policy::{Policy, Tabular};
use rewardlab::stats::mean;

/// A task drawn at the context's seed, the same for all cells of an experiment, with its pretrained policy (a stage).
///
/// # Errors
/// Pretraining that diverges; a stage folder that cannot be used.
pub(crate) fn shared_task(setup: &Setup, task: &Task, ctx: &Context) -> Result<(TaskWorld, Factored)> {
    let world = TaskWorld::draw(setup, task, 0, &mut ctx.shared_stream("task"))?;
    let params = ctx.stage("pretrained", &(setup, task), |_| Ok(pretrain(setup, &world)?.params().to_vec()))?;
    let policy = world.blank_policy().at(&params);
    Ok((world, policy))
}

/// Fits the pretraining distributions of all prompts, test prompts included (they carry no label), by Adam on the
/// exact cross-entropy. The learning rate falls linearly to zero, so that the fit is settled when it stops.
///
/// # Errors
/// Training that diverges.
pub(crate) fn pretrain(setup: &Setup, world: &TaskWorld) -> Result<Factored> {
    let policy = world.blank_policy();
    let contexts: Vec<usize> = (0..policy.contexts()).collect();
    let optimizer = Adam::new(setup.pretrain_learning_rate, policy.params().len())?;
    let mut learner = Learner::new(policy, optimizer);
    for step in 0..setup.pretrain_steps {
        let left = 1.0 - step as f64 / setup.pretrain_steps as f64;
        learner.optimizer.learning_rate = setup.pretrain_learning_rate * left;
        learner.step(&contexts, |c, log_probs, weights| {
            -soft_cross_entropy_loss(log_probs, world.prior(c), -1.0, weights)
        })?;
    }
    Ok(learner.policy)
}

/// Supervised finetuning: `steps` of descent on the mean NLL of the labelled outputs of `prompts`.
///
/// # Errors
/// Training that diverges.
pub(crate) fn sft<P: Policy, O: Optimizer>(
    policy: P,
    optimizer: O,
    world: &TaskWorld,
    prompts: &[usize],
    steps: usize,
) -> Result<P> {
    let mut learner = Learner::new(policy, optimizer);
    for _ in 0..if prompts.is_empty() { 0 } else { steps } {
        learner.step(prompts, |c, log_probs, weights| -nll_loss(log_probs, world.labels[c], -1.0, weights))?;
    }
    Ok(learner.policy)
}

/// Reinforcement finetuning: `steps` of ascent on the exact mean expected reward of the training prompts.
///
/// # Errors
/// Training that diverges.
pub(crate) fn rft<P: Policy, O: Optimizer>(policy: P, optimizer: O, world: &TaskWorld, steps: usize) -> Result<P> {
    rft_on(policy, optimizer, world, steps, expected_reward_objective)
}

/// As [`rft`], with another objective: it gets a prompt's log-probabilities and rewards, a scale, and the weights.
///
/// # Errors
/// Training that diverges.
pub(crate) fn rft_on<P: Policy, O: Optimizer>(
    policy: P,
    optimizer: O,
    world: &TaskWorld,
    steps: usize,
    objective: impl Fn(&[f64], &[f64], f64, &mut [f64]) -> f64,
) -> Result<P> {
    let prompts = world.training();
    let mut learner = Learner::new(policy, optimizer);
    for _ in 0..steps {
        learner.step(&prompts, |c, log_probs, weights| objective(log_probs, world.world.rewards(c), 1.0, weights))?;
    }
    Ok(learner.policy)
}

/// The tabular policy that starts as `policy` on the training prompts: one logit per prompt and output, nothing shared.
pub(crate) fn tabular(policy: &mut impl Policy, world: &TaskWorld) -> Tabular {
    let prompts = world.training();
    let mut logits = vec![0.0; prompts.len() * policy.vocab()];
    policy.log_probs(&prompts, &mut logits);
    Tabular::from_logits(policy.vocab(), logits)
}

/// Gradient ascent with a learning rate per prompt, for objectives averaged over `prompts` prompts that share nothing.
pub(crate) fn sgd_per_prompt(learning_rate: f64, prompts: usize) -> Sgd {
    Sgd { learning_rate: learning_rate * prompts as f64 }
}

/// A fresh Adam for this policy.
///
/// # Errors
/// A learning rate that is not positive.
pub(crate) fn adam(learning_rate: f64, policy: &impl Policy) -> Result<Adam> {
    Adam::new(learning_rate, policy.params().len())
}

/// Exact mean and standard deviation of the reward of each of `prompts`.
pub(crate) fn stats_of(
    policy: &mut impl Policy,
    world: &TaskWorld,
    prompts: impl IntoIterator<Item = usize>,
) -> Vec<PromptStats> {
    let mut engine = Engine::new(world.world.tree());
    prompts.into_iter().map(|x| engine.stats(policy, &world.world, x)).collect()
}

/// Below this, a pretrained reward standard deviation counts as small (rewards lie in [0, 1]).
const SMALL_STD: f64 = 0.05;

/// Whether an input has a small pretrained reward std although its mean is low: much to gain, little gradient.
pub(crate) fn is_blind(pretrained: &PromptStats) -> bool {
    pretrained.reward_std <= SMALL_STD && pretrained.value < 0.5
}

/// The mean of a quantity over inputs; NaN when there are none.
pub(crate) fn mean_over(inputs: impl IntoIterator<Item = usize>, quantity: impl Fn(usize) -> f64) -> f64 {
    mean(&inputs.into_iter().map(quantity).collect::<Vec<_>>())
}

//! Gradient training of a table of logits on a fixed set of strings, with any of the offline losses.

use super::strings::Params;
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::error::{Error, Result};
use rewardlab::num::{log_softmax_rows, softmax_pullback_rows};
use rewardlab::objective::{
    GeometricSchedule, VTrace, behaviour_kl_loss, gold_loss, oac_loss, token_nll_loss, vmpo_policy_loss,
    vmpo_temperature_loss, vmpo_weights, vtrace,
};
use std::fmt;

/// The losses that Figures 5, 13 and 14 compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Bc,
    Gold,
    Oac,
    Bvmpo,
}

impl Loss {
    pub(crate) const ALL: [Self; 4] = [Self::Bc, Self::Gold, Self::Oac, Self::Bvmpo];
    pub(crate) const OTHERS: [Self; 3] = [Self::Gold, Self::Oac, Self::Bvmpo];

    /// The name in rows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bc => "bc",
            Self::Gold => "gold",
            Self::Oac => "oac",
            Self::Bvmpo => "bvmpo",
        }
    }

    /// The name in words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bc => "BC",
            Self::Gold => "GOLD",
            Self::Oac => "OAC",
            Self::Bvmpo => "BVMPO",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The strings that a loss sees, token by token.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Tokens per string.
    pub(super) lengths: Vec<usize>,
    /// Per token, its row of the table times the vocabulary plus the token.
    pub(super) cells: Vec<usize>,
    /// Per token, 0 but for a string's last one, which has its reward.
    pub(super) rewards: Vec<f64>,
    /// Per token, the critic's value of the prefix before it.
    pub(super) values: Vec<f64>,
    /// Per token, the return to go.
    pub(super) returns: Vec<f64>,
    /// Whether `returns` are the critic's own Q: then Q − V is the advantage, and nothing is left to correct.
    pub(super) exact: bool,
}

/// Trains log-probabilities (`rows × vocab`, normalised) in place; rows that no string of the batch passes stay as they are.
///
/// # Errors
/// A learning rate out of range; a probability that is NaN.
pub(super) fn train(
    loss: Loss,
    vocab: usize,
    table: &mut [f64],
    batch: &Batch,
    learning_rate: f64,
    p: &Params,
) -> Result<()> {
    let mut visited: Vec<usize> = batch.cells.iter().map(|c| c / vocab).collect();
    visited.sort_unstable();
    visited.dedup();
    let row = |r: usize| r * vocab..(r + 1) * vocab;
    // only the rows that move
    let mut logits: Vec<f64> = visited.iter().flat_map(|r| table[row(*r)].to_vec()).collect();
    let place = |c: &usize| visited.binary_search(&(c / vocab)).expect("visited") * vocab + c % vocab;
    let cells: Vec<usize> = batch.cells.iter().map(place).collect();
    let mut learner = Learner::new(loss, batch, p, &logits, &cells, vocab);
    let mut adam = Adam::new(learning_rate, logits.len())?;
    let (mut log_probs, mut tokens) = (logits.clone(), vec![0.0; cells.len()]);
    let (mut on_tokens, mut weights) = (tokens.clone(), logits.clone());
    for step in 0..p.steps {
        log_probs.copy_from_slice(&logits);
        log_softmax_rows(&mut log_probs, vocab);
        tokens.iter_mut().zip(&cells).for_each(|(t, c)| *t = log_probs[*c]);
        on_tokens.fill(0.0);
        weights.fill(0.0);
        learner.descend(step, &tokens, &log_probs, &mut on_tokens, &mut weights);
        cells.iter().zip(&on_tokens).for_each(|(c, w)| weights[*c] += w);
        softmax_pullback_rows(&mut weights, &log_probs, vocab);
        adam.ascend(&mut logits, &weights);
    }
    log_softmax_rows(&mut logits, vocab);
    if logits.iter().any(|lp| lp.is_nan()) {
        return Err(Error::Numeric(format!("{loss} at a learning rate of {learning_rate}: a probability is NaN")));
    }
    for (r, own) in visited.iter().zip(logits.chunks_exact(vocab)) {
        table[row(*r)].copy_from_slice(own);
    }
    Ok(())
}

/// A loss and what it keeps between steps.
struct Learner<'a> {
    loss: Loss,
    batch: &'a Batch,
    p: &'a Params,
    vocab: usize,
    advantages: Vec<f64>,
    /// log π before the first step, of whole rows and of the batch's tokens: the behaviour policy.
    behaviour: Vec<f64>,
    behaviour_tokens: Vec<f64>,
    /// Per row, which share of the batch's tokens is chosen there.
    visits: Vec<f64>,
    lambda: GeometricSchedule,
    eta: f64,
    targets: Vec<f64>,
    psi: Vec<f64>,
}

impl<'a> Learner<'a> {
    fn new(loss: Loss, batch: &'a Batch, p: &'a Params, start: &[f64], cells: &[usize], vocab: usize) -> Self {
        let n = cells.len();
        let mut visits = vec![0.0; start.len() / vocab];
        cells.iter().for_each(|c| visits[c / vocab] += 1.0 / n as f64);
        Self {
            loss,
            batch,
            p,
            vocab,
            advantages: batch.returns.iter().zip(&batch.values).map(|(q, v)| q - v).collect(),
            behaviour: start.to_vec(),
            behaviour_tokens: cells.iter().map(|c| start[*c]).collect(),
            visits,
            lambda: GeometricSchedule::new(p.lambda_from, p.lambda_to, p.steps).expect("checked by validate"),
            eta: p.eta,
            targets: vec![0.0; n],
            psi: vec![0.0; n],
        }
    }

    /// Adds minus the loss's derivative by the log-probabilities of the tokens, and of whole rows where it has one.
    fn descend(&mut self, step: usize, tokens: &[f64], rows: &[f64], on_tokens: &mut [f64], on_rows: &mut [f64]) {
        match self.loss {
            Loss::Bc => token_nll_loss(tokens, -1.0, on_tokens),
            Loss::Gold => gold_loss(tokens, &self.batch.returns, self.p.floor, -1.0, on_tokens),
            Loss::Oac => oac_loss(tokens, &self.advantages, -1.0, on_tokens),
            Loss::Bvmpo => self.bvmpo(step, tokens, rows, on_tokens, on_rows),
        };
    }

    fn bvmpo(&mut self, step: usize, tokens: &[f64], rows: &[f64], on_tokens: &mut [f64], on_rows: &mut [f64]) -> f64 {
        if !self.batch.exact {
            let settings = VTrace { rho_bar: self.p.rho_bar, c_bar: self.p.c_bar, gamma: 1.0 };
            let (batch, both) = (self.batch, [tokens, &self.behaviour_tokens[..]]);
            let (lengths, rewards) = (&batch.lengths, &batch.rewards);
            vtrace(settings, lengths, both, rewards, &batch.values, &mut self.targets, &mut self.advantages);
        }
        vmpo_weights(&self.advantages, self.eta, &mut self.psi);
        let (_, slope) = vmpo_temperature_loss(&self.advantages, self.eta, self.p.epsilon);
        // the slope is in nats whatever the unit of the reward, and a factor keeps η positive
        self.eta = (self.eta * (-self.p.eta_rate * slope).exp()).clamp(1e-6, 1e6);
        let lambda = self.lambda.at(step);
        for (r, visits) in self.visits.iter().enumerate() {
            let own = r * self.vocab..(r + 1) * self.vocab;
            behaviour_kl_loss(&rows[own.clone()], &self.behaviour[own.clone()], -lambda * visits, &mut on_rows[own]);
        }
        vmpo_policy_loss(tokens, &self.psi, -1.0, on_tokens)
    }
}

//! Logistic reward models by maximum likelihood with a Gaussian prior, by L-BFGS: no chance and no learning rate in what a label is worth.
//!
//! Equal steps are computed once, and equal solutions too: the data are counted first.

use crate::algorithm::lbfgs::{Stopping, lbfgs};
use crate::error::{Error, Result};
use crate::num::{log_sigmoid, sigmoid};
use crate::objective::{class_loss, class_of, cross_entropy_loss, outcome_loss, supervised_steps};
use crate::reward::{Affine, ClassModel, Neutral, OutcomeModel, Solutions, StepModel};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Settings of every fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogisticParams {
    /// 1/σ² of the weights' Gaussian prior around zero, in nats of the whole data set; at least 0. Without it weights of what was always
    /// right or always wrong grow until the search stops.
    pub precision: f64,
    /// Whether there is a bias, which has no prior.
    pub bias: bool,
    /// When the search ends; the gradient is that of the mean over labels, in the search's scale. A search that ends above the tolerance has failed.
    pub stopping: Stopping,
}

impl LogisticParams {
    /// A bias, this prior, and a search that ends far beyond what choices by the model show.
    pub fn with_precision(precision: f64) -> Self {
        Self { precision, bias: true, stopping: Stopping { tolerance: 1e-5, steps: 10_000 } }
    }

    /// # Errors
    /// The first setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        Error::check_not_negative(&[("precision", self.precision)])?;
        self.stopping.validate().map_err(|e| e.within("stopping"))
    }

    /// Half the precision times the squared weights, over `labels`: added to a mean loss over so many labels.
    fn penalty(&self, labels: f64, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let scale = self.precision / labels.max(1.0);
        gradient.iter_mut().zip(weights).for_each(|(g, w)| *g += scale * w);
        0.5 * scale * weights.iter().map(|w| w * w).sum::<f64>()
    }
}

/// The different steps of some solutions.
#[derive(Debug)]
struct Distinct<'a> {
    features: usize,
    steps: Vec<&'a [u32]>,
    /// Which of them each step is.
    of: Vec<u32>,
}

impl<'a> Distinct<'a> {
    fn new(solutions: &'a Solutions) -> Self {
        let mut places: HashMap<&[u32], u32> = HashMap::new();
        let (mut steps, mut of) = (Vec::new(), Vec::with_capacity(solutions.steps()));
        for t in 0..solutions.steps() {
            let active = solutions.active(t);
            of.push(*places.entry(active).or_insert_with(|| {
                steps.push(active);
                steps.len() as u32 - 1
            }));
        }
        Self { features: solutions.features(), steps, of }
    }

    /// The sum of weights in each.
    fn sums(&self, weights: &[f64], out: &mut [f64]) {
        for (sum, active) in out.iter_mut().zip(&self.steps) {
            *sum = active.iter().map(|f| weights[*f as usize]).sum();
        }
    }

    /// The other way round: what is wanted of each sum goes to its weights.
    fn spread(&self, on_sums: &[f64], gradient: &mut [f64]) {
        for (g, active) in on_sums.iter().zip(&self.steps) {
            active.iter().for_each(|f| gradient[*f as usize] += g);
        }
    }
}

impl Distinct<'_> {
    /// How many labels each feature has a part in, from the labels of each distinct step.
    fn seen(&self, of_steps: &[f64]) -> Vec<f64> {
        let mut seen = vec![0.0; self.features];
        self.spread(of_steps, &mut seen);
        seen
    }
}

/// Solutions with a label each, equal ones counted together.
#[derive(Debug)]
struct Outcomes<'a> {
    distinct: Distinct<'a>,
    /// Which distinct step each step of the distinct solutions is.
    steps: Vec<u32>,
    lengths: Vec<usize>,
    targets: Vec<f64>,
    counts: Vec<f64>,
}

impl<'a> Outcomes<'a> {
    fn new(solutions: &'a Solutions, targets: &[f64], counts: &[f64]) -> Result<Self> {
        check_labels("outcome labels", solutions.len(), targets, counts)?;
        let distinct = Distinct::new(solutions);
        let mut places: HashMap<&[u32], usize> = HashMap::new();
        let (mut order, mut sums): (Vec<&[u32]>, Vec<(f64, f64)>) = (Vec::new(), Vec::new());
        for (i, target) in targets.iter().enumerate() {
            let steps = &distinct.of[solutions.steps_of(i)];
            let place = *places.entry(steps).or_insert(order.len());
            if place == order.len() {
                order.push(steps);
                sums.push((0.0, 0.0));
            }
            let count = counts.get(i).copied().unwrap_or(1.0);
            sums[place] = (sums[place].0 + count * target, sums[place].1 + count);
        }
        let steps = order.concat();
        let lengths = order.iter().map(|s| s.len()).collect();
        // a sum of fractions may round to a little more than their number
        let targets = sums.iter().map(|(right, n)| if *n > 0.0 { (right / n).min(1.0) } else { 0.0 }).collect();
        Ok(Self { distinct, steps, lengths, targets, counts: sums.iter().map(|(_, n)| *n).collect() })
    }

    fn labels(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The sum over each solution's steps.
    fn sum(&self, of_distinct: &[f64], out: &mut [f64]) {
        let mut rest = self.steps.as_slice();
        for (sum, length) in out.iter_mut().zip(&self.lengths) {
            let (own, after) = rest.split_at(*length);
            *sum = own.iter().map(|i| of_distinct[*i as usize]).sum();
            rest = after;
        }
    }

    /// The other way round, over what `out` holds.
    fn spread(&self, on_solutions: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let mut rest = self.steps.as_slice();
        for (weight, length) in on_solutions.iter().zip(&self.lengths) {
            let (own, after) = rest.split_at(*length);
            own.iter().for_each(|i| out[*i as usize] += weight);
            rest = after;
        }
    }

    /// How many labels each feature has a part in.
    fn seen(&self) -> Vec<f64> {
        let mut of_steps = vec![0.0; self.distinct.steps.len()];
        self.spread(&self.counts, &mut of_steps);
        self.distinct.seen(&of_steps)
    }

    /// The share of right ones, away from 0 and 1.
    fn rate(&self) -> f64 {
        let right: f64 = self.targets.iter().zip(&self.counts).map(|(y, n)| y * n).sum();
        (right + 0.5) / (self.labels() + 1.0)
    }
}

fn check_labels(what: &'static str, expected: usize, targets: &[f64], counts: &[f64]) -> Result<()> {
    Error::check_shape(what, expected, targets.len())?;
    if expected == 0 {
        return Err(Error::Usage("a reward model needs at least one label".into()));
    }
    if let Some(i) = targets.iter().position(|y| !(0.0..=1.0).contains(y)) {
        return Err(Error::parameter(format!("targets[{i}]"), targets[i], "between 0 and 1"));
    }
    if !counts.is_empty() {
        Error::check_shape("counts of labels", expected, counts.len())?;
        if let Some(i) = counts.iter().position(|n| !(*n >= 0.0 && n.is_finite())) {
            return Err(Error::parameter(format!("counts[{i}]"), counts[i], "at least 0 and finite"));
        }
    }
    Ok(())
}

/// Finds an affine score for each of `starts`, the first biases. The loss sees bias and weights, score by score, and writes the gradient of
/// both. `seen`: how many labels each feature has a part in.
///
/// The search is among weights times √(seen + precision): rare features and common ones are then about equally curved.
fn fit(
    params: &LogisticParams,
    seen: &[f64],
    labels: f64,
    starts: &[f64],
    mut loss: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Result<Vec<Affine>> {
    params.validate()?;
    let width = seen.len() + 1;
    let scale = |count: f64| (labels / (count + params.precision).max(1e-3)).sqrt();
    let scales: Vec<f64> = std::iter::once(1.0).chain(seen.iter().map(|n| scale(*n))).collect();
    let mut scaled = vec![0.0; width * starts.len()];
    let mut at = scaled.clone();
    if params.bias {
        scaled.chunks_exact_mut(width).zip(starts).for_each(|(own, start)| own[0] = *start);
    }
    let all_scales = || scales.iter().cycle();
    let reached = lbfgs(&mut scaled, &params.stopping, |scaled, gradient| {
        gradient.fill(0.0);
        at.iter_mut().zip(scaled).zip(all_scales()).for_each(|((a, x), s)| *a = s * x);
        let mut value = loss(&at, gradient);
        for (own, gradient) in at.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            value += params.penalty(labels, &own[1..], &mut gradient[1..]);
            if !params.bias {
                gradient[0] = 0.0;
            }
        }
        gradient.iter_mut().zip(all_scales()).for_each(|(g, s)| *g *= s);
        value
    })?;
    // also where no step goes down any more: what is measured would then hang on where the search happened to end
    if reached.gradient > params.stopping.tolerance {
        let (steps, gradient) = (reached.steps, reached.gradient);
        return Err(Error::Numeric(format!(
            "a fit of a reward model was not done after {steps} steps (norm of its gradient: {gradient:.1e})"
        )));
    }
    at.iter_mut().zip(&scaled).zip(all_scales()).for_each(|((a, x), s)| *a = s * x);
    Ok(at.chunks_exact(width).map(|own| Affine { bias: own[0], weights: own[1..].to_vec() }).collect())
}

fn only(models: Vec<Affine>) -> Affine {
    models.into_iter().next().unwrap_or_default()
}

fn log_odds(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// A process model with two classes from labels −1, 0, +1 of every step, supervised up to each solution's first wrong step.
///
/// # Shapes
/// `labels`: one per step of all solutions; those behind the first −1 are not read.
///
/// # Errors
/// Labels that are not one per step, none at all; illegal settings.
pub fn fit_process<L: Copy + Into<i8>>(
    solutions: &Solutions,
    labels: &[L],
    neutral: Neutral,
    params: &LogisticParams,
) -> Result<StepModel> {
    let labels = numbers(labels);
    let target = |label: &i8| match label {
        ..0 => 0.0,
        0 => neutral.target(),
        1.. => 1.0,
    };
    let targets: Vec<f64> = labels.iter().map(target).collect();
    fit_step_values(solutions, &targets, &until_first_error(solutions, &labels)?, params)
}

fn numbers<L: Copy + Into<i8>>(labels: &[L]) -> Vec<i8> {
    labels.iter().map(|l| (*l).into()).collect()
}

/// 1 for every supervised step, 0 for those behind the first wrong one.
fn until_first_error(solutions: &Solutions, labels: &[i8]) -> Result<Vec<f64>> {
    Error::check_shape("step labels", solutions.steps(), labels.len())?;
    let mut counts = vec![0.0; labels.len()];
    for i in 0..solutions.len() {
        let steps = solutions.steps_of(i);
        let count = supervised_steps(&labels[steps.clone()]);
        counts[steps.start..steps.start + count].fill(1.0);
    }
    Ok(counts)
}

/// A process model from a target in \[0, 1\] for every step: Monte-Carlo labels, soft or hard, or counted labels.
///
/// # Shapes
/// `targets`: one per step of all solutions; `counts`: how often each was seen, at least 0, or empty for once each.
///
/// # Errors
/// Targets or counts that are not one per step or out of range, none at all; illegal settings.
pub fn fit_step_values(
    solutions: &Solutions,
    targets: &[f64],
    counts: &[f64],
    params: &LogisticParams,
) -> Result<StepModel> {
    check_labels("step labels", solutions.steps(), targets, counts)?;
    let distinct = Distinct::new(solutions);
    let n = distinct.steps.len();
    let (mut right, mut seen) = (vec![0.0; n], vec![0.0; n]);
    for (t, (at, target)) in distinct.of.iter().zip(targets).enumerate() {
        let count = counts.get(t).copied().unwrap_or(1.0);
        right[*at as usize] += count * target;
        seen[*at as usize] += count;
    }
    let targets: Vec<f64> =
        right.iter().zip(&seen).map(|(r, n)| if *n > 0.0 { (r / n).min(1.0) } else { 0.0 }).collect();
    let labels: f64 = seen.iter().sum();
    let rate = (right.iter().sum::<f64>() + 0.5) / (labels + 1.0);
    let (mut scores, mut weights) = (vec![0.0; n], vec![0.0; n]);
    let models = fit(params, &distinct.seen(&seen), labels, &[log_odds(rate)], |at, gradient| {
        distinct.sums(&at[1..], &mut scores);
        scores.iter_mut().for_each(|s| *s += at[0]);
        weights.fill(0.0);
        let loss = cross_entropy_loss(&scores, &targets, &seen, 1.0, &mut weights);
        gradient[0] += weights.iter().sum::<f64>();
        distinct.spread(&weights, &mut gradient[1..]);
        loss
    })?;
    Ok(StepModel(only(models)))
}

/// A process model with three classes (wrong, neutral, right), supervised up to each solution's first wrong step.
///
/// # Shapes
/// As [`fit_process`].
///
/// # Errors
/// As [`fit_process`].
pub fn fit_process_classes<L: Copy + Into<i8>>(
    solutions: &Solutions,
    labels: &[L],
    params: &LogisticParams,
) -> Result<ClassModel> {
    let labels = &numbers(labels);
    let supervised = until_first_error(solutions, labels)?;
    if supervised.is_empty() {
        return Err(Error::Usage("a reward model needs at least one label".into()));
    }
    let distinct = Distinct::new(solutions);
    let n = distinct.steps.len();
    let mut counts = vec![0.0; 3 * n];
    for ((at, label), count) in distinct.of.iter().zip(labels).zip(&supervised) {
        counts[3 * *at as usize + class_of(*label)] += count;
    }
    let total: f64 = counts.iter().sum();
    let of_class = |c: usize| counts.iter().skip(c).step_by(3).sum::<f64>();
    let starts = [0, 1, 2].map(|c| ((of_class(c) + 0.5) / (total + 1.5)).ln());
    let width = distinct.features + 1;
    let (mut sums, mut logits, mut weights) = (vec![0.0; n], vec![0.0; 3 * n], vec![0.0; 3 * n]);
    let seen: Vec<f64> = counts.chunks_exact(3).map(|of| of.iter().sum()).collect();
    let models = fit(params, &distinct.seen(&seen), total, &starts, |at, gradient| {
        for (c, own) in at.chunks_exact(width).enumerate() {
            distinct.sums(&own[1..], &mut sums);
            sums.iter().enumerate().for_each(|(i, s)| logits[3 * i + c] = own[0] + s);
        }
        weights.fill(0.0);
        let loss = class_loss(&logits, &counts, 1.0, &mut weights);
        for (c, own) in gradient.chunks_exact_mut(width).enumerate() {
            sums.iter_mut().enumerate().for_each(|(i, s)| *s = weights[3 * i + c]);
            own[0] += sums.iter().sum::<f64>();
            distinct.spread(&sums, &mut own[1..]);
        }
        loss
    })?;
    let models: [Affine; 3] = models.try_into().map_err(|_| Error::Numeric("three classes".into()))?;
    Ok(ClassModel(models))
}

/// A model of steps from outcomes alone, P(right) = Π σ: in all but its supervision the model of [`fit_process`]. The problem is not convex; the
/// search starts where all steps are equally good.
///
/// # Shapes
/// `targets` in \[0, 1\] (1 for a solution that was called right) and `counts` (or none: once each): one per solution. ρ = `false_positives` in \[0, 1) is the
/// probability with which wrong solutions are called right, if it is known; 0 takes labels at their word.
///
/// # Errors
/// Targets or counts that are not one per solution or out of range, none at all; a solution without steps; illegal settings.
pub fn fit_outcome_product(
    solutions: &Solutions,
    targets: &[f64],
    counts: &[f64],
    false_positives: f64,
    params: &LogisticParams,
) -> Result<StepModel> {
    if !(0.0..1.0).contains(&false_positives) {
        return Err(Error::parameter("false_positives", false_positives, "at least 0 and below 1"));
    }
    if let Some(i) = solutions.lengths().iter().position(|n| *n == 0) {
        return Err(Error::parameter(format!("solutions[{i}]"), "(no steps)", "at least one step long"));
    }
    let data = Outcomes::new(solutions, targets, counts)?;
    let length = data.steps.len() as f64 / data.lengths.len() as f64;
    let right = ((data.rate() - false_positives) / (1.0 - false_positives)).clamp(1e-3, 1.0 - 1e-6);
    let start = log_odds(right.powf(1.0 / length));
    let distinct = data.distinct.steps.len();
    let (mut scores, mut log_right) = (vec![0.0; distinct], vec![0.0; distinct]);
    let (mut sums, mut weights) = (vec![0.0; data.lengths.len()], vec![0.0; data.lengths.len()]);
    let models = fit(params, &data.seen(), data.labels(), &[start], |at, gradient| {
        data.distinct.sums(&at[1..], &mut scores);
        scores.iter_mut().for_each(|s| *s += at[0]);
        log_right.iter_mut().zip(&scores).for_each(|(lp, s)| *lp = log_sigmoid(*s));
        data.sum(&log_right, &mut sums);
        weights.fill(0.0);
        let loss = outcome_loss(&sums, &data.targets, &data.counts, false_positives, 1.0, &mut weights);
        data.spread(&weights, &mut log_right);
        // ∂ log σ(s)/∂s
        log_right.iter_mut().zip(&scores).for_each(|(pull, s)| *pull *= sigmoid(-s));
        gradient[0] += log_right.iter().sum::<f64>();
        data.distinct.spread(&log_right, &mut gradient[1..]);
        loss
    })?;
    Ok(StepModel(only(models)))
}

/// The usual outcome model, σ of a sum over all steps, from outcomes.
///
/// # Shapes
/// As [`fit_outcome_product`].
///
/// # Errors
/// Targets or counts that are not one per solution or out of range, none at all; illegal settings.
pub fn fit_outcome_linear(
    solutions: &Solutions,
    targets: &[f64],
    counts: &[f64],
    params: &LogisticParams,
) -> Result<OutcomeModel> {
    let data = Outcomes::new(solutions, targets, counts)?;
    let mut of_distinct = vec![0.0; data.distinct.steps.len()];
    let (mut scores, mut weights) = (vec![0.0; data.lengths.len()], vec![0.0; data.lengths.len()]);
    let models = fit(params, &data.seen(), data.labels(), &[log_odds(data.rate())], |at, gradient| {
        data.distinct.sums(&at[1..], &mut of_distinct);
        data.sum(&of_distinct, &mut scores);
        scores.iter_mut().for_each(|s| *s += at[0]);
        weights.fill(0.0);
        let loss = cross_entropy_loss(&scores, &data.targets, &data.counts, 1.0, &mut weights);
        gradient[0] += weights.iter().sum::<f64>();
        data.spread(&weights, &mut of_distinct);
        data.distinct.spread(&of_distinct, &mut gradient[1..]);
        loss
    })?;
    Ok(OutcomeModel(only(models)))
}

#[cfg(test)]
mod tests;

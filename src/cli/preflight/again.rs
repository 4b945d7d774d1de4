//! Some prompts sampled again, at another temperature or behind a trial, beside the same prompts sampled again with nothing changed: prompts
//! that were chosen by their first samples differ from those also where nothing changes them.

use super::interval;
use crate::metrics::{SpreadPrediction, Spreads};
use crate::stats::Estimate;
use serde::Serialize;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// Nothing: the control.
    Nothing,
    /// The temperature.
    Temperature(f64),
    /// Supervised finetuning on a share of the prompts.
    Sft {
        /// The share.
        share: f64,
        /// Prompts that were learned from.
        learned: usize,
        /// Of the last tenth of the steps, nats per token.
        loss: f64,
    },
}

/// Prompts and what they were paid after a change.
pub(super) struct Fresh {
    pub(super) change: Change,
    /// Ascending.
    pub(super) prompts: Vec<usize>,
    pub(super) rewards: Vec<Vec<f64>>,
}

/// What is said of them then, and of the same prompts by the same prior before: from the control's samples, or, of the control, from the
/// first samples.
pub(super) struct Again {
    pub(super) change: Change,
    pub(super) prompts: Vec<usize>,
    pub(super) after: Spreads,
    pub(super) before: Spreads,
}

/// A line of again.csv. Intervals are 95% of the posterior.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AgainRow {
    prompt: usize,
    /// `nothing` (the control), `temperature` or `sft`.
    change: &'static str,
    temperature: f64,
    /// Share of the prompts that the model was finetuned on; empty for the model as it is.
    trained: Option<f64>,
    samples: usize,
    mean: f64,
    mean_low: f64,
    mean_high: f64,
    std: f64,
    std_low: f64,
    std_high: f64,
    vanishes: f64,
    dead: String,
}

impl Again {
    /// Its lines of again.csv; `temperature` is the one that trials are made at.
    pub(super) fn rows(&self, groups: &[usize], temperature: f64) -> Vec<AgainRow> {
        let (change, temperature, trained) = match self.change {
            Change::Nothing => ("nothing", temperature, None),
            Change::Temperature(t) => ("temperature", t, None),
            Change::Sft { share, .. } => ("sft", temperature, Some(share)),
        };
        let row = |(x, p): (&usize, &SpreadPrediction)| AgainRow {
            prompt: *x,
            change,
            temperature,
            trained,
            samples: p.samples,
            mean: p.mean.value,
            mean_low: p.mean.low,
            mean_high: p.mean.high,
            std: p.std.value,
            std_low: p.std.low,
            std_high: p.std.high,
            vanishes: p.vanishes,
            dead: dead(groups, p),
        };
        self.prompts.iter().zip(&self.after.prompts).map(row).collect()
    }

    /// By how much the mean reward std changed, "+0.031 [0.011, 0.052]".
    pub(super) fn gain(&self) -> String {
        let of = self.after.change_of_std(&self.before);
        let sign = if of.value < 0.0 { "" } else { "+" };
        format!("{sign}{}", interval(&of))
    }

    /// Whether the change of the mean reward std is beyond its interval.
    pub(super) fn is_clear(&self) -> bool {
        let Estimate { low, high, .. } = self.after.change_of_std(&self.before);
        low > 0.0 || high < 0.0
    }
}

/// Probabilities of a dead group by size, `4:0.610 8:0.340`.
pub(super) fn dead(groups: &[usize], said: &SpreadPrediction) -> String {
    groups.iter().zip(&said.dead).map(|(g, e)| format!("{g}:{:.3}", e.value)).collect::<Vec<_>>().join(" ")
}

//! Some prompts measured again, at another temperature or behind a trial, beside what was measured at first.

use crate::algorithm::Preflight;
use crate::metrics::SpreadPrediction;
use crate::stats::{Estimate, mean};
use serde::Serialize;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
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

/// Prompts and what is said of them after a change.
pub(super) struct Again {
    pub(super) change: Change,
    /// Ascending.
    pub(super) prompts: Vec<usize>,
    pub(super) said: Preflight,
}

/// A line of again.csv. Intervals are 95% of the posterior.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AgainRow {
    prompt: usize,
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

/// Means over some prompts, the ends of intervals likewise.
pub(super) struct Summary {
    pub(super) mean: Estimate,
    pub(super) std: Estimate,
    /// By size of the group.
    pub(super) dead: Vec<Estimate>,
    /// How many are expected to vanish.
    pub(super) vanish: usize,
}

impl Summary {
    /// Of these prompts among those of a preflight.
    pub(super) fn over(said: &Preflight, prompts: impl Iterator<Item = usize> + Clone) -> Self {
        let all: Vec<&SpreadPrediction> = prompts.clone().map(|x| &said.prompts[x]).collect();
        let over = |of: &dyn Fn(&SpreadPrediction) -> Estimate| {
            let end = |end: fn(&Estimate) -> f64| mean(&all.iter().map(|p| end(&of(p))).collect::<Vec<_>>());
            let method = all.first().map_or(crate::stats::Method::Exact, |p| of(p).method);
            Estimate { value: end(|e| e.value), low: end(|e| e.low), high: end(|e| e.high), n: all.len(), method }
        };
        let groups = all.first().map_or(0, |p| p.dead.len());
        Self {
            mean: over(&|p| p.mean),
            std: over(&|p| p.std),
            dead: (0..groups).map(|g| over(&|p| p.dead[g])).collect(),
            vanish: prompts.filter(|x| said.vanishes(*x)).count(),
        }
    }
}

impl Again {
    /// What is said of its prompts.
    pub(super) fn summary(&self) -> Summary {
        Summary::over(&self.said, 0..self.prompts.len())
    }

    /// What was said of them at first.
    pub(super) fn before(&self, first: &Preflight) -> Summary {
        Summary::over(first, self.prompts.iter().copied())
    }

    /// Its lines of again.csv; `temperature` is the one that trials are made at.
    pub(super) fn rows(&self, groups: &[usize], temperature: f64) -> Vec<AgainRow> {
        let (temperature, trained) = match self.change {
            Change::Temperature(t) => (t, None),
            Change::Sft { share, .. } => (temperature, Some(share)),
        };
        let row = |(x, p): (&usize, &SpreadPrediction)| AgainRow {
            prompt: *x,
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
        self.prompts.iter().zip(&self.said.prompts).map(row).collect()
    }
}

/// Probabilities of a dead group by size, `4:0.610 8:0.340`.
pub(super) fn dead(groups: &[usize], said: &SpreadPrediction) -> String {
    groups.iter().zip(&said.dead).map(|(g, e)| format!("{g}:{:.3}", e.value)).collect::<Vec<_>>().join(" ")
}

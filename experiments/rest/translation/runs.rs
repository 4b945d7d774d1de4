//! What a run of the loop leaves, and what each policy of it is worth.

use rewardlab::algorithm::{Keep, Report, RestParams};
use serde::{Deserialize, Serialize};

/// Means over test samples.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Worth {
    /// What the loop was paid.
    pub(crate) paid: f64,
    /// True reward (chrF), in [0, 1].
    pub(crate) reward: f64,
    /// The same of one output per source, always of the likeliest next token.
    pub(crate) greedy: f64,
    /// Sentence BLEU, in [0, 1].
    pub(crate) bleu: f64,
    /// Share of right translations.
    pub(crate) exact: f64,
    /// Tokens, `<eos>` included.
    pub(crate) length: f64,
    /// Share of pairs of neighbouring words that the output has said before.
    pub(crate) repeats: f64,
}

/// A policy that a run left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// G; 0 for the supervised model.
    pub(crate) grow: usize,
    /// I; 0 behind a Grow is training on everything.
    pub(crate) improve: usize,
    pub(crate) params: Vec<f32>,
}

/// What a run of the loop left.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The policies, the supervised one first.
    pub(crate) steps: Vec<Policy>,
    /// All reports.
    pub(crate) reports: Vec<Report>,
    /// After each Grow, 0 being before the first: different pairs of source and output that were seen, original data among them.
    pub(crate) distinct: Vec<usize>,
}

impl Run {
    /// The policies, and where nothing passed a filter once more the one before it, in that step's place.
    pub(crate) fn policies(&self) -> Vec<Policy> {
        let mut policies = self.steps.clone();
        for report in &self.reports {
            let Report::Exhausted(e) = report else { continue };
            let at = policies.partition_point(|p| (p.grow, p.improve) < (e.grow, e.improve));
            if let Some(before) = at.checked_sub(1).and_then(|i| policies.get(i)) {
                let again = Policy { grow: e.grow, improve: e.improve, params: before.params.clone() };
                policies.insert(at, again);
            }
        }
        policies
    }

    pub(super) fn stand(&self, policy: &Policy, settings: &RestParams, worth: Worth) -> Standing {
        let distinct = self.distinct.get(policy.grow).copied().unwrap_or(0);
        let mut own = Standing { grow: policy.grow, improve: policy.improve, worth, distinct, ..Standing::default() };
        for report in &self.reports {
            match report {
                Report::Grown(g) if g.grow <= policy.grow => {
                    own.drawn += g.drawn;
                    own.reward = (g.grow == policy.grow).then_some(g.reward);
                    own.best = (g.grow == policy.grow).then_some(g.best);
                    own.samples = g.samples;
                }
                Report::Improved(i) if (i.grow, i.improve) == (policy.grow, policy.improve) && policy.grow > 0 => {
                    own.kept = Some(i.kept as f64 / own.samples as f64);
                    own.kept_reward = Some(i.kept_reward);
                    if let Keep::Above { threshold } = settings.improves[i.improve] {
                        own.threshold = Some(threshold);
                    }
                }
                Report::Exhausted(e) if (e.grow, e.improve) == (policy.grow, policy.improve) => {
                    own.kept = Some(0.0);
                    if let Keep::Above { threshold } = e.keep {
                        own.threshold = Some(threshold);
                    }
                }
                _ => {}
            }
        }
        own
    }
}

/// A policy of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// G; 0 for the supervised model.
    pub(crate) grow: usize,
    /// I; 0 behind a Grow is training on everything.
    pub(crate) improve: usize,
    /// τ; none where nothing is filtered.
    pub(crate) threshold: Option<f64>,
    /// On the test sources.
    pub(crate) worth: Worth,
    /// What it was trained on: samples of the Grow step, the original data among them.
    pub(crate) samples: usize,
    /// Their mean reward, E[R].
    pub(crate) reward: Option<f64>,
    /// Their largest.
    pub(crate) best: Option<f64>,
    /// Share of them that passed the filter. 0: the policy is the one before.
    pub(crate) kept: Option<f64>,
    /// The mean reward of these.
    pub(crate) kept_reward: Option<f64>,
    /// Samples that were drawn from policies up to here.
    pub(crate) drawn: usize,
    /// Different pairs of source and output that were seen up to here, original data among them.
    pub(crate) distinct: usize,
}

//! Which samples an Improve step learns from.

use super::data::Scored;
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::stats::quantile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The filter F of arXiv:2308.08998 and its relatives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Keep {
    /// Everything: behavioural cloning of the whole data set ("I = 0").
    All,
    /// 1\[R > τ\], strictly: the paper's.
    Above {
        /// τ, in the reward's unit.
        threshold: f64,
    },
    /// The best share of the whole data set (RAFT, arXiv:2304.06767), the first of equals; in (0, 1].
    TopShare {
        /// Of all samples.
        share: f64,
    },
    /// Of each source's samples those of at least this percentile of its own rewards (Figure 15 of the paper); in [0, 100].
    Percentile {
        /// 90 keeps about the best tenth; equals stay together.
        percentile: f64,
    },
    /// Of each source's samples those of at least γ · its largest + (1 − γ) · its mean reward (Figure 16); γ in [0, 1].
    Between {
        /// 0 keeps what is above the mean, 1 the best alone.
        gamma: f64,
    },
    /// The best so many of each source's samples, the first of equals (expert iteration).
    Best {
        /// How many; at least 1.
        count: usize,
    },
    /// As many as pass a threshold, but drawn from all of them: a control.
    AsManyAsAbove {
        /// τ, in the reward's unit.
        threshold: f64,
    },
}

impl Keep {
    /// # Errors
    /// A setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        let (name, value, legal, ok) = match *self {
            Self::All => return Ok(()),
            Self::Above { threshold: v } | Self::AsManyAsAbove { threshold: v } => {
                ("threshold", v, "a number", !v.is_nan())
            }
            Self::TopShare { share: v } => ("share", v, "above 0 and at most 1", v > 0.0 && v <= 1.0),
            Self::Percentile { percentile: v } => ("percentile", v, "in [0, 100]", (0.0..=100.0).contains(&v)),
            Self::Between { gamma: v } => ("gamma", v, "in [0, 1]", (0.0..=1.0).contains(&v)),
            Self::Best { count } => ("count", count as f64, "at least 1", count > 0),
        };
        if ok { Ok(()) } else { Err(Error::parameter(name, value, legal)) }
    }

    /// The places of what is kept, ascending; may be empty.
    pub fn select(&self, data: &[Scored], rng: &mut Stream) -> Vec<usize> {
        let places = 0..data.len();
        match *self {
            Self::All => places.collect(),
            Self::Above { threshold } => places.filter(|&i| data[i].reward > threshold).collect(),
            Self::TopShare { share } => best(data, places.collect(), (share * data.len() as f64).ceil() as usize),
            Self::Percentile { percentile } => each_source(data, |own| {
                let at_least = quantile(&rewards(data, &own), percentile / 100.0);
                own.into_iter().filter(|&i| data[i].reward >= at_least).collect()
            }),
            Self::Between { gamma } => each_source(data, |own| {
                let rewards = rewards(data, &own);
                let largest = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
                // rounding must not lose the best itself
                let at_least = (gamma * largest + (1.0 - gamma) * mean).min(largest);
                own.into_iter().filter(|&i| data[i].reward >= at_least).collect()
            }),
            Self::Best { count } => each_source(data, |own| best(data, own, count)),
            Self::AsManyAsAbove { threshold } => {
                let count = data.iter().filter(|s| s.reward > threshold).count();
                let mut drawn = rng.permutation(data.len());
                drawn.truncate(count);
                drawn.sort_unstable();
                drawn
            }
        }
    }
}

fn rewards(data: &[Scored], places: &[usize]) -> Vec<f64> {
    places.iter().map(|&i| data[i].reward).collect()
}

/// The `count` best of some places, ascending.
fn best(data: &[Scored], mut places: Vec<usize>, count: usize) -> Vec<usize> {
    places.sort_by(|&a, &b| data[b].reward.total_cmp(&data[a].reward).then(a.cmp(&b)));
    places.truncate(count);
    places.sort_unstable();
    places
}

/// What is kept of every source's samples.
fn each_source(data: &[Scored], keep: impl Fn(Vec<usize>) -> Vec<usize>) -> Vec<usize> {
    let mut sources: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    data.iter().enumerate().for_each(|(i, s)| sources.entry(s.source).or_default().push(i));
    let mut kept: Vec<usize> = sources.into_values().flat_map(keep).collect();
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Vec<Scored> {
        let rewards = [(0, 0.8), (1, 0.1), (0, 0.9), (1, 0.3), (0, 0.9), (1, 0.3), (0, 0.2), (1, 0.2)];
        rewards.map(|(source, reward)| Scored { source, tokens: vec![], reward }).to_vec()
    }

    #[test]
    fn every_filter_by_hand() {
        let select = |keep: Keep| keep.select(&data(), &mut Stream::named(&["keep"]));
        assert_eq!(select(Keep::All).len(), 8);
        // strictly above
        assert_eq!(select(Keep::Above { threshold: 0.8 }), [2, 4]);
        assert!(select(Keep::Above { threshold: 0.9 }).is_empty());
        assert_eq!(select(Keep::TopShare { share: 0.25 }), [2, 4]);
        assert_eq!(select(Keep::TopShare { share: 0.125 }), [2]);
        // source 0: 0.2 0.8 0.9 0.9, median 0.85; source 1: 0.1 0.2 0.3 0.3, median 0.25
        assert_eq!(select(Keep::Percentile { percentile: 50.0 }), [2, 3, 4, 5]);
        assert_eq!(select(Keep::Percentile { percentile: 100.0 }), [2, 3, 4, 5]);
        // means 0.7 and 0.225
        assert_eq!(select(Keep::Between { gamma: 0.0 }), [0, 2, 3, 4, 5]);
        assert_eq!(select(Keep::Between { gamma: 1.0 }), [2, 3, 4, 5]);
        assert_eq!(select(Keep::Best { count: 1 }), [2, 3]);
        assert_eq!(select(Keep::Best { count: 3 }), [0, 2, 3, 4, 5, 7]);
        assert_eq!(select(Keep::AsManyAsAbove { threshold: 0.25 }).len(), 5);
    }

    #[test]
    fn wrong_settings_are_named() {
        for wrong in [
            Keep::Above { threshold: f64::NAN },
            Keep::TopShare { share: 0.0 },
            Keep::Percentile { percentile: 101.0 },
            Keep::Between { gamma: -0.1 },
            Keep::Best { count: 0 },
        ] {
            assert!(matches!(wrong.validate(), Err(Error::Parameter { .. })), "{wrong:?}");
        }
    }
}

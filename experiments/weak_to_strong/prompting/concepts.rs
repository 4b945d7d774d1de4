//! A world of which the prior is known: items, an enumerable class of concepts on them, documents of items with noisy labels, and the
//! exact posterior of whoever reads such a document.

use rewardlab::error::{Error, Result};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

/// Concepts on items that have binary attributes, one item for each combination of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nature {
    /// Binary attributes of an item; 3 to 8. Items are the numbers below 2^attributes, their bits the attributes.
    pub(crate) attributes: usize,
    /// Prior probability that a concept is one attribute or its negation, and not the majority of three of them; between 0 and 1,
    /// neither excluded.
    pub(crate) single: f64,
    /// Shares of false labels, one of which a document has throughout, all equally likely; 1 to 16 of them, from 0 to below 1/2.
    pub(crate) noise: Vec<f64>,
}

/// A document: items, each with a label, which is true but for noise.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) concept: usize,
    pub(crate) shots: Vec<(usize, bool)>,
}

/// All concepts with their prior.
#[derive(Clone, Debug)]
pub(crate) struct Concepts {
    items: usize,
    noise: Vec<f64>,
    prior: Vec<f64>,
    /// Concepts × items.
    tables: Vec<Vec<bool>>,
}

impl Nature {
    pub(crate) fn validate(&self) -> Result<()> {
        Error::check_counts(&[("attributes", self.attributes, 3, 8), ("noise", self.noise.len(), 1, 16)])?;
        if !(0.0..=1.0).contains(&self.single) {
            return Err(Error::parameter("single", self.single, "between 0 and 1"));
        }
        match self.noise.iter().find(|e| !(0.0..0.5).contains(*e)) {
            Some(rate) => Err(Error::parameter("noise", rate, "from 0 to below 1/2")),
            None => Ok(()),
        }
    }

    pub(crate) fn items(&self) -> usize {
        1 << self.attributes
    }

    /// Every concept: 2d single attributes, then 8·C(d, 3) majorities. Each holds of half of the items.
    pub(crate) fn concepts(&self) -> Concepts {
        let d = self.attributes;
        let bit = |item: usize, attribute: usize| item >> attribute & 1 == 1;
        let items = self.items();
        let mut tables: Vec<Vec<bool>> = Vec::new();
        for (a, sign) in (0..d).flat_map(|a| [(a, true), (a, false)]) {
            tables.push((0..items).map(|i| bit(i, a) == sign).collect());
        }
        let singles = tables.len();
        for (a, b, c) in (0..d).flat_map(|a| (0..a).flat_map(move |b| (0..b).map(move |c| (a, b, c)))) {
            for signs in 0..8 {
                let votes = |i: usize| {
                    [a, b, c].iter().enumerate().filter(|(place, x)| bit(i, **x) == bit(signs, *place)).count()
                };
                tables.push((0..items).map(|i| votes(i) >= 2).collect());
            }
        }
        let majorities = tables.len() - singles;
        let of = |c: usize| {
            if c < singles { self.single / singles as f64 } else { (1.0 - self.single) / majorities as f64 }
        };
        Concepts { items, noise: self.noise.clone(), prior: (0..tables.len()).map(of).collect(), tables }
    }
}

impl Concepts {
    /// What is true of an item.
    pub(crate) fn truth(&self, concept: usize, item: usize) -> bool {
        self.tables[concept][item]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.prior.len()
    }

    /// A concept of the prior.
    pub(crate) fn draw(&self, rng: &mut Stream) -> usize {
        rng.categorical(&self.prior)
    }

    /// A document of a concept of the prior, with some of the noise: so many items, none of them twice.
    pub(crate) fn document(&self, shots: usize, rng: &mut Stream) -> Document {
        let concept = self.draw(rng);
        let rate = self.noise[rng.below(self.noise.len())];
        let order = rng.permutation(self.items);
        let shots = order[..shots].iter().map(|item| (*item, self.truth(concept, *item) != (rng.uniform() < rate)));
        Document { concept, shots: shots.collect() }
    }

    /// P(an item is truly of class 1) after some labels, for every item. Exact: sums over all concepts and noise rates; items that were
    /// shown say nothing of which items come next.
    pub(crate) fn posterior(&self, shots: &[(usize, bool)]) -> Vec<f64> {
        let n = shots.len();
        // of a concept that m labels contradict
        let evidence: Vec<f64> = (0..=n)
            .map(|m| {
                let of_rate = |e: &f64| (1.0 - e).powi((n - m) as i32) * e.powi(m as i32);
                self.noise.iter().map(of_rate).sum::<f64>()
            })
            .collect();
        let mut yes = vec![0.0; self.items];
        let mut total = 0.0;
        for (prior, table) in self.prior.iter().zip(&self.tables) {
            let weight = prior * evidence[shots.iter().filter(|(item, label)| table[*item] != *label).count()];
            total += weight;
            yes.iter_mut().zip(table).filter(|(_, holds)| **holds).for_each(|(sum, _)| *sum += weight);
        }
        // labels that no concept can explain (there was never noise) say nothing
        yes.iter().map(|sum| if total > 0.0 { sum / total } else { 0.5 }).collect()
    }
}

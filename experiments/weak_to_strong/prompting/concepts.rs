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

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Concepts {
        Nature { attributes: 3, single: 0.75, noise: vec![0.0, 0.25] }.concepts()
    }

    #[test]
    fn every_concept_holds_of_half_of_the_items_and_none_is_there_twice() {
        let concepts = small();
        assert_eq!(concepts.tables.len(), 6 + 8);
        assert!(concepts.tables.iter().all(|t| t.iter().filter(|y| **y).count() == 4));
        assert_eq!(concepts.tables.iter().collect::<std::collections::BTreeSet<_>>().len(), 14);
        assert!((concepts.prior.iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let all = Nature { attributes: 6, single: 0.5, noise: vec![0.1] }.concepts();
        assert_eq!(all.tables.len(), 12 + 160);
    }

    /// By hand: item 7 has all attributes, item 3 the first two. Of three single attributes that hold of 7 two hold of 3, of three that do
    /// not one does; of four majorities that hold of 7 two hold of 3, of four that do not two do.
    #[test]
    fn one_label_by_hand() {
        let concepts = small();
        // P(the label | concept): true with 7/8 on average over noise, false with 1/8
        let single = (2.0 * 7.0 + 1.0) / 8.0 / 3.0;
        let majority = (2.0 * 7.0 + 2.0) / 8.0 / 4.0;
        let expected = 0.75 * single + 0.25 * majority;
        assert!((concepts.posterior(&[(7, true)])[3] - expected).abs() < 1e-15);
        assert!(concepts.posterior(&[]).iter().all(|p| (p - 0.5).abs() < 1e-15));
    }

    /// Sums over concepts, rates and which labels are false, one by one.
    #[test]
    fn many_labels_by_brute_force() {
        let concepts = small();
        let shots = [(0, true), (3, false), (5, false), (6, true), (2, true)];
        let (mut total, mut yes) = (0.0, [0.0; 8]);
        for (c, prior) in concepts.prior.iter().enumerate() {
            for rate in &concepts.noise {
                for flips in 0..1_usize << shots.len() {
                    let flipped = |t: usize| flips >> t & 1 == 1;
                    if shots.iter().enumerate().any(|(t, (item, y))| concepts.truth(c, *item) != (*y != flipped(t))) {
                        continue;
                    }
                    let of = |t: usize| if flipped(t) { *rate } else { 1.0 - rate };
                    let joint = prior / 2.0 * (0..shots.len()).map(of).product::<f64>();
                    total += joint;
                    (0..8).filter(|i| concepts.truth(c, *i)).for_each(|i| yes[i] += joint);
                }
            }
        }
        let posterior = concepts.posterior(&shots);
        assert!(posterior.iter().zip(yes).all(|(p, y)| (p - y / total).abs() < 1e-14));
    }

    #[test]
    fn documents_have_the_worlds_noise() {
        let nature = Nature { attributes: 5, single: 0.5, noise: vec![0.0, 0.4] };
        let (concepts, rng) = (nature.concepts(), &mut Stream::named(&["documents"]));
        let mut wrong = 0;
        for _ in 0..500 {
            let document = concepts.document(20, rng);
            let items: std::collections::BTreeSet<usize> = document.shots.iter().map(|s| s.0).collect();
            assert_eq!(items.len(), 20);
            wrong += document.shots.iter().filter(|(i, y)| concepts.truth(document.concept, *i) != *y).count();
        }
        // mean 0.2; documents' rates differ: standard error 0.009
        assert!((wrong as f64 / 10_000.0 - 0.2).abs() < 0.03, "{wrong}");
        assert!(Nature { noise: vec![0.5], ..nature }.validate().is_err());
    }
}

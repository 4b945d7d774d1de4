//! Exact values over many prompts at once, also of writers whose table changes from word to word.
//!
//! Prompts differ in the score and in the last words that they leave; behind them all share one product of score and
//! last words. One pass over it serves as many prompts as one likes, where the library's engine makes a pass for
//! each (the tests' oracle).

use super::front::Tangent;
use super::markov::Markov;
use rewardlab::env::{Sentiment, TokenWorld};
use rewardlab::error::Result;
use rewardlab::num::{exp_into, log_sum_exp, softmax_pullback_rows};
use std::collections::HashMap;

/// A writer of words, by a table of log π(word | last words) for each number of words already written.
pub(crate) trait Writer {
    /// Shapes as [`Markov`]'s table.
    fn table(&self, written: usize) -> &[f64];
}

impl Writer for Markov {
    fn table(&self, _: usize) -> &[f64] {
        self.log_probs()
    }
}

/// A writer with a table per place.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    tables: Vec<Vec<f64>>,
}

impl Writer for Timed {
    fn table(&self, written: usize) -> &[f64] {
        &self.tables[written]
    }
}

/// What is known exactly about a writer; means over prompts.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    /// KL(π‖reference) over completions, nats.
    pub(crate) kl: f64,
    /// Expected true reward.
    pub(crate) reward: f64,
    /// How often each cell of the table is expected in a completion: the mean of a sum over cells is linear in it.
    pub(crate) visits: Vec<f64>,
}

/// The prompts, and all that their completions can reach.
#[derive(Debug)]
pub(crate) struct Mixture {
    world: TokenWorld,
    /// (state of the score, row of the table), the prompts' own first.
    nodes: Vec<(usize, usize)>,
    /// `nodes × vocab`; of the nodes that at most length − 1 words reach.
    successors: Vec<usize>,
    /// `nodes[..within[t]]` are those that t words or fewer reach.
    within: Vec<usize>,
    /// The node of each prompt.
    starts: Vec<usize>,
}

impl Mixture {
    /// For writers of this shape.
    pub(crate) fn new(sentiment: &Sentiment, prompts: &[Vec<u32>], length: usize, shape: &Markov) -> Result<Self> {
        let world = sentiment.world(prompts, length)?;
        let vocab = shape.vocab();
        let rows = shape.log_probs().len() / vocab;
        let mut numbers = HashMap::new();
        let mut nodes = Vec::new();
        let mut number = |nodes: &mut Vec<(usize, usize)>, node: (usize, usize)| {
            *numbers.entry(node).or_insert_with(|| {
                nodes.push(node);
                nodes.len() - 1
            })
        };
        let mut starts = Vec::with_capacity(prompts.len());
        for (x, prompt) in prompts.iter().enumerate() {
            starts.push(number(&mut nodes, (world.start(x), shape.cell(prompt, 0) / vocab)));
        }
        let (mut successors, mut within) = (Vec::new(), vec![nodes.len()]);
        let mut at = 0;
        for _ in 0..length {
            let up_to = nodes.len();
            while at < up_to {
                let (state, row) = nodes[at];
                for word in 0..vocab {
                    let next = (world.automaton().step(state, word).0, (row * vocab + word) % rows);
                    successors.push(number(&mut nodes, next));
                }
                at += 1;
            }
            within.push(nodes.len());
        }
        Ok(Self { world, nodes, successors, within, starts })
    }

    fn vocab(&self) -> usize {
        self.world.automaton().vocab()
    }

    fn final_reward(&self, node: usize) -> f64 {
        self.world.automaton().final_reward(self.nodes[node].0)
    }

    /// What is known about a writer.
    pub(crate) fn values(&self, writer: &impl Writer, reference: &Markov) -> Values {
        let (vocab, base) = (self.vocab(), reference.log_probs());
        let share = 1.0 / self.starts.len() as f64;
        let mut mass = vec![0.0; self.nodes.len()];
        self.starts.iter().for_each(|n| mass[*n] += share);
        let (mut kl, mut visits) = (0.0, vec![0.0; base.len()]);
        let mut probs = vec![0.0; base.len()];
        for written in 0..self.world.length() {
            let log_probs = writer.table(written);
            exp_into(log_probs, &mut probs);
            let mut further = vec![0.0; self.nodes.len()];
            let mut of_row = vec![0.0; base.len() / vocab];
            for n in (0..self.within[written]).filter(|n| mass[*n] > 0.0) {
                let row = self.nodes[n].1;
                of_row[row] += mass[n];
                let next = &self.successors[n * vocab..][..vocab];
                for (next, p) in next.iter().zip(&probs[row * vocab..][..vocab]) {
                    further[*next] += mass[n] * p;
                }
            }
            for cell in 0..base.len() {
                let here = of_row[cell / vocab] * probs[cell];
                if here > 0.0 {
                    kl += here * (log_probs[cell] - base[cell]);
                    visits[cell] += here;
                }
            }
            mass = further;
        }
        let reached = mass.iter().enumerate().filter(|m| *m.1 > 0.0);
        let reward = reached.map(|(n, m)| m * self.final_reward(n)).sum();
        Values { kl, reward, visits }
    }

    /// The exact gradient of mean reward − β KL by the logits of a writer's table.
    ///
    /// A cell weighs (how often it is met) · (reward to come − β Σ (log π − log `π_ref`) to come); what log π itself would
    /// add has no expectation.
    pub(crate) fn gradient(&self, writer: &Markov, reference: &Markov, beta: f64) -> Vec<f64> {
        let (vocab, length) = (self.vocab(), self.world.length());
        let (log_probs, base) = (writer.log_probs(), reference.log_probs());
        let mut probs = vec![0.0; base.len()];
        exp_into(log_probs, &mut probs);
        let costs: Vec<f64> = log_probs.iter().zip(base).map(|(p, b)| beta * (p - b)).collect();
        // backwards: what may still be had from each node that t words reach
        let mut worth = vec![(0..self.nodes.len()).map(|n| self.final_reward(n)).collect::<Vec<f64>>()];
        for written in (1..length).rev() {
            let later = &worth[worth.len() - 1];
            let of_node = |n: usize| -> f64 {
                let cells = self.nodes[n].1 * vocab..(self.nodes[n].1 + 1) * vocab;
                let next = &self.successors[n * vocab..][..vocab];
                cells.zip(next).map(|(cell, next)| probs[cell] * (later[*next] - costs[cell])).sum()
            };
            let earlier = (0..self.within[written]).map(of_node).collect();
            worth.push(earlier);
        }
        // forwards: how often each node is met
        let share = 1.0 / self.starts.len() as f64;
        let mut mass = vec![0.0; self.nodes.len()];
        self.starts.iter().for_each(|n| mass[*n] += share);
        let mut weights = vec![0.0; base.len()];
        for (written, later) in (0..length).zip(worth.iter().rev()) {
            let mut further = vec![0.0; self.nodes.len()];
            for n in (0..self.within[written]).filter(|n| mass[*n] > 0.0) {
                let first = self.nodes[n].1 * vocab;
                for (word, next) in self.successors[n * vocab..][..vocab].iter().enumerate() {
                    let met = mass[n] * probs[first + word];
                    weights[first + word] += met * (later[*next] - costs[first + word]);
                    further[*next] += met;
                }
            }
            mass = further;
        }
        softmax_pullback_rows(&mut weights, log_probs, vocab);
        weights
    }

    /// The exact front: the optimum of mean reward − β mean KL over all writers, for each β.
    pub(crate) fn front(&self, reference: &Markov, betas: &[f64]) -> Vec<Tangent> {
        betas.iter().map(|beta| self.tangent(reference, *beta)).collect()
    }

    /// By log Z(h, n) = log Σ `π_ref`(a|n) Z(h − 1, n·a), from Z(0, n) = exp(reward/β); KL = reward/β − log Z.
    fn tangent(&self, reference: &Markov, beta: f64) -> Tangent {
        let (vocab, base) = (self.vocab(), reference.log_probs());
        let mut reward: Vec<f64> = (0..self.nodes.len()).map(|n| self.final_reward(n)).collect();
        let mut log_z: Vec<f64> = reward.iter().map(|r| r / beta).collect();
        let (mut terms, mut weights) = (vec![0.0; vocab], vec![0.0; vocab]);
        for written in (0..self.world.length()).rev() {
            let (mut longer_z, mut longer_reward) = (Vec::new(), Vec::new());
            for n in 0..self.within[written] {
                let next = &self.successors[n * vocab..][..vocab];
                let row = &base[self.nodes[n].1 * vocab..][..vocab];
                terms.iter_mut().zip(next).zip(row).for_each(|((t, next), p)| *t = p + log_z[*next]);
                let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                terms.iter_mut().for_each(|t| *t -= most);
                exp_into(&terms, &mut weights);
                let total: f64 = weights.iter().sum();
                longer_z.push(most + total.ln());
                longer_reward.push(weights.iter().zip(next).map(|(w, next)| w * reward[*next]).sum::<f64>() / total);
            }
            (log_z, reward) = (longer_z, longer_reward);
        }
        let share = 1.0 / self.starts.len() as f64;
        let mean = |of: &[f64]| self.starts.iter().map(|n| of[*n] * share).sum::<f64>();
        let reward_of_all = mean(&reward);
        Tangent { beta, kl: reward_of_all / beta - mean(&log_z), reward: reward_of_all }
    }
}

/// The optimum of E[Σ scores of cells] − β KL over all writers: of a learned reward that adds over cells it sees no more
/// than the writer's own rows and the number of words to come.
pub(crate) fn additive_optimum(reference: &Markov, scores: &[f64], beta: f64, length: usize) -> Timed {
    let (vocab, base) = (reference.vocab(), reference.log_probs());
    let rows = base.len() / vocab;
    let mut log_z = vec![0.0; rows];
    let mut tables = Vec::with_capacity(length);
    for _ in 0..length {
        let mut table: Vec<f64> =
            (0..base.len()).map(|cell| base[cell] + scores[cell] / beta + log_z[cell % rows]).collect();
        log_z = table.chunks_exact(vocab).map(log_sum_exp).collect();
        table.chunks_exact_mut(vocab).zip(&log_z).for_each(|(row, z)| row.iter_mut().for_each(|t| *t -= z));
        tables.push(table);
    }
    tables.reverse();
    Timed { tables }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::Oracle;
    use super::*;
    use rewardlab::env::Word;
    use rewardlab::exact::tilted;
    use rewardlab::rng::Stream;

    const LENGTH: usize = 4;

    /// Three words, three prompts; everything by enumeration of 3^4 completions.
    fn world() -> (Sentiment, Vec<Vec<u32>>, Markov, Markov) {
        let words = vec![Word::Sentiment(1), Word::Sentiment(-1), Word::Negator];
        let sentiment = Sentiment::new(words, 0.7).expect("legal");
        let mut rng = Stream::named(&["tests", "mixture"]);
        let mut random = || {
            let mut logits = vec![0.0; 27];
            rng.fill_normal(1.0, &mut logits);
            Markov::new(3, 2, logits)
        };
        (sentiment, vec![vec![0, 2], vec![1, 1, 0], vec![0, 2]], random(), random())
    }

    fn all() -> Vec<Vec<u32>> {
        (0..81_u32).map(|code| (0..LENGTH as u32).map(|d| code / 3_u32.pow(d) % 3).collect()).collect()
    }

    /// Another engine, which takes prompt by prompt: values, gradient and front.
    #[test]
    fn agrees_with_the_oracle() {
        let (sentiment, prompts, writer, reference) = world();
        let oracle = Oracle::new(&sentiment, &prompts, LENGTH, 2).expect("legal");
        let mixture = Mixture::new(&sentiment, &prompts, LENGTH, &reference).expect("legal");
        let (exact, found) = (oracle.point(&writer, &reference), mixture.values(&writer, &reference));
        assert!((exact.0 - found.kl).abs() < 1e-12 && (exact.1 - found.reward).abs() < 1e-12);
        let slow = oracle.gradient(&writer, &reference, 0.3);
        for (exact, found) in slow.iter().zip(mixture.gradient(&writer, &reference, 0.3)) {
            assert!((exact - found).abs() < 1e-12);
        }
        let betas = [0.003, 0.1, 2.0];
        for (exact, found) in oracle.front(&reference, &betas).iter().zip(mixture.front(&reference, &betas)) {
            assert!((exact.0 - found.kl).abs() < 1e-10 && (exact.1 - found.reward).abs() < 1e-12, "{}", found.beta);
        }
    }

    /// The optimum of an additive reward is the tilt over whole completions, its KL, true reward and expected score
    /// those of the enumeration.
    #[test]
    fn the_additive_optimum_is_the_tilt() {
        let (sentiment, prompts, _, reference) = world();
        let mixture = Mixture::new(&sentiment, &prompts, LENGTH, &reference).expect("legal");
        let mut scores = vec![0.0; 27];
        Stream::named(&["tests", "mixture", "scores"]).fill_normal(1.0, &mut scores);
        let beta = 0.6;
        let writer = additive_optimum(&reference, &scores, beta, LENGTH);
        let found = mixture.values(&writer, &reference);
        let (mut kl, mut score, mut reward) = (0.0, 0.0, 0.0);
        for prompt in &prompts {
            let cells: Vec<Vec<usize>> = all().iter().map(|c| reference.cells(prompt, c)).collect();
            let base: Vec<f64> = cells.iter().map(|c| reference.log_prob_of(c)).collect();
            let sums: Vec<f64> = cells.iter().map(|c| c.iter().map(|c| scores[*c]).sum()).collect();
            let optimum = tilted(&base, &sums, beta);
            kl += optimum.kl / 3.0;
            score += optimum.reward / 3.0;
            for ((completion, base), sum) in all().iter().zip(&base).zip(&sums) {
                let p = (base + sum / beta - optimum.log_partition).exp() / 3.0;
                reward += p * sentiment.reward(&[&prompt[..], completion].concat());
            }
        }
        let found_score: f64 = found.visits.iter().zip(&scores).map(|(v, s)| v * s).sum();
        for (what, exact, found) in [
            ("kl", kl, found.kl),
            ("reward", reward, found.reward),
            ("score", score, found_score),
            ("words", LENGTH as f64, found.visits.iter().sum()),
        ] {
            assert!((exact - found).abs() < 1e-12, "{what}: {exact} {found}");
        }
        for written in 0..LENGTH {
            let mass: f64 = writer.table(written)[..3].iter().map(|lp| lp.exp()).sum();
            assert!((mass - 1.0).abs() < 1e-12);
        }
    }
}

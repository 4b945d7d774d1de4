//! Over-optimisation: what becomes of the true reward where a learned one is pushed up.
//!
//! **Formula**: `gold(d) = d (α − β d)` for best-of-N, `gold(d) = d (α − β log d)` for RL, with `d = √KL(π‖reference)`.
//!
//! **Claims** (Gao et al., arXiv:2210.10760; "gold" is the true reward, "proxy" the learned one, d = √KL(π‖reference)):
//! along d the gold reward rises and then falls while the proxy goes on rising; more data for the reward model puts the
//! peak higher and farther out; gold follows d (α − β d) for best-of-N and d (α − β log d) for RL; as a function of the
//! KL, RL is slower than best-of-N at optimisation and at over-optimisation, while the relation of proxy and gold
//! is alike for both; a KL penalty does not better the gold reward at a given KL.
//!
//! **Measured**: the language of reviews of `reviews`. Proxies are Bradley–Terry models of the writer's form (a score
//! per word and two words before it), learned from 100 to 30 000 pairs with Bradley–Terry labels; larger data sets
//! contain the smaller ones. Each is pushed up by best-of-N (many draws from the reference per held-out prompt, ranked
//! by the proxy; the draw of rank i of m is picked with probability (i/m)^N − ((i − 1)/m)^N), by PPO without a KL
//! penalty and with one, and *exactly*: the optimum of E[proxy] − β KL is a writer with a table per place, by a
//! recursion of soft values. The KL of best-of-N is log N − (N − 1)/N; all others, and the gold reward of PPO and of
//! the optimum, are exact. Rewards count from the reference's, in units of their std over its completions of one
//! prompt.
//!
//! Ours: the world and its sizes; the slope of the true reward is small enough for the exact front to rise beyond 10
//! nats; labels at a temperature at which the reward itself would rank six pairs of ten as labelled; reward models at
//! the mode of their posterior, with a weak prior.
//!
//! **Found** (10 seeds). The gold reward rises and then falls while the proxy goes on; the fall is largest for the
//! exact optimum (0.7 std), then PPO (0.3), and least for best-of-N (0.07, less than our criterion): N = 8192 reaches 8
//! nats, and at 300 to 10 000 pairs the peak of the optimum lies beyond. Its peak so often stands at the end of its
//! range that it does not move with the data. Proxy and gold keep the same relation for best-of-N and PPO, PPO pays
//! more KL for either. A KL penalty raises the proxy at a given KL. That it leaves the gold reward there is a verdict
//! on the mean over KLs and data sizes only, and not firm (with twice as many checkpoints, in a first run, its interval
//! was a little wider than the criterion): opposite differences cancel. With 30 000 pairs the penalised run has 0.1 std
//! more nearer the reference (√KL below 3.5) and 0.9 less beyond (`penalty_far_out`). The falls of PPO are uneven: a
//! fall of 0.1 std or more is seen in 22 of 60 runs, their median is 0.04.
//!
//! The regime was chosen after looking at seeds 100 to 103: labels at a temperature of 0.1 and reward models stopped at
//! their best accuracy hardly fell at all within the same KLs. Of two temperatures (0.1, 0.3) and two priors (1, 3)
//! this is the pair in which PPO fell and more data still helped it; the criteria stand as they were written before.
//!
//! The form for best-of-N fits it (R² 0.99) better than the other. That for RL does not: PPO's gold starts in a
//! straight line, where the form is infinitely steep, and at 100 pairs it is nearly flat, so that little is left to
//! explain.
//!
//! More data helps PPO all the way and best-of-N up to 10 000 pairs (30 000 add nothing). It does not help the *exact*
//! optimum: from 10 000 to 30 000 pairs its peak falls by a third, and a weaker prior (`prior_std` = 3, seeds 100 to
//! 103) makes this worse and brings it to best-of-N. Our reading, not tested: large data sets hold a few texts with
//! words that the reference hardly ever writes, won or lost by chance; with a weak prior their scores are the most
//! extreme, and only an optimiser without error finds them (its KLs go beyond 22 nats, those of a text of equally
//! likely words), while PPO samples its way and seldom meets them.
//!
//! **Controls**: with the true reward for a proxy nothing falls; a random proxy does not raise the gold reward; nothing is
//! above the exact front; in a world of four words best-of-N is exact by enumeration.

mod curves;
mod figure;
mod judge;
mod methods;

use super::mixture::Mixture;
use super::reviews::{ReviewSetup, TextPair};
use super::reward_table::RewardModel;
use super::word_ppo::PpoSettings;
use methods::Bench;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::preference::Labeller;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Overoptimisation;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The world and its data; `prompts` are those of PPO and of the pairs, which are drawn again and again from them.
    reviews: ReviewSetup,
    /// Pairs of the reward models' data; increasing, each at least 20.
    sizes: Vec<usize>,
    /// Temperature of Bradley–Terry labels, in units of the reward; positive.
    label_temperature: f64,
    /// STD of a score of the reward models before any data; positive.
    prior_std: f64,
    /// Pairs on which the reward models' accuracy is measured; at least 1.
    accuracy_pairs: usize,
    /// N of best-of-N; increasing, from 1, the largest at most a quarter of `draws`.
    best_of: Vec<u32>,
    /// Draws of best-of-N per held-out prompt; at least 4.
    draws: usize,
    /// β of the exact optimum, per std of the proxy; each positive.
    betas: Vec<f64>,
    /// β of the exact front; each positive.
    front_betas: Vec<f64>,
    /// PPO; its KL coefficient is that of the run with a penalty.
    ppo: PpoSettings,
    /// KL coefficient of the run without one, in place of 0; positive.
    no_penalty: f64,
    /// PPO's learning rate; positive.
    learning_rate: f64,
    /// Rounds of PPO; at least 1.
    rounds: usize,
    /// Rounds between checkpoints; at least 1.
    every: usize,
    /// Random proxies, each with its reverse; at least 1.
    random: usize,
    /// Words of a completion in the enumerated world; 2 to 4.
    enumerated_length: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Front,
    Learned { pairs: usize },
    Truth,
    Random,
    Enumerated,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Front => write!(f, "front"),
            Self::Learned { pairs } => write!(f, "{pairs} pairs"),
            Self::Truth => write!(f, "truth"),
            Self::Random => write!(f, "random"),
            Self::Enumerated => write!(f, "enumerated"),
        }
    }
}

/// A point.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `learned`, `truth`, `random`, or `none` for the front.
    proxy: String,
    /// Pairs that the proxy has learned from.
    pairs: usize,
    /// `best_of_n`, `ppo`, `ppo_penalty`, `exact`; `front`; `enumerated`.
    method: String,
    /// N, round, or β (per std of the proxy; the front's per std of the gold reward).
    setting: f64,
    /// KL to the reference, mean over held-out prompts, nats.
    kl: f64,
    /// Expected true reward above the reference's, in std.
    gold: f64,
    /// Expected proxy above the reference's, in std.
    proxy_reward: Option<f64>,
    /// Share of held-out pairs that the proxy ranks as labelled.
    accuracy: Option<f64>,
    /// Enumerated: log N − (N − 1)/N, nats.
    formula: Option<f64>,
    /// Enumerated: the gold reward by draws, as best-of-N is measured elsewhere.
    by_draws: Option<f64>,
}

impl Experiment for Overoptimisation {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/overoptimisation";
    const PAPER: &'static str = "Gao et al., Scaling Laws for Reward Model Overoptimization, arXiv:2210.10760";
    const CLAIM: &'static str =
        "pushing a learned reward raises the true one, then lowers it; more data puts the peak farther out";
    const SECONDS: (f64, f64) = (1.0, 150.0);

    fn params(profile: Profile) -> Params {
        let smoke = profile == Profile::Smoke;
        let geometric = |from: f64, to: f64, n: u32| -> Vec<f64> {
            (0..n).map(|i| from * (to / from).powf(f64::from(i) / f64::from(n - 1))).collect()
        };
        Params {
            reviews: ReviewSetup {
                slope: 0.15,
                length: if smoke { 5 } else { 10 },
                order: if smoke { 1 } else { 2 },
                corpus: 4000,
                prompts: if smoke { 200 } else { 2000 },
                completions: 2,
                held_out: if smoke { 4 } else { 8 },
            },
            sizes: if smoke { vec![100, 1000] } else { vec![100, 300, 1000, 3000, 10_000, 30_000] },
            label_temperature: 0.3,
            prior_std: 1.0,
            accuracy_pairs: if smoke { 100 } else { 2000 },
            best_of: if smoke {
                vec![1, 2, 4, 8, 16, 32, 64, 128]
            } else {
                let doubled = |n: u32| (0..=13).map(move |i| n << i);
                let mut all: Vec<u32> = doubled(1).chain(doubled(3).take(12)).collect();
                all.sort_unstable();
                all
            },
            draws: if smoke { 512 } else { 32_768 },
            betas: if smoke { geometric(5.0, 0.02, 12) } else { geometric(5.0, 0.02, 40) },
            front_betas: if smoke { geometric(1.0, 0.0005, 16) } else { geometric(3.0, 0.0005, 48) },
            ppo: PpoSettings {
                batch: if smoke { 32 } else { 128 },
                epochs: 4,
                minibatch: 32,
                clip: 0.2,
                lambda: 0.95,
                critic_rate: 0.1,
                kl_coefficient: 0.1,
                kl_gain: 0.0,
            },
            no_penalty: 1e-6,
            learning_rate: 0.02,
            rounds: if smoke { 40 } else { 300 },
            every: if smoke { 10 } else { 12 },
            random: if smoke { 2 } else { 16 },
            enumerated_length: if smoke { 3 } else { 4 },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        if profile == Profile::Smoke { 0..2 } else { 0..10 }
    }

    fn validate(p: &Params) -> Result<()> {
        p.reviews.validate().map_err(|e| e.within("reviews"))?;
        for (name, list) in [("betas", &p.betas), ("front_betas", &p.front_betas)] {
            if list.is_empty() || list.iter().any(|v| !(*v > 0.0 && v.is_finite())) {
                return Err(Error::parameter(name, format!("{list:?}"), "one or more, each positive"));
            }
        }
        if p.sizes.is_empty() || p.sizes[0] < 20 || !p.sizes.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter("sizes", format!("{:?}", p.sizes), "increasing, each at least 20"));
        }
        let most = p.best_of.last().map_or(0, |n| 4 * *n as usize);
        if p.best_of.first() != Some(&1) || !p.best_of.is_sorted_by(|a, b| a < b) || most > p.draws {
            let range = "increasing, from 1, at most a quarter of `draws`";
            return Err(Error::parameter("best_of", format!("{:?}", p.best_of), range));
        }
        p.ppo.validate()?;
        Error::check_counts(&[
            ("accuracy_pairs", p.accuracy_pairs, 1, 10_000_000),
            ("draws", p.draws, 4, 10_000_000),
            ("rounds", p.rounds, 1, 1_000_000),
            ("every", p.every, 1, 1_000_000),
            ("random", p.random, 1, 10_000),
            ("enumerated_length", p.enumerated_length, 2, 4),
        ])?;
        Error::check_positive(&[
            ("label_temperature", p.label_temperature),
            ("prior_std", p.prior_std),
            ("learning_rate", p.learning_rate),
            ("no_penalty", p.no_penalty),
        ])
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let learned = p.sizes.iter().map(|&pairs| Cell::Learned { pairs });
        [Cell::Front].into_iter().chain(learned).chain([Cell::Truth, Cell::Random, Cell::Enumerated]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let bench = Bench::new(p, ctx)?;
        match *cell {
            Cell::Front => Ok(bench.front()),
            Cell::Learned { pairs } => {
                let model = reward_model(&bench, pairs)?;
                bench.pushed(Some(&model), pairs)
            }
            Cell::Truth => bench.pushed(None, 0),
            Cell::Random => Ok(bench.random()),
            Cell::Enumerated => {
                let pairs = p.sizes[p.sizes.len() / 2];
                Ok(bench.enumerated(&reward_model(&bench, pairs)?, pairs))
            }
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// The reward model of a data set's first `pairs` pairs.
fn reward_model(bench: &Bench, pairs: usize) -> Result<RewardModel> {
    let p = bench.p;
    let labeller = Labeller::BradleyTerry { temperature: p.label_temperature };
    let draw = |count: usize, name: &str| {
        let mut rng = bench.ctx.shared_stream(name);
        let mut data: Vec<TextPair> = Vec::with_capacity(count);
        // two equal completions make no pair: until there are enough
        while data.len() < count {
            data.extend(p.reviews.pairs(&bench.sentiment, &bench.reference, (p.reviews.prompts, labeller), &mut rng));
        }
        data.truncate(count);
        data
    };
    let (data, others) = (draw(pairs, "pairs"), draw(p.accuracy_pairs, "pairs held out"));
    RewardModel::fit(&bench.reference, &data, &others, p.prior_std)
}

/// The prompts on which everything is reported.
fn held_out(p: &Params, ctx: &Context) -> Vec<Vec<u32>> {
    ReviewSetup::prefixes(p.reviews.held_out, &mut ctx.shared_stream("test prompts"))
}

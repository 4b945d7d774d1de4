//! Why DPO weighs its pairs: without the weight it is unlikelihood training, which has no optimum and leaks.
//!
//! **Formula**: DPO `∇ℓ = −β σ(−β h) ∇(log π(y_w) − log π(y_l))`; unlikelihood `ℓ = −log π(y_w) + α log π(y_l)`,
//! degenerate above `α* = min_y w_y / l_y`.
//!
//! **Claims** (Section 4 and Table 3 of arXiv:2305.18290): a method without the weight `σ(r̂_l` − `r̂_w`), unlikelihood
//! training, makes the language model degenerate (its samples on TL;DR repeat one word).
//!
//! **Measured**. `growth`: one prompt, one logit per output, deterministic labels, gradient flow; the log-odds of best
//! against worst output over time, with the weight (DPO) and without (DPO's linear loss, which is unlikelihood with α =
//! 1). `threshold`: Bradley–Terry labels; with winner masses w and loser masses l, unlikelihood maximises Σ (`w_y` − α
//! `l_y`) log π(y), which has the optimum π ∝ w − α l if all are positive and none if one is negative: so it
//! degenerates above α* = min w/l. `leak`: a transformer over a few hundred strings per prompt of which a corpus holds a
//! few; it learns the corpus, then the pairs of each prompt by DPO or unlikelihood (Adam); the probability of all strings
//! that no data ever showed. Many prompts with a few strings each, as preference data are; and one prompt with more.
//!
//! **Controls**: the same with one logit per string (gradient flow), where nothing is shared: no unseen string gains,
//! as long as α ≤ 1; and SFT on the chosen strings alone (α = 0), which leaks little.
//!
//! **Found**: the growth of log-odds, α* and the collapse as derived. The leak is not what the weight prevents. With
//! pairs of many prompts unlikelihood moves a quarter of the probability to strings of no data within thirty steps,
//! then takes most of it back as the transformer learns its pairs by heart; with one prompt it takes it back in most
//! seeds, where pulls of all pairs together point at one best string. DPO moves as much on the way (at β = 1 a little
//! over half), and after 400 steps has more there than α = 1: 18 times at β = 0.1, where it is falling slowly, 27 times
//! at β = 1, where it still rises (geometric means over seeds). So `dpo_leaks_less` is refuted at both β. Our reading,
//! not tested: where margins are large the weight is gone, and with it what would bring the chosen strings back
//! (likelihood displacement; see `displacement`).

mod figure;
mod judge;
mod leak;

use super::pairs::{Loss, Population, normalised};
use leak::{leak, leak_tabular};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, kl, total_variation};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::num::sigmoid;
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct GradientWeight;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Outputs of `growth` and `threshold`; 3 to 64.
    outputs: usize,
    /// β of `growth`; positive.
    beta: f64,
    /// β of DPO in `leak`; each positive, 0.1 and 1 among them.
    leak_betas: Vec<f64>,
    /// Flow times of `growth`, times β² with the weight; increasing, positive.
    times: Vec<f64>,
    /// Flow time of `threshold`; positive.
    horizon: f64,
    /// α of `leak`; each in [0, 1], 0 and 1 among them.
    alphas: Vec<f64>,
    /// Tokens of the strings; 2 to 6.
    vocab: usize,
    /// Their length; at least 2, with at most 1024 strings.
    length: usize,
    /// Strings of the corpus where there is one prompt; at least 4, at most a quarter of all.
    corpus: usize,
    /// Prompts where there are many; 2 to 256.
    prompts: usize,
    /// Strings of each of them; 2 to 8.
    corpus_of_each: usize,
    /// Width of the transformer; even, in 4..=64.
    width: usize,
    /// Steps of learning the corpus; at least 1.
    corpus_steps: usize,
    /// Steps on pairs; at least 1.
    steps: usize,
    /// Adam's learning rate for the corpus; positive.
    corpus_learning_rate: f64,
    /// Adam's learning rate on pairs; positive.
    learning_rate: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    Dpo { beta: f64 },
    Unlikelihood { alpha: f64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Growth { weighted: bool },
    Threshold { above: bool },
    Leak { rule: Rule, many: bool },
    LeakControl { rule: Rule },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Dpo { beta } => write!(f, "dpo beta={beta}"),
            Self::Unlikelihood { alpha } => write!(f, "unlikelihood alpha={alpha}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Growth { weighted } => write!(f, "growth {}", if *weighted { "weighted" } else { "unweighted" }),
            Self::Threshold { above } => write!(f, "threshold {}", if *above { "above" } else { "below" }),
            Self::Leak { rule, many: true } => write!(f, "leak {rule}"),
            Self::Leak { rule, many: false } => write!(f, "leak one prompt {rule}"),
            Self::LeakControl { rule } => write!(f, "leak tabular {rule}"),
        }
    }
}

/// A moment of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `growth`, `threshold`, `leak`, `leak_one_prompt` or `leak_tabular`.
    part: String,
    /// `weighted`, `unweighted`, `below`, `above`, or the rule.
    setting: String,
    /// Flow time or steps.
    at: f64,
    /// Log-odds of best against worst output, less the reference's.
    log_odds: Option<f64>,
    /// KL to the reference, nats.
    kl: Option<f64>,
    /// The largest KL that there is, −log `π_ref`(best).
    room: Option<f64>,
    /// Total variation to (w − α l)/Σ.
    total_variation: Option<f64>,
    /// log π of the output that the formula says goes first.
    log_prob_of_first: Option<f64>,
    /// Probability of all strings that no data showed.
    unseen: Option<f64>,
    /// Entropy over strings, nats.
    entropy: Option<f64>,
}

impl Experiment for GradientWeight {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/gradient_weight";
    const PAPER: &'static str = "Rafailov et al., arXiv:2305.18290, Section 4 (what the update does) and Table 3";
    const CLAIM: &'static str = "without DPO's weight on wrong pairs, training degenerates";
    const SECONDS: (f64, f64) = (5.0, 160.0);

    fn params(profile: Profile) -> Params {
        let (corpus_steps, steps) = match profile {
            Profile::Smoke => (300, 60),
            Profile::Paper => (1500, 400),
        };
        Params {
            outputs: 8,
            beta: 0.1,
            leak_betas: vec![0.1, 1.0],
            times: (0..=24).map(|e| 10_f64.powf(f64::from(e) / 4.0)).collect(),
            horizon: 1e6,
            alphas: vec![0.0, 0.05, 0.1, 0.5, 1.0],
            vocab: 4,
            length: 4,
            corpus: 16,
            prompts: 32,
            corpus_of_each: 4,
            width: 16,
            corpus_steps,
            steps,
            corpus_learning_rate: 1e-2,
            learning_rate: 1e-3,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("outputs", p.outputs, 3, 64),
            ("vocab", p.vocab, 2, 6),
            ("length", p.length, 2, 10),
            ("width", p.width, 4, 64),
            ("prompts", p.prompts, 2, 256),
            ("corpus_of_each", p.corpus_of_each, 2, 8),
            ("corpus_steps", p.corpus_steps, 1, 10_000_000),
            ("steps", p.steps, 1, 10_000_000),
        ])?;
        let strings = p.vocab.pow(p.length as u32);
        Error::check_counts(&[("vocab^length", strings, 16, 1024), ("corpus", p.corpus, 4, strings / 4)])?;
        Error::check_positive(&[
            ("beta", p.beta),
            ("horizon", p.horizon),
            ("corpus_learning_rate", p.corpus_learning_rate),
            ("learning_rate", p.learning_rate),
        ])?;
        if p.times.len() < 3 || p.times[0] <= 0.0 || !p.times.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter("times", format!("{:?}", p.times), "three or more, increasing and positive"));
        }
        p.leak_betas.iter().try_for_each(|beta| Error::check_positive(&[("leak_betas", *beta)]))?;
        if ![0.1, 1.0].iter().all(|b| p.leak_betas.contains(b)) {
            return Err(Error::parameter("leak_betas", format!("{:?}", p.leak_betas), "positive, with 0.1 and 1"));
        }
        let legal = p.alphas.iter().all(|a| (0.0..=1.0).contains(a));
        if !legal || ![0.0, 1.0].iter().all(|a| p.alphas.contains(a)) {
            return Err(Error::parameter("alphas", format!("{:?}", p.alphas), "in [0, 1], with 0 and 1"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let rules: Vec<Rule> = (p.leak_betas.iter().map(|&beta| Rule::Dpo { beta }))
            .chain(p.alphas.iter().map(|&alpha| Rule::Unlikelihood { alpha }))
            .collect();
        let mut cells = vec![
            Cell::Growth { weighted: true },
            Cell::Growth { weighted: false },
            Cell::Threshold { above: false },
            Cell::Threshold { above: true },
        ];
        for many in [true, false] {
            cells.extend(rules.iter().map(|&rule| Cell::Leak { rule, many }));
        }
        cells.extend(rules.iter().map(|&rule| Cell::LeakControl { rule }));
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Growth { weighted } => growth(p, weighted, &mut ctx.shared_stream("outputs")),
            Cell::Threshold { above } => threshold(p, above, &mut ctx.shared_stream("outputs")),
            Cell::Leak { rule, many } => leak(p, rule, many, ctx),
            Cell::LeakControl { rule } => leak_tabular(p, rule, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// A random reference, outputs in the order of their reward, the best first.
fn random_reference(outputs: usize, rng: &mut Stream) -> Vec<f64> {
    let mut logits = vec![0.0; outputs];
    rng.fill_normal(1.0, &mut logits);
    normalised(&logits)
}

fn growth(p: &Params, weighted: bool, rng: &mut Stream) -> Result<Vec<Row>> {
    let reference = random_reference(p.outputs, rng);
    let pairs = Population::new(p.outputs, |_, _| 1.0, |_, _| 1.0);
    let loss = if weighted { Loss::Dpo } else { Loss::Unweighted };
    let field = |logits: &[f64], rate: &mut [f64]| {
        pairs.gradient(loss, p.beta, &reference, logits, rate);
        rate.iter_mut().for_each(|r| *r = -*r);
    };
    let log_odds = |lp: &[f64]| lp[0] - lp[p.outputs - 1];
    // with the weight, time in units in which a pair's curvature is one; without it the log-odds run away long before
    let times: Vec<f64> = if weighted {
        p.times.iter().map(|t| t / p.beta.powi(2)).collect()
    } else {
        (1..=p.times.len()).map(|i| 1000.0 / p.beta * i as f64 / p.times.len() as f64).collect()
    };
    let (mut state, mut time, mut rows) = (reference.clone(), 0.0, Vec::new());
    for at in times {
        state = Flow::new(1e-9, at - time)?.end(field, &state)?;
        time = at;
        let log_probs = normalised(&state);
        rows.push(Row {
            part: "growth".into(),
            setting: if weighted { "weighted" } else { "unweighted" }.into(),
            at,
            log_odds: Some(log_odds(&log_probs) - log_odds(&reference)),
            kl: Some(kl(&log_probs, &reference)),
            room: Some(-reference[0]),
            ..Row::default()
        });
    }
    Ok(rows)
}

fn threshold(p: &Params, above: bool, rng: &mut Stream) -> Result<Vec<Row>> {
    let reference = random_reference(p.outputs, rng);
    let mut rewards = vec![0.0; p.outputs];
    rng.fill_normal(1.0, &mut rewards);
    let share = |i: usize, j: usize| sigmoid(rewards[i] - rewards[j]);
    let (mut wins, mut losses) = (vec![0.0; p.outputs], vec![0.0; p.outputs]);
    for i in 0..p.outputs {
        for j in (0..p.outputs).filter(|j| *j != i) {
            wins[i] += share(i, j);
            losses[i] += share(j, i);
        }
    }
    let total: f64 = wins.iter().sum();
    let first = (0..p.outputs).min_by(|a, b| (wins[*a] / losses[*a]).total_cmp(&(wins[*b] / losses[*b])));
    let first = first.expect("outputs");
    let alpha = wins[first] / losses[first] * if above { 1.01 } else { 0.99 };
    let pulls: Vec<f64> = wins.iter().zip(&losses).map(|(w, l)| (w - alpha * l) / total).collect();
    let sum: f64 = pulls.iter().sum();
    // labels go both ways, so the loss is that of both orders of each pair
    let pairs = Population::new(p.outputs, |_, _| 1.0, share);
    let field = |logits: &[f64], rate: &mut [f64]| {
        pairs.gradient(Loss::Unlikelihood { alpha }, 1.0, &reference, logits, rate);
        rate.iter_mut().for_each(|r| *r = -*r);
    };
    let log_probs = normalised(&Flow::new(1e-9, p.horizon)?.end(field, &reference)?);
    let optimum: Vec<f64> = pulls.iter().map(|c| (c.max(0.0) / sum).ln()).collect();
    Ok(vec![Row {
        part: "threshold".into(),
        setting: if above { "above" } else { "below" }.into(),
        at: p.horizon,
        total_variation: (!above).then(|| total_variation(&log_probs, &optimum)),
        log_prob_of_first: Some(log_probs[first]),
        ..Row::default()
    }])
}

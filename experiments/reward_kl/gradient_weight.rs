//! Why DPO weighs its pairs: without the weight it is unlikelihood training, which has no optimum and leaks.
//!
//! **Claims** (Section 4 and Table 3 of arXiv:2305.18290): a method without the weight σ(r̂_l − r̂_w), unlikelihood
//! training, makes the language model degenerate (its samples on TL;DR repeat one word).
//!
//! **Measured**. `growth`: one prompt, one logit per output, deterministic labels, gradient flow; the log-odds of best
//! against worst output over time, with the weight (DPO) and without (DPO's linear loss, which is unlikelihood with α =
//! 1). `threshold`: Bradley–Terry labels; with winner masses w and loser masses l, unlikelihood maximises Σ (`w_y` − α
//! `l_y`) log π(y), which has the optimum π ∝ w − α l if all are positive and none if one is negative: so it
//! degenerates above α* = min w/l. `leak`: a transformer over a few hundred strings of which a corpus holds a few; it
//! learns the corpus, then pairs of the corpus by DPO or unlikelihood (Adam); the probability of all strings that no
//! data ever showed.
//!
//! **Controls**: the same with one logit per string (gradient flow), where nothing is shared: no unseen string gains,
//! as long as α ≤ 1; and SFT on the chosen strings alone (α = 0), which leaks little.

use super::pairs::{Loss, Population, normalised};
use crate::statistics::{by_seed, largest, log_axis, means, seeds, smallest, summary};
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::env::Tree;
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Flow, entropy, kl, total_variation};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::sigmoid;
use rewardlab::objective::{dpo_loss, unlikelihood_loss};
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::policy::{Policy, Transformer};
use rewardlab::rng::Stream;
use rewardlab::stats::{fit_line, mean_interval};
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
    /// β; positive.
    beta: f64,
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
    /// Strings of the corpus; at least 4, at most a quarter of all.
    corpus: usize,
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
    Dpo,
    Unlikelihood { alpha: f64 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Growth { weighted: bool },
    Threshold { above: bool },
    Leak { rule: Rule },
    LeakControl { rule: Rule },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Dpo => write!(f, "dpo"),
            Self::Unlikelihood { alpha } => write!(f, "unlikelihood alpha={alpha}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Growth { weighted } => write!(f, "growth {}", if *weighted { "weighted" } else { "unweighted" }),
            Self::Threshold { above } => write!(f, "threshold {}", if *above { "above" } else { "below" }),
            Self::Leak { rule } => write!(f, "leak {rule}"),
            Self::LeakControl { rule } => write!(f, "leak tabular {rule}"),
        }
    }
}

/// A moment of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `growth`, `threshold`, `leak` or `leak_tabular`.
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
    const SECONDS: (f64, f64) = (5.0, 60.0);

    fn params(profile: Profile) -> Params {
        let (corpus_steps, steps) = match profile {
            Profile::Smoke => (300, 60),
            Profile::Paper => (1500, 400),
        };
        Params {
            outputs: 8,
            beta: 0.1,
            times: (0..=24).map(|e| 10_f64.powf(f64::from(e) / 4.0)).collect(),
            horizon: 1e6,
            alphas: vec![0.0, 0.05, 0.1, 0.5, 1.0],
            vocab: 4,
            length: 4,
            corpus: 16,
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
        let legal = p.alphas.iter().all(|a| (0.0..=1.0).contains(a));
        if !legal || ![0.0, 1.0].iter().all(|a| p.alphas.contains(a)) {
            return Err(Error::parameter("alphas", format!("{:?}", p.alphas), "in [0, 1], with 0 and 1"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let rules: Vec<Rule> =
            [Rule::Dpo].into_iter().chain(p.alphas.iter().map(|&alpha| Rule::Unlikelihood { alpha })).collect();
        let mut cells = vec![
            Cell::Growth { weighted: true },
            Cell::Growth { weighted: false },
            Cell::Threshold { above: false },
            Cell::Threshold { above: true },
        ];
        cells.extend(rules.iter().map(|&rule| Cell::Leak { rule }));
        cells.extend(rules.iter().map(|&rule| Cell::LeakControl { rule }));
        cells
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        match *cell {
            Cell::Growth { weighted } => growth(p, weighted, &mut ctx.shared_stream("outputs")),
            Cell::Threshold { above } => threshold(p, above, &mut ctx.shared_stream("outputs")),
            Cell::Leak { rule } => leak(p, rule, ctx),
            Cell::LeakControl { rule } => leak_tabular(p, rule, ctx),
        }
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), theory_and_controls(rows)].concat()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        chart(rows)
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

/// The strings, those of the corpus in the order of their reward.
fn corpus(p: &Params, ctx: &Context) -> (Tree, Vec<usize>) {
    let tree = Tree { prompts: 1, vocab: p.vocab, length: p.length };
    let mut all = ctx.shared_stream("corpus").permutation(tree.outputs());
    all.truncate(p.corpus);
    (tree, all)
}

/// The weights on the strings' log-probabilities that descend the rule's loss over all pairs of the corpus; the better string is the
/// one that stands before the other.
fn pulls(rule: Rule, beta: f64, corpus: &[usize], log_probs: &[f64], reference: &[f64]) -> Vec<f64> {
    let pairs: Vec<(usize, usize)> =
        (0..corpus.len()).flat_map(|i| (i + 1..corpus.len()).map(move |j| (corpus[i], corpus[j]))).collect();
    let both =
        |of: &[f64]| -> Vec<f64> { pairs.iter().map(|p| of[p.0]).chain(pairs.iter().map(|p| of[p.1])).collect() };
    let mut on_pairs = vec![0.0; 2 * pairs.len()];
    match rule {
        Rule::Dpo => dpo_loss(&both(log_probs), &both(reference), beta, -1.0, &mut on_pairs),
        Rule::Unlikelihood { alpha } => unlikelihood_loss(&both(log_probs), alpha, -1.0, &mut on_pairs),
    };
    let mut weights = vec![0.0; log_probs.len()];
    for (k, (chosen, rejected)) in pairs.iter().enumerate() {
        weights[*chosen] += on_pairs[k];
        weights[*rejected] += on_pairs[pairs.len() + k];
    }
    weights
}

/// What a row says of a distribution over strings.
fn seen(part: &str, rule: Rule, at: f64, corpus: &[usize], log_probs: &[f64], reference: &[f64]) -> Row {
    let unseen = (0..log_probs.len()).filter(|y| !corpus.contains(y)).map(|y| log_probs[y].exp()).sum();
    Row {
        part: part.into(),
        setting: rule.to_string(),
        at,
        kl: Some(kl(log_probs, reference)),
        unseen: Some(unseen),
        entropy: Some(entropy(log_probs)),
        ..Row::default()
    }
}

/// A transformer over the tree's strings, and its steps.
struct Model {
    tree: Tree,
    policy: Transformer,
    optimizer: Adam,
    contexts: Vec<usize>,
}

impl Model {
    fn new(tree: Tree, policy: Transformer, learning_rate: f64) -> Result<Self> {
        let optimizer = Adam::new(learning_rate, policy.params().len())?;
        Ok(Self { tree, policy, optimizer, contexts: tree.contexts_of(0).collect() })
    }

    /// log π of every string, and of every token in every context.
    fn log_probs(&mut self) -> (Vec<f64>, Vec<f64>) {
        let mut tokens = vec![0.0; self.contexts.len() * self.tree.vocab];
        self.policy.log_probs(&self.contexts, &mut tokens);
        let strings = (0..self.tree.outputs()).map(|y| self.tree.cells(y).map(|c| tokens[c]).sum()).collect();
        (strings, tokens)
    }

    /// One step up Σ weight · log π(string), the weights given by the strings' log-probabilities.
    fn step(&mut self, weigh: impl FnOnce(&[f64]) -> Vec<f64>) {
        let (strings, tokens) = self.log_probs();
        let mut weights = vec![0.0; tokens.len()];
        for (y, weight) in weigh(&strings).into_iter().enumerate().filter(|(_, w)| *w != 0.0) {
            self.tree.cells(y).for_each(|c| weights[c] += weight);
        }
        let mut gradient = vec![0.0; self.policy.params().len()];
        self.policy.backward_log_probs(&tokens, &mut weights, &mut gradient);
        self.optimizer.ascend(self.policy.params_mut(), &gradient);
    }
}

fn leak(p: &Params, rule: Rule, ctx: &Context) -> Result<Vec<Row>> {
    let (tree, corpus) = corpus(p, ctx);
    let key = (p.vocab, p.length, p.corpus, p.width, p.corpus_steps, p.corpus_learning_rate);
    let learned = ctx.stage("corpus", &key, |rng| {
        let mut model = Model::new(tree, Transformer::random(p.width, 1.0, tree, rng)?, p.corpus_learning_rate)?;
        for _ in 0..p.corpus_steps {
            model.step(|strings| {
                let mut weights = vec![0.0; strings.len()];
                corpus.iter().for_each(|y| weights[*y] = 1.0 / corpus.len() as f64);
                weights
            });
        }
        Ok(model.policy.params().to_vec())
    })?;
    let mut policy = Transformer::random(p.width, 1.0, tree, &mut ctx.shared_stream("shape"))?;
    policy.params_mut().copy_from_slice(&learned);
    let mut model = Model::new(tree, policy, p.learning_rate)?;
    let (reference, _) = model.log_probs();
    let mut rows = vec![seen("leak", rule, 0.0, &corpus, &reference, &reference)];
    let mut next = 1;
    for t in 1..=p.steps {
        model.step(|strings| pulls(rule, p.beta, &corpus, strings, &reference));
        if t == next || t == p.steps {
            next = (next as f64 * 1.5).ceil() as usize;
            let (strings, _) = model.log_probs();
            if strings.iter().any(|lp| lp.is_nan()) {
                return Err(Error::Numeric(format!("{rule}: a probability is NaN after {t} steps")));
            }
            rows.push(seen("leak", rule, t as f64, &corpus, &strings, &reference));
        }
    }
    Ok(rows)
}

/// One logit per string: a reference that puts a hundredth on strings outside the corpus, and gradient flow.
fn leak_tabular(p: &Params, rule: Rule, ctx: &Context) -> Result<Vec<Row>> {
    let (tree, corpus) = corpus(p, ctx);
    let (inside, outside) = (corpus.len() as f64, (tree.outputs() - corpus.len()) as f64);
    let share = |y: usize| if corpus.contains(&y) { 0.99 / inside } else { 0.01 / outside };
    let reference: Vec<f64> = (0..tree.outputs()).map(|y| share(y).ln()).collect();
    let field = |logits: &[f64], rate: &mut [f64]| {
        let log_probs = normalised(logits);
        rate.copy_from_slice(&pulls(rule, p.beta, &corpus, &log_probs, &reference));
        let sum: f64 = rate.iter().sum();
        rate.iter_mut().zip(&log_probs).for_each(|(r, lp)| *r -= lp.exp() * sum);
    };
    let (mut state, mut time) = (reference.clone(), 0.0);
    let mut rows = vec![seen("leak_tabular", rule, 0.0, &corpus, &reference, &reference)];
    for at in [1.0, 10.0, 100.0] {
        state = Flow::new(1e-9, at - time)?.end(field, &state)?;
        time = at;
        rows.push(seen("leak_tabular", rule, at, &corpus, &normalised(&state), &reference));
    }
    Ok(rows)
}

fn of<'a>(rows: &'a [Record<Row>], part: &'a str, setting: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == part && r.setting == setting)
}

const FULL: &str = "unlikelihood alpha=1";

/// log10 of how many times as much probability unseen strings have at the end as at the start.
fn leaked(rows: &[&Record<Row>]) -> f64 {
    let by_time = |a: &&&Record<Row>, b: &&&Record<Row>| a.at.total_cmp(&b.at);
    let unseen = |r: Option<&&Record<Row>>| r.and_then(|r| r.unseen).unwrap_or(f64::NAN);
    (unseen(rows.iter().max_by(by_time)) / unseen(rows.iter().min_by(by_time))).log10()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let leak = |rule: &'static str| by_seed(of(rows, "leak", rule), leaked);
    let difference: Vec<f64> = leak(FULL).iter().zip(leak("dpo")).map(|(u, d)| u - d).collect();
    vec![
        Check::new(
            Kind::Claim,
            "leak",
            "unlikelihood training moves probability to strings that no data showed",
            "arXiv:2305.18290, Table 3 (its samples degenerate); criterion ours",
            "log10 of the growth of their probability, transformer, α = 1",
            mean_interval(&leak(FULL)),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Claim,
            "dpo_leaks_less",
            "and DPO, with its weight, moves less",
            "arXiv:2305.18290, Section 4",
            "the same, α = 1 less DPO, after as many steps of the same optimiser",
            mean_interval(&difference),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Claim,
            "collapse",
            "without the weight the policy collapses on one output",
            "arXiv:2305.18290, Section 4",
            "smallest KL to the reference over the largest there is, at the end",
            smallest(by_seed(of(rows, "growth", "unweighted"), |g| {
                let last = g.iter().max_by(|a, b| a.at.total_cmp(&b.at));
                last.and_then(|r| Some(r.kl? / r.room?)).unwrap_or(f64::NAN)
            })),
            Criterion::AtLeast(0.99),
        ),
    ]
}

fn theory_and_controls(rows: &[Record<Row>]) -> Vec<Check> {
    let straight = |setting: &'static str, x: fn(f64) -> f64| {
        smallest(by_seed(of(rows, "growth", setting), |g| {
            // the tail: at first both start from zero
            let late = &g[g.len() / 2..];
            let (x, y): (Vec<f64>, Vec<f64>) = late.iter().filter_map(|r| Some((x(r.at), r.log_odds?))).unzip();
            fit_line(&x, &y).r_squared
        }))
    };
    vec![
        Check::new(
            Kind::Theory,
            "unweighted_is_linear",
            "deterministic labels: without the weight log-odds grow linearly in time",
            "derived: the gradient by the logits is constant",
            "smallest R² of log-odds on t, later half",
            straight("unweighted", |t| t),
            Criterion::AtLeast(0.99),
        ),
        Check::new(
            Kind::Theory,
            "weighted_is_logarithmic",
            "with the weight they grow logarithmically",
            "derived: the weight decays as e^(−β h)",
            "smallest R² of log-odds on log t, later half",
            straight("weighted", f64::ln),
            Criterion::AtLeast(0.99),
        ),
        Check::new(
            Kind::Theory,
            "below_threshold",
            "unlikelihood at 0.99 α* has the optimum π ∝ w − α l",
            "derived: α* = min w/l",
            "largest total variation to it at the end of the flow",
            largest(of(rows, "threshold", "below").filter_map(|r| r.total_variation)),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Theory,
            "above_threshold",
            "and at 1.01 α* none: the output of the smallest w/l is driven out",
            "derived",
            "its largest log-probability at the end of the flow, nats",
            largest(of(rows, "threshold", "above").filter_map(|r| r.log_prob_of_first)),
            Criterion::AtMost(-20.0),
        ),
        Check::new(
            Kind::Control,
            "tabular_does_not_leak",
            "with one logit per string no string outside the data gains, for any rule",
            "derived: its logit's derivative is −π(y) (1 − α) ≤ 0, and 0 for DPO",
            "largest gain of the unseen strings' probability over its start, relative",
            largest(rows.iter().filter(|r| r.part == "leak_tabular" && r.at > 0.0).filter_map(|r| {
                let start = rows.iter().find(|o| (o.seed, &o.cell) == (r.seed, &r.cell) && o.at == 0.0)?;
                Some(r.unseen? / start.unseen? - 1.0)
            })),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Control,
            "sft_leaks_less",
            "SFT on the chosen strings alone moves less there than α = 1",
            "control",
            "log10 of the growth of unseen strings' probability, α = 1 less α = 0, transformer",
            mean_interval(
                &by_seed(of(rows, "leak", FULL), leaked)
                    .iter()
                    .zip(by_seed(of(rows, "leak", "unlikelihood alpha=0"), leaked))
                    .map(|(u, s)| u - s)
                    .collect::<Vec<_>>(),
            ),
            Criterion::AtLeast(0.5),
        ),
    ]
}

fn chart(rows: &[Record<Row>]) -> Chart {
    let mut rules: Vec<&str> = rows.iter().filter(|r| r.part == "leak").map(|r| &*r.setting).collect();
    rules.sort_unstable();
    rules.dedup();
    let line = |series: &str, part: &str, setting: &str, y: fn(&Row) -> Option<f64>| Layer::Line {
        series: series.into(),
        points: means(&summary(of(rows, part, setting).filter_map(|r| Some((r.at, y(r)?))))),
        stroke: Stroke::Solid,
        markers: false,
    };
    let words = |rule: &str| match rule {
        "dpo" => "DPO".to_owned(),
        other => other.replace("unlikelihood alpha=", "unlikelihood, α = "),
    };
    let each = |part: &str, y: fn(&Row) -> Option<f64>| -> Vec<Layer> {
        rules.iter().map(|rule| line(&words(rule), part, rule, y)).collect()
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let panel = |title: &str, x: Axis, y: Axis, layers: Vec<Layer>| Panel { title: title.into(), x, y, layers };
    let odds = || axis("log-odds, best against worst (nats)");
    let growth = |setting: &'static str| vec![line("log-odds", "growth", setting, |r| r.log_odds)];
    Chart {
        title: "Without its weight DPO is unlikelihood training".into(),
        subtitle: format!(
            "Above: one logit per output, deterministic labels, gradient flow. Below: a transformer that has learned a corpus, \
             then its pairs; unseen: strings in no data. Means over {} seeds.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("With the weight", log_axis("flow time"), odds(), growth("weighted")),
            panel("Without", axis("flow time"), odds(), growth("unweighted")),
            panel("Unseen strings: transformer", axis("steps"), log_axis("probability"), each("leak", |r| r.unseen)),
            panel(
                "Entropy: transformer",
                axis("steps"),
                axis("entropy over strings (nats)"),
                each("leak", |r| r.entropy),
            ),
        ],
        columns: 2,
    }
}

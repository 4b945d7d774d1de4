//! Is what `rewardlab preflight` predicts from a few samples true? Small worlds, in which everything that it predicts is exact.
//!
//! **Formula**: `P(dead group of G) = Σ_r P(r)^G`; that a small std means a small gradient rests on
//! `‖∇V‖ ≤ γ √(L/2) STD[r]`, which no check here tests (`theorem1` does).
//!
//! **Claims** (ours; what they rest on is Theorem 1 of arXiv:2310.20703: a small reward std means a small gradient): from 16 sampled rewards per
//! prompt, the predicted share of dead groups is the true one to 0.05, also for groups of 64, larger than the sample; 95% intervals of
//! a prompt's reward std and of its probability of a dead group hold the truth; the predicted std orders prompts as their exact gradients do;
//! the prompts that are said to vanish have a small gradient; more samples say it more sharply.
//!
//! **Measured**: worlds of prompts with 216 outputs each (three tokens out of six) and a tabular policy whose logits are flat on some prompts
//! and sharp on others, so that reward stds run over orders of magnitude. The reward is a verifier's (0 or 1, right outputs being rare on
//! some prompts), graded (five values), or continuous (different for every output, and little so on some prompts). Rewards are drawn from the policy; the
//! prediction sees nothing else. Truth by enumeration: reward std, Σ P(r)^G, ‖∇V‖ by all logits.
//!
//! **Control**: rewards dealt anew among prompts order nothing.
//!
//! **Found** (10 seeds, criteria written before the first run and unmoved): 93% of the 95% intervals of a reward std hold it (0.914 to 0.954, the worst kind of
//! reward), 94% of those of a dead group's probability do (0.914 to 0.959), shares of dead groups are predicted to 0.030 (0.014 to 0.047), also for groups of 64
//! from 16 samples. Of the prompts that `rewardlab preflight` calls vanishing, 99% do (0.983 to 1.002); all of them have continuous rewards, since sixteen samples of
//! such worlds, where rare successes are seen too, never make a call for verifiers and grades (a std below 0.05 is a success in 400). The order of prompts is that of
//! their gradients with a Spearman correlation of 0.74 and more (the least: 0.679 to 0.800, not decided at 0.7). Prompts of verifiers that vanish more probably than not
//! (4%, in four of ten worlds) have 0.74 (−0.27 to 1.75) of the others' gradient: not decided either.
//!
//! **What changed after the first run**: there the prior pooled values with one weight for all prompts; 36% of the intervals of a continuous reward held the
//! std, since a prompt that spreads little around a mean that others share was believed to spread as others do, and `covers_std` was refuted. Then the prior
//! pooled spreads, and each prompt had a weight of its own, whose distribution was fitted; in few or like prompts it said more than it could know (one prompt with
//! sixteen failures was called stuck with 0.875), though here 94% of the intervals held the std and `orders_gradients` was reproduced (0.747, 0.705 to 0.789). Now
//! prompts are of types that are drawn from their posterior (`metrics::RewardPrior`), and a prompt is called vanishing from 0.9 on; `called_rightly` was added with its
//! criterion before its first run. Types were chosen in worlds of other kinds (all prompts alike, chances 0, 0.03 and 1, half of them dead), not on these rows.
//! Measurement, seeds and the other criteria are as they were; said to vanish in `vanishing` is still a probability above 1/2.

mod judge;

use crate::statistics::{banded, intervals, log_axis, seeds};
use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Engine, output_log_probs};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::metrics::{RewardPrior, SpreadPrediction, expected_dead_groups_of};
use rewardlab::num::norm;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Scale, Stroke};
use rewardlab::policy::{Policy, Tabular};
use rewardlab::rng::Stream;
use rewardlab::stats::{Estimate, mean, spearman};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Where the axis of gradients ends: a few prompts' are many orders of magnitude smaller.
const FLOOR: f64 = 1e-4;

#[derive(Debug)]
pub(crate) struct PreflightCalibration;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Prompts of a world; 4 to 10^4.
    prompts: usize,
    /// Standard deviation of a prompt's logits, from the flattest prompts to the sharpest (uniform in the logarithm); positive, ascending.
    sharpness: (f64, f64),
    /// Smallest share of right outputs of a prompt under a verifier, and smallest scale of a continuous reward (log-uniform up to 1/2,
    /// and to 1); above 0, below 1/2.
    least: f64,
    /// Sampled rewards per prompt; 2 to 10^4 each.
    samples: Vec<usize>,
    /// Sizes of groups; 2 to 10^4 each.
    groups: Vec<usize>,
    /// Reward std below which a gradient counts as vanished; positive.
    threshold: f64,
}

/// What pays an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reward {
    Verifier,
    Graded,
    Continuous,
}

impl Reward {
    const ALL: [Self; 3] = [Self::Verifier, Self::Graded, Self::Continuous];

    fn name(self) -> &'static str {
        match self {
            Self::Verifier => "verifier",
            Self::Graded => "graded",
            Self::Continuous => "continuous",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    reward: Reward,
    samples: usize,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.n{}", self.reward.name(), self.samples)
    }
}

/// One world and number of samples; or, at seed 0, one of its prompts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    reward: String,
    samples: usize,
    /// Size of a group; rows of prompts have the first.
    group: usize,
    /// Index of the prompt; absent in a world's row.
    prompt: Option<usize>,
    /// Predicted probability that a group is dead; of a world the mean over prompts.
    predicted_dead: f64,
    /// The true one.
    dead: f64,
    /// Predicted reward std; of a world the mean.
    predicted_std: f64,
    /// The true one.
    std: f64,
    /// Width of the std's interval; of a world the mean.
    width: f64,
    /// Whether the std's interval holds the truth; of a world the share of prompts.
    covers_std: f64,
    /// The same of the probability of a dead group.
    covers_dead: f64,
    /// ‖∇V‖ by the prompt's logits; of a world the mean.
    gradient: f64,
    /// Whether the prompt is said to vanish (posterior probability of a std below the threshold above 1/2); of a world the share.
    said_to_vanish: f64,
    /// Whether the prompt would be called so by `rewardlab preflight` (posterior probability [`SpreadPrediction::SURE`] or more); of a world the
    /// share.
    called: f64,
    /// Whether it is called so and its std is below the threshold; of a world the share.
    called_rightly: f64,
    /// World: mean ‖∇V‖ of the prompts that are said to vanish over that of the others; absent where either are none.
    gradient_ratio: Option<f64>,
    /// World: Spearman correlation over prompts of predicted std and ‖∇V‖.
    rank: Option<f64>,
    /// World: the same after sampled rewards were dealt anew among prompts.
    rank_dealt: Option<f64>,
}

/// A prompt's truth.
struct Truth {
    std: f64,
    gradient: f64,
    dead: Vec<f64>,
    sampled: Vec<f64>,
}

impl Experiment for PreflightCalibration {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "real_models/preflight_calibration";
    const PAPER: &'static str = "ours; it rests on arXiv:2310.20703, Theorem 1";
    const CLAIM: &'static str =
        "Sixteen rewards per prompt predict dead groups and vanishing gradients, with intervals that hold the truth";
    const SECONDS: (f64, f64) = (3.0, 900.0);

    fn params(profile: Profile) -> Params {
        let smoke = profile == Profile::Smoke;
        Params {
            prompts: if smoke { 20 } else { 100 },
            sharpness: (0.5, 6.0),
            least: 0.01,
            samples: if smoke { vec![8, 16] } else { vec![4, 8, 16, 32, 64] },
            groups: vec![4, 8, 16, 64],
            threshold: 0.05,
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
            ("prompts", p.prompts, 4, 10_000),
            ("samples", p.samples.len(), 1, 20),
            ("groups", p.groups.len(), 1, 20),
        ])?;
        for (name, counts) in [("samples", &p.samples), ("groups", &p.groups)] {
            counts.iter().try_for_each(|n| Error::check_counts(&[(name, *n, 2, 10_000)]))?;
        }
        Error::check_positive(&[("sharpness", p.sharpness.0), ("threshold", p.threshold)])?;
        if !(p.sharpness.0 < p.sharpness.1 && p.sharpness.1.is_finite()) {
            return Err(Error::parameter("sharpness", format!("{:?}", p.sharpness), "ascending and finite"));
        }
        if !(p.least > 0.0 && p.least < 0.5) {
            return Err(Error::parameter("least", p.least, "above 0 and below 1/2"));
        }
        Ok(())
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let of = |reward| p.samples.iter().map(move |samples| Cell { reward, samples: *samples });
        Reward::ALL.into_iter().flat_map(of).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let truths = truths(p, *cell, ctx)?;
        let sampled: Vec<&[f64]> = truths.iter().map(|t| t.sampled.as_slice()).collect();
        let rng = &mut ctx.stream("posterior");
        let said = predict(p, &sampled, rng)?;
        let all = sampled.concat();
        let order = ctx.stream("dealt").permutation(all.len());
        let dealt: Vec<f64> = order.into_iter().map(|i| all[i]).collect();
        let dealt: Vec<&[f64]> = dealt.chunks(cell.samples).collect();
        let dealt = predict(p, &dealt, rng)?;
        let prompts: Vec<Vec<Row>> = (0..p.groups.len())
            .map(|g| (0..truths.len()).map(|x| row(p, *cell, (g, x), &truths[x], &said[x])).collect())
            .collect();
        let rank = |said: &[SpreadPrediction]| {
            let (std, gradient): (Vec<f64>, Vec<f64>) =
                said.iter().zip(&truths).map(|(s, t)| (s.std.value, t.gradient)).unzip();
            Some(spearman(&std, &gradient))
        };
        let mut rows: Vec<Row> =
            prompts.iter().map(|of| Row { rank: rank(&said), rank_dealt: rank(&dealt), ..world_row(of) }).collect();
        if ctx.seed() == 0 {
            rows.extend(prompts.into_iter().next().unwrap_or_default());
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        chart(rows)
    }
}

/// A world's prompts: what is true of them, and what was sampled.
fn truths(p: &Params, cell: Cell, ctx: &Context) -> Result<Vec<Truth>> {
    let tree = Tree { prompts: 1, vocab: 6, length: 3 };
    let rng = &mut ctx.stream("world");
    let mut engine = Engine::new(tree);
    let log_uniform = |rng: &mut Stream, low: f64, high: f64| low * (high / low).powf(rng.uniform());
    (0..p.prompts)
        .map(|_| {
            let mut policy = Tabular::uniform(tree.contexts(), tree.vocab);
            let sharpness = log_uniform(rng, p.sharpness.0, p.sharpness.1);
            rng.fill_normal(sharpness, policy.params_mut());
            let scale = log_uniform(rng, p.least, 0.5);
            let outputs = 0..tree.outputs();
            let rewards = match cell.reward {
                Reward::Verifier => outputs.map(|_| f64::from(u8::from(rng.uniform() < scale))).collect(),
                Reward::Graded => {
                    outputs.map(|_| (1..=4).filter(|_| rng.uniform() < scale).count() as f64 / 4.0).collect()
                }
                Reward::Continuous => outputs.map(|_| 0.5 + 2.0 * scale * (rng.uniform() - 0.5)).collect(),
            };
            let world = World::new(tree, rewards)?;
            let std = engine.stats(&mut policy, &world, 0).reward_std;
            let mut grad = vec![0.0; policy.params().len()];
            engine.policy_gradient(&mut policy, &world, 0, 1.0, &mut grad);
            let dead = p.groups.iter().map(|g| expected_dead_groups_of(&mut policy, &world, 0, *g)).collect();
            let probs: Vec<f64> = output_log_probs(&mut policy, tree, 0).into_iter().map(f64::exp).collect();
            let sampled = (0..cell.samples).map(|_| world.rewards(0)[rng.categorical(&probs)]).collect();
            Ok(Truth { std, gradient: norm(&grad), dead, sampled })
        })
        .collect()
}

fn predict(p: &Params, sampled: &[&[f64]], rng: &mut Stream) -> Result<Vec<SpreadPrediction>> {
    let prior = RewardPrior::fit(sampled, None)?;
    sampled.iter().map(|rewards| prior.predict(rewards, &p.groups, p.threshold, rng)).collect()
}

fn row(p: &Params, cell: Cell, (group, prompt): (usize, usize), truth: &Truth, said: &SpreadPrediction) -> Row {
    let holds = |e: &Estimate, value: f64| f64::from(u8::from((e.low..=e.high).contains(&value)));
    Row {
        reward: cell.reward.name().into(),
        samples: cell.samples,
        group: p.groups[group],
        prompt: Some(prompt),
        predicted_dead: said.dead[group].value,
        dead: truth.dead[group],
        predicted_std: said.std.value,
        std: truth.std,
        width: said.std.high - said.std.low,
        covers_std: holds(&said.std, truth.std),
        covers_dead: holds(&said.dead[group], truth.dead[group]),
        gradient: truth.gradient,
        said_to_vanish: f64::from(u8::from(said.vanishes > 0.5)),
        called: f64::from(u8::from(said.is_vanishing())),
        called_rightly: f64::from(u8::from(said.is_vanishing() && truth.std < p.threshold)),
        ..Row::default()
    }
}

/// The means over a world's prompts.
fn world_row(prompts: &[Row]) -> Row {
    let over = |value: fn(&Row) -> f64| mean(&prompts.iter().map(value).collect::<Vec<_>>());
    let gradient = |vanish: f64| {
        let own: Vec<f64> = prompts.iter().filter(|r| r.said_to_vanish == vanish).map(|r| r.gradient).collect();
        (!own.is_empty()).then(|| mean(&own))
    };
    Row {
        prompt: None,
        predicted_dead: over(|r| r.predicted_dead),
        dead: over(|r| r.dead),
        predicted_std: over(|r| r.predicted_std),
        std: over(|r| r.std),
        width: over(|r| r.width),
        covers_std: over(|r| r.covers_std),
        covers_dead: over(|r| r.covers_dead),
        gradient: over(|r| r.gradient),
        said_to_vanish: over(|r| r.said_to_vanish),
        called: over(|r| r.called),
        called_rightly: over(|r| r.called_rightly),
        gradient_ratio: gradient(1.0).zip(gradient(0.0)).map(|(small, large)| small / large),
        ..prompts[0].clone()
    }
}

fn chart(rows: &[Record<Row>]) -> Chart {
    let worlds = || rows.iter().filter(|r| r.prompt.is_none());
    let n = usual(rows);
    let over_samples = |value: fn(&Row) -> f64| -> Vec<Layer> {
        let of = |reward: Reward| {
            let own = worlds().filter(move |r| r.reward == reward.name());
            let points = intervals(own.map(|r| (r.samples as f64, value(r))));
            banded(reward.name(), &points, Stroke::Solid)
        };
        Reward::ALL.into_iter().flat_map(of).collect()
    };
    let mut covered = over_samples(|r| r.covers_std);
    covered.push(Layer::Horizontal { label: "95%".into(), y: 0.95 });
    let dead = |reward: Reward| Layer::Scatter {
        series: reward.name().into(),
        points: worlds()
            .filter(|r| r.samples == n && r.reward == reward.name())
            .map(|r| (r.dead, r.predicted_dead))
            .collect(),
    };
    let mut fractions: Vec<Layer> = Reward::ALL.map(dead).to_vec();
    fractions.push(Layer::Reference { label: "equal".into(), points: vec![(0.0, 0.0), (1.0, 1.0)] });
    let gradient = |reward: Reward| Layer::Scatter {
        series: reward.name().into(),
        points: rows
            .iter()
            .filter(|r| r.prompt.is_some() && r.samples == n && r.reward == reward.name())
            .map(|r| (r.predicted_std, r.gradient.max(FLOOR)))
            .collect(),
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let log = |label: &str| Axis { label: label.into(), scale: Scale::Log, ..Axis::default() };
    Chart {
        title: "Preflight: what few rewards predict, against the truth".into(),
        subtitle: format!(
            "Bands: 95% t intervals over {} seeds. Upper right and lower left: {n} samples per prompt; points are worlds and group sizes (upper right), \
             prompts at seed 0 (lower left).",
            seeds(rows).len()
        ),
        panels: vec![
            Panel {
                title: "Intervals of the reward std that hold it".into(),
                x: log_axis("sampled rewards per prompt"),
                y: axis("share of prompts"),
                layers: covered,
            },
            Panel {
                title: "Dead groups".into(),
                x: axis("true share of dead groups"),
                y: axis("predicted share"),
                layers: fractions,
            },
            Panel {
                title: "Gradient of a prompt".into(),
                x: log("predicted reward std"),
                y: log(&format!("exact gradient norm ({FLOOR}: or less)")),
                layers: Reward::ALL.map(gradient).to_vec(),
            },
            Panel {
                title: "Order of prompts".into(),
                x: log_axis("sampled rewards per prompt"),
                y: axis("Spearman, predicted std and gradient"),
                layers: over_samples(|r| r.rank.unwrap_or(f64::NAN)),
            },
        ],
        columns: 2,
    }
}

/// The number of samples that claims are about: 16, or the nearest that there is.
fn usual(rows: &[Record<Row>]) -> usize {
    rows.iter().map(|r| r.samples).min_by_key(|n| n.abs_diff(16)).unwrap_or(16)
}

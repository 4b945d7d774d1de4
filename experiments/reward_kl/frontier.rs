//! Reward against KL with a small transformer, evaluated exactly.
//!
//! **Formula**: `ℓ_DPO = −log σ(β h)`, `h = log(π(y_w)/π_ref(y_w)) − log(π(y_l)/π_ref(y_l))`; PPO:
//! `max E_π[r] − β KL(π‖π_ref)`; hypervolume
//! `∫₀^K max{reward of checkpoints with KL ≤ k} − reward of the reference dk`, over the exact front's.
//!
//! **Claims** (Figure 2, left, of arXiv:2305.18290): DPO's frontier of expected reward against KL to the reference
//! strictly dominates PPO's, even that of PPO with the true reward; then come PPO and, close to the reference,
//! Preferred-FT; unlikelihood training is unstable. `frontier_exact` asks the same of a table of two words' contexts on a
//! larger world.
//!
//! **Measured**: a language of six words (a filler, praise of two strengths, blame, "not", "very"), completions of six
//! words, prefixes of two to eight as prompts; the reference is a transformer of two blocks and width 32, finetuned on
//! a corpus of the language. The paper's 22 runs: DPO with four β, unlikelihood with four α, Preferred-FT twice, PPO
//! with four KL targets by a learned reward, by the true reward off the shelf, and by the true reward normalised and
//! tuned. Pairs as in its appendix: four completions a prefix, six pairs, deterministic labels; DPO once more with
//! Bradley–Terry labels. The learned reward is a transformer too, Bradley–Terry on the same pairs, three epochs, the
//! best on held-out prompts kept. Every checkpoint is evaluated on all 46 656 completions of every held-out prompt: the
//! tree of prefixes in f32, its rows normalised and all sums taken in f64, so that reward and KL are exact of a
//! distribution and nothing can be above the front, which is each prompt's tilted optimum over the same completions.
//!
//! Steps on pairs warm up over the paper's 150. PPO takes as many completions as the pairs were made of. Each tuned
//! method chooses among as many learning rates on prompts of its own; reported are others. Hypervolumes (area under the
//! best reward so far, up to the largest target) are in units of the front's.
//!
//! Ours: sizes, rates, the world; Adam where the paper has `RMSprop`. The paper's targets are 3, 6, 9 and 12 nats; this
//! world's front ends before 12, so the targets are two thirds of them, 2 to 8; a target at or above the room is refused.
//!
//! **Controls**: no policy is above the front; samples agree with the exact values; the learned reward ranks held-out pairs
//! well; Preferred-FT, whose optimum is best-of-2, stays near.
//!
//! **Findings**. The order is the paper's but for the first places. DPO's mean hypervolume is the largest, 0.84 of the
//! front's, but its lead over the three PPOs is 2 to 4% of the front's, with 95% intervals of five seeds that reach
//! below zero: inconclusive. It is a lead of the staircase, which pays for checkpoints near the reference: under the
//! checkpoints' hulls all three PPOs have the larger mean (by 1 to 3%, inconclusive too). DPO and PPO are clearly ahead
//! of Preferred-FT (0.33), which stays at 0.2 nats as best-of-2 must. Unlikelihood is behind DPO (0.76); that it is not
//! worse is the tuning: for large α it chooses the smaller rates, so that four hundred steps end before it degenerates.
//!
//! Refuted: DPO does not come within 5% of the front at a middle KL. Its nearest point there is 11% below, those of the
//! PPOs are 6 to 9% below, mostly around five nats; DPO's lead in hypervolume is won nearer the reference. Without
//! sampling the front can be met by the objective (`frontier_exact`); how much of this gap is data, steps or the small
//! model this run does not separate. Bradley–Terry labels cost DPO 4% and, at β of 1 and 5, hold it within a nat, where
//! deterministic labels, which have no finite optimum, let it drift on. PPO overshoots before its controller holds:
//! checkpoints of target 2 pass 4 nats.

mod figure;
mod judge;
mod oracle;
mod runs;
mod world;

use super::front::Tangent;
use oracle::{Oracle, Point};
use rewardlab::algorithm::RewardModelParams;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use runs::Runs;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use world::Setup;

#[derive(Debug)]
pub(crate) struct Frontier;

/// PPO's settings that its runs share; γ is 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PpoSettings {
    /// Completions per round; at least 2.
    batch: usize,
    /// Passes over a round's completions; at least 1.
    epochs: usize,
    /// Completions per step; at least 1, at most a round's.
    minibatch: usize,
    /// ε of the clip; positive.
    clip: f64,
    /// λ of GAE, in [0, 1].
    lambda: f64,
    /// Weight of the critic's mean squared error; at least 0.
    value_coefficient: f64,
    /// First weight of the KL in the reward, per nat; positive.
    kl_coefficient: f64,
    /// Gain of the KL's controller per round; in [0, 5).
    kl_gain: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The world, the reference and the data.
    world: Setup,
    /// β of the front; each positive.
    front_betas: Vec<f64>,
    /// DPO's β; each positive.
    dpo_betas: Vec<f64>,
    /// Unlikelihood's α; each at least 0.
    alphas: Vec<f64>,
    /// PPO's KL targets, nats; each positive, the largest below the room.
    targets: Vec<f64>,
    /// Temperature of Bradley–Terry labels, in units of the reward; positive.
    label_temperature: f64,
    /// Learning rates among which a tuned method chooses; each positive.
    learning_rates: Vec<f64>,
    /// PPO's off the shelf; positive.
    default_learning_rate: f64,
    /// Steps on pairs; at least 1.
    steps: usize,
    /// Of them, steps over which the learning rate rises; at most all. The paper: 150.
    warm_up: usize,
    /// Pairs per step; at least 1.
    batch: usize,
    /// Steps between checkpoints; at least 1. PPO's come at the ends of rounds.
    every: usize,
    /// PPO.
    ppo: PpoSettings,
    /// The reward model.
    reward_model: RewardModelParams,
    /// Samples of each held-out prompt that the exact values of a run's last checkpoint are held against; at least 1.
    samples: usize,
}

impl Params {
    /// PPO's rounds: as many completions as the pairs were made of.
    fn rounds(&self) -> usize {
        (self.world.prompts * self.world.completions / self.ppo.batch).max(1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Method {
    Dpo { beta: f64, bradley_terry: bool },
    Unlikelihood { alpha: f64 },
    Preferred { repeat: usize },
    Ppo { target: f64 },
    PpoTrue { target: f64, tuned: bool },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Front,
    Run(Method),
}

impl Method {
    /// The name of its family in rows and figure.
    fn name(self) -> &'static str {
        match self {
            Self::Dpo { bradley_terry: true, .. } => "dpo_bradley_terry",
            Self::Dpo { .. } => "dpo",
            Self::Unlikelihood { .. } => "unlikelihood",
            Self::Preferred { .. } => "preferred",
            Self::Ppo { .. } => "ppo",
            Self::PpoTrue { tuned: true, .. } => "ppo_true_tuned",
            Self::PpoTrue { .. } => "ppo_true_off_the_shelf",
        }
    }

    fn setting(self) -> f64 {
        match self {
            Self::Dpo { beta, .. } => beta,
            Self::Unlikelihood { alpha } => alpha,
            Self::Preferred { repeat } => repeat as f64,
            Self::Ppo { target } | Self::PpoTrue { target, .. } => target,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Front => write!(f, "front"),
            Self::Run(method) => write!(f, "{} {}", method.name(), method.setting()),
        }
    }
}

/// A point: of the front, or of a run at a checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `front`, or the method.
    method: String,
    /// β (0 at the front's end), α, KL target, or the number of the repeat.
    setting: f64,
    /// The learning rate that was chosen.
    learning_rate: Option<f64>,
    /// Steps of gradient descent.
    step: usize,
    /// Completions taken so far.
    samples: usize,
    /// Exact KL(π‖reference) over completions, mean over held-out prompts, nats.
    kl: f64,
    /// Exact expected true reward, mean over held-out prompts.
    reward: f64,
    /// PPO by the learned reward: share of held-out pairs that it ranks right.
    accuracy: Option<f64>,
    /// KL from samples of a run's last checkpoint (k1), nats, and its standard error.
    sampled_kl: Option<f64>,
    sampled_kl_error: Option<f64>,
    /// Reward from the same samples, and its standard error.
    sampled_reward: Option<f64>,
    sampled_reward_error: Option<f64>,
}

impl Experiment for Frontier {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/frontier";
    const PAPER: &'static str =
        "Rafailov et al., arXiv:2305.18290, Figure 2 (left) and Section 6.1, with a transformer";
    const CLAIM: &'static str = "DPO's reward–KL frontier of a small transformer dominates PPO's";
    const SECONDS: (f64, f64) = (3.0, 480.0);

    fn params(profile: Profile) -> Params {
        let paper = paper();
        if profile == Profile::Paper { paper } else { smoke(paper) }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        if profile == Profile::Smoke { 0..2 } else { 0..5 }
    }

    fn validate(p: &Params) -> Result<()> {
        validate(p)
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let dpo = |bradley_terry| move |&beta: &f64| Method::Dpo { beta, bradley_terry };
        let of_true = |tuned| move |&target: &f64| Method::PpoTrue { target, tuned };
        let mut methods: Vec<Method> = p.dpo_betas.iter().map(dpo(false)).collect();
        methods.extend(p.alphas.iter().map(|&alpha| Method::Unlikelihood { alpha }));
        methods.extend((0..2).map(|repeat| Method::Preferred { repeat }));
        methods.extend(p.targets.iter().map(|&target| Method::Ppo { target }));
        methods.extend(p.targets.iter().map(of_true(false)));
        methods.extend(p.targets.iter().map(of_true(true)));
        methods.extend(p.dpo_betas.iter().map(dpo(true)));
        [Cell::Front].into_iter().chain(methods.into_iter().map(Cell::Run)).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let setup = &p.world;
        let reference = setup.reference(ctx)?;
        let oracle =
            |name: &str| Oracle::new(setup, &reference, Setup::prefixes(setup.held_out, &mut ctx.shared_stream(name)));
        let mut test = oracle("test prompts")?;
        let room = test.room();
        if let Some(target) = p.targets.iter().find(|t| **t >= room) {
            return Err(Error::parameter("targets", target, format!("below the front's end at {room:.2} nats")));
        }
        let method = match *cell {
            Cell::Front => {
                let row = |(setting, (kl, reward)): (f64, (f64, f64))| Row {
                    method: "front".into(),
                    setting,
                    kl,
                    reward,
                    ..Row::default()
                };
                let points = p.front_betas.iter().copied().zip(test.front(&p.front_betas));
                return Ok(points.chain([(0.0, (room, test.most_reward()))]).map(row).collect());
            }
            Cell::Run(method) => method,
        };
        let runs = Runs { p, reference: &reference, ctx };
        let (rate, checkpoints) = runs.best(method, rates(p, method), &mut oracle("tuning prompts")?)?;
        let accuracy = match method {
            Method::Ppo { .. } => Some(setup.learned_reward(&reference, &p.reward_model, ctx)?.accuracy),
            _ => None,
        };
        let row = |point: Point| Row {
            method: method.name().into(),
            setting: method.setting(),
            learning_rate: Some(rate),
            kl: point.kl,
            reward: point.reward,
            accuracy,
            ..Row::default()
        };
        let mut rows = vec![row(test.point(&reference)?)];
        for c in &checkpoints {
            rows.push(Row { step: c.step, samples: c.samples, ..row(test.point(&c.params)?) });
        }
        if let (Some(last), Some(row)) = (checkpoints.last(), rows.last_mut()) {
            let seen = test.sampled(&last.params, p.samples, &mut ctx.stream("samples"))?;
            (row.sampled_kl, row.sampled_reward) = (Some(seen.means[0]), Some(seen.means[1]));
            (row.sampled_kl_error, row.sampled_reward_error) = (Some(seen.errors[0]), Some(seen.errors[1]));
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

fn paper() -> Params {
    Params {
        world: Setup {
            slope: 0.5,
            length: 6,
            corpus: 4000,
            width: 32,
            layers: 2,
            heads: 2,
            sft_steps: 800,
            sft_batch: 64,
            sft_learning_rate: 5e-3,
            gradient_clip: 1.0,
            prompts: 960,
            completions: 4,
            held_out: 8,
        },
        // from nearly the best text to nearly the reference
        front_betas: (0..64).map(|i| 10_f64.powf(-3.5 + 3.5 * f64::from(i) / 63.0)).collect(),
        dpo_betas: vec![0.05, 0.1, 1.0, 5.0],
        alphas: vec![0.05, 0.1, 0.5, 1.0],
        targets: vec![2.0, 4.0, 6.0, 8.0],
        label_temperature: 0.1,
        learning_rates: vec![1e-4, 3e-4, 1e-3],
        default_learning_rate: 3e-4,
        steps: 400,
        warm_up: 150,
        batch: 64,
        every: 100,
        ppo: PpoSettings {
            batch: 128,
            epochs: 4,
            minibatch: 32,
            clip: 0.2,
            lambda: 0.95,
            value_coefficient: 0.1,
            kl_coefficient: 0.05,
            kl_gain: 0.5,
        },
        reward_model: RewardModelParams { epochs: 3, batch: 64, learning_rate: 1e-3 },
        samples: 512,
    }
}

/// Seconds instead of minutes.
fn smoke(paper: Params) -> Params {
    Params {
        world: Setup {
            length: 4,
            corpus: 500,
            width: 16,
            layers: 1,
            sft_steps: 150,
            sft_batch: 32,
            prompts: 60,
            held_out: 2,
            ..paper.world
        },
        front_betas: (0..16).map(|i| 10_f64.powf(-3.0 + f64::from(i) / 5.0)).collect(),
        dpo_betas: vec![0.1, 1.0],
        alphas: vec![0.1, 0.5],
        targets: vec![1.0, 2.0],
        learning_rates: vec![3e-3],
        steps: 40,
        warm_up: 5,
        batch: 32,
        every: 20,
        ppo: PpoSettings { batch: 40, minibatch: 20, epochs: 2, ..paper.ppo },
        samples: 256,
        ..paper
    }
}

fn validate(p: &Params) -> Result<()> {
    p.world.validate().map_err(|e| e.within("world"))?;
    p.reward_model.validate().map_err(|e| e.within("reward_model"))?;
    for (name, list) in [
        ("front_betas", &p.front_betas),
        ("dpo_betas", &p.dpo_betas),
        ("targets", &p.targets),
        ("learning_rates", &p.learning_rates),
    ] {
        if list.is_empty() || list.iter().any(|v| !(*v > 0.0 && v.is_finite())) {
            return Err(Error::parameter(name, format!("{list:?}"), "one or more, each positive"));
        }
    }
    if p.alphas.iter().any(|a| !(*a >= 0.0 && a.is_finite())) {
        return Err(Error::parameter("alphas", format!("{:?}", p.alphas), "each at least 0"));
    }
    // what the front's end can be at most; where it is, SFT says
    let room = p.world.most_room();
    if let Some(target) = p.targets.iter().find(|t| **t >= room) {
        return Err(Error::parameter("targets", target, format!("below the room, at most {room:.1} nats")));
    }
    Error::check_counts(&[
        ("steps", p.steps, 1, 100_000_000),
        ("batch", p.batch, 1, 1_000_000),
        ("every", p.every, 1, 100_000_000),
        ("samples", p.samples, 1, 1_000_000),
        ("warm_up", p.warm_up, 0, p.steps),
        ("ppo.minibatch", p.ppo.minibatch, 1, p.ppo.batch),
    ])?;
    Error::check_positive(&[
        ("label_temperature", p.label_temperature),
        ("default_learning_rate", p.default_learning_rate),
    ])?;
    if !(0.0..5.0).contains(&p.ppo.kl_gain) {
        return Err(Error::parameter("ppo.kl_gain", p.ppo.kl_gain, "in [0, 5)"));
    }
    p.ppo.params(p.default_learning_rate, p.targets[0], 1).validate().map_err(|e| e.within("ppo"))
}

/// The learning rates that a method may try: the same number for all that are tuned.
fn rates(p: &Params, method: Method) -> &[f64] {
    match method {
        Method::PpoTrue { tuned: false, .. } => std::slice::from_ref(&p.default_learning_rate),
        _ => &p.learning_rates,
    }
}

/// The front's tangents at a seed.
fn tangents(rows: &[&Record<Row>]) -> Vec<Tangent> {
    let of_front = rows.iter().filter(|r| r.method == "front");
    of_front.map(|r| Tangent { beta: r.setting, kl: r.kl, reward: r.reward }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rewardlab::experiment::StageStore;

    fn refusal(change: impl Fn(&mut Params)) -> String {
        let mut params = Frontier::params(Profile::Smoke);
        change(&mut params);
        Frontier::validate(&params).expect_err("refused").to_string()
    }

    #[test]
    fn degenerate_settings_are_refused_with_the_legal_range() {
        assert!(
            refusal(|p| p.dpo_betas[0] = 0.0).contains("dpo_betas = [0.0, 1.0]: must be one or more, each positive")
        );
        assert!(refusal(|p| p.targets[1] = 200.0).contains("targets = 200: must be below the room, at most"));
        assert!(refusal(|p| p.world.completions = 1).contains("world.completions = 1"));
        assert!(refusal(|p| p.warm_up = 1000).contains("warm_up"));
    }

    /// Where the front ends only the finetuned reference says.
    #[test]
    fn a_target_above_the_room_is_refused_once_it_is_known() {
        let registry = crate::registry();
        let frontier = registry.iter().find(|e| e.id() == Frontier::ID).expect("registered");
        let mut params = frontier.params(rewardlab::experiment::Preset::Smoke).expect("TOML");
        params["targets"] = toml::Value::Array(vec![toml::Value::Float(20.0)]);
        let plan = frontier.plan(&params).expect("below what can be known beforehand");
        let error = plan.measure(0, 0, &StageStore::default()).expect_err("above the room").to_string();
        assert!(error.contains("targets = 20: must be below the front's end at"), "{error}");
    }
}

//! Seven text tasks and a transformer: where many inputs start with a small reward std, RFT falls behind SFT.
//!
//! **Formula**: per input `mean = E_π[r(x, y)]` and `std`, from samples; `corr_x(std before, change of mean)`; RFT by
//! PPO, `Σ min(ρ A, clip(ρ, 1 ± ε) A)` with a KL in the reward; SFT by `−log π(reference|x)`.
//!
//! **Claims** (Figures 1 and 2, Table 1 of arXiv:2310.20703; values were read second-hand): on data sets on which many
//! inputs have near-zero reward std and low mean under the pretrained model, RFT leaves those inputs where they are and
//! falls behind SFT; the change of an input's reward in RFT correlates with its pretrained std (reported .48 and .46), in
//! SFT it hardly does (.05 and .16); the smaller the 10th percentile of the std, the larger the gap.
//!
//! **Measured** on the seven tasks of [`rewardlab::env::text`] (their rewards and grammars are ours; which three have
//! unseen inputs is our choice): one transformer per seed, pretrained on the plain text of all tasks; for each task RFT
//! by PPO, SFT on references, and SFT then RFT with half of the rounds, a quarter of the rate and a tighter KL: as the
//! paper's code has them for two data sets; here all tasks have the same settings, and samples are plain where the code
//! has a top-k per data set. Each input's reward mean and std come from samples, ten in the paper profile, on training
//! and on held-out inputs. Rows per input are written at seed 0 only.
//!
//! Inputs share the model's parameters, so that what RFT learns on some may carry over to others, whatever their own
//! gradient is. So the gradients are measured as well: under the pretrained model, of unseen inputs against familiar ones.
//!
//! PPO's advantages are normalised by default, as in RL4LMs, the trainer of the GRUE tasks; where nearly all rewards
//! of a batch are equal this scales up noise. So on the three tasks RFT, and on all tasks RFT after SFT, is run without
//! that as well.
//!
//! **Controls**: on the four tasks without unseen inputs RFT is not behind SFT by more than 5% of the reward's range, and
//! sentiment's small-std inputs are those whose mean is already high.
//!
//! **Findings**. The premise holds: 65%, 52% and 40% of the held-out inputs of the three tasks start with std ≤ 0.05
//! and mean ≤ 0.5. And their gradients are small: an unseen input's gradient of the expected reward is at most a
//! five-hundredth of a familiar one's, while that of the likelihood is larger (1.2 to 7.6 times, by seed). Where 64
//! samples of every unseen input hold no success, as in eleven of fifteen cases, the ratio reads 0: a limit of
//! detection. And RFT does fall behind SFT on all three.
//!
//! But it does not leave the stuck inputs where they are: it gains 28%, 68% and 98% of what they miss (SFT 52%, 99.5%,
//! 99.6%), and so the correlation with the std is nothing in answering and negative in the two others, where what is
//! gained is largest at std 0; two lots of samples of one model already have +0.6 by noise. Part of it is the
//! normalisation: without it, in answering, four seeds of five gain less than 4%, as the paper has it, and one 43%,
//! while PPO as in RL4LMs gains 22% or more in every seed; those four then correlate at 0.5 to 0.7 with the std, no
//! more than noise does. The rest, we think, is transfer: what familiar inputs teach carries over to unseen ones of the
//! same grammar (with plain advantages still 56% in table, 92% in concepts; in table a seed's gain is near a half or
//! near all, as if unseen kinds were freed one after the other), and room to drift: RFT ends 5 to 15 nats away in these
//! tasks, and with a KL coefficient that holds it within one `remedies_text` sees stuck inputs stay stuck.
//!
//! The gap follows the std far less strictly than claimed (rank correlation 0.45): the three tasks tie at a 10th
//! percentile of 0, and sentiment, the next, is where RFT is ahead of SFT. RFT after SFT *loses* reward in five tasks,
//! 1 to 2% and in every seed, on training inputs too: where rewards are all but equal, normalised advantages are noise;
//! without them it loses a quarter of that (`noise_after_sft`). One control is open: in dialogue one seed of five is
//! 6.5% behind SFT.

mod figure;
mod judge;

use super::gradient_norms::GradientNorms;
use super::text::{Spread, TextSetup, draw, kind_name};
use rewardlab::algorithm::{PpoParams, Round, Trainee};
use rewardlab::env::Split;
use rewardlab::env::text::{Input, Kind, TASKS, Task};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, pearson, quantile};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// The tasks with many unseen inputs, and the others.
const SMALL: [&str; 3] = ["answering", "table", "concepts"];
const OTHERS: [&str; 4] = ["translation", "summary", "dialogue", "sentiment"];

#[derive(Debug)]
pub(crate) struct Benchmark;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Samples per input and lot from which gradients are estimated, two lots each; 2 to 10 000.
    gradient_samples: usize,
    /// Model, data, budgets.
    text: TextSetup,
}

/// A task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell(Task);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// A policy on a split of a task (`input` empty), or on one of its inputs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `pretrained`, `rft`, `sft`, `sft_rft`; `rft_plain` and `sft_rft_plain` (advantages not normalised).
    policy: String,
    /// `train` or `held_out`.
    split: String,
    /// Number of the input, empty in a summary.
    input: Option<usize>,
    /// What plain text shows of the input: `familiar`, `unseen`, `settled`; empty in a summary.
    kind: String,
    /// Mean reward, of the input or over inputs.
    reward: f64,
    /// The input's reward std; in a summary its mean over inputs.
    reward_std: f64,
    /// 10th percentile over inputs of the reward std.
    std_10th: Option<f64>,
    /// Pearson correlation over inputs of the pretrained std and the absolute change of the mean; of the pretrained model, the
    /// change between the second lot of samples and a third: what noise alone makes of it.
    correlation: Option<f64>,
    /// Share of inputs with std ≤ 0.05 and mean ≤ 0.5 under the pretrained model.
    stuck_share: Option<f64>,
    /// Over these inputs, the gain of mean reward over what was missing to 1. What they start from is a second lot of
    /// samples: the first, which tells them from others, would be low by selection.
    stuck_gain: Option<f64>,
    /// Over unseen inputs, the same.
    unseen_gain: Option<f64>,
    /// Over inputs with pretrained std ≤ 0.05, the pretrained mean.
    small_std_mean: Option<f64>,
    /// Over familiar inputs, the mean reward.
    familiar_reward: Option<f64>,
    /// Norm of an unseen input's gradient of the expected reward over that of a familiar one's, roots of mean squares;
    /// pretrained, training inputs of the three tasks.
    rft_gradient_ratio: Option<f64>,
    /// The same of the references' log-likelihood.
    sft_gradient_ratio: Option<f64>,
    /// RFT: k1 estimate of the KL per sequence to the model that it started from, in the last round, nats.
    final_kl: Option<f64>,
    /// RFT: entropy per token in the last round, nats.
    final_entropy: Option<f64>,
}

impl Experiment for Benchmark {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/benchmark";
    const PAPER: &'static str = "arXiv:2310.20703, Figures 1 and 2 and Table 1, with transformers on text";
    const CLAIM: &'static str = "where many inputs have a small reward std, RFT of a transformer falls behind SFT";
    const SECONDS: (f64, f64) = (4.0, 1250.0);

    fn params(profile: Profile) -> Params {
        match profile {
            Profile::Smoke => Params { gradient_samples: 8, text: TextSetup::smoke() },
            Profile::Paper => Params { gradient_samples: 32, text: TextSetup::paper() },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..5,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        if !(2..=10_000).contains(&p.gradient_samples) {
            return Err(Error::parameter("gradient_samples", p.gradient_samples, "2 to 10 000"));
        }
        p.text.validate().map_err(|e| e.within("text"))
    }

    fn cells(_: &Params) -> Vec<Cell> {
        TASKS.map(Cell).into()
    }

    fn measure(p: &Params, &Cell(task): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let setup = &p.text;
        let start = setup.pretrained(ctx)?;
        let inputs = [
            ("train", draw(task, Split::Train, setup.inputs, ctx)),
            ("held_out", draw(task, Split::Test, setup.held_out, ctx)),
        ];
        let train = &inputs[0].1;
        // as many training inputs are measured as held-out ones
        let measured = inputs.each_ref().map(|(name, all)| (*name, &all[..setup.held_out.min(all.len())]));
        let mut rng = ctx.stream("samples");
        let mut pretrained = setup.trainee(&start)?;
        let mut sample = |model: &mut Trainee| spreads(setup, model, &measured, &mut rng);
        let before = Before { first: sample(&mut pretrained)?, second: sample(&mut pretrained)? };
        let again = sample(&mut pretrained)?;
        let report = |policy: &str, after: &[Vec<Spread>; 2], rounds: &[Round]| {
            summaries(policy, &measured, &before, after, rounds.last(), ctx.seed())
        };
        let mut rows = report("pretrained", &again, &[]);
        if SMALL.contains(&task.name()) {
            // the first row is the training inputs' summary
            let norms = |kind| gradients(p, &mut pretrained, measured[0].1, kind, ctx);
            (rows[0].rft_gradient_ratio, rows[0].sft_gradient_ratio) =
                ratios([Kind::Familiar, Kind::Unseen].map(norms))?;
        }

        let mut by_rft = setup.trainee(&start)?;
        let rounds = TextSetup::rft(&mut by_rft, &setup.ppo, train, &mut ctx.stream("rft"))?;
        rows.extend(report("rft", &sample(&mut by_rft)?, &rounds));

        if SMALL.contains(&task.name()) {
            let mut by_rft = setup.trainee(&start)?;
            let plain = PpoParams { normalise_advantages: false, ..setup.ppo.clone() };
            let rounds = TextSetup::rft(&mut by_rft, &plain, train, &mut ctx.stream("rft"))?;
            rows.extend(report("rft_plain", &sample(&mut by_rft)?, &rounds));
        }

        let mut by_sft = setup.trainee(&start)?;
        setup.sft(&mut by_sft, train, setup.sft_steps, &mut ctx.stream("sft"))?;
        rows.extend(report("sft", &sample(&mut by_sft)?, &[]));

        let mut by_both = setup.trainee(&by_sft.params()?)?;
        let rounds = TextSetup::rft(&mut by_both, &setup.ppo_after_sft, train, &mut ctx.stream("rft after sft"))?;
        rows.extend(report("sft_rft", &sample(&mut by_both)?, &rounds));

        let mut by_both = setup.trainee(&by_sft.params()?)?;
        let plain = PpoParams { normalise_advantages: false, ..setup.ppo_after_sft.clone() };
        let rounds = TextSetup::rft(&mut by_both, &plain, train, &mut ctx.stream("rft after sft"))?;
        rows.extend(report("sft_rft_plain", &sample(&mut by_both)?, &rounds));
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

type Splits<'a> = [(&'static str, &'a [Input]); 2];

/// The pretrained model's rewards on both splits, twice: the first lot says what kind of input it is, the second where it
/// starts from.
struct Before {
    first: [Vec<Spread>; 2],
    second: [Vec<Spread>; 2],
}

fn spreads(setup: &TextSetup, model: &mut Trainee, splits: &Splits, rng: &mut Stream) -> Result<[Vec<Spread>; 2]> {
    let [train, held_out] = splits;
    Ok([setup.measure(model, train.1, rng)?, setup.measure(model, held_out.1, rng)?])
}

/// Gradients of the inputs of one kind under the pretrained model.
fn gradients(
    p: &Params,
    pretrained: &mut Trainee,
    inputs: &[Input],
    kind: Kind,
    ctx: &Context,
) -> Result<GradientNorms> {
    let inputs: Vec<Input> = inputs.iter().filter(|i| i.kind == kind).cloned().collect();
    let mut rng = ctx.stream(&format!("gradients of {}", kind_name(kind)));
    TextSetup::gradient_norms(pretrained, &inputs, p.gradient_samples, &mut rng)
}

/// Of unseen inputs over familiar ones, for RFT and SFT; none where there are no inputs.
fn ratios([familiar, unseen]: [Result<GradientNorms>; 2]) -> Result<(Option<f64>, Option<f64>)> {
    let (familiar, unseen) = (familiar?, unseen?);
    let finite = |ratio: f64| Some(ratio).filter(|r| r.is_finite());
    Ok((finite(unseen.rft / familiar.rft), finite(unseen.sft / familiar.sft)))
}

fn summaries(
    policy: &str,
    splits: &Splits,
    before: &Before,
    after: &[Vec<Spread>; 2],
    last: Option<&Round>,
    seed: u64,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (s, (split, inputs)) in splits.iter().enumerate() {
        let summary = summary(policy, inputs, [&before.first[s], &before.second[s]], &after[s]);
        rows.push(Row {
            split: (*split).into(),
            final_kl: last.map(|r| r.kl_k1),
            final_entropy: last.map(|r| r.entropy),
            ..summary
        });
        if seed == 0 && *split == "held_out" && !policy.ends_with("_plain") {
            rows.extend(inputs.iter().zip(&after[s]).enumerate().map(|(i, (input, spread))| Row {
                policy: policy.into(),
                split: (*split).into(),
                input: Some(i),
                kind: kind_name(input.kind).into(),
                reward: spread.mean,
                reward_std: spread.std,
                ..Row::default()
            }));
        }
    }
    rows
}

fn summary(policy: &str, inputs: &[Input], [first, second]: [&[Spread]; 2], after: &[Spread]) -> Row {
    let over = |wanted: &dyn Fn(usize) -> bool, value: &dyn Fn(usize) -> f64| {
        mean(&(0..inputs.len()).filter(|i| wanted(*i)).map(value).collect::<Vec<_>>())
    };
    let finite = |value: f64| Some(value).filter(|v| v.is_finite());
    let (stuck, unseen) = (|i: usize| first[i].is_stuck(), |i: usize| inputs[i].kind == Kind::Unseen);
    let gain = |wanted: &dyn Fn(usize) -> bool| {
        finite(over(wanted, &|i| after[i].mean - second[i].mean) / over(wanted, &|i| 1.0 - second[i].mean))
    };
    // of the pretrained model, the change from the second lot to a third
    let change: Vec<f64> = second.iter().zip(after).map(|(b, a)| (a.mean - b.mean).abs()).collect();
    Row {
        policy: policy.into(),
        reward: over(&|_| true, &|i| after[i].mean),
        reward_std: over(&|_| true, &|i| after[i].std),
        std_10th: Some(quantile(&after.iter().map(|s| s.std).collect::<Vec<_>>(), 0.1)),
        correlation: finite(pearson(&first.iter().map(|s| s.std).collect::<Vec<_>>(), &change)),
        stuck_share: Some(over(&|_| true, &|i| f64::from(u8::from(stuck(i))))),
        stuck_gain: gain(&stuck),
        unseen_gain: gain(&unseen),
        small_std_mean: finite(over(&|i| first[i].std <= 0.05, &|i| second[i].mean)),
        familiar_reward: Some(over(&|i| inputs[i].kind == Kind::Familiar, &|i| after[i].mean)),
        ..Row::default()
    }
}

/// A summary's column at one seed; NaN where there is none.
fn of(rows: &[&Record<Row>], task: &str, policy: &str, split: &str, column: impl Fn(&Row) -> Option<f64>) -> f64 {
    let wanted = |r: &&&Record<Row>| r.cell == task && r.policy == policy && r.split == split && r.input.is_none();
    rows.iter().find(wanted).and_then(|r| column(r)).unwrap_or(f64::NAN)
}

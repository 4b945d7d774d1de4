//! Seven text tasks and a transformer: where many inputs start with a small reward std, RFT falls behind SFT.
//!
//! **Claims** (Figures 1 and 2, Table 1 of arXiv:2310.20703; values were read second-hand): on data sets on which many
//! inputs have near-zero reward std and low mean under the pretrained model, RFT leaves those inputs where they are and
//! falls behind SFT; the change of an input's reward in RFT correlates with its pretrained std (reported .48 and .46), in
//! SFT it hardly does (.05 and .16); the smaller the 10th percentile of the std, the larger the gap.
//!
//! **Measured** on the seven tasks of [`rewardlab::env::text`] (their rewards and grammars are ours; which three have
//! unseen inputs is our choice): one transformer per seed, pretrained on the plain text of all tasks; for each task RFT by
//! PPO, SFT on references, and SFT then RFT with half of the rounds, a smaller rate and a tighter KL. Each input's reward mean and std come from samples,
//! ten in the paper profile, on training and on held-out inputs. Rows per input are written at seed 0 only.
//!
//! Inputs share the model's parameters, so that what RFT learns on some may carry over to others, whatever their own
//! gradient is. So the gradients are measured as well: under the pretrained model, of unseen inputs against familiar ones.
//!
//! PPO's advantages are normalised by default, as in RL4LMs, the trainer of the GRUE tasks; where nearly all rewards
//! of a batch are equal this scales up noise. So on the three tasks RFT is run without that as well.
//!
//! **Controls**: on the four tasks without unseen inputs RFT is not behind SFT by more than 5% of the reward's range, and
//! sentiment's small-std inputs are those whose mean is already high.

mod figure;

use super::statistics::by_seed;
use super::text::{Spread, TextSetup, draw, kind_name};
use rewardlab::algorithm::{PpoParams, Trainee};
use rewardlab::env::Split;
use rewardlab::env::text::{Input, Kind, TASKS, Task};
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind as CheckKind, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, mean_interval, pearson, quantile, spearman};
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `pretrained`, `rft`, `rft_plain` (advantages not normalised), `sft` or `sft_rft`.
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
    /// Pearson correlation over inputs of the pretrained std and the absolute change of the mean.
    correlation: Option<f64>,
    /// Share of inputs with std ≤ 0.05 and mean ≤ 0.5 under the pretrained model.
    stuck_share: Option<f64>,
    /// Over these inputs, the gain of mean reward over what was missing to 1.
    stuck_gain: Option<f64>,
    /// Over inputs with pretrained std ≤ 0.05, the pretrained mean.
    small_std_mean: Option<f64>,
    /// Over familiar inputs, the mean reward.
    familiar_reward: Option<f64>,
    /// Norm of the expected reward's gradient over unseen inputs, over that over familiar ones; pretrained, training
    /// inputs of the three tasks.
    rft_gradient_ratio: Option<f64>,
    /// The same of the references' log-likelihood.
    sft_gradient_ratio: Option<f64>,
}

impl Experiment for Benchmark {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/benchmark";
    const PAPER: &'static str = "arXiv:2310.20703, Figures 1 and 2 and Table 1, with transformers on text";
    const CLAIM: &'static str = "where many inputs have a small reward std, RFT of a transformer falls behind SFT";
    const SECONDS: (f64, f64) = (20.0, 1200.0);

    fn params(profile: Profile) -> Params {
        match profile {
            Profile::Smoke => Params { text: TextSetup::smoke() },
            Profile::Paper => Params { text: TextSetup::paper() },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..5,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.text.validate()
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
        let before = spreads(setup, &mut pretrained, &measured, &mut rng)?;
        let mut rows = summaries("pretrained", &measured, &before, &before, ctx);
        if SMALL.contains(&task.name()) {
            let mut rng = ctx.stream("gradients");
            let [familiar, unseen] = [Kind::Familiar, Kind::Unseen].map(|kind| {
                let inputs: Vec<Input> = measured[0].1.iter().filter(|i| i.kind == kind).cloned().collect();
                TextSetup::gradient_norms(&mut pretrained, &inputs, setup.gradient_samples, &mut rng)
            });
            let (familiar, unseen) = (familiar?, unseen?);
            // the first row is the training inputs' summary
            rows[0].rft_gradient_ratio = Some(unseen.rft / familiar.rft).filter(|r| r.is_finite());
            rows[0].sft_gradient_ratio = Some(unseen.sft / familiar.sft).filter(|r| r.is_finite());
        }

        let mut by_rft = setup.trainee(&start)?;
        TextSetup::rft(&mut by_rft, &setup.ppo, train, &mut ctx.stream("rft"))?;
        let after = spreads(setup, &mut by_rft, &measured, &mut rng)?;
        rows.extend(summaries("rft", &measured, &before, &after, ctx));

        if SMALL.contains(&task.name()) {
            let mut by_rft = setup.trainee(&start)?;
            let plain = PpoParams { normalise_advantages: false, ..setup.ppo.clone() };
            TextSetup::rft(&mut by_rft, &plain, train, &mut ctx.stream("rft"))?;
            let after = spreads(setup, &mut by_rft, &measured, &mut rng)?;
            rows.extend(summaries("rft_plain", &measured, &before, &after, ctx));
        }

        let mut by_sft = setup.trainee(&start)?;
        setup.sft(&mut by_sft, train, setup.sft_steps, &mut ctx.stream("sft"))?;
        let after = spreads(setup, &mut by_sft, &measured, &mut rng)?;
        rows.extend(summaries("sft", &measured, &before, &after, ctx));

        let mut by_both = setup.trainee(&by_sft.params)?;
        TextSetup::rft(&mut by_both, &setup.ppo_after_sft, train, &mut ctx.stream("rft after sft"))?;
        let after = spreads(setup, &mut by_both, &measured, &mut rng)?;
        rows.extend(summaries("sft_rft", &measured, &before, &after, ctx));
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), across_tasks(rows), controls(rows)].into_iter().flatten().collect()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

type Splits<'a> = [(&'static str, &'a [Input]); 2];

fn spreads(setup: &TextSetup, model: &mut Trainee, splits: &Splits, rng: &mut Stream) -> Result<[Vec<Spread>; 2]> {
    let [train, held_out] = splits;
    Ok([setup.measure(model, train.1, rng)?, setup.measure(model, held_out.1, rng)?])
}

fn summaries(
    policy: &str,
    splits: &Splits,
    before: &[Vec<Spread>; 2],
    after: &[Vec<Spread>; 2],
    ctx: &Context,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (((split, inputs), before), after) in splits.iter().zip(before).zip(after) {
        rows.push(summary(policy, split, inputs, before, after));
        if ctx.seed() == 0 && *split == "held_out" && policy != "rft_plain" {
            rows.extend(inputs.iter().zip(after).enumerate().map(|(i, (input, spread))| Row {
                policy: policy.into(),
                split: (*split).into(),
                input: Some(i),
                kind: kind_name(input.kind).into(),
                reward: spread.mean,
                reward_std: spread.std,
                std_10th: None,
                correlation: None,
                stuck_share: None,
                stuck_gain: None,
                small_std_mean: None,
                familiar_reward: None,
                rft_gradient_ratio: None,
                sft_gradient_ratio: None,
            }));
        }
    }
    rows
}

fn summary(policy: &str, split: &str, inputs: &[Input], before: &[Spread], after: &[Spread]) -> Row {
    let stds: Vec<f64> = after.iter().map(|s| s.std).collect();
    let change: Vec<f64> = before.iter().zip(after).map(|(b, a)| (a.mean - b.mean).abs()).collect();
    let initial: Vec<f64> = before.iter().map(|s| s.std).collect();
    let over = |wanted: &dyn Fn(usize) -> bool, value: &dyn Fn(usize) -> f64| {
        mean(&(0..inputs.len()).filter(|i| wanted(*i)).map(value).collect::<Vec<_>>())
    };
    let stuck = |i: usize| before[i].is_stuck();
    let gain = over(&stuck, &|i| after[i].mean - before[i].mean) / over(&stuck, &|i| 1.0 - before[i].mean);
    Row {
        policy: policy.into(),
        split: split.into(),
        input: None,
        kind: String::new(),
        reward: over(&|_| true, &|i| after[i].mean),
        reward_std: mean(&stds),
        std_10th: Some(quantile(&stds, 0.1)),
        correlation: (policy != "pretrained").then(|| pearson(&initial, &change)),
        stuck_share: Some(over(&|_| true, &|i| f64::from(u8::from(stuck(i))))),
        stuck_gain: Some(gain).filter(|g| g.is_finite()),
        small_std_mean: Some(over(&|i| before[i].std <= 0.05, &|i| before[i].mean)).filter(|m| m.is_finite()),
        familiar_reward: Some(over(&|i| inputs[i].kind == Kind::Familiar, &|i| after[i].mean)),
        rft_gradient_ratio: None,
        sft_gradient_ratio: None,
    }
}

/// A summary's column at one seed; NaN where there is none.
fn of(rows: &[&Record<Row>], task: &str, policy: &str, split: &str, column: impl Fn(&Row) -> Option<f64>) -> f64 {
    let wanted = |r: &&&Record<Row>| r.cell == task && r.policy == policy && r.split == split && r.input.is_none();
    rows.iter().find(wanted).and_then(|r| column(r)).unwrap_or(f64::NAN)
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks = Vec::new();
    for task in SMALL {
        let reward = |r: &[&Record<Row>], policy: &str| of(r, task, policy, "held_out", |r| Some(r.reward));
        let claim = |id: &str, statement: &str, source: &str, statistic: &str, estimate, criterion| {
            let (id, statement) = (format!("{id}_{task}"), format!("{task}: {statement}"));
            Check::new(CheckKind::Claim, &id, statement, source, statistic, estimate, criterion)
        };
        let table = "arXiv:2310.20703, Table 1 (values not known to us)";
        let figure = "arXiv:2310.20703, Figure 1; criterion ours";
        let correlation = "arXiv:2310.20703, Figure 2 (values reported second-hand)";
        checks.extend([
            claim(
                "rft_behind_sft",
                "RFT falls behind SFT",
                table,
                "mean reward of SFT less that of RFT, held-out inputs",
                mean_interval(&by_seed(rows, |r| reward(r, "sft") - reward(r, "rft"))),
                Criterion::AtLeast(0.0),
            ),
            claim(
                "sft_helps_rft",
                "SFT then RFT gets further than RFT alone",
                table,
                "mean reward of SFT then RFT less that of RFT, held-out inputs",
                mean_interval(&by_seed(rows, |r| reward(r, "sft_rft") - reward(r, "rft"))),
                Criterion::AtLeast(0.0),
            ),
            claim(
                "rft_leaves_stuck",
                "RFT leaves inputs of small std and low mean where they are",
                figure,
                "share of what was missing to reward 1 that RFT gains on held-out inputs with std ≤ 0.05, mean ≤ 0.5",
                mean_interval(&by_seed(rows, |r| of(r, task, "rft", "held_out", |r| r.stuck_gain))),
                Criterion::AtMost(0.05),
            ),
            Check::new(
                CheckKind::Theory,
                &format!("gradient_vanishes_{task}"),
                format!("{task}: under the pretrained model the unseen inputs' expected reward has hardly a gradient"),
                "arXiv:2310.20703, Theorem 1; criterion ours",
                "norm of its gradient over unseen training inputs over that over familiar ones",
                mean_interval(&by_seed(rows, |r| of(r, task, "pretrained", "train", |r| r.rft_gradient_ratio))),
                Criterion::AtMost(0.05),
            ),
            Check::new(
                CheckKind::Control,
                &format!("sft_gradient_does_not_{task}"),
                format!("{task}: their likelihood's gradient does not vanish"),
                "arXiv:2310.20703, Section 4.3",
                "norm of the gradient of the references' log-likelihood over unseen training inputs over that over familiar ones",
                mean_interval(&by_seed(rows, |r| of(r, task, "pretrained", "train", |r| r.sft_gradient_ratio))),
                Criterion::AtLeast(1.0),
            ),
            Check::new(
                CheckKind::Theory,
                &format!("plain_rft_leaves_stuck_{task}"),
                format!("{task}: RFT by PPO without normalised advantages leaves them where they are"),
                "arXiv:2310.20703, Figure 1; criterion ours",
                "the same share for RFT with plain advantages",
                mean_interval(&by_seed(rows, |r| of(r, task, "rft_plain", "held_out", |r| r.stuck_gain))),
                Criterion::AtMost(0.05),
            ),
            claim(
                "sft_moves_stuck",
                "SFT moves them",
                figure,
                "the same share for SFT",
                mean_interval(&by_seed(rows, |r| of(r, task, "sft", "held_out", |r| r.stuck_gain))),
                Criterion::AtLeast(0.5),
            ),
            claim(
                "rft_correlates",
                "RFT changes the inputs with a large pretrained std most",
                correlation,
                "Pearson correlation over held-out inputs of pretrained std and |change of mean reward|",
                mean_interval(&by_seed(rows, |r| of(r, task, "rft", "held_out", |r| r.correlation))),
                Criterion::AtLeast(0.3),
            ),
            claim(
                "sft_hardly_correlates",
                "SFT's changes hardly go with the pretrained std",
                correlation,
                "the same correlation for SFT",
                mean_interval(&by_seed(rows, |r| of(r, task, "sft", "held_out", |r| r.correlation))),
                Criterion::Within(-0.2, 0.2),
            ),
        ]);
    }
    checks
}

fn across_tasks(rows: &[Record<Row>]) -> Vec<Check> {
    let order = |r: &[&Record<Row>]| {
        let tasks = TASKS.map(Task::name);
        let std = tasks.map(|t| of(r, t, "pretrained", "held_out", |r| r.std_10th));
        let gap = tasks
            .map(|t| of(r, t, "rft", "held_out", |r| Some(r.reward)) - of(r, t, "sft", "held_out", |r| Some(r.reward)));
        spearman(&std, &gap)
    };
    vec![Check::new(
        CheckKind::Claim,
        "gap_goes_with_std",
        "the smaller the 10th percentile of the pretrained std, the further RFT falls behind SFT",
        "arXiv:2310.20703, Figure 2",
        "Spearman correlation over the seven tasks of the 10th percentile and RFT − SFT, held-out inputs, per seed",
        mean_interval(&by_seed(rows, order)),
        Criterion::AtLeast(0.8),
    )]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks: Vec<Check> = OTHERS
        .iter()
        .map(|task| {
            let reward = |r: &[&Record<Row>], policy: &str| of(r, task, policy, "held_out", |r| Some(r.reward));
            Check::new(
                CheckKind::Control,
                &format!("rft_keeps_up_{task}"),
                format!("{task}: without unseen inputs RFT is not behind SFT by more than 5% of the reward's range"),
                "arXiv:2310.20703, Table 1; tolerance ours",
                "mean reward of RFT less that of SFT, held-out inputs",
                mean_interval(&by_seed(rows, |r| reward(r, "rft") - reward(r, "sft"))),
                Criterion::AtLeast(-0.05),
            )
        })
        .collect();
    checks.push(Check::new(
        CheckKind::Control,
        "sentiment_small_std_is_high",
        "sentiment: the std is small only where the mean is already high",
        "arXiv:2310.20703, Figure 1 (IMDB)",
        "pretrained mean reward of held-out inputs with pretrained std ≤ 0.05",
        mean_interval(&by_seed(rows, |r| of(r, "sentiment", "pretrained", "held_out", |r| r.small_std_mean))),
        Criterion::AtLeast(0.8),
    ));
    checks.push(Check::new(
        CheckKind::Control,
        "rft_learns_familiar",
        "RFT does learn where the std is large: its budget suffices",
        "derived",
        "mean over the three tasks of RFT's gain of mean reward on familiar held-out inputs",
        mean_interval(&by_seed(rows, |r| {
            let reward = |t: &str, policy: &str| of(r, t, policy, "held_out", |r| r.familiar_reward);
            mean(&SMALL.map(|t| reward(t, "rft") - reward(t, "pretrained")))
        })),
        Criterion::AtLeast(0.1),
    ));
    checks
}

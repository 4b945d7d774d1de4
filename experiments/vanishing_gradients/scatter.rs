//! Inputs whose reward hardly varies under the pretrained model stay where they are in RFT, and move in SFT.
//!
//! **Formula**: per input `mean = E_π[r(x, y)]` and `std = √(E_π[r²] − E_π[r]²)`, under the policy before and after
//! finetuning.
//!
//! **Claim** (Figure 1 of arXiv:2310.20703, and its poster): on `NarrativeQA` a considerable part of the inputs starts
//! with reward std ≈ 0 *and* mean ≈ 0; after reinforcement finetuning (RFT) nearly all of them are still there, after
//! supervised finetuning (SFT) they are spread over the whole range. On IMDB, small std comes with a mean near 1, and
//! the plots after RFT and SFT look alike.
//!
//! **Measured**: the exact mean and standard deviation of the reward of each training input, under the pretrained
//! policy, after RFT and after SFT (both from the pretrained policy, with the same steps of Adam and exact gradients),
//! on two synthetic tasks (`tasks`): one with 18% of *rare* inputs, one with 18% of *mastered* inputs. These are
//! worlds with the structure that the paper reports, not evidence about the data sets. Rows per input are written at
//! seed 0 only; every seed has a summary row.
//!
//! **Findings**: in RFT the small-std inputs of the first task do not move at all, in SFT they all do; on the second task
//! the two agree.
//!
//! **Controls**: the world is what it is meant to be; RFT's budget suffices where the std is large; on the second task
//! RFT and SFT agree.

use super::finetune::{adam, mean_over, pretrain, rft, sft, stats_of};
use super::tasks::{Setup, Task, TaskWorld, check_range};
use crate::statistics::by_seed;
use rewardlab::error::{Error, Result};
use rewardlab::exact::PromptStats;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::policy::Policy;
use rewardlab::stats::{mean_interval, quantile};
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Scatter;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Adam learning rate of RFT and SFT; above 0, at most 10.
    learning_rate: f64,
    /// Full-batch steps of RFT, and of SFT; 1 to 100 000.
    steps: usize,
    /// Sizes, geometry, pretraining.
    world: Setup,
    /// The task with small-std inputs of low mean.
    small_std: Task,
    /// The task with small-std inputs of high mean.
    high_mean: Task,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Index of the training input; empty in the summary row, whose means and stds are averages over all inputs.
    input: Option<usize>,
    /// `rare`, `plain`, `mastered`; `all` in the summary row.
    kind: String,
    /// Mean reward under the pretrained policy.
    pretrained_mean: f64,
    /// Reward std under the pretrained policy.
    pretrained_std: f64,
    /// Mean reward after RFT.
    rft_mean: f64,
    /// Reward std after RFT.
    rft_std: f64,
    /// Mean reward after SFT.
    sft_mean: f64,
    /// Reward std after SFT.
    sft_std: f64,
    /// Summary: share of inputs whose labelled output has pretrained probability at most 1e-4.
    unlikely_share: Option<f64>,
    /// Summary: pretrained mean over the decile of smallest pretrained std.
    decile_mean: Option<f64>,
    /// Summary: share of the gap to reward 1 that RFT closes on inputs of that decile with pretrained mean below 1/2.
    rft_gain: Option<f64>,
    /// Summary: the same for SFT.
    sft_gain: Option<f64>,
    /// Summary: RFT's mean reward over SFT's, on the half of inputs with the larger pretrained std.
    large_std_ratio: Option<f64>,
    /// Summary: mean over inputs of the absolute difference of mean reward, RFT against SFT.
    distance: Option<f64>,
}

impl Experiment for Scatter {
    type Params = Params;
    type Cell = String;
    type Row = Row;
    const ID: &'static str = "vanishing_gradients/scatter";
    const PAPER: &'static str = "arXiv:2310.20703, Figure 1: reward mean and std per input before and after finetuning";
    const CLAIM: &'static str = "RFT leaves inputs with small reward std and low mean where they are; SFT moves them";
    const SECONDS: (f64, f64) = (1.0, 6.0);

    fn params(profile: Profile) -> Params {
        let (prompts, steps) = match profile {
            Profile::Smoke => (200, 500),
            Profile::Paper => (500, 500),
        };
        let (small_std, high_mean) = (Task::small_std(), Task::high_mean());
        Params { learning_rate: 0.02, steps, world: Setup::of(prompts), small_std, high_mean }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        check_range("", "learning_rate", p.learning_rate, f64::MIN_POSITIVE, 10.0)?;
        if !(1..=100_000).contains(&p.steps) {
            return Err(Error::parameter("steps", p.steps, "1 to 100 000"));
        }
        p.world.validate("world")?;
        p.small_std.validate("small_std")?;
        p.high_mean.validate("high_mean")
    }

    fn cells(_: &Params) -> Vec<String> {
        vec!["small_std".into(), "high_mean".into()]
    }

    fn measure(p: &Params, cell: &String, ctx: &Context) -> Result<Vec<Row>> {
        let task = if cell == "small_std" { &p.small_std } else { &p.high_mean };
        let world = TaskWorld::draw(&p.world, task, 0, &mut ctx.stream("task"))?;
        let start = pretrain(&p.world, &world)?;
        let optimizer = adam(p.learning_rate, &start)?;
        let by_rft = rft(start.clone(), optimizer.clone(), &world, p.steps)?;
        let by_sft = sft(start.clone(), optimizer, &world, &world.training(), p.steps)?;
        let unlikely = mean_over(world.training(), |x| f64::from(label_prob(&mut start.clone(), &world, x) <= 1e-4));
        let [pre, rft, sft] = [start, by_rft, by_sft].map(|mut policy| stats_of(&mut policy, &world, world.training()));
        let mut rows = vec![summary(&pre, &rft, &sft, unlikely)];
        if ctx.seed() == 0 {
            rows.extend((0..pre.len()).map(|x| input_row(x, world.kinds[x].name(), &pre[x], &rft[x], &sft[x])));
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let source = "arXiv:2310.20703, Figure 1";
        let seeds = |cell: &'static str, column: fn(&Row) -> Option<f64>| {
            let summaries = rows.iter().filter(move |r| r.cell == cell && r.input.is_none());
            mean_interval(&by_seed(summaries, |r| column(r[0]).unwrap_or(f64::NAN)))
        };
        let check = |kind, id, statement: &str, statistic: &str, estimate, criterion| {
            Check::new(kind, id, statement, source, statistic, estimate, criterion)
        };
        let decile = "the decile of smallest pretrained std with pretrained mean below 1/2";
        vec![
            check(
                Kind::Claim,
                "rft_leaves_small_std",
                "RFT leaves inputs with small reward std where they are, far below the optimum",
                &format!("share of the gap to reward 1 that RFT closes on {decile}"),
                seeds("small_std", |r| r.rft_gain),
                Criterion::AtMost(0.05),
            ),
            check(
                Kind::Claim,
                "sft_moves_small_std",
                "SFT moves the same inputs",
                &format!("share of the gap to reward 1 that SFT closes on {decile}"),
                seeds("small_std", |r| r.sft_gain),
                Criterion::AtLeast(0.5),
            ),
            check(
                Kind::Control,
                "world_has_small_std",
                "the task has the inputs it should: 18% with a right output of probability at most 1e-4",
                "share of such inputs",
                seeds("small_std", |r| r.unlikely_share),
                Criterion::near(0.18, 0.01),
            ),
            check(
                Kind::Control,
                "rft_budget_suffices",
                "where the pretrained std is large, RFT has had enough steps",
                "mean reward after RFT over that after SFT, inputs above the median pretrained std",
                seeds("small_std", |r| r.large_std_ratio),
                Criterion::AtLeast(0.9),
            ),
            check(
                Kind::Control,
                "high_mean_has_no_gap",
                "on the second task small std means a high mean",
                "pretrained mean reward over the decile of smallest pretrained std",
                seeds("high_mean", |r| r.decile_mean),
                Criterion::AtLeast(0.9),
            ),
            check(
                Kind::Control,
                "high_mean_alike",
                "there RFT and SFT end alike",
                "mean over inputs of |RFT − SFT| of the mean reward (rewards lie in [0, 1])",
                seeds("high_mean", |r| r.distance),
                Criterion::AtMost(0.05),
            ),
        ]
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        type Point = fn(&Row) -> (f64, f64);
        let stages: [(&str, Point); 3] = [
            ("pretrained", |r| (r.pretrained_std, r.pretrained_mean)),
            ("after RFT", |r| (r.rft_std, r.rft_mean)),
            ("after SFT", |r| (r.sft_std, r.sft_mean)),
        ];
        let tasks = [("small_std", "low-mean task"), ("high_mean", "high-mean task")];
        let panel = |cell: &str, task: &str, stage: &str, point: Point| {
            let inputs = || rows.iter().filter(|r| r.cell == cell && r.input.is_some());
            // they hide behind one dot
            let at_zero = inputs().filter(|r| point(r).0 < 0.05 && point(r).1 < 0.05).count();
            let share = 100.0 * at_zero as f64 / inputs().count().max(1) as f64;
            Panel {
                title: format!("{task}, {stage}: {share:.0}% at (0, 0)"),
                x: Axis { label: "reward std of the input".into(), range: Some((-0.02, 0.52)), ..Axis::default() },
                y: Axis { label: "mean reward of the input".into(), range: Some((-0.03, 1.03)), ..Axis::default() },
                layers: vec![Layer::ColoredScatter {
                    points: inputs().map(|r| (point(r).0, point(r).1, r.pretrained_std)).collect(),
                    value_label: "std before".into(),
                    range: Some((0.0, 0.5)),
                }],
            }
        };
        let panels = tasks.iter().flat_map(|(cell, task)| stages.iter().map(|(s, p)| panel(cell, task, s, *p)));
        Chart {
            title: "Mean and std of each input's reward, before and after finetuning".into(),
            subtitle: "one point per training input (seed 0), exact; colour: reward std under the pretrained policy"
                .into(),
            panels: panels.collect(),
            columns: 3,
        }
    }
}

fn label_prob(policy: &mut impl Policy, world: &TaskWorld, prompt: usize) -> f64 {
    let mut log_probs = vec![0.0; policy.vocab()];
    policy.log_probs(&[prompt], &mut log_probs);
    log_probs[world.labels[prompt]].exp()
}

fn input_row(input: usize, kind: &str, pre: &PromptStats, rft: &PromptStats, sft: &PromptStats) -> Row {
    Row {
        input: Some(input),
        kind: kind.into(),
        pretrained_mean: pre.value,
        pretrained_std: pre.reward_std,
        rft_mean: rft.value,
        rft_std: rft.reward_std,
        sft_mean: sft.value,
        sft_std: sft.reward_std,
        unlikely_share: None,
        decile_mean: None,
        rft_gain: None,
        sft_gain: None,
        large_std_ratio: None,
        distance: None,
    }
}

fn summary(pre: &[PromptStats], rft: &[PromptStats], sft: &[PromptStats], unlikely_share: f64) -> Row {
    let stds: Vec<f64> = pre.iter().map(|s| s.reward_std).collect();
    let inputs = |keep: &dyn Fn(usize) -> bool| (0..pre.len()).filter(|&x| keep(x)).collect::<Vec<_>>();
    let tenth = quantile(&stds, 0.1);
    let decile = inputs(&|x| stds[x] <= tenth);
    let low = inputs(&|x| stds[x] <= tenth && pre[x].value < 0.5);
    let median = quantile(&stds, 0.5);
    let large = inputs(&|x| stds[x] > median);
    let over = |set: &[usize], of: &dyn Fn(usize) -> f64| mean_over(set.iter().copied(), of);
    let gain =
        |after: &[PromptStats]| over(&low, &|x| after[x].value - pre[x].value) / over(&low, &|x| 1.0 - pre[x].value);
    let average = |of: &[PromptStats]| PromptStats {
        value: mean_over(0..of.len(), |x| of[x].value),
        reward_std: mean_over(0..of.len(), |x| of[x].reward_std),
        entropy: f64::NAN,
    };
    Row {
        input: None,
        kind: "all".into(),
        unlikely_share: Some(unlikely_share),
        decile_mean: Some(over(&decile, &|x| pre[x].value)),
        // no input of low mean in the decile (the second task): nothing to gain, empty
        rft_gain: (!low.is_empty()).then(|| gain(rft)),
        sft_gain: (!low.is_empty()).then(|| gain(sft)),
        large_std_ratio: Some(over(&large, &|x| rft[x].value) / over(&large, &|x| sft[x].value)),
        distance: Some(mean_over(0..pre.len(), |x| (rft[x].value - sft[x].value).abs())),
        ..input_row(0, "", &average(pre), &average(rft), &average(sft))
    }
}

//! Real language models: RFT leaves prompts of small reward std where they are, SFT does not, and a little SFT is enough.
//!
//! **Formula**: per prompt `mean = E_π[r(x, y)]` and `std`, from samples; RFT by RLOO,
//! `A_i = r_i − mean of the group's others`; SFT by `−log π(reference|x)`.
//!
//! **Claims** (Figures 1, 2 and 4 of arXiv:2310.20703; values were read second-hand): where many prompts start with a small reward std
//! and a low mean, RFT leaves those prompts where they are and falls behind SFT; the change of a prompt's reward in RFT goes with its
//! pretrained std, in SFT it hardly does; SFT on 1% of the labels with 40% of the steps, then RFT, reaches nearly what SFT on all of them,
//! then RFT, does (reported 96%).
//!
//! **Measured** with low-rank adapters and RLOO, which is how such a model is finetuned today (the paper: all weights and PPO). RLOO
//! compares the samples of one prompt with each other, so that a group of equal rewards has no gradient at all, and nothing scales
//! noise up. Each prompt's mean and std are from samples; a second lot under the same model is the start that changes are counted from,
//! since the first one says which prompts are stuck. Gradients, by what is trained, are of the pretrained model: of the stuck prompts against the
//! others. Rows per prompt are written at seed 0 only.
//!
//! `smoke` and `paper`: a transformer pretrained on the fly on the plain text of [`rewardlab::env::text`], asked in words through a
//! tokeniser of its own; `answering` is the claimed task, `sentiment` the control. `gpu`: SmolLM2-135M-Instruct on arithmetic word problems (the
//! symbolic templates; the answer's number is checked) and on film reviews that it continues (reward: the probability that a
//! classifier gives to praise), from `rewardlab data import`. The `gpu` version has not been run by us.
//!
//! **Controls**: the task whose prompts of small std have a high mean already, where RFT keeps up with SFT.
//!
//! **Found** (five seeds): the paper's picture. Of the held-out prompts 62% start stuck; RFT learns on the others (0.14 to 0.20 in all) and moves the stuck ones by
//! nothing (−0.1% of what they miss, in every seed), where PPO with normalised advantages over all weights moved them in `vanishing_gradients/benchmark`; SFT gains 47% of it
//! (whether half of it, five seeds do not decide). A little SFT on five labels, then RFT, comes to 107% of SFT on all five hundred, then RFT: RFT goes on where groups have a gradient again.
//! RFT's change goes with the std (0.66), but no more than the noise of the samples does (0.63), so that this check alone would have said the same of a model that did not change; SFT's goes against it (−0.42, refuted): stuck prompts have most to
//! gain. The gradient of the stuck prompts is 0.16 of the others', not below 0.05: prompts that ten samples call stuck still earn something at times.

mod figure;
mod judge;

use super::asked::{Question, Questions, Task, text_world};
use super::finetune::{Rft, Sft};
use super::subject::{Subject, sampling};
use crate::vanishing_gradients::gradient_norms::{Asked, gradient_norms};
use crate::vanishing_gradients::text::Spread;
use rewardlab::algorithm::{Round, Trainee};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, RealVersion, Record};
use rewardlab::lm::LanguageModel;
use rewardlab::plot::Chart;
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, pearson, quantile};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Vanishing;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The model.
    subject: Subject,
    /// What it is asked.
    tasks: Vec<Task>,
    /// Training prompts per task; 1 to 1 000 000.
    inputs: usize,
    /// Held-out prompts per task; 2 to 100 000.
    held_out: usize,
    /// Samples per prompt from which its reward's mean and std are taken; 2 to 10 000.
    samples: usize,
    /// Samples per prompt and lot from which gradients are estimated, two lots each; 2 to 10 000.
    gradient_samples: usize,
    /// SFT on all labels.
    sft: Sft,
    /// RFT of the pretrained model.
    rft: Rft,
    /// Rounds of RFT after SFT; 1 to 100 000.
    rounds_after_sft: usize,
    /// Share of the training prompts with a label in the little SFT, at least one prompt; in (0, 1].
    little_labels: f64,
    /// Share of SFT's steps that the little SFT has; in (0, 1].
    little_steps: f64,
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Cell(Task);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// A policy on a task's held-out prompts (`prompt` empty), or on one of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `pretrained`, `rft`, `sft`, `sft_rft`, `little_sft` or `little_sft_rft`.
    policy: String,
    /// Whether the paper's claim is made of the task.
    claimed: bool,
    /// Which prompt; none for the mean over all.
    prompt: Option<usize>,
    /// Mean reward; of one prompt, over its samples.
    reward: f64,
    /// Std of the reward of a prompt, or the mean of that over prompts.
    reward_std: f64,
    /// 10th percentile over prompts of the std.
    std_10th: Option<f64>,
    /// Share of the prompts with std ≤ 0.05 and mean ≤ 0.5.
    stuck_share: Option<f64>,
    /// Over prompts that started stuck, the gain of mean reward over what was missing to 1.
    stuck_gain: Option<f64>,
    /// Over prompts, Pearson correlation of the pretrained std and |change of mean reward|.
    correlation: Option<f64>,
    /// Mean reward at the start of the prompts whose std was at most 0.05 in another lot.
    small_std_mean: Option<f64>,
    /// Pretrained: the norm of a stuck prompt's gradient of the expected reward over that of another prompt's, roots of mean squares.
    rft_gradient_ratio: Option<f64>,
    /// The same of the reference's log-likelihood.
    sft_gradient_ratio: Option<f64>,
    /// Share of groups without a gradient in RFT's first round.
    dead_first: Option<f64>,
    /// The same in its last round.
    dead_last: Option<f64>,
    /// RFT: k1 estimate of the KL per sequence to the model that it started from, in the last round, nats.
    final_kl: Option<f64>,
}

impl Experiment for Vanishing {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "real_models/vanishing";
    const PAPER: &'static str = "arXiv:2310.20703, Figures 1, 2 and 4, with language models in their own words";
    const CLAIM: &'static str = "RFT of a language model leaves prompts of small reward std; 1% of SFT frees them";
    const SECONDS: (f64, f64) = (4.0, 300.0);

    fn params(profile: Profile) -> Params {
        match profile {
            Profile::Smoke => Params {
                subject: Subject::smoke(),
                tasks: vec![Task::small("answering", true), Task::small("sentiment", false)],
                inputs: 64,
                held_out: 24,
                samples: 4,
                gradient_samples: 8,
                sft: Sft { steps: 40, batch: 16, learning_rate: 5e-3 },
                rft: Rft { rounds: 6, prompts: 8, group: 4, minibatch: 16, learning_rate: 2e-3, kl: 0.05 },
                rounds_after_sft: 3,
                little_labels: 0.05,
                little_steps: 0.4,
            },
            Profile::Paper => Params {
                subject: Subject::paper(),
                tasks: vec![Task::small("answering", true), Task::small("sentiment", false)],
                inputs: 500,
                held_out: 200,
                samples: 10,
                gradient_samples: 32,
                sft: Sft { steps: 400, batch: 32, learning_rate: 3e-3 },
                rft: Rft { rounds: 150, prompts: 48, group: 4, minibatch: 48, learning_rate: 1e-3, kl: 0.05 },
                rounds_after_sft: 75,
                little_labels: 0.01,
                little_steps: 0.4,
            },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..5,
        }
    }

    fn real() -> Option<RealVersion<Params>> {
        let arithmetic = Task {
            name: "arithmetic".into(),
            data: "runs/jsonl/maths".into(),
            reward: "number".into(),
            chat: true,
            length: 128,
            claimed: true,
        };
        let reviews = Task {
            name: "reviews".into(),
            data: "runs/jsonl/reviews".into(),
            reward: "trained:runs/jsonl/reviews".into(),
            chat: false,
            length: 32,
            claimed: false,
        };
        let params = Params {
            subject: Subject::real(),
            tasks: vec![arithmetic, reviews],
            inputs: 1000,
            held_out: 200,
            samples: 10,
            gradient_samples: 16,
            sft: Sft { steps: 400, batch: 16, learning_rate: 2e-4 },
            rft: Rft { rounds: 200, prompts: 32, group: 8, minibatch: 64, learning_rate: 1e-4, kl: 0.02 },
            rounds_after_sft: 100,
            little_labels: 0.01,
            little_steps: 0.4,
        };
        Some(RealVersion { params, seeds: 0..3, seconds: 7200.0 })
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("inputs", p.inputs, 1, 1_000_000),
            ("held_out", p.held_out, 2, 100_000),
            ("samples", p.samples, 2, 10_000),
            ("gradient_samples", p.gradient_samples, 2, 10_000),
            ("rounds_after_sft", p.rounds_after_sft, 1, 100_000),
        ])?;
        for (name, share) in [("little_labels", p.little_labels), ("little_steps", p.little_steps)] {
            if !(share > 0.0 && share <= 1.0) {
                return Err(Error::parameter(name, share, "in (0, 1]"));
            }
        }
        p.subject.validate().map_err(|e| e.within("subject"))?;
        p.sft.validate().map_err(|e| e.within("sft"))?;
        p.rft.validate().map_err(|e| e.within("rft"))?;
        p.tasks.iter().enumerate().try_for_each(|(i, t)| t.validate().map_err(|e| e.within(&format!("tasks.{i}"))))
    }

    fn cells(p: &Params) -> Vec<Cell> {
        p.tasks.iter().cloned().map(Cell).collect()
    }

    fn measure(p: &Params, Cell(task): &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let model = p.subject.load(&text_world(), ctx)?;
        let asked = task.open((&p.subject, &model), [p.inputs, p.held_out], ctx)?;
        Study { p, task, model, asked, rng: ctx.stream("samples"), seed: ctx.seed() }.run(ctx)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// One task at one seed.
struct Study<'a> {
    p: &'a Params,
    task: &'a Task,
    model: LanguageModel,
    asked: Questions,
    rng: Stream,
    seed: u64,
}

/// The pretrained model's rewards, twice: the first lot says what kind of prompt it is, the second where it starts from.
struct Before([Vec<Spread>; 2]);

impl Study<'_> {
    fn run(mut self, ctx: &Context) -> Result<Vec<Row>> {
        let p = self.p;
        let adapters = || ctx.shared_stream("adapters");
        let fresh = |study: &Self| p.subject.trainee(&study.model, &mut adapters());
        let mut pretrained = fresh(&self)?;
        let before = Before([self.spreads(&mut pretrained)?, self.spreads(&mut pretrained)?]);
        let again = self.spreads(&mut pretrained)?;
        let mut rows = self.rows("pretrained", &before, &again, &[]);
        let [rft, sft] = self.gradient_ratios(&mut pretrained, &before)?;
        (rows[0].rft_gradient_ratio, rows[0].sft_gradient_ratio) = (rft, sft);
        drop(pretrained);

        let mut trainee = fresh(&self)?;
        let rounds = self.rft(&mut trainee, p.rft.rounds, &mut ctx.stream("rft"))?;
        let after = self.spreads(&mut trainee)?;
        rows.extend(self.rows("rft", &before, &after, &rounds));

        let labels = (p.little_labels * self.asked.train.len() as f64).ceil() as usize;
        let few = Sft { steps: (p.little_steps * p.sft.steps as f64).ceil() as u64, ..p.sft.clone() };
        for (name, sft, labels) in [("sft", &p.sft, self.asked.train.len()), ("little_sft", &few, labels.max(1))] {
            let mut trainee = fresh(&self)?;
            sft.run(&mut trainee, &self.asked.train[..labels], &mut ctx.stream("sft"))?;
            let after = self.spreads(&mut trainee)?;
            rows.extend(self.rows(name, &before, &after, &[]));
            let rounds = self.rft(&mut trainee, p.rounds_after_sft, &mut ctx.stream("rft after sft"))?;
            let after = self.spreads(&mut trainee)?;
            rows.extend(self.rows(&format!("{name}_rft"), &before, &after, &rounds));
        }
        Ok(rows)
    }

    fn rft(&mut self, trainee: &mut Trainee, rounds: usize, rng: &mut Stream) -> Result<Vec<Round>> {
        let rft = Rft { rounds, ..self.p.rft.clone() };
        rft.run(trainee, &mut self.asked, &sampling(&self.model, self.task.length)?, rng)
    }

    /// Each held-out prompt's reward: mean and std over samples.
    fn spreads(&mut self, trainee: &mut Trainee) -> Result<Vec<Spread>> {
        let Questions { held_out, pay, .. } = &mut self.asked;
        let held_out: &[Question] = held_out;
        let sampling = sampling(&self.model, self.task.length)?;
        let rewards = pay.rewards(trainee, held_out, self.p.samples, &sampling, &mut self.rng)?;
        Ok(rewards.iter().map(|r| Spread::of(r)).collect())
    }

    /// Of stuck held-out prompts over the others, of the expected reward and of the likelihood; none where there are no such prompts.
    fn gradient_ratios(&mut self, pretrained: &mut Trainee, Before([first, _]): &Before) -> Result<[Option<f64>; 2]> {
        let sampling = sampling(&self.model, self.task.length)?;
        let Questions { held_out, pay, .. } = &mut self.asked;
        let mut norms = Vec::new();
        for stuck in [true, false] {
            let of_kind: Vec<&Question> =
                held_out.iter().zip(first).filter(|(_, s)| s.is_stuck() == stuck).map(|(q, _)| q).collect();
            if of_kind.is_empty() {
                return Ok([None; 2]);
            }
            let asked: Vec<Asked> =
                of_kind.iter().map(|q| Asked { prompt: &q.prompt, reference: &q.reference }).collect();
            let reward = |i: usize, answer: &[u32]| pay.try_reward(of_kind[i], answer);
            norms.push(gradient_norms(
                pretrained,
                &asked,
                (self.p.gradient_samples, &sampling),
                reward,
                &mut self.rng,
            )?);
        }
        let finite = |ratio: f64| Some(ratio).filter(|r| r.is_finite());
        Ok([finite(norms[0].rft / norms[1].rft), finite(norms[0].sft / norms[1].sft)])
    }

    fn rows(&self, policy: &str, Before([first, second]): &Before, after: &[Spread], rounds: &[Round]) -> Vec<Row> {
        let over = |wanted: &dyn Fn(usize) -> bool, value: &dyn Fn(usize) -> f64| {
            mean(&(0..after.len()).filter(|i| wanted(*i)).map(value).collect::<Vec<_>>())
        };
        let finite = |value: f64| Some(value).filter(|v| v.is_finite());
        let stuck = |i: usize| first[i].is_stuck();
        let gained = over(&stuck, &|i| after[i].mean - second[i].mean) / over(&stuck, &|i| 1.0 - second[i].mean);
        let change: Vec<f64> = second.iter().zip(after).map(|(b, a)| (a.mean - b.mean).abs()).collect();
        let row = Row { policy: policy.into(), claimed: self.task.claimed, ..Row::default() };
        let mut rows = vec![Row {
            reward: over(&|_| true, &|i| after[i].mean),
            reward_std: over(&|_| true, &|i| after[i].std),
            std_10th: Some(quantile(&after.iter().map(|s| s.std).collect::<Vec<_>>(), 0.1)),
            stuck_share: Some(over(&|_| true, &|i| f64::from(u8::from(after[i].is_stuck())))),
            stuck_gain: finite(gained),
            correlation: finite(pearson(&first.iter().map(|s| s.std).collect::<Vec<_>>(), &change)),
            small_std_mean: finite(over(&|i| first[i].std <= 0.05, &|i| second[i].mean)),
            dead_first: rounds.first().and_then(|r| r.dead_groups),
            dead_last: rounds.last().and_then(|r| r.dead_groups),
            final_kl: rounds.last().map(|r| r.kl_k1),
            ..row.clone()
        }];
        if self.seed == 0 {
            let of_prompt =
                |(i, s): (usize, &Spread)| Row { prompt: Some(i), reward: s.mean, reward_std: s.std, ..row.clone() };
            rows.extend(after.iter().enumerate().map(of_prompt));
        }
        rows
    }
}

/// A column of a policy's summary at one seed; NaN where there is none.
fn of(rows: &[&Record<Row>], task: &str, policy: &str, column: impl Fn(&Row) -> Option<f64>) -> f64 {
    let wanted = |r: &&&Record<Row>| r.cell == task && r.policy == policy && r.prompt.is_none();
    rows.iter().find(wanted).and_then(|r| column(r)).unwrap_or(f64::NAN)
}

/// The tasks of which the claim is made (`claimed`), or the others, in the order of the rows.
fn tasks(rows: &[Record<Row>], claimed: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows.iter().filter(|r| r.claimed == claimed) {
        if !names.contains(&row.cell) {
            names.push(row.cell.clone());
        }
    }
    names
}

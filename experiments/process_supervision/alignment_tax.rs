//! What the writer learns from solutions that a verifier chose: right answers, or right steps too?
//!
//! **Formula**: `tainted = P(some step is wrong | the answer is right)`;
//! `tax = share of right answers of the outcome arm − of the process arm`.
//!
//! **Claims** (discussion of arXiv:2305.20050; reported second-hand): process supervision rewards sound reasoning
//! itself, where outcome supervision also pays for a right answer that was reached by wrong steps; and it costs
//! nothing in accuracy, a *negative alignment tax*.
//!
//! **Measured** (ours; the paper finetunes no generator on what was selected): a transformer writes several solutions
//! of each training problem, one of them is chosen, and the writer is finetuned on what was chosen: by a process
//! verifier and by an outcome verifier (the same model, a product over steps, learned from labels of steps or of
//! answers of the same samples of the writer), at random among solutions with the right answer, at random among those
//! whose steps are all right (what an oracle of steps would choose), and at random. Then on held-out problems: the
//! share of right answers, and the share of right answers that have a wrong step, *tainted*. All arms have the same
//! number of finetuning steps; problems without a right (sound) candidate are left out where right (sound) ones are
//! asked for. The moduli have divisors of zero and the author errs often, so that some right answers are tainted: a
//! wrong step was forgotten.
//!
//! **Control**: finetuned on random choices the writer stays where it is.
//!
//! **Found** (ten seeds; five had left `random_tainted` open): reproduced: by the process verifier's choices the writer has 0.77 right answers, of which
//! 0.033 are tainted, by the outcome verifier's 0.70 and 0.048 (before: 0.56 and 0.094). It is sounder because it errs
//! less: of its solutions with a wrong step as many end right after either (`fewer_are_forgiven` is open). Nothing
//! raises the share of tainted answers, so our two questions are refuted: also who learns from right answers alone, a
//! tenth of which are tainted, reaches fewer of its right answers by wrong steps (0.038). That check of final answers,
//! which needs no verifier, is as good as the process verifier in sound answers and no worse in right ones (0.78;
//! `tax_against_answers` is open); an oracle of steps is far ahead of all (0.92, 0.007). Finetuned on random choices
//! the writer stays where it is.

mod figure;
mod judge;

use super::models::Teaching;
use super::writer::{Sample, Training, WriterSetup, example};
use rewardlab::algorithm::{Example, sft};
use rewardlab::env::Split;
use rewardlab::env::arithmetic::Problem;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct AlignmentTax;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    writer: WriterSetup,
    /// Problems of which a solution is chosen; 8 to 100 000.
    problems: usize,
    /// Solutions of each to choose from; 2 to 10 000.
    candidates: usize,
    /// On what was chosen.
    finetuning: Training,
    /// Held-out problems; 8 to 100 000.
    test_problems: usize,
    /// Solutions of each; 1 to 10 000.
    test_candidates: usize,
}

/// Who chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chooser {
    /// Nobody: the writer as it is, and the model before the format finetuning.
    Nobody,
    Process,
    Outcome,
    /// At random among right answers.
    Answer,
    /// At random among right answers without a wrong step.
    Steps,
    Random,
}

impl Chooser {
    pub(super) const ALL: [Self; 6] =
        [Self::Nobody, Self::Random, Self::Answer, Self::Outcome, Self::Process, Self::Steps];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "before",
            Self::Process => "process",
            Self::Outcome => "outcome",
            Self::Answer => "answer",
            Self::Steps => "steps",
            Self::Random => "random",
        }
    }
}

impl fmt::Display for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A writer on held-out problems.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `base` (before the format finetuning), `before` (the writer as it is); after finetuning on what was chosen by `process`,
    /// `outcome`, `answer` (right ones at random), `steps` (without a wrong step, at random) or at `random`.
    chooser: String,
    /// Solutions that were chosen, of as many problems.
    chosen: usize,
    /// Share of them with the right answer.
    chosen_right: f64,
    /// Of these the share with a wrong step.
    chosen_tainted: f64,
    /// Share of held-out solutions in the right format.
    readable: f64,
    /// Share with the right answer.
    right: f64,
    /// Share with the right answer and right steps alone.
    sound: f64,
    /// Of those with the right answer the share with a wrong step.
    tainted: f64,
}

impl Experiment for AlignmentTax {
    type Params = Params;
    type Cell = Chooser;
    type Row = Row;
    const ID: &'static str = "process_supervision/alignment_tax";
    const PAPER: &'static str =
        "Lightman et al., arXiv:2305.20050, discussion of the alignment tax; the experiment is ours";
    const CLAIM: &'static str = "what a process verifier chose teaches sound steps, at no cost in right answers";
    const SECONDS: (f64, f64) = (3.0, 250.0);

    fn params(profile: Profile) -> Params {
        let finetuning = Training { steps: 150, minibatch: 32, learning_rate: 5e-4 };
        match profile {
            Profile::Smoke => Params {
                writer: WriterSetup::smoke(),
                problems: 40,
                candidates: 4,
                finetuning: Training { steps: 10, minibatch: 16, ..finetuning },
                test_problems: 30,
                test_candidates: 4,
            },
            Profile::Paper => Params {
                writer: WriterSetup::paper(),
                problems: 1000,
                candidates: 16,
                finetuning,
                test_problems: 300,
                test_candidates: 16,
            },
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.writer.validate().map_err(|e| e.within("writer"))?;
        Error::check_counts(&[
            ("problems", p.problems, 8, 100_000),
            ("candidates", p.candidates, 2, 10_000),
            ("test_problems", p.test_problems, 8, 100_000),
            ("test_candidates", p.test_candidates, 1, 10_000),
        ])?;
        p.finetuning.validate().map_err(|e| e.within("finetuning"))
    }

    fn cells(_: &Params) -> Vec<Chooser> {
        Chooser::ALL.to_vec()
    }

    fn measure(p: &Params, chooser: &Chooser, ctx: &Context) -> Result<Vec<Row>> {
        let writer = p.writer.writer(ctx)?;
        if *chooser == Chooser::Nobody {
            let base = worth(p, ctx, &p.writer.base(ctx)?)?;
            let before = worth(p, ctx, &writer)?;
            return Ok(vec![Row { chooser: "base".into(), ..base }, Row { chooser: "before".into(), ..before }]);
        }
        let problems = p.writer.problems(ctx, "choice", p.problems, Split::Train);
        let pool = pool(p, ctx, &problems)?;
        let chosen = choose(p, ctx, *chooser, &problems, &pool)?;
        let examples: Vec<Example> = chosen.iter().map(|s| example(&problems[s.problem], s.tokens.clone())).collect();
        let mut trainee = p.writer.trainee(&writer)?;
        let Training { minibatch, .. } = p.finetuning;
        sft(&mut trainee, &examples, minibatch, &p.finetuning.schedule(), &mut ctx.shared_stream("finetuning"))?;
        let right = chosen.iter().filter(|s| s.is_right(&problems[s.problem])).count();
        let sound = chosen.iter().filter(|s| s.is_sound(&problems[s.problem])).count();
        Ok(vec![Row {
            chooser: chooser.name().into(),
            chosen: chosen.len(),
            chosen_right: right as f64 / chosen.len() as f64,
            chosen_tainted: (right - sound) as f64 / right as f64,
            ..worth(p, ctx, &trainee.params()?)?
        }])
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::check(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// What there is to choose from: the same for every chooser.
fn pool(p: &Params, ctx: &Context, problems: &[Problem]) -> Result<Arc<Vec<Sample>>> {
    let writer = p.writer.writer(ctx)?;
    ctx.stage("pool", &(&p.writer, p.problems, p.candidates), |rng| {
        p.writer.samples(&mut p.writer.trainee(&writer)?, problems, p.candidates, rng)
    })
}

/// One sample of each problem; none of a problem in which there is nothing that may be chosen.
fn choose<'a>(
    p: &Params,
    ctx: &Context,
    chooser: Chooser,
    problems: &[Problem],
    pool: &'a [Sample],
) -> Result<Vec<&'a Sample>> {
    let of_verifier = |teaching| p.writer.scores(ctx, teaching, problems, pool);
    let mut dice = ctx.shared_stream("choice");
    let drawn: Vec<f64> = pool.iter().map(|_| dice.uniform()).collect();
    // a random number for what may be chosen: the largest one is at random
    let at_random = |may: &dyn Fn(&Sample, &Problem) -> bool| {
        let score = |(s, u): (&Sample, &f64)| may(s, &problems[s.problem]).then_some(*u);
        pool.iter().zip(&drawn).map(score).collect::<Vec<_>>()
    };
    let scores: Vec<Option<f64>> = match chooser {
        Chooser::Process => of_verifier(Teaching::Process)?,
        Chooser::Outcome => of_verifier(Teaching::Answer)?,
        Chooser::Answer => at_random(&|s, problem| s.is_right(problem)),
        Chooser::Steps => at_random(&|s, problem| s.is_sound(problem)),
        Chooser::Nobody | Chooser::Random => at_random(&|s, _| s.answered().is_some()),
    };
    let best = |(samples, scores): (&'a [Sample], &[Option<f64>])| {
        let scored = samples.iter().zip(scores).filter_map(|(sample, score)| Some((sample, (*score)?)));
        // the first of equals
        scored.fold(None, |best: Option<(&Sample, f64)>, own| match best {
            Some(b) if b.1 >= own.1 => Some(b),
            _ => Some(own),
        })
    };
    let problems = pool.chunks(p.candidates).zip(scores.chunks(p.candidates));
    let chosen: Vec<&Sample> = problems.filter_map(best).map(|b| b.0).collect();
    if chosen.is_empty() {
        return Err(Error::Numeric(format!("no solution of any problem may be chosen by {chooser}")));
    }
    Ok(chosen)
}

/// A writer on held-out problems, the same random numbers for every one.
fn worth(p: &Params, ctx: &Context, params: &[f32]) -> Result<Row> {
    let problems = p.writer.problems(ctx, "test", p.test_problems, Split::Test);
    let mut rng = ctx.shared_stream("test samples");
    let samples = p.writer.samples(&mut p.writer.trainee(params)?, &problems, p.test_candidates, &mut rng)?;
    let share =
        |holds: &dyn Fn(&Sample) -> bool| samples.iter().filter(|s| holds(s)).count() as f64 / samples.len() as f64;
    let readable = share(&|s| s.answered().is_some());
    let (right, sound) = (share(&|s| s.is_right(&problems[s.problem])), share(&|s| s.is_sound(&problems[s.problem])));
    Ok(Row {
        chosen_right: f64::NAN,
        chosen_tainted: f64::NAN,
        readable,
        right,
        sound,
        tainted: (right - sound) / right,
        ..Row::default()
    })
}

//! One seed: the writer, its labelled samples, the verifiers, and what they choose.

use super::super::subject::sampling;
use super::problems::{Asked, Opened, Sample};
use super::{Params, Row};
use rewardlab::algorithm::{MarkedSolution, Supervision, step_log_probs, train_verifier};
use rewardlab::error::{Error, Result};
use rewardlab::exact::best_of_n_choice;
use rewardlab::experiment::Context;
use rewardlab::lm::{LanguageModel, ScoreHead};
use rewardlab::metrics::selection::{Pool, trial_orders, vote_along};
use rewardlab::reward::{Neutral, Score};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// Samples that are drawn side by side.
const TOGETHER: usize = 128;

/// What says what of a verifier's training.
const VERIFIERS: [(&str, Supervision); 4] = [
    ("process", Supervision::Process(Neutral::Positive)),
    ("outcome", Supervision::Outcome),
    ("product", Supervision::OutcomeProduct),
    ("shuffled", Supervision::Process(Neutral::Positive)),
];

/// The candidates of a held-out problem.
struct Candidates {
    pool: Pool,
    samples: Vec<Sample>,
    /// 1 for each candidate with the right answer and no wrong step, else 0.
    sound: Vec<f64>,
}

/// All rows of a seed.
pub(super) fn rows(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let opened = p.source.open(p, ctx)?;
    let writer = writer(p, &opened, ctx)?;
    let labelled = labelled(p, &opened, &writer, ctx)?;
    let most = p.draws.last().copied().unwrap_or(1) as usize;
    let mut rng = ctx.shared_stream("candidates");
    let candidates: Vec<Candidates> = samples(p, &opened, &writer, (&opened.test, most), &mut rng)?
        .into_iter()
        .zip(&opened.test)
        .map(|(samples, asked)| Candidates::new(samples, asked))
        .collect();
    let row = summary(&candidates, labelled.len());
    let mut rows = votes(p, &candidates, &row, ctx);
    for (method, supervision) in VERIFIERS {
        let labels =
            if method == "shuffled" { dealt_anew(&labelled, &mut ctx.stream("shuffle")) } else { labelled.clone() };
        let scores = scores(p, &writer, &labels, supervision, &candidates, ctx)?;
        let row = Row { method: method.into(), ranked: ranked(&candidates, &scores), ..row.clone() };
        let over = |pays: &dyn Fn(&Candidates) -> Vec<f64>| {
            let of = |(c, s): (&Candidates, &Vec<f64>)| best_of_n_choice(&c.pool.choosable(s), &pays(c), &p.draws);
            share(&candidates.iter().zip(&scores).map(of).collect::<Vec<_>>())
        };
        let (solved, sound) = (over(&|c| c.pool.right()), over(&|c| c.sound.clone()));
        rows.extend(p.draws.iter().enumerate().map(|(k, &n)| Row {
            n,
            solved: solved[k],
            sound: Some(sound[k]),
            ..row.clone()
        }));
    }
    Ok(rows)
}

/// The model that writes steps.
fn writer(p: &Params, opened: &Opened, ctx: &Context) -> Result<LanguageModel> {
    let mut trainee = p.subject.trainee(&opened.model, &mut ctx.shared_stream("adapters"))?;
    p.writer.learn(&mut trainee, &opened.written, &mut ctx.stream("writer"))?;
    Ok(LanguageModel { params: trainee.into_params()?, ..opened.model.clone() })
}

/// Samples at temperature 1, so many of every problem.
fn samples(
    p: &Params,
    opened: &Opened,
    writer: &LanguageModel,
    (problems, each): (&[Asked], usize),
    rng: &mut Stream,
) -> Result<Vec<Vec<Sample>>> {
    let mut trainee = p.subject.trainee(writer, &mut rng.clone())?;
    let sampling = sampling(writer, opened.length)?;
    let mut all = Vec::with_capacity(problems.len() * each);
    let drawn: Vec<&Asked> = problems.iter().flat_map(|a| std::iter::repeat_n(a, each)).collect();
    for part in drawn.chunks(TOGETHER) {
        let prompts: Vec<&[u32]> = part.iter().map(|a| a.prompt.as_slice()).collect();
        let mut streams: Vec<Stream> = part.iter().map(|_| rng.split()).collect();
        let outputs = trainee.sample(&prompts, &sampling, &mut streams)?;
        for (asked, output) in part.iter().zip(outputs) {
            all.push(opened.judge(asked, output.tokens)?);
        }
    }
    Ok(all.chunks(each).map(<[Sample]>::to_vec).collect())
}

/// The writer's samples of training problems that have an answer.
fn labelled(p: &Params, opened: &Opened, writer: &LanguageModel, ctx: &Context) -> Result<Vec<MarkedSolution>> {
    let mut rng = ctx.shared_stream("labelled");
    let all = samples(p, opened, writer, (&opened.train, p.samples), &mut rng)?;
    let labelled: Vec<MarkedSolution> = all.into_iter().flatten().filter_map(|s| s.marked).collect();
    if labelled.is_empty() {
        return Err(Error::Numeric("the writer wrote no solution that came to an answer".into()));
    }
    Ok(labelled)
}

/// The same labels, each at another step of all.
fn dealt_anew(labelled: &[MarkedSolution], rng: &mut Stream) -> Vec<MarkedSolution> {
    let labels: Vec<i8> = labelled.iter().flat_map(|s| s.labels.iter().copied()).collect();
    let mut dealt = rng.permutation(labels.len()).into_iter().map(|i| labels[i]);
    let deal =
        |s: &MarkedSolution| MarkedSolution { labels: dealt.by_ref().take(s.labels.len()).collect(), ..s.clone() };
    labelled.iter().map(deal).collect()
}

/// What a verifier that is trained on these labels says of every candidate; what cannot be read has nothing to be said of.
fn scores(
    p: &Params,
    writer: &LanguageModel,
    labelled: &[MarkedSolution],
    supervision: Supervision,
    candidates: &[Candidates],
    ctx: &Context,
) -> Result<Vec<Vec<f64>>> {
    let head = ScoreHead { name: "verifier".into(), outputs: supervision.outputs() };
    let model = writer.clone().with_heads(&[head])?;
    let mut trainee = p.subject.trainee(&model, &mut ctx.shared_stream("verifier adapters"))?;
    let (schedule, batch) = (p.verifier.schedule(), p.verifier.batch);
    // all verifiers see the samples in one order
    let mut rng = ctx.shared_stream("verifier order");
    train_verifier(&mut trainee, labelled, supervision, batch, &schedule, &mut rng)?;
    let score = |said: &Vec<f64>| match supervision {
        Supervision::Outcome => said.last().copied().unwrap_or(0.0),
        _ => Score::Product.of(said),
    };
    let mut of_candidates = |c: &Candidates| -> Result<Vec<f64>> {
        let read: Vec<&MarkedSolution> = c.samples.iter().filter_map(|s| s.marked.as_ref()).collect();
        let said = step_log_probs(&mut trainee, &read, supervision, Neutral::Positive)?;
        let mut said = said.iter().map(score);
        let of_sample = |s: &Sample| s.marked.as_ref().and_then(|_| said.next()).unwrap_or(f64::NEG_INFINITY);
        Ok(c.samples.iter().map(of_sample).collect())
    };
    candidates.iter().map(&mut of_candidates).collect()
}

impl Candidates {
    fn new(samples: Vec<Sample>, asked: &Asked) -> Self {
        let pool = Pool { answers: samples.iter().map(|s| s.answer).collect(), truth: asked.truth() };
        let sound = |s: &Sample| s.marked.as_ref().is_some_and(|m| m.right && m.labels.iter().all(|l| *l >= 0));
        let sound = samples.iter().map(|s| f64::from(u8::from(sound(s)))).collect();
        Self { pool, samples, sound }
    }
}

/// What all rows of a seed have in common.
fn summary(candidates: &[Candidates], labelled: usize) -> Row {
    let over = |values: &dyn Fn(&Candidates) -> Vec<f64>| {
        mean(&candidates.iter().map(|c| mean(&values(c))).collect::<Vec<_>>())
    };
    let pass_rate = over(&|c| c.pool.right());
    let sound = over(&|c| c.sound.clone());
    Row {
        pass_rate,
        finished: over(&|c| c.pool.answers.iter().map(|a| f64::from(u8::from(a.is_some()))).collect()),
        false_positives: (pass_rate > 0.0).then(|| 1.0 - sound / pass_rate),
        labelled,
        ..Row::default()
    }
}

/// What needs no verifier: the majority, and whoever knows the answers.
fn votes(p: &Params, candidates: &[Candidates], row: &Row, ctx: &Context) -> Vec<Row> {
    let most = p.draws.last().copied().unwrap_or(1) as usize;
    let mut orders = trial_orders(p.orders * most, most, &mut ctx.shared_stream("orders"));
    // every candidate comes first equally often: the majority of one is exactly any one
    for (i, order) in orders.iter_mut().enumerate() {
        let first = (i % most) as u32;
        if let Some(place) = order.iter().position(|c| *c == first) {
            order.swap(0, place);
        }
    }
    let voted = |c: &Candidates| {
        let equal = vec![1.0; c.pool.len()];
        let trials: Vec<Vec<f64>> = orders.iter().map(|order| vote_along(&c.pool, &equal, order, &p.draws)).collect();
        (0..p.draws.len()).map(|k| mean(&trials.iter().map(|t| t[k]).collect::<Vec<_>>())).collect()
    };
    let majority = share(&candidates.iter().map(voted).collect::<Vec<_>>());
    let any = share(&candidates.iter().map(|c| c.pool.pass_at_n(&p.draws)).collect::<Vec<_>>());
    let of = |method: &str, solved: &[f64]| {
        let at = |(n, solved): (&u32, &f64)| Row { method: method.into(), n: *n, solved: *solved, ..row.clone() };
        p.draws.iter().zip(solved).map(at).collect::<Vec<_>>()
    };
    [of("majority", &majority), of("any", &any)].concat()
}

/// Of pairs of a sound solution and one with a wrong answer to one problem the share that is ranked rightly; none without such a pair.
fn ranked(candidates: &[Candidates], scores: &[Vec<f64>]) -> Option<f64> {
    let (mut good, mut all) = (0.0, 0.0);
    for (c, scores) in candidates.iter().zip(scores) {
        let is_wrong = |i: &usize| c.pool.answers[*i].is_some_and(|a| a != c.pool.truth);
        for sound in (0..scores.len()).filter(|i| c.sound[*i] > 0.0) {
            for wrong in (0..scores.len()).filter(is_wrong) {
                all += 1.0;
                good += match scores[sound].total_cmp(&scores[wrong]) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
    }
    (all > 0.0).then(|| good / all)
}

/// The mean over problems, by N.
fn share(by_problem: &[Vec<f64>]) -> Vec<f64> {
    let draws = by_problem.first().map_or(0, Vec::len);
    (0..draws).map(|k| mean(&by_problem.iter().map(|own| own[k]).collect::<Vec<_>>())).collect()
}

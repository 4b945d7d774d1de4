//! The translation half: the loop and PPO, both paid by the same learned reward model.

use super::super::translation::{
    Data, DataSet, Pays, Rater, RewardModel, Standing, TranslationSetup, above, distinct, translate,
};
use super::Row;
use super::strings::check_grid;
use rewardlab::algorithm::{Ppo, PpoParams, Report};
use rewardlab::env::translation::Pair;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Context, Profile};
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// IWSLT's part, which Table 1 is about.
const SET: DataSet = DataSet::Talks;

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Rest,
    Ppo,
    /// PPO that is paid at random.
    Random,
    /// PPO that is always paid the same.
    Constant,
}

impl Method {
    pub(super) const ALL: [Self; 4] = [Self::Rest, Self::Ppo, Self::Random, Self::Constant];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Ppo => "ppo",
            Self::Random => "ppo random",
            Self::Constant => "ppo constant",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Data, model and loop.
    setup: TranslationSetup,
    /// τ behind each Grow; increasing.
    thresholds: Vec<f64>,
    /// Rated samples that the reward model learns from; 8 to 1 000 000.
    ratings: usize,
    /// Its steps; 1 to 1 000 000.
    rating_steps: u64,
    /// Samples per step; 1 to 1024.
    rating_minibatch: usize,
    /// Its peak learning rate; positive.
    rating_rate: f64,
    /// PPO's samples, as a share of those of two Grows; positive, at most 1000.
    share: f64,
    /// PPO: samples per round; 2 to 10 000.
    samples: usize,
    /// PPO: passes over a round's samples; 1 to 100.
    epochs: usize,
    /// PPO: sequences per step; 1 to 10 000.
    minibatch: usize,
    /// PPO: ε of the clip; positive.
    clip: f64,
    /// PPO: learning rates to choose from; one or more, positive.
    learning_rates: Vec<f64>,
    /// PPO: weights of the KL to choose from, per standard deviation of the payments; one or more, positive.
    kl_coefficients: Vec<f64>,
}

impl Params {
    pub(super) fn of_profile(profile: Profile) -> Self {
        let paper = Self {
            setup: TranslationSetup::of_profile(profile).only(&[SET]),
            thresholds: vec![0.7, 0.8, 0.9, 0.95],
            ratings: 8000,
            rating_steps: 2500,
            rating_minibatch: 64,
            rating_rate: 1e-3,
            share: 0.75,
            samples: 120,
            epochs: 2,
            minibatch: 30,
            clip: 0.2,
            learning_rates: vec![1e-4, 3e-4, 1e-3],
            kl_coefficients: vec![0.01, 0.1],
        };
        match profile {
            Profile::Smoke => Self {
                thresholds: vec![0.1, 0.2],
                ratings: 100,
                rating_steps: 20,
                samples: 40,
                minibatch: 20,
                learning_rates: vec![1e-3],
                kl_coefficients: vec![0.1],
                ..paper
            },
            Profile::Paper => paper,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.setup.validate().map_err(|e| e.within("setup"))?;
        let legal = self.thresholds.iter().all(|t| t.is_finite()) && self.thresholds.is_sorted_by(|a, b| a < b);
        if self.thresholds.is_empty() || !legal {
            return Err(Error::parameter("thresholds", format!("{:?}", self.thresholds), "one or more, increasing"));
        }
        Error::check_counts(&[
            ("ratings", self.ratings, 8, 1_000_000),
            ("rating_steps", self.rating_steps as usize, 1, 1_000_000),
            ("rating_minibatch", self.rating_minibatch, 1, 1024),
            ("samples", self.samples, 2, 10_000),
            ("epochs", self.epochs, 1, 100),
            ("minibatch", self.minibatch, 1, 10_000),
        ])?;
        Error::check_positive(&[("rating_rate", self.rating_rate), ("share", self.share), ("clip", self.clip)])?;
        if self.share > 1000.0 {
            return Err(Error::parameter("share", self.share, "at most 1000"));
        }
        check_grid(&self.learning_rates, &self.kl_coefficients)?;
        if self.kl_coefficients.contains(&0.0) {
            return Err(Error::parameter("kl_coefficients", format!("{:?}", self.kl_coefficients), "all positive"));
        }
        Ok(())
    }

    fn pays(&self) -> Pays {
        Pays::Learned(RewardModel {
            ratings: self.ratings,
            steps: self.rating_steps,
            minibatch: self.rating_minibatch,
            learning_rate: self.rating_rate,
            repeats: false,
        })
    }

    fn ppo(&self, sources: usize, (learning_rate, kl_coefficient): (f64, f64)) -> PpoParams {
        let candidates = self.setup.talks.map_or(1, |set| set.candidates);
        let budget = self.share * (2 * candidates * sources) as f64;
        PpoParams {
            iterations: ((budget / self.samples as f64).round() as usize).max(1),
            samples: self.samples,
            epochs: self.epochs,
            minibatch: self.minibatch,
            learning_rate,
            clip: self.clip,
            gamma: 1.0,
            kl_coefficient,
            ..PpoParams::default()
        }
    }
}

/// What PPO left.
#[derive(Debug, Serialize, Deserialize)]
struct Trained {
    params: Vec<f32>,
    drawn: usize,
    distinct: usize,
    /// Paid reward on held-out sources.
    held_out: f64,
}

/// PPO from the supervised model.
fn train(p: &Params, ctx: &Context, at: (f64, f64), method: Method) -> Result<Arc<Trained>> {
    let setup = &p.setup;
    let (data, start) = (setup.data(ctx, SET)?, setup.supervised(ctx, SET)?);
    let mut rater = setup.rater(ctx, SET, &p.pays())?;
    ctx.stage("ppo", &(p, at, method.name()), |rng| {
        let mut trainee = setup.trainee(&start)?;
        let settings = p.ppo(data.pairs.len(), at);
        let prompts: Vec<Vec<u32>> = data.pairs.iter().map(|pair| pair.source.clone()).collect();
        let mut seen: Vec<(usize, Vec<u32>)> = data.noisy.iter().cloned().enumerate().collect();
        let mut dice = rng.split();
        // the weight of the KL stays as it is
        let mut run = Ppo::new(&mut trainee, &settings, rng.split())?.with_kl_gain(0.0)?.with_normalised_rewards();
        let mut failed = None;
        while !run.is_done() {
            let pay = |i: usize, y: &[u32]| {
                seen.push((i, y.to_vec()));
                match method {
                    Method::Random => return dice.uniform(),
                    Method::Constant => return 1.0,
                    Method::Rest | Method::Ppo => {}
                }
                rater.rate(&[(&data.pairs[i], y)]).map_or_else(
                    |e| {
                        failed = Some(e);
                        f64::NAN
                    },
                    |paid| paid[0],
                )
            };
            let round = run.round(&mut trainee, &prompts, &TranslationSetup::sampling(), pay);
            if let Some(e) = failed {
                return Err(e);
            }
            round?;
        }
        let held_out = held_out(setup, &mut rater, &data, &trainee.params()?)?;
        let drawn = settings.iterations * settings.samples;
        Ok(Trained { params: trainee.into_params()?, drawn, distinct: distinct(&seen), held_out })
    })
}

/// Mean payment on held-out sources, at the loop's temperature and with the same random numbers for all.
fn held_out(setup: &TranslationSetup, rater: &mut Rater, data: &Data, params: &[f32]) -> Result<f64> {
    let each = setup.rest.held_out_candidates;
    let drawn: Vec<usize> = (0..data.held_out.len()).flat_map(|i| std::iter::repeat_n(i, each)).collect();
    let mut rng = Stream::named(&["rest/online", "held out"]);
    let outputs = translate(&mut setup.trainee(params)?, &data.held_out, &drawn, setup.rest.temperature, &mut rng)?;
    let asked: Vec<(&Pair, &[u32])> =
        drawn.iter().zip(&outputs).map(|(i, y)| (&data.held_out[*i], y.as_slice())).collect();
    let paid = rater.rate(&asked)?;
    Ok(paid.iter().sum::<f64>() / paid.len() as f64)
}

pub(super) fn measure(p: &Params, method: Method, ctx: &Context) -> Result<Vec<Row>> {
    if method == Method::Rest { rest(p, ctx) } else { online(p, method, ctx) }
}

fn row() -> Row {
    Row { world: "translation".into(), task: SET.name().into(), policy: "transformer".into(), ..Row::default() }
}

fn rest(p: &Params, ctx: &Context) -> Result<Vec<Row>> {
    let settings = p.setup.loop_of(Some(SET), 2, above(&p.thresholds));
    let standings = p.setup.standings(ctx, SET, &p.pays(), &settings)?;
    let run = p.setup.run(ctx, SET, &p.pays(), &settings)?;
    let of = |s: &Standing| Row {
        method: "rest".into(),
        pays: "learned".into(),
        grow: s.grow,
        improve: s.improve,
        threshold: s.threshold,
        drawn: s.drawn,
        distinct: s.distinct,
        paid: s.worth.paid,
        value: s.worth.reward,
        bleu: Some(s.worth.bleu),
        held_out: run.reports.iter().find_map(|report| match report {
            Report::Improved(i) if (i.grow, i.improve) == (s.grow, s.improve) => Some(i.held_out),
            _ => None,
        }),
        ..row()
    };
    Ok(standings.iter().map(of).collect())
}

fn online(p: &Params, method: Method, ctx: &Context) -> Result<Vec<Row>> {
    let mut best: Option<((f64, f64), f64)> = None;
    for &rate in &p.learning_rates {
        for &beta in &p.kl_coefficients {
            let held_out = train(p, ctx, (rate, beta), Method::Ppo)?.held_out;
            if best.is_none_or(|b| held_out > b.1) {
                best = Some(((rate, beta), held_out));
            }
        }
    }
    let Some((at, _)) = best else { return Ok(Vec::new()) };
    let trained = train(p, ctx, at, method)?;
    let worth = p.setup.worth(ctx, SET, &p.pays(), &trained.params)?;
    Ok(vec![Row {
        method: "ppo".into(),
        pays: match method {
            Method::Random => "random",
            Method::Constant => "constant",
            Method::Rest | Method::Ppo => "learned",
        }
        .into(),
        drawn: trained.drawn,
        distinct: trained.distinct,
        paid: worth.paid,
        value: worth.reward,
        bleu: Some(worth.bleu),
        held_out: Some(trained.held_out),
        learning_rate: Some(at.0),
        kl_coefficient: Some(at.1),
        ..row()
    }])
}

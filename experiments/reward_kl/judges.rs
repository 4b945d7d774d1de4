//! Can a judge stand in for people? A simulation, and no evidence about GPT-4 or any other judge.
//!
//! **Formula**: `P(a rater prefers y to y′) = σ((score(y) − score(y′))/τ + bias · (length(y) − length(y′)))`.
//!
//! **Claims** (Table 2 of arXiv:2305.18290, reported second-hand): GPT-4 agrees with people about as often as people with
//! each other (70, 77, 86% with one prompt, 67, 79, 85% with a concise one; people 65 and 87%); the concise prompt, made against a
//! taste for length, gives win rates nearer to people's (54 than 47, people 58, for DPO; 12 than 13, people 17, for PPO at
//! temperature 1; 32 than 27, people 43, for SFT).
//!
//! **Measured**: what those numbers mean where the judges are known. The world of `summaries`; each pairing against PPO at
//! temperature 0: DPO at .25, SFT at .25, PPO at 1. A rater prefers a summary with probability σ((difference of scores)/τ + bias ·
//! (difference of lengths)). The panel: raters whose τ differ and whose biases scatter around 0. Two judges with the panel's mean
//! τ: one unbiased, one who likes length. Win rates and agreements are exact sums over all pairs of summaries. Ours: all sizes.
//! Criteria: the facts'.
//!
//! **Controls**: with lengths hidden the two judges are one; a rater who does not look agrees with everybody half of the time.
//!
//! **Findings** (20 seeds). Both claims hold. The unbiased judge agrees with raters a little more often than they with each other (it has none of
//! their own biases), and the judge who likes length is further from their win rates. But his agreement gives him away
//! no more than the unbiased judge's does: both are within a point of the agreement among people. In this world agreement near people's own
//! is no sign that win rates are unbiased.

use super::summaries::{Family, Summaries, SummarySetup};
use super::temperature::{setup, training};
use super::trained::{Method, Training, Workshop};
use super::writing::Referee;
use crate::statistics::{by_seed, largest};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{Differences, Outcomes};
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record};
use rewardlab::num::sigmoid;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::rng::Stream;
use rewardlab::stats::{mean, mean_interval};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Judges;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The world and its corpus.
    summaries: SummarySetup,
    /// Data, budgets, tuning.
    training: Training,
    /// People on the panel; 2 to 100.
    raters: usize,
    /// Temperature of a rater, in units of the score; positive. A rater's own is this times e^(spread · normal).
    rater_temperature: f64,
    /// Std of the logarithm of raters' temperatures; at least 0.
    temperature_spread: f64,
    /// Std of raters' bias for length, per word; at least 0.
    bias_spread: f64,
    /// The biased judge's taste for length, per word; positive.
    bias: f64,
}

/// One pairing, against PPO at temperature 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    method: Method,
    temperature: f64,
}

const PAIRINGS: [Cell; 3] = [
    Cell { method: Method::Dpo, temperature: 0.25 },
    Cell { method: Method::Sft, temperature: 0.25 },
    Cell { method: Method::Ppo, temperature: 1.0 },
];

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} at {} against ppo at 0", self.method.name(), self.temperature)
    }
}

/// A judge on one pairing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `dpo at 0.25`, `sft at 0.25` or `ppo at 1`.
    pairing: String,
    /// `people`, `unbiased`, `biased`, `biased_hidden` (lengths hidden from the biased judge) or `blind`.
    judge: String,
    /// Probability that the judge (of people: a rater of the panel) prefers it to PPO at temperature 0.
    win: f64,
    /// Probability of agreeing with a rater of the panel (of people: of two different raters to agree).
    agreement: f64,
    /// Expected score less that of PPO at temperature 0.
    score: f64,
    /// Expected words less those of PPO at temperature 0.
    length: f64,
    /// Completions that each policy has taken in training.
    samples: usize,
}

/// Who prefers what.
#[derive(Clone, Copy, Debug)]
struct Rater {
    temperature: f64,
    /// Per word.
    bias: f64,
}

impl Rater {
    /// The probability of preferring the first, by differences of scores and lengths.
    fn prefers(&self, score: i64, length: i64) -> f64 {
        sigmoid(score as f64 / self.temperature + self.bias * length as f64)
    }
}

/// A pairing on all prompts.
struct Pairing(Vec<Differences>);

impl Pairing {
    fn mean(&self, of: impl Fn(i64, i64) -> f64) -> f64 {
        self.0.iter().map(|d| d.mean(&of)).sum::<f64>() / self.0.len() as f64
    }

    fn win(&self, rater: &Rater) -> f64 {
        self.mean(|s, l| rater.prefers(s, l))
    }

    /// The probability that two who judge independently say the same.
    fn agreement(&self, one: &Rater, other: &Rater) -> f64 {
        self.mean(|s, l| {
            let (p, q) = (one.prefers(s, l), other.prefers(s, l));
            p * q + (1.0 - p) * (1.0 - q)
        })
    }
}

fn panel_of(p: &Params, rng: &mut Stream) -> Vec<Rater> {
    let mut one = || Rater {
        temperature: p.rater_temperature * (p.temperature_spread * rng.normal()).exp(),
        bias: p.bias_spread * rng.normal(),
    };
    (0..p.raters).map(|_| one()).collect()
}

impl Experiment for Judges {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/judges";
    const PAPER: &'static str = "Rafailov et al., arXiv:2305.18290, Table 2 and Section 6.4 (a simulation)";
    const CLAIM: &'static str =
        "an unbiased judge agrees with people as people do; one who likes length errs (simulated)";
    const SECONDS: (f64, f64) = (1.0, 20.0);

    fn params(profile: Profile) -> Params {
        Params {
            summaries: setup(profile),
            training: training(profile),
            raters: if profile == Profile::Smoke { 3 } else { 12 },
            rater_temperature: 2.0,
            temperature_spread: 0.3,
            bias_spread: 0.05,
            bias: 0.2,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        if profile == Profile::Smoke { 0..2 } else { 0..20 }
    }

    fn validate(p: &Params) -> Result<()> {
        p.summaries.validate().map_err(|e| e.within("summaries"))?;
        p.training.validate().map_err(|e| e.within("training"))?;
        Error::check_counts(&[("raters", p.raters, 2, 100)])?;
        Error::check_not_negative(&[("temperature_spread", p.temperature_spread), ("bias_spread", p.bias_spread)])?;
        Error::check_positive(&[("rater_temperature", p.rater_temperature), ("bias", p.bias)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        PAIRINGS.into()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let writing = Summaries { setup: p.summaries.clone(), family: Family::Near };
        let shop = Workshop::new(&writing, &p.training, ctx)?;
        let referee = Referee::new(&writing, shop.test())?;
        let own = referee.outcomes(&shop.policy(cell.method)?.0.at_temperature(cell.temperature))?;
        let other = referee.outcomes(&shop.policy(Method::Ppo)?.0.at_temperature(0.0))?;
        let pairing = Pairing(own.iter().zip(&other).map(|(a, b)| a.differences(b)).collect());
        // the same summaries, their lengths hidden from the judge
        let short = |o: &Outcomes| {
            let scores: Vec<(i64, usize, f64)> = o.scores().into_iter().map(|(s, p)| (s, 0, p)).collect();
            Outcomes::from_weights(&scores)
        };
        let hidden = Pairing(own.iter().zip(&other).map(|(a, b)| short(a).differences(&short(b))).collect());
        let people = panel_of(p, &mut ctx.shared_stream("panel"));
        // each pair of different raters once
        let among = (0..people.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let among: Vec<f64> = among.map(|(i, j)| pairing.agreement(&people[i], &people[j])).collect();
        let of_people = |of: &dyn Fn(&Rater) -> f64| mean(&people.iter().map(of).collect::<Vec<_>>());
        let blank = Row {
            pairing: format!("{} at {}", cell.method.name(), cell.temperature),
            judge: "people".into(),
            win: of_people(&|rater| pairing.win(rater)),
            agreement: mean(&among),
            score: pairing.mean(|s, _| s as f64),
            length: pairing.mean(|_, l| l as f64),
            samples: p.training.samples(),
        };
        let judge = |name: &str, rater: Rater| Row {
            judge: name.into(),
            win: pairing.win(&rater),
            agreement: of_people(&|other| pairing.agreement(&rater, other)),
            ..blank.clone()
        };
        let plain = Rater { temperature: p.rater_temperature, bias: 0.0 };
        let judges = vec![
            judge("unbiased", plain),
            judge("biased", Rater { bias: p.bias, ..plain }),
            Row { win: hidden.win(&Rater { bias: p.bias, ..plain }), ..judge("biased_hidden", plain) },
            judge("blind", Rater { temperature: f64::INFINITY, bias: 0.0 }),
        ];
        Ok([blank.clone()].into_iter().chain(judges).collect())
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        chart(rows)
    }
}

const NAMES: [(&str, &str); 3] = [("dpo at 0.25", "DPO, 0.25"), ("sft at 0.25", "SFT, 0.25"), ("ppo at 1", "PPO, 1")];

/// A quantity of a judge on a pairing, of rows of one seed.
fn value(rows: &[&Record<Row>], pairing: &str, judge: &str, of: fn(&Row) -> f64) -> f64 {
    mean(&rows.iter().filter(|r| r.pairing == pairing && r.judge == judge).map(|r| of(r)).collect::<Vec<_>>())
}

/// Mean over pairings of |the judge's − people's|.
fn distance(rows: &[&Record<Row>], judge: &str, of: fn(&Row) -> f64) -> f64 {
    mean(&NAMES.map(|(p, _)| (value(rows, p, judge, of) - value(rows, p, "people", of)).abs()))
}

fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let source = "arXiv:2305.18290, Table 2 (a simulation, no evidence about GPT-4); criterion ours";
    let agreement = |judge: &'static str| mean_interval(&by_seed(rows, |g| distance(g, judge, |r| r.agreement)));
    vec![
        Check::new(
            Kind::Claim,
            "agreement",
            "the unbiased judge agrees with people about as often as people with each other",
            source,
            "mean over pairings of |agreement with people − agreement among people|",
            agreement("unbiased"),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Claim,
            "bias_misleads",
            "the win rates of a judge who likes length are further from people's",
            source,
            "mean over pairings of |win rate − people's|, biased judge less unbiased one",
            mean_interval(&by_seed(rows, |g| distance(g, "biased", |r| r.win) - distance(g, "unbiased", |r| r.win))),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            "agreement_hides_bias",
            "agreement hardly shows the bias",
            "our question; criterion ours",
            "mean over pairings of |agreement with people − agreement among people|, biased judge",
            agreement("biased"),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Control,
            "lengths_hidden",
            "with lengths hidden the two judges are one",
            "derived",
            "largest difference of win rates",
            largest(by_seed(rows, |g| {
                NAMES
                    .map(|(p, _)| (value(g, p, "biased_hidden", |r| r.win) - value(g, p, "unbiased", |r| r.win)).abs())
                    .into_iter()
                    .fold(0.0, f64::max)
            })),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "blind",
            "a judge who does not look agrees with people half of the time, and everybody wins half",
            "derived",
            "largest distance to 1/2",
            largest(
                rows.iter()
                    .filter(|r| r.judge == "blind")
                    .map(|r| f64::max((r.win - 0.5).abs(), (r.agreement - 0.5).abs())),
            ),
            Criterion::AtMost(1e-9),
        ),
    ]
}

fn chart(rows: &[Record<Row>]) -> Chart {
    let judges = [("people", "panel of people"), ("unbiased", "unbiased judge"), ("biased", "judge who likes length")];
    let panel = |title: &str, label: &str, of: fn(&Row) -> f64| {
        let bars = |(judge, series): &(&'static str, &str)| {
            let bar = |(at, (pairing, _)): (usize, &(&'static str, &str))| {
                let e = mean_interval(&by_seed(rows, |g| value(g, pairing, judge, of)));
                (at, e.value, e.low, e.high)
            };
            Layer::Bars { series: (*series).into(), bars: NAMES.iter().enumerate().map(bar).collect() }
        };
        let mut layers: Vec<Layer> = judges.iter().map(bars).collect();
        layers.push(Layer::Horizontal { label: "a coin".into(), y: 0.5 });
        Panel {
            title: title.into(),
            x: Axis {
                label: "summaries by (method, temperature)".into(),
                categories: NAMES.iter().map(|n| n.1.into()).collect(),
                ..Axis::default()
            },
            y: Axis { label: label.into(), range: Some((0.0, 1.0)), ..Axis::default() },
            layers,
        }
    };
    let samples = rows.iter().map(|r| r.samples).max().unwrap_or(0);
    Chart {
        title: "Simulated judges against a simulated panel (no evidence about GPT-4)".into(),
        subtitle: format!(
            "Each against PPO at temperature 0, exact over all pairs of summaries; {samples} completions a run in training (PPO: as many more for its reward). Bars: means \
             with 95% t intervals over seeds."
        ),
        panels: vec![
            panel("win rate", "win rate against PPO at temperature 0", |r| r.win),
            panel("agreement", "agreement with the panel", |r| r.agreement),
        ],
        columns: 2,
    }
}

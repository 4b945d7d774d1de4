//! Summaries: the win rate against people's, by sampling temperature.
//!
//! **Formula**: `win rate = P(score(y) > score(y′)) + ½ P(tie)`, y from the policy at temperature T,
//! `π_T(a) ∝ π(a)^(1/T)` token by token, y′ from people.
//!
//! **Claims** (Figure 2, right, of arXiv:2305.18290): DPO wins more than PPO at temperature 0 (about .61 against .57,
//! reported second-hand), keeps more of it at higher temperatures, where PPO falls to the base model's level, and its
//! best is above best-of-N's; Preferred-FT is hardly better than SFT.
//!
//! **Measured**: the world of `summaries`: articles with three of five points; a point covered earns 2, a wrong
//! statement costs 2, repetition and fluff 1, no end 2. Judged against a summary by the simulated people who wrote the
//! corpus; labels are Bradley–Terry draws on the score. Win rates are exact sums over all summaries: by the score, ties
//! halved, and by a judge as noisy as the labels. Each method takes as many completions in training and is tuned as
//! `trained` says; best-of-N picks by the reward model that PPO has, from draws of the SFT writer (the only sampled
//! curve).
//!
//! Ours: world, sizes, rates, the reading of "falls to the base model's level" as within .05 at temperature 1.
//!
//! **Controls**: a policy against itself wins 1/2; a judge who does not look gives 1/2 to all; best-of-N by the score,
//! from the same draws, is where the exact distribution says.
//!
//! **Findings** (20 seeds). DPO's best beats people and best-of-128. At temperature 0 DPO and PPO are level: 4000
//! completions are enough for either, and greedy decoding asks only for the likeliest word. Two claims do not hold
//! here: PPO is the flatter one (it falls by .06, DPO by .12), and at temperature 1 it is far above SFT. PPO trains
//! what it samples at temperature 1, so that temperature suits it; DPO ranks words of fixed data and stays broader.
//! That the paper's PPO falls to the base model's level is no property of the objective: a PPO with the same objective
//! that is tuned for the whole range of temperatures does not. Preferred-FT is .09 above SFT, within .1 only just:
//! nearly half of it at temperature 0, where SFT repeats itself in some seeds and articles. Settings chosen by the mean
//! win rate over temperatures; `--set training.tried=[0.0]` chooses at temperature 0, and changes no verdict on DPO
//! against PPO.

use super::summaries::{Family, Summaries, SummarySetup};
use super::trained::{Method, PPO, Training, Workshop};
use super::writing::{Referee, Writing, best_of_error, mean_over, win_rate};
use crate::statistics::{by_seed, farthest, largest};
use rewardlab::error::{Error, Result};
use rewardlab::exact::Outcomes;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, PaperNumber, Profile, Record};
use rewardlab::num::sigmoid;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::preference::Labeller;
use rewardlab::stats::{mean, mean_interval};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Temperature;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The world and its corpus.
    summaries: SummarySetup,
    /// Data, budgets, tuning.
    training: Training,
    /// Sampling temperatures; each at least 0; 0 and 1 among them.
    temperatures: Vec<f64>,
    /// N of best-of-N; at least 1.
    best_of: u32,
    /// Draws per prompt from which best-of-N is estimated; at least N.
    drafts: usize,
    /// Temperature of the noisy judge, in units of the score; positive.
    judge: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    Policy(Method),
    BestOfN,
}

impl Cell {
    fn name(self) -> &'static str {
        match self {
            Self::Policy(method) => method.name(),
            Self::BestOfN => "best_of_n",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A method at a temperature.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `sft`, `preferred`, `dpo`, `ppo` or `best_of_n`.
    method: String,
    /// β, KL target, share of the steps, or N.
    setting: Option<f64>,
    /// The learning rate that was kept.
    learning_rate: Option<f64>,
    /// Completions taken in training (the reward model's, for best-of-N).
    samples: usize,
    /// Sampling temperature.
    temperature: f64,
    /// Win rate against people's summaries by the score, ties halved; mean over prompts.
    win: f64,
    /// The same by the noisy judge.
    win_noisy: f64,
    /// The same by a judge who does not look.
    win_blind: f64,
    /// Win rate against itself.
    win_itself: f64,
    /// Expected score.
    score: f64,
    /// Expected words, the end among them.
    length: f64,
    /// Best-of-N by the score, sampled less exact, in standard errors.
    sampled_z: Option<f64>,
}

pub(super) fn training(profile: Profile) -> Training {
    let smoke = profile == Profile::Smoke;
    Training {
        prompts: if smoke { 100 } else { 1000 },
        completions: 4,
        labeller: Labeller::BradleyTerry { temperature: 2.0 },
        learning_rates: if smoke { vec![0.02, 0.1] } else { vec![0.01, 0.03, 0.1] },
        betas: if smoke { vec![0.5] } else { vec![0.05, 0.1, 0.5] },
        tried: if smoke { vec![0.0] } else { vec![0.0, 0.25, 0.5, 0.75, 1.0] },
        targets: if smoke { vec![3.0] } else { vec![2.0, 4.0, 8.0] },
        steps: if smoke { 50 } else { 600 },
        batch: 64,
        ppo: PPO,
        reward_learning_rate: 0.02,
        reward_epochs: 3,
    }
}

pub(super) fn setup(profile: Profile) -> SummarySetup {
    let smoke = profile == Profile::Smoke;
    SummarySetup { order: if smoke { 2 } else { 3 }, length: if smoke { 8 } else { 16 }, corpus: 4000 }
}

impl Experiment for Temperature {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "reward_kl/temperature";
    const PAPER: &'static str = "Rafailov et al., arXiv:2305.18290, Figure 2 (right) and Section 6.2";
    const CLAIM: &'static str = "DPO wins more than PPO at temperature 0 and keeps more of it at higher ones";
    const SECONDS: (f64, f64) = (1.0, 30.0);

    fn params(profile: Profile) -> Params {
        let smoke = profile == Profile::Smoke;
        Params {
            summaries: setup(profile),
            training: training(profile),
            temperatures: if smoke { vec![0.0, 1.0] } else { vec![0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5] },
            best_of: if smoke { 8 } else { 128 },
            drafts: if smoke { 100 } else { 2048 },
            judge: 2.0,
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        if profile == Profile::Smoke { 0..2 } else { 0..20 }
    }

    fn validate(p: &Params) -> Result<()> {
        p.summaries.validate().map_err(|e| e.within("summaries"))?;
        p.training.validate().map_err(|e| e.within("training"))?;
        temperatures("temperatures", &p.temperatures, &[0.0, 1.0])?;
        Error::check_counts(&[
            ("best_of", p.best_of as usize, 1, 1_000_000),
            ("drafts", p.drafts, p.best_of as usize, 10_000_000),
        ])?;
        Error::check_positive(&[("judge", p.judge)])
    }

    fn cells(_: &Params) -> Vec<Cell> {
        Method::ALL.map(Cell::Policy).into_iter().chain([Cell::BestOfN]).collect()
    }

    fn measure(p: &Params, &cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let writing = Summaries { setup: p.summaries.clone(), family: Family::Near };
        let shop = Workshop::new(&writing, &p.training, ctx)?;
        let referee = Referee::new(&writing, shop.test())?;
        let people = writing.baseline(&referee, &shop.reference)?;
        let judged = |own: &[Outcomes]| {
            let pairs: Vec<_> = own.iter().zip(&people).map(|(a, b)| a.differences(b)).collect();
            let by =
                |judge: &dyn Fn(i64) -> f64| mean(&pairs.iter().map(|d| d.mean(|s, _| judge(s))).collect::<Vec<_>>());
            [by(&|s| sigmoid(s as f64 / p.judge)), by(&|_| 0.5)]
        };
        let row = |temperature: f64, own: &[Outcomes]| {
            let judged = judged(own);
            Row {
                method: cell.name().into(),
                samples: p.training.samples(),
                temperature,
                win: win_rate(own, &people),
                win_noisy: judged[0],
                win_blind: judged[1],
                win_itself: win_rate(own, own),
                score: mean_over(own, own, |a, _| a.score()),
                length: mean_over(own, own, |a, _| a.length()),
                ..Row::default()
            }
        };
        let mut rows = Vec::new();
        match cell {
            Cell::Policy(method) => {
                let (writer, kept) = shop.policy(method)?;
                for &t in &p.temperatures {
                    let own = referee.outcomes(&writer.at_temperature(t))?;
                    rows.push(Row { setting: kept.setting, learning_rate: kept.learning_rate, ..row(t, &own) });
                }
            }
            Cell::BestOfN => {
                for &t in &p.temperatures {
                    let drafts = shop.drafts(t, p.drafts)?;
                    let all = referee.outcomes(&shop.reference.at_temperature(t))?;
                    let exact: Vec<Outcomes> = all.iter().map(|o| o.best_of(p.best_of)).collect();
                    let sampled = win_rate(&drafts.best_of_by_score(p.best_of as usize), &people);
                    let error = best_of_error(&all, &people, p.best_of, p.drafts);
                    let z = (sampled - win_rate(&exact, &people)) / error;
                    let own = drafts.best_of(p.best_of as usize);
                    // without randomness nothing is off
                    let sampled_z = (t > 0.0).then_some(z);
                    rows.push(Row { setting: Some(p.best_of.into()), sampled_z, ..row(t, &own) });
                }
            }
        }
        Ok(rows)
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        [claims(rows), controls(rows)].concat()
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        chart(rows)
    }
}

/// Legal sampling temperatures, with those that are needed.
pub(super) fn temperatures(name: &str, list: &[f64], needed: &[f64]) -> Result<()> {
    let legal = list.iter().all(|t| *t >= 0.0 && t.is_finite());
    if legal && !list.is_empty() && needed.iter().all(|t| list.contains(t)) {
        return Ok(());
    }
    let all: Vec<String> = needed.iter().map(f64::to_string).collect();
    Err(Error::parameter(
        name,
        format!("{list:?}"),
        format!("one or more, each at least 0, with {}", all.join(" and ")),
    ))
}

/// A method's win rate at a temperature, of rows of one seed.
fn win(rows: &[&Record<Row>], method: &str, temperature: f64) -> f64 {
    let own = rows.iter().filter(|r| r.method == method && r.temperature.to_bits() == temperature.to_bits());
    mean(&own.map(|r| r.win).collect::<Vec<_>>())
}

/// Its highest at temperatures up to 1.
fn best(rows: &[&Record<Row>], method: &str) -> f64 {
    let own = rows.iter().filter(|r| r.method == method && r.temperature <= 1.0);
    own.map(|r| r.win).fold(f64::NAN, f64::max)
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let source = "arXiv:2305.18290, Figure 2 (right); criterion ours";
    let claim = |id: &str, statement: &str, statistic: &str, criterion, of: &dyn Fn(&[&Record<Row>]) -> f64| {
        Check::new(Kind::Claim, id, statement, source, statistic, mean_interval(&by_seed(rows, of)), criterion)
    };
    let fall = |g: &[&Record<Row>], method: &str| win(g, method, 0.0) - win(g, method, 1.0);
    vec![
        claim(
            "dpo_over_ppo",
            "at temperature 0 DPO wins at least as often as PPO",
            "win rate of DPO less that of PPO, temperature 0",
            Criterion::AtLeast(0.0),
            &|g| win(g, "dpo", 0.0) - win(g, "ppo", 0.0),
        )
        .paper(PaperNumber::SecondHand(0.04)),
        claim(
            "dpo_is_flatter",
            "DPO loses less from temperature 0 to 1 than PPO",
            "fall of PPO's win rate less fall of DPO's",
            Criterion::AtLeast(0.0),
            &|g| fall(g, "ppo") - fall(g, "dpo"),
        ),
        claim(
            "ppo_falls_to_base",
            "at temperature 1 PPO is at the base model's level",
            "win rate of PPO less that of SFT, temperature 1",
            Criterion::AtMost(0.05),
            &|g| win(g, "ppo", 1.0) - win(g, "sft", 1.0),
        ),
        claim(
            "dpo_over_best_of_n",
            "DPO's best is above best-of-N's",
            "highest win rate over temperatures up to 1, DPO less best-of-N",
            Criterion::AtLeast(0.0),
            &|g| best(g, "dpo") - best(g, "best_of_n"),
        ),
        claim(
            "preferred_is_sft",
            "Preferred-FT is hardly better than SFT",
            "mean over temperatures up to 1 of the win rates' difference",
            Criterion::Within(-0.1, 0.1),
            &|g| {
                let of = |method: &str| {
                    let own = g.iter().filter(|r| r.method == method && r.temperature <= 1.0);
                    mean(&own.map(|r| r.win).collect::<Vec<_>>())
                };
                of("preferred") - of("sft")
            },
        ),
        claim(
            "dpo_over_people",
            "DPO's best beats the people it is judged against",
            "highest win rate over temperatures up to 1",
            Criterion::AtLeast(0.5),
            &|g| best(g, "dpo"),
        )
        .paper(PaperNumber::SecondHand(0.61)),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let half = |id: &str, statement: &str, statistic: &str, of: fn(&Row) -> f64| {
        let far = by_seed(rows, |g| (farthest(g.iter().map(|r| of(r)), 0.5) - 0.5).abs());
        Check::new(Kind::Control, id, statement, "derived", statistic, largest(far), Criterion::AtMost(1e-9))
    };
    vec![
        half("itself", "a policy wins half of the time against itself", "largest |win rate − 1/2|", |r| r.win_itself),
        half("blind_judge", "a judge who does not look gives 1/2", "largest |win rate − 1/2|", |r| r.win_blind),
        Check::new(
            Kind::Control,
            "sampled_best_of_n",
            "best-of-N by the score, sampled, agrees with the exact distribution",
            "derived",
            "largest difference of win rates at temperature 1, standard errors",
            largest(by_seed(rows, |g| {
                let own = g.iter().filter(|r| r.temperature.to_bits() == 1.0_f64.to_bits());
                own.filter_map(|r| r.sampled_z).map(f64::abs).fold(f64::NAN, f64::max)
            })),
            Criterion::AtMost(3.0),
        ),
    ]
}

pub(super) const SERIES: [(&str, &str); 5] = [
    ("dpo", "DPO"),
    ("ppo", "PPO, learned reward"),
    ("preferred", "Preferred-FT"),
    ("sft", "SFT"),
    ("best_of_n", "best-of-N"),
];

/// A line with its 95% band.
pub(super) fn curve(series: &str, stroke: Stroke, points: &[(f64, Vec<f64>)]) -> Vec<Layer> {
    let estimates: Vec<_> = points.iter().map(|(x, values)| (*x, mean_interval(values))).collect();
    vec![
        Layer::Band { series: series.into(), points: estimates.iter().map(|(x, e)| (*x, e.low, e.high)).collect() },
        Layer::Line {
            series: series.into(),
            points: estimates.iter().map(|(x, e)| (*x, e.value)).collect(),
            stroke,
            markers: true,
        },
    ]
}

/// Values of all seeds at each x, in the order of x.
pub(super) fn grouped<R>(
    rows: &[Record<R>],
    of: impl Fn(&R) -> bool,
    at: impl Fn(&R) -> (f64, f64),
) -> Vec<(f64, Vec<f64>)> {
    let mut points: Vec<(f64, f64)> = rows.iter().filter(|r| of(&r.row)).map(|r| at(&r.row)).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let same = points.chunk_by(|a, b| a.0.to_bits() == b.0.to_bits());
    same.map(|g| (g[0].0, g.iter().map(|p| p.1).collect())).collect()
}

fn chart(rows: &[Record<Row>]) -> Chart {
    let panel = |title: &str, of: fn(&Row) -> f64| {
        let mut layers: Vec<Layer> = SERIES
            .iter()
            .flat_map(|(method, series)| {
                let stroke = if *method == "best_of_n" { Stroke::Dashed } else { Stroke::Solid };
                curve(series, stroke, &grouped(rows, |r| r.method == *method, |r| (r.temperature, of(r))))
            })
            .collect();
        layers.push(Layer::Horizontal { label: "as good as people".into(), y: 0.5 });
        Panel {
            title: title.into(),
            x: Axis { label: "sampling temperature".into(), ..Axis::default() },
            y: Axis { label: "win rate against people's summaries".into(), range: Some((0.0, 1.0)), ..Axis::default() },
            layers,
        }
    };
    let samples = rows.iter().map(|r| r.samples).max().unwrap_or(0);
    let n = rows.iter().filter(|r| r.method == "best_of_n").find_map(|r| r.setting).unwrap_or(0.0);
    Chart {
        title: "Summaries: win rate by sampling temperature".into(),
        subtitle: format!(
            "Exact win rates on held-out articles (best-of-N, N = {n}: sampled); {samples} completions a run in training (PPO: as many more for its reward). Bands: 95% t \
             intervals over seeds. Simulated people."
        ),
        panels: vec![panel("by the score, ties halved", |r| r.win), panel("by a noisy judge", |r| r.win_noisy)],
        columns: 2,
    }
}

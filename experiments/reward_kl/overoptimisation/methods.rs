//! The ways of pushing a proxy up.

use super::super::markov::Markov;
use super::super::mixture::{Values, additive_optimum};
use super::super::word_ppo::{PpoSettings, ppo};
use super::{Context, Mixture, Params, Result, ReviewSetup, RewardModel, Row, held_out};
use rewardlab::env::Sentiment;
use rewardlab::exact::{best_of_n, best_of_n_kl_bound, best_of_n_point};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// What every method has at hand.
pub(super) struct Bench<'a> {
    pub(super) p: &'a Params,
    pub(super) ctx: &'a Context<'a>,
    pub(super) sentiment: Sentiment,
    pub(super) reference: Markov,
    prompts: Vec<Vec<u32>>,
    mixture: Mixture,
    /// What is known of the reference itself.
    start: Values,
    /// Per prompt, the reference's draws.
    draws: Vec<Vec<Draw>>,
    gold: Scale,
}

/// A completion of the reference.
struct Draw {
    cells: Vec<usize>,
    gold: f64,
}

/// From a reward to the std that it has among the reference's completions of one prompt.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    center: f64,
    std: f64,
}

impl Scale {
    pub(super) fn of(self, reward: f64) -> f64 {
        (reward - self.center) / self.std
    }
}

impl<'a> Bench<'a> {
    pub(super) fn new(p: &'a Params, ctx: &'a Context<'a>) -> Result<Self> {
        let sentiment = p.reviews.sentiment()?;
        let reference = p.reviews.reference(&mut ctx.shared_stream("corpus"));
        let prompts = held_out(p, ctx);
        let mixture = Mixture::new(&sentiment, &prompts, p.reviews.length, &reference)?;
        let start = mixture.values(&reference, &reference);
        let mut rng = ctx.shared_stream("draws of the reference");
        let draws = of_reference(&sentiment, &reference, (&prompts, p.reviews.length, p.draws), &mut rng);
        let std = spread(&draws, &|draw| draw.gold);
        let gold = Scale { center: start.reward, std };
        Ok(Self { p, ctx, sentiment, reference, prompts, mixture, start, draws, gold })
    }

    /// The front, its tangents' slopes in units of the gold reward's std.
    pub(super) fn front(&self) -> Vec<Row> {
        let row = |t: super::super::front::Tangent| Row {
            proxy: "none".into(),
            method: "front".into(),
            setting: t.beta / self.gold.std,
            kl: t.kl,
            gold: self.gold.of(t.reward),
            ..Row::default()
        };
        self.mixture.front(&self.reference, &self.p.front_betas).into_iter().map(row).collect()
    }

    /// A proxy, or the true reward in its place, pushed up by every method.
    pub(super) fn pushed(&self, model: Option<&RewardModel>, pairs: usize) -> Result<Vec<Row>> {
        let base = Row {
            proxy: if model.is_some() { "learned" } else { "truth" }.into(),
            pairs,
            accuracy: model.map(|m| m.accuracy),
            ..Row::default()
        };
        let mut rows = self.best_of(model, &base);
        let penalties = [("ppo", self.p.no_penalty), ("ppo_penalty", self.p.ppo.kl_coefficient)];
        for (method, coefficient) in penalties {
            rows.extend(self.by_ppo(model, coefficient, &Row { method: method.into(), ..base.clone() })?);
        }
        if let Some(model) = model {
            let scale = self.scale(model.scores());
            let row = |beta: &f64| self.optimum(model.scores(), scale, *beta, &base);
            rows.extend(self.p.betas.iter().map(row));
        }
        Ok(rows)
    }

    /// The scale of an additive proxy: its exact mean under the reference, its std among the draws.
    fn scale(&self, scores: &[f64]) -> Scale {
        let std = spread(&self.draws, &|draw| draw.cells.iter().map(|c| scores[*c]).sum());
        Scale { center: sum(&self.start.visits, scores), std }
    }

    /// The exact optimum of E[proxy] − β KL, β per std of the proxy.
    fn optimum(&self, scores: &[f64], scale: Scale, beta: f64, base: &Row) -> Row {
        let writer = additive_optimum(&self.reference, scores, beta * scale.std, self.p.reviews.length);
        let found = self.mixture.values(&writer, &self.reference);
        Row {
            method: "exact".into(),
            setting: beta,
            kl: found.kl,
            gold: self.gold.of(found.reward),
            proxy_reward: Some(scale.of(sum(&found.visits, scores))),
            ..base.clone()
        }
    }

    fn best_of(&self, model: Option<&RewardModel>, base: &Row) -> Vec<Row> {
        let mut ranked = Vec::with_capacity(self.draws.len());
        for draws in &self.draws {
            let proxy = |d: &Draw| model.map_or(d.gold, |m| m.score(&d.cells));
            let mut draws: Vec<(f64, f64)> = draws.iter().map(|d| (proxy(d), d.gold)).collect();
            // once here, for every N
            draws.sort_by(|a, b| a.0.total_cmp(&b.0));
            ranked.push(draws);
        }
        let scale = model.map_or(self.gold, |m| self.scale(m.scores()));
        let row = |&n: &u32| {
            let picked: Vec<(f64, f64)> = ranked.iter().map(|draws| picked(draws, n)).collect();
            let over = |value: fn(&(f64, f64)) -> f64| mean(&picked.iter().map(value).collect::<Vec<_>>());
            // the levels of the true reward are few: among ties best-of-N is nearer than the formula has it
            let tied = |draws: &Vec<(f64, f64)>| {
                let even = vec![-(draws.len() as f64).ln(); draws.len()];
                best_of_n_point(&even, &draws.iter().map(|d| d.0).collect::<Vec<_>>(), n).0
            };
            let kl = if model.is_some() {
                best_of_n_kl_bound(n)
            } else {
                mean(&ranked.iter().map(tied).collect::<Vec<_>>())
            };
            Row {
                method: "best_of_n".into(),
                setting: f64::from(n),
                kl,
                gold: self.gold.of(over(|p| p.1)),
                proxy_reward: Some(scale.of(over(|p| p.0))),
                ..base.clone()
            }
        };
        self.p.best_of.iter().map(row).collect()
    }

    fn by_ppo(&self, model: Option<&RewardModel>, coefficient: f64, base: &Row) -> Result<Vec<Row>> {
        let (p, setup) = (self.p, &self.p.reviews);
        let prompts = ReviewSetup::prefixes(setup.prompts, &mut self.ctx.shared_stream("prompts of ppo"));
        let reward = |prompt: &[u32], completion: &[u32], cells: &[usize]| match model {
            Some(model) => model.score(cells),
            None => self.sentiment.reward(&[prompt, completion].concat()),
        };
        let settings = PpoSettings { kl_coefficient: coefficient, ..p.ppo };
        // the target counts only where the coefficient adapts
        let settings = (settings, p.learning_rate, 1.0, true);
        let mut rng = self.ctx.stream(&base.method);
        let rounds = (p.rounds, p.every);
        let checkpoints = ppo(&self.reference, &prompts, setup.length, &reward, settings, rounds, &mut rng)?;
        let scale = model.map(|m| (m.scores(), self.scale(m.scores())));
        let row = |round: usize, writer: &Markov| {
            let found = self.mixture.values(writer, &self.reference);
            let gold = self.gold.of(found.reward);
            let proxy = scale.map_or(gold, |(scores, scale)| scale.of(sum(&found.visits, scores)));
            Row { setting: round as f64, kl: found.kl, gold, proxy_reward: Some(proxy), ..base.clone() }
        };
        let start = [row(0, &self.reference)];
        Ok(start.into_iter().chain(checkpoints.iter().map(|c| row(c.step, &c.writer))).collect())
    }

    /// Random proxies, each with its reverse, pushed up exactly; means over them at each β.
    pub(super) fn random(&self) -> Vec<Row> {
        let mut rng = self.ctx.stream("random proxies");
        let mut proxies = Vec::new();
        for _ in 0..self.p.random {
            let mut scores = self.reference.no_weights();
            rng.fill_normal(1.0, &mut scores);
            proxies.push(scores.iter().map(|s| -s).collect::<Vec<f64>>());
            proxies.push(scores);
        }
        let base = Row { proxy: "random".into(), ..Row::default() };
        let at = |beta: &f64| {
            let points: Vec<Row> = proxies.iter().map(|s| self.optimum(s, self.scale(s), *beta, &base)).collect();
            let over = |value: fn(&Row) -> f64| mean(&points.iter().map(value).collect::<Vec<_>>());
            let proxy_reward = Some(over(|r| r.proxy_reward.unwrap_or(f64::NAN)));
            Row { kl: over(|r| r.kl), gold: over(|r| r.gold), proxy_reward, ..points[0].clone() }
        };
        self.p.betas.iter().map(at).collect()
    }

    /// Best-of-N in a world small enough to list every completion of a prompt, exactly and by draws.
    pub(super) fn enumerated(&self, model: &RewardModel, pairs: usize) -> Vec<Row> {
        let (vocab, length) = (self.reference.vocab(), self.p.enumerated_length);
        let prompt = &self.prompts[..1];
        let all: Vec<Vec<u32>> = (0..vocab.pow(length as u32))
            .map(|code| (0..length).map(|d| (code / vocab.pow(d as u32) % vocab) as u32).collect())
            .collect();
        let cells: Vec<Vec<usize>> = all.iter().map(|c| self.reference.cells(&prompt[0], c)).collect();
        let base: Vec<f64> = cells.iter().map(|c| self.reference.log_prob_of(c)).collect();
        let proxies: Vec<f64> = cells.iter().map(|c| model.score(c)).collect();
        let golds: Vec<f64> = all.iter().map(|c| self.sentiment.reward(&[&prompt[0][..], c].concat())).collect();
        let mut rng = self.ctx.stream("draws of few words");
        let draws = of_reference(&self.sentiment, &self.reference, (prompt, length, self.p.draws), &mut rng);
        let draws: Vec<(f64, f64)> = draws[0].iter().map(|d| (model.score(&d.cells), d.gold)).collect();
        let expected = |log_probs: &[f64]| -> f64 { log_probs.iter().zip(&golds).map(|(lp, g)| lp.exp() * g).sum() };
        let center = expected(&base);
        let squares: f64 = base.iter().zip(&golds).map(|(lp, g)| lp.exp() * (g - center).powi(2)).sum();
        let scale = Scale { center, std: squares.sqrt() };
        let row = |&n: &u32| {
            let probs: Vec<f64> = best_of_n(&base, &proxies, n).iter().map(|p| p.ln()).collect();
            Row {
                proxy: "learned".into(),
                pairs,
                method: "enumerated".into(),
                setting: f64::from(n),
                kl: best_of_n_point(&base, &proxies, n).0,
                gold: scale.of(expected(&probs)),
                formula: Some(best_of_n_kl_bound(n)),
                by_draws: Some(scale.of(picked(&draws, n).1)),
                ..Row::default()
            }
        };
        self.p.best_of.iter().filter(|n| **n <= 64).map(row).collect()
    }
}

/// Draws of the reference, prompt by prompt.
fn of_reference(
    sentiment: &Sentiment,
    reference: &Markov,
    (prompts, length, count): (&[Vec<u32>], usize, usize),
    rng: &mut Stream,
) -> Vec<Vec<Draw>> {
    let of_prompt = |prompt: &Vec<u32>| {
        let mut draws = Vec::with_capacity(count);
        for _ in 0..count {
            let completion = reference.sample(prompt, length, rng);
            let cells = reference.cells(prompt, &completion);
            draws.push(Draw { cells, gold: sentiment.reward(&[&prompt[..], &completion].concat()) });
        }
        draws
    };
    prompts.iter().map(of_prompt).collect()
}

/// STD within prompts.
fn spread(draws: &[Vec<Draw>], value: &dyn Fn(&Draw) -> f64) -> f64 {
    let of_prompt = |draws: &Vec<Draw>| {
        let values: Vec<f64> = draws.iter().map(value).collect();
        let center = mean(&values);
        mean(&values.iter().map(|v| (v - center).powi(2)).collect::<Vec<_>>())
    };
    mean(&draws.iter().map(of_prompt).collect::<Vec<_>>()).sqrt()
}

/// Expected (proxy, gold) of the best of N by proxy among these draws, drawn with replacement.
fn picked(draws: &[(f64, f64)], n: u32) -> (f64, f64) {
    let even = vec![-(draws.len() as f64).ln(); draws.len()];
    let proxies: Vec<f64> = draws.iter().map(|d| d.0).collect();
    let probs = best_of_n(&even, &proxies, n);
    probs.iter().zip(draws).fold((0.0, 0.0), |(proxy, gold), (p, d)| (proxy + p * d.0, gold + p * d.1))
}

fn sum(visits: &[f64], scores: &[f64]) -> f64 {
    visits.iter().zip(scores).map(|(v, s)| v * s).sum()
}

//! The strings half: exact values of sampled `ReST`, sampled PPO and exact ascent.

use super::super::strings::{Class, Masses, Strings, Task, WorldParams, through_cells};
use super::super::table::Table;
use super::Row;
use rewardlab::algorithm::{Adam, Optimizer};
use rewardlab::env::World;
use rewardlab::error::{Error, Result};
use rewardlab::exact::{expected_reward, kl};
use rewardlab::experiment::{Context, Profile};
use rewardlab::num::{log_softmax_rows, softmax_pullback_rows};
use rewardlab::objective::ppo_clip_objective;
use rewardlab::rng::Stream;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// What worlds are drawn from.
    world: WorldParams,
    /// Std of the judge's error of each string, whose payments are clipped to [0, 1]; at least 0.
    error: f64,
    /// τ of each Grow; increasing, in [0, 1).
    thresholds: Vec<f64>,
    /// Candidates per context in a Grow; 2 to 100 000.
    candidates: usize,
    /// Original data per context; 1 to 100 000.
    data: usize,
    /// As how many samples the previous policy counts in every fit; at least 0.
    prior: f64,
    /// PPO's samples, as a share of those of two Grows; positive, at most 1000.
    share: f64,
    /// PPO: samples of a context per round; 2 to 10 000.
    samples: usize,
    /// PPO: steps on each round's samples; 1 to 100.
    epochs: usize,
    /// PPO: ε of the clip; positive.
    clip: f64,
    /// PPO: Adam's learning rates to choose from; one or more, positive.
    learning_rates: Vec<f64>,
    /// PPO: weights of the KL to choose from; one or more, at least 0.
    kl_coefficients: Vec<f64>,
    /// Steps of exact ascent; 1 to 100 000.
    exact_steps: usize,
    /// Adam's learning rate of it; positive.
    exact_rate: f64,
}

impl Params {
    pub(super) fn of_profile(profile: Profile) -> Self {
        let paper = Self {
            world: WorldParams { contexts: 10, ..WorldParams::default() },
            error: 0.1,
            thresholds: vec![0.7, 0.8, 0.9, 0.95],
            candidates: 100,
            data: 10,
            prior: 5.0,
            share: 0.75,
            samples: 5,
            epochs: 4,
            clip: 0.2,
            learning_rates: vec![0.01, 0.03, 0.1],
            kl_coefficients: vec![0.0, 0.03],
            exact_steps: 300,
            exact_rate: 0.1,
        };
        match profile {
            Profile::Smoke => Self {
                world: WorldParams { contexts: 4, ..paper.world },
                candidates: 30,
                learning_rates: vec![0.03, 0.1],
                kl_coefficients: vec![0.03],
                exact_steps: 30,
                ..paper
            },
            Profile::Paper => paper,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.world.validate().map_err(|e| e.within("world"))?;
        let legal = self.thresholds.iter().all(|t| (0.0..1.0).contains(t));
        if self.thresholds.is_empty() || !legal || !self.thresholds.is_sorted_by(|a, b| a < b) {
            return Err(Error::parameter("thresholds", format!("{:?}", self.thresholds), "increasing, in [0, 1)"));
        }
        Error::check_counts(&[
            ("candidates", self.candidates, 2, 100_000),
            ("data", self.data, 1, 100_000),
            ("samples", self.samples, 2, 10_000),
            ("epochs", self.epochs, 1, 100),
            ("exact_steps", self.exact_steps, 1, 100_000),
        ])?;
        Error::check_not_negative(&[("error", self.error), ("prior", self.prior)])?;
        Error::check_positive(&[("share", self.share), ("clip", self.clip), ("exact_rate", self.exact_rate)])?;
        if self.share > 1000.0 {
            return Err(Error::parameter("share", self.share, "at most 1000"));
        }
        check_grid(&self.learning_rates, &self.kl_coefficients)
    }

    /// PPO's rounds.
    fn rounds(&self) -> usize {
        let budget = self.share * (2 * self.candidates) as f64;
        ((budget / self.samples as f64).round() as usize).max(1)
    }
}

/// One or more learning rates and weights of the KL, all legal.
pub(super) fn check_grid(learning_rates: &[f64], kl_coefficients: &[f64]) -> Result<()> {
    if learning_rates.is_empty() || !learning_rates.iter().all(|r| *r > 0.0 && r.is_finite()) {
        return Err(Error::parameter("learning_rates", format!("{learning_rates:?}"), "one or more, positive"));
    }
    if kl_coefficients.is_empty() || !kl_coefficients.iter().all(|r| *r >= 0.0 && r.is_finite()) {
        return Err(Error::parameter("kl_coefficients", format!("{kl_coefficients:?}"), "one or more, at least 0"));
    }
    Ok(())
}

/// A world, a class of policies and who pays.
struct Setting<'a> {
    p: &'a Params,
    strings: Strings,
    class: Class,
    judge: World,
    shuffled: World,
}

/// A policy with the rows' columns that say where it comes from.
struct Trained {
    policy: Masses,
    row: Row,
}

impl<'a> Setting<'a> {
    fn draw(p: &'a Params, task: Task, class: Class, rng: &mut Stream) -> Result<Self> {
        let strings = Strings::draw(&p.world, task, rng)?;
        let mut judge = strings.world.clone();
        for x in strings.contexts() {
            let own = strings.world.rewards(x).iter();
            let paid: Vec<f64> = own.map(|r| (r + p.error * rng.normal()).clamp(0.0, 1.0)).collect();
            judge.set_rewards(x, &paid)?;
        }
        let mut shuffled = judge.clone();
        for x in strings.contexts() {
            let own = judge.rewards(x);
            let dealt: Vec<f64> = rng.permutation(own.len()).into_iter().map(|y| own[y]).collect();
            shuffled.set_rewards(x, &dealt)?;
        }
        Ok(Self { p, strings, class, judge, shuffled })
    }

    fn table(&self) -> Table {
        Table { class: self.class, tree: self.strings.tree }
    }

    /// `ReST` with two Grows, the supervised policy first.
    fn rest(&self, pays: &World, rng: &mut Stream) -> Vec<Trained> {
        let (p, strings) = (self.p, &self.strings);
        let contexts = strings.tree.prompts;
        let original = strings.draws(&strings.data, p.data, rng);
        let mut seen = original.clone();
        let mut policy = strings.supervised(self.class);
        let row = |grow: usize, improve: usize, threshold: Option<f64>, seen: &Masses| Row {
            method: "rest".into(),
            grow,
            improve,
            threshold,
            drawn: grow * p.candidates * contexts,
            distinct: distinct(seen),
            ..Row::default()
        };
        let mut steps = vec![Trained { policy: policy.clone(), row: row(0, 0, None, &seen) }];
        for grow in 1..=2 {
            let grown = strings.grow_sampled(&policy, &original, p.candidates, rng);
            add(&mut seen, &grown);
            let thresholds = std::iter::once(None).chain(p.thresholds.iter().copied().map(Some));
            for (improve, threshold) in thresholds.enumerate() {
                let all = vec![threshold.unwrap_or(f64::NEG_INFINITY); contexts];
                // where nothing passes in any context the policy stays
                if let Ok(improved) = strings.improve(self.class, &policy, &grown, pays, &all, p.prior) {
                    policy = improved.policy;
                }
                steps.push(Trained { policy: policy.clone(), row: row(grow, improve, threshold, &seen) });
            }
        }
        steps
    }

    /// Online PPO from the supervised policy.
    fn ppo(&self, pays: &World, (rate, beta): (f64, f64), rng: &mut Stream) -> Result<Trained> {
        let (p, strings, table) = (self.p, &self.strings, self.table());
        let vocab = strings.tree.vocab;
        let mut logits = table.of(&strings.supervised(self.class));
        let (reference, mut log_probs) = (logits.clone(), logits.clone());
        let mut adam = Adam::new(rate, logits.len())?;
        let mut seen = strings.draws(&strings.data, p.data, rng);
        let mut paid = vec![(0.0, 0.0); strings.tree.prompts];
        for _ in 0..p.rounds() {
            let drawn = strings.draws(&table.masses(&log_probs), p.samples, rng);
            add(&mut seen, &drawn);
            let (mut cells, mut advantages) = (Vec::new(), Vec::new());
            for x in strings.contexts() {
                let own: Vec<usize> =
                    drawn[x].iter().enumerate().flat_map(|(y, n)| std::iter::repeat_n(y, *n as usize)).collect();
                let pay = |y: &usize| {
                    let nats: f64 = table.cells(x, *y).map(|c| log_probs[c] - reference[c]).sum();
                    pays.rewards(x)[*y] - beta * nats
                };
                let pay: Vec<f64> = own.iter().map(pay).collect();
                cells.extend(own.iter().flat_map(|y| table.cells(x, *y)));
                paid[x].0 += pay.iter().sum::<f64>();
                paid[x].1 += pay.len() as f64;
                let critic = paid[x].0 / paid[x].1;
                advantages.extend(pay.iter().flat_map(|r| std::iter::repeat_n(r - critic, strings.tree.length)));
            }
            let old: Vec<f64> = cells.iter().map(|c| log_probs[*c]).collect();
            for _ in 0..p.epochs {
                let new: Vec<f64> = cells.iter().map(|c| log_probs[*c]).collect();
                let (mut on_tokens, mut weights) = (vec![0.0; cells.len()], vec![0.0; logits.len()]);
                ppo_clip_objective(&new, &old, &advantages, p.clip, 1.0, &mut on_tokens);
                cells.iter().zip(&on_tokens).for_each(|(c, w)| weights[*c] += w);
                softmax_pullback_rows(&mut weights, &log_probs, vocab);
                adam.ascend(&mut logits, &weights);
                log_probs.copy_from_slice(&logits);
                log_softmax_rows(&mut log_probs, vocab);
            }
        }
        let row = Row {
            method: "ppo".into(),
            drawn: p.rounds() * p.samples * strings.tree.prompts,
            distinct: distinct(&seen),
            learning_rate: Some(rate),
            kl_coefficient: Some(beta),
            ..Row::default()
        };
        Ok(Trained { policy: table.masses(&log_probs), row })
    }

    /// Ascent of the exact paid reward: PPO with one epoch, whose clip never binds, and samples without limit.
    fn ascent(&self, pays: &World) -> Result<Trained> {
        let (p, strings, table) = (self.p, &self.strings, self.table());
        let tree = strings.tree;
        let mut logits = table.of(&strings.supervised(self.class));
        let mut log_probs = logits.clone();
        let mut adam = Adam::new(p.exact_rate, logits.len())?;
        for _ in 0..p.exact_steps {
            let policy = table.masses(&log_probs);
            let mut weights = vec![0.0; logits.len()];
            for x in strings.contexts() {
                let value = expected_reward(&policy[x], pays.rewards(x));
                let earned: Vec<f64> = policy[x].iter().zip(pays.rewards(x)).map(|(m, r)| m * (r - value)).collect();
                let through = through_cells(tree, &earned);
                for depth in 0..tree.length {
                    for node in tree.level_start(depth)..tree.level_start(depth + 1) {
                        let row = table.row(x, depth, node) * tree.vocab;
                        let own = &through[node * tree.vocab..][..tree.vocab];
                        weights[row..][..tree.vocab].iter_mut().zip(own).for_each(|(w, t)| *w += t);
                    }
                }
            }
            softmax_pullback_rows(&mut weights, &log_probs, tree.vocab);
            adam.ascend(&mut logits, &weights);
            log_probs.copy_from_slice(&logits);
            log_softmax_rows(&mut log_probs, tree.vocab);
        }
        let row = Row { method: "ppo_exact".into(), learning_rate: Some(p.exact_rate), ..Row::default() };
        Ok(Trained { policy: table.masses(&log_probs), row })
    }

    fn paid(&self, policy: &Masses) -> f64 {
        self.strings.mean_of(|x| expected_reward(&policy[x], self.judge.rewards(x)))
    }

    fn row(&self, task: Task, pays: &str, trained: Trained) -> Row {
        let Trained { policy, row } = trained;
        let start = self.strings.supervised(self.class);
        let logs = |own: &[f64]| own.iter().map(|m| m.ln()).collect::<Vec<f64>>();
        let nats = |x: usize| kl(&logs(&policy[x]), &logs(&start[x]));
        Row {
            world: "strings".into(),
            task: task.name().into(),
            policy: self.class.name().into(),
            pays: pays.into(),
            paid: self.paid(&policy),
            value: self.strings.value(&policy),
            kl: Some(self.strings.mean_of(nats)),
            ..row
        }
    }
}

/// Strings with a count, all contexts.
fn distinct(seen: &Masses) -> usize {
    seen.iter().flatten().filter(|count| **count > 0.0).count()
}

fn add(seen: &mut Masses, more: &Masses) {
    seen.iter_mut().flatten().zip(more.iter().flatten()).for_each(|(s, m)| *s += m);
}

pub(super) fn measure(p: &Params, task: Task, class: Class, ctx: &Context) -> Result<Vec<Row>> {
    let draw = |name: &str| Setting::draw(p, task, class, &mut ctx.shared_stream(&format!("{task} {name}")));
    let (setting, tuning) = (draw("world")?, draw("tuning world")?);
    let mut best = (f64::NEG_INFINITY, (p.learning_rates[0], p.kl_coefficients[0]));
    for &rate in &p.learning_rates {
        for &beta in &p.kl_coefficients {
            let tried = tuning.ppo(&tuning.judge, (rate, beta), &mut ctx.stream("tuning"))?;
            let paid = tuning.paid(&tried.policy);
            if paid > best.0 {
                best = (paid, (rate, beta));
            }
        }
    }
    let mut rows = Vec::new();
    for (pays, world) in [("judge", &setting.judge), ("shuffled", &setting.shuffled)] {
        let mut trained = setting.rest(world, &mut ctx.stream(&format!("rest {pays}")));
        trained.push(setting.ppo(world, best.1, &mut ctx.stream(&format!("ppo {pays}")))?);
        if pays == "judge" {
            trained.push(setting.ascent(world)?);
        }
        rows.extend(trained.into_iter().map(|t| setting.row(task, pays, t)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(p: &Params, class: Class) -> Setting<'_> {
        Setting::draw(p, Task::Pairs, class, &mut Stream::named(&["tests", "online"])).expect("legal")
    }

    /// Plentiful samples and no KL go where the exact gradient goes: to nearly the best that is paid, as far as the class can say it.
    #[test]
    fn both_ascents_climb() {
        let p = Params { exact_steps: 300, share: 30.0, ..Params::of_profile(Profile::Smoke) };
        for class in Class::BOTH {
            let setting = setting(&p, class);
            let start = setting.paid(&setting.strings.supervised(class));
            let exact = setting.paid(&setting.ascent(&setting.judge).expect("trains").policy);
            let ppo = setting.ppo(&setting.judge, (0.1, 0.0), &mut Stream::named(&["tests", "ppo"])).expect("trains");
            assert!(exact > start + 0.2 && setting.paid(&ppo.policy) > start + 0.15, "{start} {exact}");
        }
    }

    /// One step of exact ascent with a tiny rate follows the sign of central differences in every logit.
    #[test]
    fn the_exact_gradient_is_that_of_the_paid_reward() {
        let p = Params { exact_steps: 1, exact_rate: 1e-6, ..Params::of_profile(Profile::Smoke) };
        let setting = setting(&p, Class::Product);
        let table = setting.table();
        let start = table.of(&setting.strings.supervised(Class::Product));
        let paid = |logits: &[f64]| {
            let mut log_probs = logits.to_vec();
            log_softmax_rows(&mut log_probs, setting.strings.tree.vocab);
            setting.paid(&table.masses(&log_probs))
        };
        let slopes: Vec<f64> = (0..start.len())
            .map(|i| {
                let at = |h: f64| {
                    let mut logits = start.clone();
                    logits[i] += h;
                    paid(&logits)
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            })
            .collect();
        let after = table.of(&setting.ascent(&setting.judge).expect("trains").policy);
        // Adam's first step moves every logit by its rate, so that the paid reward rises by the rate times the sum of |slope|
        let rise = paid(&after) - paid(&start);
        let expected = 1e-6 * slopes.iter().map(|s| s.abs()).sum::<f64>();
        assert!((rise / expected - 1.0).abs() < 1e-3, "{rise} {expected}");
    }

    /// A KL that outweighs all payments holds PPO at the supervised policy.
    #[test]
    fn a_heavy_kl_holds() {
        let p = Params::of_profile(Profile::Smoke);
        let setting = setting(&p, Class::Tabular);
        let far = |beta: f64| {
            let ppo = setting.ppo(&setting.judge, (0.03, beta), &mut Stream::named(&["tests", "kl"])).expect("trains");
            setting.row(Task::Pairs, "judge", ppo).kl.expect("given")
        };
        assert!(far(1.0) < 0.5 * far(0.0), "{} {}", far(1.0), far(0.0));
    }
}

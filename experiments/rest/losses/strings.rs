//! The strings half: exact values, a small set of samples, logits in a table.

use super::super::strings::{Class, Masses, Strings, Task, WorldParams};
use super::super::table::{Table, node_sums};
use super::Row;
use super::training::{Batch, Loss, train};
use rewardlab::env::World;
use rewardlab::error::{Error, Result};
use rewardlab::exact::entropy;
use rewardlab::experiment::Context;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// What worlds are drawn from.
    pub(crate) world: WorldParams,
    /// Candidates per context in Grow; 1 to 1000.
    pub(crate) candidates: usize,
    /// Original strings per context in Grow's set; 1 to 1000.
    pub(crate) originals: usize,
    /// τ of Improve; in [0, 1).
    pub(crate) threshold: f64,
    /// Gradient steps of every loss; 1 to 10 000.
    pub(crate) steps: usize,
    /// Adam's learning rates to choose from; one or more, each positive.
    pub(crate) learning_rates: Vec<f64>,
    /// Worlds to choose on, none of which is measured on; 1 to 20.
    pub(crate) tuning_worlds: usize,
    /// GOLD: the smallest weight of a token; in [0, 1].
    pub(crate) floor: f64,
    /// BVMPO: η at the start; positive, in units of the reward.
    pub(crate) eta: f64,
    /// BVMPO: log η moves by this times the temperature loss's slope; positive.
    pub(crate) eta_rate: f64,
    /// BVMPO: ε, nats; positive.
    pub(crate) epsilon: f64,
    /// BVMPO: λ at the start; positive.
    pub(crate) lambda_from: f64,
    /// BVMPO: λ at the end; positive.
    pub(crate) lambda_to: f64,
    /// V-trace's ρ̄; positive.
    pub(crate) rho_bar: f64,
    /// V-trace's c̄; positive, at most ρ̄.
    pub(crate) c_bar: f64,
}

impl Params {
    pub(super) fn paper() -> Self {
        Self {
            world: WorldParams { contexts: 10, ..WorldParams::default() },
            candidates: 50,
            originals: 5,
            threshold: 0.8,
            steps: 100,
            learning_rates: vec![0.03, 0.1, 0.3, 1.0],
            tuning_worlds: 2,
            floor: 0.1,
            eta: 1.0,
            eta_rate: 0.1,
            epsilon: 0.1,
            lambda_from: 1.0,
            lambda_to: 1e-5,
            rho_bar: 1.0,
            c_bar: 1.0,
        }
    }

    pub(super) fn smoke() -> Self {
        let paper = Self::paper();
        let world = WorldParams { contexts: 4, ..paper.world };
        Self { world, candidates: 30, steps: 30, learning_rates: vec![0.1, 1.0], tuning_worlds: 1, ..paper }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.world.validate()?;
        Error::check_counts(&[
            ("candidates", self.candidates, 1, 1000),
            ("originals", self.originals, 1, 1000),
            ("steps", self.steps, 1, 10_000),
            ("tuning_worlds", self.tuning_worlds, 1, 20),
        ])?;
        if !(0.0..1.0).contains(&self.threshold) {
            return Err(Error::parameter("threshold", self.threshold, "in [0, 1)"));
        }
        if self.learning_rates.is_empty() || self.learning_rates.iter().any(|r| !(*r > 0.0 && r.is_finite())) {
            return Err(Error::parameter(
                "learning_rates",
                format!("{:?}", self.learning_rates),
                "one or more, positive",
            ));
        }
        if !(0.0..=1.0).contains(&self.floor) {
            return Err(Error::parameter("floor", self.floor, "in [0, 1]"));
        }
        Error::check_positive(&[
            ("eta", self.eta),
            ("eta_rate", self.eta_rate),
            ("epsilon", self.epsilon),
            ("lambda_from", self.lambda_from),
            ("lambda_to", self.lambda_to),
            ("rho_bar", self.rho_bar),
            ("c_bar", self.c_bar),
        ])?;
        if self.c_bar > self.rho_bar {
            return Err(Error::parameter("c_bar", self.c_bar, "at most rho_bar"));
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    task: Task,
    class: Class,
    loss: Loss,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "strings {} {} {}", self.task, self.class.name(), self.loss)
    }
}

pub(super) fn cells() -> impl Iterator<Item = Cell> {
    let of = |task| {
        let of_class = move |class| Loss::ALL.into_iter().map(move |loss| Cell { task, class, loss });
        Class::BOTH.into_iter().flat_map(of_class)
    };
    Task::ALL.into_iter().flat_map(of)
}

/// Who says what a prefix is worth, and who the filter listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Critic {
    /// The mean reward of the samples that pass the prefix.
    MonteCarlo,
    /// The supervised policy's exact values.
    Exact,
    /// Monte Carlo, with every context's rewards permuted to its strings.
    Shuffled,
}

impl Critic {
    fn name(self) -> &'static str {
        match self {
            Self::MonteCarlo => "monte_carlo",
            Self::Exact => "exact",
            Self::Shuffled => "shuffled",
        }
    }
}

/// (context, string) of samples, context by context.
type Samples = Vec<(usize, usize)>;

/// A world after Grow.
struct Grown {
    strings: Strings,
    class: Class,
    policy: Masses,
    /// Every candidate and original.
    samples: Samples,
    shuffled: World,
}

impl Grown {
    fn draw(p: &Params, cell: &Cell, rng: &mut Stream) -> Result<Self> {
        let strings = Strings::draw(&p.world, cell.task, rng)?;
        let shuffled = strings.shuffled(rng);
        let policy = strings.supervised(cell.class);
        let originals = strings.draws(&strings.data, p.originals, rng);
        let counts = strings.grow_sampled(&policy, &originals, p.candidates, rng);
        let of_context = |(x, own): (usize, &Vec<f64>)| -> Vec<(usize, usize)> {
            own.iter().enumerate().flat_map(|(y, count)| vec![(x, y); *count as usize]).collect()
        };
        let samples = counts.iter().enumerate().flat_map(of_context).collect();
        Ok(Self { strings, class: cell.class, policy, samples, shuffled })
    }

    fn rewards(&self, critic: Critic) -> &World {
        if critic == Critic::Shuffled { &self.shuffled } else { &self.strings.world }
    }

    /// The samples above a threshold.
    fn kept(&self, critic: Critic, threshold: f64) -> Samples {
        let rewards = self.rewards(critic);
        self.samples.iter().copied().filter(|(x, y)| rewards.rewards(*x)[*y] > threshold).collect()
    }

    /// Per context, the value of every prefix and the reward of every string, numbered as the tree's nodes; NaN where the critic
    /// has seen nothing.
    fn critic(&self, critic: Critic) -> Vec<Vec<f64>> {
        let (tree, rewards) = (self.strings.tree, self.rewards(critic));
        let mut masses = self.policy.clone();
        if critic != Critic::Exact {
            masses.iter_mut().for_each(|own| own.fill(0.0));
            self.samples.iter().for_each(|(x, y)| masses[*x][*y] += 1.0);
        }
        let of_context = |x: usize| {
            let earned: Vec<f64> = masses[x].iter().zip(rewards.rewards(x)).map(|(m, r)| m * r).collect();
            let (earned, visits) = (node_sums(tree, &earned), node_sums(tree, &masses[x]));
            earned.iter().zip(visits).map(|(e, v)| e / v).collect()
        };
        self.strings.contexts().map(of_context).collect()
    }

    /// What a loss sees of the samples that Improve keeps.
    fn batch(&self, critic: Critic, kept: &[(usize, usize)]) -> Batch {
        let (tree, values) = (self.strings.tree, self.critic(critic));
        let mut batch = Batch { exact: critic == Critic::Exact, ..Batch::default() };
        for &(x, y) in kept {
            let reward = self.rewards(critic).rewards(x)[y];
            batch.lengths.push(tree.length);
            batch.cells.extend(self.table().cells(x, y));
            for (depth, cell) in tree.cells(y).enumerate() {
                let node = cell / tree.vocab;
                batch.rewards.push(if depth + 1 == tree.length { reward } else { 0.0 });
                batch.values.push(values[x][node]);
                // the first child of node s is 1 + s · vocab; strings follow the last prefix
                batch.returns.push(if batch.exact { values[x][1 + cell] } else { reward });
            }
        }
        batch
    }

    fn table(&self) -> Table {
        Table { class: self.class, tree: self.strings.tree }
    }

    /// What BC would end at: the policy of least negative log-likelihood on what is kept.
    fn cloned(&self, kept: &[(usize, usize)]) -> Masses {
        let mut policy = self.policy.clone();
        for own in kept.chunk_by(|a, b| a.0 == b.0) {
            let mut counts = vec![0.0; self.strings.tree.outputs()];
            own.iter().for_each(|(_, y)| counts[*y] += 1.0);
            policy[own[0].0] = self.class.fit(self.strings.tree, &counts);
        }
        policy
    }

    /// The policy after Improve's steps, and the samples that it saw.
    fn improved(&self, p: &Params, loss: Loss, critic: Critic, filter: bool, rate: f64) -> Result<(Masses, Samples)> {
        let kept = self.kept(critic, if filter { p.threshold } else { f64::NEG_INFINITY });
        let mut table = self.table().of(&self.policy);
        if !kept.is_empty() {
            train(loss, self.strings.tree.vocab, &mut table, &self.batch(critic, &kept), rate, p)?;
        }
        Ok((self.table().masses(&table), kept))
    }
}

pub(super) fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
    let draw = |name: &str| Grown::draw(p, cell, &mut ctx.shared_stream(&format!("{} {name}", cell.task)));
    let grown = draw("world")?;
    let held_out: Vec<Grown> =
        (0..p.tuning_worlds).map(|i| draw(&format!("tuning world {i}"))).collect::<Result<_>>()?;
    let supervised = grown.strings.value(&grown.policy);
    let mut rows = Vec::new();
    for filter in [false, true] {
        let tuned = |critic| tuned(p, cell.loss, critic, filter, &held_out);
        let (sampled, exact) = (tuned(Critic::MonteCarlo)?, tuned(Critic::Exact)?);
        for (critic, rate) in [(Critic::MonteCarlo, sampled), (Critic::Exact, exact), (Critic::Shuffled, sampled)] {
            let (policy, kept) = grown.improved(p, cell.loss, critic, filter, rate)?;
            let logs = |x: usize| policy[x].iter().map(|m| m.ln()).collect::<Vec<_>>();
            rows.push(Row {
                world: "strings".into(),
                task: cell.task.name().into(),
                policy: cell.class.name().into(),
                loss: cell.loss.name().into(),
                critic: critic.name().into(),
                grow: 1,
                improve: usize::from(filter),
                threshold: filter.then_some(p.threshold),
                learning_rate: rate,
                samples: grown.samples.len(),
                kept: kept.len(),
                supervised,
                cloned: Some(grown.strings.value(&grown.cloned(&kept))),
                value: grown.strings.value(&policy),
                entropy: Some(grown.strings.mean_of(|x| entropy(&logs(x)))),
                ..Row::default()
            });
        }
    }
    Ok(rows)
}

/// The learning rate with the best value on worlds that nothing is measured on; of equal ones the smallest.
fn tuned(p: &Params, loss: Loss, critic: Critic, filter: bool, held_out: &[Grown]) -> Result<f64> {
    let mut best = (f64::NEG_INFINITY, p.learning_rates[0]);
    for &rate in &p.learning_rates {
        let value = |grown: &Grown| -> Result<f64> {
            Ok(grown.strings.value(&grown.improved(p, loss, critic, filter, rate)?.0))
        };
        let value = mean(&held_out.iter().map(value).collect::<Result<Vec<_>>>()?);
        if value > best.0 {
            best = (value, rate);
        }
    }
    Ok(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(class: Class, task: Task) -> (Params, Grown) {
        let p = Params { steps: 3000, ..Params::smoke() };
        let cell = Cell { task, class, loss: Loss::Bc };
        let grown = Grown::draw(&p, &cell, &mut Stream::named(&["tests", "losses"])).expect("legal");
        (p, grown)
    }

    fn distance(a: &Masses, b: &Masses) -> f64 {
        a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_table_is_the_policy_that_it_was_made_of() {
        for (class, task) in [(Class::Tabular, Task::Rugged), (Class::Product, Task::Pairs)] {
            let (_, grown) = grown(class, task);
            assert!(distance(&grown.table().masses(&grown.table().of(&grown.policy)), &grown.policy) < 1e-12);
        }
    }

    /// Training with the plain loss ends where counting ends: rows, cells and the gradient are those of the class.
    #[test]
    fn cloning_by_gradient_is_the_closed_form() {
        for class in Class::BOTH {
            let (p, grown) = grown(class, Task::Rugged);
            let (policy, kept) = grown.improved(&p, Loss::Bc, Critic::MonteCarlo, true, 0.1).expect("trains");
            assert!(kept.len() > 5 && distance(&policy, &grown.cloned(&kept)) < 2e-3);
        }
    }

    /// The root's value under each critic, by its definition; a Monte Carlo advantage is 0 where one sample alone passes.
    #[test]
    fn critics_know_the_root() {
        let (_, grown) = grown(Class::Tabular, Task::Rugged);
        let world = &grown.strings.world;
        let exact = grown.critic(Critic::Exact);
        assert!(
            (mean(&exact.iter().map(|v| v[0]).collect::<Vec<_>>()) - grown.strings.value(&grown.policy)).abs() < 1e-12
        );
        let sampled = grown.critic(Critic::MonteCarlo);
        for own in grown.samples.chunk_by(|a, b| a.0 == b.0) {
            let rewards: Vec<f64> = own.iter().map(|(x, y)| world.rewards(*x)[*y]).collect();
            assert!((sampled[own[0].0][0] - mean(&rewards)).abs() < 1e-12);
        }
        let batch = grown.batch(Critic::MonteCarlo, &grown.samples);
        assert!(batch.values.iter().all(|v| v.is_finite()) && batch.lengths.len() == grown.samples.len());
        assert!(batch.returns.iter().zip(&batch.values).any(|(q, v)| q == v));
    }

    /// λ KL(behaviour‖π) holds the policy where it was; without it the same steps go far.
    #[test]
    fn the_pull_to_the_behaviour_holds() {
        let (p, grown) = grown(Class::Product, Task::Pairs);
        let moved = |lambda: f64| {
            let p = Params { lambda_from: lambda, lambda_to: lambda, steps: 300, ..p.clone() };
            let (policy, _) = grown.improved(&p, Loss::Bvmpo, Critic::MonteCarlo, false, 0.1).expect("trains");
            distance(&policy, &grown.policy)
        };
        assert!(moved(1e3) < 0.02 * moved(1e-5), "{} {}", moved(1e3), moved(1e-5));
    }

    #[test]
    fn a_filter_that_keeps_nothing_changes_nothing() {
        let (mut p, grown) = grown(Class::Product, Task::Match);
        p.threshold = 0.999_999;
        for loss in Loss::ALL {
            let (policy, kept) = grown.improved(&p, loss, Critic::MonteCarlo, true, 0.1).expect("trains");
            assert!(kept.is_empty() && distance(&policy, &grown.policy) < 1e-12);
        }
    }
}

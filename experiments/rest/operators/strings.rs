//! The parts in the strings world, each written from the operators' definitions.

use super::super::strings::{Class, Masses, Strings, Task, through_cells};
use super::{Part, Row, StringsParams};
use crate::statistics::worse;
use rewardlab::env::{Tree, World};
use rewardlab::error::{Error, Result};
use rewardlab::exact::{
    Engine, expected_reward, filtered, log_prob_gradient, mean_max_threshold, mixture, output_log_probs,
    total_variation,
};
use rewardlab::experiment::Context;
use rewardlab::num::{log_softmax, relative_error};
use rewardlab::objective::soft_cross_entropy_loss;
use rewardlab::policy::{Policy, Tabular};

pub(super) fn measure(p: &StringsParams, task: Task, part: Part, ctx: &Context) -> Result<Vec<Row>> {
    let world = Strings::draw(&p.world, task, &mut ctx.shared_stream(task.name()))?;
    let row = Row { world: "strings".into(), task: task.name().into(), part: part.name().into(), ..Row::default() };
    if part == Part::Rise {
        return p.heights.iter().flat_map(|f| Class::BOTH.map(|class| rise(&world, class, *f, &row))).collect();
    }
    let mut rows = Vec::new();
    for &threshold in &p.thresholds {
        for &share in &p.shares {
            let row = Row { share, threshold: Some(threshold), policy: "tabular".into(), ..row.clone() };
            match part {
                Part::Fit => rows.extend(fit(&world, p.steps, share, threshold, &row)?),
                Part::Gradient => rows.push(gradient(&world, share, threshold, &row)),
                Part::Second => {
                    for class in Class::BOTH {
                        rows.push(second(&world, class, share, threshold, &row)?);
                    }
                }
                Part::Rise => unreachable!("done above"),
            }
        }
    }
    Ok(rows)
}

/// The data's distribution at temperature 2: a policy that is not the data's.
fn flattened(world: &Strings) -> Masses {
    let flat = |own: &Vec<f64>| {
        let mut logs: Vec<f64> = own.iter().map(|p| 0.5 * p.ln()).collect();
        log_softmax(&mut logs);
        logs.iter().map(|lp| lp.exp()).collect()
    };
    world.data.iter().map(flat).collect()
}

/// What passes, not normalised: the weights of J's strings.
fn passing(masses: &[f64], rewards: &[f64], threshold: f64) -> Vec<f64> {
    masses.iter().zip(rewards).map(|(m, r)| if *r > threshold { *m } else { 0.0 }).collect()
}

/// ∇J at one context, added to `gradient` of all parameters: J = −Σ weight · log π, through cells.
fn add_loss_gradient(policy: &mut Tabular, tree: Tree, x: usize, through: &[f64], gradient: &mut [f64]) -> Vec<f64> {
    let contexts: Vec<usize> = tree.contexts_of(x).collect();
    let (mut log_probs, mut weights) = (vec![0.0; through.len()], vec![0.0; through.len()]);
    policy.log_probs(&contexts, &mut log_probs);
    soft_cross_entropy_loss(&log_probs, through, 1.0, &mut weights);
    policy.backward_log_probs(&log_probs, &mut weights, gradient);
    log_probs
}

/// (largest, mean) total variation over contexts between the policy and a target.
fn distances(policy: &mut Tabular, world: &Strings, target: &[Vec<f64>]) -> (f64, f64) {
    let to = |x: usize, policy: &mut Tabular| total_variation(&output_log_probs(policy, world.tree, x), &target[x]);
    let all: Vec<f64> = world.contexts().map(|x| to(x, policy)).collect();
    (all.iter().copied().fold(0.0, worse), all.iter().sum::<f64>() / all.len() as f64)
}

fn fit(world: &Strings, steps: usize, share: f64, threshold: f64, row: &Row) -> Result<Vec<Row>> {
    let tree = world.tree;
    let start = flattened(world);
    let mut policy = world.softmax_policy(&start);
    let (mut through, mut formula) = (Vec::new(), Vec::new());
    for x in world.contexts() {
        let (grown, rewards) = (mixture(&world.data[x], &start[x], share), world.world.rewards(x));
        through.push(through_cells(tree, &passing(&grown, rewards, threshold)));
        let kept = filtered(&grown, rewards, threshold).map_err(|e| Error::Numeric(e.to_string()))?;
        formula.push(kept.probs.iter().map(|p| p.ln()).collect::<Vec<f64>>());
    }
    let mut rows = Vec::new();
    for step in 0..=steps {
        if step % 10 == 0 || step == steps {
            let (distance, mean) = distances(&mut policy, world, &formula);
            rows.push(Row { step: Some(step), distance: Some(distance), distance_mean: Some(mean), ..row.clone() });
        }
        let mut gradient = vec![0.0; policy.params().len()];
        for x in world.contexts() {
            let log_probs = add_loss_gradient(&mut policy, tree, x, &through[x], &mut gradient);
            let first = tree.contexts_of(x).start * tree.vocab;
            let own = &mut gradient[first..first + log_probs.len()];
            let table = own.chunks_exact_mut(tree.vocab).zip(log_probs.chunks_exact(tree.vocab));
            for ((own, log_probs), weights) in table.zip(through[x].chunks_exact(tree.vocab)) {
                // the gradient is mass · π − weight; over the sum of both it is a step of at most 1, and half of Newton's near
                // the minimum
                let mass: f64 = weights.iter().sum();
                for ((g, lp), w) in own.iter_mut().zip(log_probs).zip(weights) {
                    let scale = mass * lp.exp() + w;
                    *g = if scale > 0.0 { *g / scale } else { 0.0 };
                }
            }
        }
        policy.params_mut().iter_mut().zip(&gradient).for_each(|(p, g)| *p -= g);
    }
    Ok(rows)
}

/// −λ ∇E(F) under π − (1 − λ) E(F ∇ log π) under p, at one context: the first by values and reaches of a dynamic programme in which the filter is
/// the reward, the second string by string.
fn split(policy: &mut Tabular, world: &Strings, filter: &World, x: usize, share: f64) -> Vec<f64> {
    let (tree, vocab) = (world.tree, world.tree.vocab);
    let mut gradient = vec![0.0; policy.params().len()];
    let mut engine = Engine::new(tree);
    engine.policy_gradient(policy, filter, x, -share, &mut gradient);
    let probs: Vec<f64> = engine.log_probs().iter().map(|lp| lp.exp()).collect();
    let own = &mut gradient[tree.contexts_of(x).start * vocab..];
    let mut of_token = vec![0.0; vocab];
    for (y, p) in world.data[x].iter().enumerate() {
        let weight = (1.0 - share) * p * filter.rewards(x)[y];
        if weight == 0.0 {
            continue;
        }
        for cell in tree.cells(y) {
            let at = cell / vocab * vocab;
            of_token.fill(0.0);
            log_prob_gradient(&probs[at..at + vocab], cell - at, &mut of_token);
            own[at..at + vocab].iter_mut().zip(&of_token).for_each(|(sum, g)| *sum -= weight * g);
        }
    }
    gradient
}

fn gradient(world: &Strings, share: f64, threshold: f64, row: &Row) -> Row {
    let tree = world.tree;
    let other = flattened(world);
    let mut filter = world.world.clone();
    for x in world.contexts() {
        let passes: Vec<f64> = world.world.rewards(x).iter().map(|r| f64::from(u8::from(*r > threshold))).collect();
        filter.set_rewards(x, &passes).expect("as many");
    }
    // θ' is `other` in both; θ is the same, or the data's policy
    let error = |mut theta: Tabular, x: usize| {
        let grown = mixture(&world.data[x], &other[x], share);
        let through = through_cells(tree, &passing(&grown, world.world.rewards(x), threshold));
        let mut whole = vec![0.0; theta.params().len()];
        add_loss_gradient(&mut theta, tree, x, &through, &mut whole);
        relative_error(&split(&mut theta, world, &filter, x, share), &whole)
    };
    let (on, off) = (world.softmax_policy(&other), world.softmax_policy(&world.data));
    let same = world.contexts().map(|x| error(on.clone(), x)).fold(0.0, worse);
    let differ = world.contexts().map(|x| error(off.clone(), x)).fold(f64::INFINITY, f64::min);
    Row { gradient_error: Some(same), gradient_error_off: Some(differ), ..row.clone() }
}

fn second(world: &Strings, class: Class, share: f64, threshold: f64, row: &Row) -> Result<Row> {
    let start = world.supervised(class);
    let thresholds = vec![threshold; world.tree.prompts];
    let step = |policy: &Masses| {
        let improved = world.improve(class, policy, &world.grow(policy, share), &world.world, &thresholds, 0.0);
        improved.map(|i| i.policy).map_err(|e| Error::Numeric(e.to_string()))
    };
    let first = step(&start)?;
    let second = step(&first)?;
    let moved = |x: usize| 0.5 * first[x].iter().zip(&second[x]).map(|(a, b)| (a - b).abs()).sum::<f64>();
    Ok(Row {
        policy: class.name().into(),
        distance: Some(world.contexts().map(moved).fold(0.0, worse)),
        distance_mean: Some(world.mean_of(moved)),
        value_before: Some(world.value(&start)),
        value: Some(world.value(&first)),
        value_second: Some(world.value(&second)),
        ..row.clone()
    })
}

fn rise(world: &Strings, class: Class, height: f64, row: &Row) -> Result<Row> {
    let start = world.supervised(class);
    // all of Grow is the policy's own, as A.3 has it
    let own = |x: usize| mean_max_threshold(&start[x], world.world.rewards(x), height);
    let thresholds: Vec<f64> = world.contexts().map(own).collect();
    let improved = world
        .improve(class, &start, &start, &world.world, &thresholds, 0.0)
        .map_err(|e| Error::Numeric(e.to_string()))?;
    let value = |policy: &Masses, x: usize| expected_reward(&policy[x], world.world.rewards(x));
    let risen = world.contexts().map(|x| value(&improved.policy, x) - value(&start, x));
    Ok(Row {
        policy: class.name().into(),
        share: 1.0,
        height: Some(height),
        value_before: Some(world.value(&start)),
        value: Some(world.value(&improved.policy)),
        smallest_rise: Some(risen.fold(f64::INFINITY, f64::min)),
        ..row.clone()
    })
}

/// Two tokens of three: `22` is worth 0.69, `01` and `10` are worth 1, all else nothing. The policy says mostly 2, so that
/// V = 0.69 · 0.81 + 2 · 0.0025 < τ = 0.7. The filter keeps `01` and `10`, whose tokens recombine to `00` and `11` half of the time.
pub(super) fn counterexample() -> Result<Vec<Row>> {
    let tree = Tree { prompts: 1, vocab: 3, length: 2 };
    let mut rewards = vec![0.0; 9];
    (rewards[1], rewards[3], rewards[8]) = (1.0, 1.0, 0.69);
    let tokens = [0.05, 0.05, 0.9];
    let start: Vec<f64> = tokens.iter().flat_map(|a| tokens.map(|b| a * b)).collect();
    let before = expected_reward(&start, &rewards);
    let kept = filtered(&start, &rewards, 0.7).map_err(|e| Error::Numeric(e.to_string()))?;
    let of = |class: Class| {
        let value = expected_reward(&class.fit(tree, &kept.probs), &rewards);
        Row {
            world: "strings".into(),
            task: "by_hand".into(),
            part: "rise".into(),
            policy: class.name().into(),
            share: 1.0,
            threshold: Some(0.7),
            value_before: Some(before),
            value: Some(value),
            smallest_rise: Some(value - before),
            ..Row::default()
        }
    };
    Ok(Class::BOTH.map(of).into())
}

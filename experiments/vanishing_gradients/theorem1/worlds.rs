//! The worlds of the Theorem 1 experiment, one function per part, each a pure function of parameters and a stream.

use super::{Params, Part, Row, SWEPT, Summaries};
use crate::statistics::worse;
use crate::vanishing_gradients::families::{Bench, Family, MODERATE, Model, Reward, log_spaced};
use rewardlab::env::Tree;
use rewardlab::error::Result;
use rewardlab::num::norm;
use rewardlab::rng::Stream;
use rewardlab::stats::median;

/// Parameters, features, rewards: what the search moves.
type Point = [Vec<f64>; 3];

fn point_of(bench: &Bench) -> Point {
    [bench.model.policy.params(), bench.model.features(), &bench.rewards].map(<[f64]>::to_vec)
}

fn move_to(bench: &mut Bench, [params, features, rewards]: &Point) {
    bench.model.policy.params_mut().copy_from_slice(params);
    bench.model.set_features(features);
    bench.rewards.copy_from_slice(rewards);
}

/// The exact gradient of the policy as it stands, for the rewards as they stand.
fn observe(bench: &mut Bench, reward: Reward) -> Result<Row> {
    let stats = bench.policy_gradient()?;
    let norms = [norm(&bench.grad), bench.model.jacobian_norm()];
    Ok(Row::draw(bench.model.family, reward, bench.tree, stats, norms, &bench.rewards))
}

/// Random policies, random rewards.
pub(super) fn sweep(p: &Params, family: Family, reward: Reward, rng: &mut Stream) -> Result<Vec<Row>> {
    let trees = p.draw.trees();
    let keep_every = p.draws.div_ceil(p.points);
    let mut summaries = Summaries::new(Part::Summary, p.draw.length_max);
    let (mut kept, mut done) = (Vec::new(), 0);
    for (i, &tree) in trees.iter().enumerate() {
        let mut bench = Bench::new(family, tree, &p.draw, rng)?;
        for d in 0..p.draws / trees.len() + usize::from(i < p.draws % trees.len()) {
            if family == Family::LogLinear && d > 0 && d % p.per_feature_map == 0 {
                bench.model = Model::new(family, tree, &p.draw, rng);
            }
            bench.model.redraw(p.draw.scale(rng), rng);
            reward.draw(&p.draw, rng, &mut bench.rewards);
            let draw = observe(&mut bench, reward)?;
            summaries.absorb(&draw);
            if done % keep_every == 0 {
                kept.push(draw);
            }
            done += 1;
        }
    }
    kept.extend(summaries.into_rows());
    Ok(kept)
}

/// Climbs the ratio of the gradient to a bound over parameters, features and rewards, one search per shape of two or
/// three tokens: a quarter of the steps are random draws, the rest climbs from the best of them by (1 + 1) evolution
/// with the 1/5th success rule.
pub(super) fn search(p: &Params, family: Family, part: Part, rng: &mut Stream) -> Result<Vec<Row>> {
    let height = |row: &Row| if part == Part::SearchPaper { row.paper_ratio } else { row.sharp_ratio };
    let mut summaries = Summaries::new(part, p.draw.length_max);
    for tree in p.draw.trees().into_iter().filter(|t| t.vocab <= 3) {
        let mut bench = Bench::new(family, tree, &p.draw, rng)?;
        let (mut best, mut point, mut step) = (f64::NEG_INFINITY, point_of(&bench), 0.5);
        for i in 0..p.search_steps {
            let climbing = 4 * i >= p.search_steps && i > 0;
            if climbing {
                let mut trial = point.clone();
                mutate(&mut trial, step, rng);
                move_to(&mut bench, &trial);
            } else {
                bench.model = Model::new(family, tree, &p.draw, rng);
                bench.model.redraw(p.draw.scale(rng), rng);
                Reward::Random.draw(&p.draw, rng, &mut bench.rewards);
            }
            let row = observe(&mut bench, Reward::Random)?;
            summaries.absorb(&row);
            let better = height(&row) > best;
            if better {
                (best, point) = (height(&row), point_of(&bench));
            }
            if climbing {
                step = if better { (step * 1.5).min(10.0) } else { step * 1.5_f64.powf(-0.25) };
            }
        }
    }
    Ok(summaries.into_rows().collect())
}

/// A move of the search: shrinks or stretches one block (parameters, features, rewards), or adds normals to about one
/// coordinate in a few. Rewards stay within [−1, 1].
fn mutate(point: &mut Point, step: f64, rng: &mut Stream) {
    if rng.below(4) == 0 {
        let factor = (step * rng.normal()).exp();
        point[rng.below(3)].iter_mut().for_each(|x| *x *= factor);
    } else {
        let sparsity = 1 + rng.below(8);
        for x in point.iter_mut().flatten() {
            if rng.below(sparsity) == 0 {
                *x += step * rng.normal();
            }
        }
    }
    point[2].iter_mut().for_each(|r| *r = r.clamp(-1.0, 1.0));
}

/// Two tokens, each of probability 1/2 everywhere. Tabular: the reward is that of the first token, ±1. Shared
/// parameters: the reward is the mean of the tokens' ±1, and every context has the same Jacobian, the identity (for the
/// MLP with all weights zero that is the Jacobian of the last biases), so that the steps' gradients add up in line.
pub(super) fn construction(p: &Params, family: Family, rng: &mut Stream) -> Result<Vec<Row>> {
    let attained = |length| {
        let tree = Tree { prompts: 1, vocab: 2, length };
        let mut bench = Bench::new(family, tree, &p.draw, rng)?;
        let mut features = vec![0.0; bench.model.features().len()];
        for (row, phi) in features.chunks_exact_mut(p.draw.features + 1).enumerate() {
            phi[row % 2] = 1.0;
        }
        bench.model.set_features(&features);
        for (output, reward) in bench.rewards.iter_mut().enumerate() {
            let signs = tree.tokens(length, output).into_iter().map(|token| 1.0 - 2.0 * token as f64);
            let counted = if family == Family::Tabular { 1 } else { length };
            *reward = signs.take(counted).sum::<f64>() / counted as f64;
        }
        Ok(Row { part: Part::Construction, ..observe(&mut bench, Reward::Random)? })
    };
    (1..=p.draw.length_max).map(attained).collect()
}

/// Two paths to small std on one random world each: rewards times ε, and one good output that becomes rare.
pub(super) fn paths(p: &Params, family: Family, rng: &mut Stream) -> Result<Vec<Row>> {
    let trees = p.draw.trees();
    let tree = trees[rng.below(trees.len())];
    let mut bench = Bench::new(family, tree, &p.draw, rng)?;
    bench.model.redraw(MODERATE, rng);
    let mut rows = Vec::new();
    Reward::Random.draw(&p.draw, rng, &mut bench.rewards);
    let base = bench.rewards.clone();
    for epsilon in log_spaced(p.draw.epsilon_min, 1.0, p.path_points) {
        bench.rewards.iter_mut().zip(&base).for_each(|(r, b)| *r = epsilon * b);
        rows.push(Row { part: Part::Path, ..observe(&mut bench, Reward::Rescaled)? });
    }
    // from far below, so that token 0 is rare in every context when the search for the right shift begins
    bench.model.shift_first_token(p.rare_min.ln());
    for probability in log_spaced(p.rare_min, p.rare_max, p.path_points) {
        let good = bench.make_rare(probability)?;
        bench.rewards.fill(-1.0);
        bench.rewards[good] = 1.0;
        rows.push(Row { part: Part::Path, ..observe(&mut bench, Reward::RareSuccess)? });
    }
    Ok(rows)
}

/// Added to the logit of token 0 where it must never be drawn: e^−10⁶ is zero in f64.
const NEVER: f64 = -1e6;

/// One good output that is out of reach, all others equal (0 or −1, in turn): zero std far from the best. Then the
/// same with the good output within reach.
pub(super) fn zero_std(p: &Params, family: Family, rng: &mut Stream) -> Result<Vec<Row>> {
    let trees = p.draw.trees();
    let (mut zero, mut reach): (Vec<Row>, Vec<Row>) = (Vec::new(), Vec::new());
    for i in 0..p.zero_draws {
        let mut bench = Bench::new(family, trees[i % trees.len()], &p.draw, rng)?;
        bench.model.redraw(MODERATE, rng);
        bench.stats()?;
        let (good, _) = bench.output_through_first_token();
        bench.rewards.fill(-((i / trees.len() % 2) as f64));
        bench.rewards[good] = 1.0;
        reach.push(observe(&mut bench, Reward::RareSuccess)?);
        bench.model.shift_first_token(NEVER);
        zero.push(observe(&mut bench, Reward::RareSuccess)?);
    }
    let gather = |part, rows: &[Row], with: fn(&[f64]) -> f64| {
        let over = |column: fn(&Row) -> f64| with(&rows.iter().map(column).collect::<Vec<_>>());
        let mut all = rows[0];
        rows[1..].iter().for_each(|row| all.absorb(row));
        let shortfall = rows.iter().map(|r| r.shortfall).fold(f64::INFINITY, f64::min);
        let [reward_std, grad_norm, entropy] = [over(|r| r.reward_std), over(|r| r.grad_norm), over(|r| r.entropy)];
        Row { part, reward_std, grad_norm, shortfall, entropy, ..all }
    };
    let largest = |x: &[f64]| x.iter().copied().fold(0.0, worse);
    let entropy = median(&zero.iter().map(|r| r.entropy).collect::<Vec<_>>());
    let zero = Row { entropy, ..gather(Part::ZeroStd, &zero, largest) };
    Ok(vec![zero, gather(Part::WithinReach, &reach, median)])
}

/// `V(θ) = Σ_y θ(y) r(y)` with θ itself as the "probabilities": ∇V = r whatever the STD, and γ = 1.
pub(super) fn unnormalised(p: &Params, rng: &mut Stream) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for reward in SWEPT {
        let mut summaries = Summaries::new(Part::Unnormalised, 1);
        let trees: Vec<Tree> = p.draw.trees().into_iter().filter(|t| t.length == 1).collect();
        for i in 0..p.zero_draws {
            // a softmax only to have a θ that is a distribution, and its exact STD
            let mut bench = Bench::new(Family::Tabular, trees[i % trees.len()], &p.draw, rng)?;
            bench.model.redraw(p.draw.scale(rng), rng);
            reward.draw(&p.draw, rng, &mut bench.rewards);
            let stats = bench.stats()?;
            let norms = [norm(&bench.rewards), 1.0];
            summaries.absorb(&Row::draw(Family::Tabular, reward, bench.tree, stats, norms, &bench.rewards));
        }
        rows.extend(summaries.into_rows());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rewardlab::experiment::{Experiment, Profile};

    fn rng() -> Stream {
        Stream::named(&["theorem1", "worlds"])
    }

    #[test]
    fn constructions_attain_the_bound_and_the_mean_of_tokens_has_std_one_over_root_length() {
        let params = super::super::Theorem1::params(Profile::Smoke);
        for family in Family::ALL {
            for row in construction(&params, family, &mut rng()).expect("finite") {
                let std = if family == Family::Tabular { 1.0 } else { 1.0 / (row.length as f64).sqrt() };
                assert!((row.reward_std - std).abs() < 1e-14, "{family} {}: {}", row.length, row.reward_std);
                assert!((row.jacobian_norm - 1.0).abs() < 1e-14 && (row.sharp_ratio - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn out_of_reach_is_exactly_zero_for_rewards_of_zero() {
        let one = Params { zero_draws: 1, ..super::super::Theorem1::params(Profile::Smoke) };
        for family in Family::ALL {
            let rows = zero_std(&one, family, &mut rng()).expect("finite");
            assert!(rows[0].reward_std == 0.0 && rows[0].grad_norm == 0.0 && rows[0].shortfall >= 1.0);
            assert!(rows[1].reward_std > 0.0 && rows[1].grad_norm > 0.0);
        }
    }

    #[test]
    fn the_search_climbs() {
        let quick = |search_steps| Params { search_steps, ..super::super::Theorem1::params(Profile::Smoke) };
        let top = |steps| {
            let rows = search(&quick(steps), Family::LogLinear, Part::SearchSharp, &mut rng()).expect("finite");
            rows.iter().map(|r| r.sharp_ratio).fold(0.0, f64::max)
        };
        assert!(top(1) < 0.99 && top(400) > 0.99, "{} then {}", top(1), top(400));
    }
}

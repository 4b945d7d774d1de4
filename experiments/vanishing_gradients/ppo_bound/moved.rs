//! A policy that has moved away from the one that sampled: the exact expected clipped surrogate and its gradient.

use super::{Params, Part, Row};
use crate::statistics::violated;
use crate::vanishing_gradients::families::{Bench, Family, MODERATE, Model, ROUNDING, Reward, log_spaced, log_uniform};
use rewardlab::error::Result;
use rewardlab::exact::Surrogate;
use rewardlab::num::norm;
use rewardlab::objective::expected_ppo_clip_objective;
use rewardlab::rng::Stream;

/// A shape, a policy on it, and what is remembered of the policy that sampled.
struct Laboratory {
    bench: Bench,
    reward: Reward,
    contexts: Vec<usize>,
    /// `log π_old`, `A_old` (`contexts × vocab`) and `P_old(s)`.
    old_log_probs: Vec<f64>,
    advantages: Vec<f64>,
    reach: Vec<f64>,
    reward_std: f64,
    error_at_old: f64,
    log_probs: Vec<f64>,
    weights: Vec<f64>,
    grad: Vec<f64>,
}

impl Laboratory {
    fn new(bench: Bench, reward: Reward) -> Self {
        let (contexts, cells) = (bench.tree.contexts(), bench.tree.contexts() * bench.tree.vocab);
        let grad = vec![0.0; bench.grad.len()];
        Self {
            bench,
            reward,
            contexts: (0..contexts).collect(),
            old_log_probs: vec![0.0; cells],
            advantages: vec![0.0; cells],
            reach: vec![0.0; contexts],
            reward_std: 0.0,
            error_at_old: 0.0,
            log_probs: vec![0.0; cells],
            weights: vec![0.0; cells],
            grad,
        }
    }

    /// The policy as it stands samples; its policy gradient is compared with the surrogate's gradient there.
    fn sample(&mut self, clip: f64) -> Result<()> {
        self.reward_std = self.bench.policy_gradient()?.reward_std;
        self.old_log_probs.copy_from_slice(self.bench.engine.log_probs());
        self.reach.copy_from_slice(self.bench.engine.reach());
        self.bench.advantages(&mut self.advantages);
        self.surrogate_gradient(clip);
        self.grad.iter_mut().zip(&self.bench.grad).for_each(|(g, exact)| *g -= exact);
        self.error_at_old = norm(&self.grad) / self.bench.model.jacobian_norm();
        Ok(())
    }

    /// `∇_θ Σ_s P_old(s) Σ_a π_old(a|s) min(ρA, clip(ρ)A)` at the policy as it stands, into `grad`; its norm.
    fn surrogate_gradient(&mut self, clip: f64) -> f64 {
        let vocab = self.bench.tree.vocab;
        self.bench.model.policy.log_probs(&self.contexts, &mut self.log_probs);
        self.weights.fill(0.0);
        for (s, &reach) in self.reach.iter().enumerate() {
            let cells = s * vocab..(s + 1) * vocab;
            let (lp, old) = (&self.log_probs[cells.clone()], &self.old_log_probs[cells.clone()]);
            let advantages = &self.advantages[cells.clone()];
            expected_ppo_clip_objective(lp, old, advantages, clip, reach, &mut self.weights[cells]);
        }
        self.grad.fill(0.0);
        self.bench.model.policy.backward_log_probs(&self.log_probs, &mut self.weights, &mut self.grad);
        norm(&self.grad)
    }

    /// What the bounds need to know of the move, and whether all ratios are within the clip; of the policy of the last
    /// [`Laboratory::surrogate_gradient`].
    fn moved(&self, clip: f64) -> (Surrogate, bool) {
        let vocab = self.bench.tree.vocab;
        let mut moved = Surrogate { reward_std: self.reward_std, ..Surrogate::default() };
        let mut inside = true;
        for (s, &reach) in self.reach.iter().enumerate() {
            for cell in s * vocab..(s + 1) * vocab {
                let (log_prob, old, advantage) =
                    (self.log_probs[cell], self.old_log_probs[cell], self.advantages[cell]);
                moved.absolute_advantage += reach * old.exp() * advantage.abs();
                moved.total_variation += 0.5 * reach * (log_prob.exp() - old.exp()).abs();
                moved.largest_advantage = moved.largest_advantage.max(advantage.abs());
                inside &= log_prob - old <= clip.ln_1p() && log_prob - old >= (-clip).ln_1p();
            }
        }
        (moved, inside)
    }

    /// The surrogate's gradient at the policy as it stands against every bound.
    fn observe(&mut self, part: Part, clip: f64) -> Row {
        let length = self.bench.tree.length;
        let unclipped = self.surrogate_gradient(f64::INFINITY);
        let clipped = self.surrogate_gradient(clip);
        let (moved, inside) = self.moved(clip);
        let gamma = self.bench.model.jacobian_norm();
        let largest_reward = self.bench.rewards.iter().fold(0.0, |m: f64, r| m.max(r.abs()));
        let floor = ROUNDING * gamma * length as f64 * largest_reward;
        let std_bound = moved.std_bound(length, gamma, clip);
        let unit_bound = moved.absolute_bound(gamma, 0.0);
        let std_ratio = clipped / (std_bound + floor);
        let absolute_ratio = clipped / (moved.absolute_bound(gamma, clip) + floor);
        let variance_ratio = clipped / (moved.variance_bound(length, gamma) + floor);
        let unit_ratio = clipped / (unit_bound + floor);
        let unclipped_ratio = unclipped / (unit_bound + floor);
        let unmoved = Surrogate { total_variation: 0.0, ..moved };
        let no_tv = violated(clipped / (unmoved.absolute_bound(gamma, clip) + floor)) > 0;
        Row {
            part,
            family: self.bench.model.family,
            reward: self.reward,
            vocab: self.bench.tree.vocab,
            length,
            draws: 1,
            reward_std: self.reward_std,
            total_variation: moved.total_variation,
            grad_norm: if part == Part::SuccessUnclipped { unclipped } else { clipped },
            jacobian_norm: gamma,
            std_bound,
            error_at_old: self.error_at_old,
            std_ratio,
            absolute_ratio,
            variance_ratio,
            unit_ratio,
            unclipped_ratio,
            std_violations: violated(std_ratio),
            absolute_violations: violated(absolute_ratio),
            variance_violations: violated(variance_ratio),
            unit_violations: violated(unit_ratio),
            unclipped_violations: violated(unclipped_ratio),
            no_tv_violations: usize::from(no_tv),
            inside: usize::from(inside),
            inside_no_tv_violations: usize::from(inside && no_tv),
        }
    }
}

/// Random sampling policies, random rewards, random steps away.
pub(super) fn sweep(p: &Params, family: Family, reward: Reward, rng: &mut Stream) -> Result<Vec<Row>> {
    let trees = p.draw.trees();
    let keep_every = p.draws.div_ceil(p.points);
    let (mut rows, mut summary, mut done): (Vec<Row>, Option<Row>, usize) = (Vec::new(), None, 0);
    for (i, &tree) in trees.iter().enumerate() {
        let mut lab = Laboratory::new(Bench::new(family, tree, &p.draw, rng)?, reward);
        for d in 0..p.draws / trees.len() + usize::from(i < p.draws % trees.len()) {
            if family == Family::LogLinear && d > 0 && d % p.per_feature_map == 0 {
                lab.bench.model = Model::new(family, tree, &p.draw, rng);
            }
            lab.bench.model.redraw(p.draw.scale(rng), rng);
            reward.draw(&p.draw, rng, &mut lab.bench.rewards);
            lab.sample(p.clip)?;
            let step = log_uniform(rng, p.step_min, p.step_max);
            lab.bench.model.policy.params_mut().iter_mut().for_each(|x| *x += step * rng.normal());
            let draw = lab.observe(Part::Draw, p.clip);
            match &mut summary {
                Some(summary) => summary.absorb(&draw),
                none => *none = Some(Row { part: Part::Summary, ..draw }),
            }
            if done % keep_every == 0 {
                rows.push(draw);
            }
            done += 1;
        }
    }
    rows.extend(summary);
    Ok(rows)
}

/// On one random world: a rare success that gets rarer, nothing moved; then a rare failure and a rare success that get
/// likelier than they were when sampled.
pub(super) fn paths(p: &Params, family: Family, rng: &mut Stream) -> Result<Vec<Row>> {
    let trees = p.draw.trees();
    let tree = trees[rng.below(trees.len())];
    let mut bench = Bench::new(family, tree, &p.draw, rng)?;
    bench.model.redraw(MODERATE, rng);
    // far below, so that token 0 is rare in every context when the first shift is sought
    bench.model.shift_first_token(p.rare_min.ln());
    let mut lab = Laboratory::new(bench, Reward::RareSuccess);
    let mut rows = Vec::new();
    for probability in log_spaced(p.rare_min, p.rare_max, p.path_points) {
        reward_rare_output(&mut lab, probability)?;
        lab.sample(p.clip)?;
        rows.push(lab.observe(Part::AtOld, p.clip));
    }
    for (part, reward) in [
        (Part::Failure, Reward::RareFailure),
        (Part::Success, Reward::RareSuccess),
        (Part::SuccessUnclipped, Reward::RareSuccess),
    ] {
        lab.reward = reward;
        reward_rare_output(&mut lab, p.rare_min)?;
        lab.sample(p.clip)?;
        if part == Part::Success {
            rows.push(lab.observe(Part::SuccessStart, p.clip));
        }
        // a hundred times likelier at least: the ratio is far beyond the clip
        for probability in log_spaced(100.0 * p.rare_min, p.rare_max, p.path_points) {
            lab.bench.make_rare(probability)?;
            rows.push(lab.observe(part, p.clip));
        }
    }
    Ok(rows)
}

/// Gives the output through token 0 this probability, and ∓1 to all outputs but it, ±1 to it.
fn reward_rare_output(lab: &mut Laboratory, probability: f64) -> Result<()> {
    let rare = lab.bench.make_rare(probability)?;
    let sign = if lab.reward == Reward::RareSuccess { 1.0 } else { -1.0 };
    lab.bench.rewards.fill(-sign);
    lab.bench.rewards[rare] = sign;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vanishing_gradients::families::DrawParams;
    use rewardlab::env::Tree;

    fn laboratory(family: Family, rng: &mut Stream) -> Laboratory {
        let tree = Tree { prompts: 1, vocab: 3, length: 2 };
        let params = DrawParams::standard();
        let mut lab = Laboratory::new(Bench::new(family, tree, &params, rng).expect("legal"), Reward::Random);
        lab.bench.model.redraw(1.0, rng);
        Reward::Random.draw(&params, rng, &mut lab.bench.rewards);
        lab.sample(0.2).expect("finite");
        lab
    }

    /// Σ over sampled outputs, written out: `P_old(y) Σ_l min(ρ_l A_l, clip(ρ_l) A_l)`.
    fn value(lab: &mut Laboratory, clip: f64) -> f64 {
        lab.bench.model.policy.log_probs(&lab.contexts, &mut lab.log_probs);
        let tree = lab.bench.tree;
        let mut total = 0.0;
        for output in 0..tree.outputs() {
            let tokens = tree.tokens(tree.length, output);
            let (mut node, mut probability, mut surrogate) = (0, 1.0, 0.0);
            for token in tokens {
                let cell = node * tree.vocab + token;
                let ratio = (lab.log_probs[cell] - lab.old_log_probs[cell]).exp();
                let advantage = lab.advantages[cell];
                surrogate += (ratio * advantage).min(ratio.clamp(1.0 - clip, 1.0 + clip) * advantage);
                probability *= lab.old_log_probs[cell].exp();
                node = 1 + node * tree.vocab + token;
            }
            total += probability * surrogate;
        }
        total
    }

    #[test]
    fn gradient_is_that_of_the_mean_over_sampled_outputs() {
        let mut rng = Stream::named(&["ppo_bound", "gradient"]);
        for family in Family::ALL {
            let mut lab = laboratory(family, &mut rng);
            lab.bench.model.policy.params_mut().iter_mut().for_each(|x| *x += 0.4 * rng.normal());
            lab.surrogate_gradient(0.2);
            let (grad, h) = (lab.grad.clone(), 1e-6);
            for (i, &g) in grad.iter().enumerate() {
                let mut at = |by: f64| {
                    lab.bench.model.policy.params_mut()[i] += by;
                    let value = value(&mut lab, 0.2);
                    lab.bench.model.policy.params_mut()[i] -= by;
                    value
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                assert!((g - difference).abs() < 1e-8, "{family}, parameter {i}: {g}, difference {difference}");
            }
        }
    }

    #[test]
    fn nothing_moved_is_the_policy_gradient_and_the_moves_size_is_counted_once_per_step() {
        let mut rng = Stream::named(&["ppo_bound", "moved"]);
        for family in Family::ALL {
            let mut lab = laboratory(family, &mut rng);
            assert!(lab.error_at_old < 1e-14, "{family}: {}", lab.error_at_old);
            let (unmoved, inside) = lab.moved(0.2);
            assert!(unmoved.total_variation == 0.0 && inside);
            // Σ_l E A_l² is the variance of the reward
            let second: f64 = (0..lab.advantages.len())
                .map(|c| lab.reach[c / 3] * lab.old_log_probs[c].exp() * lab.advantages[c].powi(2))
                .sum();
            assert!((second.sqrt() - lab.reward_std).abs() < 1e-14);
            // all mass moves to token 0: at a context the total variation is the mass that was elsewhere
            lab.bench.model.shift_first_token(200.0);
            lab.surrogate_gradient(0.2);
            let (moved, inside) = lab.moved(0.2);
            let elsewhere: f64 = (0..4).map(|s| lab.reach[s] * (1.0 - lab.old_log_probs[3 * s].exp())).sum();
            assert!((moved.total_variation - elsewhere).abs() < 1e-14 && !inside, "{family}: {moved:?}");
        }
    }
}

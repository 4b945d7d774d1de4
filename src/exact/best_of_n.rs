//! Best-of-n: draw n outputs, keep the one of the highest reward. Its exact distribution, ties included.

use super::outputs::kl;

/// The probability of every output under best-of-n; among equally good draws the choice is uniform.
///
/// # Formula
/// With the outputs in order of reward and c the cumulative mass, a reward level has probability
/// cᵢⁿ − cᵢ₋₁ⁿ; within a level of tied outputs the mass is shared in proportion to the base policy.
///
/// # Shapes
/// One entry per output in both slices; `n` ≥ 1.
pub fn best_of_n(log_probs: &[f64], rewards: &[f64], n: u32) -> Vec<f64> {
    assert_eq!(log_probs.len(), rewards.len(), "one reward per output");
    assert!(n >= 1, "best of at least one");
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    order.sort_by(|&a, &b| rewards[a].total_cmp(&rewards[b]));
    let mut out = vec![0.0; rewards.len()];
    let mut below = 0.0;
    #[allow(clippy::float_cmp)] // a tie is an exact tie
    for level in order.chunk_by(|&a, &b| rewards[a] == rewards[b]) {
        let mass: f64 = level.iter().map(|&y| log_probs[y].exp()).sum();
        if mass > 0.0 {
            let up_to = below + mass;
            // up_toⁿ − belowⁿ without cancellation: up_toⁿ (1 − (1 − mass/up_to)ⁿ)
            let won = up_to.powf(n.into()) * -(f64::from(n) * (-mass / up_to).ln_1p()).exp_m1();
            for &y in level {
                out[y] = won * (log_probs[y].exp() / mass);
            }
            below = up_to;
        }
    }
    out
}

/// (KL to the base policy in nats, expected reward) of best-of-n.
///
/// # Shapes
/// As [`best_of_n`].
pub fn best_of_n_point(log_probs: &[f64], rewards: &[f64], n: u32) -> (f64, f64) {
    let probs = best_of_n(log_probs, rewards, n);
    let reward = probs.iter().zip(rewards).map(|(p, r)| p * r).sum();
    let logs: Vec<f64> = probs.iter().map(|p| p.ln()).collect();
    (kl(&logs, log_probs), reward)
}

/// (mean, standard deviation) of the largest of n rewards, for each n: what [`best_of_n`] gives, without saying which output wins.
///
/// # Formula
/// With F the distribution function of one draw's reward: E\[maxᵏ\] = Σ rᵏ (F(r)ⁿ − F(r⁻)ⁿ) over the reward levels r.
///
/// # Shapes
/// `probs`, `rewards`: one entry per output; each n ≥ 1.
pub fn best_of_n_rewards(probs: &[f64], rewards: &[f64], draws: &[u32]) -> Vec<(f64, f64)> {
    assert_eq!(probs.len(), rewards.len(), "one reward per output");
    assert!(draws.iter().all(|n| *n >= 1), "best of at least one");
    let mut order: Vec<usize> = (0..rewards.len()).filter(|y| probs[*y] > 0.0).collect();
    order.sort_by(|&a, &b| rewards[a].total_cmp(&rewards[b]));
    let total: f64 = order.iter().map(|y| probs[*y]).sum();
    let (mut below, mut levels) = (0.0, Vec::new());
    for level in order.chunk_by(|&a, &b| rewards[a] == rewards[b]) {
        below += level.iter().map(|y| probs[*y]).sum::<f64>();
        levels.push((rewards[level[0]], (below / total).ln()));
    }
    // the last level holds all, whatever rounding says
    if let Some(last) = levels.last_mut() {
        last.1 = 0.0;
    }
    let moments = |&n: &u32| {
        let (mut before, mut mean, mut square) = (0.0, 0.0, 0.0);
        for &(reward, log_up_to) in &levels {
            let up_to = (f64::from(n) * log_up_to).exp();
            mean += reward * (up_to - before);
            square += reward * reward * (up_to - before);
            before = up_to;
        }
        (mean, (square - mean * mean).max(0.0).sqrt())
    };
    draws.iter().map(moments).collect()
}

/// E[largest of n] for each n from a pool of rewards, without bias: the mean of the largest over all subsets of n draws.
///
/// [`best_of_n_rewards`] on the pool would draw with repetition, and be too low: a pool's best is then missed in part of the draws.
///
/// # Formula
/// With m rewards in ascending order, r₁ to rₘ: Σᵢ rᵢ C(i − 1, n − 1) / C(m, n).
///
/// # Shapes
/// 1 ≤ n ≤ m for each n.
pub fn best_of_n_pool(rewards: &[f64], draws: &[u32]) -> Vec<f64> {
    let mut sorted = rewards.to_vec();
    sorted.sort_by(f64::total_cmp);
    let m = sorted.len();
    let of = |&n: &u32| {
        let n = n as usize;
        assert!(n >= 1 && n <= m, "subsets of 1 to {m}, not {n}");
        // C(m − 1, n − 1) / C(m, n), then down one place each: C(i − 2, n − 1) / C(i − 1, n − 1) = (i − n) / (i − 1)
        let (mut weight, mut mean) = (n as f64 / m as f64, 0.0);
        for i in (n..=m).rev() {
            mean += weight * sorted[i - 1];
            weight *= (i - n) as f64 / (i - 1).max(1) as f64;
        }
        mean
    };
    draws.iter().map(of).collect()
}

/// The mean pay of the draw with the highest score, over all subsets of n draws of a pool, for each n. Among equal scores the choice is
/// uniform. A draw that cannot be chosen has score −∞ and should pay nothing.
///
/// # Formula
/// With u draws scored at most as high as a level and b of them lower, the level wins in (C(u, n) − C(b, n)) / C(m, n) of the subsets; it
/// then pays its mean.
///
/// # Shapes
/// One pay per score; no score is NaN; 1 ≤ n ≤ m for each n.
pub fn best_of_n_choice(scores: &[f64], pays: &[f64], draws: &[u32]) -> Vec<f64> {
    assert_eq!(scores.len(), pays.len(), "one pay per score");
    assert!(scores.iter().all(|s| !s.is_nan()), "a score is not a number");
    let m = scores.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut up_to, mut levels) = (0, Vec::new());
    for level in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        up_to += level.len();
        levels.push((up_to, level.iter().map(|&i| pays[i]).sum::<f64>() / level.len() as f64));
    }
    let of = |&n: &u32| {
        let n = n as usize;
        assert!(n >= 1 && n <= m, "subsets of 1 to {m}, not {n}");
        // C(k, n) / C(m, n), from the top down: C(k − 1, n) = C(k, n) (k − n) / k
        let (mut at, mut share, mut mean) = (m, 1.0, 0.0);
        for i in (0..levels.len()).rev() {
            let (above, below) = (share, if i == 0 { 0 } else { levels[i - 1].0 });
            while at > below {
                share *= at.saturating_sub(n) as f64 / at as f64;
                at -= 1;
            }
            mean += (above - share) * levels[i].1;
        }
        mean
    };
    draws.iter().map(of).collect()
}

/// log n − (n−1)/n: the KL of best-of-n for a continuous reward; for finitely many outputs an upper bound only.
pub fn best_of_n_kl_bound(n: u32) -> f64 {
    let n = f64::from(n);
    n.ln() - (n - 1.0) / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::tilted;
    use crate::rng::Stream;

    fn uniform(m: usize) -> (Vec<f64>, Vec<f64>) {
        (vec![-(m as f64).ln(); m], (0..m).map(|i| i as f64).collect())
    }

    /// Worked values of the finite formula for 64 equally likely outputs without ties, to four decimals.
    #[test]
    fn kl_of_uniform_outputs() {
        let (log_probs, rewards) = uniform(64);
        for (n, expected) in [(2, 0.1930), (4, 0.6361), (16, 1.8325), (64, 3.1338), (128, 3.7079)] {
            let (kl, _) = best_of_n_point(&log_probs, &rewards, n);
            assert!((kl - expected).abs() < 6e-5, "n = {n}: {kl}");
            assert!(kl < best_of_n_kl_bound(n));
        }
    }

    /// All n-tuples of draws, enumerated, with uniform choice among the tied.
    #[test]
    fn ties_against_brute_force() {
        let probs = [0.1, 0.4, 0.2, 0.3];
        let rewards = [1.0, 0.0, 1.0, -1.0];
        let log_probs = probs.map(f64::ln);
        let mut expected = [0.0; 4];
        for code in 0..4_usize.pow(3) {
            let draws = [code % 4, code / 4 % 4, code / 16];
            let best = draws.iter().map(|&y| rewards[y]).fold(f64::MIN, f64::max);
            let tied: Vec<usize> = draws.into_iter().filter(|&y| rewards[y] >= best).collect();
            for &y in &tied {
                expected[y] += draws.iter().map(|&y| probs[y]).product::<f64>() / tied.len() as f64;
            }
        }
        let got = best_of_n(&log_probs, &rewards, 3);
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{got:?} {expected:?}");
    }

    /// The moments without winners against those of the winners' distribution; ties and outputs without probability included.
    #[test]
    fn moments_are_those_of_the_distribution() {
        let probs = [0.1, 0.4, 0.0, 0.2, 0.3];
        let rewards = [1.0, 0.0, 9.0, 1.0, -1.0];
        let draws = [1, 2, 3, 10, 200];
        for (&n, (mean, std)) in draws.iter().zip(best_of_n_rewards(&probs, &rewards, &draws)) {
            let won = best_of_n(&probs.map(f64::ln), &rewards, n);
            let expected: f64 = won.iter().zip(rewards).map(|(p, r)| p * r).sum();
            let square: f64 = won.iter().zip(rewards).map(|(p, r)| p * r * r).sum();
            assert!((mean - expected).abs() < 1e-14, "n = {n}: {mean} {expected}");
            assert!((std * std - (square - expected * expected)).abs() < 1e-14, "n = {n}");
        }
    }

    /// All subsets of a pool with ties, enumerated.
    #[test]
    fn pool_against_all_subsets() {
        let rewards = [0.3, 0.9, 0.3, 0.0, 1.0, 0.5, 0.9];
        let draws = [1, 2, 3, 5, 6, 7];
        for (&n, got) in draws.iter().zip(best_of_n_pool(&rewards, &draws)) {
            let subsets = (0_u32..1 << rewards.len()).filter(|s| s.count_ones() == n);
            let largest =
                |s: u32| (0..rewards.len()).filter(|i| s >> i & 1 == 1).map(|i| rewards[i]).fold(f64::MIN, f64::max);
            let all: Vec<f64> = subsets.map(largest).collect();
            let expected = all.iter().sum::<f64>() / all.len() as f64;
            assert!((got - expected).abs() < 1e-14, "n = {n}: {got} {expected}");
            // with repetition it is too low
            let repeated = best_of_n_rewards(&[1.0 / 7.0; 7], &rewards, &[n])[0].0;
            assert!(if n == 1 { (repeated - got).abs() < 1e-14 } else { repeated < got - 1e-3 }, "n = {n}");
        }
    }

    /// All subsets of a pool with ties and with a draw that cannot be chosen, enumerated.
    #[test]
    fn choice_against_all_subsets() {
        let scores = [0.3, 0.9, 0.3, f64::NEG_INFINITY, 1.0, 0.9, 0.9];
        let pays = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let draws = [1, 2, 3, 5, 6, 7];
        for (&n, got) in draws.iter().zip(best_of_n_choice(&scores, &pays, &draws)) {
            let paid = |s: u32| {
                let drawn: Vec<usize> = (0..scores.len()).filter(|i| s >> i & 1 == 1).collect();
                let best = drawn.iter().map(|&i| scores[i]).fold(f64::NEG_INFINITY, f64::max);
                let tied: Vec<usize> = drawn.into_iter().filter(|&i| scores[i] == best).collect();
                tied.iter().map(|&i| pays[i]).sum::<f64>() / tied.len() as f64
            };
            let all: Vec<f64> = (0_u32..1 << scores.len()).filter(|s| s.count_ones() == n).map(paid).collect();
            let expected = all.iter().sum::<f64>() / all.len() as f64;
            assert!((got - expected).abs() < 1e-14, "n = {n}: {got} {expected}");
        }
        // the score as its own pay
        let rewards = [0.3, 0.9, 0.1, 0.9];
        let same = best_of_n_choice(&rewards, &rewards, &[1, 2, 3, 4]);
        assert!(same.iter().zip(best_of_n_pool(&rewards, &[1, 2, 3, 4])).all(|(a, b)| (a - b).abs() < 1e-14));
    }

    #[test]
    fn one_draw_is_the_policy_and_mass_is_one() {
        let (log_probs, rewards) = uniform(10);
        assert!(best_of_n(&log_probs, &rewards, 1).iter().all(|p| (p - 0.1).abs() < 1e-15));
        let total: f64 = best_of_n(&log_probs, &rewards, 1000).iter().sum();
        assert!((total - 1.0).abs() < 1e-12);
        // equal rewards: nothing to choose
        assert!(best_of_n_point(&log_probs, &[0.5; 10], 8).0.abs() < 1e-14);
    }

    /// At equal KL the exponential tilt has at least the reward of best-of-n.
    #[test]
    fn best_of_n_lies_under_the_front() {
        let mut rng = Stream::named(&["tests", "best_of_n"]);
        let (mut log_probs, mut rewards) = (vec![0.0; 16], vec![0.0; 16]);
        rng.fill_normal(1.0, &mut log_probs);
        rng.fill_normal(1.0, &mut rewards);
        crate::num::log_softmax(&mut log_probs);
        for n in [2, 4, 16, 64] {
            let (kl, reward) = best_of_n_point(&log_probs, &rewards, n);
            // bisect β to the same KL
            let (mut low, mut high) = (1e-3_f64, 1e3_f64);
            for _ in 0..200 {
                let middle = (low * high).sqrt();
                if tilted(&log_probs, &rewards, middle).kl > kl { low = middle } else { high = middle }
            }
            assert!(tilted(&log_probs, &rewards, high).reward >= reward - 1e-9, "n = {n}");
        }
    }
}

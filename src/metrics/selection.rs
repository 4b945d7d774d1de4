//! One of many solutions is chosen: how often it is right. Of one problem, on a pool of candidates.
//!
//! Rules as in the public evaluation of arXiv:2305.20050's data: N of the pool's candidates are drawn without repetition; a candidate
//! without an answer uses up one of the N and is no choice (it has no vote, and the best of others is taken); where there is no choice at
//! all the problem is not solved. Ties (equal votes, equal scores) are split evenly: the result of one draw is then the chance that a
//! fair choice among the tied is right. The public code takes the first.

use crate::exact::best_of_n_choice;
use crate::rng::Stream;

/// The public evaluation's numbers of solutions per problem.
pub const PUBLIC_GRID: [u32; 14] = [10, 25, 50, 75, 100, 200, 300, 400, 500, 750, 1000, 1250, 1500, 1860];
/// The public evaluation's number of random draws for each.
pub const PUBLIC_TRIALS: usize = 400;

/// The candidates of one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// One per candidate; none where it is unfinished.
    pub answers: Vec<Option<u8>>,
    /// The right answer.
    pub truth: u8,
}

impl Pool {
    /// How many candidates there are.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// 1 for each candidate with the right answer, else 0.
    pub fn right(&self) -> Vec<f64> {
        self.answers.iter().map(|a| f64::from(u8::from(*a == Some(self.truth)))).collect()
    }

    /// The scores, −∞ for candidates that cannot be chosen.
    ///
    /// # Shapes
    /// One score per candidate.
    pub fn choosable(&self, scores: &[f64]) -> Vec<f64> {
        assert_eq!(self.len(), scores.len(), "one score per candidate");
        self.answers.iter().zip(scores).map(|(a, s)| if a.is_some() { *s } else { f64::NEG_INFINITY }).collect()
    }

    /// P(the best-scored of N candidates is right), for each N: the exact mean over all draws of N of the pool.
    ///
    /// # Shapes
    /// One score per candidate, none NaN; 1 ≤ N ≤ candidates.
    pub fn best_of_n(&self, scores: &[f64], draws: &[u32]) -> Vec<f64> {
        best_of_n_choice(&self.choosable(scores), &self.right(), draws)
    }

    /// P(some of N candidates is right), likewise: no choice can be right more often.
    pub fn pass_at_n(&self, draws: &[u32]) -> Vec<f64> {
        let right = self.right();
        best_of_n_choice(&right, &right, draws)
    }
}

/// Which solutions of one problem are labelled: `count` of those with these scores, four fifths of them the most convincing ones (with the
/// highest scores) that end wrong, the others the most convincing of the rest; where too few end wrong the rest has their places. Among equals the
/// first. A score of −∞ is never chosen, so that there may be fewer. (arXiv:2305.20050, Section 4.2, reported second-hand.)
///
/// # Shapes
/// `scores`, none NaN, and `right` (whether it ends right): one per solution.
pub fn convincing(scores: &[f64], right: &[bool], count: usize) -> Vec<usize> {
    assert_eq!(scores.len(), right.len(), "one score per solution");
    let mut order: Vec<usize> = (0..scores.len()).filter(|i| scores[*i] > f64::NEG_INFINITY).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let wanted = (WRONG_SHARE * count as f64).round() as usize;
    let (wrong, good): (Vec<usize>, Vec<usize>) = order.iter().partition(|i| !right[**i]);
    let mut chosen: Vec<usize> = wrong.iter().copied().take(wanted).collect();
    // the rest: what ends right and what is left of the others, by score
    let mut rest: Vec<usize> = wrong.into_iter().skip(wanted).chain(good).collect();
    rest.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    chosen.extend(rest.into_iter().take(count - chosen.len()));
    chosen
}

/// Of the solutions that are chosen for labelling, the share that should end wrong.
const WRONG_SHARE: f64 = 0.8;

/// Orders of a pool's candidates, one per trial: the first N of an order are that trial's draw of N. The same orders serve every problem,
/// since candidates of different problems have nothing to do with each other.
///
/// # Shapes
/// `trials` permutations of `0..candidates`.
pub fn trial_orders(trials: usize, candidates: usize, rng: &mut Stream) -> Vec<Vec<u32>> {
    (0..trials).map(|_| rng.permutation(candidates).into_iter().map(|i| i as u32).collect()).collect()
}

/// Whether the best-scored of an order's first N is right, for each N.
///
/// # Shapes
/// One score per candidate, none NaN; `draws` ascending, each from 1 to the number of candidates; `order` a permutation.
pub fn best_along(pool: &Pool, scores: &[f64], order: &[u32], draws: &[u32]) -> Vec<f64> {
    assert_eq!(pool.len(), scores.len(), "one score per candidate");
    let (mut best, mut right, mut tied) = (f64::NEG_INFINITY, 0_u32, 0_u32);
    along(order, draws, |i| {
        if let Some(answer) = pool.answers[i] {
            let good = u32::from(answer == pool.truth);
            if tied == 0 || scores[i] > best {
                (best, right, tied) = (scores[i], good, 1);
            } else if scores[i] == best {
                (right, tied) = (right + good, tied + 1);
            }
        }
        if tied == 0 { 0.0 } else { f64::from(right) / f64::from(tied) }
    })
}

/// Whether the answer with the largest sum of weights among an order's first N is right, for each N. Weights of one: majority voting.
/// With a reward model's scores: voting weighted by it.
///
/// # Shapes
/// One weight per candidate, none negative; otherwise as [`best_along`].
pub fn vote_along(pool: &Pool, weights: &[f64], order: &[u32], draws: &[u32]) -> Vec<f64> {
    assert_eq!(pool.len(), weights.len(), "one weight per candidate");
    let mut votes = [0.0; 256];
    let most = pool.answers.iter().flatten().max().map_or(0, |a| usize::from(*a) + 1);
    let mut tally = |upto: &[u32]| {
        for &i in upto {
            if let Some(answer) = pool.answers[i as usize] {
                votes[usize::from(answer)] += weights[i as usize];
            }
        }
        let votes = &votes[..most];
        let best = votes.iter().copied().fold(0.0, f64::max);
        let tied = votes.iter().filter(|v| **v >= best).count();
        let right = votes.get(usize::from(pool.truth)).is_some_and(|v| *v >= best);
        if best > 0.0 && right { 1.0 / tied as f64 } else { 0.0 }
    };
    let mut from = 0;
    let upto = |&n: &u32| {
        let part = &order[from..n as usize];
        from = n as usize;
        tally(part)
    };
    draws.iter().map(upto).collect()
}

/// The value of `after` the last of each N.
fn along(order: &[u32], draws: &[u32], mut after: impl FnMut(usize) -> f64) -> Vec<f64> {
    let (mut from, mut value) = (0, 0.0);
    let upto = |&n: &u32| {
        for &i in &order[from..n as usize] {
            value = after(i as usize);
        }
        from = n as usize;
        value
    };
    draws.iter().map(upto).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four that end wrong if there are so many, by score; then the best of all that is left.
    #[test]
    fn four_of_five_end_wrong() {
        let right = [true, false, false, true, false, false, false, false];
        let scores = [0.9, 0.1, 0.5, 0.2, 0.5, 0.8, 0.3, 0.4];
        assert_eq!(convincing(&scores, &right, 5), [5, 2, 4, 7, 0]);
        // of these two end wrong; the rest has the places that are left
        assert_eq!(convincing(&scores[..4], &right[..4], 4), [2, 1, 0, 3]);
        // what is left may end wrong too
        assert_eq!(convincing(&scores[1..], &right[1..], 5), [4, 1, 3, 6, 5]);
        assert!(convincing(&scores, &right, 0).is_empty());
        // what has no chance of being chosen is not, though places stay empty
        let mut taken = scores;
        taken[1..5].fill(f64::NEG_INFINITY);
        assert_eq!(convincing(&taken[..4], &right[..4], 3), [0]);
        assert_eq!(convincing(&taken, &right, 4), [5, 7, 6, 0]);
    }

    fn pool() -> Pool {
        Pool { answers: vec![Some(3), None, Some(1), Some(1), None, Some(3), Some(2)], truth: 3 }
    }

    const SCORES: [f64; 7] = [0.5, 0.99, 0.5, 0.4, 0.0, 0.1, 0.5];

    fn subsets(n: u32) -> Vec<Vec<usize>> {
        let of = |s: u32| (0..7).filter(|i| s >> i & 1 == 1).collect();
        (0_u32..1 << 7).filter(|s| s.count_ones() == n).map(of).collect()
    }

    /// All subsets, by the words of the rule.
    #[test]
    fn exact_expectations_against_all_subsets() {
        let pool = pool();
        for n in 1..=7 {
            let best = |drawn: &Vec<usize>| {
                let able: Vec<usize> = drawn.iter().copied().filter(|i| pool.answers[*i].is_some()).collect();
                let top = able.iter().map(|&i| SCORES[i]).fold(f64::MIN, f64::max);
                let tied: Vec<usize> = able.into_iter().filter(|&i| SCORES[i] == top).collect();
                let right = tied.iter().filter(|&&i| pool.answers[i] == Some(3)).count();
                if tied.is_empty() { 0.0 } else { right as f64 / tied.len() as f64 }
            };
            let any = |drawn: &Vec<usize>| f64::from(u8::from(drawn.iter().any(|&i| pool.answers[i] == Some(3))));
            let all = subsets(n);
            let mean = |of: &dyn Fn(&Vec<usize>) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
            assert!((pool.best_of_n(&SCORES, &[n])[0] - mean(&best)).abs() < 1e-14, "n = {n}");
            assert!((pool.pass_at_n(&[n])[0] - mean(&any)).abs() < 1e-14, "n = {n}");
        }
    }

    /// By hand, along one order.
    #[test]
    fn along_one_order() {
        let (pool, order, draws) = (pool(), [1, 4, 3, 0, 2, 5, 6], [1, 2, 3, 4, 5, 6, 7]);
        // nothing to choose twice; 1; 3 with the higher score; then a tie of 3 and 1; then of three
        let best = best_along(&pool, &SCORES, &order, &draws);
        assert_eq!(best, [0.0, 0.0, 0.0, 1.0, 0.5, 0.5, 1.0 / 3.0]);
        let majority = vote_along(&pool, &[1.0; 7], &order, &draws);
        assert_eq!(majority, [0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.5]);
        // weights: 1 has 0.4, then 3 has 0.5, then 1 has 0.9
        let weighted = vote_along(&pool, &SCORES, &order, &draws);
        assert_eq!(weighted, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(vote_along(&pool, &SCORES, &order, &[4, 7]), [weighted[3], weighted[6]]);
        // a right answer that no candidate has
        let never = Pool { truth: 9, ..pool };
        assert_eq!(vote_along(&never, &[1.0; 7], &order, &[7]), [0.0]);
    }

    /// 400 trials against the exact mean; critical value 4 standard errors.
    #[test]
    fn sampled_against_exact() {
        let mut rng = Stream::named(&["tests", "selection"]);
        let draw = |rng: &mut Stream| (rng.uniform() < 0.9).then(|| rng.below(5) as u8);
        let pool = Pool { answers: (0..300).map(|_| draw(&mut rng)).collect(), truth: 2 };
        let scores: Vec<f64> = (0..300).map(|_| rng.uniform()).collect();
        let orders = trial_orders(PUBLIC_TRIALS, 300, &mut rng);
        let draws = [1, 5, 20, 300];
        for (k, exact) in pool.best_of_n(&scores, &draws).into_iter().enumerate() {
            let sampled: f64 = orders.iter().map(|o| best_along(&pool, &scores, o, &draws)[k]).sum::<f64>() / 400.0;
            assert!(
                (sampled - exact).abs() <= 4.0 * (exact * (1.0 - exact) / 400.0).sqrt() + 1e-12,
                "{sampled} {exact}"
            );
        }
    }
}

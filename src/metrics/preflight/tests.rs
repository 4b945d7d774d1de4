//! In worlds whose truth is known.

use super::*;

fn rng() -> Stream {
    Stream::named(&["preflight"])
}

/// Binary rewards under a flat prior: mean (k + 1)/(n + 2), P(dead pair) from the beta's second moments.
#[test]
fn the_posterior_of_binary_rewards_is_the_betas() {
    let types = vec![vec![Type { share: 1.0, weight: 2.0, base: vec![0.5, 0.5] }]];
    let prior = RewardPrior { values: vec![0.0, 1.0], types, continuous: None, range: (0.0, 1.0) };
    let said = prior.predict(&[1.0, 0.0, 0.0, 0.0], &[1, 2], 0.05, &mut rng()).expect("finite");
    let (a, b) = (2.0, 4.0);
    assert!((said.mean.value - a / (a + b)).abs() < 1e-12);
    assert!((said.dead[0].value - 1.0).abs() < 1e-12);
    let pair = (a * (a + 1.0) + b * (b + 1.0)) / ((a + b) * (a + b + 1.0));
    assert!((said.dead[1].value - pair).abs() < 1e-12);
    // the beta(2, 4)'s central 95% is 0.0527 to 0.7164 (scipy 1.17: beta(2, 4).ppf([.025, .975]))
    assert!((said.mean.low - 0.0527).abs() < 0.02 && (said.mean.high - 0.7164).abs() < 0.03, "{:?}", said.mean);
    assert!(said.vanishes < 0.05);
}

#[test]
fn equal_rewards_say_more_where_prompts_give_one_value_each() {
    let same = |value: f64| vec![value; 16];
    let rare: Vec<f64> = (0..16).map(|i| f64::from(u8::from(i < 2))).collect();
    let most_dead: Vec<Vec<f64>> = (0..20).map(|i| same(f64::from(i % 2))).collect();
    let few_dead: Vec<Vec<f64>> = (0..20).map(|i| if i == 0 { same(0.0) } else { rare.clone() }).collect();
    let of = |all: &[Vec<f64>]| {
        let prior = RewardPrior::fit(all, None).expect("finite");
        (prior.weight(), prior.predict(&same(0.0), &[8], 0.05, &mut rng()).expect("finite"))
    };
    let ((dead, sure), (mixed, unsure)) = (of(&most_dead), of(&few_dead));
    assert!(dead < 0.5 && mixed > 1.0, "{dead} {mixed}");
    assert!(sure.is_vanishing() && unsure.vanishes < 0.5, "{} {}", sure.vanishes, unsure.vanishes);
    assert!(sure.dead[0].value > 0.95 && unsure.dead[0].value < sure.dead[0].value);
    assert!(sure.std.low >= 0.0 && sure.std.high < unsure.std.high);
}

/// `count` worlds of `prompts` prompts, whose chances of a success take turns: how many prompts were said to vanish, of how many that do.
fn called(chances: &[f64], (worlds, prompts, samples): (usize, usize, usize)) -> (usize, usize, usize) {
    let rng = &mut Stream::named(&["preflight", "worlds"]);
    let (mut said, mut wrong, mut dead) = (0, 0, 0);
    for world in 0..worlds {
        let chances: Vec<f64> = (0..prompts).map(|x| chances[(x + world) % chances.len()]).collect();
        let one = |p: &f64| (0..samples).map(|_| f64::from(u8::from(rng.uniform() < *p))).collect();
        let all: Vec<Vec<f64>> = chances.iter().map(one).collect();
        let prior = RewardPrior::fit(&all, Some((0.0, 1.0))).expect("finite");
        for (own, p) in all.iter().zip(&chances).filter(|(_, p)| **p < 0.9) {
            let is_called = prior.predict(own, &[4], 0.05, rng).expect("finite").is_vanishing();
            said += usize::from(is_called);
            wrong += usize::from(is_called && *p > 0.0);
            dead += usize::from(*p == 0.0);
        }
    }
    (said, wrong, dead)
}

/// Prompts that are said to vanish do, with the probability that it is said with, whatever the world; and where it can be known it is said.
#[test]
fn prompts_that_are_said_to_vanish_do() {
    let sum = |worlds: &[(&[f64], (usize, usize, usize))]| {
        worlds
            .iter()
            .map(|(chances, sizes)| called(chances, *sizes))
            .fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
    };
    // one success in twenty is not seen in 44% of the prompts
    let (said, ..) = sum(&[(&[0.05], (20, 1, 16)), (&[0.05], (10, 5, 16)), (&[0.05], (3, 50, 16))]);
    assert_eq!(said, 0);
    // three successes in a hundred look like none in most prompts
    let rare: &[f64] = &[0.0, 0.03, 1.0];
    let (said, wrong, _) = sum(&[(rare, (20, 1, 16)), (rare, (20, 5, 16)), (rare, (4, 50, 16)), (rare, (4, 50, 64))]);
    assert!(wrong as f64 <= 0.1 * said as f64 + 3.0, "{wrong} of {said} are wrong");
    let (said, wrong, dead) = sum(&[(&[0.0, 0.5], (3, 50, 16)), (&[0.0, 0.0, 0.2, 0.5], (2, 60, 64))]);
    assert!(wrong == 0 && said * 10 >= dead * 9, "{wrong} of {said} are wrong, {dead} vanish");
}

#[test]
fn one_prompt_alone_is_not_decided() {
    let prior = RewardPrior::fit(&[[0.0; 16]], Some((0.0, 1.0))).expect("finite");
    let said = prior.predict(&[0.0; 16], &[4], 0.05, &mut rng()).expect("finite");
    assert!(said.vanishes > 0.2 && !said.is_vanishing() && said.std.high > 0.2, "{said:?}");
}

/// A mean's interval is narrower than the mean of the prompts' intervals, and holds the truth.
#[test]
fn a_mean_over_prompts_is_known_better_than_a_prompt() {
    let world = &mut Stream::named(&["preflight", "mean"]);
    let one = |p: f64, world: &mut Stream| (0..16).map(|_| f64::from(u8::from(world.uniform() < p))).collect();
    let chances: Vec<f64> = (0..60).map(|_| world.uniform()).collect();
    let all: Vec<Vec<f64>> = chances.iter().map(|p| one(*p, world)).collect();
    let said = RewardPrior::fit(&all, None).expect("finite").predict_all(&all, &[4], 0.05, &mut rng()).expect("finite");
    let truth = mean(&chances.iter().map(|p| p.powi(4) + (1.0 - p).powi(4)).collect::<Vec<_>>());
    let dead = said.dead(0);
    let alone = mean(&said.prompts.iter().map(|p| p.dead[0].high - p.dead[0].low).collect::<Vec<_>>());
    assert!(dead.low < truth && truth < dead.high && dead.high - dead.low < 0.4 * alone, "{dead:?} {alone} {truth}");
    let again: Vec<Vec<f64>> = chances.iter().map(|p| one(*p, world)).collect();
    let prior = RewardPrior::fit(&all, None).expect("finite");
    let change = prior.predict_all(&again, &[4], 0.05, &mut rng()).expect("finite").change_of_std(&said);
    assert!(change.low < 0.0 && 0.0 < change.high && change.high - change.low < 0.1, "{change:?}");
}

#[test]
fn what_never_varies_vanishes() {
    let prior = RewardPrior::fit(&[[3.0; 4]; 2], None).expect("finite");
    assert!(prior.predict(&[3.0; 4], &[4], 0.0, &mut rng()).expect("finite").is_vanishing());
    // values of other samples are known
    let beside = RewardPrior::fit_beside(&[[3.0; 4]; 2], &[5.0], None).expect("finite");
    assert!(beside.predict(&[3.0, 5.0], &[4], 0.1, &mut rng()).expect("finite").std.value > 0.0);
}

/// Prompts of two spreads, around one mean, under a flat policy: each is known better than from its own samples, and the truth, which is not
/// on the grid, lies in the intervals.
#[test]
fn continuous_rewards_keep_their_own_spread() {
    let world = &mut Stream::named(&["preflight", "continuous"]);
    let spreads: Vec<f64> = (0..30).map(|i| if i % 2 == 0 { 1.0 } else { 0.01 }).collect();
    let all: Vec<Vec<f64>> = spreads.iter().map(|s| (0..40).map(|_| 0.3 + s * world.normal()).collect()).collect();
    let prior = RewardPrior::fit(&all, None).expect("finite");
    let rng = &mut rng();
    let mut held = 0;
    for (own, spread) in all.iter().zip(&spreads) {
        let said = prior.predict(own, &[2], 0.05, rng).expect("finite");
        assert!((said.std.value / spread - 1.0).abs() < 0.25, "{:?} for {spread}", said.std);
        // alone, 40 samples would tell it to a factor of 0.82 to 1.28 (scipy 1.17: sqrt(39 / chi2(39).ppf([.975, .025])))
        assert!((said.std.high - said.std.low) / spread < 0.6, "{:?}", said.std);
        // the common spread is known to 3%, which the intervals leave out
        held += usize::from(said.std.low <= 1.05 * spread && 0.95 * spread <= said.std.high);
        assert_eq!(said.vanishes > 0.5, *spread < 0.05);
        assert!(said.dead[0].value < 0.02, "{:?}", said.dead[0]);
        assert!((said.mean.value - 0.3).abs() < 0.6 * spread, "{:?}", said.mean);
    }
    assert!(held >= 27, "{held} of 30 intervals hold the truth");
    // a new value of a new prompt is no error, and one sample says little
    let one = prior.predict(&[0.123], &[2], 0.05, rng).expect("finite");
    assert!(one.std.low < 0.05 && one.std.high > 0.5, "{:?}", one.std);
}

/// A reward that is 0 for failures and continuous for the rest: prompts that always fail are told from those that spread.
#[test]
fn failures_are_common_and_other_values_are_not() {
    let world = &mut Stream::named(&["preflight", "mixed"]);
    let all: Vec<Vec<f64>> = (0..40)
        .map(|x| (0..16).map(|i| if x % 2 == 0 || i % 2 == 0 { 0.0 } else { world.uniform() }).collect())
        .collect();
    let prior = RewardPrior::fit(&all, Some((0.0, 1.0))).expect("finite");
    assert_eq!((prior.range(), prior.values.as_slice()), ((0.0, 1.0), &[0.0][..]));
    let rng = &mut rng();
    // half zeros, half uniform: var = 1/2 · 1/3 − 1/16
    let truth = (1.0_f64 / 6.0 - 1.0 / 16.0).sqrt();
    let mut held = 0;
    for (x, own) in all.iter().enumerate() {
        let said = prior.predict(own, &[4], 0.05, rng).expect("finite");
        if x % 2 == 0 {
            assert!(said.vanishes > 0.5 && said.dead[0].value > 0.8, "{said:?}");
        } else {
            assert!(said.vanishes < 0.01 && (said.dead[0].value - 0.0625).abs() < 0.08, "{said:?}");
            held += usize::from(said.std.low <= truth && truth <= said.std.high);
        }
    }
    assert!(held >= 17, "{held} of 20 intervals hold the truth");
}

#[test]
fn few_prompts_grades_are_no_continuous_reward() {
    let all = [vec![1.0; 8], vec![0.25; 8]];
    let prior = RewardPrior::fit(&all, Some((0.0, 1.0))).expect("finite");
    assert!(prior.continuous.is_none() && prior.values == [0.0, 0.25, 1.0]);
    assert!(RewardPrior::fit(&[vec![0.5]], None).expect("finite").continuous.is_none());
}

#[test]
fn a_known_range_keeps_a_constant_reward_open() {
    let all = vec![vec![1.0; 4]; 3];
    let blind = RewardPrior::fit(&all, None).expect("finite");
    assert_eq!(blind.predict(&all[0], &[4], 0.05, &mut rng()).expect("finite").std.high, 0.0);
    let told = RewardPrior::fit(&all, Some((0.0, 2.0))).expect("finite");
    assert_eq!(told.range(), (0.0, 2.0));
    assert!(told.predict(&[], &[4], 0.05, &mut rng()).expect("finite").std.high > 0.0);
    assert!(RewardPrior::fit(&all, Some((1.0, 1.0))).is_err());
    assert!(RewardPrior::fit(&[vec![]], None).is_err());
    assert!(RewardPrior::fit(&[vec![f64::NAN]], None).is_err());
    assert!(told.predict(&[0.5], &[4], 0.05, &mut rng()).is_err());
}

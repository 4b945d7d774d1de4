//! Sampling rewards before training: how many of which prompt, so that the spread of each is known well enough.

use crate::error::{Error, Result};
use crate::metrics::{RewardPrior, SpreadPrediction, Spreads};
use crate::rng::Stream;
use crate::stats::Estimate;
use serde::{Deserialize, Serialize};

/// How much is sampled, and what counts as vanished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreflightParams {
    /// Samples per prompt, on the mean over prompts; 2 to 10^5.
    pub samples: usize,
    /// Most samples of one prompt; at least `samples`.
    pub most: usize,
    /// Sizes of groups, each 2 or more.
    pub groups: Vec<usize>,
    /// Share of the reward's range below which a prompt's reward std counts as vanished; in (0, 1).
    pub vanished: f64,
    /// Prompts whose mean reward is above this place in the reward's range have little to gain; in \[0, 1\].
    pub enough: f64,
    /// The reward's least and greatest value, if known.
    pub range: Option<(f64, f64)>,
}

impl Default for PreflightParams {
    fn default() -> Self {
        Self { samples: 16, most: 64, groups: vec![4, 8, 16, 64], vanished: 0.05, enough: 0.75, range: None }
    }
}

impl PreflightParams {
    /// # Errors
    /// A parameter outside its range.
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[("samples", self.samples, 2, 100_000), ("most", self.most, self.samples, 1_000_000)])?;
        Error::check_counts(&[("groups", self.groups.len(), 1, 100)])?;
        for group in &self.groups {
            Error::check_counts(&[("groups", *group, 2, 1_000_000)])?;
        }
        RewardPrior::check_range(self.range)?;
        for (name, value, legal) in [("vanished", self.vanished, "in (0, 1)"), ("enough", self.enough, "in [0, 1]")] {
            let inside = if name == "vanished" { value > 0.0 && value < 1.0 } else { (0.0..=1.0).contains(&value) };
            if !inside {
                return Err(Error::parameter(name, value, legal));
            }
        }
        Ok(())
    }
}

/// What the samples say.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// The rewards of each prompt, in the order in which they were sampled.
    pub rewards: Vec<Vec<f64>>,
    /// What is said of them.
    pub spreads: Spreads,
    /// The weight of what all prompts say in what is said of one, in samples.
    pub prior_weight: f64,
    /// Least and greatest reward.
    pub range: (f64, f64),
    /// The reward std below which a prompt's gradient counts as vanished.
    pub threshold: f64,
    /// The mean reward up to which a prompt has something to gain.
    pub enough: f64,
}

impl Preflight {
    /// Whether a prompt's gradient is said to vanish: its std is below the threshold with a probability of at least
    /// [`SpreadPrediction::SURE`].
    pub fn vanishes(&self, prompt: usize) -> bool {
        self.spreads.prompts[prompt].is_vanishing()
    }

    /// Whether all rewards were equal and no others are known to be possible: then none can be said to be high or low.
    pub fn is_constant(&self) -> bool {
        self.range.0 >= self.range.1
    }

    /// Whether a prompt has something to gain, or may have for all that is known.
    pub fn is_low(&self, prompt: usize) -> bool {
        self.is_constant() || self.spreads.prompts[prompt].mean.value < self.enough
    }

    /// The prompts whose gradient is said to vanish although their reward is low.
    pub fn stuck(&self) -> Vec<usize> {
        (0..self.rewards.len()).filter(|x| self.vanishes(*x) && self.is_low(*x)).collect()
    }

    /// The expected share of dead groups for the `group`-th size.
    pub fn dead(&self, group: usize) -> Estimate {
        self.spreads.dead(group)
    }
}

/// Samples rewards of `prompts` prompts: half of all of each alike, the rest where the std's interval is widest. `draw` samples a
/// completion of each of the prompts that it is given (one may come more than once) and says what they are paid.
///
/// # Errors
/// Illegal settings; no prompt; those of `draw`; a reward that is not finite, or outside of the range.
pub fn preflight(
    prompts: usize,
    params: &PreflightParams,
    rng: &mut Stream,
    mut draw: impl FnMut(&[usize]) -> Result<Vec<f64>>,
) -> Result<Preflight> {
    params.validate()?;
    if prompts == 0 {
        return Err(Error::Usage("preflight needs at least one prompt".into()));
    }
    let mut rewards: Vec<Vec<f64>> = vec![Vec::new(); prompts];
    let first = params.samples.div_ceil(2);
    let mut asked: Vec<usize> = (0..prompts).flat_map(|x| std::iter::repeat_n(x, first)).collect();
    let mut left = prompts * (params.samples - first);
    loop {
        for (x, reward) in asked.iter().zip(paid(&asked, params, &mut draw)?) {
            rewards[*x].push(reward);
        }
        let prior = RewardPrior::fit(&rewards, params.range)?;
        let range = prior.range();
        let threshold = params.vanished * (range.1 - range.0);
        let spreads = prior.predict_all(&rewards, &params.groups, threshold, rng)?;
        asked = next(&spreads.prompts, params, &mut left);
        if asked.is_empty() {
            let enough = range.0 + params.enough * (range.1 - range.0);
            return Ok(Preflight { rewards, spreads, prior_weight: prior.weight(), range, threshold, enough });
        }
    }
}

/// Samples rewards of `prompts` prompts afresh, of all alike, whatever they were paid before; to be compared with others that were sampled
/// so. Prompts that were chosen by their samples cannot be: those that failed by chance fail less often the next time.
///
/// # Errors
/// As of [`preflight`].
pub fn afresh(
    prompts: usize,
    params: &PreflightParams,
    mut draw: impl FnMut(&[usize]) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    params.validate()?;
    let asked: Vec<usize> = (0..prompts).flat_map(|x| std::iter::repeat_n(x, params.samples)).collect();
    Ok(paid(&asked, params, &mut draw)?.chunks(params.samples).map(<[f64]>::to_vec).collect())
}

/// What is paid for a completion of each of the prompts that are asked.
fn paid(
    asked: &[usize],
    params: &PreflightParams,
    draw: &mut impl FnMut(&[usize]) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let drawn = draw(asked)?;
    Error::check_shape("rewards of the samples", asked.len(), drawn.len())?;
    Error::check_finite("reward", &drawn)?;
    if let Some((low, high)) = params.range
        && let Some(out) = drawn.iter().find(|r| !(low..=high).contains(*r))
    {
        return Err(Error::parameter("reward", out, format!("in its range, {low} to {high}")));
    }
    Ok(drawn)
}

/// Whom to ask next: the quarter of the prompts whose std has the widest interval, each as often again as a quarter of the samples per prompt.
fn next(said: &[SpreadPrediction], params: &PreflightParams, left: &mut usize) -> Vec<usize> {
    let each = (params.samples / 4).max(1);
    let width = |x: &usize| said[*x].std.high - said[*x].std.low;
    let mut open: Vec<usize> = (0..said.len()).filter(|x| said[*x].samples + each <= params.most).collect();
    open.sort_by(|a, b| width(b).total_cmp(&width(a)).then(a.cmp(b)));
    open.truncate((said.len().div_ceil(4)).min(*left / each));
    *left -= open.len() * each;
    open.sort_unstable();
    open.into_iter().flat_map(|x| std::iter::repeat_n(x, each)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prompt x pays 1 with probability chances\[x\].
    fn fly(chances: &[f64], params: &PreflightParams) -> Preflight {
        let mut world = Stream::named(&["preflight", "world"]);
        let draw =
            |asked: &[usize]| Ok(asked.iter().map(|x| f64::from(u8::from(world.uniform() < chances[*x]))).collect());
        preflight(chances.len(), params, &mut Stream::named(&["preflight", "posterior"]), draw).expect("legal")
    }

    #[test]
    fn the_budget_is_kept_and_goes_where_it_is_open() {
        let chances: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { 0.0 } else { 0.5 }).collect();
        let params = PreflightParams { range: Some((0.0, 1.0)), ..PreflightParams::default() };
        let said = fly(&chances, &params);
        let counts: Vec<usize> = said.rewards.iter().map(Vec::len).collect();
        assert!(counts.iter().sum::<usize>() <= 40 * 16 && counts.iter().all(|n| (8..=64).contains(n)), "{counts:?}");
        let stuck = said.stuck();
        assert!(stuck.iter().all(|x| x % 2 == 0) && stuck.len() >= 18, "{stuck:?}");
        assert_eq!((said.range, said.threshold), ((0.0, 1.0), 0.05));
        let dead = said.dead(1);
        let truth = 0.5 + 0.5 * 2.0 * 0.5_f64.powi(8);
        assert!((dead.value - truth).abs() < 0.05 && dead.low < truth && truth < dead.high, "{dead:?}");
    }

    /// Without a range a reward that never varies has no place in it: all prompts vanish, and none is said to be mastered.
    #[test]
    fn a_constant_reward_vanishes() {
        for value in [0.0, 1.0] {
            let draw = |asked: &[usize]| Ok(vec![value; asked.len()]);
            let rng = &mut Stream::named(&["preflight"]);
            let said = preflight(3, &PreflightParams::default(), rng, draw).expect("legal");
            assert!(said.is_constant() && said.stuck() == [0, 1, 2], "{said:?}");
        }
        let said = fly(&[0.0], &PreflightParams { range: Some((0.0, 1.0)), ..PreflightParams::default() });
        assert!(!said.is_constant() && said.stuck().is_empty(), "one prompt alone decides nothing: {said:?}");
    }

    #[test]
    fn what_is_sampled_afresh_is_checked_and_in_order() {
        let params = PreflightParams { samples: 3, range: Some((0.0, 9.0)), ..PreflightParams::default() };
        let draw = |asked: &[usize]| Ok(asked.iter().map(|x| *x as f64).collect());
        assert_eq!(afresh(2, &params, draw).expect("legal"), [[0.0; 3], [1.0; 3]]);
        assert!(afresh(2, &params, |asked| Ok(vec![10.0; asked.len()])).is_err());
    }

    /// Prompts that are chosen because they failed fail less often the next time; as often sampled again with nothing changed they
    /// show no change.
    #[test]
    fn what_is_sampled_afresh_shows_no_change_where_there_is_none() {
        let params = PreflightParams { most: 16, range: Some((0.0, 1.0)), ..PreflightParams::default() };
        let said = fly(&[0.08; 60], &params);
        let chosen: Vec<&[f64]> =
            said.rewards.iter().map(Vec::as_slice).filter(|own| own.iter().all(|r| *r == 0.0)).collect();
        let mut world = Stream::named(&["preflight", "again"]);
        let mut sample = || {
            let draw =
                |asked: &[usize]| Ok(asked.iter().map(|_| f64::from(u8::from(world.uniform() < 0.08))).collect());
            afresh(chosen.len(), &params, draw).expect("legal")
        };
        let (control, after) = (sample(), sample());
        let prior = RewardPrior::fit(&said.rewards, params.range).expect("finite");
        let rng = &mut Stream::named(&["preflight", "posterior"]);
        let first = prior.predict_all(&chosen, &params.groups, said.threshold, rng).expect("finite");
        let control = prior.predict_all(&control, &params.groups, said.threshold, rng).expect("finite");
        let after = prior.predict_all(&after, &params.groups, said.threshold, rng).expect("finite");
        let (placebo, naive) = (after.change_of_std(&control), after.change_of_std(&first));
        assert!(chosen.len() > 8 && placebo.low < 0.0 && 0.0 < placebo.high, "{placebo:?}");
        assert!(after.mean().value - first.mean().value > 0.005, "{naive:?}, {} chosen", chosen.len());
    }

    #[test]
    fn prompts_that_are_mastered_are_not_stuck() {
        let said = fly(
            &[1.0, 1.0, 1.0, 0.0, 0.0, 0.5],
            &PreflightParams { range: Some((0.0, 1.0)), ..PreflightParams::default() },
        );
        assert!(said.stuck().iter().all(|x| *x == 3 || *x == 4), "{:?}", said.stuck());
    }

    #[test]
    fn bad_rewards_and_settings_are_refused() {
        let params = PreflightParams { range: Some((0.0, 1.0)), ..PreflightParams::default() };
        let rng = || Stream::named(&["preflight"]);
        let with = |reward: f64| preflight(1, &params, &mut rng(), |asked| Ok(vec![reward; asked.len()]));
        assert!(with(2.0).is_err() && with(f64::NAN).is_err() && with(1.0).is_ok());
        assert!(preflight(0, &params, &mut rng(), |_| Ok(Vec::new())).is_err());
        assert!(preflight(1, &params, &mut rng(), |_| Ok(Vec::new())).is_err());
        for bad in [
            PreflightParams { samples: 1, ..params.clone() },
            PreflightParams { most: 4, ..params.clone() },
            PreflightParams { groups: Vec::new(), ..params.clone() },
            PreflightParams { groups: vec![1], ..params.clone() },
            PreflightParams { range: Some((1.0, 0.0)), ..params.clone() },
            PreflightParams { range: Some((0.0, f64::NAN)), ..params.clone() },
            PreflightParams { vanished: 0.0, ..params.clone() },
            PreflightParams { enough: 1.5, ..params.clone() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}

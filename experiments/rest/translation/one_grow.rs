//! Several filters behind one and the same Grow, so that they differ in what they keep and in nothing else.

use super::{DataSet, OWNER, Rater, Rating, TranslationSetup, translate};
use rewardlab::algorithm::{Keep, Report, Scored, rest};
use rewardlab::env::translation::Judge;
use rewardlab::error::Result;
use rewardlab::experiment::Context;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An Improve step behind the shared Grow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Improvement {
    /// Samples that passed its filter.
    pub(crate) kept: usize,
    /// Mean true reward on each test source.
    pub(crate) test: Vec<f64>,
}

impl Improvement {
    /// Mean over test sources.
    pub(crate) fn value(&self) -> f64 {
        mean(&self.test)
    }
}

impl TranslationSetup {
    /// What a Grow of the supervised model leaves: its samples, then the original data.
    ///
    /// # Errors
    /// As [`TranslationSetup::supervised`].
    pub(crate) fn grown(&self, ctx: &Context, set: DataSet) -> Result<Arc<Vec<Scored>>> {
        let (data, start) = (self.data(ctx, set)?, self.supervised(ctx, set)?);
        let candidates = self.set(set)?.candidates;
        let key = (self.model_key(set), candidates, self.rest.temperature);
        ctx.common_stage(OWNER, "grown", &key, |rng| {
            let sources: Vec<usize> = (0..data.pairs.len()).flat_map(|i| std::iter::repeat_n(i, candidates)).collect();
            let outputs = translate(&mut self.trainee(&start)?, &data.pairs, &sources, self.rest.temperature, rng)?;
            let judges: Vec<Judge> = data.pairs.iter().map(Judge::new).collect();
            let scored = |(source, tokens): (usize, Vec<u32>)| {
                let reward = judges[source].reward(&tokens);
                Scored { source, tokens, reward }
            };
            let original = data.noisy.iter().cloned().enumerate();
            Ok(sources.into_iter().zip(outputs).chain(original).map(scored).collect())
        })
    }

    /// Improve steps from the supervised model on what [`TranslationSetup::grown`] left, up to the first filter that nothing passes.
    ///
    /// # Errors
    /// Training that diverges; a stage folder that cannot be used.
    pub(crate) fn improved(&self, ctx: &Context, set: DataSet, improves: &[Keep]) -> Result<Arc<Vec<Improvement>>> {
        let (data, start) = (self.data(ctx, set)?, self.supervised(ctx, set)?);
        let grown = self.grown(ctx, set)?;
        // no Grow of the loop's own: what was grown is its original data
        let settings = self.loop_of(Some(set), 0, improves.to_vec());
        let key = (self.model_key(set), &settings, self.test_candidates);
        ctx.common_stage(OWNER, "improved", &key, |_| {
            // the same for every list of filters, so that they differ in nothing else
            let mut rng = Stream::named(&[OWNER, "improved", set.name(), &ctx.seed().to_string()]);
            let mut task = Rating::new(&data, Rater::Truth);
            let original = grown.iter().map(|s| (s.source, s.tokens.clone())).collect();
            let mut steps = Vec::new();
            let mut trainee = self.trainee(&start)?;
            rest(&mut trainee, &mut task, original, &settings, &Self::sampling(), &mut rng, |report, trainee| {
                if let Report::Improved(i) = report {
                    steps.push(Improvement {
                        kept: i.kept,
                        test: self.test_rewards(ctx, set, &trainee.params()?, "test")?,
                    });
                }
                Ok(())
            })?;
            Ok(steps)
        })
    }

    /// Mean true reward of a policy's samples on each test source; under "test" with the random numbers of [`TranslationSetup::worth`].
    ///
    /// # Errors
    /// As [`TranslationSetup::samples`].
    pub(crate) fn test_rewards(&self, ctx: &Context, set: DataSet, params: &[f32], draw: &str) -> Result<Vec<f64>> {
        let pools = self.test_pools(ctx, set, params, draw)?;
        Ok(pools.iter().map(|pool| mean(pool)).collect())
    }

    /// True rewards of `test_candidates` samples of a policy on each test source.
    ///
    /// # Errors
    /// As [`TranslationSetup::samples`].
    pub(crate) fn test_pools(&self, ctx: &Context, set: DataSet, params: &[f32], draw: &str) -> Result<Vec<Vec<f64>>> {
        let data = self.data(ctx, set)?;
        let mut rng = Stream::named(&[OWNER, draw, set.name(), &ctx.seed().to_string()]);
        let outputs = self.samples(params, &data, self.test_candidates, &mut rng)?;
        let of_source = |(pair, outputs): (_, &[Vec<u32>])| {
            let judge = Judge::new(pair);
            outputs.iter().map(|y| judge.reward(y)).collect()
        };
        Ok(data.test.iter().zip(outputs.chunks(self.test_candidates)).map(of_source).collect())
    }
}

//! One Grow of a transformer, one Improve step per filter.

use super::super::translation::{DataSet, Improvement, THRESHOLDS, above};
use super::{HARD, Row, Rule, TranslationParams};
use rewardlab::algorithm::{Keep, Scored};
use rewardlab::error::Result;
use rewardlab::experiment::Context;
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

pub(super) fn measure(p: &TranslationParams, set: DataSet, rule: Rule, ctx: &Context) -> Result<Vec<Row>> {
    let setup = &p.setup;
    let (data, start, grown) = (setup.data(ctx, set)?, setup.supervised(ctx, set)?, setup.grown(ctx, set)?);
    let mut rewards = vec![Vec::new(); data.pairs.len()];
    grown.iter().for_each(|s| rewards[s.source].push(s.reward));
    let hard = hardest(&rewards);
    // hard by other samples than those that are reported: else the supervised model would look too bad on them
    let hard_test = hardest(&setup.test_pools(ctx, set, &start, "hard")?);
    let of_hard = |test: &[f64]| mean(&places(&hard_test).map(|i| test[i]).collect::<Vec<_>>());
    let before = setup.test_rewards(ctx, set, &start, "test")?;
    let chain = setup.improved(ctx, set, &above(&THRESHOLDS))?;
    let filters: Vec<(f64, Keep)> = match rule {
        Rule::Percentile | Rule::Shuffled => {
            p.percentiles.iter().map(|&percentile| (percentile, Keep::Percentile { percentile })).collect()
        }
        Rule::MeanMax => p.gammas.iter().map(|&gamma| (gamma, Keep::Between { gamma })).collect(),
        Rule::Global => p.thresholds.iter().map(|&threshold| (threshold, Keep::Above { threshold })).collect(),
        Rule::Random => vec![(HARD, Keep::AsManyAsAbove { threshold: HARD })],
        Rule::Chain => vec![],
    };
    let mut rows = Vec::new();
    let mut push = |level: f64, keep: Keep, test: &[f64]| {
        // the filters of single sources and of thresholds draw nothing; the random one draws anew, as large a set
        let kept = keep.select(&grown, &mut Stream::named(&["filters", "kept"]));
        let share = Share::of(&grown, &kept, &hard);
        rows.push(Row {
            world: "translation".into(),
            task: set.name().into(),
            policy: "transformer".into(),
            fit: "gradient".into(),
            rule: rule.name().into(),
            level,
            before: chain.first().map_or(f64::NAN, Improvement::value),
            value: mean(test),
            hard_before: of_hard(&before),
            hard: of_hard(test),
            hard_passed: share.passed,
            hard_share: Some(share.relative),
            acceptance: kept.len() as f64 / grown.len() as f64,
        });
    };
    if let (Rule::Chain, Some(last)) = (rule, chain.len().checked_sub(2)) {
        push(THRESHOLDS[last], Keep::Above { threshold: THRESHOLDS[last] }, &chain[last + 1].test);
    }
    for (level, keep) in filters {
        // where nothing passes the policy stays
        let steps = setup.improved(ctx, set, &[keep])?;
        push(level, keep, steps.first().map_or(&before, |step| &step.test));
    }
    Ok(rows)
}

/// What hard sources have of the data.
struct Share {
    /// Share of them of which something is kept.
    passed: f64,
    /// Their share of what is kept over their share of sources; 1 where all sources have as much.
    relative: f64,
}

impl Share {
    fn of(grown: &[Scored], kept: &[usize], hard: &[bool]) -> Self {
        let mut of_source = vec![0.0; hard.len()];
        kept.iter().for_each(|&i| of_source[grown[i].source] += 1.0);
        let own: Vec<f64> = places(hard).map(|x| of_source[x]).collect();
        let even = own.len() as f64 / hard.len() as f64;
        let passed = own.iter().filter(|count| **count > 0.0).count() as f64 / own.len() as f64;
        Self { passed, relative: own.iter().sum::<f64>() / kept.len() as f64 / even }
    }
}

fn places(marked: &[bool]) -> impl Iterator<Item = usize> + '_ {
    (0..marked.len()).filter(|i| marked[*i])
}

/// The quarter of sources (rounded up) whose samples have the lowest best reward, among equals the lowest mean.
fn hardest(rewards: &[Vec<f64>]) -> Vec<bool> {
    let best = |of: &[f64]| of.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&rewards[a], &rewards[b]);
        best(a).total_cmp(&best(b)).then(mean(a).total_cmp(&mean(b)))
    });
    let mut hard = vec![false; rewards.len()];
    order.iter().take(rewards.len().div_ceil(4)).for_each(|&x| hard[x] = true);
    hard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_quarter_and_what_it_has() {
        let rewards = [vec![1.0, 0.2], vec![0.9, 0.9], vec![1.0, 0.9], vec![1.0, 0.1], vec![0.5, 0.5]];
        let hard = hardest(&rewards);
        // two of five: the lowest best; 1 and not 3, whose best is higher and whose mean is lower
        assert_eq!(hard, [false, true, false, false, true]);
        assert_eq!(hardest(&[vec![1.0, 0.2], vec![1.0, 0.1]]), [false, true]);
        let scored = |source| Scored { source, tokens: vec![], reward: 0.0 };
        let grown: Vec<Scored> = [0, 1, 1, 2, 3, 4].map(scored).into();
        let share = Share::of(&grown, &[0, 1, 2, 3, 4], &hard);
        assert!((share.passed - 0.5).abs() < 1e-15 && (share.relative - 1.0).abs() < 1e-15);
    }
}

//! Predictions against truth.

use super::{Reward, Row, usual};
use crate::statistics::{by_seed, farthest, greatest, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

const SOURCE: &str = "ours; arXiv:2310.20703, Theorem 1";

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let n = usual(rows);
    let first = rows.iter().map(|r| r.group).min().unwrap_or(0);
    let of = |reward: Reward, samples: usize| {
        rows.iter().filter(move |r| r.prompt.is_none() && r.reward == reward.name() && r.samples == samples)
    };
    // of rows that differ by group size alone, what does not depend on it
    let over = |reward: Reward, samples: usize, value: fn(&Row) -> f64| -> Estimate {
        mean_interval(&by_seed(of(reward, samples).filter(|r| r.group == first), |g| value(g[0])))
    };
    let kinds = |value: &dyn Fn(Reward) -> Estimate| Reward::ALL.map(value);
    let fewest = rows.iter().map(|r| r.samples).min().unwrap_or(0);
    let most = rows.iter().map(|r| r.samples).max().unwrap_or(0);
    let claim = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Claim, id, statement, SOURCE, statistic, estimate, criterion)
    };
    let off = |reward: Reward| {
        mean_interval(&by_seed(of(reward, n), |g| {
            let differences: Vec<f64> = g.iter().map(|r| r.predicted_dead - r.dead).collect();
            farthest(differences, 0.0).abs()
        }))
    };
    let ratio = |reward: Reward| {
        let own = of(reward, n).filter(|r| r.group == first && r.gradient_ratio.is_some());
        mean_interval(&by_seed(own, |g| g[0].gradient_ratio.unwrap_or(f64::NAN)))
    };
    vec![
        claim(
            "dead_groups",
            "16 samples per prompt predict the share of dead groups, of any size",
            "|predicted − true share|, mean over prompts, worst of the group sizes: the largest over kinds of reward",
            greatest(kinds(&off)),
            Criterion::AtMost(0.05),
        ),
        claim(
            "covers_std",
            "the 95% interval of a prompt's reward std holds it",
            "share of prompts, 16 samples: the smallest over kinds of reward",
            least(kinds(&|k| over(k, n, |r| r.covers_std))),
            Criterion::AtLeast(0.9),
        ),
        claim(
            "covers_dead",
            "and so does that of its probability of a dead group",
            "share of prompts, 16 samples, mean over group sizes: the smallest over kinds of reward with ties",
            least([Reward::Verifier, Reward::Graded].map(|k| {
                mean_interval(&by_seed(of(k, n), |g| mean(&g.iter().map(|r| r.covers_dead).collect::<Vec<_>>())))
            })),
            Criterion::AtLeast(0.9),
        ),
        claim(
            "orders_gradients",
            "the predicted std orders prompts as their gradients do",
            "Spearman correlation over prompts of predicted std and exact ‖∇V‖, 16 samples: the smallest over kinds of reward",
            least(kinds(&|k| over(k, n, |r| r.rank.unwrap_or(f64::NAN)))),
            Criterion::AtLeast(0.7),
        ),
        claim(
            "vanishing",
            "prompts that are said to vanish have a small gradient",
            "mean ‖∇V‖ of those over that of the others, 16 samples: the largest over kinds of reward",
            greatest(kinds(&ratio)),
            Criterion::AtMost(0.25),
        ),
        claim(
            "called_rightly",
            "prompts that rewardlab preflight calls vanishing do vanish",
            "share with a std below the threshold of the prompts with P(vanishes) ≥ 0.9, 16 samples, all kinds of reward together",
            rightly(rows, n),
            Criterion::AtLeast(0.9),
        ),
        claim(
            "sharper",
            "more samples say it more sharply",
            "width of the std's interval with the most samples over that with the fewest: the largest over kinds of reward",
            greatest(kinds(&|k| {
                let width = |samples: usize| by_seed(of(k, samples).filter(|r| r.group == first), |g| g[0].width);
                let ratios: Vec<f64> = width(most).iter().zip(width(fewest)).map(|(a, b)| a / b).collect();
                mean_interval(&ratios)
            })),
            Criterion::AtMost(0.6),
        ),
        Check::new(
            Kind::Control,
            "dealt_anew",
            "rewards dealt anew among prompts order nothing",
            "control",
            "Spearman correlation after dealing, 16 samples, mean over kinds of reward",
            mean_interval(&by_seed(
                rows.iter().filter(|r| r.prompt.is_none() && r.samples == n && r.group == first),
                |g| mean(&g.iter().map(|r| r.rank_dealt.unwrap_or(f64::NAN)).collect::<Vec<_>>()),
            )),
            Criterion::near(0.0, 0.1),
        ),
    ]
}

/// How many of the calls are right, seed by seed; a seed without a call is neither right nor wrong.
fn rightly(rows: &[Record<Row>], samples: usize) -> Estimate {
    let first = rows.iter().map(|r| r.group).min().unwrap_or(0);
    let worlds = rows.iter().filter(|r| r.prompt.is_none() && r.samples == samples && r.group == first);
    let shares = by_seed(worlds, |g| {
        let over = |value: fn(&Row) -> f64| g.iter().map(|r| value(r)).sum::<f64>();
        over(|r| r.called_rightly) / over(|r| r.called)
    });
    mean_interval(&shares.into_iter().filter(|share| share.is_finite()).collect::<Vec<_>>())
}

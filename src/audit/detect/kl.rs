//! Estimates of a KL that are negative, or that a few tokens make.

use super::super::catalogue::{Estimator, Role};
use super::super::series::Series;
use super::{Context, Finding, Level, said, short, shown};
use crate::stats::{mean_interval, median};

/// What rounding in 32 bits leaves of a difference of terms near 1.
const ROUNDING: f64 = -1e-6;

pub(super) fn all(context: &Context) -> Vec<Finding> {
    let is_kl = |role: &Role| matches!(role, Role::Kl(_) | Role::Moved);
    let of_kl = context
        .series
        .iter()
        .filter(|s| s.role.as_ref().is_some_and(is_kl) || (s.role.is_none() && s.possible.iter().any(is_kl)));
    of_kl.flat_map(|s| [negative(s), spikes(s)]).flatten().collect()
}

fn negative(series: &Series) -> Option<Finding> {
    let below = series.steps(|v| v < ROUNDING);
    if below.is_empty() {
        return None;
    }
    let values = series.values();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let all = mean_interval(&values);
    let surely = all.high < 0.0 || series.late().high < 0.0;
    let steps = said(&below, values.len());
    let numbers = format!("{} is negative, down to {}; its mean is {}", series.key, short(least), shown(&all));
    let assumed = if series.assumed { " (by the default options; give those of the run)" } else { "" };
    let (level, seen, why, advice) = match series.role {
        Some(Role::Kl(estimator)) if estimator != Estimator::K1 => (
            Level::Warning,
            format!("{numbers}. {} of a token cannot be negative{assumed}", estimator.name()),
            "an average of numbers that cannot be negative is negative: another estimator than this one is logged, or the formula or its sign is wrong",
            "check which estimator the run used; if it is this one, the number is not to be trusted, nor is a penalty or loss made of it",
        ),
        Some(_) if surely => (
            Level::Warning,
            format!(
                "{numbers}, below 0 by more than chance. k1 of samples of the policy itself has the KL as its mean{assumed}"
            ),
            "then the samples are not of the policy whose log-probabilities are compared: another temperature, top-p, another engine, padding or end tokens \
             in the mask, or a policy that has moved since; subtracted from a reward, it pays for that mismatch",
            "sample at temperature 1 without top-p or top-k, compare both engines' log-probabilities, check the mask",
        ),
        Some(_) => (
            Level::Note,
            format!("{numbers}. k1 is negative now and then by chance; here that is within its noise{assumed}"),
            "a single sample's log-ratio has either sign; only its mean is the KL",
            "nothing; k3 has less noise near the reference",
        ),
        None => (
            if surely { Level::Warning } else { Level::Note },
            format!("{numbers}. If it is k1, that happens by chance; if it is k3 or k2, it cannot happen"),
            "what it is depends on options that were not given",
            "give the options of the run (--config or --set)",
        ),
    };
    Some(Finding {
        id: "negative_kl",
        level,
        steps,
        seen,
        why,
        source: "Schulman, Approximating KL Divergence, 2020; arXiv:2310.10505",
        advice,
    })
}

/// One step far above the others: k3 grows like 1/ratio, so a token that the policy has nearly given up makes it.
fn spikes(series: &Series) -> Option<Finding> {
    let Some(Role::Kl(Estimator::K3 | Estimator::K2)) = series.role else { return None };
    let values = series.values();
    let middle = median(&values);
    let high = series.steps(|v| v > 50.0 * middle.max(1e-3) && v > 1.0);
    if high.is_empty() || values.len() < 8 {
        return None;
    }
    let most = values.iter().copied().fold(0.0, f64::max);
    Some(Finding {
        id: "kl_spikes",
        level: Level::Warning,
        steps: said(&high, values.len()),
        seen: format!("{} reaches {}, its median is {}", series.key, short(most), short(middle)),
        why: "k3 of a token is about π_ref/π_θ where the policy has given the token up: a few tokens make the mean, and its gradient where it is a loss",
        source: "Schulman, Approximating KL Divergence, 2020",
        advice: "look at k1 or the exact KL at these steps before believing that the policy jumped; clip the log-ratio",
    })
}

//! A reward that is optimised beyond what it stands for.

use super::super::catalogue::{Per, Role};
use super::super::series::{Series, thinned};
use super::likelihood::LEVEL;
use super::{Context, Finding, Level, short, shown, tested, turning};
use crate::stats::{Trend, mann_kendall, mean, mean_interval};

const WHY: &str = "a proxy's reward rises on after the true one has turned: true ≈ d·(α − β·log d) for reinforcement learning and d·(α − β·d) for best of n, \
with d = √KL to the start";
const SOURCE: &str = "arXiv:2210.10760";

pub(super) fn all(context: &Context) -> Vec<Finding> {
    let Some(proxy) = context.find(Role::Reward) else { return Vec::new() };
    let judges: Vec<&Series> = context
        .series
        .iter()
        .filter(|s| s.key != proxy.key && !s.points.is_empty() && (s.gold || s.role == Some(Role::HeldOut)))
        .collect();
    let mut findings: Vec<Finding> = judges.iter().filter_map(|judge| turned(proxy, judge)).collect();
    findings.extend(judges.iter().filter_map(|judge| fitted(context, judge)));
    if findings.is_empty() && !judges.iter().any(|j| j.gold) {
        findings.extend(undecided(context, proxy, &judges));
    }
    findings
}

/// The KL to the reference of a sequence, at each step where it is known: its mean per token times the mean length.
fn distances(context: &Context) -> Vec<(f64, f64)> {
    let Some(kl) = context.series.iter().find(|s| matches!(s.role, Some(Role::Kl(_))) && !s.points.is_empty()) else {
        return Vec::new();
    };
    let length = context.find(Role::Length);
    let times = |step: f64| match kl.per {
        Some(Per::Sequence) => Some(1.0),
        Some(Per::Token) => length?.points.iter().find(|p| p.0.to_bits() == step.to_bits()).map(|p| p.1),
        _ => None,
    };
    kl.points.iter().filter_map(|p| Some((p.0, p.1 * times(p.0)?))).collect()
}

/// Where the judge turns over in d = √KL, if its curve is one.
fn fitted(context: &Context, judge: &Series) -> Option<Finding> {
    let far = distances(context);
    let at = |step: f64| far.iter().rfind(|p| p.0 <= step).map(|p| p.1.max(0.0).sqrt());
    let points: Vec<(f64, f64)> = judge.points.iter().filter_map(|p| Some((at(p.0)?, p.1))).collect();
    let found = turning::fit(&points)?;
    let peak = found.peak?;
    let reached = points.iter().map(|p| p.0).fold(0.0, f64::max);
    let level = if peak < reached { Level::Warning } else { Level::Note };
    let passed = if peak < reached { "passed" } else { "not reached yet" };
    Some(Finding {
        id: "turning_point",
        level,
        steps: String::new(),
        seen: format!(
            "{} over d = √KL fits c + d·(α − β·log d) with α {} and β {}: highest at d = {}, {passed} (the run went to {}). Estimates of the KL are taken as exact",
            judge.key,
            short(found.alpha),
            shown(&found.beta),
            short(peak),
            short(reached),
        ),
        why: WHY,
        source: SOURCE,
        advice: "beyond that d more optimisation of this proxy lowers what the judge measures: stop there, or change the proxy",
    })
}

/// The proxy rises while the judge falls, over all of the log or from the judge's best third on.
fn turned(proxy: &Series, judge: &Series) -> Option<Finding> {
    let whole = judge.trend();
    let best = peak(judge);
    let since = best.first()?.0;
    let after: Vec<f64> = judge.points.iter().filter(|p| p.0 >= since).map(|p| p.1).collect();
    let later = mann_kendall(&thinned(&after));
    // the later part was chosen by its beginning, so it has to be surer
    let (from, trend, high) = if whole.falls(LEVEL) {
        (judge.points.first()?.0, whole, format!("{} in its first third", shown(&judge.early())))
    } else if later.falls(LEVEL / 10.0) {
        (since, later, highest(best, &after))
    } else {
        return None;
    };
    let rest: Vec<f64> = proxy.points.iter().filter(|p| p.0 >= from).map(|p| p.1).collect();
    let rise: Trend = mann_kendall(&thinned(&rest));
    if !rise.rises(LEVEL) {
        return None;
    }
    let is_gold = if judge.gold { "the gold reward" } else { "the reward of prompts that are not trained on" };
    Some(Finding {
        id: "over_optimisation",
        level: Level::Warning,
        steps: format!("step {from} and after"),
        seen: format!(
            "{} rises ({}) while {}, {is_gold}, falls ({}; {high}, {} in its last)",
            proxy.key,
            tested(&rise),
            judge.key,
            tested(&trend),
            shown(&judge.late()),
        ),
        why: WHY,
        source: SOURCE,
        advice: "take the checkpoint where the judge was best, strengthen the KL penalty, or train the reward on what the policy writes now",
    })
}

/// What a judge fell from: its best third; if that is the last one, within which it fell, the beginning of that.
fn highest(best: &[(f64, f64)], after: &[f64]) -> String {
    if best.len() < after.len() {
        let values: Vec<f64> = best.iter().map(|p| p.1).collect();
        format!(
            "{} in its best third, steps {} to {}",
            shown(&mean_interval(&values)),
            best[0].0,
            best[best.len() - 1].0
        )
    } else {
        format!("{} in the first third of these steps", shown(&mean_interval(&after[..after.len().div_ceil(3)])))
    }
}

/// The third with the highest mean.
fn peak(series: &Series) -> &[(f64, f64)] {
    let third = series.points.len().div_ceil(3);
    let mean = |part: &[(f64, f64)]| part.iter().map(|p| p.1).sum::<f64>() / part.len() as f64;
    let parts = series.points.chunks(third.max(1));
    parts.max_by(|a, b| mean(a).total_cmp(&mean(b))).unwrap_or_default()
}

/// How far the policy went, and that nothing else is known.
fn undecided(context: &Context, proxy: &Series, judges: &[&Series]) -> Option<Finding> {
    let kl = context.series.iter().find(|s| matches!(s.role, Some(Role::Kl(_))) && !s.points.is_empty())?;
    let late = kl.late();
    let far = distances(context);
    let last = &far[far.len() - (far.len() / 3).max(3).min(far.len())..];
    let sequence = (!last.is_empty()).then(|| mean(&last.iter().map(|p| p.1).collect::<Vec<_>>()));
    let far = match sequence {
        Some(kl) if kl > 0.0 => {
            format!("the policy is d = √KL = {} from the reference, by {} nats a sequence", short(kl.sqrt()), short(kl))
        }
        _ => format!("{} is {} in the last third", kl.key, shown(&late)),
    };
    let held = match judges {
        [] => "Whether the true reward rose or fell on the way cannot be decided from a proxy and a KL".to_owned(),
        some => format!(
            "{} does not turn; it is the same reward on other prompts unless you know it to be another, and decides nothing of what that reward misses",
            some[0].key
        ),
    };
    let trend = proxy.trend();
    Some(Finding {
        id: "over_optimisation_undecided",
        level: Level::Note,
        steps: String::new(),
        seen: format!(
            "{} went from {} to {} ({}); {far}. {held}",
            proxy.key,
            shown(&proxy.early()),
            shown(&proxy.late()),
            tested(&trend),
        ),
        why: WHY,
        source: SOURCE,
        advice: "judge samples of several checkpoints by something that is not trained on (people, a verifier, a larger reward model), log it and name it with --gold",
    })
}

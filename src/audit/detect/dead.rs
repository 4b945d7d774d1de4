//! Groups without a gradient.

use super::super::Format;
use super::super::catalogue::Role;
use super::super::series::Series;
use super::{Context, Finding, Level, said, shown, shown_share};
use crate::error::{Error, Result};
use crate::metrics::expected_dead_groups;
use crate::stats::{Estimate, Method};
use std::fmt::Write;

/// From this share on dead groups are warned of: a quarter of what is sampled teaches nothing.
pub(super) const MANY: f64 = 0.25;

const WHY: &str = "a group whose rewards are all equal has no gradient with group-relative advantages; a prompt whose reward std is near 0 has none with any";
const SOURCE: &str = "arXiv:2310.20703, Theorem 1";
const ADVICE: &str = "see which prompts they are (`rewardlab preflight`), finetune on them first, sample larger groups or draw others; more steps do not help";

pub(super) fn all(context: &Context) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let warn = |id, steps: String, seen: String| Finding {
        id,
        level: Level::Warning,
        steps,
        seen,
        why: WHY,
        source: SOURCE,
        advice: ADVICE,
    };
    let logged = context.find(Role::DeadShare);
    if let Some(dead) = logged {
        let late = dead.late();
        let all_dead = dead.steps(|v| v >= 1.0);
        if sure(&late) >= MANY {
            let seen = format!(
                "{} of the groups were dead in the last third of the log ({}); {} in the first",
                shown_share(&late),
                dead.key,
                shown_share(&dead.early())
            );
            findings.push(warn("dead_groups", said(&dead.steps(|v| v >= MANY), dead.points.len()), seen));
        }
        if !all_dead.is_empty() {
            let seen = format!("{} = 1: no group of the batch had a gradient", dead.key);
            findings.push(warn("dead_batches", said(&all_dead, dead.points.len()), seen));
        }
    }
    for role in [Role::BatchStd, Role::WithinStd] {
        let Some(std) = context.find(role) else { continue };
        let none = std.steps(|v| v <= 0.0);
        if !none.is_empty() && logged.is_none() {
            let seen = format!("{} = 0: all rewards were equal, so every group was dead", std.key);
            findings.push(warn("dead_batches", said(&none, std.points.len()), seen));
        }
    }
    if let Some(steps) = still(context) {
        let seen = "critic/advantages/max and min are both 0: no response of the batch had an advantage".into();
        findings.push(warn("dead_batches", steps, seen));
    }
    if let (Some(reward), true) = (context.find(Role::Reward), context.request.binary) {
        findings.extend(predicted(context, reward, logged)?);
    }
    if logged.is_none() {
        findings.extend(unseen(context));
    }
    Ok(findings)
}

/// The lower end of an interval, or the number where there is none.
fn sure(e: &Estimate) -> f64 {
    if e.low.is_finite() { e.low } else { e.value }
}

/// Steps at which verl's greatest and least advantage are 0.
fn still(context: &Context) -> Option<String> {
    let of = |key: &str| context.series.iter().find(|s| s.key == key && s.role == Some(Role::Advantage));
    let (most, least) = (of("critic/advantages/max")?, of("critic/advantages/min")?);
    let zero = least.steps(|v| v.to_bits() << 1 == 0);
    let both: Vec<f64> = most.steps(|v| v.to_bits() << 1 == 0).into_iter().filter(|s| zero.contains(s)).collect();
    (!both.is_empty()).then(|| said(&both, most.points.len()))
}

/// What a mean of binary rewards leaves of the share of dead groups at least: `p^G + (1 − p)^G` is convex in p, so its mean over prompts and
/// steps is at least its value at the mean (Jensen). Of the mean over all steps, not a mean over steps of values at their noisy means, which
/// the same inequality makes too large. With what follows from the mean's interval.
fn jensen(reward: &Estimate, group: usize) -> Estimate {
    let at = |p: f64| expected_dead_groups(&[p, 1.0 - p], group);
    if !reward.low.is_finite() {
        return Estimate { value: at(reward.value), low: f64::NAN, high: f64::NAN, ..*reward };
    }
    let (low, high) = (reward.low.clamp(0.0, 1.0), reward.high.clamp(0.0, 1.0));
    // least at 1/2, greatest at an end
    let least = at(0.5_f64.clamp(low, high));
    Estimate { value: at(reward.value), low: least, high: at(low).max(at(high)), n: reward.n, method: Method::StudentT }
}

/// Dead groups as binary rewards predict them; if fewer are logged than there can be, the rewards are not binary or the groups another size.
fn predicted(context: &Context, reward: &Series, logged: Option<&Series>) -> Result<Option<Finding>> {
    if let Some((step, value)) = reward.points.iter().find(|p| !(0.0..=1.0).contains(&p.1)) {
        let message = format!("{} = {value}: --binary is for rewards that are 0 or 1", reward.key);
        return Err(Error::content(context.path, format!("step {step}"), message));
    }
    let Some((group, given)) = context.group().filter(|(g, _)| *g > 1) else { return Ok(None) };
    let bound = jensen(&reward.late(), group);
    let assumed = if given { "" } else { " (the default: give its option)" };
    let mut seen = format!(
        "with 0/1 rewards of mean {} and groups of {group}{assumed}, at least {} of the groups are dead in the last third of the log: Jensen's bound, reached if all \
         prompts are equally hard; up to all, if each is always or never solved",
        shown_share(&reward.late()),
        shown_share(&bound),
    );
    if let Some(dead) = logged {
        let late = dead.late();
        let _ = write!(seen, ". {} is {}", dead.key, shown_share(&late));
        // both ends: neither the mean reward's nor the share's sampling error explains it
        if late.high < bound.low {
            return Ok(Some(contradicted(seen)));
        }
        seen.push_str(if late.value < bound.value {
            ", below that by no more than chance"
        } else {
            ". What is above the bound comes of prompts that differ"
        });
    }
    let level = if bound.value >= MANY && logged.is_none() { Level::Warning } else { Level::Note };
    Ok(Some(Finding {
        id: "dead_groups_predicted",
        level,
        steps: String::new(),
        seen,
        why: WHY,
        source: SOURCE,
        advice: ADVICE,
    }))
}

fn contradicted(predicted: String) -> Finding {
    Finding {
        id: "not_binary",
        level: Level::Warning,
        steps: String::new(),
        seen: format!(
            "{predicted}: less than can be, by more than chance. The rewards are not 0 or 1, or the groups are of another size"
        ),
        why: "whatever the prompts are, p^G + (1 − p)^G of their groups have equal 0/1 rewards, and its mean over prompts is at least its value at their mean; \
              a reward with a second term (format, length) has that mean without those ties",
        source: SOURCE,
        advice: "check the option with the size of the group, and print rewards: leave --binary out if any is neither 0 nor 1",
    }
}

/// Where groups are used and nothing that is logged shows the dead ones.
fn unseen(context: &Context) -> Option<Finding> {
    let reward = context.find(Role::Reward)?;
    let grouped = match context.request.format {
        Format::Trl => true,
        _ => context.group().is_none_or(|(g, _)| g > 1),
    };
    if !grouped {
        return None;
    }
    let mut seen = "dead groups cannot be seen in this log. ".to_owned();
    if let Some(hidden) = context.find(Role::DeadShareHidden) {
        let _ = write!(seen, "{} is not their share under these options. ", hidden.key);
    }
    if let Some(std) = context.find(Role::BatchStd) {
        let _ = write!(
            seen,
            "{} mixes prompts: {} in the last third says nothing of the spread within one. ",
            std.key,
            shown(&std.late())
        );
    }
    if let Some(within) = context.find(Role::WithinStd) {
        let _ = write!(
            seen,
            "{} is a mean over groups, {} in the last third: how many have none does not follow. ",
            within.key,
            shown(&within.late())
        );
    }
    let _ = write!(seen, "{} does not show them either", reward.key);
    if !context.request.binary {
        seen.push_str("; --binary gives a lower bound for 0/1 rewards");
    }
    Some(Finding {
        id: "dead_groups_hidden",
        level: Level::Note,
        steps: String::new(),
        seen,
        why: WHY,
        source: SOURCE,
        advice: "log the std within each prompt, or the share of groups whose rewards are all equal before any penalty",
    })
}

//! Preference losses that make the chosen less likely, or less likely than the rejected.

use super::super::catalogue::Role;
use super::super::series::Series;
use super::{Context, Finding, Level, said, short, shown, tested};
use crate::stats::Estimate;
use std::fmt::Write;

/// A trend is called one below this.
pub(super) const LEVEL: f64 = 0.05;

pub(super) fn all(context: &Context) -> Vec<Finding> {
    [displaced(context), inverted(context)].into_iter().flatten().collect()
}

/// Less than this many nats, a thousandth of a probability, is what low precision can leave of two equal models.
const NEGLIGIBLE: f64 = 1e-3;

/// Whether a mean of β · log-ratios is below 0 by more than chance; one number alone has no interval and is not.
fn below(late: &Estimate, context: &Context) -> bool {
    let beta = context.number(context.request.format.beta()).map_or(1.0, |(b, _)| b.abs());
    late.high < -NEGLIGIBLE * beta
}

fn displaced(context: &Context) -> Option<Finding> {
    let margin = context.find(Role::Margin);
    let chosen = context.find(Role::ChosenReward);
    let rejected = context.find(Role::RejectedReward);
    // implicit rewards compare with the reference on the same pairs: lengths and difficulty of a batch cancel
    if let Some(chosen) = chosen {
        let late = chosen.late();
        if !below(&late, context) {
            return None;
        }
        let beta = context.number(context.request.format.beta()).filter(|(b, _)| *b > 0.0);
        let mut seen = format!(
            "{} is {} in the last third of the log: the chosen are less likely than under the reference",
            chosen.key,
            shown(&late)
        );
        if let Some((beta, given)) = beta {
            let of = |e: &Estimate| Estimate { value: e.value / beta, low: e.low / beta, high: e.high / beta, ..*e };
            let nats = of(&late);
            let assumed = if given { "" } else { ", the default" };
            let _ = write!(
                seen,
                ", by {} nats a completion (β = {beta}{assumed}): to {} of their probability, geometrically",
                shown(&nats),
                short(nats.value.exp())
            );
            if let Some(rejected) = rejected {
                seen.push_str(&unaccounted(context, nats.value, of(&rejected.late()).value));
            }
        } else {
            seen.push_str("; their β-th part is nats (give the option beta)");
        }
        if let Some(margin) = margin {
            let _ = write!(seen, ". Meanwhile {} is {}", margin.key, shown(&margin.late()));
        }
        return Some(finding(said(&chosen.steps(|v| v < 0.0), chosen.points.len()), seen));
    }
    let logged = context.find(Role::ChosenLogProb)?;
    let trend = logged.trend();
    let (early, late) = (logged.early(), logged.late());
    let rising = margin.filter(|m| m.trend().rises(LEVEL));
    // without a reference lengths do not cancel: a trend alone says enough only where the margin shows that it is the training's
    if !(trend.falls(LEVEL) && (rising.is_some() || late.high < early.low)) {
        return None;
    }
    let meanwhile = match rising {
        Some(margin) => format!(" while {} rises", margin.key),
        None => "; longer completions later in the data would do that too, look at their lengths".into(),
    };
    let seen = format!(
        "{} falls from {} to {} nats a completion ({}){meanwhile}",
        logged.key,
        shown(&early),
        shown(&late),
        tested(&trend),
    );
    Some(finding(String::new(), seen))
}

/// Where the mass went, as far as the pairs say: means of logarithms, so probabilities are geometric means.
fn unaccounted(context: &Context, chosen: f64, rejected: f64) -> String {
    if rejected <= 0.0 {
        let kept = short(rejected.exp());
        return format!(
            ". The rejected fell too, to {kept} of theirs: all of what both lost (100%) went to other outputs, and the log does not say to which"
        );
    }
    let now = |role: Role| context.find(role).map(|s| s.late().value);
    let (Some(of_chosen), Some(of_rejected)) = (now(Role::ChosenLogProb), now(Role::RejectedLogProb)) else {
        return format!(
            ". The rejected rose by {} nats: how much of what the chosen lost is there cannot be said without their log-probabilities",
            short(rejected)
        );
    };
    let lost = of_chosen.exp() * (-chosen).exp_m1();
    let gained = -of_rejected.exp() * (-rejected).exp_m1();
    let share = (1.0 - gained / lost).clamp(0.0, 1.0);
    format!(
        ". The rejected rose by {} nats, which is {} of the {} that the chosen lost: {:.0}% went to other outputs",
        short(rejected),
        short(gained),
        short(lost),
        100.0 * share
    )
}

/// A margin below 0: the rejected are preferred.
fn inverted(context: &Context) -> Option<Finding> {
    let both = |a: Role, b: Role| Some(difference(context.find(a)?, context.find(b)?));
    let built = both(Role::ChosenReward, Role::RejectedReward);
    let (steps, seen) = if let Some(margin) = context.find(Role::Margin).or(built.as_ref()) {
        let late = margin.late();
        if !below(&late, context) {
            return None;
        }
        let rises = if margin.trend().rises(LEVEL) { ", though it rises" } else { "" };
        let seen = format!(
            "{} is {} in the last third of the log{rises}: the rejected are preferred to the chosen",
            margin.key,
            shown(&late)
        );
        (said(&margin.steps(|v| v < 0.0), margin.points.len()), seen)
    } else {
        let gap = both(Role::ChosenLogProb, Role::RejectedLogProb)?;
        let (early, late, trend) = (gap.early(), gap.late(), gap.trend());
        if !(trend.falls(LEVEL) && late.high < early.low) {
            return None;
        }
        let seen = format!(
            "{} falls from {} to {} nats a pair ({}): the rejected gain on the chosen",
            gap.key,
            shown(&early),
            shown(&late),
            tested(&trend)
        );
        (String::new(), seen)
    };
    Some(Finding {
        id: "negative_margin",
        level: Level::Warning,
        steps,
        seen,
        why: "every step on a pair's loss raises its margin, which begins at 0 where the policy is the reference: below 0 the loss is worse than before training, \
              or what it trains on is not what is logged as chosen and rejected",
        source: "arXiv:2305.18290, Section 4",
        advice: "check the labels: chosen and rejected swapped, or read the wrong way round in one of the data sets; then the sign of beta and the learning rate",
    })
}

/// One key less another, where both have a number.
fn difference(a: &Series, b: &Series) -> Series {
    let other = |step: f64| b.points.iter().find(|p| p.0.to_bits() == step.to_bits());
    Series {
        key: format!("{} − {}", a.key, b.key),
        role: None,
        assumed: false,
        possible: Vec::new(),
        per: a.per,
        gold: false,
        points: a.points.iter().filter_map(|p| Some((p.0, p.1 - other(p.0)?.1))).collect(),
    }
}

fn finding(steps: String, seen: String) -> Finding {
    Finding {
        id: "displaced_likelihood",
        level: Level::Warning,
        steps,
        seen,
        why: "the loss asks for a margin only: where chosen and rejected are alike, what tells them apart lowers both, and the mass can go to outputs that \
              nobody preferred, even harmful ones; a rising margin and accuracy do not show it",
        source: "arXiv:2410.08847",
        advice: "sample from the policy and read; leave out pairs that are nearly alike (by hidden embeddings), add a likelihood term on the chosen, or stop where \
                 the chosen begin to fall",
    }
}

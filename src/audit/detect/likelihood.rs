//! Preference losses that make the chosen less likely.

use super::super::catalogue::Role;
use super::{Context, Finding, Level, said, short, shown};
use crate::stats::Estimate;
use std::fmt::Write;

/// A trend is called one below this.
pub(super) const LEVEL: f64 = 0.05;

pub(super) fn all(context: &Context) -> Vec<Finding> {
    displaced(context).into_iter().collect()
}

fn displaced(context: &Context) -> Option<Finding> {
    let margin = context.find(Role::Margin);
    let rises = margin.is_some_and(|m| m.trend().rises(LEVEL));
    let chosen = context.find(Role::ChosenReward);
    let rejected = context.find(Role::RejectedReward);
    // implicit rewards compare with the reference on the same pairs: lengths and difficulty of a batch cancel
    if let Some(chosen) = chosen {
        let late = chosen.late();
        let apart = match (margin, rejected) {
            (Some(_), _) => rises || margin.is_some_and(|m| m.late().low > 0.0),
            (None, Some(rejected)) => late.low > rejected.late().high,
            (None, None) => false,
        };
        if late.high >= 0.0 || !apart {
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
    if !(trend.falls(LEVEL) && rises) {
        return None;
    }
    let (early, late) = (logged.early(), logged.late());
    let seen = format!(
        "{} falls from {} to {} nats a completion (Kendall's τ {:.2}, p {:.1e}) while {} rises",
        logged.key,
        shown(&early),
        shown(&late),
        trend.tau,
        trend.p,
        margin.map_or("the margin", |m| &m.key),
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

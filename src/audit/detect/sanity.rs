//! Options that undo a run, and numbers that are none.

use super::super::Format;
use super::super::catalogue::Role;
use super::{Context, Finding, Level, said, short, shown};
use std::collections::BTreeMap;

pub(super) fn all(context: &Context) -> Vec<Finding> {
    let mut findings = not_finite(context);
    findings.extend(order(context));
    findings.extend(no_strength(context));
    findings.extend(group_of_one(context));
    findings.extend(floor(context));
    findings.extend(advantages(context));
    findings
}

fn not_finite(context: &Context) -> Vec<Finding> {
    let mut found: BTreeMap<&str, (Vec<f64>, usize)> = BTreeMap::new();
    for (i, line) in context.lines.iter().enumerate() {
        for (key, value) in &line.values {
            let entry = found.entry(key).or_default();
            entry.1 += 1;
            if !value.is_finite() {
                entry.0.push(line.step.unwrap_or(i as f64));
            }
        }
    }
    found.retain(|_, (steps, _)| !steps.is_empty());
    let one = |(key, (steps, of)): (&str, (Vec<f64>, usize))| Finding {
        id: "not_finite",
        level: Level::Warning,
        steps: said(&steps, of),
        seen: format!("{key} is NaN, infinite or null"),
        why: "null is how a log without NaN writes one: nothing was measured there, or training has diverged; what comes after a NaN loss is not training",
        source: "",
        advice: "look at the loss and the gradient's norm just before; a reward of None for every completion of a batch also ends here",
    };
    found.into_iter().map(one).collect()
}

/// A step of a key that comes again, or before one that is already there.
fn order(context: &Context) -> Option<Finding> {
    let mut last: BTreeMap<&str, f64> = BTreeMap::new();
    let mut places: Vec<(String, f64, f64)> = Vec::new();
    for line in context.lines {
        let Some(step) = line.step else { continue };
        // stands in every line, of training, of evaluation and at the end
        let own = |key: &&String| !matches!(key.as_str(), "epoch" | "total_flos" | "num_input_tokens_seen");
        let before =
            line.values.keys().filter(own).filter_map(|key| last.insert(key, step)).fold(f64::NEG_INFINITY, f64::max);
        if step <= before {
            places.push((line.place.clone(), before, step));
        }
    }
    let (place, before, step) = places.first()?;
    Some(Finding {
        id: "steps_out_of_order",
        level: Level::Warning,
        steps: format!("step {step} again or after step {before}, at {place} ({} such)", places.len()),
        seen: "steps repeat or go back: a run that was resumed, or two runs in one file. Of each key what came later counts, and what was logged before from \
               that step on is left out"
            .into(),
        why: "means and trends over both would count some data twice",
        source: "",
        advice: "check that the resumed run went on with its optimiser, its data and its random state",
    })
}

fn no_strength(context: &Context) -> Option<Finding> {
    let (beta, given) = context.number(context.request.format.beta())?;
    let paired = context.find(Role::ChosenReward).is_some() || context.find(Role::Margin).is_some();
    if beta.to_bits() << 1 != 0 || !(given && paired) {
        return None;
    }
    Some(Finding {
        id: "no_strength",
        level: Level::Warning,
        steps: String::new(),
        seen: "beta = 0: the loss is ln 2 (or its like) and its gradient 0, whatever the pairs are; rewards and margins are 0".into(),
        why: "the gradient of −log σ(β·Δ) is β times something",
        source: "arXiv:2305.18290, Section 4",
        advice: "give a positive beta",
    })
}

fn group_of_one(context: &Context) -> Option<Finding> {
    let (group, given) = context.group()?;
    if group != 1 {
        return None;
    }
    let (known, seen) = match context.request.format {
        Format::Trl => (given, "num_generations = 1: the advantage is the reward less itself".to_owned()),
        Format::Verl => match context.word("algorithm.adv_estimator").as_deref() {
            Some("grpo") => (given, "rollout.n = 1 with grpo: its mean is taken as 0 and its std as 1, so the advantage is the raw reward, without a baseline".into()),
            Some(name @ ("rloo" | "opo" | "grpo_passk" | "reinforce_plus_plus_baseline" | "gpg" | "gdpo")) => {
                (given, format!("rollout.n = 1 with {name}: there is nobody to compare with"))
            }
            _ => return None,
        },
        Format::OpenRlhf => match context.word("algo.advantage.estimator").as_deref() {
            Some(name @ ("rloo" | "group_norm")) => (true, format!("n_samples_per_prompt = 1 with {name}: it divides by the group's size less one, which is 0: NaN")),
            Some(name @ ("reinforce_baseline" | "dr_grpo")) => (true, format!("n_samples_per_prompt = 1 with {name}: the advantage is the reward less itself, 0")),
            _ => return None,
        },
    };
    Some(Finding {
        id: "group_of_one",
        level: if known { Level::Warning } else { Level::Note },
        steps: String::new(),
        seen: if given { seen } else { format!("{seen} (the default: give its option)") },
        why: "a group's baseline needs another sample",
        source: "arXiv:2402.03300, Section 4.1; arXiv:2402.14740",
        advice: "sample several completions per prompt, or take a batch's or a critic's baseline",
    })
}

/// The loss of policy = reference, of the whole run.
fn floor(context: &Context) -> Option<Finding> {
    let loss = context.find(Role::Loss)?;
    let (margin, beta) = (context.find(Role::Margin), context.number(context.request.format.beta()));
    let start = match context.word("loss_type").as_deref() {
        Some("hinge") => 1.0,
        Some("ipo") => 0.25 / beta.map(|b| b.0 * b.0)?,
        Some("kto" | "apo_zero_unpaired") => 0.5,
        None if context.word("model.ipo_enable").as_deref() == Some("true") => 0.25 / beta.map(|b| b.0 * b.0)?,
        None | Some("sigmoid" | "robust" | "sigmoid_norm") => std::f64::consts::LN_2,
        Some(_) => return None,
    };
    let late = loss.late();
    let near = |e: f64| (e - start).abs() <= 0.01 * start;
    let still = margin.is_none_or(|m| m.late().value.abs() < 0.02 && !m.trend().rises(super::likelihood::LEVEL));
    if loss.points.len() < 8 || !(near(late.value) && near(loss.early().value) && still) {
        return None;
    }
    Some(Finding {
        id: "loss_floor",
        level: Level::Warning,
        steps: String::new(),
        seen: format!(
            "{} stays at {}, what it is where the policy is the reference ({})",
            loss.key,
            shown(&late),
            short(start)
        ),
        why: "nothing was learned: at β·Δ = 0 the loss is a constant",
        source: "arXiv:2305.18290, Equation 7",
        advice: "check beta, the learning rate, that adapters are trained and that the reference is not the trained model itself; labels of chosen and rejected",
    })
}

/// Normalised over groups, no advantage is beyond (G − 1)/√G.
fn advantages(context: &Context) -> Option<Finding> {
    let grouped = context.word("algorithm.adv_estimator").as_deref() == Some("grpo")
        && context.word("algorithm.norm_adv_by_std_in_grpo").as_deref() == Some("true");
    let bound = context
        .group()
        .filter(|(g, given)| *g > 1 && *given && grouped)
        .map(|(g, _)| (g as f64 - 1.0) / (g as f64).sqrt());
    let most = bound.map_or(50.0, |b| b * 1.001);
    let worst =
        context.series.iter().filter(|s| s.role == Some(Role::Advantage)).max_by(|a, b| size(a).total_cmp(&size(b)))?;
    let steps = worst.steps(|v| v.abs() > most);
    if steps.is_empty() {
        return None;
    }
    let beyond = bound
        .map_or(String::new(), |b| format!("; normalised over groups of this size none can be beyond {}", short(b)));
    Some(Finding {
        id: "huge_advantages",
        level: Level::Warning,
        steps: said(&steps, worst.points.len()),
        seen: format!("{} reaches {}{beyond}", worst.key, short(size(worst))),
        why: "a few samples make the whole gradient: a std near 0 was divided by, a reward is not scaled, or a leave-one-out baseline was divided by a std",
        source: "NeMo-RL issues 1518 and 4158",
        advice: "look at the rewards of those steps; divide by no std, or by the batch's",
    })
}

fn size(series: &super::super::series::Series) -> f64 {
    series.points.iter().map(|p| p.1.abs()).fold(0.0, f64::max)
}

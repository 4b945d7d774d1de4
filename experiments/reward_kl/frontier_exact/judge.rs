//! The claims on the frontier, from hypervolumes per seed.

use super::super::front::{hull_volume, hypervolume, least_gap, most_reward, share_of_front};
use super::{Row, tangents};
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

/// Up to which KL volumes are taken: the largest of PPO's targets.
pub(super) fn most_kl(rows: &[&Record<Row>]) -> f64 {
    rows.iter().filter(|r| r.method == "ppo").map(|r| r.setting).fold(0.0, f64::max)
}

/// A method's hypervolume over the front's.
pub(super) fn volume(rows: &[&Record<Row>], method: &str) -> f64 {
    volume_by(hypervolume, rows, method)
}

/// The same where its checkpoints may be mixed.
fn mixed_volume(rows: &[&Record<Row>], method: &str) -> f64 {
    volume_by(hull_volume, rows, method)
}

fn volume_by(volume: fn(&[(f64, f64)], f64, f64) -> f64, rows: &[&Record<Row>], method: &str) -> f64 {
    share_of_front(volume, &points(rows, method), &tangents(rows), (start(rows), most_kl(rows)))
}

fn points(rows: &[&Record<Row>], method: &str) -> Vec<(f64, f64)> {
    rows.iter().filter(|r| r.method == method).map(|r| (r.kl, r.reward)).collect()
}

/// The reference's reward.
fn start(rows: &[&Record<Row>]) -> f64 {
    rows.iter().find(|r| r.method != "front" && r.step == 0).map_or(f64::NAN, |r| r.reward)
}

fn more(rows: &[Record<Row>], [more, less]: [&str; 2]) -> Estimate {
    mean_interval(&by_seed(rows, |g| volume(g, more) - volume(g, less)))
}

fn more_mixed(rows: &[Record<Row>], [more, less]: [&str; 2]) -> Estimate {
    mean_interval(&by_seed(rows, |g| mixed_volume(g, more) - mixed_volume(g, less)))
}

/// The least gap to the front, over its room above the start, of a method's points between a quarter and three quarters of the largest target.
fn gap(rows: &[&Record<Row>], method: &str) -> f64 {
    least_gap(&points(rows, method), &tangents(rows), (start(rows), most_kl(rows)))
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), theory(rows), controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let source = "arXiv:2305.18290, Figure 2 (left); criterion ours";
    let ahead = |id: &str, statement: &str, pair: [&'static str; 2]| {
        Check::new(
            Kind::Claim,
            id,
            statement,
            source,
            "difference of hypervolumes, in units of the front's, matched completions",
            more(rows, pair),
            Criterion::AtLeast(0.0),
        )
    };
    vec![
        ahead("dpo_over_ppo", "DPO's frontier dominates PPO's with a learned reward", ["dpo", "ppo"]),
        ahead(
            "dpo_over_tuned",
            "and that of PPO with the true reward, normalised and tuned",
            ["dpo", "ppo_true_tuned"],
        ),
        ahead(
            "dpo_over_off_the_shelf",
            "and that of PPO with the true reward, off the shelf",
            ["dpo", "ppo_true_off_the_shelf"],
        ),
        ahead("dpo_over_unlikelihood", "and unlikelihood's", ["dpo", "unlikelihood"]),
        ahead("dpo_over_preferred", "and Preferred-FT's", ["dpo", "preferred"]),
        ahead("ppo_over_preferred", "PPO's dominates Preferred-FT's", ["ppo", "preferred"]),
        Check::new(
            Kind::Claim,
            "dpo_near_front",
            "DPO comes near the front at a middle KL",
            "criterion ours",
            "its least gap to the front, over the front's rise, at a KL of a quarter to three quarters of the largest target",
            mean_interval(&by_seed(rows, |g| gap(g, "dpo"))),
            Criterion::AtMost(0.05),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let mixed = |id: &str, method: &'static str, words: &str| {
        Check::new(
            Kind::Theory,
            id,
            format!("DPO's frontier dominates {words} also where checkpoints may be mixed"),
            "our question: a staircase asks for many points, a hull does not",
            "difference of hypervolumes under the checkpoints' hulls, matched completions",
            more_mixed(rows, ["dpo", method]),
            Criterion::AtLeast(0.0),
        )
    };
    vec![
        mixed("mixed_dpo_over_ppo", "ppo", "PPO's"),
        mixed("mixed_dpo_over_tuned", "ppo_true_tuned", "that of PPO with the true reward, tuned,"),
        mixed(
            "mixed_dpo_over_off_the_shelf",
            "ppo_true_off_the_shelf",
            "that of PPO with the true reward, off the shelf,",
        ),
        Check::new(
            Kind::Theory,
            "budget_decides",
            "DPO's lead over PPO with the true reward is one of budget: without sampling the same front is met",
            "derived: the objective of PPO has DPO's optimum",
            "hypervolume of the exact gradient less that of DPO with sixteen times the pairs",
            more(rows, ["exact_gradient", "dpo_unlimited"]),
            Criterion::AtLeast(-0.05),
        ),
        Check::new(
            Kind::Theory,
            "meet",
            "with sixteen times the data DPO and PPO with the true reward meet",
            "derived: both objectives have the same optimum",
            "hypervolume under the checkpoints' hull: PPO with the true reward less DPO, both unlimited",
            more_mixed(rows, ["ppo_true_unlimited", "dpo_unlimited"]),
            Criterion::Within(-0.05, 0.05),
        ),
        Check::new(
            Kind::Theory,
            "ppo_gains_with_budget",
            "with sixteen times the completions PPO comes nearer the front",
            "derived",
            "hypervolume of PPO with the true reward, unlimited less matched",
            more(rows, ["ppo_true_unlimited", "ppo_true_tuned"]),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            "labels",
            "Bradley–Terry labels cost DPO little",
            "our question",
            "hypervolume with Bradley–Terry labels less that with deterministic ones",
            more(rows, ["dpo_bradley_terry", "dpo"]),
            Criterion::Within(-0.1, 0.1),
        ),
        Check::new(
            Kind::Theory,
            "room",
            "the world has more than 14 nats of room",
            "needed for targets up to 12 nats",
            "smallest KL of the front's farthest point, nats",
            smallest(by_seed(rows, |g| tangents(g).iter().map(|t| t.kl).fold(0.0, f64::max))),
            Criterion::AtLeast(14.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "nothing_above_the_front",
            "no policy is above the exact front",
            "weak duality",
            "largest reward less what the tangents allow at its KL",
            largest(by_seed(rows, |g| {
                let front = tangents(g);
                let own = g.iter().filter(|r| r.method != "front");
                own.map(|r| r.reward - most_reward(&front, r.kl)).fold(f64::NEG_INFINITY, f64::max)
            })),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "reward_model",
            "the learned reward ranks held-out pairs as labelled",
            "needed for PPO to have a chance",
            "share of held-out pairs",
            mean_interval(&by_seed(rows, |g| mean(&g.iter().filter_map(|r| r.accuracy).collect::<Vec<_>>()))),
            Criterion::AtLeast(0.8),
        ),
        Check::new(
            Kind::Control,
            "exact_is_best",
            "no sampled method gets past the exact gradient of the same writer by more than 2%",
            "derived",
            "largest hypervolume of a method less that of the exact gradient",
            mean_interval(&by_seed(rows, |g| {
                let methods = ["dpo", "unlikelihood", "preferred", "ppo", "ppo_true_tuned", "ppo_true_off_the_shelf"];
                methods.iter().map(|m| volume(g, m)).fold(f64::NEG_INFINITY, f64::max) - volume(g, "exact_gradient")
            })),
            Criterion::AtMost(0.02),
        ),
        Check::new(
            Kind::Control,
            "preferred_stays_near",
            "Preferred-FT hardly moves: its optimum is near best-of-2",
            "derived: KL at most log 2 − 1/2 for unrestricted policies",
            "its hypervolume",
            mean_interval(&by_seed(rows, |g| volume(g, "preferred"))),
            Criterion::AtMost(0.5),
        ),
    ]
}

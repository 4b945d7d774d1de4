//! The claims on the frontier, from hypervolumes per seed.

use super::{Row, tangents};
use crate::reward_kl::front::{hull_volume, hypervolume, least_gap, most_reward, share_of_front};
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

/// Up to which KL volumes are taken: the largest of PPO's targets.
pub(super) fn most_kl(rows: &[&Record<Row>]) -> f64 {
    rows.iter().filter(|r| r.method == "ppo").map(|r| r.setting).fold(0.0, f64::max)
}

/// The reference's reward.
fn start(rows: &[&Record<Row>]) -> f64 {
    rows.iter().find(|r| r.method != "front" && r.step == 0).map_or(f64::NAN, |r| r.reward)
}

/// The KL of the front's farthest point.
pub(super) fn room(rows: &[&Record<Row>]) -> f64 {
    tangents(rows).iter().map(|t| t.kl).fold(0.0, f64::max)
}

/// A method's hypervolume over the front's.
pub(super) fn volume(rows: &[&Record<Row>], method: &str) -> f64 {
    volume_by(hypervolume, rows, method)
}

fn volume_by(volume: fn(&[(f64, f64)], f64, f64) -> f64, rows: &[&Record<Row>], method: &str) -> f64 {
    share_of_front(volume, &points(rows, method), &tangents(rows), (start(rows), most_kl(rows)))
}

fn points(rows: &[&Record<Row>], method: &str) -> Vec<(f64, f64)> {
    rows.iter().filter(|r| r.method == method).map(|r| (r.kl, r.reward)).collect()
}

fn more(rows: &[Record<Row>], [more, less]: [&str; 2]) -> Estimate {
    mean_interval(&by_seed(rows, |g| volume(g, more) - volume(g, less)))
}

/// The same under the checkpoints' hulls: as if policies could be mixed.
fn more_mixed(rows: &[Record<Row>], [more, less]: [&str; 2]) -> Estimate {
    let volume = |g: &[&Record<Row>], method| volume_by(hull_volume, g, method);
    mean_interval(&by_seed(rows, |g| volume(g, more) - volume(g, less)))
}

/// The least gap to the front, over its rise above the start, of a method's points between a quarter and three quarters of the
/// largest target.
fn gap(rows: &[&Record<Row>], method: &str) -> f64 {
    least_gap(&points(rows, method), &tangents(rows), (start(rows), most_kl(rows)))
}

/// Of a seed's sampled evaluations: (sampled less exact, standard error), of KLs and rewards. Errors so small that rounding in f32
/// is not small beside them are left out.
fn deviations(rows: &[&Record<Row>]) -> [Vec<(f64, f64)>; 2] {
    let of = |pair: &dyn Fn(&Row) -> Option<(f64, f64)>| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|r| pair(&r.row)).filter(|d| d.1 > 1e-4).collect()
    };
    [
        of(&|r| Some((r.sampled_kl? - r.kl, r.sampled_kl_error?))),
        of(&|r| Some((r.sampled_reward? - r.reward, r.sampled_reward_error?))),
    ]
}

/// The larger of the two pooled deviations of a seed, in standard errors.
fn pooled(rows: &[&Record<Row>]) -> f64 {
    let z = |d: &Vec<(f64, f64)>| {
        let (sum, variance) = d.iter().fold((0.0, 0.0), |(s, v), (d, e)| (s + d, v + e * e));
        (sum / variance.sqrt()).abs()
    };
    deviations(rows).iter().map(z).fold(0.0, f64::max)
}

/// Share of a seed's single deviations beyond three standard errors.
fn beyond(rows: &[&Record<Row>]) -> f64 {
    let all = deviations(rows).concat();
    mean(&all.iter().map(|(d, e)| f64::from(u8::from(d.abs() > 3.0 * e))).collect::<Vec<_>>())
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
            "difference of hypervolumes under the checkpoints' hulls",
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
            "the front reaches beyond the largest target",
            "needed for the targets to be met",
            "smallest KL of the front's farthest point less the largest target, nats",
            smallest(by_seed(rows, |g| room(g) - most_kl(g))),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let preferred_kl = |g: &[&Record<Row>]| {
        let last = |r: &&&Record<Row>| r.method == "preferred" && r.sampled_kl.is_some();
        mean(&g.iter().filter(last).map(|r| r.kl).collect::<Vec<_>>())
    };
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
            "samples_agree",
            "sampled evaluation agrees with the exact one",
            "two ways to one quantity",
            "largest over seeds, KL and reward: all last checkpoints' sampled values less the exact ones, in standard errors of the sum",
            largest(by_seed(rows, pooled)),
            Criterion::AtMost(3.0),
        ),
        Check::new(
            Kind::Control,
            "single_samples_agree",
            "and so it does checkpoint by checkpoint",
            "0.3% of normal deviations are beyond three standard errors",
            "share of last checkpoints, KL and reward, beyond three standard errors",
            mean_interval(&by_seed(rows, beyond)),
            Criterion::AtMost(0.03),
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
            "preferred_stays_near",
            "Preferred-FT hardly moves: its optimum is best-of-2",
            "derived: KL at most log 2 − 1/2 = 0.19 nats with unlimited data",
            "KL of its last checkpoints, nats",
            mean_interval(&by_seed(rows, preferred_kl)),
            Criterion::AtMost(0.5),
        ),
    ]
}

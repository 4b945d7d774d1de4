//! The claims and controls.

use super::Row;
use crate::reward_kl::front::hypervolume;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

const FIGURE: &str = "arXiv:2305.18290, Figure 2 (left); criterion ours";

/// All of them; each estimate is a mean over seeds.
pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (method, words) in [
        ("rloo", "RLOO's by the learned reward"),
        ("rloo_true", "RLOO's by the true reward"),
        ("preferred", "Preferred-FT's"),
        ("unlikelihood", "unlikelihood's"),
    ] {
        checks.push(Check::new(
            Kind::Claim,
            &format!("dpo_ahead_of_{method}"),
            format!("DPO's frontier is ahead of {words}"),
            FIGURE,
            "hypervolume of DPO's checkpoints less the other's, in units of the whole area up to reward 1",
            over_seeds(rows, |r| volume(r, "dpo") - volume(r, method)),
            Criterion::AtLeast(0.0),
        ));
    }
    checks.push(Check::new(
        Kind::Claim,
        "preferred_stays_near",
        "Preferred-FT stays near the reference",
        "arXiv:2305.18290, Figure 2 (left); derived: its optimum on deterministic pairs is best-of-2, 0.19 nats at most",
        "largest KL of its checkpoints, nats",
        over_seeds(rows, |r| points(r, "preferred").iter().map(|p| p.0).fold(f64::NAN, f64::max)),
        Criterion::AtMost(0.5),
    ));
    checks.extend(of_best_of_n(rows));
    checks.extend(controls(rows));
    checks
}

fn of_best_of_n(rows: &[Record<Row>]) -> [Check; 2] {
    [
        Check::new(
            Kind::Claim,
            "best_of_n_gains",
            "the best of more, by the learned reward, has more true reward",
            "arXiv:2305.18290, Figure 4 (plateau near 64); criterion ours",
            "true reward of the best of most less that of a single sample",
            over_seeds(rows, |r| last(r, "best_of") - reference(r)),
            Criterion::AtLeast(0.05),
        ),
        Check::new(
            Kind::Theory,
            "learned_reward_costs",
            "choosing by the learned reward gives less than choosing by the true one",
            "derived: the true reward's choice is the best there is",
            "true reward of the best of most by the true reward less that by the learned one",
            over_seeds(rows, |r| last(r, "best_of_true") - last(r, "best_of")),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> [Check; 4] {
    let gain = |r: &[&Record<Row>], method: &str| {
        let best = points(r, method).iter().map(|p| p.1).fold(f64::NAN, f64::max);
        best - reference(r)
    };
    [
        Check::new(
            Kind::Control,
            "coins_teach_nothing",
            "DPO on pairs whose labels are coins gains nothing",
            "derived",
            "true reward of its last checkpoint less the reference's",
            over_seeds(rows, |r| points(r, "dpo_coins").last().map_or(f64::NAN, |p| p.1) - reference(r)),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Control,
            "reward_is_learned",
            "the learned reward ranks held-out pairs",
            "arXiv:2305.18290, Appendix C.1; criterion ours",
            "share of held-out pairs ranked as labelled",
            over_seeds(rows, |r| mean(&r.iter().filter_map(|r| r.accuracy).collect::<Vec<_>>())),
            Criterion::AtLeast(0.7),
        ),
        Check::new(
            Kind::Control,
            "dpo_learns",
            "DPO does learn: its budget suffices",
            "derived",
            "largest true reward of its checkpoints less the reference's",
            over_seeds(rows, |r| gain(r, "dpo")),
            Criterion::AtLeast(0.1),
        ),
        Check::new(
            Kind::Control,
            "rloo_learns",
            "RLOO does learn: its budget suffices",
            "derived",
            "the same of RLOO by the true reward",
            over_seeds(rows, |r| gain(r, "rloo_true")),
            Criterion::AtLeast(0.1),
        ),
    ]
}

fn over_seeds(rows: &[Record<Row>], statistic: impl Fn(&[&Record<Row>]) -> f64) -> Estimate {
    mean_interval(&by_seed(rows, statistic))
}

/// (KL, reward) of a method's checkpoints at one seed.
fn points(rows: &[&Record<Row>], method: &str) -> Vec<(f64, f64)> {
    rows.iter().filter(|r| r.method == method).map(|r| (r.kl, r.reward)).collect()
}

/// The reference's true reward at one seed; NaN without it.
pub(super) fn reference(rows: &[&Record<Row>]) -> f64 {
    points(rows, "reference").first().map_or(f64::NAN, |p| p.1)
}

/// The reward of the best of most; NaN without it.
fn last(rows: &[&Record<Row>], method: &str) -> f64 {
    let of_method = rows.iter().filter(|r| r.method == method);
    of_method.max_by(|a, b| a.setting.total_cmp(&b.setting)).map_or(f64::NAN, |r| r.reward)
}

/// The area under a method's best reward so far, above the reference's, over all that there is; NaN without a checkpoint.
pub(super) fn volume(rows: &[&Record<Row>], method: &str) -> f64 {
    let points: Vec<(f64, f64)> = points(rows, method).into_iter().map(|(kl, r)| (kl.max(0.0), r)).collect();
    let (base, most_kl) = (reference(rows), rows.first().map_or(f64::NAN, |r| r.most_kl));
    if points.is_empty() {
        return f64::NAN;
    }
    hypervolume(&points, base, most_kl) / ((1.0 - base) * most_kl)
}

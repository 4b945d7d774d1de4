//! Claims, what is derived here, controls.

use super::Row;
use crate::statistics::{largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};

fn of<'a>(rows: &'a [Record<Row>], part: &'a str, policy: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.part == part && r.policy == policy)
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), derived(rows), controls(rows)].concat()
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    let last = rows.iter().filter_map(|r| r.step).max();
    let drawn = |r: &&Record<Row>| r.task != "by_hand";
    vec![
        Check::new(
            Kind::Claim,
            "population_formula",
            "Improve fits the normalised mixture of data and policy, cut off at τ",
            "arXiv:2308.08998, Appendix A.9",
            "largest total variation between the fitted policy and the formula over tasks, contexts, τ and λ",
            largest(of(rows, "fit", "tabular").filter(|r| r.step == last).filter_map(|r| r.distance)),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Claim,
            "gradient_split",
            "at θ = θ' the gradient of J is λ policy gradient + (1 − λ) filtered offline gradient",
            "arXiv:2308.08998, Section 3",
            "largest relative error between the two sides, computed by different code",
            largest(of(rows, "gradient", "tabular").filter_map(|r| r.gradient_error)),
            Criterion::AtMost(1e-10),
        ),
        Check::new(
            Kind::Claim,
            "value_rises",
            "τ ≥ V implies that V rises",
            "arXiv:2308.08998, Appendix A.3",
            "smallest rise of V over tasks, contexts and thresholds, tabular policy",
            smallest(of(rows, "rise", "tabular").filter(drawn).filter_map(|r| r.smallest_rise)),
            Criterion::AtLeast(1e-6),
        ),
    ]
}

fn derived(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "second_grow",
            "from the supervised policy a second Grow at the same τ is a no-op, whatever λ is",
            "derived: both mixtures are in proportion to p above τ",
            "largest total variation between the policies after the first and the second Grow, tabular",
            largest(of(rows, "second", "tabular").filter_map(|r| r.distance)),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Theory,
            "rise_product",
            "on these tasks A.3 holds for the product policy too, although nothing promises it",
            "our question",
            "smallest rise of V over tasks, contexts and thresholds, product policy",
            smallest(of(rows, "rise", "product").filter(|r| r.task != "by_hand").filter_map(|r| r.smallest_rise)),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "second_grow_product",
            "a product policy, which cannot say what passed, does move in a second Grow",
            "control",
            "smallest total variation between the policies after the first and the second Grow, mean over contexts, λ ≥ 0.5",
            smallest(of(rows, "second", "product").filter(|r| r.share >= 0.5).filter_map(|r| r.distance_mean)),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Control,
            "gradient_split_off_policy",
            "where samples came from another policy than θ the split fails",
            "control",
            "smallest relative error between the two sides over contexts, λ ≥ 0.5",
            smallest(of(rows, "gradient", "tabular").filter(|r| r.share >= 0.5).filter_map(|r| r.gradient_error_off)),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Control,
            "value_falls",
            "for a policy class that does not hold the filtered distribution A.3 is false",
            "control, by hand",
            "rise of V of the product policy in the counterexample",
            largest(of(rows, "rise", "product").filter(|r| r.task == "by_hand").filter_map(|r| r.smallest_rise)),
            Criterion::AtMost(-0.05),
        ),
    ]
}

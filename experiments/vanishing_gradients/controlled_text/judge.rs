//! What counts as reproduced. The criteria stood before the first result.

use super::super::relabelled::{Judge, fitting_claims, gradient_claim, high_claims};
use super::{Row, points};
use crate::statistics::largest;
use rewardlab::experiment::{Check, Criterion, Kind, Record};

/// The name of the only model in the cells' names.
pub(super) const MODEL: &str = "transformer";

const FIGURE: &str = "Section 4.2, Figure 3; criterion ours";
const SGD: &str = "appendix (SGD); criterion ours";
const HIGH: &str = "appendix (high initial reward); criterion ours";

pub(super) fn check(rows: &[Record<Row>]) -> Vec<Check> {
    let judge = Judge::new(points(rows));
    let mut checks = Vec::from(fitting_claims(&judge, MODEL, "adam", MODEL, FIGURE));
    checks.push(gradient_claim(&judge, MODEL, "adam", FIGURE));
    checks.extend(fitting_claims(&judge, MODEL, "sgd", "transformer sgd", SGD));
    checks.extend(high_claims(&judge, &[(MODEL, "adam"), (MODEL, "sgd")], "both optimisers", HIGH));
    checks.push(Check::new(
        Kind::Theory,
        "rft_is_sft_times_p",
        "per input the gradient of RFT is 2p (small-std inputs of the high variant: p/2) times that of SFT",
        "derived (softmax, two reward values)",
        "largest ‖∇V − (r_right − r_wrong) p ∇log p‖ / ‖∇V‖ over inputs and seeds, before finetuning; f32 engine",
        largest(rows.iter().filter_map(|r| r.identity_error)),
        Criterion::AtMost(1e-4),
    ));
    checks.extend(start(&judge));
    checks.push(inside(&judge));
    checks.extend(alone(&judge));
    checks
}

/// What pretraining leaves.
fn start(judge: &Judge) -> [Check; 2] {
    let std = |group, seed| judge.first(("transformer rft adam normal", "normal", group), seed, |p| p.reward_std);
    let control = |id: &str, statement: &str, source: &str, statistic: &str, estimate, most| {
        Check::new(Kind::Control, id, statement, source, statistic, estimate, Criterion::AtMost(most))
    };
    [
        control(
            "initial_std",
            "pretraining leaves the large-std group with the reward std 0.943 of a uniform choice among m = 3 labels",
            "derived: 2√(p(1−p)) at p = 1/3",
            "|mean reward std of the large-std group − 0.943| before finetuning",
            judge.over_seeds(|s| (std("large", s) - 8.0_f64.sqrt() / 3.0).abs()),
            0.05,
        ),
        control(
            "initial_small_std",
            "and the small-std group with nearly none",
            "derived: 0 at p = 0",
            "mean reward std of the small-std group before finetuning",
            judge.over_seeds(|s| std("small", s)),
            0.1,
        ),
    ]
}

/// The labels inside the set, all inputs trained on.
fn inside(judge: &Judge) -> Check {
    let end = |method: &str, seed| {
        judge.last((&format!("{MODEL} {method} adam inside"), "normal", "small"), seed, |p| p.reward_mean)
    };
    Check::new(
        Kind::Control,
        "inside_labels",
        "RFT keeps up with SFT on relabelled inputs whose new label lies inside the set, so that their std starts large",
        "control; tolerance 5% of the reward's range",
        "final mean reward of the relabelled inputs, SFT's less RFT's",
        judge.over_seeds(|s| end("sft", s) - end("rft", s)),
        Criterion::AtMost(0.1),
    )
}

/// The relabelled inputs as the only ones.
fn alone(judge: &Judge) -> [Check; 4] {
    let accuracy = |optimizer, variant, seed| judge.rft_accuracy(MODEL, optimizer, variant, "small", seed);
    let control = |id: &str, statement: &str, statistic: &str, estimate, criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    let fits = |id: &str, optimizer, variant, statement: &str| {
        control(
            id,
            statement,
            "final training accuracy of the relabelled inputs under RFT on them alone",
            judge.over_seeds(|s| accuracy(optimizer, variant, s)),
            Criterion::AtLeast(0.99),
        )
    };
    [
        fits(
            "alone_inside_sgd",
            "sgd",
            "alone inside",
            "without the other inputs plain gradient ascent fits relabelled inputs of large std",
        ),
        control(
            "alone_outside_sgd",
            "and not those of small std: it is not the other inputs that hold them back",
            "share of the small-std group's possible rise in mean reward that RFT makes on it alone",
            judge.over_seeds(|s| judge.gain("transformer rft sgd alone", s)),
            Criterion::AtMost(0.1),
        ),
        fits(
            "alone_inside_adam",
            "adam",
            "alone inside",
            "without the other inputs Adam fits relabelled inputs of large std",
        ),
        fits(
            "alone_outside_adam",
            "adam",
            "alone",
            "and those of small std: its normalisation undoes a vanishing that all inputs of a coordinate share",
        ),
    ]
}

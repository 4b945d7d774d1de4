//! What counts as reproduced. The criteria stood before the first result.

use super::super::relabelled::{Judge, fitting_claims, gradient_claim, high_claims, worst_high};
use super::{Row, points};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::Estimate;

/// Each model with its main optimiser: plain gradient ascent where nothing is shared, Adam for the networks.
pub(super) const MODELS: [(&str, &str); 3] = [("tabular", "sgd"), ("log-linear", "adam"), ("mlp", "adam")];

/// The models whose parameters inputs share; the paper's appendix trains such a model with SGD.
const NETWORKS: [&str; 2] = ["log-linear", "mlp"];

const FIGURE: &str = "Section 4.2, Figure 3; criterion ours";
const SGD: &str = "appendix (SGD); criterion ours";
const HIGH: &str = "appendix (high initial reward); criterion ours";

pub(super) fn check(rows: &[Record<Row>]) -> Vec<Check> {
    let judge = Judge::new(points(rows));
    let mut checks = Vec::new();
    for (model, optimizer) in MODELS {
        checks.extend(fitting_claims(&judge, model, optimizer, model, FIGURE));
        checks.push(gradient_claim(&judge, model, optimizer, FIGURE));
    }
    for model in NETWORKS {
        checks.extend(fitting_claims(&judge, model, "sgd", &format!("{model} sgd"), SGD));
    }
    let settings = [MODELS.as_slice(), &NETWORKS.map(|m| (m, "sgd"))].concat();
    checks.extend(high_claims(&judge, &settings, "all models; networks with both optimisers", HIGH));
    checks.extend(theory_and_controls(rows, &judge));
    checks
}

fn theory_and_controls(rows: &[Record<Row>], judge: &Judge) -> Vec<Check> {
    let errors = rows.iter().filter_map(|r| r.identity_error);
    let (worst, count) = errors.fold((f64::NAN, 0), |(worst, n), e| (if e.is_nan() { e } else { e.max(worst) }, n + 1));
    let deviation = |model: &str, optimizer: &str, seed| {
        let cell = format!("{model} rft {optimizer} normal");
        (judge.first((&cell, "normal", "large"), seed, |r| r.reward_std) - 0.8).abs()
    };
    let inside = ["tabular", "log-linear"].map(|model| {
        let optimizer = if model == "tabular" { "sgd" } else { "adam" };
        Check::new(
            Kind::Control,
            &format!("{}_inside_labels", model.replace('-', "_")),
            format!("{model}: RFT fits relabelled inputs whose new label lies inside the set, so that their std starts large"),
            "control",
            "final training accuracy of the relabelled inputs under RFT",
            judge.over_seeds(|s| judge.rft_accuracy(model, optimizer, "inside", "small", s)),
            Criterion::AtLeast(0.99),
        )
    });
    let warm = NETWORKS.map(|model| {
        Check::new(
            Kind::Control,
            &format!("{}_after_some_sft", model.replace('-', "_")),
            format!(
                "{model}: once a little SFT has made their std large, RFT fits the same inputs with the same labels"
            ),
            "control",
            "share of the small-std group's possible rise in mean reward that RFT makes after `warm_epochs` of SFT",
            judge.over_seeds(|s| judge.gain(&format!("{model} rft adam warm"), s)),
            Criterion::AtLeast(0.9),
        )
    });
    let mut checks = vec![
        Check::new(
            Kind::Theory,
            "rft_is_sft_times_p",
            "per input the gradient of RFT is 2p (small-std inputs of the high variant: p/2) times that of SFT",
            "derived (softmax, two reward values)",
            "largest ‖∇V − (r_right − r_wrong) p ∇log p‖ / ‖∇log p‖ over inputs, models and seeds, before finetuning",
            Estimate::exact(worst, count),
            Criterion::AtMost(1e-10),
        ),
        Check::new(
            Kind::Control,
            "initial_std",
            "pretraining leaves the large-std group with the reward std 0.8 of a uniform choice among m = 5 labels",
            "derived: 2√(p(1−p)) at p = 1/5",
            "|mean reward std of the large-std group − 0.8| before finetuning, the worst model",
            judge.over_seeds(|s| worst_high(MODELS.map(|(m, o)| deviation(m, o, s)))),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Control,
            "tabular_adam",
            "where no coordinate is shared between inputs Adam's normalisation undoes the vanishing, and RFT fits all",
            "control",
            "final training accuracy of the small-std group under RFT, tabular model with Adam",
            judge.over_seeds(|s| judge.rft_accuracy("tabular", "adam", "normal", "small", s)),
            Criterion::AtLeast(0.99),
        ),
    ];
    checks.extend(inside);
    checks.extend(warm);
    checks
}

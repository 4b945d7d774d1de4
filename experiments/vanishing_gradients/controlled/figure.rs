//! The figure, laid out as Figure 3 of the paper: one column per model, RFT and SFT on both groups against epochs.

use super::super::relabelled::{Quantity, panel};
use super::super::statistics::seeds;
use super::judge::MODELS;
use super::{Row, points};
use rewardlab::experiment::Record;
use rewardlab::plot::{Chart, Scale};

/// Rows of panels, and whether they show the model's other optimiser instead of the main one.
const QUANTITIES: [(bool, Quantity); 5] = [
    (
        false,
        Quantity {
            label: "mean reward",
            scale: Scale::Linear,
            range: Some((-1.05, 1.05)),
            reward: "normal",
            geometric: false,
            value: |r| r.reward_mean,
        },
    ),
    (
        false,
        Quantity {
            label: "reward std",
            scale: Scale::Linear,
            range: Some((-0.02, 1.0)),
            reward: "normal",
            geometric: false,
            value: |r| r.reward_std,
        },
    ),
    (
        false,
        Quantity {
            label: "norm of the group's gradient",
            scale: Scale::Log,
            range: None,
            reward: "normal",
            geometric: false,
            value: |r| r.grad_norm,
        },
    ),
    (
        false,
        Quantity {
            label: "mean reward, high variant",
            scale: Scale::Linear,
            range: Some((-1.05, 1.05)),
            reward: "high",
            geometric: false,
            value: |r| r.reward_mean,
        },
    ),
    (
        true,
        Quantity {
            label: "mean reward",
            scale: Scale::Linear,
            range: Some((-1.05, 1.05)),
            reward: "normal",
            geometric: false,
            value: |r| r.reward_mean,
        },
    ),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let (points, seeds): (Vec<_>, _) = (points(rows).collect(), seeds(rows).len());
    let panels = QUANTITIES.iter().flat_map(|(other, q)| {
        MODELS.map(|(model, main)| {
            let optimizer = if *other == (main == "adam") { "sgd" } else { "adam" };
            panel(&points, q, model, optimizer)
        })
    });
    Chart {
        title: "Finetuning with exact gradients: inputs of large and of small reward std".into(),
        subtitle: format!(
            "1,000 Fashion-MNIST images unless `data` names others; mean over {seeds} seeds, bands: 95% t intervals"
        ),
        panels: panels.collect(),
        columns: MODELS.len(),
    }
}

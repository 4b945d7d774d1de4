//! The figure, laid out as Figure 3 of the paper: one column per model, RFT and SFT on both groups against epochs.

use super::super::relabelled::{GRADIENT, HIGH, REWARD, STD, panel};
use super::super::statistics::seeds;
use super::judge::MODELS;
use super::{Row, points};
use rewardlab::experiment::Record;
use rewardlab::plot::Chart;

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let (points, seeds): (Vec<_>, _) = (points(rows).collect(), seeds(rows).len());
    // rows of panels, and whether they show the model's other optimiser instead of the main one
    let quantities = [(false, REWARD), (false, STD), (false, GRADIENT), (false, HIGH), (true, REWARD)];
    let panels = quantities.iter().flat_map(|(other, q)| {
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

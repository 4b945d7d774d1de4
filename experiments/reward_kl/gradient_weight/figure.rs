//! Growth of log-odds, and where the probability goes.

use super::Row;
use super::judge::of;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let mut rules: Vec<&str> = rows.iter().filter(|r| r.part == "leak").map(|r| &*r.setting).collect();
    rules.sort_unstable();
    rules.dedup();
    let line = |series: &str, part: &str, setting: &str, y: fn(&Row) -> Option<f64>| Layer::Line {
        series: series.into(),
        points: means(&summary(of(rows, part, setting).filter_map(|r| Some((r.at, y(r)?))))),
        stroke: Stroke::Solid,
        markers: false,
    };
    let words = |rule: &str| match rule {
        dpo if dpo.starts_with("dpo") => dpo.replace("dpo beta=", "DPO, β = "),
        other => other.replace("unlikelihood alpha=", "unlikelihood, α = "),
    };
    let each = |part: &str, y: fn(&Row) -> Option<f64>| -> Vec<Layer> {
        rules.iter().map(|rule| line(&words(rule), part, rule, y)).collect()
    };
    // one seed of ten may have a hundred times the others' probability
    let geometric = |rule: &&str| Layer::Line {
        series: words(rule),
        points: means(&summary(of(rows, "leak", rule).filter_map(|r| Some((r.at, r.unseen?.ln())))))
            .into_iter()
            .map(|(at, log)| (at, log.exp()))
            .collect(),
        stroke: Stroke::Solid,
        markers: false,
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let panel = |title: &str, x: Axis, y: Axis, layers: Vec<Layer>| Panel { title: title.into(), x, y, layers };
    let odds = || axis("log-odds, best against worst (nats)");
    let growth = |setting: &'static str| vec![line("log-odds", "growth", setting, |r| r.log_odds)];
    Chart {
        title: "Without its weight DPO is unlikelihood training".into(),
        subtitle: format!(
            "Above: one logit per output, deterministic labels, gradient flow. Below: a transformer that has learned a corpus, \
             then its pairs (many prompts); unseen: strings in no data. Means over {} seeds, geometric for probabilities.",
            seeds(rows).len()
        ),
        panels: vec![
            panel("With the weight", log_axis("flow time"), odds(), growth("weighted")),
            panel("Without", axis("flow time"), odds(), growth("unweighted")),
            panel(
                "Unseen strings: transformer",
                axis("steps"),
                log_axis("probability"),
                rules.iter().map(geometric).collect(),
            ),
            panel(
                "Entropy: transformer",
                axis("steps"),
                axis("entropy over strings (nats)"),
                each("leak", |r| r.entropy),
            ),
        ],
        columns: 2,
    }
}

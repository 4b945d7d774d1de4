//! Accuracy and PGR against the size of the dictionary.

use super::super::gap::{Run, panels};
use super::Row;
use crate::statistics::seeds;
use rewardlab::experiment::Record;
use rewardlab::metrics::Scores;
use rewardlab::plot::{Chart, Layer};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let mut sizes: Vec<usize> = rows.iter().filter(|r| r.part == "naive").map(|r| r.words).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let runs: Vec<Run> = rows
        .iter()
        .filter(|r| r.part == "naive")
        .map(|r| Run {
            seed: r.seed,
            levels: (0, 1 + sizes.iter().position(|s| *s == r.words).unwrap_or(0)),
            size: r.words as f64,
            scores: Scores { weak: r.weak, student: r.accuracy, ceiling: r.ceiling },
        })
        .collect();
    let names = vec!["a small network".to_owned()];
    let [mut accuracy, mut recovered] =
        panels(&runs, &names, "words of the student's dictionary", "accuracy on test images");
    let (low, high) = (sizes.first().copied().unwrap_or(1) as f64, sizes.last().copied().unwrap_or(1) as f64);
    let level = |label: &str, y: f64| Layer::Reference { label: label.into(), points: vec![(low, y), (high, y)] };
    let weak = runs.iter().map(|r| r.scores.weak).sum::<f64>() / runs.len().max(1) as f64;
    accuracy.layers.push(level("the teacher", weak));
    recovered.layers.push(level("paper, ViT-B/8: 0.415", 0.415));
    recovered.layers.push(level("paper, ResNet-50: 0.577", 0.577));
    Chart {
        title: "Weak to strong on Fashion-MNIST".into(),
        subtitle: format!(
            "Teacher: a small network on shrunk pixels. Students: softmax heads on frozen features of patches, learned without labels. Means over {} \
             seeds; bands: 95% t intervals over seeds, of PGR Fieller's.",
            seeds(rows).len()
        ),
        panels: vec![accuracy, recovered],
        columns: 2,
    }
}

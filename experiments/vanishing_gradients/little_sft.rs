//! What the two experiments on a little SFT draw alike: reward after RFT by labelled inputs and share of SFT's steps.

use rewardlab::plot::{Axis, Layer, Panel};

/// The positive values of a column, increasing, each once.
pub(crate) fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.filter(|x| *x > 0.0).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn percent(values: &[f64]) -> Vec<String> {
    values.iter().map(|x| format!("{}%", 100.0 * x)).collect()
}

/// `value(fraction, steps)` over the grid; the first column is RFT alone, `value(0, 0)`, the same for every share of steps.
pub(crate) fn heat(title: &str, (fractions, steps): (Vec<f64>, Vec<f64>), value: impl Fn(f64, f64) -> f64) -> Panel {
    let mut cells = Vec::new();
    for (j, &s) in steps.iter().enumerate() {
        cells.push((0, j, value(0.0, 0.0)));
        cells.extend(fractions.iter().enumerate().map(|(i, &f)| (i + 1, j, value(f, s))));
    }
    let categories = std::iter::once("0%".to_owned()).chain(percent(&fractions)).collect();
    Panel {
        title: format!("reward after RFT, {title}"),
        x: Axis { label: "labelled inputs in SFT".into(), categories, ..Axis::default() },
        y: Axis { label: "share of SFT's steps".into(), categories: percent(&steps), ..Axis::default() },
        layers: vec![Layer::Heat { cells, value_label: "mean reward".into(), signed: false }],
    }
}

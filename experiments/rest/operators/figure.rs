//! The fit on its way to the formula, and what a second Grow moves.

use super::Row;
use crate::statistics::{log_axis, means, seeds, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

fn line(series: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Layer {
    Layer::Line { series: series.into(), points: means(&summary(points)), stroke: Stroke::Solid, markers: true }
}

/// The largest y at each x.
fn largest_at(points: impl IntoIterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    summary(points).into_iter().map(|s| (s.0, s.3)).collect()
}

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let of = |part: &'static str| rows.iter().filter(move |r| r.part == part && r.task != "by_hand");
    let fit = largest_at(of("fit").filter_map(|r| Some((r.step? as f64, r.distance?))));
    let classes = |points: &dyn Fn(&str) -> Vec<(f64, f64)>| ["tabular", "product"].map(|c| line(c, points(c)));
    let second = |class: &str| of("second").filter(|r| r.policy == class).collect::<Vec<_>>();
    // with λ = 0 nothing of the policy is in the second Grow: exactly 0 for both, which no logarithm shows
    let moved = |class: &str| {
        largest_at(second(class).iter().filter(|r| r.share > 0.0).filter_map(|r| Some((r.share, r.distance?))))
    };
    let gained = |class: &str| {
        let own = second(class).into_iter().filter(|r| r.share == 1.0);
        own.filter_map(|r| Some((r.threshold?, r.value_second? - r.value?))).collect()
    };
    let rises = |class: &str| {
        let own = of("rise").filter(|r| r.policy == class);
        let points: Vec<(f64, f64)> = own.filter_map(|r| Some((r.height?, r.smallest_rise?))).collect();
        summary(points).into_iter().map(|s| (s.0, s.2)).collect()
    };
    let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
    let panel = |title: &str, x: Axis, y: Axis, layers: Vec<Layer>| Panel { title: title.into(), x, y, layers };
    Chart {
        title: "Improve in closed form, and a second Grow that does nothing to a tabular policy".into(),
        subtitle: format!(
            "Strings world, exact, no samples; {} seeds. Total variation and smallest rise: the worst of all tasks, contexts, seeds \
             (and λ, τ where they are not an axis). Gain by the second Grow: mean over tasks and seeds, λ = 1.",
            seeds(rows).len()
        ),
        panels: vec![
            panel(
                "Gradient descent reaches the formula",
                axis("steps"),
                log_axis("largest total variation"),
                vec![line("tabular", fit)],
            ),
            panel(
                "How far a second Grow at the same τ moves",
                axis("λ, share of own samples"),
                log_axis("largest total variation"),
                classes(&moved).into(),
            ),
            panel(
                "What the second Grow gains",
                axis("threshold τ of both Grows"),
                axis("V after the second less after the first"),
                classes(&gained).into(),
            ),
            panel(
                "τ ≥ V: the value rises",
                axis("f of τ = V + f (max − V)"),
                axis("smallest rise of V"),
                classes(&rises).into_iter().chain([Layer::Horizontal { label: "no rise".into(), y: 0.0 }]).collect(),
            ),
        ],
        columns: 2,
    }
}

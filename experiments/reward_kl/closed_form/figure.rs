//! Convergence, finite samples, and labels without an optimum.

use super::Row;
use super::judge::of;
use crate::statistics::{log_axis, means, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let mut betas: Vec<f64> = rows.iter().map(|r| r.beta).collect();
    betas.sort_by(f64::total_cmp);
    betas.dedup();
    let line =
        |name: String, points: Vec<(f64, f64)>, stroke| Layer::Line { series: name, points, stroke, markers: false };
    let of_beta = |part: &str, setting: &str, beta: f64, y: &dyn Fn(&Row) -> Option<f64>| {
        let own = of(rows, part, setting).filter(|r| r.beta == beta);
        means(&summary(own.filter_map(|r| Some((r.at, y(r)?)))))
    };
    let variation = |r: &Row| r.total_variation.map(|v| v.max(1e-16));
    let each = |part: &str, setting: &str, stroke| -> Vec<Layer> {
        betas.iter().map(|b| line(format!("β = {b}"), of_beta(part, setting, *b, &variation), stroke)).collect()
    };
    let panel = |title: &str, x: Axis, y: Axis, layers| Panel { title: title.into(), x, y, layers };
    let total = || log_axis("total variation to the optimum");
    let mut samples = each("sample", "even", Stroke::Solid);
    if let Some(Layer::Line { points, .. }) = samples.first() {
        let root = points.iter().map(|(n, _)| (*n, 0.5 * points[0].1 * (points[0].0 / n).sqrt())).collect();
        samples.push(Layer::Reference { label: "slope −1/2".into(), points: root });
    }
    let odds = |loss: &str, stroke| -> Vec<Layer> {
        let scaled = |r: &Row| r.log_odds.map(|o| o * r.beta);
        betas.iter().map(|b| line(format!("β = {b}"), of_beta("deterministic", loss, *b, &scaled), stroke)).collect()
    };
    let growth = [odds("dpo", Stroke::Solid), odds("conservative_dpo", Stroke::Dashed), odds("ipo", Stroke::Dotted)];
    Chart {
        title: "DPO's optimum is the KL-regularised one, if labels are Bradley–Terry".into(),
        subtitle: "One logit per output; mean over seeds. Above: gradient descent on the population's loss, with a step in \
                   proportion to 1/β² and with one step for all β. Below right: flow on deterministic labels; solid DPO, \
                   dashed conservative DPO, dotted IPO (β = τ)."
            .into(),
        panels: vec![
            panel("Infinitely many labels, step ∝ 1/β²", log_axis("steps"), total(), each("population", "even", Stroke::Solid)),
            panel("One step size", log_axis("steps"), total(), each("population", "even one step", Stroke::Solid)),
            panel("n labels", log_axis("labels n"), total(), samples),
            panel(
                "Deterministic labels",
                log_axis("flow time t (DPO: over 1/β²)"),
                Axis { label: "β × log-odds, best against second (nats)".into(), ..Axis::default() },
                growth.concat(),
            ),
        ],
        columns: 2,
    }
}

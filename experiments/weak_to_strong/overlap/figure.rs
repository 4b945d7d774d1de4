//! Risks against overlap and against N, and gain against misfit.

use super::Row;
use super::judge::{Pooled, pooled};
use crate::statistics::{log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let pooled = pooled(rows);
    let most = pooled.iter().map(|p| p.row.relabelled).max().unwrap_or(0);
    let least_shared = pooled.iter().filter(|p| p.row.shared > 0.0).map(|p| p.row.shared).fold(f64::INFINITY, f64::min);
    let aligned = |of: &'static str| {
        pooled.iter().filter(move |p| p.row.of == of && (p.row.views == "aligned" || p.row.views == "tilted"))
    };
    let bars = |series: &str, points: Vec<(f64, &Pooled)>| Layer::ErrorBars {
        series: series.into(),
        points: points
            .into_iter()
            .map(|(x, p)| (x, p.measured, p.measured - 1.96 * p.error, p.measured + 1.96 * p.error))
            .collect(),
    };
    let curve = |label: &str, points: Vec<(f64, &Pooled)>| {
        let mut points: Vec<(f64, f64)> = points.into_iter().map(|(x, p)| (x, p.row.exact)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Layer::Reference { label: label.into(), points }
    };
    let by_shared =
        |of| aligned(of).filter(|p| p.row.relabelled == most).map(|p| (p.row.shared, p)).collect::<Vec<_>>();
    let by_n = |of| {
        aligned(of).filter(|p| p.row.shared == least_shared).map(|p| (p.row.relabelled as f64, p)).collect::<Vec<_>>()
    };
    let names = [("teacher", "teacher"), ("student", "student"), ("ceiling", "ceiling, true labels of all")];
    let layers = |of: &dyn Fn(&'static str) -> Vec<(f64, f64, f64, f64, f64)>| {
        let mut layers = Vec::new();
        for (key, series) in names {
            let points = of(key);
            layers.push(Layer::Reference {
                label: "exact formula".into(),
                points: points.iter().map(|p| (p.0, p.4)).collect(),
            });
            layers.push(Layer::ErrorBars {
                series: series.into(),
                points: points.iter().map(|p| (p.0, p.1, p.2, p.3)).collect(),
            });
        }
        layers
    };
    let numbers = |points: Vec<(f64, &Pooled)>| {
        let mut points: Vec<(f64, f64, f64, f64, f64)> = points
            .into_iter()
            .map(|(x, p)| (x, p.measured, p.measured - 1.96 * p.error, p.measured + 1.96 * p.error, p.row.exact))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    Chart {
        title: "Teacher, student and ceiling by least squares in overlapping views".into(),
        subtitle: format!(
            "Excess risk: mean squared error against the truth. Points: means over all trials of {} seeds with 95% intervals (mostly smaller than the \
             points); dashed: exact formulas. Whole numbers and halves of shared dimensions: views aligned, or at 45°.",
            seeds(rows).len()
        ),
        panels: vec![
            Panel {
                title: format!("By overlap, N = {most}"),
                x: Axis { label: "shared dimensions ‖VₛᵀV_w‖²".into(), ..Axis::default() },
                y: Axis { label: "excess risk".into(), ..Axis::default() },
                layers: layers(&|of| numbers(by_shared(of))),
            },
            Panel {
                title: format!("By labels, {least_shared} shared"),
                x: log_axis("N, inputs with the teacher's labels"),
                y: Axis { label: "excess risk".into(), ..Axis::default() },
                layers: layers(&|of| numbers(by_n(of))),
            },
            Panel {
                title: "Gain and misfit".into(),
                x: log_axis("N, inputs with the teacher's labels"),
                y: Axis { label: "mean squared difference".into(), ..Axis::default() },
                layers: gains(&by_n("teacher"), &by_n("student"), &by_n("misfit"), &bars, &curve),
            },
        ],
        columns: 3,
    }
}

fn gains(
    teacher: &[(f64, &Pooled)],
    student: &[(f64, &Pooled)],
    misfit: &[(f64, &Pooled)],
    bars: &dyn Fn(&str, Vec<(f64, &Pooled)>) -> Layer,
    curve: &dyn Fn(&str, Vec<(f64, &Pooled)>) -> Layer,
) -> Vec<Layer> {
    let difference = |of: fn(&Pooled) -> f64| -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = teacher.iter().zip(student).map(|(t, s)| (t.0, of(t.1) - of(s.1))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    vec![
        curve("exact formula", misfit.to_vec()),
        Layer::Reference { label: "exact formula".into(), points: difference(|p| p.row.exact) },
        bars("misfit: student − teacher", misfit.to_vec()),
        Layer::Scatter { series: "gain: teacher's risk − student's".into(), points: difference(|p| p.measured) },
    ]
}

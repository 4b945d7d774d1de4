//! The picture of the Theorem 1 experiment.

use super::{Part, Row, SWEPT, largest, total};
use crate::vanishing_gradients::families::{Family, Reward, log_spaced};
use rewardlab::exact::{sharp_tabular_bound, theorem1_bound};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Scale, Stroke};
use std::f64::consts::SQRT_2;

/// A cloud of draws per family, and below it how tight the bounds are.
pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let clouds = Family::ALL.map(|family| cloud(rows, family));
    let bars = Family::ALL.map(|family| tightness_bars(rows, family));
    let draws = total(rows, |r| r.part == Part::Summary, |r| r.draws);
    Chart {
        title: "Theorem 1: the policy gradient against the reward's standard deviation".into(),
        subtitle: format!(
            "Exact gradients; {draws} random draws in all, a thinned sample is shown. L = output length, γ = Jacobian norm"
        ),
        panels: clouds.into_iter().chain(bars).collect(),
        columns: 3,
    }
}

/// The range of STD that is drawn; below it rounding shows.
const SHOWN: (f64, f64) = (1e-9, 2.0);

fn cloud(rows: &[Record<Row>], family: Family) -> Panel {
    let of_family = |r: &&Record<Row>| r.family == family && r.reward_std >= SHOWN.0 && r.grad_norm > 0.0;
    let per_gamma = |r: &Row| (r.reward_std, r.grad_norm / (r.jacobian_norm * r.length as f64));
    let mut layers: Vec<Layer> = SWEPT
        .into_iter()
        .map(|reward| Layer::Scatter {
            series: format!("{reward} rewards"),
            points: rows
                .iter()
                .filter(of_family)
                .filter(|r| r.part == Part::Draw && r.reward == reward)
                .map(|r| per_gamma(r))
                .collect(),
        })
        .collect();
    let first = rows.iter().map(|r| r.seed).min();
    for (reward, series) in
        [(Reward::Rescaled, "one world, rewards × ε"), (Reward::RareSuccess, "one world, p(success) → 0")]
    {
        let of_path = |r: &&Record<Row>| r.part == Part::Path && r.reward == reward && Some(r.seed) == first;
        let points = rows.iter().filter(of_family).filter(of_path).map(|r| per_gamma(r)).collect();
        layers.push(Layer::Line { series: series.into(), points, stroke: Stroke::Solid, markers: false });
    }
    let curve = |bound: fn(f64) -> f64| log_spaced(SHOWN.0, SHOWN.1, 60).map(|s| (s, bound(s))).collect();
    layers.push(Layer::Reference {
        label: "6 STD^(2/3), the paper's".into(),
        points: curve(|s| theorem1_bound(1, 1.0, s)),
    });
    layers.push(Layer::Reference { label: "STD/√2, sharper".into(), points: curve(sharp_tabular_bound) });
    Panel {
        title: family.to_string(),
        x: Axis { label: "STD of the reward".into(), scale: Scale::Log, range: Some(SHOWN), ..Axis::default() },
        y: Axis {
            label: "‖∇V‖ / (γ L)".into(), scale: Scale::Log, range: Some((1e-14, 10.0)), ..Axis::default()
        },
        layers,
    }
}

fn tightness_bars(rows: &[Record<Row>], family: Family) -> Panel {
    let length_max = rows.iter().map(|r| r.length).max().unwrap_or(1);
    let bars = |part, column: fn(&Row) -> f64| {
        let height = |length| largest(rows, |r| r.family == family && r.part == part && r.length == length, column);
        (1..=length_max).map(|l| (l - 1, height(l))).filter(|b| b.1.is_finite()).map(|(x, h)| (x, h, h, h)).collect()
    };
    let paper: fn(&Row) -> f64 = |r| r.paper_ratio;
    let sharp: fn(&Row) -> f64 = |r| r.sharp_ratio;
    let series = [
        ("paper's bound, random draws", Part::Summary, paper),
        ("paper's bound, search", Part::SearchPaper, paper),
        ("sharper bound, random draws", Part::Summary, sharp),
        ("sharper bound, search", Part::SearchSharp, sharp),
    ];
    let mut layers: Vec<Layer> = series
        .into_iter()
        .map(|(name, part, column)| Layer::Bars { series: name.into(), bars: bars(part, column) })
        .collect();
    let constructed: Vec<(usize, f64, f64, f64)> = bars(Part::Construction, sharp);
    layers.push(Layer::Line {
        series: "sharper bound, construction".into(),
        points: constructed.into_iter().map(|(x, height, ..)| (x as f64, height)).collect(),
        stroke: Stroke::Dotted,
        markers: true,
    });
    layers.push(Layer::Horizontal { label: "1/(6√2)".into(), y: 1.0 / (6.0 * SQRT_2) });
    Panel {
        title: format!("{family}: how tight"),
        x: Axis {
            label: "output length L (tokens)".into(),
            categories: (1..=length_max).map(|l| l.to_string()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "largest ‖∇V‖ / bound".into(), range: Some((0.0, 1.1)), ..Axis::default() },
        layers,
    }
}

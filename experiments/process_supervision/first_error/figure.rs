//! Found, judged and forgiven errors against data; found errors against length.

use super::Row;
use crate::statistics::{banded, log_axis, means, seeds, seeds_where, summary};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::mean;

const SERIES: [(&str, &str, &str, Stroke); 5] = [
    ("process", "product", "process", Stroke::Solid),
    ("outcome", "product", "true outcome, product", Stroke::Solid),
    ("outcome", "linear", "true outcome, linear", Stroke::Dashed),
    ("answer", "product", "final answer, product", Stroke::Solid),
    ("answer", "linear", "final answer, linear", Stroke::Dashed),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let learned = || rows.iter().filter(|r| r.part == "learned");
    let most = learned().map(|r| r.per_problem).max().unwrap_or(0);
    let lines = |inside: &dyn Fn(&Row) -> bool, point: &dyn Fn(&Row) -> Option<(f64, f64)>| -> Vec<Layer> {
        let of = |(teaching, form, name, stroke): (&str, &str, &str, Stroke)| {
            let own = learned().filter(|r| r.teaching == teaching && r.form == form && inside(r));
            banded(name, &summary(own.filter_map(|r| point(r))), stroke)
        };
        SERIES.into_iter().flat_map(of).collect()
    };
    let whole = |r: &Row| r.steps.is_none();
    let size = |r: &Row| r.per_problem as f64;
    let chance = |points: &mut dyn Iterator<Item = (f64, f64)>| Layer::Reference {
        label: "a random place".into(),
        points: means(&summary(points)),
    };
    let mut found = lines(&whole, &|r| Some((size(r), r.known)));
    found.push(chance(&mut learned().filter(|r| whole(r)).map(|r| (size(r), r.chance))));
    let mut by_length = lines(&|r| r.steps.is_some(), &|r| Some((r.steps? as f64, r.known)));
    by_length.push(chance(&mut learned().filter_map(|r| Some((r.steps? as f64, r.chance)))));
    let panel = |title: &str, x: Axis, y: &str, layers: Vec<Layer>| Panel {
        title: title.into(),
        x,
        y: Axis { label: y.into(), ..Axis::default() },
        layers,
    };
    let data = || log_axis("labelled solutions per problem");
    Chart {
        title: "Where is the first error?".into(),
        subtitle: format!(
            "Solutions of held-out problems; most probable place of the first wrong step (linear models: deepest fall of the prefix's log-odds). \
             Lines: means over {} seeds; bands: their range. Bars: means and range over their own seeds ({taught}).",
            seeds(rows).len(),
            taught = seeds_where(rows, |r| r.part == "transformer")
        ),
        panels: vec![
            panel("First wrong step found", data(), "share of wrong solutions", found),
            panel(
                "Verdict right: error or none, and where",
                data(),
                "share of all solutions",
                lines(&whole, &|r| Some((size(r), r.verdict))),
            ),
            panel(
                "Wrong step, right answer: called wrong",
                data(),
                "share of such solutions",
                lines(&whole, &|r| Some((size(r), r.forgiven?))),
            ),
            panel(
                &format!("First wrong step found, {most} per problem"),
                Axis { label: "steps of the solution".into(), ..Axis::default() },
                "share of wrong solutions",
                by_length,
            ),
            transformers(rows),
        ],
        columns: 3,
    }
}

/// Bars over what is measured of transformers.
fn transformers(rows: &[Record<Row>]) -> Panel {
    let measures: [(&str, fn(&Row) -> Option<f64>); 4] = [
        ("first error found", |r| Some(r.known)),
        ("verdict right", |r| Some(r.verdict)),
        ("forgiven error seen", |r| r.forgiven),
        ("problem solved", |r| r.solved),
    ];
    let bars = |(teaching, form, name, _): (&str, &str, &str, Stroke)| {
        let own = || rows.iter().filter(|r| r.part == "transformer" && r.teaching == teaching && r.form == form);
        let bar = |(at, (_, value)): (usize, &(&str, fn(&Row) -> Option<f64>))| {
            let values: Vec<f64> = own().filter_map(|r| value(r)).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (!values.is_empty()).then(|| (at, mean(&values), low, high))
        };
        Layer::Bars { series: name.into(), bars: measures.iter().enumerate().filter_map(bar).collect() }
    };
    let taught = SERIES.into_iter().filter(|(teaching, ..)| *teaching != "outcome");
    Panel {
        title: "Small transformers".into(),
        x: Axis {
            label: "what is measured".into(),
            categories: measures.iter().map(|(name, _)| (*name).to_owned()).collect(),
            ..Axis::default()
        },
        y: Axis { label: "share".into(), range: Some((0.0, 1.0)), ..Axis::default() },
        layers: taught.map(bars).collect(),
    }
}

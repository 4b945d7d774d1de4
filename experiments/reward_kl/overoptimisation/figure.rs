//! Gold and proxy along √KL, the fits, and the peaks.

use super::Row;
use super::curves::{Curve, Form, Point};
use super::judge::{sizes, tangents};
use crate::statistics::{by_seed, log_axis, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};

/// √KL that the panels show.
const REACH: f64 = 5.0;
const METHODS: [(&str, &str); 3] = [("best_of_n", "best-of-N"), ("ppo", "PPO, no penalty"), ("exact", "exact optimum")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let sizes = sizes(rows);
    // at most four data sizes: more are hard to tell apart
    let shown: Vec<usize> = sizes
        .iter()
        .copied()
        .enumerate()
        .filter(|(i, _)| sizes.len() <= 4 || i % 2 == 0 || i + 1 == sizes.len())
        .map(|s| s.1)
        .collect();
    let mut panels: Vec<Panel> = METHODS.iter().map(|m| both(rows, &shown, m)).collect();
    panels.push(fitted(rows, &shown, METHODS[0], (Form::BestOfN, "d (α − β d)")));
    panels.push(fitted(rows, &shown, (METHODS[1].0, "PPO"), (Form::Rl, "d (α − β log d)")));
    panels.push(peaks(rows, &sizes));
    let most = |method: &str| rows.iter().filter(|r| r.method == method).map(|r| r.setting).fold(0.0, f64::max);
    Chart {
        title: "Over-optimisation: gold reward where a proxy is pushed up".into(),
        subtitle: format!(
            "Means over {} seeds; best-of-N up to N = {}, PPO for {} rounds. Above: gold solid, proxy dashed, by pairs of the proxy's data; \
             below: gold (solid) with the fitted form (dotted), and gold's peaks with 95% t intervals.",
            seeds(rows).len(),
            most("best_of_n"),
            most("ppo")
        ),
        panels,
        columns: 3,
    }
}

fn name(pairs: usize) -> String {
    format!("{pairs} pairs")
}

/// The mean over seeds wherever all seeds have a point.
fn average(rows: &[Record<Row>], proxy: &str, pairs: usize, method: &str) -> Vec<Point> {
    let of_seed = |seed: u64| {
        let own: Vec<&Record<Row>> = rows.iter().filter(|r| r.seed == seed).collect();
        Curve::of(&own, proxy, pairs, method)
    };
    let curves: Vec<Curve> = seeds(rows).into_iter().map(of_seed).collect();
    let at = |i: u32| {
        let d = f64::from(i) * 0.1;
        let points: Option<Vec<Point>> = curves.iter().map(|c| c.at(d)).collect();
        let points = points?;
        let over = |value: fn(&Point) -> f64| mean(&points.iter().map(value).collect::<Vec<_>>());
        Some(Point { d, gold: over(|p| p.gold), proxy: over(|p| p.proxy) })
    };
    (0..=(REACH / 0.1) as u32).filter_map(at).collect()
}

fn line(series: String, points: Vec<(f64, f64)>, stroke: Stroke) -> Layer {
    Layer::Line { series, points, stroke, markers: false }
}

fn distance() -> Axis {
    Axis { label: "√KL(π‖reference) (√nats)".into(), range: Some((0.0, REACH)), ..Axis::default() }
}

fn reward() -> Axis {
    Axis { label: "reward above the reference's (std)".into(), ..Axis::default() }
}

fn both(rows: &[Record<Row>], shown: &[usize], (method, title): &(&str, &str)) -> Panel {
    let mut layers = Vec::new();
    for &pairs in shown {
        let points = average(rows, "learned", pairs, method);
        layers.push(line(name(pairs), points.iter().map(|p| (p.d, p.gold)).collect(), Stroke::Solid));
        layers.push(line(name(pairs), points.iter().map(|p| (p.d, p.proxy)).collect(), Stroke::Dashed));
    }
    let first: Vec<&Record<Row>> = rows.iter().filter(|r| Some(r.seed) == rows.first().map(|r| r.seed)).collect();
    let mut front: Vec<(f64, f64)> = tangents(&first).iter().map(|t| (t.kl.max(0.0).sqrt(), t.reward)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    layers.push(Layer::Reference { label: "exact front of gold (first seed)".into(), points: front });
    Panel { title: (*title).into(), x: distance(), y: reward(), layers }
}

fn fitted(rows: &[Record<Row>], shown: &[usize], (method, title): (&str, &str), (form, words): (Form, &str)) -> Panel {
    let mut layers = Vec::new();
    for &pairs in shown {
        let points = average(rows, "learned", pairs, method);
        let fits = by_seed(rows, |g| Curve::of(g, "learned", pairs, method).fit(form).alpha);
        let betas = by_seed(rows, |g| Curve::of(g, "learned", pairs, method).fit(form).beta);
        // both forms are linear in α and β: the mean of the fits is the fit of the mean
        let fit = super::curves::Fit { alpha: mean(&fits), beta: mean(&betas), r_squared: f64::NAN };
        layers.push(line(name(pairs), points.iter().map(|p| (p.d, p.gold)).collect(), Stroke::Solid));
        let of_form = points.iter().filter(|p| p.d > 0.0).map(|p| (p.d, fit.value(form, p.d)));
        layers.push(line(name(pairs), of_form.collect(), Stroke::Dotted));
    }
    Panel { title: format!("{title}: {words}"), x: distance(), y: reward(), layers }
}

fn peaks(rows: &[Record<Row>], sizes: &[usize]) -> Panel {
    let of_method = |(method, series): &(&str, &str)| {
        let at = |pairs: &usize| {
            let e = mean_interval(&by_seed(rows, |g| Curve::of(g, "learned", *pairs, method).peak().gold));
            (*pairs as f64, e.value, e.low, e.high)
        };
        Layer::ErrorBars { series: (*series).into(), points: sizes.iter().map(at).collect() }
    };
    Panel {
        title: "Gold at its peak".into(),
        x: log_axis("pairs of the proxy's data"),
        y: reward(),
        layers: METHODS.iter().map(of_method).collect(),
    }
}

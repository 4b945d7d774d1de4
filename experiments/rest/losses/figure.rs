//! The losses side by side.

use super::Row;
use super::training::Loss;
use crate::statistics::{by_seed, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};
use rewardlab::stats::{mean, mean_interval};

const CRITICS: [(&str, &str); 3] =
    [("monte_carlo", "Monte Carlo critic"), ("exact", "exact critic"), ("shuffled", "rewards shuffled (control)")];

pub(super) fn chart(all: &[Record<Row>]) -> Chart {
    let of = |world: &str| all.iter().filter(|r| r.world == world).cloned().collect::<Vec<_>>();
    let (strings, translation) = (of("strings"), of("translation"));
    let rows = strings.as_slice();
    let panels =
        [("tabular", "tabular policy"), ("product", "product policy")].into_iter().flat_map(|(policy, title)| {
            [(0, "G1 I0: all samples"), (1, "G1 I1: R > τ")]
                .map(|(improve, when)| panel(rows, policy, improve, format!("{title}, {when}")))
        });
    let samples = mean(&rows.iter().map(|r| r.samples as f64).collect::<Vec<_>>());
    let kept: Vec<f64> =
        rows.iter().filter(|r| r.improve == 1 && r.critic != "shuffled").map(|r| r.kept as f64).collect();
    Chart {
        title: "Offline losses of ReST: what each adds to the supervised policy".into(),
        subtitle: format!(
            "Strings: exact expected reward less the supervised policy's, mean over 3 tasks; bars: 95% t intervals over {} seeds; {samples:.0} \
             samples, of which a mean of {:.0} pass the filter. Translation: mean chrF of samples on test sources, two Grows; bands: \
             95% t intervals over {} seeds. Same steps for all losses; learning rates from one grid.",
            seeds(rows).len(),
            mean(&kept),
            seeds(&translation).len(),
        ),
        panels: on_one_scale(panels.collect())
            .into_iter()
            .chain(["news", "talks"].map(|set| curves(&translation, set)))
            .collect(),
        columns: 2,
    }
}

fn panel(rows: &[Record<Row>], policy: &str, improve: usize, title: String) -> Panel {
    let layer = |(critic, label): (&str, &str)| {
        let bar = |(i, loss): (usize, Loss)| {
            let own = rows
                .iter()
                .filter(|r| r.policy == policy && r.improve == improve && r.critic == critic && r.loss == loss.name());
            let e = mean_interval(&by_seed(own, |g| mean(&g.iter().map(|r| r.gain()).collect::<Vec<_>>())));
            (i, e.value, e.low, e.high)
        };
        Layer::Bars { series: label.into(), bars: Loss::ALL.into_iter().enumerate().map(bar).collect() }
    };
    let fitted = rows.iter().filter(|r| r.policy == policy && r.improve == improve && r.critic == "monte_carlo");
    let cloned = Layer::Horizontal {
        label: "exact fit to the same samples (where BC ends)".into(),
        y: mean(&fitted.map(|r| r.cloned.unwrap_or(f64::NAN) - r.supervised).collect::<Vec<_>>()),
    };
    let categories = Loss::ALL.map(|l| l.title().to_owned()).to_vec();
    Panel {
        title,
        x: Axis { label: "loss".into(), categories, ..Axis::default() },
        y: Axis { label: "V − V of the supervised policy".into(), ..Axis::default() },
        layers: CRITICS.map(layer).into_iter().chain([cloned]).collect(),
    }
}

/// The same vertical axis for all.
fn on_one_scale(mut panels: Vec<Panel>) -> Vec<Panel> {
    let ends = panels.iter().flat_map(|p| &p.layers).flat_map(|layer| match layer {
        Layer::Bars { bars, .. } => bars.iter().flat_map(|b| [b.1, b.2, b.3]).filter(|v| v.is_finite()).collect(),
        _ => Vec::new(),
    });
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let room = 0.05 * (high - low);
    if room > 0.0 {
        panels.iter_mut().for_each(|p| p.y.range = Some((low - room, high + room)));
    }
    panels
}

/// The reward of a transformer against the policies of the loop in their order.
fn curves(rows: &[Record<Row>], set: &str) -> Panel {
    let own = || rows.iter().filter(|r| r.task == set);
    let mut steps: Vec<(usize, usize)> = own().map(|r| (r.grow, r.improve)).collect();
    steps.sort_unstable();
    steps.dedup();
    let of_loss = |loss: Loss| {
        let at = |(i, step): (usize, &(usize, usize))| {
            let here = own().filter(|r| r.loss == loss.name() && (r.grow, r.improve) == *step);
            let values: Vec<f64> = here.map(|r| r.value).collect();
            let e = mean_interval(&values);
            (!values.is_empty()).then_some((i as f64, e.value, e.low, e.high))
        };
        let points: Vec<(f64, f64, f64, f64)> = steps.iter().enumerate().filter_map(at).collect();
        let series = format!("{}, transformer", loss.title());
        let line = points.iter().map(|p| (p.0, p.1)).collect();
        [
            Layer::Band { series: series.clone(), points: points.iter().map(|p| (p.0, p.2, p.3)).collect() },
            Layer::Line { series, points: line, stroke: Stroke::Solid, markers: true },
        ]
    };
    let name = |step: &(usize, usize)| {
        if step.0 == 0 { "BC, G0".to_owned() } else { format!("G{} I{}", step.0, step.1) }
    };
    Panel {
        title: format!("Translation: {set}"),
        x: Axis { label: "policy of the loop".into(), categories: steps.iter().map(name).collect(), ..Axis::default() },
        y: Axis { label: "true reward (chrF)".into(), ..Axis::default() },
        layers: Loss::ALL.into_iter().flat_map(of_loss).collect(),
    }
}

//! The losses side by side.

use super::Row;
use super::training::Loss;
use crate::statistics::{by_seed, seeds};
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel};
use rewardlab::stats::{mean, mean_interval};

const CRITICS: [(&str, &str); 3] =
    [("monte_carlo", "Monte Carlo critic"), ("exact", "exact critic"), ("shuffled", "rewards shuffled (control)")];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
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
            "exact expected reward less the supervised policy's, mean over 3 string tasks; bars: 95% t intervals over {} seeds\nsame steps and learning-rate grid for all; {samples:.0} samples, of which a mean of {:.0} pass the filter",
            seeds(rows).len(),
            mean(&kept),
        ),
        panels: on_one_scale(panels.collect()),
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
        y: mean(&fitted.map(|r| r.cloned - r.supervised).collect::<Vec<_>>()),
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

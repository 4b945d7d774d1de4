//! Lengths, signal to noise, and cosines across reward std.

use super::super::statistics::{log_axis, means, summary};
use super::Row;
use rewardlab::experiment::Record;
use rewardlab::plot::{Axis, Chart, Layer, Panel, Stroke};

/// Dr. GRPO's step is (G − 1)/G of RLOO's, sample by sample: no line of its own.
const SHOWN: [(&str, &str); 5] = [
    ("reinforce", "REINFORCE"),
    ("reinforce+average", "REINFORCE, moving average"),
    ("rloo", "RLOO"),
    ("grpo", "GRPO"),
    ("ppo", "PPO (perfect critic)"),
];
const PPO: [(&str, &str); 3] = [
    ("ppo", "PPO (perfect critic)"),
    ("ppo_moved", "PPO, policy moved"),
    ("ppo_moved_unclipped", "PPO, policy moved, no clip"),
];

pub(super) fn chart(rows: &[Record<Row>]) -> Chart {
    let std = "reward std";
    let panel = |title: String, y: Axis, family: &str, policy: &str, value: fn(&Record<Row>) -> Option<f64>| Panel {
        title,
        x: log_axis(std),
        y,
        layers: layers(rows, family, policy, &SHOWN, value),
    };
    let step = |family, policy| {
        let title = format!("Expected step: {}, {}", words(family), words(policy));
        panel(title, log_axis("‖expected step‖"), family, policy, |r| Some(r.step))
    };
    let snr = |family, policy| {
        let title = format!("Signal to noise: {}, {}", words(family), words(policy));
        panel(title, log_axis("‖expected step‖ / noise"), family, policy, |r| Some(r.snr()))
    };
    let cosine = |policy| {
        let y = Axis { label: "mean cosine to the gradient".into(), ..Axis::default() };
        panel(format!("Cosine: rare success, {}", words(policy)), y, "rare", policy, |r| r.cosine)
    };
    let clip = |title: &str, policy, label: &str, value: fn(&Record<Row>) -> Option<f64>| Panel {
        title: format!("{title}: rare success, {}", words(policy)),
        x: log_axis(std),
        y: log_axis(label),
        layers: layers(rows, "rare", policy, &PPO, value),
    };
    Chart {
        title: "Small rewards shorten a sampled step; rare success also takes its direction".into(),
        subtitle:
            "All methods at the same number of outputs of one prompt. Exact means and noise by enumeration, cosines \
                   sampled; mean over seeds. Dr. GRPO is RLOO with a step of (G − 1)/G. The expected steps of REINFORCE, \
                   RLOO and PPO coincide; RLOO's cosine lies under GRPO's."
                .into(),
        panels: vec![
            step("rescaled", "tabular"),
            step("rare", "tabular"),
            step("rare", "transformer"),
            snr("rescaled", "tabular"),
            snr("rare", "tabular"),
            snr("rare", "transformer"),
            cosine("tabular"),
            cosine("log_linear"),
            cosine("transformer"),
            clip("PPO's bias", "tabular", "bias / ‖gradient‖", |r| r.bias),
            clip("PPO's bias", "transformer", "bias / ‖gradient‖", |r| r.bias),
            clip("PPO's noise", "transformer", "noise / ‖gradient‖", |r| Some(r.noise / r.gradient)),
        ],
        columns: 3,
    }
}

fn words(name: &str) -> &str {
    match name {
        "rare" => "rare success",
        "rescaled" => "rescaled",
        "log_linear" => "log-linear",
        other => other,
    }
}

fn layers(
    rows: &[Record<Row>],
    family: &str,
    policy: &str,
    methods: &[(&str, &str)],
    value: impl Fn(&Record<Row>) -> Option<f64>,
) -> Vec<Layer> {
    let layer = |(method, series): &(&str, &str)| {
        let of = rows.iter().filter(|r| (&*r.family, &*r.policy, &*r.method) == (family, policy, *method));
        // seeds differ in the std that a rare success can reach: averaged by what was aimed at
        let points =
            |v: &dyn Fn(&Record<Row>) -> Option<f64>| means(&summary(of.clone().filter_map(|r| Some((r.std, v(r)?)))));
        let (x, y) = (points(&|r| value(r).map(|_| r.reward_std)), points(&value));
        let points = x.iter().zip(&y).map(|(x, y)| (x.1, y.1)).collect();
        let stroke = if *method == "rloo" { Stroke::Dashed } else { Stroke::Solid };
        Layer::Line { series: (*series).into(), points, stroke, markers: true }
    };
    methods.iter().map(layer).collect()
}

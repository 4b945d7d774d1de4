//! Losses of value heads.

use super::super::Quantity;
use super::draws::{JUNK, between, flat, mask, named, number, padded, streams, token_loss};
use super::{Family, Objective};
use crate::objective::{clipped_value_loss, value_loss};

const WIDTH: usize = 3;

/// `values`, `old_values`, `returns`, `mask`: a row per sequence; `range`: of the clip.
pub(super) fn family() -> Family {
    let objective =
        |name, source, convention, answer| Objective { name, source, convention, of: Some("values"), answer };
    let objectives = vec![
        objective("value", "arXiv:1707.06347, Eq. 9", "half the mean over unmasked tokens of the squared error", |i| {
            token_loss(i, |w| value_loss(&flat(i, "values"), &flat(i, "returns"), 1.0, w))
        }),
        objective(
            "clipped_value",
            "OpenAI baselines (PPO2); TRL's PPO",
            "half the mean over unmasked tokens of the larger of both squares, the other with the value within range of the old one",
            |i| {
                let [values, old, returns] = ["values", "old_values", "returns"].map(|name| flat(i, name));
                token_loss(i, |w| clipped_value_loss(&values, &old, &returns, number(i, "range"), 1.0, w))
            },
        ),
    ];
    let corner = |name: &'static str, of: [usize; 2], far: f64, padding: f64| {
        let inputs = streams("values", name).map(|mut rng| {
            let total = of.iter().sum();
            let old = between(-1.0, 1.0, total, &mut rng);
            let moved = between(-far, far, total, &mut rng);
            let values: Vec<f64> = old.iter().zip(moved).map(|(o, d)| o + d).collect();
            let returns = between(-2.0, 2.0, total, &mut rng);
            named([
                ("values", padded(&values, &of, WIDTH, padding)),
                ("old_values", padded(&old, &of, WIDTH, padding)),
                ("returns", padded(&returns, &of, WIDTH, padding)),
                ("mask", mask(&of, WIDTH)),
                ("range", Quantity::Number(0.2)),
            ])
        });
        (name, inputs.collect())
    };
    let corners = vec![
        corner("plain", [3, 3], 0.15, 0.0),
        corner("clipped", [3, 3], 1.5, 0.0),
        corner("padding", [1, 2], 0.5, JUNK),
    ];
    Family { objectives, corners }
}

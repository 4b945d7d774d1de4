//! Losses of value heads.

use super::super::Quantity;
use super::draws::{
    JUNK, Mask, arranged, between, flat, left_padded, named, number, right_padded, streams, token_loss, tokens,
};
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
    let corner = |name: &'static str, mask: Mask, far: f64, padding: f64| {
        let inputs = streams("values", name).map(|mut rng| {
            let total = tokens(&mask);
            let old = between(-1.0, 1.0, total, &mut rng);
            let moved = between(-far, far, total, &mut rng);
            let values: Vec<f64> = old.iter().zip(moved).map(|(o, d)| o + d).collect();
            let returns = between(-2.0, 2.0, total, &mut rng);
            named([
                ("values", arranged(&values, &mask, padding)),
                ("old_values", arranged(&old, &mask, padding)),
                ("returns", arranged(&returns, &mask, padding)),
                ("mask", Quantity::Table(mask.clone())),
                ("range", Quantity::Number(0.2)),
            ])
        });
        (name, inputs.collect())
    };
    let full = || right_padded(&[WIDTH; 2], WIDTH);
    let corners = vec![
        corner("plain", full(), 0.15, 0.0),
        corner("clipped", full(), 1.5, 0.0),
        corner("padding", right_padded(&[1, 2], WIDTH), 0.5, JUNK),
        corner("left_padding", left_padded(&[1, 2], WIDTH), 0.5, JUNK),
    ];
    Family { objectives, corners }
}

//! The cases: objectives, each with its answer as a function of its inputs, over the corners of their family.

mod advantages;
mod distributions;
mod draws;
mod kl;
mod labels;
mod pairs;
#[cfg(test)]
mod plain;
mod tokens;
mod values;

use super::{Case, Convention, Quantities};

/// An objective of the oracle.
struct Objective {
    name: &'static str,
    source: &'static str,
    convention: Convention,
    /// The input that its gradient is with respect to.
    of: Option<&'static str>,
    /// What should come out.
    answer: fn(&Quantities) -> Quantities,
}

/// Objectives that are asked the same things.
struct Family {
    objectives: Vec<Objective>,
    /// Corners, and the inputs of each one's cases.
    corners: Vec<(&'static str, Vec<Quantities>)>,
}

fn families() -> Vec<Family> {
    vec![
        advantages::groups(),
        advantages::partial_groups(),
        advantages::along_tokens(),
        tokens::policy(),
        tokens::supervised(),
        tokens::language_model(),
        tokens::offline(),
        distributions::family(),
        distributions::vmpo(),
        kl::losses(),
        kl::in_rewards(),
        pairs::log_probs(),
        pairs::scores(),
        values::family(),
        labels::steps(),
        labels::step_classes(),
        labels::outcomes(),
        labels::students(),
    ]
}

/// All of them: the same in every call and on every machine, but for the last bits of exp and log.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in families() {
        for Objective { name, source, convention, of, answer } in &family.objectives {
            for (corner, inputs) in &family.corners {
                cases.extend(inputs.iter().enumerate().map(|(i, inputs)| Case {
                    id: format!("{name}/{corner}/{i}"),
                    objective: name,
                    corner,
                    source,
                    convention,
                    inputs: inputs.clone(),
                    of: *of,
                    expected: answer(inputs),
                }));
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::super::Quantity;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_several_hundred_and_each_has_its_own_name() {
        let cases = cases();
        let ids: BTreeSet<&str> = cases.iter().map(|c| c.id.as_str()).collect();
        assert!(ids.len() == cases.len() && cases.len() > 300, "{}", cases.len());
        for case in &cases {
            let all = case.inputs.values().chain(case.expected.values());
            assert!(all.flat_map(Quantity::numbers).all(f64::is_finite), "{}", case.id);
            assert!(!case.expected.is_empty() && case.expected.contains_key("gradient") == case.of.is_some());
        }
    }

    /// The number at a place, counted through all rows.
    fn at(quantity: &mut Quantity, place: usize) -> &mut f64 {
        match quantity {
            Quantity::Number(x) => x,
            Quantity::List(list) => &mut list[place],
            Quantity::Table(rows) => rows.iter_mut().flatten().nth(place).expect("within"),
        }
    }

    /// Every gradient is the loss's slope; a masked token has none.
    #[test]
    fn gradients_are_central_differences() {
        for family in families() {
            for objective in &family.objectives {
                let Some(of) = objective.of else { continue };
                for (corner, all) in &family.corners {
                    for inputs in all {
                        let expected = (objective.answer)(inputs);
                        // no function has a gradient that takes a part of itself as constant
                        if !expected.contains_key("loss") {
                            continue;
                        }
                        let loss = |inputs: &Quantities| (objective.answer)(inputs)["loss"].numbers()[0];
                        for (place, slope) in expected["gradient"].numbers().into_iter().enumerate() {
                            let moved = |by: f64| {
                                let mut inputs = inputs.clone();
                                *at(inputs.get_mut(of).expect("given"), place) += by;
                                loss(&inputs)
                            };
                            let h = 1e-6;
                            let measured = (moved(h) - moved(-h)) / (2.0 * h);
                            let unit = 1.0 + slope.abs().max(loss(inputs).abs());
                            assert!(
                                (measured - slope).abs() < 1e-6 * unit,
                                "{} {corner} at {place}: {measured} against {slope}",
                                objective.name
                            );
                        }
                    }
                }
            }
        }
    }
}

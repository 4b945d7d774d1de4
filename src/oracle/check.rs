//! A trainer's answers against the cases.

use super::{Case, Quantities, Quantity};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A trainer's answer to a case: its id, and what it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the case.
    pub id: String,
    /// `loss`, `gradient`, …, as in the case's `expected`; what is left out is not given.
    #[serde(flatten)]
    pub given: Quantities,
}

/// What is said of a class of cases.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Within the tolerance, all of them.
    Agrees,
    /// Within the tolerance once all are divided by one constant: another mean, another sign, another factor in front.
    UpToFactor(f64),
    /// Not even that.
    Differs {
        /// The first case that does.
        id: String,
        /// The largest difference in it.
        by: f64,
    },
    /// No answer to any of them.
    NotGiven,
}

/// The cases of an objective in one corner, and one of the quantities asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// The objective's name.
    pub objective: &'static str,
    /// Which corner.
    pub corner: &'static str,
    /// `loss`, `gradient`, …
    pub quantity: String,
    /// Cases, and how many were answered.
    pub cases: usize,
    /// Answered ones.
    pub answered: usize,
    /// What is said of those that were.
    pub verdict: Verdict,
}

/// Compares answers with cases, class by class, in the order of the cases. `tolerance`: largest difference as a share of the largest expected number of
/// the case's quantity (where all that is expected is 0: of 0.01); trainers that compute in f32 keep 1e-4.
///
/// # Errors
/// An answer to no case, or two to one; a quantity that the case does not ask for, or of another shape; a tolerance outside (0, 0.1].
pub fn check(cases: &[Case], answers: &[Answer], tolerance: f64) -> Result<Vec<Class>> {
    if !(tolerance > 0.0 && tolerance <= 0.1) {
        return Err(Error::parameter("tolerance", tolerance, "above 0 and at most 0.1"));
    }
    let mut by_id: BTreeMap<&str, &Answer> = BTreeMap::new();
    for answer in answers {
        let Some(case) = cases.iter().find(|c| c.id == answer.id) else {
            return Err(Error::unknown("case", &answer.id, cases.iter().map(|c| c.id.as_str())));
        };
        if let Some(name) = answer.given.keys().find(|name| !case.expected.contains_key(*name)) {
            let kind = "quantity of this case";
            return Err(Error::unknown(kind, name, case.expected.keys().map(String::as_str)));
        }
        if by_id.insert(&answer.id, answer).is_some() {
            return Err(Error::Usage(format!("two answers to {}", answer.id)));
        }
    }
    let mut classes: Vec<(Class, Vec<Pair>)> = Vec::new();
    for case in cases {
        for (quantity, expected) in &case.expected {
            let same = |c: &Class| (c.objective, c.corner) == (case.objective, case.corner) && c.quantity == *quantity;
            let at = classes.iter().position(|(class, _)| same(class)).unwrap_or_else(|| {
                let (objective, corner) = (case.objective, case.corner);
                let verdict = Verdict::NotGiven;
                classes.push((
                    Class { objective, corner, quantity: quantity.clone(), cases: 0, answered: 0, verdict },
                    Vec::new(),
                ));
                classes.len() - 1
            });
            let (class, pairs) = &mut classes[at];
            class.cases += 1;
            let Some(given) = by_id.get(case.id.as_str()).and_then(|a| a.given.get(quantity)) else { continue };
            // one NaN stands for all
            let lost = matches!(given, Quantity::Number(x) if x.is_nan());
            if given.shape() != expected.shape() && !lost {
                let message = format!("has the shape {:?}, expected {:?}", given.shape(), expected.shape());
                return Err(Error::Usage(format!("{}: `{quantity}` {message}", case.id)));
            }
            class.answered += 1;
            let expected = expected.numbers();
            let given = if lost { vec![f64::NAN; expected.len()] } else { given.numbers() };
            pairs.push(Pair { id: &case.id, given, expected });
        }
    }
    let judged = classes.into_iter().map(|(class, pairs)| Class { verdict: verdict(&pairs, tolerance), ..class });
    Ok(judged.collect())
}

/// What is smaller is 0, but for rounding.
const ROUNDING: f64 = 1e-13;

/// A case's numbers, given and expected.
struct Pair<'a> {
    id: &'a str,
    given: Vec<f64>,
    expected: Vec<f64>,
}

impl Pair<'_> {
    /// The largest difference of the given numbers, divided by `factor`, from the expected ones, as a share of the largest of these; infinite where one
    /// is no number.
    fn difference(&self, factor: f64) -> f64 {
        let largest = self.expected.iter().fold(0.0, |a: f64, e| a.max(e.abs()));
        let unit = if largest > ROUNDING { largest } else { 0.01 };
        let of = |(g, e): (&f64, &f64)| (g / factor - e).abs() / unit;
        let worst = self.given.iter().zip(&self.expected).map(of);
        worst.fold(0.0, |a: f64, d| if d.is_nan() { f64::INFINITY } else { a.max(d) })
    }
}

fn verdict(pairs: &[Pair], tolerance: f64) -> Verdict {
    if pairs.is_empty() {
        return Verdict::NotGiven;
    }
    let Some(first) = pairs.iter().find(|p| p.difference(1.0) > tolerance) else { return Verdict::Agrees };
    // the factor of the largest number: what is nearly zero tells none
    let numbers = || pairs.iter().flat_map(|p| p.given.iter().zip(&p.expected));
    let largest = numbers().filter(|(_, e)| **e != 0.0).max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let factor = largest.map_or(f64::NAN, |(g, e)| g / e);
    // numbers that are all of one size have a factor always
    let sizes = || numbers().map(|(_, e)| e.abs()).filter(|e| *e > ROUNDING);
    let telling = sizes().fold(0.0, f64::max) > 1.05 * sizes().fold(f64::INFINITY, f64::min);
    if telling && factor.is_finite() && factor != 0.0 && pairs.iter().all(|p| p.difference(factor) <= tolerance) {
        return Verdict::UpToFactor(factor);
    }
    Verdict::Differs { id: first.id.into(), by: first.difference(1.0) }
}

#[cfg(test)]
mod tests {
    use super::super::{Quantity, cases};
    use super::*;

    fn own(cases: &[Case]) -> Vec<Answer> {
        cases.iter().map(|c| Answer { id: c.id.clone(), given: c.expected.clone() }).collect()
    }

    #[test]
    fn our_own_answers_agree_everywhere() {
        let cases = cases();
        let classes = check(&cases, &own(&cases), 1e-12).expect("legal");
        assert!(classes.iter().all(|c| c.verdict == Verdict::Agrees && c.answered == c.cases));
    }

    fn changed(quantity: &Quantity, change: impl Fn(usize, f64) -> f64) -> Quantity {
        let mut place = 0;
        let mut next = |x: &f64| {
            place += 1;
            change(place - 1, *x)
        };
        match quantity {
            Quantity::Number(x) => Quantity::Number(next(x)),
            Quantity::List(list) => Quantity::List(list.iter().map(&mut next).collect()),
            Quantity::Table(rows) => {
                Quantity::Table(rows.iter().map(|row| row.iter().map(&mut next).collect()).collect())
            }
        }
    }

    /// In every class, in one case of it: the largest number a hundredth off, all zeros, all signs turned, all twice as large; where zeros are
    /// expected, a hundredth of 0.01. Each is told, with the case.
    #[test]
    fn one_wrong_answer_is_caught_in_every_class() {
        let cases = cases();
        let right = own(&cases);
        for class in check(&cases, &right, 1e-6).expect("legal") {
            let in_class = |c: &&Case| (c.objective, c.corner) == (class.objective, class.corner);
            let case = cases.iter().rfind(in_class).expect("a case");
            let expected = &case.expected[&class.quantity];
            let numbers = expected.numbers();
            let size = |i: &usize| numbers[*i].abs();
            let largest = (0..numbers.len()).max_by(|a, b| size(a).total_cmp(&size(b))).expect("numbers");
            let zero = size(&largest) <= ROUNDING;
            let wrong: Vec<Quantity> = if zero {
                vec![changed(expected, |i, x| if i == largest { x + 1e-4 } else { x })]
            } else {
                vec![
                    changed(expected, |i, x| if i == largest { 1.01 * x } else { x }),
                    changed(expected, |_, _| 0.0),
                    changed(expected, |_, x| -x),
                    changed(expected, |_, x| 2.0 * x),
                    changed(expected, |_, _| f64::NAN),
                ]
            };
            for wrong in wrong {
                let mut answers = right.clone();
                let answer = answers.iter_mut().find(|a| a.id == case.id).expect("answered");
                answer.given.insert(class.quantity.clone(), wrong);
                let found = check(&cases, &answers, 1e-6).expect("legal");
                let key = |c: &Class| (c.objective, c.corner, c.quantity.clone());
                let told = found.iter().find(|c| key(c) == key(&class)).expect("the class");
                match &told.verdict {
                    Verdict::Differs { id, by } => assert!(*id == case.id && *by > 5e-3, "{class:?}: {id} {by}"),
                    other => panic!("{class:?}: {other:?}"),
                }
                assert_eq!(found.iter().filter(|c| c.verdict != Verdict::Agrees).count(), 1);
            }
        }
    }

    #[test]
    fn numbers_of_one_size_tell_no_factor() {
        let cases = cases();
        let mut answers = own(&cases);
        for answer in answers.iter_mut().filter(|a| a.id.starts_with("dpo/at_the_reference/")) {
            answer.given.insert("loss".into(), Quantity::Number(1.0));
        }
        let classes = check(&cases, &answers, 1e-6).expect("legal");
        let told = classes.iter().find(|c| (c.corner, c.quantity.as_str()) == ("at_the_reference", "loss"));
        assert!(matches!(told.expect("the class").verdict, Verdict::Differs { .. }));
    }

    #[test]
    fn a_sum_for_a_mean_is_a_factor_and_silence_is_told() {
        let cases = cases();
        let mut answers = own(&cases);
        for answer in answers.iter_mut().filter(|a| a.id.starts_with("dpo/plain/")) {
            let twice = |x: &f64| 2.0 * x;
            for quantity in answer.given.values_mut() {
                *quantity = match quantity {
                    Quantity::Number(x) => Quantity::Number(twice(x)),
                    Quantity::List(list) => Quantity::List(list.iter().map(twice).collect()),
                    Quantity::Table(rows) => {
                        Quantity::Table(rows.iter().map(|r| r.iter().map(twice).collect()).collect())
                    }
                };
            }
        }
        answers.retain(|a| !a.id.starts_with("orpo/"));
        let classes = check(&cases, &answers, 1e-9).expect("legal");
        for class in classes {
            let expected = match (class.objective, class.corner) {
                ("dpo", "plain") => Verdict::UpToFactor(2.0),
                ("orpo", _) => Verdict::NotGiven,
                _ => Verdict::Agrees,
            };
            assert_eq!(class.verdict, expected, "{} {}", class.objective, class.corner);
        }
    }

    #[test]
    fn what_cannot_be_compared_is_one_line() {
        let cases = cases();
        let refused = |answers: &[Answer]| check(&cases, answers, 1e-6).expect_err("refused").to_string();
        let answer = |id: &str, loss: Quantity| Answer { id: id.into(), given: [("loss".to_owned(), loss)].into() };
        assert!(refused(&[answer("dpo/plane/0", Quantity::Number(1.0))]).contains("did you mean `dpo/plain/0`"));
        assert!(refused(&[answer("dpo/plain/0", Quantity::List(vec![1.0]))]).contains("`loss` has the shape [1]"));
        let one = answer("dpo/plain/0", Quantity::Number(1.0));
        assert!(refused(&[one.clone(), one]).contains("two answers to dpo/plain/0"));
        let los = Answer { id: "dpo/plain/0".into(), given: [("los".to_owned(), Quantity::Number(1.0))].into() };
        assert!(refused(&[los]).contains("did you mean `loss`"));
        assert!(check(&cases, &[], 2.0).is_err() && check(&cases, &[], 0.0).is_err());
        // no number is a difference, whatever the factor
        let nan = check(&cases, &[answer("dpo/plain/0", Quantity::Number(f64::NAN))], 1e-6).expect("legal");
        assert!(nan.iter().any(|c| matches!(c.verdict, Verdict::Differs { .. })));
    }
}

//! Distributions of problems.

use super::{MAX_MODULUS, Operation, Operator, Problem};
use crate::env::Split;
use crate::env::split::split_of;
use crate::error::{Error, Result};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Problems of some lengths, moduli and operators. Operands and first values are uniform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mix {
    /// Fewest and most operations, all numbers between them equally likely; 1 to 64.
    pub lengths: (usize, usize),
    /// Equally likely; each from 2 to 16.
    pub moduli: Vec<u8>,
    /// Weights of add, subtract, multiply and square; not negative, one positive.
    pub operators: [f64; 4],
}

impl Mix {
    /// # Errors
    /// Names the field, its value and what is legal.
    pub fn validate(&self) -> Result<()> {
        let (fewest, most) = self.lengths;
        if fewest < 1 || most < fewest || most > 64 {
            let legal = "fewest and most, ascending, from 1 to 64";
            return Err(Error::parameter("lengths", format!("{:?}", self.lengths), legal));
        }
        if self.moduli.is_empty() || !self.moduli.iter().all(|m| (2..=MAX_MODULUS).contains(m)) {
            let legal = format!("at least one, each from 2 to {MAX_MODULUS}");
            return Err(Error::parameter("moduli", format!("{:?}", self.moduli), legal));
        }
        let legal = self.operators.iter().all(|w| *w >= 0.0 && w.is_finite());
        if !legal || self.operators.iter().sum::<f64>() <= 0.0 {
            let legal = "weights, none negative, one positive";
            return Err(Error::parameter("operators", format!("{:?}", self.operators), legal));
        }
        Ok(())
    }

    /// Draws a problem of one half of them: no problem is in both.
    pub fn draw(&self, split: Split, rng: &mut Stream) -> Problem {
        loop {
            let problem = self.any(rng);
            if problem.split() == split {
                return problem;
            }
        }
    }

    /// Draws problems of one half, all different.
    ///
    /// # Errors
    /// [`Error::Numeric`] where there do not seem to be so many.
    pub fn draw_different(&self, count: usize, split: Split, rng: &mut Stream) -> Result<Vec<Problem>> {
        let (mut seen, mut problems) = (HashSet::new(), Vec::with_capacity(count));
        for _ in 0..100 * count {
            if problems.len() == count {
                break;
            }
            let problem = self.draw(split, rng);
            if seen.insert(problem.clone()) {
                problems.push(problem);
            }
        }
        if problems.len() < count {
            return Err(Error::Numeric(format!(
                "{count} different problems were asked for: there are about {}",
                problems.len()
            )));
        }
        Ok(problems)
    }

    fn any(&self, rng: &mut Stream) -> Problem {
        let (fewest, most) = self.lengths;
        let length = fewest + rng.below(most - fewest + 1);
        let modulus = self.moduli[rng.below(self.moduli.len())];
        let total: f64 = self.operators.iter().sum();
        let chances = self.operators.map(|w| w / total);
        let start = rng.below(modulus.into()) as u8;
        let mut operation = || Operation {
            operator: Operator::ALL[rng.categorical(&chances)],
            operand: 1 + rng.below(usize::from(modulus) - 1) as u8,
        };
        let operations = (0..length).map(|_| operation()).collect();
        Problem { modulus, start, operations }
    }
}

impl Problem {
    /// The half that it belongs to: one problem in five is held out.
    pub fn split(&self) -> Split {
        split_of(&self.tokens())
    }
}

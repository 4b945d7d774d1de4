//! Who writes solutions: a sampler of steps with known error rates.

use super::{Act, Facts, Manner, Operation, Problem, Solution, Step};
use crate::error::{Error, Result};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// The modulus at which rates are what they say.
const REFERENCE_MODULUS: f64 = 10.0;
/// No rate is larger, whatever the modulus.
const MOST: f64 = 0.95;

/// What a generator gets wrong and how often. All rates are per step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Of a slip at modulus 10, by operator (add, subtract, multiply, square): a wrong value, all equally likely; in [0, 0.9].
    pub slip: [f64; 4],
    /// Share of facts that are misconceived, at modulus 10, by operator; in [0, 0.9].
    pub misconceived: [f64; 4],
    /// Both grow as modulus to this power; in [−4, 4].
    pub by_modulus: f64,
    /// Least probability with which a misconceived fact is written with its one wrong value; in [0, 1].
    pub weakest: f64,
    /// Greatest; at least `weakest`, at most 1. Uniform between them, drawn once per fact.
    pub strongest: f64,
    /// Probability that a step restates the value; in [0, 0.9].
    pub restating: f64,
    /// Steps that a solution may have beyond the number of operations; 0 to 1000.
    pub slack: usize,
    /// Probability that a valid and that an invalid step is worked out; in [0, 1].
    pub worked: [f64; 2],
    /// Probability that a valid and that an invalid step is hedged; with `worked` at most 1.
    pub hedged: [f64; 2],
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            slip: [0.04, 0.06, 0.1, 0.1],
            misconceived: [0.08, 0.12, 0.2, 0.2],
            by_modulus: 1.0,
            weakest: 0.2,
            strongest: 0.9,
            restating: 0.1,
            slack: 3,
            worked: [0.3, 0.2],
            hedged: [0.1, 0.3],
        }
    }
}

impl Rates {
    /// # Errors
    /// Names the rate, its value and what is legal.
    pub fn validate(&self) -> Result<()> {
        let each = [("slip", self.slip), ("misconceived", self.misconceived)];
        for (name, rates) in each {
            if !rates.iter().all(|r| (0.0..=0.9).contains(r)) {
                return Err(Error::parameter(name, format!("{rates:?}"), "each in [0, 0.9]"));
            }
        }
        if !(-4.0..=4.0).contains(&self.by_modulus) {
            return Err(Error::parameter("by_modulus", self.by_modulus, "in [-4, 4]"));
        }
        if !(0.0..=1.0).contains(&self.weakest) {
            return Err(Error::parameter("weakest", self.weakest, "in [0, 1]"));
        }
        if !(self.weakest..=1.0).contains(&self.strongest) {
            return Err(Error::parameter("strongest", self.strongest, "from weakest to 1"));
        }
        if !(0.0..=0.9).contains(&self.restating) {
            return Err(Error::parameter("restating", self.restating, "in [0, 0.9]"));
        }
        Error::check_counts(&[("slack", self.slack, 0, 1000)])?;
        for (name, rates) in [("worked", self.worked), ("hedged", self.hedged)] {
            if !rates.iter().all(|r| (0.0..=1.0).contains(r)) {
                return Err(Error::parameter(name, format!("{rates:?}"), "each in [0, 1]"));
            }
        }
        if self.worked.iter().zip(self.hedged).any(|(w, h)| w + h > 1.0) {
            return Err(Error::parameter("hedged", format!("{:?}", self.hedged), "with worked at most 1"));
        }
        Ok(())
    }

    /// A rate at a modulus.
    fn at(&self, rate: f64, modulus: u8) -> f64 {
        (rate * (f64::from(modulus) / REFERENCE_MODULUS).powf(self.by_modulus)).min(MOST)
    }

    /// Plain, worked, hedged: of a valid step, or of an invalid one.
    pub fn manners(&self, valid: bool) -> [f64; 3] {
        let i = usize::from(!valid);
        [1.0 - self.worked[i] - self.hedged[i], self.worked[i], self.hedged[i]]
    }
}

/// The law of the value that is claimed for one fact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactLaw {
    /// The right value.
    pub right: u8,
    /// Probability of a slip where the misconception, if there is one, does not strike.
    pub slip: f64,
    /// The one wrong value, and the probability with which it is written.
    pub misconception: Option<(u8, f64)>,
}

impl FactLaw {
    /// The probability of a claimed value.
    ///
    /// # Formula
    /// b·1[c = w] + (1 − b)·((1 − s)·1[c = right] + s/(m − 1)·1[c ≠ right]).
    pub fn probability(&self, modulus: u8, claimed: u8) -> f64 {
        let slips = if claimed == self.right { 1.0 - self.slip } else { self.slip / f64::from(modulus - 1) };
        match self.misconception {
            Some((wrong, strength)) => strength * f64::from(u8::from(claimed == wrong)) + (1.0 - strength) * slips,
            None => slips,
        }
    }

    fn draw(&self, modulus: u8, rng: &mut Stream) -> u8 {
        if let Some((wrong, strength)) = self.misconception
            && rng.uniform() < strength
        {
            return wrong;
        }
        if rng.uniform() < self.slip { other(self.right, modulus, rng) } else { self.right }
    }
}

/// Uniform among the values that are not this one.
fn other(value: u8, modulus: u8, rng: &mut Stream) -> u8 {
    ((usize::from(value) + 1 + rng.below(usize::from(modulus) - 1)) % usize::from(modulus)) as u8
}

/// A writer of solutions, in full: every rate of every fact is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    facts: Facts,
    laws: Vec<FactLaw>,
    rates: Rates,
}

impl Generator {
    /// Draws which facts are misconceived, how strongly, and what is written instead.
    ///
    /// # Errors
    /// Rates or moduli outside their ranges.
    pub fn draw(rates: &Rates, moduli: &[u8], rng: &mut Stream) -> Result<Self> {
        rates.validate()?;
        let facts = Facts::new(moduli)?;
        let law = |(modulus, operation, before): (u8, Operation, u8)| {
            let kind = operation.operator.index();
            let right = operation.apply(modulus, before);
            // the same number of draws for every fact: a rate that is changed moves no other fact's draws
            let (struck, place, wrong) = (rng.uniform(), rng.uniform(), other(right, modulus, rng));
            let strength = rates.weakest + (rates.strongest - rates.weakest) * place;
            let misconception = (struck < rates.at(rates.misconceived[kind], modulus)).then_some((wrong, strength));
            FactLaw { right, slip: rates.at(rates.slip[kind], modulus), misconception }
        };
        let laws = facts.all().map(law).collect();
        Ok(Self { facts, laws, rates: rates.clone() })
    }

    /// What it knows about.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its rates.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// What it writes for a fact.
    pub fn law(&self, modulus: u8, operation: Operation, before: u8) -> &FactLaw {
        &self.laws[self.facts.fact(modulus, operation, before)]
    }

    /// Most steps of a solution.
    pub fn cap(&self, problem: &Problem) -> usize {
        problem.operations.len() + self.rates.slack
    }

    /// Writes a solution.
    pub fn sample(&self, problem: &Problem, rng: &mut Stream) -> Solution {
        self.go_on(problem, Vec::with_capacity(self.cap(problem)), rng)
    }

    /// So many that came to their end. Others have no answer to be judged by; they are few, and drawn anew.
    ///
    /// # Errors
    /// Hardly any solution comes to its end.
    pub fn sample_finished(&self, problem: &Problem, count: usize, rng: &mut Stream) -> Result<Vec<Solution>> {
        let tries = (0..100 * count + 1000).map(|_| self.sample(problem, rng));
        let drawn: Vec<Solution> = tries.filter(|s| s.answer.is_some()).take(count).collect();
        if drawn.len() < count {
            return Err(Error::Numeric("hardly any solution of a problem comes to its end".into()));
        }
        Ok(drawn)
    }

    /// Writes on from steps that are there.
    pub fn go_on(&self, problem: &Problem, mut steps: Vec<Step>, rng: &mut Stream) -> Solution {
        let modulus = problem.modulus;
        let mut done = steps.iter().filter(|s| s.act != Act::Restate).count();
        let mut value = steps.last().map_or(problem.start, |s| s.claimed);
        while done < problem.operations.len() {
            if steps.len() >= self.cap(problem) {
                return Solution { steps, answer: None };
            }
            let (act, claimed) = if rng.uniform() < self.rates.restating {
                (Act::Restate, value)
            } else {
                let operation = problem.operations[done];
                done += 1;
                (Act::Apply(operation), self.law(modulus, operation, value).draw(modulus, rng))
            };
            let mut step = Step { before: value, act, claimed, manner: Manner::Plain };
            step.manner = Manner::ALL[rng.categorical(&self.rates.manners(step.is_valid(modulus)))];
            steps.push(step);
            value = claimed;
        }
        Solution { steps, answer: Some(value) }
    }
}

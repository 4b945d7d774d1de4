//! Chains of modular arithmetic by dynamic programming: what a prefix is worth, how often the answer is right, and by which way.

use crate::env::arithmetic::{Act, Generator, Manner, Problem, Solution, Step};

/// A problem under a generator, in full.
///
/// A prefix matters through three numbers: operations applied, restatements made, the value that it claims.
#[derive(Clone, Debug)]
pub struct Chain {
    modulus: usize,
    operations: usize,
    slack: usize,
    start: u8,
    restating: f64,
    answer: u8,
    /// `laws[k][before · modulus + claimed]`.
    laws: Vec<Vec<f64>>,
    /// P(right answer | operations applied, restatements, value).
    values: Vec<f64>,
    /// Likewise of a chain that has been valid so far: P(all the rest is valid and finished | …).
    valid: Vec<f64>,
}

impl Chain {
    /// Of a problem.
    ///
    /// # Formula
    /// V(L, j, v) = 1[v = answer]; V(k, j, v) = q V(k, j + 1, v) + (1 − q) Σ P(c | fact k at v) V(k + 1, j, c) over c, where a solution that
    /// has used all its steps before its last operation is worth nothing.
    pub fn new(generator: &Generator, problem: &Problem) -> Self {
        let modulus = usize::from(problem.modulus);
        let law = |operation| {
            let row = |before: usize| generator.law(problem.modulus, operation, before as u8);
            let entry = |i: usize| row(i / modulus).probability(problem.modulus, (i % modulus) as u8);
            (0..modulus * modulus).map(entry).collect::<Vec<f64>>()
        };
        let mut chain = Self {
            modulus,
            operations: problem.operations.len(),
            slack: generator.rates().slack,
            start: problem.start,
            restating: generator.rates().restating,
            answer: problem.answer(),
            laws: problem.operations.iter().map(|o| law(*o)).collect(),
            values: Vec::new(),
            valid: Vec::new(),
        };
        chain.values = chain.backwards(|v| f64::from(u8::from(v == usize::from(chain.answer))), |_, _, _| true);
        let right = |k: usize, before: usize| usize::from(problem.operations[k].apply(problem.modulus, before as u8));
        chain.valid = chain.backwards(|_| 1.0, |k, before, claimed| right(k, before) == claimed);
        chain
    }

    /// A backward pass: what a finished solution pays by its last value, over the transitions that count.
    fn backwards(&self, pays: impl Fn(usize) -> f64, counts: impl Fn(usize, usize, usize) -> bool) -> Vec<f64> {
        let mut table = vec![0.0; (self.operations + 1) * (self.slack + 1) * self.modulus];
        for k in (0..=self.operations).rev() {
            for j in (0..=self.slack).rev() {
                for v in 0..self.modulus {
                    table[self.state(k, j, v)] = if k == self.operations {
                        pays(v)
                    } else {
                        let again = if j < self.slack { table[self.state(k, j + 1, v)] } else { 0.0 };
                        let on = |c: usize| self.laws[k][v * self.modulus + c] * table[self.state(k + 1, j, c)];
                        let on: f64 = (0..self.modulus).filter(|c| counts(k, v, *c)).map(on).sum();
                        self.restating * again + (1.0 - self.restating) * on
                    };
                }
            }
        }
        table
    }

    fn state(&self, done: usize, restated: usize, value: usize) -> usize {
        (done * (self.slack + 1) + restated) * self.modulus + value
    }

    /// P(right answer | so many operations applied, so many restatements, this value claimed last).
    ///
    /// # Panics
    /// If there are fewer operations, steps or values.
    pub fn value(&self, done: usize, restated: usize, claimed: u8) -> f64 {
        assert!(done <= self.operations && usize::from(claimed) < self.modulus, "a state of the chain");
        // what restates more often than a solution may has used all its steps
        if restated > self.slack { 0.0 } else { self.values[self.state(done, restated, claimed.into())] }
    }

    /// P(right answer | the first `steps` steps of a solution).
    pub fn prefix_value(&self, solution: &Solution, steps: usize) -> f64 {
        let (done, restated) = solution.progress(steps);
        let claimed = steps.checked_sub(1).map_or(self.start, |last| solution.steps[last].claimed);
        self.value(done, restated, claimed)
    }

    /// P(right answer).
    pub fn pass_rate(&self) -> f64 {
        self.value(0, 0, self.start)
    }

    /// P(finished, and every step valid).
    pub fn all_valid(&self) -> f64 {
        self.valid[self.state(0, 0, self.start.into())]
    }

    /// P(right answer, and some step wrong).
    pub fn false_positives(&self) -> f64 {
        self.pass_rate() - self.all_valid()
    }

    /// P(right answer | finished, and some step wrong); NaN where no step is ever wrong.
    pub fn false_positive_rate(&self) -> f64 {
        self.false_positives() / (self.answers().iter().sum::<f64>() - self.all_valid())
    }

    /// The probability of every answer; what they lack to 1 is the probability of none. Forwards: another pass than the values.
    pub fn answers(&self) -> Vec<f64> {
        let mut mass = vec![0.0; (self.operations + 1) * (self.slack + 1) * self.modulus];
        mass[self.state(0, 0, self.start.into())] = 1.0;
        for k in 0..self.operations {
            for j in 0..=self.slack {
                for v in 0..self.modulus {
                    let here = mass[self.state(k, j, v)];
                    if j < self.slack {
                        mass[self.state(k, j + 1, v)] += self.restating * here;
                    }
                    for c in 0..self.modulus {
                        let on = (1.0 - self.restating) * self.laws[k][v * self.modulus + c];
                        mass[self.state(k + 1, j, c)] += here * on;
                    }
                }
            }
        }
        let of = |v: usize| (0..=self.slack).map(|j| mass[self.state(self.operations, j, v)]).sum();
        (0..self.modulus).map(of).collect()
    }

    /// Whether the most frequent answer is the right one: what majority voting finds in the end. A tie is shared.
    pub fn modal_answer_is_right(&self) -> f64 {
        let answers = self.answers();
        let most = answers.iter().copied().fold(0.0, f64::max);
        let tied = answers.iter().filter(|a| **a >= most).count();
        if most > 0.0 && answers[usize::from(self.answer)] >= most { 1.0 / tied as f64 } else { 0.0 }
    }
}

/// Every solution of a problem that can be written, with its probability: for small problems, their number grows as
/// (modulus · manners)^steps.
pub fn solutions(generator: &Generator, problem: &Problem) -> Vec<(Solution, f64)> {
    let mut all = Vec::new();
    extend(generator, problem, &mut Vec::new(), 1.0, &mut all);
    all
}

fn extend(
    generator: &Generator,
    problem: &Problem,
    steps: &mut Vec<Step>,
    chance: f64,
    all: &mut Vec<(Solution, f64)>,
) {
    let done = steps.iter().filter(|s| s.act != Act::Restate).count();
    let before = steps.last().map_or(problem.start, |s| s.claimed);
    if done == problem.operations.len() || steps.len() >= generator.cap(problem) {
        let answer = (done == problem.operations.len()).then_some(before);
        all.push((Solution { steps: steps.clone(), answer }, chance));
        return;
    }
    let restating = generator.rates().restating;
    let operation = problem.operations[done];
    let law = generator.law(problem.modulus, operation, before);
    let apply = (0..problem.modulus)
        .map(|claimed| (Act::Apply(operation), claimed, (1.0 - restating) * law.probability(problem.modulus, claimed)));
    for (act, claimed, likely) in apply.chain([(Act::Restate, before, restating)]) {
        for manner in Manner::ALL {
            let step = Step { before, act, claimed, manner };
            let said = generator.rates().manners(step.is_valid(problem.modulus))[manner.index()];
            if likely * said > 0.0 {
                steps.push(step);
                extend(generator, problem, steps, chance * likely * said, all);
                steps.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests;

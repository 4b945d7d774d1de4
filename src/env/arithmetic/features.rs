//! What a reward model on features sees of a step.

use super::{Act, Facts, Manner, Problem, Solution, Step};

/// Features of a step that are 1; all others are 0.
pub const ACTIVE: usize = 4;

/// The numbering of features. Of a step: its operator and modulus; its fact; its fact with the claimed value; its manner. A step that
/// restates has one of its own in the place of each of the first three. Nothing tells right from wrong without having been seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    facts: Facts,
}

impl Features {
    /// Over these facts.
    pub fn new(facts: &Facts) -> Self {
        Self { facts: facts.clone() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.manners() + Manner::ALL.len()
    }

    /// The first of the facts; the last before it is restating's group.
    fn first_fact(&self) -> usize {
        self.facts.groups() + 1
    }

    fn first_pair(&self) -> usize {
        self.first_fact() + self.facts.count() + 1
    }

    fn manners(&self) -> usize {
        self.first_pair() + self.facts.pairs() + 1
    }

    /// Those of a step, in ascending order.
    pub fn of_step(&self, modulus: u8, step: &Step) -> [u32; ACTIVE] {
        let manner = self.manners() + step.manner.index();
        let (facts, before, claimed) = (&self.facts, step.before, step.claimed);
        let active = match step.act {
            Act::Apply(operation) => [
                facts.group(modulus, operation.operator),
                self.first_fact() + facts.fact(modulus, operation, before),
                self.first_pair() + facts.pair(modulus, operation, before, claimed),
                manner,
            ],
            Act::Restate => [self.first_fact() - 1, self.first_pair() - 1, self.manners() - 1, manner],
        };
        active.map(|i| i as u32)
    }

    /// Appends those of every step, [`ACTIVE`] numbers each.
    pub fn append(&self, problem: &Problem, solution: &Solution, out: &mut Vec<u32>) {
        solution.steps.iter().for_each(|step| out.extend(self.of_step(problem.modulus, step)));
    }
}

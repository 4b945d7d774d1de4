//! What a reward model on features sees of a step.

use super::{Act, Facts, Generator, Manner, Problem, Solution, Step};

/// Features of a step that are 1; all others are 0.
pub const ACTIVE: usize = 5;

/// The numbering of features. Of a step:
///
/// 1. its operator and modulus;
/// 2. whether it claims what the generator itself would most often claim there;
/// 3. its fact (modulus, operation, value before);
/// 4. its fact with the claimed value;
/// 5. its manner.
///
/// A step that restates has one of its own in the place of each of the first four. The second is what a reward model has that starts from
/// the generator's weights: it knows what the generator knows and shares its misconceptions. Which of these beliefs are wrong, nothing says
/// but labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    facts: Facts,
    /// By fact: the generator's most frequent value.
    beliefs: Vec<u8>,
}

impl Features {
    /// For a reward model that starts from this generator.
    pub fn new(generator: &Generator) -> Self {
        let facts = generator.facts().clone();
        let beliefs = facts.all().map(|(modulus, operation, before)| {
            let law = generator.law(modulus, operation, before);
            // among equals the lowest
            (0..modulus).rev().max_by(|a, b| law.probability(modulus, *a).total_cmp(&law.probability(modulus, *b)))
        });
        let beliefs = beliefs.map(|b| b.expect("a modulus has values")).collect();
        Self { facts, beliefs }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.manners() + Manner::ALL.len()
    }

    /// Disagrees, agrees, restates; before them stands restating's group.
    fn agreement(&self) -> usize {
        self.facts.groups() + 1
    }

    fn first_fact(&self) -> usize {
        self.agreement() + 3
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
            Act::Apply(operation) => {
                let fact = facts.fact(modulus, operation, before);
                [
                    facts.group(modulus, operation.operator),
                    self.agreement() + usize::from(self.beliefs[fact] == claimed),
                    self.first_fact() + fact,
                    self.first_pair() + facts.pair(modulus, operation, before, claimed),
                    manner,
                ]
            }
            Act::Restate => {
                [self.agreement() - 1, self.agreement() + 2, self.first_pair() - 1, self.manners() - 1, manner]
            }
        };
        active.map(|i| i as u32)
    }

    /// Appends those of every step, [`ACTIVE`] numbers each.
    pub fn append(&self, problem: &Problem, solution: &Solution, out: &mut Vec<u32>) {
        solution.steps.iter().for_each(|step| out.extend(self.of_step(problem.modulus, step)));
    }
}

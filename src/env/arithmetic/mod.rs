//! Chains of modular arithmetic: problems whose solutions are sequences of steps, each of which can be checked.
//!
//! A problem is a modulus, a first value and a list of operations. A step of a solution applies the next operation to the value
//! that the step before it claimed, so that it can be wrong in one way only: the value that it claims. It is valid or not
//! whatever went wrong before. A step may also restate the value (neutral: valid, and no progress). A solution that has not come
//! to its end within a number of steps is unfinished and has no answer.
//!
//! Two ways lead from a wrong step to the right answer: a later wrong step that happens to lead back, and an operation that takes
//! several values to one (multiplication by a divisor of zero, squaring). Such solutions are false positives of a check of final answers.
//!
//! | file | what |
//! |---|---|
//! | `facts` | what there is to know: (modulus, operation, value before) and how these are numbered |
//! | `generator` | who writes solutions: what it gets wrong, how often, and how it says it |
//! | `problems` | distributions of problems, training and held-out ones |
//! | `features` | what a reward model on features sees of a step |
//! | `text` | problems and solutions as tokens, and back |
//!
//! # Example
//! ```
//! use rewardlab::env::Split;
//! use rewardlab::env::arithmetic::{Generator, Mix, Rates, spell, written};
//! use rewardlab::rng::Stream;
//!
//! let mut rng = Stream::named(&["arithmetic", "example"]);
//! let generator = Generator::draw(&Rates::default(), &[7, 10, 12], &mut rng).expect("legal rates");
//! let mix = Mix { lengths: (3, 3), moduli: vec![10, 12], operators: [1.0, 1.0, 1.0, 0.0] };
//! let problem = mix.draw(Split::Train, &mut rng);
//! let solution = generator.sample(&problem, &mut rng);
//! println!("{}", spell(&problem.tokens()));
//! println!("{}", spell(&written(&solution)));
//! assert_eq!(solution.labels(&problem).len(), solution.steps.len());
//! ```

mod facts;
mod features;
mod generator;
mod problems;
mod text;

pub use facts::Facts;
pub use features::{ACTIVE, Features};
pub use generator::{FactLaw, Generator, Rates};
pub use problems::Mix;
pub use text::{
    BOS, EOS, PAD, ParseError, SEP, STEP_END, longest_prompt, longest_solution, parse, spell, vocab, written,
};

use super::StepLabel;
use serde::{Deserialize, Serialize};

/// The largest modulus.
pub const MAX_MODULUS: u8 = 16;

/// What an operation does with a value, modulo the problem's modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// v + k.
    Add,
    /// v − k.
    Subtract,
    /// v · k.
    Multiply,
    /// v² + k.
    Square,
}

impl Operator {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Add, Self::Subtract, Self::Multiply, Self::Square];

    /// Its place in [`Operator::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "subtract",
            Self::Multiply => "multiply",
            Self::Square => "square",
        }
    }
}

/// An operator with its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Operation {
    /// What is done.
    pub operator: Operator,
    /// k; from 1 to the modulus less 1.
    pub operand: u8,
}

impl Operation {
    /// The right value after it.
    pub fn apply(self, modulus: u8, before: u8) -> u8 {
        let (m, v, k) = (u16::from(modulus), u16::from(before), u16::from(self.operand));
        let after = match self.operator {
            Operator::Add => v + k,
            Operator::Subtract => v + m - k,
            Operator::Multiply => v * k,
            Operator::Square => v * v + k,
        };
        (after % m) as u8
    }
}

/// An expression to be worked out from left to right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// At least 2, at most [`MAX_MODULUS`].
    pub modulus: u8,
    /// The first value, below the modulus.
    pub start: u8,
    /// In the order in which they are applied.
    pub operations: Vec<Operation>,
}

impl Problem {
    /// The right value after each operation.
    pub fn values(&self) -> Vec<u8> {
        let mut value = self.start;
        let apply = |operation: &Operation| {
            value = operation.apply(self.modulus, value);
            value
        };
        self.operations.iter().map(apply).collect()
    }

    /// The right answer.
    pub fn answer(&self) -> u8 {
        self.operations.iter().fold(self.start, |value, operation| operation.apply(self.modulus, value))
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Applies the problem's next operation.
    Apply(Operation),
    /// Says the value again.
    Restate,
}

/// How a step is said. The generator hedges more where it is wrong: a tell that has nothing to do with the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Nothing beside the value.
    Plain,
    /// With its reason.
    Worked,
    /// With a doubt.
    Hedged,
}

impl Manner {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Worked, Self::Hedged];

    /// Its place in [`Manner::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// One step of a solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// The value that the step before claimed.
    pub before: u8,
    /// What it does.
    pub act: Act,
    /// The value that it claims.
    pub claimed: u8,
    /// How it says so.
    pub manner: Manner,
}

impl Step {
    /// Whether the claimed value follows from the value before.
    pub fn is_valid(&self, modulus: u8) -> bool {
        self.claimed
            == match self.act {
                Act::Apply(operation) => operation.apply(modulus, self.before),
                Act::Restate => self.before,
            }
    }

    /// −1 for what does not follow, 0 for a value that is said again, else +1.
    pub fn label(&self, modulus: u8) -> StepLabel {
        match (self.is_valid(modulus), self.act) {
            (false, _) => StepLabel::Negative,
            (true, Act::Restate) => StepLabel::Neutral,
            (true, Act::Apply(_)) => StepLabel::Positive,
        }
    }
}

/// Steps, and the answer if they came to an end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Solution {
    /// In order.
    pub steps: Vec<Step>,
    /// The value of the last step; none where the cap on steps came first.
    pub answer: Option<u8>,
}

impl Solution {
    /// The label of every step, also behind the first wrong one.
    pub fn labels(&self, problem: &Problem) -> Vec<StepLabel> {
        self.steps.iter().map(|step| step.label(problem.modulus)).collect()
    }

    /// The first step that does not follow.
    pub fn first_error(&self, problem: &Problem) -> Option<usize> {
        self.steps.iter().position(|step| !step.is_valid(problem.modulus))
    }

    /// Whether the answer is right, by whatever way.
    pub fn is_right(&self, problem: &Problem) -> bool {
        self.answer == Some(problem.answer())
    }

    /// Right answer, wrong step: what a check of final answers takes for a good solution.
    pub fn is_false_positive(&self, problem: &Problem) -> bool {
        self.is_right(problem) && self.first_error(problem).is_some()
    }

    /// How many operations the first `steps` steps have applied, and how often they have restated.
    pub fn progress(&self, steps: usize) -> (usize, usize) {
        let restated = self.steps[..steps].iter().filter(|s| s.act == Act::Restate).count();
        (steps - restated, restated)
    }
}

#[cfg(test)]
mod tests;

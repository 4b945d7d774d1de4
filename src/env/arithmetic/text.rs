//! Problems and solutions as tokens, for transformers: `<bos> mod 12 7 + 5 * 3 <sep>` and `+ 5 = 0 ; still 0 ; * 3 so 0 ; <eos>`.
//!
//! A step says its operation, how it is said (`=` plain, `so` worked, `maybe` hedged) and the value; a step that restates says `still`
//! in the place of the operation. Its label belongs to its `;`.

use super::{Act, MAX_MODULUS, Manner, Operation, Operator, Problem, Solution, Step};

/// Fills up the shorter sequences of a batch.
pub const PAD: u32 = 0;
/// Opens every sequence.
pub const BOS: u32 = 1;
/// Stands between a problem and its solution.
pub const SEP: u32 = 2;
/// Ends every finished solution.
pub const EOS: u32 = 3;
/// Ends every step.
pub const STEP_END: u32 = 4;
const MOD: u32 = 5;
const STILL: u32 = 6;
const FIRST_OPERATOR: u32 = 7;
const FIRST_MANNER: u32 = FIRST_OPERATOR + Operator::ALL.len() as u32;
const FIRST_VALUE: u32 = FIRST_MANNER + Manner::ALL.len() as u32;

const WORDS: [&str; FIRST_VALUE as usize] =
    ["<pad>", "<bos>", "<sep>", "<eos>", ";", "mod", "still", "+", "-", "*", "^2+", "=", "so", "maybe"];

/// Number of tokens.
pub fn vocab() -> usize {
    FIRST_VALUE as usize + usize::from(MAX_MODULUS) + 1
}

/// Words separated by blanks; a token outside the vocabulary is `?`.
pub fn spell(tokens: &[u32]) -> String {
    let word = |&token: &u32| match WORDS.get(token as usize) {
        Some(word) => (*word).to_owned(),
        None if (token as usize) < vocab() => (token - FIRST_VALUE).to_string(),
        None => "?".to_owned(),
    };
    tokens.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn number(value: u8) -> u32 {
    FIRST_VALUE + u32::from(value)
}

fn operation_tokens(operation: Operation) -> [u32; 2] {
    [FIRST_OPERATOR + operation.operator.index() as u32, number(operation.operand)]
}

impl Problem {
    /// `<bos> mod 12 7 + 5 * 3 <sep>`.
    pub fn tokens(&self) -> Vec<u32> {
        let mut out = vec![BOS, MOD, number(self.modulus), number(self.start)];
        self.operations.iter().for_each(|o| out.extend(operation_tokens(*o)));
        out.push(SEP);
        out
    }
}

/// Tokens of the longest problem of so many operations.
pub fn longest_prompt(operations: usize) -> usize {
    5 + 2 * operations
}

/// Tokens of the longest solution of so many steps, its `<eos>` included.
pub fn longest_solution(steps: usize) -> usize {
    5 * steps + 1
}

/// A solution, with `<eos>` if it came to an end.
pub fn written(solution: &Solution) -> Vec<u32> {
    let mut out = Vec::with_capacity(longest_solution(solution.steps.len()));
    for step in &solution.steps {
        match step.act {
            Act::Apply(operation) => out.extend(operation_tokens(operation)),
            Act::Restate => out.push(STILL),
        }
        out.extend([FIRST_MANNER + step.manner.index() as u32, number(step.claimed), STEP_END]);
    }
    if solution.answer.is_some() {
        out.push(EOS);
    }
    out
}

/// Why tokens are no solution of a problem, and from which token on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Another token than may stand here.
    Token {
        /// Its place.
        at: usize,
        /// The word that stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// A step applies another operation than the problem's next one.
    Operation {
        /// The place of its operator.
        at: usize,
        /// What stands there.
        found: String,
        /// The problem's.
        expected: String,
    },
    /// A value that the modulus does not have.
    Value {
        /// Its place.
        at: usize,
        /// The value.
        found: u8,
        /// The modulus.
        modulus: u8,
    },
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Token { at, found, expected } => write!(f, "token {at} is `{found}`: it must be {expected}"),
            Self::Operation { at, found, expected } => {
                write!(f, "token {at} begins `{found}`: the problem has `{expected}`")
            }
            Self::Value { at, found, modulus } => {
                write!(f, "token {at} is {found}: it must be below the modulus {modulus}")
            }
        }
    }
}

/// Reads a solution of a problem, up to its `<eos>`. Tokens that stop before it (a cap on tokens) are an unfinished solution of the steps
/// that came to their end.
///
/// # Errors
/// The first token that cannot stand where it does: among them an `<eos>` before every operation was applied, an operation that is not the
/// problem's next one, a value that the modulus does not have.
pub fn parse(problem: &Problem, tokens: &[u32]) -> Result<Solution, ParseError> {
    let mut reader = Reader { tokens, at: 0 };
    let (mut steps, mut value, mut done) = (Vec::new(), problem.start, 0);
    loop {
        match (reader.peek(), problem.operations.get(done)) {
            (None, _) => return Ok(Solution { steps, answer: None }),
            (Some(EOS), None) => return Ok(Solution { steps, answer: Some(value) }),
            (_, next) => {
                let Some(step) = reader.step(problem.modulus, value, next.copied())? else {
                    return Ok(Solution { steps, answer: None });
                };
                done += usize::from(step.act != Act::Restate);
                value = step.claimed;
                steps.push(step);
            }
        }
    }
}

struct Reader<'a> {
    tokens: &'a [u32],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u32> {
        self.tokens.get(self.at).copied()
    }

    /// One whole step; none where the tokens end within it.
    fn step(&mut self, modulus: u8, before: u8, next: Option<Operation>) -> Result<Option<Step>, ParseError> {
        let Some(first) = self.peek() else { return Ok(None) };
        let act = if let Some(operation) = next
            && first != STILL
        {
            let expected = operation_tokens(operation);
            if !(FIRST_OPERATOR..FIRST_MANNER).contains(&first) {
                return Err(self.wrong("an operator or `still`"));
            }
            let found = &self.tokens[self.at..(self.at + 2).min(self.tokens.len())];
            if *found != expected[..found.len()] {
                return Err(ParseError::Operation { at: self.at, found: spell(found), expected: spell(&expected) });
            }
            self.at += found.len();
            Act::Apply(operation)
        } else if first == STILL && next.is_some() {
            self.at += 1;
            Act::Restate
        } else {
            return Err(self.wrong("`<eos>`"));
        };
        let Some(manner) = self.peek() else { return Ok(None) };
        if !(FIRST_MANNER..FIRST_VALUE).contains(&manner) {
            return Err(self.wrong("`=`, `so` or `maybe`"));
        }
        self.at += 1;
        let Some(value) = self.peek() else { return Ok(None) };
        if !(FIRST_VALUE..vocab() as u32).contains(&value) {
            return Err(self.wrong("a value"));
        }
        let claimed = (value - FIRST_VALUE) as u8;
        if claimed >= modulus {
            return Err(ParseError::Value { at: self.at, found: claimed, modulus });
        }
        self.at += 1;
        let Some(end) = self.peek() else { return Ok(None) };
        if end != STEP_END {
            return Err(self.wrong("`;`"));
        }
        self.at += 1;
        let manner = Manner::ALL[(manner - FIRST_MANNER) as usize];
        Ok(Some(Step { before, act, claimed, manner }))
    }

    fn wrong(&self, expected: &'static str) -> ParseError {
        ParseError::Token { at: self.at, found: spell(&self.tokens[self.at..=self.at]), expected }
    }
}

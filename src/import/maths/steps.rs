//! The marks in a solution, `<<48/2=24>>`, and its last line, `#### 24`.

use super::expression::{Expression, ascii_digit};
use super::scope::Scope;
use super::value::Value;
use std::collections::BTreeMap;

/// How a language writes numbers within marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// A point before decimals; commas part thousands.
    Plain,
    /// A comma before decimals, a point between thousands.
    Comma,
}

impl Numbers {
    /// The languages that the package writes with decimal commas.
    pub(super) fn of(language: &str) -> Self {
        match language {
            "dan" | "nob" | "nno" | "swe" | "deu" | "fin" | "isl" | "nld" | "fra" | "ita" => Self::Comma,
            _ => Self::Plain,
        }
    }

    fn plain(self, text: &str) -> String {
        let text = text.chars().map(ascii_digit);
        let kept = text.filter(|c| !matches!(c, '$' | '€' | '£' | ' ' | '\u{a0}' | '\u{202f}'));
        match self {
            Self::Plain => kept.filter(|c| *c != ',').collect(),
            Self::Comma => kept.map(|c| if c == ',' { '.' } else { c }).collect(),
        }
    }
}

/// A solution whose marks are right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Checked {
    /// Marks.
    pub(super) steps: usize,
    /// What stands behind `####`.
    pub(super) answer: f64,
}

/// Evaluates every mark. A result that is stated with decimals may be rounded there.
///
/// # Errors
/// A mark that is not an equation or does not come out; no final answer. The message is the same for all of a kind, so that they can be
/// counted.
pub(super) fn check(solution: &str, numbers: Numbers) -> Result<Checked, &'static str> {
    let mut steps = 0;
    let mut rest = solution;
    while let Some((_, behind)) = rest.split_once("<<") {
        let (mark, after) = behind.split_once(">>").ok_or("a step's mark is not closed")?;
        result(mark, numbers)?;
        steps += 1;
        rest = after;
    }
    let (_, last) = solution.rsplit_once("####").ok_or("no final answer behind ####")?;
    let answer = number(&numbers.plain(last.trim())).ok_or("the final answer is no number")?;
    Ok(Checked { steps, answer })
}

/// What an equation such as `48/2=24` states, if it comes out. A chain of equations holds if all of its members do.
///
/// # Errors
/// As [`check`], of one mark.
pub(super) fn result(mark: &str, numbers: Numbers) -> Result<f64, &'static str> {
    let mark = numbers.plain(mark);
    let (left, right) = mark.rsplit_once('=').ok_or("a step's mark is no equation")?;
    let value = |text: &str| number(text).ok_or("a step's mark cannot be evaluated");
    let stated = value(right)?;
    let places = right.split_once('.').map_or(0, |(_, places)| places.len() as i32);
    let rounding = if places == 0 { 0.0 } else { 0.5 * 10_f64.powi(-places) };
    for member in left.split('=') {
        if (value(member)? - stated).abs() > rounding + 1e-9 * stated.abs().max(1.0) {
            return Err("a step's mark does not come out");
        }
    }
    Ok(stated)
}

/// The value of an expression without names.
fn number(text: &str) -> Option<f64> {
    let mut scope = Scope { lists: &BTreeMap::new(), variables: BTreeMap::new(), rng: None };
    let parsed = Expression::parse(text).ok()?;
    let value = scope.value(&parsed).ok()?;
    if matches!(value, Value::List(_) | Value::Text(_) | Value::Bool(_)) { None } else { value.number().ok() }
}

/// Without blank lines and white space at the ends of lines. `capitals`: lines and sentences start with them, whatever word was filled in.
pub(super) fn tidy(text: &str, capitals: bool) -> String {
    let mut tidy = String::with_capacity(text.len());
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if !tidy.is_empty() {
            tidy.push('\n');
        }
        let (mut first, mut mark) = (capitals, false);
        for c in line.chars() {
            if first && c.is_alphabetic() {
                tidy.extend(c.to_uppercase());
            } else {
                tidy.push(c);
            }
            first = c.is_whitespace() && (first || (mark && capitals));
            mark = matches!(c, '.' | '!' | '?');
        }
    }
    tidy
}

//! Evaluating expressions: names, and the functions that templates call.

use super::expression::{Expression, Operator};
use super::value::Value;
use crate::rng::Stream;
use std::collections::BTreeMap;

/// Names and what they stand for.
pub(super) struct Scope<'a> {
    /// The language's word lists.
    pub(super) lists: &'a BTreeMap<String, Value>,
    /// The instance's variables.
    pub(super) variables: BTreeMap<String, Value>,
    /// For functions that draw; without it they are refused.
    pub(super) rng: Option<&'a mut Stream>,
}

/// The most values that a range may have.
const LONGEST: f64 = 1e6;

impl Scope<'_> {
    /// # Errors
    /// A name or function that is not known; operations that are not defined.
    pub(super) fn value(&mut self, of: &Expression) -> Result<Value, String> {
        Ok(match of {
            Expression::Integer(i) => Value::Integer(*i),
            Expression::Decimal(d) => Value::Decimal(*d),
            Expression::Text(t) => Value::Text(t.clone()),
            Expression::Bool(b) => Value::Bool(*b),
            Expression::Name(name) => {
                let known = self.variables.get(name).or_else(|| self.lists.get(name));
                known.cloned().ok_or_else(|| format!("`{name}` is not defined"))?
            }
            Expression::List(all) => Value::List(self.values(all)?),
            Expression::Negative(e) => Value::combine(Operator::Subtract, &Value::Integer(0), &self.value(e)?)?,
            Expression::Not(e) => Value::Bool(!self.value(e)?.is_true()),
            Expression::Binary(operator, a, b) => Value::combine(*operator, &self.value(a)?, &self.value(b)?)?,
            Expression::Compare(first, rest) => {
                let mut left = self.value(first)?;
                for (comparison, right) in rest {
                    let right = self.value(right)?;
                    if !Value::compare(*comparison, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Value::Bool(true)
            }
            Expression::And(all) => {
                for e in all {
                    if !self.value(e)?.is_true() {
                        return Ok(Value::Bool(false));
                    }
                }
                Value::Bool(true)
            }
            Expression::Or(all) => {
                for e in all {
                    if self.value(e)?.is_true() {
                        return Ok(Value::Bool(true));
                    }
                }
                Value::Bool(false)
            }
            Expression::If(three) => {
                let [test, yes, no] = &**three;
                if self.value(test)?.is_true() { self.value(yes)? } else { self.value(no)? }
            }
            Expression::Call(name, arguments) => {
                let arguments = self.values(arguments)?;
                self.call(name, &arguments)?
            }
            Expression::Index(list, index) => {
                let (list, index) = (self.value(list)?, self.value(index)?.integer()?);
                let Value::List(all) = list else { return Err(format!("`{list}` is no list")) };
                let at = if index < 0 { index + all.len() as i64 } else { index };
                let found = usize::try_from(at).ok().and_then(|i| all.get(i));
                found.cloned().ok_or_else(|| format!("a list of {} has no element {index}", all.len()))?
            }
        })
    }

    fn values(&mut self, of: &[Expression]) -> Result<Vec<Value>, String> {
        of.iter().map(|e| self.value(e)).collect()
    }

    fn below(&mut self, n: usize) -> Result<usize, String> {
        if n == 0 {
            return Err("nothing to draw from".into());
        }
        self.rng.as_mut().map(|rng| rng.below(n)).ok_or_else(|| "a draw where none may be".into())
    }

    /// A draw from a list.
    ///
    /// # Errors
    /// An empty list, or nothing to draw with.
    pub(super) fn one_of(&mut self, all: &[Value]) -> Result<Value, String> {
        Ok(all[self.below(all.len())?].clone())
    }

    /// The functions of templates, with Python's meaning; `range`, `range_str` and `arange` draw one of their values.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let number = |i: usize| arguments.get(i).map_or(Err(format!("{name}: too few arguments")), Value::number);
        let one = || arguments.first().ok_or(format!("{name}: no argument"));
        let list = |i: usize| match arguments.get(i) {
            Some(Value::List(all)) => Ok(all),
            _ => Err(format!("{name}: argument {} must be a list", i + 1)),
        };
        match name {
            "sample" => {
                let all = list(0)?;
                match arguments.get(1) {
                    None => self.one_of(all),
                    Some(count) => {
                        let count = usize::try_from(count.integer()?).map_err(|_| "sample: a negative count")?;
                        let mut left: Vec<&Value> = all.iter().collect();
                        let mut drawn = Vec::new();
                        for _ in 0..count {
                            let at = self.below(left.len())?;
                            drawn.push(left.remove(at).clone());
                        }
                        Ok(Value::List(drawn))
                    }
                }
            }
            "sample_sequential" => {
                let (all, count) = (list(0)?, number(1)? as usize);
                let first = self.below(all.len())?;
                Ok(Value::List((0..count.min(all.len())).map(|i| all[(first + i) % all.len()].clone()).collect()))
            }
            "range" => {
                let all = integers(arguments)?;
                Ok(Value::Integer(all[self.below(all.len())?]))
            }
            "range_list" => Ok(Value::List(integers(arguments)?.into_iter().map(Value::Integer).collect())),
            "range_str" => {
                let names = list(3)?;
                let named = |i: i64| usize::try_from(i - 1).ok().and_then(|at| names.get(at)).cloned();
                let all: Vec<(i64, Value)> =
                    integers(&arguments[..3])?.into_iter().filter_map(|i| Some((i, named(i)?))).collect();
                let (value, name) = all[self.below(all.len())?].clone();
                Ok(Value::List(vec![name, Value::Integer(value)]))
            }
            "arange" => {
                let (first, last, step) = (number(0)?, number(1)?, number(2).unwrap_or(1.0));
                let count = ((last - first) / step).round() + 1.0;
                if !(1.0..=LONGEST).contains(&count) {
                    return Err("arange: no values, or too many".into());
                }
                let at = self.below(count as usize)? as f64;
                let value = if count > 1.0 { first + at * (last - first) / (count - 1.0) } else { first };
                // to the step's decimals
                let shown = format!("{step}");
                let places = shown.split_once('.').map_or(0, |(_, places)| places.len() as i32);
                let scale = 10_f64.powi(places);
                Ok(Value::Decimal((value * scale).round() / scale))
            }
            _ => plain(name, arguments, one()?),
        }
    }
}

/// The functions that draw nothing.
fn plain(name: &str, arguments: &[Value], first: &Value) -> Result<Value, String> {
    let second = || arguments.get(1).ok_or(format!("{name}: too few arguments"));
    let text = |i: usize| match &arguments[i] {
        Value::Text(text) => Ok(text.as_str()),
        other => Err(format!("{name}: `{other}` is no text")),
    };
    let whole = |value: f64| {
        if value.abs() < 9e18 { Ok(Value::Integer(value as i64)) } else { Err("a number is too large".to_owned()) }
    };
    match name {
        "is_int" => Ok(Value::Bool(first.is_integral())),
        "divides" => {
            let by = second()?;
            let rest = |by| Ok::<_, String>(Value::combine(Operator::Modulo, first, by)?.number()? == 0.0);
            Ok(Value::Bool(by.number()? != 0.0 && rest(by)?))
        }
        "int" => match first.clone().understood() {
            Value::Text(other) => Err(format!("int: `{other}` is no number")),
            number => whole(number.number()?.trunc()),
        },
        "ensure_int" if first.is_integral() => whole(first.number()?.round()),
        "ensure_int" => Err(format!("ensure_int: {first} is no integer")),
        "float" => first.clone().understood().number().map(Value::Decimal),
        "round" => {
            let value = first.number()?;
            match arguments.get(1) {
                None => whole(value.round_ties_even()),
                Some(places) => {
                    let scale = 10_f64.powi(places.integer()?.clamp(-15, 15) as i32);
                    Ok(Value::Decimal((value * scale).round_ties_even() / scale))
                }
            }
        }
        "str" => Ok(Value::Text(first.to_string())),
        "list" => Ok(first.clone()),
        "len" => match first {
            Value::List(all) => Ok(Value::Integer(all.len() as i64)),
            _ => text(0).map(|t| Value::Integer(t.chars().count() as i64)),
        },
        "Fraction" => match first {
            Value::Decimal(d) => Ok(Value::Text(nearest_ratio(*d)?.to_string())),
            other => Ok(Value::Text(other.to_string())),
        },
        "plural" | "ukr_plural_measurements" => plural(name, first, &arguments[1..]),
        "to_title" => {
            let mut chars = text(0)?.chars();
            let head: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
            Ok(Value::Text(head + chars.as_str()))
        }
        other => Err(format!("function `{other}` is not known")),
    }
}

/// The form that agrees with a number: singular and plural, or the three forms of East Slavic languages.
fn plural(name: &str, number: &Value, forms: &[Value]) -> Result<Value, String> {
    let form = match forms.len() {
        2 => usize::from(number.number()?.abs() != 1.0),
        3 => match number.number()?.abs().trunc() as u64 {
            n if n % 10 == 1 && n % 100 != 11 => 0,
            n if (2..=4).contains(&(n % 10)) && !(12..=14).contains(&(n % 100)) => 1,
            _ => 2,
        },
        other => return Err(format!("{name}: {other} forms: must be 2 or 3")),
    };
    Ok(forms[form].clone())
}

/// Python's `range`: the end is left out.
fn integers(arguments: &[Value]) -> Result<Vec<i64>, String> {
    let [first, end, step] = match arguments {
        [a, b] => [a.integer()?, b.integer()?, 1],
        [a, b, c] => [a.integer()?, b.integer()?, c.integer()?],
        _ => return Err(format!("a range of {} arguments", arguments.len())),
    };
    let count = end.saturating_sub(first) as f64 / step as f64;
    if step <= 0 || count.is_nan() || count > LONGEST {
        return Err("a range whose step is not positive, or of too many values".into());
    }
    Ok((first..end).step_by(step as usize).collect())
}

/// The nearest fraction whose denominator is at most a million (continued fraction; Python's `limit_denominator`).
fn nearest_ratio(value: f64) -> Result<Value, String> {
    if value.abs() > 1e9 {
        return Err("Fraction: a number is too large".into());
    }
    let (mut before, mut last) = ((0_i64, 1_i64), (1_i64, 0_i64));
    let mut rest = value;
    for _ in 0..40 {
        let whole = rest.floor();
        let next = |a: i64, b: i64| (whole as i64).checked_mul(b).and_then(|p| p.checked_add(a));
        let (Some(n), Some(d)) = (next(before.0, last.0), next(before.1, last.1)) else { break };
        if d > 1_000_000 {
            break;
        }
        (before, last) = (last, (n, d));
        if (rest - whole).abs() < 1e-9 {
            break;
        }
        rest = 1.0 / (rest - whole);
    }
    Value::ratio(last.0, last.1)
}

//! What expressions of templates are worth: integers, fractions, decimals, texts and lists, with Python's arithmetic.

use super::expression::{Comparison, Operator, ascii_digit};
use std::cmp::Ordering;
use std::fmt;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i64),
    /// Numerator and positive denominator, without a common divisor.
    Ratio(i64, i64),
    Decimal(f64),
    Text(String),
    List(Vec<Value>),
}

/// What is below this counts as no distance from an integer, as the templates' own `is_int` has it.
const NEARLY: f64 = 1e-6;

impl Value {
    /// A fraction in lowest terms; an integer stays a fraction, as in Python.
    pub(super) fn ratio(numerator: i64, denominator: i64) -> Result<Self, String> {
        let (mut a, mut b) = (numerator.unsigned_abs(), denominator.unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = i64::try_from(a).ok().filter(|d| *d != 0 && denominator != 0).ok_or("division by zero")?;
        let sign = denominator.signum();
        let of = |n: i64| (n / divisor).checked_mul(sign).ok_or("a number is too large");
        Ok(Self::Ratio(of(numerator)?, of(denominator)?))
    }

    /// The number that a text says, if it says one: integers, decimals and fractions of ASCII or Devanagari digits.
    pub(super) fn understood(self) -> Self {
        match self {
            Self::Decimal(d) if d.fract() == 0.0 && d.abs() < 1e15 => Self::Integer(d as i64),
            Self::Text(text) => {
                let digits: String = text.chars().map(ascii_digit).collect();
                let starts = digits.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.');
                if !starts {
                    return Self::Text(text);
                }
                if let Ok(integer) = digits.parse() {
                    return Self::Integer(integer);
                }
                if let Some(decimal) = digits.parse().ok().filter(|d: &f64| d.is_finite()) {
                    return Self::Decimal(decimal);
                }
                let parts = digits.split_once('/').and_then(|(n, d)| n.parse().ok().zip(d.parse().ok()));
                parts.and_then(|(n, d)| Self::ratio(n, d).ok()).unwrap_or(Self::Text(text))
            }
            other => other,
        }
    }

    /// # Errors
    /// It is no number.
    pub(super) fn number(&self) -> Result<f64, String> {
        match self {
            Self::Bool(b) => Ok(f64::from(u8::from(*b))),
            Self::Integer(i) => Ok(*i as f64),
            Self::Ratio(n, d) => Ok(*n as f64 / *d as f64),
            Self::Decimal(d) => Ok(*d),
            other => Err(format!("`{other}` is no number")),
        }
    }

    /// # Errors
    /// It is no integer.
    pub(super) fn integer(&self) -> Result<i64, String> {
        match self {
            Self::Integer(i) => Ok(*i),
            Self::Bool(b) => Ok(i64::from(*b)),
            other => Err(format!("`{other}` is no integer")),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Bool(b) => *b,
            Self::Integer(i) => *i != 0,
            Self::Ratio(n, _) => *n != 0,
            Self::Decimal(d) => *d != 0.0,
            Self::Text(t) => !t.is_empty(),
            Self::List(l) => !l.is_empty(),
        }
    }

    /// Whether it is an integer, or nearly.
    pub(super) fn is_integral(&self) -> bool {
        match self {
            Self::Integer(_) | Self::Bool(_) | Self::Ratio(_, 1) => true,
            Self::Decimal(d) => (d - d.round()).abs() < NEARLY,
            _ => false,
        }
    }

    /// # Errors
    /// Operands without this operation; division by zero; numbers too large.
    pub(super) fn combine(operator: Operator, a: &Self, b: &Self) -> Result<Self, String> {
        if let (Self::Text(a), Self::Text(b), Operator::Add) = (a, b, operator) {
            return Ok(Self::Text(format!("{a}{b}")));
        }
        let exact = match (a.fraction(), b.fraction()) {
            (Some(x), Some(y)) => exact(operator, x, y)?,
            _ => None,
        };
        if let Some((n, d)) = exact {
            let ratio = matches!(a, Self::Ratio(..)) || matches!(b, Self::Ratio(..));
            let whole = matches!(operator, Operator::Floor);
            return match (ratio, operator) {
                (true, _) if !whole => Self::ratio(n, d),
                // the quotient of integers is a decimal in Python
                (false, Operator::Divide) => Ok(Self::Decimal(n as f64 / d as f64)),
                _ => Ok(Self::Integer(n)),
            };
        }
        let (x, y) = (a.number()?, b.number()?);
        let zero = || "division by zero".to_owned();
        let result = match operator {
            Operator::Add => x + y,
            Operator::Subtract => x - y,
            Operator::Multiply => x * y,
            Operator::Divide => Some(x / y).filter(|_| y != 0.0).ok_or_else(zero)?,
            Operator::Floor => Some((x / y).floor()).filter(|_| y != 0.0).ok_or_else(zero)?,
            Operator::Modulo => Some(x - y * (x / y).floor()).filter(|_| y != 0.0).ok_or_else(zero)?,
            Operator::Power => x.powf(y),
        };
        if result.is_finite() { Ok(Self::Decimal(result)) } else { Err("a number is too large".into()) }
    }

    fn fraction(&self) -> Option<(i64, i64)> {
        match self {
            Self::Integer(i) => Some((*i, 1)),
            Self::Ratio(n, d) => Some((*n, *d)),
            Self::Bool(b) => Some((i64::from(*b), 1)),
            _ => None,
        }
    }

    /// # Errors
    /// What cannot be compared in this way.
    pub(super) fn compare(comparison: Comparison, a: &Self, b: &Self) -> Result<bool, String> {
        let order = match (a, b) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Text(_) | Self::List(_), _) | (_, Self::Text(_) | Self::List(_)) => {
                return match comparison {
                    Comparison::Equal => Ok(false),
                    Comparison::Unequal => Ok(true),
                    _ => Err(format!("`{a}` and `{b}` have no order")),
                };
            }
            _ => a.number()?.partial_cmp(&b.number()?),
        };
        let order = order.ok_or("NaN has no order")?;
        Ok(match comparison {
            Comparison::Equal => order == Ordering::Equal,
            Comparison::Unequal => order != Ordering::Equal,
            Comparison::Less => order == Ordering::Less,
            Comparison::LessOrEqual => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            Comparison::GreaterOrEqual => order != Ordering::Less,
        })
    }
}

/// The result as a fraction that may not be in lowest terms; none where only decimals tell.
fn exact(operator: Operator, (a, b): (i64, i64), (c, d): (i64, i64)) -> Result<Option<(i64, i64)>, String> {
    let times = |x: i64, y: i64| x.checked_mul(y).ok_or("a number is too large");
    let sum = |x: i64, y: i64| x.checked_add(y).ok_or("a number is too large");
    let floor = || -> Result<i64, String> {
        let (n, m) = (times(a, d)?, times(b, c)?);
        if m == 0 {
            return Err("division by zero".into());
        }
        Ok(n.div_euclid(m) - i64::from(m < 0 && n.rem_euclid(m) != 0))
    };
    Ok(Some(match operator {
        Operator::Add => (sum(times(a, d)?, times(c, b)?)?, times(b, d)?),
        Operator::Subtract => (sum(times(a, d)?, -times(c, b)?)?, times(b, d)?),
        Operator::Multiply => (times(a, c)?, times(b, d)?),
        Operator::Divide if c == 0 => return Err("division by zero".into()),
        Operator::Divide => (times(a, d)?, times(b, c)?),
        Operator::Floor => (floor()?, 1),
        Operator::Modulo => {
            let q = floor()?;
            // a/b − q c/d
            (sum(times(a, d)?, -times(times(q, c)?, b)?)?, times(b, d)?)
        }
        Operator::Power => match u32::try_from(c).ok().filter(|_| d == 1) {
            Some(power) => {
                let of = |x: i64| x.checked_pow(power).ok_or("a number is too large");
                (of(a)?, of(b)?)
            }
            None => return Ok(None),
        },
    }))
}

/// As a text shows it: decimals with nine places at most, without the noise of the last bits.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Bool(b) => f.write_str(if *b { "True" } else { "False" }),
            Self::Integer(i) | Self::Ratio(i, 1) => write!(f, "{i}"),
            Self::Ratio(n, d) => write!(f, "{n}/{d}"),
            Self::Decimal(d) => {
                let text = format!("{d:.9}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                f.write_str(if text == "-0" { "0" } else { text })
            }
            Self::Text(text) => f.write_str(text),
            Self::List(all) => {
                let shown: Vec<String> = all.iter().map(Self::to_string).collect();
                f.write_str(&shown.join(", "))
            }
        }
    }
}

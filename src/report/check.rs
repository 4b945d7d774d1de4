//! A claim as a statistic with a criterion; the verdict follows from the two and cannot be written by hand.

use crate::stats::{Estimate, Method};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What would count as reproduced, said before the result is seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// The statistic is at least this.
    AtLeast(f64),
    /// The statistic is at most this.
    AtMost(f64),
    /// The statistic lies in this closed range.
    Within(f64, f64),
}

impl Criterion {
    /// `target` ± `tolerance`.
    pub fn near(target: f64, tolerance: f64) -> Self {
        Self::Within(target - tolerance, target + tolerance)
    }

    fn bounds(self) -> (f64, f64) {
        match self {
            Self::AtLeast(low) => (low, f64::INFINITY),
            Self::AtMost(high) => (f64::NEG_INFINITY, high),
            Self::Within(low, high) => (low, high),
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            Self::AtLeast(low) => write!(f, "≥ {}", short(low)),
            Self::AtMost(high) => write!(f, "≤ {}", short(high)),
            Self::Within(low, high) => write!(f, "in [{}, {}]", short(low), short(high)),
        }
    }
}

/// Four significant digits, scientific where that is shorter to read.
pub fn short(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let magnitude = x.abs().log10().floor();
    if !(-3.0..6.0).contains(&magnitude) {
        return format!("{x:.2e}");
    }
    let text = format!("{x:.*}", (3.0 - magnitude).max(0.0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Whether the paper's claim held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval meets the criterion.
    Reproduced,
    /// The whole interval misses the criterion.
    Refuted,
    /// The interval straddles the criterion, or the statistic is undefined.
    Inconclusive,
}

impl Verdict {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 3] = [Self::Reproduced, Self::Refuted, Self::Inconclusive];

    /// One character for it.
    pub fn symbol(self) -> char {
        match self {
            Self::Reproduced => '✓',
            Self::Refuted => '✗',
            Self::Inconclusive => '?',
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Reproduced => "reproduced",
            Self::Refuted => "refuted",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The paper claims it.
    Claim,
    /// Theory derived in this project, beside the paper's own.
    Theory,
    /// A condition in which the effect must vanish (or the statement must fail).
    Control,
}

/// How sure we are of a number that the paper is said to give.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaperNumber {
    /// Read in the paper or its official code.
    Confirmed(f64),
    /// Quoted by others; printed as "reported second-hand".
    SecondHand(f64),
}

/// One claim, its statistic, its criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Short identifier, unique in its experiment, `snake_case`.
    pub id: String,
    /// Claim, theory or control.
    pub kind: Kind,
    /// The statement, one sentence.
    pub statement: String,
    /// Where the paper says it (or `derived`).
    pub source: String,
    /// The paper's own number, if known.
    pub paper: Option<PaperNumber>,
    /// Our estimate with its 95% interval.
    pub estimate: Estimate,
    /// What counts as reproduced.
    pub criterion: Criterion,
    /// What the statistic is, in words with units.
    pub statistic: String,
}

impl Check {
    /// A check of the given kind.
    pub fn new(
        kind: Kind,
        id: &str,
        statement: impl Into<String>,
        source: impl Into<String>,
        statistic: impl Into<String>,
        estimate: Estimate,
        criterion: Criterion,
    ) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            statement: statement.into(),
            source: source.into(),
            paper: None,
            estimate,
            criterion,
            statistic: statistic.into(),
        }
    }

    /// Adds the number that the paper gives.
    #[must_use]
    pub fn paper(mut self, number: PaperNumber) -> Self {
        self.paper = Some(number);
        self
    }

    /// The check when some units have no rows: those that are left may not stand for all, so there is no interval, and the
    /// verdict is inconclusive.
    #[must_use]
    pub fn undecided(mut self) -> Self {
        (self.estimate.low, self.estimate.high) = (f64::NAN, f64::NAN);
        self.statistic.push_str(" (units failed)");
        self
    }

    /// The verdict: the whole 95% interval on one side of the criterion, or inconclusive.
    pub fn verdict(&self) -> Verdict {
        let Estimate { value, low, high, .. } = self.estimate;
        let (min, max) = self.criterion.bounds();
        if [value, low, high].iter().any(|v| v.is_nan()) {
            Verdict::Inconclusive
        } else if low >= min && high <= max {
            Verdict::Reproduced
        } else if high < min || low > max {
            Verdict::Refuted
        } else {
            Verdict::Inconclusive
        }
    }

    /// Why the verdict is what it is, in a sentence.
    pub fn reason(&self) -> String {
        let Estimate { value, low, high, method, .. } = self.estimate;
        let (min, max) = self.criterion.bounds();
        if value.is_nan() {
            return "The statistic is undefined on these rows.".into();
        }
        if low.is_nan() || high.is_nan() {
            return "There is no interval.".into();
        }
        let whole =
            if method == Method::Exact { "The value, computed without sampling error," } else { "The whole interval" };
        match self.verdict() {
            Verdict::Reproduced => format!("{whole} meets the criterion."),
            Verdict::Refuted if high < min => format!("{whole} lies below {}.", short(min)),
            Verdict::Refuted => format!("{whole} lies above {}.", short(max)),
            Verdict::Inconclusive => {
                let ends =
                    [(low < min, "below", min), (high > max, "above", max)].into_iter().filter(|(over, ..)| *over);
                let ends: Vec<String> = ends.map(|(_, side, end)| format!("{side} {}", short(end))).collect();
                format!("The interval meets the criterion in part and reaches {}.", ends.join(" and "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(low: f64, high: f64, criterion: Criterion) -> Verdict {
        let estimate = Estimate { value: f64::midpoint(low, high), low, high, n: 5, method: Method::Bootstrap };
        Check::new(Kind::Claim, "x", "", "", "", estimate, criterion).verdict()
    }

    #[test]
    fn the_interval_decides() {
        use Verdict::{Inconclusive, Refuted, Reproduced};
        assert_eq!(verdict(1.0, 2.0, Criterion::AtLeast(1.0)), Reproduced);
        assert_eq!(verdict(0.9, 2.0, Criterion::AtLeast(1.0)), Inconclusive);
        assert_eq!(verdict(0.1, 0.9, Criterion::AtLeast(1.0)), Refuted);
        assert_eq!(verdict(0.1, 0.9, Criterion::AtMost(1.0)), Reproduced);
        assert_eq!(verdict(0.1, 0.9, Criterion::Within(0.2, 1.0)), Inconclusive);
        assert_eq!(verdict(1.1, 1.2, Criterion::Within(0.2, 1.0)), Refuted);
        assert_eq!(verdict(f64::NAN, f64::NAN, Criterion::AtMost(1.0)), Inconclusive);
        let exact = Estimate { value: 1.0, low: 1.0, high: 1.0, n: 5, method: Method::Exact };
        let check = Check::new(Kind::Claim, "x", "", "", "", exact, Criterion::AtLeast(0.0));
        assert_eq!((check.verdict(), check.undecided().verdict()), (Reproduced, Inconclusive));
    }

    #[test]
    fn a_reason_names_the_end_that_decides() {
        let reason = |low: f64, high: f64, criterion| {
            let estimate = Estimate { value: f64::midpoint(low, high), low, high, n: 5, method: Method::Bootstrap };
            Check::new(Kind::Claim, "x", "", "", "", estimate, criterion).reason()
        };
        assert_eq!(reason(1.0, 2.0, Criterion::AtLeast(1.0)), "The whole interval meets the criterion.");
        assert_eq!(reason(0.0, 0.5, Criterion::AtLeast(1.0)), "The whole interval lies below 1.");
        assert_eq!(reason(3.0, 4.0, Criterion::Within(1.0, 2.0)), "The whole interval lies above 2.");
        assert!(reason(0.5, 3.0, Criterion::Within(1.0, 2.0)).ends_with("reaches below 1 and above 2."));
        assert!(reason(0.5, 1.5, Criterion::AtMost(1.0)).ends_with("reaches above 1."));
        assert!(reason(f64::NAN, 1.5, Criterion::AtMost(1.0)).contains("undefined"));
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<_> = [0.0, 0.123_449, 12.0, 123_456.7, 1e-9, 2.5e7, -0.05].map(short).into();
        assert_eq!(shown, ["0", "0.1234", "12", "123457", "1.00e-9", "2.50e7", "-0.05"]);
    }
}

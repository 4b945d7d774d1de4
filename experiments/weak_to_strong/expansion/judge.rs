//! Counts over all labellings of all spaces.

use super::Row;
use crate::statistics::over_draws;
use rewardlab::experiment::{Check, Criterion, Kind, Record};

pub(super) fn sum(rows: &[Record<Row>], part: &str, of: fn(&Row) -> u64) -> u64 {
    rows.iter().filter(|r| r.part == part).map(|r| of(&r.row)).sum()
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let count = |part: &str, of: fn(&Row) -> u64| {
        let examined = sum(rows, part, |r| r.examined) as usize;
        (over_draws(sum(rows, part, of) as f64, examined), examined)
    };
    let check =
        |kind, id: &str, statement: &str, source: &str, part: &str, of: fn(&Row) -> u64, what: &str, criterion| {
            let (estimate, examined) = count(part, of);
            Check::new(kind, id, statement, source, format!("{what} among {examined} labellings"), estimate, criterion)
        };
    let violations = |r: &Row| r.violations;
    let informative = |r: &Row| r.informative;
    let broken = "labellings with an error above the bound";
    let below = "labellings with a bound below the teacher's error rate";
    let none = Criterion::AtMost(0.0);
    let some = Criterion::AtLeast(1.0);
    vec![
        check(
            Kind::Claim,
            "correction",
            "Theorem 4.1 holds for c ≤ 1",
            "arXiv:2405.16043, Theorem 4.1",
            "correction",
            violations,
            broken,
            none,
        ),
        check(
            Kind::Claim,
            "coverage",
            "Theorem 4.2 holds for c ≤ 1",
            "arXiv:2405.16043, Theorem 4.2",
            "coverage",
            violations,
            broken,
            none,
        ),
        check(
            Kind::Claim,
            "imitable",
            "no student that labels S as the teacher does meets the premises of 4.1",
            "arXiv:2405.16043, Proposition 4.1",
            "imitable",
            violations,
            "labellings that are the teacher's on S, robust enough, and expand",
            none,
        ),
        check(
            Kind::Claim,
            "correction_informs",
            "Theorem 4.1 guarantees students that are better than their teacher",
            "arXiv:2405.16043, Theorem 4.1",
            "correction",
            informative,
            below,
            some,
        ),
        check(
            Kind::Claim,
            "coverage_informs",
            "Theorem 4.2 guarantees the same where the teacher has no labels",
            "arXiv:2405.16043, Theorem 4.2",
            "coverage",
            informative,
            below,
            some,
        ),
        check(
            Kind::Theory,
            "c_above_one",
            "Theorem 4.1 as printed, without c ≤ 1, is violated",
            "derived",
            "c above 1",
            violations,
            broken,
            some,
        ),
        check(
            Kind::Control,
            "no_expansion",
            "without expansion the bound of 4.1 at c = 1 fails",
            "control",
            "no expansion",
            violations,
            broken,
            some,
        ),
    ]
}

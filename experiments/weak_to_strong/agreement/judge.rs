//! Agreement at the ends of the ladder.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{fit_line, mean_interval};

const FIGURE: &str = "arXiv:2312.09390, Figure 8";

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let most = rows.iter().map(|r| r.size).max().unwrap_or(0);
    let of = |regime: &'static str| rows.iter().filter(move |r| r.regime == regime);
    let at = |g: &[&Record<Row>], loss: &str, size: usize, value: fn(&Row) -> f64| {
        g.iter().find(|r| r.loss == loss && r.size == size).map_or(f64::NAN, |r| value(&r.row))
    };
    // per doubling of the student's size, over the whole ladder
    let slope = |g: &[&Record<Row>], value: fn(&Row) -> f64| {
        let own: Vec<_> = g.iter().filter(|r| r.loss == "naive").collect();
        let sizes: Vec<f64> = own.iter().map(|r| (r.size as f64).log2()).collect();
        fit_line(&sizes, &own.iter().map(|r| value(&r.row)).collect::<Vec<_>>()).slope.value
    };
    let slopes = |regime| mean_interval(&by_seed(of(regime), |g| slope(g, |r| r.wrong)));
    let steeper = |regime| mean_interval(&by_seed(of(regime), |g| slope(g, |r| r.wrong) - slope(g, |r| r.right)));
    let lowered = |regime| {
        mean_interval(&by_seed(of(regime), |g| {
            at(g, "naive", most, |r| r.wrong) - at(g, "confidence", most, |r| r.wrong)
        }))
    };
    let mut checks = Vec::new();
    for (regime, id) in [("A", "a"), ("B", "b")] {
        let mut claim = |name: &str, statement: &str, statistic: String, estimate, criterion| {
            checks.push(Check::new(
                Kind::Claim,
                &format!("{name}_{id}"),
                format!("regime {regime}: {statement}"),
                FIGURE,
                statistic,
                estimate,
                criterion,
            ));
        };
        claim(
            "errors_fall",
            "larger students agree less with the teacher's errors",
            "slope of agreement where the teacher is wrong on log2 size, naive, by seed".into(),
            slopes(regime),
            Criterion::AtMost(-0.01),
        );
        claim(
            "errors_fall_more",
            "agreement falls more where the teacher is wrong than where it is right",
            "that slope less the one where the teacher is right, naive, by seed".into(),
            steeper(regime),
            Criterion::AtMost(0.0),
        );
        claim(
            "confidence_lowers",
            "the confidence loss lowers the agreement with errors",
            format!("agreement where the teacher is wrong at size {most}: naive less confidence, by seed"),
            lowered(regime),
            Criterion::AtLeast(0.01),
        );
    }
    checks.push(Check::new(
        Kind::Control,
        "plain_representations",
        "with representations that differ in nothing but size the agreement with errors falls little",
        "control",
        "slope of agreement where the teacher is wrong on log2 size, naive, plain, by seed",
        slopes("plain"),
        Criterion::Within(-0.005, 0.005),
    ));
    checks
}

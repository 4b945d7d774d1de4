//! Means of trials against the formulas.

use super::Row;
use crate::statistics::{largest, largest_z, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::mean;
use std::collections::BTreeMap;

/// All seeds' trials of one quantity together.
pub(super) struct Pooled {
    pub(super) row: Row,
    pub(super) measured: f64,
    /// Standard error.
    pub(super) error: f64,
}

pub(super) fn pooled(rows: &[Record<Row>]) -> Vec<Pooled> {
    let mut settings: BTreeMap<(String, usize, String), Vec<&Row>> = BTreeMap::new();
    for r in rows {
        let key = (format!("{} {:06.2}", r.views, r.shared), r.relabelled, r.of.clone());
        settings.entry(key).or_default().push(&r.row);
    }
    let of = |group: &Vec<&Row>| {
        let trials: f64 = group.iter().map(|r| r.trials as f64).sum();
        let spread = mean(&group.iter().map(|r| r.deviation.powi(2)).collect::<Vec<_>>());
        let measured = mean(&group.iter().map(|r| r.measured).collect::<Vec<_>>());
        Pooled { row: group[0].clone(), measured, error: (spread / trials).sqrt() }
    };
    settings.values().map(of).collect()
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let pooled = pooled(rows);
    // nested misfits are zero up to rounding and have no error to speak of
    let sampled = || pooled.iter().filter(|p| !(p.row.views == "nested" && p.row.of == "misfit"));
    let z = |p: &Pooled, formula: f64| (p.measured - formula) / p.error;
    let many = sampled().count();
    let beyond_three = sampled().filter(|p| z(p, p.row.exact).abs() > 3.0).count();
    let most = pooled.iter().map(|p| p.row.relabelled).max().unwrap_or(0);
    let at = |p: &Pooled, of: &str| {
        let same = |q: &&Pooled| {
            q.row.of == of
                && q.row.views == p.row.views
                && q.row.shared == p.row.shared
                && q.row.relabelled == p.row.relabelled
        };
        pooled.iter().find(same).map_or(f64::NAN, |q| q.measured)
    };
    let students = || pooled.iter().filter(|p| p.row.of == "student" && p.row.views != "nested");
    let ratio = |p: &Pooled| (at(p, "teacher") - p.measured) / at(p, "misfit");
    let seeds = rows.iter().filter_map(|r| r.largest_gain);
    vec![
        Check::new(
            Kind::Claim,
            "exact_formula",
            "risks of teacher, student and ceiling, and the misfit, are the exact formulas'",
            "arXiv:2502.05075 (exact form derived)",
            format!(
                "largest |z| over {many} means of all seeds' trials ({beyond_three} beyond 3 standard errors); criterion: Bonferroni at level 0.01"
            ),
            largest(sampled().map(|p| z(p, p.row.exact).abs())),
            Criterion::AtMost(largest_z(many)),
        ),
        Check::new(
            Kind::Claim,
            "student_beats_teacher",
            "where views differ the student's risk is below its teacher's",
            "arXiv:2502.05075",
            format!("smallest 1 − student / teacher over overlaps at N = {most}, means of all trials"),
            smallest(students().filter(|p| p.row.relabelled == most).map(|p| 1.0 - p.measured / at(p, "teacher"))),
            Criterion::AtLeast(0.05),
        ),
        Check::new(
            Kind::Theory,
            "gain_to_misfit",
            "as N grows the gain becomes the misfit",
            "derived; arXiv:2405.15116",
            format!("smallest gain / misfit over overlaps at N = {most}, means of all trials"),
            smallest(students().filter(|p| p.row.relabelled == most).map(ratio)),
            Criterion::AtLeast(0.95),
        ),
        Check::new(
            Kind::Control,
            "full_overlap",
            "a student that sees all that its teacher sees gains nothing",
            "control",
            "largest |teacher's risk − student's| over all trials",
            largest(seeds),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "leading_order_misses",
            "the formula's leading order is not what is measured at these sizes",
            "control",
            "smallest |z| of the teachers' means against the leading order",
            smallest(pooled.iter().filter(|p| p.row.of == "teacher").map(|p| z(p, p.row.leading).abs())),
            Criterion::AtLeast(largest_z(many)),
        ),
    ]
}

//! Logged numbers in time.

use super::catalogue::{Per, Role};
use super::log::Line;
use super::naming::Named;
use crate::stats::{Estimate, Trend, mann_kendall, mean, mean_interval};

/// One key's numbers.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) key: String,
    pub(super) role: Option<Role>,
    pub(super) assumed: bool,
    pub(super) possible: Vec<Role>,
    pub(super) per: Option<Per>,
    /// The reward that was named as gold.
    pub(super) gold: bool,
    /// Finite numbers by step, of a run that went back to an earlier step what it did after that.
    pub(super) points: Vec<(f64, f64)>,
}

impl Series {
    pub(super) fn values(&self) -> Vec<f64> {
        self.points.iter().map(|p| p.1).collect()
    }

    /// Steps whose value is so.
    pub(super) fn steps(&self, is: impl Fn(f64) -> bool) -> Vec<f64> {
        self.points.iter().filter(|p| is(p.1)).map(|p| p.0).collect()
    }

    /// Mean with 95% interval of the last third, at least three of them.
    pub(super) fn late(&self) -> Estimate {
        let values = self.values();
        let count = (values.len() / 3).max(3).min(values.len());
        mean_interval(&values[values.len() - count..])
    }

    /// The same of the first third.
    pub(super) fn early(&self) -> Estimate {
        let values = self.values();
        let count = (values.len() / 3).max(3).min(values.len());
        mean_interval(&values[..count])
    }

    pub(super) fn trend(&self) -> Trend {
        mann_kendall(&thinned(&self.values()))
    }
}

/// Values, or so many means of neighbours that all pairs can be looked at.
pub(super) fn thinned(values: &[f64]) -> Vec<f64> {
    const MOST: usize = 1500;
    if values.len() <= MOST {
        return values.to_vec();
    }
    values.chunks(values.len().div_ceil(MOST)).map(mean).collect()
}

/// Every known key and the gold one.
pub(super) fn all(lines: &[Line], named: &[Named], gold: Option<&str>) -> Vec<Series> {
    let mut series: Vec<Series> = named
        .iter()
        .map(|n| {
            let held_out = |role: Role| match role {
                Role::Reward => Role::HeldOut,
                _ => Role::None,
            };
            Series {
                key: n.row.key.clone(),
                role: if n.held_out { n.role.map(held_out) } else { n.role },
                assumed: n.assumed,
                possible: if n.held_out { Vec::new() } else { n.possible.clone() },
                per: n.per,
                gold: gold == Some(n.row.key.as_str()),
                points: points(lines, &n.row.key),
            }
        })
        .collect();
    if let Some(gold) = gold.filter(|gold| series.iter().all(|s| s.key != *gold)) {
        series.push(Series {
            key: gold.to_owned(),
            role: Some(Role::None),
            assumed: false,
            possible: Vec::new(),
            per: None,
            gold: true,
            points: points(lines, gold),
        });
    }
    series
}

/// A line without a step counts as the step of its place.
fn points(lines: &[Line], key: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some(value) = line.values.get(key) else { continue };
        let step = line.step.unwrap_or(i as f64);
        points.truncate(points.partition_point(|p| p.0 < step));
        if value.is_finite() {
            points.push((step, *value));
        }
    }
    points
}

//! Signs of trouble, each with its numbers and what to do.

mod dead;
mod kl;
mod likelihood;
mod over;
mod sanity;
mod turning;

use super::Request;
use super::catalogue::{Catalogue, Role};
use super::log::Line;
use super::series::Series;
use super::settings::Settings;
use crate::error::Result;
use crate::stats::{Estimate, Trend};
use serde::Serialize;
use std::path::Path;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is wrong, or most probably is.
    Warning,
    /// Something that the log cannot show, or that is no fault.
    Note,
}

/// A sign of trouble.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which kind.
    pub id: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// Steps concerned, in words; empty where it is the whole run.
    pub steps: String,
    /// What was seen, with the numbers.
    pub seen: String,
    /// Why it matters.
    pub why: &'static str,
    /// Where that is from.
    pub source: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// What the detectors look at.
pub(super) struct Context<'a> {
    pub(super) path: &'a Path,
    pub(super) request: &'a Request,
    pub(super) catalogue: &'static Catalogue,
    pub(super) settings: &'a Settings,
    pub(super) series: &'a [Series],
    pub(super) lines: &'a [Line],
}

impl Context<'_> {
    /// The first key that is read as this and has a number.
    pub(super) fn find(&self, role: Role) -> Option<&Series> {
        self.series.iter().find(|s| s.role == Some(role) && !s.points.is_empty())
    }

    /// An option's number, and whether it was given.
    pub(super) fn number(&self, key: &str) -> Option<(f64, bool)> {
        self.settings.number(self.catalogue, key)
    }

    /// An option's word, or its default.
    pub(super) fn word(&self, key: &str) -> Option<String> {
        self.settings.value(self.catalogue, key).map(|v| v.0)
    }

    /// The size of a group.
    pub(super) fn group(&self) -> Option<(usize, bool)> {
        self.number(self.request.format.group()).map(|(g, given)| (g as usize, given))
    }
}

/// All findings, warnings first.
pub(super) fn all(context: &Context) -> Result<Vec<Finding>> {
    let mut findings = sanity::all(context);
    findings.extend(dead::all(context)?);
    findings.extend(kl::all(context));
    findings.extend(likelihood::all(context));
    findings.extend(over::all(context));
    findings.sort_by_key(|f| f.level == Level::Note);
    Ok(findings)
}

/// "step 3", "12 of 40 steps: 3, 7 to 9, ...".
pub(super) fn said(steps: &[f64], of: usize) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = steps.iter().take(MOST).map(f64::to_string).collect();
    let more = if steps.len() > MOST { format!(", … {}", steps[steps.len() - 1]) } else { String::new() };
    match steps.len() {
        1 => format!("step {} (1 of {of})", steps[0]),
        n if n == of => format!("all {of} steps"),
        n => format!("steps {}{more} ({n} of {of})", shown.join(", ")),
    }
}

/// A number in four digits.
pub(super) fn short(x: f64) -> String {
    if x != 0.0 && (x.abs() < 1e-3 || x.abs() >= 1e5) {
        format!("{x:.2e}")
    } else {
        format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A trend's test, or why there is none.
pub(super) fn tested(trend: &Trend) -> String {
    if trend.p.is_finite() {
        format!("Kendall's τ {:.2}, p {:.1e}", trend.tau, trend.p)
    } else if trend.n < 2 {
        "one number has no trend".into()
    } else {
        "it never changes".into()
    }
}

/// A share with its interval, of which no part is beyond 0 or 1.
pub(super) fn shown_share(e: &Estimate) -> String {
    shown(&Estimate { low: e.low.clamp(0.0, 1.0), high: e.high.clamp(0.0, 1.0), ..*e })
}

/// A mean with its interval.
pub(super) fn shown(e: &Estimate) -> String {
    if e.low.is_finite() { format!("{} [{}, {}]", short(e.value), short(e.low), short(e.high)) } else { short(e.value) }
}

//! Estimates with intervals. Randomness (bootstrap) comes from named streams, so an interval is reproducible.
//!
//! Whatever the data leave undefined is NaN, and a verdict on a NaN is inconclusive; nothing here fails at run time
//! on any values. Samples of unequal length where pairs are asked for are a mistake in the calling code and panic.

mod bootstrap;
mod correlation;
mod fieller;
mod ks;
mod line;
mod proportion;
mod student;
mod summary;
mod trend;

pub use bootstrap::{RESAMPLES, bootstrap, bootstrap_iqm, bootstrap_mean, ratio, stratified_bootstrap};
pub use correlation::{kendall, pearson, spearman};
pub use fieller::fieller;
pub use ks::{KsTest, ks_one_sample, ks_two_sample};
pub use line::{LineFit, fit_line};
pub use proportion::wilson;
pub use student::{mean_interval, paired_difference, student_t_975};
pub use summary::{iqm, mean, median, quantile, std_dev};
pub use trend::{Trend, mann_kendall};

use serde::{Deserialize, Serialize};

/// How an interval was made; printed beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// No sampling error: the quantity was computed, not estimated; low = value = high.
    Exact,
    /// Percentile bootstrap over independent units (seeds).
    Bootstrap,
    /// Bootstrap that resamples within strata (tasks), as rliable does.
    StratifiedBootstrap,
    /// Bootstrap of pairs (same seed, two quantities).
    PairedBootstrap,
    /// Student's t.
    StudentT,
    /// Fieller's interval of a ratio of means.
    Fieller,
    /// Wilson's score interval of a proportion.
    Wilson,
    /// Central interval of a Bayesian posterior.
    Posterior,
}

/// A number with its 95% interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end of the 95% interval.
    pub high: f64,
    /// How many independent units (usually seeds) stand behind it.
    pub n: usize,
    /// How the interval was made.
    pub method: Method,
}

impl Estimate {
    /// A computed quantity without sampling error, over `n` cases.
    pub fn exact(value: f64, n: usize) -> Self {
        Self { value, low: value, high: value, n, method: Method::Exact }
    }
}

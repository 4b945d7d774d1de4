//! Probes of bodies, against each other.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

/// The mean over tasks of a quantity of two bodies' rows at one number of labels, per seed.
fn contrast(
    rows: &[Record<Row>],
    labels: usize,
    of: impl Fn(&dyn Fn(&str, fn(&Row) -> f64) -> f64) -> f64,
) -> Estimate {
    let own = rows.iter().filter(|r| r.labels == labels);
    mean_interval(&by_seed(own, |g| {
        of(&|body: &str, value: fn(&Row) -> f64| {
            mean(&g.iter().filter(|r| r.body == body).map(|r| value(r)).collect::<Vec<_>>())
        })
    }))
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let most = rows.iter().map(|r| r.labels).max().unwrap_or(0);
    let least = rows.iter().map(|r| r.labels).min().unwrap_or(0);
    let probe = |r: &Row| r.probe;
    let head = |r: &Row| r.head.unwrap_or(f64::NAN);
    let source = "arXiv:2312.09390, Figure 11, reported second-hand; statistic ours";
    vec![
        Check::new(
            Kind::Claim,
            "salient",
            "finetuning on weak labels makes the concept linearly salient: a probe of the finetuned body is better",
            source,
            "accuracy of the probe after weak finetuning less before, mean over tasks, most labels",
            contrast(rows, most, |of| of("weak", probe) - of("nothing", probe)),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Claim,
            "salient_to_few",
            "also to a probe of few labels",
            source,
            "the same with the fewest labels",
            contrast(rows, least, |of| of("weak", probe) - of("nothing", probe)),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Claim,
            "at_most_full",
            "a probe after weak finetuning is no better than full finetuning on the truth",
            source,
            "accuracy of the probe after weak finetuning less that of the head finetuned on the truth, mean over tasks, most labels",
            contrast(rows, most, |of| of("weak", probe) - of("truth", head)),
            Criterion::AtMost(0.0),
        ),
        Check::new(
            Kind::Claim,
            "beyond_the_head",
            "the body knows more than the head says that learned the teacher's errors with it",
            "derived from arXiv:2312.09390, Section 5.2.3; statistic ours",
            "accuracy of the probe after weak finetuning less that of the head finetuned on weak labels, mean over tasks, most labels",
            contrast(rows, most, |of| of("weak", probe) - of("weak", head)),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Control,
            "dealt_anew",
            "weak labels dealt anew make no concept salient",
            "control",
            "accuracy of the probe after finetuning on dealt labels less before, mean over tasks, most labels",
            contrast(rows, most, |of| of("dealt", probe) - of("nothing", probe)),
            Criterion::AtMost(0.0),
        ),
    ]
}

//! What would count as what, written before the first run: of the tabular policy, and word for word of the transformer.

use super::Row;
use crate::statistics::{by_seed, for_each_group, largest, log_slope, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean, mean_interval};

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    for_each_group(
        rows,
        &[("", "", |r: &Row| r.policy == "tabular"), ("transformer_", "transformer: ", |r| r.policy == "transformer")],
        |rows| [values(rows), on_policy(rows), sequences(rows), off_policy(rows), controls(rows)].concat(),
    )
}

/// (estimate, placement, level, correction); an empty word stands for any.
type Words<'a> = (&'a str, &'a str, &'a str, &'a str);

fn of<'a>(rows: &'a [Record<Row>], words: Words<'a>) -> impl Iterator<Item = &'a Record<Row>> {
    let (estimate, placement, level, correction) = words;
    rows.iter().filter(move |r| {
        let is = |word: &str, value: &str| word.is_empty() || word == value;
        r.placement != "value"
            && is(estimate, &r.estimate)
            && is(placement, &r.placement)
            && is(level, &r.level)
            && is(correction, &r.correction)
    })
}

fn here<'a>(rows: &'a [Record<Row>], words: Words<'a>) -> impl Iterator<Item = &'a Record<Row>> {
    of(rows, words).filter(|r| r.moved <= 0.0 && r.kl > 0.0)
}

/// One token decides all: a bandit.
fn single<'a>(rows: &'a [Record<Row>], words: Words<'a>) -> impl Iterator<Item = &'a Record<Row>> {
    here(rows, words).filter(|r| r.length == 1)
}

fn long<'a>(rows: &'a [Record<Row>], words: Words<'a>) -> impl Iterator<Item = &'a Record<Row>> {
    here(rows, words).filter(|r| r.length > 1)
}

fn value<'a>(rows: &'a [Record<Row>], estimate: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.placement == "value" && r.estimate == estimate && r.kl > 0.0)
}

fn error(r: &Record<Row>) -> f64 {
    r.formula_error.unwrap_or(f64::NAN)
}

fn bias(r: &Record<Row>) -> f64 {
    r.bias.unwrap_or(f64::NAN)
}

fn average<'a>(rows: impl Iterator<Item = &'a Record<Row>>, of: impl Fn(&Record<Row>) -> f64) -> f64 {
    mean(&rows.map(of).collect::<Vec<_>>())
}

fn is_far(r: &Record<Row>) -> bool {
    r.kl >= 0.99
}

/// The same cell and seed with other words.
fn twin<'a>(rows: &'a [Record<Row>], r: &Record<Row>, words: Words<'a>) -> Option<&'a Record<Row>> {
    of(rows, words).find(|o| o.seed == r.seed && o.cell == r.cell)
}

fn values(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Claim,
            "values_unbiased",
            "k1 and k3 are unbiased estimates of the KL's value",
            "Schulman, Approximating KL Divergence; arXiv:2402.03300 for k3",
            "largest relative distance of the mean from the KL",
            largest(value(rows, "k1").chain(value(rows, "k3")).map(bias)),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Claim,
            "k3_value_quieter",
            "near the reference k3 has far less noise than k1",
            "Schulman, Approximating KL Divergence",
            "ratio of standard deviations at KL 0.01, mean",
            mean_interval(&by_seed(value(rows, "k3").filter(|r| (r.kl - 0.01).abs() < 1e-9), |g| {
                average(g.iter().copied(), |r| {
                    let twin = value(rows, "k1").find(|o| o.seed == r.seed && o.cell == r.cell);
                    twin.map_or(f64::NAN, |o| r.noise / o.noise)
                })
            })),
            Criterion::AtMost(0.2),
        ),
        Check::new(
            Kind::Claim,
            "k2_value_bias",
            "and k2 has little bias there",
            "Schulman, Approximating KL Divergence",
            "relative bias at KL 0.01, mean",
            mean_interval(&by_seed(value(rows, "k2").filter(|r| (r.kl - 0.01).abs() < 1e-9), |g| {
                average(g.iter().copied(), bias)
            })),
            Criterion::AtMost(0.1),
        ),
    ]
}

fn on_policy(rows: &[Record<Row>]) -> Vec<Check> {
    let exact = |id: &str, statement: &str, errors: Vec<f64>| {
        let statistic = "largest distance of the mean gradient from that, relative; on-policy, one token (k1 in the reward: any length)";
        Check::new(Kind::Theory, id, statement, "derived", statistic, largest(errors), Criterion::AtMost(1e-9))
    };
    let errors = |words: Words<'static>| single(rows, words).map(error).collect::<Vec<_>>();
    vec![
        exact("k1_loss", "k1 in the loss has a mean gradient of zero", errors(("k1", "loss", "", "none"))),
        exact("k2_loss", "k2 in the loss has the gradient of KL(π‖π_ref)", errors(("k2", "loss", "", "none"))),
        exact("k3_loss", "k3 in the loss has the gradient of KL(π_ref‖π)", errors(("k3", "loss", "", "none"))),
        exact(
            "k1_reward",
            "k1 in the reward has the gradient of KL(π‖π_ref)",
            here(rows, ("k1", "reward", "", "none")).map(error).collect(),
        ),
        exact(
            "k3_reward",
            "k3 in the reward has the gradient of KL(π‖π_ref) − KL(π_ref‖π)",
            errors(("k3", "reward", "", "none")),
        ),
        exact(
            "corrected_loss",
            "with a differentiated ratio k1 and k3 in the loss have the gradient of KL(π‖π_ref)",
            [errors(("k1", "loss", "", "ratio")), errors(("k3", "loss", "", "ratio"))].concat(),
        ),
        exact("exact_loss", "so has the exact KL in the loss", errors(("exact", "loss", "", "none"))),
        Check::new(
            Kind::Theory,
            "k3_loss_far",
            "far from the reference, the gradient of k3 in the loss is another one",
            "derived",
            "relative bias at KL 1, one token, mean",
            mean_interval(&by_seed(single(rows, ("k3", "loss", "", "none")).filter(|r| is_far(r)), |g| {
                average(g.iter().copied(), bias)
            })),
            Criterion::AtLeast(0.2),
        ),
        Check::new(
            Kind::Theory,
            "k2_corrected",
            "k2 with a differentiated ratio is biased where it was right without",
            "derived",
            "relative bias at KL 1, one token, mean",
            mean_interval(&by_seed(single(rows, ("k2", "loss", "", "ratio")).filter(|r| is_far(r)), |g| {
                average(g.iter().copied(), bias)
            })),
            Criterion::AtLeast(0.2),
        ),
        Check::new(
            Kind::Theory,
            "unbiased_twins",
            "among the two unbiased ways, k2 in the loss and k1 in the reward are the same estimator",
            "derived",
            "largest |ratio of noise − 1|, one token",
            largest(single(rows, ("k2", "loss", "", "none")).map(|r| {
                twin(rows, r, ("k1", "reward", "", "none")).map_or(f64::NAN, |o| (r.noise / o.noise - 1.0).abs())
            })),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Theory,
            "k3_corrected_noise",
            "and near the reference k3 with a differentiated ratio is as noisy as they are",
            "derived",
            "ratio of noise at KL ≤ 0.01, one token, mean",
            mean_interval(&by_seed(single(rows, ("k3", "loss", "", "ratio")).filter(|r| r.kl <= 0.011), |g| {
                average(g.iter().copied(), |r| {
                    twin(rows, r, ("k1", "reward", "", "none")).map_or(f64::NAN, |o| r.noise / o.noise)
                })
            })),
            Criterion::near(1.0, 0.1),
        ),
    ]
}

fn sequences(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "sequence_k2_loss",
            "k2 of a whole output's log ratio, in the loss, stays unbiased with several tokens; so does the exact KL in loss and reward",
            "derived",
            "largest relative bias, on-policy, longer outputs",
            largest(
                long(rows, ("k2", "loss", "sequence", "none"))
                    .chain(long(rows, ("exact", "both", "", "none")))
                    .map(error),
            ),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Theory,
            "token_loss_misses_contexts",
            "one estimate a token in the loss does not: tokens decide which contexts come next",
            "derived",
            "smallest relative bias of k2 and of the exact KL, token level, loss, longer outputs",
            smallest(
                long(rows, ("k2", "loss", "token", "none")).chain(long(rows, ("exact", "loss", "", "none"))).map(bias),
            ),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Theory,
            "token_loss_near",
            "near the reference that part goes as the root of the KL (added after the first run, which refuted the one before)",
            "derived",
            "slope of log bias on log KL at KL ≤ 0.1, k2, token level, loss, longer outputs",
            mean_interval(&by_seed(long(rows, ("k2", "loss", "token", "none")).filter(|r| r.kl <= 0.11), |g| {
                log_slope(g.iter().map(|r| (r.kl, bias(r))))
            })),
            Criterion::near(0.5, 0.1),
        ),
        Check::new(
            Kind::Theory,
            "token_k2_is_exact_loss",
            "what token-level k2 has for a mean is the exact token-level KL's gradient",
            "derived",
            "largest |difference of their biases|, longer outputs",
            largest(
                long(rows, ("k2", "loss", "token", "none")).map(|r| {
                    twin(rows, r, ("exact", "loss", "", "none")).map_or(f64::NAN, |o| (bias(r) - bias(o)).abs())
                }),
            ),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Theory,
            "token_loss_keeps_direction",
            "but it keeps most of the direction",
            "derived",
            "cosine of token-level k2 in the loss to the gradient of the outputs' KL, mean, longer outputs",
            mean_interval(&by_seed(long(rows, ("k2", "loss", "token", "none")), |g| {
                average(g.iter().copied(), |r| r.cosine.unwrap_or(f64::NAN))
            })),
            Criterion::AtLeast(0.7),
        ),
        Check::new(
            Kind::Theory,
            "exact_quieter",
            "the exact KL in loss and reward has less noise than k1 in the reward",
            "derived",
            "ratio of noise, mean, longer outputs",
            mean_interval(&by_seed(long(rows, ("exact", "both", "", "none")), |g| {
                average(g.iter().copied(), |r| {
                    twin(rows, r, ("k1", "reward", "token", "none")).map_or(f64::NAN, |o| r.noise / o.noise)
                })
            })),
            Criterion::AtMost(0.9),
        ),
    ]
}

fn off_policy(rows: &[Record<Row>]) -> Vec<Check> {
    let far = |words: Words<'static>| of(rows, words).filter(|r| r.moved >= 0.199 && r.kl > 0.0 && r.length == 1);
    vec![
        Check::new(
            Kind::Theory,
            "off_policy_loss",
            "off-policy, k2 in the loss without a ratio is biased",
            "derived",
            "relative bias at total variation 0.2, one token, mean",
            mean_interval(&by_seed(far(("k2", "loss", "", "none")), |g| average(g.iter().copied(), bias))),
            Criterion::AtLeast(0.1),
        ),
        Check::new(
            Kind::Theory,
            "off_policy_corrected",
            "with a differentiated ratio k1 and k3 stay unbiased at any distance",
            "derived",
            "largest relative bias, one token",
            largest(far(("k1", "loss", "", "ratio")).chain(far(("k3", "loss", "", "ratio"))).map(bias)),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Theory,
            "off_policy_reward",
            "k1 in the reward does not, even with the ratio: its penalty is the old policy's",
            "derived",
            "relative bias at total variation 0.2, one token, mean",
            mean_interval(&by_seed(far(("k1", "reward", "", "ratio")), |g| average(g.iter().copied(), bias))),
            Criterion::AtLeast(0.1),
        ),
        Check::new(
            Kind::Theory,
            "clip_off_policy",
            "and the clip adds bias to the corrected losses",
            "derived",
            "relative bias of clipped k3 in the loss at total variation 0.2, one token, mean",
            mean_interval(&by_seed(far(("k3", "loss", "", "clipped")), |g| average(g.iter().copied(), bias))),
            Criterion::AtLeast(0.01),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let at_reference = |words: Words<'static>| of(rows, words).filter(|r| r.kl <= 0.0 && r.moved <= 0.0);
    vec![
        Check::new(
            Kind::Control,
            "clip_on_policy",
            "on-policy the clip changes nothing",
            "derived",
            "largest |difference of bias| and |difference of noise| / gradient, clipped − ratio",
            largest(here(rows, ("", "", "", "clipped")).flat_map(|r| {
                let twin = twin(rows, r, (&r.estimate, &r.placement, &r.level, "ratio"));
                let noise = twin.map_or(f64::NAN, |o| (r.noise - o.noise).abs() / r.truth);
                [twin.map_or(f64::NAN, |o| (bias(r) - bias(o)).abs()), noise]
            })),
            Criterion::AtMost(1e-12),
        ),
        Check::new(
            Kind::Control,
            "silent_at_the_reference",
            "at π = π_ref k2, k3 and the exact KL are silent",
            "derived",
            "largest mean or noise of a gradient, loss, on-policy",
            largest(
                ["k2", "k3", "exact"]
                    .into_iter()
                    .flat_map(|e| at_reference((e, "loss", "", "none")))
                    .flat_map(|r| [r.mean.unwrap_or(f64::NAN), r.noise]),
            ),
            Criterion::AtMost(1e-7),
        ),
        Check::new(
            Kind::Control,
            "k1_is_noise",
            "and k1 in the loss is not",
            "derived",
            "smallest noise",
            smallest(at_reference(("k1", "loss", "", "none")).map(|r| r.noise)),
            Criterion::AtLeast(0.1),
        ),
    ]
}

//! What would count as what, written before the first run: of the tabular and log-linear policies, and word for word of the
//! transformer.

use super::super::statistics::{by_seed, for_each_group, largest, log_slope, smallest};
use super::Row;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean, mean_interval};

const POLICIES: [&str; 3] = ["tabular", "log_linear", "transformer"];
const ON_POLICY: [&str; 8] =
    ["reinforce", "reinforce+average", "reinforce+batch", "rloo", "dr_grpo", "grpo", "ppo", "ppo_undiscounted"];
const UNBIASED: [&str; 4] = ["reinforce", "reinforce+average", "rloo", "ppo_undiscounted"];
const GROUPS: [&str; 4] = ["reinforce+batch", "rloo", "dr_grpo", "grpo"];

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    for_each_group(
        rows,
        &[
            ("", "", |r: &Row| r.policy != "transformer"),
            ("transformer_", "transformer: ", |r| r.policy == "transformer"),
        ],
        |rows| [claims(rows), theory_of_bias(rows), theory_of_noise(rows), controls(rows)].concat(),
    )
}

/// The rows of some methods in one family.
fn of<'a>(rows: &'a [Record<Row>], family: &'a str, methods: &'a [&str]) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.family == family && methods.contains(&&*r.method))
}

fn varied<'a>(rows: &'a [Record<Row>], methods: &'a [&str]) -> impl Iterator<Item = &'a Record<Row>> {
    of(rows, "rescaled", methods).chain(of(rows, "rare", methods))
}

/// The same setting under another method.
fn twin<'a>(rows: &'a [Record<Row>], r: &Record<Row>, method: &str) -> Option<&'a Record<Row>> {
    rows.iter().find(|o| o.seed == r.seed && o.cell == r.cell && o.method == method)
}

/// A quantity over the same quantity of another method, same setting.
fn over(rows: &[Record<Row>], r: &Record<Row>, method: &str, value: impl Fn(&Record<Row>) -> f64) -> f64 {
    twin(rows, r, method).map_or(f64::NAN, |o| value(r) / value(o))
}

/// A quantity over the same method's at the largest std of its family and policy.
fn over_largest(rows: &[Record<Row>], r: &Record<Row>, value: impl Fn(&Record<Row>) -> f64) -> f64 {
    let same = rows
        .iter()
        .filter(|o| o.seed == r.seed && (&o.policy, &o.family, &o.method) == (&r.policy, &r.family, &r.method));
    same.max_by(|a, b| a.std.total_cmp(&b.std)).map_or(f64::NAN, |o| value(r) / value(o))
}

fn average(values: impl Iterator<Item = f64>) -> f64 {
    mean(&values.collect::<Vec<_>>())
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Claim,
            "vanishing",
            "no estimator without normalisation has an expected step above the bound of Theorem 1",
            "arXiv:2310.20703, Theorem 1 (constant and exponent second-hand)",
            "largest expected step over 6 L γ std^(2/3), all on-policy methods but GRPO",
            largest(varied(rows, &ON_POLICY).filter(|r| r.method != "grpo").filter_map(|r| r.over_bound)),
            Criterion::AtMost(1.0),
        ),
        Check::new(
            Kind::Theory,
            "sharp_bound",
            "nor above the sharp bound, which no reward of any scale exceeds",
            "derived: γ √(L/2) std",
            "largest expected step over the bound, unbiased methods",
            largest(varied(rows, &UNBIASED).filter_map(|r| r.over_sharp)),
            Criterion::AtMost(1.0),
        ),
        Check::new(
            Kind::Claim,
            "unbiased",
            "REINFORCE (plain or with an independent baseline) and RLOO are unbiased",
            "arXiv:2402.14740 (standard)",
            "largest relative bias; with PPO at γ = λ = 1 on the sampling policy",
            largest(varied(rows, &UNBIASED).filter_map(|r| r.bias)),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Claim,
            "rloo_variance",
            "RLOO has less noise than REINFORCE without baseline at as many outputs",
            "arXiv:2402.14740 (standard)",
            "ratio of noise, mean over rare successes with std ≤ 0.5",
            mean_interval(&by_seed(of(rows, "rare", &["rloo"]).filter(|r| r.std <= 0.5), |g| {
                average(g.iter().map(|r| over(rows, r, "reinforce", |r| r.noise)))
            })),
            Criterion::AtMost(0.5),
        ),
        Check::new(
            Kind::Claim,
            "dr_grpo_direction",
            "without the division by the standard deviation GRPO's bias in direction is gone",
            "arXiv:2503.20783 (its argument)",
            "largest sine of the angle between Dr. GRPO's expected step and the gradient",
            largest(varied(rows, &["dr_grpo", "reinforce+batch"]).filter_map(|r| r.sine)),
            Criterion::AtMost(1e-6),
        ),
    ]
}

fn theory_of_bias(rows: &[Record<Row>]) -> Vec<Check> {
    let shrunk = of(rows, "rescaled", &["grpo"]).filter(|r| r.std >= 0.0099);
    vec![
        Check::new(
            Kind::Theory,
            "closed_forms",
            "under ±1 rewards the expected step is the gradient times the closed form of group_normalisation",
            "derived",
            "largest |factor / closed form − 1|: 1, (G−1)/G for Dr. GRPO, (n−1)/n for the batch's mean, the binomial sum for GRPO",
            largest(rows.iter().filter_map(|r| r.formula_error)),
            Criterion::AtMost(1e-8),
        ),
        Check::new(
            Kind::Theory,
            "grpo_biased",
            "with three levels of reward GRPO's expected step leaves the direction of the gradient",
            "derived",
            "sine of the angle, mean over scales and policies",
            mean_interval(&by_seed(of(rows, "rescaled", &["grpo"]), |g| average(g.iter().filter_map(|r| r.sine)))),
            Criterion::AtLeast(0.01),
        ),
        Check::new(
            Kind::Theory,
            "rescaling",
            "scaling rewards down shortens every other method's step in proportion",
            "derived",
            "largest |slope of log step on log std − 1|, over policies and seeds, all methods but GRPO",
            largest(POLICIES.iter().flat_map(|policy| {
                let scaled = ON_POLICY.iter().filter(|m| **m != "grpo");
                scaled.flat_map(|m| {
                    by_seed(of(rows, "rescaled", std::slice::from_ref(m)).filter(|r| r.policy == *policy), |g| {
                        (log_slope(g.iter().map(|r| (r.reward_std, r.step))) - 1.0).abs()
                    })
                })
            })),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Theory,
            "grpo_rescaling",
            "and leaves GRPO's step as it is, down to rewards of 100 times its constant",
            "derived",
            "largest |step over that at the largest std − 1|, std ≥ 0.01",
            largest(shrunk.map(|r| (over_largest(rows, r, |r| r.step) - 1.0).abs())),
            Criterion::AtMost(0.05),
        ),
        Check::new(
            Kind::Theory,
            "gae_bias",
            "PPO's discount and λ of 0.99 and 0.95 cost little bias when the critic is perfect",
            "derived (values of arXiv:2310.20703's code)",
            "relative bias of the first inner step, mean",
            mean_interval(&by_seed(varied(rows, &["ppo"]), |g| average(g.iter().filter_map(|r| r.bias)))),
            Criterion::AtMost(0.1),
        ),
        Check::new(
            Kind::Theory,
            "clip_bias",
            "once the policy has moved, the clip adds bias to that of token ratios",
            "derived",
            "bias clipped − unclipped, relative to the gradient, std ≥ 0.1, mean",
            mean_interval(&by_seed(varied(rows, &["ppo_moved"]).filter(|r| r.std >= 0.099), |g| {
                average(g.iter().filter_map(|r| Some(r.bias? - twin(rows, r, "ppo_moved_unclipped")?.bias?)))
            })),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn theory_of_noise(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Theory,
            "direction_survives_scaling",
            "scaling rewards down costs no direction: signal to noise stays",
            "derived",
            "largest |signal to noise over that at the largest std − 1|, all methods but GRPO",
            largest(
                of(rows, "rescaled", &ON_POLICY)
                    .filter(|r| r.method != "grpo")
                    .map(|r| (over_largest(rows, r, |r| r.snr()) - 1.0).abs()),
            ),
            Criterion::AtMost(1e-6),
        ),
        Check::new(
            Kind::Theory,
            "rare_success_takes_direction",
            "rare success does: signal to noise is √(np) times what one success tells",
            "derived",
            "RLOO's signal to noise over the formula, mean over std ≤ 0.2",
            mean_interval(&by_seed(of(rows, "rare", &["rloo"]).filter(|r| r.std <= 0.201), |g| {
                average(g.iter().filter_map(|r| Some(r.snr() / r.snr_formula?)))
            })),
            Criterion::near(1.0, 0.15),
        ),
        Check::new(
            Kind::Theory,
            "grpo_buys_no_direction",
            "dividing by the group's standard deviation brings none of it back",
            "derived",
            "mean cosine GRPO − RLOO at std ≤ 0.2, rare success",
            mean_interval(&by_seed(of(rows, "rare", &["grpo"]).filter(|r| r.std <= 0.201), |g| {
                average(g.iter().filter_map(|r| Some(r.cosine? - twin(rows, r, "rloo")?.cosine?)))
            })),
            Criterion::Within(-0.05, 0.05),
        ),
        Check::new(
            Kind::Theory,
            "clip_noise",
            "once the policy has moved, the clip lowers the noise",
            "derived",
            "ratio of noise clipped / unclipped, std ≥ 0.1, mean",
            mean_interval(&by_seed(varied(rows, &["ppo_moved"]).filter(|r| r.std >= 0.099), |g| {
                average(g.iter().map(|r| over(rows, r, "ppo_moved_unclipped", |r| r.noise)))
            })),
            Criterion::AtMost(1.0),
        ),
        Check::new(
            Kind::Theory,
            "sampled_means",
            "steps sampled through the objectives have the exact mean",
            "derived",
            "root mean square of (sampled − exact) / standard error, along the gradient",
            mean_interval(&by_seed(rows, |g| average(g.iter().filter_map(|r| r.z).map(|z| z * z)).sqrt())),
            Criterion::Within(0.8, 1.2),
        ),
        Check::new(
            Kind::Theory,
            "sampled_squares",
            "and the exact mean square",
            "derived",
            "sampled / exact mean squared length, mean",
            mean_interval(&by_seed(rows, |g| average(g.iter().filter_map(|r| r.square_ratio)))),
            Criterion::near(1.0, 0.02),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "large_std",
            "at std 1 (p = 1/2) all on-policy methods point alike",
            "derived",
            "smallest mean cosine of a method over RLOO's, mean over policies",
            mean_interval(&by_seed(of(rows, "rare", &["rloo"]).filter(|r| r.std >= 0.999), |g| {
                average(g.iter().map(|r| {
                    let same = rows.iter().filter(|o| o.seed == r.seed && o.cell == r.cell);
                    let cosines = same.filter(|o| ON_POLICY.contains(&&*o.method)).filter_map(|o| o.cosine);
                    cosines.fold(f64::INFINITY, f64::min) / r.cosine.unwrap_or(f64::NAN)
                }))
            })),
            Criterion::AtLeast(0.8),
        ),
        Check::new(
            Kind::Control,
            "equal_rewards_groups",
            "when all rewards are equal, group baselines give a step of exactly zero",
            "derived",
            "largest of expected step, noise, and 1 − probability of a dead group",
            largest(of(rows, "constant", &GROUPS).flat_map(|r| [r.step, r.noise, (1.0 - r.dead).abs()])),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "equal_rewards_reinforce",
            "and REINFORCE without baseline steps at random",
            "derived",
            "smallest noise / (expected step + 1e-12)",
            smallest(of(rows, "constant", &["reinforce"]).map(|r| r.noise / (r.step + 1e-12))),
            Criterion::AtLeast(1e6),
        ),
    ]
}

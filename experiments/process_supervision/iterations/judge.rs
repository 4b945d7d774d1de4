//! What ten generations make of a model, and of its data.

use super::Row;
use crate::statistics::{by_seed, for_each_group};
use rewardlab::experiment::{Check, Criterion, Kind, PaperNumber, Record};
use rewardlab::stats::{Estimate, mean, mean_interval, paired_difference};

fn of<'a>(rows: &'a [Record<Row>], ranking: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.ranking == ranking)
}

fn at(rows: &[&Record<Row>], generation: usize, value: impl Fn(&Row) -> f64) -> f64 {
    rows.iter().find(|r| r.generation == generation).map_or(f64::NAN, |r| value(r))
}

/// Mean over the generations of the second phase.
fn second_phase(rows: &[&Record<Row>], value: impl Fn(&Row) -> f64) -> f64 {
    mean(&rows.iter().filter(|r| r.generation > 0).map(|r| value(r)).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    let groups: [(&str, &str, fn(&Row) -> bool); 2] = [
        ("blank_", "Models without beliefs: ", |r| r.sight == "blank"),
        ("beliefs_", "Models with the generator's beliefs: ", |r| r.sight == "beliefs"),
    ];
    let mut checks = for_each_group(rows, &groups, of_sight);
    checks.push(control(rows));
    checks
}

/// What `uniform` labels depends on no model: both sights label the same, and one of them is judged.
fn control(rows: &[Record<Row>]) -> Check {
    let uniform = of(rows, "uniform").filter(|r| r.sight == "blank");
    let later = by_seed(uniform, |g| second_phase(g, |r| r.ends_right) - at(g, 0, |r| r.ends_right));
    Check::new(
        Kind::Control,
        "uniform_as_first",
        "generations that choose by nothing are shown what the first phase was shown",
        "control",
        "share of labelled solutions that end right, uniform: mean over generations less first phase",
        mean_interval(&later),
        Criterion::Within(-0.05, 0.05),
    )
}

fn of_sight(rows: &[Record<Row>]) -> Vec<Check> {
    let last = rows.iter().map(|r| r.generation).max().unwrap_or(0);
    let lead = |a: &str, b: &str| -> Estimate {
        let level = |name: &str| by_seed(of(rows, name), |g| second_phase(g, |r| r.solved));
        paired_difference(&level(a), &level(b))
    };
    let belief = |r: &Row| r.believed.unwrap_or(f64::NAN);
    vec![
        Check::new(
            Kind::Claim,
            "improves",
            "the model that chooses its own data becomes better over the generations",
            "arXiv:2305.20050, Section 2.4, reported second-hand; criterion ours",
            "share solved after the last generation less that after the first phase",
            mean_interval(&by_seed(of(rows, "present"), |g| at(g, last, |r| r.solved) - at(g, 0, |r| r.solved))),
            Criterion::AtLeast(0.05),
        ),
        Check::new(
            Kind::Claim,
            "better_than_uniform",
            "and better than one that is shown as many samples",
            "arXiv:2305.20050, Section 4.2, reported second-hand",
            "share solved, present model's choice less uniform, mean over generations",
            lead("present", "uniform"),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            "second_phase_ends_wrong",
            "what is labelled in the second phase mostly ends wrong: the rule leaves a fifth at most",
            "arXiv:2305.20050, Appendix B, reported second-hand (85.1% of the first phase's solutions end right)",
            "share of labelled solutions that end right, mean over generations",
            mean_interval(&by_seed(of(rows, "present"), |g| second_phase(g, |r| r.ends_right))),
            Criterion::AtMost(0.3),
        )
        .paper(PaperNumber::SecondHand(0.132)),
        Check::new(
            Kind::Claim,
            "second_phase_steps",
            "although most of its steps are right",
            "arXiv:2305.20050, Appendix B, reported second-hand",
            "share of labelled steps (to the first error) that are right, mean over generations",
            mean_interval(&by_seed(of(rows, "present"), |g| second_phase(g, |r| r.steps_right))),
            Criterion::AtLeast(0.5),
        )
        .paper(PaperNumber::SecondHand(0.741)),
        Check::new(
            Kind::Theory,
            "harder_to_convince",
            "wrong answers convince it less and less",
            "our question",
            "probability that the model gives the wrong answer that convinces it most, last generation over first",
            mean_interval(&by_seed(of(rows, "present"), |g| at(g, last, belief) / at(g, 1, belief))),
            Criterion::AtMost(0.7),
        ),
        Check::new(
            Kind::Theory,
            "present_over_fixed",
            "ranking by the present model is better than by the first phase's",
            "our question (the paper retrains between generations)",
            "share solved, present less fixed, mean over generations",
            lead("present", "fixed"),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            "present_over_random_wrong",
            "and than as many wrong answers at random",
            "our question",
            "share solved, present less random wrong answers, mean over generations",
            lead("present", "random_wrong"),
            Criterion::AtLeast(0.0),
        ),
    ]
}

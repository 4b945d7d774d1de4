//! The table's order, the second metric, the regime where the order flips.

use super::Row;
use crate::statistics::by_seed;
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean, mean_interval};

/// The policies, with their words.
pub(super) const POLICIES: [(&str, &str); 3] = [
    ("tabular", "tabular policy over strings"),
    ("product", "product policy over strings"),
    ("transformer", "transformer"),
];

/// The lines of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Supervised,
    /// G1 I0.
    Unfiltered,
    /// G1, last I.
    First,
    /// G2, the last I but one.
    Second,
    Ppo,
    Exact,
}

impl Line {
    pub(super) const ALL: [Self; 6] =
        [Self::Supervised, Self::Unfiltered, Self::First, Self::Second, Self::Ppo, Self::Exact];

    /// Whether a row is on this line; `last` is the last Improve step.
    pub(super) fn has(self, row: &Row, last: usize) -> bool {
        let rest = |grow, improve| row.method == "rest" && (row.grow, row.improve) == (grow, improve);
        match self {
            Self::Supervised => rest(0, 0),
            Self::Unfiltered => rest(1, 0),
            Self::First => rest(1, last),
            Self::Second => rest(2, last.saturating_sub(1)),
            Self::Ppo => row.method == "ppo",
            Self::Exact => row.method == "ppo_exact",
        }
    }
}

/// The last Improve step of a policy's loop.
pub(super) fn last(rows: &[Record<Row>], policy: &str) -> usize {
    rows.iter().filter(|r| r.policy == policy).map(|r| r.improve).max().unwrap_or(0)
}

/// Per seed one line's value less another's, mean over tasks.
pub(super) fn differences(
    rows: &[Record<Row>],
    policy: &str,
    (line, pays): (Line, &[&str]),
    other: Line,
    value: impl Fn(&Row) -> f64,
) -> Vec<f64> {
    let last = last(rows, policy);
    let of = |g: &[&Record<Row>], line: Line, pays: &[&str]| {
        let own = g.iter().filter(|r| line.has(r, last) && pays.contains(&&*r.pays));
        mean(&own.map(|r| value(r)).collect::<Vec<_>>())
    };
    let own = rows.iter().filter(|r| r.policy == policy);
    by_seed(own, |g| of(g, line, pays) - of(g, other, PAID))
}

/// Where the reward is what it should be.
pub(super) const PAID: &[&str] = &["judge", "learned"];

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    POLICIES.into_iter().flat_map(|policy| [claims(rows, policy), regimes(rows, policy)].concat()).collect()
}

fn claims(rows: &[Record<Row>], (policy, words): (&str, &str)) -> Vec<Check> {
    let order = |id: &str, statement: &str, statistic: &str, (line, other): (Line, Line), criterion: Criterion| {
        Check::new(
            Kind::Claim,
            &format!("{id}_{policy}"),
            format!("{statement}; {words}"),
            "arXiv:2308.08998, Table 1; criterion ours",
            statistic,
            mean_interval(&differences(rows, policy, (line, PAID), other, |r| r.paid)),
            criterion,
        )
    };
    let second = if policy == "transformer" { |r: &Row| r.bleu.unwrap_or(f64::NAN) } else { |r: &Row| r.value };
    let metric = if policy == "transformer" { "BLEU" } else { "true reward" };
    let kept = |id: &str, statement: &str, line: Line, criterion: Criterion| {
        Check::new(
            Kind::Claim,
            &format!("{id}_{policy}"),
            format!("{statement}; {words}"),
            "arXiv:2308.08998, Table 1 and its text; criterion ours",
            format!("{metric} less the supervised policy's, mean over tasks"),
            mean_interval(&differences(rows, policy, (line, PAID), Line::Supervised, second)),
            criterion,
        )
    };
    vec![
        order(
            "unfiltered",
            "cloning all that the first Grow holds is above the supervised policy",
            "paid reward of G1 I0 less the supervised policy's, mean over tasks",
            (Line::Unfiltered, Line::Supervised),
            Criterion::AtLeast(0.0),
        ),
        order(
            "ppo_is_like_cloning",
            "PPO on three quarters of the samples earns what unfiltered cloning earns",
            "paid reward of PPO less that of G1 I0, mean over tasks",
            (Line::Ppo, Line::Unfiltered),
            Criterion::near(0.0, 0.02),
        ),
        order(
            "above_ppo",
            "one Grow with its Improve steps earns more than PPO on three quarters of two Grows' samples",
            "paid reward of G1, last I, less that of PPO, mean over tasks",
            (Line::First, Line::Ppo),
            Criterion::AtLeast(0.0),
        ),
        order(
            "second_grow",
            "the second Grow earns more than the first",
            "paid reward of G2, last I but one, less that of G1, last I, mean over tasks",
            (Line::Second, Line::First),
            Criterion::AtLeast(0.0),
        ),
        kept("ppo_loses", "PPO loses in the second metric", Line::Ppo, Criterion::AtMost(0.0)),
        kept("rest_keeps", "ReST loses nothing in the second metric", Line::Second, Criterion::AtLeast(0.0)),
    ]
}

fn regimes(rows: &[Record<Row>], (policy, words): (&str, &str)) -> Vec<Check> {
    let control = |id: &str, statement: &str, line: Line, pays: &'static [&'static str], criterion: Criterion| {
        Check::new(
            Kind::Control,
            &format!("{id}_{policy}"),
            format!("{statement}; {words}"),
            "control",
            "true reward less the supervised policy's, mean over tasks",
            mean_interval(&differences(rows, policy, (line, pays), Line::Supervised, |r| r.value)),
            criterion,
        )
    };
    if policy == "transformer" {
        let of = |kind: Kind, id: &str, statement: &str, pays: &'static [&'static str], criterion: Criterion| {
            let less = differences(rows, policy, (Line::Ppo, pays), Line::Supervised, |r| r.paid);
            let statistic = "reward model's score less the supervised model's";
            Check::new(kind, id, statement, "ours", statistic, mean_interval(&less), criterion)
        };
        let random = "paid at random PPO gains nothing";
        let constant = "always paid the same PPO stays where it is";
        let broken = "and loses what the supervised model knew: whitened advantages have no scale";
        return vec![
            of(Kind::Control, "random_ppo_transformer", random, &["random"], Criterion::AtMost(0.02)),
            of(Kind::Control, "constant_ppo_transformer", constant, &["constant"], Criterion::near(0.0, 0.02)),
            of(Kind::Theory, "random_breaks_transformer", broken, &["random"], Criterion::AtMost(0.0)),
        ];
    }
    let most = Criterion::AtMost(0.02);
    vec![
        Check::new(
            Kind::Theory,
            &format!("exact_flips_{policy}"),
            format!("with samples without limit the order flips: exact ascent earns more than ReST; {words}"),
            "our question",
            "paid reward of exact ascent less that of G2, last I but one, mean over tasks",
            mean_interval(&differences(rows, policy, (Line::Exact, PAID), Line::Second, |r| r.paid)),
            Criterion::AtLeast(0.0),
        ),
        control("shuffled_rest", "with payments permuted ReST gains nothing", Line::Second, &["shuffled"], most),
        control("shuffled_ppo", "with payments permuted PPO gains nothing", Line::Ppo, &["shuffled"], most),
    ]
}

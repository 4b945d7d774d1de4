//! The claims and controls; each estimate is a mean over seeds.

use super::Row;
use crate::statistics::{by_seed, least};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean_interval};

const PAPER: &str = "arXiv:2308.08998";

/// A policy: its cell, G, and I counted from 0 or the last.
#[derive(Clone, Copy)]
struct At(&'static str, usize, Option<usize>);

const BC: At = At("rest", 0, Some(0));
const EVERYTHING: At = At("rest", 1, Some(0));
const FIRST: At = At("rest", 1, None);
const SECOND: At = At("rest", 2, None);
const RANDOM: At = At("random", 1, None);
const LONGER: At = At("supervised", 0, None);

/// A column of the best of n of a policy, in rows of one seed; NaN where there is none.
fn of(rows: &[&Record<Row>], At(cell, grow, improve): At, n: u32, column: fn(&Row) -> Option<f64>) -> f64 {
    let own = rows.iter().filter(|r| r.cell == cell && r.grow == grow && r.n == n);
    let found = match improve {
        Some(improve) => own.filter(|r| r.improve == improve).max_by_key(|r| r.improve),
        None => own.max_by_key(|r| r.improve),
    };
    found.and_then(|r| column(r)).unwrap_or(f64::NAN)
}

fn less(rows: &[Record<Row>], one: At, other: At, column: fn(&Row) -> Option<f64>) -> Estimate {
    mean_interval(&by_seed(rows, |g| of(g, one, 1, column) - of(g, other, 1, column)))
}

const REWARD: fn(&Row) -> Option<f64> = |r| Some(r.reward);
const GOLD: fn(&Row) -> Option<f64> = |r| Some(r.gold);
const GREEDY: fn(&Row) -> Option<f64> = |r| r.greedy;
const BLEU: fn(&Row) -> Option<f64> = |r| r.bleu;

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [improves(rows), against_supervised(rows), best_of_n(rows), gold(rows), controls(rows)].concat()
}

fn claim(id: &str, statement: &str, figure: &str, statistic: &str, estimate: Estimate, criterion: Criterion) -> Check {
    Check::new(Kind::Claim, id, statement, format!("{PAPER}, {figure}"), statistic, estimate, criterion)
}

fn improves(rows: &[Record<Row>]) -> Vec<Check> {
    let last = rows.iter().filter(|r| r.cell == "rest" && r.grow == 1).map(|r| r.improve).max().unwrap_or(0);
    let step = |improve: usize| {
        let at = |improve| At("rest", 1, Some(improve));
        less(rows, at(improve), if improve == 0 { BC } else { at(improve - 1) }, REWARD)
    };
    vec![
        claim(
            "every_improve_raises",
            "every step behind the first Grow raises the reward, that on everything included",
            "Figure 3",
            "reward on test sources less that of the policy before: the smallest mean over steps",
            least((0..=last).map(step)),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "second_grow_helps",
            "a second Grow raises the reward further",
            "Figure 4",
            "reward of the last policy of the second Grow less that of the first",
            less(rows, SECOND, FIRST, REWARD),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn against_supervised(rows: &[Record<Row>]) -> Vec<Check> {
    let statistic = "of the first Grow's last policy less that of supervised training with as many further steps";
    vec![
        claim(
            "beats_supervised_reward",
            "one Grow beats supervised training in reward",
            "Figure 5; margin ours",
            &format!("reward {statistic}"),
            less(rows, FIRST, LONGER, REWARD),
            Criterion::AtLeast(0.05),
        ),
        claim(
            "beats_supervised_gold",
            "and in what the reward stands for",
            "Figure 7 (every variant is preferred by people)",
            &format!("gold {statistic}"),
            less(rows, FIRST, LONGER, GOLD),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn best_of_n(rows: &[Record<Row>]) -> Vec<Check> {
    let most = rows.iter().map(|r| r.n).max().unwrap_or(1);
    let gain = |at: At, column| mean_interval(&by_seed(rows, |g| of(g, at, most, column) - of(g, at, 1, column)));
    let few: Vec<u32> = {
        let mut few: Vec<u32> = rows.iter().map(|r| r.n).filter(|n| *n < 10 && *n < most).collect();
        few.sort_unstable();
        few.dedup();
        few
    };
    let few_less_many = by_seed(rows, |g| {
        let best = few.iter().flat_map(|n| [FIRST, SECOND].map(|at| of(g, at, *n, REWARD)));
        best.fold(f64::NEG_INFINITY, f64::max) - of(g, BC, most, REWARD)
    });
    vec![
        claim(
            "best_of_n_on_top",
            "best-of-N raises the reward of ReST's policy too",
            "Figure 6; margin ours",
            &format!("reward of the first Grow's last policy at N = {most} less at N = 1"),
            gain(FIRST, REWARD),
            Criterion::AtLeast(0.02),
        ),
        claim(
            "best_of_n_gold",
            "and what the reward stands for",
            "Figure 6, for the gold reward",
            &format!("gold of the best by reward at N = {most} less gold at N = 1"),
            gain(FIRST, GOLD),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "few_are_worth_many",
            "the best ReST policy with N < 10 has the supervised model's reward at the largest N",
            "Figure 6 (there N = 200)",
            &format!("largest reward over last policies and N < 10, less that of the supervised model at N = {most}"),
            mean_interval(&few_less_many),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn gold(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        claim(
            "one_grow_best_for_gold",
            "the reward keeps rising with G, but one Grow is best for gold",
            "Figure 7 (there people)",
            "gold of the second Grow's last policy less that of the first's",
            less(rows, SECOND, FIRST, GOLD),
            Criterion::AtMost(0.0),
        ),
        claim(
            "second_metric_kept",
            "a second metric is not lost",
            "Table 1 (in the text: no loss of BLEU)",
            "BLEU of the second Grow's last policy less that of the supervised model",
            less(rows, SECOND, BC, BLEU),
            Criterion::AtLeast(0.0),
        ),
        Check::new(
            Kind::Theory,
            "more_than_sharpening",
            "the gain is not sharpening at the sampling temperature alone",
            "derived: sharpening leaves the likeliest token the likeliest",
            "gold of the likeliest tokens, first Grow's last policy less supervised model",
            less(rows, FIRST, BC, GREEDY),
            Criterion::AtLeast(0.0),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    vec![
        Check::new(
            Kind::Control,
            "random_choice",
            "as many samples of the same Grow, chosen at random, gain nothing",
            "control; tolerance ours",
            "reward of the last policy trained on random samples less that of the policy trained on everything",
            less(rows, RANDOM, EVERYTHING, REWARD),
            Criterion::near(0.0, 0.03),
        ),
        Check::new(
            Kind::Control,
            "reward_means_something",
            "the learned reward ranks unseen samples as the truth does",
            "control; criterion ours",
            "Pearson correlation of reward and gold over samples of the supervised model on test sources",
            mean_interval(&by_seed(rows, |g| of(g, BC, 1, |r| r.correlation))),
            Criterion::AtLeast(0.3),
        ),
    ]
}

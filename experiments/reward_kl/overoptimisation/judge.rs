//! The claims of over-optimisation, from each seed's curves.

use super::super::front::{Tangent, most_reward};
use super::Row;
use super::curves::{Curve, Form};
use crate::statistics::{by_seed, largest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, fit_line, mean, mean_interval};
use std::collections::BTreeSet;

const SOURCE: &str = "arXiv:2210.10760; criterion ours";
const BEST_OF_N: &str = "best_of_n";
const PPO: &str = "ppo";

/// The data sizes among these rows.
pub(super) fn sizes<'a>(rows: impl IntoIterator<Item = &'a Record<Row>>) -> Vec<usize> {
    let of_ppo = rows.into_iter().filter(|r| r.proxy == "learned" && r.method == PPO);
    of_ppo.map(|r| r.pairs).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A seed's mean over data sizes.
fn over_sizes(rows: &[Record<Row>], of: impl Fn(&[&Record<Row>], usize) -> f64) -> Estimate {
    mean_interval(&by_seed(rows, |g| {
        mean(&sizes(g.iter().copied()).into_iter().map(|pairs| of(g, pairs)).collect::<Vec<_>>())
    }))
}

/// The same of one method's curves.
fn of_curves(rows: &[Record<Row>], method: &str, of: impl Fn(&Curve) -> f64) -> Estimate {
    over_sizes(rows, |g, pairs| of(&Curve::of(g, "learned", pairs, method)))
}

/// A seed's slope over the decades of data.
fn per_decade(rows: &[Record<Row>], method: &str, of: impl Fn(&Curve) -> f64) -> Estimate {
    mean_interval(&by_seed(rows, |g| {
        let sizes = sizes(g.iter().copied());
        let y: Vec<f64> = sizes.iter().map(|pairs| of(&Curve::of(g, "learned", *pairs, method))).collect();
        fit_line(&sizes.iter().map(|n| (*n as f64).log10()).collect::<Vec<_>>(), &y).slope.value
    }))
}

/// The mean of gold (or proxy) of one method less that of another, at equal d.
fn ahead(rows: &[Record<Row>], [first, second]: [&str; 2], proxy: bool) -> Estimate {
    over_sizes(rows, |g, pairs| {
        let [first, second] = [first, second].map(|m| Curve::of(g, "learned", pairs, m));
        let both = first.grid().into_iter().filter_map(|p| Some((p, second.at(p.d)?)));
        let difference = both.map(|(a, b)| if proxy { a.proxy - b.proxy } else { a.gold - b.gold });
        mean(&difference.collect::<Vec<_>>())
    })
}

/// Gold with a penalty less that without at equal d of at least 3.5, the most pairs, per seed.
fn far_out(rows: &[Record<Row>]) -> Estimate {
    let most = rows.iter().filter(|r| r.proxy == "learned").map(|r| r.pairs).max().unwrap_or(0);
    mean_interval(&by_seed(rows, |g| {
        let [first, second] = ["ppo_penalty", PPO].map(|m| Curve::of(g, "learned", most, m));
        let both = first.grid().into_iter().filter(|p| p.d >= 3.5).filter_map(|p| Some(p.gold - second.at(p.d)?.gold));
        mean(&both.collect::<Vec<_>>())
    }))
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [rise_and_fall(rows), data(rows), forms(rows), methods(rows), theory(rows), controls(rows)].concat()
}

fn claim(id: &str, statement: impl Into<String>, statistic: &str, estimate: Estimate, criterion: Criterion) -> Check {
    Check::new(Kind::Claim, id, statement, SOURCE, statistic, estimate, criterion)
}

fn rise_and_fall(rows: &[Record<Row>]) -> Vec<Check> {
    let of_method = |(method, short, name): (&str, &str, &str)| {
        [
            claim(
                &format!("gold_rises_{short}"),
                format!("pushing a learned proxy up by {name} raises the gold reward at first"),
                "gold reward at its peak, mean over data sizes, std",
                of_curves(rows, method, |c| c.peak().gold),
                Criterion::AtLeast(0.3),
            ),
            claim(
                &format!("gold_falls_{short}"),
                format!("and then lowers it ({name})"),
                "gold reward at its peak less that at the largest KL, mean over data sizes, std",
                of_curves(rows, method, |c| c.peak().gold - c.last().gold),
                Criterion::AtLeast(0.1),
            ),
            claim(
                &format!("proxy_goes_on_{short}"),
                format!("while the proxy goes on rising ({name})"),
                "proxy at the largest KL less that at gold's peak, mean over data sizes, std",
                of_curves(rows, method, |c| c.last().proxy - c.peak().proxy),
                Criterion::AtLeast(0.1),
            ),
        ]
    };
    [(BEST_OF_N, "bon", "best-of-N"), (PPO, "rl", "PPO")].into_iter().flat_map(of_method).collect()
}

fn data(rows: &[Record<Row>]) -> Vec<Check> {
    let of_method = |(method, short, name): (&str, &str, &str)| {
        [
            claim(
                &format!("more_data_higher_{short}"),
                format!("more data puts the peak of gold higher ({name})"),
                "slope of gold's peak per decade of pairs, std",
                per_decade(rows, method, |c| c.peak().gold),
                Criterion::AtLeast(0.0),
            ),
            claim(
                &format!("more_data_later_{short}"),
                format!("and farther out ({name})"),
                "slope of the KL at the peak per decade of pairs, nats",
                per_decade(rows, method, |c| c.peak().d.powi(2)),
                Criterion::AtLeast(0.0),
            ),
        ]
    };
    [(BEST_OF_N, "bon", "best-of-N"), (PPO, "rl", "PPO")].into_iter().flat_map(of_method).collect()
}

fn forms(rows: &[Record<Row>]) -> Vec<Check> {
    let of_method = |(method, short, own, other, words): (&str, &str, Form, Form, &str)| {
        [
            claim(
                &format!("form_{short}"),
                format!("the gold reward of {words}"),
                "R² of the fit, mean over data sizes",
                of_curves(rows, method, |c| c.fit(own).r_squared),
                Criterion::AtLeast(0.95),
            ),
            claim(
                &format!("form_{short}_is_its_own"),
                "and the other method's form explains it less well",
                "R² of the own form less that of the other",
                of_curves(rows, method, |c| c.fit(own).r_squared - c.fit(other).r_squared),
                Criterion::AtLeast(0.0),
            ),
        ]
    };
    [
        (BEST_OF_N, "bon", Form::BestOfN, Form::Rl, "best-of-N is d (α − β d)"),
        (PPO, "rl", Form::Rl, Form::BestOfN, "PPO is d (α − β log d)"),
    ]
    .into_iter()
    .flat_map(of_method)
    .collect()
}

fn methods(rows: &[Record<Row>]) -> Vec<Check> {
    let alike = over_sizes(rows, |g, pairs| {
        let [rl, best] = [PPO, BEST_OF_N].map(|m| Curve::of(g, "learned", pairs, m));
        let both = rl.grid().into_iter().filter_map(|p| Some(p.gold - best.gold_at_proxy(p.proxy)?));
        mean(&both.collect::<Vec<_>>())
    });
    let later = over_sizes(rows, |g, pairs| {
        let [rl, best] = [PPO, BEST_OF_N].map(|m| Curve::of(g, "learned", pairs, m).peak().d.powi(2));
        rl - best
    });
    vec![
        claim(
            "rl_slower",
            "as a function of the KL, RL is slower than best-of-N at optimisation",
            "gold of best-of-N less that of PPO at equal KL, mean over KLs that both reach and data sizes, std",
            ahead(rows, [BEST_OF_N, PPO], false),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "rl_overoptimises_later",
            "and at over-optimisation",
            "KL at the peak of PPO's gold less that of best-of-N's, mean over data sizes, nats",
            later,
            Criterion::AtLeast(0.0),
        ),
        claim(
            "proxy_to_gold",
            "the relation of proxy and gold is alike for both",
            "gold of PPO less that of best-of-N at an equal proxy, mean over data sizes, std",
            alike,
            Criterion::Within(-0.15, 0.15),
        ),
        claim(
            "penalty_raises_proxy",
            "a KL penalty raises the proxy at a given KL",
            "proxy of PPO with a penalty less that without one at equal KL, mean over data sizes, std",
            ahead(rows, ["ppo_penalty", PPO], true),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "penalty_is_early_stopping",
            "but does not better the gold reward",
            "the same difference of gold, std",
            ahead(rows, ["ppo_penalty", PPO], false),
            Criterion::Within(-0.05, 0.05),
        ),
        claim(
            "penalty_far_out",
            "nor worse it, far out and with the most data (put beside the check above when a referee saw that it averages opposite differences)",
            "the same difference of gold where √KL is at least 3.5, most pairs, std",
            far_out(rows),
            Criterion::Within(-0.05, 0.05),
        ),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let theory = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion: Criterion| {
        Check::new(Kind::Theory, id, statement, "derived: the tilt is optimal", statistic, estimate, criterion)
    };
    let lead = |method: &'static str| {
        over_sizes(rows, |g, pairs| {
            let [exact, other] = ["exact", method].map(|m| Curve::of(g, "learned", pairs, m));
            let both = other.grid().into_iter().filter_map(|p| Some(exact.at(p.d)?.proxy - p.proxy));
            both.fold(f64::INFINITY, f64::min)
        })
    };
    vec![
        theory(
            "optimum_over_best_of_n",
            "the exact optimum of the proxy has at least the proxy of best-of-N at its KL",
            "least lead at equal KL, mean over data sizes, std (draws and interpolation err)",
            lead(BEST_OF_N),
            Criterion::AtLeast(-0.05),
        ),
        theory(
            "optimum_over_ppo",
            "and at least that of PPO",
            "least lead at equal KL, mean over data sizes, std (interpolation errs)",
            lead(PPO),
            Criterion::AtLeast(-0.05),
        ),
        theory(
            "optimum_overoptimises",
            "the fall is not PPO's: the exact optimum of the proxy falls as well",
            "gold reward at its peak less that at the largest KL, mean over data sizes, std",
            of_curves(rows, "exact", |c| c.peak().gold - c.last().gold),
            Criterion::AtLeast(0.1),
        ),
        theory(
            "formula",
            "where everything can be listed, log N − (N − 1)/N bounds the KL of best-of-N and is near it",
            "largest formula − KL, N ≤ 64, nats",
            largest(rows.iter().filter_map(|r| Some(r.formula? - r.kl))),
            Criterion::Within(-1e-12, 0.1),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let control = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion: Criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    let of_truth = |method: &'static str| {
        mean_interval(&by_seed(rows, |g| {
            let curve = Curve::of(g, "truth", 0, method);
            curve.peak().gold - curve.last().gold
        }))
    };
    vec![
        control(
            "truth_bon",
            "with the true reward for a proxy best-of-N does not fall",
            "gold at its peak less that at the largest N, std",
            of_truth(BEST_OF_N),
            Criterion::AtMost(0.01),
        ),
        control(
            "truth_rl",
            "nor does PPO",
            "gold at its peak less that at the largest KL, std",
            of_truth(PPO),
            Criterion::AtMost(0.05),
        ),
        control(
            "random",
            "a random proxy does not raise the gold reward",
            "gold of the exact optima of random proxies, mean over those within 4 nats, std",
            mean_interval(&by_seed(rows, |g| {
                let near = g.iter().filter(|r| r.proxy == "random" && r.kl <= 4.0);
                mean(&near.map(|r| r.gold).collect::<Vec<_>>())
            })),
            Criterion::near(0.0, 0.1),
        ),
        control(
            "nothing_above_the_front",
            "no writer is above the exact front",
            "largest gold of PPO and of exact optima less what the front's tangents allow at their KL, std",
            largest(by_seed(rows, |g| {
                let front: Vec<Tangent> = tangents(g);
                let writers = g.iter().filter(|r| r.method.starts_with(PPO) || r.method == "exact");
                // means over random proxies are no writer
                let writers = writers.filter(|r| r.proxy != "random");
                writers.map(|r| r.gold - most_reward(&front, r.kl)).fold(f64::NEG_INFINITY, f64::max)
            })),
            Criterion::AtMost(1e-9),
        ),
        control(
            "draws",
            "best-of-N by draws agrees with the enumeration",
            "gold by draws less exact gold at N = 64 in the enumerated world, its std",
            mean_interval(&by_seed(rows, |g| {
                let of_64 = g.iter().filter(|r| r.method == "enumerated" && r.setting == 64.0);
                mean(&of_64.filter_map(|r| Some(r.by_draws? - r.gold)).collect::<Vec<_>>())
            })),
            Criterion::near(0.0, 0.05),
        ),
    ]
}

/// The front's tangents at a seed.
pub(super) fn tangents(rows: &[&Record<Row>]) -> Vec<Tangent> {
    let of_front = rows.iter().filter(|r| r.method == "front");
    of_front.map(|r| Tangent { beta: r.setting, kl: r.kl, reward: r.gold }).collect()
}

//! Claims, closed form, control.

use super::Row;
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{mean, mean_interval};

fn of<'a>(rows: &'a [Record<Row>], policy: &'a str, condition: &'a str) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.policy == policy && r.condition == condition && r.grow > 0)
}

/// The rises of V from each step to the next of its cell and seed, up to the last filter that something passes.
fn rises<'a>(rows: impl IntoIterator<Item = &'a Record<Row>>) -> Vec<f64> {
    let rows: Vec<_> = rows.into_iter().filter(|r| r.passed > 0.0).collect();
    let next = |r: &Record<Row>| {
        let follows = |o: &&&Record<Row>| (&o.cell, o.seed, o.improve) == (&r.cell, r.seed, r.improve + 1);
        rows.iter().find(follows).map(|o| o.value - r.value)
    };
    rows.iter().filter_map(|r| next(r)).collect()
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    let figure = "arXiv:2308.08998, Figure 3";
    let lowest = |policy: &'static str, condition: &'static str| {
        mean_interval(&by_seed(of(rows, policy, condition), |g| smallest(rises(g.iter().copied())).value))
    };
    let sampled = |id: &str, statement: &str, policy: &'static str| {
        Check::new(
            Kind::Claim,
            id,
            statement,
            format!("{figure}; criterion ours"),
            "smallest rise of V by a step over the three tasks of a seed, mean over seeds",
            lowest(policy, "sampled"),
            Criterion::AtLeast(0.0),
        )
    };
    vec![
        Check::new(
            Kind::Claim,
            "rises",
            "every Improve step raises V, on three tasks (tabular policy, no sampling error)",
            figure,
            "smallest rise of V from one step to the next up to the last filter that something passes",
            smallest(rises(of(rows, "tabular", "population"))),
            Criterion::AtLeast(1e-9),
        ),
        sampled("rises_sampled", "and so with a finite sample", "tabular"),
        sampled("rises_product_sampled", "and so with a product policy and a finite sample", "product"),
        Check::new(
            Kind::Theory,
            "rises_product",
            "the product policy rises too, without sampling error",
            "our question: nothing promises it",
            "smallest rise of V from one step to the next",
            smallest(rises(of(rows, "product", "population"))),
            Criterion::AtLeast(1e-9),
        ),
        Check::new(
            Kind::Theory,
            "closed_form",
            "the tabular policy has V = E[R given R > τ] in every context",
            "arXiv:2308.08998, Appendix A.9; derived",
            "largest |V − E[R given R > τ]| over contexts, steps, tasks and seeds",
            largest(of(rows, "tabular", "population").filter_map(|r| r.closed_form_error)),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "shuffled",
            "thresholds on rewards that are permuted gain nothing",
            "control",
            "V less V at I = 0, mean over steps and tasks",
            mean_interval(&by_seed(of(rows, "tabular", "shuffled").filter(|r| r.improve > 0), |g| {
                let start = |r: &Record<Row>| {
                    of(rows, "tabular", "shuffled").find(|o| (o.seed, &o.cell, o.improve) == (r.seed, &r.cell, 0))
                };
                mean(&g.iter().filter_map(|r| Some(r.value - start(r)?.value)).collect::<Vec<_>>())
            })),
            Criterion::AtMost(0.01),
        ),
    ]
}

/// Of rows of the translation world.
pub(super) fn translation(rows: &[Record<Row>]) -> Vec<Check> {
    let of_set = |set: &str| {
        let own = || rows.iter().filter(|r| r.task == set);
        let steps = own().map(|r| r.improve).max().unwrap_or(0);
        let at = |g: &[&Record<Row>], grow: usize, improve: usize| {
            g.iter().find(|r| (r.grow, r.improve) == (grow, improve)).map_or(f64::NAN, |r| r.value)
        };
        let greedy = |g: &[&Record<Row>], grow: usize, improve: usize| {
            let found = g.iter().find(|r| (r.grow, r.improve) == (grow, improve));
            found.and_then(|r| r.greedy).unwrap_or(f64::NAN)
        };
        let rise = |improve: usize| mean_interval(&by_seed(own(), |g| at(g, 1, improve) - at(g, 1, improve - 1)));
        let least = (1..=steps).map(rise).min_by(|a, b| a.value.total_cmp(&b.value));
        [
            Check::new(
                Kind::Claim,
                &format!("rises_{set}"),
                format!("every Improve step raises the reward of a transformer on {set}"),
                "arXiv:2308.08998, Figure 3; criterion ours",
                "rise of the mean test reward from one step to the next, mean over seeds: the smallest of the steps",
                least.unwrap_or_else(|| mean_interval(&[])),
                Criterion::AtLeast(0.0),
            ),
            Check::new(
                Kind::Claim,
                &format!("above_supervised_{set}"),
                format!("the last Improve step is above the supervised model on {set}"),
                "arXiv:2308.08998, Figure 3; criterion ours",
                "mean test reward after the last Improve step less the supervised model's",
                mean_interval(&by_seed(own(), |g| at(g, 1, steps) - at(g, 0, 0))),
                Criterion::AtLeast(0.0),
            ),
            Check::new(
                Kind::Control,
                &format!("not_only_sharper_{set}"),
                format!("and so it is where both say the likeliest next token, on {set}"),
                "control: a sharper policy alone has better samples",
                "reward of greedy test outputs after the last Improve step less the supervised model's",
                mean_interval(&by_seed(own(), |g| greedy(g, 1, steps) - greedy(g, 0, 0))),
                Criterion::AtLeast(0.0),
            ),
        ]
    };
    ["talks", "news", "web"].iter().flat_map(|set| of_set(set)).collect()
}

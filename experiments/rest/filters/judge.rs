//! Rising, saturating, and who has data.

use super::{HARD, Row};
use crate::statistics::{by_seed, largest, smallest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

const KINDS: [(&str, &str, &str); 4] = [
    ("exact", "tabular", "population"),
    ("tabular", "tabular", "cautious"),
    ("product", "product", "cautious"),
    ("product_full", "product", "full"),
];

fn of<'a>(
    rows: &'a [Record<Row>],
    policy: &'a str,
    fit: &'a str,
    rule: &'a str,
) -> impl Iterator<Item = &'a Record<Row>> {
    rows.iter().filter(move |r| r.policy == policy && r.fit == fit && r.rule == rule)
}

/// V at one level, mean over tasks, in rows of one seed.
fn at(rows: &[&Record<Row>], level: f64) -> f64 {
    mean(&rows.iter().filter(|r| r.level == level).map(|r| r.value).collect::<Vec<_>>())
}

/// The smallest rise of V from one level to the next, mean over tasks, in rows of one seed.
fn smallest_rise(rows: &[&Record<Row>]) -> f64 {
    let mut levels: Vec<f64> = rows.iter().map(|r| r.level).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    smallest(levels.windows(2).map(|pair| at(rows, pair[1]) - at(rows, pair[0]))).value
}

/// Of rows of the strings world.
pub(super) fn strings(rows: &[Record<Row>]) -> Vec<Check> {
    let last = rows.iter().filter(|r| r.rule == "percentile").map(|r| r.level).fold(0.0, f64::max);
    let words = |kind: &str| match kind {
        "exact" => "tabular policy, no sampling error",
        "tabular" => "tabular policy, sampled, cautious fit",
        "product" => "product policy, sampled, cautious fit",
        _ => "product policy, sampled, full fit",
    };
    let per_kind = KINDS.iter().flat_map(|&(kind, policy, fit)| {
        let rises = |id: &str, statement: &str, figure: &str, rule: &'static str| {
            Check::new(
                Kind::Claim,
                &format!("{id}_{kind}"),
                format!("{statement} ({})", words(kind)),
                format!("arXiv:2308.08998, {figure}"),
                "smallest rise of V from one level to the next, mean over tasks",
                mean_interval(&by_seed(of(rows, policy, fit, rule), smallest_rise)),
                Criterion::AtLeast(0.0),
            )
        };
        [
            rises("percentiles_rise", "V rises with the percentile", "Figure 15", "percentile"),
            Check::new(
                Kind::Claim,
                &format!("saturates_{kind}"),
                format!(
                    "the gain beyond the 90th percentile is smaller than that from the 50th to the 90th ({})",
                    words(kind)
                ),
                "arXiv:2308.08998, Figure 15; criterion ours",
                "gain of V from 50 to 90 less that from 90 to the highest percentile, mean over tasks",
                mean_interval(&by_seed(of(rows, policy, fit, "percentile"), |g| {
                    (at(g, 90.0) - at(g, 50.0)) - (at(g, last) - at(g, 90.0))
                })),
                Criterion::AtLeast(0.0),
            ),
            rises("gammas_rise", "V rises with γ", "Figure 16", "mean_max"),
        ]
    });
    per_kind.chain(hard(rows)).chain(controls(rows)).collect()
}

fn hard(rows: &[Record<Row>]) -> Vec<Check> {
    let some = |rule: &'static str| rows.iter().filter(move |r| r.rule == rule && r.level > 0.0);
    vec![
        Check::new(
            Kind::Claim,
            "hard_sources_have_data",
            "with thresholds of their own hard sources have data",
            "arXiv:2308.08998, Figures 15 and 16",
            "smallest share of hard contexts in which something passes, over percentiles, γ, tasks and policies",
            smallest(some("percentile").chain(some("mean_max")).map(|r| r.hard_passed)),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Claim,
            "hard_sources_improve",
            "and their V rises",
            "arXiv:2308.08998, Figures 15 and 16; criterion ours",
            "gain of V in hard contexts over the supervised policy at the 90th percentile, product policy, cautious fit, mean over tasks",
            mean_interval(&by_seed(of(rows, "product", "cautious", "percentile").filter(|r| r.level == 90.0), |g| {
                mean(&g.iter().map(|r| r.hard - r.hard_before).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.05),
        ),
    ]
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let global = || rows.iter().filter(|r| r.rule == "global" && r.level == HARD);
    vec![
        Check::new(
            Kind::Control,
            "global_starves_hard_sources",
            "under one τ = 0.8 for all, hard sources have no data",
            "control: what makes them hard",
            "largest share of hard contexts in which something passes",
            largest(global().map(|r| r.hard_passed)),
            Criterion::AtMost(0.0),
        ),
        Check::new(
            Kind::Control,
            "global_leaves_hard_sources",
            "and their V stays",
            "control",
            "largest |change of V| in hard contexts",
            largest(global().map(|r| (r.hard - r.hard_before).abs())),
            Criterion::AtMost(1e-9),
        ),
        Check::new(
            Kind::Control,
            "shuffled",
            "percentiles of rewards that are permuted gain nothing",
            "control",
            "gain of V over everything that Grow holds, mean over percentiles and tasks, product policy, cautious fit",
            mean_interval(&by_seed(of(rows, "product", "cautious", "shuffled"), |g| {
                mean(&g.iter().map(|r| r.value - r.before).collect::<Vec<_>>())
            })),
            Criterion::AtMost(0.01),
        ),
    ]
}

/// Of rows of the translation world.
pub(super) fn translation(rows: &[Record<Row>]) -> Vec<Check> {
    let mut checks: Vec<Check> = ["news", "web"].into_iter().flat_map(|set| of_set(rows, set)).collect();
    let random = || rows.iter().filter(|r| r.rule == "random");
    let passed = rows.iter().filter(|r| r.rule == "percentile" || r.rule == "mean_max").map(|r| r.hard_passed);
    checks.extend([
        Check::new(
            Kind::Theory,
            "hard_sources_have_data_translation",
            "with thresholds of their own all hard sources have data",
            "derived: a source's best sample passes",
            "smallest share of hard sources of which something passes",
            smallest(passed),
            Criterion::AtLeast(1.0),
        ),
        Check::new(
            Kind::Control,
            "random",
            "as many samples as pass τ = 0.8, drawn at random, gain nothing",
            "control",
            "mean test reward less that of training on everything that Grow holds, mean over sets",
            mean_interval(&by_seed(random(), |g| mean(&g.iter().map(|r| r.value - r.before).collect::<Vec<_>>()))),
            Criterion::AtMost(0.02),
        ),
        Check::new(
            Kind::Control,
            "random_share",
            "and leave hard sources their share of the data",
            "control",
            "share of hard sources in what is kept, over their share of sources, mean over sets",
            mean_interval(&by_seed(random(), |g| mean(&g.iter().filter_map(|r| r.hard_share).collect::<Vec<_>>()))),
            Criterion::near(1.0, 0.05),
        ),
    ]);
    checks
}

fn of_set(rows: &[Record<Row>], set: &str) -> Vec<Check> {
    let of = |rule: &'static str| rows.iter().filter(move |r| r.task == set && r.rule == rule);
    let last = of("percentile").map(|r| r.level).fold(0.0, f64::max);
    // noise would make the smallest of a seed's rises too small
    let rises = |rule: &'static str, up_to: f64| {
        let mut levels: Vec<f64> = of(rule).map(|r| r.level).filter(|level| *level <= up_to).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        let rise = |pair: &[f64]| mean_interval(&by_seed(of(rule), |g| at(g, pair[1]) - at(g, pair[0])));
        let least = levels.windows(2).map(rise).min_by(|a, b| a.value.total_cmp(&b.value));
        least.unwrap_or_else(|| mean_interval(&[]))
    };
    let claim = |id: &str, statement: &str, source: &str, statistic: &str, estimate: Estimate, criterion: Criterion| {
        let (id, statement) = (format!("{id}_{set}"), format!("{statement} (transformer, {set})"));
        Check::new(Kind::Claim, &id, statement, source, statistic, estimate, criterion)
    };
    let share = |g: &[&Record<Row>], rule: &str, level: f64| {
        let found = g.iter().find(|r| r.rule == rule && r.level == level);
        found.and_then(|r| r.hard_share).unwrap_or(f64::NAN)
    };
    vec![
        claim(
            "percentiles_rise",
            "the reward rises with the percentile up to the 90th",
            "arXiv:2308.08998, Figure 15",
            "rise of the mean test reward from one level to the next, mean over seeds: the smallest",
            rises("percentile", 90.0),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "saturates",
            "the gain beyond the 90th percentile is smaller than that from the 50th to the 90th",
            "arXiv:2308.08998, Figure 15; criterion ours",
            "gain of the mean test reward from 50 to 90 less that from 90 to the highest percentile (of fewer than ten samples per source, as \
             on news, these keep the same ones: arithmetic)",
            mean_interval(&by_seed(of("percentile"), |g| (at(g, 90.0) - at(g, 50.0)) - (at(g, last) - at(g, 90.0)))),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "gammas_rise",
            "the reward rises with γ",
            "arXiv:2308.08998, Figure 16",
            "rise of the mean test reward from one level to the next, mean over seeds: the smallest",
            rises("mean_max", 1.0),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "hard_sources_improve",
            "the reward of hard test sources rises",
            "arXiv:2308.08998, Figures 15 and 16; criterion ours",
            "gain on hard test sources over the supervised model at the 90th percentile",
            mean_interval(&by_seed(of("percentile").filter(|r| r.level == 90.0), |g| {
                mean(&g.iter().map(|r| r.hard - r.hard_before).collect::<Vec<_>>())
            })),
            Criterion::AtLeast(0.05),
        ),
        claim(
            "hard_sources_share",
            "hard sources have more of the data than under one τ = 0.8",
            "arXiv:2308.08998, Figures 15 and 16; criterion ours",
            "share of hard sources in what is kept, over their share of sources: at the 90th percentile less under τ = 0.8",
            mean_interval(&by_seed(of("percentile").chain(of("global")), |g| {
                share(g, "percentile", 90.0) - share(g, "global", HARD)
            })),
            Criterion::AtLeast(0.2),
        ),
    ]
}

//! The claims on the losses, from hypervolumes per seed.

use super::super::front::{hull, hull_volume, least_gap, most_reward, share_of_front};
use super::families::Family;
use super::{Row, tangents};
use crate::statistics::{by_seed, largest};
use rewardlab::experiment::{Check, Criterion, Kind, Record};
use rewardlab::stats::{Estimate, mean, mean_interval};

/// Growth of the KL from half of the time to the end, above which it goes on growing and below which it is settled.
const SETTLED: f64 = 1.03;

/// The reference's reward.
fn start(rows: &[&Record<Row>]) -> f64 {
    rows.iter().find(|r| r.method == "limit").map_or(f64::NAN, |r| r.reward)
}

/// The KL up to which volumes are taken.
pub(super) fn most_kl(rows: &[&Record<Row>]) -> f64 {
    rows.iter().find(|r| r.method == "limit").map_or(f64::NAN, |r| r.kl)
}

fn points(rows: &[&Record<Row>], labels: &str, family: Family) -> Vec<(f64, f64)> {
    let own = rows.iter().filter(|r| r.labels == labels && r.method == family.name());
    own.map(|r| (r.kl, r.reward)).collect()
}

/// A family's hypervolume over the front's.
pub(super) fn volume(rows: &[&Record<Row>], labels: &str, family: Family) -> f64 {
    share_of_front(hull_volume, &points(rows, labels, family), &tangents(rows), (start(rows), most_kl(rows)))
}

/// The least gap to the front, over the front's rise, of a family's points at a KL of a quarter to three quarters of the largest.
fn gap(rows: &[&Record<Row>], labels: &str, family: Family) -> f64 {
    least_gap(&points(rows, labels, family), &tangents(rows), (start(rows), most_kl(rows)))
}

/// The least KL at which a family has half of the front's rise; NaN where it never has.
fn kl_of_half(rows: &[&Record<Row>], family: Family) -> f64 {
    let start = start(rows);
    let half = f64::midpoint(start, most_reward(&tangents(rows), most_kl(rows)));
    let corners = hull(&points(rows, "clean", family), start);
    let crossed = corners.windows(2).find(|pair| pair[1].1 >= half);
    crossed.map_or(f64::NAN, |pair| {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        from + (half - low) / (high - low) * (to - from)
    })
}

/// KL at the end over that at half of the time, mean over the strengths from `least` on.
fn growth(rows: &[&Record<Row>], family: Family, least: f64) -> f64 {
    let own = rows.iter().filter(|r| r.labels == "long" && r.method == family.name() && r.setting >= least);
    let own: Vec<&&Record<Row>> = own.collect();
    let end = own.iter().map(|r| r.step).max().unwrap_or(0);
    let ratio = |last: &&&&Record<Row>| {
        let half = own.iter().find(|r| r.setting == last.setting && r.step < end).map_or(f64::NAN, |r| r.kl);
        last.kl / half
    };
    let last: Vec<&&&Record<Row>> = own.iter().filter(|r| r.step == end).collect();
    mean(&last.iter().map(ratio).collect::<Vec<_>>())
}

/// Where labels by a coin lead: reward above the start at the end, over the front's rise, mean over strengths.
fn by_coin(rows: &[&Record<Row>], family: Family) -> f64 {
    let own: Vec<&&Record<Row>> = rows.iter().filter(|r| r.labels == "coin" && r.method == family.name()).collect();
    let end = own.iter().map(|r| r.step).max().unwrap_or(0);
    let start = start(rows);
    let rise = most_reward(&tangents(rows), most_kl(rows)) - start;
    mean(&own.iter().filter(|r| r.step == end).map(|r| (r.reward - start) / rise).collect::<Vec<_>>())
}

pub(super) fn checks(rows: &[Record<Row>]) -> Vec<Check> {
    [claims(rows), theory(rows), controls(rows)].concat()
}

/// What flips take from a family's hypervolume.
pub(super) fn cost(rows: &[&Record<Row>], family: Family) -> f64 {
    volume(rows, "clean", family) - volume(rows, "flipped", family)
}

fn over(rows: &[Record<Row>], [first, second]: [Family; 2]) -> Estimate {
    mean_interval(&by_seed(rows, |g| volume(g, "clean", first) - volume(g, "clean", second)))
}

fn claims(rows: &[Record<Row>]) -> Vec<Check> {
    use Family::{Conservative, Dpo, Ipo, Kto, Orpo, Preferred, Simpo};
    let claim = |id: &str, statement: &str, source: &str, statistic: &str, estimate: Estimate, criterion: Criterion| {
        Check::new(Kind::Claim, id, statement, format!("{source}; criterion ours"), statistic, estimate, criterion)
    };
    let robust = |family: Family| mean_interval(&by_seed(rows, |g| cost(g, Dpo) - cost(g, family)));
    let farther = |family: Family| mean_interval(&by_seed(rows, |g| kl_of_half(g, family) - kl_of_half(g, Dpo)));
    let grows = |family: Family| mean_interval(&by_seed(rows, |g| growth(g, family, 0.0)));
    let lost = "hypervolume that flips take from DPO less what they take from it, in units of the front's";
    let difference = "difference of hypervolumes on clean labels, in units of the front's";
    let half = "KL at which it has half of the front's rise less DPO's, clean labels, nats";
    let ratio = "KL at the end over that at half of the time, mean over strengths";
    let ipo = "arXiv:2310.12036";
    vec![
        claim(
            "cdpo_robust",
            "labels of which a fifth is wrong cost conservative DPO less than DPO",
            "label smoothing of the original DPO code, derived for such labels",
            lost,
            robust(Conservative),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "dpo_drifts",
            "on deterministic labels DPO's KL goes on growing",
            ipo,
            ratio,
            grows(Dpo),
            Criterion::AtLeast(SETTLED),
        ),
        claim("ipo_settles", "IPO's does not", ipo, ratio, grows(Ipo), Criterion::AtMost(SETTLED)),
        claim(
            "kto_as_good",
            "KTO is as good as DPO",
            "arXiv:2402.01306, reported second-hand",
            difference,
            over(rows, [Kto, Dpo]),
            Criterion::AtLeast(-0.02),
        ),
        claim(
            "kto_robust",
            "wrong labels cost KTO less than DPO",
            "arXiv:2402.01306, reported second-hand",
            lost,
            robust(Kto),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "orpo_over_preferred",
            "ORPO is better than Preferred-FT",
            "arXiv:2403.07691, reported second-hand",
            difference,
            over(rows, [Orpo, Preferred]),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "simpo_over_dpo",
            "SimPO is better than DPO",
            "arXiv:2405.14734, reported second-hand",
            difference,
            over(rows, [Simpo, Dpo]),
            Criterion::AtLeast(0.0),
        ),
        claim(
            "orpo_leaves",
            "without a reference ORPO pays more KL than DPO for the same reward",
            "its formula",
            half,
            farther(Orpo),
            Criterion::AtLeast(0.0),
        ),
        claim("simpo_leaves", "and so does SimPO", "its formula", half, farther(Simpo), Criterion::AtLeast(0.0)),
    ]
}

fn theory(rows: &[Record<Row>]) -> Vec<Check> {
    let theory = |id: &str, statement: String, source: &str, statistic: &str, estimate: Estimate, criterion| {
        Check::new(Kind::Theory, id, statement, source, statistic, estimate, criterion)
    };
    let costs = |family: Family| {
        theory(
            &format!("flips_cost_{}", family.name()),
            format!("labels of which a fifth is wrong cost {}", family.title()),
            "derived: each pair says less",
            "hypervolume on clean labels less that on flipped ones, in units of the front's",
            mean_interval(&by_seed(rows, |g| cost(g, family))),
            Criterion::AtLeast(0.0),
        )
    };
    let mut checks = vec![
        theory(
            "flips_are_smoothing",
            "in expectation over flips DPO's gradient is conservative DPO's on clean labels".into(),
            "derived",
            "largest difference of a pair's weights",
            largest(rows.iter().filter_map(|r| r.smoothing)),
            Criterion::AtMost(1e-12),
        ),
        theory(
            "flipped_dpo_is_clean_cdpo",
            "so DPO on flipped labels has the frontier of conservative DPO on clean ones, but for the labels' noise"
                .into(),
            "derived",
            "difference of hypervolumes, in units of the front's",
            mean_interval(&by_seed(rows, |g| {
                volume(g, "flipped", Family::Dpo) - volume(g, "clean", Family::Conservative)
            })),
            Criterion::near(0.0, 0.05),
        ),
        theory(
            "cdpo_settles",
            "conservative DPO has a finite minimiser too: its KL settles".into(),
            "derived: h = log((1 − ε)/ε)/β for a pair alone",
            "KL at the end over that at half of the time, mean over strengths",
            mean_interval(&by_seed(rows, |g| growth(g, Family::Conservative, 0.0))),
            Criterion::AtMost(SETTLED),
        ),
        theory(
            "ipo_settles_within_reach",
            "IPO's KL settles where its target 1/(2τ) is within reach: at most half a nat a word".into(),
            "seen on other seeds",
            "KL at the end over that at half of the time, mean over τ ≥ 0.1",
            mean_interval(&by_seed(rows, |g| growth(g, Family::Ipo, 0.1))),
            Criterion::AtMost(SETTLED),
        ),
        theory(
            "dpo_drifts_from_there",
            "where DPO's, at the same strengths, goes on growing".into(),
            "seen on other seeds",
            "KL at the end over that at half of the time, mean over β ≥ 0.1",
            mean_interval(&by_seed(rows, |g| growth(g, Family::Dpo, 0.1))),
            Criterion::AtLeast(SETTLED),
        ),
        theory(
            "dpo_near_front",
            "DPO comes near the front on clean labels".into(),
            "criterion ours",
            "its least gap to the front, over the front's rise, at a middle KL",
            mean_interval(&by_seed(rows, |g| gap(g, "clean", Family::Dpo))),
            Criterion::AtMost(0.05),
        ),
    ];
    checks.extend(Family::ALL.map(costs));
    checks
}

fn controls(rows: &[Record<Row>]) -> Vec<Check> {
    let control = |id: &str, statement: &str, statistic: &str, estimate: Estimate, criterion: Criterion| {
        Check::new(Kind::Control, id, statement, "control", statistic, estimate, criterion)
    };
    let coin = Family::ALL.map(|family| mean_interval(&by_seed(rows, |g| by_coin(g, family))));
    let farthest = coin.into_iter().max_by(|a, b| a.value.abs().total_cmp(&b.value.abs()));
    // the means over seeds and strengths of standard scores, again as standard scores
    let pooled = |value: fn(&Row) -> Option<f64>| {
        Family::ALL.into_iter().map(move |family| {
            let own = rows.iter().filter(|r| r.method == family.name());
            let z: Vec<f64> = own.filter_map(|r| value(r)).collect();
            (mean(&z) * (z.len() as f64).sqrt()).abs()
        })
    };
    vec![
        control(
            "coin_teaches_nothing",
            "labels by a coin teach nothing, whatever the loss",
            "reward above the start at the end, over the front's rise, mean over strengths; the family farthest from 0",
            farthest.unwrap_or(Estimate::exact(f64::NAN, 0)),
            Criterion::near(0.0, 0.05),
        ),
        control(
            "no_smoothing",
            "conservative DPO with ε = 0 is DPO to the last bit",
            "largest difference of log-probabilities after training",
            largest(rows.iter().filter_map(|r| r.bits)),
            Criterion::AtMost(0.0),
        ),
        control(
            "nothing_above_the_front",
            "no policy is above the exact front",
            "largest reward less what the tangents allow at its KL",
            largest(by_seed(rows, |g| {
                let front = tangents(g);
                let own = g.iter().filter(|r| r.labels != "none");
                own.map(|r| r.reward - most_reward(&front, r.kl)).fold(f64::NEG_INFINITY, f64::max)
            })),
            Criterion::AtMost(1e-9),
        ),
        control(
            "sampled",
            "sampled rewards and KLs agree with exact ones",
            "largest distance of a family's mean over runs and seeds, standard errors",
            largest(pooled(|r| r.reward_z).chain(pooled(|r| r.kl_z))),
            Criterion::AtMost(3.0),
        ),
    ]
}

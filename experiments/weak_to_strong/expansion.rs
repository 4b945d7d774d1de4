//! Expansion: when neighbours correct a teacher's errors and carry its labels to where it has none.
//!
//! **Formula**: `err_S ≤ 2α/(1 − 2α) · P(not robust|S) + P(disagrees|S) + α (1 − 3c/2)` (4.1);
//! `err_T ≤ (1 + α/(1 − 2α)) P(not robust|T) + max(q, (P(disagrees|S) − cα)/(c (1 − 2α)))` (4.2),
//! with α the teacher's share of wrong labels on S, T what it does not label, and c ≤ 1 and q those of expansion,
//! `P(N(U)|A) > c P(U|B)` for all robust sets U with `P(U|B) > q`.
//!
//! **Claims** (arXiv:2405.16043, Theorems 4.1 and 4.2, Proposition 4.1, read in the theorems' pages): on points that the teacher labels (S, with a
//! share α < 1/2 of wrong labels in a class) and points that it does not (T), a student that is mostly robust (constant on neighbourhoods) and agrees
//! with the labels up to a bound has few errors, if sets of robust points *expand*: P(N(U)|A) > c P(U|B) for every such U ⊂ B with P(U|B) > q. No
//! student that can be the teacher itself meets the premises.
//!
//! **Measured**: every labelling of every drawn space of at most twelve points is taken for the student, alone in its class: the weakest premise,
//! with the largest q (4.1) or each q that matters (4.2), and the largest c ≤ 1 that the sets allow: the strongest conclusion. Exact, one `examined`
//! per labelling whose premises hold. Spaces: points of one class, right or wrong or no label each, and of another class; random weights and
//! neighbours. Sizes are ours.
//!
//! **Derived here**: Theorem 4.1 needs c ≤ 1. With a c > 1, which small spaces often allow, its bound as printed is violated. And for c ≤ 1 the
//! premises of 4.1 exclude a student that labels S as the teacher does: where it is robust enough, `P(U|S_good)` ≥ (3/4)(1 − cα/(1 − α)) > q, and no
//! neighbour of U is wrong.
//!
//! **Controls**: taken at c = 1 without asking for expansion, the bound of 4.1 fails.
//!
//! **Found** (4000 spaces of 12 points): no violation of 4.1 among 32 508 labellings and of 4.2 among 113 770; 40% and 7% of these bounds are below
//! the teacher's error rate. With c > 1 4406 of 107 909 break 4.1; without expansion half of 264 331 do. None of 29 282 labellings that are the
//! teacher's on S expands.

mod figure;
mod judge;
mod space;

use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use serde::{Deserialize, Serialize};
use space::{Case, Space};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct Expansion;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Points of a space; 7 to 12.
    points: usize,
    /// Spaces per seed and kind of weights; 1 to 100 000.
    spaces: usize,
    /// The largest weight of a point in units of the least (whole weights, drawn evenly); 2 to 100.
    heaviest: usize,
    /// Probability that two points are neighbours; each space has one of these; in (0, 1).
    neighbours: Vec<f64>,
}

/// How points are weighed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    Even,
    Uneven,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Even => "even",
            Self::Uneven => "uneven",
        })
    }
}

/// Labellings whose premises hold and whose bound lies in one bin.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// `even` or `uneven` weights of points.
    weights: String,
    /// `correction` (Theorem 4.1), `coverage` (4.2), `c above 1` (4.1), `no expansion` (4.1 without its premise), `imitable` (labels S as the
    /// teacher does, and meets the premises of 4.1 but for expansion).
    part: String,
    /// The middle of the bin of the bound, an error rate; the last bin holds all bounds from 1.
    bound: f64,
    /// Labellings.
    examined: u64,
    /// Those with a bound below the teacher's error rate α.
    informative: u64,
    /// Those with an error above the bound; `imitable`: those that meet all premises.
    violations: u64,
    /// The largest error rate.
    largest_error: f64,
}

/// Width of a bin.
const BIN: f64 = 0.05;
const BINS: usize = 21;

impl Experiment for Expansion {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/expansion";
    const PAPER: &'static str = "Lang, Sontag and Vijayaraghavan, arXiv:2405.16043, Theorems 4.1 and 4.2";
    const CLAIM: &'static str = "Robust students correct and extend the labels of a teacher that they cannot imitate";
    const SECONDS: (f64, f64) = (0.3, 8.0);

    fn params(profile: Profile) -> Params {
        let (points, spaces) = match profile {
            Profile::Smoke => (10, 100),
            Profile::Paper => (12, 200),
        };
        Params { points, spaces, heaviest: 5, neighbours: vec![0.1, 0.2, 0.35, 0.5] }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..10,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        Error::check_counts(&[
            ("points", p.points, 7, 12),
            ("spaces", p.spaces, 1, 100_000),
            ("heaviest", p.heaviest, 2, 100),
        ])?;
        if p.neighbours.is_empty() || p.neighbours.iter().any(|n| !(*n > 0.0 && *n < 1.0)) {
            return Err(Error::parameter("neighbours", format!("{:?}", p.neighbours), "one or more, each in (0, 1)"));
        }
        Ok(())
    }

    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell::Even, Cell::Uneven]
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let heaviest = if matches!(cell, Cell::Even) { 1 } else { p.heaviest };
        let rng = &mut ctx.stream("spaces");
        let mut tallies = [(); 5].map(|()| Tally::default());
        for i in 0..p.spaces {
            let space = Space::draw(p.points, heaviest, p.neighbours[i % p.neighbours.len()], rng);
            for student in 0..1_u16 << p.points {
                let seen = space.look(student);
                let cases = [seen.correction(), seen.coverage(), seen.above_one(), seen.unexpanded(), seen.imitable()];
                for (tally, case) in tallies.iter_mut().zip(cases) {
                    case.into_iter().for_each(|case| tally.add(&case, seen.alpha()));
                }
            }
        }
        let names = ["correction", "coverage", "c above 1", "no expansion", "imitable"];
        Ok(names.iter().zip(&tallies).flat_map(|(part, tally)| tally.rows(&cell.to_string(), part)).collect())
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

/// Counts by bins of the bound.
#[derive(Default)]
struct Tally([Row; BINS]);

impl Tally {
    fn add(&mut self, case: &Case, alpha: f64) {
        let bin = &mut self.0[((case.bound / BIN).max(0.0) as usize).min(BINS - 1)];
        bin.examined += 1;
        bin.informative += u64::from(case.bound < alpha);
        bin.violations += u64::from(case.violates);
        bin.largest_error = bin.largest_error.max(case.error);
    }

    fn rows(&self, weights: &str, part: &str) -> Vec<Row> {
        let row = |(i, bin): (usize, &Row)| Row {
            weights: weights.into(),
            part: part.into(),
            bound: BIN * (i as f64 + 0.5),
            ..bin.clone()
        };
        self.0.iter().enumerate().map(row).collect()
    }
}

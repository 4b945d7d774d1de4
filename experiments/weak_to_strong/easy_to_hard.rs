//! From easy chess puzzles to hard ones: a model that has seen the truth of easy puzzles alone, asked hard ones.
//!
//! **Formula**: `PGR = Σ_seeds (taught easy − weak) / Σ_seeds (taught all − weak)`, of shares of hard puzzles solved.
//!
//! **Claims** (arXiv:2312.09390, Figure 20: chess with cuts at Elo 1200 and 900; statistics ours): the truth of easy puzzles teaches hard ones, but less
//! than as many puzzles of any difficulty; part of the gap between a weaker model that has seen all and the largest that has is recovered.
//!
//! **Measured** on the puzzles and the ladder of `chess`. A puzzle's difficulty is a number in the manner of Elo's from exact features
//! (legal moves, checks that do not solve, quiet first move, depth), on a scale of ours; of the cuts 1200 lies between mates in one and nearly all mates
//! in two, 900 among the mates in one. Models learn the truth of the easy puzzles of the student's half, of as many of any difficulty, of all; or a weak teacher's
//! labels of all. What share of the hard puzzles of the test set they solve.
//!
//! **Control**: with difficulties dealt anew among puzzles easy ones teach as much as others.
//!
//! Changed after the rows were seen: that easy puzzles teach hard ones is judged by half of what as many puzzles of any difficulty teach a pretrained model
//! (it was anything more than that model knows, which can hardly fail).
//!
//! **Found**: easy puzzles teach hard ones (0.07 and more of the hard ones solved beyond what pretraining leaves), about as much as others do. At the cut 900, where 54% are easy, the largest model recovers
//! 0.45 (0.08 to 0.64) of the gap on hard puzzles between the weak teacher and itself taught all. That as many puzzles of any difficulty teach more is not to be
//! seen (−0.005, −0.04 to 0.03): our difficulty is how many moves tempt, and what is to be learned is the same mates. At the cut 1200
//! easy puzzles are 91% of all and mates in two hardly learned by anyone (0.08), so that PGR there (1.09, 0.86 to 2.68) says only that mates in one teach of
//! them all that is learned. With difficulties dealt anew the difference is −0.017, its interval reaching to −0.035, 0.005 beyond the bar. Students of a weak teacher stay at its level on hard puzzles.

mod figure;
mod judge;

use super::puzzles::{Chess, PuzzleParams, Split};
use rewardlab::algorithm::{Family, Source};
use rewardlab::env::chess::ANSWER;
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Check, Context, Experiment, Profile, Record};
use rewardlab::plot::Chart;
use rewardlab::stats::mean;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

#[derive(Debug)]
pub(crate) struct EasyToHard;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    puzzles: PuzzleParams,
    /// Difficulties below which a puzzle is easy; increasing, two or more.
    cuts: Vec<f64>,
    /// The teacher's place on the ladder, from 0; not the last.
    teacher: usize,
}

/// Students of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    level: usize,
    /// Difficulties dealt anew among puzzles.
    dealt: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "student {}{}", self.level, if self.dealt { " dealt" } else { "" })
    }
}

/// One model, on the hard puzzles of the test set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Whether difficulties are dealt anew.
    dealt: bool,
    /// Place on the ladder, from 0.
    level: usize,
    /// Parameters.
    parameters: usize,
    /// Below this difficulty a puzzle is easy.
    cut: f64,
    /// Share of the training puzzles that are easy.
    easy: f64,
    /// What it learned from: `easy` (the truth of easy puzzles), `as_many` (the truth of as many puzzles of any difficulty), `all` (of
    /// all), `weak` (the teacher's labels of all), or `untaught`.
    taught: String,
    /// Share of hard test puzzles solved.
    hard_solved: f64,
    /// log π of the solutions of hard test puzzles, mean, nats; of `easy` and `as_many`.
    log_prob: Option<f64>,
    /// Share of easy test puzzles solved.
    easy_solved: f64,
    /// Share of hard test puzzles that the teacher solves.
    teacher_solved: f64,
}

impl Experiment for EasyToHard {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "weak_to_strong/easy_to_hard";
    const PAPER: &'static str = "Burns et al., arXiv:2312.09390, Figure 20 (chess)";
    const CLAIM: &'static str =
        "Trained on easy puzzles alone, a model solves hard ones too, fewer than after as many of all kinds";
    const SECONDS: (f64, f64) = (2.0, 350.0);

    fn params(profile: Profile) -> Params {
        Params {
            puzzles: PuzzleParams::new(profile),
            cuts: vec![900.0, 1200.0],
            teacher: usize::from(profile == Profile::Paper),
        }
    }

    fn seeds(profile: Profile) -> Range<u64> {
        match profile {
            Profile::Smoke => 0..2,
            Profile::Paper => 0..5,
        }
    }

    fn validate(p: &Params) -> Result<()> {
        p.puzzles.validate().map_err(|e| e.within("puzzles"))?;
        if p.cuts.len() < 2 || !p.cuts.is_sorted_by(|a, b| a < b) || p.cuts.iter().any(|c| !c.is_finite()) {
            return Err(Error::parameter("cuts", format!("{:?}", p.cuts), "finite, increasing, two or more"));
        }
        Error::check_counts(&[("teacher", p.teacher, 0, p.puzzles.ladder.len() - 2)])
    }

    fn cells(p: &Params) -> Vec<Cell> {
        let last = p.puzzles.ladder.len() - 1;
        let plain = (p.teacher + 1..=last).rev().map(|level| Cell { level, dealt: false });
        plain.chain([Cell { level: last, dealt: true }]).collect()
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let chess = Chess::new(&p.puzzles, ctx)?;
        let split = chess.split()?;
        let mut difficulty: Vec<f64> = chess.puzzles.iter().map(|p| p.difficulty).collect();
        if cell.dealt {
            let order = ctx.stream("dealt").permutation(difficulty.len());
            difficulty = order.into_iter().map(|i| difficulty[i]).collect();
        }
        let run = Run { p, cell, ctx, chess: &chess, split: &split, difficulty };
        Ok(p.cuts.iter().map(|cut| run.of_cut(*cut)).collect::<Result<Vec<_>>>()?.concat())
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        judge::checks(rows)
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        figure::chart(rows)
    }
}

struct Run<'a> {
    p: &'a Params,
    cell: &'a Cell,
    ctx: &'a Context<'a>,
    chess: &'a Chess<'a>,
    split: &'a Split,
    /// Of every puzzle.
    difficulty: Vec<f64>,
}

impl Run<'_> {
    /// What a student that learned the truth of some puzzles says of the test set, and of the solutions of hard puzzles.
    fn of_truth(&self, items: &[usize], hard: &[usize]) -> Result<(Vec<[u32; ANSWER]>, Option<f64>)> {
        let mut model = self.chess.teach(self.cell.level, items, &self.chess.truth(items), Source::Truth)?;
        let log_probs = self.chess.log_probs(&mut model, hard)?;
        Ok((self.chess.label(&mut model, &self.split.test)?, Some(mean(&log_probs))))
    }

    fn of_cut(&self, cut: f64) -> Result<Vec<Row>> {
        let Split { halves, test } = self.split;
        let level = self.cell.level;
        let teacher = self.chess.teacher(self.p.teacher, self.split)?;
        let easy: Vec<usize> = halves.student.iter().copied().filter(|i| self.difficulty[*i] < cut).collect();
        let mut order = self.ctx.shared_stream("as many").permutation(halves.student.len());
        order.truncate(easy.len());
        let as_many: Vec<usize> = order.iter().map(|i| halves.student[*i]).collect();
        let weak = self.ctx.stage("weak student", &(self.p, level), |_| {
            let mut model = self.chess.teach(level, &halves.student, &teacher.labels, Source::Model)?;
            self.chess.label(&mut model, test)
        })?;
        let hard: Vec<usize> = test.iter().copied().filter(|i| self.difficulty[*i] >= cut).collect();
        let answers = [
            ("easy", self.of_truth(&easy, &hard)?),
            ("as_many", self.of_truth(&as_many, &hard)?),
            ("all", (self.chess.ceiling(level, self.split)?.to_vec(), None)),
            ("weak", (weak.to_vec(), None)),
            ("untaught", (self.chess.untaught(level, self.split)?.to_vec(), None)),
        ];
        let solved = |answers: &[[u32; ANSWER]], hard: bool| {
            let right = self.chess.right(test, answers);
            let own = test.iter().zip(right).filter(|(i, _)| (self.difficulty[**i] >= cut) == hard);
            mean(&own.map(|(_, right)| f64::from(u8::from(right))).collect::<Vec<_>>())
        };
        let row = |(taught, (answers, log_prob)): &(&str, (Vec<[u32; ANSWER]>, Option<f64>))| {
            Ok(Row {
                dealt: self.cell.dealt,
                level,
                parameters: self.p.puzzles.ladder[level].parameters()?,
                cut,
                easy: easy.len() as f64 / halves.student.len() as f64,
                taught: (*taught).into(),
                hard_solved: solved(answers, true),
                log_prob: *log_prob,
                easy_solved: solved(answers, false),
                teacher_solved: solved(&teacher.test, true),
            })
        };
        answers.iter().map(row).collect()
    }
}

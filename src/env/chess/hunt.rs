//! Puzzles and plain moves out of games.

use super::play::{Player, game};
use super::solve::{difficulty, mates_in_one, mates_in_two};
use super::tokens::{ANSWER, answer, king_move, prompt};
use crate::error::{Error, Result};
use crate::rng::Stream;
use cozy_chess::{Board, Move};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::BuildHasher;

/// Moves of a game between two puzzles that are taken from it.
const APART: usize = 8;
/// Moves of a game that are no plain moves.
const OPENING: usize = 8;
/// Games without a new puzzle after which a hunt is given up.
const PATIENCE: usize = 10_000;

/// A position with one solving first move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Puzzle {
    /// The position in Forsyth–Edwards notation.
    pub fen: String,
    /// The solution in the notation of engines (from, to, promotion).
    pub answer: String,
    /// The position's tokens, ending in [`super::ASK`].
    pub prompt: Vec<u32>,
    /// The solution's tokens.
    pub solution: [u32; ANSWER],
    /// 1: mate at once; 2: mate in two, and none at once.
    pub depth: u8,
    /// Elo-like: 400 + 200 log₁₀(legal moves) + 200 log₁₀(1 + checks that do not solve) + 200 (the solution neither takes nor checks)
    /// + 600 (mate in two). The scale is ours.
    pub difficulty: f64,
    /// Which game it comes from: puzzles of one game belong together.
    pub game: usize,
}

impl Puzzle {
    fn new(board: &Board, solution: Move, depth: u8, game: usize) -> Self {
        Self {
            fen: board.to_string(),
            answer: king_move(board, solution).to_string(),
            prompt: prompt(board),
            solution: answer(board, solution),
            depth,
            difficulty: difficulty(board, solution, depth),
            game,
        }
    }
}

/// What puzzles are looked for, and in whose games.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hunt {
    /// Who plays the games.
    pub player: Player,
    /// Longest game, in moves of one side; 1 to 1000.
    pub plies: usize,
    /// Most pieces on the board, kings and pawns too; 3 to 32.
    pub pieces: usize,
    /// Most puzzles of one game; 1 to 100.
    pub per_game: usize,
    /// Mates in one to find; at most a million.
    pub mates_in_one: usize,
    /// Mates in two to find; at most a million.
    pub mates_in_two: usize,
}

impl Hunt {
    /// Fails unless every number is legal.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is not.
    pub fn validate(&self) -> Result<()> {
        self.player.validate().map_err(|e| e.within("player"))?;
        Error::check_counts(&[
            ("plies", self.plies, 1, 1_000),
            ("pieces", self.pieces, 3, 32),
            ("per_game", self.per_game, 1, 100),
            ("mates_in_one", self.mates_in_one, 0, 1_000_000),
            ("mates_in_two", self.mates_in_two, 0, 1_000_000),
        ])
    }

    /// The puzzles, in the order of their games; no position twice, each with one solution.
    ///
    /// # Errors
    /// Illegal numbers; games in which no more puzzles are to be found.
    pub fn puzzles(&self, rng: &mut Stream) -> Result<Vec<Puzzle>> {
        self.validate()?;
        let mut wanted = [self.mates_in_one, self.mates_in_two];
        let (mut puzzles, mut positions) = (Vec::new(), HashSet::new());
        let (mut played, mut last) = (0, 0);
        while wanted != [0, 0] {
            if played - last > PATIENCE {
                let message =
                    format!("{PATIENCE} games without a new puzzle; {wanted:?} mates in one and two are missing");
                return Err(Error::Usage(message));
            }
            for puzzle in self.of_game(played, wanted, &mut rng.split()) {
                let left = &mut wanted[usize::from(puzzle.depth) - 1];
                if *left > 0 && positions.insert(puzzle.prompt.clone()) {
                    *left -= 1;
                    last = played;
                    puzzles.push(puzzle);
                }
            }
            played += 1;
        }
        Ok(puzzles)
    }

    /// The puzzles of the next game; of kinds that are still wanted.
    fn of_game(&self, number: usize, wanted: [usize; 2], rng: &mut Stream) -> Vec<Puzzle> {
        let (mut puzzles, mut next) = (Vec::new(), 0);
        for (ply, (board, _)) in game(&self.player, self.plies, rng).iter().enumerate() {
            if ply < next || puzzles.len() == self.per_game || pieces(board) > self.pieces {
                continue;
            }
            let (mut solutions, mut depth) = (mates_in_one(board), 1);
            if solutions.is_empty() && wanted[1] > 0 {
                (solutions, depth) = (mates_in_two(board, 2), 2);
            }
            if let [only] = solutions[..]
                && wanted[usize::from(depth) - 1] > 0
            {
                puzzles.push(Puzzle::new(board, only, depth, number));
                next = ply + APART;
            }
        }
        puzzles
    }
}

/// A position and the move that was played in it, as tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// The position's tokens.
    pub prompt: Vec<u32>,
    /// The move's tokens.
    pub answer: [u32; ANSWER],
}

fn pieces(board: &Board) -> usize {
    board.occupied().len() as usize
}

/// `count` positions with the moves played in them, without the positions of `avoid`: of each game of at most `plies` moves those of
/// its `last` moves (how games end, with mates among them) in which there are at most so many pieces. The first eight moves are left
/// out: all games share their positions.
///
/// # Errors
/// An illegal player; games too short, or with too many pieces, for a single move.
pub fn plain_moves(
    player: &Player,
    (plies, most, last): (usize, usize, usize),
    count: usize,
    avoid: &HashSet<Vec<u32>, impl BuildHasher>,
    rng: &mut Stream,
) -> Result<Vec<Played>> {
    player.validate()?;
    Error::check_counts(&[
        ("plies", plies, 1, 1_000),
        ("pieces", most, 3, 32),
        ("last", last, 1, 1_000),
        ("count", count, 0, 10_000_000),
    ])?;
    let mut moves = Vec::with_capacity(count);
    let mut fruitless = 0;
    while moves.len() < count {
        let before = moves.len();
        let played = game(player, plies, &mut rng.split());
        for (board, mv) in &played[OPENING.max(played.len().saturating_sub(last)).min(played.len())..] {
            if moves.len() < count && pieces(board) <= most {
                let prompt = prompt(board);
                if !avoid.contains(&prompt) {
                    moves.push(Played { answer: answer(board, *mv), prompt });
                }
            }
        }
        fruitless = if moves.len() > before { 0 } else { fruitless + 1 };
        if fruitless > PATIENCE {
            return Err(Error::Usage(format!(
                "{PATIENCE} games of {plies} moves without one at {most} pieces or fewer"
            )));
        }
    }
    Ok(moves)
}

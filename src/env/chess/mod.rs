//! Chess puzzles with exact labels: mate in one and mate in two, out of positions that legal play has reached.
//!
//! A puzzle has one solution: one first move mates at once, or, where none does, one first move forces mate in two. So an
//! answer is right if it is that move, and no player is needed to judge it. The rules are `cozy_chess`'s; a test solves the
//! puzzles again with a plain move generator of its own.
//!
//! | file | what |
//! |---|---|
//! | `play` | players that make games: legal moves, weighed by a little arithmetic of material |
//! | `solve` | mates in one and two, exactly, and how hard they are |
//! | `hunt` | puzzles and plain moves out of games |
//! | `tokens` | positions and moves as tokens, and back |
//!
//! # Example
//! ```
//! use rewardlab::env::chess::{Hunt, Player};
//! use rewardlab::rng::Stream;
//!
//! let hunt = Hunt { player: Player::default(), plies: 150, pieces: 32, per_game: 2, mates_in_one: 3, mates_in_two: 1 };
//! for puzzle in hunt.puzzles(&mut Stream::named(&["chess", "example"])).expect("games end in puzzles") {
//!     println!("mate in {}, difficulty {:.0}: {} {}", puzzle.depth, puzzle.difficulty, puzzle.fen, puzzle.answer);
//! }
//! ```

mod hunt;
#[cfg(test)]
mod mailbox;
mod play;
mod solve;
mod tokens;

pub use hunt::{Hunt, Played, Puzzle, plain_moves};
pub use play::Player;
pub use tokens::{ANSWER, ASK, PROMPT_MAX, VOCAB, spell};

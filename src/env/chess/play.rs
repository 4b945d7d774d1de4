//! Players that make games.

use super::solve::{after, is_mated, legal_moves};
use crate::error::{Error, Result};
use crate::num;
use crate::rng::Stream;
use cozy_chess::{
    BitBoard, Board, Color, Move, Piece, Square, get_bishop_moves, get_king_moves, get_knight_moves, get_pawn_attacks,
    get_rook_moves,
};
use serde::{Deserialize, Serialize};

/// Who moves for both sides: a softmax over legal moves of what they win at once, in pawns.
///
/// A move wins what it takes and what a pawn gains by promotion; it loses the moved piece where the square that it goes to is
/// attacked, and a check is worth `check` pawns. Nothing is looked at beyond that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Player {
    /// Pawns per nat; positive. Small is greedy, large is random.
    pub temperature: f64,
    /// Probability with which a mate in one is seen, and played; in \[0, 1\].
    pub sees_mate: f64,
    /// What a check is worth, in pawns; not negative.
    pub check: f64,
}

impl Default for Player {
    fn default() -> Self {
        Self { temperature: 1.0, sees_mate: 0.3, check: 0.5 }
    }
}

/// Pawns that a piece is worth; a king is never lost.
fn worth(piece: Piece) -> f64 {
    match piece {
        Piece::Pawn => 1.0,
        Piece::Knight | Piece::Bishop => 3.0,
        Piece::Rook => 5.0,
        Piece::Queen => 9.0,
        Piece::King => 0.0,
    }
}

/// Whether `by` attacks a square, with these squares occupied.
fn attacked(board: &Board, square: Square, by: Color, occupied: BitBoard) -> bool {
    let of = |piece| board.colored_pieces(by, piece);
    let (diagonal, straight) = (of(Piece::Bishop) | of(Piece::Queen), of(Piece::Rook) | of(Piece::Queen));
    let from = (get_pawn_attacks(square, !by) & of(Piece::Pawn))
        | (get_knight_moves(square) & of(Piece::Knight))
        | (get_king_moves(square) & of(Piece::King))
        | (get_bishop_moves(square, occupied) & diagonal)
        | (get_rook_moves(square, occupied) & straight);
    !from.is_empty()
}

impl Player {
    /// Fails unless every number is legal.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is not.
    pub fn validate(&self) -> Result<()> {
        Error::check_positive(&[("temperature", self.temperature)])?;
        Error::check_not_negative(&[("check", self.check)])?;
        if !(0.0..=1.0).contains(&self.sees_mate) {
            return Err(Error::parameter("sees_mate", self.sees_mate, "from 0 to 1"));
        }
        Ok(())
    }

    /// What a move wins, in pawns; `after` is the position behind it.
    fn gain(&self, board: &Board, mv: Move, after: &Board) -> f64 {
        let side = board.side_to_move();
        let castles = board.colors(side).has(mv.to);
        let moved = mv.promotion.or(board.piece_on(mv.from)).unwrap_or(Piece::King);
        let mut gain = mv.promotion.map_or(0.0, |p| worth(p) - 1.0);
        if !castles {
            gain += board.piece_on(mv.to).map_or(0.0, worth);
            if attacked(after, mv.to, !side, after.occupied()) {
                gain -= worth(moved);
            }
        }
        gain + if after.checkers().is_empty() { 0.0 } else { self.check }
    }

    /// The next move; none where the game is over.
    pub(super) fn choose(&self, board: &Board, rng: &mut Stream) -> Option<Move> {
        let moves = legal_moves(board);
        if moves.is_empty() {
            return None;
        }
        let sees = rng.uniform() < self.sees_mate;
        let mut log_probs = Vec::with_capacity(moves.len());
        for mv in &moves {
            let after = after(board, *mv);
            if sees && is_mated(&after) {
                return Some(*mv);
            }
            log_probs.push(self.gain(board, *mv, &after) / self.temperature);
        }
        num::log_softmax(&mut log_probs);
        let probs: Vec<f64> = log_probs.iter().map(|lp| lp.exp()).collect();
        Some(moves[rng.categorical(&probs)])
    }
}

/// The positions of a game with the moves that were played, from the usual start to its end or `plies` moves; a game with kings alone
/// is over.
pub(super) fn game(player: &Player, plies: usize, rng: &mut Stream) -> Vec<(Board, Move)> {
    let mut board = Board::default();
    let mut played = Vec::with_capacity(plies);
    while played.len() < plies && board.occupied().len() > 2 {
        let Some(mv) = player.choose(&board, rng) else { break };
        played.push((board.clone(), mv));
        board.play_unchecked(mv);
    }
    played
}

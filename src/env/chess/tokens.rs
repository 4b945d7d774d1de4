//! Positions and moves as tokens.
//!
//! A position is what FEN says of it, with the empty squares left out: one token per occupied square, which names the piece and the
//! square, from the eighth rank to the first; then, where there are any, castling rights and the file of an en passant capture; then
//! [`ASK`]. Everything is seen by the side to move: its pieces come as one's own, and ranks are counted from its side. A move is
//! [`ANSWER`] tokens: from, to, promotion or none; castling is the king's move.

use cozy_chess::{Board, Color, Move, Piece, Square};
use std::fmt::Write;

const CASTLING: u32 = 12 * 64;
const EN_PASSANT: u32 = CASTLING + 16;
/// The last token of a position: which move?
pub const ASK: u32 = EN_PASSANT + 8;
const SQUARES: u32 = ASK + 1;
const PROMOTIONS: u32 = SQUARES + 64;
/// Number of tokens.
pub const VOCAB: usize = PROMOTIONS as usize + 5;
/// The longest position: 32 pieces, castling rights, en passant, [`ASK`].
pub const PROMPT_MAX: usize = 35;
/// Tokens of a move.
pub const ANSWER: usize = 3;

/// A square's number, counted from the side to move: a1 is 0, h8 is 63.
fn seen(square: Square, side: Color) -> u32 {
    square.relative_to(side) as u32
}

/// A position's tokens.
pub(super) fn prompt(board: &Board) -> Vec<u32> {
    let side = board.side_to_move();
    let kind = |square: Square| {
        let piece = board.piece_on(square)? as u32;
        Some(piece + if board.color_on(square)? == side { 0 } else { 6 })
    };
    let mut tokens = Vec::with_capacity(PROMPT_MAX);
    for rank in (0..8).rev() {
        for file in 0..8 {
            let square = Square::index(8 * rank + file).relative_to(side);
            tokens.extend(kind(square).map(|k| 64 * k + seen(square, side)));
        }
    }
    let rights = [side, !side].map(|color| {
        let of_color = board.castle_rights(color);
        u32::from(of_color.short.is_some()) + 2 * u32::from(of_color.long.is_some())
    });
    let castling = rights[0] + 4 * rights[1];
    if castling > 0 {
        tokens.push(CASTLING + castling);
    }
    tokens.extend(board.en_passant().map(|file| EN_PASSANT + file as u32));
    tokens.push(ASK);
    tokens
}

/// A move with castling as the king's move.
pub(super) fn king_move(board: &Board, mv: Move) -> Move {
    // cozy_chess has the king take its own rook
    if !board.colors(board.side_to_move()).has(mv.to) {
        return mv;
    }
    let file = if mv.to.file() > mv.from.file() { cozy_chess::File::G } else { cozy_chess::File::C };
    Move { to: Square::new(file, mv.from.rank()), ..mv }
}

/// A move's tokens.
pub(super) fn answer(board: &Board, mv: Move) -> [u32; ANSWER] {
    let (side, mv) = (board.side_to_move(), king_move(board, mv));
    let promotion = match mv.promotion {
        None | Some(Piece::Pawn | Piece::King) => 0,
        Some(Piece::Knight) => 1,
        Some(Piece::Bishop) => 2,
        Some(Piece::Rook) => 3,
        Some(Piece::Queen) => 4,
    };
    [SQUARES + seen(mv.from, side), SQUARES + seen(mv.to, side), PROMOTIONS + promotion]
}

/// Tokens in words: pieces as in FEN (capitals are the side to move's) with their squares as that side counts them.
pub fn spell(tokens: &[u32]) -> String {
    let square = |s: u32| format!("{}{}", char::from(b'a' + (s % 8) as u8), s / 8 % 8 + 1);
    let mut out = String::new();
    for &token in tokens {
        let word = match token {
            0..CASTLING => format!("{}{}", char::from(b"PNBRQKpnbrqk"[token as usize / 64]), square(token % 64)),
            CASTLING..EN_PASSANT => format!("castle:{}", token - CASTLING),
            EN_PASSANT..ASK => format!("en_passant:{}", char::from(b'a' + (token - EN_PASSANT) as u8)),
            ASK => "move?".into(),
            SQUARES..PROMOTIONS => square(token - SQUARES),
            _ => ["-", "n", "b", "r", "q"].get((token - PROMOTIONS) as usize).map_or("?", |w| *w).into(),
        };
        let gap = if out.is_empty() { "" } else { " " };
        // writing to a string cannot fail
        let _ = write!(out, "{gap}{word}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelt(fen: &str, mv: &str) -> (String, String) {
        let board: Board = fen.parse().expect("a position");
        let mv: Move = mv.parse().expect("a move");
        (spell(&prompt(&board)), spell(&answer(&board, mv)))
    }

    #[test]
    fn both_sides_see_their_own() {
        let white = spelt("6k1/5ppp/8/8/8/8/8/R3K3 w Q - 0 1", "a1a8");
        assert_eq!(white, ("kg8 pf7 pg7 ph7 Ra1 Ke1 castle:2 move?".into(), "a1 a8 -".into()));
        let black = spelt("r3k3/8/8/8/8/8/5PPP/6K1 b q - 0 1", "a8a1");
        assert_eq!(black, white);
    }

    #[test]
    fn castling_en_passant_and_promotion() {
        let castles = spelt("r3k2r/8/8/8/8/8/8/4K2R b Kkq - 0 1", "e8a8");
        assert_eq!(castles, ("ke8 rh8 Ra1 Ke1 Rh1 castle:7 move?".into(), "e1 c1 -".into()));
        let passing = spelt("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 2", "e5d6");
        assert_eq!(passing, ("ke8 pd5 Pe5 Ke1 en_passant:d move?".into(), "e5 d6 -".into()));
        assert_eq!(spelt("8/P7/8/8/8/8/8/k1K5 w - - 0 1", "a7a8q").1, "a7 a8 q");
        assert!(prompt(&Board::default()).iter().all(|t| (*t as usize) < VOCAB));
        assert_eq!(prompt(&Board::default()).len(), 34);
    }
}

//! Mates in one and two, exactly.

use cozy_chess::{Board, Move};

/// All legal moves, in the order of the generator.
pub(super) fn legal_moves(board: &Board) -> Vec<Move> {
    let mut moves = Vec::with_capacity(48);
    board.generate_moves(|of_piece| {
        moves.extend(of_piece);
        false
    });
    moves
}

/// Whether the side to move is mated.
pub(super) fn is_mated(board: &Board) -> bool {
    !board.checkers().is_empty() && !board.generate_moves(|_| true)
}

/// The position after a move.
pub(super) fn after(board: &Board, mv: Move) -> Board {
    let mut next = board.clone();
    next.play_unchecked(mv);
    next
}

/// Whether a move mates.
fn mates_at_once(board: &Board, mv: Move) -> bool {
    is_mated(&after(board, mv))
}

/// The moves that mate at once.
pub(super) fn mates_in_one(board: &Board) -> Vec<Move> {
    legal_moves(board).into_iter().filter(|mv| mates_at_once(board, *mv)).collect()
}

/// Whether some move mates at once.
fn has_mate(board: &Board) -> bool {
    board.generate_moves(|of_piece| of_piece.into_iter().any(|mv| mates_at_once(board, mv)))
}

/// Whether the side to move can be mated whatever it does, and can do something.
fn is_lost_at_once(board: &Board) -> bool {
    let mut replies = 0;
    let saved = board.generate_moves(|of_piece| {
        of_piece.into_iter().any(|reply| {
            replies += 1;
            !has_mate(&after(board, reply))
        })
    });
    !saved && replies > 0
}

/// The first moves that force mate in two; asked only where no move mates at once. At most `most` are looked for.
pub(super) fn mates_in_two(board: &Board, most: usize) -> Vec<Move> {
    let mut found = Vec::new();
    for mv in legal_moves(board) {
        if is_lost_at_once(&after(board, mv)) {
            found.push(mv);
            if found.len() == most {
                break;
            }
        }
    }
    found
}

/// How hard a puzzle is, in the manner of an Elo number.
///
/// 400 + 200 log₁₀(legal moves) + 200 log₁₀(1 + checks that do not solve) + 200 if the solution neither takes nor checks + 600 if it
/// is a mate in two. By the Elo formula 400 log₁₀(n) is what makes a game against n equal choices an even one, so the first two terms weigh
/// equally one who guesses among all moves and one who guesses among checks. The scale is ours: puzzles have no ratings by people.
pub(super) fn difficulty(board: &Board, solution: Move, depth: u8) -> f64 {
    let moves = legal_moves(board);
    let checks = |mv: &Move| !after(board, *mv).checkers().is_empty();
    let tempting = moves.iter().filter(|mv| **mv != solution && checks(mv)).count();
    let takes = board.colors(!board.side_to_move()).has(solution.to);
    let quiet = !takes && !checks(&solution);
    let orders = |n: usize| 200.0 * (n as f64).log10();
    let fixed = if quiet { 200.0 } else { 0.0 } + 600.0 * f64::from(depth.saturating_sub(1));
    400.0 + orders(moves.len()) + orders(1 + tempting) + fixed
}

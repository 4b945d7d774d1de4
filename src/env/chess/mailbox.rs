//! Chess once more, plainly, to check every label: a board of 64 letters, moves tried one by one. Shares no line with the solver.

use super::{Hunt, Player, Puzzle};
use crate::rng::Stream;

/// A position as FEN says it.
#[derive(Clone)]
struct Position {
    /// Letters of pieces, or `.`; a1 first, h8 last.
    squares: [u8; 64],
    white: bool,
    /// Letters of FEN.
    castling: Vec<u8>,
    en_passant: Option<i32>,
}

/// From, to, and the letter of the promotion.
type Step = (i32, i32, Option<u8>);

const KNIGHT: [(i32, i32); 8] = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)];
const STRAIGHT: [(i32, i32); 4] = [(1, 0), (-1, 0), (0, 1), (0, -1)];
const DIAGONAL: [(i32, i32); 4] = [(1, 1), (1, -1), (-1, 1), (-1, -1)];

fn at(file: i32, rank: i32) -> Option<i32> {
    ((0..8).contains(&file) && (0..8).contains(&rank)).then_some(8 * rank + file)
}

fn name(square: i32) -> String {
    format!("{}{}", char::from(b'a' + (square % 8) as u8), square / 8 + 1)
}

fn written((from, to, promotion): Step) -> String {
    format!("{}{}{}", name(from), name(to), promotion.map(char::from).map_or(String::new(), |c| c.to_string()))
}

impl Position {
    fn read(fen: &str) -> Self {
        let fields: Vec<&str> = fen.split(' ').collect();
        let mut squares = [b'.'; 64];
        for (row, line) in fields[0].split('/').enumerate() {
            let mut file = 0;
            for letter in line.bytes() {
                if letter.is_ascii_digit() {
                    file += usize::from(letter - b'0');
                } else {
                    squares[8 * (7 - row) + file] = letter;
                    file += 1;
                }
            }
        }
        let passing = fields[3].as_bytes();
        let en_passant = (passing != b"-").then(|| 8 * i32::from(passing[1] - b'1') + i32::from(passing[0] - b'a'));
        Self { squares, white: fields[1] == "w", castling: fields[2].bytes().collect(), en_passant }
    }

    fn piece(&self, square: i32) -> u8 {
        self.squares[square as usize]
    }

    /// Whether a piece stands there that belongs to this side.
    fn holds(&self, square: i32, white: bool) -> bool {
        let piece = self.piece(square);
        piece != b'.' && piece.is_ascii_uppercase() == white
    }

    fn is_attacked(&self, square: i32, by_white: bool) -> bool {
        let (file, rank) = (square % 8, square / 8);
        let is = |target: Option<i32>, kinds: &[u8]| {
            target.is_some_and(|s| self.holds(s, by_white) && kinds.contains(&self.piece(s).to_ascii_uppercase()))
        };
        let below = if by_white { -1 } else { 1 };
        if [-1, 1].into_iter().any(|side| is(at(file + side, rank + below), b"P"))
            || KNIGHT.into_iter().any(|(f, r)| is(at(file + f, rank + r), b"N"))
            || STRAIGHT.into_iter().chain(DIAGONAL).any(|(f, r)| is(at(file + f, rank + r), b"K"))
        {
            return true;
        }
        let line = |(f, r): (i32, i32), kinds: &[u8]| {
            for distance in 1..8 {
                let target = at(file + f * distance, rank + r * distance);
                if target.is_none_or(|s| self.piece(s) != b'.') {
                    return is(target, kinds);
                }
            }
            false
        };
        STRAIGHT.into_iter().any(|d| line(d, b"RQ")) || DIAGONAL.into_iter().any(|d| line(d, b"BQ"))
    }

    fn is_in_check(&self, white: bool) -> bool {
        let king = if white { b'K' } else { b'k' };
        let square = self.squares.iter().position(|p| *p == king).expect("a king");
        self.is_attacked(square as i32, !white)
    }

    fn pawn_steps(&self, from: i32) -> Vec<Step> {
        let (file, rank, ahead) = (from % 8, from / 8, if self.white { 1 } else { -1 });
        let mut targets = Vec::new();
        if let Some(one) = at(file, rank + ahead).filter(|s| self.piece(*s) == b'.') {
            targets.push(one);
            let home = if self.white { 1 } else { 6 };
            let two = at(file, rank + 2 * ahead).filter(|s| rank == home && self.piece(*s) == b'.');
            targets.extend(two);
        }
        for side in [-1, 1] {
            let takes = |s: &i32| self.holds(*s, !self.white) || self.en_passant == Some(*s);
            targets.extend(at(file + side, rank + ahead).filter(takes));
        }
        let last = |to: i32| to / 8 == 0 || to / 8 == 7;
        let of = |to: i32| {
            let letters: Vec<Option<u8>> = if last(to) { b"nbrq".map(Some).into() } else { vec![None] };
            letters.into_iter().map(move |letter| (from, to, letter))
        };
        targets.into_iter().flat_map(of).collect()
    }

    fn castlings(&self) -> Vec<Step> {
        let (king, letters) = if self.white { (4, [b'K', b'Q']) } else { (60, [b'k', b'q']) };
        let empty = |squares: &[i32]| squares.iter().all(|s| self.piece(*s) == b'.');
        let safe = |squares: &[i32]| squares.iter().all(|s| !self.is_attacked(*s, !self.white));
        let mut steps = Vec::new();
        if self.castling.contains(&letters[0]) && empty(&[king + 1, king + 2]) && safe(&[king, king + 1, king + 2]) {
            steps.push((king, king + 2, None));
        }
        if self.castling.contains(&letters[1])
            && empty(&[king - 1, king - 2, king - 3])
            && safe(&[king, king - 1, king - 2])
        {
            steps.push((king, king - 2, None));
        }
        steps
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = self.castlings();
        for from in (0..64).filter(|s| self.holds(*s, self.white)) {
            let (file, rank) = (from % 8, from / 8);
            let reach = |directions: &[(i32, i32)], far: i32| {
                let mut found = Vec::new();
                for (f, r) in directions {
                    for distance in 1..=far {
                        let Some(to) = at(file + f * distance, rank + r * distance) else { break };
                        if !self.holds(to, self.white) {
                            found.push((from, to, None));
                        }
                        if self.piece(to) != b'.' {
                            break;
                        }
                    }
                }
                found
            };
            let all: Vec<(i32, i32)> = STRAIGHT.into_iter().chain(DIAGONAL).collect();
            steps.extend(match self.piece(from).to_ascii_uppercase() {
                b'P' => self.pawn_steps(from),
                b'N' => reach(&KNIGHT, 1),
                b'B' => reach(&DIAGONAL, 7),
                b'R' => reach(&STRAIGHT, 7),
                b'Q' => reach(&all, 7),
                _ => reach(&all, 1),
            });
        }
        steps.into_iter().filter(|s| !self.after(*s).is_in_check(self.white)).collect()
    }

    fn after(&self, (from, to, promotion): Step) -> Self {
        let mut next = self.clone();
        let piece = self.piece(from);
        let pawn = piece.eq_ignore_ascii_case(&b'P');
        next.squares[from as usize] = b'.';
        next.squares[to as usize] = match promotion {
            Some(letter) if self.white => letter.to_ascii_uppercase(),
            Some(letter) => letter,
            None => piece,
        };
        if pawn && self.en_passant == Some(to) {
            next.squares[(to + if self.white { -8 } else { 8 }) as usize] = b'.';
        }
        next.en_passant = (pawn && (to - from).abs() == 16).then_some(i32::midpoint(from, to));
        if piece.eq_ignore_ascii_case(&b'K') && (to - from).abs() == 2 {
            let (corner, beside) = if to > from { (to + 1, to - 1) } else { (to - 2, to + 1) };
            next.squares[beside as usize] = self.piece(corner);
            next.squares[corner as usize] = b'.';
        }
        let lost = |square: i32, letters: &[u8]| (from == square || to == square).then(|| letters.to_vec());
        let homes: [(i32, &[u8]); 6] = [(4, b"KQ"), (60, b"kq"), (7, b"K"), (0, b"Q"), (63, b"k"), (56, b"q")];
        for letters in homes.into_iter().filter_map(|(square, letters)| lost(square, letters)) {
            next.castling.retain(|right| !letters.contains(right));
        }
        next.white = !self.white;
        next
    }

    fn is_mate(&self) -> bool {
        self.is_in_check(self.white) && self.steps().is_empty()
    }

    /// The first moves after which every defence of length `depth` − 1 ends in mate.
    fn mating(&self, depth: u8) -> Vec<Step> {
        let forces = |step: &Step| {
            let next = self.after(*step);
            if depth == 1 {
                return next.is_mate();
            }
            let replies = next.steps();
            !replies.is_empty() && replies.into_iter().all(|r| next.after(r).has_mate())
        };
        self.steps().into_iter().filter(forces).collect()
    }

    fn has_mate(&self) -> bool {
        self.steps().into_iter().any(|step| self.after(step).is_mate())
    }

    fn perft(&self, depth: u32) -> usize {
        if depth == 0 { 1 } else { self.steps().into_iter().map(|s| self.after(s).perft(depth - 1)).sum() }
    }
}

// Counts that every move generator is tested with: chessprogramming.org/Perft_Results, positions 1, 2, 3, 4 and 5.
#[test]
fn the_plain_generator_counts_as_others_do() {
    for (fen, depth, count) in [
        ("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1", 3, 8_902),
        ("r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1", 3, 97_862),
        ("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1", 4, 43_238),
        ("r3k2r/Pppp1ppp/1b3nbN/nP6/BBP1P3/q4N2/Pp1P2PP/R2Q1RK1 w kq - 0 1", 3, 9_467),
        ("rnbq1k1r/pp1Pbppp/2p5/8/2B5/8/PPP1NnPP/RNBQK2R w KQ - 1 8", 3, 62_379),
    ] {
        assert_eq!(Position::read(fen).perft(depth), count, "{fen}");
    }
}

fn solutions(puzzle: &Puzzle, depth: u8) -> Vec<String> {
    Position::read(&puzzle.fen).mating(depth).into_iter().map(written).collect()
}

/// The answer's tokens, from its letters.
fn tokens(puzzle: &Puzzle) -> String {
    let letters = puzzle.answer.as_bytes();
    let rank = |r: u8| if puzzle.fen.contains(" w ") { r } else { b'1' + b'8' - r };
    let square = |s: &[u8]| format!("{}{}", char::from(s[0]), char::from(rank(s[1])));
    let promotion = letters.get(4).map_or('-', |p| char::from(*p));
    format!("{} {} {promotion}", square(&letters[..2]), square(&letters[2..4]))
}

/// Every label of as many puzzles as an experiment has: the mating moves are the answer and nothing else, and a mate in two is none
/// in one.
#[test]
fn every_label_is_what_the_plain_generator_finds() {
    let hunt = Hunt {
        player: Player::default(),
        plies: 150,
        pieces: 32,
        per_game: 2,
        mates_in_one: 10_000,
        mates_in_two: 200,
    };
    let puzzles = hunt.puzzles(&mut Stream::named(&["chess", "labels"])).expect("games with puzzles");
    assert_eq!(puzzles.iter().filter(|p| p.depth == 1).count(), 10_000);
    for puzzle in &puzzles {
        if puzzle.depth == 2 {
            assert!(solutions(puzzle, 1).is_empty(), "{}", puzzle.fen);
        }
        assert_eq!(solutions(puzzle, puzzle.depth), std::slice::from_ref(&puzzle.answer), "{}", puzzle.fen);
        assert_eq!(super::spell(&puzzle.solution), tokens(puzzle));
    }
}

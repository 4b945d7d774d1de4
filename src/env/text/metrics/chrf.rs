//! The character n-gram F-score.

const LONGEST: usize = 6;
/// Recall weighs β² times precision.
const BETA: f64 = 2.0;

/// A reference whose character n-grams are counted once, for many outputs.
///
/// Word forms that share a stem score for it, so that a wrong ending costs less than a wrong word.
#[derive(Clone, Debug)]
pub struct Chrf {
    reference: [Vec<u128>; LONGEST],
}

impl Chrf {
    /// Counts a reference. Blanks do not count.
    pub fn new(reference: &str) -> Self {
        Self { reference: grams(reference) }
    }

    /// `chrF2` (Popović 2015, ACL W15-3049), as `SacreBLEU`'s `sentence_chrf` computes it, divided by 100; in
    /// [0, 1].
    ///
    /// # Formula
    /// (1 + β²) P R / (β² P + R), β = 2, with P (R) the mean over n = 1 … 6 of the share of the output's (the reference's) character
    /// n-grams that the other has too, each counted at most as often as there; n of which either has none are left out.
    /// 0 where nothing matches.
    pub fn score(&self, output: &str) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for (own, reference) in grams(output).iter().zip(&self.reference) {
            if !own.is_empty() && !reference.is_empty() {
                let matches = common(own, reference) as f64;
                precision += matches / own.len() as f64;
                recall += matches / reference.len() as f64;
                orders += 1.0;
            }
        }
        if precision == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        (1.0 + BETA * BETA) * precision * recall / (BETA * BETA * precision + recall)
    }
}

/// The n-grams of every order, sorted; a character takes 21 bits, so six fit.
fn grams(text: &str) -> [Vec<u128>; LONGEST] {
    let letters: Vec<u128> = text.chars().filter(|c| !c.is_whitespace()).map(|c| u128::from(u32::from(c))).collect();
    std::array::from_fn(|order| {
        let pack = |gram: &[u128]| gram.iter().fold(0, |packed, letter| packed << 21 | letter);
        let mut grams: Vec<u128> = letters.windows(order + 1).map(pack).collect();
        grams.sort_unstable();
        grams
    })
}

/// How many two sorted multisets have in common.
fn common(a: &[u128], b: &[u128]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        count += usize::from(x == y);
        (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    // sacrebleu 2.6.0: for out, ref in cases: print(repr(sacrebleu.sentence_chrf(out, [ref]).score / 100))
    #[test]
    fn is_sacrebleus() {
        for (output, reference, expected) in GOLDEN {
            let got = Chrf::new(reference).score(output);
            assert!((got - expected).abs() < 1e-14, "{output:?}: {got}, {expected}");
        }
    }

    const GOLDEN: [(&str, &str, f64); 7] = [
        ("lo barino albo la celda copunt", "lo barino albo la celda copunt", 1.0),
        ("lo barino alba la celda copunt", "lo barino albo la celda copunt", 0.837_719_744_024_091_9),
        ("la celda copunt", "lo barino albo la celda copunt", 0.519_274_582_952_243_9),
        (
            "lo barino albo la celda copunt lo barino albo la celda copunt",
            "lo barino albo la celda copunt",
            0.817_774_549_821_255_9,
        ),
        ("xyz", "lo barino", 0.0),
        ("naïve café", "naive cafe", 0.394_113_756_613_756_64),
        ("ab", "abcdefgh", 0.234_042_553_191_489_37),
    ];
}

//! A METEOR-like score: words matched by form, then by stem.

/// Weight of precision's reciprocal in the harmonic mean: recall counts nine times as much.
const ALPHA: f64 = 0.9;
/// Exponent of the fragmentation.
const BETA: i32 = 3;
/// Largest penalty for fragmentation.
const GAMMA: f64 = 0.5;

/// A METEOR-*like* score of an output, the best over the references; in [0, 1).
///
/// The F-mean and fragmentation penalty of Banerjee & Lavie 2005 with the constants of NLTK's `meteor_score`; words match
/// if they are equal, then if `stem` makes them equal. It has no synonyms and no paraphrases, so it is not METEOR. The
/// alignment is NLTK's: from the last word backwards each takes the last free match. An output equal to a reference of m
/// words scores 1 − 1/(2m³), not 1.
///
/// # Formula
/// F = PR / (αP + (1 − α)R), P = m/|output|, R = m/|reference| for m matched words in c runs that are contiguous and in
/// order on both sides; score = F (1 − γ (c/m)^β), α = 0.9, β = 3, γ = 0.5.
pub fn meteor(output: &[u32], references: &[Vec<u32>], stem: impl Fn(u32) -> u32) -> f64 {
    references.iter().map(|r| against(output, r, &stem)).fold(0.0, f64::max)
}

fn against(output: &[u32], reference: &[u32], stem: &impl Fn(u32) -> u32) -> f64 {
    let mut to = vec![None; output.len()];
    let mut free = vec![true; reference.len()];
    align(output, reference, &mut to, &mut free, |a, b| a == b);
    align(output, reference, &mut to, &mut free, |a, b| stem(a) == stem(b));
    let matched = to.iter().flatten().count() as f64;
    if matched == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (matched / output.len() as f64, matched / reference.len() as f64);
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    mean * (1.0 - GAMMA * (runs(&to) / matched).powi(BETA))
}

fn align(a: &[u32], b: &[u32], to: &mut [Option<usize>], free: &mut [bool], equal: impl Fn(u32, u32) -> bool) {
    for i in (0..a.len()).rev().filter(|&i| to[i].is_none()).collect::<Vec<_>>() {
        if let Some(j) = (0..b.len()).rev().find(|&j| free[j] && equal(a[i], b[j])) {
            to[i] = Some(j);
            free[j] = false;
        }
    }
}

/// How many runs the matches form: neighbours in the output that are neighbours, in order, in the reference.
fn runs(to: &[Option<usize>]) -> f64 {
    let joined = to.windows(2).filter(|w| matches!(w, [Some(a), Some(b)] if *b == a + 1)).count();
    (to.iter().flatten().count() - joined) as f64
}

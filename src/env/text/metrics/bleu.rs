//! Sentence-level BLEU with the smoothing of `SacreBLEU`'s default.

use std::collections::BTreeMap;

const LONGEST: usize = 4;

/// Sentence BLEU with n-grams of up to four words, exponential smoothing and effective order, as `SacreBLEU`'s
/// `sentence_bleu` computes it (Papineni et al. 2002; Post 2018), divided by 100; in [0, 1].
///
/// # Formula
/// exp(min(0, 1 − |ref|/|out|)) · (Π pₙ)^(1/N), with pₙ the share of the output's n-grams that the references hold
/// (each counted at most as often as in the reference that has it most), N ≤ 4 the largest n of which the output has
/// any; the k-th zero among the pₙ is replaced by 1/(2^k · number of n-grams). |ref| is the reference length nearest to
/// the output's, the shorter of two equally near. 0 if no word matches.
pub fn bleu(output: &[u32], references: &[Vec<u32>]) -> f64 {
    let nearest = references.iter().map(Vec::len).min_by_key(|&n| (n.abs_diff(output.len()), n));
    let Some(nearest) = nearest else { return 0.0 };
    let (mut log_sum, mut smooth, mut any) = (0.0, 1.0, false);
    let order = LONGEST.min(output.len());
    for n in 1..=order {
        let total = (output.len() + 1 - n) as f64;
        let correct = matches(output, references, n) as f64;
        any |= correct > 0.0;
        if correct == 0.0 {
            smooth *= 2.0;
            log_sum -= f64::ln(smooth * total);
        } else {
            log_sum += (correct / total).ln();
        }
    }
    if !any {
        return 0.0;
    }
    let brevity = (1.0 - nearest as f64 / output.len() as f64).min(0.0);
    (brevity + log_sum / order as f64).exp()
}

/// The output's n-grams that the references hold, clipped.
fn matches(output: &[u32], references: &[Vec<u32>], n: usize) -> usize {
    let mut allowed: BTreeMap<&[u32], usize> = BTreeMap::new();
    for reference in references {
        for (gram, count) in counts(reference, n) {
            let most = allowed.entry(gram).or_default();
            *most = count.max(*most);
        }
    }
    counts(output, n).into_iter().map(|(gram, count)| count.min(allowed.get(gram).copied().unwrap_or(0))).sum()
}

fn counts(tokens: &[u32], n: usize) -> BTreeMap<&[u32], usize> {
    let mut counts = BTreeMap::new();
    tokens.windows(n).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}

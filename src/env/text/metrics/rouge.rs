//! ROUGE-L: the longest common subsequence with a reference.

/// ROUGE-L of an output: the F1 of its longest common subsequence with a reference (Lin, *ROUGE*, 2004, with
/// precision and recall weighted alike as in Google's `rouge_score`), the best over the references; in [0, 1].
///
/// # Formula
/// P = LCS / |output|, R = LCS / |reference|, F1 = 2PR/(P + R); 0 if nothing is common.
pub fn rouge_l(output: &[u32], references: &[Vec<u32>]) -> f64 {
    let f1 = |r: &Vec<u32>| match longest_common_subsequence(output, r) {
        0 => 0.0,
        // 2PR/(P + R) with the common factor cancelled
        common => 2.0 * common as f64 / (output.len() + r.len()) as f64,
    };
    references.iter().map(f1).fold(0.0, f64::max)
}

fn longest_common_subsequence(a: &[u32], b: &[u32]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

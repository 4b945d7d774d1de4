//! KL and entropy, exact and estimated.

use crate::exact;
use crate::objective::{k1, k2, k3};
use crate::stats::mean;

/// The mean over contexts of KL(π‖`π_ref`) between whole next-token distributions, nats.
///
/// # Shapes
/// `log_probs`, `reference`: contexts × `vocab`, row-major. Over the contexts that a sample passes this is an estimate without
/// noise from tokens; over all outputs of a prompt, one row of all of them, it is the KL of the sequences.
///
/// # Panics
/// If the lengths differ or are not whole rows.
pub fn kl_exact(log_probs: &[f64], reference: &[f64], vocab: usize) -> f64 {
    assert!(log_probs.len() == reference.len() && log_probs.len().is_multiple_of(vocab), "two tables of whole rows");
    let rows = log_probs.chunks_exact(vocab).zip(reference.chunks_exact(vocab));
    mean(&rows.map(|(p, q)| exact::kl(p, q)).collect::<Vec<_>>())
}

/// The mean of k1 = log π − log `π_ref` over chosen tokens, nats: unbiased, noisy, may be negative.
pub fn kl_k1(log_probs: &[f64], reference: &[f64]) -> f64 {
    estimated(log_probs, reference, k1)
}

/// The mean of k2, half the squared log ratio, over chosen tokens, nats: biased but near the reference. With the new and the old policy it is what TRL's
/// PPO logs as `approxkl`.
pub fn kl_k2(log_probs: &[f64], reference: &[f64]) -> f64 {
    estimated(log_probs, reference, k2)
}

/// The mean of k3 over chosen tokens, nats: unbiased, never negative (what TRL's GRPO logs as `kl`).
pub fn kl_k3(log_probs: &[f64], reference: &[f64]) -> f64 {
    estimated(log_probs, reference, k3)
}

fn estimated(log_probs: &[f64], reference: &[f64], estimate: fn(f64) -> f64) -> f64 {
    assert_eq!(log_probs.len(), reference.len(), "one reference log-prob per token");
    mean(&log_probs.iter().zip(reference).map(|(p, q)| estimate(if p == q { 0.0 } else { p - q })).collect::<Vec<_>>())
}

/// The mean entropy of next-token distributions, nats.
///
/// # Shapes
/// `log_probs`: contexts × `vocab`, row-major.
///
/// # Panics
/// If the length is not whole rows.
pub fn entropy(log_probs: &[f64], vocab: usize) -> f64 {
    assert!(log_probs.len().is_multiple_of(vocab), "a table of whole rows");
    mean(&log_probs.chunks_exact(vocab).map(exact::entropy).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::log_softmax_rows;
    use crate::rng::Stream;

    fn tables() -> (Vec<f64>, Vec<f64>) {
        let (mut p, mut q) = (vec![0.0; 8], vec![0.0; 8]);
        let mut stream = Stream::named(&["test", "information"]);
        stream.fill_normal(1.0, &mut p);
        stream.fill_normal(1.0, &mut q);
        log_softmax_rows(&mut p, 4);
        log_softmax_rows(&mut q, 4);
        (p, q)
    }

    /// 40,000 tokens of both rows: the unbiased estimates within 3.3 standard errors (alpha = 0.001) of the exact KL.
    #[test]
    fn estimates_surround_the_exact_kl() {
        let (p, q) = tables();
        let mut stream = Stream::named(&["test", "information", "tokens"]);
        let (mut new, mut reference) = (Vec::new(), Vec::new());
        for i in 0..40_000 {
            let row = i % 2 * 4;
            let probs: Vec<f64> = p[row..row + 4].iter().map(|lp| lp.exp()).collect();
            let token = row + stream.categorical(&probs);
            new.push(p[token]);
            reference.push(q[token]);
        }
        let exact = kl_exact(&p, &q, 4);
        let error = |estimate: fn(f64) -> f64| {
            let values: Vec<f64> = new.iter().zip(&reference).map(|(a, b)| estimate(a - b)).collect();
            crate::stats::std_dev(&values) / 200.0
        };
        assert!((kl_k1(&new, &reference) - exact).abs() < 3.3 * error(k1), "{exact}");
        assert!((kl_k3(&new, &reference) - exact).abs() < 3.3 * error(k3), "{exact}");
        assert!(kl_k2(&new, &reference) > 0.0);
    }

    #[test]
    fn edges() {
        let (p, _) = tables();
        assert_eq!((kl_exact(&p, &p, 4), kl_k1(&p, &p), kl_k3(&p, &p)), (0.0, 0.0, 0.0));
        assert!((entropy(&[-(4.0_f64.ln()); 8], 4) - 4.0_f64.ln()).abs() < 1e-15);
        assert!(kl_k1(&[], &[]).is_nan() && entropy(&[], 4).is_nan());
        let never = f64::NEG_INFINITY;
        assert_eq!(kl_k1(&[never], &[never]), 0.0);
    }
}

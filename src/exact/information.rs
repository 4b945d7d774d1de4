//! What labels of steps and labels of outcomes say about a model of steps, as Fisher information.
//!
//! The model: a solution is a chain of steps, step t is valid with probability `p_t = σ(θ_t)`, and the solution is right iff all steps
//! are. A process label says, step by step, what is valid, up to the first error. An outcome label says only whether the solution is
//! right, and says so of a wrong one too with probability ρ (false positives).

/// Information of one solution's process labels on each step's θ; the matrix is diagonal.
///
/// # Formula
/// `Π_{u<t} p_u · p_t (1 − p_t)`: a step is labelled if all before it are valid.
///
/// # Shapes
/// `valid`: p of each step in (0, 1).
pub fn process_information(valid: &[f64]) -> Vec<f64> {
    let mut reach = 1.0;
    let of_step = |p: &f64| {
        let information = reach * p * (1.0 - p);
        reach *= p;
        information
    };
    valid.iter().map(of_step).collect()
}

/// Information of one solution's outcome label: a vector v, of which the matrix is v vᵀ. It has rank one: a label of a whole
/// solution does not say which step it is about.
///
/// # Formula
/// With z = Π p and z' = z + ρ (1 − z): `v_t = (1 − ρ) z (1 − p_t) / √(z' (1 − z'))`.
///
/// # Shapes
/// `valid`: p of each step in (0, 1); ρ = `false_positives` in \[0, 1).
pub fn outcome_information(valid: &[f64], false_positives: f64) -> Vec<f64> {
    let right: f64 = valid.iter().product();
    let label = right + false_positives * (1.0 - right);
    let scale = (1.0 - false_positives) * right / (label * (1.0 - label)).sqrt();
    valid.iter().map(|p| scale * (1.0 - p)).collect()
}

/// How many times the information of an outcome label process labels have: the ratio of the two matrices' traces for a chain of
/// `length` steps that are wrong with probability `error` each.
///
/// # Formula
/// With z = (1 − e)^L and z' = z + ρ (1 − z): (1 − e)(1 − z) z' (1 − z') / (L ((1 − ρ) z e)²). It is 1 at L = 1 and ρ = 0, and grows as 1/z.
pub fn information_ratio(length: usize, error: f64, false_positives: f64) -> f64 {
    let right = (1.0 - error).powf(length as f64);
    let label = right + false_positives * (1.0 - right);
    let outcome = length as f64 * ((1.0 - false_positives) * right * error).powi(2) / (label * (1.0 - label));
    (1.0 - error) * (1.0 - right) / outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E[(∂ log-likelihood)²] over all outcomes, derivatives by central differences.
    fn by_enumeration(valid: &[f64], rho: f64) -> (Vec<f64>, Vec<f64>) {
        let odds: Vec<f64> = valid.iter().map(|p| (p / (1.0 - p)).ln()).collect();
        let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
        let n = valid.len();
        // first error at step k, or none
        let process = |odds: &[f64], k: usize| -> f64 {
            let before: f64 = odds[..k].iter().map(|o| sigma(*o).ln()).sum();
            before + if k < n { sigma(-odds[k]).ln() } else { 0.0 }
        };
        let outcome = |odds: &[f64], right: usize| -> f64 {
            let z: f64 = odds.iter().map(|o| sigma(*o)).product();
            let label = z + rho * (1.0 - z);
            if right == 1 { label.ln() } else { (1.0 - label).ln() }
        };
        let information = |log_likelihood: &dyn Fn(&[f64], usize) -> f64, results: usize| -> Vec<f64> {
            let mut matrix = vec![0.0; n * n];
            for k in 0..results {
                let gradient: Vec<f64> = (0..n)
                    .map(|t| {
                        let (mut up, mut down) = (odds.clone(), odds.clone());
                        (up[t], down[t]) = (odds[t] + 1e-5, odds[t] - 1e-5);
                        (log_likelihood(&up, k) - log_likelihood(&down, k)) / 2e-5
                    })
                    .collect();
                let p = log_likelihood(&odds, k).exp();
                for i in 0..n * n {
                    matrix[i] += p * gradient[i / n] * gradient[i % n];
                }
            }
            matrix
        };
        (information(&process, n + 1), information(&outcome, 2))
    }

    #[test]
    fn both_are_expected_squared_scores() {
        let valid = [0.9, 0.6, 0.8];
        for rho in [0.0, 0.3] {
            let (process, outcome) = by_enumeration(&valid, rho);
            let (of_steps, v) = (process_information(&valid), outcome_information(&valid, rho));
            for i in 0..9 {
                let diagonal = if i / 3 == i % 3 { of_steps[i / 3] } else { 0.0 };
                assert!((process[i] - diagonal).abs() < 1e-8, "{process:?} {of_steps:?}");
                assert!((outcome[i] - v[i / 3] * v[i % 3]).abs() < 1e-8, "{outcome:?} {v:?}");
            }
        }
    }

    /// The worked values of the closed form, and the matrices' traces.
    #[test]
    fn the_ratio_is_that_of_the_traces() {
        for (length, error, rho, expected) in [
            (1, 0.3, 0.0, 1.00),
            (10, 0.05, 0.0, 10.2),
            (10, 0.1, 0.0, 10.95),
            (10, 0.2, 0.0, 14.8),
            (10, 0.2, 0.1, 30.2),
            (10, 0.2, 0.3, 74.1),
        ] {
            let ratio = information_ratio(length, error, rho);
            assert!((ratio / expected - 1.0).abs() < 5e-3, "{length} {error} {rho}: {ratio}");
            let valid = vec![1.0 - error; length];
            let process: f64 = process_information(&valid).iter().sum();
            let outcome: f64 = outcome_information(&valid, rho).iter().map(|v| v * v).sum();
            assert!((process / outcome / ratio - 1.0).abs() < 1e-12, "{length} {error} {rho}");
        }
    }
}

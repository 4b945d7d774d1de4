//! The one test that every objective passes: weights against central differences.

/// Asserts that the weights that `objective(log_probs, scale, weights)` adds are its derivative, by central
/// differences in f64, and that they are added and scaled.
pub(crate) fn assert_weights_are_the_derivative(at: &[f64], objective: impl Fn(&[f64], f64, &mut [f64]) -> f64) {
    let mut weights = vec![1.0; at.len()];
    objective(at, -2.0, &mut weights);
    let h = 1e-5;
    for i in 0..at.len() {
        let value = |step: f64| {
            let mut x = at.to_vec();
            x[i] += step;
            objective(&x, 1.0, &mut vec![0.0; at.len()])
        };
        let derivative = (value(h) - value(-h)) / (2.0 * h);
        let got = (weights[i] - 1.0) / -2.0;
        assert!(
            (got - derivative).abs() < 1e-8 * (1.0 + derivative.abs()),
            "weight {i}: {got}, difference {derivative}"
        );
    }
}

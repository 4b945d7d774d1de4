//! L-BFGS: the minimum of a smooth function of many variables from its gradient, without chance and without a learning rate.

use crate::error::{Error, Result};
use crate::num::{dot, norm};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Steps whose curvature is remembered.
const MEMORY: usize = 10;

/// Most lengths that are tried along a line.
const TRIALS: usize = 50;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopping {
    /// Norm of the gradient at which it is done; positive.
    pub tolerance: f64,
    /// Most steps; what is reached then is taken as it is. At least 1.
    pub steps: usize,
}

impl Stopping {
    /// # Errors
    /// The first setting outside its legal range.
    pub fn validate(&self) -> Result<()> {
        Error::check_counts(&[("steps", self.steps, 1, usize::MAX)])?;
        Error::check_positive(&[("tolerance", self.tolerance)])
    }
}

/// Where the search ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// The function's value there.
    pub value: f64,
    /// Norm of its gradient there.
    pub gradient: f64,
    /// Steps made.
    pub steps: usize,
}

/// Moves `params` to a (local) minimum of `function`, which returns its value and writes its gradient over what the slice holds.
///
/// Steps satisfy the sufficient decrease and the weak curvature condition (bisection and doubling), so that the remembered
/// curvature is positive also where the function is not convex.
///
/// # Errors
/// A value or gradient that is not finite where the search begins.
pub fn lbfgs(
    params: &mut [f64],
    stopping: &Stopping,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Result<Minimum> {
    let n = params.len();
    let mut gradient = vec![0.0; n];
    let mut value = function(params, &mut gradient);
    if !value.is_finite() || !gradient.iter().all(|g| g.is_finite()) {
        return Err(Error::NotFinite { what: "a function to be minimised, at its start,".into(), value });
    }
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::with_capacity(MEMORY);
    let (mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    let mut steps = 0;
    while steps < stopping.steps && norm(&gradient) > stopping.tolerance {
        let mut direction = downhill(&memory, &gradient);
        let mut slope = dot(&direction, &gradient);
        let is_descent = slope < 0.0;
        if !is_descent {
            // rounding has spoilt the memory
            memory.clear();
            direction = downhill(&memory, &gradient);
            slope = dot(&direction, &gradient);
        }
        let line = Line { params, direction: &direction, value, slope };
        let Some(reached) = line.search(&mut next, &mut next_gradient, &mut function) else { break };
        let moved: Vec<f64> = next.iter().zip(params.iter()).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-12 * dot(&turned, &turned).sqrt() * norm(&moved) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((moved, turned, 1.0 / curvature));
        }
        params.copy_from_slice(&next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = reached;
        steps += 1;
    }
    Ok(Minimum { value, gradient: norm(&gradient), steps })
}

/// The way on from a point.
struct Line<'a> {
    params: &'a [f64],
    direction: &'a [f64],
    value: f64,
    /// Derivative along the direction; negative.
    slope: f64,
}

impl Line<'_> {
    /// Moves `next` to a point of sufficient decrease and flatter slope; returns its value. `None` where rounding leaves no decrease.
    fn search(
        &self,
        next: &mut [f64],
        gradient: &mut [f64],
        function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
    ) -> Option<f64> {
        let mut at = |length: f64, gradient: &mut [f64]| {
            for ((x, p), d) in next.iter_mut().zip(self.params).zip(self.direction) {
                *x = p + length * d;
            }
            function(next, gradient)
        };
        let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
        for _ in 0..TRIALS {
            let value = at(length, gradient);
            // near the minimum the value's own rounding is larger than any decrease
            let enough = self.value + 1e-4 * length * self.slope + 1e-15 * self.value.abs();
            if !value.is_finite() || value > enough {
                high = length;
            } else if dot(self.direction, gradient) < 0.9 * self.slope {
                low = length;
            } else {
                return Some(value);
            }
            length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * length };
        }
        (low > 0.0).then(|| at(low, gradient))
    }
}

/// −H⁻¹ g with the remembered curvature (the two-loop recursion); without any, a step of length at most 1.
fn downhill(memory: &VecDeque<(Vec<f64>, Vec<f64>, f64)>, gradient: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let Some((moved, turned, _)) = memory.back() else {
        let scale = 1.0 / norm(&q).max(1.0);
        q.iter_mut().for_each(|v| *v *= scale);
        return q;
    };
    let scale = dot(moved, turned) / dot(turned, turned);
    let mut along = Vec::with_capacity(memory.len());
    for (moved, turned, inverse) in memory.iter().rev() {
        let a = inverse * dot(moved, &q);
        q.iter_mut().zip(turned).for_each(|(v, t)| *v -= a * t);
        along.push(a);
    }
    q.iter_mut().for_each(|v| *v *= scale);
    for ((moved, turned, inverse), a) in memory.iter().zip(along.into_iter().rev()) {
        let b = inverse * dot(turned, &q);
        q.iter_mut().zip(moved).for_each(|(v, m)| *v += (a - b) * m);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOPPING: Stopping = Stopping { tolerance: 1e-9, steps: 1_000 };

    /// Condition number 100.
    #[test]
    fn a_quadratic() {
        let curvatures: Vec<f64> = (0..40).map(|i| 10_f64.powf(f64::from(i) / 20.0)).collect();
        let mut x = vec![1.0; 40];
        let minimum = lbfgs(&mut x, &STOPPING, |x, g| {
            g.iter_mut().zip(x).zip(&curvatures).for_each(|((g, x), c)| *g = c * (x - 2.0));
            x.iter().zip(&curvatures).map(|(x, c)| 0.5 * c * (x - 2.0).powi(2)).sum()
        });
        let minimum = minimum.expect("finite");
        assert!(minimum.gradient <= 1e-9 && minimum.steps < 300, "{minimum:?}");
        assert!(x.iter().all(|v| (v - 2.0).abs() < 1e-8));
    }

    /// Rosenbrock's valley: not convex.
    #[test]
    fn a_curved_valley() {
        let mut x = [-1.2, 1.0];
        let minimum = lbfgs(&mut x, &STOPPING, |x, g| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            g[0] = -2.0 * a - 400.0 * x[0] * b;
            g[1] = 200.0 * b;
            a * a + 100.0 * b * b
        });
        assert!(
            minimum.expect("finite").steps < 100 && (x[0] - 1.0).abs() < 1e-8 && (x[1] - 1.0).abs() < 1e-8,
            "{x:?}"
        );
    }

    #[test]
    fn a_start_that_is_not_finite_is_refused_and_a_minimum_stays() {
        let nan = lbfgs(&mut [0.0], &STOPPING, |_, _| f64::NAN);
        assert!(matches!(nan, Err(Error::NotFinite { .. })));
        let at = lbfgs(&mut [0.0], &STOPPING, |x, g| {
            g[0] = 2.0 * x[0];
            x[0] * x[0]
        });
        assert_eq!(at.expect("finite").steps, 0);
        assert!(Stopping { tolerance: 0.0, steps: 1 }.validate().is_err());
    }
}

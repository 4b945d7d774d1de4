//! Gradient flows, dθ/dt = F(θ), as initial-value problems with error control: for theorems that speak of time.
//!
//! The method is the embedded Runge–Kutta pair 5(4) of Dormand and Prince (J. Comput. Appl. Math. 6, 1980) with
//! local extrapolation, first-same-as-last and a proportional–integral step controller (Hairer, Nørsett, Wanner,
//! *Solving ODEs I*, II.4, and *II*, IV.2). Softmax policy gradients are not stiff (rates scale with the
//! probabilities that they move), so a flow that needs 5·10⁵ units of time takes a few hundred steps.

use crate::error::{Error, Result};

/// Stage weights a₂…a₇; the field has no explicit time, so the nodes c are not needed. The last row is also b.
const STAGES: [&[f64]; 6] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
/// b − b̂: the local error of the fourth-order solution.
const ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339_200.0, 22.0 / 525.0, -1.0 / 40.0];
const MAX_STEPS: usize = 5_000_000;
/// Exponents of the PI controller: α = 0.7/5, β = 0.4/5.
const PROPORTIONAL: f64 = 0.14;
const INTEGRAL: f64 = 0.08;

/// How a flow is integrated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    tolerance: f64,
    horizon: f64,
}

/// The moment at which an observable first reached a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// The level.
    pub level: f64,
    /// When, in units of flow time.
    pub time: f64,
    /// The parameters at that moment.
    pub state: Vec<f64>,
}

impl Flow {
    /// `tolerance`: local error per step, relative to max(1, |θᵢ|) in the root mean square, in [1e-14, 0.1];
    /// `horizon`: the time at which to stop, positive.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn new(tolerance: f64, horizon: f64) -> Result<Self> {
        if !(1e-14..=0.1).contains(&tolerance) {
            return Err(Error::parameter("tolerance", tolerance, "in [1e-14, 0.1]"));
        }
        if !(horizon > 0.0 && horizon.is_finite()) {
            return Err(Error::parameter("horizon", horizon, "positive"));
        }
        Ok(Self { tolerance, horizon })
    }

    /// Follows `field(state, rate)` from `start` and returns when `observable` first reached each of the increasing
    /// `levels`; levels not reached by the horizon are left out, those already reached at the start have time 0.
    ///
    /// Within the step in which a level is passed, the moment is found by root finding on the length of a fresh
    /// fifth-order step, so a crossing is as accurate as the flow itself. The observable must not pass a level and
    /// come back within one step.
    ///
    /// # Errors
    /// A field that is not finite; a step that shrinks to nothing or a budget of 5 million steps used up.
    pub fn crossings(
        &self,
        field: impl FnMut(&[f64], &mut [f64]),
        observable: impl Fn(&[f64]) -> f64,
        levels: &[f64],
        start: &[f64],
    ) -> Result<Vec<Crossing>> {
        let mut found = Vec::with_capacity(levels.len());
        let mut walk = Walk::new(*self, field, start)?;
        let mut before = observable(start);
        while found.len() < levels.len() && before >= levels[found.len()] {
            found.push(Crossing { level: levels[found.len()], time: 0.0, state: start.to_vec() });
        }
        while found.len() < levels.len() && walk.time < self.horizon {
            let step = walk.step()?;
            let after = observable(&walk.next);
            let mut from = (0.0, before);
            while let Some(&level) = levels.get(found.len()).filter(|level| after >= **level) {
                let fraction = walk.locate(step, from, after, level, &observable);
                found.push(Crossing { level, time: walk.time + fraction * step, state: walk.partial.clone() });
                from = (fraction, level);
            }
            before = after;
            walk.accept(step);
        }
        Ok(found)
    }

    /// The state at the horizon.
    ///
    /// # Errors
    /// As [`Flow::crossings`].
    pub fn end(&self, field: impl FnMut(&[f64], &mut [f64]), start: &[f64]) -> Result<Vec<f64>> {
        let mut walk = Walk::new(*self, field, start)?;
        while walk.time < self.horizon {
            let step = walk.step()?;
            walk.accept(step);
        }
        Ok(walk.state)
    }
}

/// A flow under way: the state at `time`, its slope, and the step being tried.
struct Walk<F> {
    flow: Flow,
    field: F,
    time: f64,
    state: Vec<f64>,
    /// k₁…k₇; k₁ is the slope at `state`.
    slopes: [Vec<f64>; 7],
    /// The end of the last successful step, and the slope there.
    next: Vec<f64>,
    next_slope: Vec<f64>,
    /// The end of the last partial step.
    partial: Vec<f64>,
    proposal: f64,
    last_error: f64,
    steps: usize,
}

impl<F: FnMut(&[f64], &mut [f64])> Walk<F> {
    fn new(flow: Flow, mut field: F, start: &[f64]) -> Result<Self> {
        Error::check_finite("flow's start", start)?;
        let zeros = vec![0.0; start.len()];
        let mut slopes: [Vec<f64>; 7] = std::array::from_fn(|_| zeros.clone());
        field(start, &mut slopes[0]);
        Error::check_finite("flow's field at the start", &slopes[0])?;
        let fastest = slopes[0].iter().zip(start).map(|(k, y)| k.abs() / y.abs().max(1.0)).fold(0.0, f64::max);
        // A cautious first step; the controller lengthens it tenfold at a time. At rest, 1/0 = ∞ is cut to the horizon.
        let proposal = (0.01 / fastest).min(flow.horizon);
        let (state, next_slope) = (start.to_vec(), slopes[0].clone());
        let (next, partial) = (zeros.clone(), zeros);
        Ok(Self {
            flow,
            field,
            time: 0.0,
            state,
            slopes,
            next,
            next_slope,
            partial,
            proposal,
            last_error: 1.0,
            steps: 0,
        })
    }

    /// Tries steps until one is good enough, leaves its end in `next`, and returns its length.
    fn step(&mut self) -> Result<f64> {
        let left = self.flow.horizon - self.time;
        let mut length = self.proposal.min(left);
        let mut rejected = false;
        loop {
            self.steps += 1;
            if self.steps > MAX_STEPS || self.time + length <= self.time {
                let what = if self.steps > MAX_STEPS { "no end after 5 million steps" } else { "the step vanishes" };
                return Err(Error::Numeric(format!("gradient flow at time {}: {what}", self.time)));
            }
            self.stages(length);
            self.next.copy_from_slice(&self.partial);
            (self.field)(&self.next, &mut self.slopes[6]);
            let error = self.error(length);
            if error <= 1.0 {
                self.next_slope.copy_from_slice(&self.slopes[6]);
                let grow = 0.9 * error.max(1e-10).powf(-PROPORTIONAL) * self.last_error.powf(INTEGRAL);
                // after a rejection the step may not grow at once
                self.proposal = length * grow.clamp(0.2, if rejected { 1.0 } else { 10.0 });
                self.last_error = error.max(1e-4);
                return Ok(length);
            }
            rejected = true;
            length *= if error.is_finite() { (0.9 * error.powf(-0.2)).clamp(0.1, 0.9) } else { 0.1 };
        }
    }

    /// k₂…k₆ for a step of `length` from `state`, and its end in `partial`.
    fn stages(&mut self, length: f64) {
        for (s, row) in STAGES.iter().enumerate() {
            self.partial.copy_from_slice(&self.state);
            for (a, slope) in row.iter().zip(&self.slopes) {
                self.partial.iter_mut().zip(slope).for_each(|(y, k)| *y += length * a * k);
            }
            if s < 5 {
                (self.field)(&self.partial, &mut self.slopes[s + 1]);
            }
        }
    }

    /// The root mean square of local error / (tolerance · max(1, |θ|)).
    fn error(&self, length: f64) -> f64 {
        let mut sum = 0.0;
        for i in 0..self.state.len() {
            let local: f64 = length * ERROR.iter().zip(&self.slopes).map(|(e, k)| e * k[i]).sum::<f64>();
            let scale = self.flow.tolerance * self.state[i].abs().max(self.next[i].abs()).max(1.0);
            sum += (local / scale) * (local / scale);
        }
        (sum / self.state.len().max(1) as f64).sqrt()
    }

    fn accept(&mut self, step: f64) {
        // the horizon is met exactly, whatever the rounding of the sum
        let reached = self.flow.horizon - self.time <= step;
        self.time = if reached { self.flow.horizon } else { self.time + step };
        std::mem::swap(&mut self.state, &mut self.next);
        std::mem::swap(&mut self.slopes[0], &mut self.next_slope);
    }

    /// The fraction of `step` at which the observable reaches `level`, given (fraction, value) below it and the value
    /// at the step's end: regula falsi with the Illinois modification. The state is left in `partial`.
    fn locate(
        &mut self,
        step: f64,
        below: (f64, f64),
        end: f64,
        level: f64,
        observable: &impl Fn(&[f64]) -> f64,
    ) -> f64 {
        let (mut low, mut high) = ((below.0, below.1 - level), (1.0, end - level));
        let close = 1e-14 * level.abs().max(high.1 - low.1);
        let mut last_side = 0;
        for _ in 0..100 {
            let middle = (low.0 * high.1 - high.0 * low.1) / (high.1 - low.1);
            let middle = if middle.is_finite() { middle.clamp(low.0, high.0) } else { f64::midpoint(low.0, high.0) };
            self.stages(step * middle);
            let miss = observable(&self.partial) - level;
            if miss.abs() <= close || high.0 - low.0 <= f64::EPSILON {
                return middle;
            }
            if miss < 0.0 {
                low = (middle, miss);
                high.1 *= if last_side < 0 { 0.5 } else { 1.0 };
                last_side = -1;
            } else {
                high = (middle, miss);
                low.1 *= if last_side > 0 { 0.5 } else { 1.0 };
                last_side = 1;
            }
        }
        self.stages(step * high.0);
        high.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::{log_prob_gradient, policy_field, softmax, value_gradient};
    use crate::policy::{LogLinear, Tabular};

    fn flow(tolerance: f64, horizon: f64) -> Flow {
        Flow::new(tolerance, horizon).expect("legal")
    }

    #[test]
    fn exponentials_are_as_accurate_as_asked() {
        for tolerance in [1e-4, 1e-6, 1e-8, 1e-10, 1e-12] {
            let end = flow(tolerance, 3.0).end(
                |y, k| {
                    k[0] = y[0];
                    k[1] = -2.0 * y[1];
                },
                &[1.0, 1.0],
            );
            let end = end.expect("smooth");
            assert!((end[0] / 3f64.exp() - 1.0).abs() < 20.0 * tolerance, "{tolerance}: {}", end[0]);
            assert!((end[1] - (-6f64).exp()).abs() < 20.0 * tolerance, "{tolerance}: {}", end[1]);
        }
    }

    /// Halving a step divides the local error of the fifth-order solution by 2⁶ and that of the estimate by 2⁵.
    #[test]
    fn the_pair_has_orders_five_and_four() {
        let start = [0.3];
        let exact = |t: f64| 1.0 / (1.0 + (1.0 / start[0] - 1.0) * (-t).exp());
        let (mut local, mut estimated) = (Vec::new(), Vec::new());
        for length in [0.4, 0.2, 0.1] {
            let mut walk = Walk::new(flow(0.1, 1.0), |y, k| k[0] = y[0] * (1.0 - y[0]), &start).expect("finite");
            walk.stages(length);
            local.push((walk.partial[0] - exact(length)).abs());
            walk.next.copy_from_slice(&walk.partial);
            (walk.field)(&walk.next, &mut walk.slopes[6]);
            estimated.push(walk.error(length));
        }
        for (errors, order) in [(local, 6.0), (estimated, 5.0)] {
            for pair in errors.windows(2) {
                let seen = (pair[0] / pair[1]).log2();
                assert!((seen - order).abs() < 0.5, "order {seen}, expected {order}: {errors:?}");
            }
        }
    }

    #[test]
    fn the_logistic_curve_crosses_levels_on_time() {
        let levels = [1e-6, 1e-3, 0.25, 0.2501, 0.5, 0.9];
        let found = flow(1e-12, 100.0)
            .crossings(|y, k| k[0] = y[0] * (1.0 - y[0]), |y| y[0], &levels, &[1e-6])
            .expect("smooth");
        assert_eq!(found.len(), levels.len());
        let logit = |p: f64| (p / (1.0 - p)).ln();
        for crossing in &found {
            let exact = logit(crossing.level) - logit(1e-6);
            // the tolerance is absolute below 1, so p itself starts with a relative accuracy of 1e-12 / 1e-6
            assert!((crossing.time - exact).abs() < 1e-5, "{crossing:?}, exact {exact}");
            assert!((crossing.state[0] - crossing.level).abs() < 1e-13);
        }
        assert!(found[0].time <= 0.0);
    }

    /// Times to p = 1/2 of the softmax model with uniform wrong labels: dp/dt = κ p (1 − p)², κ = K/(K − 1), for
    /// supervised finetuning and 2p times that for ±1 rewards, both integrable by partial fractions.
    #[test]
    fn softmax_times_match_their_closed_forms() {
        for outputs in [2, 10] {
            let kappa = outputs as f64 / (outputs as f64 - 1.0);
            let supervised = |p: f64| ((p / (1.0 - p)).ln() + 1.0 / (1.0 - p)) / kappa;
            let rewarded = |p: f64| (2.0 * (p / (1.0 - p)).ln() + 1.0 / (1.0 - p) - 1.0 / p) / (2.0 * kappa);
            let mut rewards = vec![-1.0; outputs];
            rewards[0] = 1.0;
            for p0 in [0.1, 1e-2, 1e-4, 1e-6] {
                let mut start = vec![0.0; outputs];
                start[0] = (p0 * (outputs as f64 - 1.0) / (1.0 - p0)).ln();
                let policy = || Tabular::from_logits(outputs, start.clone());
                let p_of = |z: &[f64]| {
                    let mut p = vec![0.0; z.len()];
                    softmax(z, &mut p);
                    p[0]
                };
                let time = |gradient: fn(&[f64], &[f64], &mut [f64])| {
                    let field = policy_field(policy(), vec![0], |_, p, g| gradient(p, &rewards, g));
                    flow(1e-12, 1e7).crossings(field, p_of, &[0.5], &start).expect("smooth")[0].time
                };
                let sft = time(|p, _, g| log_prob_gradient(p, 0, g));
                let rft = time(|p, r, g| {
                    value_gradient(p, r, g);
                });
                let (sft_exact, rft_exact) = (supervised(0.5) - supervised(p0), rewarded(0.5) - rewarded(p0));
                assert!((sft / sft_exact - 1.0).abs() < 1e-9, "K = {outputs}, p0 = {p0}: {sft}, exact {sft_exact}");
                assert!((rft / rft_exact - 1.0).abs() < 1e-9, "K = {outputs}, p0 = {p0}: {rft}, exact {rft_exact}");
            }
        }
    }

    /// Three prompts with orthonormal inputs under the averaged objective: independent, each three times slower.
    #[test]
    fn orthonormal_inputs_multiply_times_by_their_number() {
        let frame = [[2.0, 1.0, 2.0], [-2.0, 2.0, 1.0], [1.0, 2.0, -2.0]].map(|x| x.map(|v: f64| v / 3.0));
        let (outputs, n) = (4, 3);
        let mut features = vec![0.0; n * outputs * outputs * n];
        for i in 0..n {
            for y in 0..outputs {
                features[((i * outputs + y) * outputs + y) * n..][..n].copy_from_slice(&frame[i]);
            }
        }
        // logits (−3, 0, 0, 0) at every input: θ_0 = −3 Σ_i x_i
        let mut start = vec![0.0; outputs * n];
        (0..n).for_each(|d| start[d] = -3.0 * frame.iter().map(|x| x[d]).sum::<f64>());
        let time = |contexts: Vec<usize>| {
            let policy = LogLinear::new(outputs, features.clone(), start.clone());
            let field = policy_field(policy, contexts, |_, p, g| log_prob_gradient(p, 0, g));
            let p_of = |theta: &[f64]| {
                let z: Vec<f64> = theta.chunks(n).map(|row| crate::num::dot(row, &frame[1])).collect();
                let mut p = vec![0.0; outputs];
                softmax(&z, &mut p);
                p[0]
            };
            flow(1e-12, 1e3).crossings(field, p_of, &[0.5], &start).expect("smooth")[0].time
        };
        assert!((time(vec![0, 1, 2]) / time(vec![1]) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_level_beyond_the_horizon_is_left_out_and_rest_costs_nothing() {
        let found = flow(1e-9, 1.0).crossings(|_, k| k[0] = 1.0, |y| y[0], &[0.5, 0.75, 1.5], &[0.0]).expect("smooth");
        let times: Vec<f64> = found.iter().map(|c| c.time).collect();
        assert!(times.len() == 2 && (times[0] - 0.5).abs() < 1e-12 && (times[1] - 0.75).abs() < 1e-12, "{times:?}");
        assert!(flow(1e-9, 1e9).crossings(|_, k| k[0] = 0.0, |y| y[0], &[0.5], &[0.0]).expect("at rest").is_empty());
    }

    #[test]
    fn blow_ups_and_broken_fields_are_errors() {
        let explosion = flow(1e-9, 2.0).end(|y, k| k[0] = y[0] * y[0], &[1.0]);
        assert!(explosion.expect_err("infinite at time 1").to_string().contains("time 0.99"));
        assert!(flow(1e-9, 2.0).end(|_, k| k[0] = f64::NAN, &[1.0]).is_err());
        assert!(Flow::new(0.0, 1.0).is_err() && Flow::new(1e-9, f64::INFINITY).is_err());
    }
}

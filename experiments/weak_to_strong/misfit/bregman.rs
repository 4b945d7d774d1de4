//! Cross-entropy: log-odds in a linear space or ball, and convex combinations of probabilities.

use super::networks::{Population, Teacher, inside, product};
use super::{Params, Row};
use rewardlab::algorithm::{LinearFit, Stopping, fit_linear, lbfgs};
use rewardlab::error::Result;
use rewardlab::num::{log_sigmoid, norm, sigmoid};
use rewardlab::rng::Stream;
use rewardlab::stats::mean;

/// E KL(Bernoulli(σ(a))‖Bernoulli(σ(b))), nats, of log-odds.
fn kl(a: &[f64], b: &[f64]) -> f64 {
    let of = |(a, b): (&f64, &f64)| {
        let p = sigmoid(*a);
        p * (log_sigmoid(*a) - log_sigmoid(*b)) + (1.0 - p) * (log_sigmoid(-a) - log_sigmoid(-b))
    };
    mean(&a.iter().zip(b).map(of).collect::<Vec<_>>())
}

fn scaled(values: &[f64], by: f64) -> Vec<f64> {
    values.iter().map(|v| by * v).collect()
}

/// Gains with the truth second, as log-odds in a linear space have it.
pub(super) fn log_odds(
    p: &Params,
    population: &Population,
    teachers: &[Teacher],
    rng: &mut Stream,
) -> Result<Vec<Row>> {
    let (features, width) = (&population.features, population.width);
    let truth = scaled(&population.truth, p.log_odds);
    let mut other = vec![0.0; width];
    rng.fill_normal(norm(&population.head) / (width as f64).sqrt(), &mut other);
    let imitable = Teacher { name: "in the class", noise: 0.0, values: product(features, width, &other) };
    let mut rows = Vec::new();
    for teacher in teachers.iter().chain([&imitable]) {
        let weak = scaled(&teacher.values, p.log_odds);
        let labels: Vec<f64> = weak.iter().map(|s| sigmoid(*s)).collect();
        let fit = |multiplier: f64| {
            let precision = multiplier * labels.len() as f64;
            fit_linear(features, &labels, &LinearFit { precision, tolerance: 1e-12 })
        };
        let row = |class: &str, setting: f64, head: &[f64]| {
            let student = product(features, width, head);
            let (teacher_error, student_error) = (kl(&weak, &truth), kl(&student, &truth));
            Row {
                class: class.into(),
                teacher: teacher.name.into(),
                weak_noise: teacher.noise,
                setting,
                teacher_error,
                student_error,
                misfit: kl(&weak, &student),
                gain: teacher_error - student_error,
                gain_other_order: Some(kl(&truth, &weak) - kl(&truth, &student)),
                ..Row::default()
            }
        };
        let free = fit(0.0)?;
        rows.push(row("log-odds", 0.0, &free));
        if teacher.name == "in the class" {
            continue;
        }
        for factor in &p.radii {
            let radius = factor * p.log_odds * norm(&population.head);
            let head = if norm(&free) <= radius { free.clone() } else { inside(radius, fit)? };
            rows.push(row("log-odds ball", *factor, &head));
        }
    }
    Ok(rows)
}

/// The class: convex combinations of members' probabilities, with the truth one of them. The student minimises KL(student‖teacher), and errors have the truth
/// first.
pub(super) fn mixtures(
    p: &Params,
    population: &Population,
    teachers: &[Teacher],
    rng: &mut Stream,
) -> Result<Vec<Row>> {
    let width = population.width;
    let mut members: Vec<Vec<f64>> = Vec::new();
    // the truth is a combination of all, so that it is no corner
    for _ in 0..p.members {
        let mut head = vec![0.0; width];
        rng.fill_normal(p.log_odds * norm(&population.head) / (width as f64).sqrt(), &mut head);
        members.push(product(&population.features, width, &head).iter().map(|s| sigmoid(*s)).collect());
    }
    let n = population.truth.len();
    let combine = |shares: &[f64]| -> Vec<f64> {
        (0..n).map(|i| members.iter().zip(shares).map(|(m, s)| s * m[i]).sum::<f64>()).collect()
    };
    let as_log_odds = |p: &[f64]| -> Vec<f64> { p.iter().map(|p| p.ln() - (-p).ln_1p()).collect() };
    let even = vec![1.0 / p.members as f64; p.members];
    let truth = as_log_odds(&combine(&even));
    let mut rows = Vec::new();
    for teacher in teachers {
        // the teacher errs as it does elsewhere, about this truth
        let error = teacher.values.iter().zip(&population.truth).map(|(f, t)| p.log_odds * (f - t));
        let weak: Vec<f64> = truth.iter().zip(error).map(|(t, e)| t + e).collect();
        // shares are squares over their sum: the simplex without a boundary at infinity
        let mut roots = vec![1.0; p.members];
        let shares = |roots: &[f64]| -> Vec<f64> {
            let sum: f64 = roots.iter().map(|r| r * r).sum();
            roots.iter().map(|r| r * r / sum).collect()
        };
        let stopping = Stopping { tolerance: 1e-10, steps: 2_000 };
        lbfgs(&mut roots, &stopping, |roots, gradient| {
            let s = shares(roots);
            let own = as_log_odds(&combine(&s));
            // ∂KL(q‖w)/∂q = log-odds of q less those of w
            let slope =
                |k: usize| -> f64 { (0..n).map(|i| (own[i] - weak[i]) * members[k][i]).sum::<f64>() / n as f64 };
            let slopes: Vec<f64> = (0..s.len()).map(slope).collect();
            let along: f64 = slopes.iter().zip(&s).map(|(g, s)| g * s).sum();
            let sum: f64 = roots.iter().map(|r| r * r).sum();
            for ((g, r), slope) in gradient.iter_mut().zip(roots).zip(&slopes) {
                *g = 2.0 * r * (slope - along) / sum;
            }
            kl(&own, &weak)
        })?;
        let student = as_log_odds(&combine(&shares(&roots)));
        let (teacher_error, student_error) = (kl(&truth, &weak), kl(&truth, &student));
        rows.push(Row {
            class: "mixtures".into(),
            teacher: teacher.name.into(),
            weak_noise: teacher.noise,
            teacher_error,
            student_error,
            misfit: kl(&student, &weak),
            gain: teacher_error - student_error,
            ..Row::default()
        });
    }
    Ok(rows)
}

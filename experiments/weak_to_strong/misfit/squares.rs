//! Squared errors: linear spaces, balls, representations that are off, and a class that is not convex.

use super::networks::{Population, Teacher, distance, least_squares, least_squares_in_ball, product};
use super::{Params, Row};
use rewardlab::error::Result;
use rewardlab::num::norm;
use rewardlab::rng::Stream;

/// Errors of a teacher and its student.
fn row(class: &str, teacher: &Teacher, truth: &[f64], student: &[f64]) -> Row {
    let (teacher_error, student_error) = (distance(&teacher.values, truth), distance(student, truth));
    Row {
        class: class.into(),
        teacher: teacher.name.into(),
        weak_noise: teacher.noise,
        teacher_error,
        student_error,
        misfit: distance(student, &teacher.values),
        gain: teacher_error - student_error,
        ..Row::default()
    }
}

pub(super) fn affine(population: &Population, teachers: &[Teacher], rng: &mut Stream) -> Result<Vec<Row>> {
    let width = population.width;
    let mut other = vec![0.0; width];
    rng.fill_normal(norm(&population.head) / (width as f64).sqrt(), &mut other);
    let imitable = Teacher { name: "in the class", noise: 0.0, values: product(&population.features, width, &other) };
    let of = |teacher: &Teacher| {
        let head = least_squares(&population.features, width, &teacher.values, 0.0)?;
        Ok(row("affine", teacher, &population.truth, &product(&population.features, width, &head)))
    };
    teachers.iter().chain([&imitable]).map(of).collect()
}

pub(super) fn ball(p: &Params, population: &Population, teachers: &[Teacher]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for factor in &p.radii {
        let radius = factor * norm(&population.head);
        for teacher in teachers {
            let head = least_squares_in_ball(&population.features, population.width, &teacher.values, radius)?;
            let student = product(&population.features, population.width, &head);
            rows.push(Row { setting: *factor, ..row("ball", teacher, &population.truth, &student) });
        }
    }
    Ok(rows)
}

/// The strong representation has noise in one direction, drawn once; and, for `own residual`, the truth has a part that the class lacks and
/// the teacher misses.
pub(super) fn unrealisable(
    p: &Params,
    population: &Population,
    teachers: &[Teacher],
    rng: &mut Stream,
) -> Result<Vec<Row>> {
    let width = population.width;
    let drawn = population.noisy(1.0, rng);
    let mut rows = Vec::new();
    for noise in &p.strong_noise {
        let mix = |(clean, noisy): (&f64, &f64)| clean + noise * (noisy - clean);
        let features: Vec<f64> = population.features.iter().zip(&drawn).map(mix).collect();
        let fit = |features: &[f64], to: &[f64]| -> Result<Vec<f64>> {
            Ok(product(features, width, &least_squares(features, width, to, 0.0)?))
        };
        let best = fit(&features, &population.truth)?;
        let epsilon = distance(&best, &population.truth);
        for teacher in teachers {
            let student = fit(&features, &teacher.values)?;
            let noisy = row("unrealisable", teacher, &population.truth, &student);
            rows.push(Row { setting: *noise, epsilon, ..noisy });
            let student = fit(&population.features, &teacher.values)?;
            let part = |(t, (f, s)): (&f64, (&f64, &f64))| t + noise * (f - s);
            let truth: Vec<f64> = population.truth.iter().zip(teacher.values.iter().zip(&student)).map(part).collect();
            let epsilon = distance(&fit(&population.features, &truth)?, &truth);
            let own = row("unrealisable", teacher, &truth, &student);
            rows.push(Row { teacher: "own residual".into(), setting: *noise, epsilon, ..own });
        }
    }
    Ok(rows)
}

/// The class {truth, another}, and the other lies a little beyond the teacher: it is the nearer of the two, and worse than the teacher.
pub(super) fn two_functions(population: &Population, teachers: &[Teacher], rng: &mut Stream) -> Vec<Row> {
    let of = |teacher: &Teacher| {
        let beyond = 0.1 + 0.1 * rng.uniform();
        let other = |(f, t): (&f64, &f64)| f + beyond * (f - t);
        let other: Vec<f64> = teacher.values.iter().zip(&population.truth).map(other).collect();
        let to = |f: &[f64]| distance(f, &teacher.values);
        let student = if to(&other) < to(&population.truth) { &other } else { &population.truth };
        row("not convex", teacher, &population.truth, student)
    };
    teachers.iter().map(of).collect()
}

//! Interpolators of least norm, from kernels.

use super::Exponents;
use rand_distr::{ChiSquared, Distribution};
use rewardlab::error::{Error, Result};
use rewardlab::exact::sign_agreement;
use rewardlab::num::{Cholesky, Matrix, dot, matmul};
use rewardlab::rng::Stream;

/// A covariance with spikes.
#[derive(Clone, Copy)]
pub(super) struct Spikes {
    /// Directions in all, and spiked.
    dimension: usize,
    spiked: usize,
    /// Variances of spiked and other directions.
    high: f64,
    low: f64,
}

impl Spikes {
    /// At least two spikes.
    pub(super) fn new(e: &Exponents, n: usize) -> Self {
        let n = n as f64;
        let dimension = n.powf(e.p).round();
        let spikes = n.powf(e.r).round().max(2.0);
        let share = n.powf(-e.q);
        Self {
            dimension: dimension as usize,
            spiked: spikes as usize,
            high: share * dimension / spikes,
            low: (1.0 - share) * dimension / (dimension - spikes),
        }
    }
}

/// A teacher as its weights on three independent standard normals: the truth, its part in the other spikes, its part in the rest.
pub(super) struct Teacher {
    truth: f64,
    spikes: f64,
    rest: f64,
}

impl Teacher {
    pub(super) fn accuracy(&self) -> f64 {
        let Self { truth, spikes, rest } = self;
        sign_agreement(truth / (truth * truth + spikes * spikes + rest * rest).sqrt())
    }
}

/// Z Zᵀ for an m × `directions` matrix Z of independent standard normals: Bartlett's triangle where there are more directions than rows.
fn wishart(directions: usize, m: usize, rng: &mut Stream) -> Result<Vec<f64>> {
    let columns = directions.min(m);
    let mut z = vec![0.0; m * columns];
    if directions <= m {
        rng.fill_normal(1.0, &mut z);
    } else {
        for i in 0..m {
            rng.fill_normal(1.0, &mut z[i * m..i * m + i]);
            let law = ChiSquared::new((directions - i) as f64);
            z[i * m + i] = law.map_err(|e| Error::Numeric(format!("chi-squared: {e}")))?.sample(rng).sqrt();
        }
    }
    let mut gram = vec![0.0; m * m];
    let z = Matrix::new(&z, m, columns);
    matmul(z, z.t(), &mut gram, false);
    Ok(gram)
}

fn normals(m: usize, rng: &mut Stream) -> Vec<f64> {
    (0..m).map(|_| rng.normal()).collect()
}

fn signs(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    values.into_iter().map(f64::signum).collect()
}

/// matrix += v vᵀ.
fn add_outer(matrix: &mut [f64], v: &[f64]) {
    for (row, a) in matrix.chunks_mut(v.len()).zip(v) {
        row.iter_mut().zip(v).for_each(|(m, b)| *m += a * b);
    }
}

fn quadratic(matrix: &[f64], v: &[f64]) -> f64 {
    matrix.chunks(v.len()).zip(v).map(|(row, a)| a * dot(row, v)).sum()
}

/// The coefficients of inputs: (high · spiked + low · rest)⁻¹ labels.
fn interpolate(of: &Spikes, spiked: &[f64], rest: &[f64], labels: &[f64]) -> Result<Vec<f64>> {
    let kernel: Vec<f64> = spiked.iter().zip(rest).map(|(f, u)| of.high * f + of.low * u).collect();
    let factor = Cholesky::new(&kernel, labels.len());
    Ok(factor.ok_or_else(|| Error::Numeric("fewer directions than labels to interpolate".into()))?.solve(labels))
}

/// A teacher on n true labels.
pub(super) fn teacher(of: &Spikes, n: usize, rng: &mut Stream) -> Result<Teacher> {
    let truth = normals(n, rng);
    let others = wishart(of.spiked - 1, n, rng)?;
    let rest = wishart(of.dimension - of.spiked, n, rng)?;
    let mut spiked = others.clone();
    add_outer(&mut spiked, &truth);
    let alpha = interpolate(of, &spiked, &rest, &signs(truth.iter().copied()))?;
    Ok(Teacher {
        truth: of.high * dot(&truth, &alpha),
        spikes: of.high * quadratic(&others, &alpha).sqrt(),
        rest: of.low * quadratic(&rest, &alpha).sqrt(),
    })
}

/// The accuracy of a student on m labels of the teacher. In the student's features the teacher's parts are one direction of its other spikes and one
/// of its rest, whichever they are: neither has a direction of its own.
pub(super) fn student(of: &Spikes, teacher: &Teacher, m: usize, rng: &mut Stream) -> Result<f64> {
    let (truth, in_spikes, in_rest) = (normals(m, rng), normals(m, rng), normals(m, rng));
    let label = |i: usize| teacher.truth * truth[i] + teacher.spikes * in_spikes[i] + teacher.rest * in_rest[i];
    let labels = signs((0..m).map(label));
    let mut spiked = if of.spiked > 2 { wishart(of.spiked - 2, m, rng)? } else { vec![0.0; m * m] };
    add_outer(&mut spiked, &truth);
    add_outer(&mut spiked, &in_spikes);
    let mut rest = wishart(of.dimension - of.spiked - 1, m, rng)?;
    add_outer(&mut rest, &in_rest);
    let alpha = interpolate(of, &spiked, &rest, &labels)?;
    let variance = of.high.powi(2) * quadratic(&spiked, &alpha) + of.low.powi(2) * quadratic(&rest, &alpha);
    Ok(sign_agreement(of.high * dot(&truth, &alpha) / variance.sqrt()))
}

/// Accuracies of a teacher on n labels and a student on as many, with every feature drawn. The teacher's features are the student's first spikes
/// and the first of its rest.
pub(super) fn direct_student(strong: &Spikes, weak: &Spikes, n: usize, rng: &mut Stream) -> Result<(f64, f64)> {
    let d = strong.dimension;
    let mut draw = || {
        let mut z = vec![0.0; n * d];
        rng.fill_normal(1.0, &mut z);
        z
    };
    let (clean, unlabelled) = (draw(), draw());
    // standard deviations of the teacher's features, 0 for what it does not see
    let weak_rest = strong.spiked..strong.spiked + weak.dimension - weak.spiked;
    let seen = |j: usize| {
        let variance = match j {
            j if j < weak.spiked => weak.high,
            j if weak_rest.contains(&j) => weak.low,
            _ => 0.0,
        };
        variance.sqrt()
    };
    let by_weak: Vec<f64> = (0..d).map(seen).collect();
    let by_strong: Vec<f64> = (0..d).map(|j| if j < strong.spiked { strong.high } else { strong.low }.sqrt()).collect();
    let fit = |z: &[f64], scale: &[f64], labels: &[f64]| -> Result<Vec<f64>> {
        let scaled: Vec<f64> = z.chunks(d).flat_map(|row| row.iter().zip(scale).map(|(z, s)| z * s)).collect();
        let (rows, mut kernel) = (Matrix::new(&scaled, n, d), vec![0.0; n * n]);
        matmul(rows, rows.t(), &mut kernel, false);
        let factor = Cholesky::new(&kernel, n).ok_or_else(|| Error::Numeric("no interpolation".into()))?;
        let mut weights = vec![0.0; d];
        matmul(Matrix::new(&factor.solve(labels), 1, n), rows, &mut weights, false);
        // on the standard normals
        weights.iter_mut().zip(scale).for_each(|(w, s)| *w *= s);
        Ok(weights)
    };
    let accuracy = |w: &[f64]| sign_agreement(w[0] / dot(w, w).sqrt());
    let teacher = fit(&clean, &by_weak, &signs(clean.chunks(d).map(|row| row[0])))?;
    let student = fit(&unlabelled, &by_strong, &signs(unlabelled.chunks(d).map(|row| dot(row, &teacher))))?;
    Ok((accuracy(&teacher), accuracy(&student)))
}

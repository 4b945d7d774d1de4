//! Weak-to-strong generalisation in closed form: linear classifiers of Gaussian inputs, and least squares by overlapping views.

use std::f64::consts::PI;

/// The probability that two linear functionals of a Gaussian vector around zero have the same sign.
///
/// # Formula
/// 1 − arccos(ρ)/π, with ρ their correlation: 1/2 + arcsin(ρ)/π. NaN for a ρ that is NaN (a functional that is zero).
pub fn sign_agreement(correlation: f64) -> f64 {
    0.5 + correlation.clamp(-1.0, 1.0).asin() / PI
}

/// How often a student agrees with its teacher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// On all inputs.
    pub all: f64,
    /// Where the teacher is right.
    pub right: f64,
    /// Where the teacher is wrong.
    pub wrong: f64,
}

impl Agreement {
    /// Of two-way classifiers, from how often each pair of (student, teacher, truth) agrees.
    ///
    /// # Formula
    /// Of three signs either all agree or exactly one pair does, so P(all agree) = (sum of the pairs' agreements − 1) / 2. For linear
    /// functionals of a Gaussian this is the orthant probability 1/4 + Σ arcsin ρ / 2π.
    pub fn of_pairs(student_teacher: f64, teacher_truth: f64, student_truth: f64) -> Self {
        let three = 0.5 * (student_teacher + teacher_truth + student_truth - 1.0);
        Self {
            all: student_teacher,
            right: three / teacher_truth,
            wrong: (student_teacher - three) / (1.0 - teacher_truth),
        }
    }
}

/// Least squares of a weak teacher on noisy true labels, and of a strong student on the teacher's labels, where both views hold the truth:
/// the setting of arXiv:2502.05075, with Gaussian features and without a ridge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Dimension of the teacher's view, `d_w`.
    pub weak: f64,
    /// Dimension of the student's view, `d_s`.
    pub strong: f64,
    /// `‖Vₛᵀ V_w‖²` (Frobenius): the dimension that they share, from 0 to the smaller.
    pub shared: f64,
    /// Inputs with true labels, n > `d_w` + 1.
    pub labelled: f64,
    /// Inputs with the teacher's labels, N > `d_s` + 1.
    pub relabelled: f64,
    /// Variance of the true labels' noise.
    pub noise: f64,
}

impl Overlap {
    /// The teacher's excess risk.
    ///
    /// # Formula
    /// s² `d_w` / (n − `d_w` − 1): the mean of an inverse Wishart matrix.
    pub fn weak_risk(&self) -> f64 {
        self.noise * self.weak / (self.labelled - self.weak - 1.0)
    }

    /// Risk in what the student's view does not hold.
    fn unseen(&self) -> f64 {
        self.weak_risk() * (1.0 - self.shared / self.weak)
    }

    /// How much of what it does not see a student keeps as noise: `d_s` / (N − `d_s` − 1).
    fn kept(&self) -> f64 {
        self.strong / (self.relabelled - self.strong - 1.0)
    }

    /// The student's excess risk. Errors in the shared view are passed on whole; the rest is independent noise to the student.
    ///
    /// # Formula
    /// s² / (n − `d_w` − 1) · (shared + `d_s` / (N − `d_s` − 1) · (`d_w` − shared)).
    pub fn student_risk(&self) -> f64 {
        self.weak_risk() - self.unseen() + self.kept() * self.unseen()
    }

    /// Mean squared difference of student and teacher. With the gain `weak_risk` − `student_risk` it has the ratio
    /// (1 + k) : (1 − k), k = `d_s` / (N − `d_s` − 1): equal as N grows.
    pub fn misfit(&self) -> f64 {
        (1.0 + self.kept()) * self.unseen()
    }

    /// Excess risk of the student's view on true labels of all n + N inputs.
    pub fn ceiling_risk(&self) -> f64 {
        self.noise * self.strong / (self.labelled + self.relabelled - self.strong - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn signs_of_known_angles() {
        for (rho, p) in [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.5), (0.5, 2.0 / 3.0), (0.5_f64.sqrt(), 0.75)] {
            assert!((sign_agreement(rho) - p).abs() < 1e-15);
        }
        assert!(sign_agreement(f64::NAN).is_nan());
    }

    /// 200 000 draws of three correlated normals; bars of 4.5 standard errors.
    #[test]
    fn agreement_is_that_of_draws() {
        let mut rng = Stream::named(&["agreement"]);
        let (teacher, student) = ([0.7, 0.5, 0.0], [0.9, 0.2, 0.4]);
        let (mut right, mut same, mut same_right, n) = (0.0, 0.0, 0.0, 200_000);
        for _ in 0..n {
            let x = [0; 3].map(|_| rng.normal());
            let sign = |w: &[f64; 3]| w.iter().zip(&x).map(|(a, b)| a * b).sum::<f64>() > 0.0;
            let (t, s, y) = (sign(&teacher), sign(&student), x[0] > 0.0);
            right += f64::from(u8::from(t == y));
            same += f64::from(u8::from(t == s));
            same_right += f64::from(u8::from(t == s && t == y));
        }
        let pair = |a: &[f64; 3], b: &[f64; 3]| sign_agreement(crate::num::cosine(a, b));
        let truth = [1.0, 0.0, 0.0];
        let exact = Agreement::of_pairs(pair(&student, &teacher), pair(&teacher, &truth), pair(&student, &truth));
        let n = f64::from(n);
        assert!((exact.all - same / n).abs() < 4.5 * 0.5 / n.sqrt());
        assert!((exact.right - same_right / right).abs() < 4.5 * 0.5 / right.sqrt());
        assert!((exact.wrong - (same - same_right) / (n - right)).abs() < 4.5 * 0.5 / (n - right).sqrt());
    }

    /// (`d_s`, `d_w`, shared, n, N) = (4, 8, 1, 30, 40) by hand: 8/21; (1 + 4/35 · 7)/21; and what full overlap leaves of the gain.
    #[test]
    fn risks_by_hand() {
        let at = |shared: f64| Overlap { weak: 8.0, strong: 4.0, shared, labelled: 30.0, relabelled: 40.0, noise: 1.0 };
        let one = at(1.0);
        assert!((one.weak_risk() - 8.0 / 21.0).abs() < 1e-15);
        assert!((one.student_risk() - 1.8 / 21.0).abs() < 1e-15);
        assert!((one.ceiling_risk() - 4.0 / 65.0).abs() < 1e-15);
        let ratio = (one.weak_risk() - one.student_risk()) / one.misfit();
        assert!((ratio - (1.0 - 4.0 / 35.0) / (1.0 + 4.0 / 35.0)).abs() < 1e-14);
        let full = Overlap { weak: 4.0, ..at(4.0) };
        assert!((full.weak_risk() - full.student_risk()).abs() < 1e-16 && full.misfit().abs() < 1e-16);
    }
}

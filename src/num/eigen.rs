//! The largest eigenvalue of many small symmetric matrices at once.
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::pack::Pack;

/// Relative size of a step at which the iteration stops.
const TOLERANCE: f64 = 4.0 * f64::EPSILON;
/// A multiple eigenvalue is approached linearly, by at least a factor of about 0.4 a step.
const MAX_STEPS: usize = 60;

/// The largest eigenvalues of eight symmetric positive semi-definite `n × n` matrices (row-major, both triangles;
/// overwritten); NaN where a matrix holds a NaN. Meant for n ≤ a few dozen.
///
/// # Formula
/// Householder reflections make a matrix tridiagonal. Laguerre's iteration from its Gershgorin bound then falls
/// monotonically on the largest root of the characteristic polynomial, all of whose roots are real; errors stay within
/// a few ulp of the bound.
#[inline(always)]
pub(crate) fn largest_eigenvalues(a: &mut [Pack], n: usize) -> Pack {
    let zero = Pack::splat(0.0);
    if n == 0 {
        return zero;
    }
    // in units of the trace, which is at least λ_max and at most n λ_max
    let mut trace = zero;
    for i in 0..n {
        trace = trace + a[i * n + i];
    }
    let unit = Pack::splat(1.0).over_or_zero(trace);
    for v in &mut *a {
        *v = *v * unit;
    }
    tridiagonalise(a, n);
    trace * laguerre(a, n)
}

/// Leaves the diagonal and, in the entries (k + 1, k), the *squares* of the off-diagonal.
#[inline(always)]
fn tridiagonalise(a: &mut [Pack], n: usize) {
    let (zero, half) = (Pack::splat(0.0), Pack::splat(0.5));
    for k in 0..n.saturating_sub(1) {
        let column = |i: usize| i * n + k;
        let head = a[column(k + 1)];
        let mut tail = zero;
        for i in k + 2..n {
            tail = a[column(i)].mul_add(a[column(i)], tail);
        }
        let square = head.mul_add(head, tail);
        if k + 2 == n {
            a[column(k + 1)] = square;
            return;
        }
        // reflect x = A[k+1.., k] on its first axis by v = x + sign(x₁) ‖x‖ e₁, H = I − 2 v vᵀ / vᵀv
        let v1 = head + square.sqrt().copysign(head);
        let scale = Pack::splat(2.0).over_or_zero(v1.mul_add(v1, tail));
        a[column(k + 1)] = v1;
        // w = scale (B v − (scale vᵀBv / 2) v), B ← B − v wᵀ − w vᵀ on the block below; row k keeps w
        let mut along = zero;
        for i in k + 1..n {
            let mut product = zero;
            for j in k + 1..n {
                product = a[i * n + j].mul_add(a[column(j)], product);
            }
            a[k * n + i] = product * scale;
            along = a[k * n + i].mul_add(a[column(i)], along);
        }
        along = along * scale * half;
        for i in k + 1..n {
            a[k * n + i] = a[k * n + i] - along * a[column(i)];
        }
        for i in k + 1..n {
            for j in k + 1..n {
                let (v, w) = (a[column(i)], a[k * n + i]);
                let reduced = (-v).mul_add(a[k * n + j], a[i * n + j]);
                a[i * n + j] = (-w).mul_add(a[column(j)], reduced);
            }
        }
        a[column(k + 1)] = square;
    }
}

/// The largest root of the characteristic polynomial of the tridiagonal matrix.
#[inline(always)]
fn laguerre(a: &[Pack], n: usize) -> Pack {
    let (zero, one) = (Pack::splat(0.0), Pack::splat(1.0));
    let degree = Pack::splat(n as f64);
    let mut bound = zero;
    let mut before = zero;
    for i in 0..n {
        let after = if i + 1 < n { a[(i + 1) * n + i].sqrt() } else { zero };
        bound = bound.max(a[i * n + i] + before + after);
        before = after;
    }
    let mut x = bound;
    for _ in 0..MAX_STEPS {
        // p, p′ and p″/2 by the three-term recurrence
        let (mut p0, mut p1, mut p2) = (one, zero, zero);
        let (mut q0, mut q1, mut q2) = (zero, zero, zero);
        for i in 0..n {
            let d = x - a[i * n + i];
            let square = if i > 0 { -a[i * n + i - 1] } else { zero };
            let next0 = d.mul_add(p0, square * q0);
            let next1 = d.mul_add(p1, square.mul_add(q1, p0));
            let next2 = d.mul_add(p2, square.mul_add(q2, p1));
            (q0, q1, q2) = (p0, p1, p2);
            (p0, p1, p2) = (next0, next1, next2);
        }
        let inner = (degree - one) * (p1 * p1 * (degree - one) - degree * (p2 + p2) * p0);
        let step = (degree * p0).over_or_zero(p1 + inner.max(zero).sqrt());
        // rounding may push past the root by a few ulp, where p < 0: no step up
        let step = step.max(zero);
        x = x - step;
        if !step.any_above(x * Pack::splat(TOLERANCE)) {
            break;
        }
    }
    x
}

//! Eight independent computations side by side: one number of each in a [`Pack`].
#![allow(clippy::inline_always, reason = "wide instructions reach only code that is inlined into the kernel")]

use super::exp::{exp, ln};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// How many computations run side by side: one AVX-512 register's worth.
pub(crate) const PACK: usize = 8;

/// One number of each of eight computations. Arithmetic is lane by lane, so a lane's bits do not depend on its
/// neighbours or on how many of them fit into a register.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Pack(pub(crate) [f64; PACK]);

impl Pack {
    /// The same number in every lane.
    #[inline(always)]
    pub(crate) fn splat(value: f64) -> Self {
        Self([value; PACK])
    }

    /// One number per lane.
    #[inline(always)]
    pub(crate) fn from_fn(f: impl Fn(usize) -> f64) -> Self {
        // a loop, because `std::array::from_fn` is not always inlined
        let mut lanes = [0.0; PACK];
        for (i, lane) in lanes.iter_mut().enumerate() {
            *lane = f(i);
        }
        Self(lanes)
    }

    /// The first eight numbers of a slice.
    #[inline(always)]
    pub(crate) fn load(from: &[f64]) -> Self {
        Self(*from.first_chunk().expect("a whole pack"))
    }

    /// Replaces the first eight numbers of a slice.
    #[inline(always)]
    pub(crate) fn store(self, to: &mut [f64]) {
        *to.first_chunk_mut().expect("a whole pack") = self.0;
    }

    #[inline(always)]
    fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self::from_fn(|i| f(self.0[i]))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self::from_fn(|i| f(self.0[i], other.0[i]))
    }

    /// self · b + c, rounded once.
    #[inline(always)]
    pub(crate) fn mul_add(self, b: Self, c: Self) -> Self {
        Self::from_fn(|i| self.0[i].mul_add(b.0[i], c.0[i]))
    }

    #[inline(always)]
    pub(crate) fn sqrt(self) -> Self {
        self.map(f64::sqrt)
    }

    /// The larger of the two, or `other` where either is NaN.
    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    /// The larger of the two; NaN if `self` is, or if `other` is.
    #[inline(always)]
    pub(crate) fn max_or_nan(self, other: Self) -> Self {
        self.zip(other, |a, b| if a <= b || b.is_nan() { b } else { a })
    }

    /// `self` where `other` is positive, else 0.
    #[inline(always)]
    pub(crate) fn where_positive(self, other: Self) -> Self {
        self.zip(other, |a, b| if b > 0.0 { a } else { 0.0 })
    }

    /// The exponential.
    #[inline(always)]
    pub(crate) fn exp(self) -> Self {
        self.map(exp)
    }

    /// The natural logarithm of lanes that are at least 1 and finite, or NaN.
    #[inline(always)]
    pub(crate) fn ln(self) -> Self {
        self.map(ln)
    }

    /// `self` with the sign of `sign`.
    #[inline(always)]
    pub(crate) fn copysign(self, sign: Self) -> Self {
        self.zip(sign, f64::copysign)
    }

    /// self / other, and 0 where `other` is 0.
    #[inline(always)]
    pub(crate) fn over_or_zero(self, other: Self) -> Self {
        self.zip(other, |a, b| if b == 0.0 { 0.0 } else { a / b })
    }

    /// Whether any lane of self is larger than that of `other`.
    #[inline(always)]
    pub(crate) fn any_above(self, other: Self) -> bool {
        let mut any = false;
        for i in 0..PACK {
            any |= self.0[i] > other.0[i];
        }
        any
    }
}

impl Add for Pack {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Pack {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Pack {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Div for Pack {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
}

impl Neg for Pack {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}

//! The two number types: f32 for training, f64 for reference results without f32's rounding.

use super::elementary;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A floating-point number with the functions that the loops need.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest number.
    fn of(value: f64) -> Self;
    /// As f64.
    fn wide(self) -> f64;
    /// Square root.
    fn root(self) -> Self;
    /// `exp(x)`.
    fn exponential(self) -> Self;
    /// `1 / (1 + exp(-x))`.
    fn logistic(self) -> Self;
    /// `ln(1 + exp(x))`.
    fn softplus(self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        elementary::exp(self)
    }

    #[inline(always)]
    fn logistic(self) -> Self {
        elementary::sigmoid(self)
    }

    #[inline(always)]
    fn softplus(self) -> Self {
        elementary::softplus(self)
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        self.exp()
    }

    #[inline(always)]
    fn logistic(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }

    #[inline(always)]
    fn softplus(self) -> Self {
        self.max(0.0) + (-self.abs()).exp().ln_1p()
    }
}

//! Composition of lattice losses by Fourier transform in a window that holds all but a known tail.

use super::step::LatticeLoss;
use syntrace_base::error::{Error, Result};
use syntrace_fft::{Complex, Transform, pow};

/// Lattice losses with how often each is taken.
pub(super) type Steps<'a> = [(&'a LatticeLoss, u64)];

/// The composed loss: masses on `(lowest + i) * spacing`.
pub(super) struct Composed {
    pub(super) lowest: i64,
    pub(super) masses: Vec<f64>,
    /// Upper bound on the mass at an infinite loss.
    pub(super) infinite: f64,
    /// Upper bound on the mass outside the window, on either side each; it wraps around.
    pub(super) outside: f64,
    /// Allowance for rounding in the transforms, as a probability.
    pub(super) rounding: f64,
}

/// Largest window; a coarser lattice is asked for beyond.
pub(super) const WINDOW_MAX: usize = 1 << 22;

/// The lattice points between which all but `outside` of the composed mass lies on either side.
pub(super) fn window(steps: &Steps, spacing: f64, deviation: f64, outside: f64) -> (i64, i64) {
    let top = chernoff_edge(steps, spacing, deviation, outside, Tail::Upper);
    let bottom = chernoff_edge(steps, spacing, deviation, outside, Tail::Lower);
    ((-bottom / spacing).floor() as i64, (top / spacing).ceil() as i64)
}

/// Composes in a window from [`window`].
///
/// # Errors
/// Where the window is larger than [`WINDOW_MAX`] points, or a transform gave a value that is not finite.
pub(super) fn compose(steps: &Steps, window: (i64, i64), outside: f64) -> Result<Composed> {
    let points = window.1.saturating_sub(window.0).saturating_add(1).max(2);
    let size = (points as usize).next_power_of_two();
    if size > WINDOW_MAX {
        return Err(Error::internal(format!(
            "the grid of the composed privacy loss would exceed its maximum size: {points} points"
        )));
    }
    let wrap = |index: i64| index.rem_euclid(size as i64) as usize;
    let transform = Transform::forward(size);
    let mut product = vec![Complex::new(1.0, 0.0); size];
    for (loss, count) in steps {
        let mut spectrum = vec![Complex::new(0.0, 0.0); size];
        for (mass, index) in loss.masses.iter().zip(loss.lowest..) {
            if let Some(value) = spectrum.get_mut(wrap(index)) {
                value.re += mass;
            }
        }
        transform.process(&mut spectrum);
        for (value, factor) in product.iter_mut().zip(&spectrum) {
            *value *= pow(*factor, *count as usize);
        }
    }
    // inverse: the conjugate's transform, whose real part is what we need
    product.iter_mut().for_each(|value| value.im = -value.im);
    transform.process(&mut product);
    let start = wrap(window.0);
    let (before, from) = product.split_at(start);
    let masses: Vec<f64> = from.iter().chain(before).map(|value| value.re / size as f64).collect();
    if masses.iter().any(|mass| !mass.is_finite()) {
        return Err(Error::internal("the transform of a privacy loss distribution is not finite"));
    }
    let infinite = steps.iter().map(|(loss, count)| loss.infinite * *count as f64).sum();
    Ok(Composed { lowest: window.0, rounding: rounding(steps, &masses), masses, infinite, outside })
}

/// Allowance for rounding: a transform's relative error is about epsilon times log2 of its size, the
/// power multiplies it by the number of steps, and it spreads over the window (Higham 2002, section
/// 24.1); measured errors are ten to a hundred times smaller.
fn rounding(steps: &Steps, masses: &[f64]) -> f64 {
    let count: f64 = steps.iter().map(|(_, count)| *count as f64).sum();
    let log_size = (masses.len() as f64).log2();
    let energy: f64 = masses.iter().map(|mass| mass * mass).sum();
    let spread = (masses.len() as f64 * energy).sqrt();
    f64::EPSILON * (count + log_size) * log_size.sqrt() * spread
}

/// Which tail a bound is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Upper,
    Lower,
}

/// Smallest Chernoff bound found on the loss (negated for the lower tail) that is exceeded with
/// probability at most `outside`: (sum of log moments + ln(1 / outside)) / theta, over theta > 0 by
/// golden section on a logarithmic scale. Every theta gives a valid bound.
fn chernoff_edge(steps: &Steps, spacing: f64, deviation: f64, outside: f64, tail: Tail) -> f64 {
    let bound = |log_theta: f64| {
        let theta = log_theta.exp();
        let moments = steps.iter().map(|(loss, count)| *count as f64 * log_moment(loss, spacing, theta, tail));
        let edge = (moments.sum::<f64>() - outside.ln()) / theta;
        if edge.is_nan() { f64::INFINITY } else { edge }
    };
    let ratio = 0.5 * (5f64.sqrt() - 1.0);
    let (mut low, mut high) = ((0.03 / deviation).min(0.5).ln(), (300.0 / deviation).max(50.0).ln());
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_left, mut at_right) = (bound(left), bound(right));
    for _ in 0..14 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - ratio * (high - low);
            at_left = bound(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + ratio * (high - low);
            at_right = bound(right);
        }
    }
    at_left.min(at_right)
}

/// ln E[exp(theta L)], or of -L for the lower tail, over the finite masses. Horner's rule from the far
/// end: no exponential per point and no overflow.
fn log_moment(loss: &LatticeLoss, spacing: f64, theta: f64, tail: Tail) -> f64 {
    let factor = (-theta * spacing).exp();
    let highest = loss.lowest + loss.masses.len() as i64 - 1;
    let horner = |sum: f64, mass: &f64| sum * factor + mass;
    match tail {
        Tail::Upper => theta * spacing * highest as f64 + loss.masses.iter().fold(0.0, horner).ln(),
        Tail::Lower => -theta * spacing * loss.lowest as f64 + loss.masses.iter().rev().fold(0.0, horner).ln(),
    }
}

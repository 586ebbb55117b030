//! Sums and small functions of numbers that are kept as their natural logarithms.

/// `ln(sum exp(terms))`; minus infinity for no terms. Not a number if a term is not a number.
pub(super) fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if terms.iter().any(|term| term.is_nan()) {
        return f64::NAN;
    }
    if largest.is_infinite() {
        return largest;
    }
    largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
}

/// `ln(exp(x) - 1)` for x > 0 without overflow.
pub(super) fn log_expm1(x: f64) -> f64 {
    if x > 37.0 { x } else { x.exp_m1().ln() }
}

/// `ln(1 + exp(x))` without overflow, exact to rounding for very negative x.
pub(super) fn log_1p_exp(x: f64) -> f64 {
    if x > 37.0 { x } else { x.exp().ln_1p() }
}

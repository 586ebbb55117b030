//! Confidence intervals.

use statrs::function::beta::{checked_beta_reg, inv_beta_reg};
use syntrace_base::record::Interval;

/// Exact two-sided interval of a proportion (Clopper and Pearson 1934). Without trials the value is not
/// a number and the interval is all of 0 to 1.
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> Interval {
    if trials == 0 {
        return Interval { value: f64::NAN, low: 0.0, high: 1.0 };
    }
    let tail = (1.0 - confidence) / 2.0;
    Interval {
        value: successes as f64 / trials as f64,
        low: 1.0 - clopper_pearson_upper(trials - successes.min(trials), trials, tail),
        high: clopper_pearson_upper(successes, trials, tail),
    }
}

/// One-sided upper bound of a proportion that is too small with probability at most `tail`; 1 without
/// trials.
pub fn clopper_pearson_upper(successes: u64, trials: u64, tail: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    // the largest p at which P(X <= successes) = 1 - I_p(successes + 1, trials - successes) >= tail
    let (a, b) = (successes as f64 + 1.0, (trials - successes) as f64);
    let (mut low, mut high) = (0.0f64, 1.0f64);
    // 60 halvings: below 1e-18 absolute
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match checked_beta_reg(a, b, middle) {
            Ok(below) if below < 1.0 - tail => low = middle,
            _ => high = middle,
        }
    }
    high
}

/// How many deviations either side of the mean hold this share of a normal distribution.
pub fn normal_quantile(confidence: f64) -> f64 {
    std::f64::consts::SQRT_2 * statrs::function::erf::erfc_inv(1.0 - confidence)
}

/// How many standard errors either side of a mean hold this share of Student's t.
fn student_quantile(confidence: f64, freedom: f64) -> f64 {
    // t^2 / (freedom + t^2) is a beta variable
    let rest = inv_beta_reg(freedom / 2.0, 0.5, 1.0 - confidence);
    (freedom * (1.0 - rest) / rest).sqrt()
}

/// Interval of the mean of some numbers that were drawn independently (Student's t); `None` of fewer than two.
pub fn mean_of_draws(numbers: &[f64], confidence: f64) -> Option<Interval> {
    if numbers.len() < 2 {
        return None;
    }
    let (value, error) = mean_and_error(numbers);
    let half = student_quantile(confidence, (numbers.len() - 1) as f64) * error;
    Some(Interval { value, low: value - half, high: value + half })
}

/// Interval of a mean over draws and units, `values[draw][unit]`: what draws differ by (Student's t on the means of
/// draws) and what units differ by (normal, on the means of units), squared and added. Both are taken for
/// independent, so it errs to the wide side: a part of either is in the other. `None` with fewer than two
/// draws or units, or where draws have different units.
pub fn mean_over_draws(values: &[Vec<f64>], confidence: f64) -> Option<Interval> {
    let units = values.first()?.len();
    if values.len() < 2 || units < 2 || values.iter().any(|draw| draw.len() != units) {
        return None;
    }
    let of_draws: Vec<f64> = values.iter().map(|draw| draw.iter().sum::<f64>() / units as f64).collect();
    let of_unit = |unit: usize| values.iter().filter_map(|draw| draw.get(unit)).sum::<f64>() / values.len() as f64;
    let of_units: Vec<f64> = (0..units).map(of_unit).collect();
    let (value, draws) = mean_and_error(&of_draws);
    let (_, units) = mean_and_error(&of_units);
    let freedom = (values.len() - 1) as f64;
    let half = (student_quantile(confidence, freedom) * draws).hypot(normal_quantile(confidence) * units);
    Some(Interval { value, low: value - half, high: value + half })
}

/// Mean of some numbers and its standard error.
fn mean_and_error(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// Interval of the mean of two independent proportions by "square and add" (Newcombe 1998; MOVER, Zou
/// and Donner 2008): each proportion brings its own limits.
pub(super) fn mean_of_proportions(a: Interval, b: Interval) -> Interval {
    let value = (a.value + b.value) / 2.0;
    if value.is_nan() {
        return Interval { value, low: 0.0, high: 1.0 };
    }
    let low = (a.value - a.low).hypot(b.value - b.low) / 2.0;
    let high = (a.high - a.value).hypot(b.high - b.value) / 2.0;
    Interval { value, low: (value - low).max(0.0), high: (value + high).min(1.0) }
}

/// Interval of the difference `a` - `b` of two independent proportions, in the same way. Of a proportion without trials
/// nothing is known but that it lies between 0 and 1: then the difference has no value and the widest ends.
pub fn difference_of_proportions(a: Interval, b: Interval) -> Interval {
    let value = a.value - b.value;
    if value.is_nan() {
        return Interval { value, low: a.low - b.high, high: a.high - b.low };
    }
    let low = (a.value - a.low).hypot(b.high - b.value);
    let high = (a.high - a.value).hypot(b.value - b.low);
    Interval { value, low: (value - low).max(-1.0), high: (value + high).min(1.0) }
}

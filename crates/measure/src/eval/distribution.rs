//! The distribution of one quantity on one side, prepared once and compared often.

use super::distance::{area_between, jensen_shannon_counts};
use super::measure::Metric;
use std::collections::HashMap;
use std::hash::Hash;

/// Values with how often each occurs, sorted by value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Distribution {
    /// Categories as 128-bit keys.
    Categories(Vec<(u128, u64)>),
    /// Finite numbers.
    Numbers(Vec<(f64, u64)>),
}

/// Values, in the order of the measures that [`compare`] was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub measures: Vec<(Metric, Option<f64>)>,
    pub n_real: u64,
    pub n_compared: u64,
}

impl Distribution {
    /// Counts categories.
    pub fn categories(values: impl IntoIterator<Item = u128>) -> Self {
        let mut runs: Vec<(u128, u64)> = count(values).into_iter().collect();
        runs.sort_unstable();
        Self::Categories(runs)
    }

    /// Counts numbers; those that are not finite are left out.
    pub fn numbers(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut runs: Vec<(f64, u64)> = Vec::new();
        for value in sorted {
            match runs.last_mut() {
                // `==`: 0.0 and -0.0 are one value
                Some((last, times)) if *last == value => *times += 1,
                _ => runs.push((value, 1)),
            }
        }
        Self::Numbers(runs)
    }

    /// From counts of codes, the index being the code.
    pub fn codes(counts: &[u32]) -> Self {
        let seen = counts.iter().enumerate().filter(|&(_, &times)| times > 0);
        Self::Categories(seen.map(|(code, &times)| (code as u128, u64::from(times))).collect())
    }

    /// As [`Distribution::codes`], the codes being numbers.
    pub fn small_numbers(counts: &[u32]) -> Self {
        let seen = counts.iter().enumerate().filter(|&(_, &times)| times > 0);
        Self::Numbers(seen.map(|(code, &times)| (code as f64, u64::from(times))).collect())
    }

    /// Number of values.
    pub fn len(&self) -> u64 {
        match self {
            Self::Categories(runs) => runs.iter().map(|run| run.1).sum(),
            Self::Numbers(runs) => runs.iter().map(|run| run.1).sum(),
        }
    }
}

/// How often each value occurs.
pub(super) fn count<K: Eq + Hash>(values: impl IntoIterator<Item = K>) -> HashMap<K, u64> {
    let mut counts = HashMap::new();
    for value in values {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

/// Compares two distributions of one quantity: the measures of categories are Jensen-Shannon distance,
/// its divergence and total variation, those of numbers Wasserstein-1, the same scaled by the
/// reference's standard deviation, and Kolmogorov-Smirnov. Two different kinds have no measure.
pub(super) fn compare(reference: &Distribution, compared: &Distribution) -> Comparison {
    let measures = match (reference, compared) {
        (Distribution::Categories(real), Distribution::Categories(other)) => categorical(&paired(real, other)),
        (Distribution::Numbers(real), Distribution::Numbers(other)) => numeric(real, other),
        _ => Vec::new(),
    };
    Comparison { measures, n_real: reference.len(), n_compared: compared.len() }
}

/// The counts of each category on both sides.
fn paired(real: &[(u128, u64)], other: &[(u128, u64)]) -> Vec<(f64, f64)> {
    let (mut left, mut right) = (real.iter().peekable(), other.iter().peekable());
    let mut counts = Vec::with_capacity(real.len().max(other.len()));
    loop {
        let (from_left, from_right) = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => (a.0 <= b.0, b.0 <= a.0),
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (None, None) => return counts,
        };
        let a = if from_left { left.next().map_or(0, |run| run.1) } else { 0 };
        let b = if from_right { right.next().map_or(0, |run| run.1) } else { 0 };
        counts.push((a as f64, b as f64));
    }
}

fn categorical(counts: &[(f64, f64)]) -> Vec<(Metric, Option<f64>)> {
    let found = jensen_shannon_counts(counts);
    vec![
        (Metric::JensenShannonDistance, found.map(|found| found.distance)),
        (Metric::JensenShannonDivergence, found.map(|found| found.divergence)),
        (Metric::TotalVariation, total_variation(counts)),
    ]
}

/// Half the L1 distance of the shares; `None` where a side has no mass.
fn total_variation(counts: &[(f64, f64)]) -> Option<f64> {
    let (a, b) = counts.iter().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let half = 0.5 * counts.iter().map(|count| (count.0 / a - count.1 / b).abs()).sum::<f64>();
    (a > 0.0 && b > 0.0).then_some(half.min(1.0))
}

fn numeric(real: &[(f64, u64)], other: &[(f64, u64)]) -> Vec<(Metric, Option<f64>)> {
    let total = |runs: &[(f64, u64)]| runs.iter().map(|run| run.1).sum::<u64>() as f64;
    let (total_real, total_other) = (total(real), total(other));
    let both = total_real > 0.0 && total_other > 0.0;
    let weighted = |&(value, times): &(f64, u64)| (value, times as f64);
    let raw =
        both.then(|| area_between(real.iter().map(weighted), total_real, other.iter().map(weighted), total_other));
    let deviation = standard_deviation(real, total_real);
    let scaled = raw.and_then(|raw| match (raw, deviation) {
        (0.0, _) => Some(0.0),
        (_, deviation) if deviation > 0.0 => Some(raw / deviation),
        _ => None,
    });
    vec![
        (Metric::Wasserstein, raw),
        (Metric::WassersteinScaled, scaled),
        (Metric::KolmogorovSmirnov, both.then(|| largest_gap(real, total_real, other, total_other))),
    ]
}

/// Of the population (divided by n); not a number for none.
fn standard_deviation(runs: &[(f64, u64)], n: f64) -> f64 {
    let mean = runs.iter().map(|&(value, times)| value * times as f64).sum::<f64>() / n;
    (runs.iter().map(|&(value, times)| times as f64 * (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Largest difference between two cumulative distribution functions.
fn largest_gap(real: &[(f64, u64)], total_real: f64, other: &[(f64, u64)], total_other: f64) -> f64 {
    let (mut left, mut right) = (real.iter().peekable(), other.iter().peekable());
    let (mut seen_left, mut seen_right, mut largest) = (0u64, 0u64, 0.0f64);
    while let Some(value) = match (left.peek(), right.peek()) {
        (Some(a), Some(b)) => Some(a.0.min(b.0)),
        (a, b) => a.or(b).map(|run| run.0),
    } {
        seen_left += left.next_if(|run| run.0 <= value).map_or(0, |run| run.1);
        seen_right += right.next_if(|run| run.0 <= value).map_or(0, |run| run.1);
        largest = largest.max((seen_left as f64 / total_real - seen_right as f64 / total_other).abs());
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(found: &Comparison, metric: Metric) -> Option<f64> {
        found.measures.iter().find(|(known, _)| *known == metric).and_then(|(_, value)| *value)
    }

    /// Of metrics.json, categories by their texts.
    #[test]
    fn total_variation_equals_the_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/conformance/metrics.json");
        let document: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let cases = document["jensen_shannon_samples"].as_array().unwrap();
        let keys = |values: &serde_json::Value, known: &mut Vec<String>| -> Vec<u128> {
            let key = |text: String| match known.iter().position(|seen| *seen == text) {
                Some(place) => place as u128,
                None => {
                    known.push(text);
                    known.len() as u128 - 1
                }
            };
            values.as_array().unwrap().iter().map(ToString::to_string).map(key).collect()
        };
        for case in cases {
            let mut known = Vec::new();
            let real = Distribution::categories(keys(&case["a"], &mut known));
            let other = Distribution::categories(keys(&case["b"], &mut known));
            let found = measure(&compare(&real, &other), Metric::TotalVariation).unwrap();
            let expected = case["expect"]["total_variation"].as_f64().unwrap();
            assert!((found - expected).abs() < 1e-12, "{}: {found} against {expected}", case["name"]);
        }
        assert!(cases.len() > 5);
    }

    /// Expected values by SciPy 1.17.1, `scipy.stats.ks_2samp` (statistic, two-sided).
    #[test]
    fn kolmogorov_smirnov_equals_scipy() {
        let cases: [(&[f64], &[f64], f64); 4] = [
            (&[1.0, 2.0, 2.0, 3.0, 5.0], &[2.0, 3.0, 3.0, 8.0], 0.35),
            (&[0.5, -1.0, 7.0, 7.0], &[7.0, 7.0, 7.0], 0.5),
            (&[1.0, 2.0, 3.0], &[4.0, 5.0], 1.0),
            (&[1.0, 1.0, 2.0], &[1.0, 1.0, 2.0], 0.0),
        ];
        for (a, b, expected) in cases {
            let numbers = |values: &[f64]| Distribution::numbers(values.iter().copied());
            let found = measure(&compare(&numbers(a), &numbers(b)), Metric::KolmogorovSmirnov).unwrap();
            assert!((found - expected).abs() < 1e-12, "{a:?} {b:?}: {found} against {expected}");
        }
        assert_eq!(
            measure(&compare(&Distribution::numbers([]), &Distribution::numbers([1.0])), Metric::KolmogorovSmirnov),
            None
        );
    }
}

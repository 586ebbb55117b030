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
    /// Numbers, infinities among them.
    Numbers(Vec<(f64, u64)>),
}

/// Counts of absent values of a quantity: each kind of absence is a separate category, on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Absent {
    /// The trace has no packet there.
    pub packets: u64,
    /// The packet has no such field.
    pub fields: u64,
}

impl Absent {
    /// Both kinds.
    pub fn total(self) -> u64 {
        self.packets + self.fields
    }
}

/// What one side has of a quantity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub values: &'a Distribution,
    pub absent: Absent,
}

/// What [`compare`] found: a value for each measure that it was asked for, in that order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    pub measures: Vec<(Metric, Option<f64>)>,
    pub n_real: u64,
    pub n_compared: u64,
    /// Absent on the reference's side, and on the compared one.
    pub absent: (u64, u64),
}

/// Deviations of the reference that a value is away from its absence: twice what always giving the mean
/// can be off.
const ABSENCE_DEVIATIONS: f64 = 2.0;

impl Distribution {
    /// Counts categories.
    pub fn categories(values: impl IntoIterator<Item = u128>) -> Self {
        let mut runs: Vec<(u128, u64)> = count(values).into_iter().collect();
        runs.sort_unstable();
        Self::Categories(runs)
    }

    /// Counts numbers; infinities are values as others are (see [`super::wasserstein_1`]).
    pub fn numbers(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
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

    /// As a sample with places that hold none.
    pub fn with(&self, absent: Absent) -> Sample<'_> {
        Sample { values: self, absent }
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

/// Compares two samples of one quantity. The measures of categories are Jensen-Shannon distance, its
/// divergence and total variation, with absence as further categories. Those of numbers are Wasserstein-1,
/// the same in units of `scale` (see [`spread`]), and Kolmogorov-Smirnov; a place that only one side leaves
/// empty costs [`ABSENCE_DEVIATIONS`] of these units in the first two (see [`transport`]), and lies above
/// all numbers in the last. Two different kinds have no measure.
pub(super) fn compare(reference: Sample<'_>, compared: Sample<'_>, scale: f64) -> Comparison {
    let measures = match (reference.values, compared.values) {
        (Distribution::Categories(real), Distribution::Categories(other)) => {
            let mut counts = paired(real, other);
            let (a, b) = (reference.absent, compared.absent);
            let absent = [(a.packets, b.packets), (a.fields, b.fields)];
            let present = absent.iter().filter(|(a, b)| a + b > 0);
            counts.extend(present.map(|&(a, b)| (a as f64, b as f64)));
            categorical(&counts)
        }
        (Distribution::Numbers(real), Distribution::Numbers(other)) => {
            numeric((real, reference.absent.total()), (other, compared.absent.total()), scale)
        }
        _ => Vec::new(),
    };
    let absent = (reference.absent.total(), compared.absent.total());
    Comparison { measures, n_real: reference.values.len(), n_compared: compared.values.len(), absent }
}

/// The unit of a reference's finite numbers, over all their distributions: their standard deviation; of equal
/// numbers their magnitude, or 1 where that is 0 or there are none. A generator that misses a constant is
/// so never without a distance.
pub(super) fn spread<'a>(parts: impl Iterator<Item = &'a Distribution>) -> f64 {
    let mut runs: Vec<(f64, u64)> = Vec::new();
    for part in parts {
        if let Distribution::Numbers(numbers) = part {
            runs.extend(numbers.iter().filter(|run| run.0.is_finite()));
        }
    }
    let low = runs.iter().fold(f64::INFINITY, |low, run| low.min(run.0));
    let high = runs.iter().fold(f64::NEG_INFINITY, |high, run| high.max(run.0));
    if low < high {
        return standard_deviation(&runs);
    }
    if low.is_finite() && low != 0.0 { low.abs() } else { 1.0 }
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

fn numeric(
    (real, absent_real): (&[(f64, u64)], u64),
    (other, absent_other): (&[(f64, u64)], u64),
    scale: f64,
) -> Vec<(Metric, Option<f64>)> {
    let total = |runs: &[(f64, u64)], absent: u64| (runs.iter().map(|run| run.1).sum::<u64>() + absent) as f64;
    let (total_real, total_other) = (total(real, absent_real), total(other, absent_other));
    let both = total_real > 0.0 && total_other > 0.0;
    let missing = (absent_real as f64 / total_real, absent_other as f64 / total_other);
    let raw = both.then(|| transport(real, other, missing, scale));
    vec![
        (Metric::Wasserstein, raw),
        (Metric::WassersteinScaled, raw.map(|raw| raw / scale)),
        (Metric::KolmogorovSmirnov, both.then(|| largest_gap(real, total_real, other, total_other))),
    ]
}

/// Wasserstein-1 between numbers with a share of absence on each side. As much absence as both sides have
/// stays where it is, what one side has more is made of its counterpart's values in proportion at
/// [`ABSENCE_DEVIATIONS`] units each, and what is left is moved along the line.
fn transport(real: &[(f64, u64)], other: &[(f64, u64)], missing: (f64, f64), scale: f64) -> f64 {
    let there = |runs: &[(f64, u64)]| runs.iter().map(|run| run.1).sum::<u64>() as f64;
    let (n_real, n_other) = (there(real), there(other));
    let weighted = |&(value, times): &(f64, u64)| (value, times as f64);
    let along = if n_real > 0.0 && n_other > 0.0 {
        area_between(real.iter().map(weighted), n_real, other.iter().map(weighted), n_other)
    } else {
        0.0
    };
    let kept = 1.0 - missing.0.max(missing.1);
    absence_cost(missing, scale) + if kept > 0.0 { kept * along } else { 0.0 }
}

/// What it costs that the sides lack different shares of their values.
pub(super) fn absence_cost(missing: (f64, f64), scale: f64) -> f64 {
    (missing.0 - missing.1).abs() * ABSENCE_DEVIATIONS * scale
}

/// Of the population (divided by n); not a number for none.
fn standard_deviation(runs: &[(f64, u64)]) -> f64 {
    let n = runs.iter().map(|run| run.1).sum::<u64>() as f64;
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
        let document = include_str!("../../../../tests/fixtures/conformance/metrics.json");
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
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
            let found = measure(
                &compare(real.with(Absent::default()), other.with(Absent::default()), 1.0),
                Metric::TotalVariation,
            )
            .unwrap();
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
            let found = compare(numbers(a).with(Absent::default()), numbers(b).with(Absent::default()), 1.0);
            let found = measure(&found, Metric::KolmogorovSmirnov).unwrap();
            assert!((found - expected).abs() < 1e-12, "{a:?} {b:?}: {found} against {expected}");
        }
        let (none, one) = (Distribution::numbers([]), Distribution::numbers([1.0]));
        assert_eq!(
            measure(
                &compare(none.with(Absent::default()), one.with(Absent::default()), 1.0),
                Metric::KolmogorovSmirnov
            ),
            None
        );
    }

    /// Expected by SciPy 1.17.1, `scipy.spatial.distance.jensenshannon` base 2 with absence as a fourth
    /// category: p = (2, 1, 0, 1) / 4, q = (1, 0, 0, 3) / 4.
    #[test]
    fn absence_is_a_category_and_costs_two_deviations_among_numbers() {
        let absent = |packets| Absent { packets, fields: 0 };
        let (real, other) = (Distribution::categories([1, 1, 2]), Distribution::categories([1]));
        let found = compare(real.with(absent(1)), other.with(absent(3)), 1.0);
        let distance = measure(&found, Metric::JensenShannonDistance).unwrap();
        assert!((distance - 0.5).abs() < 1e-12, "{distance}");
        assert_eq!((found.n_real, found.n_compared, found.absent), (3, 1, (1, 3)));
        // a packet without the field is another value than no packet
        let (none, field) = (Distribution::categories([]), Absent { packets: 0, fields: 2 });
        let found = compare(none.with(absent(2)), none.with(field), 1.0);
        assert_eq!(measure(&found, Metric::JensenShannonDistance), Some(1.0));
        // half of one side is gone, the other half is 4 too high: 0.5 * 2 * 3 + 0.5 * 4
        let (real, other) = (Distribution::numbers([10.0, 10.0]), Distribution::numbers([14.0]));
        let found = compare(real.with(Absent::default()), other.with(absent(1)), 3.0);
        assert_eq!(measure(&found, Metric::Wasserstein), Some(5.0));
        assert_eq!(measure(&found, Metric::KolmogorovSmirnov), Some(1.0));
        // nothing at all is two deviations from everything, and nothing from nothing
        let none = Distribution::numbers([]);
        let all_gone = compare(real.with(Absent::default()), none.with(absent(2)), 3.0);
        assert_eq!(measure(&all_gone, Metric::WassersteinScaled), Some(2.0));
        let equal = compare(none.with(absent(1)), none.with(absent(2)), 3.0);
        assert_eq!(measure(&equal, Metric::Wasserstein), Some(0.0));
    }

    #[test]
    fn an_infinite_number_is_a_value_and_not_left_out() {
        let of = |real: &[f64], other: &[f64], metric| {
            let numbers = |values: &[f64]| Distribution::numbers(values.iter().copied());
            let found = compare(numbers(real).with(Absent::default()), numbers(other).with(Absent::default()), 1.0);
            (measure(&found, metric).unwrap(), found.n_real, found.n_compared)
        };
        let far = f64::INFINITY;
        assert_eq!(of(&[1.0, far], &[1.0, 1.0], Metric::Wasserstein), (far, 2, 2));
        assert_eq!(of(&[1.0, far], &[1.0, 1.0], Metric::KolmogorovSmirnov), (0.5, 2, 2));
        assert_eq!(of(&[1.0, far, -far], &[4.0, -far, far], Metric::Wasserstein), (1.0, 3, 3));
        assert_eq!(spread([Distribution::numbers([1.0, 3.0, far])].iter()), 1.0);
    }

    #[test]
    fn unit_of_numbers_is_their_deviation_or_the_constant() {
        let of = |values: &[f64]| spread([Distribution::numbers(values.iter().copied())].iter());
        assert_eq!((of(&[1.0, 3.0]), of(&[64.0, 64.0]), of(&[0.0]), of(&[])), (1.0, 64.0, 1.0, 1.0));
    }
}

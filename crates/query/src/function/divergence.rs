//! `jsd`, `js_divergence`, `entropy_bits`: what the frequencies of a group's values say.
//!
//! The second argument says on which side a row is (false = real, true = synthetic).

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use std::collections::BTreeMap;
use std::sync::Arc;
use syntrace_measure::eval::{JensenShannon, jensen_shannon_counts};

/// Which number comes out of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum HistogramMeasure {
    /// Square root of the divergence: the Jensen-Shannon distance.
    Distance,
    /// Jensen-Shannon divergence, base 2.
    Divergence,
    /// Shannon entropy of one side, bits.
    Entropy,
}

impl HistogramMeasure {
    /// The function's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Distance => "jsd",
            Self::Divergence => "js_divergence",
            Self::Entropy => "entropy_bits",
        }
    }
}

/// Counts the values of both sides; values of any type are told apart by their row encoding. Ordered,
/// so that the sums do not depend on hashing.
#[derive(Debug)]
pub(super) struct HistogramAccumulator {
    measure: HistogramMeasure,
    counts: BTreeMap<Box<[u8]>, [i64; 2]>,
}

impl HistogramAccumulator {
    pub fn new(measure: HistogramMeasure) -> Self {
        Self { measure, counts: BTreeMap::new() }
    }

    fn add(&mut self, value: &[u8], side: usize, count: i64) {
        let counts = match self.counts.get_mut(value) {
            Some(counts) => counts,
            None => self.counts.entry(value.into()).or_default(),
        };
        if let Some(slot) = counts.get_mut(side) {
            *slot += count;
        }
    }
}

impl Accumulator for HistogramAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [value, rest @ ..] = values else { return exec_err!("expected a value") };
        let sides = match rest {
            [side, ..] => Some(cast(side, &DataType::Boolean)?),
            [] => None,
        };
        let converter = RowConverter::new(vec![SortField::new(value.data_type().clone())])?;
        let rows = converter.convert_columns(std::slice::from_ref(value))?;
        for (index, row) in rows.iter().enumerate() {
            let side = match &sides {
                Some(sides) if sides.is_null(index) => continue,
                Some(sides) => usize::from(sides.as_boolean().value(index)),
                None => 0,
            };
            if !value.is_null(index) {
                self.add(row.as_ref(), side, 1);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let pairs: Vec<[i64; 2]> = self.counts.values().copied().collect();
        Ok(ScalarValue::Float64(measure(self.measure, &pairs)))
    }

    fn size(&self) -> usize {
        let entry = size_of::<(Box<[u8]>, [i64; 2])>() + 32;
        size_of_val(self) + self.counts.len() * entry
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |array: ArrayRef| SingleRowListArrayBuilder::new(array).build_list_scalar();
        let keys = BinaryArray::from_iter_values(self.counts.keys());
        let real = Int64Array::from_iter_values(self.counts.values().map(|counts| counts[0]));
        let other = Int64Array::from_iter_values(self.counts.values().map(|counts| counts[1]));
        Ok(vec![list(Arc::new(keys)), list(Arc::new(real)), list(Arc::new(other))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [keys, real, other] = states else { return exec_err!("expected keys and two lists of counts") };
        // A state array may be a slice of a larger one: go by its rows, not by its values.
        let rows = keys.as_list::<i32>().iter().zip(real.as_list::<i32>().iter()).zip(other.as_list::<i32>().iter());
        for ((keys, real), other) in rows {
            let (Some(keys), Some(real), Some(other)) = (keys, real, other) else { continue };
            let counts =
                real.as_primitive::<Int64Type>().values().iter().zip(other.as_primitive::<Int64Type>().values());
            for (key, (real, other)) in keys.as_binary::<i32>().iter().flatten().zip(counts) {
                self.add(key, 0, *real);
                self.add(key, 1, *other);
            }
        }
        Ok(())
    }
}

/// The number that comes out of the counts of both sides.
pub(super) fn measure(measure: HistogramMeasure, pairs: &[[i64; 2]]) -> Option<f64> {
    match measure {
        HistogramMeasure::Distance => jensen_shannon(pairs).map(|found| found.distance),
        HistogramMeasure::Divergence => jensen_shannon(pairs).map(|found| found.divergence),
        HistogramMeasure::Entropy => entropy_bits(pairs),
    }
}

fn jensen_shannon(pairs: &[[i64; 2]]) -> Option<JensenShannon> {
    let counts: Vec<(f64, f64)> = pairs.iter().map(|pair| (pair[0] as f64, pair[1] as f64)).collect();
    jensen_shannon_counts(&counts)
}

/// Shannon entropy of the first side; `None` without values.
fn entropy_bits(pairs: &[[i64; 2]]) -> Option<f64> {
    let total: i64 = pairs.iter().map(|pair| pair[0]).sum();
    if total == 0 {
        return None;
    }
    let shares = pairs.iter().filter(|pair| pair[0] > 0).map(|pair| pair[0] as f64 / total as f64);
    Some(shares.map(|share| -share * share.log2()).sum::<f64>().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of a handful of additions.
    const ROUNDING: f64 = 1e-12;

    #[test]
    fn entropy_of_a_fair_choice_of_eight_is_three_bits() {
        let found = entropy_bits(&[[5, 0]; 8]).unwrap();
        assert!((found - 3.0).abs() < ROUNDING);
        assert_eq!(entropy_bits(&[[7, 0]]), Some(0.0));
    }
}

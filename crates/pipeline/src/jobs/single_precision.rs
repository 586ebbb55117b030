//! Converts attributes from double precision to the single precision that attacks compute with.
//!
//! Rounding to FLOAT merges close values: members at 1 + 1e-9 and others at 1 become indistinguishable. So if rounding
//! makes more than a few values equal, the values at one index of the attribute (over all models that are attacked
//! together) are shifted, else scaled, else replaced by their ranks: each preserves their order, which is all that a
//! threshold or a tree uses. Attributes that are already FLOAT are not changed.

use crate::rows::AttributeRow;

/// Share of all pairs of numbers that may become equal: no AUC moves by more.
const LOST_PAIRS_MAX: f64 = 1e-5;

/// The nearest FLOAT; the largest where it lies beyond.
pub(crate) fn nearest(number: f64) -> f32 {
    number.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// Sets the single-precision values of rows that are attacked together from their exact values.
pub(crate) fn narrow(rows: &mut [&mut AttributeRow]) {
    if rows.iter().any(|row| row.loss_exact.is_some()) {
        let exact: Vec<f64> =
            rows.iter().map(|row| row.loss_exact.unwrap_or(row.loss.map_or(0.0, f64::from))).collect();
        for (row, single) in rows.iter_mut().zip(singles(&exact)) {
            row.loss = row.loss.map(|_| single);
        }
    }
    if rows.iter().all(|row| row.values_exact.is_none()) {
        return;
    }
    let width = rows.iter().map(|row| row.values.len()).max().unwrap_or(0);
    for place in 0..width {
        let number = |row: &&mut AttributeRow| match &row.values_exact {
            Some(exact) => exact.get(place).copied().unwrap_or(0.0),
            None => row.values.get(place).copied().map_or(0.0, f64::from),
        };
        let exact: Vec<f64> = rows.iter().map(number).collect();
        for (row, single) in rows.iter_mut().zip(singles(&exact)) {
            if let Some(value) = row.values.get_mut(place) {
                *value = single;
            }
        }
    }
}

/// Finite numbers in single precision, in the same order, of which at most [`LOST_PAIRS_MAX`] become equal.
fn singles(exact: &[f64]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..exact.len()).collect();
    let at = |index: usize| exact.get(index).copied().unwrap_or(0.0);
    order.sort_unstable_by(|a, b| at(*a).total_cmp(&at(*b)));
    let sorted: Vec<f64> = order.iter().map(|index| at(*index)).collect();
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let spread = sorted.iter().map(|number| (number - middle).abs()).fold(0.0, f64::max);
    let moved: Vec<f64> = sorted.iter().map(|number| number - middle).collect();
    let scaled: Vec<f64> = moved.iter().map(|number| number / spread).collect();
    let rounded = [&sorted, &moved, &scaled].into_iter().map(|numbers| numbers.iter().map(|number| *number as f32));
    let rounded = rounded.map(Iterator::collect::<Vec<f32>>).find(|single| keeps(&sorted, single));
    let single = rounded.unwrap_or_else(|| ranks(&sorted));
    let mut out = vec![0.0; exact.len()];
    for (index, single) in order.into_iter().zip(single) {
        if let Some(place) = out.get_mut(index) {
            *place = single;
        }
    }
    out
}

/// Are these finite, and do so few pairs of the rising numbers become equal in them?
fn keeps(sorted: &[f64], single: &[f32]) -> bool {
    let pairs = |count: usize| count as f64 * (count as f64 - 1.0) / 2.0;
    let equal = |runs: &mut dyn Iterator<Item = usize>| runs.map(pairs).sum::<f64>();
    let before = equal(&mut sorted.chunk_by(|a, b| a == b).map(<[f64]>::len));
    let after = equal(&mut single.chunk_by(|a, b| a == b).map(<[f32]>::len));
    single.iter().all(|number| number.is_finite()) && after - before <= LOST_PAIRS_MAX * pairs(sorted.len())
}

/// Ranks of rising numbers, equal ones alike.
fn ranks(sorted: &[f64]) -> Vec<f32> {
    let runs = sorted.chunk_by(|a, b| a == b).enumerate();
    runs.flat_map(|(rank, run)| std::iter::repeat_n(rank as f32, run.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct(numbers: &[f32]) -> usize {
        let mut numbers: Vec<u32> = numbers.iter().map(|number| number.to_bits()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    }

    #[test]
    fn numbers_that_float_cannot_tell_apart_stay_apart_and_in_order() {
        let close: Vec<f64> = (0..100).map(|row| 1.0 + f64::from(row % 10) * 1e-12).collect();
        let far = [f64::MAX, -f64::MAX, 0.0, 1e300, f64::MIN_POSITIVE, -1e-300];
        let mixed: Vec<f64> = (0..100).map(|row| f64::from(row % 3) * 1e300 + 1e-9 * f64::from(row % 7)).collect();
        for exact in [close.as_slice(), &far, &mixed] {
            let single = singles(exact);
            assert!(single.iter().all(|number| number.is_finite()));
            for (a, single_a) in exact.iter().zip(&single) {
                for (b, single_b) in exact.iter().zip(&single) {
                    assert_eq!(a.partial_cmp(b), single_a.partial_cmp(single_b), "{a} {b}");
                }
            }
        }
        assert_eq!(distinct(&singles(&close)), 10);
    }

    #[test]
    fn numbers_that_rounding_leaves_apart_are_rounded_and_nothing_else() {
        let spread: Vec<f64> = (0..5000).map(|row| f64::from(row) / 3.0).collect();
        let rounded: Vec<f32> = spread.iter().map(|number| *number as f32).collect();
        assert_eq!(singles(&spread), rounded);
        assert_eq!(singles(&[]), Vec::<f32>::new());
        assert_eq!(singles(&[0.1, 0.1]), [0.1, 0.1]);
    }
}

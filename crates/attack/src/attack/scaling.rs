//! Standardised inputs (scikit-learn's `StandardScaler`).

use super::table::AttributeTable;

/// Mean and inverse standard deviation of each input over some rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scaling {
    mean: Vec<f64>,
    inverse: Vec<f64>,
}

impl Scaling {
    /// Two passes in f64, so that a large common offset (a logit's) does not cancel digits. A constant
    /// input keeps factor 1: it becomes 0 on these rows.
    pub fn of(table: &AttributeTable, rows: &[usize]) -> Self {
        let count = rows.len() as f64;
        let mut mean = vec![0.0; table.width];
        for row in rows.iter().filter_map(|&row| table.row(row)) {
            mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) / count);
        }
        let mut variance = vec![0.0; table.width];
        for row in rows.iter().filter_map(|&row| table.row(row)) {
            let deviations = row.iter().zip(&mean).map(|(&value, mean)| f64::from(value) - mean);
            variance.iter_mut().zip(deviations).for_each(|(sum, deviation)| *sum += deviation * deviation / count);
        }
        // Below this a deviation is rounding of the f32 input, not information.
        let floor = |mean: f64| f64::from(f32::EPSILON) * mean.abs().max(f64::from(f32::MIN_POSITIVE));
        let inverse = variance.iter().zip(&mean).map(|(variance, &mean)| {
            let deviation = variance.sqrt();
            if deviation > floor(mean) { 1.0 / deviation } else { 1.0 }
        });
        let inverse = inverse.collect();
        Self { mean, inverse }
    }

    /// No change.
    pub fn none(width: usize) -> Self {
        Self { mean: vec![0.0; width], inverse: vec![1.0; width] }
    }

    /// One row, scaled.
    pub fn apply<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        row.iter()
            .zip(self.mean.iter().zip(&self.inverse))
            .map(|(&value, (mean, inverse))| (f64::from(value) - mean) * inverse)
    }
}

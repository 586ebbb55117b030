//! Features as ranks: what a split needs of a value is its place among the feature's values.

use syntrace_base::base::map_ordered;

/// One feature over all rows.
pub(super) struct Column {
    /// Rank of each row's value among `values`.
    pub ranks: Vec<u32>,
    /// The distinct values, rising.
    pub values: Vec<f32>,
}

/// All features of a row-major matrix of finite numbers.
pub(super) fn columns(x: &[f32], width: usize) -> Vec<Column> {
    let features: Vec<usize> = (0..width).collect();
    map_ordered(&features, |&feature| column(x, width, feature))
}

fn column(x: &[f32], width: usize, feature: usize) -> Column {
    // `+ 0.0` makes one value of both zeros
    let column = || x.iter().skip(feature).step_by(width).map(|value| value + 0.0);
    let mut values: Vec<f32> = column().collect();
    values.sort_unstable_by(f32::total_cmp);
    values.dedup();
    let ranks = column().map(|value| values.partition_point(|known| *known < value) as u32).collect();
    Column { ranks, values }
}

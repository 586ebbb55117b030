//! The RBF kernel over a list of points.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2};

/// Points of one width, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    values: Vec<f64>,
    width: usize,
    /// |x|^2 of each.
    norms: Vec<f64>,
}

impl Points {
    /// Points of `width` numbers each (at least one); numbers past the last whole point are dropped.
    pub fn new(mut values: Vec<f64>, width: usize) -> Self {
        let width = width.max(1);
        values.truncate(values.len() / width * width);
        let norms = values.chunks_exact(width).map(|point| point.iter().map(|value| value * value).sum()).collect();
        Self { values, width, norms }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Is there no point?
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A point; empty past the end.
    pub fn point(&self, index: usize) -> &[f64] {
        self.values.get(index * self.width..(index + 1) * self.width).unwrap_or(&[])
    }

    /// The points of some indices.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self::new(indices.iter().flat_map(|&index| self.point(index)).copied().collect(), self.width)
    }

    /// scikit-learn's `gamma = "scale"`: 1 / (columns * variance of all entries); 1 where all are equal.
    pub fn scale_gamma(&self) -> f64 {
        let count = self.values.len().max(1) as f64;
        let mean = self.values.iter().sum::<f64>() / count;
        let variance = self.values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        if variance > 0.0 { 1.0 / (self.width as f64 * variance) } else { 1.0 }
    }
}

/// exp(-gamma |a - b|^2) of the points `from..to` of `a` (rows) and all of `b` (columns).
/// |a - b|^2 is |a|^2 + |b|^2 - 2 a.b, as in LIBSVM, with all a.b as one matrix product.
pub(super) fn rbf(gamma: f64, a: &Points, from: usize, to: usize, b: &Points) -> Array2<f64> {
    let to = to.min(a.len());
    let rows = a.values.get(from * a.width..to * a.width).unwrap_or(&[]);
    let shape = |values: usize, width: usize| (values / width, width);
    let empty = || ArrayView2::from_shape((0, 0), &[]);
    let left = ArrayView2::from_shape(shape(rows.len(), a.width), rows).or_else(|_| empty());
    let right = ArrayView2::from_shape(shape(b.values.len(), b.width), &b.values).or_else(|_| empty());
    let mut products = Array2::<f64>::zeros((to.saturating_sub(from), b.len()));
    if let (Ok(left), Ok(right)) = (left, right)
        && left.ncols() == right.ncols()
    {
        general_mat_mul(1.0, &left, &right.t(), 0.0, &mut products);
    }
    let norms = a.norms.get(from..to).unwrap_or(&[]);
    for (mut row, norm) in products.rows_mut().into_iter().zip(norms) {
        for (value, other) in row.iter_mut().zip(&b.norms) {
            // Rounding may leave a little less than nothing.
            *value = (-gamma * (norm + other - 2.0 * *value).max(0.0)).exp();
        }
    }
    products
}

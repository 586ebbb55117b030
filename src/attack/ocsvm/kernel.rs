//! The RBF kernel over a list of points.

/// Points of one width, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    values: Vec<f64>,
    width: usize,
}

impl Points {
    /// Points of `width` numbers each (at least one); numbers past the last whole point are dropped.
    pub fn new(mut values: Vec<f64>, width: usize) -> Self {
        let width = width.max(1);
        values.truncate(values.len() / width * width);
        Self { values, width }
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

    /// All points in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The points of some indices.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self { values: indices.iter().flat_map(|&index| self.point(index)).copied().collect(), width: self.width }
    }

    /// scikit-learn's `gamma = "scale"`: 1 / (columns * variance of all entries); 1 where all are equal.
    pub fn scale_gamma(&self) -> f64 {
        let count = self.values.len().max(1) as f64;
        let mean = self.values.iter().sum::<f64>() / count;
        let variance = self.values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
        if variance > 0.0 { 1.0 / (self.width as f64 * variance) } else { 1.0 }
    }
}

/// Sums kept side by side, so that additions do not wait for each other; the order of each is fixed.
const LANES: usize = 8;

/// exp(-gamma * |a - b|^2).
pub(super) fn rbf(gamma: f64, a: &[f64], b: &[f64]) -> f64 {
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    (-gamma * (rest + sums.iter().sum::<f64>())).exp()
}

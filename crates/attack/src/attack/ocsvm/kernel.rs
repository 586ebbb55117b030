//! The RBF kernel over a list of points.

use super::exponential::Exponential;
use std::ops::Range;

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
        let mean = pairwise_sum(&self.values) / count;
        let squares: Vec<f64> = self.values.iter().map(|value| (value - mean) * (value - mean)).collect();
        let variance = pairwise_sum(&squares) / count;
        if variance > 0.0 { 1.0 / (self.width as f64 * variance) } else { 1.0 }
    }
}

/// A sum in numpy's order, so that the last digit of `gamma` is scikit-learn's: eight partial sums of up to
/// 128 numbers, halves of more.
fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() > 128 {
        let half = values.len() / 2;
        let (low, high) = values.split_at(half - half % 8);
        return pairwise_sum(low) + pairwise_sum(high);
    }
    let (eights, rest) = values.as_chunks::<8>();
    let [first, others @ ..] = eights else { return rest.iter().sum() };
    let mut sums = *first;
    for eight in others {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += value);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
}

/// Points of a block; a multiple of `LANES`.
pub(super) const BLOCK: usize = 256;

/// Points whose products are summed in parallel, in vector registers.
const LANES: usize = 8;

/// exp(-gamma |a - b|^2) for all b of a list of points: |a|^2 + |b|^2 - 2 a.b, as in LIBSVM. Blocks of the
/// list fit the nearest caches. Each product is summed in the order of the coordinates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kernel {
    gamma: f64,
    exponential: Exponential,
    width: usize,
    /// By `LANES` points, coordinate, point; zeros after the last point.
    lanes: Vec<[f64; LANES]>,
    norms: Vec<f64>,
}

impl Kernel {
    pub fn new(gamma: f64, points: &Points) -> Self {
        let width = points.width;
        let mut lanes = Vec::with_capacity(points.len().div_ceil(LANES) * width);
        for group in points.values.chunks(LANES * width) {
            for column in 0..width {
                let mut lane = [0.0; LANES];
                lane.iter_mut().zip(group.iter().skip(column).step_by(width)).for_each(|(to, from)| *to = *from);
                lanes.push(lane);
            }
        }
        Self { gamma, exponential: Exponential::new(), width, lanes, norms: points.norms.clone() }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// First and last (exclusive) point of each block.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        (0..self.len()).step_by(BLOCK).map(|from| from..(from + BLOCK).min(self.len())).collect()
    }

    /// Kernel values of a point with the points of a block, in as many places of `out`.
    pub fn block(&self, points: &Points, index: usize, block: &Range<usize>, out: &mut [f64]) {
        let point = points.point(index);
        let norm = points.norms.get(index).copied().unwrap_or(0.0);
        let lanes = self.lanes.get(block.start / LANES * self.width..).unwrap_or(&[]);
        let others = self.norms.get(block.clone()).unwrap_or(&[]);
        let groups = out.chunks_mut(LANES).zip(others.chunks(LANES)).zip(lanes.chunks_exact(self.width));
        for ((values, others), group) in groups {
            for ((value, other), product) in values.iter_mut().zip(others).zip(products(point, group)) {
                let squared = norm + other - 2.0 * product;
                // Rounding may give a small negative number.
                *value = self.exponential.of(-self.gamma * if squared > 0.0 { squared } else { 0.0 });
            }
        }
    }

    /// Kernel values of a point with all points, as LIBSVM keeps them.
    pub fn row(&self, points: &Points, index: usize) -> Box<[f32]> {
        let mut row = Vec::with_capacity(self.len());
        let mut values = [0.0; BLOCK];
        for block in self.blocks() {
            let values = &mut values[..block.len()];
            self.block(points, index, &block, values);
            row.extend(values.iter().map(|value| *value as f32));
        }
        row.into_boxed_slice()
    }
}

/// Products of a point with the points of a group.
#[inline]
fn products(point: &[f64], group: &[[f64; LANES]]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (value, others) in point.iter().zip(group) {
        for (sum, other) in sums.iter_mut().zip(others) {
            *sum += value * other;
        }
    }
    sums
}

//! Sequential minimal optimisation of the one-class problem with second-order choice of the working
//! set, as in LIBSVM (Fan, Chen, Lin 2005, "Working set selection using second order information";
//! Chang and Lin 2011, section 4.1), without shrinking.
//!
//! Minimise 1/2 a' K a with 0 <= a <= 1 and sum a = nu n. LIBSVM's start (the first nu n rows have weight
//! 1), its tie rules and its f32 kernel rows are kept: until LIBSVM first shrinks (after 1,000 iterations, or
//! as many as there are rows), every step is its step.

use super::kernel::{Kernel, Points};
use std::ops::Range;
use syntrace_base::base::map_ordered;
use syntrace_base::error::{Error, Result};

/// Replaces a curvature that rounding made zero or negative.
const CURVATURE_MIN: f64 = 1e-12;

/// Kernel rows kept, in bytes.
const CACHE_BYTES: usize = 256 << 20;

/// Below this share of the best decrease, rounding cannot make another one as good.
const ALMOST: f64 = 0.999_999;

/// When to stop, and where the boundary lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SolverOptions {
    /// Upper bound of the share of rows outside.
    pub nu: f64,
    /// Largest violation of optimality.
    pub tolerance: f64,
    /// Most iterations; `None`: as many as LIBSVM allows before it gives up (10 million, or 100 per row).
    pub iterations_max: Option<u64>,
}

/// A fitted one-class SVM.
#[derive(Debug, Clone, PartialEq)]
pub struct OneClass {
    gamma: f64,
    support: Points,
    weights: Vec<f64>,
    /// Decision values are the kernel sum less this.
    pub offset: f64,
    /// Iterations of the solver.
    pub iterations: u64,
    /// Did it stop at the cap, before it converged?
    pub hit_cap: bool,
}

impl OneClass {
    /// Fits the machine.
    ///
    /// # Errors
    /// Where there is no point, or a solver without cap does not converge.
    pub fn fit(points: &Points, gamma: f64, options: &SolverOptions) -> Result<Self> {
        if points.is_empty() {
            return Err(Error::user("a one-class SVM needs at least one point, found none"));
        }
        let mut state = State::new(points, gamma, options.nu);
        let limit = options.iterations_max.unwrap_or_else(|| 10_000_000.max(100 * points.len() as u64));
        let mut iterations = 0;
        let mut hit_cap = true;
        while iterations < limit {
            let Some((i, j)) = state.working_set(options.tolerance) else {
                hit_cap = false;
                break;
            };
            state.step(i, j);
            iterations += 1;
        }
        if hit_cap && options.iterations_max.is_none() {
            return Err(Error::user(format!("the one-class SVM did not converge in `{iterations}` iterations"))
                .hint("raise `tolerance`, or set `iterations_max`"));
        }
        let kept: Vec<usize> = (0..points.len()).filter(|&row| state.weights[row] > 0.0).collect();
        Ok(Self {
            gamma,
            support: points.select(&kept),
            weights: kept.iter().map(|&row| state.weights[row]).collect(),
            offset: state.offset(),
            iterations,
            hit_cap,
        })
    }

    /// Decision values: positive inside the boundary. Summed over the support vectors in their order.
    pub fn decision(&self, points: &Points) -> Vec<f64> {
        let kernel = Kernel::new(self.gamma, points);
        let block = |block: &Range<usize>| {
            let mut sums = vec![-self.offset; block.len()];
            let mut values = vec![0.0; block.len()];
            for (row, weight) in self.weights.iter().enumerate() {
                kernel.block(&self.support, row, block, &mut values);
                sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += weight * value);
            }
            sums
        };
        map_ordered(&kernel.blocks(), block).concat()
    }

    /// Support vectors.
    pub fn support_len(&self) -> usize {
        self.weights.len()
    }
}

struct State<'a> {
    points: &'a Points,
    kernel: Kernel,
    weights: Vec<f64>,
    gradient: Vec<f64>,
    cache: Cache,
    up: Up,
}

/// The row that gains most from more weight, and its gain. Of equal ones the last, as in LIBSVM.
#[derive(Clone, Copy)]
struct Up {
    gain: f64,
    row: Option<usize>,
}

impl Up {
    const NONE: Self = Self { gain: f64::NEG_INFINITY, row: None };

    #[inline]
    fn see(&mut self, row: usize, weight: f64, gradient: f64) {
        if -gradient >= self.gain && weight < 1.0 {
            *self = Self { gain: -gradient, row: Some(row) };
        }
    }
}

impl<'a> State<'a> {
    fn new(points: &'a Points, gamma: f64, nu: f64) -> Self {
        let rows = points.len();
        let total = nu * rows as f64;
        let full = (total as usize).min(rows);
        let mut weights = vec![0.0; rows];
        weights.iter_mut().take(full).for_each(|weight| *weight = 1.0);
        if let Some(next) = weights.get_mut(full) {
            *next = total - full as f64;
        }
        let kernel = Kernel::new(gamma, points);
        let gradient = first_gradient(&kernel, points, &weights);
        let mut up = Up::NONE;
        for (row, (weight, gradient)) in weights.iter().zip(&gradient).enumerate() {
            up.see(row, *weight, *gradient);
        }
        Self { points, kernel, weights, gradient, cache: Cache::new(rows), up }
    }

    /// The pair that violates optimality most; `None` when no pair does by more than the tolerance.
    /// Needs and leaves the kernel row of the first in the cache.
    fn working_set(&mut self, tolerance: f64) -> Option<(usize, usize)> {
        let Up { gain, row: Some(i) } = self.up else { return None };
        let kernel = self.cache.row(i, self.points, &self.kernel);
        let mut worst = f64::NEG_INFINITY;
        let mut best = (0.0, None);
        for (row, ((weight, gradient), kernel)) in self.weights.iter().zip(&self.gradient).zip(kernel).enumerate() {
            if *weight <= 0.0 {
                continue;
            }
            if *gradient > worst {
                worst = *gradient;
            }
            let difference = gain + gradient;
            if difference > 0.0 {
                let curvature = curvature(*kernel);
                let square = difference * difference;
                // most rows are far from the best, and need no division
                if square >= ALMOST * best.0 * curvature {
                    let decrease = square / curvature;
                    if decrease >= best.0 {
                        best = (decrease, Some(row));
                    }
                }
            }
        }
        if gain + worst < tolerance { None } else { best.1.map(|j| (i, j)) }
    }

    /// Moves weight between two rows to the optimum along their line.
    fn step(&mut self, i: usize, j: usize) {
        let curvature = curvature(self.cache.row(i, self.points, &self.kernel)[j]);
        let delta = (self.gradient[i] - self.gradient[j]) / curvature;
        let (old_i, old_j) = (self.weights[i], self.weights[j]);
        let (new_i, new_j) = clipped(old_i, old_j, delta);
        (self.weights[i], self.weights[j]) = (new_i, new_j);
        let (change_i, change_j) = (new_i - old_i, new_j - old_j);
        let (row_i, row_j) = self.cache.rows(i, j, self.points, &self.kernel);
        let mut up = Up::NONE;
        let kernels = row_i.iter().zip(row_j);
        for (row, ((gradient, weight), (i, j))) in self.gradient.iter_mut().zip(&self.weights).zip(kernels).enumerate()
        {
            *gradient += f64::from(*i) * change_i + f64::from(*j) * change_j;
            up.see(row, *weight, *gradient);
        }
        self.up = up;
    }

    /// Where the gradient of rows on the boundary lies; between the sides where no row is on it.
    fn offset(&self) -> f64 {
        let (mut sum, mut free) = (0.0, 0u64);
        let (mut inside, mut outside) = (f64::INFINITY, f64::NEG_INFINITY);
        for (weight, gradient) in self.weights.iter().zip(&self.gradient) {
            if *weight >= 1.0 {
                outside = outside.max(*gradient);
            } else if *weight <= 0.0 {
                inside = inside.min(*gradient);
            } else {
                sum += gradient;
                free += 1;
            }
        }
        match (free, inside.is_finite(), outside.is_finite()) {
            (0, true, true) => (inside + outside) / 2.0,
            (0, true, false) => inside,
            (0, false, _) => outside,
            _ => sum / free as f64,
        }
    }
}

/// Both weights after a step of `delta`, inside [0, 1], their sum kept.
fn clipped(i: f64, j: f64, delta: f64) -> (f64, f64) {
    let sum = i + j;
    let (mut i, mut j) = (i - delta, j + delta);
    if sum > 1.0 {
        if i > 1.0 {
            (i, j) = (1.0, sum - 1.0);
        }
        if j > 1.0 {
            (i, j) = (sum - 1.0, 1.0);
        }
    } else {
        if j < 0.0 {
            (i, j) = (sum, 0.0);
        }
        if i < 0.0 {
            (i, j) = (0.0, sum);
        }
    }
    (i, j)
}

/// Curvature along the line of two rows with this kernel value; the kernel of a row with itself is 1.
#[inline]
fn curvature(kernel: f32) -> f64 {
    let curvature = 2.0 - 2.0 * f64::from(kernel);
    if curvature > 0.0 { curvature } else { CURVATURE_MIN }
}

/// K a, with K in f32 as the kernel rows that are added later. Only the first rows have weight at the start:
/// among them K is symmetric, and the half above the diagonal serves both sides. Blocks are summed in
/// their order, so that threads cannot change a digit.
fn first_gradient(kernel: &Kernel, points: &Points, weights: &[f64]) -> Vec<f64> {
    let blocks = kernel.blocks();
    let heavy = blocks.iter().filter(|block| weights[block.start] > 0.0).count();
    // the blocks with most work first
    let order: Vec<usize> = (0..blocks.len()).rev().collect();
    let parts = map_ordered(&order, |&at| {
        let summed: Vec<KernelRows> = (0..heavy.min(if at < heavy { at + 1 } else { heavy }))
            .map(|other| KernelRows { rows: blocks[other].clone(), mirrored: other < at && at < heavy })
            .collect();
        block_sums(kernel, points, weights, &blocks[at], &summed)
    });
    let mut gradient = vec![0.0; points.len()];
    for (at, (own, _)) in parts.iter().rev().enumerate() {
        gradient[blocks[at].clone()].copy_from_slice(own);
    }
    for (at, (_, mirrored)) in parts.iter().rev().enumerate().take(heavy) {
        let before = &mut gradient[..blocks[at].start];
        before.iter_mut().zip(mirrored).for_each(|(sum, part)| *sum += part);
    }
    gradient
}

/// Rows whose kernel values with a block are summed; also over the block, for the rows' own sums?
struct KernelRows {
    rows: Range<usize>,
    mirrored: bool,
}

/// For the points of a block, the sum over the rows of `summed` of weight times kernel; for the mirrored rows, the sum
/// over the block.
fn block_sums(
    kernel: &Kernel,
    points: &Points,
    weights: &[f64],
    block: &Range<usize>,
    summed: &[KernelRows],
) -> (Vec<f64>, Vec<f64>) {
    let mut own = vec![0.0; block.len()];
    let mut mirrored = Vec::new();
    let mut values = vec![0.0; block.len()];
    for part in summed {
        for row in part.rows.clone() {
            let weight = weights[row];
            if weight <= 0.0 && !part.mirrored {
                continue;
            }
            kernel.block(points, row, block, &mut values);
            for (sum, value) in own.iter_mut().zip(&mut values) {
                *value = f64::from(*value as f32);
                *sum += weight * *value;
            }
            if part.mirrored {
                mirrored.push(values.iter().zip(&weights[block.clone()]).map(|(value, weight)| value * weight).sum());
            }
        }
    }
    (own, mirrored)
}

/// The kernel rows used last.
struct Cache {
    rows: Vec<Option<Box<[f32]>>>,
    /// When each row was used last.
    used: Vec<u64>,
    cached: Vec<usize>,
    clock: u64,
    most: usize,
}

impl Cache {
    fn new(rows: usize) -> Self {
        let most = (CACHE_BYTES / (rows.max(1) * size_of::<f32>())).max(2);
        Self { rows: vec![None; rows], used: vec![0; rows], cached: Vec::new(), clock: 0, most }
    }

    fn row(&mut self, row: usize, points: &Points, kernel: &Kernel) -> &[f32] {
        self.fill(row, points, kernel);
        self.rows[row].as_deref().unwrap_or(&[])
    }

    fn rows(&mut self, i: usize, j: usize, points: &Points, kernel: &Kernel) -> (&[f32], &[f32]) {
        self.fill(i, points, kernel);
        // i was used most recently, so j cannot evict it
        self.fill(j, points, kernel);
        (self.rows[i].as_deref().unwrap_or(&[]), self.rows[j].as_deref().unwrap_or(&[]))
    }

    fn fill(&mut self, row: usize, points: &Points, kernel: &Kernel) {
        self.clock += 1;
        self.used[row] = self.clock;
        if self.rows[row].is_some() {
            return;
        }
        if self.cached.len() >= self.most {
            let oldest = (0..self.cached.len()).min_by_key(|&at| self.used[self.cached[at]]).unwrap_or(0);
            let evicted = self.cached.swap_remove(oldest);
            self.rows[evicted] = None;
        }
        self.rows[row] = Some(kernel.row(points, row));
        self.cached.push(row);
    }
}

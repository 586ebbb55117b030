//! Sequential minimal optimisation of the one-class problem with second-order choice of the working
//! set, as in LIBSVM (Fan, Chen, Lin 2005, "Working set selection using second order information";
//! Chang and Lin 2011, section 4.1), without shrinking.
//!
//! Minimise 1/2 a' K a with 0 <= a <= 1 and sum a = nu n. LIBSVM's start (the first nu n rows have weight
//! 1) and its f32 kernel rows are kept, so that iterations can be compared one by one.

use super::kernel::{Points, rbf};
use crate::base::map_ordered;
use crate::error::{Error, Result};

/// Replaces a curvature that rounding made zero or negative.
const CURVATURE_MIN: f64 = 1e-12;

/// Kernel rows kept, in bytes.
const CACHE_BYTES: usize = 256 << 20;

/// Rows of the first gradient, or of decision values, that one thread computes at a time.
const CHUNK_ROWS: usize = 32;

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

    /// Decision values: positive inside the boundary.
    pub fn decision(&self, points: &Points) -> Vec<f64> {
        let sums = weighted_sums(points, self.gamma, &self.support, &self.weights, |kernel| kernel);
        sums.into_iter().map(|sum| sum - self.offset).collect()
    }

    /// Support vectors.
    pub fn support_len(&self) -> usize {
        self.weights.len()
    }
}

struct State<'a> {
    points: &'a Points,
    gamma: f64,
    weights: Vec<f64>,
    gradient: Vec<f64>,
    cache: Cache,
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
        let gradient = first_gradient(points, gamma, &weights);
        Self { points, gamma, weights, gradient, cache: Cache::new(rows) }
    }

    /// The pair that violates optimality most; `None` when no pair does by more than the tolerance.
    /// Needs and leaves the kernel row of the first in the cache.
    fn working_set(&mut self, tolerance: f64) -> Option<(usize, usize)> {
        let mut up = (f64::NEG_INFINITY, None);
        for (row, (weight, gradient)) in self.weights.iter().zip(&self.gradient).enumerate() {
            // `>=` as in LIBSVM: of equal ones the last
            if *weight < 1.0 && -gradient >= up.0 {
                up = (-gradient, Some(row));
            }
        }
        let i = up.1?;
        let kernel = self.cache.row(i, self.points, self.gamma);
        let mut worst = f64::NEG_INFINITY;
        let mut best = (f64::INFINITY, None);
        for (row, ((weight, gradient), kernel)) in self.weights.iter().zip(&self.gradient).zip(kernel).enumerate() {
            if *weight <= 0.0 {
                continue;
            }
            worst = worst.max(*gradient);
            let difference = up.0 + gradient;
            if difference > 0.0 {
                let curvature = 2.0 - 2.0 * f64::from(*kernel);
                let curvature = if curvature > 0.0 { curvature } else { CURVATURE_MIN };
                let decrease = -(difference * difference) / curvature;
                if decrease <= best.0 {
                    best = (decrease, Some(row));
                }
            }
        }
        if up.0 + worst < tolerance { None } else { best.1.map(|j| (i, j)) }
    }

    /// Moves weight between two rows to the optimum along their line.
    fn step(&mut self, i: usize, j: usize) {
        let curvature = 2.0 - 2.0 * f64::from(self.cache.row(i, self.points, self.gamma)[j]);
        let curvature = if curvature > 0.0 { curvature } else { CURVATURE_MIN };
        let delta = (self.gradient[i] - self.gradient[j]) / curvature;
        let (old_i, old_j) = (self.weights[i], self.weights[j]);
        let (new_i, new_j) = clipped(old_i, old_j, delta);
        (self.weights[i], self.weights[j]) = (new_i, new_j);
        let (change_i, change_j) = (new_i - old_i, new_j - old_j);
        let (row_i, row_j) = self.cache.rows(i, j, self.points, self.gamma);
        for ((gradient, i), j) in self.gradient.iter_mut().zip(row_i).zip(row_j) {
            *gradient += f64::from(*i) * change_i + f64::from(*j) * change_j;
        }
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

/// K a, with K in f32 as the kernel rows that are added later.
fn first_gradient(points: &Points, gamma: f64, weights: &[f64]) -> Vec<f64> {
    let heavy: Vec<usize> = (0..points.len()).filter(|&row| weights[row] > 0.0).collect();
    let weights: Vec<f64> = heavy.iter().map(|&row| weights[row]).collect();
    weighted_sums(points, gamma, &points.select(&heavy), &weights, |kernel| f64::from(kernel as f32))
}

/// Sum over `others` of weight times kernel, for each point: each summed in the order of `others`, so that
/// threads cannot change a digit.
fn weighted_sums(
    points: &Points,
    gamma: f64,
    others: &Points,
    weights: &[f64],
    rounded: impl Fn(f64) -> f64 + Sync,
) -> Vec<f64> {
    let starts: Vec<usize> = (0..points.len()).step_by(CHUNK_ROWS).collect();
    let chunk = |&start: &usize| -> Vec<f64> {
        let kernel = rbf(gamma, points, start, start + CHUNK_ROWS, others);
        let sum = |row: ndarray::ArrayView1<'_, f64>| {
            row.iter().zip(weights).map(|(kernel, weight)| weight * rounded(*kernel)).sum()
        };
        kernel.rows().into_iter().map(sum).collect()
    };
    map_ordered(&starts, chunk).concat()
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

    fn row(&mut self, row: usize, points: &Points, gamma: f64) -> &[f32] {
        self.fill(row, points, gamma);
        self.rows[row].as_deref().unwrap_or(&[])
    }

    fn rows(&mut self, i: usize, j: usize, points: &Points, gamma: f64) -> (&[f32], &[f32]) {
        self.fill(i, points, gamma);
        // i was used last, so j cannot drive it out
        self.fill(j, points, gamma);
        (self.rows[i].as_deref().unwrap_or(&[]), self.rows[j].as_deref().unwrap_or(&[]))
    }

    fn fill(&mut self, row: usize, points: &Points, gamma: f64) {
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
        self.rows[row] = Some(rbf(gamma, points, row, row + 1, points).iter().map(|kernel| *kernel as f32).collect());
        self.cached.push(row);
    }
}

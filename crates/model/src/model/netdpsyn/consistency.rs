//! Noisy marginals made consistent and non-negative: post-processing, so it costs nothing.

use super::table::{Shape, project};
use std::collections::BTreeSet;

/// A noisy marginal, `[strata * cells]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its columns, in groups.
    pub shape: Shape,
    /// Noisy counts.
    pub values: Vec<f64>,
    /// Mean variance of a cell's noise.
    pub variance: f64,
    /// Which cells a row can be in.
    pub possible: Vec<bool>,
}

impl Measured {
    /// Estimated rows of each stratum.
    fn totals(&self) -> Vec<f64> {
        self.values.chunks(self.shape.cells().max(1)).map(|stratum| stratum.iter().sum()).collect()
    }

    /// Sets cells that no row can be in to 0.
    fn clear_impossible(&mut self) {
        for (value, possible) in self.values.iter_mut().zip(&self.possible) {
            if !possible {
                *value = 0.0;
            }
        }
    }
}

/// Rows of each stratum: the mean of all marginals' totals, weighted by inverse variance.
pub fn estimate_totals(measured: &[Measured], strata: usize) -> Vec<f64> {
    let mut sums = vec![0.0; strata];
    let mut weights = 0.0;
    for marginal in measured {
        let weight = 1.0 / (marginal.variance * marginal.shape.cells() as f64).max(f64::MIN_POSITIVE);
        weights += weight;
        for (sum, total) in sums.iter_mut().zip(marginal.totals()) {
            *sum += weight * total;
        }
    }
    sums.into_iter().map(|sum| sum / weights).collect()
}

/// The nearest non-increasing sequence between 0 and the first value (pool adjacent violators).
pub fn non_increasing(values: &mut [f64]) {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for value in values.iter() {
        blocks.push((*value, 1));
        while let [.., (before, many), (last, few)] = blocks.as_slice() {
            if before >= last {
                break;
            }
            let size = many + few;
            let mean = (before * *many as f64 + last * *few as f64) / size as f64;
            blocks.truncate(blocks.len() - 2);
            blocks.push((mean, size));
        }
    }
    let first = values.first().copied().unwrap_or(0.0).max(0.0);
    let levels = blocks.into_iter().flat_map(|(value, size)| std::iter::repeat_n(value.clamp(0.0, first), size));
    for (value, level) in values.iter_mut().zip(levels) {
        *value = level;
    }
}

/// Subtracts one number from all allowed values and cuts at 0, so that they sum to `total`; the others
/// become 0. With a total of 0 or less, all become 0. Exact (by sorting), so that no search can fail
/// to end.
pub fn norm_sub(values: &mut [f64], allowed: &[bool], total: f64) {
    let is_allowed = |index: usize| allowed.get(index).copied().unwrap_or(false);
    let mut sorted: Vec<f64> =
        values.iter().enumerate().filter(|(index, _)| is_allowed(*index)).map(|(_, value)| *value).collect();
    if total.is_nan() || total <= 0.0 || sorted.is_empty() {
        values.fill(0.0);
        return;
    }
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut prefix, mut subtracted) = (0.0, 0.0);
    for (index, value) in sorted.iter().enumerate() {
        prefix += value;
        let candidate = (prefix - total) / (index + 1) as f64;
        // The largest value always stays, also where rounding says that it equals the candidate.
        if index > 0 && *value <= candidate {
            break;
        }
        subtracted = candidate;
    }
    for (index, value) in values.iter_mut().enumerate() {
        *value = if is_allowed(index) { (*value - subtracted).max(0.0) } else { 0.0 };
    }
}

/// A set of columns that several marginals share, with their projections onto it.
struct Shared {
    cells: usize,
    members: Vec<Member>,
}

struct Member {
    marginal: usize,
    map: Vec<u32>,
    /// Inverse variance of a projected cell.
    weight: f64,
    /// Possible cells behind each projected cell, `[strata * cells]`.
    behind: Vec<f64>,
}

/// All intersections of two or more marginals' columns, small ones first, closed under intersection.
fn lattice(measured: &[Measured]) -> Vec<Vec<usize>> {
    let sets: Vec<&Vec<usize>> = measured.iter().map(|marginal| &marginal.shape.columns).collect();
    let meet = |a: &[usize], b: &[usize]| a.iter().copied().filter(|column| b.contains(column)).collect::<Vec<_>>();
    let mut found: BTreeSet<Vec<usize>> = BTreeSet::new();
    for (index, a) in sets.iter().enumerate() {
        found.extend(sets.iter().skip(index + 1).map(|b| meet(a, b)));
    }
    loop {
        let more: Vec<Vec<usize>> =
            found.iter().flat_map(|a| sets.iter().map(|b| meet(a, b)).collect::<Vec<_>>()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    let mut sets: Vec<Vec<usize>> = found.into_iter().filter(|set| !set.is_empty()).collect();
    sets.sort_by_key(Vec::len);
    sets
}

impl Shared {
    fn new(columns: &[usize], measured: &[Measured]) -> Self {
        let mut cells = 1;
        let mut members = Vec::new();
        for (marginal, found) in measured.iter().enumerate() {
            if !columns.iter().all(|column| found.shape.columns.contains(column)) {
                continue;
            }
            let all = found.shape.columns.iter().zip(&found.shape.sizes);
            let (own, sizes) = all.filter(|(column, _)| columns.contains(column)).unzip();
            let onto = Shape { columns: own, sizes };
            cells = onto.cells();
            let map = found.shape.projection(&onto);
            let spread = (found.shape.cells() / cells.max(1)) as f64;
            let ones: Vec<f64> = found.possible.iter().map(|possible| f64::from(u8::from(*possible))).collect();
            let behind = ones.chunks(found.shape.cells()).flat_map(|stratum| project(stratum, &map, cells)).collect();
            let weight = 1.0 / (found.variance * spread).max(f64::MIN_POSITIVE);
            members.push(Member { marginal, map, weight, behind });
        }
        Self { cells, members }
    }

    /// Moves all projections to their weighted mean, evenly over the cells behind; returns the largest
    /// difference that it closed.
    fn equalise(&self, measured: &mut [Measured], stratum: usize) -> f64 {
        let mut target = vec![0.0; self.cells];
        let mut projections = Vec::with_capacity(self.members.len());
        let weights: f64 = self.members.iter().map(|member| member.weight).sum();
        for member in &self.members {
            let projection = measured.get(member.marginal).map_or_else(Vec::new, |marginal| {
                let values = marginal.values.chunks(marginal.shape.cells()).nth(stratum).unwrap_or_default();
                project(values, &member.map, self.cells)
            });
            for (sum, value) in target.iter_mut().zip(&projection) {
                *sum += value * member.weight / weights;
            }
            projections.push(projection);
        }
        let mut largest: f64 = 0.0;
        for (member, projection) in self.members.iter().zip(&projections) {
            let behind = member.behind.get(stratum * self.cells..).unwrap_or_default();
            let steps: Vec<f64> = target
                .iter()
                .zip(projection)
                .zip(behind)
                .map(|((target, own), behind)| if *behind > 0.0 { (target - own) / behind } else { 0.0 })
                .collect();
            largest = target.iter().zip(projection).fold(largest, |most, (a, b)| most.max((a - b).abs()));
            let Some(marginal) = measured.get_mut(member.marginal) else { continue };
            let cells = marginal.shape.cells();
            let possible = marginal.possible.chunks(cells).nth(stratum).unwrap_or_default();
            let Some(values) = marginal.values.chunks_mut(cells).nth(stratum) else { continue };
            for ((value, index), possible) in values.iter_mut().zip(&member.map).zip(possible) {
                if *possible {
                    *value += steps.get(*index as usize).copied().unwrap_or(0.0);
                }
            }
        }
        largest
    }
}

/// Rounds end when no shared projection differs by more than this share of a stratum's rows.
const AGREED: f64 = 1e-9;

/// Makes all marginals agree on every set of columns that they share, by least squares, with the given
/// rows per stratum, and non-negative, in turns; ends after `rounds`, always non-negative.
pub fn make_consistent(measured: &mut [Measured], totals: &[f64], rounds: u32) {
    for marginal in measured.iter_mut() {
        marginal.clear_impossible();
    }
    let shared: Vec<Shared> = lattice(measured).iter().map(|columns| Shared::new(columns, measured)).collect();
    for (stratum, total) in totals.iter().enumerate() {
        for _ in 0..rounds.max(1) {
            set_totals(measured, stratum, *total);
            let gap = shared.iter().map(|shared| shared.equalise(measured, stratum)).fold(0.0, f64::max);
            let negative = make_non_negative(measured, stratum, *total);
            if gap <= AGREED * total && !negative {
                break;
            }
        }
    }
}

/// Adds the same to all possible cells of a stratum, so that each marginal has its rows.
fn set_totals(measured: &mut [Measured], stratum: usize, total: f64) {
    for marginal in measured {
        let cells = marginal.shape.cells();
        let possible = marginal.possible.chunks(cells).nth(stratum).unwrap_or_default();
        let count = possible.iter().filter(|possible| **possible).count().max(1) as f64;
        let Some(values) = marginal.values.chunks_mut(cells).nth(stratum) else { continue };
        let step = (total - values.iter().sum::<f64>()) / count;
        for (value, possible) in values.iter_mut().zip(possible) {
            if *possible {
                *value += step;
            }
        }
    }
}

/// Norm-sub on a stratum of each marginal; was anything negative?
fn make_non_negative(measured: &mut [Measured], stratum: usize, total: f64) -> bool {
    let mut negative = false;
    for marginal in measured {
        let cells = marginal.shape.cells();
        let possible = marginal.possible.chunks(cells).nth(stratum).unwrap_or_default();
        let Some(values) = marginal.values.chunks_mut(cells).nth(stratum) else { continue };
        if total <= 0.0 || values.iter().any(|value| *value < 0.0) {
            negative |= total > 0.0;
            norm_sub(values, possible, total);
        }
    }
    negative
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: f64 = 1e-9;

    /// Facts section 9: the published search never ends on such totals.
    #[test]
    fn norm_sub_ends_on_every_total_and_keeps_positive_ones() {
        let all = [true; 5];
        for total in [-1e9, -1.0, 0.0, 1e-12, 3.0, 1e9, f64::NAN] {
            for start in [[-5.0, -4.0, -3.0, -2.0, -1.0], [0.0; 5], [7.0, -3.0, 2.0, 0.0, 1e6]] {
                let mut values = start;
                norm_sub(&mut values, &all, total);
                assert!(values.iter().all(|value| *value >= 0.0), "{start:?} {total} {values:?}");
                let expected = if total > 0.0 { total } else { 0.0 };
                let sum: f64 = values.iter().sum();
                assert!((sum - expected).abs() <= TOLERANCE * (1.0 + expected), "{start:?} {total}");
            }
        }
        let mut values = [5.0, 1.0, 9.0];
        norm_sub(&mut values, &[true, true, false], 4.0);
        assert_eq!(values, [4.0, 0.0, 0.0], "only allowed cells hold mass");
    }

    #[test]
    fn totals_that_rise_are_levelled() {
        let mut values = [10.0, 4.0, 6.0, 12.0, -3.0];
        non_increasing(&mut values);
        assert_eq!(values[0], 10.0);
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]) && values[4] == 0.0);
        assert!((values[1] - 22.0 / 3.0).abs() < TOLERANCE);
    }

    /// Facts section 8: the correct step closes a gap in one round; the published one leaves 771 of
    /// 1,272 records after 500.
    #[test]
    fn one_round_closes_the_gap_between_two_marginals_at_their_weighted_mean() {
        let marginal = |columns: &[usize], sizes: &[usize], values: Vec<f64>, variance| Measured {
            shape: Shape { columns: columns.to_vec(), sizes: sizes.to_vec() },
            possible: vec![true; values.len()],
            values,
            variance,
        };
        let mut measured = [
            marginal(&[0, 1], &[2, 2], vec![700.0, 400.0, 300.0, 100.0], 4.0),
            marginal(&[1, 2], &[2, 2], vec![300.0, 300.0, 600.0, 300.0], 1.0),
        ];
        make_consistent(&mut measured, &[1500.0], 1);
        let onto = Shape { columns: vec![1], sizes: vec![2] };
        let sums = |m: &Measured| project(&m.values, &m.shape.projection(&onto), 2);
        let (first, second) = (sums(&measured[0]), sums(&measured[1]));
        // Projections 1000 and 600 with variances 8 and 2 meet at 680.
        assert!((first[0] - 680.0).abs() < TOLERANCE && (second[0] - 680.0).abs() < TOLERANCE, "{first:?} {second:?}");
        assert!((first[1] - second[1]).abs() < TOLERANCE);
    }
}

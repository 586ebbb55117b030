//! Weights of candidates that fit noisy marginals and stay near their prior.
//!
//! Minimises the sum over marginals and cells of (members * share - count)^2 / (2 deviation^2) + prior * KL(weights,
//! uniform), with the candidates' share in the cell; cells without a candidate are left out, as no weights can fill
//! them. Entropic mirror descent (Beck and Teboulle 2003), with the largest step that satisfies the descent inequality.
//! It reads candidates and releases only.

use super::flow_features::Cells;
use super::marginal::Measured;

/// The target of the estimated weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal<'a> {
    pub measured: &'a [Measured],
    /// Public number of members.
    pub members: f64,
    /// Weight of relative entropy, in traces.
    pub prior: f64,
    pub iterations: u32,
}

/// One marginal over the cells that candidates are in.
struct Table {
    /// Place of each candidate's cell.
    places: Vec<u32>,
    counts: Vec<f64>,
    /// 1 / deviation^2.
    precision: f64,
}

/// Value of the objective, shares of the members by table and cell.
struct State {
    value: f64,
    shares: Vec<Vec<f64>>,
}

impl Table {
    fn new(records: &[Cells], measured: &Measured) -> Self {
        let cells: Vec<u32> = records.iter().map(|record| measured.query.cell(record)).collect();
        let mut used = cells.clone();
        used.sort_unstable();
        used.dedup();
        let places = cells.iter().map(|cell| used.partition_point(|other| other < cell) as u32).collect();
        let counts = used.iter().map(|cell| measured.counts.get(*cell as usize).copied().unwrap_or(0.0)).collect();
        Self { places, counts, precision: measured.deviation.powi(-2) }
    }
}

/// Weights of candidates, summing to 1, from a start of the same length (even where it is empty).
pub(super) fn weigh(records: &[Cells], start: &[f64], goal: Goal<'_>) -> Vec<f64> {
    let tables: Vec<Table> = goal.measured.iter().map(|measured| Table::new(records, measured)).collect();
    let even = 1.0 / records.len().max(1) as f64;
    let mut weights = if start.len() == records.len() { start.to_vec() } else { vec![even; records.len()] };
    let mut state = evaluate(&tables, &weights, goal);
    let curvature: f64 = tables.iter().map(|table| goal.members * goal.members * table.precision).sum();
    let mut step = 1.0 / (curvature + goal.prior);
    for _ in 0..goal.iterations {
        let slopes = slopes(&tables, &state, &weights, goal);
        // No step is shorter than the one that always descends.
        loop {
            let moved = moved(&weights, &slopes, step);
            let next = evaluate(&tables, &moved, goal);
            let (mut linear, mut distance) = (0.0, 0.0);
            for ((old, new), slope) in weights.iter().zip(&moved).zip(&slopes) {
                linear += slope * (new - old);
                distance += entropy_term(*new, *old);
            }
            if next.value <= state.value + linear + distance / step || step * (curvature + goal.prior) <= 1.0 {
                (weights, state) = (moved, next);
                break;
            }
            step /= 2.0;
        }
        step *= 1.5;
    }
    weights
}

/// a ln(a / b), 0 at a = 0.
fn entropy_term(a: f64, b: f64) -> f64 {
    if a > 0.0 { a * (a / b.max(f64::MIN_POSITIVE)).ln() } else { 0.0 }
}

fn evaluate(tables: &[Table], weights: &[f64], goal: Goal<'_>) -> State {
    let even = 1.0 / weights.len().max(1) as f64;
    let mut value = goal.prior * weights.iter().map(|weight| entropy_term(*weight, even)).sum::<f64>();
    let mut shares = Vec::with_capacity(tables.len());
    for table in tables {
        let mut own = vec![0.0; table.counts.len()];
        for (place, weight) in table.places.iter().zip(weights) {
            if let Some(share) = own.get_mut(*place as usize) {
                *share += weight * goal.members;
            }
        }
        let squares: f64 = own.iter().zip(&table.counts).map(|(share, count)| (share - count).powi(2)).sum();
        value += squares * table.precision / 2.0;
        shares.push(own);
    }
    State { value, shares }
}

/// Derivatives of the objective by each weight, up to one constant.
fn slopes(tables: &[Table], state: &State, weights: &[f64], goal: Goal<'_>) -> Vec<f64> {
    let mut slopes: Vec<f64> =
        weights.iter().map(|weight| goal.prior * (weight.max(f64::MIN_POSITIVE) * weights.len() as f64).ln()).collect();
    for (table, shares) in tables.iter().zip(&state.shares) {
        let cells: Vec<f64> = shares
            .iter()
            .zip(&table.counts)
            .map(|(share, count)| goal.members * (share - count) * table.precision)
            .collect();
        for (slope, place) in slopes.iter_mut().zip(&table.places) {
            *slope += cells.get(*place as usize).copied().unwrap_or(0.0);
        }
    }
    slopes
}

fn moved(weights: &[f64], slopes: &[f64], step: f64) -> Vec<f64> {
    let least = slopes.iter().copied().fold(f64::INFINITY, f64::min);
    let mut moved: Vec<f64> =
        weights.iter().zip(slopes).map(|(weight, slope)| weight * (-step * (slope - least)).exp()).collect();
    let sum: f64 = moved.iter().sum();
    moved.iter_mut().for_each(|weight| *weight /= sum);
    moved
}

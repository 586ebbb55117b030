//! Rows from marginals, for one stratum: initialisation, gradual update method (GUM; NetDPSyn, Sun et al. 2024, IMC),
//! then the leaf columns.

use super::leaves::clip_leaves;
use super::table::{Goal, Shape, project};
use rand::RngExt;
use rand::seq::SliceRandom;
use syntrace_base::base::StreamRng;

/// How rows are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GumOptions {
    /// Rounds.
    pub iterations: u32,
    /// Start each column on its own, as published, rather than from marginals with the key column.
    pub singleton_start: bool,
    /// Column to start from.
    pub key: Option<usize>,
}

/// Synthesised rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Groups, `[columns][rows]`.
    pub columns: Vec<Vec<u16>>,
    /// Mean L1 distance between the goals and the rows' own marginals, 0 to 2.
    pub error: f64,
}

/// Makes `rows` rows whose marginals are close to the goals; `groups` is the size of each column.
pub fn synthesise(goals: &[Goal], groups: &[usize], rows: usize, options: GumOptions, rng: &mut StreamRng) -> Rows {
    let (leaves, kept) = clip_leaves(goals, groups, options.key);
    let mut maker = Maker { columns: vec![vec![0; rows]; groups.len()], rows, rng };
    maker.start(&kept, options);
    for iteration in 0..options.iterations {
        maker.iterate(&kept, iteration);
    }
    for leaf in leaves.iter().rev() {
        maker.place(leaf.goal, &[leaf.anchor], &[leaf.column]);
    }
    let distances: Vec<f64> = goals.iter().map(|goal| maker.distance(goal)).collect();
    let error = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
    Rows { columns: maker.columns, error }
}

/// Shares of `count` as whole numbers: cumulative rounding from a random offset, so that the expected
/// number of each is exact and their sum is `count`. Evenly where all weights are 0.
fn allocate(weights: &[f64], count: usize, rng: &mut StreamRng) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let even = total.is_nan() || total <= 0.0;
    let scale = count as f64 / if even { weights.len().max(1) as f64 } else { total };
    let offset: f64 = rng.random();
    let (mut cumulative, mut given) = (0.0, 0);
    let mut counts: Vec<usize> = Vec::with_capacity(weights.len());
    for weight in weights {
        cumulative += if even { 1.0 } else { *weight } * scale;
        let upto = ((cumulative + offset).floor() as usize).clamp(given, count);
        counts.push(upto - given);
        given = upto;
    }
    // Rounding of the sum may leave one over.
    let largest = counts.iter().enumerate().max_by_key(|(index, count)| (**count, usize::MAX - index));
    if let Some(index) = largest.map(|(index, _)| index) {
        counts[index] += count - given;
    }
    counts
}

/// U4: the share of a gap that an iteration closes.
fn rate(iteration: u32) -> f64 {
    0.84f64.powi((iteration / 20) as i32)
}

struct Maker<'a> {
    columns: Vec<Vec<u16>>,
    rows: usize,
    rng: &'a mut StreamRng,
}

/// Rows of each cell, by counting sort.
struct ByCell {
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl ByCell {
    fn new(index: &[u32], cells: usize) -> Self {
        let mut starts = vec![0usize; cells + 1];
        for cell in index {
            starts[*cell as usize + 1] += 1;
        }
        for cell in 0..cells {
            starts[cell + 1] += starts[cell];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; index.len()];
        for (row, cell) in index.iter().enumerate() {
            let place = &mut next[*cell as usize];
            rows[*place] = row as u32;
            *place += 1;
        }
        Self { starts, rows }
    }

    fn count(&self, cell: usize) -> usize {
        self.starts[cell + 1] - self.starts[cell]
    }

    fn rows(&self, cell: usize) -> &[u32] {
        &self.rows[self.starts[cell]..self.starts[cell + 1]]
    }

    fn rows_mut(&mut self, cell: usize) -> &mut [u32] {
        &mut self.rows[self.starts[cell]..self.starts[cell + 1]]
    }
}

/// The update of each cell in one step.
struct Moves {
    /// (cell, rows) that get their first rows.
    empty: Vec<(usize, usize)>,
    /// (cell, rows) that get more.
    under: Vec<(usize, usize)>,
    /// (cell, rows) that give.
    over: Vec<(usize, usize)>,
}

impl Maker<'_> {
    /// First rows: marginals with the key column, then those that add most to what is placed, each by
    /// its conditional shares; or each column on its own.
    fn start(&mut self, goals: &[Goal], options: GumOptions) {
        let mut placed: Vec<usize> = Vec::new();
        loop {
            let news = |goal: &Goal| goal.shape.columns.iter().filter(|column| !placed.contains(column)).count();
            let rank = |goal: &Goal| {
                let shared = goal.shape.columns.len() - news(goal);
                let keyed = options.key.is_some_and(|key| goal.shape.columns.contains(&key));
                (shared > 0, keyed, shared, news(goal))
            };
            let open = goals.iter().enumerate().filter(|(_, goal)| news(goal) > 0);
            let Some((_, goal)) = open.max_by_key(|(index, goal)| (rank(goal), usize::MAX - index)) else { break };
            let (known, new): (Vec<usize>, Vec<usize>) =
                goal.shape.columns.iter().partition(|column| placed.contains(column));
            if options.singleton_start {
                for column in &new {
                    self.place(goal, &[], &[*column]);
                }
            } else {
                self.place(goal, &known, &new);
            }
            placed.extend(new);
        }
    }

    /// Fills the columns `new` given the columns `known` of a goal. Rows of a known cell get their
    /// values in random order, drawn for each call: two columns on one anchor stay unrelated.
    fn place(&mut self, goal: &Goal, known: &[usize], new: &[usize]) {
        let all: Vec<(usize, usize)> =
            goal.shape.columns.iter().copied().zip(goal.shape.sizes.iter().copied()).collect();
        let part = |wanted: &[usize]| {
            let (columns, sizes) = all.iter().filter(|(column, _)| wanted.contains(column)).copied().unzip();
            Shape { columns, sizes }
        };
        let (known, new) = (part(known), part(new));
        let (to_known, to_new) = (goal.shape.projection(&known), goal.shape.projection(&new));
        let mut conditional = vec![0.0; known.cells() * new.cells()];
        for ((share, a), b) in goal.shares.iter().zip(&to_known).zip(&to_new) {
            conditional[*a as usize * new.cells() + *b as usize] += share;
        }
        let overall = project(&goal.shares, &to_new, new.cells());
        let mut rows_of = ByCell::new(&known.index(&self.columns, self.rows), known.cells());
        for anchor in 0..known.cells() {
            if rows_of.count(anchor) == 0 {
                continue;
            }
            let own = &conditional[anchor * new.cells()..(anchor + 1) * new.cells()];
            let shares = if own.iter().any(|share| *share > 0.0) { own } else { &overall };
            let counts = allocate(shares, rows_of.count(anchor), self.rng);
            let rows = rows_of.rows_mut(anchor);
            rows.shuffle(self.rng);
            let mut next = rows.iter();
            for (cell, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                let values = new.unravel(cell);
                for row in next.by_ref().take(count) {
                    overwrite(&mut self.columns, &new.columns, &values, *row as usize);
                }
            }
        }
    }

    /// Updates every marginal once, the worst first.
    fn iterate(&mut self, goals: &[Goal], iteration: u32) {
        let mut order: Vec<(f64, usize)> =
            goals.iter().enumerate().map(|(index, goal)| (self.distance(goal), index)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (distance, index) in order {
            if distance * self.rows as f64 >= 1.0
                && let Some(goal) = goals.get(index)
            {
                self.update(goal, iteration);
            }
        }
    }

    /// L1 distance between a goal and the rows' own shares.
    fn distance(&self, goal: &Goal) -> f64 {
        if self.rows == 0 {
            return 0.0;
        }
        let mut shares = vec![0.0; goal.shape.cells()];
        for cell in goal.shape.index(&self.columns, self.rows) {
            shares[cell as usize] += 1.0 / self.rows as f64;
        }
        shares.iter().zip(&goal.shares).map(|(own, goal)| (own - goal).abs()).sum()
    }

    /// Moves rows from cells with too many to cells with too few (S5: half of them by duplicates of
    /// whole rows, half by new values of the marginal's columns; every second iteration duplicates only).
    fn update(&mut self, goal: &Goal, iteration: u32) {
        let mut rows_of = ByCell::new(&goal.shape.index(&self.columns, self.rows), goal.shape.cells());
        let moves = moves(goal, &rows_of, self.rows, rate(iteration));
        let mut pool: Vec<u32> = Vec::new();
        for (cell, count) in moves.over {
            let (victims, _) = rows_of.rows_mut(cell).partial_shuffle(self.rng, count);
            pool.extend_from_slice(victims);
        }
        pool.shuffle(self.rng);
        for (cell, count) in moves.empty {
            let values = goal.shape.unravel(cell);
            for row in take(&mut pool, count) {
                overwrite(&mut self.columns, &goal.shape.columns, &values, row as usize);
            }
        }
        for (cell, count) in moves.under {
            let values = goal.shape.unravel(cell);
            let replaced = if iteration.is_multiple_of(2) { count / 2 } else { 0 };
            for (number, row) in take(&mut pool, count).into_iter().enumerate() {
                if number < replaced {
                    overwrite(&mut self.columns, &goal.shape.columns, &values, row as usize);
                    continue;
                }
                let like = rows_of.rows(cell);
                let like = like[self.rng.random_range(0..like.len())] as usize;
                for column in &mut self.columns {
                    column[row as usize] = column[like];
                }
            }
        }
    }
}

/// The last rows of the pool, as many as there are.
fn take(pool: &mut Vec<u32>, count: usize) -> Vec<u32> {
    pool.split_off(pool.len().saturating_sub(count))
}

fn overwrite(columns: &mut [Vec<u16>], which: &[usize], values: &[u16], row: usize) {
    for (column, value) in which.iter().zip(values) {
        columns[*column][row] = *value;
    }
}

/// How many rows each cell gives and gets: up to a share `rate` of what it has, empty cells a share of
/// what they should have; what the others give is scaled to what is asked for.
fn moves(goal: &Goal, rows_of: &ByCell, rows: usize, rate: f64) -> Moves {
    let mut moves = Moves { empty: Vec::new(), under: Vec::new(), over: Vec::new() };
    let mut excess: Vec<(usize, f64, f64)> = Vec::new();
    for (cell, share) in goal.shares.iter().enumerate() {
        let (own, wanted) = (rows_of.count(cell) as f64, share * rows as f64);
        if own > wanted {
            excess.push((cell, own - wanted, own));
        } else if own == 0.0 {
            moves.empty.push((cell, (rate * wanted).round() as usize));
        } else {
            moves.under.push((cell, (wanted - own).min(rate * own).round() as usize));
        }
    }
    moves.empty.retain(|(_, count)| *count > 0);
    moves.under.retain(|(_, count)| *count > 0);
    let asked: usize = moves.empty.iter().chain(&moves.under).map(|(_, count)| count).sum();
    let given =
        |share: f64| excess.iter().map(move |(cell, over, own)| (*cell, over.min(share * own).round() as usize));
    let sum = |share: f64| given(share).map(|(_, count)| count).sum::<usize>();
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if sum(middle) < asked {
            low = middle;
        } else {
            high = middle;
        }
        if sum(high).abs_diff(asked) <= 1 {
            break;
        }
    }
    moves.over = given(high).filter(|(_, count)| *count > 0).collect();
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use syntrace_base::base::Seed;

    fn goal(columns: &[usize], groups: &[usize], shares: &[f64]) -> Goal {
        Goal { shape: Shape::over(columns, groups), shares: shares.to_vec() }
    }

    const OPTIONS: GumOptions = GumOptions { iterations: 60, singleton_start: false, key: Some(0) };

    #[test]
    fn allocation_sums_up_and_is_exact_in_expectation() {
        let weights = [0.5, 0.25, 0.2, 0.05, 0.0];
        let mut rng = Seed::root(4).rng();
        let mut sums = [0usize; 5];
        const DRAWS: usize = 4_000;
        for _ in 0..DRAWS {
            let counts = allocate(&weights, 7, &mut rng);
            assert_eq!(counts.iter().sum::<usize>(), 7);
            counts.iter().zip(&mut sums).for_each(|(count, sum)| *sum += count);
        }
        // A count differs from its expectation by less than 1, so its mean by at most 4 / sqrt(draws).
        for (sum, weight) in sums.iter().zip(weights) {
            assert!((*sum as f64 / DRAWS as f64 - 7.0 * weight).abs() < 4.0 / (DRAWS as f64).sqrt());
        }
        assert_eq!(allocate(&[0.0; 4], 8, &mut rng), [2; 4]);
    }

    /// A cycle of three pairs: no leaf, no exact start. The joint is known, so the goals agree.
    #[test]
    fn rows_reach_a_cycle_of_marginals_within_rounding() {
        let groups = [2, 3, 2];
        let joint = [10, 0, 5, 25, 0, 10, 0, 5, 30, 0, 10, 5].map(|count| f64::from(count) / 100.0);
        let all = goal(&[0, 1, 2], &groups, &joint);
        let pair = |columns: &[usize]| {
            let shape = Shape::over(columns, &groups);
            let shares = project(&all.shares, &all.shape.projection(&shape), shape.cells());
            Goal { shape, shares }
        };
        let goals = [pair(&[0, 1]), pair(&[1, 2]), pair(&[0, 2])];
        for singleton_start in [false, true] {
            let options = GumOptions { singleton_start, iterations: 200, ..OPTIONS };
            let rows = synthesise(&goals, &groups, 1_000, options, &mut Seed::root(8).rng());
            // Six cells a marginal, each within a few rows of 1,000.
            assert!(rows.error < 0.02, "{} {singleton_start}", rows.error);
        }
    }

    /// Facts section 9: with rows filled in index order two leaves of one anchor rise together.
    #[test]
    fn two_leaves_of_one_anchor_stay_unrelated() {
        let groups = [2, 4, 4];
        let uniform = [0.125; 8];
        let goals = [goal(&[0, 1], &groups, &uniform), goal(&[0, 2], &groups, &uniform)];
        let rows = synthesise(&goals, &groups, 4_000, OPTIONS, &mut Seed::root(2).rng());
        let mean = 1.5;
        let covariance: f64 = rows.columns[1]
            .iter()
            .zip(&rows.columns[2])
            .map(|(a, b)| (f64::from(*a) - mean) * (f64::from(*b) - mean))
            .sum::<f64>()
            / 4_000.0;
        let correlation = covariance / 1.25;
        // Four standard deviations of the correlation of 4,000 unrelated rows.
        assert!(correlation.abs() < 4.0 / 4_000f64.sqrt(), "{correlation}");
        assert!(rows.error < 1e-9, "leaves keep their marginals: {}", rows.error);
    }

    #[test]
    fn no_rows_and_empty_goals_are_no_trouble() {
        let groups = [2, 3];
        let empty = [goal(&[0, 1], &groups, &[0.0; 6])];
        let rows = synthesise(&empty, &groups, 0, OPTIONS, &mut Seed::root(1).rng());
        assert!(rows.columns.iter().all(Vec::is_empty));
        let rows = synthesise(&empty, &groups, 12, OPTIONS, &mut Seed::root(1).rng());
        assert_eq!(rows.columns[1].iter().filter(|group| **group == 2).count(), 4);
    }
}

//! The best cut of one feature over the rows of a node, by Gini impurity.

use super::columns::Column;

/// Below this many distinct values per row of the node, values are counted by rank; above, sorted.
/// Both see the same cuts in the same order: only the time differs.
const COUNTING_RANKS_PER_ROW: usize = 4;

/// A cut of one feature: ranks up to `rank` go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// Sum over both sides of (squared class weights) / weight: rises as Gini impurity falls.
    pub purity: f64,
    pub rank: u32,
    /// Next rank that occurs in the node.
    pub next_rank: u32,
}

/// State that all nodes of a tree share, and work buffers.
pub(super) struct Splitter<'a> {
    labels: &'a [u32],
    /// How often the bootstrap drew each row.
    weights: &'a [u32],
    classes: usize,
    least_leaf_rows: usize,
    /// Weights by rank and class; all zero between calls.
    counts: Vec<u32>,
    /// Rows by rank; all zero between calls.
    rows_by_rank: Vec<u32>,
    sorted: Vec<u64>,
    left: Vec<u64>,
}

/// Outcome of looking at one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Found {
    /// All rows of the node have one value.
    Constant,
    /// Values differ, but every cut leaves a side with too few rows.
    NoCut,
    Cut(Cut),
}

impl<'a> Splitter<'a> {
    pub fn new(labels: &'a [u32], weights: &'a [u32], classes: usize, least_leaf_rows: usize) -> Self {
        let (counts, rows_by_rank, sorted) = (Vec::new(), Vec::new(), Vec::new());
        Self { labels, weights, classes, least_leaf_rows, counts, rows_by_rank, sorted, left: vec![0; classes] }
    }

    /// Weight of each class among some rows.
    pub fn class_weights(&self, rows: &[u32]) -> Vec<u64> {
        let mut sums = vec![0u64; self.classes];
        for &row in rows {
            sums[self.labels[row as usize] as usize] += u64::from(self.weights[row as usize]);
        }
        sums
    }

    /// The cut with the highest purity; of equal ones the lowest.
    pub fn best(&mut self, column: &Column, rows: &[u32], classes: &[u64]) -> Found {
        if column.values.len() < 2 {
            return Found::Constant;
        }
        let (mut low, mut high) = (u32::MAX, 0);
        for &row in rows {
            let rank = column.ranks[row as usize];
            low = low.min(rank);
            high = high.max(rank);
        }
        if low >= high {
            return Found::Constant;
        }
        let span = (high - low) as usize + 1;
        if span <= rows.len().saturating_mul(COUNTING_RANKS_PER_ROW) {
            self.count(column, rows, low, span);
            self.scan_counts(low, span, rows.len(), classes)
        } else {
            self.sorted.clear();
            let key = |&row: &u32| (u64::from(column.ranks[row as usize]) << 32) | u64::from(row);
            self.sorted.extend(rows.iter().map(key));
            self.sorted.sort_unstable();
            self.scan_sorted(classes)
        }
    }

    fn count(&mut self, column: &Column, rows: &[u32], low: u32, span: usize) {
        if self.counts.len() < span * self.classes {
            self.counts.resize(span * self.classes, 0);
            self.rows_by_rank.resize(span, 0);
        }
        for &row in rows {
            let at = (column.ranks[row as usize] - low) as usize;
            self.rows_by_rank[at] += 1;
            self.counts[at * self.classes + self.labels[row as usize] as usize] += self.weights[row as usize];
        }
    }

    fn scan_counts(&mut self, low: u32, span: usize, rows: usize, classes: &[u64]) -> Found {
        let mut scan = Scan::new(classes, &mut self.left, rows, self.least_leaf_rows);
        for at in 0..span {
            if self.rows_by_rank[at] == 0 {
                continue;
            }
            scan.reach(low + at as u32);
            scan.rows += std::mem::take(&mut self.rows_by_rank[at]) as usize;
            for class in 0..self.classes {
                let weight = std::mem::take(&mut self.counts[at * self.classes + class]);
                scan.add(class, u64::from(weight));
            }
        }
        scan.found()
    }

    fn scan_sorted(&mut self, classes: &[u64]) -> Found {
        let mut scan = Scan::new(classes, &mut self.left, self.sorted.len(), self.least_leaf_rows);
        let mut before = None;
        for &key in &self.sorted {
            let (rank, row) = ((key >> 32) as u32, key as u32 as usize);
            if before != Some(rank) {
                scan.reach(rank);
                before = Some(rank);
            }
            scan.rows += 1;
            scan.add(self.labels[row] as usize, u64::from(self.weights[row]));
        }
        scan.found()
    }
}

/// Moves values from right to left in rising order. Weights are whole numbers, so the sums of squares
/// are exact and do not depend on the way here.
struct Scan<'a> {
    left: &'a mut [u64],
    right: Vec<u64>,
    left_weight: u64,
    right_weight: u64,
    left_squares: u64,
    right_squares: u64,
    /// Rows moved so far.
    rows: usize,
    all_rows: usize,
    least_leaf_rows: usize,
    last_rank: u32,
    best: Option<Cut>,
}

impl<'a> Scan<'a> {
    fn new(classes: &[u64], left: &'a mut [u64], all_rows: usize, least_leaf_rows: usize) -> Self {
        left.fill(0);
        Self {
            left,
            right: classes.to_vec(),
            left_weight: 0,
            right_weight: classes.iter().sum(),
            left_squares: 0,
            right_squares: classes.iter().map(|weight| weight * weight).sum(),
            rows: 0,
            all_rows,
            least_leaf_rows,
            last_rank: 0,
            best: None,
        }
    }

    /// Evaluates the split before a rank, then advances to that rank.
    fn reach(&mut self, rank: u32) {
        if self.rows >= self.least_leaf_rows.max(1) && self.all_rows - self.rows >= self.least_leaf_rows {
            let share = |squares: u64, weight: u64| squares as f64 / weight as f64;
            let purity = share(self.left_squares, self.left_weight) + share(self.right_squares, self.right_weight);
            if self.best.is_none_or(|best| purity > best.purity) {
                self.best = Some(Cut { purity, rank: self.last_rank, next_rank: rank });
            }
        }
        self.last_rank = rank;
    }

    fn add(&mut self, class: usize, weight: u64) {
        let (left, right) = (&mut self.left[class], &mut self.right[class]);
        self.left_squares += weight * (2 * *left + weight);
        self.right_squares -= weight * (2 * *right - weight);
        *left += weight;
        *right -= weight;
        self.left_weight += weight;
        self.right_weight -= weight;
    }

    fn found(&self) -> Found {
        self.best.map_or(Found::NoCut, Found::Cut)
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::columns;
    use super::{Found, Splitter};

    /// Every cut tried the slow way, from the definition of Gini impurity.
    fn slow_best(x: &[f32], labels: &[u32], weights: &[u32]) -> Option<(f64, f32)> {
        let mut values: Vec<f32> = x.to_vec();
        values.sort_unstable_by(f32::total_cmp);
        values.dedup();
        let side = |keep: &dyn Fn(f32) -> bool| {
            let mut sums = [0.0f64; 3];
            for ((value, label), weight) in x.iter().zip(labels).zip(weights) {
                if keep(*value) {
                    sums[*label as usize] += f64::from(*weight);
                }
            }
            let all: f64 = sums.iter().sum();
            sums.iter().map(|sum| sum * sum).sum::<f64>() / all
        };
        let mut best: Option<(f64, f32)> = None;
        for value in &values[..values.len() - 1] {
            let purity = side(&|x| x <= *value) + side(&|x| x > *value);
            if best.is_none_or(|(known, _)| purity > known) {
                best = Some((purity, *value));
            }
        }
        best
    }

    #[test]
    fn counting_and_sorting_find_the_cut_of_the_definition() {
        // Few values of many rows are counted; one row in seven of many values is sorted.
        for (distinct, step) in [(5u32, 1usize), (1000, 7)] {
            let x: Vec<f32> = (0..200u32).map(|row| ((row * 7919 + 13) % distinct) as f32).collect();
            let labels: Vec<u32> = (0..200u32).map(|row| (row * row + row / 3) % 3).collect();
            let weights: Vec<u32> = (0..200u32).map(|row| 1 + row % 4).collect();
            let column = columns(&x, 1).remove(0);
            let rows: Vec<u32> = (0..200).step_by(step).collect();
            let mut splitter = Splitter::new(&labels, &weights, 3, 1);
            let classes = splitter.class_weights(&rows);
            let pick = |all: &[u32]| rows.iter().map(|row| all[*row as usize]).collect::<Vec<u32>>();
            let part: Vec<f32> = rows.iter().map(|row| x[*row as usize]).collect();
            let slow = slow_best(&part, &pick(&labels), &pick(&weights)).unwrap();
            for _ in 0..2 {
                let Found::Cut(cut) = splitter.best(&column, &rows, &classes) else { panic!("expected a cut") };
                assert!((cut.purity - slow.0).abs() < 1e-9, "{} against {}", cut.purity, slow.0);
                assert_eq!(column.values[cut.rank as usize], slow.1);
            }
        }
    }

    #[test]
    fn constant_features_have_no_cut() {
        let column = columns(&[2.0, 2.0, 0.0, -0.0], 1).remove(0);
        let (labels, weights) = ([0, 1, 0, 1], [1; 4]);
        let mut splitter = Splitter::new(&labels, &weights, 2, 1);
        assert_eq!(splitter.best(&column, &[0, 1], &[1, 1]), Found::Constant);
        assert_eq!(splitter.best(&column, &[2, 3], &[1, 1]), Found::Constant);
        let mut wide = Splitter::new(&labels, &weights, 2, 3);
        assert_eq!(wide.best(&column, &[0, 1, 2, 3], &[2, 2]), Found::NoCut);
    }
}

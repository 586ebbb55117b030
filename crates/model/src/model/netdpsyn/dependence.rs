//! Which marginals: noisy dependence scores (InDif), the greedy choice (DenseMarg), cliques.
//!
//! The score of columns a and b is || T_ab - T_a T_b^T / N ||_1 over rows, summed over strata. With E that difference,
//! one more row in cell (i, j) changes it to E + N / (N + 1) (e_i - T_a / N) (e_j - T_b / N)^T, whose L1 norm is at
//! most 2 * 2: a score moves by at most 4 a row, so by 4 times the rows of a trace; m scores together have L2
//! sensitivity sqrt(m) of that. A row of weight w changes E by w N / (N + w) times the same product, so by at most 4
//! w. N is the table's own total and needs not to be known.

use super::schema::Records;
use super::table::Shape;

/// Dependence score of two columns, rows; strata apart. Linear in rows, whatever the number of cells.
pub fn dependence(records: &Records, (a, b): (usize, usize), cells: &[usize], strata: usize) -> f64 {
    let rows = records.strata.len();
    let pair = Shape::over(&[a, b], cells);
    let cells_of = records.strata.iter().copied().zip(pair.index(&records.columns, rows));
    let mut keys: Vec<((u16, u32), f64)> = cells_of.zip(records.weights.iter().copied()).collect();
    keys.sort_by_key(|(key, _)| *key);
    let sum = |rows: &[((u16, u32), f64)]| rows.iter().map(|(_, weight)| weight).sum::<f64>();
    let size = |column: usize| cells.get(column).copied().unwrap_or(1);
    let single = |column: usize| super::table::count(records, &Shape::over(&[column], cells), strata);
    let (first, second) = (single(a), single(b));
    let mut score = 0.0;
    for stratum in keys.chunk_by(|(x, _), (y, _)| x.0 == y.0) {
        let total = sum(stratum);
        let (mut differences, mut expected_there) = (0.0, 0.0);
        for cell in stratum.chunk_by(|(x, _), (y, _)| x.1 == y.1) {
            let Some(((stratum, index), _)) = cell.first() else { continue };
            let (stratum, index) = (usize::from(*stratum), *index as usize);
            let of_first = first.get(stratum * size(a) + index / size(b)).copied().unwrap_or(0.0);
            let of_second = second.get(stratum * size(b) + index % size(b)).copied().unwrap_or(0.0);
            let expected = of_first * of_second / total;
            differences += (sum(cell) - expected).abs();
            expected_there += expected;
        }
        // Cells without a row differ by what is expected there.
        score += differences + (total - expected_there).max(0.0);
    }
    score
}

/// A pair of columns that may be measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The columns, ascending.
    pub pair: (usize, usize),
    /// Cells of its marginal, all strata.
    pub cells: usize,
    /// Noisy dependence score, rows.
    pub score: f64,
}

/// Chooses pairs greedily: each turn takes the pair that most lowers the expected L1 error, which is
/// that of the noise, `noise (sum c^(2/3))^(3/2)`, plus the scores left out. Ends when no pair lowers
/// it, and after a turn that gains at most `threshold`. Returns positions among the candidates.
pub fn choose_pairs(candidates: &[Candidate], noise: f64, threshold: f64) -> Vec<usize> {
    let weight = |candidate: &Candidate| (candidate.cells as f64).powf(2.0 / 3.0);
    let noise_error = |weights: f64| noise * weights.powf(1.5);
    let mut chosen = Vec::new();
    let mut weights = 0.0;
    loop {
        let gain = |index: &usize| {
            candidates.get(*index).map_or(f64::NEG_INFINITY, |candidate| {
                candidate.score.max(0.0) - (noise_error(weights + weight(candidate)) - noise_error(weights))
            })
        };
        let open = (0..candidates.len()).filter(|index| !chosen.contains(index));
        let Some(best) = open.max_by(|a, b| gain(a).total_cmp(&gain(b)).then(b.cmp(a))) else { break };
        let gained = gain(&best);
        if gained <= 0.0 {
            break;
        }
        chosen.push(best);
        weights += candidates.get(best).map_or(0.0, weight);
        if gained <= threshold {
            break;
        }
    }
    chosen
}

/// Pairs that tie each column in no chosen pair to the column in one with which it has the highest
/// score, as the published code does.
pub fn connect(candidates: &[Candidate], chosen: &mut Vec<usize>, columns: usize) {
    let mut covered = vec![false; columns];
    let mark = |covered: &mut Vec<bool>, index: usize| {
        if let Some(Candidate { pair: (a, b), .. }) = candidates.get(index) {
            for column in [a, b] {
                if let Some(flag) = covered.get_mut(*column) {
                    *flag = true;
                }
            }
        }
    };
    for index in chosen.iter() {
        mark(&mut covered, *index);
    }
    let is = |covered: &[bool], column: usize| covered.get(column).copied().unwrap_or(true);
    while !chosen.is_empty() {
        let ties = (0..candidates.len())
            .filter(|index| candidates.get(*index).is_some_and(|c| is(&covered, c.pair.0) != is(&covered, c.pair.1)));
        let score = |index: &usize| candidates.get(*index).map_or(f64::NEG_INFINITY, |c| c.score);
        let Some(best) = ties.max_by(|a, b| score(a).total_cmp(&score(b)).then(b.cmp(a))) else { break };
        chosen.push(best);
        mark(&mut covered, best);
    }
}

/// Most cliques that are considered.
const CLIQUES_MAX: usize = 20_000;

/// Merges chosen pairs into cliques of three and more columns, from the largest: one is taken if it
/// shares at most two columns with those taken and has at most `cells_max` cells. Returns the sets of
/// columns to measure: cliques, then pairs that none covers.
pub fn merge_cliques(pairs: &[(usize, usize)], cells: &[usize], cells_max: usize) -> Vec<Vec<usize>> {
    let mut cliques = cliques(pairs, cells, cells_max);
    cliques.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    let mut used: Vec<usize> = Vec::new();
    let mut taken: Vec<Vec<usize>> = Vec::new();
    for clique in cliques {
        if clique.iter().filter(|column| used.contains(column)).count() <= 2 {
            used.extend(&clique);
            taken.push(clique);
        }
    }
    let left: Vec<Vec<usize>> = pairs
        .iter()
        .filter(|(a, b)| !taken.iter().any(|clique| clique.contains(a) && clique.contains(b)))
        .map(|(a, b)| vec![*a.min(b), *a.max(b)])
        .collect();
    taken.extend(left);
    taken
}

/// Cliques of three and more columns with at most `cells_max` cells, grown one column at a time.
fn cliques(pairs: &[(usize, usize)], cells: &[usize], cells_max: usize) -> Vec<Vec<usize>> {
    let joined = |a: usize, b: usize| pairs.contains(&(a, b)) || pairs.contains(&(b, a));
    let small = |clique: &[usize]| Shape::over(clique, cells).cells() <= cells_max;
    let mut level: Vec<Vec<usize>> = pairs.iter().map(|(a, b)| vec![*a.min(b), *a.max(b)]).collect();
    let mut found: Vec<Vec<usize>> = Vec::new();
    while !level.is_empty() && found.len() < CLIQUES_MAX {
        let mut next = Vec::new();
        for clique in &level {
            let last = clique.last().copied().unwrap_or(0);
            let more = (last + 1..cells.len()).filter(|column| clique.iter().all(|own| joined(*own, *column)));
            next.extend(more.map(|column| [clique.as_slice(), &[column]].concat()).filter(|clique| small(clique)));
        }
        next.truncate(CLIQUES_MAX - found.len());
        found.extend(next.iter().cloned());
        level = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the dense definition, two strata.
    #[test]
    fn sparse_score_equals_the_dense_one() {
        const TOLERANCE: f64 = 1e-9;
        let columns = vec![vec![0, 0, 1, 1, 2, 0, 2], vec![1, 1, 0, 3, 2, 0, 2]];
        let records = Records { strata: vec![0, 0, 0, 0, 1, 1, 1], weights: vec![1.0; 7], columns };
        let cells = [3, 4];
        let mut dense = 0.0;
        for stratum in 0..2u16 {
            let rows: Vec<usize> = (0..7).filter(|row| records.strata[*row] == stratum).collect();
            for a in 0..3u16 {
                for b in 0..4u16 {
                    let of = |test: &dyn Fn(usize) -> bool| rows.iter().filter(|row| test(**row)).count() as f64;
                    let first = of(&|row| records.columns[0][row] == a);
                    let second = of(&|row| records.columns[1][row] == b);
                    let both = of(&|row| records.columns[0][row] == a && records.columns[1][row] == b);
                    dense += (both - first * second / rows.len() as f64).abs();
                }
            }
        }
        assert!((dependence(&records, (0, 1), &cells, 2) - dense).abs() < TOLERANCE);
        let independent =
            Records { strata: vec![0; 4], weights: vec![1.0; 4], columns: vec![vec![0, 0, 1, 1], vec![0, 1, 0, 1]] };
        assert!(dependence(&independent, (0, 1), &[2, 2], 1).abs() < TOLERANCE);
    }

    #[test]
    fn greedy_choice_stops_where_noise_costs_more_than_dependence() {
        let candidate = |a, b, cells, score| Candidate { pair: (a, b), cells, score };
        let candidates = [candidate(0, 1, 8, 100.0), candidate(0, 2, 8, 90.0), candidate(1, 2, 1_000, 50.0)];
        assert_eq!(choose_pairs(&candidates, 1.0, 0.0), [0, 1]);
        assert_eq!(choose_pairs(&candidates, 1.0, 95.0), [0], "a turn that gains little is the last");
        assert!(choose_pairs(&candidates, 1e6, 0.0).is_empty(), "no pair pays for its noise");
        assert_eq!(choose_pairs(&candidates, 0.0, 0.0), [0, 1, 2], "without noise all dependence counts");
        let mut tied = vec![0];
        connect(&candidates, &mut tied, 3);
        assert_eq!(tied, [0, 1]);
    }

    #[test]
    fn triangles_merge_within_the_limit_of_cells() {
        let pairs = [(0, 1), (1, 2), (0, 2), (2, 3)];
        let cells = [2, 3, 4, 5];
        assert_eq!(merge_cliques(&pairs, &cells, 24), [vec![0, 1, 2], vec![2, 3]]);
        assert_eq!(merge_cliques(&pairs, &cells, 23), [vec![0, 1], vec![1, 2], vec![0, 2], vec![2, 3]]);
    }
}

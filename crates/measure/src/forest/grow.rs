//! Growing one tree, depth first, left child first (CART as in scikit-learn's `BestSplitter`).

use super::columns::Column;
use super::options::ForestOptions;
use super::split::{Cut, Found, Splitter};
use super::tree::{LEAF, Node, Tree};
use rand::Rng;
use syntrace_base::base::{Seed, StreamRng};

/// The data that all trees of a forest grow on.
pub(super) struct Ground<'a> {
    pub columns: &'a [Column],
    pub labels: &'a [u32],
    pub classes: usize,
    pub options: &'a ForestOptions,
}

/// A node that waits for its split.
struct Pending {
    /// Its rows: a range of the tree's row list.
    start: usize,
    end: usize,
    depth: u32,
    /// Node whose child it is, and on which side.
    parent: Option<(usize, bool)>,
}

/// Grows the tree of one sub-seed.
pub(super) fn grow(ground: &Ground<'_>, seed: Seed) -> Tree {
    let mut rng = seed.rng();
    let weights = weights(ground, &mut rng);
    let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let mut rows: Vec<u32> = (0..weights.len() as u32).filter(|row| weights[*row as usize] > 0).collect();
    let mut features: Vec<u32> = (0..ground.columns.len() as u32).collect();
    let mut splitter = Splitter::new(ground.labels, &weights, ground.classes, ground.options.least_leaf_rows);
    let mut tree = Tree::default();
    let mut stack = vec![Pending { start: 0, end: rows.len(), depth: 0, parent: None }];
    while let Some(node) = stack.pop() {
        let index = tree.nodes.len();
        if let Some((parent, left)) = node.parent {
            let child = if left { &mut tree.nodes[parent].left } else { &mut tree.nodes[parent].right };
            *child = index as u32;
        }
        tree.depth = tree.depth.max(node.depth);
        let inside = &mut rows[node.start..node.end];
        let classes = splitter.class_weights(inside);
        let best = may_split(ground, &node, &classes)
            .then(|| best_split(ground, &mut splitter, inside, &classes, &mut features, &mut rng))
            .flatten();
        let Some((feature, cut)) = best else {
            push_leaf(&mut tree, &classes);
            continue;
        };
        let column = &ground.columns[feature as usize];
        let middle = node.start + partition(inside, |row| column.ranks[row as usize] <= cut.rank);
        tree.gains.push((feature, gain(&classes, cut) / all as f64));
        tree.nodes.push(Node { feature, threshold: threshold(column, cut), left: 0, right: 0 });
        let depth = node.depth + 1;
        stack.push(Pending { start: middle, end: node.end, depth, parent: Some((index, false)) });
        stack.push(Pending { start: node.start, end: middle, depth, parent: Some((index, true)) });
    }
    tree
}

/// How often each row counts: a bootstrap draws as many rows as there are, with replacement.
fn weights(ground: &Ground<'_>, rng: &mut StreamRng) -> Vec<u32> {
    let rows = ground.labels.len();
    if !ground.options.bootstrap {
        return vec![1; rows];
    }
    let mut weights = vec![0u32; rows];
    for _ in 0..rows {
        weights[below(rows, rng)] += 1;
    }
    weights
}

/// Uniform number below `bound` (multiply-shift; the bias is below bound / 2^64).
fn below(bound: usize, rng: &mut StreamRng) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

fn may_split(ground: &Ground<'_>, node: &Pending, classes: &[u64]) -> bool {
    let options = ground.options;
    let pure = classes.iter().filter(|weight| **weight > 0).count() < 2;
    let deep = options.depth_max.is_some_and(|most| node.depth >= most);
    let rows = node.end - node.start;
    !pure && !deep && rows >= options.least_split_rows.max(2) && rows >= 2 * options.least_leaf_rows.max(1)
}

/// Draws features without replacement until enough are seen and one of them varies. A constant one
/// counts as seen, as in scikit-learn.
fn best_split(
    ground: &Ground<'_>,
    splitter: &mut Splitter<'_>,
    rows: &[u32],
    classes: &[u64],
    features: &mut [u32],
    rng: &mut StreamRng,
) -> Option<(u32, Cut)> {
    let wanted = ground.options.features.of(features.len());
    let mut best: Option<(u32, Cut)> = None;
    let mut varying = 0;
    for seen in 0..features.len() {
        if seen >= wanted && varying > 0 {
            break;
        }
        features.swap(seen, seen + below(features.len() - seen, rng));
        let feature = features[seen];
        let found = splitter.best(&ground.columns[feature as usize], rows, classes);
        varying += usize::from(found != Found::Constant);
        if let Found::Cut(cut) = found
            && best.is_none_or(|(_, known)| cut.purity > known.purity)
        {
            best = Some((feature, cut));
        }
    }
    best
}

/// Decrease of weighted Gini impurity: weight * (1 - squares / weight^2) is weight - squares / weight.
fn gain(classes: &[u64], cut: Cut) -> f64 {
    let weight: u64 = classes.iter().sum();
    let squares: u64 = classes.iter().map(|class| class * class).sum();
    (cut.purity - squares as f64 / weight as f64).max(0.0)
}

/// Halfway between the neighbours, or the lower one where rounding would reach the upper.
fn threshold(column: &Column, cut: Cut) -> f32 {
    let (low, high) = (column.values[cut.rank as usize], column.values[cut.next_rank as usize]);
    let middle = low.midpoint(high);
    if middle < high { middle } else { low }
}

/// Moves the rows for which `left` holds to the front, each side in its old order; gives their number.
fn partition(rows: &mut [u32], left: impl Fn(u32) -> bool) -> usize {
    let mut right = Vec::with_capacity(rows.len());
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        if left(row) {
            rows[kept] = row;
            kept += 1;
        } else {
            right.push(row);
        }
    }
    rows[kept..].copy_from_slice(&right);
    kept
}

fn push_leaf(tree: &mut Tree, classes: &[u64]) {
    let weight: u64 = classes.iter().sum::<u64>().max(1);
    let number = tree.shares.len() / classes.len();
    tree.shares.extend(classes.iter().map(|class| (*class as f64 / weight as f64) as f32));
    tree.nodes.push(Node { feature: LEAF, threshold: 0.0, left: number as u32, right: 0 });
}

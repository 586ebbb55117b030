//! A forest: fitting, probabilities, importances.

use super::columns::columns;
use super::grow::{Ground, grow};
use super::options::ForestOptions;
use super::tree::Tree;
use syntrace_base::base::{Seed, map_ordered};
use syntrace_base::error::{Error, Result};

/// Rows that one thread predicts at a time.
const CHUNK_ROWS: usize = 256;

/// A random forest for classification. It differs from scikit-learn's in one thing: any two different
/// values may be cut apart, where scikit-learn takes values within 1e-7 for equal whatever their scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    trees: Vec<Tree>,
    width: usize,
    classes: usize,
    importances: Vec<f64>,
}

impl Forest {
    /// Grows a forest on `x` (rows x `width`, row-major) with one label below `classes` per row.
    ///
    /// # Errors
    /// Where shapes do not match, a value is not finite, a label is not below `classes`, or the options
    /// ask for no tree.
    pub fn fit(
        x: &[f32],
        width: usize,
        labels: &[usize],
        classes: usize,
        options: &ForestOptions,
        seed: Seed,
    ) -> Result<Self> {
        check_matrix(x, width)?;
        check_labels(x.len() / width, labels, classes)?;
        if options.trees == 0 {
            return Err(Error::user("a forest needs at least one tree, found `trees = 0`"));
        }
        let columns = columns(x, width);
        let labels: Vec<u32> = labels.iter().map(|label| *label as u32).collect();
        let ground = Ground { columns: &columns, labels: &labels, classes, options };
        let numbers: Vec<u64> = (0..options.trees as u64).collect();
        let trees = map_ordered(&numbers, |&number| grow(&ground, seed.named("tree").numbered(number)));
        let importances = importances(&trees, width);
        Ok(Self { trees, width, classes, importances })
    }

    /// Class probabilities of some rows (rows x classes, row-major): the mean over the trees of the
    /// class shares in the leaf that a row falls into.
    ///
    /// # Errors
    /// Where the rows have another width than those of the fit, or a value is not finite.
    pub fn predict_proba(&self, x: &[f32]) -> Result<Vec<f64>> {
        if x.is_empty() {
            return Ok(Vec::new());
        }
        check_matrix(x, self.width)?;
        let chunks: Vec<&[f32]> = x.chunks(self.width * CHUNK_ROWS).collect();
        Ok(map_ordered(&chunks, |chunk| self.chunk(chunk)).concat())
    }

    fn chunk(&self, x: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0f64; x.len() / self.width * self.classes];
        for tree in &self.trees {
            for (row, sums) in x.chunks_exact(self.width).zip(sums.chunks_exact_mut(self.classes)) {
                let shares = tree.shares_of(row, self.classes);
                sums.iter_mut().zip(shares).for_each(|(sum, share)| *sum += f64::from(*share));
            }
        }
        sums.iter_mut().for_each(|sum| *sum /= self.trees.len() as f64);
        sums
    }

    /// The most probable class of each row; of equal ones the first.
    ///
    /// # Errors
    /// As [`Forest::predict_proba`].
    pub fn predict(&self, x: &[f32]) -> Result<Vec<usize>> {
        let best = |shares: &[f64]| {
            let pick =
                |best: (usize, f64), next: (usize, &f64)| if *next.1 > best.1 { (next.0, *next.1) } else { best };
            shares.iter().enumerate().fold((0, f64::NEG_INFINITY), pick).0
        };
        Ok(self.predict_proba(x)?.chunks_exact(self.classes).map(best).collect())
    }

    /// Importance of each feature: its share of the decrease in Gini impurity, averaged over the trees
    /// that split at all; sums to 1, or is 0 everywhere where no tree splits.
    pub fn importances(&self) -> &[f64] {
        &self.importances
    }

    /// Mean number of edges from a root to its deepest leaf.
    pub fn mean_depth(&self) -> f64 {
        self.trees.iter().map(|tree| f64::from(tree.depth)).sum::<f64>() / self.trees.len() as f64
    }
}

fn importances(trees: &[Tree], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for tree in trees {
        let all: f64 = tree.gains.iter().map(|(_, gain)| gain).sum();
        if all > 0.0 {
            tree.gains.iter().for_each(|&(feature, gain)| sums[feature as usize] += gain / all);
        }
    }
    let all: f64 = sums.iter().sum();
    if all > 0.0 {
        sums.iter_mut().for_each(|sum| *sum /= all);
    }
    sums
}

fn check_matrix(x: &[f32], width: usize) -> Result<()> {
    if width == 0 || x.is_empty() || !x.len().is_multiple_of(width) {
        return Err(Error::internal(format!(
            "forest: expected at least one row of at least one feature, found `{}` values for rows of `{width}`",
            x.len()
        )));
    }
    match x.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::user(format!(
            "forest: expected finite numbers, found `{}` in row `{}`, feature `{}` (from 0)",
            x.get(at).copied().unwrap_or(f32::NAN),
            at / width,
            at % width
        ))),
    }
}

fn check_labels(rows: usize, labels: &[usize], classes: usize) -> Result<()> {
    if labels.len() != rows || u32::try_from(rows).is_err() {
        return Err(Error::internal(format!(
            "forest: expected one label for each of `{rows}` rows (below 2^32), found `{}`",
            labels.len()
        )));
    }
    match labels.iter().find(|label| **label >= classes) {
        None => Ok(()),
        Some(label) => Err(Error::internal(format!("forest: expected labels below `{classes}`, found `{label}`"))),
    }
}

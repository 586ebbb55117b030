//! A random forest on attributes: no scaling, no learning rate, no libtorch.

use super::learner::{Attack, AttackTerms, FittedAttack, TrainingSet};
use super::options::{canonical, in_range, overlay};
use super::table::AttributeTable;
use syntrace_base::error::Result;
use syntrace_measure::forest::{Forest, ForestOptions};

/// Score = probability of membership, averaged over the trees; guessed from one half up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomForest {
    options: ForestOptions,
}

impl RandomForest {
    /// scikit-learn's defaults overlaid by what is written.
    pub fn new(written: &serde_json::Map<String, serde_json::Value>) -> Result<Self> {
        let options: ForestOptions = overlay(&ForestOptions::standard(), written)?;
        in_range("trees", options.trees as f64, "at least 1", options.trees > 0)?;
        Ok(Self { options })
    }
}

impl AttackTerms for RandomForest {
    fn kind(&self) -> &'static str {
        "random_forest"
    }

    fn options(&self) -> String {
        canonical(self.kind(), &self.options)
    }
}

impl Attack for RandomForest {
    fn fit(&self, training_set: &TrainingSet<'_>) -> Result<Box<dyn FittedAttack>> {
        let labels: Vec<usize> = training_set.table.labels(training_set.rows).into_iter().map(usize::from).collect();
        let x = values(training_set.table, training_set.rows);
        Ok(Box::new(Fitted(Forest::fit(
            &x,
            training_set.table.width,
            &labels,
            2,
            &self.options,
            training_set.seed.named("forest"),
        )?)))
    }
}

struct Fitted(Forest);

impl FittedAttack for Fitted {
    fn score(&self, table: &AttributeTable, rows: &[usize]) -> Result<Vec<f32>> {
        let shares = self.0.predict_proba(&values(table, rows))?;
        Ok(shares.chunks_exact(2).filter_map(|row| row.last()).map(|share| *share as f32).collect())
    }

    fn threshold(&self) -> f32 {
        0.5
    }
}

fn values(table: &AttributeTable, rows: &[usize]) -> Vec<f32> {
    rows.iter().filter_map(|&row| table.row(row)).flatten().copied().collect()
}

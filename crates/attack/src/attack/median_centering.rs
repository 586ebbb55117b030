//! Scores that are identifiable only up to an additive constant per model: each model's median is subtracted.
//!
//! An attack is trained on shadows and evaluated on another model, so scores with a model-specific constant
//! ([`WithoutZero`]) are not comparable across models. What is subtracted is the median of the model's scores
//! over its own split, members and held-out traces alike: an attacker who has the candidates can do that without
//! labels. A model's attributes on traces outside its split are shifted by the same constant.

use super::table::AttributeTable;
use std::collections::BTreeMap;
use syntrace_base::base::ModelId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::WithoutZero;
use syntrace_measure::eval::median;

/// Median scores of each model over its own split.
pub(super) struct ModelMedians {
    of_model: BTreeMap<ModelId, (f64, Vec<f64>)>,
    without: WithoutZero,
}

impl ModelMedians {
    /// Of the models of some tables, each of which has all its rows in one of them.
    pub fn of(own: &[&AttributeTable], without: WithoutZero) -> Self {
        let mut of_model = BTreeMap::new();
        for table in own {
            let mut rows: BTreeMap<ModelId, Vec<usize>> = BTreeMap::new();
            table.models.iter().enumerate().for_each(|(row, model)| rows.entry(*model).or_default().push(row));
            for (model, rows) in rows {
                let of = |numbers: Vec<f64>| median(numbers).unwrap_or(0.0);
                let loss = rows.iter().filter_map(|&row| table.loss.get(row).copied().map(f64::from));
                let cell = |row: usize, at: usize| table.row(row)?.get(at).copied().map(f64::from);
                let column = |at: usize| of(rows.iter().filter_map(|&row| cell(row, at)).collect());
                let values = if without.values { (0..table.width).map(column).collect() } else { Vec::new() };
                of_model.insert(model, (of(loss.collect()), values));
            }
        }
        Self { of_model, without }
    }

    /// A table with the per-model constants subtracted.
    ///
    /// # Errors
    /// Where a model has no rows of its own split.
    pub fn subtract_from(&self, table: &AttributeTable) -> Result<AttributeTable> {
        let mut centred = table.clone();
        for row in 0..table.rows() {
            let Some(model) = table.models.get(row) else { continue };
            let Some((loss, values)) = self.of_model.get(model) else {
                return Err(Error::user(format!(
                    "model `{model}` has reference attributes but none for its own split"
                ))
                .hint("record the attributes of all models of the group"));
            };
            if self.without.loss
                && let Some(cell) = centred.loss.get_mut(row)
            {
                *cell = (f64::from(*cell) - loss) as f32;
            }
            let cells = centred.values.iter_mut().skip(row * table.width).take(table.width);
            cells.zip(values).for_each(|(cell, middle)| *cell = (f64::from(*cell) - middle) as f32);
        }
        Ok(centred)
    }
}

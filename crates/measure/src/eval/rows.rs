//! Rows of the `fidelity` table while one pair of populations is compared.

use super::distribution::Comparison;
use super::measure::{Aspect, FidelityRow, Metric, PopulationName};
use std::borrow::Cow;

/// Rows of one pair of sides, as they come.
pub(super) struct Rows {
    reference: PopulationName,
    compared: PopulationName,
    pub rows: Vec<FidelityRow>,
}

impl Rows {
    pub fn new(reference: PopulationName, compared: PopulationName) -> Self {
        Self { reference, compared, rows: Vec::new() }
    }

    /// One measure with the numbers of values on both sides: (reference, compared).
    pub fn push(
        &mut self,
        (aspect, field, position): (Aspect, impl Into<Cow<'static, str>>, Option<u32>),
        metric: Metric,
        value: Option<f64>,
        (n_real, n_compared): (u64, u64),
    ) {
        self.rows.push(FidelityRow {
            compared: self.compared,
            reference: self.reference,
            aspect,
            field: field.into(),
            position,
            metric,
            value,
            n_real,
            n_compared,
            absent: None,
            interval: None,
        });
    }

    /// Adds the measures of a comparison whose metrics are listed in `stored`.
    pub fn comparison(
        &mut self,
        aspect: Aspect,
        field: impl Into<Cow<'static, str>>,
        position: Option<u32>,
        found: &Comparison,
        stored: &[Metric],
    ) {
        let field = field.into();
        for (metric, value) in found.measures.iter().filter(|(metric, _)| stored.contains(metric)) {
            self.push((aspect, field.clone(), position), *metric, *value, (found.n_real, found.n_compared));
            if let Some(row) = self.rows.last_mut() {
                row.absent = Some(found.absent);
            }
        }
    }
}

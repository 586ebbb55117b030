//! Means over positions and fields, as in paper section 4.1: "we compute the similarity for each field,
//! for each packet, then average across all discrete and continuous values".

use super::header::FIELDS;
use super::measure::{Aspect, FidelityRow, Metric, PopulationName};

/// The mean of one field over its positions.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldMean {
    /// Header field.
    pub field: &'static str,
    /// Mean over the positions that have a value; `None` where none has.
    pub value: Option<f64>,
    /// Positions that have a value.
    pub positions: u64,
}

/// Mean per field (Figures 3 and 5), in the order of [`FIELDS`], of the fields that have the measure.
pub fn mean_by_field(rows: &[FidelityRow], compared: PopulationName, metric: Metric) -> Vec<FieldMean> {
    let of_field = |field: &'static str| {
        let rows = header_rows(rows, compared, metric).filter(move |row| row.field == field);
        rows.clone().next()?;
        let values: Vec<f64> = rows.filter_map(|row| row.value).collect();
        Some(FieldMean { field, value: mean(&values), positions: values.len() as u64 })
    };
    FIELDS.iter().filter_map(|&(field, _)| of_field(field)).collect()
}

/// Mean over all fields and positions that have the measure (appendix Table 2); `None` where none has.
pub fn mean_over_fields(rows: &[FidelityRow], compared: PopulationName, metric: Metric) -> Option<f64> {
    let values: Vec<f64> = header_rows(rows, compared, metric).filter_map(|row| row.value).collect();
    mean(&values)
}

/// Rows of header fields against the members.
fn header_rows(
    rows: &[FidelityRow],
    compared: PopulationName,
    metric: Metric,
) -> impl Iterator<Item = &FidelityRow> + Clone {
    rows.iter().filter(move |row| {
        row.aspect == Aspect::Header
            && row.reference == PopulationName::Members
            && row.metric == metric
            && row.compared == compared
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

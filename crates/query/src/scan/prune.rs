//! Leaves out fragments that cannot hold a row of the answer, from facts alone.

use super::relation::{Fact, Fragment};
use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::scalar::ScalarValue;
use std::collections::HashSet;
use std::sync::Arc;

/// Fragments that may hold matching rows, and the part of the filter that still has to be evaluated
/// row by row (`None`: every remaining row matches).
pub(crate) struct Pruned {
    pub fragments: Vec<Fragment>,
    pub residual: Option<Arc<dyn PhysicalExpr>>,
}

/// Evaluates what facts decide. A conjunct over columns that are constant in every fragment is
/// enforced completely (partition pruning); of the others, min, max and NULL counts drop fragments
/// and the conjunct stays in the residual.
pub(crate) fn prune(
    mut fragments: Vec<Fragment>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Result<Pruned> {
    let Some(filter) = filter else { return Ok(Pruned { fragments, residual: None }) };
    let mut residual = Vec::new();
    for conjunct in split_conjunction(&filter) {
        match constant_mask(&fragments, conjunct, schema)? {
            Some(mask) => keep(&mut fragments, |index| mask.is_valid(index) && mask.value(index)),
            None => residual.push(Arc::clone(conjunct)),
        }
    }
    if residual.is_empty() {
        return Ok(Pruned { fragments, residual: None });
    }
    let residual = conjunction(residual);
    let in_list_max = 1_000;
    let predicate = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .with_max_in_list_size(in_list_max)
        .try_build(Arc::clone(&residual));
    // A predicate that says nothing about bounds is no error: all fragments stay.
    if let Ok(predicate) = predicate
        && !fragments.is_empty()
        && !predicate.always_true()
    {
        let mask = predicate.prune(&FragmentStatistics { fragments: &fragments, schema })?;
        keep(&mut fragments, |index| mask.get(index).copied().unwrap_or(true));
    }
    Ok(Pruned { fragments, residual: Some(residual) })
}

fn keep(fragments: &mut Vec<Fragment>, wanted: impl Fn(usize) -> bool) {
    let mut index = 0;
    fragments.retain(|_| {
        index += 1;
        wanted(index - 1)
    });
}

/// The truth of a conjunct per fragment, if all columns that it names are constant in all of them.
fn constant_mask(
    fragments: &[Fragment],
    conjunct: &Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
) -> Result<Option<BooleanArray>> {
    let mut columns: Vec<usize> = collect_columns(conjunct).iter().map(|column| column.index()).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for &column in &columns {
        let constants: Option<Vec<ScalarValue>> =
            fragments.iter().map(|fragment| fragment.facts.get(column).and_then(Fact::constant).cloned()).collect();
        match constants {
            Some(constants) if !constants.is_empty() => arrays.push(ScalarValue::iter_to_array(constants)?),
            _ => return Ok(None),
        }
    }
    let projected = Arc::new(schema.project(&columns)?);
    let options = RecordBatchOptions::new().with_row_count(Some(fragments.len()));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&projected), arrays, &options)?;
    let expression = reassign_expr_columns(Arc::clone(conjunct), &projected)?;
    let mask = expression.evaluate(&batch)?.into_array(fragments.len())?;
    Ok(Some(as_boolean_array(&mask)?.clone()))
}

/// Statistics in the form that DataFusion's pruning expects.
struct FragmentStatistics<'a> {
    fragments: &'a [Fragment],
    schema: &'a SchemaRef,
}

impl FragmentStatistics<'_> {
    fn collect(&self, column: &Column, value: impl Fn(&Fact) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let (index, field) = self.schema.column_with_name(&column.name)?;
        let null = ScalarValue::try_from(field.data_type()).ok()?;
        let values = self
            .fragments
            .iter()
            .map(|fragment| fragment.facts.get(index).and_then(&value).unwrap_or_else(|| null.clone()));
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for FragmentStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.collect(column, |fact| match fact {
            Fact::Constant(value) => Some(value.clone()),
            Fact::Range(range) => range.min.clone(),
            Fact::Unknown => None,
        })
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.collect(column, |fact| match fact {
            Fact::Constant(value) => Some(value.clone()),
            Fact::Range(range) => range.max.clone(),
            Fact::Unknown => None,
        })
    }

    fn num_containers(&self) -> usize {
        self.fragments.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (index, _) = self.schema.column_with_name(&column.name)?;
        let counts = self.fragments.iter().map(|fragment| match fragment.facts.get(index) {
            Some(Fact::Constant(value)) => Some(if value.is_null() { fragment.rows as u64 } else { 0 }),
            Some(Fact::Range(range)) => Some(range.null_count),
            _ => None,
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.fragments.iter().map(|fragment| Some(fragment.rows as u64)).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

//! Tables of segments: constants of the partition, then the stored columns.

use super::constant::{
    Constant, OF_ATTACK, OF_ATTACK_SCORES, OF_CLASS, OF_JOB, OF_MODEL, OF_SPLIT, PACKETS_OF_CLASS, PACKETS_OF_MODEL,
    Value,
};
use super::study::{Index, Study};
use crate::scan::relation::{Fact, Fragment, Range, Relation, ScanRequest, data_type};
use arrow::array::new_null_array;
use datafusion::scalar::ScalarValue;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_store::schema::{
    ATTACK_SCORES, ATTRIBUTES, Column, ColumnType, ENCODINGS, EPOCHS, FIDELITY, IMPORTANCES, LEAKS, MONITORS,
    ONE_RUN_AUDITS, PACKETS, PRIVACY_LEDGER, REFERENCE_ATTRIBUTES, REPAIRS, ROC, SPLIT_TRACES, SYNTHETIC_PACKETS,
    SYNTHETIC_TRACES, SegmentTable, TRACES, UTILITY, WHOLE_ATTRIBUTES,
};
use syntrace_store::{ColumnRecord, Scalar, SegmentRecord};

/// One columnar table of the store with the constants of its partitions.
struct Part {
    table: &'static SegmentTable,
    constants: &'static [Constant],
}

/// A SQL table over one or more columnar tables with the same columns.
struct SegmentRelation {
    study: Arc<Study>,
    parts: Vec<Part>,
    columns: Vec<Column>,
}

fn relation(study: &Arc<Study>, table: &'static SegmentTable, constants: &'static [Constant]) -> Arc<dyn Relation> {
    union(study, vec![Part { table, constants }])
}

/// Rows of all parts; their columns are those of the first.
fn union(study: &Arc<Study>, parts: Vec<Part>) -> Arc<dyn Relation> {
    let first = parts.first();
    let constants = first.into_iter().flat_map(|part| part.constants.iter().map(|constant| constant.column));
    let stored = first.into_iter().flat_map(|part| part.table.columns.iter().copied());
    let columns = constants.chain(stored).collect();
    Arc::new(SegmentRelation { study: Arc::clone(study), parts, columns })
}

impl Relation for SegmentRelation {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn scan(&self, request: &ScanRequest<'_>) -> Result<Vec<Fragment>> {
        // A query for one trace's bytes needs no names, which would be most of its cost.
        let unnamed = Index::default();
        let mut fragments = Vec::new();
        for part in &self.parts {
            let named = request.columns.iter().any(|column| *column < part.constants.len());
            let index = if named { self.study.index()? } else { &unnamed };
            for segment in self.study.segments(part.table)?.iter() {
                fragments.push(self.fragment(part, Arc::clone(segment), index, request)?);
            }
        }
        Ok(fragments)
    }
}

impl SegmentRelation {
    fn fragment(
        &self,
        part: &Part,
        segment: Arc<SegmentRecord>,
        index: &Index,
        request: &ScanRequest<'_>,
    ) -> Result<Fragment> {
        let constant_count = part.constants.len();
        let mut facts = vec![Fact::Unknown; self.columns.len()];
        for &column in request.columns {
            let Some(fact) = facts.get_mut(column) else { continue };
            *fact = match part.constants.get(column) {
                Some(constant) => Fact::Constant(self.constant(constant, &segment, index)?),
                None => stored_fact(part.table, &segment, column - constant_count),
            };
        }
        let rows = segment.rows as usize;
        let known = Arc::clone(&segment);
        let content = move |column: usize| {
            let record = known.columns.get(column.checked_sub(constant_count)?)?;
            Some((record.digest, record.encoding, known.rows, record.null_count))
        };
        let study = Arc::clone(&self.study);
        let table = part.table;
        let read = move |columns: &[usize]| {
            let stored: Vec<usize> = columns.iter().map(|column| column - constant_count).collect();
            read_stored(&study, table, &segment, rows, &stored)
        };
        Ok(Fragment { place: 0, rows, facts: Arc::new(facts), read: Arc::new(read), content: Arc::new(content) })
    }
}

impl SegmentRelation {
    fn constant(&self, constant: &Constant, segment: &SegmentRecord, index: &Index) -> Result<ScalarValue> {
        Ok(match constant.value {
            Value::Partition(value) => value(index, segment.partition),
            Value::Plan(model) => {
                let plan = self.study.plans()?.of_result(segment.job_id, model(index, segment.partition));
                ScalarValue::Utf8(plan)
            }
        })
    }
}

/// What a segment's record says of a stored column. A segment that is older than the column has NULL.
fn stored_fact(table: &SegmentTable, segment: &SegmentRecord, column: usize) -> Fact {
    let Some(declared) = table.columns.get(column) else { return Fact::Unknown };
    match segment.columns.get(column) {
        Some(record) => range(declared.kind, record),
        None => ScalarValue::try_from(&data_type(declared.kind)).map_or(Fact::Unknown, Fact::Constant),
    }
}

fn range(kind: ColumnType, record: &ColumnRecord) -> Fact {
    let bound = |scalar: &Option<Scalar>| scalar.as_ref().and_then(|scalar| typed(kind, scalar));
    let (min, max) = (bound(&record.min), bound(&record.max));
    Fact::Range(Box::new(Range { min, max, null_count: u64::from(record.null_count) }))
}

/// A stored bound as a value of the column's type; `None` where it does not fit (then nothing is
/// pruned by it).
fn typed(kind: ColumnType, scalar: &Scalar) -> Option<ScalarValue> {
    match (kind, scalar) {
        (ColumnType::I16, Scalar::Int(value)) => Some(ScalarValue::Int16(Some(i16::try_from(*value).ok()?))),
        (ColumnType::I32, Scalar::Int(value)) => Some(ScalarValue::Int32(Some(i32::try_from(*value).ok()?))),
        (ColumnType::I64, Scalar::Int(value)) => Some(ScalarValue::Int64(Some(*value))),
        (ColumnType::F32, Scalar::Float(value)) if f64::from(*value as f32) == *value => {
            Some(ScalarValue::Float32(Some(*value as f32)))
        }
        (ColumnType::F64, Scalar::Float(value)) => Some(ScalarValue::Float64(Some(*value))),
        (ColumnType::Text, Scalar::Text(value)) => Some(ScalarValue::Utf8(Some(value.clone()))),
        _ => None,
    }
}

fn read_stored(
    study: &Study,
    table: &SegmentTable,
    segment: &SegmentRecord,
    rows: usize,
    columns: &[usize],
) -> Result<Vec<arrow::array::ArrayRef>> {
    let present: Vec<usize> = columns.iter().copied().filter(|column| *column < segment.columns.len()).collect();
    let mut read = study.snapshot()?.read_columns(table, segment, &present)?.into_iter();
    let mut arrays = Vec::with_capacity(columns.len());
    for &column in columns {
        let declared = table.columns.get(column);
        let array = match declared {
            Some(declared) if column >= segment.columns.len() => Some(new_null_array(&data_type(declared.kind), rows)),
            _ => read.next(),
        };
        arrays.push(array.ok_or_else(|| {
            Error::internal(format!("segment {} of `{}` gave no column {column}", segment.segment_id, table.name))
        })?);
    }
    Ok(arrays)
}

pub(super) fn traces(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &TRACES, OF_CLASS)
}

/// Real and synthetic packets in one table.
pub(super) fn packets(study: &Arc<Study>) -> Arc<dyn Relation> {
    union(
        study,
        vec![
            Part { table: &PACKETS, constants: PACKETS_OF_CLASS },
            Part { table: &SYNTHETIC_PACKETS, constants: PACKETS_OF_MODEL },
        ],
    )
}

pub(super) fn encodings(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &ENCODINGS, OF_CLASS)
}

pub(super) fn splits(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &SPLIT_TRACES, OF_SPLIT)
}

pub(super) fn privacy_ledger(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &PRIVACY_LEDGER, OF_MODEL)
}

pub(super) fn epochs(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &EPOCHS, OF_MODEL)
}

pub(super) fn attributes(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &ATTRIBUTES, OF_MODEL)
}

pub(super) fn reference_attributes(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &REFERENCE_ATTRIBUTES, OF_MODEL)
}

pub(super) fn whole_attributes(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &WHOLE_ATTRIBUTES, OF_MODEL)
}

pub(super) fn attack_scores(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &ATTACK_SCORES, OF_ATTACK_SCORES)
}

pub(super) fn roc(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &ROC, OF_ATTACK)
}

pub(super) fn synthetic_traces(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &SYNTHETIC_TRACES, OF_MODEL)
}

pub(super) fn monitors(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &MONITORS, OF_MODEL)
}

pub(super) fn repairs(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &REPAIRS, OF_MODEL)
}

pub(super) fn fidelity(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &FIDELITY, OF_MODEL)
}

pub(super) fn utility(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &UTILITY, OF_JOB)
}

pub(super) fn importances(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &IMPORTANCES, OF_JOB)
}

pub(super) fn leaks(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &LEAKS, OF_MODEL)
}

pub(super) fn one_run_audits(study: &Arc<Study>) -> Arc<dyn Relation> {
    relation(study, &ONE_RUN_AUDITS, OF_MODEL)
}

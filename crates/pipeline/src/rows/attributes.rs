//! Rows of model attributes and of attack scores.

use super::{Columns, column, flags, optional, segment};
use arrow::array::*;
use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use std::sync::Arc;
use syntrace_base::base::{AttackId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{TraceAttribute, WholeAttribute};
use syntrace_store::NewSegment;
use syntrace_store::schema::{self, SegmentTable};

/// One row of `attributes`.
#[derive(Debug, Clone)]
pub(crate) struct AttributeRow {
    pub trace_id: TraceId,
    pub member: bool,
    pub kind: String,
    /// `None` if an imported file does not have it.
    pub loss: Option<f32>,
    pub values: Vec<f32>,
    /// The loss of an imported file where `loss` is rounded.
    pub loss_exact: Option<f64>,
    /// The attribute of an imported file where `values` are rounded.
    pub values_exact: Option<Vec<f64>>,
}

impl AttributeRow {
    /// The row of an attribute, whose values are single precision from the start.
    pub fn of(trace_id: TraceId, member: bool, attribute: TraceAttribute) -> Self {
        let TraceAttribute { kind, loss, values } = attribute;
        let (kind, loss) = (kind.to_owned(), Some(loss));
        Self { trace_id, member, kind, loss, values, loss_exact: None, values_exact: None }
    }
}

pub(crate) fn attributes_segment(partition: i64, rows: &[AttributeRow]) -> Result<NewSegment> {
    attribute_rows_segment(&schema::ATTRIBUTES, partition, rows)
}

pub(crate) fn references_segment(partition: i64, rows: &[AttributeRow]) -> Result<NewSegment> {
    attribute_rows_segment(&schema::REFERENCE_ATTRIBUTES, partition, rows)
}

fn attribute_rows_segment(table: &'static SegmentTable, partition: i64, rows: &[AttributeRow]) -> Result<NewSegment> {
    let field = Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float32, false));
    let mut lists = ListBuilder::new(Float32Builder::new()).with_field(field);
    let double = Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float64, false));
    let mut exact = ListBuilder::new(Float64Builder::new()).with_field(double);
    for row in rows {
        lists.values().append_slice(&row.values);
        lists.append(true);
        exact.values().append_slice(row.values_exact.as_deref().unwrap_or_default());
        exact.append(row.values_exact.is_some());
    }
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |row| row.trace_id.0)),
        ("member", flags!(rows, |row| row.member)),
        ("kind", column!(StringArray, rows, |row| row.kind.as_str())),
        ("loss", optional!(Float32Array, rows, |row| row.loss)),
        ("vector", Arc::new(lists.finish()) as ArrayRef),
        ("loss_exact", optional!(Float64Array, rows, |row| row.loss_exact)),
        ("vector_exact", Arc::new(exact.finish())),
    ];
    segment(table, partition, columns)
}

pub(crate) fn attribute_rows(columns: &Columns, kind: &str, out: &mut Vec<AttributeRow>) -> Result<()> {
    let trace_id = columns.typed::<Int64Array>("trace_id")?;
    let member = columns.typed::<BooleanArray>("member")?;
    let kinds = columns.typed::<StringArray>("kind")?;
    let loss = columns.typed::<Float32Array>("loss")?;
    let lists = columns.typed::<ListArray>("vector")?;
    let loss_exact = columns.typed::<Float64Array>("loss_exact")?;
    let exact = columns.typed::<ListArray>("vector_exact")?;
    for row in (0..trace_id.len()).filter(|row| kinds.value(*row) == kind) {
        let values = lists.value(row);
        let values = values
            .as_any()
            .downcast_ref::<Float32Array>()
            .ok_or_else(|| Error::internal("stored attribute values are not FLOAT"))?;
        let doubles = (!exact.is_null(row)).then(|| exact.value(row));
        let doubles = doubles.map(|doubles| match doubles.as_any().downcast_ref::<Float64Array>() {
            Some(doubles) => Ok(doubles.values().to_vec()),
            None => Err(Error::internal("exact stored attribute values are not DOUBLE")),
        });
        out.push(AttributeRow {
            trace_id: TraceId(trace_id.value(row)),
            member: member.value(row),
            kind: kind.to_owned(),
            loss: (!loss.is_null(row)).then(|| loss.value(row)),
            values: values.values().to_vec(),
            loss_exact: (!loss_exact.is_null(row)).then(|| loss_exact.value(row)),
            values_exact: doubles.transpose()?,
        });
    }
    Ok(())
}

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A number as a half float; beyond their range (65,504) the largest.
fn half(number: f32) -> Half {
    Half::from_f32(number.clamp(Half::MIN.to_f32(), Half::MAX.to_f32()))
}

/// Whole attributes of some traces: trace, member?, what is said of it.
pub(crate) type WholeRow = (TraceId, bool, WholeAttribute);

/// Whole attributes of a kind, a row a position.
pub(crate) fn whole_segment(partition: i64, kind: &str, traces: &[WholeRow]) -> Result<NewSegment> {
    let rows: Vec<(&WholeRow, usize, Vec<u8>)> = traces
        .iter()
        .flat_map(|row| {
            let bytes =
                |numbers: &Vec<f32>| numbers.iter().flat_map(|number| half(*number).to_le_bytes()).collect::<Vec<u8>>();
            row.2.rows.iter().enumerate().map(move |(position, numbers)| (row, position, bytes(numbers)))
        })
        .collect();
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |(row, ..)| row.0.0)),
        ("member", flags!(rows, |(row, ..)| row.1)),
        ("kind", column!(StringArray, rows, |_| kind)),
        ("position", column!(Int32Array, rows, |(_, position, _)| *position as i32)),
        ("loss", column!(Float32Array, rows, |(row, ..)| row.2.loss)),
        ("halves", column!(BinaryArray, rows, |(_, _, halves)| halves)),
    ];
    segment(&schema::WHOLE_ATTRIBUTES, partition, columns)
}

/// Whole attributes of a kind, those of a trace's positions one after the other as its values. The positions of a trace stand
/// together in a segment and in their order.
pub(crate) fn whole_rows(columns: &Columns, kind: &str, out: &mut Vec<AttributeRow>) -> Result<()> {
    let trace_id = columns.typed::<Int64Array>("trace_id")?;
    let member = columns.typed::<BooleanArray>("member")?;
    let kinds = columns.typed::<StringArray>("kind")?;
    let position = columns.typed::<Int32Array>("position")?;
    let loss = columns.typed::<Float32Array>("loss")?;
    let halves = columns.typed::<BinaryArray>("halves")?;
    for row in (0..trace_id.len()).filter(|row| kinds.value(*row) == kind) {
        if position.value(row) == 0 {
            let attribute = TraceAttribute { kind: "", loss: loss.value(row), values: Vec::new() };
            let of = AttributeRow::of(TraceId(trace_id.value(row)), member.value(row), attribute);
            out.push(AttributeRow { kind: kind.to_owned(), ..of });
        }
        let own = out.last_mut().filter(|own| own.trace_id.0 == trace_id.value(row));
        let own = own.ok_or_else(|| Error::internal("positions of a whole attribute without their first"))?;
        let (pairs, _) = halves.value(row).as_chunks::<2>();
        own.values.extend(pairs.iter().map(|pair| Half::from_le_bytes(*pair).to_f32()));
    }
    Ok(())
}

/// What one attribute row is, without its values.
pub(crate) struct AttributeFacts {
    pub kind: String,
    pub width: usize,
    pub has_loss: bool,
    pub member: bool,
}

/// Facts of all rows of `attributes`.
pub(crate) fn attribute_facts(columns: &Columns) -> Result<Vec<AttributeFacts>> {
    let member = columns.typed::<BooleanArray>("member")?;
    let kinds = columns.typed::<StringArray>("kind")?;
    let loss = columns.typed::<Float32Array>("loss")?;
    let lists = columns.typed::<ListArray>("vector")?;
    let facts = |row: usize| AttributeFacts {
        kind: kinds.value(row).to_owned(),
        width: lists.value_length(row) as usize,
        has_loss: !loss.is_null(row),
        member: member.value(row),
    };
    Ok((0..kinds.len()).map(facts).collect())
}

/// Scores of one side of an attack.
pub(crate) fn scores_segment(attack: AttackId, rows: &[(TraceId, i64, bool, f32)]) -> Result<NewSegment> {
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |row| row.0.0)),
        ("model_id", column!(Int64Array, rows, |row| row.1)),
        ("member", flags!(rows, |row| row.2)),
        ("score", column!(Float32Array, rows, |row| row.3)),
    ];
    segment(&schema::ATTACK_SCORES, attack.0, columns)
}

/// ROC corners (threshold, fpr, tpr) of one side of an attack.
pub(crate) fn roc_segment(attack: AttackId, rows: &[(f64, f64, f64)]) -> Result<NewSegment> {
    let columns = vec![
        ("threshold", column!(Float64Array, rows, |row| row.0)),
        ("fpr", column!(Float64Array, rows, |row| row.1)),
        ("tpr", column!(Float64Array, rows, |row| row.2)),
    ];
    segment(&schema::ROC, attack.0, columns)
}

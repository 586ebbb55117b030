//! Encodes rows for the wire protocol.

use crate::catalog::types::marked;
use crate::error::refused;
use crate::rewrite::shown_name;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Schema};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow_pg::datatypes::field_into_pg_type;
use arrow_pg::encoder::encode_value;
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;
use pgwire::types::format::float_digits::ExtraFloatDigits;
use std::sync::Arc;
use syntrace_query::not_finite;

/// The type as which an Arrow type is sent, and PostgreSQL's for it. `None`: PostgreSQL has none for it
/// (lists of lists, structs, maps), so it is sent as JSON.
pub(super) fn wire_type(field: &Field) -> Option<(DataType, Type)> {
    let sent = sendable(field.data_type())?;
    let kind = field_into_pg_type(&Arc::new(field.clone().with_data_type(sent.clone()))).ok()?;
    Some((sent, kind))
}

/// The type to which values are converted so that the encoder sends them without loss.
fn sendable(kind: &DataType) -> Option<DataType> {
    let list = |item: &FieldRef| {
        let sent = sendable(item.data_type()).filter(|_| !item.data_type().is_nested())?;
        Some(DataType::List(Arc::new(item.as_ref().clone().with_data_type(sent))))
    };
    match kind {
        // PostgreSQL's NULL without a type is text.
        DataType::Null => Some(DataType::Utf8),
        DataType::Float16 => Some(DataType::Float32),
        DataType::FixedSizeBinary(_) => Some(DataType::Binary),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            Some(DataType::Decimal128(*precision, *scale))
        }
        DataType::Decimal256(..) => Some(DataType::Utf8),
        DataType::Dictionary(_, value) => sendable(value),
        DataType::RunEndEncoded(_, values) => sendable(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => list(item),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => None,
        other => Some(other.clone()),
    }
}

/// Lists of OIDs by the name of their column, since lists lose what marks their items as OIDs: asyncpg asks for types in a query
/// whose own types it must know.
const OID_LISTS: &[&str] = &["attrtypoids"];

/// The columns of an answer. A client that gives formats gives one for each column.
pub(super) fn fields(
    schema: &Schema,
    format: &Format,
    options: Option<Arc<FormatOptions>>,
) -> PgWireResult<Vec<FieldInfo>> {
    if let Format::Individual(formats) = format
        && formats.len() != schema.fields().len()
    {
        let message = format!("expected {} result formats, found {}", schema.fields().len(), formats.len());
        return Err(refused("08P01", &message, None));
    }
    let field = |(at, field): (usize, &FieldRef)| {
        let kind = match wire_type(field) {
            Some((_, Type::INT4_ARRAY)) if OID_LISTS.contains(&field.name().as_str()) => Type::OID_ARRAY,
            Some((_, kind)) => kind,
            None => Type::JSON,
        };
        let made = FieldInfo::new(shown_name(field.name()).to_owned(), None, None, kind, format.format_for(at));
        match &options {
            Some(options) => made.with_format_options(Arc::clone(options)),
            None => made,
        }
    };
    Ok(schema.fields().iter().enumerate().map(field).collect())
}

/// The rows of a batch.
pub(super) fn rows(batch: &RecordBatch, fields: &Arc<Vec<FieldInfo>>) -> PgWireResult<Vec<PgWireResult<DataRow>>> {
    let failed = |error: ArrowError| refused("XX000", &format!("cannot send the answer: {error}"), None);
    let mut columns = Vec::with_capacity(batch.num_columns());
    for ((field, array), info) in batch.schema_ref().fields().iter().zip(batch.columns()).zip(fields.iter()) {
        columns.push(match wire_type(field) {
            None => (Field::new(field.name(), DataType::Utf8, true), json(field, array).map_err(failed)?),
            Some((kind, _)) => {
                // Only the plan's schema, not that of its result, tells which integers are OIDs.
                let plain = Field::new(field.name(), kind.clone(), true);
                let sent =
                    if kind == *field.data_type() { Arc::clone(array) } else { cast(array, &kind).map_err(failed)? };
                (marked(plain, info.datatype()), sent)
            }
        });
    }
    let mut encoder = DataRowEncoder::new(Arc::clone(fields));
    let mut row = |row: usize| {
        for ((arrow, column), field) in columns.iter().zip(fields.iter()) {
            value(&mut encoder, column, row, arrow, field)?;
        }
        Ok(encoder.take_row())
    };
    let mut rows = Vec::with_capacity(batch.num_rows());
    for at in 0..batch.num_rows() {
        let made = row(at);
        let is_last = made.is_err();
        rows.push(made);
        // The encoder stands in the middle of a row then.
        if is_last {
            break;
        }
    }
    Ok(rows)
}

/// Encodes one value with the library's encoder, except for values that it encodes wrongly: NULL of an interval,
/// decimals of more than 28 digits, non-finite numbers (it writes `inf`, which JDBC rejects), alone and in lists.
fn value(
    encoder: &mut DataRowEncoder,
    column: &ArrayRef,
    row: usize,
    arrow: &Field,
    field: &FieldInfo,
) -> PgWireResult<()> {
    if column.is_null(row) {
        return encoder.encode_field(&None::<&str>);
    }
    if *field.datatype() == Type::CHAR
        && field.format() == FieldFormat::Binary
        && column.as_string_opt::<i32>().is_some_and(|texts| texts.value(row).is_empty())
    {
        // PostgreSQL's empty "char" is a zero byte.
        let (zero, options) = ([0_u8], field.format_options());
        return encoder.encode_field_with_type_and_format(&zero.as_slice(), &Type::BYTEA, FieldFormat::Binary, options);
    }
    if field.format() == FieldFormat::Text
        && let Some(text) = own_text(column, row, field)
    {
        // As text: what is sent as an array's would be quoted.
        let options = field.format_options();
        return encoder.encode_field_with_type_and_format(&text.as_str(), &Type::TEXT, FieldFormat::Text, options);
    }
    encode_value(encoder, column, row, arrow, field)
}

/// The text of a value that the library's encoder would not write as PostgreSQL does.
fn own_text(column: &ArrayRef, row: usize, field: &FieldInfo) -> Option<String> {
    let digits = ExtraFloatDigits(field.format_options().extra_float_digits);
    let long = |value: f64| {
        if value.is_finite() { digits.format_f64(value).to_string() } else { not_finite(value).to_owned() }
    };
    let short = |value: f32| {
        let wide = f64::from(value);
        if wide.is_finite() { digits.format_f32(value).to_string() } else { not_finite(wide).to_owned() }
    };
    match column.data_type() {
        DataType::Float64 => Some(long(column.as_primitive::<Float64Type>().value(row))),
        DataType::Float32 => Some(short(column.as_primitive::<Float32Type>().value(row))),
        DataType::Decimal128(..) => Some(column.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::List(item) => {
            let items = column.as_list::<i32>().value(row);
            match item.data_type() {
                DataType::Float64 => Some(array_text(items.as_primitive::<Float64Type>().iter(), long)),
                DataType::Float32 => Some(array_text(items.as_primitive::<Float32Type>().iter(), short)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// An array as PostgreSQL writes it: `{1,NULL,Infinity}`.
fn array_text<T>(items: impl Iterator<Item = Option<T>>, text: impl Fn(T) -> String) -> String {
    let items: Vec<String> = items.map(|item| item.map_or_else(|| "NULL".to_owned(), &text)).collect();
    format!("{{{}}}", items.join(","))
}

/// A column as JSON texts, as `syntrace sql --format json` writes its values.
fn json(field: &FieldRef, array: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, array.as_ref(), &options)?;
    let mut texts = StringBuilder::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        let mut bytes = Vec::new();
        encoder.encode(row, &mut bytes);
        texts.append_value(String::from_utf8_lossy(&bytes));
    }
    Ok(Arc::new(texts.finish()))
}

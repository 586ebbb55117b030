//! Functions that clients of PostgreSQL call before they ask anything.

use super::door::SERVER_VERSION;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::cast::as_string_array;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use std::sync::Arc;

/// Names of types and their numbers in PostgreSQL's catalog.
const TYPES: &[(&str, i32)] = &[
    ("bool", 16),
    ("boolean", 16),
    ("bytea", 17),
    ("int8", 20),
    ("bigint", 20),
    ("int2", 21),
    ("smallint", 21),
    ("int4", 23),
    ("integer", 23),
    ("text", 25),
    ("float4", 700),
    ("real", 700),
    ("float8", 701),
    ("double precision", 701),
    ("numeric", 1700),
];

/// Adds `version()`, from which SQLAlchemy reads a number; the comments of tables and columns, of which
/// there are none, and definitions of views, which
/// are in schema/views.sql (psql); and `to_regtype`, by which psycopg looks for types of extensions.
pub(super) fn register(context: &SessionContext) {
    let constant = |name: &str, arguments: Vec<DataType>, value: Option<String>| {
        let give = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(value.clone())));
        context.register_udf(create_udf(name, arguments, DataType::Utf8, Volatility::Stable, Arc::new(give)));
    };
    let text = format!("PostgreSQL {SERVER_VERSION} (syntrace {})", env!("CARGO_PKG_VERSION"));
    constant("version", vec![], Some(text));
    constant("col_description", vec![DataType::Int32, DataType::Int32], None);
    constant("obj_description", vec![DataType::Int32, DataType::Utf8], None);
    constant("shobj_description", vec![DataType::Int32, DataType::Utf8], None);
    constant("pg_get_viewdef", vec![DataType::Int32, DataType::Boolean], None);
    let number = |name: Option<&str>| {
        let name = name?.trim().to_ascii_lowercase();
        TYPES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    };
    let to_regtype = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let names = ColumnarValue::values_to_arrays(arguments)?;
        let numbers = as_string_array(&names[0])?.iter().map(number);
        let numbers: datafusion::arrow::array::Int32Array = numbers.collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    };
    let arguments = vec![DataType::Utf8];
    let made = create_udf("to_regtype", arguments, DataType::Int32, Volatility::Stable, Arc::new(to_regtype));
    context.register_udf(made);
}

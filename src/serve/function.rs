//! Functions that clients of PostgreSQL call before they ask anything.

use super::door::SERVER_VERSION;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use std::sync::Arc;

/// Adds `version()`, which SQLAlchemy reads a number from.
pub(super) fn register(context: &SessionContext) {
    let text = format!("PostgreSQL {SERVER_VERSION} (syntrace {})", env!("CARGO_PKG_VERSION"));
    let version = move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.clone()))));
    context.register_udf(create_udf("version", vec![], DataType::Utf8, Volatility::Stable, Arc::new(version)));
}

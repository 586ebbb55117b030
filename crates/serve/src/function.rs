//! Functions that clients of PostgreSQL call before they ask anything.

use super::door::SERVER_VERSION;
use super::setting::default_of;
use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::{as_boolean_array, as_string_array};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility, create_udf,
};
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
/// there are none, definitions of views, which
/// are in schema/views.sql (psql), and of functions; and `to_regtype`, by which psycopg looks for types of extensions.
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
    for name in ["pg_get_function_result", "pg_get_function_arguments", "pg_get_function_identity_arguments"] {
        constant(name, vec![DataType::Int32], None);
    }
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
    let arguments = [vec![DataType::Utf8], vec![DataType::Utf8, DataType::Boolean]];
    let signature = Signature::one_of(arguments.map(TypeSignature::Exact).to_vec(), Volatility::Stable);
    context.register_udf(CurrentSetting { signature }.into());
}

/// `current_setting(name)`: what a setting is where its client set nothing; with `true` as the second
/// argument NULL for one that there is not.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSetting {
    signature: Signature,
}

impl ScalarUDFImpl for CurrentSetting {
    fn name(&self) -> &str {
        "current_setting"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let names = as_string_array(&arrays[0])?;
        let may_lack = arrays.get(1).map(|array| as_boolean_array(array)).transpose()?;
        let mut values = Vec::with_capacity(names.len());
        for (row, name) in names.iter().enumerate() {
            let value = name.and_then(|name| default_of(&name.to_ascii_lowercase()));
            let lacks = may_lack.is_some_and(|flags| flags.is_valid(row) && flags.value(row));
            match (name, value) {
                (Some(name), None) if !lacks => return plan_err!("there is no setting `{name}`"),
                _ => values.push(value),
            }
        }
        let values: datafusion::arrow::array::StringArray = values.into_iter().collect();
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}

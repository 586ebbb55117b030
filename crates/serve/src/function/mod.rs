//! PostgreSQL's system functions that clients call when they connect or read the catalog.

mod object;
mod text;

pub(crate) use object::Kind;

use crate::authentication::SERVER_VERSION;
use crate::catalog::objects::Objects;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::prelude::SessionContext;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Name of the only role, which every client has, whatever name it gave.
pub(crate) const ROLE: &str = "reader";

/// What a function does with the values of one row.
type Body = Arc<dyn Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync>;

/// A function for the catalog. Catalog tables are small, so it is evaluated row by row.
struct Scalar {
    name: &'static str,
    gives: DataType,
    signature: Signature,
    body: Body,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scalar {}

impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Scalar {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.gives.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { arguments.number_rows };
        let arrays = arguments.args.iter().map(|one| one.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let row = |at: usize| {
            let values =
                arrays.iter().map(|array| ScalarValue::try_from_array(array, at)).collect::<Result<Vec<_>>>()?;
            (self.body)(&values)
        };
        if is_constant {
            return row(0).map(ColumnarValue::Scalar);
        }
        if rows == 0 {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(&self.gives)));
        }
        ScalarValue::iter_to_array((0..rows).map(row).collect::<Result<Vec<_>>>()?).map(ColumnarValue::Array)
    }
}

/// Registers functions in a context.
struct Register<'a>(&'a SessionContext);

impl Register<'_> {
    /// Adds a function with this number of arguments.
    fn add(
        &self,
        name: &'static str,
        arguments: RangeInclusive<usize>,
        gives: DataType,
        body: impl Fn(&[ScalarValue]) -> Result<ScalarValue> + Send + Sync + 'static,
    ) {
        let one = |count: usize| if count == 0 { TypeSignature::Nullary } else { TypeSignature::Any(count) };
        let signature = Signature::one_of(arguments.map(one).collect(), Volatility::Stable);
        self.0.register_udf(ScalarUDF::from(Scalar { name, gives, signature, body: Arc::new(body) }));
    }

    /// Adds a function that returns a constant.
    fn constant(&self, name: &'static str, arguments: RangeInclusive<usize>, value: ScalarValue) {
        self.add(name, arguments, value.data_type(), move |_| Ok(value.clone()));
    }

    /// Adds functions about objects that no study has; they return NULL.
    fn nothing(&self, names: &[&'static str]) {
        for name in names {
            self.constant(name, 0..=4, ScalarValue::Utf8(None));
        }
    }
}

/// A text among the values; `None` for NULL and where there is none.
fn text_at(values: &[ScalarValue], at: usize) -> Option<String> {
    let value = values.get(at)?;
    match value.try_as_str() {
        Some(text) => text.map(str::to_owned),
        None if value.is_null() => None,
        None => Some(value.to_string()),
    }
}

/// A whole number among the values; texts of numbers are read.
fn number_at(values: &[ScalarValue], at: usize) -> Option<i64> {
    match values.get(at)?.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(number)) => number,
        _ => None,
    }
}

fn utf8(value: Option<String>) -> Result<ScalarValue> {
    Ok(ScalarValue::Utf8(value))
}

fn boolean(value: Option<bool>) -> Result<ScalarValue> {
    Ok(ScalarValue::Boolean(value))
}

/// Adds all of them.
pub(crate) fn register(context: &SessionContext, objects: &Arc<Objects>) {
    let register = Register(context);
    server(&register);
    privileges(&register);
    sizes(&register);
    object::register(&register, objects);
    text::register(&register);
    register.nothing(&[
        "pg_get_expr",
        "pg_get_indexdef",
        "pg_get_triggerdef",
        "pg_get_ruledef",
        "pg_get_partkeydef",
        "pg_get_partition_constraintdef",
        "pg_get_statisticsobjdef",
        "pg_get_statisticsobjdef_columns",
        "pg_get_serial_sequence",
        "pg_get_function_sqlbody",
        "pg_tablespace_location",
        "pg_last_wal_receive_lsn",
        "inet_server_addr",
        "inet_client_addr",
        "pg_describe_object",
        "pg_identify_object",
    ]);
}

/// Information functions about the server.
fn server(register: &Register<'_>) {
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let version = format!("PostgreSQL {SERVER_VERSION} (syntrace {})", env!("CARGO_PKG_VERSION"));
    register.constant("version", 0..=0, text(&version));
    register.constant("current_database", 0..=0, text(syntrace_query::CATALOG));
    register.constant("current_schema", 0..=0, text("public"));
    for name in ["current_user", "session_user", "current_role"] {
        register.constant(name, 0..=0, text(ROLE));
    }
    register.constant("pg_get_userbyid", 1..=1, text(ROLE));
    register.constant("pg_client_encoding", 0..=0, text("UTF8"));
    register.constant("pg_encoding_to_char", 1..=1, text("UTF8"));
    register.constant("pg_is_in_recovery", 0..=0, ScalarValue::Boolean(Some(false)));
    register.constant("pg_is_wal_replay_paused", 0..=0, ScalarValue::Boolean(Some(false)));
    register.constant("pg_my_temp_schema", 0..=0, ScalarValue::Int32(Some(0)));
    register.constant("pg_is_other_temp_schema", 1..=1, ScalarValue::Boolean(Some(false)));
    register.constant("inet_server_port", 0..=0, ScalarValue::Int32(None));
    register.constant("inet_client_port", 0..=0, ScalarValue::Int32(None));
    // The server is read-only, so no transaction has an id.
    register.constant("txid_current", 0..=0, ScalarValue::Int64(Some(1)));
    register.constant("pg_stat_get_numscans", 1..=1, ScalarValue::Int64(None));
    let schemas = |values: &[ScalarValue]| {
        let own =
            if values == [ScalarValue::Boolean(Some(true))] { &["pg_catalog", "public"][..] } else { &["public"] };
        let items: Vec<ScalarValue> = own.iter().map(|name| ScalarValue::Utf8(Some((*name).to_owned()))).collect();
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Utf8)))
    };
    // Of a name that the statement does not say itself: what a setting is where its client changed nothing.
    let setting = |values: &[ScalarValue]| {
        let Some(name) = text_at(values, 0) else { return utf8(None) };
        let may_lack = values.get(1) == Some(&ScalarValue::Boolean(Some(true)));
        match crate::setting::default_of(&name.to_ascii_lowercase()) {
            None if !may_lack => no_such("setting", &name),
            value => utf8(value.map(str::to_owned)),
        }
    };
    register.add("current_setting", 1..=2, DataType::Utf8, setting);
    register.add("current_schemas", 1..=1, DataType::new_list(DataType::Utf8, true), schemas);
}

/// Privilege functions: clients may read, and nothing else.
fn privileges(register: &Register<'_>) {
    let may = |values: &[ScalarValue]| {
        let Some(wanted) = values.last().and_then(|value| value.try_as_str().flatten()) else { return boolean(None) };
        let granted = ["SELECT", "USAGE", "CONNECT", "EXECUTE", "MEMBER"];
        boolean(Some(wanted.to_ascii_uppercase().split(',').any(|one| granted.contains(&one.trim()))))
    };
    for name in [
        "has_table_privilege",
        "has_any_column_privilege",
        "has_column_privilege",
        "has_schema_privilege",
        "has_database_privilege",
        "has_function_privilege",
        "has_sequence_privilege",
        "has_type_privilege",
        "has_language_privilege",
        "has_tablespace_privilege",
        "has_foreign_data_wrapper_privilege",
        "has_server_privilege",
        "pg_has_role",
    ] {
        register.add(name, 2..=4, DataType::Boolean, may);
    }
    register.constant("row_security_active", 1..=1, ScalarValue::Boolean(Some(false)));
}

/// Sizes of tables are not known here: the view `table_bytes` has them.
fn sizes(register: &Register<'_>) {
    for name in [
        "pg_relation_size",
        "pg_table_size",
        "pg_indexes_size",
        "pg_total_relation_size",
        "pg_database_size",
        "pg_tablespace_size",
    ] {
        register.constant(name, 1..=2, ScalarValue::Int64(None));
    }
    let pretty = |values: &[ScalarValue]| {
        utf8(number_at(values, 0).map(|bytes| match bytes {
            bytes if bytes.abs() < 10 << 10 => format!("{bytes} bytes"),
            bytes if bytes.abs() < 10 << 20 => format!("{} kB", bytes >> 10),
            bytes => format!("{} MB", bytes >> 20),
        }))
    };
    register.add("pg_size_pretty", 1..=1, DataType::Utf8, pretty);
}

/// A function that fails for an unknown name.
fn no_such(what: &str, name: &str) -> Result<ScalarValue> {
    plan_err!("there is no {what} `{name}`")
}

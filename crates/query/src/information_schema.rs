//! PostgreSQL type names where clients query types: in `information_schema.columns` and DESCRIBE. The rest of
//! `information_schema` is DataFusion's.

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::information_schema::{INFORMATION_SCHEMA, InformationSchemaProvider};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{CatalogProviderList, MemTable, SchemaProvider, TableFunction, TableProvider};
use datafusion::common::{Result, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::context::SessionContext;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use std::collections::HashMap;
use std::sync::Arc;

/// What PostgreSQL calls a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeName {
    /// As in `information_schema.columns.data_type`: `real`, `ARRAY`.
    pub data_type: &'static str,
    /// As in `pg_type.typname`: `float4`, `_float4`.
    pub internal: String,
    /// As in psql: `real`, `real[]`.
    pub shown: String,
}

/// The PostgreSQL type of an Arrow type. Types that PostgreSQL lacks (lists of lists, structs, maps) are `json`.
pub fn type_name(kind: &DataType) -> TypeName {
    let plain = |data_type: &'static str, internal: &str| TypeName {
        data_type,
        internal: internal.to_owned(),
        shown: data_type.to_owned(),
    };
    match kind {
        DataType::Boolean => plain("boolean", "bool"),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => plain("smallint", "int2"),
        DataType::Int32 | DataType::UInt16 => plain("integer", "int4"),
        DataType::Int64 | DataType::UInt32 => plain("bigint", "int8"),
        DataType::UInt64 | DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            plain("numeric", "numeric")
        }
        DataType::Float16 | DataType::Float32 => plain("real", "float4"),
        DataType::Float64 => plain("double precision", "float8"),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            plain("bytea", "bytea")
        }
        DataType::Date32 | DataType::Date64 => plain("date", "date"),
        DataType::Time32(_) | DataType::Time64(_) => plain("time without time zone", "time"),
        DataType::Timestamp(_, None) => plain("timestamp without time zone", "timestamp"),
        DataType::Timestamp(_, Some(_)) => plain("timestamp with time zone", "timestamptz"),
        DataType::Interval(_) | DataType::Duration(_) => plain("interval", "interval"),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
            if !item.data_type().is_nested() =>
        {
            let item = type_name(item.data_type());
            TypeName { data_type: "ARRAY", internal: format!("_{}", item.internal), shown: format!("{}[]", item.shown) }
        }
        other if other.is_nested() => plain("json", "json"),
        _ => plain("text", "text"),
    }
}

/// Adds the schema to a catalog whose context leaves it out (`with_information_schema(false)`).
pub(crate) fn register(context: &SessionContext, catalog: &str) -> Result<()> {
    let state = context.state_weak_ref();
    let functions = move || state.upgrade().map(|state| state.read().table_functions().clone()).unwrap_or_default();
    let lists = Arc::clone(context.state().catalog_list());
    let schema = Information { lists, functions: Arc::new(functions) };
    let Some(catalog) = context.catalog(catalog) else { return plan_err!("no catalog `{catalog}`") };
    catalog.register_schema(INFORMATION_SCHEMA, Arc::new(schema))?;
    Ok(())
}

type Functions = HashMap<String, Arc<TableFunction>>;

/// The schema; only `columns` is implemented here.
#[derive(Clone)]
struct Information {
    lists: Arc<dyn CatalogProviderList>,
    /// The table functions that the context has by now.
    functions: Arc<dyn Fn() -> Functions + Send + Sync>,
}

impl Information {
    fn own(&self) -> InformationSchemaProvider {
        InformationSchemaProvider::new(Arc::clone(&self.lists)).with_table_functions((self.functions)())
    }
}

impl std::fmt::Debug for Information {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Information")
    }
}

#[async_trait]
impl SchemaProvider for Information {
    fn table_names(&self) -> Vec<String> {
        self.own().table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if !name.eq_ignore_ascii_case("columns") {
            return self.own().table(name).await;
        }
        let columns = Columns { schema: columns_schema(), lists: Arc::clone(&self.lists) };
        let table = StreamingTable::try_new(Arc::clone(&columns.schema), vec![Arc::new(columns)])?;
        Ok(Some(Arc::new(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.own().table_exist(name)
    }
}

/// Columns of the view in PostgreSQL's order, with what they hold.
const COLUMNS: &[(&str, Holds)] = &[
    ("table_catalog", Holds::Text(|column| column.catalog.clone())),
    ("table_schema", Holds::Text(|column| column.schema.clone())),
    ("table_name", Holds::Text(|column| column.table.clone())),
    ("column_name", Holds::Text(|column| column.name.clone())),
    ("ordinal_position", Holds::Number(|column| Some(column.position))),
    ("column_default", Holds::Nothing(DataType::Utf8)),
    ("is_nullable", Holds::Text(|column| if column.nullable { "YES" } else { "NO" }.to_owned())),
    ("data_type", Holds::Text(|column| column.kind.data_type.to_owned())),
    ("character_maximum_length", Holds::Nothing(DataType::Int32)),
    ("character_octet_length", Holds::Nothing(DataType::Int32)),
    ("numeric_precision", Holds::Number(|column| bits(&column.kind.internal))),
    ("numeric_precision_radix", Holds::Number(|column| bits(&column.kind.internal).map(|_| 2))),
    ("numeric_scale", Holds::Number(|column| column.kind.internal.starts_with("int").then_some(0))),
    ("datetime_precision", Holds::Nothing(DataType::Int32)),
    ("interval_type", Holds::Nothing(DataType::Utf8)),
    ("character_set_name", Holds::Nothing(DataType::Utf8)),
    ("collation_name", Holds::Nothing(DataType::Utf8)),
    ("domain_name", Holds::Nothing(DataType::Utf8)),
    ("udt_catalog", Holds::Text(|column| column.catalog.clone())),
    ("udt_schema", Holds::Text(|_| "pg_catalog".to_owned())),
    ("udt_name", Holds::Text(|column| column.kind.internal.clone())),
    ("dtd_identifier", Holds::Text(|column| column.position.to_string())),
    ("is_self_referencing", Holds::Text(|_| "NO".to_owned())),
    ("is_identity", Holds::Text(|_| "NO".to_owned())),
    ("is_generated", Holds::Text(|_| "NEVER".to_owned())),
    ("generation_expression", Holds::Nothing(DataType::Utf8)),
    ("is_updatable", Holds::Text(|_| "NO".to_owned())),
];

/// Where the values of a column of the view come from.
enum Holds {
    Text(fn(&ColumnOf) -> String),
    Number(fn(&ColumnOf) -> Option<i32>),
    Nothing(DataType),
}

/// One column of one table.
struct ColumnOf {
    catalog: String,
    schema: String,
    table: String,
    name: String,
    position: i32,
    nullable: bool,
    kind: TypeName,
}

/// Bits of a number, as PostgreSQL counts them.
fn bits(internal: &str) -> Option<i32> {
    match internal {
        "int2" => Some(16),
        "int4" => Some(32),
        "int8" => Some(64),
        "float4" => Some(24),
        "float8" => Some(53),
        _ => None,
    }
}

fn columns_schema() -> SchemaRef {
    let field = |(name, holds): &(&str, Holds)| match holds {
        Holds::Text(_) => Field::new(*name, DataType::Utf8, false),
        Holds::Number(_) => Field::new(*name, DataType::Int32, true),
        Holds::Nothing(kind) => Field::new(*name, kind.clone(), true),
    };
    Arc::new(Schema::new(COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

/// The view, computed for each query that names it.
#[derive(Debug)]
struct Columns {
    schema: SchemaRef,
    lists: Arc<dyn CatalogProviderList>,
}

impl PartitionStream for Columns {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, lists) = (Arc::clone(&self.schema), Arc::clone(&self.lists));
        let made = futures::stream::once(async move {
            let columns = columns_of(&lists).await?;
            Ok(RecordBatch::try_new(schema, COLUMNS.iter().map(|(_, holds)| array(holds, &columns)).collect())?)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), made))
    }
}

fn array(holds: &Holds, columns: &[ColumnOf]) -> ArrayRef {
    match holds {
        Holds::Text(text) => Arc::new(StringArray::from_iter_values(columns.iter().map(text))),
        Holds::Number(number) => Arc::new(columns.iter().map(number).collect::<Int32Array>()),
        Holds::Nothing(kind) => new_null_array(kind, columns.len()),
    }
}

async fn columns_of(lists: &Arc<dyn CatalogProviderList>) -> Result<Vec<ColumnOf>> {
    let mut columns = Vec::new();
    for catalog_name in lists.catalog_names() {
        let Some(catalog) = lists.catalog(&catalog_name) else { continue };
        for schema_name in catalog.schema_names() {
            let Some(schema) = catalog.schema(&schema_name) else { continue };
            for table_name in schema.table_names() {
                let Some(table) = schema.table(&table_name).await? else { continue };
                for (position, field) in (1..).zip(table.schema().fields()) {
                    columns.push(ColumnOf {
                        catalog: catalog_name.clone(),
                        schema: schema_name.clone(),
                        table: table_name.clone(),
                        name: field.name().clone(),
                        position,
                        nullable: field.is_nullable(),
                        kind: type_name(field.data_type()),
                    });
                }
            }
        }
    }
    Ok(columns)
}

/// Changes DESCRIBE to PostgreSQL's types; other plans stay unchanged.
pub(crate) fn described(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::DescribeTable(describe) = &plan else { return Ok(plan) };
    let fields = describe.schema.fields();
    let texts = |text: &dyn Fn(&Field) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(fields.iter().map(|field| text(field))))
    };
    let batch = RecordBatch::try_from_iter([
        ("column_name", texts(&|field| field.name().clone())),
        ("data_type", texts(&|field| type_name(field.data_type()).shown)),
        ("is_nullable", texts(&|field| if field.is_nullable() { "YES" } else { "NO" }.to_owned())),
    ])?;
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    LogicalPlanBuilder::scan("columns", provider_as_source(Arc::new(table)), None)?.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_that_psql_shows() {
        let list = |item: DataType| DataType::new_list(item, true);
        for (kind, shown, internal) in [
            (DataType::Int64, "bigint", "int8"),
            (DataType::Float64, "double precision", "float8"),
            (DataType::Utf8View, "text", "text"),
            (list(DataType::Float32), "real[]", "_float4"),
            (list(list(DataType::Float32)), "json", "json"),
            (list(DataType::Utf8), "text[]", "_text"),
        ] {
            let name = type_name(&kind);
            assert_eq!((name.shown.as_str(), name.internal.as_str()), (shown, internal), "{kind}");
        }
    }
}

//! PostgreSQL's catalog where datafusion-postgres leaves something out: the types of lists in `pg_attribute`
//! (it calls most of them text), and `pg_class.relacl`, which JDBC reads. Everything else is passed on.

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Int16Array, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Int16Type, Int32Type, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{Result, plan_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionContext, lit};
use datafusion::scalar::ScalarValue;
use datafusion_postgres::pgwire::api::Type;
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_query::CATALOG;

/// Schema of PostgreSQL's catalog.
const SCHEMA: &str = "pg_catalog";
const TABLE: &str = "pg_attribute";

/// Puts the corrected tables in the place of those that are registered.
pub(super) fn register(context: &SessionContext) -> Result<()> {
    let Some(catalog) = context.catalog(CATALOG) else { return plan_err!("no catalog `{CATALOG}`") };
    let Some(made) = catalog.schema(SCHEMA) else { return plan_err!("no schema `{SCHEMA}`") };
    catalog.register_schema(SCHEMA, Arc::new(Corrected { made, catalog: Arc::clone(&catalog) }))?;
    Ok(())
}

/// The catalog's schema with tables of ours.
#[derive(Debug)]
struct Corrected {
    made: Arc<dyn SchemaProvider>,
    /// Where tables are looked up.
    catalog: Arc<dyn CatalogProvider>,
}

#[async_trait]
impl SchemaProvider for Corrected {
    fn table_names(&self) -> Vec<String> {
        self.made.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(made) = self.made.table(name).await? else { return Ok(None) };
        if name.eq_ignore_ascii_case("pg_class") {
            // Nobody was granted anything: what there is may be read by every client.
            let nothing = lit(ScalarValue::Utf8(None));
            return Ok(Some(SessionContext::new().read_table(made)?.with_column("relacl", nothing)?.into_view()));
        }
        if !name.eq_ignore_ascii_case(TABLE) {
            return Ok(Some(made));
        }
        let table =
            Attributes { schema: made.schema(), made: Arc::clone(&self.made), catalog: Arc::clone(&self.catalog) };
        Ok(Some(Arc::new(StreamingTable::try_new(made.schema(), vec![Arc::new(table)])?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.made.table_exist(name)
    }
}

/// The corrected table, made anew by each query that names it.
#[derive(Debug, Clone)]
struct Attributes {
    schema: SchemaRef,
    made: Arc<dyn SchemaProvider>,
    catalog: Arc<dyn CatalogProvider>,
}

impl PartitionStream for Attributes {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let this = self.clone();
        let rows = futures::stream::once(async move { this.rows().await });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

impl Attributes {
    /// All rows of a table of the catalog.
    async fn read(&self, name: &str) -> Result<RecordBatch> {
        let Some(table) = self.made.table(name).await? else { return plan_err!("no table `{name}`") };
        let schema = table.schema();
        let batches = SessionContext::new().read_table(table)?.collect().await?;
        Ok(concat_batches(&schema, &batches)?)
    }

    async fn rows(self) -> Result<RecordBatch> {
        let batch = self.read(TABLE).await?;
        let lists = self.lists().await?;
        let relations = integers(&batch, "attrelid")?;
        let Some(numbers) = batch.column_by_name("attnum") else { return plan_err!("`{TABLE}` has no `attnum`") };
        let numbers = numbers.as_primitive::<Int16Type>();
        let types: Vec<Option<&Type>> =
            (0..batch.num_rows()).map(|row| lists.get(&(relations.value(row), numbers.value(row)))).collect();
        let column = |(field, array): (&Arc<datafusion::arrow::datatypes::Field>, &ArrayRef)| {
            corrected(field.name(), array, &types)
        };
        let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(column).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// Types of all columns that are lists, by the number of their table and their own.
    async fn lists(&self) -> Result<HashMap<(i32, i16), Type>> {
        let spaces = self.read("pg_namespace").await?;
        let space_names: HashMap<i32, &str> = integers(&spaces, "oid")?
            .values()
            .iter()
            .copied()
            .zip(texts(&spaces, "nspname")?.iter().flatten())
            .collect();
        let relations = self.read("pg_class").await?;
        let (ids, names) = (integers(&relations, "oid")?, texts(&relations, "relname")?);
        let spaces = integers(&relations, "relnamespace")?;
        let mut lists = HashMap::new();
        for row in 0..relations.num_rows() {
            let schema = space_names.get(&spaces.value(row)).and_then(|name| self.catalog.schema(name));
            let Some(schema) = schema else { continue };
            let Some(table) = schema.table(names.value(row)).await? else { continue };
            for (number, field) in (1..).zip(table.schema().fields()) {
                if matches!(field.data_type(), DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
                {
                    let kind = super::encode::wire_type(field).map_or(Type::JSON, |(_, kind)| kind);
                    lists.insert((ids.value(row), number), kind);
                }
            }
        }
        Ok(lists)
    }
}

fn integers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int32Array> {
    match batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<Int32Type>()) {
        Some(array) => Ok(array),
        None => plan_err!("the catalog has no number `{name}`"),
    }
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    match batch.column_by_name(name).and_then(|array| array.as_string_opt::<i32>()) {
        Some(array) => Ok(array),
        None => plan_err!("the catalog has no text `{name}`"),
    }
}

/// A column of `pg_attribute` with what it has to say of a list, where there is one.
fn corrected(name: &str, array: &ArrayRef, types: &[Option<&Type>]) -> ArrayRef {
    let integers = |value: &dyn Fn(&Type) -> i32| -> ArrayRef {
        let old = array.as_primitive::<Int32Type>();
        let values = old.iter().zip(types).map(|(old, kind)| kind.map(value).or(old));
        Arc::new(values.collect::<Int32Array>())
    };
    match name {
        "atttypid" => integers(&|kind| kind.oid() as i32),
        "attndims" => integers(&|kind| i32::from(*kind != Type::JSON)),
        "attlen" => {
            let old = array.as_primitive::<Int16Type>().iter().zip(types);
            Arc::new(old.map(|(old, kind)| kind.map(|_| -1).or(old)).collect::<Int16Array>())
        }
        "attbyval" => {
            let old = array.as_boolean().iter().zip(types);
            Arc::new(old.map(|(old, kind)| kind.map(|_| false).or(old)).collect::<BooleanArray>())
        }
        _ => Arc::clone(array),
    }
}

//! PostgreSQL's catalog (`pg_catalog`, `information_schema`): declared and filled by SQL text of `schema/`, from tables
//! of the study's objects. A catalog table is filled once, when a client first queries it.

mod base_tables;
pub(crate) mod ddl;
mod key;
pub(crate) mod objects;
pub(crate) mod relation;
pub(crate) mod types;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{cast, concat_batches};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemTable, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::prelude::{SessionConfig, SessionContext};
use ddl::{CATALOG_SCHEMA, Declared, INFORMATION_SCHEMA, declared};
use objects::Objects;
use std::sync::{Arc, OnceLock};
use syntrace_query::CATALOG;
use tokio::sync::OnceCell;

/// Tables with the keys of the study's tables.
pub(crate) const OF_KEYS: &[&str] =
    &["pg_constraint", "table_constraints", "key_column_usage", "referential_constraints", "constraint_column_usage"];

/// The catalog of a server.
pub(crate) struct Catalog {
    tables: Vec<Table>,
    pub objects: Arc<Objects>,
    /// The context of the queries that fill catalog tables: it has this catalog, and the base tables in the schema
    /// `syntrace`.
    filling: OnceLock<SessionContext>,
}

struct Table {
    declared: Declared,
    filled: OnceCell<Arc<MemTable>>,
}

impl Catalog {
    /// Registers both schemas in a context that has all tables, views and functions of the study, or of several by their names.
    pub async fn register(context: &SessionContext, studies: &[String]) -> Result<Arc<Self>> {
        let declared = declared()?;
        let objects = Arc::new(Objects::of(context, &declared, studies).await?);
        let tables = declared.into_iter().map(|declared| Table { declared, filled: OnceCell::new() }).collect();
        let made = Arc::new(Self { tables, objects, filling: OnceLock::new() });
        let Some(catalog) = context.catalog(CATALOG) else { return plan_err!("no catalog `{CATALOG}`") };
        made.add_to(catalog.as_ref())?;
        let config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, CATALOG_SCHEMA)
            .with_target_partitions(1)
            .with_information_schema(false);
        let filling = SessionContext::new_with_config(config);
        let Some(own) = filling.catalog(CATALOG) else { return plan_err!("no catalog `{CATALOG}`") };
        made.add_to(own.as_ref())?;
        let lists = MemorySchemaProvider::new();
        for (name, batch) in base_tables::lists(&made.objects)? {
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
            lists.register_table(name.to_owned(), Arc::new(table))?;
        }
        own.register_schema("syntrace", Arc::new(lists))?;
        // Set here and nowhere else.
        let _ = made.filling.set(filling);
        Ok(made)
    }

    fn add_to(self: &Arc<Self>, catalog: &dyn CatalogProvider) -> Result<()> {
        for name in [CATALOG_SCHEMA, INFORMATION_SCHEMA] {
            // What is not declared is looked for in the schema that was there (`df_settings`).
            let others = catalog.schema(name);
            let schema = Schema { name, catalog: Arc::clone(self), others };
            catalog.register_schema(name, Arc::new(schema))?;
        }
        Ok(())
    }

    /// The table of a name, in the schema or in `pg_catalog` where none is given.
    pub fn declared(&self, schema: Option<&str>, name: &str) -> Option<&Declared> {
        let schema = schema.unwrap_or(CATALOG_SCHEMA);
        self.find(schema, name).map(|table| &table.declared)
    }

    fn find(&self, schema: &str, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.declared.schema == schema && table.declared.name == name)
    }

    async fn provider(&self, table: &Table) -> Result<Arc<dyn TableProvider>> {
        let filled = table.filled.get_or_try_init(|| self.fill(&table.declared)).await?;
        let provider: Arc<dyn TableProvider> = Arc::<MemTable>::clone(filled);
        Ok(provider)
    }

    /// Runs the query of a table; gives no row for one without.
    async fn fill(&self, declared: &Declared) -> Result<Arc<MemTable>> {
        let schema = declared.arrow_schema();
        let (Some(query), Some(filling)) = (declared.query, self.filling.get()) else {
            return Ok(Arc::new(MemTable::try_new(schema, vec![vec![]])?));
        };
        let frame = filling.sql(query).await?;
        let given = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await?;
        let batch = concat_batches(&given, &batches)?;
        for field in given.fields() {
            if schema.column_with_name(field.name()).is_none() {
                return plan_err!("`{}` has no column `{}`", declared.name, field.name());
            }
        }
        let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef> {
            let kind = field.data_type();
            match batch.column_by_name(field.name()) {
                Some(array) => cast(array, kind)
                    .map_err(|error| plan_datafusion_err!("`{}.{}`: {error}", declared.name, field.name())),
                None => Ok(new_null_array(kind, batch.num_rows())),
            }
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Catalog")
    }
}

/// One schema of the catalog.
#[derive(Debug)]
struct Schema {
    name: &'static str,
    catalog: Arc<Catalog>,
    others: Option<Arc<dyn SchemaProvider>>,
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        let own = self.catalog.tables.iter().filter(|table| table.declared.schema == self.name);
        let mut names: Vec<String> = own.map(|table| table.declared.name.to_owned()).collect();
        let others = self.others.iter().flat_map(|others| others.table_names());
        names.extend(others.filter(|name| self.catalog.find(self.name, name).is_none()));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match (self.catalog.find(self.name, name), &self.others) {
            (Some(table), _) => self.catalog.provider(table).await.map(Some),
            (None, Some(others)) => others.table(name).await,
            (None, None) => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.catalog.find(self.name, name).is_some()
            || self.others.as_ref().is_some_and(|others| others.table_exist(name))
    }
}

//! The tables of the catalog as `schema/pg_catalog.sql` and `schema/information_schema.sql` declare them.

use super::types::{field, type_of};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{Result, plan_datafusion_err};
use pgwire::api::Type;
use std::sync::Arc;
use syntrace_query::split_statements;

/// The text of PostgreSQL's catalog; run from here, there is no second definition.
const CATALOG_SQL: &str = include_str!("../../../../schema/pg_catalog.sql");

/// The text of the information schema.
const INFORMATION_SQL: &str = include_str!("../../../../schema/information_schema.sql");

/// The schemas that are declared.
pub(crate) const CATALOG_SCHEMA: &str = "pg_catalog";
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// A table of the catalog.
#[derive(Debug)]
pub(crate) struct Declared {
    pub schema: &'static str,
    pub name: &'static str,
    pub columns: Vec<(&'static str, Type)>,
    /// The query that fills it; a table without one is always empty.
    pub query: Option<&'static str>,
}

impl Declared {
    /// Its columns as Arrow has them.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(|(name, kind)| field(name, kind)).collect::<Vec<_>>()))
    }
}

/// All tables, in the order of their files.
pub(crate) fn declared() -> Result<Vec<Declared>> {
    let texts = [(CATALOG_SCHEMA, CATALOG_SQL), (INFORMATION_SCHEMA, INFORMATION_SQL)];
    let statements =
        texts.iter().flat_map(|(schema, text)| split_statements(text).into_iter().map(|one| (*schema, one)));
    statements.map(|(schema, text)| read(schema, text)).collect()
}

/// Reads `CREATE TABLE name (column type, ...) AS query`.
fn read(schema: &'static str, text: &'static str) -> Result<Declared> {
    let refused = || plan_datafusion_err!("expected CREATE TABLE name (columns) AS query, found `{text}`");
    let (_, rest) = text.split_once("CREATE TABLE ").ok_or_else(refused)?;
    let (name, rest) = rest.split_once(" (").ok_or_else(refused)?;
    let name = name.strip_prefix(schema).and_then(|name| name.strip_prefix('.')).unwrap_or(name);
    // Types of columns have no brackets of this kind.
    let (columns, rest) = rest.split_once(')').ok_or_else(refused)?;
    let column = |text: &'static str| {
        let (name, kind) = text.trim().split_once(char::is_whitespace).ok_or_else(refused)?;
        let words: Vec<&str> = kind.split_whitespace().collect();
        let kind = type_of(&words.join(" "))
            .ok_or_else(|| plan_datafusion_err!("column `{name}` has the unknown type `{kind}`"))?;
        Ok((name.trim_matches('"'), kind))
    };
    let query = rest.trim().strip_prefix("AS").map(str::trim);
    if query.is_none() && !rest.trim().is_empty() {
        return Err(refused());
    }
    Ok(Declared { schema, name, columns: columns.split(',').map(column).collect::<Result<_>>()?, query })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_columns_of_known_types_and_a_name_of_its_own() {
        let tables = declared().unwrap();
        let mut names: Vec<(&str, &str)> = tables.iter().map(|table| (table.schema, table.name)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), tables.len());
        let class = tables.iter().find(|table| table.name == "pg_class").unwrap();
        assert_eq!(class.columns[0], ("oid", Type::OID));
        assert!(class.query.unwrap().starts_with("SELECT"));
        let index = tables.iter().find(|table| table.name == "pg_index").unwrap();
        assert!(index.query.is_none() && index.columns.contains(&("indisprimary", Type::BOOL)));
    }
}

//! All tables and views by name, and the text of `schema/tables.sql`.

use crate::scan::provider::{Of, StudyTable};
use crate::scan::relation::sql_type;
use crate::sql::split::split_statements;
use crate::table::several::{STUDY_COLUMN, united};
use crate::table::study::Study;
use crate::table::{TABLES, Table};
use datafusion::catalog::TableProvider;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};
use syntrace_store::schema::Column;

/// The text of all views; executed from here, there is no second definition.
const VIEWS_SQL: &str =
    concat!(include_str!("../../../schema/views.sql"), "\n", include_str!("../../../schema/paper.sql"));

/// A table as `.tables` and `.schema` show it.
#[derive(Debug, Clone)]
pub struct TableInfo {
    /// Name.
    pub name: &'static str,
    /// What one row is.
    pub doc: &'static str,
    /// Columns in SQL order.
    pub columns: Vec<Column>,
}

/// A view as `.views` and `.schema` show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewInfo {
    /// Name.
    pub name: &'static str,
    /// What one row is: the comment above its definition.
    pub doc: &'static str,
    /// Its `CREATE VIEW` statement.
    pub sql: &'static str,
}

/// All tables of a study, in the order of the data flow.
pub fn tables() -> Vec<TableInfo> {
    let study = Arc::new(Study::detached());
    TABLES
        .iter()
        .map(|table| TableInfo { name: table.name, doc: table.doc, columns: (table.make)(&study).columns().to_vec() })
        .collect()
}

/// All tables of several studies asked together: those of one, with the column `study` first.
pub fn tables_of_several() -> Vec<TableInfo> {
    let mut tables = tables();
    tables.iter_mut().for_each(|table| table.columns.insert(0, STUDY_COLUMN));
    tables
}

/// A table over these studies as DataFusion sees it; nothing is read. `None` where there is no such table or study.
pub(crate) fn provider(name: &str, of: Of, studies: &[Arc<Study>]) -> Option<Arc<dyn TableProvider>> {
    let table = TABLES.iter().find(|table| table.name == name)?;
    match of {
        Of::One(place) => Some(over(table, of, std::slice::from_ref(studies.get(place)?))),
        Of::All => Some(over(table, of, studies)),
    }
}

fn over(table: &Table, of: Of, studies: &[Arc<Study>]) -> Arc<dyn TableProvider> {
    let has_content = studies.iter().all(|study| study.has_content());
    let relations = studies.iter().map(|study| (study.name().to_owned(), (table.make)(study)));
    let relation = match (of, relations.collect::<Vec<_>>()) {
        (Of::One(_), mut one) if one.len() == 1 => one.remove(0).1,
        (_, parts) => united(parts),
    };
    Arc::new(StudyTable::new(table.name, of, has_content, relation))
}

/// All tables without content: what statements are planned over. Those of a single study are made once.
pub(crate) fn tables_without_content(of: Of) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
    static OF_ONE: LazyLock<Vec<(&'static str, Arc<dyn TableProvider>)>> = LazyLock::new(|| made(Of::One(0)));
    fn made(of: Of) -> Vec<(&'static str, Arc<dyn TableProvider>)> {
        let study = [Arc::new(Study::detached())];
        TABLES.iter().map(|table| (table.name, over(table, of, &study))).collect()
    }
    if of == Of::One(0) { OF_ONE.clone() } else { made(of) }
}

/// A table of this name without content.
pub(crate) fn table_without_content(name: &str, of: Of) -> Option<Arc<dyn TableProvider>> {
    let table = TABLES.iter().find(|table| table.name == name)?;
    Some(over(table, of, &[Arc::new(Study::detached())]))
}

/// All views, in the order of their file.
pub fn views() -> Vec<ViewInfo> {
    static ALL: LazyLock<Vec<ViewInfo>> =
        LazyLock::new(|| split_statements(VIEWS_SQL).into_iter().filter_map(view).collect());
    ALL.clone()
}

fn view(statement: &'static str) -> Option<ViewInfo> {
    let start = statement.find("CREATE VIEW ")?;
    let (comment, sql) = statement.split_at(start);
    let name = sql.strip_prefix("CREATE VIEW ")?.split_whitespace().next()?;
    let doc = comment.lines().rfind(|line| line.starts_with("-- "))?.trim_start_matches("-- ");
    Some(ViewInfo { name, doc, sql })
}

/// The commented CREATE TABLE text of a table, as in `schema/tables.sql`.
pub fn create_table_text(table: &TableInfo) -> String {
    let mut text = format!("-- {}\nCREATE TABLE {} (\n", table.doc, table.name);
    let types: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("{}{}", sql_type(column.kind), if column.nullable { "" } else { " NOT NULL" }))
        .collect();
    let names_width = table.columns.iter().map(|column| column.name.len()).max().unwrap_or(0);
    let types_width = types.iter().map(String::len).max().unwrap_or(0) + 1;
    for (index, (column, kind)) in table.columns.iter().zip(&types).enumerate() {
        let comma = if index + 1 < table.columns.len() { "," } else { "" };
        let kind = format!("{kind}{comma}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {:names_width$} {kind:types_width$} -- {}", column.name, column.doc);
    }
    text.push_str(");\n");
    text
}

/// What `information_schema` and servers call the one catalog of a study.
pub const CATALOG: &str = "study";

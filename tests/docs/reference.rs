//! The reference of tables, views and named queries comes from the code and from `schema/` and `queries/`.

use super::{check_generated, read};
use crate::query::study;
use std::fmt::Write;
use std::sync::Arc;
use syntrace::query::{FUNCTIONS, Session, SessionOptions, create_table_text, named_queries, tables, views};

const PAGE: &str = "docs/src/tables.md";

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// `    name  TYPE NOT NULL, -- meaning` as a row.
fn column(line: &str) -> Option<String> {
    let (declared, doc) = line.trim().split_once(" -- ")?;
    let (name, kind) = declared.trim_end().trim_end_matches(',').split_once(' ')?;
    let (kind, null) = match kind.trim().strip_suffix(" NOT NULL") {
        Some(kind) => (kind, ""),
        None => (kind.trim(), "yes"),
    };
    Some(format!("| `{name}` | {kind} | {null} | {} |\n", cell(doc)))
}

fn tables_text() -> String {
    let mut text = "\n## Tables\n".to_owned();
    for table in tables() {
        let rows: Vec<String> = create_table_text(&table).lines().skip(2).filter_map(column).collect();
        assert_eq!(rows.len(), table.columns.len(), "{}", table.name);
        let head = "| column | type | NULL | meaning |\n| --- | --- | --- | --- |\n";
        let _ = write!(text, "\n### `{}`\n\n{}\n\n{head}{}", table.name, table.doc, rows.concat());
    }
    text
}

fn views_text() -> String {
    let study = study::small();
    let options = SessionOptions { memory_bytes: 64 << 20, threads: 1 };
    let session = Session::open(Arc::new(study.store().snapshot().unwrap()), options).unwrap();
    let mut text = "\n## Views\n\nTheir SQL is [schema/views.sql](../../schema/views.sql).\n".to_owned();
    for view in views() {
        let answer = session.sql(&format!("SELECT * FROM {} LIMIT 0", view.name)).unwrap();
        let columns: Vec<String> = answer.schema().fields().iter().map(|field| format!("`{}`", field.name())).collect();
        let _ = write!(text, "\n### `{}`\n\n{}\n\nColumns: {}.\n", view.name, view.doc, columns.join(", "));
    }
    text
}

fn queries_text() -> String {
    let mut text =
        "\n## Named queries\n\n`syntrace query STUDY NAME [-v name=value]`; in SQL `queries.NAME`, or `NAME(value, \
                    ...)`.\nTheir SQL is in [queries/](../../queries/README.md).\n"
            .to_owned();
    for query in named_queries() {
        let _ = write!(text, "\n### `{}` (query)\n\nQuestion: {}\n", query.name, query.question);
        for parameter in &query.parameters {
            let _ = write!(text, "\n- `{}` = {}: {}", parameter.name, parameter.default, parameter.doc);
        }
        let _ = write!(text, "{}\nColumns: {}.\n", if query.parameters.is_empty() { "" } else { "\n" }, query.columns);
    }
    text
}

#[test]
fn the_reference_is_that_of_the_code() {
    check_generated(PAGE, &format!("{}{}{}", tables_text(), views_text(), queries_text()));
}

#[test]
fn every_function_is_explained() {
    let page = read("docs/src/sql.md");
    let missing: Vec<_> = FUNCTIONS.iter().filter(|name| !page.contains(&format!("`{name}"))).collect();
    assert!(missing.is_empty(), "docs/src/sql.md does not name {missing:?}");
}

//! The texts in schema/ and queries/ agree with the code. `SYNTRACE_BLESS=1` rewrites the generated ones.

use std::path::PathBuf;
use syntrace::query::{create_table_text, named_queries, tables, views};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a generated file with what lies in the repository, or writes it when asked to.
fn check_generated(path: &str, generated: &str) {
    let file = repository(path);
    if std::env::var_os("SYNTRACE_BLESS").is_some() {
        std::fs::write(&file, generated).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == generated, "{path} differs from the code; run the tests with SYNTRACE_BLESS=1 to rewrite it");
}

#[test]
fn tables_sql_equals_the_providers() {
    let head = "-- The tables of a study as SQL sees them: name, type, nullability, meaning and unit of every\n\
                -- column. Times are microseconds; NULL epsilon = no DP. Generated from the code and tested\n\
                -- against it; tables are read-only.\n";
    let texts: Vec<String> = tables().iter().map(create_table_text).collect();
    check_generated("schema/tables.sql", &format!("{head}\n{}", texts.join("\n")));
}

#[test]
fn the_indexes_of_schema_and_queries_name_everything() {
    let mut schema = String::from(
        "# Schema\n\n`tables.sql` has every table as a commented CREATE TABLE (generated from the code, tested against \
         it);\n`views.sql` has the views, and is what is executed. NULL epsilon = no DP; times are microseconds.\n\n\
         `pg_catalog.sql` and `information_schema.sql` are what `syntrace serve` answers PostgreSQL's clients with when \
         they ask\nfor its catalog: tables that are filled by a query, and those that are always empty. The comments of \
         tables and columns\nin the other two files are their `pg_description`.\n\n\
         ## Tables\n\n| table | one row is |\n| --- | --- |\n",
    );
    for table in tables() {
        schema.push_str(&format!("| `{}` | {} |\n", table.name, table.doc.trim_start_matches("One row per ")));
    }
    schema.push_str("\n## Views\n\n| view | one row is |\n| --- | --- |\n");
    for view in views() {
        schema.push_str(&format!("| `{}` | {} |\n", view.name, view.doc.trim_start_matches("One row per ")));
    }
    check_generated("schema/README.md", &schema);
    let mut queries = String::from(
        "# Queries\n\nOne question per file; run one with `syntrace query STUDY NAME [-v name=value]`.\n`compare/` has those of \
         `syntrace compare A B`, over two studies in one session.\n\n\
         | query | question | parameters |\n| --- | --- | --- |\n",
    );
    for query in named_queries() {
        let parameters: Vec<String> =
            query.parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
        queries.push_str(&format!("| `{}` | {} | {} |\n", query.name, query.question, parameters.join(", ")));
    }
    check_generated("queries/README.md", &queries);
}

#[test]
fn every_query_file_is_embedded_and_says_its_question_and_columns() {
    let mut files: Vec<String> = std::fs::read_dir(repository("queries"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
        .collect();
    files.sort();
    let mut embedded: Vec<String> = named_queries().iter().map(|query| query.name.to_owned()).collect();
    embedded.sort();
    assert_eq!(files, embedded);
    for query in named_queries() {
        assert!(query.question.ends_with('?') || query.question.contains(':'), "{}: {}", query.name, query.question);
        assert!(!query.columns.is_empty(), "{} says nothing of its columns", query.name);
        for parameter in &query.parameters {
            assert!(
                query.sql.matches(&format!("${}", parameter.name)).count() > 1,
                "{}: ${} is not used",
                query.name,
                parameter.name
            );
            assert!(!parameter.doc.is_empty(), "{}: ${} has no meaning", query.name, parameter.name);
        }
    }
}

#[test]
fn views_have_a_name_and_say_what_a_row_is() {
    let views = views();
    assert!(views.len() >= 6);
    for view in views {
        assert!(view.doc.starts_with("One row per "), "{}: {}", view.name, view.doc);
        assert!(view.sql.starts_with(&format!("CREATE VIEW {} AS", view.name)));
    }
}

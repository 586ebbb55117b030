//! `SUMMARIZE table` and `SUMMARIZE SELECT ...`, as DuckDB has it: one row per column.

use crate::information_schema::type_name;
use arrow::datatypes::{DataType, SchemaRef};

/// The query whose columns a statement asks to summarise, if it does.
pub(crate) fn query(text: &str) -> Option<String> {
    let text = without_comments(text);
    let (verb, rest) = text.split_at_checked("SUMMARIZE".len())?;
    if !verb.eq_ignore_ascii_case("SUMMARIZE") || !rest.starts_with(|next: char| next.is_whitespace() || next == '(') {
        return None;
    }
    let rest = without_comments(rest).trim_end().trim_end_matches(';');
    let first = rest.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
    let is_query = ["", "select", "from", "with", "values"].iter().any(|word| first.eq_ignore_ascii_case(word));
    // A quoted name begins with no word either.
    Some(if is_query && !rest.starts_with('"') { rest.to_owned() } else { format!("SELECT * FROM {rest}") })
}

/// What follows blanks and comments.
pub(super) fn without_comments(text: &str) -> &str {
    let text = text.trim_start();
    let rest = match (text.strip_prefix("--"), text.strip_prefix("/*")) {
        (Some(line), _) => line.split_once('\n').map_or("", |(_, rest)| rest),
        (_, Some(block)) => block.split_once("*/").map_or("", |(_, rest)| rest),
        _ => return text,
    };
    without_comments(rest)
}

/// The statement that summarises a query of this schema, in one pass over its rows.
pub(crate) fn statement(query: &str, schema: &SchemaRef) -> String {
    let list = |one: &dyn Fn(&str, &DataType) -> String| {
        let items = schema.fields().iter().map(|field| {
            let name = field.name().replace('"', "\"\"");
            one(&format!("s.\"{name}\""), field.data_type())
        });
        format!("make_array({})", items.collect::<Vec<_>>().join(", "))
    };
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let names = schema.fields().iter().map(|field| text(field.name())).collect::<Vec<_>>().join(", ");
    let extreme = |call: &str| {
        list(&|column, kind| match kind.is_nested() || kind.is_binary() || kind.is_null() {
            true => "CAST(NULL AS VARCHAR)".to_owned(),
            false => format!("CAST({call}({column}) AS VARCHAR)"),
        })
    };
    let number = |call: &str| {
        list(&|column, kind| match kind.is_numeric() {
            true => format!("{call}(CAST({column} AS DOUBLE))"),
            false => "CAST(NULL AS DOUBLE)".to_owned(),
        })
    };
    let lists = [
        ("column_name", format!("make_array({names})")),
        ("column_type", list(&|_, kind| text(&type_name(kind).shown))),
        ("min", extreme("min")),
        ("max", extreme("max")),
        ("distinct_values", list(&|column, _| format!("count(DISTINCT {column})"))),
        ("avg", number("avg")),
        ("std", number("stddev")),
        ("count", list(&|_, _| "count(*)".to_owned())),
        ("nulls", list(&|column, _| format!("count(*) - count({column})"))),
    ];
    let items = |item: &dyn Fn(&str, &str) -> String| {
        lists.iter().map(|(name, list)| item(name, list)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "SELECT {} FROM (SELECT {} FROM ({query}) s) l",
        items(&|name, _| format!("unnest(l.\"{name}\") AS \"{name}\"")),
        items(&|name, list| format!("{list} AS \"{name}\""))
    )
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn tables_and_queries_are_told_apart() {
        let of = |text: &str| query(text).unwrap_or_default();
        assert_eq!(of("-- all\n SUMMARIZE models;"), "SELECT * FROM models");
        assert_eq!(of("summarize queries.headline"), "SELECT * FROM queries.headline");
        assert_eq!(of("SUMMARIZE\nSELECT 1 AS x"), "SELECT 1 AS x");
        assert_eq!(of("/* a */ summarize (VALUES (1))"), "(VALUES (1))");
        assert_eq!(of("SUMMARIZE \"models\""), "SELECT * FROM \"models\"");
        assert_eq!((query("SELECT 1"), query("SUMMARIZED"), query("SUMMARIZE")), (None, None, None));
    }
}

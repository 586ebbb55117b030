//! From the address of a table's page to its statement: filters, order and page.
//!
//! ```text
//! ?class=mac&ip_length__gte=1000&_sort=ttl&_desc=1&_from=50&_facet=protocol
//! ```

use crate::query_string::QueryString;
use arrow::datatypes::{DataType, SchemaRef};
use syntrace_base::error::{Error, Result};
use syntrace_query::Visible;

/// Rows of a page.
pub(crate) const PAGE_ROWS: usize = 50;

/// Column to sort by.
pub(crate) const SORT: &str = "_sort";
/// Present where the largest comes first.
pub(crate) const DESCENDING: &str = "_desc";
/// Number of the page's first row, from 0.
pub(crate) const FROM: &str = "_from";
/// Column whose values are counted.
const FACET: &str = "_facet";
/// `csv` or `json`.
pub(crate) const FORMAT: &str = "_format";

/// What a filter may ask, by the end of its name, with words for it.
pub(crate) const OPERATORS: &[(&str, &str, &str)] = &[
    ("", "=", "="),
    ("__not", "<>", "\u{2260}"),
    ("__gte", ">=", "\u{2265}"),
    ("__lte", "<=", "\u{2264}"),
    ("__gt", ">", ">"),
    ("__lt", "<", "<"),
    ("__has", "LIKE", "contains"),
    ("__null", "IS NULL", "is empty"),
];

/// Columns by which rows of large tables are told apart, so that pages follow each other without sorting by all.
const KEYS: &[(&str, &[&str])] = &[
    ("traces", &["trace_id"]),
    ("packets", &["trace_id", "position"]),
    ("encodings", &["trace_id", "encoding"]),
    ("splits", &["trace_id", "split_id"]),
    ("attributes", &["trace_id", "model_id", "kind"]),
    ("reference_attributes", &["trace_id", "model_id", "kind"]),
    ("whole_attributes", &["trace_id", "model_id", "kind", "position"]),
    ("attack_scores", &["trace_id", "attack_id", "model_id"]),
    ("roc", &["attack_id", "role", "fpr", "tpr"]),
    ("synthetic_traces", &["trace_id"]),
    ("repairs", &["trace_id", "profile", "rule"]),
    ("segments", &["segment_id", "column_name"]),
    ("plan_members", &["plan_id", "id"]),
    ("objects", &["digest"]),
];

/// Columns with few values, which are counted unless others are asked for.
const GROUPS: &[&str] = &["dataset", "class", "generator", "role", "epsilon", "attack"];

/// A table's page as statements.
pub(crate) struct TableStatement {
    name: String,
    /// Columns that are shown.
    pub columns: SchemaRef,
    visible: Visible,
    /// Filters as they stand in the address.
    pub filters: Vec<Filter>,
    conditions: Vec<String>,
    order: Vec<String>,
    /// Number of the first row, from 0.
    pub from: usize,
    /// Columns whose values are counted.
    pub facets: Vec<String>,
}

/// A filter of the address.
pub(crate) struct Filter {
    /// Its name in the address.
    pub key: String,
    /// In words.
    pub words: String,
}

impl TableStatement {
    /// Reads an address; `columns` are all of the table, of which those are left out that may not be seen.
    pub fn new(name: &str, columns: &SchemaRef, visible: Visible, query: &QueryString) -> Result<Self> {
        let generated = visible == Visible::Generated;
        let shown: Vec<usize> = (0..columns.fields().len())
            .filter(|index| generated || visible.shows(columns.field(*index).name()))
            .collect();
        let columns = columns.project(&shown).map_err(|error| Error::internal(format!("columns: {error}")))?;
        let mut made = Self {
            name: name.to_owned(),
            columns: columns.into(),
            visible,
            filters: Vec::new(),
            conditions: Vec::new(),
            order: Vec::new(),
            from: 0,
            facets: Vec::new(),
        };
        if generated {
            made.conditions.push("synthetic".to_owned());
        }
        for (key, value) in query.pairs().iter().filter(|(key, _)| !key.starts_with('_')) {
            made.filter(key, value)?;
        }
        made.order = made.sorting(query)?;
        if let Some(from) = query.get(FROM) {
            let expected = || Error::user(format!("expected the number of a row in `{FROM}`, found `{from}`"));
            made.from = from.parse::<u32>().map_err(|_| expected())? as usize;
        }
        let asked: Vec<&str> =
            query.pairs().iter().filter(|(key, _)| key == FACET).map(|(_, value)| value.as_str()).collect();
        let wanted = if asked.is_empty() { GROUPS } else { &asked };
        for column in wanted {
            match made.kind(column) {
                Ok(_) => made.facets.push((*column).to_owned()),
                Err(error) if !asked.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(made)
    }

    fn kind(&self, column: &str) -> Result<&DataType> {
        let known: Vec<&str> = self.columns.fields().iter().map(|field| field.name().as_str()).collect();
        self.columns.field_with_name(column).map(|field| field.data_type()).map_err(|_| {
            let error = Error::user(format!("`{}` has no column `{column}` that is shown here", self.name));
            error.hint_near(column, &known, format!("columns: {}", known.join(", ")))
        })
    }

    fn filter(&mut self, key: &str, value: &str) -> Result<()> {
        let by_end = |(end, ..): &&(&str, &str, &str)| !end.is_empty() && key.ends_with(end);
        let (end, operator, word) = OPERATORS.iter().find(by_end).unwrap_or(&OPERATORS[0]);
        let column = key.strip_suffix(end).unwrap_or(key);
        let kind = self.kind(column)?;
        let name = quoted(column);
        let condition = match *operator {
            "IS NULL" => match value {
                "1" => format!("{name} IS NULL"),
                "0" => format!("{name} IS NOT NULL"),
                other => return Err(Error::user(format!("expected 1 or 0 for `{key}`, found `{other}`"))),
            },
            "LIKE" => format!("strpos(CAST({name} AS TEXT), {}) > 0", text(value)),
            operator => format!("{name} {operator} {}", literal(column, kind, value)?),
        };
        let words = match (*operator, value) {
            ("IS NULL", "0") => format!("{column} is not empty"),
            ("IS NULL", _) => format!("{column} is empty"),
            _ => format!("{column} {word} {value}"),
        };
        self.conditions.push(condition);
        self.filters.push(Filter { key: key.to_owned(), words });
        Ok(())
    }

    fn sorting(&self, query: &QueryString) -> Result<Vec<String>> {
        let mut order = Vec::new();
        if let Some(column) = query.get(SORT) {
            if !is_sortable(self.kind(column)?) {
                return Err(Error::user(format!("expected a column with an order in `{SORT}`, found `{column}`")));
            }
            let direction = if query.get(DESCENDING).is_some() { " DESC NULLS LAST" } else { " NULLS LAST" };
            order.push(format!("{}{direction}", quoted(column)));
        }
        let fields = self.columns.fields().iter().filter(|field| is_sortable(field.data_type()));
        let names = fields.map(|field| field.name().as_str()).filter(|name| Some(*name) != query.get(SORT));
        let key = KEYS.iter().find(|(name, _)| *name == self.name);
        order.extend(names.filter(|name| key.is_none_or(|(_, columns)| columns.contains(name))).map(quoted));
        Ok(order)
    }

    /// Columns that are left out, as a reader is told.
    pub fn is_partial(&self) -> bool {
        self.visible != Visible::Everything
    }

    fn conditions(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!("\nWHERE {}", self.conditions.join(" AND ")) }
    }

    /// The rows of the page, and one more where there is a next page.
    pub fn rows(&self) -> String {
        let columns: Vec<String> = self.columns.fields().iter().map(|field| quoted(field.name())).collect();
        let order = if self.order.is_empty() { String::new() } else { format!("\nORDER BY {}", self.order.join(", ")) };
        let offset = if self.from == 0 { String::new() } else { format!(" OFFSET {}", self.from) };
        let (table, conditions) = (quoted(&self.name), self.conditions());
        format!("SELECT {}\nFROM {table}{conditions}{order}\nLIMIT {PAGE_ROWS}{offset}", columns.join(", "))
    }

    /// The number of rows on all pages.
    pub fn count(&self) -> String {
        format!("SELECT count(*) FROM {}{}", quoted(&self.name), self.conditions())
    }

    /// The most frequent values of a column, and how often they occur.
    pub fn facet(&self, column: &str, values_max: usize) -> String {
        let (name, table) = (quoted(column), quoted(&self.name));
        let counted =
            format!("SELECT {name} AS value, count(*) AS times FROM {table}{} GROUP BY {name}", self.conditions());
        let limit = values_max + 1;
        format!(
            "SELECT CAST(value AS TEXT) AS value, times FROM ({counted}) AS counted ORDER BY times DESC, 1 LIMIT {limit}"
        )
    }
}

/// Has a column an order that a page may sort by?
pub(crate) fn is_sortable(kind: &DataType) -> bool {
    kind.is_numeric() || matches!(kind, DataType::Utf8 | DataType::Boolean)
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    // Names that are words of SQL too.
    let is_word = matches!(name, "precision" | "position" | "rows" | "member" | "plan" | "role" | "class" | "unit");
    if plain && !is_word { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as SQL has it.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// A value of a column's type as SQL has it.
fn literal(column: &str, kind: &DataType, value: &str) -> Result<String> {
    let wrong = |what: &str| Err(Error::user(format!("expected {what} for `{column}`, found `{value}`")));
    match kind {
        DataType::Boolean => match value {
            "true" | "false" => Ok(value.to_owned()),
            _ => wrong("true or false"),
        },
        kind if kind.is_integer() => {
            value.parse::<i64>().map_or_else(|_| wrong("a whole number"), |it| Ok(it.to_string()))
        }
        kind if kind.is_numeric() => match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(format!("CAST({number:?} AS DOUBLE PRECISION)")),
            Ok(_) => Ok(format!("CAST({} AS DOUBLE PRECISION)", text(value))),
            Err(_) => wrong("a number"),
        },
        DataType::Utf8 => Ok(text(value)),
        DataType::Binary => match value.len().is_multiple_of(2) && value.bytes().all(|digit| digit.is_ascii_hexdigit())
        {
            true => Ok(format!("'\\x{value}'::bytea")),
            false => wrong("pairs of hexadecimal digits"),
        },
        _ => wrong("a column that can be compared"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{Field, Schema};
    use std::sync::Arc;
    use syntrace_query::tables;

    fn columns() -> SchemaRef {
        let field = |name: &str, kind| Field::new(name, kind, true);
        Arc::new(Schema::new(vec![field("class", DataType::Utf8), field("trace_id", DataType::Int64)]))
    }

    #[test]
    fn values_of_an_address_are_values_of_sql() {
        let query = QueryString::parse(Some("class=it's&trace_id__gt=5&_sort=trace_id&_desc=1&_from=50"));
        let made = TableStatement::new("t", &columns(), Visible::Everything, &query).unwrap();
        let expected = "SELECT \"class\", trace_id\nFROM t\nWHERE \"class\" = 'it''s' AND trace_id > 5\n\
            ORDER BY trace_id DESC NULLS LAST, \"class\"\nLIMIT 50 OFFSET 50";
        assert_eq!(made.rows(), expected);
        for wrong in ["trace_id=1%20OR%201=1", "nope=1", "_sort=nope", "_from=x", "trace_id__null=2", "_facet=nope"] {
            let query = QueryString::parse(Some(wrong));
            assert!(TableStatement::new("t", &columns(), Visible::Everything, &query).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_are_columns_of_their_tables() {
        for (name, key) in KEYS {
            let table = tables().into_iter().find(|table| table.name == *name).unwrap();
            assert!(key.iter().all(|column| table.columns.iter().any(|known| known.name == *column)), "{name}");
        }
    }
}

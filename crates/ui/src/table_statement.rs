//! From the address of a table's page to its statement: filters, order and page.
//!
//! ```text
//! ?class=mac&ip_length__gte=1000&_sort=ttl&_desc=1&_from=50&_after==64&_after==1017&_facet=protocol
//! ```
//!
//! Rows of a table with a key are ordered by it, after the column that a reader sorts by, and the next page is what comes after the
//! last row: no page costs more than the first. Other tables and views are ordered by all columns and skip what was shown.

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
/// Number of the page's first row, from 0. Rows before it are skipped unless [`AFTER`] or [`BEFORE`] say where the page is.
pub(crate) const FROM: &str = "_from";
/// Values of the last row before the page in the columns of the order: `=` and the value, or `-` for NULL.
pub(crate) const AFTER: &str = "_after";
/// Those of the first row after the page.
pub(crate) const BEFORE: &str = "_before";
/// Column whose values are counted.
pub(crate) const FACET: &str = "_facet";
/// Value of [`FACET`] where no column's values are.
pub(crate) const NO_FACET: &str = "-";
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

/// Columns by which rows of tables are told apart, so that pages follow each other without sorting by all. First those that are
/// constants of a partition (or lead to one): then a page reads the partitions that its rows are in, and of the others nothing.
const KEYS: &[(&str, &[&str])] = &[
    ("traces", &["dataset", "class", "trace_id"]),
    ("packets", &["dataset", "class", "trace_id", "position"]),
    ("encodings", &["dataset", "class", "trace_id", "encoding"]),
    ("splits", &["split_id", "trace_id"]),
    ("attributes", &["model_id", "trace_id", "kind"]),
    ("reference_attributes", &["model_id", "trace_id", "kind"]),
    ("whole_attributes", &["model_id", "trace_id", "kind", "position"]),
    ("attack_scores", &["attack_id", "trace_id", "model_id"]),
    ("roc", &["attack_id", "role", "fpr", "tpr"]),
    ("synthetic_traces", &["model_id", "trace_id"]),
    ("repairs", &["model_id", "trace_id", "profile", "rule"]),
    ("segments", &["segment_id", "column_name"]),
    ("plan_members", &["plan_id", "id"]),
    ("objects", &["digest"]),
    ("models", &["model_id"]),
    ("lineage", &["model_id", "number"]),
    ("privacy_ledger", &["model_id", "event"]),
    ("epochs", &["model_id", "epoch"]),
    ("attacks", &["attack_id"]),
    ("jobs", &["job_id"]),
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
    order: Vec<Order>,
    /// Do the columns of the order tell all rows apart?
    pub has_key: bool,
    place: Place,
    /// Number of the first row, from 0.
    pub from: usize,
    /// Columns whose values are counted.
    pub facets: Vec<String>,
}

/// A column of the order.
struct Order {
    name: String,
    kind: DataType,
    descending: bool,
    /// May it be NULL? Such rows are the last.
    nullable: bool,
}

/// Where a page begins or ends.
enum Place {
    /// After a number of rows.
    Skipping,
    /// After the row with these values in the columns of the order, as literals.
    After(Vec<Option<String>>),
    /// Before it.
    Before(Vec<Option<String>>),
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
            has_key: false,
            place: Place::Skipping,
            from: 0,
            facets: Vec::new(),
        };
        if generated {
            made.conditions.push("synthetic".to_owned());
        }
        for (key, value) in query.pairs().iter().filter(|(key, _)| !key.starts_with('_')) {
            made.filter(key, value)?;
        }
        (made.order, made.has_key) = made.sorting(query)?;
        made.place = made.place(query)?;
        if let Some(from) = query.get(FROM) {
            let expected = || Error::user(format!("expected the number of a row in `{FROM}`, found `{from}`"));
            made.from = from.parse::<u32>().map_err(|_| expected())? as usize;
        }
        let asked: Vec<&str> =
            query.pairs().iter().filter(|(key, _)| key == FACET).map(|(_, value)| value.as_str()).collect();
        let wanted = if asked.is_empty() { GROUPS } else { &asked };
        for column in wanted.iter().filter(|column| **column != NO_FACET) {
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

    /// The columns of the order, and whether they tell all rows apart.
    fn sorting(&self, query: &QueryString) -> Result<(Vec<Order>, bool)> {
        let mut order = Vec::new();
        if let Some(column) = query.get(SORT) {
            let kind = self.kind(column)?.clone();
            if !is_sortable(&kind) {
                return Err(Error::user(format!("expected a column with an order in `{SORT}`, found `{column}`")));
            }
            let descending = query.get(DESCENDING).is_some();
            order.push(Order { name: column.to_owned(), kind, descending, nullable: true });
        }
        let key = KEYS.iter().find(|(name, _)| *name == self.name).map(|(_, columns)| *columns);
        let key = key.filter(|columns| columns.iter().all(|column| self.kind(column).is_ok()));
        let all = || self.columns.fields().iter().map(|field| field.name().as_str()).collect();
        let names: Vec<&str> = key.map_or_else(all, <[&str]>::to_vec);
        for name in names.into_iter().filter(|name| Some(*name) != query.get(SORT)) {
            let kind = self.kind(name)?.clone();
            if is_sortable(&kind) {
                order.push(Order { name: name.to_owned(), kind, descending: false, nullable: key.is_none() });
            }
        }
        Ok((order, key.is_some()))
    }

    /// Where the page of an address is.
    fn place(&self, query: &QueryString) -> Result<Place> {
        let (after, before) = (query.all(AFTER), query.all(BEFORE));
        let given = if after.is_empty() { &before } else { &after };
        if given.is_empty() {
            return Ok(Place::Skipping);
        }
        if !self.has_key || given.len() != self.order.len() {
            let names: Vec<&str> = self.order.iter().map(|order| order.name.as_str()).collect();
            let error = format!("expected the values of a row in {}, found {}", names.join(", "), given.len());
            return Err(Error::user(error).hint("begin at the first page"));
        }
        let values = self.order.iter().zip(given).map(|(order, value)| match value.strip_prefix('=') {
            Some(value) => literal(&order.name, &order.kind, value).map(Some),
            None => Ok(None),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(if after.is_empty() { Place::Before(values) } else { Place::After(values) })
    }

    /// Is the page read backwards?
    pub fn is_reversed(&self) -> bool {
        matches!(self.place, Place::Before(_))
    }

    /// The columns of the order.
    pub fn order(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(|order| order.name.as_str())
    }

    /// Columns that are left out, as a reader is told.
    pub fn is_partial(&self) -> bool {
        self.visible != Visible::Everything
    }

    fn conditions(&self) -> String {
        where_all(&self.conditions)
    }

    /// The rows of the page, the last one first where it is read backwards.
    pub fn rows(&self) -> String {
        let mut conditions = self.conditions.clone();
        match &self.place {
            Place::Skipping => {}
            Place::After(values) => conditions.push(self.beyond(values, false)),
            Place::Before(values) => conditions.push(self.beyond(values, true)),
        }
        let skips = matches!(self.place, Place::Skipping) && self.from > 0;
        let offset = if skips { format!(" OFFSET {}", self.from) } else { String::new() };
        format!("{}\nLIMIT {PAGE_ROWS}{offset}", self.ordered(&conditions, self.is_reversed()))
    }

    /// All rows, of all pages.
    pub fn all_rows(&self) -> String {
        self.ordered(&self.conditions, false)
    }

    fn ordered(&self, conditions: &[String], reversed: bool) -> String {
        let columns: Vec<String> = self.columns.fields().iter().map(|field| quoted(field.name())).collect();
        let order = self.order.iter().map(|order| {
            let (name, direction) = (quoted(&order.name), if order.descending != reversed { " DESC" } else { "" });
            let nulls = match (order.nullable, reversed) {
                (false, _) => "",
                (true, false) => " NULLS LAST",
                (true, true) => " NULLS FIRST",
            };
            format!("{name}{direction}{nulls}")
        });
        let order = order.collect::<Vec<_>>().join(", ");
        let order = if order.is_empty() { order } else { format!("\nORDER BY {order}") };
        format!("SELECT {}\nFROM {}{}{order}", columns.join(", "), quoted(&self.name), where_all(conditions))
    }

    /// The condition of rows after those with some values in the columns of the order, or before them.
    fn beyond(&self, values: &[Option<String>], before: bool) -> String {
        let (mut ways, mut equal) = (Vec::new(), Vec::new());
        for (order, value) in self.order.iter().zip(values) {
            let name = quoted(&order.name);
            let operator = if order.descending != before { "<" } else { ">" };
            // NULL is the last value.
            let (further, same) = match value {
                Some(value) if order.nullable && !before => {
                    (Some(format!("({name} {operator} {value} OR {name} IS NULL)")), format!("{name} = {value}"))
                }
                Some(value) => (Some(format!("{name} {operator} {value}")), format!("{name} = {value}")),
                None => (before.then(|| format!("{name} IS NOT NULL")), format!("{name} IS NULL")),
            };
            ways.extend(
                further.map(|further| equal.iter().cloned().chain([further]).collect::<Vec<_>>().join(" AND ")),
            );
            equal.push(same);
        }
        if ways.is_empty() {
            return "false".to_owned();
        }
        let ways = format!("({})", ways.join(" OR "));
        // Says the same of the first column alone, by which partitions are left out.
        match (self.order.first(), values.first()) {
            (Some(first), Some(Some(value))) if !first.nullable => {
                let operator = if first.descending != before { "<=" } else { ">=" };
                format!("{} {operator} {value} AND {ways}", quoted(&first.name))
            }
            _ => ways,
        }
    }

    /// The number of rows on all pages.
    pub fn count(&self) -> String {
        format!("SELECT count(*) FROM {}{}", quoted(&self.name), self.conditions())
    }

    /// The values of columns in all rows, as text.
    pub fn values(&self, columns: &[&str]) -> String {
        let texts = columns.iter().map(|column| format!("CAST({0} AS TEXT) AS {0}", quoted(column)));
        let texts = texts.collect::<Vec<_>>().join(", ");
        format!("SELECT {texts} FROM {}{}", quoted(&self.name), self.conditions())
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

/// All conditions at once.
fn where_all(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join(" AND ")) }
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
            // A number of single precision is compared with what is nearest to it in single precision.
            Ok(number) if number.is_finite() && *kind == DataType::Float32 => Ok(format!("CAST({number:?} AS REAL)")),
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
            ORDER BY trace_id DESC NULLS LAST, \"class\" NULLS LAST\nLIMIT 50 OFFSET 50";
        assert_eq!(made.rows(), expected);
        let wrong = [
            "trace_id=1%20OR%201=1",
            "nope=1",
            "_sort=nope",
            "_from=x",
            "trace_id__null=2",
            "_facet=nope",
            "_after==1",
        ];
        for wrong in wrong {
            let query = QueryString::parse(Some(wrong));
            assert!(TableStatement::new("t", &columns(), Visible::Everything, &query).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_of_a_table_with_a_key_begins_after_a_row() {
        let columns = columns();
        let columns = Schema::new(vec![
            columns.field(0).clone(),
            Field::new("split_id", DataType::Int64, false),
            columns.field(1).clone(),
        ]);
        let made = |query: &str| {
            let query = QueryString::parse(Some(query));
            TableStatement::new("splits", &Arc::new(columns.clone()), Visible::Everything, &query).unwrap().rows()
        };
        let plain = made("_from=50&_after==3&_after==7");
        let condition = "WHERE split_id >= 3 AND (split_id > 3 OR split_id = 3 AND trace_id > 7)";
        assert!(plain.contains(condition) && plain.ends_with("ORDER BY split_id, trace_id\nLIMIT 50"), "{plain}");
        let after = made("_sort=class&_from=50&_after==a&_after==3&_after==7");
        let condition = "WHERE ((\"class\" > 'a' OR \"class\" IS NULL) OR \"class\" = 'a' AND split_id > 3 OR \"class\" = 'a' AND split_id = 3 AND trace_id > 7)";
        assert!(
            after.contains(condition) && after.ends_with("ORDER BY \"class\" NULLS LAST, split_id, trace_id\nLIMIT 50"),
            "{after}"
        );
        let after_null = made("_sort=class&_after=-&_after==3&_after==7");
        assert!(
            after_null.contains(
                "WHERE (\"class\" IS NULL AND split_id > 3 OR \"class\" IS NULL AND split_id = 3 AND trace_id > 7)"
            ),
            "{after_null}"
        );
        let before = made("_sort=class&_before==a&_before==3&_before==7");
        let condition = "WHERE (\"class\" < 'a' OR \"class\" = 'a' AND split_id < 3 OR \"class\" = 'a' AND split_id = 3 AND trace_id < 7)";
        assert!(
            before.contains(condition)
                && before.contains("ORDER BY \"class\" DESC NULLS FIRST, split_id DESC, trace_id DESC"),
            "{before}"
        );
    }

    #[test]
    fn keys_are_columns_of_their_tables() {
        for (name, key) in KEYS {
            let table = tables().into_iter().find(|table| table.name == *name).unwrap();
            assert!(key.iter().all(|column| table.columns.iter().any(|known| known.name == *column)), "{name}");
        }
    }
}

//! Limits on statements whose plan is exponentially larger than their text: CTEs and aliases are expanded at each
//! reference, so a chain of CTEs doubles with each link (`a + a`, `FROM t JOIN t`, `UNION ALL`).

use super::walk::walk;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Query, Select, SelectItem,
    SetExpr, Statement, TableFactor, TableWithJoins, Value, Visitor,
};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::rc::Rc;
use syntrace_base::error::{Error, Result};

/// Tables that a statement reads after CTEs are expanded: planning 16,000 takes four seconds, twice as many twice as
/// long.
const TABLES_MAX: f64 = 1_000.0;

/// Columns and values in an expression after column aliases are expanded: planning a million takes two seconds.
const EXPRESSION_MAX: f64 = 10_000.0;

/// Functions that are planned as a CASE which duplicates each argument.
const TWICE: &[&str] = &["coalesce", "nvl", "nvl2", "ifnull", "nullif"];

/// Functions whose second argument is a type as text, read by a parser without a depth limit.
const TYPE_TEXTS: &[&str] = &["arrow_cast", "arrow_try_cast"];

/// Characters of such a text, and the largest number in it (bytes or items of each value).
const TYPE_CHARACTERS_MAX: usize = 100;
const TYPE_NUMBER_MAX: u64 = 10_000;

/// Functions whose last argument is the number of values that a sketch keeps.
const SKETCHES: &[&str] = &["approx_percentile_cont", "approx_percentile_cont_with_weight"];
const SKETCH_MAX: u64 = 10_000;

/// Rejects statements whose planning would not terminate in reasonable time or memory.
pub(crate) fn require_bounded(statement: &Statement) -> Result<()> {
    let mut calls = Calls { place: 1.0, refused: None };
    let _ = walk(statement, &mut calls);
    if let Some(refused) = calls.refused {
        return Err(refused);
    }
    match statement {
        Statement::Query(query) => of_query(query, &Names::new()).map(drop),
        Statement::Explain { statement, .. } => require_bounded(statement),
        _ => Ok(()),
    }
}

/// Columns of a query; planning compares each with each (50,000 take minutes). PostgreSQL has 1,664.
const COLUMNS_MAX: usize = 2_000;

/// Size of a relation after all names are expanded.
#[derive(Clone, Default)]
struct Size {
    tables: f64,
    /// Its columns and how large each one's expression is; columns of tables, which are none, are not listed.
    columns: Vec<(String, f64)>,
}

/// Sizes of the CTEs in scope, by name.
type Names = HashMap<String, Rc<Size>>;

fn key(name: &Ident) -> String {
    name.value.to_ascii_lowercase()
}

fn of_query(query: &Query, outer: &Names) -> Result<Size> {
    let mut names = outer.clone();
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        let mut size = of_query(&cte.query, &names)?;
        rename(&mut size, cte.alias.columns.iter().map(|column| &column.name));
        names.insert(key(&cte.alias.name), Rc::new(size));
    }
    of_set(&query.body, &names)
}

fn rename<'a>(size: &mut Size, names: impl Iterator<Item = &'a Ident>) {
    for ((column, _), name) in size.columns.iter_mut().zip(names) {
        *column = key(name);
    }
}

fn of_set(set: &SetExpr, names: &Names) -> Result<Size> {
    let size = match set {
        SetExpr::Select(select) => of_select(select, names)?,
        SetExpr::Query(query) => of_query(query, names)?,
        SetExpr::SetOperation { left, right, .. } => {
            let (mut left, right) = (of_set(left, names)?, of_set(right, names)?);
            left.tables += right.tables;
            for ((_, size), (_, other)) in left.columns.iter_mut().zip(right.columns) {
                *size = size.max(other);
            }
            left
        }
        _ => Size { tables: 1.0, columns: Vec::new() },
    };
    if size.tables > TABLES_MAX {
        return Err(Error::user(format!(
            "expected at most {TABLES_MAX} tables after expanding CTEs, found {:.0}",
            size.tables
        ))
        .hint("a CTE is evaluated once for each reference to it: reference the CTE fewer times"));
    }
    if size.columns.len() > COLUMNS_MAX {
        let found = size.columns.len();
        return Err(Error::user(format!("expected at most {COLUMNS_MAX} columns of a query, found {found}")));
    }
    Ok(size)
}

/// The size of each name; of columns that share one, the largest.
fn by_name(columns: &[(String, f64)]) -> HashMap<&str, f64> {
    let mut sizes = HashMap::new();
    for (name, size) in columns {
        let largest = sizes.entry(name.as_str()).or_insert(*size);
        *largest = size.max(*largest);
    }
    sizes
}

fn of_select(select: &Select, names: &Names) -> Result<Size> {
    let mut source = Size::default();
    for tables in &select.from {
        add(&mut source, of_tables(tables, names)?);
    }
    let mut size = Size { tables: source.tables.max(1.0), columns: Vec::new() };
    let sizes = by_name(&source.columns);
    // What is grouped is computed once, and its columns are columns from then on.
    let grouped =
        select.distinct.is_some() || !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    for item in &select.projection {
        let (name, expression) = match item {
            SelectItem::UnnamedExpr(expression) => (last_name(expression), expression),
            SelectItem::ExprWithAlias { expr, alias } => (key(alias), expr),
            _ => {
                size.columns.extend(source.columns.iter().cloned());
                continue;
            }
        };
        let own = of_expression(expression, &sizes, names, &mut size.tables)?;
        size.columns.push((name, if grouped { 1.0 } else { own }));
    }
    for condition in select.selection.iter().chain(&select.having).chain(&select.qualify) {
        of_expression(condition, &sizes, names, &mut size.tables)?;
    }
    Ok(size)
}

fn add(size: &mut Size, other: Size) {
    size.tables += other.tables;
    size.columns.extend(other.columns);
}

fn of_tables(tables: &TableWithJoins, names: &Names) -> Result<Size> {
    let mut size = of_factor(&tables.relation, names)?;
    for join in &tables.joins {
        add(&mut size, of_factor(&join.relation, names)?);
    }
    Ok(size)
}

fn of_factor(table: &TableFactor, names: &Names) -> Result<Size> {
    let (mut size, alias) = match table {
        TableFactor::Table { name, alias, .. } => {
            let known = match name.0.as_slice() {
                [only] => only.as_ident().and_then(|name| names.get(&key(name))),
                _ => None,
            };
            let size = known.map_or(Size { tables: 1.0, columns: Vec::new() }, |size| Size::clone(size));
            (size, alias)
        }
        TableFactor::Derived { subquery, alias, .. } => (of_query(subquery, names)?, alias),
        TableFactor::NestedJoin { table_with_joins, alias } => (of_tables(table_with_joins, names)?, alias),
        TableFactor::Pivot { table, alias, .. } => (of_factor(table, names)?, alias),
        _ => return Ok(Size { tables: 1.0, columns: Vec::new() }),
    };
    rename(&mut size, alias.iter().flat_map(|alias| alias.columns.iter().map(|column| &column.name)));
    Ok(size)
}

fn last_name(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(name) => key(name),
        Expr::CompoundIdentifier(names) => names.last().map(key).unwrap_or_default(),
        _ => String::new(),
    }
}

fn of_expression(expression: &Expr, sizes: &HashMap<&str, f64>, names: &Names, tables: &mut f64) -> Result<f64> {
    let mut visit = Expression { sizes, names, place: 1.0, size: 0.0, tables: 0.0, inside: 0, refused: None };
    let _ = walk(expression, &mut visit);
    if let Some(refused) = visit.refused {
        return Err(refused);
    }
    *tables += visit.tables;
    if visit.size > EXPRESSION_MAX {
        return Err(too_large(visit.size));
    }
    Ok(visit.size)
}

fn too_large(size: f64) -> Error {
    Error::user(format!(
        "expected at most {EXPRESSION_MAX} columns and values in an expression after expanding column aliases, \
         found {size:.0}"
    ))
    .hint("an alias is evaluated once for each reference to it: reference the alias fewer times")
}

fn function_name(function: &Function) -> String {
    function.name.0.last().and_then(|part| part.as_ident()).map(key).unwrap_or_default()
}

fn stands_twice(expression: &Expr) -> bool {
    matches!(expression, Expr::Function(function) if TWICE.contains(&function_name(function).as_str()))
}

/// Adds up an expression and the queries in it.
struct Expression<'a> {
    sizes: &'a HashMap<&'a str, f64>,
    names: &'a Names,
    /// How many copies of the visited node the plan contains.
    place: f64,
    size: f64,
    tables: f64,
    /// Queries that enclose the visited node.
    inside: usize,
    refused: Option<Error>,
}

impl Visitor for Expression<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.inside += 1;
        if self.inside > 1 {
            return ControlFlow::Continue(());
        }
        match of_query(query, self.names) {
            Ok(size) => {
                self.tables += size.tables;
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.refused = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if self.inside > 0 {
            return ControlFlow::Continue(());
        }
        if stands_twice(expression) {
            self.place *= 2.0;
        }
        let own = match expression {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                self.sizes.get(last_name(expression).as_str()).copied().unwrap_or(1.0).max(1.0)
            }
            _ => 0.0,
        };
        self.size += own * self.place;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if self.inside == 0 && stands_twice(expression) {
            self.place /= 2.0;
        }
        ControlFlow::Continue(())
    }
}

/// Looks for calls whose literal arguments alone exceed a limit.
struct Calls {
    place: f64,
    refused: Option<Error>,
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if stands_twice(expression) {
            self.place *= 2.0;
            if self.place > EXPRESSION_MAX {
                self.refused = Some(too_large(self.place));
                return ControlFlow::Break(());
            }
        }
        if let Expr::Function(function) = expression
            && let Some(error) = refused_call(function)
        {
            self.refused = Some(error);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        if stands_twice(expression) {
            self.place /= 2.0;
        }
        ControlFlow::Continue(())
    }
}

fn refused_call(function: &Function) -> Option<Error> {
    let name = function_name(function);
    let FunctionArguments::List(list) = &function.args else { return None };
    let argument = |at: usize| match list.args.get(at)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    };
    if TYPE_TEXTS.contains(&name.as_str()) {
        let text = match argument(1) {
            Some(Expr::Value(value)) => match &value.value {
                Value::SingleQuotedString(text) => Some(text.as_str()),
                _ => None,
            },
            _ => None,
        };
        let small = |text: &str| {
            let numbers = text.split(|character: char| !character.is_ascii_digit()).filter(|digits| !digits.is_empty());
            text.chars().count() <= TYPE_CHARACTERS_MAX
                && numbers.into_iter().all(|digits| digits.parse().is_ok_and(|number: u64| number <= TYPE_NUMBER_MAX))
        };
        if !text.is_some_and(small) {
            return Some(Error::user(format!(
                "{name} takes a type as plain text of at most {TYPE_CHARACTERS_MAX} characters, with numbers of at most \
                 {TYPE_NUMBER_MAX}"
            )));
        }
    }
    let centroids = if name.ends_with("_with_weight") { 3 } else { 2 };
    if SKETCHES.contains(&name.as_str())
        && let Some(kept) = list.args.get(centroids)
    {
        let small = kept.to_string().parse().is_ok_and(|kept: u64| kept <= SKETCH_MAX);
        if !small {
            return Some(Error::user(format!("{name} keeps at most {SKETCH_MAX} numbers, found `{kept}`")));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn refusal(text: &str) -> String {
        let statement = Parser::parse_sql(&GenericDialect {}, text).unwrap().remove(0);
        require_bounded(&statement).err().map(|error| error.to_string()).unwrap_or_default()
    }

    /// `WITH t0 AS (first), t1 AS (link, from t0), ... SELECT * FROM the last`.
    fn chain(first: &str, link: &str, links: usize) -> String {
        let mut text = format!("WITH t0 AS ({first})");
        for number in 1..=links {
            text += &format!(", t{number} AS ({})", link.replace('?', &format!("t{}", number - 1)));
        }
        format!("{text} SELECT * FROM t{links}")
    }

    #[test]
    fn chains_that_double_are_refused_and_those_that_do_not_are_not() {
        for link in ["SELECT * FROM ? UNION ALL SELECT * FROM ?", "SELECT a.x FROM ? a JOIN ? b ON a.x = b.x"] {
            assert_eq!(refusal(&chain("SELECT 1 AS x", link, 9)), "", "{link}");
            for first in ["SELECT 1 AS x FROM models", "SELECT 1 AS x", "VALUES (1)"] {
                assert!(refusal(&chain(first, link, 24)).contains("at most 1000 tables"), "{first} {link}");
            }
        }
        for link in ["SELECT x + x AS x FROM ?", "SELECT struct(x, x) AS x FROM ?", "SELECT y.x || y.x FROM ? AS y (x)"]
        {
            assert_eq!(refusal(&chain("SELECT a AS x FROM models", link, 12)), "", "{link}");
            let error = refusal(&chain("SELECT a AS x FROM models", link, 30));
            assert!(error.contains("at most 10000 columns"), "{link}: {error}");
        }
        for link in [
            "SELECT x + x AS x FROM ? GROUP BY x + x",
            "SELECT x + 1 AS x FROM ?",
            "SELECT * FROM ? WHERE x > 1 AND x < 9 OR x = 7",
        ] {
            assert_eq!(refusal(&chain("SELECT a AS x FROM models", link, 40)), "", "{link}");
        }
        let nested =
            |count: usize, value: &str| format!("SELECT {}{value}{}", "coalesce(".repeat(count), ", 2)".repeat(count));
        for value in ["1", "position"] {
            assert_eq!(refusal(&nested(13, value)), "");
            assert!(refusal(&nested(20, value)).contains("at most 10000 columns"));
        }
        let scalar = chain("SELECT a AS x FROM models", "SELECT (SELECT max(x) FROM ?) AS x FROM ?", 30);
        assert!(refusal(&scalar).contains("at most 1000 tables"));
    }

    #[test]
    fn wide_queries_are_refused() {
        let names: Vec<String> = (0..2_000).map(|number| format!("c{number}")).collect();
        let list = names.join(", ");
        assert_eq!(refusal(&chain(&format!("SELECT {list} FROM models"), &format!("SELECT {list} FROM ?"), 3)), "");
        let error = refusal(&chain(&format!("SELECT {list} FROM models"), "SELECT * FROM ? a, ? b", 9));
        assert!(error.contains("at most 2000 columns of a query"), "{error}");
    }

    #[test]
    fn types_and_sketches_are_small() {
        assert_eq!(
            refusal("SELECT arrow_cast(1, 'Decimal128(10, 2)'), approx_percentile_cont(a, 0.5, 200) FROM t"),
            ""
        );
        let deep = format!("SELECT arrow_cast(1, '{}Int8{}')", "List(".repeat(30_000), ")".repeat(30_000));
        for text in
            [deep.as_str(), "SELECT arrow_cast(1, 'FixedSizeBinary(2147483647)')", "SELECT arrow_cast(1, a) FROM t"]
        {
            assert!(refusal(text).contains("plain text of at most 100 characters"), "{:.60}", text);
        }
        for kept in ["1000000000", "10 * 100000000", "a"] {
            let text = format!("SELECT approx_percentile_cont(a, 0.5, {kept}) FROM t");
            assert!(refusal(&text).contains("keeps at most 10000"), "{kept}");
        }
    }
}

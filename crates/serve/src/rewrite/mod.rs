//! Rewrites statements of PostgreSQL clients so that DataFusion can plan them.
//!
//! Clients query the catalog in PostgreSQL's dialect: types, operators, casts and subqueries that the planner does not
//! support. Each rewriting preserves the meaning. In order:
//!
//! 1. queries over tables that are always empty are folded (`empty_tables`);
//! 2. tables of the catalog need no schema before them, functions may have one (`table`);
//! 3. types, casts, operators and subqueries (`expression`);
//! 4. columns of the answer have PostgreSQL's names (`column`).

mod array;
mod client_patches;
mod column;
mod duplicate_names;
mod empty_tables;
mod expression;
mod table;

pub(crate) use array::items as array_items;
pub(crate) use duplicate_names::shown as shown_name;

use crate::catalog::Catalog;
use crate::setting::Settings;
use client_patches::KnownQuestions;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Statement, Value,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::sync::Arc;
use syntrace_query::walk::{each_expression, walk_mut};

/// Rewrites statements for the sake of the catalog.
pub(crate) struct Rewriter {
    catalog: Arc<Catalog>,
    known: KnownQuestions,
}

impl Rewriter {
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, known: KnownQuestions::new() }
    }

    /// The one statement of a text, rewritten, with the tables of keys or as if there were none. `None` where it cannot be read.
    pub fn rewritten(&self, text: &str, settings: &Settings, without_keys: bool) -> Option<Rewritten> {
        let text = self.known.replaced(text);
        let mut statement = parse(&text)?;
        let parameters = highest_parameter(&statement);
        let mut expressions = expression::Expressions::new(settings);
        if matches!(statement, Statement::Query(_) | Statement::Explain { .. }) {
            // None of them ends early.
            let _ = walk_mut(&mut statement, &mut empty_tables::Empty::new(&self.catalog, without_keys));
            let _ = walk_mut(&mut statement, &mut table::Tables::new(&self.catalog));
            column::name_registers(&mut statement);
            let _ = walk_mut(&mut statement, &mut expressions);
            column::name(&mut statement);
        }
        Some(Rewritten { statement, changes: expressions.changes, parameters })
    }
}

/// A statement that can be planned.
pub(crate) struct Rewritten {
    pub statement: Statement,
    /// Settings that it changes, with `set_config`.
    pub changes: Vec<(String, String)>,
    /// How many parameters it had; one that was in what has no rows is no longer there.
    pub parameters: usize,
}

/// The highest of `$1`, `$2`, ...
fn highest_parameter(statement: &Statement) -> usize {
    let mut highest = 0;
    each_expression(statement, |expression| {
        if let Expr::Value(value) = expression
            && let Value::Placeholder(name) = &value.value
        {
            highest = name.trim_start_matches('$').parse().map_or(highest, |number: usize| highest.max(number));
        }
    });
    highest
}

/// Reads the one statement of a text in PostgreSQL's dialect.
pub(crate) fn parse(text: &str) -> Option<Statement> {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, text).ok()?;
    if statements.len() == 1 { statements.pop() } else { None }
}

/// A call of a function.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let arguments = arguments.into_iter().map(|one| FunctionArg::Unnamed(FunctionArgExpr::Expr(one))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn number(number: impl std::fmt::Display) -> Expr {
    Expr::value(Value::Number(number.to_string(), false))
}

/// The text of a string literal.
fn literal(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

/// The last part of a dotted name, in lower case unless it was quoted.
fn last_name(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
}

/// An identifier as PostgreSQL reads it.
fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}

//! Syntax that is rejected before planning.

use crate::sql::walk::walk;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator,
    Query, Select, SetExpr, SetOperator, SetQuantifier, Statement, TableFactor, TableWithJoins, Value, Visitor,
};
use std::num::IntErrorKind;
use std::ops::ControlFlow;
use syntrace_base::error::{Error, Result};

/// Rejects syntax that DataFusion interprets differently from SQL and that has no workaround here.
///
/// - `EXCEPT ALL` and `INTERSECT ALL`: rows that are on the other side are told from those that are not, and not counted
///   (#12955, #12956).
/// - `RIGHT` and `FULL JOIN` with `USING` or `NATURAL`: the common column is the left side's, NULL where that has no row
///   (#22881).
/// - `^`, and integers that no type holds exactly.
pub(crate) fn require_exact(statement: &Statement) -> Result<()> {
    struct Inexact(Option<Error>);
    impl Visitor for Inexact {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if let Some(operator) = bag(&query.body) {
                self.0 = Some(Error::user(format!("{operator} ALL is not supported")).hint(format!(
                    "{operator} without ALL gives each row once; count rows with GROUP BY where copies matter"
                )));
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            if select.from.iter().any(merges) {
                self.0 = Some(
                    Error::user("RIGHT and FULL JOIN with USING or NATURAL are not supported")
                        .hint("write ON a.k = b.k, and coalesce(a.k, b.k) for the common column"),
                );
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            match expression {
                Expr::BinaryOp { op: BinaryOperator::BitwiseXor, .. } => {
                    self.0 = Some(
                        Error::user("`^` is a power to some systems and XOR to others: it is not supported")
                            .hint("write power(x, y); XOR is (x | y) - (x & y)"),
                    );
                }
                Expr::SimilarTo { .. } => {
                    self.0 = Some(
                        Error::user("`SIMILAR TO` is not supported: here it would find its pattern anywhere in a text")
                            .hint("x LIKE 'a%', or regexp_like(x, '^(a|b).*$')"),
                    );
                }
                Expr::Function(function) => {
                    self.0 = self.0.take().or_else(|| to_char_pattern(function));
                }
                Expr::Value(value) => {
                    if let Value::Number(digits, _) = &value.value
                        && digits.parse::<u64>().is_err_and(|error| *error.kind() == IntErrorKind::PosOverflow)
                    {
                        self.0 = Some(Error::user(format!("the number {digits} is larger than any integer here")).hint(
                            format!("write {digits}.0 for a DOUBLE, or CAST('{digits}' AS NUMERIC(38, 0)) for all its digits"),
                        ));
                    }
                }
                _ => {}
            }
            if self.0.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    let mut inexact = Inexact(None);
    let _ = walk(statement, &mut inexact);
    inexact.0.map_or(Ok(()), Err)
}

/// The error for a pattern of `to_char` in PostgreSQL's letters, which it would give back as they are.
fn to_char_pattern(function: &Function) -> Option<Error> {
    let name = function.name.to_string().to_ascii_lowercase();
    let FunctionArguments::List(list) = &function.args else { return None };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(pattern)))] = list.args.as_slice() else {
        return None;
    };
    let Value::SingleQuotedString(pattern) = &pattern.value else { return None };
    (matches!(name.as_str(), "to_char" | "date_format") && !pattern.contains('%')).then(|| {
        Error::user(format!("`{name}` takes a pattern of strftime, found '{pattern}'"))
            .hint(format!("for example {name}(x, '%Y-%m-%d %H:%M:%S')"))
    })
}

fn bag(body: &SetExpr) -> Option<SetOperator> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return None };
    let is_all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
    let is_bag = is_all && !matches!(op, SetOperator::Union);
    is_bag.then_some(*op).or_else(|| bag(left)).or_else(|| bag(right))
}

/// Does a join of these have one column of both sides, where the left one may have no row?
fn merges(tables: &TableWithJoins) -> bool {
    let inside = |table: &TableFactor| match table {
        TableFactor::NestedJoin { table_with_joins, .. } => merges(table_with_joins),
        _ => false,
    };
    inside(&tables.relation)
        || tables.joins.iter().any(|join| {
            let is_merged = matches!(
                &join.join_operator,
                JoinOperator::Right(how) | JoinOperator::RightOuter(how) | JoinOperator::FullOuter(how)
                    if matches!(how, JoinConstraint::Using(_) | JoinConstraint::Natural)
            );
            is_merged || inside(&join.relation)
        })
}

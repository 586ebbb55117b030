//! Operators that PostgreSQL has and DataFusion lacks: `->` and `->>` for JSON, `<<` for network containment; and
//! comparison of addresses with text.

use crate::error::external;
use crate::function::{AddressFunction, JsonFunction, JsonKind, address_bytes, network};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, InSubquery, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, cast, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use syntrace_base::error::Error;

/// Plans the operators as calls of functions.
#[derive(Debug)]
pub(crate) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow => ScalarUDF::from(JsonFunction::new(JsonKind::Extract)),
            BinaryOperator::LongArrow => ScalarUDF::from(JsonFunction::new(JsonKind::ExtractString)),
            BinaryOperator::PGBitwiseShiftLeft if is_bytes(&expr.left, schema) => {
                ScalarUDF::from(AddressFunction::in_network())
            }
            _ => return Ok(PlannerResult::Original(typed(expr, schema)?)),
        };
        Ok(PlannerResult::Planned(function.call(vec![expr.left, expr.right])))
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        let args = if expr.func.name() == "sum" { narrowed(expr.args) } else { expr.args };
        Ok(PlannerResult::Original(RawAggregateExpr { args, ..expr }))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let args = if expr.func_def.name() == "sum" { narrowed(expr.args) } else { expr.args };
        if let ("nth_value", [_, Expr::Literal(ScalarValue::Int64(Some(0)), _)]) =
            (expr.func_def.name(), args.as_slice())
        {
            return Err(external(Error::user("`nth_value` counts rows from 1, found 0")));
        }
        Ok(PlannerResult::Original(RawWindowExpr { args, ..expr }))
    }
}

/// Operands of an operator with the types that PostgreSQL gives them: text compared with a BOOLEAN is a BOOLEAN, and a
/// DATE to which an interval is added is a TIMESTAMP.
fn typed(expr: RawBinaryExpr, schema: &DFSchema) -> Result<RawBinaryExpr> {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, Minus, NotEq, Plus};
    let RawBinaryExpr { op, left, right } = expr;
    let kind = |side: &Expr| side.get_type(schema).ok();
    let moment = |date: Expr, other: &Expr| match (kind(&date), kind(other)) {
        (Some(DataType::Date32), Some(DataType::Interval(_))) => {
            cast(date, DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        _ => date,
    };
    let (left, right) = match op {
        Eq | NotEq | Lt | LtEq | Gt | GtEq => {
            let new_right = read_boolean(&left, right.clone(), schema)?;
            (read_boolean(&right, left, schema)?, new_right)
        }
        Plus => {
            let new_left = moment(left.clone(), &right);
            (new_left, moment(right, &left))
        }
        Minus => (moment(left, &right), right),
        _ => (left, right),
    };
    Ok(RawBinaryExpr { op, left, right })
}

/// Whole numbers of a statement as INTEGER, as PostgreSQL reads them: `sum(CASE WHEN x THEN 1 ELSE 0 END)` is BIGINT
/// then. DataFusion reads BIGINT, whose sum is NUMERIC.
fn narrowed(arguments: Vec<Expr>) -> Vec<Expr> {
    let narrow = |argument: Expr| match is_integer(&argument) {
        true => cast(argument, DataType::Int32),
        false => argument,
    };
    arguments.into_iter().map(narrow).collect()
}

/// Is an expression a choice among whole numbers of a statement that are INTEGER?
fn is_integer(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => i32::try_from(*value).is_ok(),
        Expr::Negative(inner) => is_integer(inner),
        Expr::Case(case) => {
            let is_value = |value: &Expr| is_integer(value) || matches!(value, Expr::Literal(ScalarValue::Null, _));
            let values = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            case.when_then_expr.iter().any(|(_, then)| is_integer(then))
                && values.into_iter().all(|value| is_value(value))
        }
        _ => false,
    }
}

/// Is text that is compared with an expression converted to the expression's type?
fn is_read(expression: &Expr, schema: &DFSchema) -> bool {
    matches!(expression.get_type(schema), Ok(DataType::Binary | DataType::Boolean))
}

fn is_bytes(expression: &Expr, schema: &DFSchema) -> bool {
    matches!(expression.get_type(schema), Ok(DataType::Binary))
}

/// Converts text that is compared with an address to an address, and with a BOOLEAN to a BOOLEAN. Otherwise the
/// characters of the text would be compared with an address's bytes, and `member = 'true'` would be an error.
#[derive(Debug)]
pub(crate) struct ReadText;

impl AnalyzerRule for ReadText {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expression| {
                let name = names.save(&expression);
                let read = expression.transform_up(|part| with_text_read(part, &schema))?;
                Ok(read.update_data(|expression| name.restore(expression)))
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "read_text"
    }
}

fn with_text_read(part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let other = |address: &Expr, text: Expr| read(address, text, schema);
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
            let (new_left, new_right) = read_both(left.as_ref().clone(), right.as_ref().clone(), schema)?;
            let changed = new_right != *right || new_left != *left;
            let compared = Expr::BinaryExpr(BinaryExpr { left: Box::new(new_left), op, right: Box::new(new_right) });
            Ok(if changed { Transformed::yes(compared) } else { Transformed::no(compared) })
        }
        Expr::InList(InList { expr, list, negated }) if is_read(&expr, schema) => {
            let list = list.into_iter().map(|item| other(&expr, item)).collect::<Result<Vec<_>>>()?;
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        Expr::Between(Between { expr, negated, low, high }) if is_bytes(&expr, schema) => {
            let (low, high) = (Box::new(other(&expr, *low)?), Box::new(other(&expr, *high)?));
            Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
        }
        Expr::Case(mut case) if case.expr.as_ref().is_some_and(|operand| is_bytes(operand, schema)) => {
            let Some(operand) = case.expr.take() else { return Ok(Transformed::no(Expr::Case(case))) };
            let read = |(when, then): (Box<Expr>, Box<Expr>)| Ok((Box::new(other(&operand, *when)?), then));
            case.when_then_expr = case.when_then_expr.into_iter().map(read).collect::<Result<_>>()?;
            case.expr = Some(operand);
            Ok(Transformed::yes(Expr::Case(case)))
        }
        Expr::ScalarFunction(mut call) if call.func.name() == "nullif" => match call.args.as_mut_slice() {
            [left, right] => {
                let (new_left, new_right) = (other(right, left.clone())?, other(left, right.clone())?);
                (*left, *right) = (new_left, new_right);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
        },
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let text = subquery.subquery.schema().fields().first().is_some_and(|field| field.data_type().is_string());
            if text && is_bytes(&expr, schema) {
                return Err(external(
                    Error::user(format!("`{expr}` holds addresses as bytes, and the subquery gives text"))
                        .hint(format!("make addresses of it: {expr} IN (SELECT inet(...) ...)")),
                ));
            }
            Ok(Transformed::no(Expr::InSubquery(InSubquery { expr, subquery, negated })))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Both sides of a comparison, each converted for the other; tuples element by element.
fn read_both(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let is_tuple = |call: &ScalarFunction| matches!(call.func.name(), "struct" | "row");
    match (left, right) {
        (Expr::ScalarFunction(mut a), Expr::ScalarFunction(mut b))
            if is_tuple(&a) && is_tuple(&b) && a.args.len() == b.args.len() =>
        {
            for (left, right) in a.args.iter_mut().zip(&mut b.args) {
                (*left, *right) = read_both(left.clone(), right.clone(), schema)?;
            }
            Ok((Expr::ScalarFunction(a), Expr::ScalarFunction(b)))
        }
        (left, right) => {
            let new_right = read(&left, right.clone(), schema)?;
            Ok((read(&right, left, schema)?, new_right))
        }
    }
}

pub(crate) fn compares(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Is an expression a column of addresses by its name?
fn is_address(expression: &Expr) -> bool {
    match expression {
        Expr::Column(column) => column.name == "ip" || column.name.ends_with("_ip"),
        Expr::OuterReferenceColumn(_, column) => column.name == "ip" || column.name.ends_with("_ip"),
        Expr::ScalarFunction(call) => call.func.name() == "inet",
        Expr::Alias(alias) => is_address(&alias.expr),
        _ => false,
    }
}

/// Converts text that is compared with a BOOLEAN as PostgreSQL does; leaves anything else unchanged.
fn read_boolean(beside: &Expr, text: Expr, schema: &DFSchema) -> Result<Expr> {
    match &text {
        Expr::Literal(ScalarValue::Utf8(Some(word)) | ScalarValue::Utf8View(Some(word)), _)
            if matches!(beside.get_type(schema), Ok(DataType::Boolean)) =>
        {
            match word.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => Ok(lit(true)),
                "false" | "f" | "no" | "n" | "off" | "0" => Ok(lit(false)),
                _ => {
                    let error = Error::user(format!("expected true or false, found `{word}`"));
                    Err(external(error.with_sqlstate("22P02")))
                }
            }
        }
        _ => Ok(text),
    }
}

/// Converts text that is compared with bytes to an address's bytes, and with a BOOLEAN as PostgreSQL does; leaves
/// anything else unchanged.
fn read(bytes: &Expr, text: Expr, schema: &DFSchema) -> Result<Expr> {
    let text = read_boolean(bytes, text, schema)?;
    if !is_bytes(bytes, schema) {
        return Ok(text);
    }
    let literal = match &text {
        Expr::Literal(ScalarValue::Utf8(Some(literal)) | ScalarValue::Utf8View(Some(literal)), _) => literal.as_str(),
        other if is_address(bytes) && matches!(other.get_type(schema), Ok(DataType::Utf8)) => {
            return Ok(ScalarUDF::from(AddressFunction::inet()).call(vec![text]));
        }
        _ => return Ok(text),
    };
    if let Some(address) = address_bytes(literal) {
        return Ok(lit(ScalarValue::Binary(Some(address))));
    }
    if is_address(bytes) {
        let error = Error::user(format!("expected an address like 192.168.1.1 or 2001:db8::1, found `{literal}`"));
        let hint = match network(literal) {
            Some(_) => format!("a network is compared with `<<`: {bytes} << '{literal}'"),
            None => format!(
                "compare with `{bytes} = '192.168.1.1'` or `{bytes} << '192.168.0.0/16'`; ip_text({bytes}) is its text"
            ),
        };
        return Err(external(error.hint(hint)));
    }
    Ok(text)
}

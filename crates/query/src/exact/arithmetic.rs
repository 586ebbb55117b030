//! Integer `+`, `-`, `*` and unary `-` that fail where the result does not fit, as in PostgreSQL and DuckDB.
//!
//! DataFusion's own wrap. Each is replaced, once types are coerced, by a function that does the same with Arrow's
//! checked kernels; it has the name of the operator in answers and errors.

use arrow::compute::kernels::numeric::{add, mul, neg, sub};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;
use std::sync::{Arc, LazyLock};

/// Replaces integer arithmetic by [`Checked`].
#[derive(Debug)]
pub(super) struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(checked).data()
    }

    fn name(&self) -> &str {
        "checked_arithmetic"
    }
}

fn checked(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // The planner wants plain numbers there, and refuses negative ones.
    if matches!(node, LogicalPlan::Limit(_)) {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    let names = NamePreserver::new(&node);
    node.map_expressions(|expression| {
        let name = names.save(&expression);
        let replaced = expression.transform_up(|part| replaced(part, &schema))?;
        Ok(replaced.update_data(|expression| name.restore(expression)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn replaced(part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    // The variables of lambdas have no type here; they are not checked.
    let is_integer = |expression: &Expr| matches!(expression.get_type(schema), Ok(kind) if kind.is_integer());
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let operation = match op {
                Operator::Plus => Some(&*ADD),
                Operator::Minus => Some(&*SUBTRACT),
                Operator::Multiply => Some(&*MULTIPLY),
                _ => None,
            };
            match operation {
                Some(operation) if is_integer(&left) && is_integer(&right) => {
                    Ok(Transformed::yes(operation.call(vec![*left, *right])))
                }
                _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            }
        }
        Expr::Negative(inner) if is_integer(&inner) => Ok(Transformed::yes(NEGATE.call(vec![*inner]))),
        other => Ok(Transformed::no(other)),
    }
}

static ADD: LazyLock<ScalarUDF> = LazyLock::new(|| ScalarUDF::from(Checked::new(Operation::Add)));
static SUBTRACT: LazyLock<ScalarUDF> = LazyLock::new(|| ScalarUDF::from(Checked::new(Operation::Subtract)));
static MULTIPLY: LazyLock<ScalarUDF> = LazyLock::new(|| ScalarUDF::from(Checked::new(Operation::Multiply)));
static NEGATE: LazyLock<ScalarUDF> = LazyLock::new(|| ScalarUDF::from(Checked::new(Operation::Negate)));

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Negate,
}

/// One operation on integers of one type that fails instead of wrapping.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    fn new(operation: Operation) -> Self {
        let arguments = if operation == Operation::Negate { 1 } else { 2 };
        Self { operation, signature: Signature::any(arguments, Volatility::Immutable) }
    }

    fn symbol(&self) -> &'static str {
        match self.operation {
            Operation::Add => "+",
            Operation::Subtract | Operation::Negate => "-",
            Operation::Multiply => "*",
        }
    }

    /// The operator's text around its arguments' texts, as DataFusion writes its own.
    fn written(&self, arguments: &[String]) -> String {
        match arguments {
            [left, right] => format!("{left} {} {right}", self.symbol()),
            _ => format!("(- {})", arguments.join(", ")),
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.symbol()
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(self.written(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>()))
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(self.written(&arguments.iter().map(|argument| argument.schema_name().to_string()).collect::<Vec<_>>()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [one] => Ok(one.clone()),
            [left, right] if left == right => Ok(left.clone()),
            other => internal_err!("`{}` of {other:?}", self.symbol()),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let kinds: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.symbol(), self.return_type(&kinds)?, nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match (self.operation, arguments.args.as_slice()) {
            (Operation::Add, [left, right]) => apply(left, right, add),
            (Operation::Subtract, [left, right]) => apply(left, right, sub),
            (Operation::Multiply, [left, right]) => apply(left, right, mul),
            (Operation::Negate, [ColumnarValue::Array(values)]) => Ok(ColumnarValue::Array(neg(values.as_ref())?)),
            (Operation::Negate, [ColumnarValue::Scalar(value)]) => {
                let negated = neg(value.to_array()?.as_ref())?;
                Ok(ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&negated, 0)?))
            }
            (_, found) => {
                Err(ArrowError::ComputeError(format!("`{}` of {} values", self.symbol(), found.len())).into())
            }
        }
    }
}

//! Integer `+`, `-`, `*` and unary `-` that fail where the result does not fit, as in PostgreSQL and DuckDB.
//!
//! DataFusion's own wrap. Each is replaced, once types are coerced, by a function that does the same with Arrow's
//! checked kernels; it has the name of the operator in answers and errors.

use super::expressions::{replace_parts, result_field};
use super::shift::Shift;
use arrow::compute::kernels::numeric::{add, mul, neg, sub};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

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
    // The planner expects literals there and rejects negative ones.
    if matches!(node, LogicalPlan::Limit(_)) {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    replace_parts(node, |part| replaced(part, &schema))
}

fn replaced(part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    // The variables of lambdas have no type here; they are not checked. Expressions that were already replaced are
    // skipped: determining their type would walk the whole tree.
    let is_integer = |expression: &Expr| {
        checked_of(expression).is_some() || matches!(expression.get_type(schema), Ok(kind) if kind.is_integer())
    };
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match Operation::of(op) {
            Some(operation) if is_integer(&left) && is_integer(&right) => {
                Ok(Transformed::yes(continued(*left, operation, *right)))
            }
            None if matches!(op, Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight)
                && is_integer(&left)
                && is_integer(&right) =>
            {
                Ok(Transformed::yes(Shift::call(op == Operator::BitwiseShiftLeft, *left, *right)))
            }
            _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        },
        Expr::Negative(inner) if is_integer(&inner) => {
            Ok(Transformed::yes(ScalarUDF::from(Checked::new(Vec::new())).call(vec![*inner])))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The checked function that an expression calls.
fn checked_of(expression: &Expr) -> Option<&Checked> {
    match expression {
        Expr::ScalarFunction(ScalarFunction { func, .. }) => func.inner().downcast_ref::<Checked>(),
        _ => None,
    }
}

/// `left operation right`. A chain (`a + b - c`) stays one call: nested calls would be named and typed at each level,
/// at cubic cost.
fn continued(left: Expr, operation: Operation, right: Expr) -> Expr {
    let chain = checked_of(&left).map(|checked| checked.operations.clone()).filter(|chain| !chain.is_empty());
    let (mut operations, mut arguments) = match (chain, left) {
        (Some(chain), Expr::ScalarFunction(ScalarFunction { args, .. })) => (chain, args),
        (_, left) => (Vec::new(), vec![left]),
    };
    operations.push(operation);
    arguments.push(right);
    ScalarUDF::from(Checked::new(operations)).call(arguments)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
        }
    }

    fn apply(self, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue> {
        match self {
            Self::Add => apply(left, right, add),
            Self::Subtract => apply(left, right, sub),
            Self::Multiply => apply(left, right, mul),
        }
    }
}

/// Operations on integers of one type that fail instead of wrapping, from left to right: one fewer than arguments.
/// No operation: the negation of one argument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Checked {
    operations: Vec<Operation>,
    signature: Signature,
}

impl Checked {
    fn new(operations: Vec<Operation>) -> Self {
        let signature = Signature::any(operations.len() + 1, Volatility::Immutable);
        Self { operations, signature }
    }

    fn symbol(&self) -> &'static str {
        self.operations.last().map_or("-", |operation| operation.symbol())
    }

    /// The operators between their arguments' texts, as DataFusion writes its own.
    fn written(&self, arguments: &[String]) -> String {
        let Some((first, rest)) = arguments.split_first() else { return String::new() };
        if self.operations.is_empty() {
            return format!("(- {first})");
        }
        let (mut text, mut is_sum) = (first.clone(), false);
        for (operation, argument) in self.operations.iter().zip(rest) {
            let is_product = *operation == Operation::Multiply;
            if is_product && is_sum {
                text = format!("({text})");
            }
            is_sum = !is_product;
            text.push_str(&format!(" {} {argument}", operation.symbol()));
        }
        text
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
        match arguments.split_first() {
            Some((first, rest)) if rest.iter().all(|other| other == first) => Ok(first.clone()),
            _ => internal_err!("`{}` of {arguments:?}", self.symbol()),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        result_field(self, &arguments, |any| any)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((first, rest)) = arguments.args.split_first() else {
            return Err(ArrowError::ComputeError(format!("`{}` of nothing", self.symbol())).into());
        };
        if self.operations.is_empty() {
            return match first {
                ColumnarValue::Array(values) => Ok(ColumnarValue::Array(neg(values.as_ref())?)),
                ColumnarValue::Scalar(value) => {
                    let negated = neg(value.to_array()?.as_ref())?;
                    Ok(ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&negated, 0)?))
                }
            };
        }
        let mut value = first.clone();
        for (operation, argument) in self.operations.iter().zip(rest) {
            value = operation.apply(&value, argument)?;
        }
        Ok(value)
    }
}

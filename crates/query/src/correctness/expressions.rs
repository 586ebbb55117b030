//! What rules over expressions have in common.

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, ReturnFieldArgs, ScalarUDFImpl};
use std::sync::Arc;

/// Replaces parts of a node's expressions, inner ones first; its columns keep their names.
pub(super) fn replace_parts(
    node: LogicalPlan,
    mut replaced: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    node.map_expressions(|expression| {
        let name = names.save(&expression);
        let replaced = expression.transform_up(&mut replaced)?;
        Ok(replaced.update_data(|expression| name.restore(expression)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

/// The field of a function's result, of the type that it gives these arguments; NULL where `nullable` says so of
/// whether any argument can be.
pub(super) fn result_field(
    function: &impl ScalarUDFImpl,
    arguments: &ReturnFieldArgs<'_>,
    nullable: impl Fn(bool) -> bool,
) -> Result<FieldRef> {
    let kinds: Vec<DataType> = arguments.arg_fields.iter().map(|field| field.data_type().clone()).collect();
    let any = arguments.arg_fields.iter().any(|field| field.is_nullable());
    Ok(Arc::new(Field::new(function.name(), function.return_type(&kinds)?, nullable(any))))
}

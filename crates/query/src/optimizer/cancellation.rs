//! Cancellation within a batch: a nested loop join checks for it at each row of its left side.
//!
//! A join of two large tables under a condition that few pairs meet works for minutes on one batch without yielding
//! ([`super::yielding_joins`] yields between batches), so neither Ctrl-C nor a time limit would take effect. Its
//! condition is evaluated throughout, so the check is made there.

use super::transform::replaced;
use crate::error::external;
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use std::fmt::{Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use syntrace_base::error::Error;

/// True once a query is cancelled.
pub(crate) type CancelFlag = Arc<AtomicBool>;

/// The same plan, whose nested loop joins fail soon after `cancelled` is set.
pub(crate) fn cancellable(plan: Arc<dyn ExecutionPlan>, cancelled: &CancelFlag) -> Result<Arc<dyn ExecutionPlan>> {
    replaced(plan, |node| {
        let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(None) };
        let Some(filter) = join.filter() else { return Ok(None) };
        let condition = Cancellable { condition: Arc::clone(filter.expression()), cancelled: Arc::clone(cancelled) };
        let indices = filter.column_indices().to_vec();
        let filter = JoinFilter::new(Arc::new(condition), indices, Arc::clone(filter.schema()));
        let projection = join.projection().as_ref().map(|columns| columns.to_vec());
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let cancellable = NestedLoopJoinExec::try_new(left, right, Some(filter), join.join_type(), projection)?;
        Ok(Some(Arc::new(cancellable) as Arc<dyn ExecutionPlan>))
    })
}

/// A join condition that fails once its query is cancelled.
#[derive(Debug)]
struct Cancellable {
    condition: Arc<dyn PhysicalExpr>,
    cancelled: CancelFlag,
}

impl PartialEq for Cancellable {
    fn eq(&self, other: &Self) -> bool {
        self.condition.eq(&other.condition) && Arc::ptr_eq(&self.cancelled, &other.cancelled)
    }
}

impl Eq for Cancellable {}

impl Hash for Cancellable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl Display for Cancellable {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        self.condition.fmt(formatter)
    }
}

impl PhysicalExpr for Cancellable {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.condition.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.condition.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(external(Error::interrupted("stopped")));
        }
        self.condition.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 1]>::try_from(children) {
            Ok([condition]) => Ok(Arc::new(Self { condition, cancelled: Arc::clone(&self.cancelled) })),
            Err(children) => internal_err!("a condition has one child, found {}", children.len()),
        }
    }

    fn fmt_sql(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        self.condition.fmt_sql(formatter)
    }
}

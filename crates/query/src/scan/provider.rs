//! The one adapter from [`Relation`] to DataFusion: pruning, filtering, statistics and parallel
//! decoding for every table.
//!
//! `scan` reads records only. Every deterministic filter is enforced inside the scan (so it is
//! `Exact`): by constants of a partition, by min and max of a segment, and last by evaluating it over
//! the filter's own columns before any other column is read. Bodies are read on blocking threads,
//! when polled.

use super::batch::ReadPlan;
use super::dynamic_filter::{DynamicFilter, Source};
use super::prune::prune;
use super::relation::{Fact, Fragment, Relation, ScanRequest, arrow_schema};
use crate::error::external;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ColumnStatistics, DFSchema, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, utils::conjunction};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation};
use datafusion::physical_plan::stream::{RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, StatisticsArgs,
};
use futures::StreamExt;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Whose rows a table has, where several studies are asked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    /// All of them, with the column `study`.
    All,
    /// The study at this place, from 0. Where there is one, it is at 0.
    One(usize),
}

/// A relation as a DataFusion table.
pub(crate) struct StudyTable {
    name: &'static str,
    of: Of,
    has_content: bool,
    relation: Arc<dyn Relation>,
    schema: SchemaRef,
}

impl StudyTable {
    /// Wraps a relation; reads nothing. One without content is what statements are planned over.
    pub fn new(name: &'static str, of: Of, has_content: bool, relation: Arc<dyn Relation>) -> Self {
        let schema = arrow_schema(relation.columns());
        Self { name, of, has_content, relation, schema }
    }

    /// Whose rows it has.
    pub fn of(&self) -> Of {
        self.of
    }

    /// Is it over a snapshot?
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// The table's name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for StudyTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StudyTable({})", self.name)
    }
}

#[async_trait]
impl TableProvider for StudyTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match is_self_contained(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let filter = match conjunction(filters.to_vec()) {
            Some(filter) => {
                let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
                Some(state.create_physical_expr(filter, &schema)?)
            }
            None => None,
        };
        let mut needed = projection.clone();
        needed.extend(filter.iter().flat_map(collect_columns).map(|column| column.index()));
        needed.sort_unstable();
        needed.dedup();
        let fragments = self.relation.scan(&ScanRequest { columns: &needed }).map_err(external)?;
        let pruned = prune(fragments, filter, &self.schema)?;
        let options = state.config_options();
        let plan = ReadPlan::new(&self.schema, projection, options.execution.batch_size.into())?;
        let plan = plan.with_filter(pruned.residual.clone(), &self.schema)?;
        let lanes = divide(pruned.fragments, options.execution.target_partitions.max(1));
        let filter = TableFilter { residual: pruned.residual, table: Arc::clone(&self.schema) };
        Ok(Arc::new(StudyScan::new(self.name, plan, lanes, limit, filter)))
    }
}

/// True if the filter can be evaluated from one row of this table alone, always with the same result.
fn is_self_contained(filter: &Expr) -> bool {
    let foreign = filter.exists(|expression| {
        Ok(matches!(
            expression,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        ))
    });
    !filter.is_volatile() && matches!(foreign, Ok(false))
}

/// Divides fragments into at most `lanes` runs of about equal numbers of rows, keeping their order,
/// so that the result does not depend on timing.
fn divide(fragments: Vec<Fragment>, lanes: usize) -> Vec<Vec<Fragment>> {
    let total: usize = fragments.iter().map(|fragment| fragment.rows).sum();
    let share = total.div_ceil(lanes).max(1);
    let mut divided: Vec<Vec<Fragment>> = vec![Vec::new()];
    let mut rows = 0usize;
    for fragment in fragments {
        let full = rows >= share * divided.len();
        if full && divided.len() < lanes {
            divided.push(Vec::new());
        }
        rows += fragment.rows;
        if let Some(lane) = divided.last_mut() {
            lane.push(Fragment { place: lane.len(), ..fragment });
        }
    }
    divided
}

/// What a query asks of a table, over all its columns.
#[derive(Clone)]
struct TableFilter {
    residual: Option<Arc<dyn PhysicalExpr>>,
    table: SchemaRef,
}

/// The physical scan of a [`StudyTable`].
#[derive(Clone)]
pub(crate) struct StudyScan {
    name: &'static str,
    plan: Arc<ReadPlan>,
    lanes: Arc<Vec<Vec<Fragment>>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    filter: TableFilter,
    /// Dynamic filters from other operators.
    dynamic: Option<DynamicFilter>,
    /// Of all lanes, and of each: the planner asks again and again.
    known_statistics: OnceLock<(Arc<Statistics>, Vec<Arc<Statistics>>)>,
}

impl StudyScan {
    fn new(
        name: &'static str,
        plan: ReadPlan,
        lanes: Vec<Vec<Fragment>>,
        limit: Option<usize>,
        filter: TableFilter,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&plan.schema)),
            Partitioning::UnknownPartitioning(lanes.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            name,
            plan: Arc::new(plan),
            lanes: Arc::new(lanes),
            limit,
            properties: Arc::new(properties),
            filter,
            dynamic: None,
            known_statistics: OnceLock::new(),
        }
    }

    /// Name of the table.
    pub fn table_name(&self) -> &'static str {
        self.name
    }

    /// What is read of each fragment.
    pub fn read_plan(&self) -> &ReadPlan {
        &self.plan
    }

    /// Rows of all fragments: no more can come out.
    pub fn rows_at_most(&self) -> usize {
        self.fragments(None).map(|fragment| fragment.rows).sum()
    }

    /// Dynamic filters from other operators.
    pub fn dynamic(&self) -> Option<&DynamicFilter> {
        self.dynamic.as_ref()
    }

    /// The fragments of each partition.
    pub fn lanes(&self) -> &Arc<Vec<Vec<Fragment>>> {
        &self.lanes
    }

    fn fragments(&self, partition: Option<usize>) -> impl Iterator<Item = &Fragment> {
        let wanted = move |index: &usize| partition.is_none_or(|partition| partition == *index);
        self.lanes.iter().enumerate().filter(move |(index, _)| wanted(index)).flat_map(|(_, lane)| lane)
    }

    fn statistics(&self, partition: Option<usize>) -> Statistics {
        let exact = self.plan.filter.is_none();
        let rows: usize = self.fragments(partition).map(|fragment| fragment.rows).sum();
        let column_statistics = self.plan.projection.iter().map(|&column| {
            let statistics = column_statistics(self.fragments(partition), column);
            if exact && self.limit.is_none() { statistics } else { statistics.to_inexact() }
        });
        let column_statistics = column_statistics.collect();
        let limited = self.limit.map_or(rows, |limit| limit.min(rows));
        let num_rows = if exact { Precision::Exact(limited) } else { Precision::Inexact(limited) };
        Statistics { num_rows, total_byte_size: Precision::Absent, column_statistics }
    }
}

/// Bounds of a column over some fragments; exact where every fragment knows its own.
fn column_statistics<'a>(fragments: impl Iterator<Item = &'a Fragment>, column: usize) -> ColumnStatistics {
    let unknown = ColumnStatistics::new_unknown;
    let mut total: Option<ColumnStatistics> = None;
    for fragment in fragments {
        let (min, max, nulls) = match fragment.facts.get(column) {
            Some(Fact::Constant(value)) if value.is_null() => (None, None, fragment.rows),
            Some(Fact::Constant(value)) => (Some(value.clone()), Some(value.clone()), 0),
            Some(Fact::Range(range)) if range.min.is_some() && range.max.is_some() => {
                (range.min.clone(), range.max.clone(), range.null_count as usize)
            }
            _ => return unknown(),
        };
        let exact = |value| Precision::Exact(value);
        total = Some(match (total, min, max) {
            (None, Some(min), Some(max)) => ColumnStatistics {
                null_count: exact(nulls),
                min_value: Precision::Exact(min),
                max_value: Precision::Exact(max),
                ..unknown()
            },
            (None, ..) => ColumnStatistics { null_count: exact(nulls), ..unknown() },
            (Some(sofar), min, max) => {
                let bound = |value: Option<_>| value.map_or(Precision::Absent, Precision::Exact);
                ColumnStatistics {
                    null_count: sofar.null_count.add(&exact(nulls)),
                    min_value: match min {
                        Some(_) => merge(sofar.min_value, bound(min), Precision::min),
                        None => sofar.min_value,
                    },
                    max_value: match max {
                        Some(_) => merge(sofar.max_value, bound(max), Precision::max),
                        None => sofar.max_value,
                    },
                    ..unknown()
                }
            }
        });
    }
    total.unwrap_or_else(unknown)
}

type Bound = Precision<datafusion::scalar::ScalarValue>;

/// An absent bound comes from fragments of NULLs only, so the other one is the bound of both.
fn merge(left: Bound, right: Bound, choose: impl Fn(&Bound, &Bound) -> Bound) -> Bound {
    match (&left, &right) {
        (Precision::Absent, _) => right,
        (_, Precision::Absent) => left,
        _ => choose(&left, &right),
    }
}

impl fmt::Debug for StudyScan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StudyScan({})", self.name)
    }
}

impl DisplayAs for StudyScan {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.plan.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let fragments: usize = self.lanes.iter().map(Vec::len).sum();
        write!(formatter, "StudyScan: {}, columns=[{}], fragments={fragments}", self.name, columns.join(", "))?;
        if let Some(filter) = &self.plan.filter {
            write!(formatter, ", filter={filter}")?;
        }
        if self.dynamic.is_some() {
            write!(formatter, ", narrowed while it runs")?;
        }
        match self.limit {
            Some(limit) => write!(formatter, ", limit={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for StudyScan {
    fn name(&self) -> &str {
        "StudyScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // A join keeps its filter up to date only where it finds it below itself.
        for filter in self.plan.filter.iter().chain(self.dynamic.iter().flat_map(DynamicFilter::filters)) {
            if visit(filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a StudyScan has no children") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a StudyScan has no children") }
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let plan = Arc::clone(&self.plan);
        let lanes = Arc::clone(&self.lanes);
        let limit = self.limit;
        let dynamic = self.dynamic.clone();
        let schema = Arc::clone(&self.plan.schema);
        let stream_schema = Arc::clone(&schema);
        // Nothing is spawned before the first poll.
        let stream = futures::stream::once(async move {
            let batches_ahead = 2;
            let mut builder = RecordBatchReceiverStreamBuilder::new(stream_schema, batches_ahead);
            let sender = builder.tx();
            builder.spawn_blocking(move || {
                let fragments = lanes.get(partition).map(Vec::as_slice).unwrap_or_default();
                let source = Source::new(plan, fragments, dynamic);
                // The receiver was dropped.
                source.read_all(limit, &mut |batch| sender.blocking_send(Ok(batch)).is_ok())
            });
            builder.build()
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream.flatten())))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let (whole, lanes) = self.known_statistics.get_or_init(|| {
            let lanes = (0..self.lanes.len()).map(|lane| Arc::new(self.statistics(Some(lane))));
            (Arc::new(self.statistics(None)), lanes.collect())
        });
        let lane = args.partition().and_then(|lane| lanes.get(lane));
        Ok(Arc::clone(lane.unwrap_or(whole)))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, known_statistics: OnceLock::new(), ..self.clone() }))
    }

    fn handle_child_pushdown_result(
        &self,
        phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // Never claimed as done: a filter that changes is evaluated as of some moment.
        let nothing = FilterPushdownPropagation::all_unsupported(child_pushdown_result.clone());
        if !matches!(phase, FilterPushdownPhase::Post) || self.limit.is_some() {
            return Ok(nothing);
        }
        let filters: Vec<_> = child_pushdown_result.parent_filters.into_iter().map(|one| one.filter).collect();
        Ok(match DynamicFilter::of(&filters, self.filter.residual.as_ref(), &self.filter.table)? {
            Some(dynamic) => nothing.with_updated_node(Arc::new(Self { dynamic: Some(dynamic), ..self.clone() })),
            None => nothing,
        })
    }

    /// In the next round of a recursive query what this one learned is wrong.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { dynamic: None, ..Self::clone(&self) }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }
}

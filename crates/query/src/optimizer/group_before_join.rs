//! Grouping before a join (eager aggregation): rows of the fact table are aggregated by the join's key before the join.
//!
//! Questions join millions of scores or vectors to a few hundred models and group by columns of both. A
//! join would copy the model's texts for every row before they are grouped. The rule below groups the rows
//! by the join's key (and their own keys) first, as partial states, joins those, and leaves the merging
//! to the final aggregate above (Yan and Larson 1995, "Eager aggregation and lazy aggregation").
//!
//! It is right for any aggregate with partial states: rows of one key meet the same rows of the other side,
//! so a state joins as often as each of its rows would have. It runs before DataFusion hands filters of
//! joins down, so that these reach the scan through the new aggregate.

use super::transform::replaced;
use crate::scan::provider::StudyScan;
use crate::scan::relation::{Fact, Fragment};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::physical_expr::PhysicalExprRef;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::scalar::ScalarValue;
use std::collections::HashSet;
use std::sync::Arc;

/// Rows that a group must hold on average, by what is known before reading: with fewer, grouping twice
/// costs more than it saves.
const ROWS_PER_GROUP: usize = 8;

/// Groups the probe side of a join by the join's key before it is joined.
#[derive(Debug)]
pub(crate) struct GroupBeforeJoin;

impl PhysicalOptimizerRule for GroupBeforeJoin {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, early)
    }

    fn name(&self) -> &str {
        "group_before_join"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// One side of the join's rows.
#[derive(Clone, Copy, PartialEq)]
enum JoinSide {
    Build,
    Probe,
}

/// The columns of a join's output, each as a column of one side.
struct Sides {
    columns: Vec<(JoinSide, usize)>,
}

impl Sides {
    fn of(join: &HashJoinExec) -> Self {
        let left = join.left().schema().fields().len();
        let all = join.join_schema().fields().len();
        let side =
            |column: usize| if column < left { (JoinSide::Build, column) } else { (JoinSide::Probe, column - left) };
        let columns = match &join.projection {
            Some(projection) => projection.iter().map(|column| side(*column)).collect(),
            None => (0..all).map(side).collect(),
        };
        Self { columns }
    }

    /// The side that an expression's columns are all of; `Build` for an expression without columns.
    fn side(&self, expression: &PhysicalExprRef) -> Option<JoinSide> {
        let mut sides = collect_columns(expression).into_iter().map(|column| self.columns.get(column.index()));
        let Some(first) = sides.next() else { return Some(JoinSide::Build) };
        let (first, _) = first?;
        sides.all(|side| side.is_some_and(|(side, _)| side == first)).then_some(*first)
    }

    /// The expression over the columns of its own side.
    fn own(&self, expression: &PhysicalExprRef) -> Result<PhysicalExprRef> {
        let moved = Arc::clone(expression).transform(|part| {
            let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
            let index = self.columns.get(column.index()).map_or(column.index(), |(_, index)| *index);
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as PhysicalExprRef))
        });
        moved.data()
    }

    /// True where the expression names columns of the probe side only, or none.
    fn is_of_probe(&self, expression: &PhysicalExprRef) -> bool {
        collect_columns(expression).is_empty() || self.side(expression) == Some(JoinSide::Probe)
    }
}

/// The same partial aggregate with its rows grouped before the join; `None` where the node is something
/// else, or where little is gained.
fn early(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
    let Some(join) = aggregate.input().downcast_ref::<HashJoinExec>() else { return Ok(None) };
    let Some(scan) = join.right().downcast_ref::<StudyScan>() else { return Ok(None) };
    let plain = *aggregate.mode() == AggregateMode::Partial
        && aggregate.limit_options().is_none()
        && (aggregate.group_expr().is_single() || aggregate.group_expr().is_empty())
        && matches!(join.join_type(), JoinType::Inner | JoinType::Right)
        && *join.partition_mode() == PartitionMode::CollectLeft
        && join.filter().is_none()
        && join.fetch().is_none()
        && scan.fetch().is_none();
    if !plain {
        return Ok(None);
    }
    let sides = Sides::of(join);
    let Some(keys) = Keys::of(aggregate, join, &sides)? else { return Ok(None) };
    if keys.groups_at_most(join, scan)?.saturating_mul(ROWS_PER_GROUP) > scan.rows_at_most() {
        return Ok(None);
    }
    let Some((functions, filters)) = functions(aggregate, &sides, &scan.schema())? else { return Ok(None) };
    let grouped = AggregateExec::try_new(
        AggregateMode::Partial,
        PhysicalGroupBy::new_single(keys.grouped.clone()),
        functions,
        filters,
        Arc::clone(join.right()),
        scan.schema(),
    )?;
    let on = join.on().iter().zip(&keys.of_join).map(|((build, _), place)| {
        let (_, name) = &keys.grouped[*place];
        (Arc::clone(build), Arc::new(Column::new(name, *place)) as PhysicalExprRef)
    });
    let joined = HashJoinExecBuilder::new(Arc::clone(join.left()), Arc::new(grouped), on.collect(), *join.join_type())
        .with_partition_mode(PartitionMode::CollectLeft)
        .with_null_equality(join.null_equality())
        .build_exec()?;
    projected(aggregate, &keys, joined, join.left().schema().fields().len()).map(Some)
}

/// Projects the partial aggregate's columns from the join of states.
fn projected(
    aggregate: &AggregateExec,
    keys: &Keys,
    joined: Arc<dyn ExecutionPlan>,
    build_columns: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let wanted = aggregate.schema();
    let schema = joined.schema();
    let column = |index: usize| -> PhysicalExprRef { Arc::new(Column::new(schema.field(index).name(), index)) };
    let mut columns: Vec<PhysicalExprRef> = Vec::with_capacity(wanted.fields().len());
    for place in &keys.of_output {
        columns.push(match place {
            Place::Computed(expression) => Arc::clone(expression),
            Place::Grouped(place) => column(build_columns + place),
        });
    }
    let states = (build_columns + keys.grouped.len())..schema.fields().len();
    columns.extend(states.map(column));
    let named = columns.into_iter().zip(wanted.fields());
    let named = named.map(|(expr, field)| ProjectionExpr { expr, alias: field.name().clone() });
    Ok(Arc::new(ProjectionExec::try_new(named, joined)?))
}

/// Where a key of the output comes from.
enum Place {
    /// From the build side, over its columns.
    Computed(PhysicalExprRef),
    /// A key of the early grouping.
    Grouped(usize),
}

/// What the rows of the probe side are grouped by.
struct Keys {
    /// Keys over the scan: the join's, then the rows' own.
    grouped: Vec<(PhysicalExprRef, String)>,
    /// Which of them each of the join's pairs uses.
    of_join: Vec<usize>,
    /// The aggregate's keys in order.
    of_output: Vec<Place>,
}

impl Keys {
    /// `None` where a key of the join is no plain column, or one of the output's names both sides or has another
    /// value each time it is asked for: it is asked once a group here.
    fn of(aggregate: &AggregateExec, join: &HashJoinExec, sides: &Sides) -> Result<Option<Self>> {
        let mut grouped: Vec<(PhysicalExprRef, String)> = Vec::new();
        let mut place_of = |expression: PhysicalExprRef| {
            if let Some(place) = grouped.iter().position(|(known, _)| known == &expression) {
                return place;
            }
            // A filter that the join pushes down refers to a column by name.
            let name = match expression.downcast_ref::<Column>() {
                Some(column) => column.name().to_owned(),
                None => format!("key {}", grouped.len()),
            };
            grouped.push((expression, name));
            grouped.len() - 1
        };
        let mut of_join = Vec::with_capacity(join.on().len());
        for (_, key) in join.on() {
            if key.downcast_ref::<Column>().is_none() {
                return Ok(None);
            }
            of_join.push(place_of(Arc::clone(key)));
        }
        let mut of_output = Vec::new();
        for (key, _) in aggregate.group_expr().expr() {
            if key.exists(|part| Ok(part.is_volatile_node()))? {
                return Ok(None);
            }
            of_output.push(match sides.side(key) {
                Some(JoinSide::Build) => Place::Computed(sides.own(key)?),
                Some(JoinSide::Probe) => Place::Grouped(place_of(sides.own(key)?)),
                None => return Ok(None),
            });
        }
        Ok(Some(Self { grouped, of_join, of_output }))
    }

    /// Most groups that there can be, by what is known without reading; `usize::MAX` where nothing is.
    fn groups_at_most(&self, join: &HashJoinExec, scan: &StudyScan) -> Result<usize> {
        let statistics = StatisticsContext::new().compute(join.left().as_ref(), &StatisticsArgs::new())?;
        let (Precision::Exact(build) | Precision::Inexact(build)) = statistics.num_rows else {
            return Ok(usize::MAX);
        };
        // Keys that meet nothing are groups too, unless the join's own filter leaves them out.
        let mut groups = build.max(1);
        for (place, (key, _)) in self.grouped.iter().enumerate() {
            if !self.of_join.contains(&place) {
                groups = groups.saturating_mul(values_at_most(key, scan)?);
            }
        }
        Ok(groups)
    }
}

/// Most values that an expression over the scan can have.
fn values_at_most(expression: &PhysicalExprRef, scan: &StudyScan) -> Result<usize> {
    if expression.data_type(&scan.schema())? == DataType::Boolean {
        return Ok(3);
    }
    // A function of one column has no more values than the column.
    let mut most = 1usize;
    for column in collect_columns(expression) {
        let Some(column) = scan.read_plan().projection.get(column.index()) else { return Ok(usize::MAX) };
        most = most.saturating_mul(column_values_at_most(scan.lanes().iter().flatten(), *column));
    }
    Ok(most)
}

fn column_values_at_most<'a>(fragments: impl Iterator<Item = &'a Fragment>, column: usize) -> usize {
    let mut constants = HashSet::new();
    let mut range: Option<(i64, i64)> = None;
    for fragment in fragments {
        match fragment.facts.get(column) {
            Some(Fact::Constant(value)) => {
                constants.insert(value);
            }
            Some(Fact::Range(bounds)) => match (integer(&bounds.min), integer(&bounds.max)) {
                (Some(min), Some(max)) => {
                    let (low, high) = range.unwrap_or((min, max));
                    range = Some((low.min(min), high.max(max)));
                }
                _ => return usize::MAX,
            },
            _ => return usize::MAX,
        }
    }
    // One more: NULL.
    let in_range = range.map_or(0, |(low, high)| high.saturating_sub(low).saturating_add(2) as usize);
    constants.len().saturating_add(in_range).max(1)
}

fn integer(value: &Option<ScalarValue>) -> Option<i64> {
    match value.as_ref()? {
        ScalarValue::Int16(value) => value.map(i64::from),
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int64(value) => *value,
        _ => None,
    }
}

/// An aggregate's functions and their filters, over the scan.
type Functions = (Vec<Arc<AggregateFunctionExpr>>, Vec<Option<PhysicalExprRef>>);

/// `None` where one needs an order, or columns of the build side.
fn functions(aggregate: &AggregateExec, sides: &Sides, schema: &Arc<Schema>) -> Result<Option<Functions>> {
    let mut functions = Vec::with_capacity(aggregate.aggr_expr().len());
    for function in aggregate.aggr_expr() {
        let arguments = function.expressions();
        let free = function.order_bys().is_empty()
            && function.order_sensitivity() == AggregateOrderSensitivity::Insensitive
            && arguments.iter().all(|argument| sides.is_of_probe(argument));
        if !free {
            return Ok(None);
        }
        let arguments = arguments.iter().map(|argument| sides.own(argument)).collect::<Result<Vec<_>>>()?;
        let built = AggregateExprBuilder::new(Arc::new(function.fun().clone()), arguments)
            .schema(Arc::clone(schema))
            .alias(function.name())
            .with_distinct(function.is_distinct())
            .with_ignore_nulls(function.ignore_nulls())
            .build()?;
        functions.push(Arc::new(built));
    }
    let mut filters = Vec::with_capacity(functions.len());
    for filter in aggregate.filter_expr() {
        filters.push(match filter {
            Some(filter) if !sides.is_of_probe(filter) => return Ok(None),
            Some(filter) => Some(sides.own(filter)?),
            None => None,
        });
    }
    Ok(Some((functions, filters)))
}

//! Windows over whole partitions (`avg(loss) OVER (PARTITION BY trace_id)`) by hashing instead of sorting.
//!
//! Likelihood ratios compare each row with means over its trace: tens of thousands of partitions of a few
//! rows. DataFusion sorts the rows and evaluates each partition by itself, which costs microseconds a
//! partition. Without an order inside the partition nothing needs the sort: the rule below numbers the
//! partitions by hashing their keys, feeds all rows to one grouped accumulator a function, and gives each
//! row its partition's result.
//!
//! The rows are buffered in memory until the input ends, so the rule does not apply if they may exceed a share of the
//! memory budget; DataFusion's sort can spill.

use super::single_input::single_input;
use super::transform::replaced;
use crate::scan::provider::StudyScan;
use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, WindowExpr};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExprRef};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties,
};
use futures::{StreamExt, TryStreamExt};
use std::fmt;
use std::sync::Arc;

/// Share of the memory budget that the rows may take at most, by what is known when the query is planned.
const SHARE_OF_MEMORY: usize = 4;
/// Bytes of a text: names of classes, kinds, regimes.
const TEXT_BYTES: usize = 64;
/// Bytes of any other value whose length is not known: packets, vectors.
const VARIABLE_BYTES: usize = 512;

/// Replaces a window without an order by [`WholePartitions`].
#[derive(Debug)]
pub(crate) struct HashWholePartitions {
    /// Memory that queries may hold.
    pub memory_bytes: usize,
}

impl PhysicalOptimizerRule for HashWholePartitions {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            let better = WholePartitions::of(node, self.memory_bytes)?;
            Ok(better.map(|better| Arc::new(better) as Arc<dyn ExecutionPlan>))
        })
    }

    fn name(&self) -> &str {
        "hash_whole_partitions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What is computed of each partition.
struct Windows {
    keys: Vec<PhysicalExprRef>,
    key_schema: SchemaRef,
    functions: Vec<Arc<AggregateFunctionExpr>>,
    /// The input's columns, then one a function.
    schema: SchemaRef,
}

/// Aggregates over whole partitions; rows keep their order.
struct WholePartitions {
    input: Arc<dyn ExecutionPlan>,
    windows: Arc<Windows>,
    properties: Arc<PlanProperties>,
}

/// The aggregate of a window over the whole partition; `None` for any other window.
fn whole(window: &Arc<dyn WindowExpr>) -> Option<Arc<AggregateFunctionExpr>> {
    let plain = window.as_any().downcast_ref::<PlainAggregateWindowExpr>()?;
    let frame = plain.get_window_frame();
    let is_open = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => frame.units == WindowFrameUnits::Range,
        bound => bound.is_unbounded(),
    };
    // The filter has no accessor; a text that ends differently means that there is a filter, or a new DataFusion.
    let is_unfiltered = format!("{plain:?}").ends_with("filter: None }");
    let function = plain.get_aggregate_expr();
    let fits = plain.order_by().is_empty()
        && is_open(&frame.start_bound)
        && is_open(&frame.end_bound)
        && is_unfiltered
        && function.order_bys().is_empty()
        && function.groups_accumulator_supported();
    fits.then(|| Arc::new(function.clone()))
}

impl WholePartitions {
    fn of(node: &Arc<dyn ExecutionPlan>, memory_bytes: usize) -> Result<Option<Self>> {
        let Some(aggregate) = node.downcast_ref::<WindowAggExec>() else { return Ok(None) };
        let windows = aggregate.window_expr();
        let Some(functions) = windows.iter().map(whole).collect::<Option<Vec<_>>>() else { return Ok(None) };
        let Some(first) = windows.first() else { return Ok(None) };
        let keys = first.partition_by().to_vec();
        let same = |window: &Arc<dyn WindowExpr>| window.partition_by() == keys.as_slice();
        let input = aggregate.input();
        if !windows.iter().all(same) || bytes_at_most(input).saturating_mul(SHARE_OF_MEMORY) > memory_bytes {
            return Ok(None);
        }
        let scanned = input.schema();
        let field = |(place, key): (usize, &PhysicalExprRef)| {
            Ok(Field::new(format!("key {place}"), key.data_type(&scanned)?, key.nullable(&scanned)?))
        };
        let key_schema = keys.iter().enumerate().map(field).collect::<Result<Vec<Field>>>()?;
        let key_schema = Arc::new(Schema::new(key_schema));
        let windows = Windows { keys, key_schema, functions, schema: aggregate.schema() };
        Ok(Some(Self::new(Arc::clone(input), Arc::new(windows))))
    }

    fn new(input: Arc<dyn ExecutionPlan>, windows: Arc<Windows>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&windows.schema)),
            input.output_partitioning().clone(),
            EmissionType::Final,
            input.boundedness(),
        );
        Self { input, windows, properties: Arc::new(properties) }
    }

    fn with_input(&self, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::new(input, Arc::clone(&self.windows))
    }
}

/// Bytes of all rows of a plan, by the most rows that there can be.
fn bytes_at_most(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let bytes = |kind: &DataType| match kind {
        DataType::Boolean => 1,
        DataType::Utf8 => TEXT_BYTES,
        kind => kind.primitive_width().unwrap_or(VARIABLE_BYTES),
    };
    let row: usize = plan.schema().fields().iter().map(|field| bytes(field.data_type())).sum();
    rows_at_most(plan).saturating_mul(row)
}

/// Most rows of a plan: those of the scan below, where nothing between makes more of them; otherwise
/// `usize::MAX`. No estimate will do: what does not fit would fail, where a sort spills.
fn rows_at_most(plan: &Arc<dyn ExecutionPlan>) -> usize {
    if let Some(scan) = plan.downcast_ref::<StudyScan>() {
        return scan.rows_at_most();
    }
    match (plan.cardinality_effect(), plan.children().as_slice()) {
        (CardinalityEffect::Equal | CardinalityEffect::LowerEqual, [child]) => rows_at_most(child),
        _ => usize::MAX,
    }
}

/// The partitions that have been seen, and what is known of each.
struct Partitions<'a> {
    windows: &'a Windows,
    /// None without keys: all rows are one partition.
    keys: Option<Box<dyn GroupValues>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    of_rows: Vec<usize>,
}

impl<'a> Partitions<'a> {
    fn new(windows: &'a Windows) -> Result<Self> {
        let keys = match windows.keys.is_empty() {
            true => None,
            false => Some(new_group_values(Arc::clone(&windows.key_schema), &GroupOrdering::None)?),
        };
        let accumulators = windows.functions.iter().map(|function| function.create_groups_accumulator());
        Ok(Self { windows, keys, accumulators: accumulators.collect::<Result<_>>()?, of_rows: Vec::new() })
    }

    /// Adds rows; gives the partition of each.
    fn add(&mut self, batch: &RecordBatch) -> Result<UInt32Array> {
        let rows = batch.num_rows();
        let array = |expression: &PhysicalExprRef| expression.evaluate(batch)?.into_array(rows);
        let partitions = match &mut self.keys {
            Some(keys) => {
                let columns = self.windows.keys.iter().map(array).collect::<Result<Vec<ArrayRef>>>()?;
                keys.intern(&columns, &mut self.of_rows)?;
                keys.len()
            }
            None => {
                self.of_rows.clear();
                self.of_rows.resize(rows, 0);
                1
            }
        };
        for (function, accumulator) in self.windows.functions.iter().zip(&mut self.accumulators) {
            let values = function.expressions().iter().map(array).collect::<Result<Vec<_>>>()?;
            accumulator.update_batch(&values, &self.of_rows, None, partitions)?;
        }
        Ok(self.of_rows.iter().map(|partition| *partition as u32).collect::<Vec<u32>>().into())
    }

    fn held_bytes(&self) -> usize {
        let accumulators = self.accumulators.iter().map(|accumulator| accumulator.size());
        self.keys.as_ref().map_or(0, |keys| keys.size()) + accumulators.sum::<usize>()
    }

    fn results(&mut self) -> Result<Vec<ArrayRef>> {
        self.accumulators.iter_mut().map(|accumulator| accumulator.evaluate(EmitTo::All)).collect()
    }
}

/// Reads all rows, then gives them out again with their partitions' results.
async fn compute(
    windows: Arc<Windows>,
    mut input: SendableRecordBatchStream,
    reservation: MemoryReservation,
) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let mut held = Vec::new();
    let mut partitions = Partitions::new(&windows)?;
    let mut known = 0;
    while let Some(batch) = input.next().await.transpose()? {
        if batch.num_rows() == 0 {
            continue;
        }
        let of_rows = partitions.add(&batch)?;
        let now = partitions.held_bytes();
        let rows = batch.get_array_memory_size() + size_of::<u32>() * of_rows.len();
        reservation.try_grow(rows + now.saturating_sub(known))?;
        known = known.max(now);
        held.push((batch, of_rows));
    }
    let results = partitions.results()?;
    drop(partitions);
    Ok(held.into_iter().map(move |(batch, of_rows)| {
        // Given back when the last batch has gone.
        let _held = &reservation;
        let mut columns = batch.columns().to_vec();
        for result in &results {
            columns.push(take(result, &of_rows, None)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&windows.schema), columns)?)
    }))
}

impl fmt::Debug for WholePartitions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WholePartitions")
    }
}

impl DisplayAs for WholePartitions {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.windows.keys.iter().map(ToString::to_string).collect();
        let functions: Vec<&str> = self.windows.functions.iter().map(|function| function.name()).collect();
        write!(formatter, "WholePartitions: keys=[{}], aggr=[{}]", keys.join(", "), functions.join(", "))
    }
}

impl ExecutionPlan for WholePartitions {
    single_input!(WholePartitions, "WholePartitions has one child");

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.windows.keys.is_empty() {
            true => Distribution::SinglePartition,
            false => Distribution::KeyPartitioned(self.windows.keys.clone()),
        }])
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.input_distribution_requirements().into_per_child()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&PhysicalExprRef) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let arguments = self.windows.functions.iter().flat_map(|function| function.expressions());
        for expression in self.windows.keys.iter().cloned().chain(arguments) {
            if visit(&expression)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let consumer = MemoryConsumer::new(format!("WholePartitions[{partition}]"));
        let reservation = consumer.register(context.memory_pool());
        let computed = compute(Arc::clone(&self.windows), input, reservation);
        let batches = futures::stream::once(computed).map_ok(futures::stream::iter).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.windows.schema), batches)))
    }
}

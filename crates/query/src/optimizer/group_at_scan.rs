//! GROUP BY at the scan: keys that all rows of a fragment share are looked up once per fragment, not once per row.
//!
//! Most questions group by generator, class, epsilon or model, which are constants of a partition. The
//! rule below puts [`FragmentAggregate`] in the place of a partial aggregate over a scan: the constants
//! give a code for each fragment; only the other keys are hashed, in a table of the code's own, and
//! batches go from the decoder into the accumulators without a channel or a copy between.
//!
//! Groups are numbered in the order of their first row, so the result does not depend on timing. Memory
//! is accounted to DataFusion's pool; where it refuses, the groups so far are handed on as partial
//! states and the table is cleared, as DataFusion's own partial aggregate does.

use super::transform::replaced;
use crate::scan::batch::ReadPlan;
use crate::scan::dynamic_filter::{DynamicFilter, Source};
use crate::scan::provider::StudyScan;
use crate::scan::relation::{Content, Fact, Fragment};
use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, aggregate_expressions};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::{RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Rows that are decoded and grouped at once: their keys and values stay in the cache.
const BATCH_ROWS: usize = 16_384;
/// Rows after which the memory that is held is measured.
const MEASURED_ROWS: usize = 65_536;
/// Most groups before the partial states are emitted: a hash table beyond the cache's size gains nothing.
const GROUPS_MAX: usize = 1 << 20;
/// Rows of a batch of partial states.
const OUTPUT_ROWS: usize = 8_192;

/// Puts [`FragmentAggregate`] where a partial aggregate over a scan groups by constants of its fragments.
#[derive(Debug)]
pub(crate) struct GroupAtScan;

impl PhysicalOptimizerRule for GroupAtScan {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        replaced(plan, |node| {
            let better = FragmentAggregate::of(node)?;
            Ok(better.map(|better| Arc::new(better) as Arc<dyn ExecutionPlan>))
        })
    }

    fn name(&self) -> &str {
        "group_at_scan"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// An aggregate's arguments and filter, over the columns that are read.
struct Argument {
    function: Arc<AggregateFunctionExpr>,
    values: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

/// What is grouped by what.
struct Grouping {
    /// Keys that are the same in all rows of a fragment: place in the output, expression over
    /// `constant_schema`.
    constants: Vec<(usize, Arc<dyn PhysicalExpr>)>,
    /// The partition columns (indices into the relation's columns) that those name.
    constant_columns: Vec<usize>,
    /// Their schema.
    constant_schema: SchemaRef,
    /// Schema of the constant keys themselves.
    constant_keys: SchemaRef,
    /// The other keys, over the columns that are read.
    others: Vec<(usize, Arc<dyn PhysicalExpr>)>,
    /// Schema of those keys.
    other_keys: SchemaRef,
    arguments: Vec<Argument>,
    /// Keys, then partial states.
    schema: SchemaRef,
}

/// A partial aggregate that reads its fragments itself.
struct FragmentAggregate {
    table: &'static str,
    read: Arc<ReadPlan>,
    grouping: Arc<Grouping>,
    lanes: Arc<Vec<Vec<Fragment>>>,
    /// Dynamic filters of a join above.
    dynamic_filter: Option<DynamicFilter>,
    properties: Arc<PlanProperties>,
}

impl FragmentAggregate {
    /// The same as a partial aggregate over a scan; `None` where the node is something else or nothing
    /// is gained.
    fn of(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return Ok(None) };
        let input = match aggregate.input().downcast_ref::<CooperativeExec>() {
            Some(cooperative) => cooperative.input(),
            None => aggregate.input(),
        };
        let Some(scan) = input.downcast_ref::<StudyScan>() else { return Ok(None) };
        let groups = aggregate.group_expr();
        let plain = *aggregate.mode() == AggregateMode::Partial
            && aggregate.limit_options().is_none()
            && groups.is_single()
            && !groups.is_empty()
            && scan.fetch().is_none()
            && aggregate.aggr_expr().iter().all(|function| function.groups_accumulator_supported());
        if !plain {
            return Ok(None);
        }
        let Some((read, grouping)) = Grouping::new(aggregate, scan)? else { return Ok(None) };
        let lanes = Arc::clone(scan.lanes());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&grouping.schema)),
            Partitioning::UnknownPartitioning(lanes.len()),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Some(Self {
            table: scan.table_name(),
            read: Arc::new(read),
            grouping: Arc::new(grouping),
            lanes,
            dynamic_filter: scan.dynamic().cloned(),
            properties: Arc::new(properties),
        }))
    }
}

impl Grouping {
    fn new(aggregate: &AggregateExec, scan: &StudyScan) -> Result<Option<(ReadPlan, Self)>> {
        let scanned = scan.schema();
        let keys = aggregate.group_expr().expr();
        let fields = |wanted: &[(usize, Arc<dyn PhysicalExpr>)]| {
            let schema = aggregate.schema();
            let fields = wanted.iter().map(|(place, _)| schema.field(*place).clone()).collect::<Vec<_>>();
            Arc::new(Schema::new(fields))
        };
        let keys = keys.iter().enumerate().map(|(place, (key, _))| (place, Arc::clone(key)));
        let (constants, others): (Vec<_>, Vec<_>) = keys.partition(|(_, key)| is_constant(key, scan));
        if constants.is_empty() {
            return Ok(None);
        }
        let used = |keys: &mut dyn Iterator<Item = &Arc<dyn PhysicalExpr>>| {
            let mut columns: Vec<usize> =
                keys.flat_map(collect_columns).map(|column| column.index()).collect::<Vec<_>>();
            columns.sort_unstable();
            columns.dedup();
            columns
        };
        let values = aggregate_expressions(aggregate.aggr_expr(), aggregate.mode(), 0)?;
        let filters = aggregate.filter_expr();
        let mut read_keys =
            others.iter().map(|(_, key)| key).chain(values.iter().flatten()).chain(filters.iter().flatten());
        let read_columns = used(&mut read_keys);
        let read = scan.read_plan().with_columns(&read_columns, BATCH_ROWS)?;
        let over = |keys: Vec<(usize, Arc<dyn PhysicalExpr>)>, schema: &SchemaRef| {
            let moved = keys.into_iter().map(|(place, key)| Ok((place, reassign_expr_columns(key, schema)?)));
            moved.collect::<Result<Vec<_>>>()
        };
        let shared = used(&mut constants.iter().map(|(_, key)| key));
        let constant_schema = Arc::new(scanned.project(&shared)?);
        let arguments = aggregate.aggr_expr().iter().zip(values).zip(filters).map(|((function, values), filter)| {
            let values = values.into_iter().map(|value| reassign_expr_columns(value, &read.schema));
            let filter = filter.as_ref().map(|filter| reassign_expr_columns(Arc::clone(filter), &read.schema));
            let values = values.collect::<Result<Vec<_>>>()?;
            Ok(Argument { function: Arc::clone(function), values, filter: filter.transpose()? })
        });
        let arguments = arguments.collect::<Result<Vec<_>>>()?;
        let grouping = Self {
            constant_columns: shared
                .iter()
                .filter_map(|&column| scan.read_plan().projection.get(column).copied())
                .collect(),
            constant_keys: fields(&constants),
            constants: over(constants, &constant_schema)?,
            constant_schema,
            other_keys: fields(&others),
            others: over(others, &read.schema)?,
            arguments,
            schema: aggregate.schema(),
        };
        Ok(Some((read, grouping)))
    }

    /// True where a fragment has the very keys that one of the same code had before, and nothing is
    /// computed of its rows: the traces of a split, under another of the models that share it.
    fn repeats(
        &self,
        read: &ReadPlan,
        fragment: &Fragment,
        code: usize,
        known: &mut HashSet<(usize, Vec<Content>)>,
    ) -> bool {
        if !self.arguments.is_empty() || read.filter.is_some() || fragment.rows == 0 {
            return false;
        }
        let contents = read.projection.iter().map(|column| (fragment.content)(*column)).collect::<Option<Vec<_>>>();
        contents.is_some_and(|contents| !known.insert((code, contents)))
    }

    /// The constant keys of some fragments, a row each.
    fn constant_keys(&self, fragments: &[Fragment]) -> Result<Vec<ArrayRef>> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.constant_columns.len());
        for &column in &self.constant_columns {
            let values: Option<Vec<ScalarValue>> =
                fragments.iter().map(|fragment| fragment.facts.get(column).and_then(Fact::constant).cloned()).collect();
            let Some(values) = values else { return internal_err!("column {column} is no constant any more") };
            columns.push(ScalarValue::iter_to_array(values)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(fragments.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.constant_schema), columns, &options)?;
        self.constants.iter().map(|(_, key)| key.evaluate(&batch)?.into_array(fragments.len())).collect()
    }
}

/// True if an expression over the scan's columns has one value in each fragment.
fn is_constant(key: &Arc<dyn PhysicalExpr>, scan: &StudyScan) -> bool {
    let fragments = || scan.lanes().iter().flatten();
    let constant = |column: usize| {
        let column = scan.read_plan().projection.get(column);
        column.is_some_and(|column| {
            fragments().all(|fragment| fragment.facts.get(*column).and_then(Fact::constant).is_some())
        })
    };
    let columns = collect_columns(key);
    let volatile = key.exists(|part| Ok(part.is_volatile_node())).unwrap_or(true);
    !volatile && fragments().next().is_some() && columns.iter().all(|column| constant(column.index()))
}

/// Keys beside the constants of one code, and the group of each.
struct Table {
    /// None where the constants are the whole key.
    keys: Option<Box<dyn GroupValues>>,
    /// Group by number within this table.
    groups: Vec<usize>,
}

/// All groups of a lane.
struct Groups<'a> {
    grouping: &'a Grouping,
    /// Distinct constant keys, a row a code.
    constants: Vec<ArrayRef>,
    /// By code.
    tables: Vec<Table>,
    /// Code of each group.
    codes: Vec<u32>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// Group of each row of a batch.
    of_rows: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn new(grouping: &'a Grouping, constants: Vec<ArrayRef>) -> Result<Self> {
        let accumulators = grouping.arguments.iter().map(|argument| argument.function.create_groups_accumulator());
        let accumulators = accumulators.collect::<Result<Vec<_>>>()?;
        let codes = constants.first().map_or(0, |column| column.len());
        let mut tables = Vec::with_capacity(codes);
        for _ in 0..codes {
            let keys = match grouping.others.is_empty() {
                true => None,
                false => Some(new_group_values(Arc::clone(&grouping.other_keys), &GroupOrdering::None)?),
            };
            tables.push(Table { keys, groups: Vec::new() });
        }
        Ok(Self { grouping, constants, tables, codes: Vec::new(), accumulators, of_rows: Vec::new() })
    }

    /// Adds rows of a fragment with this code.
    fn add(&mut self, code: usize, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let array = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(batch)?.into_array(rows);
        let Some(table) = self.tables.get_mut(code) else { return internal_err!("no group code {code}") };
        let known = match &mut table.keys {
            Some(keys) => {
                let columns =
                    self.grouping.others.iter().map(|(_, key)| array(key)).collect::<Result<Vec<ArrayRef>>>()?;
                keys.intern(&columns, &mut self.of_rows)?;
                keys.len()
            }
            None => {
                self.of_rows.clear();
                self.of_rows.resize(rows, 0);
                1
            }
        };
        for _ in table.groups.len()..known {
            table.groups.push(self.codes.len());
            self.codes.push(code as u32);
        }
        for group in &mut self.of_rows {
            *group = table.groups.get(*group).copied().unwrap_or(0);
        }
        for (argument, accumulator) in self.grouping.arguments.iter().zip(&mut self.accumulators) {
            let values = argument.values.iter().map(array).collect::<Result<Vec<_>>>()?;
            let filter: Option<BooleanArray> = match &argument.filter {
                Some(filter) => Some(as_boolean_array(&array(filter)?)?.clone()),
                None => None,
            };
            accumulator.update_batch(&values, &self.of_rows, filter.as_ref(), self.codes.len())?;
        }
        Ok(())
    }

    fn held_bytes(&self) -> usize {
        let tables = self.tables.iter().map(|table| {
            table.keys.as_ref().map_or(0, |keys| keys.size()) + table.groups.capacity() * size_of::<usize>()
        });
        let accumulators = self.accumulators.iter().map(|accumulator| accumulator.size());
        tables.sum::<usize>()
            + accumulators.sum::<usize>()
            + self.codes.capacity() * size_of::<u32>()
            + self.of_rows.capacity() * size_of::<usize>()
    }

    /// Takes all groups: their keys and partial states. `None` where there are none.
    fn take(&mut self) -> Result<Option<RecordBatch>> {
        let groups = self.codes.len();
        if groups == 0 {
            return Ok(None);
        }
        let codes = UInt32Array::from(std::mem::take(&mut self.codes));
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.grouping.schema.fields().len()];
        for ((place, _), constant) in self.grouping.constants.iter().zip(&self.constants) {
            put(&mut columns, *place, take(constant, &codes, None)?);
        }
        self.take_keys(groups, &mut columns)?;
        let mut place = self.grouping.constants.len() + self.grouping.others.len();
        for accumulator in &mut self.accumulators {
            for state in accumulator.state(EmitTo::All)? {
                put(&mut columns, place, state);
                place += 1;
            }
        }
        let Some(columns) = columns.into_iter().collect::<Option<Vec<_>>>() else {
            return internal_err!("a partial aggregate with {place} columns, expected {}", self.grouping.schema);
        };
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.grouping.schema), columns)?))
    }

    /// Takes the other keys of all tables and puts them in the order of their groups.
    fn take_keys(&mut self, groups: usize, columns: &mut [Option<ArrayRef>]) -> Result<()> {
        let mut places = vec![0u32; groups];
        let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.grouping.others.len()];
        let mut taken = 0u32;
        for table in &mut self.tables {
            for group in table.groups.drain(..) {
                if let Some(place) = places.get_mut(group) {
                    *place = taken;
                }
                taken += 1;
            }
            let Some(keys) = table.keys.as_mut().filter(|keys| !keys.is_empty()) else { continue };
            for (part, array) in parts.iter_mut().zip(keys.emit(EmitTo::All)?) {
                part.push(array);
            }
        }
        let places = UInt32Array::from(places);
        for ((place, _), part) in self.grouping.others.iter().zip(&parts) {
            let parts: Vec<&dyn Array> = part.iter().map(AsRef::as_ref).collect();
            put(columns, *place, take(&concat(&parts)?, &places, None)?);
        }
        Ok(())
    }
}

fn put(columns: &mut [Option<ArrayRef>], place: usize, column: ArrayRef) {
    if let Some(slot) = columns.get_mut(place) {
        *slot = Some(column);
    }
}

/// Reads and groups the fragments of a lane; hands partial states to `emit` until that answers false.
fn aggregate_lane(
    read: &Arc<ReadPlan>,
    dynamic_filter: Option<&DynamicFilter>,
    grouping: &Grouping,
    fragments: &[Fragment],
    reservation: &MemoryReservation,
    emit: &mut dyn FnMut(Option<RecordBatch>) -> bool,
) -> Result<()> {
    if fragments.is_empty() {
        return Ok(());
    }
    // Each fragment's constants form one group: the row number is the fragment's code.
    let mut distinct = new_group_values(Arc::clone(&grouping.constant_keys), &GroupOrdering::None)?;
    let mut codes = Vec::new();
    distinct.intern(&grouping.constant_keys(fragments)?, &mut codes)?;
    let mut groups = Groups::new(grouping, distinct.emit(EmitTo::All)?)?;
    let mut unmeasured = 0;
    let mut known = HashSet::new();
    let mut source = Source::new(Arc::clone(read), fragments, dynamic_filter.cloned());
    while let Some((read, fragment)) = source.next()? {
        let Some(&code) = codes.get(fragment.place) else {
            return internal_err!("a fragment of place {} among {}", fragment.place, codes.len());
        };
        if grouping.repeats(&read, &fragment, code, &mut known) {
            continue;
        }
        let mut passed = 0;
        read.read(&fragment, &mut |batch| {
            passed += batch.num_rows();
            groups.add(code, &batch)?;
            Ok(true)
        })?;
        source.passed(passed);
        unmeasured += fragment.rows;
        if unmeasured < MEASURED_ROWS {
            continue;
        }
        unmeasured = 0;
        let full = groups.codes.len() > GROUPS_MAX || reservation.try_resize(groups.held_bytes()).is_err();
        if full {
            if !hand_on(&mut groups, emit)? {
                return Ok(());
            }
            reservation.free();
        }
        // Also without rows to emit: was the receiver dropped?
        if !emit(None) {
            return Ok(());
        }
    }
    hand_on(&mut groups, emit)?;
    reservation.free();
    Ok(())
}

fn hand_on(groups: &mut Groups<'_>, emit: &mut dyn FnMut(Option<RecordBatch>) -> bool) -> Result<bool> {
    let Some(states) = groups.take()? else { return Ok(true) };
    for start in (0..states.num_rows()).step_by(OUTPUT_ROWS) {
        if !emit(Some(states.slice(start, OUTPUT_ROWS.min(states.num_rows() - start)))) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl fmt::Debug for FragmentAggregate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FragmentAggregate({})", self.table)
    }
}

impl DisplayAs for FragmentAggregate {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |schema: &SchemaRef| {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            names.join(", ")
        };
        let functions: Vec<&str> = self.grouping.arguments.iter().map(|argument| argument.function.name()).collect();
        let fragments: usize = self.lanes.iter().map(Vec::len).sum();
        write!(
            formatter,
            "FragmentAggregate: {}, constants=[{}], keys=[{}], aggr=[{}], columns=[{}], fragments={fragments}",
            self.table,
            names(&self.grouping.constant_keys),
            names(&self.grouping.other_keys),
            functions.join(", "),
            names(&self.read.schema),
        )?;
        if let Some(filter) = &self.read.filter {
            write!(formatter, ", filter={filter}")?;
        }
        match &self.dynamic_filter {
            Some(_) => write!(formatter, ", narrowed while it runs"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for FragmentAggregate {
    fn name(&self) -> &str {
        "FragmentAggregate"
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
        let arguments = self.grouping.arguments.iter();
        let expressions = self.read.filter.iter().chain(arguments.flat_map(|one| one.values.iter().chain(&one.filter)));
        // A join keeps its filter up to date only where it finds it below itself.
        for expression in expressions.chain(self.dynamic_filter.iter().flat_map(DynamicFilter::filters)) {
            if visit(expression)? == TreeNodeRecursion::Stop {
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
        if children.is_empty() { Ok(self) } else { internal_err!("a FragmentAggregate has no children") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a FragmentAggregate has no children") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (read, grouping, lanes) = (Arc::clone(&self.read), Arc::clone(&self.grouping), Arc::clone(&self.lanes));
        let dynamic_filter = self.dynamic_filter.clone();
        let schema = Arc::clone(&self.grouping.schema);
        let stream_schema = Arc::clone(&schema);
        // Nothing is spawned before the first poll.
        let stream = futures::stream::once(async move {
            let batches_ahead = 2;
            let mut builder = RecordBatchReceiverStreamBuilder::new(stream_schema, batches_ahead);
            let sender = builder.tx();
            builder.spawn_blocking(move || {
                let consumer = MemoryConsumer::new(format!("FragmentAggregate[{partition}]"));
                let reservation = consumer.register(context.memory_pool());
                let fragments = lanes.get(partition).map(Vec::as_slice).unwrap_or_default();
                let dynamic_filter = dynamic_filter.as_ref();
                aggregate_lane(&read, dynamic_filter, &grouping, fragments, &reservation, &mut |states| match states {
                    Some(states) => sender.blocking_send(Ok(states)).is_ok(),
                    None => !sender.is_closed(),
                })
            });
            builder.build()
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream.flatten())))
    }
}

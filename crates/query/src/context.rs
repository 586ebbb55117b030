//! A query context: options, functions, optimizer rules and one memory budget; starts the execution of a plan.

use crate::catalog::CATALOG;
use crate::correctness;
use crate::function;
use crate::information_schema;
use crate::optimizer::cancellation::{CancelFlag, cancellable};
use crate::optimizer::group_at_scan::GroupAtScan;
use crate::optimizer::group_before_join::GroupBeforeJoin;
use crate::optimizer::hash_window::HashWholePartitions;
use crate::optimizer::yielding_joins::CooperativeJoins;
use crate::sql::operators::Operators;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use std::num::NonZeroUsize;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};

/// Limits of a session.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Bytes that sorts, joins and aggregates may hold before they spill to disk.
    pub memory_bytes: usize,
    /// Threads, and partitions of a scan.
    pub threads: usize,
}

/// Which of this crate's optimizer rules are enabled: all, except in benchmarks and tests of the rules. No result
/// depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Rows are grouped by a join's key before they are joined.
    pub group_before_join: bool,
    /// Windows over whole partitions are hashed instead of sorted.
    pub hash_windows: bool,
    /// Grouping by constants of partitions is done by the scan.
    pub group_at_scan: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { group_before_join: true, hash_windows: true, group_at_scan: true }
    }
}

impl Rules {
    /// All rules but one, with a name for that.
    pub fn each_off() -> [(&'static str, Self); 3] {
        let all = Self::default();
        [
            ("without group_before_join", Self { group_before_join: false, ..all }),
            ("without hash_windows", Self { hash_windows: false, ..all }),
            ("without group_at_scan", Self { group_at_scan: false, ..all }),
        ]
    }
}

/// Number of memory consumers that an out-of-memory error names.
const CONSUMERS_NAMED: usize = 5;

/// Memory per thread from which on sorts run in parallel partitions.
const SORT_BYTES: usize = 128 << 20;

/// A context with all functions and no tables. Queries of all its users share one memory budget.
pub(crate) fn new_context(options: SessionOptions, ours: Rules) -> Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, "public")
        .with_target_partitions(options.threads.max(1))
        // The adapted one is registered below.
        .with_information_schema(false);
    config.options_mut().sql_parser.collect_spans = true;
    // Literals, comparisons and segments all use Utf8: no conversion of whole columns to Utf8View.
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    // DataFusion's logical plan types `coalesce` of a subquery as NOT NULL, its physical plan as nullable, and then
    // refuses to group by it.
    config.options_mut().execution.skip_physical_aggregate_schema_check = true;
    // The merge of a sort's spilled runs reserves all free memory and cannot release it: of two concurrent sorts
    // under a small budget, one would keep the other from starting its merge (seen at 64 MiB).
    let has_room = options.memory_bytes / options.threads.max(1) >= SORT_BYTES;
    config.options_mut().optimizer.repartition_sorts = has_room;
    config.options_mut().optimizer.repartition_windows = has_room;
    // Operators that can spill get equal shares (fair pool): with a greedy pool, one sort's merge would take the memory
    // that the others need to start theirs.
    let top = NonZeroUsize::MIN.saturating_add(CONSUMERS_NAMED - 1);
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), top);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .build_arc()
        .map_err(|error| Error::internal(format!("cannot make the query environment: {error}")))?;
    let builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(environment)
        .with_physical_optimizer_rules(physical_rules(options.memory_bytes, ours));
    let mut state = correctness::with_exact_rules(builder).build();
    FunctionRegistry::register_expr_planner(&mut state, Arc::new(Operators))
        .map_err(|error| Error::internal(format!("cannot add the operators: {error}")))?;
    let context = SessionContext::new_with_state(state);
    function::register(&context);
    information_schema::register(&context, CATALOG)
        .map_err(|error| Error::internal(format!("cannot make information_schema: {error}")))?;
    Ok(context)
}

/// DataFusion's physical optimizer rules with those of this crate inserted.
fn physical_rules(memory_bytes: usize, ours: Rules) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    correctness::add_physical_rules(&mut rules);
    let before = |rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>], name: &str| {
        rules.iter().position(|rule| rule.name() == name).unwrap_or(rules.len())
    };
    if ours.hash_windows {
        // Before sorts and exchanges are inserted: hashed windows need no sort.
        let at = before(&rules, "hold_limits");
        rules.insert(at, Arc::new(HashWholePartitions { memory_bytes }));
    }
    if ours.group_before_join {
        // After projections are pushed into joins, before dynamic join filters are pushed down.
        let at = before(&rules, "EnsureCooperative");
        rules.insert(at, Arc::new(GroupBeforeJoin));
    }
    if ours.group_at_scan {
        rules.push(Arc::new(GroupAtScan));
    }
    rules.push(Arc::new(CooperativeJoins));
    rules
}

/// Executes a plan; its nested loop joins fail once `cancelled` is set.
pub(crate) async fn started(
    context: &SessionContext,
    plan: LogicalPlan,
    cancelled: &CancelFlag,
) -> datafusion::common::Result<SendableRecordBatchStream> {
    let frame = context.execute_logical_plan(plan).await?;
    let task = Arc::new(frame.task_ctx());
    execute_stream(cancellable(frame.create_physical_plan().await?, cancelled)?, task)
}

/// As [`started`], for a plan that has been optimized: exactly this one is executed.
pub(crate) async fn started_optimized(
    context: &SessionContext,
    plan: &LogicalPlan,
    cancelled: &CancelFlag,
) -> datafusion::common::Result<SendableRecordBatchStream> {
    let state = context.state();
    let physical = state.query_planner().create_physical_plan(plan, &state).await?;
    execute_stream(cancellable(physical, cancelled)?, state.task_ctx())
}

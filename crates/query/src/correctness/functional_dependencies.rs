//! Drops the functional dependencies of a GROUP BY outside its SELECT.
//!
//! DataFusion 55.2 records that the keys of a GROUP BY determine the other columns, and removes redundant expressions:
//! keys of a sort, of another GROUP BY, a DISTINCT. Where such rows are joined, grouped again or unnested, it keeps the
//! dependency although it no longer holds, or holds for other columns: a key then counts as determining the whole row.
//! No optimizer rule can be disabled for that, since the dependencies are computed with each node. [`ForgetKeys`] wraps
//! each relation of a FROM in a node without dependencies; [`Planner`] removes it in the physical plan.

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{DFSchemaRef, FunctionalDependencies, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::sql::sqlparser::ast::TableFactor;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

thread_local! {
    /// The next relation is planned by DataFusion: [`ForgetKeys`] asked for it.
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Plans relations as DataFusion does, and drops their functional dependencies.
#[derive(Debug)]
pub(super) struct ForgetKeys;

impl RelationPlanner for ForgetKeys {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        // A node within what is correlated would keep it from becoming a join: `ForgetKeysOfRows` comes after it.
        let is_lateral = matches!(relation, TableFactor::Derived { lateral: true, .. });
        if IS_ASKED.replace(false) || is_lateral {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        IS_ASKED.set(true);
        let plan = without_keys(context.plan(relation)?)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

/// Forgets keys where rows become more within one SELECT: over UNNEST and over joins with LATERAL.
#[derive(Debug)]
pub(super) struct ForgetKeysOfRows;

impl AnalyzerRule for ForgetKeysOfRows {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let (had, node) = (has_keys(&node), node.recompute_schema()?);
            match &node {
                LogicalPlan::Unnest(_) if has_keys(&node) => Ok(Transformed::yes(without_keys(node)?)),
                LogicalPlan::Join(join) if is_lateral(&join.right) => Ok(Transformed::yes(without_keys(node)?)),
                _ if had != has_keys(&node) => Ok(Transformed::yes(node)),
                _ => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &str {
        "forget_keys_of_rows"
    }
}

fn is_lateral(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_lateral(&alias.input),
        LogicalPlan::Subquery(_) => true,
        _ => false,
    }
}

fn has_keys(plan: &LogicalPlan) -> bool {
    !plan.schema().functional_dependencies().is_empty()
}

fn without_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !has_keys(&plan) {
        return Ok(plan);
    }
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(Unkeyed::new(plan)?) }))
}

/// Passes its input through, without functional dependencies.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Unkeyed {
    input: LogicalPlan,
    schema: DFSchemaRef,
}

impl Unkeyed {
    fn new(input: LogicalPlan) -> Result<Self> {
        let schema = input.schema().as_ref().clone();
        let schema = schema.with_functional_dependencies(FunctionalDependencies::empty())?;
        Ok(Self { input, schema: Arc::new(schema) })
    }
}

impl PartialOrd for Unkeyed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for Unkeyed {
    fn name(&self) -> &str {
        "Unkeyed"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn fmt_for_explain(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Unkeyed")
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let [input] = <[LogicalPlan; 1]>::try_from(inputs)
            .map_err(|_| datafusion::common::internal_datafusion_err!("an Unkeyed has one input"))?;
        Self::new(input)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}

/// Plans as DataFusion does, without the nodes that only affect its logical rules.
#[derive(Debug)]
pub(super) struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let bare = plan.clone().transform_up_with_subqueries(|node| match &node {
            LogicalPlan::Extension(extension) if extension.node.name() == "Unkeyed" => {
                Ok(Transformed::yes(extension.node.inputs()[0].clone()))
            }
            _ => Ok(Transformed::no(node)),
        });
        DefaultPhysicalPlanner::default().create_physical_plan(&bare.data()?, session).await
    }
}

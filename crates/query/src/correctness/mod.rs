//! Workarounds for bugs of DataFusion 55.2 that give results other than SQL defines: each names its report and has a
//! test in `tests` that fails once the workaround is unnecessary.
//!
//! | fault | report (apache/datafusion) | avoided by |
//! | --- | --- | --- |
//! | `NOT IN` with NULL: constant, correlated, beside another comparison | #25340, #25347, #25336, #25473, #25474 | [`not_in`] |
//! | `DISTINCT ... ORDER BY ... LIMIT` gives too few rows | #24927 | [`limit`] |
//! | `DISTINCT ... LIMIT` over a window fails | #25350 | [`limit`] |
//! | keys of ORDER BY and GROUP BY, and DISTINCT, are dropped over joins of grouped rows | #21507, #24787 are similar | [`functional_dependencies`] |
//! | filters over RIGHT and FULL joins land on the wrong side's column of that name | none found | [`filter_pushdown`] |
//! | `sum` of INTEGER beside one `count(DISTINCT ...)` fails | none found | [`single_distinct`] |
//! | ORDER BY is dropped over a hash join of ordered sides | #25052 | [`hash_join_order`] |
//! | `x > ANY (SELECT ...)` compares rows of one name with themselves | #25258 | [`quantified`] |
//! | `EXCEPT ALL`, `INTERSECT ALL` do not count rows | #12955, #12956 | refused by [`syntax`] |
//! | the common column of `RIGHT` and `FULL JOIN ... USING` is the left one | #22881 | refused by [`syntax`] |
//! | integer `+`, `-`, `*` and `sum` wrap, `<<` and `>>` count bits modulo the width | #3520, #17539, #21318 | [`arithmetic`], [`shift`], `function::sum` |
//! | casts to integers cut fractions off, a REAL of a large double is infinite | none found | [`casts`] |
//! | intervals compare field by field, 25 hours are less than a day | none found | refused by [`intervals`] |
//! | `coalesce((SELECT x ...), y)` is NULL where there is no row and `x` is never NULL | none found | [`scalar`] |
//! | a boolean `CASE` becomes AND and OR, which compute what it guards | #25136 | [`case`] |
//! | `IN` and `EXISTS` as values fail | none found | [`not_in`] |
//! | DATE and an interval below a day are a DATE; `SIMILAR TO` is not anchored | none found | `sql::operators`; refused by [`syntax`] |
//! | `^` is XOR, where PostgreSQL and DuckDB read a power; integers of 20 digits are rounded | none | refused by [`syntax`] |
//!
//! #25136, #25340, #24927 and #25350 are fixed in DataFusion's main branch but in no release up to 55.2; the first
//! release after it makes [`limit`] unnecessary. The others are open.

mod arithmetic;
mod case;
mod casts;
mod expressions;
mod filter_pushdown;
mod functional_dependencies;
mod hash_join_order;
mod intervals;
mod limit;
mod not_in;
mod quantified;
mod scalar;
mod shift;
mod single_distinct;
mod syntax;
#[cfg(test)]
mod tests;

pub(super) use syntax::require_exact;

use crate::sql::operators::ReadText;
use crate::sql::pivot_clause::Pivots;
use datafusion::execution::SessionStateBuilder;
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use std::sync::Arc;

/// Adds the rules that work on logical plans.
pub(super) fn with_exact_rules(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut rules = Analyzer::new().rules;
    // Before type coercion, which would turn text compared with bytes into bytes.
    rules.insert(0, Arc::new(ReadText));
    // After type coercion: both sides of a comparison or a sum then have one type.
    rules.push(Arc::new(case::KeepCase));
    rules.push(Arc::new(not_in::ExactIn));
    rules.push(Arc::new(scalar::ScalarSubqueries));
    rules.push(Arc::new(intervals::RefuseIntervals));
    rules.push(Arc::new(casts::RoundingCasts));
    rules.push(Arc::new(arithmetic::CheckedArithmetic));
    rules.push(Arc::new(quantified::NameQuantified));
    rules.push(Arc::new(functional_dependencies::ForgetKeysOfRows));
    let mut optimizer = Optimizer::new().rules;
    single_distinct::WithoutSums::around(&mut optimizer);
    builder
        .with_optimizer_rules(optimizer)
        .with_analyzer_rules(rules)
        .with_relation_planners(vec![Arc::new(Pivots), Arc::new(functional_dependencies::ForgetKeys)])
        .with_query_planner(Arc::new(functional_dependencies::Planner))
}

/// Inserts the physical optimizer rules around the one that moves sorts.
pub(super) fn add_physical_rules(rules: &mut Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>) {
    filter_pushdown::ByUniqueName::around(rules);
    let moves_sorts = |rule: &Arc<dyn PhysicalOptimizerRule + Send + Sync>| rule.name() == "EnsureRequirements";
    if let Some(place) = rules.iter().position(moves_sorts) {
        rules.insert(place + 1, Arc::new(limit::RestoreLimits));
        rules.insert(place + 1, Arc::new(hash_join_order::ShowOrder));
        rules.insert(place, Arc::new(limit::HoldLimits));
        rules.insert(place, Arc::new(hash_join_order::HideOrder));
    }
}

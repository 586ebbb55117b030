//! Which statements name real traces. What a model was trained on is what a study protects, so a page that others may
//! see runs only statements that read no column about a single real trace, or about what leads to one: captures,
//! splits, seeds, digests.
//!
//! The optimised plan decides: its scans have the columns that are read, in whichever view or subquery. Statements that
//! name nothing but what is known to count or average need no plan.

use crate::error::external;
use crate::scan::provider::StudyTable;
use crate::table::TABLES;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, TableScan};
use syntrace_base::error::Error;

/// May an answer name real traces?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealTraces {
    /// Yes.
    Named,
    /// No: statements that could are refused.
    Hidden,
}

/// Tables with rows about single real traces.
const OF_TRACES: &[&str] = &[
    "captures",
    "capture_names",
    "traces",
    "encodings",
    "splits",
    "attributes",
    "reference_attributes",
    "whole_attributes",
    "attack_scores",
    "objects",
];

/// The table with rows about real and about generated traces.
const PACKETS: &str = "packets";

/// Columns of those tables that say to what a row belongs, and not which trace it is.
const OF_GROUPS: &[&str] = &[
    "dataset",
    "class",
    "synthetic",
    "model_id",
    "generator",
    "role",
    "shadow",
    "epsilon",
    "regime",
    "plan",
    "attack_id",
    "attack",
    "attribute",
    "evaluated_on",
    "encoding",
    "kind",
];

/// Columns of other tables that lead to real traces: names of captures, seeds and what is a hash over them, values and
/// digests of content.
const OF_SECRETS: &[(&str, &[&str])] = &[
    ("capture_drops", &["capture_id", "capture", "first_packet", "example"]),
    ("jobs", &["label", "spec", "inputs", "seed"]),
    ("models", &["weights"]),
    ("target_models", &["weights"]),
    ("segments", &["min_value", "max_value"]),
];

/// Views and named queries that count or average over real traces, and whose rows name none.
const OF_MEANS: &[&str] = &[
    "loss_scale",
    "generalization",
    "generalization_by_class",
    "empirical_privacy",
    "privacy_audit",
    "source_leakage",
    "overfitting",
    "table_bytes",
    "bytes_by_table",
    "extraction",
    "figure7",
    "figure10",
    "generalization_gap",
    "paper_agreement",
    "strongest_by_access",
    "study_totals",
    "table1",
    "table3",
    "why_dp_helped",
];

/// Named queries that are refused where real traces are hidden.
const QUERIES_OF_TRACES: &[&str] = &[
    "drops_by_reason",
    "figure8",
    "most_exposed_traces",
    "nprint_images",
    "one_trace",
    "provenance",
    "provenance_captures",
    "provenance_jobs",
    "provenance_weights",
];

/// Is a named query refused where real traces are hidden, with the defaults of its parameters?
pub fn is_about_real_traces(query: &str) -> bool {
    QUERIES_OF_TRACES.contains(&query)
}

/// Is it a table, view or named query whose rows name no real trace, whatever they are made of?
pub(crate) fn names_none(relation: &str) -> bool {
    OF_MEANS.contains(&relation)
        || (TABLES.iter().any(|table| table.name == relation) && Visible::of(relation) == Visible::Everything)
}

/// What of a table or view may be seen where real traces are hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visible {
    /// All of it.
    Everything,
    /// All but these columns.
    Without(&'static [&'static str]),
    /// Rows about generated traces: those with `synthetic`.
    Generated,
    /// These columns, which say to what a row belongs.
    Groups(&'static [&'static str]),
}

impl Visible {
    /// Of a table or view.
    pub fn of(table: &str) -> Self {
        match OF_SECRETS.iter().find(|(known, _)| *known == table) {
            Some((_, columns)) => Self::Without(columns),
            None if table == PACKETS => Self::Generated,
            None if OF_TRACES.contains(&table) => Self::Groups(OF_GROUPS),
            None => Self::Everything,
        }
    }

    /// May a column be seen, in rows about whichever trace?
    pub fn shows(self, column: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Without(columns) => !columns.contains(&column),
            Self::Generated => OF_GROUPS.contains(&column),
            Self::Groups(columns) => columns.contains(&column),
        }
    }
}

/// Refuses an optimised plan that reads a column which names real traces.
pub(crate) fn require_no_traces(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            require_open(scan)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn require_open(scan: &TableScan) -> Result<()> {
    let provider = source_as_provider(&scan.source)?;
    let Some(table) = provider.downcast_ref::<StudyTable>() else { return Ok(()) };
    let name = table.name();
    let fields = scan.source.schema();
    let projected: Vec<String> = match &scan.projection {
        Some(indices) => indices.iter().filter_map(|&index| Some(fields.fields().get(index)?.name().clone())).collect(),
        None => fields.fields().iter().map(|field| field.name().clone()).collect(),
    };
    let filtered = scan.filters.iter().flat_map(|filter| filter.column_refs()).map(|column| column.name.clone());
    let is_generated = scan.filters.iter().flat_map(split_conjunction).any(leaves_generated);
    let visible = Visible::of(name);
    if visible == Visible::Generated && is_generated {
        return Ok(());
    }
    let Some(column) = projected.into_iter().chain(filtered).find(|column| !visible.shows(column)) else {
        return Ok(());
    };
    let refused = Error::user(format!("`{name}.{column}` names real traces, which are hidden here"));
    let hint = match visible {
        Visible::Generated => {
            "ask for generated packets alone, `WHERE synthetic`, or start `syntrace ui` with --members"
        }
        _ => "start `syntrace ui` with --members, and mind who sees the answers",
    };
    Err(external(refused.hint(hint).with_sqlstate("42501")))
}

/// Does a filter of `packets` hold for generated packets alone?
fn leaves_generated(filter: &Expr) -> bool {
    let is = |expression: &Expr, name: &str| matches!(expression, Expr::Column(column) if column.name == name);
    let is_value = |expression: &Expr| matches!(expression, Expr::Literal(value, _) if !ScalarValue::is_null(value));
    match filter {
        Expr::Column(column) => column.name == "synthetic",
        Expr::IsNotNull(inner) => is(inner, "model_id"),
        Expr::BinaryExpr(comparison) if comparison.op == Operator::Eq => {
            let sides = [(&comparison.left, &comparison.right), (&comparison.right, &comparison.left)];
            sides.iter().any(|(left, right)| is(left, "model_id") && is_value(right))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{tables, views};
    use crate::named::named;

    /// Tables whose every column may be seen: a new table has to be put here or above.
    const OPEN: &[&str] = &[
        "classes",
        "lineage",
        "privacy_ledger",
        "epochs",
        "monitors",
        "attacks",
        "roc",
        "synthetic_traces",
        "repairs",
        "fidelity",
        "utility",
        "importances",
        "leaks",
        "one_run_audits",
        "plans",
        "plan_members",
        "paper_table1",
        "paper_table2",
        "paper_table3",
        "paper_section3_table2",
        "paper_takeaways",
    ];

    #[test]
    fn every_table_is_open_or_about_traces_or_has_secret_columns() {
        let secrets: Vec<&str> = OF_SECRETS.iter().map(|(name, _)| *name).filter(|name| !is_view(name)).collect();
        let mut listed = [OPEN, OF_TRACES, &secrets, &[PACKETS]].concat();
        let mut found: Vec<&str> = tables().iter().map(|table| table.name).collect();
        listed.sort_unstable();
        found.sort_unstable();
        assert_eq!(listed, found);
        for (name, columns) in OF_SECRETS.iter().filter(|(name, _)| !is_view(name)) {
            let all = tables().into_iter().find(|table| table.name == *name).unwrap().columns;
            assert!(columns.iter().all(|column| all.iter().any(|known| known.name == *column)), "{name}");
        }
        let is_known = |name: &&str| is_view(name) || named(name).is_ok();
        assert!(OF_MEANS.iter().all(is_known));
    }

    fn is_view(name: &str) -> bool {
        views().iter().any(|view| view.name == name)
    }
}

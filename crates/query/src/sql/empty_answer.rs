//! Explains an empty result: a text that a column is compared with and that the study does not contain.
//!
//! `WHERE dataset = 'nope'` and `-v dataset=nope` are valid SQL, but their empty result explains nothing. After an
//! empty result, the filters that the optimised plan pushes down to its tables are inspected, and the study is queried
//! for the values of their columns.

use crate::scan::provider::StudyTable;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use syntrace_base::error::nearest;

/// Values of a column that a note lists, at most.
pub(crate) const LISTED_MAX: usize = 20;

/// A column of a table that has to be equal to a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFilter {
    pub table: &'static str,
    pub column: String,
    pub text: String,
}

/// Comparisons of columns with texts by equality, in the filters of an optimised plan's tables.
pub(crate) fn text_filters(plan: &LogicalPlan) -> Result<Vec<TextFilter>> {
    let mut found: Vec<TextFilter> = Vec::new();
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = node else { return Ok(TreeNodeRecursion::Continue) };
        let provider = source_as_provider(&scan.source)?;
        let Some(ours) = provider.downcast_ref::<StudyTable>() else { return Ok(TreeNodeRecursion::Continue) };
        for part in scan.filters.iter().flat_map(split_conjunction) {
            if let Some((column, text)) = equality(part) {
                let one = TextFilter { table: ours.name(), column, text };
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn equality(part: &Expr) -> Option<(String, String)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
            match value {
                ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
                    Some((column.name.clone(), text.clone()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The query for the values of a column: one more than is listed.
pub(crate) fn values_query(filter: &TextFilter) -> String {
    let limit = LISTED_MAX + 1;
    format!(
        "SELECT DISTINCT \"{0}\" FROM \"{1}\" WHERE \"{0}\" IS NOT NULL ORDER BY \"{0}\" LIMIT {limit}",
        filter.column, filter.table
    )
}

/// The query for whether a column holds the text.
pub(crate) fn exists_query(filter: &TextFilter) -> String {
    let text = filter.text.replace('\'', "''");
    format!("SELECT 1 FROM \"{}\" WHERE \"{}\" = '{text}' LIMIT 1", filter.table, filter.column)
}

/// The note for a text that a column does not hold.
pub(crate) fn note(filter: &TextFilter, known: &[String]) -> String {
    let TextFilter { table, column, text } = filter;
    let said = match known {
        [] => format!("`{table}` has no {column} at all"),
        known if known.len() > LISTED_MAX => format!("`{table}` has {LISTED_MAX} others and more"),
        known => format!("`{table}` has: {}", known.join(", ")),
    };
    let near = nearest(text, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("no row has the {column} `{text}`: {said}{near}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_there_is_and_what_is_near() {
        let filter = TextFilter { table: "models", column: "dataset".to_owned(), text: "oss".to_owned() };
        let found = note(&filter, &["os".to_owned(), "vca".to_owned()]);
        assert_eq!(found, "no row has the dataset `oss`: `models` has: os, vca; did you mean `os`?");
        let filter = TextFilter { text: "something else".to_owned(), ..filter };
        assert_eq!(note(&filter, &["os".to_owned()]), "no row has the dataset `something else`: `models` has: os");
        assert_eq!(note(&filter, &[]), "no row has the dataset `something else`: `models` has no dataset at all");
    }
}

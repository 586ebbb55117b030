//! The named queries: one question per file of `queries/`, with its parameters and their defaults.
//!
//! A file begins with a comment:
//!
//! ```text
//! -- Question:   how well ...?
//! -- Parameters: $dataset = NULL (all datasets)
//! --             $limit = 20 (rows)
//! -- Columns:    generator, auc, ...
//! ```

use crate::sql::parameter::{Parameters, parse_value};
use datafusion::scalar::ScalarValue;
use std::sync::LazyLock;
use syntrace_base::error::{Error, Result};

/// One question with its SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedQuery {
    /// Name: its file's, without `.sql`.
    pub name: &'static str,
    /// The question in English.
    pub question: String,
    /// Its parameters with their defaults.
    pub parameters: Vec<Parameter>,
    /// What its columns mean.
    pub columns: String,
    /// The whole file.
    pub sql: &'static str,
}

/// One parameter of a named query.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name without `$`.
    pub name: String,
    /// Its value where none is given.
    pub default: ScalarValue,
    /// What it means.
    pub doc: String,
}

macro_rules! queries {
    ($($name:literal)+) => {
        const QUERIES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../queries/", $name, ".sql")))),+
        ];
    };
}

queries! {
    "headline"
    "study_totals"
    "study_overview"
    "strongest_attacks"
    "strongest_by_access"
    "whole_against_summaries"
    "privacy_vs_utility"
    "mia_by_model_and_epsilon"
    "fidelity_by_model_and_epsilon"
    "fidelity_by_field"
    "fidelity_by_aspect"
    "fidelity_vs_utility"
    "augmentation"
    "fields_used"
    "table1"
    "table2"
    "table3"
    "section3_table2"
    "figure2"
    "figure3"
    "figure4"
    "figure5"
    "figure6"
    "figure7"
    "figure8"
    "nprint_images"
    "figure9"
    "figure10"
    "roc_curves"
    "paper_agreement"
    "model_guarantees"
    "release_privacy"
    "privacy_ledger"
    "privacy_audit"
    "attacks_by_unit"
    "leaks_by_model"
    "why_dp_helped"
    "generalization_gap"
    "most_exposed_traces"
    "extraction"
    "drops_by_reason"
    "bytes_by_table"
    "provenance"
    "provenance_settings"
    "provenance_jobs"
    "provenance_captures"
    "provenance_weights"
    "one_trace"
}

/// All named queries, the headline first.
pub fn named_queries() -> Vec<NamedQuery> {
    static ALL: LazyLock<Vec<NamedQuery>> =
        LazyLock::new(|| QUERIES.iter().map(|(name, sql)| parse(name, sql)).collect());
    ALL.clone()
}

/// The query of a name; the error suggests the nearest one.
pub fn named(name: &str) -> Result<NamedQuery> {
    let found = QUERIES.iter().find(|(known, _)| *known == name);
    found.map(|(name, sql)| parse(name, sql)).ok_or_else(|| no_such_query(name))
}

/// The error for a named query that does not exist.
fn no_such_query(name: &str) -> Error {
    let all = named_queries();
    let known: Vec<&str> = all.iter().map(|query| query.name).collect();
    let error = Error::user(format!("there is no named query `{name}`"));
    error.hint_near(name, &known, format!("there are: {}", known.join(", ")))
}

fn parse(name: &'static str, sql: &'static str) -> NamedQuery {
    let mut sections = [String::new(), String::new(), String::new()];
    let mut current = None;
    for line in sql.lines().map_while(|line| line.strip_prefix("--")) {
        let labels = ["Question:", "Parameters:", "Columns:"];
        let started = labels.iter().position(|label| line.trim_start().starts_with(label));
        let text = match started {
            Some(index) => {
                current = Some(index);
                line.trim_start().trim_start_matches(labels[index])
            }
            None => line,
        };
        if let Some(section) = current.and_then(|index| sections.get_mut(index)) {
            if !section.is_empty() {
                section.push('\n');
            }
            section.push_str(text.trim());
        }
    }
    let [question, parameters, columns] = sections;
    let parameters = parameters.lines().filter_map(parameter).collect();
    NamedQuery { name, question: question.replace('\n', " "), parameters, columns: columns.replace('\n', " "), sql }
}

/// Reads `$name = default (meaning)`.
fn parameter(line: &str) -> Option<Parameter> {
    let (name, rest) = line.strip_prefix('$')?.split_once('=')?;
    let (default, doc) = rest.split_once('(').unwrap_or((rest, ""));
    Some(Parameter {
        name: name.trim().to_owned(),
        default: parse_value(default.trim()),
        doc: doc.trim_end().trim_end_matches(')').to_owned(),
    })
}

/// Values for all parameters of a query: what is given, else the defaults. A name that the query does
/// not have is an error.
pub fn bind(query: &NamedQuery, given: &Parameters) -> Result<Parameters> {
    let known: Vec<&str> = query.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    if let Some(name) = given.keys().find(|name| !known.contains(&name.as_str())) {
        let error = Error::user(format!("query `{}` has no parameter `{name}`", query.name));
        let fallback =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has: {}", known.join(", ")) };
        return Err(error.hint_near(name, &known, fallback));
    }
    let value = |parameter: &Parameter| given.get(&parameter.name).unwrap_or(&parameter.default).clone();
    Ok(query.parameters.iter().map(|parameter| (parameter.name.clone(), value(parameter))).collect())
}

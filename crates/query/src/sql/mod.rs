//! The text of a statement, before and during planning: permitted statements, name resolution, limits, errors with
//! positions.

pub(crate) mod attach;
pub(crate) mod binding;
pub(crate) mod diagnose;
pub(crate) mod disclosure;
pub(crate) mod empty_answer;
pub(crate) mod expansion_limits;
pub(crate) mod identifier;
pub(crate) mod name_resolution;
pub(crate) mod nesting_limits;
pub(crate) mod operators;
pub(crate) mod parameter;
pub(crate) mod parse;
pub(crate) mod pivot_clause;
mod rewrite;
pub(crate) mod split;
pub(crate) mod statement;
pub(crate) mod summarize;
pub mod walk;

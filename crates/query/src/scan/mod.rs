//! Reading tables: which fragments can hold a row of the answer, and their columns as record batches.

pub(crate) mod batch;
pub(crate) mod dynamic_filter;
pub(crate) mod provider;
pub(crate) mod prune;
pub(crate) mod relation;

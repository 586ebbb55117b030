//! Answers as text and bytes.

pub(crate) mod cell;
pub(crate) mod format;
pub(crate) mod json_numbers;
#[cfg(feature = "parquet")]
pub(crate) mod parquet_file;
pub(crate) mod pivot;
pub(crate) mod table_format;
pub(crate) mod text;

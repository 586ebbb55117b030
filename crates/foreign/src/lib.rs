//! Readers for files about externally trained models: attributes, membership lists, training logs.
//!
//! ```text
//! Parquet | NPY | safetensors -> FileAttribute      CSV -> MemberRow      CSV | JSON lines -> EpochRow
//! ```
//!
//! Invariants:
//! - Nothing here opens a file: bytes or an open reader come in, typed rows go out.
//! - Files are untrusted: every claimed length is checked against the available bytes before it controls an
//!   allocation, nothing is ever executed (a pickled NPY is rejected, not loaded), no input can cause a panic.
//! - Numbers are finite or the file is refused, with the row and column; nothing is filled in.
//! - Errors name the row from 0 as the file's own tools count it, and say which names were expected.

mod attributes;
mod csv;
mod members;
mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod tensors;
mod training_log;

pub use attributes::{AttributeFile, FileAttribute, Numbers, TraceName, VALUES_MAX};
pub use members::{MemberRow, read_members, read_traces};
pub use npy::{read_npy, read_npy_column};
#[cfg(feature = "parquet")]
pub use parquet::read_parquet;
pub use tensors::read_safetensors;
pub use training_log::{LoggedEpoch, read_log};

/// Without the feature `parquet`: says so.
#[cfg(not(feature = "parquet"))]
pub fn read_parquet<R>(_file: R, _columns: &[String]) -> syntrace_base::error::Result<AttributeFile> {
    Err(syntrace_base::error::Error::left_out("Parquet files", "parquet"))
}

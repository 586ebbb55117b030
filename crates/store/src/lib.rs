//! The study file: one redb database with three kinds of content.
//!
//! * *Records* (`record::*`, rkyv, one redb value each, with a header and a checksum: [`codec`]).
//! * *Objects*: content-addressed blobs (verbatim captures, weights), zstd where it helps.
//! * *Segments*: runs of rows of one columnar table ([`schema`]) in one partition. A segment's record
//!   has the digest, null count, minimum and maximum of each column, so that a query reads only the
//!   columns that it names; columns of a few bytes are inlined in the record.
//!
//! The bytes of objects and columns are contents of one [`heap`], keyed by their digests: without gaps,
//! in chunks that just fit redb's power-of-two page runs (a 64 KiB value costs 128 KiB, one of 64 KiB
//! less 64 bytes costs 64 KiB), deduplicated. [`compact`] rewrites a study in key order. Checks go through
//! an [`overlay`], which keeps redb's own writes from the file.
//!
//! Invariants: one write transaction per finished job, with its provenance, so a crash leaves whole
//! jobs or nothing; nothing stored is ever overwritten (same id with other bytes is a conflict);
//! bytes from the file are validated before they are used; the only home of redb and of rkyv access.

mod cache;
mod checkpoint;
mod codec;
mod column;
mod compact;
mod compression;
mod engine;
#[doc(hidden)]
pub mod fuzz_decoders;
mod heap;
mod job_result;
mod merge;
mod names;
mod output_key;
mod overlay;
mod prune;
mod reader;
mod records;
mod residual_seeds;
pub mod schema;
mod tables;
mod verify;
mod writer;

pub use column::arrow_schema;
pub use job_result::{JobResult, NewFile, NewObject, NewSegment};
pub use merge::{Conflict, MergeReport};
pub use prune::Retained;
pub use reader::{Generation, ReadCounters, Snapshot, Store};
pub use records::{ColumnRecord, ObjectRecord, Scalar, SegmentRecord, ShardRecord};
pub use tables::FORMAT_VERSION;
pub use verify::{Finding, VerifyReport};
pub use writer::{StoreWriter, TableSize};

//! The study file: one redb database with three kinds of content.
//!
//! * *Records* (`record::*`, rkyv, one redb value each, with a header and a checksum: [`codec`]).
//! * *Objects*: content-addressed blobs (verbatim captures, weights), zstd where it helps.
//! * *Segments*: runs of rows of one columnar table ([`schema`]) in one partition. All columns of a
//!   segment lie one after another in one body; the segment's record says where each lies, with its
//!   digest, null count, minimum and maximum, so that a query reads only the columns that it names.
//!
//! Objects and segment bodies are cut into chunks that just fit redb's power-of-two page runs
//! (measured by the design: a 64 KiB value costs 128 KiB, one of 64 KiB - 256 B costs 64 KiB). Columns
//! are not values of their own, as small ones would share half-filled pages with keys larger than
//! themselves; a column still costs only its own chunks to read.
//!
//! Invariants: one write transaction per finished job, with its provenance, so a crash leaves whole
//! jobs or nothing; nothing stored is ever overwritten (same id with other bytes is a conflict);
//! bytes from the file are validated before they are used; the only home of redb and of rkyv access.

mod bulk;
mod codec;
mod column;
mod engine;
mod merge;
mod place;
mod reader;
mod records;
pub mod schema;
mod tables;
mod verify;
mod writer;

pub use column::arrow_schema;
pub use merge::{Conflict, MergeReport};
pub use reader::{ReadCounters, Snapshot, Store};
pub use records::{ColumnRecord, ObjectRecord, Scalar, SegmentRecord};
pub use tables::FORMAT_VERSION;
pub use verify::{Finding, VerifyReport};
pub use writer::{JobResult, NewFile, NewObject, NewSegment, StoreWriter, TableSize};

//! Records about the bulk content: what a segment or an object is and where its bytes are.

use syntrace_base::base::{CaptureId, JobId, ModelId};

/// A minimum or maximum.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Scalar {
    /// Of an integer column.
    Int(i64),
    /// Of a floating-point column without NaN.
    Float(f64),
    /// Of a text column whose values are short.
    Text(String),
}

/// One column of a segment.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ColumnRecord {
    /// Layout of the bytes (see `column`).
    pub encoding: u8,
    /// Its length as stored.
    pub stored_bytes: u32,
    /// Its length before compression.
    pub raw_bytes: u32,
    /// First 16 bytes of BLAKE3 of the stored bytes: their key in the heap.
    pub digest: [u8; 16],
    /// The stored bytes themselves if they are few; they are then not in the heap.
    pub inline: Vec<u8>,
    /// How many values are NULL.
    pub null_count: u32,
    /// Smallest value, where known.
    pub min: Option<Scalar>,
    /// Largest value, where known.
    pub max: Option<Scalar>,
}

/// One run of rows of a columnar table in one partition.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SegmentRecord {
    /// Code of the table.
    pub table: u16,
    /// Class, split, model or attack id.
    pub partition: i64,
    /// From the job and its number within the job.
    pub segment_id: i64,
    /// Job that wrote it.
    pub job_id: JobId,
    /// Rows.
    pub rows: u32,
    /// Its columns, in the table's order; fewer than the table has now if it is older.
    pub columns: Vec<ColumnRecord>,
}

impl SegmentRecord {
    /// Bytes of all columns as stored; columns that are equal to others' are counted all the same.
    pub fn stored_bytes(&self) -> u64 {
        self.columns.iter().map(|column| u64::from(column.stored_bytes)).sum()
    }
}

/// One content-addressed blob.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ObjectRecord {
    /// BLAKE3 of the raw bytes.
    pub digest: [u8; 32],
    /// `capture`, `weights`, ...
    pub kind: String,
    /// Length before compression.
    pub raw_bytes: u64,
    /// Length as stored.
    pub stored_bytes: u64,
    /// First 16 bytes of BLAKE3 of the bytes as stored: their key in the heap.
    pub stored_digest: [u8; 16],
    /// Compressed with zstd?
    pub zstd: bool,
    /// Digests of the objects that it is the concatenation of; empty for an object with stored bytes.
    pub parts: Vec<[u8; 32]>,
}

/// All names that a capture came with.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct CaptureNames {
    /// The capture.
    pub capture_id: CaptureId,
    /// Each once; the first is the one that is shown.
    pub names: Vec<String>,
}

/// State of a running job.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct CheckpointRecord {
    /// The job.
    pub job_id: JobId,
    /// BLAKE3 of the state.
    pub digest: [u8; 32],
    /// Length of the state.
    pub bytes: u64,
}

/// Which shares of a plan are in a study. Belongs to no job.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ShardRecord {
    /// The plan's job: the fingerprint of all that was asked for.
    pub plan: JobId,
    /// Shares that it was dealt into.
    pub count: u32,
    /// Those that are here, sorted; 0 is the prologue, what all others start from.
    pub numbers: Vec<u32>,
    /// The share of each model, by model id.
    pub dealt: Vec<(ModelId, u32)>,
}

impl ShardRecord {
    /// Shares that are not here, the prologue (0) among them.
    pub fn missing(&self) -> Vec<u32> {
        (0..=self.count).filter(|number| !self.numbers.contains(number)).collect()
    }
}

//! Every redb table of a study file: key order, value, and the one stage that writes it.

use redb::TableDefinition;

/// Version of the file format that this program writes; it reads 1 up to this one.
pub const FORMAT_VERSION: u32 = 1;

/// First 16 bytes of the digest of a content of the heap.
pub(super) type PlaceKey = &'static [u8; 16];

/// Values are records (bytes with their own header, see `codec`) or chunks of the heap.
pub(super) type Bytes = &'static [u8];

/// `format` (u32 LE), `archive` (text), `created_by` (text). Written when the file is made.
pub(super) const META: TableDefinition<&str, Bytes> = TableDefinition::new("syntrace.meta");
/// Key in `META` of a redacted copy, whose ids were renumbered.
pub(super) const SHARED_COPY: &str = "shared_copy";
/// Key in `META` while trainings with secret noise are running; one that a killed process left stays until the study
/// is compacted.
pub(super) const TRAINING: &str = "training";
/// Key in `META` of a share of a plan, or of the union of such: a `ShardRecord`. Written by `run --shard` and merge; it
/// goes when a plain run has done what is left.
pub(super) const SHARD: &str = "shard";
/// Class id -> `ClassRecord`. Written by ingest and simulate.
pub(super) const CLASSES: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.classes");
/// Capture id -> `CaptureRecord`. Written by ingest and simulate.
pub(super) const CAPTURES: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.captures");
/// Capture id -> `CaptureNames`, where a capture came under another name than that of its record. Written by ingest,
/// merge and rename; belongs to no job, so that names can be added and changed.
pub(super) const CAPTURE_NAMES: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.capture_names");
/// Class id, capture id, job id -> `IngestRecord`. Written by ingest and simulate.
pub(super) const INGESTS: TableDefinition<(i64, i64, i64), Bytes> = TableDefinition::new("syntrace.ingests");
/// Split id -> `SplitRecord`. Written by split.
pub(super) const SPLITS: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.splits");
/// Model id -> `ModelRecord`. Written by train.
pub(super) const MODELS: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.models");
/// Attack id -> `AttackRecord`. Written by attack.
pub(super) const ATTACKS: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.attacks");
/// Job id -> `JobRecord`. Written with every job's results.
pub(super) const JOBS: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.jobs");
/// Digest of the raw bytes -> `ObjectRecord`. Written by ingest and train.
pub(super) const OBJECTS: TableDefinition<&[u8; 32], Bytes> = TableDefinition::new("syntrace.objects");
/// Table code, partition, segment id -> `SegmentRecord`. Written by every stage.
pub(super) const SEGMENTS: TableDefinition<(u16, i64, i64), Bytes> = TableDefinition::new("syntrace.segments");
/// Number -> chunk of the heap (see `heap`). Written by every stage.
pub(super) const CHUNKS: TableDefinition<u64, Bytes> = TableDefinition::new("syntrace.chunks");
/// Digest of a column's or an object's stored bytes, first 16 bytes -> (start, length) in the heap.
/// Written by every stage.
pub(super) const PLACES: TableDefinition<&[u8; 16], (u64, u64)> = TableDefinition::new("syntrace.places");
/// Job id -> `CheckpointRecord` of a running job; removed when the job finishes.
pub(super) const CHECKPOINTS: TableDefinition<i64, Bytes> = TableDefinition::new("syntrace.checkpoints");
/// Job id, number -> part of a checkpoint's state; removed with it.
pub(super) const CHECKPOINT_PARTS: TableDefinition<(i64, u32), Bytes> =
    TableDefinition::new("syntrace.checkpoint_parts");

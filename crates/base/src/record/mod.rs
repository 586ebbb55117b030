//! The nouns of a study as plain data (docs/src/glossary.md is the glossary): what stages hand to each
//! other and what the study file keeps as records.
//!
//! Invariant: no behaviour beyond checking constructors; the rkyv layout of every archived type here
//! is part of the file format: a released layout never changes.

mod attack;
mod attribute;
mod capture;
mod dataset;
mod job;
mod model;
mod packet;
mod privacy_event;
mod privacy_unit;
mod split;
mod trace;

pub use attack::{AttackRecord, COVERS_TRAININGS, EvaluatedOn, Interval};
pub use attribute::{NamedScalar, TraceAttribute, WHOLE, WholeAttribute, WithoutZero};
pub use capture::{CaptureRecord, Damage, DropCount, DropReason, IngestRecord};
pub use dataset::{ClassRecord, Origin};
pub use job::{JobKind, JobOutput, JobRecord};
pub use model::{Guarantee, IMPORTED, LineageEdge, LineageKind, ModelRecord, ModelStatus, Regime, Role};
pub use packet::{Direction, Packet};
pub use privacy_event::{Mechanism, PrivacyEvent};
pub use privacy_unit::PrivacyUnit;
pub use split::{Part, SplitRecord};
pub use trace::{Trace, TraceUnit};

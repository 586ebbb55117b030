//! Small things that every layer needs: ids, hashes, checked quantities, devices, seeds, parallel maps, progress.
//!
//! Invariant: imports nothing of this crate but `error`. The only home of `rayon` and of random
//! generators' construction.

mod device;
mod hash;
mod id;
mod parallel;
mod progress;
mod seed;
mod unit;
pub mod wire;

pub use device::{Device, DeviceChoice};
pub use hash::{Digest, Identity, StreamDigest};
pub use id::{AttackId, CaptureId, ClassId, JobId, ModelId, SplitId, TraceId};
pub use parallel::{map_ordered, thread_count, try_map_ordered, try_threads};
pub use progress::{NoProgress, Progress};
pub use seed::{Seed, StreamRng};
pub use unit::{ClipNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate};

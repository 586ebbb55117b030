//! Connects the stages: plans what a spec needs over a study, runs what is missing, commits each job.
//!
//! Invariants: the only module that calls stages and the store; a job's id is the hash of what it
//! depends on, so what exists is skipped, what changed is new, and nothing is silently reused; every
//! random draw of a job comes from its id (the study's seed is part of it), so results depend neither
//! on the order of jobs nor on the number of threads.

#![cfg_attr(
    not(feature = "torch"),
    allow(dead_code, reason = "what only training calls has no caller without libtorch")
)]

mod attack;
mod audit;
mod bases;
mod clock;
mod compare;
mod estimate;
mod export;
mod folder;
mod forget;
mod import;
mod ingest;
mod input;
mod job;
mod load;
mod narrow;
mod order;
mod plan;
mod quality;
mod reattack;
mod release;
mod rows;
mod run;
mod share;
mod stage;
mod train;

pub use bases::{StoredBase, bases_of, import_base};
pub use compare::{Comparison, Difference, compare};
pub use estimate::{Estimate, JobCost};
pub use export::{
    ImageSelection, TraceSelection, export_capture, export_images, export_nprint, export_pcapng, export_traces,
    export_weights,
};
pub use folder::{ClassFiles, PassedOver, captures_by_folder, captures_in};
pub use forget::{Forgetting, Forgotten, renamed};
pub use import::{EvaluationNotes, ImportedModel, evaluation, import_models};
pub use ingest::{
    IngestOptions, IngestReport, default_cut, ingest_again, ingest_files, simulate_into, simulated_capture,
};
pub use input::CaptureInput;
pub use plan::{KNOWN_GPUS, Plan, PlanDevice};
pub use reattack::reattack;
pub use release::{ReleaseGroup, release};
pub use run::{RunObserver, RunOptions, RunReport, run, run_without_networks};
pub use share::{SHARED_TABLES, ShareReport, WITHHELD_TABLES, share};
#[cfg(feature = "torch")]
pub use train::{Audited, Experiment};
#[cfg(feature = "torch")]
pub use train::{base_traces, train_recipe};
pub use train::{cuda_devices, device_flops};

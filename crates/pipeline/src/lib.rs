//! Connects the stages: plans the jobs that a spec needs over a study, runs the missing ones, commits each job.
//!
//! Invariants: the only module that calls stages and the store; a job's id is the hash of its dependencies, so jobs
//! that exist are skipped, changed ones are new, and nothing outdated is reused; every random draw of a job is derived
//! from its id (the study's seed is part of it), so results depend neither on the order of jobs nor on the number of
//! threads.

#![cfg_attr(
    not(feature = "torch"),
    allow(dead_code, reason = "what only training calls has no caller without libtorch")
)]

mod bases;
mod clock;
mod estimate;
mod forget;
mod ingest;
mod jobs;
mod plan;
mod release;
mod rows;
mod run;
mod train;
mod transfer;

pub use bases::{StoredBase, bases_of, import_base};
pub use estimate::{Estimate, JobCost};
pub use forget::{Forgetting, Forgotten, renamed};
pub use ingest::folder::{ClassFiles, PassedOver, captures_by_folder, captures_in};
pub use ingest::input::CaptureInput;
pub use ingest::{
    IngestOptions, IngestReport, default_cut, ingest_again, ingest_files, simulate_into, simulated_capture,
};
pub use jobs::reattack::reattack;
pub use plan::{AskedFor, KNOWN_GPUS, Plan, PlanDevice, ShareTotal, differences, duration};
pub use release::{ReleaseGroup, ReleasedModel, release};
pub use run::{RunObserver, RunOptions, RunReport, STOP_GRACE, run, run_without_networks};
#[cfg(feature = "torch")]
pub use train::{Audited, Experiment};
#[cfg(feature = "torch")]
pub use train::{base_traces, train_recipe};
pub use train::{cuda_devices, device_flops};
pub use transfer::compare::{Comparison, Difference, compare};
pub use transfer::export::{
    ImageSelection, TraceSelection, export_capture, export_images, export_nprint, export_pcapng, export_traces,
    export_weights, selected_traces, write_traces,
};
pub use transfer::import::{EvaluationNotes, ImportedModel, evaluation, import_models};
pub use transfer::kit::{Kit, KitModel, KitOptions, kit};
pub use transfer::shards::united_shards;
pub use transfer::share::{SHARED_TABLES, ShareReport, WITHHELD_TABLES, share};

//! Cohort training with and without differential privacy.
//!
//! A cohort's models are trained in lockstep on any [`Network`]. Each step of each model draws a
//! Poisson batch; the gradients go through owned types that can only be used in order:
//! [`PerSampleGrads`] -> [`ClippedSum`] -> [`PrivateGrad`], and the last arrow counts the privacy event.
//!
//! Invariants: the noise has standard deviation sigma C on the *sum*, the divisor is the *expected*
//! batch size, an empty batch still takes a noisy step, a gradient that is not finite counts as zero; what
//! becomes of a model with DP follows from released weights alone; no seed of secret noise leaves the process; every random draw of a model comes from its
//! own seeds and the step's number, never from its cohort, so a checkpoint holds no stream positions;
//! no clock (the [`CheckpointSink`] has one), no printing, no files.
//!
//! The plain types of this module exist without libtorch, for plans and records.

mod one_by_one;
mod plan;

#[cfg(feature = "torch")]
mod chacha;
#[cfg(feature = "torch")]
mod checkpoint;
#[cfg(feature = "torch")]
mod cohort;
#[cfg(feature = "torch")]
mod network;
#[cfg(feature = "torch")]
mod noise;
#[cfg(feature = "torch")]
mod optimiser;
#[cfg(feature = "torch")]
mod sampler;
#[cfg(feature = "torch")]
mod step;
#[cfg(all(test, feature = "torch"))]
mod tests;

pub use one_by_one::fit_one_by_one;
pub use plan::{
    Average, CheckpointSink, CohortInput, CohortModel, CohortOutcome, DpPlan, EncodedTrace, EpochRow, ModelOutcome,
    MonitorRow, NoCheckpoint, OVERFLOWS, OptimiserPlan, TrainPlan, Trainable,
};

#[cfg(feature = "torch")]
pub use cohort::train_cohort;
#[cfg(feature = "torch")]
pub use network::{MicroGradients, Microbatch, Network};
#[cfg(feature = "torch")]
pub use noise::{gaussian_noise, standard_normal};
#[cfg(feature = "torch")]
pub use optimiser::Optimiser;
#[cfg(feature = "torch")]
pub use sampler::poisson_batch;
#[cfg(feature = "torch")]
pub use step::{ClippedSum, Clipping, PerSampleGrads, PrivateGrad};

//! Input and output of a cohort's training, as plain data.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use syntrace_base::base::{Seed, TraceId};
use syntrace_base::error::Result;
use syntrace_base::record::{ModelStatus, PrivacyEvent};

/// One trace in one encoding.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedTrace {
    /// Which trace.
    pub trace_id: TraceId,
    /// Rows: packets, or tokens.
    pub rows: u32,
    /// Cells a row: 1,088 bits, 15 fields, or 1 token.
    pub width: u32,
    /// The cells; tokens are unsigned 16-bit integers, little endian.
    pub data: Vec<u8>,
}

/// Optimiser and its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptimiserPlan {
    /// `w -= rate * g`, with momentum (0 = none).
    Sgd {
        /// Learning rate.
        rate: f64,
        /// Momentum.
        momentum: f64,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1), with decoupled weight decay (0 = none).
    Adam {
        /// Learning rate.
        rate: f64,
        /// Decay rates of the two moments.
        betas: (f64, f64),
        /// Added to the root of the second moment.
        eps: f64,
        /// Decoupled weight decay (AdamW).
        weight_decay: f64,
    },
}

/// Which weights are trained on the members. The noise of a DP training grows with the root of their number, whatever
/// the number of steps, so that hundreds of traces can move hundreds of weights (Bu et al. 2022, arXiv 2210.00036).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trainable {
    /// All.
    #[default]
    All,
    /// Weights of norms.
    Norms,
    /// Biases.
    Biases,
    /// All that is a vector a layer: weights of norms, biases, and what a recurrence has one number a head of.
    Vectors,
    /// Weights of the last norm, in front of the output.
    Output,
}

/// What is released of the weights that a training passes through. All of it follows from noisy steps: averages cost
/// no privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// The last weights.
    #[default]
    None,
    /// An exponential mean over about a quarter of the steps, without the initial weights.
    Ema,
    /// The mean over the second half of the steps.
    Tail,
}

impl Average {
    /// Steps over which the mean after `step` of `steps` is taken (of an exponential mean: its horizon); 0 = none yet.
    pub fn horizon(self, step: u64, steps: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Ema => step.min((steps / 4).max(1)),
            Self::Tail => step.saturating_sub(steps / 2),
        }
    }
}

/// How long and with which batches a generator trains: a function of public numbers only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainPlan {
    /// Probability with which each unit (trace, or host) enters each step's batch.
    pub sampling_rate: f64,
    /// `sampling_rate` times the public number of members, units; the divisor of every sum.
    pub expected_batch: f64,
    /// Optimiser steps.
    pub steps: u64,
    /// Epochs; one is `steps / epochs` steps.
    pub epochs: u32,
    /// L2 bound of one unit's gradient, for models with DP.
    pub clip_norm: f64,
    /// Traces of all models together in one forward pass (at least one a model).
    pub microbatch: u32,
    /// Epochs between evaluations of member and held-out loss; the last epoch is always evaluated.
    pub epochs_per_evaluation: u32,
    /// Optimiser.
    pub optimiser: OptimiserPlan,
    /// Does the learning rate fall linearly to 0 over the steps?
    pub linear_decay: bool,
    /// Which weights are trained.
    pub trainable: Trainable,
    /// Which of the weights that it passes through are kept.
    pub average: Average,
}

impl OptimiserPlan {
    fn identity(&self) -> String {
        match self {
            Self::Sgd { rate, momentum } => format!("Sgd {{ rate: {rate:?}, momentum: {momentum:?} }}"),
            Self::Adam { rate, betas, eps, weight_decay } => {
                format!("Adam {{ rate: {rate:?}, betas: {betas:?}, eps: {eps:?}, weight_decay: {weight_decay:?} }}")
            }
        }
    }
}

impl TrainPlan {
    /// One step on all members, as of a generator that is fitted to what a mechanism releases.
    pub fn one_release(members: u32, clip_norm: f64) -> Self {
        Self {
            sampling_rate: 1.0,
            expected_batch: f64::from(members.max(1)),
            steps: 1,
            epochs: 1,
            clip_norm,
            microbatch: 1,
            epochs_per_evaluation: 1,
            optimiser: OptimiserPlan::Sgd { rate: 0.0, momentum: 0.0 },
            linear_decay: false,
            trainable: Trainable::All,
            average: Average::None,
        }
    }

    /// Its text in the identities of models: a model of another text is another model and is trained anew. A new field
    /// does not compile until it is decided how it enters: one that has its old meaning at its default is left out there.
    pub fn identity(&self) -> String {
        let Self {
            sampling_rate,
            expected_batch,
            steps,
            epochs,
            clip_norm,
            microbatch,
            epochs_per_evaluation,
            optimiser,
            linear_decay,
            trainable,
            average,
        } = self;
        let optimiser = optimiser.identity();
        let mut text = format!(
            "TrainPlan {{ sampling_rate: {sampling_rate:?}, expected_batch: {expected_batch:?}, steps: {steps}, \
             epochs: {epochs}, clip_norm: {clip_norm:?}, microbatch: {microbatch}, \
             epochs_per_evaluation: {epochs_per_evaluation}, optimiser: {optimiser}, linear_decay: {linear_decay} }}"
        );
        // As it was before there was a choice.
        if (*trainable, *average) != (Trainable::All, Average::None) {
            text.push_str(&format!(" {trainable:?} {average:?}"));
        }
        text
    }

    /// Steps of one epoch, at least 1.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.steps / u64::from(self.epochs.max(1))).max(1)
    }

    /// Factor of the learning rate at a step, from 0.
    pub fn rate_factor(&self, step: u64) -> f64 {
        if self.linear_decay { 1.0 - step as f64 / self.steps.max(1) as f64 } else { 1.0 }
    }
}

/// Differential privacy of one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpPlan {
    /// Noise standard deviation in units of the clip norm.
    pub noise_multiplier: f64,
    /// L2 bound of one unit's gradient.
    pub clip_norm: f64,
}

/// One model of a cohort.
#[derive(Debug, Clone)]
pub struct CohortModel {
    /// For progress and errors (`windows eps4 target`).
    pub label: String,
    /// Initial weights and Poisson draws.
    pub seed: Seed,
    /// Privacy noise (and, where `None`, the Poisson draws too); `None` takes a fresh seed from the operating system, which is never returned.
    pub noise_seed: Option<Seed>,
    /// Positions of its members in the pool.
    pub members: Vec<usize>,
    /// Positions of what it learns from, where that is not its members: traces that a private model released.
    pub learnt: Option<Vec<usize>>,
    /// Positions of its held-out traces in the pool.
    pub held_out: Vec<usize>,
    /// `None` trains without DP.
    pub dp: Option<DpPlan>,
    /// Weights to start from, those of an earlier model; `None` = the generator's own start.
    pub initial: Option<Vec<u8>>,
}

impl CohortModel {
    /// Positions of what it learns from.
    pub fn learns_from(&self) -> &[usize] {
        self.learnt.as_ref().unwrap_or(&self.members)
    }
}

/// A cohort and the traces it shares.
#[derive(Debug, Clone)]
pub struct CohortInput<'a> {
    /// All traces that any model uses.
    pub traces: &'a [EncodedTrace],
    /// Number of each trace's host, where hosts are drawn and clipped as a whole; `None` = each trace by itself.
    pub hosts: Option<&'a [u64]>,
    /// The models.
    pub models: Vec<CohortModel>,
    /// Weights of the public base that the models share.
    pub base: Option<&'a [u8]>,
    /// Steps and batches, the same for all.
    pub plan: TrainPlan,
}

impl<'a> CohortInput<'a> {
    /// The units of privacy that some positions of the pool make up: each trace, or all of a host's, hosts in the order of
    /// their numbers.
    pub fn units(&self, positions: &[usize]) -> Vec<Vec<usize>> {
        let Some(hosts) = self.hosts else { return positions.iter().map(|position| vec![*position]).collect() };
        let mut units: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for position in positions {
            if let Some(host) = hosts.get(*position) {
                units.entry(*host).or_default().push(*position);
            }
        }
        units.into_values().collect()
    }

    /// The traces at some positions, each with its share of its unit: 1 by itself, 1/n as one of a host's n. What a unit
    /// adds to a weighted count is then a mean over its traces, so that it keeps every norm bound that one trace keeps.
    pub fn shares(&self, positions: &[usize]) -> impl Iterator<Item = (&'a EncodedTrace, f64)> + use<'a> {
        let (traces, units) = (self.traces, self.units(positions));
        units.into_iter().flat_map(move |unit| {
            let share = 1.0 / unit.len() as f64;
            unit.into_iter().filter_map(move |position| Some((traces.get(position)?, share)))
        })
    }
}

/// One finished epoch of one model (SQL table `epochs`).
#[derive(Debug, Clone, PartialEq)]
pub struct EpochRow {
    /// From 0.
    pub epoch: u32,
    /// Steps taken at its end.
    pub step: u64,
    /// Mean loss of the traces in the epoch's batches; `None` where no batch had one.
    pub train_loss: Option<f64>,
    /// Mean loss of all members at its end; `None` where this epoch was not evaluated.
    pub member_loss: Option<f64>,
    /// Mean loss of all held-out traces at its end.
    pub held_out_loss: Option<f64>,
    /// Mean gradient norm of a unit (trace, or host) before clipping; `None` in a cohort that forms no norms.
    pub gradient_norm: Option<f64>,
    /// Share of gradients that were clipped; `None` without DP.
    pub clipped_fraction: Option<f64>,
    /// Traces drawn in the epoch.
    pub traces: u64,
    /// Time of the cohort's epoch by the sink's clock.
    pub seconds: f64,
}

impl EpochRow {
    /// One pass over so many traces, without losses or norms: that of a generator which is fitted, not trained.
    pub fn of_pass(traces: u64) -> Self {
        Self {
            epoch: 0,
            step: 1,
            train_loss: None,
            member_loss: None,
            held_out_loss: None,
            gradient_norm: None,
            clipped_fraction: None,
            traces,
            seconds: 0.0,
        }
    }
}

/// Monitor of a model with DP: traces of its batches whose gradient was not finite and counted as zero, since the
/// training began or was resumed. Private: no redacted copy holds it.
pub const OVERFLOWS: &str = "gradients_not_finite";

/// Something measured about a training besides its losses (SQL table `monitors`).
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorRow {
    /// Epoch after which it was measured, from 0; `None` = of the whole model.
    pub epoch: Option<u32>,
    /// What (`duplicate_5_tuples`, `image_entropy_bits`, ...).
    pub monitor: String,
    /// Of which field or layer; empty where it is of none.
    pub field: String,
    /// Value.
    pub value: f64,
}

impl MonitorRow {
    /// One of the whole model; `field` is empty where it is of none.
    pub fn new(monitor: &str, field: impl Into<String>, value: f64) -> Self {
        Self { epoch: None, monitor: monitor.to_owned(), field: field.into(), value }
    }
}

/// Result of training one model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOutcome {
    /// Safetensors, f32; where the model diverged, those before the step that led to it.
    pub weights: Vec<u8>,
    /// One row per epoch.
    pub epochs: Vec<EpochRow>,
    /// What else was measured; evaluation only, like the held-out loss: nothing of it is released.
    pub monitors: Vec<MonitorRow>,
    /// Privacy events; empty without DP.
    pub events: Vec<PrivacyEvent>,
    /// Steps taken.
    pub steps: u64,
    /// Trained, or diverged at a step.
    pub status: ModelStatus,
    /// All parameters.
    pub parameters: u64,
    /// Parameters trained on private traces.
    pub parameters_private: u64,
}

/// One outcome per model, in the order of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortOutcome {
    /// Outcomes.
    pub models: Vec<ModelOutcome>,
}

/// Where a training's checkpoints go, and its only clock.
pub trait CheckpointSink {
    /// Should a checkpoint be saved after this many steps?
    fn due(&mut self, steps: u64) -> bool;
    /// Replaces the cohort's checkpoint. It holds no seed and, of models with the operating system's noise, nothing
    /// but released state: what is left of it after the training undoes no guarantee.
    fn save(&mut self, bytes: &[u8]) -> Result<()>;
    /// Seconds on any monotonic clock.
    fn seconds(&mut self) -> f64;
}

/// Keeps nothing; its clock stands still.
#[derive(Debug, Clone, Copy)]
pub struct NoCheckpoint;

impl CheckpointSink for NoCheckpoint {
    fn due(&mut self, _steps: u64) -> bool {
        false
    }

    fn save(&mut self, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn seconds(&mut self) -> f64 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that ids of stored models were made of: they stay, whatever is added.
    #[test]
    fn identities_are_written_as_they_always_were() {
        let adam = OptimiserPlan::Adam { rate: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 };
        let mut plan = TrainPlan {
            sampling_rate: 1.0 / 3.0,
            expected_batch: 4.0,
            steps: 6,
            epochs: 2,
            clip_norm: 1.0,
            microbatch: 32,
            epochs_per_evaluation: 1,
            optimiser: adam,
            linear_decay: false,
            trainable: Trainable::All,
            average: Average::None,
        };
        let adam = "TrainPlan { sampling_rate: 0.3333333333333333, expected_batch: 4.0, steps: 6, epochs: 2, \
                    clip_norm: 1.0, microbatch: 32, epochs_per_evaluation: 1, optimiser: Adam { rate: 0.001, \
                    betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }, linear_decay: false }";
        assert_eq!(plan.identity(), adam);
        plan.optimiser = OptimiserPlan::Sgd { rate: 0.5, momentum: 0.9 };
        assert!(plan.identity().contains("optimiser: Sgd { rate: 0.5, momentum: 0.9 }, linear_decay"));
        plan.trainable = Trainable::Norms;
        assert!(plan.identity().ends_with(" } Norms None"));
        use syntrace_base::record::Regime;
        assert_eq!(Regime::None.identity(), "None");
        assert_eq!(Regime::Dp { epsilon: 4.0, delta: 1e-5 }.identity(), "Dp { epsilon: 4.0, delta: 1e-5 }");
    }
}

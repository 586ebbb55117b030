//! A training's state as bytes: safetensors with one JSON text. Weights and optimiser moments are
//! tensors; counters are exact integers (floats by their bits), so that a resumed training ends with
//! the same weights, bit for bit. Random streams have no position: they are addressed by step.
//!
//! Invariant: no seed is written. The content of a checkpoint stays in the file's free pages after the job has removed
//! it, readable by anyone who has the file. Models with the operating system's noise write only the output of their
//! mechanism and its post-processing: weights and moments of every step are the output that DP-SGD accounts for.
//! Unnoised sums over the current epoch (of losses, of norms, of traces) are not: two of them a few steps apart would
//! reveal the losses of those steps' batches. Rows of finished epochs are kept; they are the evaluation that the table
//! `epochs` shows to everyone who has the study.

use super::{EpochRow, Optimiser};
use crate::nn::{Params, kind_bytes, tensor_from_view};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use syntrace_base::base::{ClipNorm, NoiseMultiplier, SamplingRate};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Mechanism, PrivacyEvent};
use tch::{Device, Kind, Tensor};

/// Layout version of the JSON text.
const VERSION: u32 = 4;
const STATE_KEY: &str = "syntrace.training";

/// The state of a training, except tensors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub version: u32,
    pub step: u64,
    pub optimiser_steps: u64,
    /// Seconds spent in the running epoch, as bits.
    pub epoch_seconds: u64,
    pub models: Vec<ModelState>,
}

/// The counters of one model.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ModelState {
    pub diverged: Option<u64>,
    /// Noisy sums released.
    pub releases: u64,
    /// Traces whose gradient was not finite.
    pub overflows: u64,
    pub epochs: Vec<StoredEpoch>,
    pub running: Running,
}

/// Sums over the running epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Running {
    pub traces: u64,
    /// Bits of f64 sums.
    pub loss: u64,
    pub norm: u64,
    /// Units (traces, hosts) whose norm was taken.
    pub norms: u64,
    pub clipped: u64,
}

/// [`EpochRow`] with floats as bits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct StoredEpoch {
    pub epoch: u32,
    pub step: u64,
    pub traces: u64,
    pub seconds: u64,
    pub values: [Option<u64>; 5],
}

impl From<&EpochRow> for StoredEpoch {
    fn from(row: &EpochRow) -> Self {
        let values = [row.train_loss, row.member_loss, row.held_out_loss, row.gradient_norm, row.clipped_fraction];
        Self {
            epoch: row.epoch,
            step: row.step,
            traces: row.traces,
            seconds: row.seconds.to_bits(),
            values: values.map(|value| value.map(f64::to_bits)),
        }
    }
}

impl From<&StoredEpoch> for EpochRow {
    fn from(stored: &StoredEpoch) -> Self {
        let [train_loss, member_loss, held_out_loss, gradient_norm, clipped_fraction] =
            stored.values.map(|value| value.map(f64::from_bits));
        Self {
            epoch: stored.epoch,
            step: stored.step,
            train_loss,
            member_loss,
            held_out_loss,
            gradient_norm,
            clipped_fraction,
            traces: stored.traces,
            seconds: f64::from_bits(stored.seconds),
        }
    }
}

/// Writes a checkpoint: weights now and before the last step; `frozen` holds the last good weights of diverged models.
pub(super) fn write(
    state: &State,
    (params, previous): (&Params, Option<&Params>),
    optimiser: &Optimiser,
    frozen: &[Option<Vec<u8>>],
) -> Result<Vec<u8>> {
    let mut parts: Vec<(String, Vec<usize>, Vec<u8>, safetensors::Dtype)> = Vec::new();
    let weights = params.handles().map(|param| (format!("weight.{}", params.name(param)), params.get(param)));
    let before = previous.into_iter().flat_map(|params| {
        params.handles().map(move |param| (format!("previous.{}", params.name(param)), params.get(param)))
    });
    for (name, tensor) in weights.chain(before).chain(optimiser.state()) {
        let value = tensor.to_kind(Kind::Float).to_device(Device::Cpu).contiguous();
        let shape = value.size().iter().map(|&size| size as usize).collect();
        parts.push((name, shape, kind_bytes(&value)?, safetensors::Dtype::F32));
    }
    for (model, bytes) in frozen.iter().enumerate() {
        if let Some(bytes) = bytes {
            parts.push((format!("frozen.{model}"), vec![bytes.len()], bytes.clone(), safetensors::Dtype::U8));
        }
    }
    let mut views = Vec::with_capacity(parts.len());
    for (name, shape, bytes, dtype) in &parts {
        let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes)
            .map_err(|error| Error::internal(format!("cannot write checkpoint tensor `{name}`: {error}")))?;
        views.push((name.as_str(), view));
    }
    let text = serde_json::to_string(state)
        .map_err(|error| Error::internal(format!("cannot write checkpoint state: {error}")))?;
    safetensors::serialize(views, Some(HashMap::from([(STATE_KEY.to_owned(), text)])))
        .map_err(|error| Error::internal(format!("cannot write checkpoint: {error}")))
}

/// Counters, weights of diverged models, and all weights before the last step.
type Resumed = (State, Vec<Option<Vec<u8>>>, Option<Params>);

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads a checkpoint into weights and optimiser; `None` for one of an earlier version, from which nothing goes on:
/// the training starts again.
pub(super) fn read(bytes: &[u8], params: &mut Params, optimiser: &mut Optimiser) -> Result<Option<Resumed>> {
    let damaged = |what: String| Error::internal(format!("checkpoint: {what}")).hint("delete it: the job starts again");
    let (_, metadata) =
        safetensors::SafeTensors::read_metadata(bytes).map_err(|error| damaged(format!("not safetensors: {error}")))?;
    let text = metadata.metadata().as_ref().and_then(|texts| texts.get(STATE_KEY));
    let text = text.ok_or_else(|| damaged(format!("expected the key `{STATE_KEY}`, not found")))?;
    let found: Version =
        serde_json::from_str(text).map_err(|error| damaged(format!("version is not readable: {error}")))?;
    if found.version < VERSION {
        return Ok(None);
    }
    let state: State =
        serde_json::from_str(text).map_err(|error| damaged(format!("state is not readable: {error}")))?;
    if state.version != VERSION {
        return Err(damaged(format!("version `{VERSION}` expected, found `{}`", state.version)));
    }
    let file = safetensors::SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let load = |name: &str, like: &Tensor| -> Result<Tensor> {
        let view = file.tensor(name).map_err(|_| damaged(format!("tensor `{name}` expected, not found")))?;
        let tensor = tensor_from_view(&view)?;
        if tensor.size() != like.size() {
            return Err(damaged(format!(
                "tensor `{name}`: shape `{:?}` expected, found `{:?}`",
                like.size(),
                tensor.size()
            )));
        }
        Ok(tensor)
    };
    for param in params.handles() {
        let value = load(&format!("weight.{}", params.name(param)), params.get(param))?;
        params.set(param, &value);
    }
    let all: Vec<usize> = (0..state.models.len()).collect();
    let mut previous = (state.step > 0 && all.len() as i64 == params.models()).then(|| params.select(&all));
    if let Some(previous) = &mut previous {
        for param in previous.handles() {
            let value = load(&format!("previous.{}", previous.name(param)), previous.get(param))?;
            previous.set(param, &value);
        }
    }
    optimiser.restore(state.optimiser_steps, load)?;
    let frozen = (0..state.models.len())
        .map(|model| file.tensor(&format!("frozen.{model}")).ok().map(|view| view.data().to_vec()))
        .collect();
    Ok(Some((state, frozen, previous)))
}

impl State {
    /// Counters at the start.
    pub(super) fn new(models: usize) -> Self {
        Self { version: VERSION, models: vec![ModelState::default(); models], ..Self::default() }
    }

    /// What may be written down: of models with secret noise nothing that stands outside of the mechanism.
    pub(super) fn storable(&self, is_secret: &[bool]) -> Self {
        let mut state = self.clone();
        for (model, _) in state.models.iter_mut().zip(is_secret).filter(|(_, is_secret)| **is_secret) {
            model.running = Running::default();
            model.overflows = 0;
        }
        state
    }
}

impl Running {
    /// Adds one trace's loss.
    pub(super) fn add_loss(&mut self, loss: f64) {
        self.traces += 1;
        self.loss = (f64::from_bits(self.loss) + loss).to_bits();
    }

    /// Adds one unit's gradient norm.
    /// One that is not finite counts as clipped: nothing is left of it.
    pub(super) fn add_norm(&mut self, norm: f64, clip_norm: Option<f64>) {
        let finite = norm.is_finite();
        if finite || clip_norm.is_none() {
            self.norm = (f64::from_bits(self.norm) + norm).to_bits();
        }
        self.norms += 1;
        self.clipped += u64::from(clip_norm.is_some_and(|clip_norm| norm > clip_norm || !finite));
    }
}

/// The ledger entry of a model from its counters.
pub(super) fn event(model: &ModelState, dp: super::DpPlan, sampling_rate: f64) -> Result<PrivacyEvent> {
    Ok(PrivacyEvent {
        phase: "training".to_owned(),
        mechanism: Mechanism::PoissonSubsampledGaussian,
        sampling_rate: SamplingRate::new(sampling_rate)?,
        noise_multiplier: NoiseMultiplier::new(dp.noise_multiplier)?,
        clip_norm: ClipNorm::new(dp.clip_norm)?,
        steps: model.releases,
    })
}

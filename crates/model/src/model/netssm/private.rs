//! Training under DP from a public base.

use super::sampling::Sampling;
use crate::model::shipped::{check_named, shipped};
use crate::train::{Average, OptimiserPlan, TrainPlan, Trainable};
use serde::{Deserialize, Serialize};
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::TokenLayout;

/// What a model under DP starts from and how it goes on. Its network is that of the base, whatever the sizes of models
/// that start from random weights. The numbers follow from arithmetic and from simulated traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateTraining {
    /// Digest (BLAKE3, hexadecimal) of the base's weights.
    pub base: String,
    /// Which weights are trained.
    pub trainable: Trainable,
    /// Optimiser steps.
    pub steps: u64,
    /// Expected batch size, traces; 0 = all members, in passes of `microbatch`.
    pub batch: u32,
    /// Learning rate of Adam.
    pub rate: f64,
    /// Clip norm: about what public traces' gradients have in the weights that are trained.
    pub clip_norm: f64,
    /// Which weights are kept: `none` (the last), `ema` or `tail`.
    pub average: Average,
    /// Drawing of traces: a base holds all of the internet, and narrow draws would be its commonest traffic only.
    pub sampling: Sampling,
}

impl PrivateTraining {
    /// From the base that ships with the program.
    ///
    /// # Errors
    /// `internal` where the bases of the program cannot be read.
    pub fn small() -> Result<Option<Self>> {
        let Some(base) = shipped("netssm")? else { return Ok(None) };
        Ok(Some(Self {
            base: base.digest().to_owned(),
            trainable: Trainable::Vectors,
            steps: 15,
            batch: 0,
            rate: 1e-2,
            clip_norm: 0.2,
            average: Average::Tail,
            sampling: Sampling { temperature: 1.0, top_k: 0, top_p: 0.98 },
        }))
    }

    /// Steps and batches for a public number of members.
    pub fn plan(&self, members: u32, microbatch: u32) -> TrainPlan {
        let batch = if self.batch == 0 { members } else { self.batch.min(members) };
        let epochs = u32::try_from(self.steps).unwrap_or(u32::MAX).min(4);
        TrainPlan {
            sampling_rate: f64::from(batch) / f64::from(members),
            expected_batch: f64::from(batch),
            steps: self.steps,
            epochs,
            clip_norm: self.clip_norm,
            microbatch,
            epochs_per_evaluation: epochs,
            optimiser: OptimiserPlan::Adam { rate: self.rate, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 },
            linear_decay: true,
            trainable: self.trainable,
            average: self.average,
        }
    }

    /// Refuses what cannot be trained.
    pub fn check(&self, layout: &TokenLayout) -> Result<()> {
        let fits = *layout == TokenLayout::small();
        check_named("netssm", "private.base", &self.base, fits, "`start = \"scratch\"`")?;
        if self.steps == 0 {
            return Err(Error::user("`private.steps` must be at least 1, found `0`"));
        }
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !positive(self.rate) || !positive(self.clip_norm) {
            return Err(Error::user(format!(
                "`private.rate` and `private.clip_norm` must be above 0 and finite, found `{}` and `{}`",
                self.rate, self.clip_norm
            )));
        }
        Ok(())
    }
}

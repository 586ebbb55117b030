//! NetSSM as a [`Generator`]: what needs libtorch.

use super::family::NetSsm;
use crate::model::generator::train_alone;
use crate::model::{BaseOutcome, Generator, RawTrace, Weights};
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace, Trainable};
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::Result;
use syntrace_base::record::{TraceAttribute, WholeAttribute};

/// One in this many public traces is held out from training.
const HELD_OUT_EVERY: usize = 50;

/// Is a weight of this name among those that are trained?
fn is_trained(trainable: Trainable, name: &str) -> bool {
    let is_norm = name.ends_with("norm.weight") || name.ends_with("norm_f.weight");
    let is_bias = name.ends_with(".bias") || name.ends_with("_bias");
    match trainable {
        Trainable::All => true,
        Trainable::Norms => is_norm,
        Trainable::Biases => is_bias,
        Trainable::Vectors => is_norm || is_bias || name.ends_with(".A_log") || name.ends_with(".D"),
        Trainable::Output => name.ends_with("norm_f.weight"),
    }
}

impl Generator for NetSsm {
    fn train_base(&self, traces: &[EncodedTrace], seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        let is_held_out = |index: &usize| index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
        let (held_out, members): (Vec<usize>, Vec<usize>) = (0..traces.len()).partition(is_held_out);
        train_alone(self, traces, (members, held_out), seed, |input| {
            self.train_cohort(input, None, &mut crate::train::NoCheckpoint, progress)
        })
    }

    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        let seeds: Vec<Seed> = input.models.iter().map(|model| model.seed).collect();
        let mut network = match input.base {
            None => super::NetSsmNetwork::initialised(&self.config, &seeds),
            Some(base) => self.stored(base, seeds.len() as i64)?,
        };
        let trainable = input.plan.trainable;
        network.weights_mut().freeze_except(|name| is_trained(trainable, name));
        network.move_to(self.device);
        network.set_pool(input.traces)?;
        crate::train::train_cohort(&mut network, input, resume, sink, progress)
    }

    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        let mut network = self.load(weights.own)?;
        network.set_pool(traces)?;
        super::attribute::attributes(&network, traces.len())
    }

    fn whole_attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<WholeAttribute>> {
        let mut network = self.load(weights.own)?;
        network.set_pool(traces)?;
        super::attribute::whole(&network, traces.len())
    }

    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        let mut network = self.load(weights.own)?;
        if let (Some(_), Some(private)) = (weights.base, &self.config.private) {
            network.config.sampling = private.sampling;
        }
        network.sample(count, seed, progress)
    }
}

impl NetSsm {
    /// One model with stored weights, on its device.
    fn load(&self, weights: &[u8]) -> Result<super::NetSsmNetwork> {
        let mut network = self.stored(weights, 1)?;
        network.move_to(self.device);
        Ok(network)
    }

    /// Models with the same stored weights, in the sizes that these have.
    fn stored(&self, weights: &[u8], models: i64) -> Result<super::NetSsmNetwork> {
        let config = super::network::sized(&self.config, weights)?;
        let mut network = super::NetSsmNetwork::zeros(&config, models);
        for model in 0..models {
            network.weights_mut().load_safetensors(model, weights)?;
        }
        Ok(network)
    }
}

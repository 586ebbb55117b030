//! NetDiffusion as a [`Generator`]: what needs libtorch.

use super::family::NetDiffusion;
use crate::model::{BaseOutcome, Generator, RawTrace, Weights};
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace};
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{TraceAttribute, WholeAttribute};

impl Generator for NetDiffusion {
    fn train_base(&self, traces: &[EncodedTrace], seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        super::base::train_base(&self.config, traces, seed, self.device, progress)
    }

    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        use crate::train::Network;
        let seeds: Vec<Seed> = input.models.iter().map(|model| model.seed).collect();
        let mut network = super::NetDiffusionNetwork::initialised(self.load_base(input.base)?, &seeds);
        for (index, model) in input.models.iter().enumerate() {
            if let Some(initial) = &model.initial {
                network.params_mut().load_safetensors(index as i64, initial)?;
            }
        }
        network.move_to(self.device);
        network.set_pool(input.traces)?;
        let mut outcome = crate::train::train_cohort(&mut network, input, resume, sink, progress)?;
        super::monitor::add_monitors(&network, input, &mut outcome)?;
        Ok(outcome)
    }

    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        let mut network = self.load(weights)?;
        network.set_pool(traces)?;
        super::attribute::attributes(&network, traces.len())
    }

    fn whole_attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<WholeAttribute>> {
        let mut network = self.load(weights)?;
        network.set_pool(traces)?;
        super::attribute::whole(&network, traces.len())
    }

    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        super::sample::sample(&self.load(weights)?, count, seed, progress)
    }
}

impl NetDiffusion {
    fn load_base(&self, base: Option<&[u8]>) -> Result<super::Base> {
        let bytes = base.ok_or_else(|| Error::internal("`netdiffusion` needs the weights of its base, found none"))?;
        super::Base::load(&self.config, bytes)
    }

    /// One model with stored weights, on its device.
    fn load(&self, weights: Weights<'_>) -> Result<super::NetDiffusionNetwork> {
        let mut network = super::NetDiffusionNetwork::zeros(self.load_base(weights.base)?, &[Seed::root(0)]);
        network.weights_mut().load_safetensors(0, weights.own)?;
        network.move_to(self.device);
        Ok(network)
    }
}

//! NetShare as a [`Generator`]: what needs libtorch.

use super::family::NetShare;
use super::options::StartOption;
use crate::model::generator::train_alone;
use crate::model::{BaseOutcome, Generator, RawTrace, Weights};
use crate::train::{CheckpointSink, CohortInput, CohortOutcome, EncodedTrace};
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{TraceAttribute, WholeAttribute};

/// The attribute kind with the scores of both critics.
const SCORES: &str = "critic_scores";

/// A trace after each of its packets.
fn prefixes(trace: &EncodedTrace) -> Vec<EncodedTrace> {
    let row = trace.data.len() / (trace.rows as usize).max(1);
    let prefix = |rows: u32| {
        let data = trace.data.get(..rows as usize * row).unwrap_or_default().to_vec();
        EncodedTrace { rows, data, ..*trace }
    };
    (1..=trace.rows).map(prefix).collect()
}

impl Generator for NetShare {
    fn train_base(&self, traces: &[EncodedTrace], seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        let members = ((0..traces.len()).collect(), Vec::new());
        train_alone(self, traces, members, seed, |input| {
            self.train_from(input, None, &mut crate::train::NoCheckpoint, progress)
        })
    }

    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        if self.config.start == StartOption::PublicPretrain && input.base.is_none() {
            return Err(Error::internal("`start = \"public-pretrain\"` needs the weights of its public base"));
        }
        self.train_from(input, resume, sink, progress)
    }

    fn attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        let mut network = self.load(weights.own)?;
        network.set_pool(traces)?;
        super::attribute::attributes(&network, traces.len())
    }

    fn whole_attributes(&self, weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<WholeAttribute>> {
        // The critics score a trace as a whole: of a packet there is the score of the trace up to it.
        let prefixes: Vec<EncodedTrace> = traces.iter().flat_map(prefixes).collect();
        let mut scored = self.attributes(weights, &prefixes)?.into_iter();
        let mut found = Vec::with_capacity(traces.len());
        for trace in traces {
            let mut whole = WholeAttribute { loss: 0.0, rows: Vec::with_capacity(trace.rows as usize) };
            for kinds in scored.by_ref().take(trace.rows as usize) {
                let scores = kinds.into_iter().find(|kind| kind.kind == SCORES);
                let scores = scores.ok_or_else(|| Error::internal("a trace without critic scores"))?;
                whole.loss = scores.loss;
                whole.rows.push(scores.values);
            }
            found.push(whole);
        }
        Ok(found)
    }

    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        super::sample::sample(&self.load(weights.own)?, count, seed, progress)
    }
}

impl NetShare {
    /// One model with stored weights, on its device.
    fn load(&self, weights: &[u8]) -> Result<super::NetShareNetwork> {
        let mut network = super::NetShareNetwork::stored(&self.config, weights)?;
        network.move_to(self.device);
        Ok(network)
    }

    /// Trains from each model's own start: its ancestor's weights, the base's, or random ones.
    fn train_from(
        &self,
        input: &CohortInput<'_>,
        resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        let seeds: Vec<Seed> = input.models.iter().map(|model| model.seed).collect();
        let kind = (tch::Kind::Float, tch::Device::Cpu);
        let mut network = super::NetShareNetwork::initialised(&self.config, &seeds, kind);
        for (index, model) in input.models.iter().enumerate() {
            if let Some(weights) = model.initial.as_deref().or(input.base) {
                network.weights_mut().load_safetensors(index as i64, weights)?;
            }
        }
        network.move_to(self.device);
        network.set_pool(input.traces)?;
        network.steps = input.plan.steps;
        let mut outcome = crate::train::train_cohort(&mut network, input, resume, sink, progress)?;
        for (trained, model) in outcome.models.iter_mut().zip(&input.models) {
            let alone = self.load(&trained.weights)?;
            trained.monitors.extend(super::monitor::monitors(&alone, model.seed.named("monitor"))?);
        }
        Ok(outcome)
    }
}

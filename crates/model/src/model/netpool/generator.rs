//! The selection as a [`Generator`].

use super::config::NetPoolConfig;
use super::fit::{Fit, fit};
use super::flow::{Flow, flow_of};
use super::model::Model;
use super::pool;
use crate::model::options::split_preset;
use crate::model::{BaseOutcome, BaseSpec, Family, Generator, RawTrace, Start, Weights};
use crate::train::{
    CheckpointSink, CohortInput, CohortModel, CohortOutcome, EncodedTrace, EpochRow, ModelOutcome, MonitorRow,
    TrainPlan, fit_one_by_one,
};
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ModelStatus, Regime, TraceAttribute};
use syntrace_traffic::encoding::{EncodingKind, Generated};

/// Key of the pool's text.
const POOL_KEY: &str = "syntrace.netpool.pool";

/// The generator `netpool` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetPool {
    preset: String,
    config: NetPoolConfig,
}

impl NetPool {
    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let (preset, options) = split_preset(options)?;
        let config = NetPoolConfig::preset(&preset)?.with(&options, packets)?;
        Ok(Self { preset, config })
    }

    /// The configuration.
    pub fn config(&self) -> &NetPoolConfig {
        &self.config
    }

    fn train(&self, input: &CohortInput<'_>, pool: &[Flow], model: &CohortModel) -> Result<ModelOutcome> {
        let Some(dp) = model.dp else {
            return Err(Error::user("`netpool` has no training without DP").hint("leave the regime `none` out"));
        };
        let noise_seed = model.noise_seed.map_or_else(Seed::from_system, Ok)?;
        let traces = input.shares(&model.members);
        // The public number of members, as the plan says it, never the length of the list.
        let members = input.plan.expected_batch.round() as u32;
        let budget = (members, dp.noise_multiplier);
        outcome(fit(&self.config, pool, traces, budget, (model.seed, noise_seed))?)
    }
}

fn outcome(fitted: Fit) -> Result<ModelOutcome> {
    let epoch = EpochRow::of_pass(u64::from(fitted.model.members));
    let flows = fitted.model.flows.len() as u64;
    Ok(ModelOutcome {
        weights: fitted.model.to_bytes()?,
        epochs: vec![epoch],
        monitors: monitors(&fitted),
        steps: 1,
        status: ModelStatus::Trained,
        parameters: flows,
        parameters_private: flows,
        events: fitted.events,
    })
}

/// All of it is computed from releases, so it costs nothing.
fn monitors(fitted: &Fit) -> Vec<MonitorRow> {
    let model = &fitted.model;
    let mut rows = vec![
        MonitorRow::new("marginals", "", fitted.marginals.len() as f64),
        MonitorRow::new("effective_candidates", "", fitted.effective),
    ];
    let found = model
        .found
        .iter()
        .map(|(place, found)| MonitorRow::new("frequent_values", place.name().to_owned(), found.len() as f64));
    rows.extend(found);
    let distances =
        fitted.marginals.iter().map(|(name, distance)| MonitorRow::new("marginal_distance", name.clone(), *distance));
    rows.extend(distances);
    rows
}

impl Family for NetPool {
    fn name(&self) -> &'static str {
        "netpool"
    }

    fn preset(&self) -> &str {
        &self.preset
    }

    fn config_json(&self, _regime: Regime) -> String {
        self.config.json()
    }

    fn encoding(&self) -> EncodingKind {
        EncodingKind::Packets
    }

    fn check(&self, members: u32) -> Result<()> {
        if members == 0 {
            return Err(Error::user("`netpool` needs at least one member, found `0`"));
        }
        Ok(())
    }

    /// Only under a budget: without noise there is no mechanism to speak of.
    fn supports(&self, regime: Regime) -> bool {
        regime.epsilon().is_some()
    }

    fn start(&self, _regime: Regime) -> Start {
        Start::Base
    }

    /// The pool: traces of the public datasets as they are.
    fn base(&self) -> Option<BaseSpec> {
        Some(BaseSpec { config_json: format!(r#"{{"packets":{}}}"#, self.config.packets), named: None })
    }

    fn cohort_size(&self) -> usize {
        1
    }

    /// None: a model has no attributes of single traces.
    fn attribute_kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn plan(&self, members: u32, _regime: Regime) -> TrainPlan {
        self.config.plan(members)
    }

    /// Flows that it keeps.
    fn parameters(&self) -> u64 {
        u64::from(self.config.kept)
    }

    /// Weighing: some 10 operations a candidate, marginal and step, of a fit after each marginal.
    fn training_flops(&self, _members: u32, _regime: Regime) -> f64 {
        let marginals = f64::from(self.config.marginals_max);
        let fits = marginals + f64::from(self.config.refinements);
        10.0 * f64::from(self.config.records) * f64::from(self.config.iterations) * marginals * fits
    }

    fn attribute_values(&self) -> u64 {
        0
    }
}

impl Generator for NetPool {
    fn train_base(&self, traces: &[EncodedTrace], _seed: Seed, progress: &dyn Progress) -> Result<BaseOutcome> {
        progress.start("pool", 1);
        let mut flows = traces.iter().map(flow_of).collect::<Result<Vec<_>>>()?;
        flows.retain(|flow| !flow.is_empty());
        let epoch = EpochRow::of_pass(flows.len() as u64);
        progress.finish();
        Ok(BaseOutcome {
            weights: pool::write(&flows, POOL_KEY, "{}".to_owned())?,
            status: ModelStatus::Trained,
            parameters: flows.len() as u64,
            epochs: vec![epoch],
            monitors: Vec::new(),
        })
    }

    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        _resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        let base = input.base.ok_or_else(|| Error::internal("`netpool` is trained without its pool"))?;
        let (pool, _) = pool::read(base, POOL_KEY)?;
        fit_one_by_one(input, sink, progress, |model| self.train(input, &pool, model))
    }

    fn attributes(&self, _weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        Ok(vec![Vec::new(); traces.len()])
    }

    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        let model = Model::from_bytes(weights.own)?;
        let traces = model.sample(count, seed, progress)?;
        Ok(traces.into_iter().map(|flow| RawTrace::whole(Generated::Packets(flow))).collect())
    }
}

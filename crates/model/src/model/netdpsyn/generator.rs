//! NetDPSyn as a [`Generator`].

use super::config::NetDpSynConfig;
use super::fit::{Fit, fit};
use super::model::Model;
use super::sample;
use super::schema::Schema;
use crate::model::options::split_preset;
use crate::model::{Family, Generator, RawTrace, Weights};
use crate::train::{
    CheckpointSink, CohortInput, CohortModel, CohortOutcome, EncodedTrace, EpochRow, ModelOutcome, MonitorRow,
    TrainPlan, fit_one_by_one,
};
use syntrace_base::base::{Progress, Seed};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{ModelStatus, Regime, TraceAttribute};
use syntrace_traffic::encoding::{EncodingKind, Generated};

/// The generator `netdpsyn` in one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetDpSyn {
    preset: String,
    config: NetDpSynConfig,
}

impl NetDpSyn {
    /// A preset with the options of a spec, for traces of at most `packets` packets.
    pub fn from_options(options: &serde_json::Map<String, serde_json::Value>, packets: u32) -> Result<Self> {
        let (preset, options) = split_preset(options)?;
        let config = NetDpSynConfig::preset(&preset)?.with(&options, packets)?;
        Schema::new(&config)?;
        Ok(Self { preset, config })
    }

    /// The configuration.
    pub fn config(&self) -> &NetDpSynConfig {
        &self.config
    }

    /// Fits one model, without the clock.
    fn train(&self, input: &CohortInput<'_>, model: &CohortModel) -> Result<ModelOutcome> {
        let Some(dp) = model.dp else {
            return Err(Error::user("`netdpsyn` has no training without DP").hint("leave the regime `none` out"));
        };
        let noise_seed = model.noise_seed.map_or_else(Seed::from_system, Ok)?;
        let traces = input.shares(&model.members);
        // The public number of members, as the plan says it, never the length of the list.
        let members = input.plan.expected_batch.round() as u32;
        let fitted = fit(&self.config, traces, members, dp.noise_multiplier, noise_seed)?;
        outcome(fitted, model.seed)
    }
}

fn outcome(fitted: Fit, seed: Seed) -> Result<ModelOutcome> {
    let monitors = monitors(&fitted, seed);
    let epoch = EpochRow::of_pass(u64::from(fitted.model.members));
    Ok(ModelOutcome {
        weights: fitted.model.to_bytes()?,
        epochs: vec![epoch],
        monitors,
        steps: 1,
        status: ModelStatus::Trained,
        parameters: fitted.model.cells(),
        parameters_private: fitted.model.cells(),
        events: fitted.events,
    })
}

/// All of it is computed from noisy tables, so it costs nothing.
fn monitors(fitted: &Fit, seed: Seed) -> Vec<MonitorRow> {
    let model = &fitted.model;
    let mut rows = vec![
        MonitorRow::new("marginals", "", model.targets.len() as f64),
        MonitorRow::new("marginal_cells", "", model.cells() as f64),
        MonitorRow::new("gum_error", "", sample::block_error(model, seed.named("gum-error"))),
    ];
    for (phase, rho) in ["selection", "single", "combined"].into_iter().zip(fitted.spent) {
        rows.push(MonitorRow::new("rho_spent", phase.to_owned(), rho));
    }
    for target in model.targets.iter().filter(|target| target.shape.columns.len() > 1) {
        let names = model.names(&target.shape.columns).join(",");
        rows.push(MonitorRow::new("clique_cells", names, target.shares.len() as f64));
    }
    for (column, grouping) in model.schema.columns.iter().zip(&model.groupings) {
        rows.push(MonitorRow::new("groups", column.name.clone(), grouping.groups() as f64));
    }
    rows
}

impl Family for NetDpSyn {
    fn name(&self) -> &'static str {
        "netdpsyn"
    }

    fn preset(&self) -> &str {
        &self.preset
    }

    fn config_json(&self, _regime: Regime) -> String {
        self.config.json()
    }

    fn encoding(&self) -> EncodingKind {
        EncodingKind::Fields
    }

    fn check(&self, members: u32) -> Result<()> {
        if members == 0 {
            return Err(Error::user("`netdpsyn` needs 1 or more members, found `0`"));
        }
        Ok(())
    }

    /// Only under a budget: without noise there is no mechanism to speak of.
    fn supports(&self, regime: Regime) -> bool {
        regime.epsilon().is_some()
    }

    fn cohort_size(&self) -> usize {
        1
    }

    /// None: released marginals say nothing about a single trace.
    fn attribute_kinds(&self) -> &'static [&'static str] {
        &[]
    }

    fn plan(&self, members: u32, regime: Regime) -> TrainPlan {
        self.config.plan(members, regime)
    }

    /// Cells of the one-way marginals; which others there are is decided in training.
    fn parameters(&self) -> u64 {
        let cells = |schema: Schema| -> u64 {
            let cells: usize = schema.columns.iter().map(|column| column.domain.cells()).sum();
            (cells * schema.strata()) as u64
        };
        Schema::new(&self.config).map_or(0, cells)
    }

    /// Counting every candidate pair, and one block of synthesis: about 20 operations a row and pair,
    /// and a row, marginal and iteration.
    fn training_flops(&self, members: u32, _regime: Regime) -> f64 {
        let Ok(schema) = Schema::new(&self.config) else { return 0.0 };
        let rows = schema.rows_max() as f64;
        let (pairs, columns) = (schema.candidates().len() as f64, schema.columns.len() as f64);
        let counting = f64::from(members) * rows * pairs;
        let updating = f64::from(self.config.block) * rows * 2.0 * columns * f64::from(self.config.iterations);
        20.0 * (counting + updating)
    }

    fn attribute_values(&self) -> u64 {
        0
    }
}

impl Generator for NetDpSyn {
    fn train_cohort(
        &self,
        input: &CohortInput<'_>,
        _resume: Option<&[u8]>,
        sink: &mut dyn CheckpointSink,
        progress: &dyn Progress,
    ) -> Result<CohortOutcome> {
        fit_one_by_one(input, sink, progress, |model| self.train(input, model))
    }

    fn attributes(&self, _weights: Weights<'_>, traces: &[EncodedTrace]) -> Result<Vec<Vec<TraceAttribute>>> {
        Ok(vec![Vec::new(); traces.len()])
    }

    fn sample(&self, weights: Weights<'_>, count: u32, seed: Seed, progress: &dyn Progress) -> Result<Vec<RawTrace>> {
        let model = Model::from_bytes(weights.own)?;
        let traces = sample::sample(&model, count, seed, progress)?;
        Ok(traces.into_iter().map(|rows| RawTrace::whole(Generated::Fields(rows))).collect())
    }
}

//! Study specs: the TOML as written ([`raw`]) resolved into typed, complete, checked values, so that
//! the code after it may rely on them. The only home of `toml`.
//!
//! Every field that matters to a result goes into the identity of the jobs that depend on it.

mod bases;
mod import;
mod policy;
mod raw;

pub use bases::{BaseRecipe, parse_bases, read_bases};
pub use import::{
    AttributeSource, Claim, ImportCut, ImportManifest, ImportModel, MemberSource, RawAttributeTable, RawAttributes,
    RawImportCut, RawImportModel, ReportedTraining,
};
pub use policy::{DEFAULT_POLICY, parse_policy, read_policy};
use std::path::{Path, PathBuf};
use syntrace_base::base::{Delta, DeviceChoice, Epsilon};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{PrivacyUnit, Regime, TraceUnit};
use syntrace_measure::privacy::Accountant;

/// The spec of `make demo`.
pub const DEMO: &str = include_str!("../../../studies/demo.toml");

/// One whole study.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Name, for reports.
    pub name: String,
    /// Root of all seeds but that of privacy noise.
    pub seed: u64,
    /// Worker threads; `None` = one per core.
    pub threads: Option<usize>,
    /// Where networks run; `None` = the CPU.
    pub device: Option<DeviceChoice>,
    /// Is what models say of every position of a trace kept too, beside its summaries?
    pub whole_attributes: bool,
    /// Populations.
    pub datasets: Vec<DatasetSpec>,
    /// How traces are cut.
    pub traces: TraceSpec,
    /// Sizes of the splits.
    pub split: SplitSpec,
    /// Regimes of every generator: without DP, on anonymised traces, then falling epsilon.
    pub regimes: Vec<Regime>,
    /// Where privacy noise comes from.
    pub noise: NoiseSource,
    /// Whose upper bound the noise is calibrated by, and is what a model has spent.
    pub accountant: Accountant,
    /// Generators with their options.
    pub generators: Vec<StageSpec>,
    /// Attacks with their options.
    pub attacks: Vec<StageSpec>,
    /// Synthetic traces per target model; 0 = none.
    pub synthetic_traces: u32,
    /// Whose shadows draw as many, so that attacks can read what synthetic traces say.
    pub synthetic_shadows: SyntheticShadows,
    /// Which regressor of packet lengths measures their utility.
    pub forecaster: Forecaster,
    /// Which few real traces synthetic ones are added to.
    pub augment: Augment,
    /// Optional jobs behind `syntrace audit`.
    pub audit: AuditSpec,
}

/// Generators whose shadows draw synthetic traces too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntheticShadows {
    /// Every generator.
    All,
    /// Those of these names; none where there is none.
    Of(Vec<String>),
}

impl SyntheticShadows {
    /// Is a generator among them?
    pub fn concerns(&self, generator: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(names) => names.iter().any(|name| name == generator),
        }
    }
}

/// Size of the regressor that predicts packet lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecaster {
    /// No regression.
    None,
    /// Seconds on one core.
    Small,
    /// Darts' defaults: 6 million parameters, 100 epochs.
    Paper,
}

impl Forecaster {
    /// Name in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Small => "small",
            Self::Paper => "paper",
        }
    }

    /// In the identity of results: the name, and what was changed under it.
    pub fn identity(self) -> &'static str {
        match self {
            Self::Small => "small, absolute error",
            Self::None | Self::Paper => self.name(),
        }
    }
}

/// What classifiers learn from besides synthetic traces alone: shares of the real ones, with and without them.
#[derive(Debug, Clone, PartialEq)]
pub struct Augment {
    /// Shares of the members, rising; empty = nothing is measured.
    pub shares: Vec<f64>,
    /// How often each share is drawn.
    pub draws: u32,
}

impl Augment {
    /// No shares; what is asked for is drawn five times.
    pub fn none() -> Self {
        Self { shares: Vec::new(), draws: 5 }
    }
}

/// How models are audited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuditSpec {
    /// Run a one-run audit of each private mechanism (one more training for each target).
    pub one_run: bool,
}

/// One population.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSpec {
    /// Name.
    pub name: String,
    /// Classes; `None` = all that the source has.
    pub classes: Option<Vec<String>>,
    /// Where its traffic comes from.
    pub source: SourceSpec,
    /// May it be read outside the DP mechanism?
    pub public: bool,
}

/// Where traffic comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceSpec {
    /// The built-in simulator.
    Simulate {
        /// Flows per class.
        flows: u32,
    },
    /// A folder: a sub-folder is a class.
    Folder(PathBuf),
    /// What the study already holds (by `syntrace ingest`).
    Study,
}

/// How traces are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceSpec {
    /// Largest number of packets.
    pub packets: u32,
    /// Smallest number of packets.
    pub min_packets: u32,
    /// Flow or capture.
    pub unit: TraceUnit,
    /// Keep the verbatim captures in the study.
    pub keep_captures: bool,
}

/// Sizes of the splits (paper section 3.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitSpec {
    /// Member units (traces, or hosts) per model; as many are held out.
    pub members: u32,
    /// Shadow models per (generator, class, regime).
    pub shadows: u32,
    /// Are shadows drawn from the whole class, the target's traces included? What online attacks need.
    pub overlap: bool,
    /// What is drawn as a whole, and what every epsilon is about.
    pub unit: PrivacyUnit,
}

impl SplitSpec {
    /// Most traces on one side of a split.
    pub fn traces_max(&self) -> u64 {
        u64::from(self.members) * u64::from(self.unit.traces_max())
    }
}

/// Where the noise of DP-SGD comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseSource {
    /// The operating system; the seed is not stored.
    System,
    /// The study's seed: for tests and reproduction, marked in the models.
    Reproducible,
}

/// A generator or an attack by name with its options as written.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    /// Name (`netssm`, `mlp`).
    pub name: String,
    /// Options.
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl Spec {
    /// Reads a spec from a file; folders in it are relative to it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| syntrace_base::error::io_error("read the spec", path, &error))?;
        let base = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, base).context(|| format!("`{}`", path.display()))
    }

    /// The `[attack.NAME]` tables of a file; whatever else is in it is not read.
    pub fn read_attacks(path: &Path) -> Result<Vec<StageSpec>> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| syntrace_base::error::io_error("read the spec", path, &error))?;
        let attacks = raw::parse_attacks(&text).context(|| format!("`{}`", path.display()))?;
        attacks.into_iter().map(stage).collect()
    }

    /// Resolves a spec's text; folders in it are relative to `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        resolve(raw::parse(text)?, base)
    }
}

fn resolve(raw: raw::RawSpec, base: &Path) -> Result<Spec> {
    if raw.name.trim().is_empty() {
        return Err(Error::user("`name` must not be empty"));
    }
    if raw.dataset.is_empty() {
        return Err(Error::user("expected at least one [[dataset]], found none"));
    }
    let generators = raw.generator.into_iter().map(stage).collect::<Result<Vec<StageSpec>>>()?;
    let synthetic_shadows = resolve_shadows(raw.synthesis.shadows, raw.synthesis.traces, &generators)?;
    let datasets = raw.dataset.into_iter().map(|dataset| resolve_dataset(dataset, base)).collect::<Result<Vec<_>>>()?;
    for (index, dataset) in datasets.iter().enumerate() {
        if datasets[..index].iter().any(|earlier| earlier.name == dataset.name) {
            return Err(
                Error::user(format!("duplicate dataset `{}`", dataset.name)).hint("list its classes in one table")
            );
        }
    }
    Ok(Spec {
        name: raw.name,
        seed: raw.seed,
        threads: raw.threads.map(|threads| at_least(threads as u64, 1, "threads")).transpose()?.map(|n| n as usize),
        device: raw.device.as_deref().map(DeviceChoice::from_name).transpose().context(|| "`device`")?,
        whole_attributes: match raw.attributes.as_str() {
            "summary" => false,
            "full" => true,
            other => return Err(Error::user(format!("`attributes` must be `summary` or `full`, found `{other}`"))),
        },
        datasets,
        traces: resolve_traces(&raw.traces)?,
        split: SplitSpec {
            members: between(u64::from(raw.split.members), 2, ITEMS_MAX, "split.members")? as u32,
            shadows: between(u64::from(raw.split.shadows), 1, SHADOWS_MAX, "split.shadows")? as u32,
            overlap: raw.split.overlap,
            unit: resolve_unit(&raw.unit, raw.host_traces)?,
        },
        regimes: resolve_regimes(&raw.regimes)?,
        noise: match raw.regimes.noise.as_str() {
            "system" => NoiseSource::System,
            "reproducible" => NoiseSource::Reproducible,
            other => {
                return Err(Error::user(format!("regimes.noise must be `system` or `reproducible`, found `{other}`")));
            }
        },
        accountant: Accountant::from_name(&raw.regimes.accountant).context(|| "regimes.accountant")?,
        generators,
        attacks: raw.attack.into_iter().map(stage).collect::<Result<_>>()?,
        synthetic_traces: between(u64::from(raw.synthesis.traces), 0, ITEMS_MAX, "synthesis.traces")? as u32,
        synthetic_shadows,
        forecaster: match raw.utility.forecaster.as_str() {
            "none" => Forecaster::None,
            "small" => Forecaster::Small,
            "paper" => Forecaster::Paper,
            other => {
                let known = "utility.forecaster must be `none`, `small` or `paper`";
                return Err(Error::user(format!("{known}, found `{other}`")));
            }
        },
        augment: resolve_augment(raw.utility.augment, raw.utility.augment_draws)?,
        audit: AuditSpec { one_run: raw.audit.one_run },
    })
}

fn resolve_unit(unit: &str, host_traces: u32) -> Result<PrivacyUnit> {
    let traces_max = between(u64::from(host_traces), 1, HOST_TRACES_MAX, "host_traces")? as u32;
    match unit {
        "trace" => Ok(PrivacyUnit::Trace),
        "host" => Ok(PrivacyUnit::Host { traces_max }),
        other => Err(Error::user(format!("`unit` must be `trace` or `host`, found `{other}`"))),
    }
}

fn resolve_shadows(raw: raw::RawShadows, traces: u32, generators: &[StageSpec]) -> Result<SyntheticShadows> {
    let found = match raw {
        raw::RawShadows::All(true) => SyntheticShadows::All,
        raw::RawShadows::All(false) => SyntheticShadows::Of(Vec::new()),
        raw::RawShadows::Of(names) => SyntheticShadows::Of(names),
    };
    if let SyntheticShadows::Of(names) = &found {
        let known: Vec<&str> = generators.iter().map(|generator| generator.name.as_str()).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            return Err(Error::user(format!(
                "`synthesis.shadows` must name generators of the spec ({known}), found `{name}`"
            )));
        }
        if names.is_empty() {
            return Ok(found);
        }
    }
    if traces == 0 {
        return Err(Error::user("`synthesis.shadows` needs `synthesis.traces` above 0")
            .hint("shadows draw as many synthetic traces as the target"));
    }
    Ok(found)
}

/// Shares that a spec names at most, and draws of each.
const SHARES_MAX: usize = 20;
const DRAWS_MAX: u64 = 100;

fn resolve_augment(mut shares: Vec<f64>, draws: u32) -> Result<Augment> {
    if let Some(share) = shares.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
        return Err(Error::user(format!("`utility.augment` must hold shares above 0 and at most 1, found `{share}`"))
            .hint("0.05 is 5 % of the members; `augment = []` leaves augmentation out"));
    }
    if shares.len() > SHARES_MAX {
        let found = shares.len();
        return Err(Error::user(format!("`utility.augment` must hold at most {SHARES_MAX} shares, found `{found}`")));
    }
    shares.sort_by(f64::total_cmp);
    shares.dedup();
    Ok(Augment { shares, draws: between(u64::from(draws), 2, DRAWS_MAX, "utility.augment_draws")? as u32 })
}

fn stage((name, options): (String, toml::Table)) -> Result<StageSpec> {
    let name = import::name(&name, "generator").context(|| "the name of a [generator] or [attack]")?;
    let value = serde_json::to_value(&options).map_err(|error| Error::user(format!("table `{name}`: {error}")))?;
    let serde_json::Value::Object(options) = value else {
        return Err(Error::user(format!("table `{name}`: expected keys and values")));
    };
    Ok(StageSpec { name, options })
}

/// Flows, members, synthetic traces: far above any study, and plans and buffers of it still fit a machine.
const ITEMS_MAX: u64 = 10_000_000;
/// Packets of a trace.
const PACKETS_MAX: u64 = 1_000_000;
/// Shadows of a target; studies of the likelihood ratio take 256.
const SHADOWS_MAX: u64 = 4_096;
/// Traces of a host: a batch holds all of a host that is drawn.
const HOST_TRACES_MAX: u64 = 1_024;
/// Privacy budgets of a study.
const BUDGETS_MAX: usize = 64;

fn between(value: u64, least: u64, most: u64, key: &str) -> Result<u64> {
    if value > most {
        return Err(Error::user(format!("`{key}` must be at most {most}, found `{value}`")));
    }
    at_least(value, least, key)
}

fn at_least(value: u64, least: u64, key: &str) -> Result<u64> {
    if value >= least {
        Ok(value)
    } else {
        Err(Error::user(format!("`{key}` must be at least {least}, found `{value}`")))
    }
}

fn resolve_dataset(raw: raw::RawDataset, base: &Path) -> Result<DatasetSpec> {
    if raw.name.trim().is_empty() {
        return Err(Error::user("a [[dataset]] needs a `name`"));
    }
    let source = match (raw.simulate, raw.folder) {
        (Some(_), Some(_)) => {
            return Err(
                Error::user(format!("dataset `{}` has both `simulate` and `folder`", raw.name)).hint("keep one")
            );
        }
        (Some(simulate), None) => SourceSpec::Simulate {
            flows: between(u64::from(simulate.flows), 1, ITEMS_MAX, "dataset.simulate.flows")? as u32,
        },
        (None, Some(folder)) => SourceSpec::Folder(base.join(folder)),
        (None, None) => SourceSpec::Study,
    };
    if raw.classes.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::user(format!("dataset `{}` has an empty list of classes", raw.name))
            .hint("leave `classes` out to take all"));
    }
    Ok(DatasetSpec { name: raw.name, classes: raw.classes, source, public: raw.public })
}

fn resolve_traces(raw: &raw::RawTraces) -> Result<TraceSpec> {
    let unit = match raw.unit.as_str() {
        "flow" => TraceUnit::Flow,
        "capture" => TraceUnit::Capture,
        other => return Err(Error::user(format!("traces.unit must be `flow` or `capture`, found `{other}`"))),
    };
    let packets = between(u64::from(raw.packets), 1, PACKETS_MAX, "traces.packets")? as u32;
    let min_packets = at_least(u64::from(raw.min_packets), 1, "traces.min_packets")? as u32;
    Ok(TraceSpec { packets, min_packets, unit, keep_captures: raw.keep_captures })
}

fn resolve_regimes(raw: &raw::RawRegimes) -> Result<Vec<Regime>> {
    let delta = Delta::new(raw.delta).context(|| "regimes.delta")?.get();
    let plain = [(raw.none, Regime::None), (raw.anonymised, Regime::Anonymised)];
    let mut regimes: Vec<Regime> = plain.into_iter().filter_map(|(asked, regime)| asked.then_some(regime)).collect();
    let mut budgets = raw.epsilon.clone();
    for epsilon in &budgets {
        Epsilon::new(*epsilon).context(|| "regimes.epsilon")?;
        if epsilon.is_infinite() {
            return Err(Error::user("regimes.epsilon: infinite epsilon promises nothing").hint("use `none = true`"));
        }
    }
    budgets.sort_by(|a, b| b.total_cmp(a));
    budgets.dedup();
    if budgets.len() > BUDGETS_MAX {
        let found = budgets.len();
        return Err(Error::user(format!("`regimes.epsilon` must have at most {BUDGETS_MAX} budgets, found {found}")));
    }
    regimes.extend(budgets.into_iter().map(|epsilon| Regime::Dp { epsilon, delta }));
    if regimes.is_empty() {
        return Err(Error::user(
            "expected `regimes.none = true`, `regimes.anonymised = true` or a list `regimes.epsilon`, found none of them",
        ));
    }
    Ok(regimes)
}

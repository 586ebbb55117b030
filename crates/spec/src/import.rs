//! The manifest of an import: externally trained models, paths of their files, and claims about them.
//!
//! A manifest is TOML with defaults at the top and one `[[model]]` a model; paths are relative to it.

use super::raw::parse_toml;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use syntrace_base::base::{Delta, Epsilon};
use syntrace_base::error::{Error, Result, ResultExt};
use syntrace_base::record::{Regime, Role, TraceUnit};

/// Models to import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportManifest {
    /// In the order of the manifest.
    pub models: Vec<ImportModel>,
}

/// One model made elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportModel {
    /// Name under which it stands in every table.
    pub generator: String,
    /// Dataset of the study.
    pub dataset: String,
    /// Class of the study.
    pub class: String,
    /// Target, or which shadow.
    pub role: Role,
    /// Without DP, or with a claimed epsilon and delta.
    pub regime: Regime,
    /// Who claims the epsilon and what it means; there exactly where the regime is DP.
    pub claim: Option<Claim>,
    /// How synthetic captures are cut; `None` = as the class's own were.
    pub cut: ImportCut,
    /// Synthetic captures: files, or folders of them.
    pub synthetic: Vec<PathBuf>,
    /// Which traces it was trained on.
    pub members: Option<MemberSource>,
    /// Attribute files.
    pub attributes: Vec<AttributeSource>,
    /// A CSV of traces outside `members`, in the order of the rows of `reference_attributes` that name none.
    pub references: Option<PathBuf>,
    /// Attribute files of such traces: what LiRA and RMIA compare with.
    pub reference_attributes: Vec<AttributeSource>,
    /// Weights in any format.
    pub weights: Option<PathBuf>,
    /// Training log.
    pub log: Option<PathBuf>,
    /// What its makers say of the training.
    pub reported: ReportedTraining,
    /// A line for people.
    pub note: Option<String>,
}

impl ImportModel {
    /// `mygan os/mac eps4 shadow0`.
    pub fn label(&self) -> String {
        let role = self.role.label();
        format!("{} {}/{} {} {role}", self.generator, self.dataset, self.class, self.regime.label())
    }
}

/// The terms of a claimed epsilon.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Who claims it and where (`A. Author, section 5`).
    pub by: String,
    /// What it protects: `trace` as here, or `packet`, `flow record`, `user`.
    pub unit: String,
    /// Neighbouring relation: `add or remove one`, `replace one`.
    pub neighbours: String,
    /// What its makers say it means: `end-to-end` or `conditional`.
    pub guarantee: String,
    /// How they computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accountant: Option<String>,
    /// What was done to the private traces, in their words: no event of ours is made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<String>,
}

/// How synthetic captures are cut into traces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportCut {
    /// Flow, or one trace per file.
    pub unit: Option<TraceUnit>,
    /// Largest number of packets.
    pub packets: Option<u32>,
    /// Smallest number of packets.
    pub min_packets: Option<u32>,
}

/// Where membership comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberSource {
    /// A CSV.
    File(PathBuf),
    /// Trained on every trace of the class: nothing is held out, so no attack is possible.
    All,
}

/// One attribute file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeSource {
    /// Parquet, NPY or safetensors, by its ending.
    pub path: PathBuf,
    /// Attribute kind of rows that name none; `None` = the file's name without its ending.
    pub kind: Option<String>,
    /// An NPY array of losses, one a row.
    pub loss: Option<PathBuf>,
    /// Columns of a Parquet file that are the attribute; none = those that the contract names.
    pub columns: Vec<String>,
    /// Do its numbers have a zero that means the same for every model? A WGAN critic's scores have none.
    pub zero: bool,
}

/// Facts about the training as reported by its makers; none of them is checked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportedTraining {
    /// Optimiser steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Probability of a trace to be in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_rate: Option<f64>,
    /// Noise on the sum, in units of the clip norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_multiplier: Option<f64>,
    /// Clip norm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// All parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Wall time of training, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// A manifest or its flags as written; every key of a model may also stand at the top as a default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawImportModel {
    /// Generator.
    pub generator: Option<String>,
    /// Dataset.
    pub dataset: Option<String>,
    /// Class.
    pub class: Option<String>,
    /// `target` or `shadow`.
    pub role: Option<String>,
    /// Index of a shadow.
    pub shadow: Option<u32>,
    /// Claimed epsilon.
    pub epsilon: Option<f64>,
    /// Claimed delta.
    pub delta: Option<f64>,
    /// Terms of the claim.
    pub claim: Option<Claim>,
    /// How synthetic captures are cut.
    pub traces: RawImportCut,
    /// Files or folders.
    pub synthetic: Vec<PathBuf>,
    /// A CSV, or `all`.
    pub members: Option<String>,
    /// Files, or tables with `file`, `kind`, `loss` and `zero`.
    pub attributes: Vec<RawAttributes>,
    /// A CSV of traces outside `members`.
    pub references: Option<PathBuf>,
    /// Attribute files of such traces.
    pub reference_attributes: Vec<RawAttributes>,
    /// Weights.
    pub weights: Option<PathBuf>,
    /// Training log.
    pub log: Option<PathBuf>,
    /// Facts about the training.
    pub training: ReportedTraining,
    /// A line for people.
    pub note: Option<String>,
}

/// As written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawImportCut {
    /// `flow` or `file`.
    pub unit: Option<String>,
    /// Largest number of packets.
    pub packets: Option<u32>,
    /// Smallest number of packets.
    pub min_packets: Option<u32>,
}

/// An attribute file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum RawAttributes {
    /// A path alone.
    Path(PathBuf),
    /// With its kind and losses.
    Table(RawAttributeTable),
}

/// As written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAttributeTable {
    /// The file.
    pub file: PathBuf,
    /// Attribute kind.
    pub kind: Option<String>,
    /// NPY of losses.
    pub loss: Option<PathBuf>,
    /// Columns that are the attribute.
    #[serde(default)]
    pub columns: Vec<String>,
    /// `false`: scores without a zero.
    pub zero: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    generator: Option<String>,
    dataset: Option<String>,
    class: Option<String>,
    epsilon: Option<f64>,
    delta: Option<f64>,
    claim: Option<Claim>,
    #[serde(default)]
    traces: RawImportCut,
    #[serde(default)]
    training: ReportedTraining,
    #[serde(default)]
    model: Vec<RawImportModel>,
}

impl ImportManifest {
    /// Reads a manifest; paths in it are relative to its folder, and lie in it: a manifest may come from a stranger,
    /// and what it names goes into the study.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| syntrace_base::error::io_error("read the manifest", path, &error))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let read = Self::parse(&text, base).and_then(|manifest| {
            manifest.models.iter().try_for_each(|model| model.require_inside(base))?;
            Ok(manifest)
        });
        read.context(|| format!("`{}`", path.display()))
    }

    /// Resolves a manifest's text; paths in it are relative to `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        let raw: RawManifest = parse_toml(text)?;
        if raw.model.is_empty() {
            return Err(Error::user("expected at least one [[model]], found none"));
        }
        let mut models = Vec::new();
        for (number, model) in raw.model.iter().enumerate() {
            let model = with_defaults(model.clone(), &raw);
            models.push(ImportModel::resolve(model, base).context(|| format!("[[model]] number {}", number + 1))?);
        }
        for (number, model) in models.iter().enumerate() {
            if models.iter().take(number).any(|earlier| earlier.label() == model.label()) {
                return Err(Error::user(format!("[[model]] number {}: `{}` occurs twice", number + 1, model.label()))
                    .hint("models differ in generator, class, epsilon or role (`shadow = 0`, `shadow = 1`, ...)"));
            }
        }
        Ok(Self { models })
    }
}

fn with_defaults(mut model: RawImportModel, raw: &RawManifest) -> RawImportModel {
    model.generator = model.generator.or_else(|| raw.generator.clone());
    model.dataset = model.dataset.or_else(|| raw.dataset.clone());
    model.class = model.class.or_else(|| raw.class.clone());
    model.epsilon = model.epsilon.or(raw.epsilon);
    model.delta = model.delta.or(raw.delta);
    model.claim = model.claim.or_else(|| raw.claim.clone());
    model.traces.unit = model.traces.unit.or_else(|| raw.traces.unit.clone());
    model.traces.packets = model.traces.packets.or(raw.traces.packets);
    model.traces.min_packets = model.traces.min_packets.or(raw.traces.min_packets);
    model.training = ReportedTraining {
        steps: model.training.steps.or(raw.training.steps),
        sampling_rate: model.training.sampling_rate.or(raw.training.sampling_rate),
        noise_multiplier: model.training.noise_multiplier.or(raw.training.noise_multiplier),
        clip_norm: model.training.clip_norm.or(raw.training.clip_norm),
        parameters: model.training.parameters.or(raw.training.parameters),
        seconds: model.training.seconds.or(raw.training.seconds),
    };
    model
}

impl ImportModel {
    /// Checks and completes one model as written.
    pub fn resolve(raw: RawImportModel, base: &Path) -> Result<Self> {
        let needed = |value: Option<String>, key: &str| -> Result<String> {
            let value = value.ok_or_else(|| Error::user(format!("expected `{key}`, found none")))?;
            name(value.trim(), key)
        };
        let role = role(raw.role.as_deref(), raw.shadow)?;
        let regime = regime(raw.epsilon, raw.delta)?;
        let claim = match regime {
            Regime::None | Regime::Anonymised => None,
            Regime::Dp { .. } => Some(checked_claim(raw.claim)?),
        };
        let sources = |raw: Vec<RawAttributes>| -> Result<Vec<AttributeSource>> {
            raw.into_iter().map(|entry| attributes(entry, base)).collect()
        };
        let model = Self {
            generator: needed(raw.generator, "generator")?,
            dataset: needed(raw.dataset, "dataset")?,
            class: needed(raw.class, "class")?,
            role,
            regime,
            claim,
            cut: cut(&raw.traces)?,
            synthetic: raw.synthetic.iter().map(|path| base.join(path)).collect(),
            members: raw.members.map(|members| match members.as_str() {
                "all" => MemberSource::All,
                path => MemberSource::File(base.join(path)),
            }),
            attributes: sources(raw.attributes)?,
            references: raw.references.map(|path| base.join(path)),
            reference_attributes: sources(raw.reference_attributes)?,
            weights: raw.weights.map(|path| base.join(path)),
            log: raw.log.map(|path| base.join(path)),
            reported: checked_training(raw.training)?,
            note: raw.note,
        };
        if model.synthetic.is_empty() && model.attributes.is_empty() {
            return Err(Error::user("expected `synthetic` captures or `attributes`, found neither").hint(
                "fidelity needs synthetic captures of the target, attacks need attributes of target and shadows",
            ));
        }
        if model.references.is_some() && model.reference_attributes.is_empty() {
            return Err(Error::user("expected `reference_attributes` beside `references`, found none")
                .hint("`references` names the traces whose rows stand in those files"));
        }
        Ok(model)
    }

    /// Refuses files outside a folder, by whatever way the path leads there. What does not exist is left to who
    /// opens it.
    fn require_inside(&self, base: &Path) -> Result<()> {
        let members = match &self.members {
            Some(MemberSource::File(path)) => Some(path),
            _ => None,
        };
        let files = self.synthetic.iter().chain(members).chain(&self.references).chain(&self.weights).chain(&self.log);
        let attributes = self.attributes.iter().chain(&self.reference_attributes);
        let files = files.chain(attributes.flat_map(|entry| std::iter::once(&entry.path).chain(&entry.loss)));
        let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
        let folder =
            std::fs::canonicalize(base).map_err(|error| syntrace_base::error::io_error("open", base, &error))?;
        for path in files {
            if std::fs::canonicalize(path).is_ok_and(|found| !found.starts_with(&folder)) {
                return Err(Error::user(format!("`{}` lies outside the manifest's folder", path.display()))
                    .hint("copy it there, or name it on the command line (`syntrace import --help`)"));
            }
        }
        Ok(())
    }
}

/// Names stand in SQL, in labels and as folders of exports.
pub(super) fn name(value: &str, key: &str) -> Result<String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '+');
    if value.is_empty()
        || value.len() > 64
        || value.starts_with('.')
        || (key == "generator" && !value.chars().all(fits))
    {
        return Err(Error::user(format!(
            "`{key}`: expected 1 to 64 letters, digits, `-`, `_`, `.` or `+`, found `{value}`"
        )));
    }
    Ok(value.to_owned())
}

fn role(role: Option<&str>, shadow: Option<u32>) -> Result<Role> {
    match (role, shadow) {
        (Some("target") | None, None) => Ok(Role::Target),
        (Some("shadow") | None, Some(index)) => Ok(Role::Shadow(index)),
        (Some("shadow"), None) => Err(Error::user("a shadow needs its index: `shadow = 0`")),
        (Some("target"), Some(index)) => Err(Error::user(format!("expected a target, found `shadow = {index}`"))),
        (Some(other), _) => Err(Error::user(format!("`role`: expected `target` or `shadow`, found `{other}`"))),
    }
}

fn regime(epsilon: Option<f64>, delta: Option<f64>) -> Result<Regime> {
    match (epsilon, delta) {
        (None, None) => Ok(Regime::None),
        (None, Some(_)) => Ok(Regime::None),
        (Some(_), None) => Err(Error::user("a claimed `epsilon` needs its `delta`")),
        (Some(epsilon), Some(delta)) => {
            Epsilon::new(epsilon).context(|| "`epsilon`")?;
            if epsilon.is_infinite() {
                return Err(Error::user("infinite epsilon promises nothing").hint("leave `epsilon` out"));
            }
            Ok(Regime::Dp { epsilon, delta: Delta::new(delta).context(|| "`delta`")?.get() })
        }
    }
}

fn checked_claim(claim: Option<Claim>) -> Result<Claim> {
    let terms = "a [claim] with `by`, `unit`, `neighbours` and `guarantee` says what the epsilon means";
    let claim = claim.ok_or_else(|| Error::user("a claimed `epsilon` needs its terms, found none").hint(terms))?;
    for (key, value) in [("by", &claim.by), ("unit", &claim.unit), ("neighbours", &claim.neighbours)] {
        if value.trim().is_empty() {
            return Err(Error::user(format!("claim: `{key}` must not be empty")).hint(terms));
        }
    }
    if !matches!(claim.guarantee.as_str(), "end-to-end" | "conditional") {
        return Err(Error::user(format!(
            "claim: `guarantee` must be `end-to-end` or `conditional`, found `{}`",
            claim.guarantee
        ))
        .hint("`conditional` where anything upstream (a checkpoint, ranges, a vocabulary) saw the private traces"));
    }
    Ok(claim)
}

fn cut(raw: &RawImportCut) -> Result<ImportCut> {
    let unit = match raw.unit.as_deref() {
        None => None,
        Some("flow") => Some(TraceUnit::Flow),
        Some("file" | "capture") => Some(TraceUnit::Capture),
        Some(other) => {
            return Err(Error::user(format!("traces.unit must be `flow` or `file`, found `{other}`")));
        }
    };
    for (key, value) in [("packets", raw.packets), ("min_packets", raw.min_packets)] {
        if value == Some(0) {
            return Err(Error::user(format!("`traces.{key}` must be at least 1, found `0`")));
        }
    }
    Ok(ImportCut { unit, packets: raw.packets, min_packets: raw.min_packets })
}

fn attributes(raw: RawAttributes, base: &Path) -> Result<AttributeSource> {
    let (path, kind, loss, columns, zero) = match raw {
        RawAttributes::Path(path) => (path, None, None, Vec::new(), None),
        RawAttributes::Table(table) => (table.file, table.kind, table.loss, table.columns, table.zero),
    };
    if let Some(kind) = &kind {
        name(kind, "kind")?;
    }
    let (loss, zero) = (loss.map(|path| base.join(path)), zero.unwrap_or(true));
    Ok(AttributeSource { path: base.join(path), kind, loss, columns, zero })
}

fn checked_training(reported: ReportedTraining) -> Result<ReportedTraining> {
    let numbers = [
        ("sampling_rate", reported.sampling_rate),
        ("noise_multiplier", reported.noise_multiplier),
        ("clip_norm", reported.clip_norm),
        ("seconds", reported.seconds),
    ];
    for (key, value) in numbers {
        if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
            return Err(Error::user(format!("`training.{key}` must be 0 or above and finite, found `{value:?}`")));
        }
    }
    if reported.sampling_rate.is_some_and(|rate| rate > 1.0) {
        return Err(Error::user("`training.sampling_rate` must be at most 1"));
    }
    Ok(reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str =
        "claim = { by = 'a', unit = 'trace', neighbours = 'add or remove one', guarantee = 'end-to-end' }";

    #[test]
    fn defaults_at_the_top_reach_every_model() {
        let text = format!(
            "generator = 'g'\ndataset = 'os'\nclass = 'mac'\nepsilon = 4.0\ndelta = 1e-5\n{CLAIM}\n[training]\nsteps = 7\n\
             [[model]]\nsynthetic = ['a.pcap']\n[[model]]\nshadow = 0\nattributes = ['b.npy', {{ file = 'c.npy', kind = 'k' }}]"
        );
        let manifest = ImportManifest::parse(&text, Path::new("/x")).unwrap();
        let [target, shadow] = manifest.models.as_slice() else { panic!("two models") };
        assert_eq!(target.label(), "g os/mac eps4 target");
        assert_eq!(shadow.label(), "g os/mac eps4 shadow0");
        assert_eq!(target.synthetic, [Path::new("/x/a.pcap")]);
        assert_eq!(shadow.attributes[1].kind.as_deref(), Some("k"));
        assert_eq!((shadow.reported.steps, shadow.claim.as_ref().unwrap().unit.as_str()), (Some(7), "trace"));
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_said() {
        let head = "generator = 'g'\ndataset = 'os'\nclass = 'mac'\n";
        for (rest, reason) in [
            ("[[model]]\nepsilon = 4.0\nsynthetic = ['a']", "delta"),
            ("[[model]]\nepsilon = 4.0\ndelta = 1e-5\nsynthetic = ['a']", "terms"),
            ("[[model]]\nepsilon = -1.0\ndelta = 1e-5\nsynthetic = ['a']", "epsilon"),
            ("[[model]]\nrole = 'shadow'\nsynthetic = ['a']", "index"),
            ("[[model]]\n", "neither"),
            ("[[model]]\nsynthetc = ['a']", "synthetc"),
            ("[[model]]\nsynthetic = ['a']\nreferences = 'r.csv'", "`reference_attributes` beside `references`"),
            ("[[model]]\nsynthetic = ['a']\n[[model]]\nsynthetic = ['b']", "twice"),
            ("[[model]]\nsynthetic = ['a']\ngenerator = '../x'", "generator"),
            ("", "at least one"),
        ] {
            let error = ImportManifest::parse(&format!("{head}{rest}"), Path::new(".")).unwrap_err().to_string();
            assert!(error.contains(reason), "{rest}: {error}");
        }
    }
}

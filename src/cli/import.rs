//! `syntrace import`

use super::CACHE_BYTES;
use super::progress_bars::{Bar, Bars};
use super::run::print_failed;
use crate::attack::AttackKind;
use crate::base::{ModelId, thread_count};
use crate::error::{Error, Result};
use crate::pipeline::{self, ImportedModel, Plan, RunObserver, RunOptions, RunReport};
use crate::privacy::{NONE_BY_DELTA, promises_nothing};
use crate::record::{IMPORTED, ModelRecord};
use crate::spec::{
    Claim, ImportManifest, ImportModel, RawAttributeTable, RawAttributes, RawImportCut, RawImportModel,
    ReportedTraining,
};
use crate::store::{Snapshot, Store, StoreWriter};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bring in models made elsewhere: synthetic captures, attributes, weights, training logs
///
/// The study must hold the real traffic first (`syntrace ingest`). Every trace that a model was trained
/// on or tested with is named by its trace_id, by its capture's file name where the capture gave one
/// trace, or as CAPTURE#FIRST_PACKET (see the table `traces`). Imported models stand in every table and
/// view beside ours; where a target and shadows have one attribute kind in common they are attacked at
/// once, and a target's synthetic traces are compared with its members.
#[derive(Debug, Args)]
#[command(after_long_help = CONTRACT)]
pub(super) struct ImportArgs {
    /// The study file
    study: PathBuf,
    /// Several models: a TOML manifest, or a folder with `import.toml`; one model: use the options
    manifest: Option<PathBuf>,
    /// Name of the generator, as it will stand in every table
    #[arg(long, required_unless_present = "manifest")]
    generator: Option<String>,
    /// Dataset of the study that the model was trained on
    #[arg(long, required_unless_present_any = ["manifest", "evaluate_only"])]
    dataset: Option<String>,
    /// Class of the study that the model was trained on
    #[arg(long, required_unless_present_any = ["manifest", "evaluate_only"])]
    class: Option<String>,
    /// The model is shadow number I; without it, the target
    #[arg(long, value_name = "I")]
    shadow: Option<u32>,
    /// Synthetic captures of the model: PCAP or PCAPNG files, or folders of them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    synthetic: Vec<PathBuf>,
    /// CSV with trace,member (1 or 0); or `all`: trained on the whole class
    #[arg(long, value_name = "CSV|all")]
    members: Option<String>,
    /// Attributes: .parquet, .npy or .safetensors; the kind is the file's name unless given
    #[arg(long, value_name = "[KIND=]FILE", num_args = 1..)]
    attributes: Vec<String>,
    /// Columns of the Parquet files that are the attribute; those that the contract names unless given
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "attributes")]
    columns: Vec<String>,
    /// Weights in any format, kept as they are
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// CSV of traces outside --members, in the order of the rows of --reference-attributes
    #[arg(long, value_name = "FILE", requires = "reference_attributes")]
    references: Option<PathBuf>,
    /// What the model says about such traces, for LiRA and RMIA: KIND=FILE or FILE
    #[arg(long, value_name = "[KIND=]FILE", num_args = 1..)]
    reference_attributes: Vec<String>,
    /// Training log: CSV or JSON lines with epoch, train_loss, held_out_loss
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// A line for people
    #[arg(long)]
    note: Option<String>,
    /// Epsilon that its makers claim; without it, trained without differential privacy
    #[arg(long, requires_all = ["delta", "claimed_by", "claimed_unit", "claimed_neighbours", "claimed_guarantee"])]
    epsilon: Option<f64>,
    /// Delta of the claim
    #[arg(long, requires = "epsilon")]
    delta: Option<f64>,
    /// Who claims it, and where
    #[arg(long, value_name = "TEXT", requires = "epsilon")]
    claimed_by: Option<String>,
    /// What the claim protects: `trace`, or `packet`, `flow record`, `user`
    #[arg(long, value_name = "TEXT", requires = "epsilon")]
    claimed_unit: Option<String>,
    /// Neighbouring relation of the claim: `add or remove one`, `replace one`
    #[arg(long, value_name = "TEXT", requires = "epsilon")]
    claimed_neighbours: Option<String>,
    /// What the claim says of everything upstream of the weights
    #[arg(long, value_parser = ["end-to-end", "conditional"], requires = "epsilon")]
    claimed_guarantee: Option<String>,
    /// What a synthetic trace is cut from; by default as the class was cut
    #[arg(long, value_parser = ["flow", "file"])]
    trace: Option<String>,
    /// Packets of a synthetic trace; by default as the class was cut
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    packets: Option<u32>,
    /// Attacks to run, by kind; all that its files allow by default
    #[arg(long, value_name = "NAME", num_args = 1..)]
    attack: Vec<String>,
    /// Import only: no attacks, no fidelity (the same command without it does them later)
    #[arg(long)]
    no_evaluate: bool,
    /// Attacks side by side; all cores by default
    #[arg(long)]
    threads: Option<usize>,
    /// Import nothing: attack and measure all models of --generator that are in the study
    #[arg(long, conflicts_with = "no_evaluate")]
    evaluate_only: bool,
}

impl ImportArgs {
    pub(super) fn evaluate_only(&self) -> bool {
        self.evaluate_only
    }

    /// The same once the models are stored.
    pub(super) fn stored(self) -> Self {
        Self { evaluate_only: true, ..self }
    }
}

const CONTRACT: &str = r#"The contract

A manifest holds defaults at the top and one [[model]] a model; paths are relative to it, and lie in its folder:

  generator = "mygan"
  dataset = "os"
  class = "mac"

  [[model]]                                # the target
  synthetic = ["target/synthetic"]         # PCAP, PCAPNG: files or folders
  members = "target/members.csv"           # trace,member; or "all"
  attributes = ["target/critic.npy"]       # .npy, .parquet, .safetensors
  references = "target/others.csv"         # optional: traces outside `members`,
  reference_attributes = ["target/others.npy"]   # and what the model says of them
  weights = "target/weights.pt"            # optional, any format
  log = "target/log.csv"                   # optional: epoch,train_loss,held_out_loss

  [[model]]
  shadow = 0
  members = "shadow0/members.csv"
  attributes = [{ file = "shadow0/critic.npy", loss = "shadow0/loss.npy" }]

A model trained with differential privacy adds epsilon, delta and the terms of the claim:

  epsilon = 4.0
  delta = 1e-5
  claim = { by = "A. Author, section 5", unit = "trace", neighbours = "add or remove one",
            guarantee = "end-to-end", accountant = "RDP", mechanism = "DP-SGD" }

A claim is stored as claimed: it names the row in every view (column epsilon), but epsilon_spent stays
NULL, the guarantee is `none`, and the lineage says who claims what. Attacks put it to the test.

Attribute files (one row a trace; all rows of a kind have one length; finite numbers only)
  NPY          [traces, ...] numbers; rows in the order of `members`; never pickled objects
  safetensors  `values` [traces, ...]; optional `trace_ids`, `member`, `loss`
  Parquet      `values` (a list), or number columns `0`, `1`, ..., or those of `columns = ["x"]` beside
               `file`; `trace` or `trace_id`, or `capture` with `first_packet`; optional `member`,
               `loss`, `kind`
Membership stands in `members` or in the files; where it stands in both, they must agree.

A file that is refused leaves nothing behind. Importing twice adds nothing."#;

/// What [`import`] leaves to do.
pub(super) enum Rest {
    Nothing(ExitCode),
    /// The models are stored; evaluating them trains networks.
    Networks,
}

/// Stores models, and evaluates them if that trains no network: a binary that references this function does not link
/// libtorch.
pub(super) fn import(args: &ImportArgs) -> Result<Rest> {
    let Some(prepared) = prepare(args)? else { return Ok(Rest::Nothing(ExitCode::SUCCESS)) };
    if prepared.plan.needs_networks() {
        return Ok(Rest::Networks);
    }
    evaluate(&prepared, pipeline::run_without_networks).map(Rest::Nothing)
}

/// Evaluates the models that [`import`] stored.
pub(super) fn import_with_networks(args: &ImportArgs) -> Result<ExitCode> {
    match prepare(args)? {
        Some(prepared) => evaluate(&prepared, pipeline::run),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// A study with imported models, and what evaluating them takes.
struct Prepared {
    store: StoreWriter,
    plan: Plan,
    threads: usize,
}

/// Stores the models and plans their evaluation, where one is asked for.
fn prepare(args: &ImportArgs) -> Result<Option<Prepared>> {
    let attacks = attacks(&args.attack)?;
    let stored = args.evaluate_only && args.manifest.is_none() && args.dataset.is_none();
    let manifest = if stored { ImportManifest { models: Vec::new() } } else { manifest(args)? };
    // Refuses what is no study before a writer would make one.
    let snapshot = Store::open(&args.study, CACHE_BYTES)?.snapshot()?;
    let mut ids =
        if stored { stored_models(&snapshot, args.generator.as_deref().unwrap_or_default())? } else { Vec::new() };
    drop(snapshot);
    let store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    let imported = pipeline::import_models(&store, &manifest, &Bar::alone())?;
    for model in imported.iter().filter(|_| !args.evaluate_only) {
        super::ingest::say_passed_over(&model.passed_over);
        for taken in &model.taken {
            note!("{taken}");
        }
        note!("{}", line(model));
        if let Some(delta) = model.delta.filter(|delta| promises_nothing(*delta, model.members as u64)) {
            note!(
                "note: the claimed delta {delta} is 1/members (1/{}) or more, which promises nothing: its guarantee is `{NONE_BY_DELTA}`",
                model.members
            );
        }
    }
    if args.no_evaluate {
        return Ok(None);
    }
    ids.extend(imported.iter().map(|model| model.model_id));
    let (plan, notes) = pipeline::evaluation(&store.snapshot()?, &ids, &attacks)?;
    // Said by the program that evaluates.
    if args.evaluate_only || !plan.needs_networks() {
        for note in notes {
            note!("{note}");
        }
    }
    let threads = args.threads.unwrap_or_else(thread_count).max(1);
    Ok(Some(Prepared { store, plan, threads }))
}

/// Models that were imported by the name of a generator.
fn stored_models(snapshot: &Snapshot, generator: &str) -> Result<Vec<ModelId>> {
    let all: Vec<ModelRecord> = snapshot.models()?.into_iter().filter(|model| model.preset == IMPORTED).collect();
    let found: Vec<ModelId> =
        all.iter().filter(|model| model.generator == generator).map(|model| model.model_id).collect();
    if found.is_empty() {
        let mut known: Vec<&str> = all.iter().map(|model| model.generator.as_str()).collect();
        known.sort_unstable();
        known.dedup();
        let hint =
            if known.is_empty() { "none was imported".to_owned() } else { format!("there are: {}", known.join(", ")) };
        return Err(Error::user(format!("the study has no imported generator `{generator}`"))
            .hint_near(generator, &known, hint));
    }
    Ok(found)
}

fn manifest(args: &ImportArgs) -> Result<ImportManifest> {
    let Some(path) = &args.manifest else {
        let model = ImportModel::resolve(single(args), Path::new("."))?;
        return Ok(ImportManifest { models: vec![model] });
    };
    let model_options = args.generator.is_some() || args.dataset.is_some() || args.class.is_some();
    if model_options || !args.synthetic.is_empty() || !args.attributes.is_empty() || args.members.is_some() {
        return Err(Error::user("expected a manifest or the options of one model, found both")
            .hint("write the model into the manifest as a [[model]]"));
    }
    if path.is_dir() { ImportManifest::read(&path.join("import.toml")) } else { ImportManifest::read(path) }
}

fn single(args: &ImportArgs) -> RawImportModel {
    let claim = |text: &Option<String>| text.clone().unwrap_or_default();
    RawImportModel {
        generator: args.generator.clone(),
        dataset: args.dataset.clone(),
        class: args.class.clone(),
        role: None,
        shadow: args.shadow,
        epsilon: args.epsilon,
        delta: args.delta,
        claim: args.epsilon.map(|_| Claim {
            by: claim(&args.claimed_by),
            unit: claim(&args.claimed_unit),
            neighbours: claim(&args.claimed_neighbours),
            guarantee: claim(&args.claimed_guarantee),
            accountant: None,
            mechanism: None,
        }),
        traces: RawImportCut { unit: args.trace.clone(), packets: args.packets, min_packets: None },
        synthetic: args.synthetic.clone(),
        members: args.members.clone(),
        attributes: args.attributes.iter().map(|text| attribute(text, &args.columns)).collect(),
        references: args.references.clone(),
        reference_attributes: args.reference_attributes.iter().map(|text| attribute(text, &args.columns)).collect(),
        weights: args.weights.clone(),
        log: args.log.clone(),
        training: ReportedTraining::default(),
        note: args.note.clone(),
    }
}

/// `KIND=FILE`, or a file alone.
fn attribute(text: &str, columns: &[String]) -> RawAttributes {
    let columns = columns.to_vec();
    match text.split_once('=') {
        Some((kind, file)) if !kind.contains('/') && !Path::new(text).exists() => {
            RawAttributes::Table(RawAttributeTable {
                file: PathBuf::from(file),
                kind: Some(kind.to_owned()),
                loss: None,
                columns,
                zero: None,
            })
        }
        _ => RawAttributes::Table(RawAttributeTable {
            file: PathBuf::from(text),
            kind: None,
            loss: None,
            columns,
            zero: None,
        }),
    }
}

fn attacks(names: &[String]) -> Result<Vec<AttackKind>> {
    if names.is_empty() {
        let possible = |kind: &AttackKind| cfg!(feature = "torch") || !kind.needs_torch();
        return Ok(AttackKind::ALL.into_iter().filter(possible).collect());
    }
    names.iter().map(|name| AttackKind::from_name(name)).collect()
}

fn line(model: &ImportedModel) -> String {
    let state = if model.added { "imported" } else { "was there already" };
    let attributes: Vec<String> = model.attributes.iter().map(|(kind, rows)| format!("{rows} of `{kind}`")).collect();
    let attributes = if attributes.is_empty() { "none".to_owned() } else { attributes.join(", ") };
    let rejected = match model.rejected {
        0 => String::new(),
        packets => format!(" ({packets} packets that do not parse left out)"),
    };
    format!(
        "{state}: {} (model {}): {} members, {} held out; attributes: {attributes}; {} synthetic traces{rejected}",
        model.label, model.model_id, model.members, model.held_out, model.synthetic
    )
}

/// Runs the jobs of a plan.
type Run = fn(&StoreWriter, &Plan, RunOptions, &dyn RunObserver) -> Result<RunReport>;

fn evaluate(prepared: &Prepared, run: Run) -> Result<ExitCode> {
    let Prepared { store, plan, threads } = prepared;
    let bars = Bars::new(plan.estimate(&store.snapshot()?, *threads)?);
    let options = RunOptions { threads: *threads, checkpoint_seconds: f64::INFINITY };
    let result = run(store, plan, options, &bars);
    bars.clear();
    let report = result?;
    let code = print_failed(&report);
    note!("{} attacks and measurements done, {} were there already", report.finished, report.skipped);
    if report.finished > 0 {
        note!("what came of it: `syntrace query STUDY mia_by_model_and_epsilon`, `fidelity_by_model_and_epsilon`");
    }
    Ok(code)
}

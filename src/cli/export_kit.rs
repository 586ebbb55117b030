//! `syntrace export STUDY kit`: a folder for external model authors.

use super::atomic_file::{Beside, Existing, Sink};
use super::export_tables::{TABLES_MEMORY_MIB, make_empty, write_part};
use crate::error::{Error, Result, io_error};
use crate::pipeline::{KitOptions, TraceSelection, export_pcapng, kit, write_traces};
use crate::query::Format;
use crate::record::PrivacyUnit;
use crate::spec::SplitSpec;
use crate::store::Snapshot;
use clap::Args;
use std::path::{Path, PathBuf};

/// Which class, and how it is split.
#[derive(Debug, Args)]
pub(super) struct KitArgs {
    /// Dataset of the study
    #[arg(long)]
    dataset: String,
    /// Class of the study
    #[arg(long)]
    class: String,
    /// Traces that each model is trained on; as many are held out
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    members: u32,
    /// Shadow models
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=1_000))]
    shadows: u32,
    /// Draw shadows from the whole class, the target's traces too (online LiRA needs it)
    #[arg(long)]
    overlap: bool,
    /// Seed of the draws: a spec with the same seed and [split] over the study's dataset draws the same
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder; new or empty
    #[arg(short, long, value_name = "DIR")]
    pub(super) out: PathBuf,
}

/// Writes a kit.
pub(super) fn export_kit(study: &Path, snapshot: &Snapshot, args: &KitArgs) -> Result<()> {
    if args.overlap && !args.shadows.is_multiple_of(2) {
        let message = format!("expected an even number of `--shadows` beside `--overlap`, found `{}`", args.shadows);
        return Err(Error::user(message)
            .hint("two of them hold out each other's members, so that every trace has both kinds of models"));
    }
    let split =
        SplitSpec { members: args.members, shadows: args.shadows, overlap: args.overlap, unit: PrivacyUnit::Trace };
    let (dataset, class) = (args.dataset.clone(), args.class.clone());
    let kit = kit(snapshot, &KitOptions { dataset: dataset.clone(), class: class.clone(), split, seed: args.seed })?;
    make_empty(&args.out)?;
    let write = |name: &str, text: &str| Beside::write_whole(&args.out.join(name), Existing::Keep, text.as_bytes());
    let mut sink = Sink::open(Some(&args.out.join("traces.pcapng")), Existing::Keep)?;
    export_pcapng(snapshot, &TraceSelection::Class { dataset, class }, &mut sink)?;
    sink.finish()?;
    write_packets(study, args)?;
    for model in &kit.models {
        let folder = args.out.join(model.folder());
        std::fs::create_dir_all(&folder).map_err(|error| io_error("make the folder", &folder, &error))?;
        let mut sink = Sink::open(Some(&folder.join("train.pcap")), Existing::Keep)?;
        write_traces(kit.training_traces(model), &mut sink)?;
        sink.finish()?;
        write(&format!("{}/members.csv", model.folder()), &model.members_csv())?;
        if !model.references.is_empty() {
            write(&format!("{}/references.csv", model.folder()), &model.references_csv())?;
        }
    }
    write("import.toml", &kit.manifest())?;
    note!(
        "{} traces, {} models to train; fill in {}",
        kit.traces.len(),
        kit.models.len(),
        args.out.join("import.toml").display()
    );
    Ok(())
}

/// All packets of the class, a row each.
fn write_packets(study: &Path, args: &KitArgs) -> Result<()> {
    let asker = super::query_session::Asker::open(study, TABLES_MEMORY_MIB, Some(1))?;
    let quoted = |name: &str| name.replace('\'', "''");
    let (dataset, class) = (quoted(&args.dataset), quoted(&args.class));
    let sql = format!(
        "SELECT * FROM packets WHERE NOT synthetic AND dataset = '{dataset}' AND class = '{class}' ORDER BY trace_id, position"
    );
    write_part(asker.session(), &sql, Format::Parquet, &args.out.join("packets.parquet")).map(drop)
}

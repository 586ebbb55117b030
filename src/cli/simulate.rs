//! `syntrace simulate`

use super::CACHE_BYTES;
use super::atomic_file::{Beside, Existing};
use crate::error::{Error, Result, io_error};
use crate::pipeline::{IngestOptions, default_cut, simulate_into, simulated_capture};
use crate::record::Origin;
use crate::simulate::CLASSES;
use crate::store::StoreWriter;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make realistic captures: `os` (windows, ubuntu, mac) and `vca` (meet, teams, webex), `public` (bsd, android, zoom)
///
/// `wide` (internet) has no class: each flow has hosts, stacks and a service of its own, drawn over what protocols allow.
/// Shipped bases are trained on it.
///
/// Straight into a study, or as PCAP files (DIR/CLASS/DATASET-CLASS-SEED.pcap) with --out.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The study file
    #[arg(required_unless_present = "out", conflicts_with = "out")]
    study: Option<PathBuf>,
    /// Write PCAP files into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Dataset
    #[arg(long)]
    dataset: String,
    /// Classes, all by default
    #[arg(long = "class", value_name = "CLASS")]
    classes: Vec<String>,
    /// Flows per class
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    flows: u32,
    /// Seed: the same gives the same bytes
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(super) fn simulate(args: &SimulateArgs) -> Result<ExitCode> {
    let known = CLASSES.iter().find(|(dataset, _)| *dataset == args.dataset).ok_or_else(|| {
        let names: Vec<&str> = CLASSES.iter().map(|(dataset, _)| *dataset).collect();
        Error::user(format!("expected a simulated dataset, found `{}`", args.dataset))
            .hint(format!("the simulator knows {}", names.join(", ")))
    })?;
    let classes: Vec<String> = if args.classes.is_empty() {
        known.1.iter().map(|class| (*class).to_owned()).collect()
    } else {
        args.classes.clone()
    };
    match (&args.out, &args.study) {
        (Some(folder), _) => write_files(args, &classes, folder)?,
        (None, Some(study)) => fill_study(args, &classes, study)?,
        (None, None) => return Err(Error::user("expected a study or --out, found neither")),
    }
    Ok(ExitCode::SUCCESS)
}

fn write_files(args: &SimulateArgs, classes: &[String], folder: &std::path::Path) -> Result<()> {
    for class in classes {
        let bytes = simulated_capture(&args.dataset, class, args.flows, args.seed)?;
        let folder = folder.join(class);
        std::fs::create_dir_all(&folder).map_err(|error| io_error("make the folder", &folder, &error))?;
        let path = folder.join(format!("{}-{class}-{}.pcap", args.dataset, args.seed));
        Beside::write_whole(&path, Existing::Replace, &bytes)?;
        say!("{}", path.display());
    }
    Ok(())
}

fn fill_study(args: &SimulateArgs, classes: &[String], study: &std::path::Path) -> Result<()> {
    let store = StoreWriter::open_or_create(study, CACHE_BYTES)?;
    let filled = simulate_classes(args, classes, &store);
    store.remove_if_unused()?;
    filled
}

fn simulate_classes(args: &SimulateArgs, classes: &[String], store: &StoreWriter) -> Result<()> {
    for class in classes {
        let options = IngestOptions {
            dataset: args.dataset.clone(),
            class: class.clone(),
            origin: Origin::Simulated,
            traces: default_cut(),
        };
        let added = simulate_into(store, &options, args.flows, args.seed)?;
        note!("{}/{class}: {}", args.dataset, if added { "added" } else { "there already" });
    }
    Ok(())
}

//! `syntrace forget` and `syntrace rename`

use super::CACHE_BYTES;
use crate::error::{Error, Result};
use crate::pipeline::{Forgetting, Forgotten, ingest_again, renamed};
use crate::record::JobKind;
use crate::store::{Store, StoreWriter};
use clap::Args;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Remove models, captures or datasets from a study, with all that was made of them
///
/// What depends on them is said first: models that were trained on them, attacks, synthetic traces and measures of those
/// models. The study is then written anew without them and takes the place of the old file, so nothing of them is left in
/// it; it needs free space of its size. Copies, exports and backups of the study are not touched.
#[derive(Debug, Args)]
pub(super) struct ForgetArgs {
    /// The study file
    study: PathBuf,
    /// A model by its id or name, `SELECT model_id, name FROM models`
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// A capture by its file name, id or digest
    #[arg(long = "capture", value_name = "CAPTURE")]
    captures: Vec<String>,
    /// A dataset, or one class of it
    #[arg(long = "dataset", value_name = "DATASET[/CLASS]")]
    datasets: Vec<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Say what would go, and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// Mend the name of a capture, a dataset or a class
///
/// A capture is another one from then on in every table, label and export, and the old name is not left in the file.
/// Names of datasets and classes are part of what their results are: their captures are cut anew under the new names, and
/// the old ones are forgotten with all that was made of them, after that was said.
#[derive(Debug, Args)]
pub(super) struct RenameArgs {
    /// The study file
    study: PathBuf,
    /// The name that a capture has
    #[arg(long, value_name = "NAME", required_unless_present = "dataset", conflicts_with = "dataset")]
    capture: Option<String>,
    /// The name that a dataset or a class has
    #[arg(long, value_name = "DATASET[/CLASS]")]
    dataset: Option<String>,
    /// The name that it gets
    #[arg(long = "to", value_name = "NAME")]
    to: String,
    /// Do not ask before models and results of a dataset are forgotten
    #[arg(long)]
    yes: bool,
}

pub(super) fn forget(args: &ForgetArgs) -> Result<ExitCode> {
    let dataset = |text: &String| {
        let (dataset, class) = split(text);
        Forgotten::Dataset(dataset.to_owned(), class.map(str::to_owned))
    };
    let asked: Vec<Forgotten> = args
        .models
        .iter()
        .cloned()
        .map(Forgotten::Model)
        .chain(args.captures.iter().cloned().map(Forgotten::Capture))
        .chain(args.datasets.iter().map(dataset))
        .collect();
    if asked.is_empty() {
        return Err(Error::user("expected something to forget, found nothing")
            .hint("--model NAME, --capture NAME or --dataset NAME"));
    }
    // Refuses what is no study before a writer would make one.
    drop(Store::open(&args.study, CACHE_BYTES)?);
    let mut store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    let forgetting = Forgetting::new(&store.snapshot()?, &asked)?;
    say_what_goes(&forgetting);
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && !confirmed()? {
        note!("nothing was changed");
        return Ok(ExitCode::from(1));
    }
    store.retain(forgetting.retained)?;
    note!("forgotten; `{}` was written anew without it", args.study.display());
    Ok(ExitCode::SUCCESS)
}

/// Names of one kind that are listed.
const LISTED: usize = 20;

fn say_what_goes(forgetting: &Forgetting) {
    note!("to be forgotten: {}", forgetting.asked.join(", "));
    for (noun, names) in [("capture", &forgetting.captures), ("model", &forgetting.models)] {
        for name in names.iter().take(LISTED) {
            note!("  {noun} {name}");
        }
        if names.len() > LISTED {
            note!("  and {} more {noun}s", names.len() - LISTED);
        }
    }
    let jobs: Vec<String> = forgetting.jobs.iter().map(|(kind, jobs)| format!("{jobs} {}", kind.name())).collect();
    if !jobs.is_empty() {
        note!("with all that these jobs made: {}", jobs.join(", "));
    }
}

fn confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::user("nothing was changed: stdin is not a terminal, so nobody can confirm")
            .hint("--yes forgets it without asking, --dry-run only shows what would be deleted"));
    }
    note!("this cannot be undone; type `yes` to forget it");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Error::user(format!("cannot read the answer: {error}")))?;
    Ok(line.trim() == "yes")
}

pub(super) fn rename(args: &RenameArgs) -> Result<ExitCode> {
    drop(Store::open(&args.study, CACHE_BYTES)?);
    let mut store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    match (&args.capture, &args.dataset) {
        (Some(from), _) => {
            let retained = renamed(&store.snapshot()?, from, &args.to)?;
            store.retain(retained)?;
            note!("`{from}` is `{}` from now on", args.to);
            Ok(ExitCode::SUCCESS)
        }
        (None, Some(from)) => rename_dataset(args, &mut store, from),
        (None, None) => Err(Error::user("expected --capture or --dataset, found neither")),
    }
}

fn rename_dataset(args: &RenameArgs, store: &mut StoreWriter, from: &str) -> Result<ExitCode> {
    let (dataset, class) = split(from);
    let (to_dataset, to_class) = split(&args.to);
    if class.is_some() != to_class.is_some() || to_dataset.is_empty() || to_class == Some("") || from == args.to {
        return Err(Error::user(format!("expected another name of the same kind, found `{from}` and `{}`", args.to))
            .hint("DATASET and DATASET, or DATASET/CLASS and DATASET/CLASS"));
    }
    let asked = [Forgotten::Dataset(dataset.to_owned(), class.map(str::to_owned))];
    let snapshot = store.snapshot()?;
    let forgetting = Forgetting::new(&snapshot, &asked)?;
    let classes = snapshot.classes()?.into_iter();
    let classes = classes.filter(|one| one.dataset == dataset && class.is_none_or(|class| one.class == class));
    let renamed: Vec<_> = classes
        .map(|one| {
            let class = to_class.map_or_else(|| one.class.clone(), str::to_owned);
            (one, to_dataset.to_owned(), class)
        })
        .collect();
    if forgetting.jobs.keys().any(|kind| !matches!(kind, JobKind::Ingest | JobKind::Simulate)) {
        say_what_goes(&forgetting);
        if !args.yes && !confirmed()? {
            note!("nothing was changed");
            return Ok(ExitCode::from(1));
        }
    }
    let folder = args.study.parent().filter(|folder| !folder.as_os_str().is_empty());
    let cut = ingest_again(store, &renamed, folder.unwrap_or(Path::new(".")))?;
    // Anew: the captures have other classes by now.
    let forgetting = Forgetting::new(&store.snapshot()?, &asked)?;
    store.retain(forgetting.retained)?;
    note!("`{from}` is `{}` from now on: {cut} captures were cut anew", args.to);
    Ok(ExitCode::SUCCESS)
}

/// Dataset and class of `DATASET[/CLASS]`.
fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once('/').map_or((text, None), |(dataset, class)| (dataset, Some(class)))
}

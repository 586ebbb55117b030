//! `syntrace base`

use super::CACHE_BYTES;
#[cfg(feature = "torch")]
use super::{
    atomic_file::{Beside, Existing},
    progress_bars::Bar,
};
use crate::error::{Error, Result, io_error};
use crate::model::shipped::{BaseManifest, shipped_bases};
use crate::pipeline::{bases_of, import_base};
use crate::store::{Store, StoreWriter};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Public bases: networks that generators under DP start from
#[derive(Debug, Args)]
pub(super) struct BaseArgs {
    #[command(subcommand)]
    verb: BaseVerb,
}

#[derive(Debug, Subcommand)]
enum BaseVerb {
    List(ListArgs),
    Train(TrainArgs),
    Import(ImportArgs),
}

/// The bases of the program, and those of a study
#[derive(Debug, Args)]
struct ListArgs {
    /// The study file
    study: Option<PathBuf>,
}

/// Train bases by their recipes ([base.NAME] tables) into DIR/NAME.safetensors and DIR/NAME.json
#[derive(Debug, Args)]
struct TrainArgs {
    /// Recipes; studies/bases.toml has those of the program
    recipes: PathBuf,
    /// Only these
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Study that holds the datasets of the recipes
    #[arg(long)]
    study: Option<PathBuf>,
    /// Folder of the files
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Bring a trained base into a study, to be named by its digest (`private.base`)
#[derive(Debug, Args)]
struct ImportArgs {
    /// The study file
    study: PathBuf,
    /// Weights; their manifest lies beside them as NAME.json
    weights: PathBuf,
}

impl BaseArgs {
    /// Does it train?
    pub(super) fn trains(&self) -> bool {
        matches!(self.verb, BaseVerb::Train(_))
    }
}

pub(super) fn base(args: &BaseArgs) -> Result<ExitCode> {
    match &args.verb {
        BaseVerb::List(args) => list(args),
        BaseVerb::Import(args) => import(args),
        BaseVerb::Train(_) => Err(Error::internal("a base is trained by the program that is linked to libtorch")),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Trains the requested bases. A binary that references this function links libtorch.
pub(super) fn train(args: &BaseArgs) -> Result<ExitCode> {
    if let BaseVerb::Train(args) = &args.verb {
        train_recipes(args)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs) -> Result<()> {
    for base in shipped_bases()? {
        let BaseManifest { family, blake3, parameters, traffic, date, .. } = &base.manifest;
        say!("{blake3}  {family}  {parameters} parameters, public, of the program ({date}): {traffic}");
    }
    let Some(study) = &args.study else { return Ok(()) };
    for base in bases_of(&Store::open(study, CACHE_BYTES)?.snapshot()?)? {
        let sight = if base.saw_private { "saw private traces" } else { "public" };
        say!(
            "{}  {}  {} parameters, {sight}, of the study: {}",
            base.blake3,
            base.family,
            base.parameters,
            base.traffic
        );
    }
    Ok(())
}

fn import(args: &ImportArgs) -> Result<()> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| io_error("read the base", path, &error));
    let weights = read(&args.weights)?;
    let beside = args.weights.with_extension("json");
    let text = String::from_utf8_lossy(&read(&beside)?).into_owned();
    let manifest = BaseManifest::read(&text, &weights)?;
    let store = StoreWriter::open_or_create(&args.study, CACHE_BYTES)?;
    let added = import_base(&store, &manifest, weights);
    store.remove_if_unused()?;
    note!("{} {}: {}", manifest.family, manifest.blake3, if added? { "added" } else { "there already" });
    Ok(())
}

#[cfg(feature = "torch")]
fn train_recipes(args: &TrainArgs) -> Result<()> {
    let mut recipes = crate::spec::read_bases(&args.recipes)?;
    if let Some(name) = args.names.iter().find(|name| !recipes.iter().any(|recipe| recipe.name == **name)) {
        let known: Vec<&str> = recipes.iter().map(|recipe| recipe.name.as_str()).collect();
        return Err(Error::user(format!("no recipe is called `{name}`: expected one of {}", known.join(", "))));
    }
    recipes.retain(|recipe| args.names.is_empty() || args.names.contains(&recipe.name));
    let study = args.study.as_ref().map(|path| Store::open(path, CACHE_BYTES)?.snapshot()).transpose()?;
    std::fs::create_dir_all(&args.out).map_err(|error| io_error("make the folder", &args.out, &error))?;
    for recipe in &recipes {
        let (weights, manifest) = crate::pipeline::train_recipe(recipe, study.as_ref(), &Bar::alone())?;
        let path = args.out.join(format!("{}.safetensors", recipe.name));
        Beside::write_whole(&path, Existing::Replace, &weights)?;
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| Error::internal(format!("the manifest of a base: {error}")))?;
        Beside::write_whole(&path.with_extension("json"), Existing::Replace, format!("{text}\n").as_bytes())?;
        say!("{}  {}", manifest.blake3, path.display());
    }
    Ok(())
}

#[cfg(not(feature = "torch"))]
fn train_recipes(_args: &TrainArgs) -> Result<()> {
    Err(Error::user("training needs libtorch, and this syntrace was built without it")
        .hint("build with the feature `torch` (the default; `make build` fetches libtorch)"))
}

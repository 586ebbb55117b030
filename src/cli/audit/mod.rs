//! `syntrace audit`

mod gather;
mod page;

use super::sql::Asker;
use crate::audit::{Check, Evidence, Family, Policy, Verdict, judge, verdict};
use crate::error::{Error, Result};
use crate::spec::{closest, read_policy};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// May a model's output leave the house? A verdict for each target, with reasons
///
/// Guarantee, evidence against it, attacks, and what of real traces stands in the synthetic ones, against the limits of a
/// policy. Exit code 0: all models pass; 1: one fails; 4: none fails, and of one there is not enough evidence.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The study file
    study: PathBuf,
    /// Target model, by name (`netssm os/mac eps4 target`, or a part of it) or id; all by default
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// TOML file with limits; what it leaves out is as in studies/policy.toml, which is built in
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Every check with its numbers below the table
    #[arg(long)]
    all: bool,
    /// Output: a table to read, or one JSON object with every check
    #[arg(long, value_enum, default_value_t)]
    format: AuditFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum AuditFormat {
    #[default]
    Table,
    Json,
}

const MEMORY_MIB: usize = 1024;

/// A target model with its checks.
struct Judged {
    model_id: i64,
    evidence: Evidence,
    checks: Vec<Check>,
    verdict: Verdict,
}

/// All that a page says.
struct Audit {
    policy: Policy,
    /// The policy in words.
    policy_name: String,
    family: Family,
    models: Vec<Judged>,
}

impl Audit {
    /// The worst of all models.
    fn verdict(&self) -> Verdict {
        self.models.iter().map(|model| model.verdict).min().unwrap_or(Verdict::NotEnough)
    }
}

pub(super) fn audit(args: &AuditArgs) -> Result<ExitCode> {
    let policy = read_policy(args.policy.as_deref())?;
    let policy_name = args
        .policy
        .as_ref()
        .map_or("the built-in policy (studies/policy.toml)".to_owned(), |path| format!("`{}`", path.display()));
    let asker = Asker::open(&args.study, MEMORY_MIB, None)?;
    let targets = gather::targets(&asker)?;
    let evidence: Vec<Evidence> = targets.iter().map(|(_, evidence)| evidence.clone()).collect();
    // What is not shown was tried as well.
    let family = Family::of(&evidence, &policy);
    let judged = |(model_id, evidence): (i64, Evidence)| {
        let checks = judge(&evidence, &policy, &family);
        Judged { model_id, evidence, verdict: verdict(&checks), checks }
    };
    let models = chosen(&args.model, targets)?.into_iter().map(judged).collect();
    let audit = Audit { policy_name, family, models, policy: policy.clone() };
    match args.format {
        AuditFormat::Table => page::print(&audit, args.all)?,
        AuditFormat::Json => say!("{}", page::json(&audit)),
    }
    Ok(ExitCode::from(match audit.verdict() {
        Verdict::Pass => 0,
        Verdict::Fail => 1,
        Verdict::NotEnough => 4,
    }))
}

/// The models that the arguments name: by id, by name, else by a part of the name.
fn chosen(wanted: &[String], models: Vec<(i64, Evidence)>) -> Result<Vec<(i64, Evidence)>> {
    if wanted.is_empty() {
        return Ok(models);
    }
    let mut taken = vec![false; models.len()];
    for name in wanted {
        let by = |test: &dyn Fn(&(i64, Evidence)) -> bool| -> Vec<usize> {
            (0..models.len()).filter(|&index| models.get(index).is_some_and(test)).collect()
        };
        let mut found = by(&|model| model.0.to_string() == *name || model.1.name == *name);
        if found.is_empty() {
            found = by(&|model| model.1.name.contains(name.as_str()));
        }
        if found.is_empty() {
            let known: Vec<&str> = models.iter().map(|model| model.1.name.as_str()).collect();
            let near = closest(name, &known).map(|near| format!("did you mean `{near}`?"));
            return Err(Error::user(format!("the study has no target model `{name}`"))
                .hint(near.unwrap_or_else(|| format!("it has: {}", known.join(", ")))));
        }
        for index in found {
            if let Some(taken) = taken.get_mut(index) {
                *taken = true;
            }
        }
    }
    Ok(models.into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(model, _)| model).collect())
}

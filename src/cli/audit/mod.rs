//! `syntrace audit`

mod gather;
mod page;

use super::query_session::Asker;
use crate::audit::{Check, Evidence, Family, Policy, Verdict, judge, verdict};
use crate::error::{Error, Result};
use crate::spec::read_policy;
use clap::{Args, ValueEnum};
use gather::{Found, Target};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// May a model's output leave the house? A verdict for each target, with reasons
///
/// Guarantee, evidence against it, attacks, and what of real traces stands in the synthetic ones, against the limits of a
/// policy. Exit code 0: all models pass; 1: one fails; 4: none fails, and of one there is not enough evidence. Judged are the
/// models of the newest plan (the spec that was run last) and imported ones.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The study file
    study: PathBuf,
    /// Target model, by name (`netssm os/mac eps4 target`, or a part of it) or id; all by default
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Plan whose models are judged, by name or a part that no other plan's name has (table `plans`); `all` for those of every plan and of none
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
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
    plan: Option<String>,
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
    /// Target models of other plans, which are not judged.
    elsewhere: usize,
    /// Results on the models of the plan that newer ones replaced, which do not count.
    replaced: u64,
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
    let found = gather::targets(&asker)?;
    let replaced_anywhere = found.targets.iter().map(|target| target.replaced).sum();
    // What is not shown was tried as well.
    let family = Family::of(found.targets.iter().map(|target| &target.evidence), replaced_anywhere, &policy);
    let (targets, elsewhere) = of_plan(args.plan.as_deref(), found)?;
    let replaced = targets.iter().map(|target| target.replaced).sum();
    let judged = |Target { model_id, plan, evidence, .. }: Target| {
        let checks = judge(&evidence, &policy, &family);
        Judged { model_id, plan, evidence, verdict: verdict(&checks), checks }
    };
    let models = chosen(&args.model, targets)?.into_iter().map(judged).collect();
    let audit = Audit { policy_name, family, models, policy: policy.clone(), elsewhere, replaced };
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

/// The targets of a plan and the imported ones, and how many others there are. By default the newest plan; all targets
/// where none is recorded.
fn of_plan(wanted: Option<&str>, found: Found) -> Result<(Vec<Target>, usize)> {
    let plans: BTreeSet<String> = found.targets.iter().filter_map(|target| target.plan.clone()).collect();
    let chosen: Vec<&String> = match wanted {
        Some("all") => Vec::new(),
        None => found.newest.iter().collect(),
        Some(name) => {
            // Whole, without the id's digits, or in part.
            let tests: [&dyn Fn(&String) -> bool; 3] =
                [&|plan| plan == name, &|plan| plan.rsplit_once(' ').is_some_and(|(spec, _)| spec == name), &|plan| {
                    plan.contains(name)
                }];
            let found = tests.iter().map(|test| plans.iter().filter(|plan| test(plan)).collect::<Vec<_>>());
            let named = found.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
            if named.len() > 1 {
                let several: Vec<&str> = named.iter().map(|plan| plan.as_str()).collect();
                return Err(Error::user(format!("`{name}` is a part of the names of {} plans", several.len()))
                    .hint(format!("name one of: {}; `all` judges the models of every plan", several.join(", "))));
            }
            if named.is_empty() {
                let known: Vec<&str> = plans.iter().map(String::as_str).collect();
                return Err(Error::user(format!("no target model is of a plan `{name}`"))
                    .hint(format!("there are: {}; `all` judges the models of every plan", known.join(", "))));
            }
            named
        }
    };
    let all = chosen.is_empty();
    let is_judged =
        |target: &Target| all || target.plan.as_ref().map_or(target.imported, |plan| chosen.contains(&plan));
    let (judged, others): (Vec<Target>, Vec<Target>) = found.targets.into_iter().partition(is_judged);
    if judged.is_empty() {
        let plan = found.newest.unwrap_or_default();
        return Err(Error::user(format!("the newest plan `{plan}` has no target model yet"))
            .hint("`syntrace run STUDY SPEC` trains them; `--plan all` judges those of other plans"));
    }
    Ok((judged, others.len()))
}

/// The models that the arguments name: by id, by name, else by a part of the name.
fn chosen(wanted: &[String], models: Vec<Target>) -> Result<Vec<Target>> {
    if wanted.is_empty() {
        return Ok(models);
    }
    let mut taken = vec![false; models.len()];
    for name in wanted {
        let by = |test: &dyn Fn(&Target) -> bool| -> Vec<usize> {
            (0..models.len()).filter(|&index| models.get(index).is_some_and(test)).collect()
        };
        let mut found = by(&|model| model.model_id.to_string() == *name || model.evidence.name == *name);
        if found.is_empty() {
            found = by(&|model| model.evidence.name.contains(name.as_str()));
        }
        if found.is_empty() {
            let known: Vec<&str> = models.iter().map(|model| model.evidence.name.as_str()).collect();
            let error = Error::user(format!("the audited plan has no target model `{name}`"));
            return Err(error.hint_near(name, &known, format!("it has: {}", known.join(", "))));
        }
        for index in found {
            if let Some(taken) = taken.get_mut(index) {
                *taken = true;
            }
        }
    }
    Ok(models.into_iter().zip(taken).filter(|(_, taken)| *taken).map(|(model, _)| model).collect())
}

//! `syntrace audit`

use super::sql::Asker;
use crate::audit::{AttackEvidence, Check, EmpiricalEvidence, Evidence, LeakEvidence, Limits, Verdict, judge};
use crate::error::{Error, Result};
use crate::query::{Parameters, RecordBatch};
use crate::spec::{Spec, closest};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// May a model's output leave the house? A page of checks with reasons; exit code 1 if one fails
///
/// Guarantee, empirical lower bounds on epsilon, attacks, and what of the training traces stands in the
/// synthetic ones, against the limits of the spec's table [audit] or the defaults.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The study file
    study: PathBuf,
    /// Target model, by name (`netssm os/mac eps4 target`, or a part of it) or id; all by default
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// TOML file with the limits in its table [audit]
    #[arg(long, value_name = "SPEC")]
    spec: Option<PathBuf>,
}

const MEMORY_MIB: usize = 1024;

const MODELS: &str = "SELECT model_id, name, regime, guarantee, epsilon_end_to_end FROM models \
     WHERE role = 'target' ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST";

const ATTACKS: &str = "SELECT concat(attack, ' on ', attribute) AS name, auc, auc_low, auc_high, tpr_at_1pct_fpr \
     FROM attacks WHERE evaluated_on = 'target' AND auc IS NOT NULL AND model_id = ";

const EMPIRICAL: &str = "SELECT concat('attack ', attack) AS method, epsilon_empirical AS epsilon, \
     epsilon_provable AS provable FROM privacy_audit WHERE epsilon_empirical IS NOT NULL AND model_id = ";

const ONE_RUN: &str = "SELECT concat('one-run audit of ', canaries, ' canaries') AS method, \
     one_run_epsilon AS epsilon, one_run_provable AS provable \
     FROM privacy_audit WHERE one_run_epsilon IS NOT NULL AND model_id = ";

const LEAKS: &str = "SELECT measure, kind, value, control, hits, n, p_value FROM leaks WHERE model_id = ";

pub(super) fn audit(args: &AuditArgs) -> Result<ExitCode> {
    let limits = match &args.spec {
        Some(path) => Spec::read(path)?.audit.limits,
        None => Limits::default(),
    };
    let asker = Asker::open(&args.study, MEMORY_MIB, None)?;
    let mut failed = 0;
    let models = chosen(&args.model, models(&asker)?)?;
    for (model_id, model) in &models {
        let checks = judge(&evidence(&asker, *model_id, model)?, &limits);
        print_page(&model.name, &checks);
        failed += usize::from(checks.iter().any(|check| check.verdict == Verdict::Fail));
    }
    note!("{} of {} models pass", models.len() - failed, models.len());
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn print_page(name: &str, checks: &[Check]) {
    say!("{name}");
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        say!("  {}  {:width$}  {}", check.verdict.name(), check.name, check.reason);
    }
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail).count();
    let verdict = if failed == 0 { "pass".to_owned() } else { format!("FAIL: {failed} of {} checks", checks.len()) };
    say!("  {verdict}\n");
}

/// Target models with what their record says.
fn models(asker: &Asker) -> Result<Vec<(i64, Evidence)>> {
    let mut models = Vec::new();
    for row in rows(asker, MODELS)? {
        let evidence = Evidence {
            name: row.text("name")?,
            private: row.text("regime")? == "dp",
            epsilon_end_to_end: row.number("epsilon_end_to_end")?,
            guarantee: row.text("guarantee")?,
            ..Evidence::default()
        };
        models.push((row.integer("model_id")?, evidence));
    }
    if models.is_empty() {
        return Err(Error::user("the study has no target models").hint("`syntrace run STUDY SPEC` trains them"));
    }
    Ok(models)
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

/// Everything that the study measured on a model.
fn evidence(asker: &Asker, model_id: i64, model: &Evidence) -> Result<Evidence> {
    let mut evidence = model.clone();
    for row in rows(asker, &format!("{ATTACKS}{model_id}"))? {
        let number = |name| Ok::<f64, Error>(row.number(name)?.unwrap_or(f64::NAN));
        evidence.attacks.push(AttackEvidence {
            name: row.text("name")?,
            auc: (number("auc")?, number("auc_low")?, number("auc_high")?),
            tpr_at_1pct_fpr: row.number("tpr_at_1pct_fpr")?.unwrap_or(0.0),
        });
    }
    for sql in [EMPIRICAL, ONE_RUN] {
        for row in rows(asker, &format!("{sql}{model_id}"))? {
            evidence.empirical.push(EmpiricalEvidence {
                method: row.text("method")?,
                epsilon: row.number("epsilon")?.unwrap_or(0.0),
                provable: row.number("provable")?.unwrap_or(0.0),
            });
        }
    }
    for row in rows(asker, &format!("{LEAKS}{model_id}"))? {
        evidence.leaks.push(LeakEvidence {
            measure: row.text("measure")?,
            kind: row.text("kind")?,
            value: row.number("value")?,
            control: row.number("control")?,
            hits: row.integer("hits")?,
            n: row.integer("n")?,
            p_value: row.number("p_value")?.unwrap_or(1.0),
        });
    }
    Ok(evidence)
}

/// All rows of an answer.
fn rows(asker: &Asker, sql: &str) -> Result<Vec<Row>> {
    let batches = asker.ask(sql, &Parameters::new())?.collect_batches()?;
    Ok(batches
        .into_iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| Row { batch: batch.clone(), row }))
        .collect())
}

/// One row; its batch's columns are shared, not copied.
struct Row {
    batch: RecordBatch,
    row: usize,
}

impl Row {
    fn text(&self, name: &str) -> Result<String> {
        let column = self.column(name, &DataType::Utf8)?;
        Ok(column.as_string::<i32>().value(self.row).to_owned())
    }

    fn integer(&self, name: &str) -> Result<i64> {
        let column = self.column(name, &DataType::Int64)?;
        Ok(column.as_primitive::<Int64Type>().value(self.row))
    }

    fn number(&self, name: &str) -> Result<Option<f64>> {
        let column = self.column(name, &DataType::Float64)?;
        Ok((!column.is_null(self.row)).then(|| column.as_primitive::<Float64Type>().value(self.row)))
    }

    fn column(&self, name: &str, kind: &DataType) -> Result<ArrayRef> {
        let column = self.batch.column_by_name(name).filter(|column| self.row < column.len());
        let column = column.ok_or_else(|| Error::internal(format!("an audit's query gave no column `{name}`")))?;
        cast(column, kind).map_err(|error| Error::internal(format!("column `{name}` of an audit's query: {error}")))
    }
}

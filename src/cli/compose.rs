//! `syntrace privacy compose`

use super::format_epsilon::{number, number_json, shown};
use super::query_session::Asker;
use crate::base::Delta;
use crate::error::{Error, Result};
use crate::pipeline::{ReleaseGroup, release};
use crate::privacy::NONE_BY_DELTA;
use crate::query::Parameters;
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

const MEMORY_MIB: usize = 256;

/// The epsilon of several models together: each that is released spends on its own
///
/// For a trace that all of them were trained on. Without names, all targets of each split; named models are
/// composed by class, whatever their splits, because splits of a class may share traces. A part without a
/// guarantee, or with a conditional one, makes that of the whole.
#[derive(Debug, Args)]
pub(super) struct ComposeArgs {
    /// The study file
    study: PathBuf,
    /// Models that are released: by id, by name, or a part of a target's name
    #[arg(long, value_name = "MODEL", num_args = 1..)]
    models: Vec<String>,
    /// Delta of the answer; the smallest of the models' by default
    #[arg(long)]
    delta: Option<f64>,
    /// One JSON array, an object for each group
    #[arg(long)]
    json: bool,
}

pub(super) fn compose(args: &ComposeArgs) -> Result<()> {
    let delta = args.delta.map(Delta::new).transpose()?;
    let asker = Asker::open(&args.study, MEMORY_MIB, None)?;
    let groups = release(&asker.snapshot()?, &args.models, delta)?;
    let plans = plans(&asker)?;
    if args.json {
        say!("{}", Value::from(groups.iter().map(|group| as_json(group, &plans)).collect::<Vec<_>>()));
    } else {
        groups.iter().for_each(|group| print(group, &plans));
    }
    if args.models.is_empty() {
        note_splits(&groups);
    }
    Ok(())
}

/// The newest plan of each model; those that were imported have none.
fn plans(asker: &Asker) -> Result<HashMap<i64, String>> {
    let mut plans = HashMap::new();
    let sql = "SELECT model_id, CAST(plan AS TEXT) AS plan FROM models WHERE plan IS NOT NULL";
    for batch in asker.ask(sql, &Parameters::new())? {
        let batch = batch?;
        let column = |at: usize, kind: &DataType| {
            cast(batch.column(at), kind).map_err(|error| Error::internal(error.to_string()))
        };
        let (ids, names) = (column(0, &DataType::Int64)?, column(1, &DataType::Utf8)?);
        let rows = ids.as_primitive::<Int64Type>().values().iter().zip(names.as_string::<i32>());
        plans.extend(rows.filter_map(|(id, plan)| Some((*id, plan?.to_owned()))));
    }
    Ok(plans)
}

fn print(group: &ReleaseGroup, plans: &HashMap<i64, String>) {
    let splits: Vec<String> = group.splits.iter().map(|split| split.to_string()).collect();
    say!(
        "{}, split {}: a {} may be in all {} models",
        group.classes.join(", "),
        splits.join(", "),
        group.unit.name(),
        group.models.len()
    );
    for model in &group.models {
        let spent =
            model.epsilon_spent.map_or("nothing is accounted".to_owned(), |spent| format!("epsilon {}", number(spent)));
        let plan = plans.get(&model.model_id.0).map(|plan| format!(", plan {plan}")).unwrap_or_default();
        say!("  {}: {}, {spent}{plan}", model.name, model.guarantee);
    }
    let joint = &group.joint;
    let at = joint.delta.map(|delta| format!(" at delta {delta}")).unwrap_or_default();
    for (accountant, epsilon) in [("pld", &joint.epsilon.pld), ("rdp", &joint.epsilon.rdp)] {
        if let Some(epsilon) = shown(epsilon) {
            say!("  together by {accountant}: epsilon {}{at}", number(*epsilon));
        }
    }
    let (unit, neighbours) = (group.unit.name(), group.unit.neighbours());
    say!("  guarantee {}; unit: {unit}; neighbours: {neighbours}{}", joint.guarantee, meaning(joint.guarantee));
}

/// What a guarantee that is not end-to-end makes of the numbers above it.
fn meaning(guarantee: &str) -> &'static str {
    match guarantee {
        "end-to-end" => "",
        "conditional" => {
            "\n  end to end nothing is promised: a part holds only given weights or choices that saw the same traces, or has noise \
             that can be made again"
        }
        NONE_BY_DELTA => {
            "\n  nothing is promised: delta is 1/members or more, which whoever publishes a member whole keeps to"
        }
        _ => "\n  nothing is promised: a part has no guarantee",
    }
}

fn as_json(group: &ReleaseGroup, plans: &HashMap<i64, String>) -> Value {
    let joint = &group.joint;
    let number = |epsilon: &Result<f64>| shown(epsilon).map_or(Value::Null, |epsilon| number_json(*epsilon));
    let models = group.models.iter().map(|model| {
        json!({
            "name": model.name,
            "plan": plans.get(&model.model_id.0),
            "guarantee": model.guarantee,
            "epsilon_spent": model.epsilon_spent.map(number_json),
        })
    });
    json!({
        "classes": group.classes,
        "splits": group.splits.iter().map(|split| split.0.to_string()).collect::<Vec<_>>(),
        "models": models.collect::<Vec<_>>(),
        "guarantee": joint.guarantee,
        "pld": number(&joint.epsilon.pld),
        "rdp": number(&joint.epsilon.rdp),
        "delta": joint.delta,
        "unit": group.unit.name(),
        "neighbours": group.unit.neighbours(),
    })
}

/// Splits of one class may share traces, and then a trace is in the models of both.
fn note_splits(groups: &[ReleaseGroup]) {
    let mut splits: BTreeMap<&str, usize> = BTreeMap::new();
    for group in groups {
        group.classes.iter().for_each(|class| *splits.entry(class).or_default() += 1);
    }
    for (class, count) in splits.into_iter().filter(|(_, count)| *count > 1) {
        note!(
            "note: targets of `{class}` have {count} splits, which may share traces: `--models` composes models across them"
        );
    }
}

//! `syntrace privacy compose`

use super::CACHE_BYTES;
use super::number::{number, number_json, shown};
use crate::base::Delta;
use crate::error::Result;
use crate::pipeline::{ReleaseGroup, release};
use crate::privacy::{NEIGHBOURS, NONE_BY_DELTA};
use crate::store::Store;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    let snapshot = Store::open(&args.study, CACHE_BYTES)?.snapshot()?;
    let groups = release(&snapshot, &args.models, delta)?;
    if args.json {
        say!("{}", Value::from(groups.iter().map(as_json).collect::<Vec<_>>()));
    } else {
        groups.iter().for_each(print);
    }
    if args.models.is_empty() {
        note_splits(&groups);
    }
    Ok(())
}

fn print(group: &ReleaseGroup) {
    let splits: Vec<String> = group.splits.iter().map(|split| split.to_string()).collect();
    say!(
        "{}, split {}: a trace may be in all {} models",
        group.classes.join(", "),
        splits.join(", "),
        group.models.len()
    );
    for (name, guarantee, spent) in &group.models {
        let spent = spent.map_or("nothing is accounted".to_owned(), |spent| format!("epsilon {}", number(spent)));
        say!("  {name}: {guarantee}, {spent}");
    }
    let joint = &group.joint;
    let at = joint.delta.map(|delta| format!(" at delta {delta}")).unwrap_or_default();
    for (accountant, epsilon) in [("pld", &joint.epsilon.pld), ("rdp", &joint.epsilon.rdp)] {
        if let Some(epsilon) = shown(epsilon) {
            say!("  together by {accountant}: epsilon {}{at}", number(*epsilon));
        }
    }
    say!("  guarantee {}; unit: trace; neighbours: {NEIGHBOURS}{}", joint.guarantee, meaning(joint.guarantee));
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

fn as_json(group: &ReleaseGroup) -> Value {
    let joint = &group.joint;
    let number = |epsilon: &Result<f64>| shown(epsilon).map_or(Value::Null, |epsilon| number_json(*epsilon));
    let models = group.models.iter().map(|(name, guarantee, spent)| {
        json!({ "name": name, "guarantee": guarantee, "epsilon_spent": spent.map(number_json) })
    });
    json!({
        "classes": group.classes,
        "splits": group.splits.iter().map(|split| split.0).collect::<Vec<_>>(),
        "models": models.collect::<Vec<_>>(),
        "guarantee": joint.guarantee,
        "pld": number(&joint.epsilon.pld),
        "rdp": number(&joint.epsilon.rdp),
        "delta": joint.delta,
        "unit": "trace",
        "neighbours": NEIGHBOURS,
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

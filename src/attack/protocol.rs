//! The paper's evaluation of an attack: learn on a share of the shadows' attributes, evaluate on the
//! rest and on the target.

use super::kind::{Attack, AttackKind};
use super::shuffle::shuffle;
use super::table::AttributeTable;
use crate::base::{ModelId, Seed, TraceId};
use crate::error::{Error, Result};

/// Share of the shadows' attributes that an attack learns from, in tenths (paper, section 3.3.3: 70:30).
/// The rows are shuffled as a whole: the paper names a ratio and no strata.
pub const SHADOW_TRAIN_SHARE: usize = 7;

/// Scores of one evaluated side, sorted by (model, trace).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SideScores {
    /// Trace of each score.
    pub trace: Vec<TraceId>,
    /// Model whose attribute was attacked.
    pub model: Vec<ModelId>,
    /// Was the trace in that model's training set?
    pub member: Vec<bool>,
    /// Higher = more likely a member.
    pub score: Vec<f32>,
}

/// What an attack achieved.
#[derive(Debug, Clone, PartialEq)]
pub struct AttackOutcome {
    /// The shadow rows that the attack did not learn from.
    pub shadow_test: SideScores,
    /// The target's own members and held-out traces.
    pub target: SideScores,
    /// Guess member where the score is at least this.
    pub threshold: f32,
    /// Shadow rows that the attack learnt from.
    pub trained_on: usize,
}

/// Runs an attack with the options of its preset; see [`run_attack`].
pub fn run(kind: AttackKind, shadows: &AttributeTable, target: &AttributeTable, seed: Seed) -> Result<AttackOutcome> {
    run_attack(kind.attack().as_ref(), shadows, target, seed)
}

/// Splits the shadows' rows 70:30 by `seed`, learns on the 70 and scores the 30 and the target.
///
/// Errors (the user's): empty tables, numbers that are not finite, another attribute width on the
/// target, a model on both sides, a training share without members or held-out traces.
pub fn run_attack(
    attack: &dyn Attack,
    shadows: &AttributeTable,
    target: &AttributeTable,
    seed: Seed,
) -> Result<AttackOutcome> {
    shadows.check("shadow")?;
    target.check("target")?;
    check_match(shadows, target)?;
    let mut rows = shadows.ordered_rows();
    shuffle(&mut rows, &mut seed.named("attack-split").rng());
    let cut = rows.len() * SHADOW_TRAIN_SHARE / 10;
    let (train, test) = rows.split_at_checked(cut).unwrap_or((&rows, &[]));
    let what = format!("the share of the shadows that attack `{}` learns from", attack.name());
    shadows.check_both_sides(train, &what)?;
    let fitted = attack.fit(shadows, train, seed.named("attack-fit"))?;
    let mut test = test.to_vec();
    test.sort_unstable_by_key(|&row| (shadows.models.get(row), shadows.traces.get(row)));
    let side = |table: &AttributeTable, rows: &[usize]| -> Result<SideScores> {
        Ok(SideScores {
            trace: rows.iter().filter_map(|&row| table.traces.get(row).copied()).collect(),
            model: rows.iter().filter_map(|&row| table.models.get(row).copied()).collect(),
            member: table.labels(rows),
            score: fitted.score(table, rows)?,
        })
    };
    Ok(AttackOutcome {
        shadow_test: side(shadows, &test)?,
        target: side(target, &target.ordered_rows())?,
        threshold: fitted.threshold(),
        trained_on: cut,
    })
}

fn check_match(shadows: &AttributeTable, target: &AttributeTable) -> Result<()> {
    if shadows.width != target.width {
        return Err(Error::user(format!(
            "expected attributes of one width, found `{}` values for the shadows and `{}` for the target",
            shadows.width, target.width
        ))
        .hint("record both with the same generator preset and attribute kind"));
    }
    let mut models = shadows.models.clone();
    models.sort_unstable();
    match target.models.iter().find(|model| models.binary_search(model).is_ok()) {
        None => Ok(()),
        Some(model) => Err(Error::user(format!(
            "expected the target's model apart from the shadows, found model `{model}` on both sides"
        ))
        .hint("an attack must not learn from the model that it is evaluated on")),
    }
}

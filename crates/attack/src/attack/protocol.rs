//! The paper's evaluation protocol of an attack: train on a share of the shadows' attributes, evaluate on the
//! rest and on the target.

use super::kind::AttackKind;
use super::learner::{Attack, FittedAttack, TrainingSet};
use super::median_centering::ModelMedians;
use super::shuffle::shuffle;
use super::table::AttributeTable;
use syntrace_base::base::{ModelId, Seed, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::WithoutZero;

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
    /// Did the attack's solver converge? See [`FittedAttack::converged`].
    pub converged: Option<bool>,
}

/// Input of an attack on a model.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Attributes of the shadows on their own members and held-out traces.
    pub shadows: &'a AttributeTable,
    /// Attributes of the target on its own members and held-out traces.
    pub target: &'a AttributeTable,
    /// Attributes of models on traces outside their own splits; may be empty.
    pub references: &'a AttributeTable,
    /// Which of these values are defined only up to a per-model constant.
    pub without_zero: WithoutZero,
}

/// Runs an attack that needs no references with the options of its preset; see [`run_attack`].
pub fn run(kind: AttackKind, shadows: &AttributeTable, target: &AttributeTable, seed: Seed) -> Result<AttackOutcome> {
    let references = &AttributeTable::default();
    let evidence = Evidence { shadows, target, references, without_zero: WithoutZero::default() };
    run_attack(kind.attack().as_ref(), &evidence, seed)
}

/// Checks the evidence, and subtracts each model's median from values that are defined only up to a constant.
fn settled<T>(
    attack: &dyn Attack,
    evidence: &Evidence<'_>,
    with: impl FnOnce(&Evidence<'_>) -> Result<T>,
) -> Result<T> {
    let Evidence { shadows, target, references, without_zero } = *evidence;
    if shadows.rows() > 0 {
        shadows.check("shadow")?;
        check_match(shadows, target)?;
    }
    target.check("target")?;
    if references.rows() > 0 {
        references.check("reference")?;
    }
    if without_zero.is_none() {
        return with(evidence);
    }
    if attack.refuses(without_zero) {
        return Err(Error::user(format!(
            "attack `{}` needs probabilities; this attribute is defined only up to a per-model constant",
            attack.kind()
        ))
        .hint("use `threshold` or `lira`, which a constant added to all scores of a model does not change"));
    }
    let medians = ModelMedians::of(&[shadows, target], without_zero);
    let (shadows, target) = (medians.subtract_from(shadows)?, medians.subtract_from(target)?);
    let references = medians.subtract_from(references)?;
    let without_zero = WithoutZero::default();
    with(&Evidence { shadows: &shadows, target: &target, references: &references, without_zero })
}

/// Splits the shadows' rows 70:30 by `seed`, trains on the 70 and scores the 30 and the target. Each model's median is
/// subtracted first from values that are defined only up to a constant. Without shadows
/// ([`Attack::without_shadows`]) it scores the target alone.
///
/// Errors (the user's): no shadows for an attack that learns, an empty target, numbers that are not finite, another attribute width on the
/// target, a model on both sides, a training share without members or held-out traces, missing
/// references, values defined only up to a constant for an attack that needs probabilities.
pub fn run_attack(attack: &dyn Attack, evidence: &Evidence<'_>, seed: Seed) -> Result<AttackOutcome> {
    settled(attack, evidence, |evidence| run_settled(attack, evidence, seed))
}

fn run_settled(attack: &dyn Attack, evidence: &Evidence<'_>, seed: Seed) -> Result<AttackOutcome> {
    let Evidence { shadows, target, references, .. } = *evidence;
    if shadows.rows() == 0 {
        return untaught(attack, target);
    }
    let mut rows = shadows.ordered_rows();
    shuffle(&mut rows, &mut seed.named("attack-split").rng());
    let cut = rows.len() * SHADOW_TRAIN_SHARE / 10;
    let (train, test) = rows.split_at_checked(cut).unwrap_or((&rows, &[]));
    let what = format!("the share of the shadows that attack `{}` learns from", attack.kind());
    shadows.check_both_sides(train, &what)?;
    let fitted =
        attack.fit(&TrainingSet { table: shadows, rows: train, references, seed: seed.named("attack-fit") })?;
    let mut test = test.to_vec();
    test.sort_unstable_by_key(|&row| (shadows.models.get(row), shadows.traces.get(row)));
    Ok(AttackOutcome {
        shadow_test: side(fitted.as_ref(), shadows, &test)?,
        target: side(fitted.as_ref(), target, &target.ordered_rows())?,
        threshold: fitted.threshold(),
        trained_on: cut,
        converged: fitted.converged(),
    })
}

/// An attack on a target without shadows, where it needs to learn nothing.
fn untaught(attack: &dyn Attack, target: &AttributeTable) -> Result<AttackOutcome> {
    let rows = target.ordered_rows();
    let fitted = attack.without_shadows(target, &rows)?.ok_or_else(|| {
        Error::user(format!("attack `{}` learns from shadows, found none", attack.kind()))
            .hint("`threshold` on a statistic whose direction is known needs none")
    })?;
    Ok(AttackOutcome {
        shadow_test: SideScores::default(),
        target: side(fitted.as_ref(), target, &rows)?,
        threshold: fitted.threshold(),
        trained_on: 0,
        converged: fitted.converged(),
    })
}

/// Each model in turn as target: the target with all shadows as teachers, each shadow with the other
/// shadows. Scores are less the threshold of their own attack, so that 0 is the threshold of all, and
/// sorted by (model, trace). Traces that several shadows share are scored once for each, so the rows are
/// not all independent. Also: did the solvers of all of them converge?
pub fn each_target(attack: &dyn Attack, evidence: &Evidence<'_>, seed: Seed) -> Result<(SideScores, Option<bool>)> {
    settled(attack, evidence, |evidence| each_settled(attack, evidence, seed))
}

fn each_settled(attack: &dyn Attack, evidence: &Evidence<'_>, seed: Seed) -> Result<(SideScores, Option<bool>)> {
    let mut shadows = evidence.shadows.models.clone();
    shadows.sort_unstable();
    shadows.dedup();
    if shadows.len() < 2 {
        return Err(Error::user(format!("`targets = \"each\"` needs at least two shadows, found `{}`", shadows.len()))
            .hint("raise `split.shadows`"));
    }
    let first = run_settled(attack, evidence, seed)?;
    let mut converged = first.converged;
    let mut sides = vec![shifted(first.target, first.threshold)];
    for shadow in shadows {
        let others = evidence.shadows.of_models(|model| model != shadow);
        let own = evidence.shadows.of_models(|model| model == shadow);
        let turned = Evidence { shadows: &others, target: &own, ..*evidence };
        let outcome = run_settled(attack, &turned, seed.named("target").numbered(shadow.0 as u64))?;
        converged = converged.zip(outcome.converged).map(|(all, this)| all && this);
        sides.push(shifted(outcome.target, outcome.threshold));
    }
    sides.sort_by_key(|side| side.model.first().copied());
    let mut all = SideScores::default();
    for side in sides {
        all.trace.extend(side.trace);
        all.model.extend(side.model);
        all.member.extend(side.member);
        all.score.extend(side.score);
    }
    Ok((all, converged))
}

fn side(fitted: &dyn FittedAttack, table: &AttributeTable, rows: &[usize]) -> Result<SideScores> {
    let scores = fitted.score(table, rows)?;
    let scored = rows.iter().copied().zip(scores).filter(|(_, score)| !score.is_nan());
    let (rows, score): (Vec<usize>, Vec<f32>) = scored.unzip();
    Ok(SideScores {
        trace: rows.iter().filter_map(|&row| table.traces.get(row).copied()).collect(),
        model: rows.iter().filter_map(|&row| table.models.get(row).copied()).collect(),
        member: table.labels(&rows),
        score,
    })
}

fn shifted(mut side: SideScores, threshold: f32) -> SideScores {
    side.score.iter_mut().for_each(|score| *score -= threshold);
    side
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

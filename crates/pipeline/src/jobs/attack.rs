//! Attack jobs: their identity, and running them over stored attributes.

use super::job::{JobHead, Start};
use super::load;
use super::single_precision::narrow;
use crate::plan::{AttackGroup, PlannedAttack, PlannedModel};
use crate::rows;
use std::collections::BTreeMap;
use syntrace_attack::attack::{self, AttributeTable, Evidence, SideScores};
use syntrace_base::base::{AttackId, Identity, JobId, ModelId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{AttackRecord, COVERS_TRAININGS, EvaluatedOn, Interval, JobKind, WHOLE, WithoutZero};
use syntrace_measure::eval;
use syntrace_store::{JobResult, Snapshot, StoreWriter};

/// Suffix of the interval method if traces count several times.
const SHARED_TRACES: &str =
    "; traces that several targets share count once for each, so intervals are on the narrow side";

/// The same where hosts are drawn and their traces are attacked.
const TRACES_OF_HOSTS: &str =
    "; traces of one host are on one side together and count one by one, so intervals are on the narrow side";

/// Identity of an attack on a group: the same however it was planned.
pub(crate) fn attack_head(planned: &PlannedAttack, group: &AttackGroup, label: String, seed: u64) -> JobHead {
    let (target, target_job) = &group.target;
    let mut spec = serde_json::json!({
        "attack": planned.name,
        "options": planned.options(),
        "attribute": planned.attribute,
        "target": target.model_id.0,
        "shadows": group.shadows.iter().map(|(model, _)| model.model_id.0).collect::<Vec<_>>(),
    });
    if planned.each
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("targets".to_owned(), "each".into());
        spec.insert("intervals".to_owned(), "over targets".into());
    }
    let mut inputs = vec![target.model_id.0, target_job.0];
    inputs.extend(group.shadows.iter().flat_map(|(model, job)| [model.model_id.0, job.0]));
    inputs.extend(group.references.iter().map(|(_, job)| job.0));
    JobHead::new(JobKind::Attack, label, &spec, inputs, seed)
}

/// Name of an attack on a group, for people.
pub(crate) fn attack_label(planned: &PlannedAttack, generator: &str, target: &PlannedModel) -> String {
    let PlannedModel { dataset, class, regime, .. } = target;
    format!("attack {} {generator} {dataset}/{class} {} by {}", planned.name, regime.label(), planned.attribute)
}

/// Runs an attack and commits its results.
pub(crate) fn run_attack(
    store: &StoreWriter,
    head: &JobHead,
    planned: &PlannedAttack,
    group: &AttackGroup,
) -> Result<()> {
    let start = Start::now();
    let snapshot = store.snapshot()?;
    let [shadows, target, references] = evidence(&snapshot, planned, group)?;
    let record = snapshot.model(group.target.0.model_id)?;
    let drawn_by_host = record.as_ref().map(|record| load::is_drawn_by_host(&snapshot, record)).transpose()?;
    let dependent = drawn_by_host == Some(true) && !planned.hosts;
    drop(snapshot);
    let without_zero = planned.without_zero;
    let evidence = Evidence { shadows: &shadows, target: &target, references: &references, without_zero };
    let attack = planned.attack.attack();
    let outcome = attack::run_attack(attack, &evidence, head.derived_seed())?;
    let mut result = JobResult::new(head.record(start));
    let of = |evaluated_on, scores, converged| Evaluation { evaluated_on, scores, converged, dependent };
    let threshold = f64::from(outcome.threshold);
    let test = of(EvaluatedOn::ShadowTest, &outcome.shadow_test, outcome.converged);
    if !outcome.shadow_test.score.is_empty() {
        add_evaluation(&mut result, head, planned, group, test, threshold)?;
    }
    let own = of(EvaluatedOn::Target, &outcome.target, outcome.converged);
    add_evaluation(&mut result, head, planned, group, own, threshold)?;
    if planned.each {
        let (each, converged) = attack::each_target(attack, &evidence, head.derived_seed())?;
        add_evaluation(&mut result, head, planned, group, of(EvaluatedOn::EachTarget, &each, converged), 0.0)?;
    }
    result.job = head.record(start);
    store.commit(result)?;
    Ok(())
}

/// Attributes of a model, row by row.
type ModelRows = (ModelId, Vec<rows::AttributeRow>);

/// Attributes of the shadows, of the target, and of models on traces outside their splits.
fn evidence(snapshot: &Snapshot, planned: &PlannedAttack, group: &AttackGroup) -> Result<[AttributeTable; 3]> {
    let own = |(model, job): &(PlannedModel, JobId)| -> Result<ModelRows> {
        Ok((model.model_id, load::attributes(snapshot, model.model_id, *job, &planned.attribute)?))
    };
    let reference = |(model, job): &(ModelId, JobId)| -> Result<ModelRows> {
        Ok((*model, load::references(snapshot, *model, *job, &planned.attribute)?))
    };
    let mut sides = [
        group.shadows.iter().map(own).collect::<Result<Vec<_>>>()?,
        vec![own(&group.target)?],
        group.references.iter().map(reference).collect::<Result<_>>()?,
    ];
    take_off_medians(&mut sides, planned.without_zero);
    if planned.attribute.starts_with(WHOLE) {
        pad(&mut sides);
    }
    let mut all: Vec<&mut rows::AttributeRow> = sides.iter_mut().flatten().flat_map(|(_, rows)| rows).collect();
    narrow(&mut all);
    let [shadows, target, references] = sides;
    let tables = [table(shadows, planned)?, table(target, planned)?, table(references, planned)?];
    if !planned.hosts {
        return Ok(tables);
    }
    let hosts = load::hosts(snapshot, group.target.0.class_id)?;
    let known = |table: &AttributeTable| table.traces.iter().all(|trace| hosts.contains_key(trace));
    if !tables.iter().all(known) {
        let class = format!("{}/{}", group.target.0.dataset, group.target.0.class);
        return Err(Error::user(format!(
            "an attack on hosts needs the class's traces, and some of `{class}` are not here"
        ))
        .hint("a redacted copy has none: attack the study that it was made from"));
    }
    Ok(tables.map(|table| table.by_host(|trace| hosts.get(&trace))))
}

/// Makes whole attributes equally long: 0 stands for positions that a trace does not have.
fn pad(sides: &mut [Vec<ModelRows>; 3]) {
    let rows = || sides.iter().flatten().flat_map(|(_, rows)| rows);
    let longest = rows().map(|row| row.values.len()).max().unwrap_or(0);
    sides.iter_mut().flatten().flat_map(|(_, rows)| rows).for_each(|row| row.values.resize(longest, 0.0));
}

/// Subtracts each model's median over its own split from exact values that are defined only up to a constant, before
/// they are rounded to FLOAT: so the result of rounding does not depend on that constant either.
fn take_off_medians(sides: &mut [Vec<ModelRows>; 3], without: WithoutZero) {
    let loss = |row: &rows::AttributeRow| row.loss_exact.or(row.loss.map(f64::from));
    let value = |row: &rows::AttributeRow, place: usize| match &row.values_exact {
        Some(exact) => exact.get(place).copied(),
        None => row.values.get(place).copied().map(f64::from),
    };
    let of = |numbers: Vec<f64>| eval::median(numbers).unwrap_or(0.0);
    let mut medians: BTreeMap<ModelId, (f64, Vec<f64>)> = BTreeMap::new();
    let is_exact = |row: &rows::AttributeRow| row.loss_exact.is_some() || row.values_exact.is_some();
    if !sides.iter().flatten().any(|(_, rows)| rows.iter().any(is_exact)) {
        return;
    }
    // All models, also those with FLOAT values: they are rounded together.
    for (model, rows) in sides.iter().take(2).flatten() {
        let width = rows.iter().map(|row| row.values.len()).max().unwrap_or(0);
        let values = (0..width).map(|place| of(rows.iter().filter_map(|row| value(row, place)).collect())).collect();
        medians.insert(*model, (of(rows.iter().filter_map(loss).collect()), values));
    }
    for (model, rows) in sides.iter_mut().flatten() {
        let Some((loss_median, value_medians)) = medians.get(model) else { continue };
        for row in rows {
            if without.loss {
                row.loss_exact = loss(row).map(|loss| loss - loss_median);
            }
            if without.values {
                let moved = value_medians.iter().enumerate().filter_map(|(place, by)| Some(value(row, place)? - by));
                row.values_exact = Some(moved.collect());
            }
        }
    }
}

fn table(models: Vec<ModelRows>, planned: &PlannedAttack) -> Result<AttributeTable> {
    let mut table = AttributeTable::default();
    for (model, rows) in models {
        add_rows(&mut table, model, rows, planned)?;
    }
    Ok(table)
}

fn add_rows(
    table: &mut AttributeTable,
    model: ModelId,
    rows: Vec<rows::AttributeRow>,
    planned: &PlannedAttack,
) -> Result<()> {
    for row in rows {
        table.width = row.values.len();
        table.traces.push(row.trace_id);
        table.models.push(model);
        table.member.push(row.member);
        // Of imported attributes the loss may be unknown: only an attack that reads it needs it.
        table.loss.push(match row.loss {
            None if planned.attack.reads_loss() => return Err(without_loss(model, &planned.attribute)),
            loss => loss.unwrap_or(0.0),
        });
        table.values.extend_from_slice(&row.values);
    }
    Ok(())
}

fn without_loss(model: ModelId, attribute: &str) -> Error {
    Error::user(format!("model {model} has an attribute `{attribute}` but no losses"))
        .hint("import losses with the attributes, or choose an attack that reads the attribute")
}

/// The AUCs of the models in turn, as draws of traces and training alike: their mean with its interval; `None` of fewer than
/// two.
fn over_targets(scores: &SideScores) -> Result<Option<Interval>> {
    let mut by_model: BTreeMap<ModelId, Vec<eval::Scored>> = BTreeMap::new();
    for ((model, member), score) in scores.model.iter().zip(&scores.member).zip(&scores.score) {
        let scored = eval::Scored { score: f64::from(*score), member: *member };
        by_model.entry(*model).or_default().push(scored);
    }
    let aucs = by_model.values().map(|scored| Ok(eval::Roc::new(scored)?.auc())).collect::<Result<Vec<f64>>>()?;
    let aucs: Vec<f64> = aucs.into_iter().filter(|auc| !auc.is_nan()).collect();
    Ok(eval::mean_of_draws(&aucs, eval::CONFIDENCE))
}

/// Scores of one evaluation.
struct Evaluation<'a> {
    evaluated_on: EvaluatedOn,
    scores: &'a SideScores,
    converged: Option<bool>,
    /// Are traces of one host scored one by one, though all of them are on one side?
    dependent: bool,
}

fn add_evaluation(
    result: &mut JobResult,
    head: &JobHead,
    planned: &PlannedAttack,
    group: &AttackGroup,
    evaluation: Evaluation<'_>,
    threshold: f64,
) -> Result<()> {
    let Evaluation { evaluated_on, scores: own, converged, dependent } = evaluation;
    let attack_id = AttackId::from(Identity::new("attack").int(head.job_id.0).text(evaluated_on.name()).finish());
    let scored = own.score.iter().zip(&own.member);
    let scored: Vec<eval::Scored> =
        scored.map(|(score, member)| eval::Scored { score: f64::from(*score), member: *member }).collect();
    let leakage = eval::leakage(&scored, threshold)?;
    let keys = own.trace.iter().zip(&own.model).zip(own.member.iter().zip(&own.score));
    let scores: Vec<(TraceId, i64, bool, f32)> =
        keys.map(|((trace, model), (member, score))| (*trace, model.0, *member, *score)).collect();
    let corners: Vec<(f64, f64, f64)> =
        leakage.roc.corners().iter().map(|corner| (corner.threshold, corner.fpr, corner.tpr)).collect();
    result.segments.push(rows::scores_segment(attack_id, &scores)?);
    result.segments.push(rows::roc_segment(attack_id, &corners)?);
    let (mut auc, mut method) = (leakage.auc, eval::INTERVAL_METHOD.to_owned());
    if evaluated_on == EvaluatedOn::EachTarget {
        method += SHARED_TRACES;
    }
    if dependent {
        method += TRACES_OF_HOSTS;
    }
    if evaluated_on == EvaluatedOn::EachTarget
        && let Some(targets) = over_targets(own)?
    {
        auc.low = auc.low.min(targets.low).max(0.0);
        auc.high = auc.high.max(targets.high).min(1.0);
        method += &format!(
            "; auc: the wider ends of that and of Student's t over the AUCs of all targets, which {COVERS_TRAININGS}"
        );
    }
    let target = &group.target.0;
    result.attacks.push(AttackRecord {
        attack_id,
        attack: planned.name.clone(),
        options: planned.options(),
        attribute: planned.attribute.clone(),
        evaluated_on,
        target_model: target.model_id,
        shadow_models: group.shadows.iter().map(|(model, _)| model.model_id).collect(),
        class_id: target.class_id,
        regime: target.regime,
        job_id: head.job_id,
        n: leakage.n,
        n_members: leakage.n_members,
        precision: leakage.precision,
        recall: leakage.recall,
        fpr: leakage.fpr,
        auc,
        balanced_accuracy: leakage.balanced_accuracy,
        tpr_at_1pct_fpr: leakage.tpr_at_1pct_fpr,
        tpr_at_0_1pct_fpr: leakage.tpr_at_0_1pct_fpr,
        confidence: eval::CONFIDENCE,
        interval_method: method,
        converged,
    });
    Ok(())
}

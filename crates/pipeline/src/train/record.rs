//! Trained models as records: lineage, ledger, guarantee.

use super::inputs::generator;
use crate::jobs::context::Context;
use crate::plan::{Ancestor, PlannedModel, noise_name};
use crate::rows::{self, LedgerRow};
use syntrace_base::base::{Delta, Digest, ModelId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{LineageEdge, LineageKind, ModelRecord, PrivacyEvent, Regime};
use syntrace_measure::privacy::{self, Ledger};
use syntrace_model::train::{DpPlan, ModelOutcome, TrainPlan};
use syntrace_store::{JobResult, NewObject, Snapshot};

/// An ancestor that never saw private traces.
pub(super) fn edge(kind: LineageKind, source_id: i64, description: &str) -> LineageEdge {
    LineageEdge { kind, source_id, description: description.to_owned(), through_mechanism: false, saw_private: false }
}

/// Lineage of a model's weights; whether an ancestor was trained on private traces follows from its lineage.
pub(super) fn lineage(snapshot: &Snapshot, model: &PlannedModel, dp: bool) -> Result<Vec<LineageEdge>> {
    let mut edges = Vec::new();
    if let Ancestor::Released(from) = model.ancestor {
        // What it learns from is what that model released, so all that this one saw is in its lineage.
        edges.extend(ancestor_record(snapshot, from.model)?.lineage);
        edges.push(edge(LineageKind::ReleasedTraces, from.model.0, "synthetic traces that a private model released"));
    } else {
        let members = match model.regime {
            Regime::Anonymised => "member traces of the split, anonymised",
            Regime::None | Regime::Dp { .. } => "member traces of the split",
        };
        edges.push(LineageEdge {
            through_mechanism: dp,
            saw_private: true,
            ..edge(LineageKind::TrainingTraces, model.split_id.0, members)
        });
    }
    if matches!(model.ancestor, Ancestor::None | Ancestor::Released(_)) && model.base.is_none() {
        edges.push(edge(LineageKind::RandomInitialisation, 0, "initial weights drawn from the model's seed"));
    }
    let shared = model.base.map(|base| (base, "the public base that all models of the generator share"));
    let own = match model.ancestor {
        Ancestor::NonPrivate(ancestor) => Some((ancestor, "the model of the same split trained without DP")),
        Ancestor::None | Ancestor::Base | Ancestor::Released(_) => None,
    };
    for (ancestor, description) in shared.into_iter().chain(own) {
        let record = ancestor_record(snapshot, ancestor)?;
        let saw_private = record.lineage.iter().any(|edge| edge.saw_private);
        edges.push(LineageEdge { saw_private, ..edge(LineageKind::Weights, ancestor.0, description) });
    }
    let constants = "vocabulary, lengths and layout from protocol constants; sizes from the spec";
    edges.push(edge(LineageKind::PublicConstants, 0, constants));
    Ok(edges)
}

fn ancestor_record(snapshot: &Snapshot, ancestor: ModelId) -> Result<ModelRecord> {
    let record = snapshot.model(ancestor)?;
    record.ok_or_else(|| Error::internal(format!("model {ancestor}, an ancestor, is not in the study")))
}

/// The events of a private training, each with epsilon after it by the spec's accountant, and by both; none without DP. A
/// training that ended early is the planned one whose rest is ignored: it spent `at_most` what that one would, also
/// where a bound for fewer steps comes out a hair larger.
pub(super) fn ledger(
    context: &Context<'_>,
    model: &PlannedModel,
    name: &str,
    events: &[PrivacyEvent],
    at_most: Option<f64>,
) -> Result<Vec<LedgerRow>> {
    let Some(delta) = model.regime.delta() else { return Ok(Vec::new()) };
    let delta = Delta::new(delta)?;
    let (mut ledger, mut ledger_rows) = (Ledger::default(), Vec::new());
    for event in events {
        ledger.record(event.clone());
        let spent = context.plan.spent(&ledger, delta)?;
        ledger_rows.push(LedgerRow {
            event: event.clone(),
            epsilon_after: spent.epsilon.min(at_most.unwrap_or(f64::INFINITY)),
            delta: delta.get(),
            epsilon_rdp: spent.rdp,
            epsilon_pld: spent.pld,
        });
    }
    if ledger_rows.is_empty() {
        return Err(Error::internal(format!("`{}` was trained with DP and has no privacy event", model.label(name))));
    }
    Ok(ledger_rows)
}

pub(super) fn add_model(
    context: &Context<'_>,
    result: &mut JobResult,
    plan: &TrainPlan,
    model: &PlannedModel,
    trained: ModelOutcome,
    (dp, lineage): (Option<DpPlan>, Vec<LineageEdge>),
    seconds: f64,
) -> Result<()> {
    let (name, family) = generator(context, model.generator)?;
    let ended_early = trained.steps < plan.steps;
    let at_most = model.regime.epsilon().filter(|_| ended_early);
    let ledger_rows = ledger(context, model, name, &trained.events, at_most)?;
    let epsilon_spent = ledger_rows.last().map(|row| row.epsilon_after);
    if let (Some(spent), Some(target)) = (epsilon_spent, model.regime.epsilon())
        && spent > target
    {
        return Err(Error::internal(format!(
            "`{}` may spend epsilon `{target}` and has spent `{spent}`",
            model.label(name)
        )));
    }
    let (guarantee, epsilon_end_to_end) = privacy::guarantee(epsilon_spent, &lineage);
    result.models.push(ModelRecord {
        model_id: model.model_id,
        generator: name.to_owned(),
        preset: family.preset().to_owned(),
        config: family.config_json(context.plan.recipe(model.generator, model.regime).1),
        class_id: model.class_id,
        split_id: model.split_id,
        role: model.role,
        regime: model.regime,
        train_job: result.job.job_id,
        noise_multiplier: dp.map(|dp| dp.noise_multiplier),
        sampling_rate: plan.sampling_rate,
        steps: trained.steps,
        expected_batch: plan.expected_batch,
        clip_norm: dp.map(|dp| dp.clip_norm),
        epsilon_spent,
        accountant: model.regime.delta().map(|_| context.plan.spec.accountant.name().to_owned()),
        guarantee,
        epsilon_end_to_end,
        noise: model.regime.delta().map(|_| noise_name(context.plan.spec.noise).to_owned()),
        parameters: trained.parameters,
        parameters_private: trained.parameters_private,
        seconds,
        status: trained.status,
        weights: Some(Digest::of(&trained.weights).0),
        lineage,
    });
    result.objects.push(NewObject { kind: "weights", bytes: trained.weights });
    result.segments.push(rows::epochs_segment(model.model_id.0, &trained.epochs)?);
    if !trained.monitors.is_empty() {
        result.segments.push(rows::monitors_segment(model.model_id.0, &trained.monitors)?);
    }
    if !ledger_rows.is_empty() {
        result.segments.push(rows::ledger_segment(
            model.model_id.0,
            &ledger_rows,
            context.plan.spec.split.unit.neighbours(),
        )?);
    }
    Ok(())
}

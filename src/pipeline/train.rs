//! The jobs that need libtorch: training, attributes, synthesis. Without the cargo feature `torch`
//! each of them says so.

use super::job::JobHead;
use super::plan::PlannedModel;
use super::stage::Context;
use crate::base::{Delta, Epsilon, JobId, Progress, SamplingRate};
use crate::error::Result;
use crate::privacy::{self, Budget};
use crate::record::Regime;
use crate::train::TrainPlan;

/// One thread for the tensors of this worker: jobs run side by side instead, and sums do not depend on
/// the number of cores.
pub(super) fn use_one_thread() {
    #[cfg(feature = "torch")]
    crate::nn::use_threads(1);
}

/// The noise multiplier of a regime under a plan, so that the accountant's upper bound meets the
/// target; `None` without DP.
pub(super) fn noise_multiplier(plan: &TrainPlan, regime: Regime) -> Result<Option<f64>> {
    let Regime::Dp { epsilon, delta } = regime else { return Ok(None) };
    let budget = Budget {
        epsilon: Epsilon::new(epsilon)?,
        delta: Delta::new(delta)?,
        sampling_rate: SamplingRate::new(plan.sampling_rate)?,
        steps: plan.steps,
    };
    Ok(Some(privacy::noise_multiplier(&budget, privacy::Accountant::Rdp)?.get()))
}

#[cfg(feature = "torch")]
pub(super) use with_torch::{attributes, synthesize, train};

#[cfg(not(feature = "torch"))]
fn missing() -> crate::error::Error {
    crate::error::Error::user(
        "training, attributes and synthesis need libtorch, and this syntrace was built without it",
    )
    .hint("build with the feature `torch` (the default; `make build` fetches libtorch)")
}

#[cfg(not(feature = "torch"))]
pub(super) fn train(_: &Context<'_>, _: &JobHead, _: &[PlannedModel], _: JobId, _: &dyn Progress) -> Result<()> {
    Err(missing())
}

#[cfg(not(feature = "torch"))]
pub(super) fn attributes(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: JobId) -> Result<()> {
    Err(missing())
}

#[cfg(not(feature = "torch"))]
pub(super) fn synthesize(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: u32, _: &dyn Progress) -> Result<()> {
    Err(missing())
}

#[cfg(feature = "torch")]
mod with_torch {
    use super::*;
    use crate::base::{ClassId, ClipNorm, Digest, Identity, NoiseMultiplier, Seed, TraceId};
    use crate::encoding::{EncodingKind, Generated, tokens_to_packets};
    use crate::error::Error;
    use crate::model::{Generator, Weights};
    use crate::pipeline::job::Start;
    use crate::pipeline::plan::noise_name;
    use crate::pipeline::{load, rows};
    use crate::privacy::{Ledger, PrivacyEvent};
    use crate::record::{JobRecord, LineageEdge, LineageKind, ModelRecord, Trace};
    use crate::spec::NoiseSource;
    use crate::store::schema::SYNTHETIC_PACKETS;
    use crate::store::{JobResult, NewObject, Snapshot};
    use crate::synth::{DecodeMode, DecodeOptions, DecodedTrace, decode_fields, decode_trace, mend, trace_id};
    use crate::train::{CheckpointSink, CohortInput, CohortModel, DpPlan, EncodedTrace, ModelOutcome};
    use std::collections::HashMap;

    /// All encoded traces of a class and where each is.
    struct Pool {
        traces: Vec<EncodedTrace>,
        positions: HashMap<TraceId, usize>,
    }

    impl Pool {
        fn load(snapshot: &Snapshot, class: ClassId, encode: JobId) -> Result<Self> {
            let rows = load::encodings(snapshot, class, encode)?;
            let positions = rows.iter().enumerate().map(|(index, row)| (row.trace_id, index)).collect();
            let traces = rows
                .into_iter()
                .map(|row| EncodedTrace { trace_id: row.trace_id, rows: row.rows, width: row.width, data: row.data })
                .collect();
            Ok(Self { traces, positions })
        }
    }

    /// Checkpoints into the study, at most every so many seconds.
    struct StoreSink<'a> {
        context: &'a Context<'a>,
        job_id: JobId,
        start: Start,
        saved_at: f64,
    }

    impl CheckpointSink for StoreSink<'_> {
        fn due(&mut self, _steps: u64) -> bool {
            self.start.seconds() - self.saved_at >= self.context.checkpoint_seconds
        }

        fn save(&mut self, bytes: &[u8]) -> Result<()> {
            self.context.store.save_checkpoint(self.job_id, bytes)?;
            self.saved_at = self.start.seconds();
            Ok(())
        }

        fn seconds(&mut self) -> f64 {
            self.start.seconds()
        }
    }

    fn generator<'a>(context: &'a Context<'_>, model: &PlannedModel) -> Result<&'a dyn Generator> {
        let generator = context.plan.generators.get(model.generator);
        generator.map(Box::as_ref).ok_or_else(|| Error::internal("a planned model names a generator that is not there"))
    }

    fn dp_plan(plan: &TrainPlan, regime: Regime) -> Result<Option<DpPlan>> {
        let noise = noise_multiplier(plan, regime)?;
        Ok(noise.map(|noise_multiplier| DpPlan { noise_multiplier, clip_norm: plan.clip_norm }))
    }

    fn cohort_model(
        context: &Context<'_>,
        pool: &Pool,
        snapshot: &Snapshot,
        family: &str,
        plan: &TrainPlan,
        model: &PlannedModel,
    ) -> Result<CohortModel> {
        let (members, held_out) = load::split(snapshot, model.split_id)?;
        let seed = Seed::from_digest(Identity::new("model-seed").int(model.model_id.0).finish());
        let noise_seed = match context.plan.spec.noise {
            NoiseSource::System => None,
            NoiseSource::Reproducible => Some(seed.named("noise")),
        };
        Ok(CohortModel {
            label: model.label(family),
            seed,
            noise_seed,
            members: load::positions(&members, &pool.positions)?,
            held_out: load::positions(&held_out, &pool.positions)?,
            dp: dp_plan(plan, model.regime)?,
            initial: None,
        })
    }

    /// Trains a cohort, from its checkpoint if it has one.
    pub fn train(
        context: &Context<'_>,
        head: &JobHead,
        models: &[PlannedModel],
        encode: JobId,
        progress: &dyn Progress,
    ) -> Result<()> {
        let start = Start::now();
        let Some(first) = models.first() else { return Err(Error::internal("a cohort without models")) };
        let family = generator(context, first)?;
        let plan = family.plan(context.plan.spec.split.members, first.regime);
        let snapshot = context.store.snapshot()?;
        let pool = Pool::load(&snapshot, first.class_id, encode)?;
        let cohort = models
            .iter()
            .map(|model| cohort_model(context, &pool, &snapshot, family.name(), &plan, model))
            .collect::<Result<Vec<_>>>()?;
        let dp: Vec<Option<DpPlan>> = cohort.iter().map(|model| model.dp).collect();
        let resume = context.store.checkpoint(head.job_id)?;
        let mut sink = StoreSink { context, job_id: head.job_id, start, saved_at: 0.0 };
        let input = CohortInput { traces: &pool.traces, models: cohort, base: None, plan };
        progress.start(&head.label, plan.steps);
        let outcome = family.train_cohort(&input, resume.as_deref(), &mut sink, progress)?;
        progress.finish();
        if outcome.models.len() != models.len() {
            return Err(Error::internal(format!(
                "expected {} trained models, found {}",
                models.len(),
                outcome.models.len()
            )));
        }
        let mut result = JobResult::new(head.record(start));
        let seconds = start.seconds() / models.len() as f64;
        for ((model, trained), dp) in models.iter().zip(outcome.models).zip(dp) {
            add_model(context, &mut result, family, &plan, model, trained, dp, seconds)?;
        }
        result.job = JobRecord { finished_us: head.record(start).finished_us, ..result.job };
        context.store.commit(result)?;
        Ok(())
    }

    fn lineage(model: &PlannedModel, dp: bool) -> Vec<LineageEdge> {
        vec![
            LineageEdge {
                kind: LineageKind::TrainingTraces,
                source_id: model.split_id.0,
                description: "member traces of the split".to_owned(),
                through_mechanism: dp,
                saw_private: true,
            },
            LineageEdge {
                kind: LineageKind::RandomInitialisation,
                source_id: 0,
                description: "initial weights drawn from the model's seed".to_owned(),
                through_mechanism: false,
                saw_private: false,
            },
            LineageEdge {
                kind: LineageKind::PublicConstants,
                source_id: 0,
                description: "vocabulary, lengths and layout from protocol constants; sizes from the spec".to_owned(),
                through_mechanism: false,
                saw_private: false,
            },
        ]
    }

    #[expect(clippy::too_many_arguments, reason = "one row is made of all of them")]
    fn add_model(
        context: &Context<'_>,
        result: &mut JobResult,
        family: &dyn Generator,
        plan: &TrainPlan,
        model: &PlannedModel,
        trained: ModelOutcome,
        dp: Option<DpPlan>,
        seconds: f64,
    ) -> Result<()> {
        let mut ledger = Ledger::default();
        let mut ledger_rows = Vec::new();
        for event in &trained.events {
            let event = PrivacyEvent {
                phase: event.phase.clone(),
                sampling_rate: SamplingRate::new(event.sampling_rate)?,
                noise_multiplier: NoiseMultiplier::new(event.noise_multiplier)?,
                clip_norm: ClipNorm::new(event.clip_norm)?,
                steps: event.steps,
            };
            ledger.record(event.clone());
            let delta = Delta::new(model.regime.delta().unwrap_or(1e-5))?;
            let spent = privacy::epsilon(&ledger, delta)?;
            ledger_rows.push((event, spent.epsilon, delta.get()));
        }
        if dp.is_some() && ledger_rows.is_empty() {
            return Err(Error::internal(format!(
                "`{}` was trained with DP and has no privacy event",
                model.label(family.name())
            )));
        }
        let epsilon_spent = ledger_rows.last().map(|(_, epsilon, _)| *epsilon);
        let lineage = lineage(model, dp.is_some());
        let (guarantee, epsilon_end_to_end) = privacy::guarantee(epsilon_spent, &lineage);
        result.models.push(ModelRecord {
            model_id: model.model_id,
            generator: family.name().to_owned(),
            preset: family.preset().to_owned(),
            config: family.config_json(),
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
            accountant: dp.map(|_| privacy::Accountant::Rdp.name().to_owned()),
            guarantee,
            epsilon_end_to_end,
            noise: dp.map(|_| noise_name(context.plan.spec.noise).to_owned()),
            parameters: trained.parameters,
            parameters_private: trained.parameters_private,
            seconds,
            status: trained.status,
            weights: Some(Digest::of(&trained.weights).0),
            lineage,
        });
        result.objects.push(NewObject { kind: "weights", bytes: trained.weights });
        result.segments.push(rows::epochs_segment(model.model_id.0, &trained.epochs)?);
        if !ledger_rows.is_empty() {
            result.segments.push(rows::ledger_segment(model.model_id.0, &ledger_rows)?);
        }
        Ok(())
    }

    fn weights(snapshot: &Snapshot, model: &PlannedModel) -> Result<Vec<u8>> {
        let record = snapshot
            .model(model.model_id)?
            .ok_or_else(|| Error::internal(format!("model {} is not in the study", model.model_id)))?;
        let digest =
            record.weights.ok_or_else(|| Error::internal(format!("model {} has no weights", model.model_id)))?;
        snapshot.object(&Digest(digest))
    }

    /// Records what a model says about its members and its held-out traces, in evaluation mode.
    pub fn attributes(context: &Context<'_>, head: &JobHead, model: &PlannedModel, encode: JobId) -> Result<()> {
        let start = Start::now();
        let snapshot = context.store.snapshot()?;
        let family = generator(context, model)?;
        let pool = Pool::load(&snapshot, model.class_id, encode)?;
        let (members, held_out) = load::split(&snapshot, model.split_id)?;
        let weights = weights(&snapshot, model)?;
        let mut out = Vec::new();
        for (ids, member) in [(members, true), (held_out, false)] {
            let positions = load::positions(&ids, &pool.positions)?;
            let traces: Vec<EncodedTrace> = positions.iter().map(|position| pool.traces[*position].clone()).collect();
            let per_trace = family.attributes(Weights { own: &weights, base: None }, &traces)?;
            for (trace_id, kinds) in ids.into_iter().zip(per_trace) {
                out.extend(kinds.into_iter().map(|row| rows::AttributeRow {
                    trace_id,
                    member,
                    kind: row.kind.to_owned(),
                    loss: row.loss,
                    values: row.values,
                }));
            }
        }
        // Stored by trace, so that the order of the rows does not give membership away.
        out.sort_by(|a, b| (&a.kind, a.trace_id).cmp(&(&b.kind, b.trace_id)));
        let mut result = JobResult::new(head.record(start));
        result.segments.push(rows::attributes_segment(model.model_id.0, &out)?);
        context.store.commit(result)?;
        Ok(())
    }

    /// Packets of what a model wrote. Stored as generated, so that fidelity measures the generator and
    /// not the mending; exports mend.
    fn decode(family: &dyn Generator, content: &Generated) -> Result<DecodedTrace> {
        match (content, family.encoding()) {
            (Generated::Fields(rows), _) => Ok(decode_fields(rows)),
            (Generated::Tokens(tokens), EncodingKind::Tokens(layout)) => {
                let options = DecodeOptions { mode: DecodeMode::Raw, ..DecodeOptions::default() };
                Ok(decode_trace(&tokens_to_packets(tokens, &layout), &options))
            }
            _ => Err(Error::internal(format!("generator `{}` writes tokens without a layout", family.name()))),
        }
    }

    /// Draws synthetic traces and decodes them to packets.
    pub fn synthesize(
        context: &Context<'_>,
        head: &JobHead,
        model: &PlannedModel,
        count: u32,
        progress: &dyn Progress,
    ) -> Result<()> {
        let start = Start::now();
        let snapshot = context.store.snapshot()?;
        let family = generator(context, model)?;
        progress.start(&head.label, u64::from(count));
        let own = weights(&snapshot, model)?;
        let raw = family.sample(Weights { own: &own, base: None }, count, head.derived_seed(), progress)?;
        progress.finish();
        let (mut traces, mut facts) = (Vec::new(), Vec::new());
        for (number, raw) in raw.into_iter().enumerate() {
            let decoded = decode(family, &raw.content)?;
            let mended = decoded.packets.iter().cloned().map(|mut packet| mend(&mut packet).total()).sum();
            let id = trace_id(model.model_id, number as u64);
            facts.push(rows::SyntheticRow {
                trace_id: id,
                number: number as u64,
                packets: decoded.packets.len() as u32,
                rejected: decoded.rejected(),
                complete: raw.complete,
                mended,
                raw: raw.content.to_bytes(),
            });
            let flow_bytes = decoded.packets.iter().map(|packet| u64::from(packet.ip_length)).sum();
            traces.push(Trace {
                trace_id: id,
                first_packet: number as u64,
                link_type: 1,
                flow_packets: decoded.packets.len() as u64,
                flow_bytes,
                packets: decoded.packets,
            });
        }
        let mut result = JobResult::new(head.record(start));
        result.segments.push(rows::synthetic_segment(model.model_id.0, &facts)?);
        for run in rows::runs(&traces) {
            result.segments.push(rows::packet_segment(&SYNTHETIC_PACKETS, model.model_id.0, run)?);
        }
        context.store.commit(result)?;
        Ok(())
    }
}

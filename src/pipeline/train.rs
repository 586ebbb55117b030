//! The jobs that need libtorch: training, attributes, synthesis. Without the cargo feature `torch`
//! each of them says so.

use super::job::JobHead;
use super::plan::{PlannedBase, PlannedModel};
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
pub use with_torch::device_flops;
#[cfg(feature = "torch")]
pub(super) use with_torch::{
    Pool, StoreSink, attributes, base, dp_plan, generator, synthesize, train, weights_of,
};

#[cfg(not(feature = "torch"))]
pub(super) fn missing() -> crate::error::Error {
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
pub(super) fn base(_: &Context<'_>, _: &JobHead, _: &PlannedBase, _: &dyn Progress) -> Result<()> {
    Err(missing())
}

/// Without libtorch nothing trains here.
#[cfg(not(feature = "torch"))]
pub fn device_flops() -> Option<f64> {
    None
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
    use crate::base::{ClassId, ClipNorm, Digest, Identity, ModelId, NoiseMultiplier, Seed, SplitId, TraceId};
    use crate::encoding::{EncodingKind, Generated, tokens_to_packets};
    use crate::error::Error;
    use crate::model::{Generator, Weights};
    use crate::pipeline::job::Start;
    use crate::pipeline::plan::{Ancestor, noise_name};
    use crate::pipeline::{load, rows};
    use crate::privacy::{Ledger, PrivacyEvent};
    use crate::record::{Guarantee, JobRecord, LineageEdge, LineageKind, ModelRecord, ModelStatus, Role, Trace};
    use crate::spec::NoiseSource;
    use crate::store::schema::SYNTHETIC_PACKETS;
    use crate::store::{JobResult, NewObject, Snapshot};
    use crate::synth::{DecodeMode, DecodeOptions, DecodedTrace, decode_fields, decode_trace, mend, trace_id};
    use crate::train::{CheckpointSink, CohortInput, CohortModel, DpPlan, EncodedTrace, ModelOutcome};
    use std::collections::HashMap;

    /// All encoded traces of a class and where each is.
    pub struct Pool {
        pub traces: Vec<EncodedTrace>,
        pub positions: HashMap<TraceId, usize>,
    }

    impl Pool {
        pub fn load(snapshot: &Snapshot, class: ClassId, encode: JobId) -> Result<Self> {
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
    pub struct StoreSink<'a> {
        pub context: &'a Context<'a>,
        pub job_id: JobId,
        pub start: Start,
        pub saved_at: f64,
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

    /// The generator of a planned model or base: its name in the study, and what it does.
    pub fn generator<'a>(context: &'a Context<'_>, index: usize) -> Result<(&'a str, &'a dyn Generator)> {
        let generator = context.plan.generators.get(index);
        generator
            .map(|generator| (generator.name.as_str(), generator.family.as_ref()))
            .ok_or_else(|| Error::internal("a planned model names a generator that is not there"))
    }

    /// What this device multiplies at most, floating-point operations a second over all its cores.
    pub fn device_flops() -> Option<f64> {
        const WIDTH: i64 = 384;
        const ROUNDS: u32 = 24;
        let side = tch::Tensor::ones([WIDTH, WIDTH], (tch::Kind::Float, tch::Device::Cpu));
        crate::nn::use_threads(1);
        let start = Start::now();
        for _ in 0..ROUNDS {
            let _ = side.matmul(&side);
        }
        let operations = 2.0 * (WIDTH as f64).powi(3) * f64::from(ROUNDS);
        Some(operations / start.seconds() * crate::base::thread_count() as f64)
    }

    /// Trains a base on public traces.
    pub fn base(context: &Context<'_>, head: &JobHead, base: &PlannedBase, progress: &dyn Progress) -> Result<()> {
        let start = Start::now();
        let (_, family) = generator(context, base.generator)?;
        let snapshot = context.store.snapshot()?;
        let mut traces = Vec::new();
        for (class, encode) in &base.encodes {
            traces.extend(Pool::load(&snapshot, *class, *encode)?.traces);
        }
        let outcome = family.train_base(&traces, head.derived_seed(), progress)?;
        let class_id = base.encodes.first().map_or(ClassId(0), |(class, _)| *class);
        let lineage =
            base.encodes.iter().map(|(class, _)| edge(LineageKind::PublicTraces, class.0, "traces of a public class"));
        let mut lineage: Vec<LineageEdge> = lineage.collect();
        lineage.push(edge(LineageKind::RandomInitialisation, 0, "initial weights drawn from the study's seed"));
        let mut result = JobResult::new(head.record(start));
        result.models.push(ModelRecord {
            model_id: base.model_id,
            generator: family.name().to_owned(),
            preset: family.preset().to_owned(),
            config: family.base().map(|base| base.config_json).unwrap_or_default(),
            class_id,
            split_id: SplitId(0),
            role: Role::Base,
            regime: Regime::None,
            train_job: head.job_id,
            noise_multiplier: None,
            sampling_rate: 0.0,
            steps: outcome.epochs.last().map_or(0, |epoch| epoch.step),
            expected_batch: 0.0,
            clip_norm: None,
            epsilon_spent: None,
            accountant: None,
            guarantee: Guarantee::None,
            epsilon_end_to_end: None,
            noise: None,
            parameters: outcome.parameters,
            parameters_private: 0,
            seconds: start.seconds(),
            status: ModelStatus::Trained,
            weights: Some(Digest::of(&outcome.weights).0),
            lineage,
        });
        result.objects.push(NewObject { kind: "weights", bytes: outcome.weights });
        result.segments.push(rows::epochs_segment(base.model_id.0, &outcome.epochs)?);
        if !outcome.monitors.is_empty() {
            result.segments.push(rows::monitors_segment(base.model_id.0, &outcome.monitors)?);
        }
        result.job = head.record(start);
        context.store.commit(result)?;
        Ok(())
    }

    pub fn dp_plan(plan: &TrainPlan, regime: Regime) -> Result<Option<DpPlan>> {
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
        let initial = match model.ancestor {
            Ancestor::NonPrivate(ancestor) => Some(weights_of(snapshot, ancestor)?),
            Ancestor::None | Ancestor::Base => None,
        };
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
            initial,
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
        let (name, family) = generator(context, first.generator)?;
        let plan = family.plan(context.plan.spec.split.members, first.regime);
        let snapshot = context.store.snapshot()?;
        let pool = Pool::load(&snapshot, first.class_id, encode)?;
        let cohort = models
            .iter()
            .map(|model| cohort_model(context, &pool, &snapshot, name, &plan, model))
            .collect::<Result<Vec<_>>>()?;
        let dp: Vec<Option<DpPlan>> = cohort.iter().map(|model| model.dp).collect();
        let base = first.base.map(|base| weights_of(&snapshot, base)).transpose()?;
        let resume = context.store.checkpoint(head.job_id)?;
        let mut sink = StoreSink { context, job_id: head.job_id, start, saved_at: 0.0 };
        let input = CohortInput { traces: &pool.traces, models: cohort, base: base.as_deref(), plan };
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
            let lineage = lineage(&snapshot, model, dp.is_some())?;
            add_model(context, &mut result, &plan, model, trained, (dp, lineage), seconds)?;
        }
        result.job = JobRecord { finished_us: head.record(start).finished_us, ..result.job };
        context.store.commit(result)?;
        Ok(())
    }

    /// An ancestor that never saw private traces.
    fn edge(kind: LineageKind, source_id: i64, description: &str) -> LineageEdge {
        LineageEdge {
            kind,
            source_id,
            description: description.to_owned(),
            through_mechanism: false,
            saw_private: false,
        }
    }

    /// What a model's weights descend from; whether an ancestor saw private traces is read off its own
    /// lineage.
    fn lineage(snapshot: &Snapshot, model: &PlannedModel, dp: bool) -> Result<Vec<LineageEdge>> {
        let mut edges = vec![LineageEdge {
            through_mechanism: dp,
            saw_private: true,
            ..edge(LineageKind::TrainingTraces, model.split_id.0, "member traces of the split")
        }];
        if model.ancestor == Ancestor::None {
            edges.push(edge(LineageKind::RandomInitialisation, 0, "initial weights drawn from the model's seed"));
        }
        let shared = model.base.map(|base| (base, "the public base that all models of the generator share"));
        let own = match model.ancestor {
            Ancestor::NonPrivate(ancestor) => Some((ancestor, "the model of the same split trained without DP")),
            Ancestor::None | Ancestor::Base => None,
        };
        for (ancestor, description) in shared.into_iter().chain(own) {
            let record = snapshot
                .model(ancestor)?
                .ok_or_else(|| Error::internal(format!("model {ancestor}, an ancestor, is not in the study")))?;
            let saw_private = record.lineage.iter().any(|edge| edge.saw_private);
            edges.push(LineageEdge { saw_private, ..edge(LineageKind::Weights, ancestor.0, description) });
        }
        let constants = "vocabulary, lengths and layout from protocol constants; sizes from the spec";
        edges.push(edge(LineageKind::PublicConstants, 0, constants));
        Ok(edges)
    }

    #[expect(clippy::too_many_arguments, reason = "one row is made of all of them")]
    fn add_model(
        context: &Context<'_>,
        result: &mut JobResult,
        plan: &TrainPlan,
        model: &PlannedModel,
        trained: ModelOutcome,
        (dp, lineage): (Option<DpPlan>, Vec<LineageEdge>),
        seconds: f64,
    ) -> Result<()> {
        let (name, family) = generator(context, model.generator)?;
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
                model.label(name)
            )));
        }
        let epsilon_spent = ledger_rows.last().map(|(_, epsilon, _)| *epsilon);
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
        if !trained.monitors.is_empty() {
            result.segments.push(rows::monitors_segment(model.model_id.0, &trained.monitors)?);
        }
        if !ledger_rows.is_empty() {
            result.segments.push(rows::ledger_segment(model.model_id.0, &ledger_rows)?);
        }
        Ok(())
    }

    pub fn weights_of(snapshot: &Snapshot, model: ModelId) -> Result<Vec<u8>> {
        let record =
            snapshot.model(model)?.ok_or_else(|| Error::internal(format!("model {model} is not in the study")))?;
        let digest = record.weights.ok_or_else(|| Error::internal(format!("model {model} has no weights")))?;
        snapshot.object(&Digest(digest))
    }

    /// A model's own weights and those of its base.
    fn weights(snapshot: &Snapshot, model: &PlannedModel) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let base = model.base.map(|base| weights_of(snapshot, base)).transpose()?;
        Ok((weights_of(snapshot, model.model_id)?, base))
    }

    /// Records what a model says about its members and its held-out traces, in evaluation mode.
    pub fn attributes(context: &Context<'_>, head: &JobHead, model: &PlannedModel, encode: JobId) -> Result<()> {
        let start = Start::now();
        let snapshot = context.store.snapshot()?;
        let (_, family) = generator(context, model.generator)?;
        let pool = Pool::load(&snapshot, model.class_id, encode)?;
        let (members, held_out) = load::split(&snapshot, model.split_id)?;
        let (own, base) = weights(&snapshot, model)?;
        let weights = Weights { own: &own, base: base.as_deref() };
        let mut out = Vec::new();
        for (ids, member) in [(members, true), (held_out, false)] {
            let positions = load::positions(&ids, &pool.positions)?;
            let traces: Vec<EncodedTrace> = positions.iter().map(|position| pool.traces[*position].clone()).collect();
            let per_trace = family.attributes(weights, &traces)?;
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
        let (_, family) = generator(context, model.generator)?;
        progress.start(&head.label, u64::from(count));
        let (own, base) = weights(&snapshot, model)?;
        let weights = Weights { own: &own, base: base.as_deref() };
        let raw = family.sample(weights, count, head.derived_seed(), progress)?;
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

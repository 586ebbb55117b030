//! Trains bases on public traffic, and measures the device.

use super::inputs::{Pool, generator};
use super::record::edge;
use crate::jobs::context::Context;
use crate::jobs::job::{JobHead, Start};
use crate::plan::PlannedBase;
use crate::rows;
use syntrace_base::base::{ClassId, Device, Digest, Progress, SplitId};
use syntrace_base::error::Result;
use syntrace_base::record::{Guarantee, LineageEdge, LineageKind, ModelRecord, Regime, Role};
use syntrace_store::{JobResult, NewObject};

/// Number of CUDA devices that this process can use.
pub fn cuda_devices() -> u32 {
    syntrace_model::nn::cuda_devices()
}

/// Measured peak of matrix products on a device, floating-point operations per second (CPU: all cores together).
pub fn device_flops(device: Device) -> Option<f64> {
    // A CUDA device needs large products for full load, and a warm-up.
    let (width, rounds, cores) = match device {
        Device::Cpu => (384, 24, syntrace_base::base::thread_count()),
        Device::Cuda(_) => (4096, 24, 1),
    };
    syntrace_model::nn::use_threads(1);
    if device != Device::Cpu {
        syntrace_model::nn::multiply_squares(width, 1, device);
    }
    let start = Start::now();
    let operations = syntrace_model::nn::multiply_squares(width, rounds, device);
    Some(operations / start.seconds() * cores as f64)
}

/// Trains a base on public traces.
pub(crate) fn base(context: &Context<'_>, head: &JobHead, base: &PlannedBase, progress: &dyn Progress) -> Result<()> {
    let start = Start::now();
    let (_, family) = generator(context, base.generator)?;
    let snapshot = context.store.snapshot()?;
    let mut traces = Vec::new();
    for (class, encode) in &base.encodes {
        traces.extend(Pool::load(&snapshot, *class, *encode)?.traces);
    }
    drop(snapshot);
    let outcome = family.train_base(&traces, head.derived_seed(), progress)?;
    let class_id = base.encodes.first().map_or(ClassId(0), |(class, _)| *class);
    let lineage =
        base.encodes.iter().map(|(class, _)| edge(LineageKind::PublicTraces, class.0, "traces of a public class"));
    let mut lineage: Vec<LineageEdge> = lineage.collect();
    lineage.push(edge(LineageKind::RandomInitialisation, 0, "initial weights drawn from the study's seed"));
    let mut result = JobResult::new(head.record_on(start, family.device()));
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
        status: outcome.status,
        weights: Some(Digest::of(&outcome.weights).0),
        lineage,
    });
    result.objects.push(NewObject { kind: "weights", bytes: outcome.weights });
    result.segments.push(rows::epochs_segment(base.model_id.0, &outcome.epochs)?);
    if !outcome.monitors.is_empty() {
        result.segments.push(rows::monitors_segment(base.model_id.0, &outcome.monitors)?);
    }
    result.job = head.record_on(start, family.device());
    context.store.commit(result)?;
    Ok(())
}

//! Rows of training and sampling: epochs, monitors, the privacy ledger, synthetic traces and their repairs.

use super::{Columns, column, fit, flags, optional, segment};
use arrow::array::*;
use syntrace_base::base::{ClipNorm, NoiseMultiplier, SamplingRate, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Mechanism, PrivacyEvent};
use syntrace_store::NewSegment;
use syntrace_store::schema;

/// One row of `synthetic_traces`.
pub(crate) struct SyntheticRow {
    pub trace_id: TraceId,
    pub number: u64,
    pub packets: u32,
    pub rejected: u32,
    pub complete: bool,
    pub mended: u32,
    pub raw: Vec<u8>,
}

/// The columns `trace_id`, `number` and `rejected_packets` of `synthetic_traces`.
pub(crate) fn synthetic_facts(columns: &Columns) -> Result<Vec<(TraceId, u64, u64)>> {
    let (number, rejected) = (columns.typed::<Int64Array>("number")?, columns.typed::<Int32Array>("rejected_packets")?);
    let ids = super::trace_ids(columns)?.into_iter();
    ids.zip(number.values())
        .zip(rejected.values())
        .map(|((id, number), rejected)| Ok((id, fit(Some(*number))?, fit(Some(*rejected))?)))
        .collect()
}

pub(crate) fn synthetic_segment(model: i64, rows: &[SyntheticRow]) -> Result<NewSegment> {
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |row| row.trace_id.0)),
        ("number", column!(Int64Array, rows, |row| row.number as i64)),
        ("packets", column!(Int32Array, rows, |row| row.packets as i32)),
        ("rejected_packets", column!(Int32Array, rows, |row| row.rejected as i32)),
        ("complete", flags!(rows, |row| row.complete)),
        ("mended_fields", column!(Int32Array, rows, |row| row.mended as i32)),
        ("raw", column!(BinaryArray, rows, |row| &row.raw)),
    ];
    segment(&schema::SYNTHETIC_TRACES, model, columns)
}

#[cfg(feature = "torch")]
pub(crate) fn epochs_segment(model: i64, rows: &[syntrace_model::train::EpochRow]) -> Result<NewSegment> {
    let columns = vec![
        ("epoch", column!(Int32Array, rows, |row| row.epoch as i32)),
        ("step", column!(Int64Array, rows, |row| row.step as i64)),
        ("train_loss", optional!(Float64Array, rows, |row| row.train_loss)),
        ("member_loss", optional!(Float64Array, rows, |row| row.member_loss)),
        ("held_out_loss", optional!(Float64Array, rows, |row| row.held_out_loss)),
        ("gradient_norm", optional!(Float64Array, rows, |row| row.gradient_norm)),
        ("clipped_fraction", optional!(Float64Array, rows, |row| row.clipped_fraction)),
        ("traces", column!(Int64Array, rows, |row| row.traces as i64)),
        ("seconds", column!(Float64Array, rows, |row| row.seconds)),
    ];
    segment(&schema::EPOCHS, model, columns)
}

/// Epochs of an imported training; NULL where its log has no value.
pub(crate) fn logged_epochs_segment(model: i64, rows: &[syntrace_foreign::LoggedEpoch]) -> Result<NewSegment> {
    let columns = vec![
        ("epoch", column!(Int32Array, rows, |row| row.epoch as i32)),
        ("step", optional!(Int64Array, rows, |row| row.step.map(|step| step as i64))),
        ("train_loss", optional!(Float64Array, rows, |row| row.train_loss)),
        ("member_loss", optional!(Float64Array, rows, |row| row.member_loss)),
        ("held_out_loss", optional!(Float64Array, rows, |row| row.held_out_loss)),
        ("gradient_norm", optional!(Float64Array, rows, |row| row.gradient_norm)),
        ("clipped_fraction", optional!(Float64Array, rows, |row| row.clipped_fraction)),
        ("traces", optional!(Int64Array, rows, |row| row.traces.map(|traces| traces as i64))),
        ("seconds", optional!(Float64Array, rows, |row| row.seconds)),
    ];
    segment(&schema::EPOCHS, model, columns)
}

/// One row of `privacy_ledger`.
#[cfg(feature = "torch")]
pub(crate) struct LedgerRow {
    pub event: PrivacyEvent,
    pub epsilon_after: f64,
    pub delta: f64,
    pub epsilon_rdp: Option<f64>,
    pub epsilon_pld: Option<f64>,
}

/// Stored events with their numbers.
pub(crate) fn ledger_events(columns: &Columns) -> Result<Vec<(i32, PrivacyEvent)>> {
    let number = columns.typed::<Int32Array>("event")?;
    let text = |name| columns.typed::<StringArray>(name);
    let real = |name| columns.typed::<Float64Array>(name);
    let (phases, mechanisms) = (text("phase")?, text("mechanism")?);
    let (rates, noises, norms) = (real("sampling_rate")?, real("noise_multiplier")?, real("clip_norm")?);
    let steps = columns.typed::<Int64Array>("steps")?;
    let event = |row: usize| {
        let steps = u64::try_from(steps.value(row))
            .map_err(|_| Error::internal("`privacy_ledger` has negative steps").hint("run `syntrace verify STUDY`"))?;
        let event = PrivacyEvent {
            phase: phases.value(row).to_owned(),
            mechanism: Mechanism::from_name(mechanisms.value(row))?,
            sampling_rate: SamplingRate::new(rates.value(row))?,
            noise_multiplier: NoiseMultiplier::new(noises.value(row))?,
            clip_norm: ClipNorm::new(norms.value(row))?,
            steps,
        };
        Ok((number.value(row), event))
    };
    (0..number.len()).map(event).collect()
}

#[cfg(feature = "torch")]
pub(crate) fn ledger_segment(model: i64, rows: &[LedgerRow], neighbours: &str) -> Result<NewSegment> {
    let numbered: Vec<_> = rows.iter().enumerate().collect();
    let columns = vec![
        ("event", column!(Int32Array, numbered, |(number, _)| *number as i32)),
        ("phase", column!(StringArray, numbered, |(_, row)| row.event.phase.as_str())),
        ("mechanism", column!(StringArray, numbered, |(_, row)| row.event.mechanism.name())),
        ("sampling_rate", column!(Float64Array, numbered, |(_, row)| row.event.sampling_rate.get())),
        ("noise_multiplier", column!(Float64Array, numbered, |(_, row)| row.event.noise_multiplier.get())),
        ("clip_norm", column!(Float64Array, numbered, |(_, row)| row.event.clip_norm.get())),
        ("steps", column!(Int64Array, numbered, |(_, row)| row.event.steps as i64)),
        ("epsilon_after", column!(Float64Array, numbered, |(_, row)| row.epsilon_after)),
        ("delta", column!(Float64Array, numbered, |(_, row)| row.delta)),
        ("neighbours", column!(StringArray, numbered, |_| neighbours)),
        ("epsilon_rdp", optional!(Float64Array, numbered, |(_, row)| row.epsilon_rdp)),
        ("epsilon_pld", optional!(Float64Array, numbered, |(_, row)| row.epsilon_pld)),
    ];
    segment(&schema::PRIVACY_LEDGER, model, columns)
}

/// One rule's changes to one synthetic trace.
#[cfg(feature = "torch")]
#[derive(Debug, Clone)]
pub(crate) struct RepairRow {
    pub trace_id: TraceId,
    pub profile: String,
    pub rule: &'static str,
    pub cells: u32,
}

#[cfg(feature = "torch")]
pub(crate) fn repairs_segment(model: i64, rows: &[RepairRow]) -> Result<NewSegment> {
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |row| row.trace_id.0)),
        ("profile", column!(StringArray, rows, |row| row.profile.as_str())),
        ("rule", column!(StringArray, rows, |row| row.rule)),
        ("cells", column!(Int64Array, rows, |row| i64::from(row.cells))),
    ];
    segment(&schema::REPAIRS, model, columns)
}

#[cfg(feature = "torch")]
pub(crate) fn monitors_segment(model: i64, rows: &[syntrace_model::train::MonitorRow]) -> Result<NewSegment> {
    let columns = vec![
        ("epoch", optional!(Int32Array, rows, |row| row.epoch.map(|epoch| epoch as i32))),
        ("monitor", column!(StringArray, rows, |row| row.monitor.as_str())),
        ("field", column!(StringArray, rows, |row| row.field.as_str())),
        ("value", column!(Float64Array, rows, |row| row.value)),
    ];
    segment(&schema::MONITORS, model, columns)
}

//! The GAN on header fields: cells, critics, training.

mod cells;
#[cfg(feature = "torch")]
mod critic;
#[cfg(feature = "torch")]
mod training;

use syntrace::base::Seed;
use syntrace::capture::{CutOptions, cut, write_frames};
use syntrace::encoding::EncodingKind;
use syntrace::record::{Trace, TraceUnit};
use syntrace::simulate::{SimulateOptions, simulate};
use syntrace::train::EncodedTrace;

/// Simulated traces of a class of dataset `os`, at most `packets` packets each.
fn traces(class: &str, flows: u32, packets: u32, seed: u64) -> Vec<Trace> {
    let frames = simulate(&SimulateOptions::new("os", class, flows, Seed::root(seed))).unwrap();
    let mut bytes = Vec::new();
    write_frames(&mut bytes, 1, frames.iter().map(|frame| (frame.time_us, frame.bytes.as_slice()))).unwrap();
    let options = CutOptions {
        dataset: "os".to_owned(),
        class: class.to_owned(),
        unit: TraceUnit::Flow,
        trace_packets: packets,
        min_packets: 1,
    };
    cut(bytes.as_slice(), &options).unwrap().traces
}

fn encoded(traces: &[Trace]) -> Vec<EncodedTrace> {
    let encode = |trace: &Trace| {
        let encoded = EncodingKind::Fields.encode(trace);
        EncodedTrace { trace_id: trace.trace_id, rows: encoded.rows, width: encoded.width, data: encoded.data }
    };
    traces.iter().map(encode).collect()
}

//! Frames to traces: the first N packets of each flow, or of the whole capture.
//!
//! A flow is its bidirectional 5-tuple within one capture, without time-outs. A packet past the first N
//! only moves counters: its headers are read, its bytes are not copied. Memory: N packets a flow.

use std::collections::HashMap;
use std::io::Read;

use super::decode::{PacketView, view_frame};
use super::drop_counter::DropCounter;
use super::flow::{Endpoint, FlowHash, FlowKey};
use super::frames::{CaptureSummary, Frame, read_frames};
use syntrace_base::base::{Digest, Identity, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Direction, DropCount, DropReason, Packet, Trace, TraceUnit};

/// How a capture is cut into traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOptions {
    /// Dataset that the traces belong to; part of their ids.
    pub dataset: String,
    /// Class that the traces belong to; part of their ids.
    pub class: String,
    /// What one trace is cut from.
    pub unit: TraceUnit,
    /// Largest number of packets of a trace.
    pub trace_packets: u32,
    /// Flows (or captures) with fewer packets give no trace; 1 keeps all.
    pub min_packets: u32,
}

/// A capture cut into traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// What was read.
    pub summary: CaptureSummary,
    /// Traces in order of their first packet.
    pub traces: Vec<Trace>,
    /// Packets in no trace, by reason in the order of [`DropReason::ALL`].
    pub drops: Vec<DropCount>,
}

/// Cuts one capture into traces.
///
/// # Errors
/// `user` if the stream is no capture or `trace_packets` is 0; whatever the reader fails with.
pub fn cut<R: Read>(reader: R, options: &CutOptions) -> Result<Cut> {
    if options.trace_packets == 0 {
        return Err(Error::user("expected traces of at least 1 packet, found `0`").hint("set the packets of a trace"));
    }
    let mut assembler = Assembler::new(options);
    let summary = read_frames(reader, |frame| {
        assembler.add(frame);
        Ok(())
    })?;
    let (traces, drops) = assembler.finish(&summary.digest);
    Ok(Cut { summary, traces, drops })
}

/// A flow while its capture is read.
struct Flow {
    first_packet: u64,
    link_type: u32,
    first_source: Endpoint,
    packet_count: u64,
    bytes: u64,
    first_beyond: u64,
    packets: Vec<Packet>,
}

struct Assembler<'a> {
    options: &'a CutOptions,
    flows: Vec<Flow>,
    by_key: HashMap<FlowKey, usize, FlowHash>,
    // Packets of one flow come in bursts: most need no look-up.
    latest: Option<(FlowKey, usize)>,
    drops: DropCounter,
}

impl<'a> Assembler<'a> {
    fn new(options: &'a CutOptions) -> Self {
        Self {
            options,
            flows: Vec::new(),
            by_key: HashMap::with_hasher(FlowHash::new()),
            latest: None,
            drops: DropCounter::default(),
        }
    }

    #[inline]
    fn add(&mut self, frame: &Frame<'_>) {
        let view = match view_frame(frame.link_type, frame.captured, frame.original_length) {
            Ok(view) => view,
            Err(dropped) => return self.drops.count(dropped.reason, 1, frame.index, || dropped.to_string()),
        };
        let (key, source) = FlowKey::of(&view);
        let place = match self.options.unit {
            TraceUnit::Flow => self.flow_place(key, source, frame),
            TraceUnit::Capture => {
                if self.flows.is_empty() {
                    self.flows.push(Flow::starting(frame, source));
                }
                0
            }
        };
        let limit = self.options.trace_packets as usize;
        if let Some(flow) = self.flows.get_mut(place) {
            flow.add(frame, &view, source, self.options.unit, limit);
        }
    }

    #[inline]
    fn flow_place(&mut self, key: FlowKey, source: Endpoint, frame: &Frame<'_>) -> usize {
        if let Some((latest, place)) = self.latest
            && latest == key
        {
            return place;
        }
        let next = self.flows.len();
        let place = *self.by_key.entry(key).or_insert(next);
        if place == next {
            self.flows.push(Flow::starting(frame, source));
        }
        self.latest = Some((key, place));
        place
    }

    fn finish(mut self, capture: &Digest) -> (Vec<Trace>, Vec<DropCount>) {
        let mut traces = Vec::with_capacity(self.flows.len());
        for flow in std::mem::take(&mut self.flows) {
            let needed = u64::from(self.options.min_packets);
            if flow.packet_count < needed {
                let text = || format!("flow of {} packets, at least {needed} needed", flow.packet_count);
                self.drops.count(DropReason::TraceTooShort, flow.packet_count, flow.first_packet, text);
                continue;
            }
            let beyond = flow.packet_count - flow.packets.len() as u64;
            if beyond > 0 {
                let text = || format!("flow of {} packets", flow.packet_count);
                self.drops.count(DropReason::BeyondTraceLength, beyond, flow.first_beyond, text);
            }
            traces.push(Trace {
                trace_id: trace_id(self.options, capture, flow.first_packet),
                first_packet: flow.first_packet,
                link_type: flow.link_type,
                flow_packets: flow.packet_count,
                flow_bytes: flow.bytes,
                packets: flow.packets,
            });
        }
        (traces, self.drops.finish())
    }
}

/// The id of a trace: what it was cut from, how, and where it begins.
fn trace_id(options: &CutOptions, capture: &Digest, first_packet: u64) -> TraceId {
    Identity::new("trace")
        .text(&options.dataset)
        .text(&options.class)
        .digest(capture)
        .text(options.unit.name())
        .int(i64::from(options.trace_packets))
        .int(first_packet.cast_signed())
        .finish()
        .into()
}

impl Flow {
    fn starting(frame: &Frame<'_>, first_source: Endpoint) -> Self {
        Self {
            first_packet: frame.index,
            link_type: frame.link_type,
            first_source,
            packet_count: 0,
            bytes: 0,
            first_beyond: 0,
            packets: Vec::new(),
        }
    }

    #[inline]
    fn add(&mut self, frame: &Frame<'_>, view: &PacketView<'_>, source: Endpoint, unit: TraceUnit, limit: usize) {
        self.packet_count += 1;
        self.bytes += u64::from(view.ip_length);
        if self.packets.len() < limit {
            let forward = match unit {
                TraceUnit::Flow => source == self.first_source,
                // A capture holds many flows: direction is that of the host that spoke first.
                TraceUnit::Capture => source.0 == self.first_source.0,
            };
            let direction = if forward { Direction::Forward } else { Direction::Backward };
            self.packets.push(view.to_packet(frame.time_us, direction));
        } else if self.packet_count == limit as u64 + 1 {
            self.first_beyond = frame.index;
        }
    }
}

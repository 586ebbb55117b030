//! Shares of packets and traces that keep the protocols' rules.
//!
//! A measure is the share of the compared side alone; real captures do not reach 1 either (checksum
//! offload, flows that began before the capture, lost packets), so read it beside the baselines. What
//! cannot be checked (a checksum over bytes that were not captured) is not counted; a trace without packets
//! fails, and so do headers that do not parse.

use super::header_checks::Frame;
use super::measure::{Aspect, Metric};
use super::rows::Rows;
use super::tcp;
use syntrace_base::record::{Direction, Packet, Trace};

type PacketCheck = fn(&Packet) -> Option<bool>;
type TraceCheck = fn(&Trace) -> Option<bool>;

/// Do a packet's headers parse?
const HEADERS: &str = "headers";

/// Checks of one packet; `None` = cannot be checked.
const PACKET_CHECKS: [(&str, PacketCheck); 6] = [
    (HEADERS, |packet| Some(Frame::of(packet).is_some())),
    ("ip_length", |packet| Frame::of(packet).map(|frame| frame.length_holds())),
    ("ipv4_checksum", |packet| Frame::of(packet).and_then(|frame| frame.ipv4_checksum_holds())),
    ("udp_length", |packet| Frame::of(packet).and_then(|frame| frame.udp_length_holds())),
    ("transport_checksum", |packet| Frame::of(packet).and_then(|frame| frame.transport_checksum_holds())),
    ("tcp_flags", |packet| packet.tcp_flags.map(tcp::flags_are_legal)),
];

/// Checks of a whole trace.
const TRACE_CHECKS: [(&str, TraceCheck); 4] = [
    ("one_flow", |trace| Some(is_one_flow(trace))),
    ("time_order", |trace| {
        let pairs = trace.packets.iter().zip(trace.packets.iter().skip(1));
        Some(!trace.packets.is_empty() && pairs.into_iter().all(|(before, packet)| before.time_us <= packet.time_us))
    }),
    ("tcp_state", tcp::state_is_legal),
    ("tcp_sequence", tcp::sequence_is_plausible),
];

/// Passed and checked, per check.
pub(super) struct Validity {
    shares: Vec<(&'static str, u64, u64)>,
}

impl Validity {
    /// `unreadable` packets were generated and do not parse: they are in no trace, and have no headers.
    pub fn of(traces: &[&Trace], unreadable: u64) -> Self {
        let tally = |checks: &mut dyn Iterator<Item = Option<bool>>| {
            checks.flatten().fold((0, 0), |(passed, checked), good| (passed + u64::from(good), checked + 1))
        };
        let mut shares = Vec::new();
        for (name, check) in PACKET_CHECKS {
            let (passed, checked) = tally(&mut traces.iter().flat_map(|trace| &trace.packets).map(check));
            let unreadable = if name == HEADERS { unreadable } else { 0 };
            shares.push((name, passed, checked + unreadable));
        }
        for (name, check) in TRACE_CHECKS {
            let (passed, checked) = tally(&mut traces.iter().map(|trace| check(trace)));
            shares.push((name, passed, checked));
        }
        Self { shares }
    }

    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        for ((_, _, real_checked), (field, passed, checked)) in self.shares.iter().zip(&compared.shares) {
            let value = (*checked > 0).then(|| *passed as f64 / *checked as f64);
            rows.push((Aspect::Validity, *field, None), Metric::Share, value, (*real_checked, *checked));
        }
    }
}

/// Do all packets of the trace belong to one bidirectional 5-tuple, with directions to match?
fn is_one_flow(trace: &Trace) -> bool {
    let Some(first) = trace.packets.first() else { return false };
    let ends = |packet: &Packet| match packet.direction {
        Direction::Forward => (packet.src_ip.clone(), packet.src_port, packet.dst_ip.clone(), packet.dst_port),
        Direction::Backward => (packet.dst_ip.clone(), packet.dst_port, packet.src_ip.clone(), packet.src_port),
    };
    let expected = ends(first);
    trace.packets.iter().all(|packet| packet.protocol == first.protocol && ends(packet) == expected)
}

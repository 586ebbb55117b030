//! Generated frames to packets.

use super::layout::{ETHERNET_BYTES, Layout, UDP, locate};
use super::mend::{MendedFields, mend_frame};
use super::packet::packet_of;
use crate::encoding::packets::HeaderPacket;
use crate::encoding::tokens::UDP_PAYLOAD_BYTES;
use syntrace_base::base::{Identity, ModelId, TraceId};
use syntrace_base::record::{Direction, DropReason, Packet};

/// Time of a synthetic trace's first packet: 2000-01-01 00:00:00 UTC, microseconds since 1970. Public
/// and arbitrary: generators without timestamps must not borrow real ones (they are private).
pub const START_US: i64 = 946_684_800_000_000;

/// Time from one generated packet to the next, microseconds; public and arbitrary as well.
pub const INTERVAL_US: i64 = 10_000;

/// Which changes to a generated packet are permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeMode {
    /// Nothing: padding behind the headers is cut, every field is as generated. For measuring quality.
    Raw,
    /// Lengths and checksums that contradict the packet are set, see [`MendedFields`]. For export.
    Mended,
}

impl DecodeMode {
    /// Name in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mended => "mended",
        }
    }
}

/// How generated frames become packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeOptions {
    /// What may be changed.
    pub mode: DecodeMode,
    /// Time of the first frame, microseconds since 1970.
    pub start_us: i64,
    /// Time from one frame to the next, microseconds; a rejected frame leaves its gap.
    pub interval_us: i64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { mode: DecodeMode::Mended, start_us: START_US, interval_us: INTERVAL_US }
    }
}

/// The packets of one generated trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecodedTrace {
    /// Packets that parse, in generated order.
    pub packets: Vec<Packet>,
    /// Why frames were rejected, in generated order; one entry for each.
    pub rejections: Vec<DropReason>,
    /// Header fields that were changed, by field.
    pub mended: MendedFields,
}

impl DecodedTrace {
    /// Number of generated frames that do not parse.
    pub fn rejected(&self) -> u32 {
        u32::try_from(self.rejections.len()).unwrap_or(u32::MAX)
    }

    /// Number of header fields that were changed.
    pub fn mended_fields(&self) -> u32 {
        self.mended.total()
    }
}

/// Identity of a model's synthetic trace by its number.
pub fn trace_id(model_id: ModelId, number: u64) -> TraceId {
    Identity::new("synthetic-trace").int(model_id.0).bytes(&number.to_le_bytes()).finish().into()
}

/// Bytes that the whole packet would have on the wire: the record length of an exported PCAP, whose
/// captured length is that of `packet.data`.
pub fn original_length(packet: &Packet) -> u32 {
    let on_wire = packet.ip_length.saturating_add(ETHERNET_BYTES as u32);
    on_wire.max(u32::try_from(packet.data.len()).unwrap_or(u32::MAX))
}

/// Turns generated frames (Ethernet II, any length, any bytes) into packets. A frame is kept if its
/// ethertype and IP version agree and its IP and TCP or UDP headers are complete; it is cut behind them
/// (UDP: behind [`UDP_PAYLOAD_BYTES`] of payload). The rest is counted in `rejections`.
pub fn decode_trace(frames: &[Vec<u8>], options: &DecodeOptions) -> DecodedTrace {
    let mut trace = DecodedTrace::default();
    let mut time_us = options.start_us;
    for frame in frames {
        match locate(frame) {
            Ok(layout) => {
                let mut data = trim(frame, &layout);
                if options.mode == DecodeMode::Mended {
                    trace.mended += mend_frame(&mut data, &layout);
                }
                let mut packet = packet_of(data, &layout, time_us);
                packet.direction = direction(trace.packets.first(), &packet);
                trace.packets.push(packet);
            }
            Err(reason) => trace.rejections.push(reason),
        }
        time_us = time_us.saturating_add(options.interval_us);
    }
    trace
}

/// Turns header views into packets, each at its own time. The generator leaves lengths and checksums to the packet: what
/// does not fit is set, as where fields become packets, and not counted.
pub fn decode_packets(packets: &[HeaderPacket]) -> DecodedTrace {
    let mut trace = DecodedTrace::default();
    for packet in packets {
        let options = DecodeOptions { start_us: packet.time_us, ..DecodeOptions::default() };
        let mut one = decode_trace(&[packet.frame()], &options);
        for packet in &mut one.packets {
            packet.direction = direction(trace.packets.first(), packet);
            if packet.direction == Direction::Backward {
                // The sender's MAC address says the direction, as in normalised captures.
                packet.data.get_mut(..12).into_iter().for_each(|macs| macs.rotate_left(6));
            }
        }
        trace.packets.append(&mut one.packets);
        trace.rejections.append(&mut one.rejections);
    }
    trace
}

/// The frame up to the end of its headers and, for UDP, the payload that the header view holds.
fn trim(frame: &[u8], layout: &Layout) -> Vec<u8> {
    let payload = match layout.protocol {
        UDP => layout.payload_length(frame).min(UDP_PAYLOAD_BYTES),
        _ => 0,
    };
    let end = (layout.header_end + payload).min(frame.len());
    frame.get(..end).unwrap_or(frame).to_vec()
}

/// Backward is what comes from the first packet's receiver: its address and port, or its address where
/// the two hosts differ. Anything else counts as forward, strangers included.
pub(super) fn direction(first: Option<&Packet>, packet: &Packet) -> Direction {
    let Some(first) = first else { return Direction::Forward };
    let from_receiver = if first.src_ip == first.dst_ip {
        packet.src_port == first.dst_port && first.src_port != first.dst_port
    } else {
        true
    };
    if packet.src_ip == first.dst_ip && from_receiver { Direction::Backward } else { Direction::Forward }
}

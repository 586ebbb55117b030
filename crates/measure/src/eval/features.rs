//! A trace as the numbers that a classifier reads: its header fields packet by packet.
//!
//! The paper's 15 fields (section 3.4.1) with two changes, so that forests of single-precision
//! thresholds lose nothing: an address is two numbers of 16 bits (its upper and lower end), and time is
//! the gap to the packet before (absolute times would tell captures apart, not traffic).

use syntrace_base::record::{Packet, Trace};

/// Numbers of one packet, with the header field that each comes from.
pub const PACKET_FEATURES: [(&str, Feature); 17] = [
    ("src_ip", |_, packet| Some(upper_bits(&packet.src_ip))),
    ("src_ip", |_, packet| Some(lower_bits(&packet.src_ip))),
    ("dst_ip", |_, packet| Some(upper_bits(&packet.dst_ip))),
    ("dst_ip", |_, packet| Some(lower_bits(&packet.dst_ip))),
    ("src_port", |_, packet| Some(packet.src_port.into())),
    ("dst_port", |_, packet| Some(packet.dst_port.into())),
    ("protocol", |_, packet| Some(packet.protocol.into())),
    ("inter_arrival_us", |before, packet| before.map(|before| packet.time_us.saturating_sub(before.time_us) as f32)),
    ("ip_length", |_, packet| Some(packet.ip_length as f32)),
    ("ip_version", |_, packet| Some(packet.ip_version.into())),
    ("header_length", |_, packet| Some(packet.header_length.into())),
    ("tos", |_, packet| Some(packet.tos.into())),
    ("identification", |_, packet| packet.identification.map(f32::from)),
    ("flags", |_, packet| packet.flags.map(f32::from)),
    ("fragment_offset", |_, packet| packet.fragment_offset.map(f32::from)),
    ("ttl", |_, packet| Some(packet.ttl.into())),
    ("checksum", |_, packet| packet.checksum.map(f32::from)),
];

/// A number of a packet, from the packet before and the packet; `None` where it has none.
pub type Feature = fn(Option<&Packet>, &Packet) -> Option<f32>;

/// Stands for a packet or field that is not there; no feature is negative but a gap in a capture whose
/// clock went back.
pub const FEATURE_ABSENT: f32 = -1.0;

fn upper_bits(address: &[u8]) -> f32 {
    address.first_chunk().map_or(FEATURE_ABSENT, |bytes| f32::from(u16::from_be_bytes(*bytes)))
}

fn lower_bits(address: &[u8]) -> f32 {
    address.last_chunk().map_or(FEATURE_ABSENT, |bytes| f32::from(u16::from_be_bytes(*bytes)))
}

/// Features of some traces, row-major: one row a trace, `packets` times [`PACKET_FEATURES`] wide.
pub fn trace_features(traces: &[&Trace], packets: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(traces.len() * feature_width(packets));
    for trace in traces {
        for position in 0..packets {
            let packet = trace.packets.get(position);
            let before = position.checked_sub(1).and_then(|before| trace.packets.get(before));
            rows.extend(
                PACKET_FEATURES
                    .iter()
                    .map(|(_, feature)| packet.and_then(|packet| feature(before, packet)).unwrap_or(FEATURE_ABSENT)),
            );
        }
    }
    rows
}

/// Features of a trace of at most `packets` packets.
pub fn feature_width(packets: usize) -> usize {
    packets * PACKET_FEATURES.len()
}

/// Sums of numbers that belong to features (importances), as (field, packet position, sum), by position
/// and then in the order of [`PACKET_FEATURES`].
pub fn by_field_and_position(values: &[f64]) -> Vec<(&'static str, u32, f64)> {
    let mut sums: Vec<(&'static str, u32, f64)> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let position = (index / PACKET_FEATURES.len()) as u32;
        let Some((field, _)) = PACKET_FEATURES.get(index % PACKET_FEATURES.len()) else { continue };
        match sums.last_mut() {
            // the two halves of an address are adjacent
            Some((last, at, sum)) if *last == *field && *at == position => *sum += value,
            _ => sums.push((*field, position, *value)),
        }
    }
    sums
}

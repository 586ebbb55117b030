//! Distance between real and other traces per header field and packet position (paper section 4.1).
//!
//! Of the paper's 15 fields the numbers (length, TTL, time: its Figure 5) are compared by Wasserstein-1,
//! the others (Figure 3) by Jensen-Shannon on the values that occur. Time is compared as the gap to the
//! packet before, from the second packet on: absolute times of two populations have nothing in common.
//!
//! Every trace counts at every position up to the longest trace of either side: a packet that it does not
//! have, and a field that its packet does not have, are values of their own. A generator that stops early is
//! so not judged by the few packets that it got right.

use super::distribution::{Absent, Distribution, compare, spread};
use super::measure::{Aspect, Metric};
use super::rows::Rows;
use syntrace_base::record::{Packet, Trace};

/// How a field is compared.
#[derive(Debug, Clone, Copy)]
pub enum FieldKind {
    /// As categories: an address as its 128 bits, IPv4 in the mapped form.
    Address(fn(&Packet) -> u128),
    /// As categories of at most 16 bits, counted in a table.
    Code(fn(&Packet) -> Option<u16>),
    /// As whole numbers from 0, counted in a table as far as they fit 16 bits.
    Size(fn(&Packet) -> u32),
    /// As the time in microseconds since the packet before (`None` at position 0).
    Gap(fn(Option<&Packet>, &Packet) -> Option<f64>),
}

/// The compared fields, in the order of the paper's list (section 3.4.1).
pub const FIELDS: [(&str, FieldKind); 15] = [
    ("src_ip", FieldKind::Address(|packet| address_bits(&packet.src_ip))),
    ("dst_ip", FieldKind::Address(|packet| address_bits(&packet.dst_ip))),
    ("src_port", FieldKind::Code(|packet| Some(packet.src_port))),
    ("dst_port", FieldKind::Code(|packet| Some(packet.dst_port))),
    ("protocol", FieldKind::Code(|packet| Some(packet.protocol.into()))),
    ("inter_arrival_us", FieldKind::Gap(inter_arrival_us)),
    ("ip_length", FieldKind::Size(|packet| packet.ip_length)),
    ("ip_version", FieldKind::Code(|packet| Some(packet.ip_version.into()))),
    ("header_length", FieldKind::Code(|packet| Some(packet.header_length.into()))),
    ("tos", FieldKind::Code(|packet| Some(packet.tos.into()))),
    ("identification", FieldKind::Code(|packet| packet.identification)),
    ("flags", FieldKind::Code(|packet| packet.flags.map(u16::from))),
    ("fragment_offset", FieldKind::Code(|packet| packet.fragment_offset)),
    ("ttl", FieldKind::Size(|packet| packet.ttl.into())),
    ("checksum", FieldKind::Code(|packet| packet.checksum)),
];

/// What each cell of the header fields stores: the distances of the paper, in the order of a comparison.
const STORED: [Metric; 4] =
    [Metric::JensenShannonDistance, Metric::JensenShannonDivergence, Metric::Wasserstein, Metric::WassersteinScaled];

/// An address as a number; 4 bytes become ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2).
pub(super) fn address_bits(bytes: &[u8]) -> u128 {
    let number = bytes.iter().fold(0u128, |number, &byte| number << 8 | u128::from(byte));
    if bytes.len() == 4 { 0xffff_0000_0000 | number } else { number }
}

fn inter_arrival_us(before: Option<&Packet>, packet: &Packet) -> Option<f64> {
    before.map(|before| packet.time_us.saturating_sub(before.time_us) as f64)
}

/// The header fields of one side: a distribution per position and field.
pub(super) struct Header {
    traces: u64,
    positions: Vec<Position>,
    /// Unit of each field's numbers.
    spreads: Vec<f64>,
}

/// The packets of all traces at one position.
struct Position {
    packets: u64,
    fields: Vec<Distribution>,
}

impl Header {
    pub fn of(traces: &[&Trace]) -> Self {
        let longest = traces.iter().map(|trace| trace.packets.len()).max().unwrap_or(0);
        let positions: Vec<usize> = (0..longest).collect();
        let positions = syntrace_base::base::map_ordered(&positions, |&position| fields_at(traces, position));
        let of_field = |place| spread(positions.iter().filter_map(|position| position.fields.get(place)));
        let spreads = (0..FIELDS.len()).map(of_field).collect();
        Self { traces: traces.len() as u64, positions, spreads }
    }

    /// Rows per field and position up to the longest trace of either side, in the order of [`FIELDS`],
    /// then positions, then two measures each.
    pub fn rows(&self, compared: &Self, rows: &mut Rows) {
        let none = fields_at(&[], 0);
        for ((place, (field, kind)), scale) in FIELDS.iter().enumerate().zip(&self.spreads) {
            for position in 0..self.positions.len().max(compared.positions.len()) {
                let (real, other) =
                    (self.positions.get(position).unwrap_or(&none), compared.positions.get(position).unwrap_or(&none));
                let (Some(values), Some(others)) = (real.fields.get(place), other.fields.get(place)) else { continue };
                // the first packet of a trace has no predecessor
                let defined = position > 0 || !matches!(kind, FieldKind::Gap(_));
                let absent = |side: &Self, at: &Position, values: &Distribution| Absent {
                    packets: if defined { side.traces - at.packets } else { 0 },
                    fields: if defined { at.packets - values.len() } else { 0 },
                };
                let (values, others) =
                    (values.with(absent(self, real, values)), others.with(absent(compared, other, others)));
                let found = compare(values, others, *scale);
                rows.comparison(Aspect::Header, *field, Some(position as u32), &found, &STORED);
            }
        }
    }
}

/// The distributions of [`FIELDS`] at one position.
fn fields_at(traces: &[&Trace], position: usize) -> Position {
    let packets: Vec<(Option<&Packet>, &Packet)> = traces
        .iter()
        .filter_map(|trace| {
            let packet = trace.packets.get(position)?;
            Some((position.checked_sub(1).and_then(|before| trace.packets.get(before)), packet))
        })
        .collect();
    let mut table = vec![0u32; 1 << 16];
    let fields = FIELDS.iter().map(|(_, kind)| distribution(*kind, &packets, &mut table)).collect();
    Position { packets: packets.len() as u64, fields }
}

/// One field of some packets; `table` is 2^16 zeros, before and after.
fn distribution(kind: FieldKind, packets: &[(Option<&Packet>, &Packet)], table: &mut [u32]) -> Distribution {
    match kind {
        FieldKind::Address(extract) => Distribution::categories(packets.iter().map(|(_, packet)| extract(packet))),
        FieldKind::Gap(extract) => {
            Distribution::numbers(packets.iter().filter_map(|(before, packet)| extract(*before, packet)))
        }
        FieldKind::Code(extract) => {
            tabulate(packets.iter().filter_map(|(_, packet)| extract(packet).map(usize::from)), table);
            cleared(table, Distribution::codes)
        }
        FieldKind::Size(extract) => {
            if packets.iter().any(|(_, packet)| extract(packet) as usize >= table.len()) {
                return Distribution::numbers(packets.iter().map(|(_, packet)| f64::from(extract(packet))));
            }
            tabulate(packets.iter().map(|(_, packet)| extract(packet) as usize), table);
            cleared(table, Distribution::small_numbers)
        }
    }
}

fn tabulate(values: impl Iterator<Item = usize>, table: &mut [u32]) {
    for value in values {
        if let Some(times) = table.get_mut(value) {
            *times += 1;
        }
    }
}

/// Reads a table out and sets it back to zeros.
fn cleared(table: &mut [u32], read: fn(&[u32]) -> Distribution) -> Distribution {
    let found = read(table);
    table.fill(0);
    found
}

//! Distance between real and other traces per header field and packet position (paper section 4.1).
//!
//! Of the paper's 15 fields the numbers (length, TTL, time: its Figure 5) are compared by Wasserstein-1,
//! the others (Figure 3) by Jensen-Shannon on the values that occur. Time is compared as the gap to the
//! packet before, from the second packet on: absolute times of two populations have nothing in common.

use super::distance::{JensenShannon, jensen_shannon, jensen_shannon_counts, wasserstein_1};
use crate::record::{Packet, Trace};

/// How a field is compared.
#[derive(Debug, Clone, Copy)]
pub enum FieldKind {
    /// As categories: an address as its 128 bits, IPv4 in the mapped form.
    Address(fn(&Packet) -> u128),
    /// As categories of at most 16 bits, counted in a table.
    Code(fn(&Packet) -> Option<u16>),
    /// As numbers; from the packet before (`None` at position 0) and the packet.
    Number(fn(Option<&Packet>, &Packet) -> Option<f64>),
}

/// Measures in the `metric` column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Jensen-Shannon distance, base 2.
    JensenShannonDistance,
    /// Jensen-Shannon divergence, base 2.
    JensenShannonDivergence,
    /// Wasserstein-1 in the field's unit.
    Wasserstein,
    /// Wasserstein-1 in standard deviations of the real side; none where that is 0 and the sides differ.
    WassersteinScaled,
}

impl Metric {
    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::JensenShannonDistance => "jsd",
            Self::JensenShannonDivergence => "js_divergence",
            Self::Wasserstein => "wasserstein",
            Self::WassersteinScaled => "wasserstein_scaled",
        }
    }
}

/// One measure of one field at one position: a row of the `fidelity` table.
#[derive(Debug, Clone, PartialEq)]
pub struct FidelityRow {
    /// What was compared with the members (`synthetic`, `held_out`).
    pub compared: String,
    /// Header field.
    pub field: &'static str,
    /// Packet position from 0.
    pub position: u32,
    /// Measure.
    pub metric: Metric,
    /// Value; `None` where a side has no value.
    pub value: Option<f64>,
    /// Values on the real side.
    pub n_real: u64,
    /// Values on the other side.
    pub n_compared: u64,
}

/// The compared fields, in the order of the paper's list (section 3.4.1).
pub const FIELDS: [(&str, FieldKind); 15] = [
    ("src_ip", FieldKind::Address(|packet| address(&packet.src_ip))),
    ("dst_ip", FieldKind::Address(|packet| address(&packet.dst_ip))),
    ("src_port", FieldKind::Code(|packet| Some(packet.src_port))),
    ("dst_port", FieldKind::Code(|packet| Some(packet.dst_port))),
    ("protocol", FieldKind::Code(|packet| Some(packet.protocol.into()))),
    ("inter_arrival_us", FieldKind::Number(inter_arrival_us)),
    ("ip_length", FieldKind::Number(|_, packet| Some(packet.ip_length.into()))),
    ("ip_version", FieldKind::Code(|packet| Some(packet.ip_version.into()))),
    ("header_length", FieldKind::Code(|packet| Some(packet.header_length.into()))),
    ("tos", FieldKind::Code(|packet| Some(packet.tos.into()))),
    ("identification", FieldKind::Code(|packet| packet.identification)),
    ("flags", FieldKind::Code(|packet| packet.flags.map(u16::from))),
    ("fragment_offset", FieldKind::Code(|packet| packet.fragment_offset)),
    ("ttl", FieldKind::Number(|_, packet| Some(packet.ttl.into()))),
    ("checksum", FieldKind::Code(|packet| packet.checksum)),
];

/// An address as a number; 4 bytes become ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2).
fn address(bytes: &[u8]) -> u128 {
    let number = bytes.iter().fold(0u128, |number, &byte| number << 8 | u128::from(byte));
    if bytes.len() == 4 { 0xffff_0000_0000 | number } else { number }
}

fn inter_arrival_us(before: Option<&Packet>, packet: &Packet) -> Option<f64> {
    before.map(|before| packet.time_us.saturating_sub(before.time_us) as f64)
}

/// Compares `other` with the real `members`, per field and packet position up to the longest trace of
/// either side, in the order of [`FIELDS`], then positions, then two measures each.
pub fn fidelity(members: &[Trace], other: &[Trace], compared: &str) -> Vec<FidelityRow> {
    let longest = members.iter().chain(other).map(|trace| trace.packets.len()).max().unwrap_or(0);
    let positions: Vec<usize> = (0..longest).collect();
    let by_position = crate::base::map_ordered(&positions, |&position| {
        let columns = columns_at(members, position).into_iter().zip(columns_at(other, position));
        columns.map(|(real, other)| compare(real, other)).collect::<Vec<Cell>>()
    });
    let mut rows = Vec::with_capacity(2 * FIELDS.len() * longest);
    for (place, (field, _)) in FIELDS.iter().enumerate() {
        for (position, cells) in by_position.iter().enumerate() {
            let Some(cell) = cells.get(place) else { continue };
            rows.extend(cell.measures.iter().map(|&(metric, value)| FidelityRow {
                compared: compared.to_owned(),
                field,
                position: position as u32,
                metric,
                value,
                n_real: cell.n_real,
                n_compared: cell.n_compared,
            }));
        }
    }
    rows
}

/// The values of one field at one position, on one side.
enum Column {
    Addresses(Vec<u128>),
    /// How often each code occurs.
    Codes(Vec<u32>),
    Numbers(Vec<f64>),
}

/// The columns of [`FIELDS`] at one position, in one pass over the traces.
fn columns_at(traces: &[Trace], position: usize) -> Vec<Column> {
    let mut columns: Vec<Column> = FIELDS
        .iter()
        .map(|(_, kind)| match kind {
            FieldKind::Address(_) => Column::Addresses(Vec::with_capacity(traces.len())),
            FieldKind::Code(_) => Column::Codes(vec![0; 1 << 16]),
            FieldKind::Number(_) => Column::Numbers(Vec::with_capacity(traces.len())),
        })
        .collect();
    for trace in traces {
        let Some(packet) = trace.packets.get(position) else { continue };
        let before = position.checked_sub(1).and_then(|before| trace.packets.get(before));
        for ((_, kind), column) in FIELDS.iter().zip(&mut columns) {
            take(*kind, before, packet, column);
        }
    }
    columns
}

fn take(kind: FieldKind, before: Option<&Packet>, packet: &Packet, column: &mut Column) {
    match (kind, column) {
        (FieldKind::Address(extract), Column::Addresses(values)) => values.push(extract(packet)),
        (FieldKind::Code(extract), Column::Codes(counts)) => {
            if let Some(count) = extract(packet).and_then(|code| counts.get_mut(usize::from(code))) {
                *count += 1;
            }
        }
        (FieldKind::Number(extract), Column::Numbers(values)) => values.extend(extract(before, packet)),
        _ => {}
    }
}

/// One field at one position.
struct Cell {
    measures: [(Metric, Option<f64>); 2],
    n_real: u64,
    n_compared: u64,
}

fn compare(real: Column, compared: Column) -> Cell {
    match (real, compared) {
        (Column::Addresses(mut real), Column::Addresses(mut compared)) => {
            let found = jensen_shannon(&mut real, &mut compared);
            Cell::categorical(found, real.len() as u64, compared.len() as u64)
        }
        (Column::Codes(real), Column::Codes(compared)) => {
            let pairs = real.iter().zip(&compared).filter(|&(&a, &b)| a > 0 || b > 0);
            let counts: Vec<(f64, f64)> = pairs.map(|(&a, &b)| (f64::from(a), f64::from(b))).collect();
            let total = |side: &[u32]| side.iter().map(|&count| u64::from(count)).sum();
            Cell::categorical(jensen_shannon_counts(&counts), total(&real), total(&compared))
        }
        (Column::Numbers(mut real), Column::Numbers(mut compared)) => {
            let raw = wasserstein_1(&mut real, &mut compared);
            Cell::numeric(raw, standard_deviation(&real), real.len() as u64, compared.len() as u64)
        }
        // both sides are built from the same table, so kinds never differ
        _ => Cell::categorical(None, 0, 0),
    }
}

impl Cell {
    fn categorical(found: Option<JensenShannon>, n_real: u64, n_compared: u64) -> Self {
        let distance = (Metric::JensenShannonDistance, found.map(|found| found.distance));
        let divergence = (Metric::JensenShannonDivergence, found.map(|found| found.divergence));
        Self { measures: [distance, divergence], n_real, n_compared }
    }

    fn numeric(raw: Option<f64>, deviation: f64, n_real: u64, n_compared: u64) -> Self {
        let scaled = raw.and_then(|raw| match (raw, deviation) {
            (0.0, _) => Some(0.0),
            (_, deviation) if deviation > 0.0 => Some(raw / deviation),
            _ => None,
        });
        Self { measures: [(Metric::Wasserstein, raw), (Metric::WassersteinScaled, scaled)], n_real, n_compared }
    }
}

/// Of the population (divided by n); not a number for none.
fn standard_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

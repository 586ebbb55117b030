//! Distance between real and other traces per header field and packet position (paper section 4.1).
//!
//! Of the paper's 15 fields the numbers (length, TTL, time: its Figure 5) are compared by Wasserstein-1,
//! the others (Figure 3) by Jensen-Shannon on the values that occur. Time is compared as the gap to the
//! packet before, from the second packet on: absolute times of two populations have nothing in common.

use super::distance::{jensen_shannon, wasserstein_1};
use crate::record::{Packet, Trace};

/// How a field is compared.
#[derive(Debug, Clone, Copy)]
pub enum FieldKind {
    /// As categories; an address is its 128 bits, IPv4 in the mapped form.
    Categorical(fn(&Packet) -> Option<u128>),
    /// As numbers; from the packet before (`None` at position 0) and the packet.
    Numeric(fn(Option<&Packet>, &Packet) -> Option<f64>),
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
    ("src_ip", FieldKind::Categorical(|packet| Some(address(&packet.src_ip)))),
    ("dst_ip", FieldKind::Categorical(|packet| Some(address(&packet.dst_ip)))),
    ("src_port", FieldKind::Categorical(|packet| Some(packet.src_port.into()))),
    ("dst_port", FieldKind::Categorical(|packet| Some(packet.dst_port.into()))),
    ("protocol", FieldKind::Categorical(|packet| Some(packet.protocol.into()))),
    ("inter_arrival_us", FieldKind::Numeric(inter_arrival_us)),
    ("ip_length", FieldKind::Numeric(|_, packet| Some(packet.ip_length.into()))),
    ("ip_version", FieldKind::Categorical(|packet| Some(packet.ip_version.into()))),
    ("header_length", FieldKind::Categorical(|packet| Some(packet.header_length.into()))),
    ("tos", FieldKind::Categorical(|packet| Some(packet.tos.into()))),
    ("identification", FieldKind::Categorical(|packet| packet.identification.map(u128::from))),
    ("flags", FieldKind::Categorical(|packet| packet.flags.map(u128::from))),
    ("fragment_offset", FieldKind::Categorical(|packet| packet.fragment_offset.map(u128::from))),
    ("ttl", FieldKind::Numeric(|_, packet| Some(packet.ttl.into()))),
    ("checksum", FieldKind::Categorical(|packet| packet.checksum.map(u128::from))),
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
    let positions = members.iter().chain(other).map(|trace| trace.packets.len()).max().unwrap_or(0);
    let cells: Vec<(&'static str, FieldKind, usize)> =
        FIELDS.iter().flat_map(|&(field, kind)| (0..positions).map(move |position| (field, kind, position))).collect();
    let cell_rows = crate::base::map_ordered(&cells, |&(field, kind, position)| {
        let cell = compare(members, other, kind, position);
        cell.measures.map(|(metric, value)| FidelityRow {
            compared: compared.to_owned(),
            field,
            position: position as u32,
            metric,
            value,
            n_real: cell.n_real as u64,
            n_compared: cell.n_compared as u64,
        })
    });
    cell_rows.into_iter().flatten().collect()
}

/// One field at one position.
struct Cell {
    measures: [(Metric, Option<f64>); 2],
    n_real: usize,
    n_compared: usize,
}

fn compare(members: &[Trace], other: &[Trace], kind: FieldKind, position: usize) -> Cell {
    match kind {
        FieldKind::Categorical(extract) => {
            let values = |traces: &[Trace]| -> Vec<u128> {
                traces.iter().filter_map(|trace| extract(trace.packets.get(position)?)).collect()
            };
            compare_categories(values(members), values(other))
        }
        FieldKind::Numeric(extract) => {
            let value = |trace: &Trace| {
                let before = position.checked_sub(1).and_then(|before| trace.packets.get(before));
                extract(before, trace.packets.get(position)?)
            };
            let values = |traces: &[Trace]| -> Vec<f64> { traces.iter().filter_map(value).collect() };
            compare_numbers(values(members), values(other))
        }
    }
}

fn compare_categories(mut real: Vec<u128>, mut compared: Vec<u128>) -> Cell {
    let found = jensen_shannon(&mut real, &mut compared);
    Cell {
        measures: [
            (Metric::JensenShannonDistance, found.map(|found| found.distance)),
            (Metric::JensenShannonDivergence, found.map(|found| found.divergence)),
        ],
        n_real: real.len(),
        n_compared: compared.len(),
    }
}

fn compare_numbers(mut real: Vec<f64>, mut compared: Vec<f64>) -> Cell {
    let raw = wasserstein_1(&mut real, &mut compared);
    let deviation = standard_deviation(&real);
    let scaled = raw.and_then(|raw| match (raw, deviation) {
        (0.0, _) => Some(0.0),
        (_, deviation) if deviation > 0.0 => Some(raw / deviation),
        _ => None,
    });
    Cell {
        measures: [(Metric::Wasserstein, raw), (Metric::WassersteinScaled, scaled)],
        n_real: real.len(),
        n_compared: compared.len(),
    }
}

/// Of the population (divided by n); not a number for none.
fn standard_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

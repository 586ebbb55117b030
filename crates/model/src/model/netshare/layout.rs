//! Traces as cells in [-1, 1] and back, on public ranges only.
//!
//! Cells of a sample: the features of each packet, packet after packet, then the attributes; the
//! order of the published tables. Kept exactly: IPv4 addresses, protocol, assigned ports, tos,
//! identification, flags (other than 3 and more), ttl, the number of packets. The fragment offset has
//! its cell as published, but comes back as 0: a packet with ports is never a later fragment. Lost:
//! which port of a bucket; gaps to the grid of f32 under the cap, longer ones cut; lengths outside 20
//! to 1,500; the day of the start; header lengths above 20; checksums (computed anew); and, of an IPv6
//! trace, the addresses: each becomes 28 bits of its digest in the reserved block 240.0.0.0/4, and the
//! trace comes back as IPv4.

// Without libtorch there are no networks that cells are laid out for.
#![cfg_attr(not(feature = "torch"), allow(dead_code))]

use super::config::{Interarrival, Mask, NetShareConfig, Samples};
use super::words::Words;
use crate::train::EncodedTrace;
use syntrace_base::base::StreamRng;
use syntrace_base::error::{Error, Result};
use syntrace_traffic::encoding::fields::{self, FIELD_COUNT};
use syntrace_traffic::encoding::{Encoded, FieldRow};

const SRC_IP: usize = 0;
const DST_IP: usize = 1;
const SRC_PORT: usize = 2;
const DST_PORT: usize = 3;
const PROTOCOL: usize = 4;
const TIME_US: usize = 5;
const IP_LENGTH: usize = 6;
const TOS: usize = 9;
const IDENTIFICATION: usize = 10;
const FLAGS: usize = 11;
const OFFSET: usize = 12;
const TTL: usize = 13;

/// IP lengths that are told apart (published under DP; facts section 10).
const LENGTH_RANGE: (f64, f64) = (20.0, 1_500.0);
const DAY_US: i64 = 86_400_000_000;
/// 2024-01-01 00:00 UTC: the day of all generated traces.
const START_US: i64 = 1_704_067_200_000_000;
/// Header of IPv4 without options, bytes.
const HEADER: i64 = 20;
const TCP: i64 = 6;

/// What becomes of a run of cells in the generator's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// One of this many.
    Softmax(i64),
    /// In [0, 1].
    Sigmoid,
    /// In [-1, 1].
    Tanh,
}

/// Cells with the same head.
pub(super) type Segment = (i64, Head);

/// Heads of the attributes.
pub(super) fn attribute_segments(config: &NetShareConfig) -> Vec<Segment> {
    vec![(128, Head::Softmax(2)), (3 * config.word_width, Head::Tanh), (1, Head::Sigmoid)]
}

/// Heads of one packet's features; the last two cells are the generation flag.
pub(super) fn feature_segments(config: &NetShareConfig) -> Vec<Segment> {
    let mut segments = vec![(4, Head::Sigmoid), (3, Head::Softmax(3)), (2, Head::Sigmoid)];
    if config.samples == Samples::Bidirectional {
        segments.push((2, Head::Softmax(2)));
    }
    segments.push((2, Head::Softmax(2)));
    segments
}

/// The rows of an encoded trace.
pub fn trace_rows(trace: &EncodedTrace) -> Result<Vec<FieldRow>> {
    let encoded = Encoded { rows: trace.rows, width: trace.width, data: trace.data.clone() };
    let rows = fields::decode(&encoded)?;
    if rows.is_empty() {
        return Err(Error::internal(format!("trace {} has no packets", trace.trace_id)));
    }
    Ok(rows)
}

/// The samples of one trace, `config.width()` cells each: one, or one per 5-tuple in order of
/// appearance.
pub fn trace_samples(config: &NetShareConfig, words: &Words, rows: &[FieldRow]) -> Vec<Vec<f32>> {
    let rows = &rows[..rows.len().min(config.packets as usize)];
    if config.samples == Samples::Bidirectional {
        return vec![sample(config, words, rows)];
    }
    let tuple = |row: &FieldRow| [row[SRC_IP], row[DST_IP], row[SRC_PORT], row[DST_PORT], row[PROTOCOL]];
    let mut flows: Vec<Vec<FieldRow>> = Vec::new();
    for row in rows {
        match flows.iter_mut().find(|flow| flow.first().is_some_and(|first| tuple(first) == tuple(row))) {
            Some(flow) => flow.push(*row),
            None => flows.push(vec![*row]),
        }
    }
    flows.iter().map(|flow| sample(config, words, flow)).collect()
}

fn sample(config: &NetShareConfig, words: &Words, rows: &[FieldRow]) -> Vec<f32> {
    let mut cells = Vec::with_capacity(config.width() as usize);
    let Some(first) = rows.first() else { return vec![0.0; config.width() as usize] };
    let mut before = value(first, TIME_US);
    for (index, row) in rows.iter().enumerate() {
        let time = value(row, TIME_US);
        packet_cells(config, row, first, time - before, index + 1 < rows.len(), &mut cells);
        before = time;
    }
    pad(config, rows.len(), &mut cells);
    for field in [SRC_IP, DST_IP] {
        let address = address_bits(value(first, field));
        cells.extend((0..32).rev().flat_map(|bit| if address >> bit & 1 == 1 { [0.0, 1.0] } else { [1.0, 0.0] }));
    }
    for field in [SRC_PORT, DST_PORT] {
        cells.extend_from_slice(words.port(value(first, field) as u16));
    }
    cells.extend_from_slice(words.protocol(value(first, PROTOCOL) as u8));
    cells.push((value(first, TIME_US).rem_euclid(DAY_US) as f64 / DAY_US as f64) as f32);
    cells
}

fn packet_cells(
    config: &NetShareConfig,
    row: &FieldRow,
    first: &FieldRow,
    gap_us: i64,
    continues: bool,
    cells: &mut Vec<f32>,
) {
    let (low, high) = LENGTH_RANGE;
    let length = (value(row, IP_LENGTH) as f64).clamp(low, high);
    let scaled = |field: usize, largest: f64| (value(row, field) as f64 / largest).clamp(0.0, 1.0) as f32;
    cells.push(gap_cell(config, gap_us));
    cells.push(((length - low) / (high - low)) as f32);
    cells.push(scaled(TOS, 255.0));
    cells.push(scaled(IDENTIFICATION, 65_535.0));
    let flags = value(row, FLAGS);
    cells.extend((0..3).map(|choice| if flags == choice { 1.0 } else { 0.0 }));
    cells.push(scaled(OFFSET, 8_191.0));
    cells.push(scaled(TTL, 255.0));
    if config.samples == Samples::Bidirectional {
        let forward = (row[SRC_IP], row[SRC_PORT]) == (first[SRC_IP], first[SRC_PORT]);
        cells.extend(if forward { [1.0, 0.0] } else { [0.0, 1.0] });
    }
    cells.extend(if continues { [1.0, 0.0] } else { [0.0, 1.0] });
}

/// Zeros after the last packet; as published, the flag's second cell stays set to the block's end.
fn pad(config: &NetShareConfig, packets: usize, cells: &mut Vec<f32>) {
    let width = config.feature_width() as usize;
    let block_end = packets.next_multiple_of(config.sample_len as usize);
    for packet in packets..config.length() as usize {
        let flagged = config.mask == Mask::Block && packet < block_end;
        cells.extend(std::iter::repeat_n(0.0, width - 1));
        cells.push(if flagged { 1.0 } else { 0.0 });
    }
}

/// Packets and protocol constants of a generated sample's cells. `rng` draws ports inside buckets.
pub fn decode_sample(config: &NetShareConfig, words: &Words, cells: &[f32], rng: &mut StreamRng) -> Vec<FieldRow> {
    let width = config.feature_width() as usize;
    let (features, attributes) = cells.split_at(cells.len().min(config.length() as usize * width));
    let (addresses, rest) = attributes.split_at(attributes.len().min(128));
    let word_width = config.word_width as usize;
    let mut parts = rest.chunks(word_width);
    let mut port = || words.nearest_port(parts.next().unwrap_or_default(), rng);
    let ports = [port(), port()].map(i64::from);
    let protocol = i64::from(words.nearest_protocol(parts.next().unwrap_or_default()));
    let start = parts.next().and_then(|cells| cells.first().copied()).unwrap_or(0.0);
    let address = |from: usize| {
        let pairs = addresses.chunks_exact(2).skip(from).take(32);
        pairs.fold(0i64, |number, pair| number << 1 | i64::from(pair[1] > pair[0]))
    };
    let forward = ([address(0), address(32)], ports);
    let mut time_us = START_US + (f64::from(start.clamp(0.0, 1.0)) * (DAY_US - 1) as f64) as i64;
    let mut rows = Vec::new();
    for (index, packet) in features.chunks_exact(width).take(config.packets as usize).enumerate() {
        if index > 0 {
            time_us += gap_us(config, packet[0]);
        }
        let backward = config.samples == Samples::Bidirectional && index > 0 && packet[10] > packet[9];
        rows.push(decode_packet(packet, forward, backward, protocol, time_us));
        if packet[width - 2] <= 0.5 {
            break;
        }
    }
    rows
}

fn decode_packet(
    cells: &[f32],
    (addresses, ports): ([i64; 2], [i64; 2]),
    backward: bool,
    protocol: i64,
    time_us: i64,
) -> FieldRow {
    let (source, destination) = if backward { (1, 0) } else { (0, 1) };
    let scaled = |cell: usize, largest: f64| (f64::from(cells[cell]).clamp(0.0, 1.0) * largest).round() as i64;
    let (low, high) = LENGTH_RANGE;
    // Headers at least: a packet cannot be shorter than what it says it holds.
    let least = HEADER + if protocol == TCP { 20 } else { 8 };
    let length = (low as i64 + scaled(1, high - low)).max(least);
    let flags = (1..3).fold(0, |best, choice| if cells[4 + choice] > cells[4 + best] { choice } else { best });
    let mut numbers = [
        addresses[source],
        addresses[destination],
        ports[source],
        ports[destination],
        protocol,
        time_us,
        length,
        4,
        HEADER,
        scaled(2, 255.0),
        scaled(3, 65_535.0),
        flags as i64,
        0,
        scaled(8, 255.0),
        0,
    ];
    numbers[FIELD_COUNT - 1] = header_checksum(&numbers);
    numbers.map(Some)
}

/// Internet checksum (RFC 1071) of the IPv4 header that some fields describe.
fn header_checksum(row: &[i64; FIELD_COUNT]) -> i64 {
    let words = [
        0x4500 | row[TOS],
        row[IP_LENGTH],
        row[IDENTIFICATION],
        row[FLAGS] << 13 | row[OFFSET],
        row[TTL] << 8 | row[PROTOCOL],
        row[SRC_IP] >> 16,
        row[SRC_IP] & 0xffff,
        row[DST_IP] >> 16,
        row[DST_IP] & 0xffff,
    ];
    let mut sum: i64 = words.iter().sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    0xffff - sum
}

fn value(row: &FieldRow, field: usize) -> i64 {
    row[field].unwrap_or(0)
}

/// The 32 bits that stand for an address.
fn address_bits(number: i64) -> u32 {
    match u32::try_from(number) {
        Ok(address) => address,
        Err(_) => 0xf000_0000 | (number as u32 & 0x0fff_ffff),
    }
}

fn gap_cell(config: &NetShareConfig, gap_us: i64) -> f32 {
    let cap = f64::from(config.gap_cap_us);
    let gap = (gap_us as f64).clamp(0.0, cap);
    match config.interarrival {
        Interarrival::Log1p => (gap.ln_1p() / cap.ln_1p()) as f32,
        Interarrival::Minmax => (gap / cap) as f32,
    }
}

fn gap_us(config: &NetShareConfig, cell: f32) -> i64 {
    let cap = f64::from(config.gap_cap_us);
    let cell = f64::from(cell).clamp(0.0, 1.0);
    match config.interarrival {
        Interarrival::Log1p => (cell * cap.ln_1p()).exp_m1().round() as i64,
        Interarrival::Minmax => (cell * cap).round() as i64,
    }
}

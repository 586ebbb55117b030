//! Traces as cells in [-1, 1] and back, on public ranges only.
//!
//! Cells of a sample: the features of each packet, packet after packet, then the attributes; with
//! `numbers = "linear"` in the order of the published tables, with `modes` places before choices (see
//! [`super::modes`]). Kept exactly: IPv4 addresses, protocol, assigned ports, tos,
//! identification, flags (other than 3 and more), ttl, the number of packets. The fragment offset has
//! its cell as published, but comes back as 0: a packet with ports is never a later fragment. Lost:
//! which port of a bucket; gaps to the grid of f32 under the cap, longer ones cut; lengths outside 20
//! to 1,500; the day of the start; header lengths above 20; checksums (computed anew); and, of an IPv6
//! trace, the addresses: each becomes 28 bits of its digest in the reserved block 240.0.0.0/4, and the
//! trace comes back as IPv4.

#![cfg_attr(
    not(feature = "torch"),
    allow(dead_code, reason = "what only training calls has no caller without libtorch")
)]

use super::config::NetShareConfig;
use super::ip2vec::Words;
use super::modes::{self, LENGTHS, Placed, Scale, TOS as TOS_RANGES, TTLS};
use super::options::{Interarrival, Mask, Numbers, Samples};
use super::segments::{CHOICES, PLACES};
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

/// Range of IP lengths; values outside are clamped (the published range for DP training).
const LENGTH_RANGE: (f64, f64) = (20.0, 1_500.0);
const DAY_US: i64 = 86_400_000_000;
/// 2024-01-01 00:00 UTC: the day of all generated traces.
const START_US: i64 = 1_704_067_200_000_000;
/// Header of IPv4 without options, bytes.
const HEADER: i64 = 20;
const TCP: i64 = 6;

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
    let mut before = Before { time_us: value(first, TIME_US), identifications: [None; 2] };
    for (index, row) in rows.iter().enumerate() {
        packet_cells(config, row, first, index + 1 < rows.len(), &mut before, &mut cells);
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

/// What the next packet of a sample is told from.
struct Before {
    time_us: i64,
    /// Of the newest packet of each direction.
    identifications: [Option<i64>; 2],
}

fn packet_cells(
    config: &NetShareConfig,
    row: &FieldRow,
    first: &FieldRow,
    continues: bool,
    before: &mut Before,
    cells: &mut Vec<f32>,
) {
    let gap_us = value(row, TIME_US) - before.time_us;
    before.time_us = value(row, TIME_US);
    let forward = (row[SRC_IP], row[SRC_PORT]) == (first[SRC_IP], first[SRC_PORT]);
    match config.numbers {
        Numbers::Linear => linear_cells(config, row, gap_us, cells),
        Numbers::Modes => {
            let sender = &mut before.identifications[usize::from(!forward)];
            mode_cells(config, row, gap_us, *sender, cells);
            *sender = Some(value(row, IDENTIFICATION));
        }
    }
    if config.samples == Samples::Bidirectional {
        cells.extend(if forward { [1.0, 0.0] } else { [0.0, 1.0] });
    }
    cells.extend(if continues { [1.0, 0.0] } else { [0.0, 1.0] });
}

fn linear_cells(config: &NetShareConfig, row: &FieldRow, gap_us: i64, cells: &mut Vec<f32>) {
    let (low, high) = LENGTH_RANGE;
    let length = (value(row, IP_LENGTH) as f64).clamp(low, high);
    let scaled = |field: usize, largest: f64| (value(row, field) as f64 / largest).clamp(0.0, 1.0) as f32;
    cells.push(gap_cell(config, gap_us));
    cells.push(((length - low) / (high - low)) as f32);
    cells.push(scaled(TOS, 255.0));
    cells.push(scaled(IDENTIFICATION, 65_535.0));
    cells.extend(chosen(3, value(row, FLAGS)));
    cells.push(scaled(OFFSET, 8_191.0));
    cells.push(scaled(TTL, 255.0));
}

fn mode_cells(config: &NetShareConfig, row: &FieldRow, gap_us: i64, sender: Option<i64>, cells: &mut Vec<f32>) {
    let cap = f64::from(config.gap_cap_us);
    let gap = modes::place_gap((gap_us as f64).clamp(0.0, cap), cap, gap_scale(config).0);
    let length = LENGTHS.place(value(row, IP_LENGTH));
    let identification = modes::place_identification(value(row, IDENTIFICATION), sender);
    let (ttl, tos) = (TTLS.place(value(row, TTL)), TOS_RANGES.place(value(row, TOS)));
    cells.extend([gap, length, identification, ttl, tos].map(|(_, place)| place));
    let fragment = (value(row, FLAGS) as usize, 0.0);
    for (choices, (choice, _)) in CHOICES.into_iter().zip([gap, length, identification, ttl, fragment, tos]) {
        cells.extend(chosen(choices, choice as i64));
    }
}

/// One for the choice, zero for the others; any other number is none of them.
fn chosen(choices: usize, choice: i64) -> impl Iterator<Item = f32> {
    (0..choices as i64).map(move |index| if index == choice { 1.0 } else { 0.0 })
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
    let ends = Ends { addresses: [address(0), address(32)], ports, protocol };
    let mut before = Before {
        time_us: START_US + (f64::from(start.clamp(0.0, 1.0)) * (DAY_US - 1) as f64) as i64,
        identifications: [None; 2],
    };
    let mut rows = Vec::new();
    for (index, packet) in features.chunks_exact(width).take(config.packets as usize).enumerate() {
        let backward = config.samples == Samples::Bidirectional && index > 0 && packet[width - 3] > packet[width - 4];
        let sender = &mut before.identifications[usize::from(backward)];
        let numbers = match config.numbers {
            Numbers::Linear => linear_numbers(config, packet),
            Numbers::Modes => mode_numbers(config, packet, *sender),
        };
        *sender = Some(numbers.identification);
        if index > 0 {
            before.time_us += numbers.gap_us;
        }
        rows.push(ends.packet(&numbers, backward, before.time_us));
        if packet[width - 2] <= 0.5 {
            break;
        }
    }
    rows
}

/// Fields that all packets of a sample share.
struct Ends {
    addresses: [i64; 2],
    ports: [i64; 2],
    protocol: i64,
}

/// Fields of a single packet.
struct PacketNumbers {
    gap_us: i64,
    length: i64,
    tos: i64,
    identification: i64,
    flags: i64,
    ttl: i64,
}

fn linear_numbers(config: &NetShareConfig, cells: &[f32]) -> PacketNumbers {
    let scaled = |cell: usize, largest: f64| (f64::from(cells[cell]).clamp(0.0, 1.0) * largest).round() as i64;
    let (low, high) = LENGTH_RANGE;
    PacketNumbers {
        gap_us: gap_us(config, cells[0]),
        length: low as i64 + scaled(1, high - low),
        tos: scaled(2, 255.0),
        identification: scaled(3, 65_535.0),
        flags: choice(&cells[4..7]) as i64,
        ttl: scaled(8, 255.0),
    }
}

fn mode_numbers(config: &NetShareConfig, cells: &[f32], sender: Option<i64>) -> PacketNumbers {
    let (places, mut rest) = cells.split_at(PLACES);
    let [gap, length, identification, ttl, flags, tos] = CHOICES.map(|choices| {
        let (these, after) = rest.split_at(choices);
        rest = after;
        choice(these)
    });
    let placed = |choice: usize, place: usize| -> Placed { (choice, places[place]) };
    let (scale, inverse) = gap_scale(config);
    PacketNumbers {
        gap_us: modes::gap(placed(gap, 0), f64::from(config.gap_cap_us), scale, inverse),
        length: LENGTHS.value(placed(length, 1)),
        tos: TOS_RANGES.value(placed(tos, 4)),
        identification: modes::identification(placed(identification, 2), sender),
        flags: flags as i64,
        ttl: TTLS.value(placed(ttl, 3)),
    }
}

/// The largest of some cells, the first of equals.
fn choice(cells: &[f32]) -> usize {
    (1..cells.len()).fold(0, |best, index| if cells[index] > cells[best] { index } else { best })
}

impl Ends {
    fn packet(&self, numbers: &PacketNumbers, backward: bool, time_us: i64) -> FieldRow {
        let (source, destination) = if backward { (1, 0) } else { (0, 1) };
        // Headers at least: a packet cannot be shorter than what it says it holds.
        let least = HEADER + if self.protocol == TCP { 20 } else { 8 };
        let mut row = [
            self.addresses[source],
            self.addresses[destination],
            self.ports[source],
            self.ports[destination],
            self.protocol,
            time_us,
            numbers.length.max(least),
            4,
            HEADER,
            numbers.tos,
            numbers.identification,
            numbers.flags,
            0,
            numbers.ttl,
            0,
        ];
        row[FIELD_COUNT - 1] = header_checksum(&row);
        row.map(Some)
    }
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
    let (cap, scale) = (f64::from(config.gap_cap_us), gap_scale(config).0);
    (scale((gap_us as f64).clamp(0.0, cap)) / scale(cap)) as f32
}

fn gap_us(config: &NetShareConfig, cell: f32) -> i64 {
    let (scale, inverse) = gap_scale(config);
    inverse(f64::from(cell).clamp(0.0, 1.0) * scale(f64::from(config.gap_cap_us))).round() as i64
}

/// The scale of gaps and its inverse.
fn gap_scale(config: &NetShareConfig) -> (Scale, Scale) {
    match config.interarrival {
        Interarrival::Log1p => (f64::ln_1p, f64::exp_m1),
        Interarrival::Minmax => (std::convert::identity, std::convert::identity),
    }
}

//! Synthesised rows to traces of header fields.
//!
//! A value is drawn inside its cell. Fields that are not modelled are constants; requirements of the
//! protocols are repaired: a length that covers its headers, no offset together with "don't fragment", IPv4 (other
//! addresses, as IPv6's, become one of the benchmark block 198.18.0.0/15, RFC 2544). The checksum is computed when the
//! packet is encoded.

use super::column::{FLAG_DF, LENGTH_MAX, Source, field};
use super::config::RowMode;
use super::gum::Rows;
use super::model::Model;
use super::schema::length_min;
use rand::seq::{IndexedRandom, SliceRandom};
use std::collections::BTreeMap;
use syntrace_base::base::StreamRng;
use syntrace_traffic::encoding::FieldRow;

/// Time of every trace's first packet: 2000-01-01, as for all synthetic traces.
const START_US: i64 = 946_684_800_000_000;

/// Default values of fields that are not modelled.
const DEFAULTS: FieldRow = [
    Some(0xc612_0001),
    Some(0xc613_0001),
    Some(49_152),
    Some(443),
    Some(6),
    Some(START_US),
    Some(40),
    Some(4),
    Some(20),
    Some(0),
    Some(0),
    Some(FLAG_DF),
    Some(0),
    Some(64),
    None,
];

/// Columns along which packets of one trace agree, the most telling first.
const MATCHED: [&str; 5] = ["protocol", "server_port", "server_ip", "client_ip", "client_port"];

/// The traces of a block.
pub(super) fn traces(model: &Model, rows: &[Rows], rng: &mut StreamRng) -> Vec<Vec<FieldRow>> {
    match model.config.rows {
        RowMode::Packets => from_packets(model, rows, rng),
        RowMode::Positions => from_positions(model, rows, rng),
        RowMode::Traces => from_traces(model, rows, rng),
    }
}

/// Values of one row, by column.
fn values(model: &Model, rows: &Rows, row: usize, rng: &mut StreamRng) -> Vec<Option<i64>> {
    let columns = model.schema.columns.iter().zip(&model.groupings).zip(&rows.columns);
    let drawn = columns.map(|((column, grouping), groups)| {
        let cell = grouping.draw(groups.get(row).copied().unwrap_or(0), rng);
        column.domain.decode(cell, rng)
    });
    drawn.collect()
}

/// As published: rows sorted by time and cut, each with its own addresses.
fn from_packets(model: &Model, rows: &[Rows], rng: &mut StreamRng) -> Vec<Vec<FieldRow>> {
    let Some(rows) = rows.first() else { return Vec::new() };
    let count = rows.columns.first().map_or(0, Vec::len);
    let mut packets: Vec<FieldRow> = Vec::with_capacity(count);
    for row in 0..count {
        let mut packet = DEFAULTS;
        for (column, value) in model.schema.columns.iter().zip(values(model, rows, row, rng)) {
            match (column.source, value) {
                (Source::Offset, Some(offset)) => packet[field::TIME] = Some(START_US + offset),
                (Source::Field(at), Some(_)) => packet[at] = value,
                _ => {}
            }
        }
        packets.push(repaired(packet));
    }
    packets.shuffle(rng);
    packets.sort_by_key(|packet| packet[field::TIME]);
    packets.chunks(model.schema.packets).map(<[FieldRow]>::to_vec).collect()
}

/// One row a place, packets of a trace matched along the ends of its conversation. Its first packet
/// gives these ends, and the protocol.
fn from_positions(model: &Model, rows: &[Rows], rng: &mut StreamRng) -> Vec<Vec<FieldRow>> {
    let matched: Vec<usize> = MATCHED.iter().filter_map(|name| model.schema.column(name)).collect();
    let Some(first) = rows.first() else { return Vec::new() };
    let count = first.columns.first().map_or(0, Vec::len);
    let mut chosen: Vec<Vec<usize>> = (0..count).map(|row| vec![row]).collect();
    let keys: Vec<Vec<u16>> = (0..count).map(|row| key(first, &matched, row)).collect();
    let mut active: Vec<usize> = (0..count).collect();
    for place in rows.iter().skip(1) {
        let found = match_rows(place, &matched, &keys, &active, rng);
        active.retain(|trace| found.contains_key(trace));
        for (trace, row) in found {
            if let Some(rows) = chosen.get_mut(trace) {
                rows.push(row);
            }
        }
    }
    let traces = chosen.iter().map(|chosen| {
        let (mut ends, mut packets, mut time) = (DEFAULTS, Vec::with_capacity(chosen.len()), START_US);
        for (place, (rows, row)) in rows.iter().zip(chosen).enumerate() {
            let values = values(model, rows, *row, rng);
            if place == 0 {
                ends = with_ends(model, &values);
            }
            let (packet, gap) = place_packet(model, &values, ends);
            time += if place == 0 { 0 } else { gap };
            packets.push(repaired(at_time(packet, time)));
        }
        packets
    });
    traces.collect()
}

fn key(rows: &Rows, matched: &[usize], row: usize) -> Vec<u16> {
    matched.iter().filter_map(|column| rows.columns.get(*column)?.get(row).copied()).collect()
}

/// Gives active traces rows of a place: first those that agree with the trace in all matched columns,
/// then in fewer, at last any. A trace that gets none has ended.
fn match_rows(
    place: &Rows,
    matched: &[usize],
    keys: &[Vec<u16>],
    active: &[usize],
    rng: &mut StreamRng,
) -> BTreeMap<usize, usize> {
    let mut free: Vec<usize> = (0..place.columns.first().map_or(0, Vec::len)).collect();
    let mut open: Vec<usize> = active.to_vec();
    free.shuffle(rng);
    open.shuffle(rng);
    let mut found = BTreeMap::new();
    for depth in (0..=matched.len()).rev() {
        let agreed = matched.get(..depth).unwrap_or_default();
        let mut by_key: BTreeMap<Vec<u16>, Vec<usize>> = BTreeMap::new();
        for row in free {
            by_key.entry(key(place, agreed, row)).or_default().push(row);
        }
        open.retain(|trace| {
            let key = keys.get(*trace).and_then(|key| key.get(..depth)).unwrap_or_default();
            match by_key.get_mut(key).and_then(Vec::pop) {
                Some(row) => found.insert(*trace, row).is_some(),
                None => true,
            }
        });
        free = by_key.into_values().flatten().collect();
    }
    found
}

/// Addresses, ports and protocol of a trace as its first sender sees them.
fn with_ends(model: &Model, values: &[Option<i64>]) -> FieldRow {
    let mut ends = DEFAULTS;
    for (column, value) in model.schema.columns.iter().zip(values).filter(|(_, value)| value.is_some()) {
        match column.source {
            Source::Client(at) => ends[at] = *value,
            Source::Server(at) => ends[at + 1] = *value,
            Source::Field(field::PROTOCOL) => ends[field::PROTOCOL] = *value,
            _ => {}
        }
    }
    ends
}

/// A packet of mode `positions` and the gap before it.
fn place_packet(model: &Model, values: &[Option<i64>], ends: FieldRow) -> (FieldRow, i64) {
    let (mut packet, mut gap) = (ends, 0);
    for (column, value) in model.schema.columns.iter().zip(values) {
        match (column.source, value) {
            (Source::Direction, Some(1)) => swap_ends(&mut packet),
            (Source::Gap, Some(value)) => gap = *value,
            (Source::Field(at), Some(_)) if at != field::PROTOCOL => packet[at] = *value,
            _ => {}
        }
    }
    (packet, gap)
}

fn swap_ends(packet: &mut FieldRow) {
    packet.swap(field::SRC_IP, field::DST_IP);
    packet.swap(field::SRC_PORT, field::DST_PORT);
}

fn at_time(mut packet: FieldRow, time: i64) -> FieldRow {
    packet[field::TIME] = Some(time);
    packet
}

/// A packet's direction, its length, and the gap before it.
#[derive(Debug, Clone, Copy)]
struct Step {
    direction: i64,
    length: Option<i64>,
    gap: i64,
}

/// What a trace's next packet depends on: protocol, and direction of the packet before.
type Before = (Option<i64>, i64);

/// One row a trace: static columns, then as many packets as its column `packets` says. A packet whose place has no columns,
/// or none with a direction, follows its predecessor as a packet of any row does.
fn from_traces(model: &Model, rows: &[Rows], rng: &mut StreamRng) -> Vec<Vec<FieldRow>> {
    let Some(rows) = rows.first() else { return Vec::new() };
    let count = rows.columns.first().map_or(0, Vec::len);
    let drawn: Vec<Drawn> = (0..count).map(|row| Drawn::new(model, values(model, rows, row, rng))).collect();
    let mut followers: BTreeMap<Before, Vec<Step>> = BTreeMap::new();
    for row in &drawn {
        for pair in row.steps.windows(2) {
            if let [Some(before), Some(step)] = pair {
                followers.entry((row.protocol, before.direction)).or_default().push(*step);
            }
        }
    }
    drawn.into_iter().map(|row| row.packets(model, &followers, rng)).collect()
}

/// A synthesised row of mode `traces`.
struct Drawn {
    /// A packet of the first sender.
    ends: FieldRow,
    protocol: Option<i64>,
    reply_ttl: Option<i64>,
    packets: Option<i64>,
    /// Of places with columns; `None` where the row has no direction.
    steps: Vec<Option<Step>>,
}

impl Drawn {
    fn new(model: &Model, values: Vec<Option<i64>>) -> Self {
        let value = |source: Source, place: Option<usize>| {
            let mut columns = model.schema.columns.iter().zip(&values);
            columns.find(|(column, _)| column.source == source && column.place == place).and_then(|(_, value)| *value)
        };
        let mut ends = with_ends(model, &values);
        for at in [field::TOS, field::FLAGS, field::IDENTIFICATION, field::TTL] {
            ends[at] = value(Source::Field(at), None).or(ends[at]);
        }
        let places = model.config.places.min(model.config.packets) as usize;
        let steps = (0..places).map(|place| {
            Some(Step {
                direction: value(Source::Direction, Some(place))?,
                length: value(Source::Field(field::LENGTH), Some(place)),
                gap: value(Source::Gap, Some(place)).unwrap_or(0),
            })
        });
        Self {
            ends,
            protocol: ends[field::PROTOCOL],
            reply_ttl: value(Source::ReplyTtl, None).or(DEFAULTS[field::TTL]),
            packets: value(Source::Packets, None),
            steps: steps.collect(),
        }
    }

    fn packets(self, model: &Model, followers: &BTreeMap<Before, Vec<Step>>, rng: &mut StreamRng) -> Vec<FieldRow> {
        let known = self.steps.iter().take_while(|step| step.is_some()).count();
        let count = self.packets.map_or(known, |packets| packets as usize).clamp(1, model.schema.packets);
        let (mut packets, mut time) = (Vec::with_capacity(count), START_US);
        let mut step = Step { direction: 0, length: self.ends[field::LENGTH], gap: 0 };
        for place in 0..count {
            let own = self.steps.get(place).copied().flatten();
            let others = followers.get(&(self.protocol, step.direction)).filter(|_| place > 0);
            step = own.or_else(|| others.and_then(|steps| steps.choose(rng)).copied()).unwrap_or(step);
            time += step.gap;
            packets.push(repaired(at_time(self.packet(place, step), time)));
        }
        packets
    }

    fn packet(&self, place: usize, step: Step) -> FieldRow {
        let mut packet = self.ends;
        if step.direction == 1 {
            swap_ends(&mut packet);
            packet[field::TTL] = self.reply_ttl;
        }
        // A host that numbers its packets goes on counting; one that sends 0 stays there.
        if let Some(identification) = self.ends[field::IDENTIFICATION].filter(|identification| *identification > 0) {
            packet[field::IDENTIFICATION] = Some((identification + place as i64) & 0xffff);
        }
        packet[field::LENGTH] = step.length.or(packet[field::LENGTH]);
        packet
    }
}

/// Repairs a packet to the requirements of its protocols.
fn repaired(mut packet: FieldRow) -> FieldRow {
    let header = packet[field::HEADER_LENGTH].unwrap_or(20).clamp(20, 60) / 4 * 4;
    packet[field::VERSION] = Some(4);
    packet[field::HEADER_LENGTH] = Some(header);
    let least = length_min(packet[field::PROTOCOL].unwrap_or(6), header);
    packet[field::LENGTH] = packet[field::LENGTH].map(|length| length.clamp(least, LENGTH_MAX));
    if packet[field::FLAGS].is_some_and(|flags| flags & FLAG_DF != 0) {
        packet[field::FRAGMENT_OFFSET] = Some(0);
    }
    packet[field::CHECKSUM] = None;
    packet
}

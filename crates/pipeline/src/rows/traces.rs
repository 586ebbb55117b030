//! Traces, packets, encodings and splits.

use super::{Columns, column, fit, optional, segment};
use arrow::array::*;
use std::collections::HashMap;
use syntrace_base::base::TraceId;
use syntrace_base::error::Result;
use syntrace_base::record::{Direction, Packet, Part, Trace};
use syntrace_store::NewSegment;
use syntrace_store::schema::{self, SegmentTable};

/// Rows of one segment are cut at this many bytes of packet data, so that memory stays bounded when
/// one is read.
const SEGMENT_DATA_BYTES: usize = 32 << 20;
/// And at this many rows.
const SEGMENT_ROWS: usize = 262_144;

/// Segments of the tables `traces` and `packets` for the traces of one partition.
pub(crate) fn trace_segments(capture_id: i64, partition: i64, traces: &[Trace]) -> Result<Vec<NewSegment>> {
    let mut segments = Vec::new();
    for run in runs(traces) {
        segments.push(traces_segment(capture_id, partition, run)?);
        segments.push(packet_segment(&schema::PACKETS, partition, run)?);
    }
    Ok(segments)
}

/// Cuts traces into runs of bounded size.
pub(crate) fn runs(traces: &[Trace]) -> Vec<&[Trace]> {
    let (mut out, mut start, mut bytes, mut rows) = (Vec::new(), 0, 0, 0);
    for (index, trace) in traces.iter().enumerate() {
        bytes += trace.packets.iter().map(|packet| packet.data.len()).sum::<usize>();
        rows += trace.packets.len();
        if bytes >= SEGMENT_DATA_BYTES || rows >= SEGMENT_ROWS {
            out.push(&traces[start..=index]);
            (start, bytes, rows) = (index + 1, 0, 0);
        }
    }
    if start < traces.len() {
        out.push(&traces[start..]);
    }
    out
}

fn traces_segment(capture_id: i64, partition: i64, traces: &[Trace]) -> Result<NewSegment> {
    let with_first: Vec<(&Trace, &Packet)> =
        traces.iter().filter_map(|trace| trace.packets.first().map(|first| (trace, first))).collect();
    let rows = &with_first;
    let duration = |trace: &Trace| {
        let last = trace.packets.last().map_or(0, |packet| packet.time_us);
        last - trace.packets.first().map_or(0, |packet| packet.time_us)
    };
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |(trace, _)| trace.trace_id.0)),
        ("capture_id", column!(Int64Array, rows, |_| capture_id)),
        ("first_packet", column!(Int64Array, rows, |(trace, _)| trace.first_packet as i64)),
        ("start_us", column!(Int64Array, rows, |(_, first)| first.time_us)),
        ("duration_us", column!(Int64Array, rows, |(trace, _)| duration(trace))),
        ("packets", column!(Int32Array, rows, |(trace, _)| trace.packets.len() as i32)),
        ("flow_packets", column!(Int64Array, rows, |(trace, _)| trace.flow_packets as i64)),
        ("flow_bytes", column!(Int64Array, rows, |(trace, _)| trace.flow_bytes as i64)),
        ("link_type", column!(Int32Array, rows, |(trace, _)| trace.link_type as i32)),
        ("protocol", column!(Int16Array, rows, |(_, first)| i16::from(first.protocol))),
        ("src_ip", column!(BinaryArray, rows, |(_, first)| &first.src_ip)),
        ("dst_ip", column!(BinaryArray, rows, |(_, first)| &first.dst_ip)),
        ("src_port", column!(Int32Array, rows, |(_, first)| i32::from(first.src_port))),
        ("dst_port", column!(Int32Array, rows, |(_, first)| i32::from(first.dst_port))),
    ];
    segment(&schema::TRACES, partition, columns)
}

/// A segment of packets, real or synthetic.
pub(crate) fn packet_segment(table: &'static SegmentTable, partition: i64, traces: &[Trace]) -> Result<NewSegment> {
    let rows: Vec<(TraceId, usize, &Packet)> = traces
        .iter()
        .flat_map(|trace| trace.packets.iter().enumerate().map(|(position, packet)| (trace.trace_id, position, packet)))
        .collect();
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |(trace, _, _)| trace.0)),
        ("position", column!(Int32Array, rows, |(_, position, _)| *position as i32)),
        ("direction", column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.direction == Direction::Backward))),
        ("time_us", column!(Int64Array, rows, |(_, _, packet)| packet.time_us)),
        ("src_ip", column!(BinaryArray, rows, |(_, _, packet)| &packet.src_ip)),
        ("dst_ip", column!(BinaryArray, rows, |(_, _, packet)| &packet.dst_ip)),
        ("src_port", column!(Int32Array, rows, |(_, _, packet)| i32::from(packet.src_port))),
        ("dst_port", column!(Int32Array, rows, |(_, _, packet)| i32::from(packet.dst_port))),
        ("protocol", column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.protocol))),
        ("ip_length", column!(Int32Array, rows, |(_, _, packet)| packet.ip_length as i32)),
        ("ip_version", column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.ip_version))),
        ("header_length", column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.header_length))),
        ("tos", column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.tos))),
        ("identification", optional!(Int32Array, rows, |(_, _, packet)| packet.identification.map(i32::from))),
        ("flags", optional!(Int16Array, rows, |(_, _, packet)| packet.flags.map(i16::from))),
        ("fragment_offset", optional!(Int32Array, rows, |(_, _, packet)| packet.fragment_offset.map(i32::from))),
        ("ttl", column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.ttl))),
        ("checksum", optional!(Int32Array, rows, |(_, _, packet)| packet.checksum.map(i32::from))),
        ("tcp_flags", optional!(Int16Array, rows, |(_, _, packet)| packet.tcp_flags.map(i16::from))),
        ("payload_length", column!(Int32Array, rows, |(_, _, packet)| packet.payload_length as i32)),
        ("data", column!(BinaryArray, rows, |(_, _, packet)| &packet.data)),
    ];
    segment(table, partition, columns)
}

/// Packets (all columns of a packet table) grouped by trace, in stored order.
pub(crate) fn packets_by_trace(columns: &Columns) -> Result<Vec<(TraceId, Vec<Packet>)>> {
    let trace_ids = columns.typed::<Int64Array>("trace_id")?;
    let reader = PacketReader::new(columns)?;
    let mut out: Vec<(TraceId, Vec<Packet>)> = Vec::new();
    for row in 0..trace_ids.len() {
        let trace_id = TraceId(trace_ids.value(row));
        let packet = reader.packet(row)?;
        match out.last_mut() {
            Some((last, packets)) if *last == trace_id => packets.push(packet),
            _ => out.push((trace_id, vec![packet])),
        }
    }
    Ok(out)
}

struct PacketReader<'a> {
    direction: &'a Int16Array,
    time_us: &'a Int64Array,
    src_ip: &'a BinaryArray,
    dst_ip: &'a BinaryArray,
    src_port: &'a Int32Array,
    dst_port: &'a Int32Array,
    protocol: &'a Int16Array,
    ip_length: &'a Int32Array,
    ip_version: &'a Int16Array,
    header_length: &'a Int16Array,
    tos: &'a Int16Array,
    identification: &'a Int32Array,
    flags: &'a Int16Array,
    fragment_offset: &'a Int32Array,
    ttl: &'a Int16Array,
    checksum: &'a Int32Array,
    tcp_flags: &'a Int16Array,
    payload_length: &'a Int32Array,
    data: &'a BinaryArray,
}

impl<'a> PacketReader<'a> {
    fn new(columns: &'a Columns) -> Result<Self> {
        Ok(Self {
            direction: columns.typed("direction")?,
            time_us: columns.typed("time_us")?,
            src_ip: columns.typed("src_ip")?,
            dst_ip: columns.typed("dst_ip")?,
            src_port: columns.typed("src_port")?,
            dst_port: columns.typed("dst_port")?,
            protocol: columns.typed("protocol")?,
            ip_length: columns.typed("ip_length")?,
            ip_version: columns.typed("ip_version")?,
            header_length: columns.typed("header_length")?,
            tos: columns.typed("tos")?,
            identification: columns.typed("identification")?,
            flags: columns.typed("flags")?,
            fragment_offset: columns.typed("fragment_offset")?,
            ttl: columns.typed("ttl")?,
            checksum: columns.typed("checksum")?,
            tcp_flags: columns.typed("tcp_flags")?,
            payload_length: columns.typed("payload_length")?,
            data: columns.typed("data")?,
        })
    }

    fn packet(&self, row: usize) -> Result<Packet> {
        let wide = |column: &Int32Array| (!column.is_null(row)).then(|| column.value(row));
        let narrow = |column: &Int16Array| (!column.is_null(row)).then(|| column.value(row));
        Ok(Packet {
            time_us: self.time_us.value(row),
            direction: if self.direction.value(row) == 0 { Direction::Forward } else { Direction::Backward },
            ip_version: fit(narrow(self.ip_version))?,
            src_ip: self.src_ip.value(row).to_vec(),
            dst_ip: self.dst_ip.value(row).to_vec(),
            protocol: fit(narrow(self.protocol))?,
            src_port: fit(wide(self.src_port))?,
            dst_port: fit(wide(self.dst_port))?,
            ip_length: fit(wide(self.ip_length))?,
            header_length: fit(narrow(self.header_length))?,
            tos: fit(narrow(self.tos))?,
            identification: wide(self.identification).map(|value| fit(Some(value))).transpose()?,
            flags: narrow(self.flags).map(|value| fit(Some(value))).transpose()?,
            fragment_offset: wide(self.fragment_offset).map(|value| fit(Some(value))).transpose()?,
            ttl: fit(narrow(self.ttl))?,
            checksum: wide(self.checksum).map(|value| fit(Some(value))).transpose()?,
            tcp_flags: narrow(self.tcp_flags).map(|value| fit(Some(value))).transpose()?,
            payload_length: fit(wide(self.payload_length))?,
            data: self.data.value(row).to_vec(),
        })
    }
}

/// The column `trace_id` alone.
pub(crate) fn trace_ids(columns: &Columns) -> Result<Vec<TraceId>> {
    Ok(columns.typed::<Int64Array>("trace_id")?.values().iter().map(|id| TraceId(*id)).collect())
}

/// Each trace with its host, the source address of its first packet, of the columns `trace_id` and `src_ip` of `traces`.
pub(crate) fn trace_hosts(columns: &Columns) -> Result<Vec<(TraceId, Vec<u8>)>> {
    let source = columns.typed::<BinaryArray>("src_ip")?;
    Ok(trace_ids(columns)?.into_iter().enumerate().map(|(row, id)| (id, source.value(row).to_vec())).collect())
}

/// Trace, capture id and index of its first packet, of the columns `trace_id`, `capture_id` and `first_packet` of `traces`.
pub(crate) fn trace_places(columns: &Columns) -> Result<Vec<(TraceId, i64, u64)>> {
    let capture = columns.typed::<Int64Array>("capture_id")?;
    let first_packet = columns.typed::<Int64Array>("first_packet")?;
    let ids = trace_ids(columns)?.into_iter();
    Ok(ids
        .zip(capture.values())
        .zip(first_packet.values())
        .map(|((id, capture), first)| (id, *capture, *first as u64))
        .collect())
}

/// What the table `traces` says about each trace: first packet, link type, flow packets, flow bytes.
pub(crate) type TraceFacts = HashMap<TraceId, (u64, u32, u64, u64)>;

/// Reads the columns of `traces` into a map.
pub(crate) fn trace_facts(columns: &Columns, out: &mut TraceFacts) -> Result<()> {
    let trace_id = columns.typed::<Int64Array>("trace_id")?;
    let first = columns.typed::<Int64Array>("first_packet")?;
    let flow_packets = columns.typed::<Int64Array>("flow_packets")?;
    let flow_bytes = columns.typed::<Int64Array>("flow_bytes")?;
    let link = columns.typed::<Int32Array>("link_type")?;
    for row in 0..trace_id.len() {
        let facts = (
            first.value(row) as u64,
            link.value(row) as u32,
            flow_packets.value(row) as u64,
            flow_bytes.value(row) as u64,
        );
        out.insert(TraceId(trace_id.value(row)), facts);
    }
    Ok(())
}

/// One row of `encodings`.
pub(crate) struct EncodingRow {
    pub trace_id: TraceId,
    pub rows: u32,
    pub width: u32,
    pub data: Vec<u8>,
}

pub(crate) fn encodings_segment(partition: i64, encoding: &str, rows: &[EncodingRow]) -> Result<NewSegment> {
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |row| row.trace_id.0)),
        ("encoding", column!(StringArray, rows, |_| encoding)),
        ("rows", column!(Int32Array, rows, |row| row.rows as i32)),
        ("width", column!(Int32Array, rows, |row| row.width as i32)),
        ("data", column!(BinaryArray, rows, |row| &row.data)),
    ];
    segment(&schema::ENCODINGS, partition, columns)
}

pub(crate) fn encoding_rows(columns: &Columns, out: &mut Vec<EncodingRow>) -> Result<()> {
    let trace_id = columns.typed::<Int64Array>("trace_id")?;
    let (rows, width) = (columns.typed::<Int32Array>("rows")?, columns.typed::<Int32Array>("width")?);
    let data = columns.typed::<BinaryArray>("data")?;
    for row in 0..trace_id.len() {
        out.push(EncodingRow {
            trace_id: TraceId(trace_id.value(row)),
            rows: fit(Some(rows.value(row)))?,
            width: fit(Some(width.value(row)))?,
            data: data.value(row).to_vec(),
        });
    }
    Ok(())
}

pub(crate) fn split_segment(partition: i64, rows: &[(TraceId, Part)]) -> Result<NewSegment> {
    let columns = vec![
        ("trace_id", column!(Int64Array, rows, |(trace, _)| trace.0)),
        ("part", column!(StringArray, rows, |(_, part)| part.name())),
    ];
    segment(&schema::SPLIT_TRACES, partition, columns)
}

/// Members and held-out traces, each in stored order.
pub(crate) fn split_rows(columns: &Columns) -> Result<(Vec<TraceId>, Vec<TraceId>)> {
    let trace_id = columns.typed::<Int64Array>("trace_id")?;
    let part = columns.typed::<StringArray>("part")?;
    let (mut members, mut held_out) = (Vec::new(), Vec::new());
    for row in 0..trace_id.len() {
        let side = if part.value(row) == Part::Member.name() { &mut members } else { &mut held_out };
        side.push(TraceId(trace_id.value(row)));
    }
    Ok((members, held_out))
}

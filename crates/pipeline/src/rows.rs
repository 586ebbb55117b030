//! Typed rows to record batches and back: the one place that knows the columns' order.

use arrow::array::*;
use std::collections::HashMap;
use std::sync::Arc;
use syntrace_attack::utility::{ImportanceRow, UtilityRow};
use syntrace_base::base::{AttackId, JobId, TraceId};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Direction, Packet, Part, Trace};
use syntrace_store::schema::{self, SegmentTable};
use syntrace_store::{NewSegment, arrow_schema};

/// Rows of one segment are cut at this many bytes of packet data, so that memory stays bounded when
/// one is read.
const SEGMENT_DATA_BYTES: usize = 32 << 20;
/// And at this many rows.
const SEGMENT_ROWS: usize = 262_144;

/// Builds a batch of a table from its columns, in declared order.
pub(super) fn batch(table: &SegmentTable, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(arrow_schema(table), columns)
        .map_err(|error| Error::internal(format!("rows of table `{}`: {error}", table.name)))
}

macro_rules! column {
    ($type:ty, $rows:expr, $value:expr) => {
        Arc::new(<$type>::from_iter_values($rows.iter().map($value))) as ArrayRef
    };
}

macro_rules! optional {
    ($type:ty, $rows:expr, $value:expr) => {
        Arc::new($rows.iter().map($value).collect::<$type>()) as ArrayRef
    };
}

/// Segments of the tables `traces` and `packets` for the traces of one partition.
pub(super) fn trace_segments(capture_id: i64, partition: i64, traces: &[Trace]) -> Result<Vec<NewSegment>> {
    let mut segments = Vec::new();
    for run in runs(traces) {
        segments.push(NewSegment { table: &schema::TRACES, partition, rows: traces_batch(capture_id, run)? });
        segments.push(packet_segment(&schema::PACKETS, partition, run)?);
    }
    Ok(segments)
}

/// Cuts traces into runs of bounded size.
pub(super) fn runs(traces: &[Trace]) -> Vec<&[Trace]> {
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

/// A segment of packets, real or synthetic.
pub(super) fn packet_segment(table: &'static SegmentTable, partition: i64, traces: &[Trace]) -> Result<NewSegment> {
    Ok(NewSegment { table, partition, rows: packets_batch(table, traces)? })
}

fn traces_batch(capture_id: i64, traces: &[Trace]) -> Result<RecordBatch> {
    let with_first: Vec<(&Trace, &Packet)> =
        traces.iter().filter_map(|trace| trace.packets.first().map(|first| (trace, first))).collect();
    let rows = &with_first;
    let duration = |trace: &Trace| {
        let last = trace.packets.last().map_or(0, |packet| packet.time_us);
        last - trace.packets.first().map_or(0, |packet| packet.time_us)
    };
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |(trace, _)| trace.trace_id.0),
        column!(Int64Array, rows, |_| capture_id),
        column!(Int64Array, rows, |(trace, _)| trace.first_packet as i64),
        column!(Int64Array, rows, |(_, first)| first.time_us),
        column!(Int64Array, rows, |(trace, _)| duration(trace)),
        column!(Int32Array, rows, |(trace, _)| trace.packets.len() as i32),
        column!(Int64Array, rows, |(trace, _)| trace.flow_packets as i64),
        column!(Int64Array, rows, |(trace, _)| trace.flow_bytes as i64),
        column!(Int32Array, rows, |(trace, _)| trace.link_type as i32),
        column!(Int16Array, rows, |(_, first)| i16::from(first.protocol)),
        column!(BinaryArray, rows, |(_, first)| &first.src_ip),
        column!(BinaryArray, rows, |(_, first)| &first.dst_ip),
        column!(Int32Array, rows, |(_, first)| i32::from(first.src_port)),
        column!(Int32Array, rows, |(_, first)| i32::from(first.dst_port)),
    ];
    batch(&schema::TRACES, columns)
}

fn packets_batch(table: &SegmentTable, traces: &[Trace]) -> Result<RecordBatch> {
    let rows: Vec<(TraceId, usize, &Packet)> = traces
        .iter()
        .flat_map(|trace| trace.packets.iter().enumerate().map(|(position, packet)| (trace.trace_id, position, packet)))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |(trace, _, _)| trace.0),
        column!(Int32Array, rows, |(_, position, _)| *position as i32),
        column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.direction == Direction::Backward)),
        column!(Int64Array, rows, |(_, _, packet)| packet.time_us),
        column!(BinaryArray, rows, |(_, _, packet)| &packet.src_ip),
        column!(BinaryArray, rows, |(_, _, packet)| &packet.dst_ip),
        column!(Int32Array, rows, |(_, _, packet)| i32::from(packet.src_port)),
        column!(Int32Array, rows, |(_, _, packet)| i32::from(packet.dst_port)),
        column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.protocol)),
        column!(Int32Array, rows, |(_, _, packet)| packet.ip_length as i32),
        column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.ip_version)),
        column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.header_length)),
        column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.tos)),
        optional!(Int32Array, rows, |(_, _, packet)| packet.identification.map(i32::from)),
        optional!(Int16Array, rows, |(_, _, packet)| packet.flags.map(i16::from)),
        optional!(Int32Array, rows, |(_, _, packet)| packet.fragment_offset.map(i32::from)),
        column!(Int16Array, rows, |(_, _, packet)| i16::from(packet.ttl)),
        optional!(Int32Array, rows, |(_, _, packet)| packet.checksum.map(i32::from)),
        optional!(Int16Array, rows, |(_, _, packet)| packet.tcp_flags.map(i16::from)),
        column!(Int32Array, rows, |(_, _, packet)| packet.payload_length as i32),
        column!(BinaryArray, rows, |(_, _, packet)| &packet.data),
    ];
    batch(table, columns)
}

fn typed<T: 'static>(columns: &[ArrayRef], index: usize) -> Result<&T> {
    columns
        .get(index)
        .and_then(|column| column.as_any().downcast_ref::<T>())
        .ok_or_else(|| Error::internal(format!("stored column {index} has an unexpected type")))
}

/// Packets (all columns of a packet table) grouped by trace, in stored order.
pub(super) fn packets_by_trace(columns: &[ArrayRef]) -> Result<Vec<(TraceId, Vec<Packet>)>> {
    let trace_ids = typed::<Int64Array>(columns, 0)?;
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
    /// src_port, dst_port, ip_length, identification, fragment_offset, checksum, payload_length
    wide: [&'a Int32Array; 7],
    /// protocol, ip_version, header_length, tos, flags, ttl, tcp_flags
    narrow: [&'a Int16Array; 7],
    data: &'a BinaryArray,
}

impl<'a> PacketReader<'a> {
    fn new(columns: &'a [ArrayRef]) -> Result<Self> {
        let wide = |index| typed::<Int32Array>(columns, index);
        let narrow = |index| typed::<Int16Array>(columns, index);
        Ok(Self {
            direction: narrow(2)?,
            time_us: typed(columns, 3)?,
            src_ip: typed(columns, 4)?,
            dst_ip: typed(columns, 5)?,
            wide: [wide(6)?, wide(7)?, wide(9)?, wide(13)?, wide(15)?, wide(17)?, wide(19)?],
            narrow: [narrow(8)?, narrow(10)?, narrow(11)?, narrow(12)?, narrow(14)?, narrow(16)?, narrow(18)?],
            data: typed(columns, 20)?,
        })
    }

    fn packet(&self, row: usize) -> Result<Packet> {
        let wide = |which: usize| (!self.wide[which].is_null(row)).then(|| self.wide[which].value(row));
        let narrow = |which: usize| (!self.narrow[which].is_null(row)).then(|| self.narrow[which].value(row));
        Ok(Packet {
            time_us: self.time_us.value(row),
            direction: if self.direction.value(row) == 0 { Direction::Forward } else { Direction::Backward },
            ip_version: fit(narrow(1))?,
            src_ip: self.src_ip.value(row).to_vec(),
            dst_ip: self.dst_ip.value(row).to_vec(),
            protocol: fit(narrow(0))?,
            src_port: fit(wide(0))?,
            dst_port: fit(wide(1))?,
            ip_length: fit(wide(2))?,
            header_length: fit(narrow(2))?,
            tos: fit(narrow(3))?,
            identification: wide(3).map(|value| fit(Some(value))).transpose()?,
            flags: narrow(4).map(|value| fit(Some(value))).transpose()?,
            fragment_offset: wide(4).map(|value| fit(Some(value))).transpose()?,
            ttl: fit(narrow(5))?,
            checksum: wide(5).map(|value| fit(Some(value))).transpose()?,
            tcp_flags: narrow(6).map(|value| fit(Some(value))).transpose()?,
            payload_length: fit(wide(6))?,
            data: self.data.value(row).to_vec(),
        })
    }
}

/// A stored integer as the narrower type of the record; damage gives an error.
fn fit<From: TryInto<To>, To>(value: Option<From>) -> Result<To> {
    value
        .and_then(|value| value.try_into().ok())
        .ok_or_else(|| Error::internal("a stored packet field is out of range").hint("run `syntrace verify STUDY`"))
}

/// The column `trace_id` alone.
pub(super) fn trace_ids(columns: &[ArrayRef]) -> Result<Vec<TraceId>> {
    Ok(typed::<Int64Array>(columns, 0)?.values().iter().map(|id| TraceId(*id)).collect())
}

/// The first three columns of `traces`: trace, capture id, index of its first packet.
pub(super) fn trace_places(columns: &[ArrayRef]) -> Result<Vec<(TraceId, i64, u64)>> {
    let capture = typed::<Int64Array>(columns, 1)?;
    let first_packet = typed::<Int64Array>(columns, 2)?;
    let ids = trace_ids(columns)?.into_iter();
    Ok(ids
        .zip(capture.values())
        .zip(first_packet.values())
        .map(|((id, capture), first)| (id, *capture, *first as u64))
        .collect())
}

/// What the table `traces` says about each trace: first packet, link type, flow packets, flow bytes.
pub(super) type TraceFacts = HashMap<TraceId, (u64, u32, u64, u64)>;

/// Reads the columns of `traces` into a map.
pub(super) fn trace_facts(columns: &[ArrayRef], out: &mut TraceFacts) -> Result<()> {
    let trace_id = typed::<Int64Array>(columns, 0)?;
    let first = typed::<Int64Array>(columns, 2)?;
    let flow_packets = typed::<Int64Array>(columns, 6)?;
    let flow_bytes = typed::<Int64Array>(columns, 7)?;
    let link = typed::<Int32Array>(columns, 8)?;
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
pub(super) struct EncodingRow {
    pub trace_id: TraceId,
    pub rows: u32,
    pub width: u32,
    pub data: Vec<u8>,
}

pub(super) fn encodings_segment(partition: i64, encoding: &str, rows: &[EncodingRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |row| row.trace_id.0),
        column!(StringArray, rows, |_| encoding),
        column!(Int32Array, rows, |row| row.rows as i32),
        column!(Int32Array, rows, |row| row.width as i32),
        column!(BinaryArray, rows, |row| &row.data),
    ];
    Ok(NewSegment { table: &schema::ENCODINGS, partition, rows: batch(&schema::ENCODINGS, columns)? })
}

pub(super) fn encoding_rows(columns: &[ArrayRef], out: &mut Vec<EncodingRow>) -> Result<()> {
    let trace_id = typed::<Int64Array>(columns, 0)?;
    let (rows, width) = (typed::<Int32Array>(columns, 2)?, typed::<Int32Array>(columns, 3)?);
    let data = typed::<BinaryArray>(columns, 4)?;
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

pub(super) fn split_segment(partition: i64, rows: &[(TraceId, Part)]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> =
        vec![column!(Int64Array, rows, |(trace, _)| trace.0), column!(StringArray, rows, |(_, part)| part.name())];
    Ok(NewSegment { table: &schema::SPLIT_TRACES, partition, rows: batch(&schema::SPLIT_TRACES, columns)? })
}

/// Members and held-out traces, each in stored order.
pub(super) fn split_rows(columns: &[ArrayRef]) -> Result<(Vec<TraceId>, Vec<TraceId>)> {
    let trace_id = typed::<Int64Array>(columns, 0)?;
    let part = typed::<StringArray>(columns, 1)?;
    let (mut members, mut held_out) = (Vec::new(), Vec::new());
    for row in 0..trace_id.len() {
        let side = if part.value(row) == Part::Member.name() { &mut members } else { &mut held_out };
        side.push(TraceId(trace_id.value(row)));
    }
    Ok((members, held_out))
}

/// One row of `attributes`.
#[derive(Debug, Clone)]
pub(super) struct AttributeRow {
    pub trace_id: TraceId,
    pub member: bool,
    pub kind: String,
    /// `None` where an imported file does not say.
    pub loss: Option<f32>,
    pub values: Vec<f32>,
    /// The loss of an imported file where `loss` is rounded.
    pub loss_exact: Option<f64>,
    /// The attribute of an imported file where `values` are rounded.
    pub values_exact: Option<Vec<f64>>,
}

impl AttributeRow {
    /// One whose numbers are single from the start.
    pub fn single(trace_id: TraceId, member: bool, kind: String, loss: f32, values: Vec<f32>) -> Self {
        Self { trace_id, member, kind, loss: Some(loss), values, loss_exact: None, values_exact: None }
    }
}

pub(super) fn attributes_segment(partition: i64, rows: &[AttributeRow]) -> Result<NewSegment> {
    attribute_rows_segment(&schema::ATTRIBUTES, partition, rows)
}

pub(super) fn references_segment(partition: i64, rows: &[AttributeRow]) -> Result<NewSegment> {
    attribute_rows_segment(&schema::REFERENCE_ATTRIBUTES, partition, rows)
}

/// Distinct texts of a column.
pub(super) fn texts(columns: &[ArrayRef], index: usize) -> Result<std::collections::BTreeSet<String>> {
    Ok(typed::<StringArray>(columns, index)?.iter().flatten().map(str::to_owned).collect())
}

fn attribute_rows_segment(
    table: &'static schema::SegmentTable,
    partition: i64,
    rows: &[AttributeRow],
) -> Result<NewSegment> {
    let field = Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float32, false));
    let mut lists = ListBuilder::new(Float32Builder::new()).with_field(field);
    let double = Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float64, false));
    let mut exact = ListBuilder::new(Float64Builder::new()).with_field(double);
    for row in rows {
        lists.values().append_slice(&row.values);
        lists.append(true);
        exact.values().append_slice(row.values_exact.as_deref().unwrap_or_default());
        exact.append(row.values_exact.is_some());
    }
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |row| row.trace_id.0),
        Arc::new(BooleanArray::from(rows.iter().map(|row| row.member).collect::<Vec<_>>())),
        column!(StringArray, rows, |row| row.kind.as_str()),
        optional!(Float32Array, rows, |row| row.loss),
        Arc::new(lists.finish()),
        optional!(Float64Array, rows, |row| row.loss_exact),
        Arc::new(exact.finish()),
    ];
    Ok(NewSegment { table, partition, rows: batch(table, columns)? })
}

pub(super) fn attribute_rows(columns: &[ArrayRef], kind: &str, out: &mut Vec<AttributeRow>) -> Result<()> {
    let trace_id = typed::<Int64Array>(columns, 0)?;
    let member = typed::<BooleanArray>(columns, 1)?;
    let kinds = typed::<StringArray>(columns, 2)?;
    let loss = typed::<Float32Array>(columns, 3)?;
    let lists = typed::<ListArray>(columns, 4)?;
    let loss_exact = typed::<Float64Array>(columns, 5)?;
    let exact = typed::<ListArray>(columns, 6)?;
    for row in (0..trace_id.len()).filter(|row| kinds.value(*row) == kind) {
        let values = lists.value(row);
        let values = values
            .as_any()
            .downcast_ref::<Float32Array>()
            .ok_or_else(|| Error::internal("stored attribute values are not FLOAT"))?;
        let doubles = (!exact.is_null(row)).then(|| exact.value(row));
        let doubles = doubles.map(|doubles| match doubles.as_any().downcast_ref::<Float64Array>() {
            Some(doubles) => Ok(doubles.values().to_vec()),
            None => Err(Error::internal("exact stored attribute values are not DOUBLE")),
        });
        out.push(AttributeRow {
            trace_id: TraceId(trace_id.value(row)),
            member: member.value(row),
            kind: kind.to_owned(),
            loss: (!loss.is_null(row)).then(|| loss.value(row)),
            values: values.values().to_vec(),
            loss_exact: (!loss_exact.is_null(row)).then(|| loss_exact.value(row)),
            values_exact: doubles.transpose()?,
        });
    }
    Ok(())
}

/// What one attribute row is, without its values.
pub(super) struct AttributeFacts {
    pub kind: String,
    pub width: usize,
    pub has_loss: bool,
    pub member: bool,
}

/// Facts of all rows of `attributes`.
pub(super) fn attribute_facts(columns: &[ArrayRef]) -> Result<Vec<AttributeFacts>> {
    let member = typed::<BooleanArray>(columns, 1)?;
    let kinds = typed::<StringArray>(columns, 2)?;
    let loss = typed::<Float32Array>(columns, 3)?;
    let lists = typed::<ListArray>(columns, 4)?;
    let facts = |row: usize| AttributeFacts {
        kind: kinds.value(row).to_owned(),
        width: lists.value_length(row) as usize,
        has_loss: !loss.is_null(row),
        member: member.value(row),
    };
    Ok((0..kinds.len()).map(facts).collect())
}

/// Scores of one side of an attack.
pub(super) fn scores_segment(attack: AttackId, rows: &[(TraceId, i64, bool, f32)]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |row| row.0.0),
        column!(Int64Array, rows, |row| row.1),
        Arc::new(BooleanArray::from(rows.iter().map(|row| row.2).collect::<Vec<_>>())),
        column!(Float32Array, rows, |row| row.3),
    ];
    Ok(NewSegment { table: &schema::ATTACK_SCORES, partition: attack.0, rows: batch(&schema::ATTACK_SCORES, columns)? })
}

/// ROC corners (threshold, fpr, tpr) of one side of an attack.
pub(super) fn roc_segment(attack: AttackId, rows: &[(f64, f64, f64)]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Float64Array, rows, |row| row.0),
        column!(Float64Array, rows, |row| row.1),
        column!(Float64Array, rows, |row| row.2),
    ];
    Ok(NewSegment { table: &schema::ROC, partition: attack.0, rows: batch(&schema::ROC, columns)? })
}

/// Fidelity of one model.
pub(super) fn fidelity_segment(model: i64, rows: &[syntrace_measure::eval::FidelityRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(StringArray, rows, |row| row.compared.name()),
        column!(StringArray, rows, |row| row.reference.name()),
        column!(StringArray, rows, |row| row.aspect.name()),
        column!(StringArray, rows, |row| row.field.as_ref()),
        optional!(Int32Array, rows, |row| row.position.map(|position| position as i32)),
        column!(StringArray, rows, |row| row.metric.name()),
        optional!(Float64Array, rows, |row| row.value),
        column!(Int64Array, rows, |row| row.n_real as i64),
        column!(Int64Array, rows, |row| row.n_compared as i64),
        optional!(Int64Array, rows, |row| row.absent.map(|absent| absent.0 as i64)),
        optional!(Int64Array, rows, |row| row.absent.map(|absent| absent.1 as i64)),
        optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.0)),
        optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.1)),
    ];
    Ok(NewSegment { table: &schema::FIDELITY, partition: model, rows: batch(&schema::FIDELITY, columns)? })
}

/// What all utility rows of a job share: dataset, generator and epsilon (`None` for a baseline).
pub(super) struct UtilityHead<'a> {
    pub job: JobId,
    pub dataset: &'a str,
    pub generator: Option<&'a str>,
    pub epsilon: Option<f64>,
}

/// Measures of downstream models.
pub(super) fn utility_segment(head: &UtilityHead<'_>, rows: &[UtilityRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(StringArray, rows, |_| head.dataset),
        optional!(StringArray, rows, |_| head.generator),
        optional!(Float64Array, rows, |_| head.epsilon),
        column!(StringArray, rows, |row| row.task.name()),
        column!(StringArray, rows, |row| row.trained_on.name()),
        column!(StringArray, rows, |row| row.learner.as_str()),
        column!(StringArray, rows, |row| row.metric.name()),
        optional!(StringArray, rows, |row| row.class.as_deref()),
        optional!(Float64Array, rows, |row| row.value),
        column!(Int64Array, rows, |row| row.n_train as i64),
        column!(Int64Array, rows, |row| row.n_test as i64),
        optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.0)),
        optional!(Float64Array, rows, |row| row.interval.map(|interval| interval.1)),
        optional!(Float64Array, rows, |row| row.real_share),
    ];
    Ok(NewSegment { table: &schema::UTILITY, partition: head.job.0, rows: batch(&schema::UTILITY, columns)? })
}

/// What downstream classifiers used.
pub(super) fn importances_segment(head: &UtilityHead<'_>, rows: &[ImportanceRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(StringArray, rows, |_| head.dataset),
        optional!(StringArray, rows, |_| head.generator),
        optional!(Float64Array, rows, |_| head.epsilon),
        column!(StringArray, rows, |row| row.task.name()),
        column!(StringArray, rows, |row| row.trained_on.name()),
        column!(StringArray, rows, |row| row.field),
        column!(Int32Array, rows, |row| row.position as i32),
        column!(Float64Array, rows, |row| row.importance),
    ];
    Ok(NewSegment { table: &schema::IMPORTANCES, partition: head.job.0, rows: batch(&schema::IMPORTANCES, columns)? })
}

/// One row of `synthetic_traces`.
pub(super) struct SyntheticRow {
    pub trace_id: TraceId,
    pub number: u64,
    pub packets: u32,
    pub rejected: u32,
    pub complete: bool,
    pub mended: u32,
    pub raw: Vec<u8>,
}

/// The columns `trace_id`, `number` and `rejected_packets` of `synthetic_traces`.
pub(super) fn synthetic_facts(columns: &[ArrayRef]) -> Result<Vec<(TraceId, u64, u64)>> {
    let (number, rejected) = (typed::<Int64Array>(columns, 1)?, typed::<Int32Array>(columns, 2)?);
    let ids = trace_ids(columns)?.into_iter();
    ids.zip(number.values())
        .zip(rejected.values())
        .map(|((id, number), rejected)| Ok((id, fit(Some(*number))?, fit(Some(*rejected))?)))
        .collect()
}

pub(super) fn synthetic_segment(model: i64, rows: &[SyntheticRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |row| row.trace_id.0),
        column!(Int64Array, rows, |row| row.number as i64),
        column!(Int32Array, rows, |row| row.packets as i32),
        column!(Int32Array, rows, |row| row.rejected as i32),
        Arc::new(BooleanArray::from(rows.iter().map(|row| row.complete).collect::<Vec<_>>())),
        column!(Int32Array, rows, |row| row.mended as i32),
        column!(BinaryArray, rows, |row| &row.raw),
    ];
    Ok(NewSegment {
        table: &schema::SYNTHETIC_TRACES,
        partition: model,
        rows: batch(&schema::SYNTHETIC_TRACES, columns)?,
    })
}

#[cfg(feature = "torch")]
pub(super) fn epochs_segment(model: i64, rows: &[syntrace_model::train::EpochRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Int32Array, rows, |row| row.epoch as i32),
        column!(Int64Array, rows, |row| row.step as i64),
        optional!(Float64Array, rows, |row| row.train_loss),
        optional!(Float64Array, rows, |row| row.member_loss),
        optional!(Float64Array, rows, |row| row.held_out_loss),
        optional!(Float64Array, rows, |row| row.gradient_norm),
        optional!(Float64Array, rows, |row| row.clipped_fraction),
        column!(Int64Array, rows, |row| row.traces as i64),
        column!(Float64Array, rows, |row| row.seconds),
    ];
    Ok(NewSegment { table: &schema::EPOCHS, partition: model, rows: batch(&schema::EPOCHS, columns)? })
}

/// Epochs of a training elsewhere; NULL where its log does not say.
pub(super) fn logged_epochs_segment(model: i64, rows: &[syntrace_foreign::LoggedEpoch]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Int32Array, rows, |row| row.epoch as i32),
        optional!(Int64Array, rows, |row| row.step.map(|step| step as i64)),
        optional!(Float64Array, rows, |row| row.train_loss),
        optional!(Float64Array, rows, |row| row.member_loss),
        optional!(Float64Array, rows, |row| row.held_out_loss),
        optional!(Float64Array, rows, |row| row.gradient_norm),
        optional!(Float64Array, rows, |row| row.clipped_fraction),
        optional!(Int64Array, rows, |row| row.traces.map(|traces| traces as i64)),
        optional!(Float64Array, rows, |row| row.seconds),
    ];
    Ok(NewSegment { table: &schema::EPOCHS, partition: model, rows: batch(&schema::EPOCHS, columns)? })
}

/// One row of `privacy_ledger`.
#[cfg(feature = "torch")]
pub(super) struct LedgerRow {
    pub event: syntrace_measure::privacy::PrivacyEvent,
    pub mechanism: syntrace_base::record::Mechanism,
    pub epsilon_after: f64,
    pub delta: f64,
    pub epsilon_rdp: Option<f64>,
    pub epsilon_pld: Option<f64>,
}

/// What an accountant needs of a stored row of `privacy_ledger`.
pub(super) struct LedgerEvent {
    pub sampling_rate: f64,
    pub noise_multiplier: f64,
    pub clip_norm: f64,
    pub steps: u64,
}

/// Stored events with their numbers.
pub(super) fn ledger_events(columns: &[ArrayRef]) -> Result<Vec<(i32, LedgerEvent)>> {
    let number = typed::<Int32Array>(columns, 0)?;
    let real = |index| typed::<Float64Array>(columns, index);
    let (rates, noises, norms) = (real(3)?, real(4)?, real(5)?);
    let steps = typed::<Int64Array>(columns, 6)?;
    let event = |row: usize| {
        let steps = u64::try_from(steps.value(row))
            .map_err(|_| Error::internal("`privacy_ledger` has negative steps").hint("run `syntrace verify STUDY`"))?;
        let event = LedgerEvent {
            sampling_rate: rates.value(row),
            noise_multiplier: noises.value(row),
            clip_norm: norms.value(row),
            steps,
        };
        Ok((number.value(row), event))
    };
    (0..number.len()).map(event).collect()
}

#[cfg(feature = "torch")]
pub(super) fn ledger_segment(model: i64, rows: &[LedgerRow]) -> Result<NewSegment> {
    let numbered: Vec<_> = rows.iter().enumerate().collect();
    let columns: Vec<ArrayRef> = vec![
        column!(Int32Array, numbered, |(number, _)| *number as i32),
        column!(StringArray, numbered, |(_, row)| row.event.phase.as_str()),
        column!(StringArray, numbered, |(_, row)| row.mechanism.name()),
        column!(Float64Array, numbered, |(_, row)| row.event.sampling_rate.get()),
        column!(Float64Array, numbered, |(_, row)| row.event.noise_multiplier.get()),
        column!(Float64Array, numbered, |(_, row)| row.event.clip_norm.get()),
        column!(Int64Array, numbered, |(_, row)| row.event.steps as i64),
        column!(Float64Array, numbered, |(_, row)| row.epsilon_after),
        column!(Float64Array, numbered, |(_, row)| row.delta),
        column!(StringArray, numbered, |_| syntrace_measure::privacy::NEIGHBOURS),
        optional!(Float64Array, numbered, |(_, row)| row.epsilon_rdp),
        optional!(Float64Array, numbered, |(_, row)| row.epsilon_pld),
    ];
    Ok(NewSegment { table: &schema::PRIVACY_LEDGER, partition: model, rows: batch(&schema::PRIVACY_LEDGER, columns)? })
}

/// One rule's changes to one synthetic trace.
#[cfg(feature = "torch")]
#[derive(Debug, Clone)]
pub(super) struct RepairRow {
    pub trace_id: TraceId,
    pub profile: String,
    pub rule: &'static str,
    pub cells: u32,
}

#[cfg(feature = "torch")]
pub(super) fn repairs_segment(model: i64, rows: &[RepairRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        column!(Int64Array, rows, |row| row.trace_id.0),
        column!(StringArray, rows, |row| row.profile.as_str()),
        column!(StringArray, rows, |row| row.rule),
        column!(Int64Array, rows, |row| i64::from(row.cells)),
    ];
    Ok(NewSegment { table: &schema::REPAIRS, partition: model, rows: batch(&schema::REPAIRS, columns)? })
}

#[cfg(feature = "torch")]
pub(super) fn monitors_segment(model: i64, rows: &[syntrace_model::train::MonitorRow]) -> Result<NewSegment> {
    let columns: Vec<ArrayRef> = vec![
        optional!(Int32Array, rows, |row| row.epoch.map(|epoch| epoch as i32)),
        column!(StringArray, rows, |row| row.monitor.as_str()),
        column!(StringArray, rows, |row| row.field.as_str()),
        column!(Float64Array, rows, |row| row.value),
    ];
    Ok(NewSegment { table: &schema::MONITORS, partition: model, rows: batch(&schema::MONITORS, columns)? })
}

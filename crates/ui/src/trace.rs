//! One trace, real or generated, beside another one: its packets, the fields of one packet, and their bytes.

use crate::answer::Answer;
use crate::failure::{Answered, Failure, InAddress};
use crate::grid::Grid;
use crate::layout::{Frame, page_of, text_of};
use crate::nearest::{Wanted, nearest};
use crate::packet::{DumpLine, Field, Layer, dump, layers, protocol, tcp_flags};
use crate::query_string::QueryString;
use crate::standing::standing;
use crate::study::{Study, View};
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::header;
use axum::response::IntoResponse;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_report::{Drawing, trace_image};
use syntrace_traffic::capture::write_frames;

/// Packets of a trace that are shown; files have all.
const PACKETS_MAX: usize = 1_000;

/// Rows of the tables under the packets.
const ROWS_MAX: usize = 200;

/// Traces that are offered to stand beside it.
const OFFERED_MAX: usize = 12;

/// Name of the packet in an address: its number, from 1.
const PACKET: &str = "packet";
/// Name of the field in an address.
const FIELD: &str = "field";
/// Name of the trace beside it in an address.
const BESIDE: &str = "beside";

/// LINKTYPE of Ethernet.
const ETHERNET: u32 = 1;

/// Value of [`BESIDE`] for no trace.
const ALONE: &str = "none";

#[derive(Template)]
#[template(path = "trace.html")]
struct Page {
    frame: Frame,
    sides: Vec<ShownTrace>,
    /// Traces of the same class to put beside it, with their addresses.
    offered: Vec<(String, String)>,
    /// How unlike the one beside it is, where that is the nearest one.
    nearest: Option<String>,
    standing: Drawing,
    tables: Vec<(&'static str, Grid)>,
}

/// A trace with one packet in full.
struct ShownTrace {
    id: i64,
    heading: String,
    packets: Vec<Line>,
    more: bool,
    /// Number of the packet that is shown in full, from 1.
    chosen: usize,
    layers: Vec<(Layer, Vec<ShownField>)>,
    field: String,
    image: Drawing,
    dump: Vec<DumpLine>,
}

/// What a page adds to a field.
struct ShownField {
    address: String,
    /// The rules that repaired it in packets of the trace.
    repairs: String,
}

/// A packet in the list.
struct Line {
    number: usize,
    address: String,
    time: String,
    source: String,
    destination: String,
    protocol: String,
    length: i64,
    info: String,
    backwards: bool,
}

/// The packets of a trace, as the study has them.
struct Trace {
    id: i64,
    is_generated: bool,
    dataset: String,
    class: String,
    generator: String,
    epsilon: Option<String>,
    regime: String,
    rows: RecordBatch,
    more: bool,
    /// Rules that changed cells or kept tokens out of a generated trace, with how many.
    repairs: Vec<(String, String)>,
}

fn no_trace(id: &str, names_members: bool) -> Failure {
    let error = Error::user(format!("there is no trace `{id}` with a packet here"));
    let hint = if names_members {
        "traces are in the tables traces and synthetic_traces"
    } else {
        "real traces are hidden: --members shows them"
    };
    Failure::nothing(error.hint(hint))
}

impl Trace {
    async fn read(view: &View<'_>, id: i64) -> Result<Option<Self>> {
        let condition = if view.study.names_members() { "" } else { "synthetic AND " };
        let sql = format!(
            "SELECT synthetic, dataset, \"class\", generator, epsilon, regime, direction, time_us, ip_text(src_ip) AS source, \
             ip_text(dst_ip) AS destination, src_port, dst_port, protocol, ip_length, tcp_flags, payload_length, data \
             FROM packets WHERE {condition}trace_id = {id} ORDER BY \"position\""
        );
        let repairs = format!(
            "SELECT rule, CAST(sum(cells) AS TEXT) AS cells FROM repairs WHERE trace_id = {id} GROUP BY rule ORDER BY rule"
        );
        let (answer, repairs) =
            tokio::try_join!(Answer::of_sql(view, &sql, PACKETS_MAX), Answer::of_sql(view, &repairs, ROWS_MAX))?;
        let (rules, cells) = (repairs.texts("rule")?, repairs.texts("cells")?);
        let repairs = rules.into_iter().flatten().zip(cells.into_iter().flatten()).collect();
        let more = answer.more;
        let rows = answer.into_batch()?;
        if rows.num_rows() == 0 {
            return Ok(None);
        }
        let first = |name: &str| Ok::<_, Error>(texts(&rows, name)?.into_iter().next().flatten());
        Ok(Some(Self {
            id,
            is_generated: first("synthetic")?.as_deref() == Some("true"),
            dataset: first("dataset")?.unwrap_or_default(),
            class: first("class")?.unwrap_or_default(),
            generator: first("generator")?.unwrap_or_default(),
            epsilon: first("epsilon")?,
            regime: first("regime")?.unwrap_or_default(),
            more,
            repairs,
            rows,
        }))
    }

    /// What it is, in words.
    fn heading(&self) -> String {
        if !self.is_generated {
            return format!("Real trace of {}/{}", self.dataset, self.class);
        }
        let budget = self.epsilon.as_ref().map_or(self.regime.clone(), |epsilon| format!("epsilon {epsilon}"));
        format!("Generated by {} ({budget}) for {}/{}", self.generator, self.dataset, self.class)
    }

    /// The trace to look for on the other side.
    fn wanted(&self) -> Wanted<'_> {
        let (dataset, class, generated) = (&self.dataset, &self.class, !self.is_generated);
        Wanted { trace_id: self.id, packets: self.rows.num_rows(), dataset, class, generated }
    }

    fn frames(&self) -> Result<Vec<&[u8]>> {
        let data = column(&self.rows, "data")?.as_binary_opt::<i32>();
        let data = data.ok_or_else(|| Error::internal("the frames of packets are no bytes"))?;
        Ok(data.iter().map(Option::unwrap_or_default).collect())
    }

    fn lines(&self, address: impl Fn(usize) -> String) -> Result<Vec<Line>> {
        let times = numbers(&self.rows, "time_us")?;
        let [source, destination] = ["source", "destination"].map(|name| texts(&self.rows, name));
        let (source, destination) = (source?, destination?);
        let [ports, to_ports, protocols, lengths] =
            ["src_port", "dst_port", "protocol", "ip_length"].map(|name| numbers(&self.rows, name));
        let (ports, to_ports, protocols, lengths) = (ports?, to_ports?, protocols?, lengths?);
        let (flags, payload) = (numbers(&self.rows, "tcp_flags")?, numbers(&self.rows, "payload_length")?);
        let directions = numbers(&self.rows, "direction")?;
        let start = times.first().copied().flatten().unwrap_or(0);
        let line = |row: usize| {
            let number = |values: &[Option<i64>]| values.get(row).copied().flatten();
            let text = |values: &[Option<String>]| values.get(row).cloned().flatten().unwrap_or_default();
            let set = number(&flags).map_or(String::new(), |flags| format!(" [{}]", tcp_flags(flags as u64)));
            let (from, to) = (number(&ports).unwrap_or(0), number(&to_ports).unwrap_or(0));
            Line {
                number: row + 1,
                address: address(row + 1),
                time: format!("{:.6}", (number(&times).unwrap_or(start) - start) as f64 / 1e6),
                source: text(&source),
                destination: text(&destination),
                protocol: protocol(number(&protocols).unwrap_or(0) as u64),
                length: number(&lengths).unwrap_or(0),
                info: format!("{from} \u{2192} {to}{set} Len={}", number(&payload).unwrap_or(0)),
                backwards: number(&directions) == Some(1),
            }
        };
        Ok((0..self.rows.num_rows()).map(line).collect())
    }

    /// The rules that repaired a field in packets of the trace, in words.
    fn repairs_of(&self, field: &str) -> String {
        let here = self.repairs.iter().filter(|(rule, _)| repaired(rule).contains(&field));
        here.map(|(rule, cells)| format!("{rule} {cells}")).collect::<Vec<_>>().join(", ")
    }

    fn image(&self, frames: &[&[u8]]) -> Result<Drawing> {
        let lengths = numbers(&self.rows, "ip_length")?;
        let rows = frames.iter().zip(lengths).map(|(frame, length)| (*frame, length.unwrap_or(0) as u32));
        trace_image("nPrint", &format!("image-{}", self.id), &rows.collect::<Vec<_>>())
    }

    /// With the packet and the field that an address names.
    fn side(&self, query: &QueryString, path: &str) -> Result<ShownTrace> {
        let asked = query.get(PACKET).unwrap_or("1");
        let expected = || Error::user(format!("expected the number of a packet from 1, found `{asked}`"));
        let asked: usize = asked.parse().ok().filter(|number| *number > 0).ok_or_else(expected)?;
        let chosen = asked.min(self.rows.num_rows());
        let frames = self.frames()?;
        let frame = frames.get(chosen - 1).copied().unwrap_or_default();
        let found = layers(frame);
        let wanted = query.get(FIELD).unwrap_or_default();
        let fields = found.iter().flat_map(|layer| &layer.fields);
        let marked = fields.filter(|field| field.id == wanted).map(|field| field.bytes.clone()).next();
        let shown = |field: &Field| ShownField {
            address: query.with(FIELD, field.id).after(path),
            repairs: self.repairs_of(field.id),
        };
        Ok(ShownTrace {
            id: self.id,
            heading: self.heading(),
            packets: self.lines(|number| query.with(PACKET, number.to_string()).after(path))?,
            more: self.more,
            chosen,
            layers: found
                .into_iter()
                .map(|layer| {
                    let fields = layer.fields.iter().map(&shown).collect();
                    (layer, fields)
                })
                .collect(),
            field: wanted.to_owned(),
            image: self.image(&frames)?,
            dump: dump(frame, &marked.unwrap_or(0..0)),
        })
    }
}

/// The fields that a repair rule writes; none for one that concerns whole packets, or that is not known here.
fn repaired(rule: &str) -> &'static [&'static str] {
    const IP: &[&str] =
        &["ip.version", "ip.hdr_len", "ip.dsfield", "ip.len", "ip.id", "ip.flags", "ip.ttl", "ip.proto"];
    const TCP: &[&str] = &["tcp.seq", "tcp.ack", "tcp.hdr_len", "tcp.flags", "tcp.window_size", "tcp.urgent_pointer"];
    match rule {
        "ip_version" => &["ip.version"],
        "ip_header_length" => &["ip.hdr_len"],
        "ip_options" => &["ip.options", "ip.hdr_len"],
        "ip_missing_bits" => IP,
        "ip_checksum" => &["ip.checksum"],
        "ttl" => &["ip.ttl"],
        "total_length" => &["ip.len"],
        "identification" => &["ip.id"],
        "fragmentation" => &["ip.flags", "ip.frag_offset"],
        "protocol" => &["ip.proto"],
        "addresses" => &["ip.src", "ip.dst"],
        "ports" => &["tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"],
        "tcp_missing_bits" => TCP,
        "tcp_options" => &["tcp.options"],
        "tcp_data_offset" => &["tcp.hdr_len"],
        "tcp_sequence" => &["tcp.seq"],
        "tcp_acknowledgment" => &["tcp.ack"],
        "tcp_flags" => &["tcp.flags"],
        "tcp_checksum" => &["tcp.checksum"],
        "udp_missing_bits" => &["udp.srcport", "udp.dstport", "udp.length"],
        "udp_length" => &["udp.length"],
        "udp_checksum" => &["udp.checksum"],
        _ => &[],
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    rows.column_by_name(name).ok_or_else(|| Error::internal(format!("packets have no column `{name}`")))
}

fn numbers(rows: &RecordBatch, name: &str) -> Result<Vec<Option<i64>>> {
    let cast =
        cast(column(rows, name)?, &DataType::Int64).map_err(|error| Error::internal(format!("`{name}`: {error}")))?;
    Ok(cast.as_primitive::<Int64Type>().iter().collect())
}

fn texts(rows: &RecordBatch, name: &str) -> Result<Vec<Option<String>>> {
    let cast =
        cast(column(rows, name)?, &DataType::Utf8).map_err(|error| Error::internal(format!("`{name}`: {error}")))?;
    Ok(cast.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
}

fn id_of(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::user(format!("expected the id of a trace, found `{text}`")))
}

/// `/trace/ID`, and `/trace/ID.pcap` as a file
pub(crate) async fn page(State(study): State<Arc<Study>>, name: InAddress, RawQuery(query): RawQuery) -> Answered {
    let Path(name) = name?;
    let view = study.view()?;
    if let Some(id) = name.strip_suffix(".pcap") {
        return pcap(&read(&view, id).await?);
    }
    let query = QueryString::parse(query.as_deref());
    let path = format!("/trace/{name}");
    let address = query.after(&path);
    let page = view.kept(&address, async { Ok(text_of(&of_trace(&view, &name, &query, &path).await?)?) });
    Ok(page_of(page.await?))
}

/// A trace that there is.
async fn read(view: &View<'_>, id: &str) -> std::result::Result<Trace, Failure> {
    Trace::read(view, id_of(id)?).await?.ok_or_else(|| no_trace(id, view.study.names_members()))
}

async fn of_trace(view: &View<'_>, id: &str, query: &QueryString, path: &str) -> std::result::Result<Page, Failure> {
    let trace = read(view, id).await?;
    let names_members = view.study.names_members();
    let standing = async { if trace.is_generated { Ok(Drawing::default()) } else { standing(view, trace.id).await } };
    let nearest = async {
        // Between a real and a generated one; two of the same kind say nothing of the generator.
        if query.get(BESIDE).is_some() || !names_members {
            return Ok(None);
        }
        nearest(view, &trace.wanted()).await
    };
    let (offered, tables, standing, nearest) =
        tokio::try_join!(offered(view, &trace), tables(view, &trace), standing, nearest)?;
    let found = nearest.as_ref().map(|nearest| nearest.trace_id.as_str());
    let beside = query.get(BESIDE).or(found).filter(|beside| *beside != ALONE);
    let mut sides = vec![trace.side(query, path)?];
    if let Some(beside) = beside {
        sides.push(read(view, beside).await?.side(query, path)?);
    }
    let link = |(words, id): (String, String)| (words, query.with(BESIDE, id).after(path));
    Ok(Page {
        frame: view.study.frame("", trace.heading()),
        offered: offered.into_iter().chain((sides.len() > 1).then(nobody)).map(link).collect(),
        nearest: nearest.map(|nearest| format!("{:.3}", nearest.distance)),
        sides,
        standing,
        tables,
    })
}

/// The offer of no trace beside it.
fn nobody() -> (String, String) {
    ("nothing".to_owned(), ALONE.to_owned())
}

/// All shown packets as a capture.
fn pcap(trace: &Trace) -> Answered {
    let times = numbers(&trace.rows, "time_us")?;
    let frames = trace.frames()?;
    let mut bytes = Vec::new();
    let timed = times.into_iter().map(Option::unwrap_or_default).zip(frames);
    write_frames(&mut bytes, ETHERNET, timed)?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.tcpdump.pcap".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.pcap\"", trace.id)),
    ];
    Ok((headers, bytes).into_response())
}

/// Other traces of its class: generated ones, a real one of each part where they may be named.
async fn offered(view: &View<'_>, trace: &Trace) -> Result<Vec<(String, String)>> {
    let text = crate::table_statement::text;
    let condition = format!("dataset = {} AND \"class\" = {}", text(&trace.dataset), text(&trace.class));
    let generated = format!(
        "SELECT concat(generator, ', ', CASE WHEN epsilon IS NULL THEN regime ELSE concat('epsilon ', epsilon) END), \
         CAST(min(trace_id) AS TEXT) FROM synthetic_traces WHERE {condition} AND \"role\" = 'target' AND packets > 0 \
         AND trace_id <> {} GROUP BY generator, epsilon, regime ORDER BY generator, epsilon DESC NULLS FIRST, regime DESC LIMIT {OFFERED_MAX}",
        trace.id
    );
    let real = format!(
        "SELECT 'real', CAST(min(trace_id) AS TEXT) FROM traces WHERE {condition} AND trace_id <> {} HAVING count(*) > 0",
        trace.id
    );
    let mut found = Vec::new();
    for sql in [(view.study.names_members()).then_some(real), Some(generated)].into_iter().flatten() {
        let answer = Answer::of_sql(view, &sql, OFFERED_MAX).await?;
        found.extend(answer.rendered()?.rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok()));
    }
    Ok(found.into_iter().map(|[words, id]| (words, id)).collect())
}

/// What else is known of a trace.
async fn tables(view: &View<'_>, trace: &Trace) -> Result<Vec<(&'static str, Grid)>> {
    let id = trace.id;
    let asked: Vec<(&'static str, String)> = match trace.is_generated {
        true => vec![
            (
                "How it was generated",
                format!(
                    "SELECT model_id, generator, \"role\", regime, number, packets, rejected_packets, complete, \
                     mended_fields FROM synthetic_traces WHERE trace_id = {id}"
                ),
            ),
            (
                "Repairs of the trace, over all of its packets",
                format!("SELECT profile, rule, cells FROM repairs WHERE trace_id = {id} ORDER BY 1, 2"),
            ),
        ],
        false => vec![
            ("In the capture", format!("SELECT * FROM traces WHERE trace_id = {id}")),
            (
                "What attacks say of it",
                format!(
                    "SELECT own.attack, own.generator, own.regime, own.evaluated_on, own.model_id, own.member, own.score, \
                     avg(CASE WHEN others.score >= own.score THEN 1.0 ELSE 0.0 END) AS held_out_above \
                     FROM attack_scores AS own JOIN attack_scores AS others \
                     ON others.attack_id = own.attack_id AND NOT others.\"member\" WHERE own.trace_id = {id} \
                     GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY held_out_above, 1, 2, 3"
                ),
            ),
        ],
    };
    let mut tables = Vec::new();
    for (title, sql) in asked {
        let answer = Answer::of_sql(view, &sql, ROWS_MAX).await?;
        if answer.rows() > 0 {
            tables.push((title, Grid::of(&answer, title)?));
        }
    }
    Ok(tables)
}

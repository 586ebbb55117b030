//! nPrint images: header bits of real and generated traces as pictures.

use super::Look;
use crate::answer::Answer;
use crate::budget::Budget;
use crate::chart::{Panel, element, line, px, text};
use crate::data_uri::data_uri;
use crate::figure_layout::{Entry, Sample, Sheet};
use crate::palette::BIT_COLORS;
use svg::Node;
use svg::node::element::Element;
use syntrace_base::base::TraceId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Trace;
use syntrace_traffic::capture::{decode_frame, link_type};
use syntrace_traffic::encoding::{Encoded, NprintImage, nprint};

/// Height of a packet in the page and in the picture file, pixels.
const ROW: f64 = 4.0;
/// Most packets of a trace that are shown.
const ROWS_MAX: usize = 64;
const WIDTH: f64 = 500.0;
const RIGHT: f64 = 8.0;
/// Lowest place that a name needs beside a short trace, pixels.
const NAME: f64 = 13.0;
/// Header groups of the 1,088 columns: first bit and name; the narrow ones at the end share theirs.
const GROUPS: [(f64, &str); 4] = [(0.0, "IPv4"), (480.0, "TCP"), (960.0, ""), (1024.0, "UDP, ICMP")];
const BITS: f64 = 1088.0;

/// One picture with its name.
struct Strip {
    name: String,
    image: NprintImage,
}

impl Strip {
    fn rows(&self) -> usize {
        self.image.rows.len().clamp(1, ROWS_MAX)
    }
}

fn legend() -> Vec<Entry> {
    let names = ["bit is 1", "bit is 0", "absent (no such header)"];
    BIT_COLORS.iter().zip(names).map(|(color, name)| Entry::new(Sample::Swatch(*color), name)).collect()
}

/// Pictures below each other, with the header groups named under the last.
fn panel(title: String, strips: &[Strip], left: f64) -> Result<Panel> {
    let mut drawing = Element::new("g");
    drawing.append(text("text title", left, 14.0, "start", &title));
    let width = WIDTH - left - RIGHT;
    let mut y = 22.0;
    for strip in strips {
        let rows = strip.rows();
        let height = rows as f64 * ROW;
        let image = [
            ("href", data_uri("image/png", &strip.image.to_png(rows, &BIT_COLORS))),
            ("x", px(left)),
            ("y", px(y)),
            ("width", px(width)),
            ("height", px(height)),
            ("preserveAspectRatio", "none".to_owned()),
            ("image-rendering", "optimizeSpeed".to_owned()),
        ];
        drawing.append(element("image", &image));
        if left > 20.0 {
            drawing.append(text("text", left - 6.0, y + height / 2.0 + 4.0, "end", &strip.name));
        }
        y += if left > 20.0 { height.max(NAME) } else { height } + 5.0;
    }
    for (index, (first, name)) in GROUPS.iter().enumerate() {
        let from = left + first / BITS * width;
        let next = GROUPS.get(index + 1).map_or(BITS, |(first, _)| *first);
        let to = left + next / BITS * width;
        drawing.append(line("frame", (from, y - 4.0), (from, y + 2.0)));
        let (place, anchor) = if index + 1 == GROUPS.len() { (to, "end") } else { ((from + to) / 2.0, "middle") };
        drawing.append(text("soft", place, y + 10.0, anchor, name));
    }
    let shares: Vec<String> = strips
        .iter()
        .map(|strip| {
            let [one, zero, absent] = strip.image.color_shares(strip.rows());
            let percent = |share: f64| format!("{:.0} %", share * 100.0);
            format!("{}: {} ones, {} zeros, {} absent", strip.name, percent(one), percent(zero), percent(absent))
        })
        .collect();
    let description = format!("nPrint images of {title}. {}", shares.join("; "));
    Ok(Panel { title, description, size: (WIDTH, y + 16.0), drawing, role: "img" })
}

/// Stored encodings of real traces, one a class.
pub(super) fn training(answer: &Answer, _: &Look) -> Result<Option<Sheet>> {
    let (datasets, classes) = (answer.names("dataset")?, answer.names("class")?);
    let (rows, widths) = (answer.numbers("rows")?, answer.numbers("width")?);
    let data = answer.bytes("data")?;
    let mut panels = Vec::new();
    for row in 0..answer.rows() {
        let number = |value: Option<f64>| value.unwrap_or(0.0) as u32;
        let encoded = Encoded { rows: number(rows[row]), width: number(widths[row]), data: data[row].clone() };
        let image = NprintImage::from_encoded(&encoded)?;
        let name = format!("{}/{}", datasets[row], classes[row]);
        panels.push(panel(name.clone(), &[Strip { name, image }], 8.0)?);
    }
    Ok((!panels.is_empty()).then(|| Sheet { panels, legend: legend(), columns: 2, notes: Vec::new() }))
}

/// Packets of real and generated traces, a panel for each class.
pub(super) fn generated(answer: &Answer, _: &Look) -> Result<Option<Sheet>> {
    let (datasets, classes) = (answer.names("dataset")?, answer.names("class")?);
    let (generators, trained) = (answer.texts("generator")?, Budget::of(answer)?);
    let (lengths, headers) = (answer.numbers("ip_length")?, answer.names("headers")?);
    let mut classes_found: Vec<(String, Vec<(String, Trace)>)> = Vec::new();
    for row in 0..answer.rows() {
        let class = format!("{}/{}", datasets[row], classes[row]);
        let name = match &generators[row] {
            None => "real".to_owned(),
            Some(generator) => format!("{generator}, {}", trained[row].words()),
        };
        let place = match classes_found.iter().position(|(known, _)| *known == class) {
            Some(place) => place,
            None => {
                classes_found.push((class, Vec::new()));
                classes_found.len() - 1
            }
        };
        let traces = &mut classes_found[place].1;
        if traces.last().is_none_or(|(known, _)| *known != name) {
            traces.push((name, empty_trace()));
        }
        if let Some((_, trace)) = traces.last_mut() {
            add_packet(trace, &unhex(&headers[row])?, lengths[row].unwrap_or(0.0) as u32);
        }
    }
    let widest = classes_found.iter().flat_map(|(_, traces)| traces).map(|(name, _)| name.len()).max().unwrap_or(0);
    let left = widest as f64 * 6.2 + 10.0;
    let mut panels = Vec::new();
    for (class, traces) in classes_found {
        let strips = traces
            .into_iter()
            .filter(|(_, trace)| !trace.packets.is_empty())
            .map(|(name, trace)| Ok(Strip { name, image: NprintImage::from_encoded(&nprint::encode(&trace))? }));
        let strips = strips.collect::<Result<Vec<_>>>()?;
        if !strips.is_empty() {
            panels.push(panel(class, &strips, left)?);
        }
    }
    Ok((!panels.is_empty()).then(|| Sheet { panels, legend: legend(), columns: 2, notes: Vec::new() }))
}

/// Packets of one trace, each with its IP length; `None` where no header can be read.
pub(crate) fn of_frames(title: &str, frames: &[(&[u8], u32)]) -> Result<Option<Sheet>> {
    let mut trace = empty_trace();
    frames.iter().for_each(|(frame, ip_length)| add_packet(&mut trace, frame, *ip_length));
    if trace.packets.is_empty() {
        return Ok(None);
    }
    let image = NprintImage::from_encoded(&nprint::encode(&trace))?;
    let panels = vec![panel(title.to_owned(), &[Strip { name: title.to_owned(), image }], 8.0)?];
    Ok(Some(Sheet { panels, legend: legend(), columns: 1, notes: Vec::new() }))
}

/// Adds what can be read of a frame; a packet whose headers do not decode is left out.
fn add_packet(trace: &mut Trace, frame: &[u8], ip_length: u32) {
    if let Ok(packet) = decode_frame(link_type::ETHERNET, 0, frame, ip_length.saturating_add(14)) {
        trace.packets.push(packet);
    }
}

fn empty_trace() -> Trace {
    Trace { trace_id: TraceId(0), first_packet: 0, link_type: 1, flow_packets: 0, flow_bytes: 0, packets: Vec::new() }
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let wrong = || Error::internal("expected header bytes in hexadecimal".to_owned());
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or_else(wrong);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Ok(digit(*high)? << 4 | digit(*low)?),
            _ => Err(wrong()),
        })
        .collect()
}

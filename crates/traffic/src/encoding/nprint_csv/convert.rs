//! Captures and stored traces to nPrint's lines.

use std::io::{Read, Write};

use super::super::headers::HeaderSlices;
use super::columns::{CellWriter, NprintOptions, append_index};
use crate::capture::{DropCounter, Dropped, Frame, FrameReader, Located, link_type, locate};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{Damage, DropCount, Trace};

/// Text gathered before it is written, bytes.
const FLUSH_BYTES: usize = 256 * 1024;

/// Summary of a conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct NprintStats {
    /// Packets looked at.
    pub packets: u64,
    /// Lines written, the heading not counted.
    pub rows: u64,
    /// Lines whose headers were not captured whole.
    pub cut_rows: u64,
    /// Packets without a line, by reason.
    pub skipped: Vec<DropCount>,
    /// Why the capture could not be read to its end.
    pub damage: Option<Damage>,
}

/// Converts a capture packet by packet in file order.
///
/// # Errors
/// `user` if the stream is no capture, the expression of `exclude` is none, or the writer fails.
pub fn convert<R: Read, W: Write>(reader: R, writer: W, options: &NprintOptions) -> Result<NprintStats> {
    let mut lines = Lines::start(writer, options)?;
    let mut drops = DropCounter::default();
    let mut frames = FrameReader::new(reader)?;
    let (mut packets, mut cut_rows) = (0, 0);
    while options.count.is_none_or(|count| packets < count)
        && let Some(frame) = frames.next_frame()?
    {
        packets += 1;
        match frame_slices(&frame, options) {
            Ok(slices) => {
                cut_rows += u64::from(slices.cut);
                lines.row(frame.time_us, &slices)?;
            }
            Err(dropped) => drops.count(dropped.reason, 1, frame.index, || dropped.to_string()),
        }
    }
    let rows = lines.finish()?;
    // Stopped by `count`: what follows is not looked at, damage neither.
    let damage = if options.count == Some(packets) { None } else { frames.finish()?.damage };
    Ok(NprintStats { packets, rows, cut_rows, skipped: drops.finish(), damage })
}

/// Writes stored traces, one after the other; relative times restart with each trace. Returns the
/// number of lines.
///
/// # Errors
/// `user` if the expression of `exclude` is none or the writer fails.
pub fn write_traces<'a, W: Write>(
    traces: impl IntoIterator<Item = &'a Trace>,
    writer: W,
    options: &NprintOptions,
) -> Result<u64> {
    let mut lines = Lines::start(writer, options)?;
    for trace in traces {
        lines.previous_us = None;
        for packet in &trace.packets {
            lines.row(packet.time_us, &HeaderSlices::of_packet(packet))?;
        }
    }
    lines.finish()
}

fn frame_slices<'a>(frame: &Frame<'a>, options: &NprintOptions) -> std::result::Result<HeaderSlices<'a>, Dropped> {
    let on_wire = frame.captured.len().max(frame.original_length as usize);
    let Located { ip, link_bytes, encapsulated, .. } = locate(frame.link_type, frame.captured, on_wire)?;
    if encapsulated && !options.vlan {
        return Err(Dropped::not_ip("tagged or tunnelled frame, which nprint leaves out"));
    }
    let slices = HeaderSlices::of_ip(ip, on_wire.saturating_sub(link_bytes))?;
    if frame.link_type != link_type::ETHERNET {
        return Ok(slices);
    }
    Ok(HeaderSlices { ethernet: frame.captured.get(..14).unwrap_or_default(), ..slices })
}

struct Lines<'a, W> {
    writer: W,
    options: &'a NprintOptions,
    cells: CellWriter,
    text: Vec<u8>,
    previous_us: Option<i64>,
    rows: u64,
}

impl<'a, W: Write> Lines<'a, W> {
    fn start(writer: W, options: &'a NprintOptions) -> Result<Self> {
        let cells = CellWriter::new(options)?;
        let mut text = Vec::with_capacity(FLUSH_BYTES + 16 * 1024);
        text.extend_from_slice(cells.heading().as_bytes());
        text.push(b'\n');
        Ok(Self { writer, options, cells, text, previous_us: None, rows: 0 })
    }

    fn row(&mut self, time_us: i64, slices: &HeaderSlices<'_>) -> Result<()> {
        append_index(&mut self.text, self.options.index, slices);
        if self.options.relative_time {
            let gap = time_us - self.previous_us.unwrap_or(time_us);
            self.text.extend_from_slice(format!(",{gap}").as_bytes());
        }
        if self.options.absolute_time {
            let (seconds, fraction) = (time_us.div_euclid(1_000_000), time_us.rem_euclid(1_000_000));
            self.text.extend_from_slice(format!(",{seconds},{fraction}").as_bytes());
        }
        self.previous_us = Some(time_us);
        self.cells.append(&mut self.text, slices);
        self.text.push(b'\n');
        self.rows += 1;
        if self.text.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.writer.write_all(&self.text).map_err(|error| write_error(&error))?;
        self.text.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.writer.flush().map_err(|error| write_error(&error))?;
        Ok(self.rows)
    }
}

fn write_error(error: &std::io::Error) -> Error {
    Error::user(format!("cannot write the nprint text: {error}")).hint("check the free space and the permissions")
}

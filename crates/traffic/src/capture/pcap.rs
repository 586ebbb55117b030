//! The classic PCAP file: a 24-byte header, then records of 16 bytes and a frame
//! (draft-ietf-opsawg-pcap). Both byte orders, micro- and nanoseconds, and the modified variant of
//! Kuznetzov, whose record headers have 8 bytes more.
//!
//! pcap-parser reads headers and records out of the window. Ours: how much the window must hold before
//! it may, and the modified format in big-endian order, which it lacks.

use std::io::Read;

use pcap_parser::{
    LegacyPcapBlock, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

use super::bytes::Order;
use super::frames::{RECORD_BYTES_MAX, Record, Step};
use super::source::Source;
use syntrace_base::error::Result;

/// Bytes of the file header.
const FILE_HEADER_BYTES: usize = 24;

/// First bytes of plain and of modified files in big-endian order.
const PLAIN_BIG: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const MODIFIED_BIG: [u8; 4] = [0xa1, 0xb2, 0xcd, 0x34];

/// What the four magic bytes of a classic file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Magic {
    order: Order,
    nanoseconds: bool,
    modified: bool,
}

impl Magic {
    /// Reads the magic number, `None` for anything else.
    pub(super) fn read(first: [u8; 4]) -> Option<Self> {
        let mut header = [0; FILE_HEADER_BYTES];
        *header.first_chunk_mut()? = first;
        let known = file_header(header)?;
        Some(Self {
            order: if known.is_bigendian() { Order::Big } else { Order::Little },
            nanoseconds: known.is_nanosecond_precision(),
            modified: known.is_modified_format() || first == MODIFIED_BIG,
        })
    }

    /// Name of the format in records.
    pub(super) fn format(self) -> &'static str {
        match (self.modified, self.nanoseconds, self.order) {
            (true, _, Order::Little) => "pcap-modified",
            (true, _, Order::Big) => "pcap-modified-be",
            (false, false, Order::Little) => "pcap",
            (false, false, Order::Big) => "pcap-be",
            (false, true, Order::Little) => "pcap-ns",
            (false, true, Order::Big) => "pcap-ns-be",
        }
    }

    fn record_header_bytes(self) -> usize {
        if self.modified { 24 } else { 16 }
    }

    /// The record at the start of the window, `None` unless it is there to its last byte.
    #[inline]
    fn record(self, window: &[u8]) -> Option<LegacyPcapBlock<'_>> {
        let parsed = match (self.order, self.modified) {
            (Order::Little, false) => parse_pcap_frame(window),
            (Order::Big, false) => parse_pcap_frame_be(window),
            (Order::Little, true) => parse_pcap_frame_modified(window),
            (Order::Big, true) => return modified_big_record(window),
        };
        parsed.ok().map(|(_, record)| record)
    }
}

/// The file header; but for its magic, that of a modified file in big-endian order is the plain one.
fn file_header(mut header: [u8; FILE_HEADER_BYTES]) -> Option<PcapHeader> {
    if header.starts_with(&MODIFIED_BIG) {
        *header.first_chunk_mut()? = PLAIN_BIG;
    }
    parse_pcap_header(&header).ok().map(|(_, header)| header)
}

fn modified_big_record(window: &[u8]) -> Option<LegacyPcapBlock<'_>> {
    let word = |at| Order::Big.u32_at(window, at);
    let caplen = word(8)?;
    let data = window.get(24..)?.get(..caplen as usize)?;
    Some(LegacyPcapBlock { ts_sec: word(0)?, ts_usec: word(4)?, caplen, origlen: word(12)?, data })
}

/// State while reading a classic file.
pub(super) struct PcapFile {
    magic: Magic,
    link_type: Option<u32>,
}

impl PcapFile {
    pub(super) fn new(magic: Magic) -> Self {
        Self { magic, link_type: None }
    }

    /// Reads the next record.
    #[inline]
    pub(super) fn step<R: Read>(&mut self, source: &mut Source<R>) -> Result<Step> {
        let Some(link_type) = self.link_type else {
            return self.file_header(source);
        };
        if let Some(step) = self.packet(source.window(), link_type) {
            return Ok(step);
        }
        if let Some(step) = self.fill_record(source)? {
            return Ok(step);
        }
        Ok(self.packet(source.window(), link_type).unwrap_or(Step::End))
    }

    /// The record at the start of the window, `None` unless it is there to its last byte.
    #[inline]
    fn packet(&self, window: &[u8], link_type: u32) -> Option<Step> {
        let record = self.magic.record(window)?;
        let header_bytes = self.magic.record_header_bytes();
        let captured = record.data.len();
        if captured > RECORD_BYTES_MAX {
            return Some(too_long(record.caplen));
        }
        let fraction_us = if self.magic.nanoseconds { record.ts_usec / 1000 } else { record.ts_usec };
        Some(Step::Packet(Record {
            time_us: i64::from(record.ts_sec) * 1_000_000 + i64::from(fraction_us),
            link_type,
            data_start: header_bytes,
            captured,
            original_length: record.origlen,
            length: header_bytes + captured,
        }))
    }

    /// Has the window hold the next record; a step where there is none, or none that may be held.
    #[cold]
    fn fill_record<R: Read>(&self, source: &mut Source<R>) -> Result<Option<Step>> {
        let header_bytes = self.magic.record_header_bytes();
        if !source.fill(header_bytes)? {
            return Ok(Some(match source.available() {
                0 => Step::End,
                found => Step::Damage(format!(
                    "expected a record header of {header_bytes} bytes or the end, found {found} bytes"
                )),
            }));
        }
        // The declared length decides how much is read: it is believed only below the limit.
        let captured = self.magic.order.u32_at(source.window(), 8).unwrap_or_default();
        if captured as usize > RECORD_BYTES_MAX {
            return Ok(Some(too_long(captured)));
        }
        if !source.fill(header_bytes + captured as usize)? {
            let found = source.available() - header_bytes;
            return Ok(Some(Step::Damage(format!("the record is cut: expected {captured} bytes, found {found}"))));
        }
        Ok(None)
    }

    fn file_header<R: Read>(&mut self, source: &mut Source<R>) -> Result<Step> {
        source.fill(FILE_HEADER_BYTES)?;
        let Some(header) = source.window().first_chunk().and_then(|header| file_header(*header)) else {
            let found = source.available();
            return Ok(Step::Damage(format!("the file header is cut: expected 24 bytes, found {found}")));
        };
        if header.version_major != 2 {
            return Ok(Step::Damage(format!("expected pcap version 2, found version {}", header.version_major)));
        }
        // The upper half holds the length of a frame check sequence, not the link type.
        let link_type = header.network.0.cast_unsigned() & 0xffff;
        self.link_type = Some(link_type);
        source.consume(FILE_HEADER_BYTES);
        Ok(Step::Interface(link_type))
    }
}

fn too_long(captured: u32) -> Step {
    Step::Damage(format!(
        "expected a record of at most {RECORD_BYTES_MAX} bytes, found a captured length of {captured}"
    ))
}

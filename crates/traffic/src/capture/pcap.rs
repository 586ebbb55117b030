//! The classic PCAP file: a 24-byte header, then records of 16 bytes and a frame
//! (draft-ietf-opsawg-pcap). Both byte orders, micro- and nanoseconds, and the modified variant of
//! Kuznetzov, whose record headers have 8 bytes more.
//!
//! Files of version 2.2 and older hold the original length before the captured one; those of 2.3 were
//! written in either order, and the smaller length is the captured one (libpcap, sf-pcap.c). Version
//! 543.0 is DG/UX's name for the old order.
//!
//! pcap-parser reads headers and records out of the window. Ours: how much the window must hold before
//! it may, and what it lacks: the modified format in big-endian order and the old order of lengths.

use std::io::Read;

use pcap_parser::{
    LegacyPcapBlock, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

use super::bytes::Order;
use super::record::{RECORD_BYTES_MAX, Record, Step};
use super::window::Source;
use syntrace_base::error::Result;

/// Bytes of the file header.
const FILE_HEADER_BYTES: usize = 24;

/// First bytes of plain and of modified files in big-endian order.
const PLAIN_BIG: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const MODIFIED_BIG: [u8; 4] = [0xa1, 0xb2, 0xcd, 0x34];

/// Byte order and time resolution, from the four magic bytes of a classic file.
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

    /// The record at the start of the window, `None` unless it is complete.
    #[inline]
    fn record(self, lengths: Lengths, window: &[u8]) -> Option<LegacyPcapBlock<'_>> {
        let parsed = match (lengths, self.order, self.modified) {
            (Lengths::CapturedFirst, Order::Little, false) => parse_pcap_frame(window),
            (Lengths::CapturedFirst, Order::Big, false) => parse_pcap_frame_be(window),
            (Lengths::CapturedFirst, Order::Little, true) => parse_pcap_frame_modified(window),
            _ => return self.other_record(lengths, window),
        };
        parsed.ok().map(|(_, record)| record)
    }

    /// Captured and original length of the record header at the start of the window.
    fn lengths(self, lengths: Lengths, window: &[u8]) -> Option<(u32, u32)> {
        let (first, second) = (self.order.u32_at(window, 8)?, self.order.u32_at(window, 12)?);
        let swapped = match lengths {
            Lengths::CapturedFirst => false,
            Lengths::OriginalFirst => true,
            Lengths::Either => first > second,
        };
        Some(if swapped { (second, first) } else { (first, second) })
    }

    /// A record in one of the forms that pcap-parser does not read.
    fn other_record(self, lengths: Lengths, window: &[u8]) -> Option<LegacyPcapBlock<'_>> {
        let word = |at| self.order.u32_at(window, at);
        let (caplen, origlen) = self.lengths(lengths, window)?;
        let data = window.get(self.record_header_bytes()..)?.get(..caplen as usize)?;
        Some(LegacyPcapBlock { ts_sec: word(0)?, ts_usec: word(4)?, caplen, origlen, data })
    }
}

/// In which order a record's header holds its two lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    OriginalFirst,
    /// The writer is unknown: the captured length is the smaller one.
    Either,
}

impl Lengths {
    /// By the file's version, `None` for one that is not known.
    fn of_version(major: u16, minor: u16) -> Option<Self> {
        match (major, minor) {
            (2, 0..=2) | (543, 0) => Some(Self::OriginalFirst),
            (2, 3) => Some(Self::Either),
            (2, _) => Some(Self::CapturedFirst),
            _ => None,
        }
    }
}

/// The file header; but for its magic, that of a modified file in big-endian order is the plain one.
fn file_header(mut header: [u8; FILE_HEADER_BYTES]) -> Option<PcapHeader> {
    if header.starts_with(&MODIFIED_BIG) {
        *header.first_chunk_mut()? = PLAIN_BIG;
    }
    parse_pcap_header(&header).ok().map(|(_, header)| header)
}

/// State while reading a classic file.
pub(super) struct PcapFile {
    magic: Magic,
    lengths: Lengths,
    link_type: Option<u32>,
}

impl PcapFile {
    pub(super) fn new(magic: Magic) -> Self {
        Self { magic, lengths: Lengths::CapturedFirst, link_type: None }
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

    /// The record at the start of the window, `None` unless it is complete.
    #[inline]
    fn packet(&self, window: &[u8], link_type: u32) -> Option<Step> {
        let record = self.magic.record(self.lengths, window)?;
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
        let (captured, _) = self.magic.lengths(self.lengths, source.window()).unwrap_or_default();
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
        let Some(lengths) = Lengths::of_version(header.version_major, header.version_minor) else {
            let (major, minor) = (header.version_major, header.version_minor);
            return Ok(Step::Damage(format!("expected pcap version 2, found version {major}.{minor}")));
        };
        self.lengths = lengths;
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

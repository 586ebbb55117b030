//! The classic PCAP file: a 24-byte header, then records of 16 bytes and a frame
//! (draft-ietf-opsawg-pcap). Both byte orders, micro- and nanoseconds, and the modified variant of
//! Kuznetzov, whose record headers have 8 bytes more.

use std::io::Read;

use super::bytes::Order;
use super::frames::{RECORD_BYTES_MAX, Record, Step};
use super::source::Source;
use crate::error::Result;

/// Bytes of the file header.
const FILE_HEADER_BYTES: usize = 24;

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
        let in_order = |order, value| {
            let (nanoseconds, modified) = match value {
                0xa1b2_c3d4 => (false, false),
                0xa1b2_3c4d => (true, false),
                0xa1b2_cd34 => (false, true),
                _ => return None,
            };
            Some(Self { order, nanoseconds, modified })
        };
        in_order(Order::Little, u32::from_le_bytes(first)).or_else(|| in_order(Order::Big, u32::from_be_bytes(first)))
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
        let header_bytes = if self.magic.modified { 24 } else { 16 };
        if !source.fill(header_bytes)? {
            return Ok(match source.available() {
                0 => Step::End,
                found => Step::Damage(format!(
                    "expected a record header of {header_bytes} bytes or the end, found {found} bytes"
                )),
            });
        }
        let header = source.peek(header_bytes);
        let word = |at| self.magic.order.u32_at(header, at).unwrap_or_default();
        let (seconds, fraction, captured, original) = (word(0), word(4), word(8), word(12));
        let captured_bytes = captured as usize;
        if captured_bytes > RECORD_BYTES_MAX {
            return Ok(Step::Damage(format!(
                "expected a record of at most {RECORD_BYTES_MAX} bytes, found a captured length of {captured}"
            )));
        }
        if !source.fill(header_bytes + captured_bytes)? {
            let found = source.available() - header_bytes;
            return Ok(Step::Damage(format!("the record is cut: expected {captured} bytes, found {found}")));
        }
        let fraction_us = if self.magic.nanoseconds { fraction / 1000 } else { fraction };
        Ok(Step::Packet(Record {
            time_us: i64::from(seconds) * 1_000_000 + i64::from(fraction_us),
            link_type,
            data_start: header_bytes,
            captured: captured_bytes,
            original_length: original,
            length: header_bytes + captured_bytes,
        }))
    }

    fn file_header<R: Read>(&mut self, source: &mut Source<R>) -> Result<Step> {
        if !source.fill(FILE_HEADER_BYTES)? {
            let found = source.available();
            return Ok(Step::Damage(format!("the file header is cut: expected 24 bytes, found {found}")));
        }
        let header = source.peek(FILE_HEADER_BYTES);
        let major = self.magic.order.u16_at(header, 4).unwrap_or_default();
        if major != 2 {
            return Ok(Step::Damage(format!("expected pcap version 2, found version {major}")));
        }
        // The upper half holds the length of a frame check sequence, not the link type.
        let link_type = self.magic.order.u32_at(header, 20).unwrap_or_default() & 0xffff;
        self.link_type = Some(link_type);
        source.consume(FILE_HEADER_BYTES);
        Ok(Step::Interface(link_type))
    }
}

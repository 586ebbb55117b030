//! The PCAPNG file: blocks of type, length, body and the length again (draft-ietf-opsawg-pcapng).
//! Sections may differ in byte order; each interface has its own link type and clock. Packets come
//! from enhanced, simple and the obsolete packet blocks; every other block is stepped over whatever
//! its size.

use std::io::Read;

use super::bytes::Order;
use super::frames::{RECORD_BYTES_MAX, Record, Step};
use super::source::Source;
use crate::error::Result;

/// Block type of a section header: the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Largest block that is held whole: a packet and as much again for its options.
const BLOCK_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// Most interfaces of one section; real files have a handful.
const INTERFACES_MAX: usize = 65_536;

/// Times are held within this many microseconds of 1970 (73,000 years), so that no difference of two of
/// them, nor a sum of a few differences, overflows.
const TIME_US_MAX: i64 = i64::MAX / 4;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

/// One interface of the present section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u32,
    snap_length: u32,
    clock: Clock,
}

/// How an interface counts time.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// The `if_tsresol` byte: a power of ten, or of two where the top bit is set.
    resolution: u8,
    /// The `if_tsoffset` option, seconds.
    offset_seconds: i64,
}

impl Clock {
    /// Microseconds since 1970, finer units truncated.
    #[inline]
    fn time_us(self, ticks: u64) -> i64 {
        let since_offset = match self.resolution {
            6 => i128::from(ticks),
            9 => i128::from(ticks / 1000),
            resolution if resolution & 0x80 != 0 => {
                i128::try_from((u128::from(ticks) * 1_000_000) >> (resolution & 0x7f)).unwrap_or(i128::MAX)
            }
            resolution if resolution < 6 => i128::from(ticks) * 10i128.pow(u32::from(6 - resolution)),
            resolution => 10i128.checked_pow(u32::from(resolution) - 6).map_or(0, |unit| i128::from(ticks) / unit),
        };
        let time_us = since_offset + i128::from(self.offset_seconds) * 1_000_000;
        let limit = i128::from(TIME_US_MAX);
        i64::try_from(time_us.clamp(-limit, limit)).unwrap_or_default()
    }
}

/// State while reading a PCAPNG file.
pub(super) struct PcapngFile {
    order: Order,
    interfaces: Vec<Interface>,
    last_us: i64,
    block_offset: u64,
    unknown_section: bool,
}

impl PcapngFile {
    pub(super) fn new() -> Self {
        Self { order: Order::Little, interfaces: Vec::new(), last_us: 0, block_offset: 0, unknown_section: false }
    }

    /// Byte order of a file whose first bytes are these, `None` if it is no section header.
    pub(super) fn is_big_endian(first: &[u8]) -> Option<bool> {
        match first.get(8..12)? {
            [0x1a, 0x2b, 0x3c, 0x4d] => Some(true),
            [0x4d, 0x3c, 0x2b, 0x1a] => Some(false),
            _ => None,
        }
    }

    /// Offset of the block that was read last.
    pub(super) fn block_offset(&self) -> u64 {
        self.block_offset
    }

    /// Reads blocks up to the next packet, interface or stop.
    #[inline]
    pub(super) fn step<R: Read>(&mut self, source: &mut Source<R>) -> Result<Step> {
        loop {
            self.block_offset = source.offset();
            if !source.fill(12)? {
                return Ok(match source.available() {
                    0 => Step::End,
                    found => {
                        Step::Damage(format!("expected a block of at least 12 bytes or the end, found {found} bytes"))
                    }
                });
            }
            let head = source.peek(12);
            if head.starts_with(&SECTION_HEADER.to_be_bytes()) {
                match Self::is_big_endian(head) {
                    Some(big) => self.order = if big { Order::Big } else { Order::Little },
                    None => return Ok(Step::Damage("expected a byte-order magic, found something else".to_owned())),
                }
            }
            let kind = self.order.u32_at(head, 0).unwrap_or_default();
            let length = self.order.u32_at(head, 4).unwrap_or_default();
            if length < 12 || !length.is_multiple_of(4) {
                return Ok(Step::Damage(format!(
                    "expected a block length of 12 or more that is a multiple of 4, found {length}"
                )));
            }
            match self.block(source, kind, length)? {
                Some(step) => return Ok(step),
                None => continue,
            }
        }
    }

    /// Reads one block; `None` where it was stepped over.
    #[inline]
    fn block<R: Read>(&mut self, source: &mut Source<R>, kind: u32, length: u32) -> Result<Option<Step>> {
        let bytes = length as usize;
        match kind {
            _ if self.unknown_section && kind != SECTION_HEADER => return self.step_over(source, length),
            SECTION_HEADER | INTERFACE_DESCRIPTION | ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET => {}
            _ => return self.step_over(source, length),
        }
        if bytes > BLOCK_BYTES_MAX {
            return Ok(Some(Step::Damage(format!(
                "expected a block of at most {BLOCK_BYTES_MAX} bytes, found type {kind:#x} of {length} bytes"
            ))));
        }
        if !source.fill(bytes)? {
            let found = source.available();
            return Ok(Some(Step::Damage(format!("the block is cut: expected {length} bytes, found {found}"))));
        }
        let block = source.peek(bytes);
        let trailer = self.order.u32_at(block, bytes - 4).unwrap_or_default();
        if trailer != length {
            return Ok(Some(Step::Damage(format!("block lengths differ: {length} in front, {trailer} behind"))));
        }
        let body = block.get(8..bytes - 4).unwrap_or_default();
        let step = match kind {
            SECTION_HEADER => self.section(body),
            INTERFACE_DESCRIPTION => Some(self.interface(body)),
            _ => return Ok(Some(self.packet(kind, body, bytes))),
        };
        match &step {
            Some(Step::Damage(_)) => {}
            _ => source.consume(bytes),
        }
        Ok(step)
    }

    fn step_over<R: Read>(&self, source: &mut Source<R>, length: u32) -> Result<Option<Step>> {
        let whole = source.skip(u64::from(length) - 4)? && source.fill(4)?;
        if !whole {
            return Ok(Some(Step::Damage(format!("the file ends inside a block of {length} bytes"))));
        }
        let trailer = self.order.u32_at(source.peek(4), 0).unwrap_or_default();
        if trailer != length {
            return Ok(Some(Step::Damage(format!("block lengths differ: {length} in front, {trailer} behind"))));
        }
        source.consume(4);
        Ok(None)
    }

    /// Starts a section: interfaces count anew.
    fn section(&mut self, body: &[u8]) -> Option<Step> {
        let major = self.order.u16_at(body, 4);
        let minor = self.order.u16_at(body, 6);
        self.interfaces.clear();
        self.unknown_section = major != Some(1);
        match (major, minor) {
            (Some(1), Some(_)) => None,
            (Some(major), Some(minor)) => Some(Step::Gap(format!(
                "expected a section of version 1.0, found version {major}.{minor}: stepped over"
            ))),
            _ => Some(Step::Damage(format!("expected a section header of 16 bytes, found {}", body.len()))),
        }
    }

    fn interface(&mut self, body: &[u8]) -> Step {
        let (Some(link_type), Some(snap_length)) = (self.order.u16_at(body, 0), self.order.u32_at(body, 4)) else {
            return Step::Damage(format!("expected an interface description of 8 bytes, found {}", body.len()));
        };
        if self.interfaces.len() >= INTERFACES_MAX {
            return Step::Damage(format!("expected at most {INTERFACES_MAX} interfaces in a section"));
        }
        let clock = self.clock(body.get(8..).unwrap_or_default());
        self.interfaces.push(Interface { link_type: u32::from(link_type), snap_length, clock });
        Step::Interface(u32::from(link_type))
    }

    /// The clock from an interface's options; damaged options end the search, the default stays.
    fn clock(&self, mut options: &[u8]) -> Clock {
        let mut clock = Clock { resolution: 6, offset_seconds: 0 };
        while let (Some(code), Some(length)) = (self.order.u16_at(options, 0), self.order.u16_at(options, 2)) {
            let value = options.get(4..4 + usize::from(length)).unwrap_or_default();
            match code {
                OPTION_END => break,
                OPTION_TIME_RESOLUTION => clock.resolution = value.first().copied().unwrap_or(clock.resolution),
                OPTION_TIME_OFFSET => {
                    clock.offset_seconds = self.order.u64_at(value, 0).unwrap_or_default().cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        }
        clock
    }

    #[inline]
    fn packet(&mut self, kind: u32, body: &[u8], length: usize) -> Step {
        match self.packet_record(kind, body, length) {
            Some(Ok(record)) => {
                self.last_us = record.time_us;
                Step::Packet(record)
            }
            Some(Err(reason)) => Step::Damage(reason),
            None => Step::Damage(format!("a packet block of {length} bytes is too short for its fields")),
        }
    }

    #[inline]
    fn packet_record(&self, kind: u32, body: &[u8], length: usize) -> Option<std::result::Result<Record, String>> {
        let word = |at| self.order.u32_at(body, at);
        let (index, ticks, captured, original, data_at) = match kind {
            SIMPLE_PACKET => (0, None, None, word(0)?, 4),
            OBSOLETE_PACKET => {
                let index = u32::from(self.order.u16_at(body, 0)?);
                (index, Some((word(4)?, word(8)?)), Some(word(12)?), word(16)?, 20)
            }
            _ => (word(0)?, Some((word(4)?, word(8)?)), Some(word(12)?), word(16)?, 20),
        };
        let Some(interface) = self.interfaces.get(index as usize) else {
            let known = self.interfaces.len();
            return Some(Err(format!("a packet of interface {index}, but its section describes {known}")));
        };
        let room = body.len().checked_sub(data_at)?;
        let captured = captured.map_or_else(
            || {
                let limit = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
                (original.min(limit) as usize).min(room)
            },
            |captured| captured as usize,
        );
        if captured > room || captured > RECORD_BYTES_MAX {
            let most = room.min(RECORD_BYTES_MAX);
            return Some(Err(format!(
                "expected at most {most} bytes of packet, found a captured length of {captured}"
            )));
        }
        // A simple packet block has no time: it keeps that of the packet before.
        let time_us =
            ticks.map_or(self.last_us, |(high, low)| interface.clock.time_us(u64::from(high) << 32 | u64::from(low)));
        Some(Ok(Record {
            time_us,
            link_type: interface.link_type,
            data_start: 8 + data_at,
            captured,
            original_length: original,
            length,
        }))
    }
}

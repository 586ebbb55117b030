//! The PCAPNG file: blocks of type, length, body and the length again (draft-ietf-opsawg-pcapng).
//! Sections may differ in byte order; each interface has its own link type and clock. Packets come
//! from enhanced, simple and the obsolete packet blocks; every other block is stepped over whatever
//! its size.
//!
//! pcap-parser reads the blocks and their options. Ours is what stands before it and around it: type,
//! length and byte-order magic are looked at first, for no block is held or parsed before its length is
//! believed; sections and their interfaces; times (its arithmetic wraps, reads `if_tsoffset` as
//! little-endian everywhere and takes options behind the end of options for options); and the fields of
//! the obsolete packet block, which it hands out as an unknown one.

use std::io::Read;

use pcap_parser::{
    Block, EPB_MAGIC, IDB_MAGIC, InterfaceDescriptionBlock, OptionCode, SHB_MAGIC, SPB_MAGIC, SectionHeaderBlock,
    UnknownBlock, parse_block_be, parse_block_le,
};

use super::bytes::Order;
use super::record::{RECORD_BYTES_MAX, Record, Step};
use super::window::Source;
use syntrace_base::error::Result;

/// Block type of a section header: the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = SHB_MAGIC;
const OBSOLETE_PACKET: u32 = 2;

/// Largest block that is held whole: a packet and as much again for its options.
const BLOCK_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// Fields in front of the packet in an enhanced and in an obsolete packet block.
const ENHANCED_FIELDS_BYTES: usize = 20;
/// Most interfaces of one section; real files have a handful.
const INTERFACES_MAX: usize = 65_536;

/// Times are held within this many microseconds of 1970 (73,000 years), so that no difference of two of
/// them, nor a sum of a few differences, overflows.
const TIME_US_MAX: i64 = i64::MAX / 4;

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

/// Common fields of the three kinds of packet blocks.
struct Fields {
    interface: u32,
    /// Upper and lower half of the time; a simple packet has none.
    ticks: Option<(u32, u32)>,
    /// A simple packet does not say how much of it was captured.
    captured: Option<u32>,
    original: u32,
    /// Start of the packet in the block.
    data_start: usize,
    /// Most bytes that the block can hold of a packet.
    room: usize,
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
            SECTION_HEADER | IDB_MAGIC | EPB_MAGIC | SPB_MAGIC | OBSOLETE_PACKET => {}
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
        let parsed = match self.order {
            Order::Little => parse_block_le(block),
            Order::Big => parse_block_be(block),
        };
        let step = match parsed {
            Ok((_, Block::SectionHeader(header))) => self.section(&header),
            Ok((_, Block::InterfaceDescription(description))) => Some(self.interface(&description)),
            Ok((_, packet)) => return Ok(Some(self.packet(&packet, bytes))),
            Err(_) => Some(self.unreadable(kind, block)),
        };
        match &step {
            Some(Step::Damage(_)) => {}
            _ => source.consume(bytes),
        }
        Ok(step)
    }

    /// Says why a whole block could not be parsed: it is too short for its fields, or for its packet.
    #[cold]
    fn unreadable(&self, kind: u32, block: &[u8]) -> Step {
        let body = block.len() - 12;
        Step::Damage(match (kind, self.order.u32_at(block, 20)) {
            (SECTION_HEADER, _) => format!("expected a section header of 16 bytes, found {body}"),
            (IDB_MAGIC, _) => format!("expected an interface description of 8 bytes, found {body}"),
            (EPB_MAGIC, Some(captured)) if body >= ENHANCED_FIELDS_BYTES => {
                beyond(body - ENHANCED_FIELDS_BYTES, captured)
            }
            _ => format!("a packet block of {} bytes is too short for its fields", block.len()),
        })
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

    /// Starts a section: interface numbers restart.
    fn section(&mut self, header: &SectionHeaderBlock<'_>) -> Option<Step> {
        let (major, minor) = (header.major_version, header.minor_version);
        self.interfaces.clear();
        self.unknown_section = major != 1;
        match (major, minor) {
            // Some writers wrote 1.2 for what is 1.0 (draft-ietf-opsawg-pcapng, section 4.1).
            (1, 0 | 2) => None,
            (1, _) => Some(Step::Gap(format!(
                "expected a section of version 1.0, found version {major}.{minor}: read as 1.0, packets of newer kinds \
                 of blocks are missing"
            ))),
            _ => Some(Step::Gap(format!(
                "expected a section of version 1.0, found version {major}.{minor}: stepped over"
            ))),
        }
    }

    fn interface(&mut self, description: &InterfaceDescriptionBlock<'_>) -> Step {
        if self.interfaces.len() >= INTERFACES_MAX {
            return Step::Damage(format!("expected at most {INTERFACES_MAX} interfaces in a section"));
        }
        let link_type = description.linktype.0.cast_unsigned();
        let clock = self.clock(description);
        self.interfaces.push(Interface { link_type, snap_length: description.snaplen, clock });
        Step::Interface(link_type)
    }

    /// The clock from an interface's options; damaged options end the search, the default stays.
    fn clock(&self, description: &InterfaceDescriptionBlock<'_>) -> Clock {
        let mut clock = Clock { resolution: 6, offset_seconds: 0 };
        for option in description.options.iter().take_while(|option| option.code != OptionCode::EndOfOpt) {
            let value = option.as_bytes().unwrap_or_default();
            match option.code {
                OptionCode::IfTsresol => clock.resolution = value.first().copied().unwrap_or(clock.resolution),
                OptionCode::IfTsoffset => {
                    clock.offset_seconds = self.order.u64_at(value, 0).unwrap_or_default().cast_signed();
                }
                _ => {}
            }
        }
        clock
    }

    #[inline]
    fn packet(&mut self, block: &Block<'_>, length: usize) -> Step {
        let fields = match block {
            Block::EnhancedPacket(packet) => Some(Fields {
                interface: packet.if_id,
                ticks: Some((packet.ts_high, packet.ts_low)),
                captured: Some(packet.caplen),
                original: packet.origlen,
                data_start: 8 + ENHANCED_FIELDS_BYTES,
                room: length - 12 - ENHANCED_FIELDS_BYTES,
            }),
            Block::SimplePacket(packet) => Some(Fields {
                interface: 0,
                ticks: None,
                captured: None,
                original: packet.origlen,
                data_start: 12,
                room: packet.data.len(),
            }),
            Block::Unknown(block) => self.obsolete(block),
            _ => None,
        };
        let Some(fields) = fields else {
            return Step::Damage(format!("a packet block of {length} bytes is too short for its fields"));
        };
        match self.record(&fields, length) {
            Ok(record) => {
                self.last_us = record.time_us;
                Step::Packet(record)
            }
            Err(damage) => damage,
        }
    }

    /// The obsolete packet block: interface and drops of 16 bits each, then as the enhanced one.
    fn obsolete(&self, block: &UnknownBlock<'_>) -> Option<Fields> {
        let word = |at| self.order.u32_at(block.data, at);
        Some(Fields {
            interface: u32::from(self.order.u16_at(block.data, 0)?),
            ticks: Some((word(4)?, word(8)?)),
            captured: Some(word(12)?),
            original: word(16)?,
            data_start: 8 + ENHANCED_FIELDS_BYTES,
            room: block.data.len() - ENHANCED_FIELDS_BYTES,
        })
    }

    #[inline]
    fn record(&self, fields: &Fields, length: usize) -> std::result::Result<Record, Step> {
        let Some(interface) = self.interfaces.get(fields.interface as usize) else {
            let (index, known) = (fields.interface, self.interfaces.len());
            return Err(Step::Damage(format!("a packet of interface {index}, but its section describes {known}")));
        };
        let captured = fields.captured.map_or_else(
            || {
                let limit = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
                (fields.original.min(limit) as usize).min(fields.room)
            },
            |captured| captured as usize,
        );
        if captured > fields.room || captured > RECORD_BYTES_MAX {
            return Err(Step::Damage(beyond(fields.room, u32::try_from(captured).unwrap_or(u32::MAX))));
        }
        // A simple packet block has no time: it keeps that of the packet before.
        let time_us = fields
            .ticks
            .map_or(self.last_us, |(high, low)| interface.clock.time_us(u64::from(high) << 32 | u64::from(low)));
        Ok(Record {
            time_us,
            link_type: interface.link_type,
            data_start: fields.data_start,
            captured,
            original_length: fields.original,
            length,
        })
    }
}

fn beyond(room: usize, captured: u32) -> String {
    let most = room.min(RECORD_BYTES_MAX);
    format!("expected at most {most} bytes of packet, found a captured length of {captured}")
}

//! Frames of a capture stream, one after the other, in bounded memory.

use std::io::Read;

use super::pcap::{Magic, PcapFile};
use super::pcapng::{PcapngFile, SECTION_HEADER};
use super::record::{Record, Step};
use super::window::Source;
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::Damage;

/// One captured frame, borrowed from the reader's window.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Number of the frame in the capture, from 0.
    pub index: u64,
    /// Byte offset of its record or block in the stream.
    pub offset: u64,
    /// Microseconds since 1970; nanoseconds are truncated.
    pub time_us: i64,
    /// LINKTYPE of its interface.
    pub link_type: u32,
    /// The bytes that were captured.
    pub captured: &'a [u8],
    /// Length on the wire as recorded, bytes.
    pub original_length: u32,
}

/// Summary of a capture after reading it to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureSummary {
    /// `pcap`, `pcap-ns`, `pcap-modified` or `pcapng`, with `-be` for a big-endian file.
    pub format: String,
    /// Link types declared, in order of first appearance.
    pub link_types: Vec<u32>,
    /// Frames read.
    pub packets: u64,
    /// Earliest time, microseconds since 1970; 0 without frames.
    pub first_us: i64,
    /// Latest time, microseconds since 1970; 0 without frames.
    pub last_us: i64,
    /// Size of the stream, unpacked.
    pub bytes: u64,
    /// BLAKE3 of the whole stream, unpacked, what follows damage included.
    pub digest: Digest,
    /// Why frames are missing, if any are: reading ended there, or (a PCAPNG section of an unknown
    /// version) went on behind it.
    pub damage: Option<Damage>,
}

enum Format {
    Pcap(PcapFile),
    Pcapng(PcapngFile),
}

/// Reads the frames of one PCAP or PCAPNG stream, plain or packed by gzip, zstd or xz.
///
/// Memory: one window of 256 KiB, at most 768 KiB where a block needs it, and for a packed stream the window
/// of its packer, at most 128 MiB. Damage ends the frames and is said in
/// the summary; only a stream that is no capture at all, and a failing reader, are errors.
pub struct FrameReader<R: Read> {
    source: Source<R>,
    format: Format,
    format_name: &'static str,
    link_types: Vec<u32>,
    packets: u64,
    first_us: i64,
    last_us: i64,
    held: usize,
    damage: Option<Damage>,
    ended: bool,
}

impl<R: Read> FrameReader<R> {
    /// Opens a stream by its first bytes.
    ///
    /// # Errors
    /// `user` if the stream is empty or no capture; whatever the reader fails with.
    pub fn new(reader: R) -> Result<Self> {
        let mut source = Source::new(reader)?;
        source.fill(12)?;
        let recognised = recognise(source.peek(12));
        let (format, format_name) = match source.damage() {
            Some(damage) if recognised.is_err() => {
                return Err(Error::user(format!("not a capture: {damage}")).hint("the file is damaged: copy it again"));
            }
            _ => recognised?,
        };
        Ok(Self {
            source,
            format,
            format_name,
            link_types: Vec::new(),
            packets: 0,
            first_us: i64::MAX,
            last_us: i64::MIN,
            held: 0,
            damage: None,
            ended: false,
        })
    }

    /// The next frame; `None` at the end of the stream or at damage.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        self.source.consume(std::mem::take(&mut self.held));
        while !self.ended {
            let step = match &mut self.format {
                Format::Pcap(file) => file.step(&mut self.source)?,
                Format::Pcapng(file) => file.step(&mut self.source)?,
            };
            match step {
                Step::Packet(record) => return Ok(Some(self.frame(&record))),
                Step::Interface(link_type) if self.link_types.contains(&link_type) => {}
                Step::Interface(link_type) => self.link_types.push(link_type),
                Step::Gap(reason) => self.note_damage(reason),
                Step::Damage(reason) => {
                    self.note_damage(reason);
                    self.ended = true;
                }
                Step::End => self.ended = true,
            }
        }
        Ok(None)
    }

    /// The first damage is the one that is kept.
    fn note_damage(&mut self, reason: String) {
        let offset = match &self.format {
            Format::Pcap(_) => self.source.offset(),
            Format::Pcapng(file) => file.block_offset(),
        };
        self.damage.get_or_insert(Damage { offset, reason });
    }

    #[inline]
    fn frame(&mut self, record: &Record) -> Frame<'_> {
        let index = self.packets;
        self.packets += 1;
        self.first_us = self.first_us.min(record.time_us);
        self.last_us = self.last_us.max(record.time_us);
        self.held = record.length;
        let window = self.source.peek(record.data_start + record.captured);
        Frame {
            index,
            offset: self.source.offset(),
            time_us: record.time_us,
            link_type: record.link_type,
            captured: window.get(record.data_start..).unwrap_or_default(),
            original_length: record.original_length,
        }
    }

    /// Reads the rest of the stream for its digest and says what was there.
    pub fn finish(mut self) -> Result<CaptureSummary> {
        let empty = self.packets == 0;
        self.source.skip(u64::MAX)?;
        if let Some(packed) = self.source.damage().map(str::to_owned) {
            let offset = self.source.offset();
            let damage = self.damage.get_or_insert(Damage { offset, reason: String::new() });
            damage.reason = match damage.reason.as_str() {
                "" => packed,
                reason => format!("{reason}; {packed}"),
            };
        }
        let (digest, bytes) = self.source.finish()?;
        Ok(CaptureSummary {
            format: self.format_name.to_owned(),
            link_types: self.link_types,
            packets: self.packets,
            first_us: if empty { 0 } else { self.first_us },
            last_us: if empty { 0 } else { self.last_us },
            bytes,
            digest,
            damage: self.damage,
        })
    }
}

/// Reads all frames of a stream.
///
/// # Errors
/// `user` if the stream is no capture; whatever the reader or the callback fails with.
pub fn read_frames<R: Read>(reader: R, mut on_frame: impl FnMut(&Frame<'_>) -> Result<()>) -> Result<CaptureSummary> {
    let mut frames = FrameReader::new(reader)?;
    while let Some(frame) = frames.next_frame()? {
        on_frame(&frame)?;
    }
    frames.finish()
}

fn recognise(first: &[u8]) -> Result<(Format, &'static str)> {
    let Some(magic) = first.first_chunk::<4>() else {
        let found = if first.is_empty() { "an empty file".to_owned() } else { format!("{} bytes", first.len()) };
        return Err(not_a_capture(&found));
    };
    if let Some(magic) = Magic::read(*magic) {
        return Ok((Format::Pcap(PcapFile::new(magic)), magic.format()));
    }
    if u32::from_be_bytes(*magic) == SECTION_HEADER {
        return match PcapngFile::is_big_endian(first) {
            Some(big) => Ok((Format::Pcapng(PcapngFile::new()), if big { "pcapng-be" } else { "pcapng" })),
            None => Err(not_a_capture("a PCAPNG section header without its byte-order magic")),
        };
    }
    Err(not_a_capture(&describe(first)))
}

fn not_a_capture(found: &str) -> Error {
    Error::user(format!("not a capture: expected a PCAP or PCAPNG file, found {found}")).hint(
        "captures may be packed by gzip, zstd or xz; unpack others, and convert other formats with `editcap -F pcap`",
    )
}

/// Names a foreign file by its first bytes.
fn describe(first: &[u8]) -> String {
    let hex: Vec<String> = first.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let kind = match first {
        [b's', b'n', b'o', b'o', b'p', ..] => "a Solaris snoop file",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "a file packed twice",
        [b'B', b'Z', b'h', ..] => "a bzip2 file",
        [0x04, 0x22, 0x4d, 0x18, ..] => "an lz4 file",
        [b'7', b'z', 0xbc, 0xaf, ..] => "a 7z file",
        [b'P', b'K', 3, 4, ..] => "a zip file",
        _ if first.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "text",
        _ => "an unknown format",
    };
    format!("{kind} (first bytes `{}`)", hex.join(" "))
}

//! Capture files to traces: reader, decoder, assembler; and packets back to PCAP.
//!
//! ```text
//! Read -> packed (gzip, zstd, xz) -> source (window, digest) -> pcap | pcapng -> Frame -> link -> decode -> assemble -> Trace
//! ```
//!
//! Invariants:
//! - Nothing here opens a file; a reader is handed in and read once, front to back, in bounded memory
//!   (a window of three times [`RECORD_BYTES_MAX`] at most, and for a packed stream that of its packer, at
//!   most 128 MiB; N packets a flow).
//! - No bytes of a capture can cause a panic or an allocation beyond that window and pcap-parser's list of
//!   one block's options (32 bytes for each, 131,072 of them at most: 6 MiB while the list grows). A truncated or
//!   inconsistent file gives the frames before the damage, and the offset and reason of the damage.
//! - Every frame is in a trace or is counted under one reason.
//! - Link types are those that the capture declares, never guessed from the bytes.
//!
//! pcap-parser reads the records and blocks of both file formats, etherparse the headers from Ethernet to
//! TCP and UDP. Implemented here is what they lack: the window and its limits, byte offsets of damage, the
//! digest of the stream, sections with their interfaces and clocks, the rarer link layers, and a reason
//! for every frame without a packet. Where a feature of theirs is implemented here as well, its file explains why.

mod assemble;
mod bytes;
mod decode;
mod decompress;
mod drop_counter;
mod drop_reason;
mod encapsulation;
mod ethertype_tags;
mod flow;
mod frames;
mod link;
mod pcap;
mod pcapng;
mod record;
mod wifi;
mod window;
mod writer;
mod writer_ng;

pub use assemble::{Cut, CutOptions, cut};
pub use decode::{LINK_HEADER_BYTES, PROTOCOL_TCP, PROTOCOL_UDP, PacketView, decode_frame, view_frame};
pub(crate) use decode::{SYNTHETIC_FIRST, SYNTHETIC_SECOND};
pub use decompress::Unpacked;
pub(crate) use drop_counter::DropCounter;
pub use drop_reason::Dropped;
pub use frames::{CaptureSummary, Frame, FrameReader, read_frames};
pub use link::link_type;
pub(crate) use link::{Located, locate};
pub use record::RECORD_BYTES_MAX;
pub use writer::{write_frames, write_pcap};
pub use writer_ng::write_pcapng;

//! Sources of packets, and counts of dropped frames.

use crate::base::{CaptureId, ClassId, JobId};

/// One input file, identified by its content. Key: [`CaptureId`].
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct CaptureRecord {
    /// From the content digest.
    pub capture_id: CaptureId,
    /// BLAKE3 of the whole file.
    pub digest: [u8; 32],
    /// File name without its folder.
    pub name: String,
    /// File size, bytes.
    pub bytes: u64,
    /// `pcap`, `pcap-ns`, `pcapng`, with `-be` for a big-endian file.
    pub format: String,
    /// Link types met (LINKTYPE values), in order of first appearance.
    pub link_types: Vec<u32>,
    /// Packet records read.
    pub packets: u64,
    /// Time of the earliest packet, microseconds since 1970.
    pub first_us: i64,
    /// Time of the latest packet, microseconds since 1970.
    pub last_us: i64,
    /// Whether the verbatim bytes are kept as an object.
    pub kept: bool,
    /// What made reading stop early, if anything did.
    pub damage: Option<Damage>,
}

/// Why and where a capture could not be read to its end.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Damage {
    /// Byte offset of the record or block that could not be read.
    pub offset: u64,
    /// What was expected and what was found.
    pub reason: String,
}

/// Why a packet of a capture is in no trace.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub enum DropReason {
    /// The link type carries no IP that we can find.
    UnsupportedLinkType,
    /// A frame without IP (ARP, LLDP, 802.11 management, ...).
    NotIp,
    /// IP, but neither TCP nor UDP (ICMP, GRE, SCTP, ...).
    OtherTransport,
    /// A fragment other than the first: it has no transport header.
    LaterFragment,
    /// Cut by the snapshot length inside the headers.
    TruncatedHeader,
    /// Lengths or versions in the headers contradict each other.
    Malformed,
    /// Past the first N packets of its trace.
    BeyondTraceLength,
    /// In a flow with fewer packets than the required minimum.
    TraceTooShort,
    /// A first fragment that ends before its transport header does: valid, and of no flow by itself.
    TinyFragment,
    /// An 802.11 control frame (ACK, CTS, ...): whole with 10 bytes, and never with IP.
    ControlFrame,
}

impl DropReason {
    /// Every reason, in the order of the SQL table.
    pub const ALL: [Self; 10] = [
        Self::UnsupportedLinkType,
        Self::NotIp,
        Self::OtherTransport,
        Self::LaterFragment,
        Self::TruncatedHeader,
        Self::Malformed,
        Self::BeyondTraceLength,
        Self::TraceTooShort,
        Self::TinyFragment,
        Self::ControlFrame,
    ];

    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnsupportedLinkType => "unsupported_link_type",
            Self::NotIp => "not_ip",
            Self::OtherTransport => "other_transport",
            Self::LaterFragment => "later_fragment",
            Self::TruncatedHeader => "truncated_header",
            Self::Malformed => "malformed",
            Self::BeyondTraceLength => "beyond_trace_length",
            Self::TraceTooShort => "trace_too_short",
            Self::TinyFragment => "tiny_fragment",
            Self::ControlFrame => "control_frame",
        }
    }
}

/// Packets left out for one reason.
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct DropCount {
    /// Why.
    pub reason: DropReason,
    /// How many packets.
    pub packets: u64,
    /// Index in the capture (from 0) of the first of them.
    pub first_packet: u64,
    /// One example in words (a link type, an ethertype, an IP protocol).
    pub example: String,
}

/// One capture cut into the traces of one class. Key: (class, capture, job).
#[derive(Debug, Clone, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct IngestRecord {
    /// The class that the traces were given.
    pub class_id: ClassId,
    /// The capture that they were cut from.
    pub capture_id: CaptureId,
    /// The job that did it.
    pub job_id: JobId,
    /// `flow` or `capture`.
    pub unit: String,
    /// Largest number of packets of a trace.
    pub trace_packets: u32,
    /// Traces made.
    pub traces: u64,
    /// Packets in them.
    pub packets: u64,
    /// What was left out, by reason.
    pub drops: Vec<DropCount>,
}

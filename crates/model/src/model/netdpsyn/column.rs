//! One column of a row: what it reads from a trace, and its public domain.

use super::domain::Domain;

/// Positions of header fields in a row of the `fields` encoding.
pub(super) mod field {
    pub const SRC_IP: usize = 0;
    pub const DST_IP: usize = 1;
    pub const SRC_PORT: usize = 2;
    pub const DST_PORT: usize = 3;
    pub const PROTOCOL: usize = 4;
    pub const TIME: usize = 5;
    pub const LENGTH: usize = 6;
    pub const VERSION: usize = 7;
    pub const HEADER_LENGTH: usize = 8;
    pub const TOS: usize = 9;
    pub const IDENTIFICATION: usize = 10;
    pub const FLAGS: usize = 11;
    pub const FRAGMENT_OFFSET: usize = 12;
    pub const TTL: usize = 13;
    pub const CHECKSUM: usize = 14;
}

/// IP's largest length, bytes.
pub(super) const LENGTH_MAX: i64 = 65_535;
/// "Don't fragment" among the three flag bits.
pub(super) const FLAG_DF: i64 = 2;

/// The source of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A header field as it is.
    Field(usize),
    /// The field (an address or a port of the source) of the trace's first sender.
    Client(usize),
    /// The same of its peer.
    Server(usize),
    /// 0 from the first sender, 1 to it.
    Direction,
    /// Microseconds since the trace's previous packet; none for the first.
    Gap,
    /// Microseconds since the trace's first packet.
    Offset,
    /// TTL of the first packet from the peer; none where it never answers.
    ReplyTtl,
    /// Packets of the trace.
    Packets,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name, with its place behind a dot in mode `traces` (`ip_length.3`).
    pub name: String,
    /// Its public cells.
    pub domain: Domain,
    pub(super) source: Source,
    /// Which packet it reads, in mode `traces`; `None` for a static column.
    pub(super) place: Option<usize>,
}

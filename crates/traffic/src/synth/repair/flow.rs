//! Decisions about a whole trace that both profiles share: its protocol, the sender of each row, lengths.

use super::row::columns as c;
use super::row::{Field, Row, Sheet};

/// Longest IPv4 packet that either profile lets stand.
pub(super) const LENGTH_MAX: u32 = 1_500;
/// Bytes of an IPv4 header without options, and of a UDP header.
pub(super) const IP_BYTES: u32 = 20;
pub(super) const UDP_BYTES: u32 = 8;

/// Transport of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
    Icmp,
}

impl Transport {
    /// Its number in the IPv4 header.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Icmp => 1,
        }
    }

    /// All its columns.
    fn columns(self) -> Field {
        match self {
            Self::Tcp => c::TCP,
            Self::Udp => c::UDP,
            Self::Icmp => c::ICMP,
        }
    }

    /// The columns that every packet of it fills.
    fn fixed(self) -> Field {
        match self {
            Self::Tcp => c::TCP_FIXED,
            other => other.columns(),
        }
    }

    /// Its port columns, source and destination.
    pub(super) fn ports(self) -> Option<(Field, Field)> {
        match self {
            Self::Tcp => Some((c::TCP_SOURCE_PORT, c::TCP_DESTINATION_PORT)),
            Self::Udp => Some((c::UDP_SOURCE_PORT, c::UDP_DESTINATION_PORT)),
            Self::Icmp => None,
        }
    }
}

/// Decisions about a trace.
pub(super) struct Flow {
    pub(super) transport: Transport,
    /// For each row: is it sent by the client?
    pub(super) from_client: Vec<bool>,
    pub(super) checksums: Checksums,
}

/// Which checksums the packets get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    /// Of the IPv4 header only: the published reconstruction.
    Ipv4,
    /// Of TCP and UDP too.
    All,
}

/// The transport with the largest share of present cells in its fixed columns; TCP, UDP, ICMP win ties
/// in this order.
pub(super) fn pick_transport(sheet: &Sheet) -> Transport {
    let share = |transport: Transport| {
        let present: usize = sheet.rows.iter().map(|row| row.present(transport.fixed())).sum();
        // Shares over the common denominator 320 = 2 * 160 = 5 * 64.
        present * (320 / transport.fixed().width)
    };
    let mut best = Transport::Tcp;
    for transport in [Transport::Udp, Transport::Icmp] {
        if share(transport) > share(best) {
            best = transport;
        }
    }
    best
}

/// Sets the protocol number and clears the columns of other transports.
pub(super) fn set_transport(sheet: &mut Sheet, transport: Transport) {
    sheet.each("protocol", |_, row| {
        let others = [Transport::Tcp, Transport::Udp, Transport::Icmp].into_iter().filter(|other| *other != transport);
        row.set(c::PROTOCOL, transport.number()) + others.map(|other| row.clear(other.columns())).sum::<u32>()
    });
}

/// Bytes of a row's TCP header by its data offset.
pub(super) fn tcp_bytes(row: &Row) -> u32 {
    row.get(c::DATA_OFFSET) * 4
}

/// Raises the total length to `least` and cuts it to 1,500.
pub(super) fn bound_length(row: &mut Row, least: u32) -> u32 {
    let length = row.get(c::TOTAL_LENGTH).max(least).min(LENGTH_MAX);
    row.set(c::TOTAL_LENGTH, length)
}

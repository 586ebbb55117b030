//! Identifiers of hosts, persons and services in packets.

use super::dns_sni::{DNS_PORTS, dns_names, server_name};
use syntrace_base::base::wire::LINK_ETHERNET;
use syntrace_base::record::Packet;
use syntrace_traffic::capture::{LINK_HEADER_BYTES, PROTOCOL_TCP, PROTOCOL_UDP, view_frame};

/// Kinds of identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentifierKind {
    /// Source or destination address, IPv4.
    Ipv4,
    /// Source or destination address, IPv6.
    Ipv6,
    /// Source or destination hardware address.
    Mac,
    /// Source or destination port.
    Port,
    /// Address with its port.
    Endpoint,
    /// Both addresses of a packet, whichever sends: who talks to whom.
    Conversation,
    /// Name in a DNS question or record.
    DnsName,
    /// Server name of a TLS ClientHello.
    ServerName,
}

impl IdentifierKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Ipv4,
        Self::Ipv6,
        Self::Mac,
        Self::Port,
        Self::Endpoint,
        Self::Conversation,
        Self::DnsName,
        Self::ServerName,
    ];

    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Mac => "mac",
            Self::Port => "port",
            Self::Endpoint => "endpoint",
            Self::Conversation => "conversation",
            Self::DnsName => "dns_name",
            Self::ServerName => "server_name",
        }
    }
}

/// One identifier: its kind, and its bytes in network order (names as lower-case text).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// Kind.
    pub kind: IdentifierKind,
    /// Bytes.
    pub bytes: Vec<u8>,
}

/// Transport payload as captured; empty where the headers do not parse.
pub(super) fn payload(packet: &Packet) -> &[u8] {
    let Ok(view) = view_frame(LINK_ETHERNET, &packet.data, packet.data.len() as u32) else { return &[] };
    view.ip.get(view.transport_at + view.transport_bytes..).unwrap_or_default()
}

/// Network and transport header as captured; empty where they do not parse.
pub(super) fn header(packet: &Packet) -> &[u8] {
    let Ok(view) = view_frame(LINK_ETHERNET, &packet.data, packet.data.len() as u32) else { return &[] };
    view.ip.get(..view.transport_at + view.transport_bytes).unwrap_or_default()
}

/// Identifiers of one packet: both ends' addresses, ports and hardware addresses, and the names in its
/// payload. Hardware addresses of links that have none are the same two in every trace.
pub fn identifiers(packet: &Packet) -> Vec<Identifier> {
    let mut found = Vec::new();
    let mut add = |kind, bytes: Vec<u8>| found.push(Identifier { kind, bytes });
    for (address, port) in [(&packet.src_ip, packet.src_port), (&packet.dst_ip, packet.dst_port)] {
        let kind = if packet.ip_version == 4 { IdentifierKind::Ipv4 } else { IdentifierKind::Ipv6 };
        add(kind, address.clone());
        add(IdentifierKind::Port, port.to_be_bytes().to_vec());
        add(IdentifierKind::Endpoint, [address.as_slice(), &port.to_be_bytes()].concat());
    }
    let ends = [packet.src_ip.as_slice(), packet.dst_ip.as_slice()];
    add(
        IdentifierKind::Conversation,
        [ends.into_iter().min(), ends.into_iter().max()].map(Option::unwrap_or_default).concat(),
    );
    if let Some(macs) = packet.data.get(..LINK_HEADER_BYTES - 2) {
        macs.chunks_exact(6).for_each(|mac| add(IdentifierKind::Mac, mac.to_vec()));
    }
    let payload = payload(packet);
    let dns = DNS_PORTS.contains(&packet.src_port) || DNS_PORTS.contains(&packet.dst_port);
    if dns && packet.protocol == PROTOCOL_UDP {
        dns_names(payload).into_iter().for_each(|name| add(IdentifierKind::DnsName, name.into_bytes()));
    }
    if packet.protocol == PROTOCOL_TCP
        && let Some(name) = server_name(payload)
    {
        add(IdentifierKind::ServerName, name.into_bytes());
    }
    found
}

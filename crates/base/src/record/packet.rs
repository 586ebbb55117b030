//! One decoded packet.

/// Direction within a trace: `Forward` is that of the trace's first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the sender of the first packet.
    Forward,
    /// To the sender of the first packet.
    Backward,
}

/// One packet of a trace: its bytes, normalised to an Ethernet II frame without VLAN tags (14 bytes of
/// link header, then IP), and the fields that the paper evaluates (section 4.1 and Figure 3).
///
/// A link layer without MAC addresses gets the synthetic ones `02:00:00:00:00:01` (sender of the
/// trace's first packet) and `02:00:00:00:00:02`. Bytes past the captured length are not there;
/// bytes past the IP total length (Ethernet padding) are cut. Fields that IPv6 lacks are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// Microseconds since 1970.
    pub time_us: i64,
    /// Direction within the trace.
    pub direction: Direction,
    /// 4 or 6.
    pub ip_version: u8,
    /// Source address, 4 or 16 bytes, network order.
    pub src_ip: Vec<u8>,
    /// Destination address, 4 or 16 bytes, network order.
    pub dst_ip: Vec<u8>,
    /// Transport protocol: 6 or 17.
    pub protocol: u8,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// IP length in bytes: IPv4 total length, IPv6 payload length + 40; the frame's where offload left 0.
    pub ip_length: u32,
    /// IP header length in bytes, IPv6 extension headers not counted.
    pub header_length: u8,
    /// IPv4 TOS or IPv6 traffic class.
    pub tos: u8,
    /// IPv4 identification.
    pub identification: Option<u16>,
    /// IPv4 flags, 3 bits (reserved 4, DF 2, MF 1).
    pub flags: Option<u8>,
    /// IPv4 fragment offset, in units of 8 bytes.
    pub fragment_offset: Option<u16>,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 header checksum as found.
    pub checksum: Option<u16>,
    /// TCP flags (FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128), `None` for UDP.
    pub tcp_flags: Option<u8>,
    /// Transport payload length in bytes by the headers, not by what was captured.
    pub payload_length: u32,
    /// The normalised frame: 14 bytes Ethernet, then IP as captured.
    pub data: Vec<u8>,
}

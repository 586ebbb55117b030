//! Why a frame contains no packet, with a lazily formatted example.

use std::fmt;

use syntrace_base::record::DropReason;

/// Why a frame gives no packet. Its text (`Display`) is the example of a drop count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The reason under which it is counted.
    pub reason: DropReason,
    detail: Detail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    LinkType(u32),
    Ethertype(u16),
    Protocol(u8),
    Fragment(u16),
    Control(u8),
    Short { what: &'static str, expected: u32, found: u32 },
    Found { what: &'static str, value: u32 },
    Text(&'static str),
}

impl Dropped {
    pub(crate) fn link_type(link_type: u32) -> Self {
        Self { reason: DropReason::UnsupportedLinkType, detail: Detail::LinkType(link_type) }
    }

    pub(crate) fn ethertype(ethertype: u16) -> Self {
        Self { reason: DropReason::NotIp, detail: Detail::Ethertype(ethertype) }
    }

    pub(crate) fn not_ip(what: &'static str) -> Self {
        Self { reason: DropReason::NotIp, detail: Detail::Text(what) }
    }

    pub(crate) fn not_ip_value(what: &'static str, value: u32) -> Self {
        Self { reason: DropReason::NotIp, detail: Detail::Found { what, value } }
    }

    pub(crate) fn protocol(protocol: u8) -> Self {
        Self { reason: DropReason::OtherTransport, detail: Detail::Protocol(protocol) }
    }

    pub(crate) fn fragment(offset: u16) -> Self {
        Self { reason: DropReason::LaterFragment, detail: Detail::Fragment(offset) }
    }

    pub(crate) fn control_frame(subtype: u8) -> Self {
        Self { reason: DropReason::ControlFrame, detail: Detail::Control(subtype) }
    }

    /// The same where more fragments follow: what is missing of a header is in the next one.
    pub(crate) fn of_first_fragment(self, on_wire: usize) -> Self {
        match self.detail {
            Detail::Short { expected, .. } if self.reason == DropReason::Malformed && on_wire < expected as usize => {
                Self { reason: DropReason::TinyFragment, ..self }
            }
            _ => self,
        }
    }

    pub(crate) fn malformed(what: &'static str, value: u32) -> Self {
        Self { reason: DropReason::Malformed, detail: Detail::Found { what, value } }
    }

    /// A header with fewer bytes than it needs: cut by the capture if the bytes were on the wire,
    /// malformed if they never were.
    pub(crate) fn short(what: &'static str, expected: usize, found: usize, on_wire: usize) -> Self {
        let reason = if on_wire >= expected { DropReason::TruncatedHeader } else { DropReason::Malformed };
        let clamp = |length| u32::try_from(length).unwrap_or(u32::MAX);
        Self { reason, detail: Detail::Short { what, expected: clamp(expected), found: clamp(found) } }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Detail::LinkType(link_type) => write!(formatter, "link type {link_type}"),
            Detail::Ethertype(ethertype) => match ethertype_name(ethertype) {
                Some(name) => write!(formatter, "ethertype 0x{ethertype:04x} ({name})"),
                None => write!(formatter, "ethertype 0x{ethertype:04x}"),
            },
            Detail::Protocol(protocol) => match etherparse::IpNumber(protocol).keyword_str() {
                Some(name) => write!(formatter, "ip protocol {protocol} ({name})"),
                None => write!(formatter, "ip protocol {protocol}"),
            },
            Detail::Fragment(offset) => write!(formatter, "fragment at offset {}", u32::from(offset) * 8),
            Detail::Control(subtype) => match control_name(subtype) {
                Some(name) => write!(formatter, "802.11 control frame ({name})"),
                None => write!(formatter, "802.11 control frame of subtype {subtype}"),
            },
            Detail::Short { what, expected, found } => {
                write!(formatter, "{what}: expected {expected} bytes, found {found}")
            }
            Detail::Found { what, value } => write!(formatter, "{what} {value}"),
            Detail::Text(what) => formatter.write_str(what),
        }
    }
}

/// Names of 802.11 control frames (IEEE 802.11-2020, table 9-1).
fn control_name(subtype: u8) -> Option<&'static str> {
    Some(match subtype {
        2 => "trigger",
        4 => "beamforming report poll",
        5 => "NDP announcement",
        7 => "control wrapper",
        8 => "block ACK request",
        9 => "block ACK",
        10 => "PS-Poll",
        11 => "RTS",
        12 => "CTS",
        13 => "ACK",
        14 => "CF-End",
        15 => "CF-End and CF-ACK",
        _ => return None,
    })
}

/// Names of ethertypes that are often met and carry no IP.
fn ethertype_name(ethertype: u16) -> Option<&'static str> {
    Some(match ethertype {
        0x0806 => "ARP",
        0x8035 => "RARP",
        0x8137 => "IPX",
        0x8863 => "PPPoE discovery",
        0x888e => "EAPOL",
        0x88cc => "LLDP",
        0x88e1 => "HomePlug",
        0x893a => "IEEE 1905",
        _ => return None,
    })
}

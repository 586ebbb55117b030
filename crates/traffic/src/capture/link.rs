//! From the first byte of a frame to the first byte of IP, by the capture's own link type.
//!
//! Tags in front of an ethertype (802.1Q, 802.1ad, 802.1BR and the like, see `ethertype_tags`), PPPoE sessions and
//! MPLS labels are stepped over. Lengths are checked against the captured bytes only; what IP says is the
//! network layer's business, but for its version, which must be the one that the link layer announced.
//!
//! etherparse reads Ethernet headers. By hand are the link layers that it lacks (LLC, PPP, PPPoE, MPLS,
//! loopback, cooked version 2, Cisco HDLC, 802.11, those of `encapsulation`) and cooked captures, which it
//! refuses for every hardware type but five: those of tunnels, PPP, loopback and Wi-Fi are as good.

use etherparse::{Ethernet2HeaderSlice, ether_type};

use super::bytes::{Order, be16, be32};
use super::drop_reason::Dropped;
use super::{encapsulation, ethertype_tags, wifi};

/// LINKTYPE values (www.tcpdump.org/linktypes.html) that can carry IP.
pub mod link_type {
    /// BSD loopback, address family in the byte order of the host.
    pub const NULL: u32 = 0;
    /// Ethernet.
    pub const ETHERNET: u32 = 1;
    /// PPP, with or without its HDLC address and control bytes.
    pub const PPP: u32 = 9;
    /// FDDI: frame control, addresses, then LLC.
    pub const FDDI: u32 = 10;
    /// Raw IP, as some BSDs number it.
    pub const RAW_BSD: u32 = 12;
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: u32 = 14;
    /// PPP in HDLC framing.
    pub const PPP_HDLC: u32 = 50;
    /// A PPPoE session without its Ethernet header.
    pub const PPP_ETHER: u32 = 51;
    /// Raw IP, version by its first nibble.
    pub const RAW: u32 = 101;
    /// Cisco HDLC.
    pub const C_HDLC: u32 = 104;
    /// 802.11 without a preamble.
    pub const IEEE802_11: u32 = 105;
    /// OpenBSD loopback, address family in network order.
    pub const LOOP: u32 = 108;
    /// Linux cooked capture.
    pub const LINUX_SLL: u32 = 113;
    /// 802.11 behind a Prism (or AVS) header.
    pub const PRISM: u32 = 119;
    /// 802.11 behind a radiotap header.
    pub const RADIOTAP: u32 = 127;
    /// 802.11 behind an AVS header.
    pub const AVS: u32 = 163;
    /// Ethernet behind Juniper's header.
    pub const JUNIPER_ETHER: u32 = 178;
    /// PPP behind Juniper's header.
    pub const JUNIPER_PPP: u32 = 179;
    /// Cisco HDLC behind Juniper's header.
    pub const JUNIPER_CHDLC: u32 = 181;
    /// Any link type behind a per-packet information header.
    pub const PPI: u32 = 192;
    /// Raw IPv4.
    pub const IPV4: u32 = 228;
    /// Raw IPv6.
    pub const IPV6: u32 = 229;
    /// Linux netfilter's log: attributes, one of them the packet.
    pub const NFLOG: u32 = 239;
    /// macOS: any link type behind a header that says which.
    pub const PKTAP: u32 = 258;
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: u32 = 276;
}

const ETHERTYPE_IPV4: u16 = ether_type::IPV4.0;
const ETHERTYPE_IPV6: u16 = ether_type::IPV6.0;

/// Most bytes of headers in front of IP: those that wrap each other must end somewhere.
const LINK_BYTES_MAX: usize = 4096;

/// Destination and source hardware address, as an Ethernet header begins.
pub(crate) type Macs = [u8; 12];

/// Where IP begins in a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located<'a> {
    /// Captured bytes from the IP header on.
    pub(crate) ip: &'a [u8],
    /// Bytes in front of it.
    pub(crate) link_bytes: usize,
    /// Hardware addresses, if the link layer has both.
    pub(crate) macs: Option<Macs>,
    /// Was a VLAN tag, a PPPoE session, an MPLS label or an LLC header stepped over?
    pub(crate) encapsulated: bool,
    /// The IP version that the link layer announces, if it does.
    pub(crate) announced: Option<u8>,
}

/// Finds IP in a frame.
#[inline]
pub(crate) fn locate(link: u32, frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    use link_type::*;
    match link {
        ETHERNET => ethernet(frame, on_wire),
        RAW | RAW_BSD | RAW_OPENBSD => located(frame, 0, None, None),
        IPV4 => located(frame, 0, None, Some(4)),
        IPV6 => located(frame, 0, None, Some(6)),
        LINUX_SLL => cooked(frame, on_wire, "linux cooked header", 16, 14),
        LINUX_SLL2 => cooked(frame, on_wire, "linux cooked v2 header", 20, 0),
        NULL | LOOP => loopback(frame, on_wire),
        FDDI => {
            let macs = frame.get(1..).and_then(|addresses| addresses.first_chunk().copied());
            sub_network_access(frame, 13, macs, on_wire)
        }
        PPP | PPP_HDLC => point_to_point(frame, on_wire),
        PPP_ETHER => pppoe_session(frame, 0, None, on_wire),
        C_HDLC => cisco_hdlc(frame, on_wire),
        IEEE802_11 => wifi::data_frame(frame, 0, false, on_wire),
        RADIOTAP => wifi::radiotap(frame, on_wire),
        PRISM | AVS => wifi::prism(frame, on_wire),
        JUNIPER_ETHER | JUNIPER_PPP | JUNIPER_CHDLC => encapsulation::juniper(link, frame, on_wire),
        NFLOG => encapsulation::netfilter_log(frame, on_wire),
        PKTAP => encapsulation::packet_tap(frame, on_wire),
        PPI => wifi::per_packet_information(frame, on_wire),
        other => Err(Dropped::link_type(other)),
    }
}

/// IP at `at`; `announced` is its version, if the link layer says one.
#[inline]
pub(super) fn located(
    frame: &[u8],
    at: usize,
    macs: Option<Macs>,
    announced: Option<u8>,
) -> Result<Located<'_>, Dropped> {
    Ok(Located { ip: frame.get(at..).unwrap_or_default(), link_bytes: at, macs, encapsulated: false, announced })
}

/// The same behind something that was stepped over.
pub(super) fn within(located: Result<Located<'_>, Dropped>) -> Result<Located<'_>, Dropped> {
    located.map(|located| Located { encapsulated: true, ..located })
}

#[inline]
fn ethernet(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    ethernet_at(frame, 0, on_wire)
}

/// An Ethernet frame that begins at `at`.
#[inline]
pub(super) fn ethernet_at(frame: &[u8], at: usize, on_wire: usize) -> Result<Located<'_>, Dropped> {
    let header = Ethernet2HeaderSlice::from_slice(frame.get(at..).unwrap_or_default()).map_err(|error| {
        Dropped::short("ethernet header", error.required_len, error.len, on_wire.saturating_sub(at))
    })?;
    let (at, macs) = (at + header.slice().len(), header.slice().first_chunk().copied());
    by_ethertype(frame, header.ether_type().0, at, macs, on_wire)
}

/// Follows an ethertype; `at` is the first byte behind it.
#[inline]
pub(super) fn by_ethertype(
    frame: &[u8],
    ethertype: u16,
    at: usize,
    macs: Option<Macs>,
    on_wire: usize,
) -> Result<Located<'_>, Dropped> {
    match ethertype {
        ETHERTYPE_IPV4 => located(frame, at, macs, Some(4)),
        ETHERTYPE_IPV6 => located(frame, at, macs, Some(6)),
        _ if at > LINK_BYTES_MAX => Err(Dropped::not_ip("link headers of more than 4096 bytes")),
        // A length: what follows is LLC.
        0..=1500 => sub_network_access(frame, at, macs, on_wire),
        0x8864 => pppoe_session(frame, at, macs, on_wire),
        0x8847 | 0x8848 => label_stack(frame, at, macs, on_wire),
        other => ethertype_tags::behind(frame, other, at, macs, on_wire),
    }
}

/// 802.2 LLC with SNAP (RFC 1042): the only LLC frames that carry IP.
pub(super) fn sub_network_access(
    frame: &[u8],
    at: usize,
    macs: Option<Macs>,
    on_wire: usize,
) -> Result<Located<'_>, Dropped> {
    let Some(header) = frame.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
        return Err(Dropped::short("llc header", 8, frame.len().saturating_sub(at), on_wire.saturating_sub(at)));
    };
    match header {
        // Organisation 0 is Ethernet, 0x0000f8 bridge tunnels with ethertypes all the same.
        [0xaa, 0xaa, 0x03, 0, 0, 0 | 0xf8, high, low] => {
            within(match u16::from_be_bytes([*high, *low]) {
                // A length here would be LLC in LLC.
                0..=1500 => Err(Dropped::not_ip("802.2 frame without IP")),
                ethertype => by_ethertype(frame, ethertype, at + 8, macs, on_wire),
            })
        }
        _ => Err(Dropped::not_ip("802.2 frame without IP")),
    }
}

/// RFC 2516: version and type 0x11, code 0, session, length, then a PPP protocol number.
fn pppoe_session(frame: &[u8], at: usize, macs: Option<Macs>, on_wire: usize) -> Result<Located<'_>, Dropped> {
    // A protocol number with an odd first byte is one byte long (RFC 1661, section 6.5).
    match frame.get(at + 6) {
        Some(0x21) => return within(located(frame, at + 7, macs, Some(4))),
        Some(0x57) => return within(located(frame, at + 7, macs, Some(6))),
        _ => {}
    }
    match be16(frame, at + 6) {
        Some(0x0021) => within(located(frame, at + 8, macs, Some(4))),
        Some(0x0057) => within(located(frame, at + 8, macs, Some(6))),
        Some(0x0281) => label_stack(frame, at + 8, macs, on_wire),
        Some(other) => Err(Dropped::not_ip_value("ppp protocol", u32::from(other))),
        None => Err(Dropped::short("pppoe header", 8, frame.len().saturating_sub(at), on_wire.saturating_sub(at))),
    }
}

/// RFC 3032: labels of 4 bytes up to the bottom of the stack; then IP by its first nibble, or an
/// Ethernet pseudowire, which is another link's traffic.
pub(super) fn label_stack(
    frame: &[u8],
    mut at: usize,
    macs: Option<Macs>,
    on_wire: usize,
) -> Result<Located<'_>, Dropped> {
    loop {
        let Some(label) = be32(frame, at) else {
            return Err(Dropped::short("mpls label", 4, frame.len().saturating_sub(at), on_wire.saturating_sub(at)));
        };
        at += 4;
        if label & 0x100 != 0 {
            break;
        }
    }
    match frame.get(at).map(|byte| byte >> 4) {
        Some(4 | 6) => within(located(frame, at, macs, None)),
        _ => Err(Dropped::not_ip("mpls payload that is not IP")),
    }
}

/// A header of `length` bytes with an ethertype at `ethertype_at` and no pair of hardware addresses.
fn cooked<'a>(
    frame: &'a [u8],
    on_wire: usize,
    what: &'static str,
    length: usize,
    ethertype_at: usize,
) -> Result<Located<'a>, Dropped> {
    match be16(frame, ethertype_at) {
        Some(ethertype) if frame.len() >= length => by_ethertype(frame, ethertype, length, None, on_wire),
        _ => Err(Dropped::short(what, length, frame.len(), on_wire)),
    }
}

/// The address family is a small number in the byte order of the capturing host: read it both ways. Old
/// hosts had 16 bits of it, some wrote an ethertype there, and PPP and Cisco HDLC lines came under this
/// number too (Wireshark, packet-null.c).
fn loopback(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let Some(little) = Order::Little.u32_at(frame, 0) else {
        return Err(Dropped::short("loopback header", 4, frame.len(), on_wire));
    };
    if frame.starts_with(&[0xff, 0x03]) || is_cisco_hdlc(frame) {
        return point_to_point(frame, on_wire);
    }
    let (family, half) = (little.min(little.swap_bytes()), little.rotate_left(16));
    for value in [family, half, half.swap_bytes()] {
        match value {
            2 => return located(frame, 4, None, Some(4)),
            // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
            10 | 24 | 28 | 30 => return located(frame, 4, None, Some(6)),
            0x0800 => return located(frame, 4, None, Some(4)),
            0x86dd => return located(frame, 4, None, Some(6)),
            _ => {}
        }
    }
    Err(Dropped::not_ip_value("address family", family))
}

/// An address byte (unicast or multicast), a zero, and the ethertype of something that carries IP: no PPP
/// protocol number begins so.
fn is_cisco_hdlc(frame: &[u8]) -> bool {
    matches!(frame, [0x0f | 0x8f, 0, ..])
}

/// RFC 1661 and 1662: optional address and control bytes, then a protocol number, maybe of one byte; or
/// Cisco HDLC, which the same lines speak.
pub(super) fn point_to_point(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    if is_cisco_hdlc(frame) {
        return cisco_hdlc(frame, on_wire);
    }
    let at = if frame.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    match frame.get(at..) {
        Some([0x00, 0x21, ..]) => located(frame, at + 2, None, Some(4)),
        Some([0x00, 0x57, ..]) => located(frame, at + 2, None, Some(6)),
        Some([0x21, ..]) => located(frame, at + 1, None, Some(4)),
        Some([0x57, ..]) => located(frame, at + 1, None, Some(6)),
        Some([0x02, 0x81, ..]) => label_stack(frame, at + 2, None, on_wire),
        Some([high, low, ..]) => {
            Err(Dropped::not_ip_value("ppp protocol", u32::from(u16::from_be_bytes([*high, *low]))))
        }
        _ => Err(Dropped::short("ppp header", at + 2, frame.len(), on_wire)),
    }
}

/// Address, control, ethertype.
pub(super) fn cisco_hdlc(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    cooked(frame, on_wire, "cisco hdlc header", 4, 2)
}

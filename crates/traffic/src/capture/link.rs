//! From the first byte of a frame to the first byte of IP, by the capture's own link type.
//!
//! VLAN tags (802.1Q, 802.1ad, stacked), PPPoE sessions and MPLS labels are stepped over. Lengths are
//! checked against the captured bytes only; what IP says is the network layer's business.
//!
//! etherparse reads Ethernet headers and VLAN tags. By hand are the link layers that it lacks (LLC, PPP,
//! PPPoE, MPLS, loopback, cooked version 2, Cisco HDLC, 802.11) and cooked captures, which it refuses
//! for every hardware type but five: those of tunnels, PPP, loopback and Wi-Fi are as good.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice, ether_type};

use super::bytes::{Order, be16, be32};
use super::dropped::Dropped;
use super::wifi;

/// LINKTYPE values (www.tcpdump.org/linktypes.html) that can carry IP.
pub mod link_type {
    /// BSD loopback, address family in the byte order of the host.
    pub const NULL: u32 = 0;
    /// Ethernet.
    pub const ETHERNET: u32 = 1;
    /// PPP, with or without its HDLC address and control bytes.
    pub const PPP: u32 = 9;
    /// Raw IP, as some BSDs number it.
    pub const RAW_BSD: u32 = 12;
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: u32 = 14;
    /// PPP in HDLC framing.
    pub const PPP_HDLC: u32 = 50;
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
    /// Any link type behind a per-packet information header.
    pub const PPI: u32 = 192;
    /// Raw IPv4.
    pub const IPV4: u32 = 228;
    /// Raw IPv6.
    pub const IPV6: u32 = 229;
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: u32 = 276;
}

const ETHERTYPE_IPV4: u16 = ether_type::IPV4.0;
const ETHERTYPE_IPV6: u16 = ether_type::IPV6.0;

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
}

/// Finds IP in a frame.
#[inline]
pub(crate) fn locate(link: u32, frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    use link_type::*;
    match link {
        ETHERNET => ethernet(frame, on_wire),
        RAW | RAW_BSD | RAW_OPENBSD | IPV4 | IPV6 => located(frame, 0, None, false),
        LINUX_SLL => cooked(frame, on_wire, "linux cooked header", 16, 14),
        LINUX_SLL2 => cooked(frame, on_wire, "linux cooked v2 header", 20, 0),
        NULL | LOOP => loopback(frame, on_wire),
        PPP | PPP_HDLC => point_to_point(frame, on_wire),
        C_HDLC => cooked(frame, on_wire, "cisco hdlc header", 4, 2),
        IEEE802_11 => wifi::data_frame(frame, 0, false, on_wire),
        RADIOTAP => wifi::radiotap(frame, on_wire),
        PRISM => wifi::prism(frame, on_wire),
        PPI => wifi::per_packet_information(frame, on_wire),
        other => Err(Dropped::link_type(other)),
    }
}

#[inline]
fn located(frame: &[u8], at: usize, macs: Option<Macs>, encapsulated: bool) -> Result<Located<'_>, Dropped> {
    Ok(Located { ip: frame.get(at..).unwrap_or_default(), link_bytes: at, macs, encapsulated })
}

#[inline]
fn ethernet(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let header = Ethernet2HeaderSlice::from_slice(frame)
        .map_err(|error| Dropped::short("ethernet header", error.required_len, error.len, on_wire))?;
    let (at, macs) = (header.slice().len(), header.slice().first_chunk().copied());
    match header.ether_type().0 {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => located(frame, at, macs, false),
        0..=1500 => sub_network_access(frame, at, macs, on_wire),
        other => by_ethertype(frame, other, at, macs, on_wire),
    }
}

/// Follows ethertypes through tags and sessions; `at` is the first byte behind the ethertype.
pub(super) fn by_ethertype(
    frame: &[u8],
    mut ethertype: u16,
    mut at: usize,
    macs: Option<Macs>,
    on_wire: usize,
) -> Result<Located<'_>, Dropped> {
    let mut encapsulated = false;
    loop {
        match ethertype {
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => return located(frame, at, macs, encapsulated),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let rest = frame.get(at..).unwrap_or_default();
                let tag = SingleVlanHeaderSlice::from_slice(rest).map_err(|error| {
                    Dropped::short("vlan tag", error.required_len, error.len, on_wire.saturating_sub(at))
                })?;
                let next = tag.ether_type().0;
                encapsulated = true;
                at += tag.slice().len();
                if next <= 1500 {
                    return sub_network_access(frame, at, macs, on_wire);
                }
                ethertype = next;
            }
            0x8864 => return pppoe_session(frame, at, macs, on_wire),
            0x8847 | 0x8848 => return label_stack(frame, at, macs, on_wire),
            other => return Err(Dropped::ethertype(other)),
        }
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
            let inner = by_ethertype(frame, u16::from_be_bytes([*high, *low]), at + 8, macs, on_wire)?;
            Ok(Located { encapsulated: true, ..inner })
        }
        _ => Err(Dropped::not_ip("802.2 frame without IP")),
    }
}

/// RFC 2516: version and type 0x11, code 0, session, length, then a PPP protocol number.
fn pppoe_session(frame: &[u8], at: usize, macs: Option<Macs>, on_wire: usize) -> Result<Located<'_>, Dropped> {
    match be16(frame, at + 6) {
        Some(0x0021 | 0x0057) => located(frame, at + 8, macs, true),
        Some(0x0281) => label_stack(frame, at + 8, macs, on_wire),
        Some(other) => Err(Dropped::not_ip_value("ppp protocol", u32::from(other))),
        None => Err(Dropped::short("pppoe header", 8, frame.len().saturating_sub(at), on_wire.saturating_sub(at))),
    }
}

/// RFC 3032: labels of 4 bytes up to the bottom of the stack; then IP by its first nibble, or an
/// Ethernet pseudowire, which is another link's traffic.
fn label_stack(frame: &[u8], mut at: usize, macs: Option<Macs>, on_wire: usize) -> Result<Located<'_>, Dropped> {
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
        Some(4 | 6) => located(frame, at, macs, true),
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

/// The address family is a small number in the byte order of the capturing host: read it both ways.
fn loopback(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let Some(little) = Order::Little.u32_at(frame, 0) else {
        return Err(Dropped::short("loopback header", 4, frame.len(), on_wire));
    };
    match little.min(little.swap_bytes()) {
        // AF_INET, and AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
        2 | 10 | 24 | 28 | 30 => located(frame, 4, None, false),
        family => Err(Dropped::not_ip_value("address family", family)),
    }
}

/// RFC 1661 and 1662: optional address and control bytes, then a protocol number, maybe of one byte.
fn point_to_point(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let at = if frame.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    match frame.get(at..) {
        Some([0x00, 0x21 | 0x57, ..]) => located(frame, at + 2, None, false),
        Some([0x21 | 0x57, ..]) => located(frame, at + 1, None, false),
        Some([0x02, 0x81, ..]) => label_stack(frame, at + 2, None, on_wire),
        Some([high, low, ..]) => {
            Err(Dropped::not_ip_value("ppp protocol", u32::from(u16::from_be_bytes([*high, *low]))))
        }
        _ => Err(Dropped::short("ppp header", at + 2, frame.len(), on_wire)),
    }
}

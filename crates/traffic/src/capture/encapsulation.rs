//! Link types that put a header of the capturing system in front of another link type, or of IP.

use super::bytes::{Order, be16, le32};
use super::drop_reason::Dropped;
use super::link::{self, Located, link_type};

/// Linux's address families.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Netfilter's attribute that holds the packet.
const PAYLOAD: u16 = 9;

/// Linux netfilter's log (linktypes/LINKTYPE_NFLOG): address family, version, group; then attributes of
/// length, type and value, padded to 4 bytes, in the byte order of the capturing host.
pub(super) fn netfilter_log(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let Some(&[family, version]) = frame.first_chunk::<2>() else {
        return Err(Dropped::short("nflog header", 4, frame.len(), on_wire));
    };
    if version != 0 {
        return Err(Dropped::malformed("nflog version", u32::from(version)));
    }
    let version = match family {
        AF_INET => 4,
        AF_INET6 => 6,
        other => return Err(Dropped::not_ip_value("nflog address family", u32::from(other))),
    };
    match [Order::Little, Order::Big].into_iter().find_map(|order| payload(frame, order)) {
        Some(at) => link::located(frame, at, None, Some(version)),
        None if frame.len() < on_wire => Err(Dropped::short("nflog attributes", frame.len() + 1, frame.len(), on_wire)),
        None => Err(Dropped::not_ip("nflog without a packet")),
    }
}

/// Where the value of the payload attribute begins; `None` where the attributes make no sense in this order.
fn payload(frame: &[u8], order: Order) -> Option<usize> {
    let mut at = 4;
    loop {
        let (length, kind) = (usize::from(order.u16_at(frame, at)?), order.u16_at(frame, at + 2)?);
        if length < 4 {
            return None;
        }
        if kind & 0x7fff == PAYLOAD {
            return Some(at + 4);
        }
        at += length.next_multiple_of(4);
    }
}

/// macOS (bsd/net/pktap.h): length of the header, kind of record, link type of what follows; little-endian on
/// every machine that writes it now, big-endian on old ones.
pub(super) fn packet_tap(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let words = |order: Order| Some((order.u32_at(frame, 0)?, order.u32_at(frame, 4)?, order.u32_at(frame, 8)?));
    let (Some(little), Some(big)) = (words(Order::Little), words(Order::Big)) else {
        return Err(Dropped::short("pktap header", 12, frame.len(), on_wire));
    };
    let (length, kind, inner) = if little.0 <= big.0 { little } else { big };
    if kind != 1 {
        return Err(Dropped::not_ip_value("pktap record of kind", kind));
    }
    let length = length as usize;
    if length < 12 {
        return Err(Dropped::malformed("pktap header length", length as u32));
    }
    behind_header(frame, length, "pktap header", inner, on_wire)
}

/// Juniper (Wireshark, packet-juniper.c): `MGC`, flags, maybe extensions behind their length; then the link
/// layer, or where a flag says that there is none, a protocol number of 4 bytes and IP.
pub(super) fn juniper(link: u32, frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    const NO_LINK_LAYER: u8 = 0x02;
    const EXTENSIONS: u8 = 0x80;
    let Some(&[b'M', b'G', b'C', flags]) = frame.first_chunk::<4>() else {
        return Err(match frame.len() {
            0..4 => Dropped::short("juniper header", 4, frame.len(), on_wire),
            _ => Dropped::not_ip("juniper header without its magic"),
        });
    };
    let mut length = 4;
    if flags & EXTENSIONS != 0 {
        let Some(extensions) = be16(frame, 4) else {
            return Err(Dropped::short("juniper header", 6, frame.len(), on_wire));
        };
        length += 2 + usize::from(extensions);
    }
    if flags & NO_LINK_LAYER != 0 {
        return match le32(frame, length) {
            Some(2) => link::located(frame, length + 4, None, Some(4)),
            Some(6) => link::located(frame, length + 4, None, Some(6)),
            Some(other) => Err(Dropped::not_ip_value("juniper protocol", other)),
            None => Err(Dropped::short("juniper header", length + 4, frame.len(), on_wire)),
        };
    }
    let inner = match link {
        link_type::JUNIPER_PPP => link_type::PPP,
        link_type::JUNIPER_CHDLC => link_type::C_HDLC,
        _ => link_type::ETHERNET,
    };
    behind_header(frame, length, "juniper header", inner, on_wire)
}

/// Another link type behind a header of `length` bytes; wrappers do not wrap each other.
pub(super) fn behind_header<'a>(
    frame: &'a [u8],
    length: usize,
    what: &'static str,
    inner: u32,
    on_wire: usize,
) -> Result<Located<'a>, Dropped> {
    let Some(rest) = frame.get(length..) else {
        return Err(Dropped::short(what, length, frame.len(), on_wire));
    };
    if matches!(inner, link_type::PPI | link_type::PKTAP) {
        return Err(Dropped::not_ip("a header of the capturing system within another"));
    }
    let located = link::locate(inner, rest, on_wire.saturating_sub(length))?;
    Ok(Located { link_bytes: located.link_bytes + length, ..located })
}

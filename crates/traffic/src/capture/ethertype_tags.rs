//! Headers between one ethertype and the next: tags, and encapsulations of another Ethernet frame.
//!
//! etherparse reads 802.1Q and 802.1ad tags. It has no 802.1BR, VN-tag, Cisco metadata, HSR, I-tag,
//! FabricPath, TRILL or NSH, and of MACsec it gives no ethertype behind the SecTAG.

use etherparse::SingleVlanHeaderSlice;

use super::bytes::{be16, be32};
use super::drop_reason::Dropped;
use super::link::{self, Located, Macs};

/// Most tags and wrapping headers of one frame; hostile ones could nest for as long as the frame is.
const DEPTH_MAX: usize = 32;

/// The content after a tag.
enum Next {
    /// An ethertype, two bytes in front of this place.
    Ethertype(usize),
    /// An Ethernet frame at this place.
    Ethernet(usize),
    /// IP of a version at this place.
    Ip(u8, usize),
    /// MPLS labels at this place.
    Labels(usize),
}

/// Follows an ethertype that is neither IP nor a length, PPPoE or MPLS; `at` is the first byte behind it.
pub(super) fn behind(
    frame: &[u8],
    mut ethertype: u16,
    mut at: usize,
    mut macs: Option<Macs>,
    on_wire: usize,
) -> Result<Located<'_>, Dropped> {
    for _ in 0..DEPTH_MAX {
        at = match tag(frame, ethertype, at, on_wire)? {
            Next::Ethertype(at) => at,
            Next::Ip(version, at) => return link::within(link::located(frame, at, macs, Some(version))),
            Next::Labels(at) => return link::within(link::label_stack(frame, at, macs, on_wire)),
            Next::Ethernet(at) => {
                macs = frame.get(at..).and_then(|inner| inner.first_chunk().copied());
                at + 14
            }
        };
        let Some(next) = at.checked_sub(2).and_then(|place| be16(frame, place)) else {
            return Err(short("ethertype behind a tag", 2, frame, at - 2, on_wire));
        };
        if !is_tag(next) {
            return link::within(link::by_ethertype(frame, next, at, macs, on_wire));
        }
        ethertype = next;
    }
    Err(Dropped::not_ip("a frame with more than 32 tags"))
}

fn short(what: &'static str, needed: usize, frame: &[u8], at: usize, on_wire: usize) -> Dropped {
    Dropped::short(what, needed, frame.len().saturating_sub(at), on_wire.saturating_sub(at))
}

/// Is this the ethertype of something that `tag` steps over?
fn is_tag(ethertype: u16) -> bool {
    matches!(
        ethertype,
        0x8100
            | 0x88a8
            | 0x9100
            | 0x9200
            | 0x893f
            | 0x8926
            | 0x8909
            | 0x892f
            | 0x88e5
            | 0x88e7
            | 0x8903
            | 0x22f3
            | 0x894f
    )
}

fn tag(frame: &[u8], ethertype: u16, at: usize, on_wire: usize) -> Result<Next, Dropped> {
    // A tag of a fixed size with an ethertype behind it.
    let fixed = |what, size: usize| {
        if frame.len() < at + size + 2 {
            return Err(short(what, size + 2, frame, at, on_wire));
        }
        Ok(Next::Ethertype(at + size + 2))
    };
    match ethertype {
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let rest = frame.get(at..).unwrap_or_default();
            let tag = SingleVlanHeaderSlice::from_slice(rest)
                .map_err(|error| short("vlan tag", error.required_len, frame, at, on_wire))?;
            Ok(Next::Ethertype(at + tag.slice().len()))
        }
        // IEEE 802.1BR: priority, ingress and E-CID.
        0x893f => fixed("802.1BR tag", 6),
        0x8926 => fixed("vn-tag", 4),
        // Cisco metadata: version, length, option, security group.
        0x8909 => fixed("cisco metadata", 6),
        // IEC 62439-3: path and length, sequence number.
        0x892f => fixed("hsr tag", 4),
        0x88e5 => secured(frame, at, on_wire),
        // IEEE 802.1ah: four bytes, then the customer's frame.
        0x88e7 => Ok(Next::Ethernet(at + 4)),
        // Cisco FabricPath: tree and hops, then the frame that it carries.
        0x8903 => Ok(Next::Ethernet(at + 2)),
        // RFC 6325: the length of its options is in words, across the first two bytes.
        0x22f3 => match be16(frame, at) {
            Some(first) => Ok(Next::Ethernet(at + 6 + usize::from(first >> 6 & 0x1f) * 4)),
            None => Err(short("trill header", 6, frame, at, on_wire)),
        },
        0x894f => service_header(frame, at, on_wire),
        other => Err(Dropped::ethertype(other)),
    }
}

/// IEEE 802.1AE: control, short length, packet number and maybe a channel of 8 bytes. Where neither bit of
/// encryption is set the frame is only authenticated: an ethertype follows as without MACsec.
fn secured(frame: &[u8], at: usize, on_wire: usize) -> Result<Next, Dropped> {
    let Some(&control) = frame.get(at) else {
        return Err(short("macsec tag", 8, frame, at, on_wire));
    };
    if control & 0x0c != 0 {
        return Err(Dropped::not_ip("macsec with encryption"));
    }
    let size = if control & 0x20 != 0 { 14 } else { 6 };
    if frame.len() < at + size + 2 {
        return Err(short("macsec tag", size + 2, frame, at, on_wire));
    }
    Ok(Next::Ethertype(at + size + 2))
}

/// RFC 8300, chained ones too: length in words in the low 6 bits of the first half, next protocol in the
/// fourth byte.
fn service_header(frame: &[u8], mut at: usize, on_wire: usize) -> Result<Next, Dropped> {
    for _ in 0..DEPTH_MAX {
        let Some(word) = be32(frame, at) else {
            return Err(short("nsh header", 8, frame, at, on_wire));
        };
        let words = (word >> 16 & 0x3f) as usize;
        if words < 2 {
            return Err(Dropped::malformed("nsh header length", words as u32 * 4));
        }
        at += words * 4;
        match word & 0xff {
            1 => return Ok(Next::Ip(4, at)),
            2 => return Ok(Next::Ip(6, at)),
            3 => return Ok(Next::Ethernet(at)),
            4 => {}
            5 => return Ok(Next::Labels(at)),
            other => return Err(Dropped::not_ip_value("nsh next protocol", other)),
        }
    }
    Err(Dropped::not_ip("a frame with more than 32 nsh headers"))
}

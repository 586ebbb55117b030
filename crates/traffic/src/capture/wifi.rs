//! 802.11 data frames and the headers that drivers put in front of them.

use super::bytes::{be32, le16, le32};
use super::drop_reason::Dropped;
use super::encapsulation;
use super::link::{self, Located, Macs};

/// Radiotap flag: the header is padded to a multiple of 4 bytes.
const RADIOTAP_DATA_PAD: u8 = 0x20;
/// Radiotap flag: the frame was received with a bad check sequence.
const RADIOTAP_BAD_FCS: u8 = 0x40;

/// IP in a data frame at `at`: unprotected, not aggregated, with an LLC/SNAP header.
pub(super) fn data_frame(frame: &[u8], at: usize, padded: bool, on_wire: usize) -> Result<Located<'_>, Dropped> {
    let header = frame.get(at..).unwrap_or_default();
    let wire = on_wire.saturating_sub(at);
    let Some(&[control, flags]) = header.first_chunk::<2>() else {
        return Err(Dropped::short("802.11 header", 24, header.len(), wire));
    };
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    // Shorter than every other kind of frame: 10 bytes make a whole acknowledgement.
    if kind == 1 {
        return Err(Dropped::control_frame(subtype));
    }
    let Some(addresses) = header.get(4..22) else {
        return Err(Dropped::short("802.11 header", 24, header.len(), wire));
    };
    match (kind, subtype & 4 != 0, flags & 0x40 != 0) {
        (2, false, false) => {}
        (0, ..) => return Err(Dropped::not_ip("802.11 management frame")),
        (2, true, _) => return Err(Dropped::not_ip("802.11 data frame without data")),
        (2, _, true) => return Err(Dropped::not_ip("802.11 protected frame")),
        _ => return Err(Dropped::not_ip("802.11 extension frame")),
    }
    let (to_system, from_system) = (flags & 1 != 0, flags & 2 != 0);
    let mut length = if to_system && from_system { 30 } else { 24 };
    if subtype & 8 != 0 {
        if header.get(length).is_some_and(|quality| quality & 0x80 != 0) {
            return Err(Dropped::not_ip("802.11 aggregated frame"));
        }
        // The order bit of a QoS frame announces an HT control field of 4 bytes.
        length += if flags & 0x80 != 0 { 6 } else { 2 };
    }
    if padded {
        length = length.next_multiple_of(4);
    }
    let address = |number: usize| addresses.get(number * 6..number * 6 + 6);
    let fourth = header.get(24..30);
    // IEEE 802.11-2020, table 9-30: which address is the destination and which the source.
    let (destination, source) = match (to_system, from_system) {
        (false, false) => (address(0), address(1)),
        (false, true) => (address(0), address(2)),
        (true, false) => (address(2), address(1)),
        (true, true) => (address(2), fourth),
    };
    let macs = destination.zip(source).and_then(|(destination, source)| {
        let mut macs: Macs = [0; 12];
        macs.first_chunk_mut::<6>()?.copy_from_slice(destination);
        macs.last_chunk_mut::<6>()?.copy_from_slice(source);
        Some(macs)
    });
    link::sub_network_access(frame, at + length, macs, on_wire)
}

/// Radiotap (www.radiotap.org): version, pad, length, one or more presence words, then fields.
pub(super) fn radiotap(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let Some(length) = le16(frame, 2).map(usize::from).filter(|length| *length >= 8) else {
        return Err(Dropped::short("radiotap header", 8, frame.len(), on_wire));
    };
    let flags = radiotap_flags(frame.get(..length).unwrap_or(frame)).unwrap_or_default();
    if flags & RADIOTAP_BAD_FCS != 0 {
        return Err(Dropped::not_ip("802.11 frame with a bad check sequence"));
    }
    data_frame(frame, length, flags & RADIOTAP_DATA_PAD != 0, on_wire)
}

/// The flags field: behind the presence words and, if present, the 8-aligned timestamp.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let first = le32(header, 4)?;
    let mut at = 8;
    let mut word = first;
    while word & 0x8000_0000 != 0 {
        word = le32(header, at)?;
        at += 4;
    }
    if first & 1 != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    (first & 2 != 0).then(|| header.get(at).copied())?
}

/// Prism or AVS headers: a length at byte 4, in host order for Prism, in network order for AVS.
pub(super) fn prism(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let length = match be32(frame, 0) {
        Some(0x8021_1001 | 0x8021_1002) => be32(frame, 4),
        _ => le32(frame, 4).map(|length| length.min(length.swap_bytes())),
    };
    match length.and_then(|length| usize::try_from(length).ok()) {
        Some(length) if length >= 8 && length <= frame.len() => data_frame(frame, length, false, on_wire),
        _ => Err(Dropped::short("prism header", 144, frame.len(), on_wire)),
    }
}

/// PPI (CACE Technologies, 1.0.10): version, flags, length, the link type that follows.
pub(super) fn per_packet_information(frame: &[u8], on_wire: usize) -> Result<Located<'_>, Dropped> {
    let (Some(length), Some(inner)) = (le16(frame, 2).map(usize::from), le32(frame, 4)) else {
        return Err(Dropped::short("ppi header", 8, frame.len(), on_wire));
    };
    if length < 8 {
        return Err(Dropped::malformed("ppi header length", length as u32));
    }
    encapsulation::behind_header(frame, length, "ppi header", inner, on_wire)
}

//! Constants and sums of packets on the wire, as RFCs give them.

/// LINKTYPE_ETHERNET: what packets of a study are normalised to.
pub const LINK_ETHERNET: u32 = 1;
/// Bytes of an Ethernet II header.
pub const ETHERNET_BYTES: usize = 14;
/// Bytes of the fixed IPv6 header (RFC 8200).
pub const IPV6_BYTES: usize = 40;
/// Bytes of a UDP header (RFC 768).
pub const UDP_BYTES: usize = 8;
/// IP protocol number of TCP.
pub const TCP: u8 = 6;
/// IP protocol number of UDP.
pub const UDP: u8 = 17;
/// IPv6 next header of a fragment header, which has a fixed length.
pub const IPV6_FRAGMENT: u8 = 44;

/// Is it an IPv6 extension header that may stand before a transport: hop-by-hop, routing, fragment, destination,
/// mobility, HIP or shim6?
pub fn is_ipv6_extension(next: u8) -> bool {
    matches!(next, 0 | 43 | IPV6_FRAGMENT | 60 | 135 | 139 | 140)
}

/// Big-endian 16 bits at an offset; `None` past the end.
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

/// Sum of big-endian 16-bit words, an odd last byte padded with zero (RFC 1071).
pub fn ones_sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |&byte| u64::from(byte) << 8);
    words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>() + last
}

/// The Internet checksum of a sum (RFC 1071); 0 over bytes that hold their right checksum.
pub fn internet_checksum(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3.
    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(ones_sum(&bytes), 0x2ddf0);
        assert_eq!(internet_checksum(ones_sum(&bytes)), !0xddf2);
        let with = [bytes.as_slice(), &internet_checksum(ones_sum(&bytes)).to_be_bytes()].concat();
        assert_eq!(internet_checksum(ones_sum(&with)), 0);
        assert_eq!(ones_sum(&[1, 2, 3]), 0x0102 + 0x0300);
        assert_eq!((be16(&bytes, 6), be16(&bytes, 7)), (Some(0xf6f7), None));
    }
}

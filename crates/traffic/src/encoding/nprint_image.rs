//! nPrint as an image: the two layouts of 1,088 columns, the published colours, PNG files, entropy.
//!
//! Two different layouts have 1,088 columns (see noise-lab/NetDiffusion_Generator). They are told apart
//! by their type and never mixed; [`NprintImage::with_layout`] is the only way from one to the other.

use super::nprint::{NPRINT_BITS, NPRINT_BYTES, NprintRow};
use crate::encoding::Encoded;
use syntrace_base::error::Result;

/// Which 1,088 columns. They differ in bytes 0 to 59 of a row; TCP, UDP and ICMP lie at the same places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NprintLayout {
    /// As the study describes it and as `nprint -4 -t -u -i` writes it: IPv4 480 with addresses, TCP 480,
    /// UDP 64, ICMP 64. The stored encoding `nprint` has this layout.
    Addresses,
    /// As the published code makes it: IPv4 416 without addresses, the 64 fixed IPv6 columns without
    /// addresses, TCP 480, UDP 64, ICMP 64.
    Ipv6,
}

impl NprintLayout {
    /// Name in configurations and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Addresses => "ipv4-tcp-udp-icmp",
            Self::Ipv6 => "no-addresses-ipv6",
        }
    }
}

/// Bytes of the IPv4 header in front of its addresses; of both addresses; of its options.
const IPV4_FRONT: usize = 12;
const ADDRESSES: usize = 8;
const IPV4_OPTIONS: usize = 40;
const TCP_AT: usize = 60;

/// Rows of the published image (one a packet, the rest blank).
pub const IMAGE_ROWS: usize = 1024;

/// A trace as ternary cells in a named layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NprintImage {
    /// What the columns are.
    pub layout: NprintLayout,
    /// One row a packet; a blank row is no packet.
    pub rows: Vec<NprintRow>,
}

/// The blank row: every cell absent.
pub const BLANK_ROW: NprintRow = NprintRow { value: [0; NPRINT_BYTES], presence: [0; NPRINT_BYTES] };

impl NprintImage {
    /// The image of a trace that is encoded as `nprint`.
    ///
    /// # Errors
    /// As [`super::nprint::decode`].
    pub fn from_encoded(encoded: &Encoded) -> Result<Self> {
        Ok(Self { layout: NprintLayout::Addresses, rows: super::nprint::decode(encoded)? })
    }

    /// The planes of the encoding `nprint`: all values, then all presences.
    pub fn to_bytes(&self) -> Vec<u8> {
        let values = self.rows.iter().flat_map(|row| row.value);
        values.chain(self.rows.iter().flat_map(|row| row.presence)).collect()
    }

    /// The same cells in another layout. What the other layout has no columns for is left out, what this
    /// one has not is absent.
    pub fn with_layout(&self, layout: NprintLayout) -> Self {
        let convert = |row: &NprintRow| NprintRow {
            value: convert_plane(&row.value, self.layout, layout),
            presence: convert_plane(&row.presence, self.layout, layout),
        };
        Self { layout, rows: self.rows.iter().map(convert).collect() }
    }

    /// Share of cells with each value in an image of `height` rows (rows that are not there are blank):
    /// 1, 0, absent.
    pub fn color_shares(&self, height: usize) -> [f64; 3] {
        let ones = |plane: &[u8; NPRINT_BYTES]| plane.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        let rows = self.rows.iter().take(height);
        let (one, present) =
            rows.fold((0, 0), |(one, present), row| (one + ones(&row.value), present + ones(&row.presence)));
        let cells = (height.max(1) * NPRINT_BITS) as f64;
        [one as f64 / cells, (present - one) as f64 / cells, 1.0 - present as f64 / cells]
    }

    /// Entropy of the colour histogram in bits (paper section 3.4.2), over `height` rows.
    pub fn entropy_bits(&self, height: usize) -> f64 {
        self.color_shares(height).iter().filter(|share| **share > 0.0).map(|share| -share * share.log2()).sum()
    }

    /// A PNG file of `height` rows in the colours of a 1, a 0 and an absent bit, [`COLORS`] for the published
    /// ones (a palette of three, two bits a pixel).
    pub fn to_png(&self, height: usize, colors: &[[u8; 3]; 3]) -> Vec<u8> {
        let blank = BLANK_ROW;
        let mut lines = Vec::with_capacity(height * (NPRINT_BITS / 4 + 1));
        for index in 0..height {
            let row = self.rows.get(index).unwrap_or(&blank);
            // Filter type: none.
            lines.push(0);
            for first in (0..NPRINT_BITS).step_by(4) {
                let pixel = |bit| match row.cell(bit) {
                    1 => 0,
                    0 => 1,
                    _ => 2u8,
                };
                lines.push((first..first + 4).fold(0, |byte, bit| byte << 2 | pixel(bit)));
            }
        }
        png(NPRINT_BITS as u32, height as u32, colors, &lines)
    }
}

fn convert_plane(plane: &[u8; NPRINT_BYTES], from: NprintLayout, to: NprintLayout) -> [u8; NPRINT_BYTES] {
    let mut out = *plane;
    let front = |shift_from: usize, shift_to: usize, out: &mut [u8; NPRINT_BYTES]| {
        out[IPV4_FRONT..TCP_AT].fill(0);
        out[shift_to..shift_to + IPV4_OPTIONS].copy_from_slice(&plane[shift_from..shift_from + IPV4_OPTIONS]);
    };
    match (from, to) {
        (NprintLayout::Addresses, NprintLayout::Ipv6) => front(IPV4_FRONT + ADDRESSES, IPV4_FRONT, &mut out),
        (NprintLayout::Ipv6, NprintLayout::Addresses) => front(IPV4_FRONT, IPV4_FRONT + ADDRESSES, &mut out),
        _ => {}
    }
    out
}

/// The published colours of a 1, a 0 and an absent bit: red, green, blue.
pub const COLORS: [[u8; 3]; 3] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];

/// A palette PNG (ISO/IEC 15948) of two bits a pixel. Its data are stored deflate blocks (RFC 1951,
/// section 3.2.4): the whole published image is 280 kB, not worth a dependency.
fn png(width: u32, height: u32, colors: &[[u8; 3]; 3], lines: &[u8]) -> Vec<u8> {
    let mut out = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    let mut header = Vec::from(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([2, 3, 0, 0, 0]);
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"PLTE", colors.as_flattened());
    chunk(&mut out, b"IDAT", &zlib_stored(lines));
    chunk(&mut out, b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(data);
    let checksum = crc32(&out[start..]);
    out.extend(checksum.to_be_bytes());
}

fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = data.chunks(usize::from(u16::MAX)).collect();
    for (index, block) in blocks.iter().enumerate() {
        let length = block.len() as u16;
        out.push(u8::from(index + 1 == blocks.len()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(*block);
    }
    if blocks.is_empty() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    out.extend(adler32(data).to_be_bytes());
    out
}

/// RFC 1950, section 8.2.
fn adler32(data: &[u8]) -> u32 {
    let (low, high) = data.iter().fold((1u32, 0u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

/// ISO/IEC 15948, annex D.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |state, byte| {
        (0..8).fold(state ^ u32::from(*byte), |state, _| state >> 1 ^ (0xedb8_8320 & (state & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the published definitions (RFC 1950 and the CRC catalogue).
    #[test]
    fn checksums_have_their_check_values() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}

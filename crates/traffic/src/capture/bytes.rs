//! Checked reads of integers from untrusted bytes.

pub(super) use syntrace_base::base::wire::be16;

/// Byte order of a capture file or section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Order {
    /// The 16-bit integer at `at`, `None` past the end.
    pub(super) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }

    /// The 32-bit integer at `at`, `None` past the end.
    pub(super) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = *bytes.get(at..)?.first_chunk::<4>()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        })
    }

    /// The 64-bit integer at `at`, `None` past the end.
    pub(super) fn u64_at(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = *bytes.get(at..)?.first_chunk::<8>()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(raw),
            Self::Big => u64::from_be_bytes(raw),
        })
    }
}

/// The 32-bit integer in network order at `at`.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Order::Big.u32_at(bytes, at)
}

/// The 16-bit little-endian integer at `at` (802.11, radiotap).
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Order::Little.u16_at(bytes, at)
}

/// The 32-bit little-endian integer at `at` (radiotap, PPI).
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Order::Little.u32_at(bytes, at)
}

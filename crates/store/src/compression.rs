//! zstd with a bounded expansion ratio.
//!
//! A study is untrusted input, and zstd can expand to 30,000 times its size (a decompression bomb). So a claimed raw
//! size is accepted up to [`raw_bytes_max`] of the compressed size; where content compresses better than that, the
//! writer pads it with a skippable frame.

use std::cell::RefCell;
use syntrace_base::error::{Error, Result};

thread_local! {
    /// Making a context costs more than unpacking a small column.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

const ZSTD_LEVEL: i32 = 3;
/// First four bytes of a zstd frame that decoders skip.
const ZSTD_SKIPPABLE: u32 = 0x184D_2A50;
/// Raw bytes that compressed data of any size may expand to.
const RAW_BYTES_FREE: usize = 1 << 20;
/// Further raw bytes for each compressed byte.
const RATIO_MAX: usize = 256;

/// Most raw bytes that `packed` compressed bytes may expand to.
pub(super) fn raw_bytes_max(packed: usize) -> usize {
    RAW_BYTES_FREE + packed.saturating_mul(RATIO_MAX)
}

/// Compresses bytes; `None` if that saves less than a 64th, which is not worth the decompression.
pub(super) fn pack(raw: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut packed = zstd::bulk::compress(raw, ZSTD_LEVEL)
        .map_err(|error| Error::internal(format!("cannot compress {} bytes: {error}", raw.len())))?;
    if raw.len() > raw_bytes_max(packed.len()) {
        let wanted = raw.len().div_ceil(RATIO_MAX).saturating_sub(packed.len());
        packed.extend_from_slice(&ZSTD_SKIPPABLE.to_le_bytes());
        packed.extend_from_slice(&(wanted as u32).to_le_bytes());
        packed.resize(packed.len() + wanted, 0);
    }
    Ok((packed.len() < raw.len() / 64 * 63).then_some(packed))
}

/// Unpacks into exactly the bytes of `raw`; gives what is wrong otherwise. Allocate `raw` only after
/// [`check`].
pub(super) fn unpack_into(packed: &[u8], raw: &mut [u8]) -> std::result::Result<(), String> {
    let found = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(packed, raw)
    });
    let found = found.map_err(|error: std::io::Error| error.to_string())?;
    match found == raw.len() {
        true => Ok(()),
        false => Err(format!("it has {found} bytes, its record says {}", raw.len())),
    }
}

/// Rejects a claimed raw size that the compressed bytes may not expand to.
pub(super) fn check(packed: &[u8], raw_bytes: u64) -> std::result::Result<usize, String> {
    usize::try_from(raw_bytes)
        .ok()
        .filter(|raw_bytes| *raw_bytes <= raw_bytes_max(packed.len()))
        .ok_or_else(|| format!("it claims {raw_bytes} bytes out of {}", packed.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compresses_without_bound_still_has_bytes_that_vouch_for_it() {
        let zeros = vec![0u8; 50 << 20];
        let packed = pack(&zeros).unwrap().unwrap();
        let raw_bytes = check(&packed, zeros.len() as u64).unwrap();
        let mut back = vec![1u8; raw_bytes];
        unpack_into(&packed, &mut back).unwrap();
        assert!(back == zeros);
        assert!(packed.len() < zeros.len() / 200);
        let claim = check(&packed, 200 << 20).unwrap_err();
        assert!(claim.contains("it claims 209715200 bytes"), "{claim}");
    }

    #[test]
    fn noise_is_left_as_it_is() {
        use rand::Rng;
        let mut noise = vec![0; 10_000];
        syntrace_base::base::Seed::root(1).rng().fill_bytes(&mut noise);
        assert_eq!(pack(&noise).unwrap(), None);
    }
}

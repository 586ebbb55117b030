//! A segment of a stranger's study: the length of its record's archive, the archive, and the stored bytes
//! of its columns, one after another; digests fit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syntrace::store::fuzz_decoders::decode_segment;

fuzz_target!(|data: &[u8]| {
    let Some(([low, high], rest)) = data.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
    let (archive, bodies) = rest.split_at(length);
    if let Ok(arrays) = decode_segment(archive, bodies) {
        assert!(arrays.windows(2).all(|pair| pair[0].len() == pair[1].len()));
    }
});

//! A record of a stranger's study: kind, then its archive behind a checksum that fits.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((kind, archive)) = data.split_first() {
        let _ = syntrace::store::fuzz_decoders::decode_archive(kind % syntrace::store::fuzz_decoders::RECORD_KINDS + 1, archive);
    }
});

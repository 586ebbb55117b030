//! A Parquet file of attributes. Panics of its decoder are caught by `read_parquet` and are errors for its
//! callers; those of our own code are found here.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        std::panic::set_hook(Box::new(|panic| {
            if panic.location().is_none_or(|place| place.file().contains("crates/foreign/")) {
                eprintln!("{panic}");
                std::process::abort();
            }
        }));
    },
    |data: &[u8]| {
        if let Ok(file) = syntrace::foreign::read_parquet(bytes::Bytes::copy_from_slice(data), &[]) {
            assert!(file.rows.iter().all(|row| row.values.iter().all(|value| value.is_finite())));
        }
    }
);

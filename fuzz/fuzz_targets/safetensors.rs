//! A safetensors file of attributes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(rows) = syntrace::foreign::read_safetensors(data) {
        assert!(rows.iter().all(|row| row.values.iter().all(|value| value.is_finite())));
    }
});

//! The text of a training log, CSV or JSON lines.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(epochs) = syntrace::foreign::read_log(text) {
        assert!(epochs.is_sorted_by_key(|epoch| epoch.epoch));
    }
});

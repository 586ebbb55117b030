//! The text of a membership list.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = syntrace::foreign::read_members(text);
});

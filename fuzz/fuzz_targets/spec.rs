//! The text of a study spec.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = syntrace::spec::Spec::parse(text, std::path::Path::new("."));
});

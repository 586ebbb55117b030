//! The text of an `import.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = syntrace::spec::ImportManifest::parse(text, std::path::Path::new("."));
});

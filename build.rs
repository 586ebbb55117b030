//! Bakes the folder of libtorch into the binary (rpath), so that nothing has to be set to run it.
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=CARGO_FEATURE_TORCH");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    let Some(folder) = std::env::var_os("LIBTORCH") else { return };
    let lib = PathBuf::from(folder).join("lib");
    let lib = std::fs::canonicalize(&lib).unwrap_or(lib);
    println!("cargo:rerun-if-changed={}", lib.display());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo:rustc-link-arg=-L{}", lib.display());
    // libtorch.so is a linker script that names libtorch_cpu: keep it although no symbol of ours
    // is looked up there by name.
    println!("cargo:rustc-link-arg-bin=syntrace-torch=-Wl,--no-as-needed");
    println!("cargo:rustc-link-arg-bin=syntrace=-Wl,--as-needed,--gc-sections,--exclude-libs=ALL");
    // libc hands over memory that we free (`realpath`): it must find the same malloc that we free with.
    for symbol in ["malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc", "malloc_usable_size"] {
        println!("cargo:rustc-link-arg-bin=syntrace=-Wl,--export-dynamic-symbol={symbol}");
    }
    if Path::new(&lib).join("libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg-bin=syntrace-torch=-ltorch_cuda");
    }
}

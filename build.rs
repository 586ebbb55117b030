//! Bakes the folder of libtorch into the binary (rpath), so that nothing has to be set to run it. The build script of
//! every member of the workspace whose programs or tests need libtorch.
use std::path::{Path, PathBuf};

/// What `syntrace` shows to the libraries that it loads.
const EXPORTS: &str = "{ global: malloc; calloc; realloc; free; cfree; memalign; aligned_alloc; valloc; pvalloc; \
    posix_memalign; malloc_usable_size; reallocarray; local: *; };\n";

fn main() {
    // Members give this file by a path of their own.
    let here = [Path::new("build.rs"), Path::new("../../build.rs")].into_iter().find(|path| path.exists());
    println!("cargo:rerun-if-changed={}", here.unwrap_or(Path::new("build.rs")).display());
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=CARGO_FEATURE_TORCH");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    let Some(folder) = std::env::var_os("LIBTORCH") else { return };
    let lib = PathBuf::from(folder).join("lib");
    let lib = std::fs::canonicalize(&lib).unwrap_or(lib);
    println!("cargo:rerun-if-changed={}", lib.display());
    if std::env::var("CARGO_PKG_NAME").as_deref() == Ok("syntrace") {
        // First of all beside the program, where `make install` puts it: see src/cli/install.rs.
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/syntrace");
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    println!("cargo:rustc-link-arg=-L{}", lib.display());
    // Where CUDA may be loaded from, see src/cli/device.rs.
    println!("cargo:rustc-env=SYNTRACE_LIBTORCH_LIB={}", lib.display());
    if std::env::var("CARGO_PKG_NAME").as_deref() != Ok("syntrace") {
        return;
    }
    // libtorch.so is a linker script that names libtorch_cpu: keep it although no symbol of ours
    // is looked up there by name.
    println!("cargo:rustc-link-arg-bin=syntrace-torch=-Wl,--no-as-needed");
    // `syntrace` keeps nothing that would need libtorch: what libtorch could look up in it is local, so it
    // can be dropped. All but the allocator: libc must find ours, or it would hand out memory of its own
    // (`realpath`) that ours is then asked to free.
    let exports = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("exports.map");
    if std::fs::write(&exports, EXPORTS).is_ok() {
        println!(
            "cargo:rustc-link-arg-bin=syntrace=-Wl,--as-needed,--gc-sections,--version-script={}",
            exports.display()
        );
    }
    if Path::new(&lib).join("libtorch_cuda.so").exists() {
        println!("cargo:rustc-link-arg-bin=syntrace-torch=-ltorch_cuda");
    }
}

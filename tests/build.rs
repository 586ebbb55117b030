//! What is built for whom: the demo needs no crate of the server, of PNG figures or of Parquet files, and all builds share
//! their dependencies, so that going from one to another compiles none of them again.

use crate::common::Finish;
use std::collections::BTreeSet;
use std::process::Command;

/// Crates with their features, as a build with these arguments has them.
fn crates(arguments: &[&str]) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--offline", "--locked", "--prefix", "none", "-f", "{p} {f}"]).args(arguments);
    let output = command.finish().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).replace(" (*)", "").replace(" (proc-macro)", "");
    lines.lines().filter(|line| !line.starts_with("syntrace")).map(str::to_owned).collect()
}

#[test]
fn every_build_shares_its_dependencies_with_the_full_one() {
    // Once without build scripts and macros: a crate that they have as the lean build has it would hide a difference.
    for (lean_edges, full_edges) in [("normal,build", "normal,build,dev"), ("normal", "normal,dev")] {
        let full = crates(&["--workspace", "--features", "full", "-e", full_edges]);
        for arguments in [&["--no-default-features"][..], &[], &["--features", "full"], &["-p", "syntrace-python"]] {
            let lean = crates(&[&["-e", lean_edges], arguments].concat());
            let alone: Vec<&String> = lean.difference(&full).collect();
            assert!(
                alone.is_empty(),
                "{arguments:?}: {alone:#?}\nadd the missing features to crates/shared-features/Cargo.toml"
            );
        }
    }
}

#[test]
fn the_demo_builds_no_crate_that_it_does_not_need() {
    let lean = crates(&["-e", "normal,build"]);
    for name in ["datafusion-postgres", "pgwire", "axum", "rustls", "resvg", "usvg", "fontdb", "parquet", "brotli"] {
        let found: Vec<&String> = lean.iter().filter(|line| line.split(' ').next() == Some(name)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(lean.len() > 100, "{lean:?}");
}

#[test]
fn the_python_package_has_neither_libtorch_nor_an_allocator() {
    let package = crates(&["-p", "syntrace-python", "-e", "normal"]);
    let unwanted =
        |line: &&String| ["tch", "torch-sys", "mimalloc"].contains(&line.split(' ').next().unwrap_or_default());
    let found: Vec<&String> = package.iter().filter(unwanted).collect();
    assert!(found.is_empty(), "{found:?}");
}

//! The Python package: its own tests pass with the library that is built here.

use crate::common::{Finish, skip};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library as `make test` builds it, before all tests; who runs one test alone builds it here.
fn library() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_syntrace"));
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--locked", "--no-default-features", "--lib", "-p", "syntrace", "-p", "syntrace-python"]);
    let built = build.output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program.with_file_name("lib_syntrace.so")
}

#[test]
fn the_python_package_answers_as_its_own_tests_expect() {
    let python = std::env::var("SYNTRACE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let can =
        |script: &str| Command::new(&python).args(["-c", script]).finish().is_ok_and(|said| said.status.success());
    if !can("import sys; sys.exit(sys.version_info < (3, 10))") {
        return skip("python3", format_args!("the Python package: no Python 3.10 or newer here"));
    }
    for module in ["numpy", "pandas", "pyarrow", "polars"] {
        if !can(&format!("import {module}")) {
            skip(module, format_args!("a part of the Python package's tests: {python} has no {module}"));
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("syntrace");
    std::fs::create_dir(&package).unwrap();
    for entry in
        std::fs::read_dir(root.join("python/syntrace")).unwrap().flatten().filter(|entry| entry.path().is_file())
    {
        std::fs::copy(entry.path(), package.join(entry.file_name())).unwrap();
    }
    std::os::unix::fs::symlink(library(), package.join("_syntrace.abi3.so")).unwrap();
    let mut tests = Command::new(&python);
    tests.args(["-W", "error::SyntaxWarning", "-m", "unittest", "discover", "-s"]).arg(root.join("python/tests"));
    tests.env("PYTHONPATH", folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    tests.env("SYNTRACE_PROGRAM", env!("CARGO_BIN_EXE_syntrace"));
    let said = tests.finish().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

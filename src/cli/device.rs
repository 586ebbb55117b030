//! The device that a verb's networks run on, and libtorch's CUDA part for it.
//!
//! `syntrace-torch` is linked to libtorch's CPU part alone, so that one program serves machines with and
//! without CUDA. The kernels for CUDA are in `libtorch_cuda.so`, which registers itself when it is loaded,
//! if that is before the first tensor. Where a device is asked for that may be a CUDA device, the program
//! is therefore started (by `syntrace`), or starts itself once more, with `libc10.so`, `libtorch_cpu.so` and
//! `libtorch_cuda.so` of one folder in `LD_PRELOAD`. All three are named by their paths: the loader takes
//! what is loaded for what the program was linked to, so parts of two builds never meet, whatever the rpath
//! says. The folder's version must be the one that the program was built for.
//!
//! Asked in this order: `$LIBTORCH`, the folder that the program was built with, the `torch` of `python3`.
//!
//! The rejected alternative, loading the library from inside, needs `unsafe` and comes too late: by then the
//! CPU part is loaded, from wherever the rpath led.

use super::spec_text::read_spec;
use crate::base::{Device, DeviceChoice};
use crate::error::{Error, Result};
use crate::pipeline;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The libtorch that tch 0.24 is made for.
const VERSION: &str = "2.11.0";
/// Libraries to load, in their order.
const PARTS: [&str; 3] = ["libc10.so", "libtorch_cpu.so", "libtorch_cuda.so"];
/// Names the folder whose CUDA part this process was started with: it does not start itself again.
const LOADED: &str = "SYNTRACE_CUDA_FROM";
/// Prints the folder of Python's torch without importing it. `-I`: not from the working folder.
const PYTHON: [&str; 3] = [
    "-I",
    "-c",
    "from importlib.util import find_spec as f; s = f('torch'); print(s.submodule_search_locations[0] if s else '')",
];

/// What is asked for: on the command line, else in the spec. A spec that cannot be read is no matter here:
/// the verb reads it again and says so.
pub(super) fn asked(flag: Option<DeviceChoice>, spec: &str) -> DeviceChoice {
    let choice = flag.or_else(|| read_spec(spec).ok()?.device);
    choice.unwrap_or(DeviceChoice::Only(Device::Cpu))
}

/// Goes on in `program` with the arguments of this process, with libtorch's CUDA part where `choice` may
/// need it and it is found. Returns only where that fails.
pub(super) fn go_on_in(program: &Path, told: &[&str], choice: DeviceChoice) -> std::io::Error {
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).args(told);
    if choice.may_be_cuda()
        && let Ok(folder) = folder_with_cuda()
    {
        load(&mut command, &folder);
    }
    command.exec()
}

/// Starts this program again where it needs libtorch's CUDA part, does not have it, and there is one.
pub(super) fn restart_for(choice: DeviceChoice) -> Result<()> {
    let useless = cfg!(not(feature = "torch")) || !choice.may_be_cuda() || std::env::var_os(LOADED).is_some();
    if useless || pipeline::cuda_devices() > 0 || folder_with_cuda().is_err() {
        return Ok(());
    }
    let here =
        std::env::current_exe().map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
    let error = go_on_in(&here, &[], choice);
    Err(Error::internal(format!("cannot start `{}` with CUDA: {error}", here.display())))
}

/// The device that was asked for, among those that are here.
pub(super) fn resolve(choice: DeviceChoice) -> Result<Device> {
    choice.among(pipeline::cuda_devices()).map_err(|error| error.hint(advice()))
}

/// What to do where a CUDA device is not here.
fn advice() -> String {
    if cfg!(not(feature = "torch")) {
        return "this syntrace was built without libtorch: build with the feature `torch`".to_owned();
    }
    if let Some(folder) = std::env::var_os(LOADED) {
        let folder = folder.to_string_lossy().into_owned();
        return format!(
            "libtorch's CUDA part was loaded from `{folder}`: does `nvidia-smi` list the device, and is it in \
             CUDA_VISIBLE_DEVICES? `--device cpu` needs none"
        );
    }
    match folder_with_cuda() {
        Ok(folder) => format!("libtorch with CUDA is in `{}`, and was not loaded", folder.display()),
        Err(refused) => format!(
            "no libtorch {VERSION} with CUDA found ({}): set LIBTORCH to one, or use `--device cpu`",
            refused.join("; ")
        ),
    }
}

/// Lets a program load libtorch with CUDA from a folder.
fn load(program: &mut Command, folder: &Path) {
    let before = |variable: &str, mut list: Vec<String>| {
        list.extend(std::env::var(variable).ok().filter(|old| !old.is_empty()));
        list.join(":")
    };
    let parts = PARTS.iter().map(|part| folder.join(part).to_string_lossy().into_owned()).collect();
    program.env("LD_PRELOAD", before("LD_PRELOAD", parts));
    // For what the parts load by name later.
    program.env("LD_LIBRARY_PATH", before("LD_LIBRARY_PATH", vec![folder.to_string_lossy().into_owned()]));
    program.env(LOADED, folder);
}

/// The folder of libtorch's libraries to load CUDA from, or why each that was asked is not it.
fn folder_with_cuda() -> std::result::Result<PathBuf, Vec<String>> {
    let given = std::env::var_os("LIBTORCH").map(|root| PathBuf::from(root).join("lib"));
    let built = option_env!("SYNTRACE_LIBTORCH_LIB").map(PathBuf::from);
    let mut refused = Vec::new();
    let places: [&dyn Fn() -> Option<PathBuf>; 3] = [&|| given.clone(), &|| built.clone(), &of_python];
    for place in places {
        let Some(folder) = place() else { continue };
        match checked(&folder) {
            Ok(folder) => return Ok(folder),
            Err(reason) => refused.push(format!("`{}` {reason}", folder.display())),
        }
    }
    refused.dedup();
    if refused.is_empty() {
        refused.push("LIBTORCH is not set, and python3 has no torch".to_owned());
    }
    Err(refused)
}

fn of_python() -> Option<PathBuf> {
    let output = Command::new("python3").args(PYTHON).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let root = String::from_utf8(output.stdout).ok()?;
    let root = root.trim();
    (output.status.success() && !root.is_empty()).then(|| Path::new(root).join("lib"))
}

/// A folder that holds all parts, of the right version, under a path that `LD_PRELOAD` can hold.
fn checked(folder: &Path) -> std::result::Result<PathBuf, String> {
    if let Some(missing) = PARTS.iter().find(|part| !folder.join(part).exists()) {
        return Err(format!("holds no {missing}"));
    }
    let version =
        version_beside(folder).ok_or("says no version: `build-version` or `version.py` expected beside it")?;
    if version != VERSION {
        return Err(format!("is of version {version}, expected {VERSION}"));
    }
    let folder = folder.canonicalize().map_err(|error| format!("cannot be read: {error}"))?;
    match folder.to_str() {
        Some(text) if !text.contains([':', ' ']) => Ok(folder),
        _ => Err("has a blank or a colon in its path, which LD_PRELOAD cannot hold".to_owned()),
    }
}

/// Version of the libtorch whose libraries are in a folder, without its build (`2.11.0` of `2.11.0+cu130`).
fn version_beside(folder: &Path) -> Option<String> {
    let root = folder.parent()?;
    let of_wheel = |text: String| {
        let line = text.lines().find(|line| line.starts_with("__version__"))?.to_owned();
        line.split(['\'', '"']).nth(1).map(str::to_owned)
    };
    let of_archive = std::fs::read_to_string(root.join("build-version")).ok();
    let whole = of_archive.or_else(|| of_wheel(std::fs::read_to_string(root.join("version.py")).ok()?))?;
    whole.trim().split('+').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder laid out as a wheel's, with some of the parts.
    fn wheel(parts: &[&str], version: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("lib")).expect("made");
        for part in parts {
            std::fs::write(root.path().join("lib").join(part), "").expect("written");
        }
        if let Some(version) = version {
            let text = format!("from typing import Optional\n__version__ = '{version}'\ndebug = False\n");
            std::fs::write(root.path().join("version.py"), text).expect("written");
        }
        root
    }

    #[test]
    fn parts_of_one_folder_and_the_right_version_are_taken() {
        let root = wheel(&PARTS, Some("2.11.0+cu130"));
        let folder = root.path().join("lib");
        assert_eq!(checked(&folder), Ok(folder.canonicalize().expect("there")));
        std::fs::write(root.path().join("build-version"), "2.10.1\n").expect("written");
        assert_eq!(checked(&folder), Err("is of version 2.10.1, expected 2.11.0".to_owned()));
    }

    #[test]
    fn other_versions_missing_parts_and_odd_paths_are_refused() {
        for (parts, version, expected) in [
            (&PARTS[..2], Some("2.11.0"), "holds no libtorch_cuda.so"),
            (&PARTS[1..], Some("2.11.0"), "holds no libc10.so"),
            (&PARTS[..], Some("2.9.1+cu128"), "is of version 2.9.1, expected 2.11.0"),
            (&PARTS[..], None, "says no version"),
        ] {
            let root = wheel(parts, version);
            let error = checked(&root.path().join("lib")).expect_err("refused");
            assert!(error.starts_with(expected), "{error}");
        }
        let root = wheel(&PARTS, Some("2.11.0"));
        let odd = root.path().join("a b");
        std::os::unix::fs::symlink(root.path(), &odd).expect("linked");
        assert!(checked(&odd.join("lib")).is_ok(), "the path behind a link counts");
    }

    #[test]
    fn a_program_is_told_all_parts_by_their_paths_and_where_they_are_from() {
        let mut program = Command::new("true");
        load(&mut program, Path::new("/opt/torch/lib"));
        let value = |name: &str| {
            let found = program.get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
            found.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let parts = "/opt/torch/lib/libc10.so:/opt/torch/lib/libtorch_cpu.so:/opt/torch/lib/libtorch_cuda.so";
        assert!(value("LD_PRELOAD").starts_with(parts));
        assert!(value("LD_LIBRARY_PATH").starts_with("/opt/torch/lib"));
        assert_eq!(value(LOADED), "/opt/torch/lib");
    }
}

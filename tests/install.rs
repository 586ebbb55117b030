//! What `make install` leaves, and what never needs libtorch.

use crate::common::{Finish, TINY_SPEC, run_ok, write_spec};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The tool under another path: a link where the file system takes one.
fn tool_alone(folder: &Path) -> PathBuf {
    let (from, to) = (env!("CARGO_BIN_EXE_syntrace"), folder.join("syntrace"));
    if std::fs::hard_link(from, &to).is_err() {
        std::fs::copy(from, &to).expect("copied");
    }
    to
}

#[test]
fn verbs_that_train_nothing_need_neither_libtorch_nor_the_program_that_is_linked_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = tool_alone(folder.path());
    let libraries = Command::new(&tool).env("LD_TRACE_LOADED_OBJECTS", "1").finish().expect("the loader answers");
    let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
    assert!(libraries.contains("libc.so") && !libraries.contains("torch"), "{libraries}");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), TINY_SPEC);
    run_ok(&["simulate", "--out", &at("captures"), "--dataset", "os", "--class", "mac", "--flows", "30"]);
    let capture = at("captures/mac/os-mac-0.pcap");
    let (study, page) = (at("s.redb"), at("page.html"));
    let import = ["import", &study, "--generator", "other", "--dataset", "mine", "--class", "web", "--members", "all"];
    for arguments in [
        &["plan", &at("new.redb"), &spec][..],
        &["ingest", &study, &capture, "--dataset", "mine", "--class", "web"],
        &[&import[..], &["--synthetic", &capture]].concat(),
        &["sql", &study, "-c", "SELECT count(*) FROM models"],
        &["report", &study, "-o", &page],
        &["verify", &study],
        &["info", &study],
    ] {
        let output = Command::new(&tool).args(arguments).finish().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Evaluating an import may train downstream models; storing it may not.
        let stored = arguments[0] == "import" && stderr.contains("imported: other");
        assert!(output.status.success() || stored, "{arguments:?}\n{stderr}");
    }
    let models = run_ok(&["sql", &study, "--format", "csv", "-c", "SELECT count(*) AS n FROM models"]);
    assert_eq!(models, "n\n1\n");
}

#[cfg(feature = "install")]
#[test]
fn an_installation_is_for_all_users_and_is_removed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = folder.path().join("stage");
    let destdir = stage.to_string_lossy().into_owned();
    // The libtorch of the tests is a gigabyte: it stays where it is.
    let script = "umask 077; exec \"$0\" install /opt/tools --destdir \"$1\" --keep-libtorch";
    let tool = env!("CARGO_BIN_EXE_syntrace");
    let output = Command::new("sh").args(["-c", script, tool, &destdir]).finish().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let prefix = stage.join("opt/tools");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    for program in ["bin/syntrace", "bin/syntrace-torch"] {
        assert_eq!(mode(&prefix.join(program)), 0o755, "{program}");
    }
    for file in [
        "share/man/man1/syntrace.1",
        "share/man/man1/syntrace-run.1",
        "share/man/man1/syntrace-export-pcap.1",
        "share/bash-completion/completions/syntrace",
        "share/zsh/site-functions/_syntrace",
        "share/fish/vendor_completions.d/syntrace.fish",
    ] {
        assert_eq!(mode(&prefix.join(file)), 0o644, "{file}");
        let text = std::fs::read_to_string(prefix.join(file)).expect("text");
        assert!(text.contains("syntrace") && text.len() > 500, "{file}: {text}");
    }
    for folder in ["", "bin", "share", "share/man", "share/man/man1"] {
        assert_eq!(mode(&prefix.join(folder)), 0o755, "{folder}");
    }
    let page = std::fs::read_to_string(prefix.join("share/man/man1/syntrace-run.1")).expect("text");
    assert!(page.contains("checkpoint\\-seconds") && page.contains("goes on where it was"), "{page}");
    // Programs built anew replace those that run.
    run_ok(&["install", "/opt/tools", "--destdir", &destdir, "--keep-libtorch"]);
    let installed = prefix.join("bin/syntrace");
    let version = Command::new(&installed).arg("--version").finish().expect("it starts");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("syntrace "));
    let removed = Command::new(&installed).args(["uninstall", "/opt/tools", "--destdir", &destdir]).finish();
    assert!(removed.expect("it starts").status.success());
    let left = files(&prefix);
    assert!(left.is_empty(), "{left:?}");
}

/// All files beneath a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[cfg(feature = "install")]
#[test]
fn completions_name_every_verb_that_is_shown() {
    for shell in ["bash", "zsh", "fish"] {
        let text = run_ok(&["complete", shell]);
        for word in ["ingest", "export", "pcapng", "--checkpoint-seconds"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(text.contains(word), "{shell} does not complete {word}");
        }
    }
}

#[test]
fn help_of_a_verb_says_what_its_own_help_says() {
    for verb in [&["run"][..], &["sql"], &["export"], &["export", "pcap"], &["import"]] {
        let help = run_ok(&[&["help"], verb].concat());
        assert_eq!(help, run_ok(&[verb, &["--help"]].concat()), "{verb:?}");
        assert!(help.contains("Usage: syntrace"), "{help}");
    }
}

/// Runs the tool with nobody who reads its standard output.
fn unread(arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_syntrace"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.finish().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn nobody_who_reads_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (study, spec) = (at("s.redb"), write_spec(folder.path(), TINY_SPEC));
    run_ok(&["simulate", "--out", &at("captures"), "--dataset", "os", "--class", "mac", "--flows", "30"]);
    let capture = at("captures/mac/os-mac-0.pcap");
    run_ok(&["ingest", &study, &capture, "--dataset", "os", "--class", "mac"]);
    let class = ["--dataset", "os", "--class", "mac"];
    for arguments in [
        &["--help"][..],
        &["help", "sql"],
        &["plan", &study, &spec, "--jobs"],
        &["sql", &study, "-c", "SELECT * FROM packets"],
        &["sql", &study, "--format", "csv", "-c", "SELECT * FROM packets"],
        &["sql", &study, "-c", ".schema"],
        &["query", &study],
        &["query", &study, "drops_by_reason"],
        &["info", &study],
        &["report", &study, "-o", "-"],
        &["nprint", &capture],
        &[&["export", &study, "pcap"], &class[..]].concat(),
        &[&["export", &study, "pcapng"], &class[..]].concat(),
        &[&["export", &study, "nprint"], &class[..]].concat(),
        &["export", &study, "capture", "os-mac-0.pcap"],
        &["verify", &study],
        &["diff", &study, &study],
    ] {
        let (code, stderr) = unread(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("error"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn an_export_replaces_a_file_only_where_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let study = at("s.redb");
    run_ok(&["simulate", &study, "--dataset", "os", "--class", "mac", "--flows", "20"]);
    for what in ["pcap", "pcapng", "nprint"] {
        let out = at(&format!("a.{what}"));
        std::fs::write(&out, "mine").expect("written");
        let arguments = ["export", &study, what, "--dataset", "os", "--class", "mac", "-o", &out];
        let (code, _, stderr) = crate::common::run(&arguments);
        assert!(code == 2 && stderr.contains("exists") && stderr.contains("--force"), "{what}: {stderr}");
        assert_eq!(std::fs::read(&out).expect("there"), b"mine", "{what}");
        run_ok(&[&arguments[..], &["--force"]].concat());
        assert!(std::fs::metadata(&out).expect("there").len() > 1000, "{what}");
    }
    // What fails leaves what was there.
    let out = at("a.pcap");
    let before = std::fs::read(&out).expect("there");
    let (code, ..) = crate::common::run(&["export", &study, "pcap", "--model", "7", "-o", &out, "--force"]);
    assert_eq!((code, std::fs::read(&out).expect("there") == before), (2, true));
    let names: Vec<_> =
        files(folder.path()).into_iter().filter(|path| path.to_string_lossy().ends_with(".part")).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn names_of_strangers_do_not_steer_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    run_ok(&["simulate", "--out", &at("captures"), "--dataset", "os", "--class", "mac", "--flows", "10"]);
    let capture = at("captures/mac/os-mac-0.pcap");
    let hostile = "a\u{1b}[31m\u{202e}b\u{200f}c";
    for name in ["one.redb", "two.redb"] {
        let study = at(name);
        let class = format!("{hostile}{name}");
        run_ok(&["ingest", &study, &capture, "--dataset", "mine", "--class", &class]);
        let info = run_ok(&["info", &study]);
        assert!(info.contains("mine/a\\x1b[31m\\u{202e}b\\u{200f}c"), "{info}");
    }
    let (code, stdout, stderr) = crate::common::run(&["diff", &at("one.redb"), &at("two.redb")]);
    let (_, _, hint) = crate::common::run(&["query", &at("one.redb"), hostile]);
    assert_eq!(code, 1);
    for text in [stdout, stderr, hint] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{200f}']), "{text:?}");
    }
}

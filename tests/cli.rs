//! Tests of the command line: exit codes, messages, what goes to stdout; a failed command leaves the
//! study as it was.

use crate::common::{Finish, TINY_SPEC, run, run_ok, syntrace, write_spec};
use std::path::Path;

fn check(arguments: &[&str], code: i32, message: &str, hint: &str) {
    let (found, stdout, stderr) = run(arguments);
    assert_eq!(found, code, "{arguments:?}\n{stdout}\n{stderr}");
    assert!(stderr.contains(message), "{arguments:?}: expected `{message}` in\n{stderr}");
    assert!(stderr.contains(hint), "{arguments:?}: expected the hint `{hint}` in\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Writes a study with one simulated class; gives its path as text.
fn small_study(folder: &Path) -> String {
    let study = folder.join("s.redb").to_string_lossy().into_owned();
    run_ok(&["simulate", &study, "--dataset", "os", "--class", "mac", "--flows", "20"]);
    study
}

#[test]
fn help_names_every_verb_and_goes_to_stdout() {
    let help = run_ok(&["--help"]);
    for verb in ["run", "plan", "sql", "query", "report", "info", "ingest", "simulate", "nprint", "export", "verify"] {
        assert!(help.contains(&format!("  {verb} ")), "{verb} is not in\n{help}");
    }
}

#[test]
fn a_malformed_spec_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), &TINY_SPEC.replace("[split]", "[split"));
    check(&["run", &study, &spec], 2, "spec.toml`: line", "");
    let spec = write_spec(folder.path(), &TINY_SPEC.replace("shadows", "shadws"));
    check(&["run", &study, &spec], 2, "unknown field `shadws`", "did you mean `shadows`?");
    assert!(!Path::new(&study).exists(), "nothing is made for a spec that is refused");
}

#[test]
fn impossible_requests_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    let before = std::fs::read(&study).unwrap();
    let cases = [
        (TINY_SPEC.replace("epsilon = [4.0]", "epsilon = [0.0]"), "epsilon must be above 0, found `0`", ""),
        (TINY_SPEC.replace("epsilon = [4.0]", "epsilon = [-2]"), "epsilon must be above 0, found `-2`", ""),
        (
            TINY_SPEC.replace("batch = 4", "batch = 40"),
            "`batch` must be at most the number of members, 12",
            "lower `batch`",
        ),
        (TINY_SPEC.replace("\"mac\"", "\"mak\""), "found `mak`", "did you mean `mac`?"),
        (TINY_SPEC.replace("preset = \"small\"", "preset = \"tiny\""), "found `tiny`", ""),
        (TINY_SPEC.replace("width = 16", "widht = 16"), "unknown field `widht`", ""),
        (TINY_SPEC.replace("[attack.threshold]", "[attack.treshold]"), "found `treshold`", "known attacks"),
        (TINY_SPEC.replace("simulate = { flows = 60 }", ""), "found `mac`", ""),
    ];
    for (text, message, hint) in cases {
        let text = if message == "found `mac`" { text.replace("name = \"os\"", "name = \"none\"") } else { text };
        let message = if message == "found `mac`" { "the study holds no traces of it" } else { message };
        let spec = write_spec(folder.path(), &text);
        check(&["run", &study, &spec], 2, message, hint);
    }
    // Opening for writing may touch redb's header, so compare what it holds.
    drop(before);
    check(&["verify", &study], 0, "all is well", "");
}

#[test]
fn a_split_that_needs_more_traces_than_there_are_says_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), &TINY_SPEC.replace("members = 12", "members = 16"));
    check(&["run", &study, &spec], 2, "needs 64 traces in the class, found 60", "at most 15");
    assert!(!Path::new(&study).exists(), "nothing was simulated for it");
}

#[test]
fn files_of_a_wrong_type_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt").to_string_lossy().into_owned();
    std::fs::write(&text, "no study, no capture\n".repeat(500)).unwrap();
    for verb in ["info", "verify", "compact"] {
        check(&[verb, &text], 2, "no redb database", "");
    }
    check(&["nprint", &text], 2, "notes.txt", "");
    let study = small_study(folder.path());
    check(&["ingest", &study, "--dataset", "d", "--class", "c", &text], 2, "notes.txt", "");
    check(&["ingest", &study, "--dataset", "d", "--class", "c", "missing.pcap"], 2, "missing.pcap", "check the path");
    for name in ["a/b", "", " "] {
        check(&["ingest", &study, "--dataset", name, "--class", "c", &text], 2, "none of them `/`", "");
        check(&["ingest", &study, "--dataset", "d", "--class", name, &text], 2, "none of them `/`", "");
    }
    check(&["ingest", &study, "--dataset", "d", "--class", "c"], 2, "expected captures", "--by-folder");
    check(&["info", "missing.redb"], 2, "missing.redb", "check the path");
    check(&["verify", &study], 0, "all is well", "");
}

#[test]
fn an_answer_has_the_format_that_the_ending_of_its_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    let written = |name: &str, more: &[&str]| {
        let path = folder.path().join(name).to_string_lossy().into_owned();
        let asked = ["sql", &study, "-c", "SELECT 1 AS a, 'x' AS b", "-o", &path];
        run_ok(&[&asked, more].concat());
        std::fs::read_to_string(path).unwrap()
    };
    assert_eq!(written("a.csv", &[]), "a,b\n1,x\n");
    assert_eq!(written("a.tsv", &[]), "a\tb\n1\tx\n");
    assert_eq!(written("a.jsonl", &[]), "{\"a\":1,\"b\":\"x\"}\n");
    assert_eq!(written("b.csv", &["--format", "tsv"]), "a\tb\n1\tx\n");
    assert!(written("a.md", &[]).starts_with("| a |") && written("a.txt", &[]).contains("a"));
}

#[test]
fn the_same_file_twice_adds_nothing_and_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    let path = run_ok(&[
        "simulate",
        "--out",
        &captures.to_string_lossy(),
        "--dataset",
        "vca",
        "--class",
        "meet",
        "--flows",
        "12",
    ]);
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let arguments = ["ingest", &study, "--dataset", "vca", "--by-folder", &captures.to_string_lossy()];
    let (code, _, first) = run(&arguments);
    assert_eq!(code, 0, "{first}");
    assert!(first.contains("added 1 captures (0 were there already, 0 refused): 12 traces"), "{first}");
    let (_, _, again) = run(&arguments);
    assert!(again.contains("added 0 captures (1 were there already"), "{again}");
    let out = folder.path().join("back.pcap").to_string_lossy().into_owned();
    let name = Path::new(path.trim()).file_name().unwrap().to_string_lossy().into_owned();
    run_ok(&["export", &study, "capture", &name, "-o", &out]);
    assert_eq!(std::fs::read(out).unwrap(), std::fs::read(path.trim()).unwrap());
}

#[test]
fn a_captures_bytes_are_left_out_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures").to_string_lossy().into_owned();
    run_ok(&["simulate", "--out", &captures, "--dataset", "os", "--class", "mac", "--flows", "12"]);
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    run_ok(&["ingest", &study, "--dataset", "os", "--by-folder", &captures, "--no-keep-captures"]);
    check(&["export", &study, "capture", "os-mac-0.pcap"], 2, "were not kept", "");
    assert!(run_ok(&["info", &study]).contains("0 objects"));
}

#[test]
fn a_study_that_may_not_be_written_is_read_all_the_same() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    std::fs::set_permissions(&study, std::fs::Permissions::from_mode(0o444)).unwrap();
    // Root can write read-only files: the child runs without the capability for it (CAP_DAC_OVERRIDE).
    let tool = env!("CARGO_BIN_EXE_syntrace");
    let mut command = std::process::Command::new("setpriv");
    command.args(["--inh-caps=-dac_override", "--bounding-set=-dac_override", tool]);
    command.args(["simulate", &study, "--dataset", "os", "--class", "ubuntu", "--flows", "20"]);
    let Ok(output) = command.finish() else {
        crate::common::skip(
            "setpriv",
            format_args!("a_study_that_may_not_be_written_is_read_all_the_same: setpriv is not here"),
        );
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if stderr.starts_with("setpriv") {
        crate::common::skip("setpriv", format_args!("a_study_that_may_not_be_written_is_read_all_the_same: {stderr}"));
        return;
    }
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("ermission") && stderr.contains("hint: check the permissions"), "{stderr}");
    assert!(run_ok(&["info", &study]).contains("os/mac"));
}

#[test]
fn a_full_disk_is_said_and_the_study_is_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    // A limit on the file's size stands in for a disk without space: both fail redb's write.
    let blocks = std::fs::metadata(&study).unwrap().len() / 1024;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_syntrace")]);
    command.args(["simulate", &study, "--dataset", "vca", "--flows", "400"]);
    let output = command.finish().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("every finished job is stored"), "{stderr}");
    check(&["verify", &study], 0, "all is well", "");
    run_ok(&["simulate", &study, "--dataset", "vca", "--flows", "400"]);
}

#[test]
fn a_second_process_reads_while_the_first_holds_the_study_for_writing() {
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    let writer = syntrace::store::StoreWriter::open_or_create(Path::new(&study), 1 << 24).unwrap();
    assert_eq!(run_ok(&["sql", &study, "-c", "SELECT count(*) AS n FROM traces", "--format", "csv"]), "n\n20\n");
    check(
        &["simulate", &study, "--dataset", "os", "--class", "ubuntu"],
        75,
        "being written by another process",
        "work while it is running",
    );
    drop(writer);
}

/// The same file afterwards, byte for byte: it may be evidence, or be compared with a digest. So also where a page
/// is damaged; `compact` leaves such a file alone, since its packed copy would pass for a right one.
#[test]
fn verify_changes_nothing_and_compact_refuses_damage() {
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    let whole = std::fs::read(&study).unwrap();
    run_ok(&["verify", &study]);
    assert!(std::fs::read(&study).unwrap() == whole, "`verify` wrote to the study");
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut damaged = whole.clone();
        damaged[at] ^= 16;
        std::fs::write(&study, &damaged).unwrap();
        if run(&["verify", &study]).0 == 0 {
            continue;
        }
        assert!(std::fs::read(&study).unwrap() == damaged, "byte {at}: `verify` wrote to the study");
        let (code, _, stderr) = run(&["compact", &study]);
        assert!(code != 0, "byte {at} was packed: {stderr}");
        assert!(std::fs::read(&study).unwrap() == damaged, "byte {at}: `compact` wrote to the study");
        refused += 1;
    }
    assert!(refused > 5, "only {refused} were damaged");
    std::fs::write(&study, &whole[..whole.len() / 2]).unwrap();
    let (code, _, stderr) = run(&["compact", &study]);
    assert!(code != 0 && !stderr.contains("run the same command again"), "{stderr}");
}

/// Whatever pages say of each other: damage and no panic, and `verify` says so too.
#[test]
fn pages_in_each_others_places_are_damage_and_no_panic() {
    const PAGE: usize = 4096;
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    let whole = std::fs::read(&study).unwrap();
    let pages = whole.len() / PAGE;
    let mut found = 0;
    for step in [1, 7, 23, 41] {
        for page in (0..pages).step_by(pages / 20 + 1) {
            let mut damaged = whole.clone();
            let other = (page + step) % pages;
            damaged.copy_within(other * PAGE..(other + 1) * PAGE, page * PAGE);
            std::fs::write(&study, &damaged).unwrap();
            for verb in
                [["verify", &study].as_slice(), &["info", &study], &["sql", &study, "-c", "SELECT * FROM traces"]]
            {
                let (code, _, stderr) = run(verb);
                assert!(
                    (0..=3).contains(&code) && !stderr.contains("panicked"),
                    "{page} from {other}: {verb:?} {code} {stderr}"
                );
                found += u32::from(code != 0);
            }
        }
    }
    assert!(found > 20, "only {found} were damage");
    // A byte more is damage to whoever writes, so it is damage to `verify`.
    std::fs::write(&study, [whole.as_slice(), &[0]].concat()).unwrap();
    let (code, stdout, stderr) = run(&["verify", &study]);
    assert_eq!(code, 1, "{stdout}{stderr}");
}

#[test]
fn sizes_beyond_any_machine_are_refused_before_anything_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let budgets =
        format!("epsilon = [{}]", (1..100).map(|budget| format!("{budget}.0")).collect::<Vec<_>>().join(", "));
    for (from, to, wanted) in [
        ("shadows = 2", "shadows = 1000000000", "`split.shadows` must be at most 4096"),
        ("flows = 60", "flows = 4294967295", "`dataset.simulate.flows` must be at most 10000000"),
        ("packets = 3", "packets = 4294967295", "`traces.packets` must be at most 1000000"),
        ("traces = 4", "traces = 4294967295", "`synthesis.traces` must be at most 10000000"),
        ("epsilon = [4.0]", budgets.as_str(), "must have at most 64 budgets"),
        ("layers = 1", "layers = 9223372036854775807", "`layers` must be at most 4096"),
        ("[generator.netssm]", "[generator.\"../../x\"]\nfamily = \"netssm\"", "expected 1 to 64 letters"),
    ] {
        let spec = write_spec(folder.path(), &TINY_SPEC.replace(from, to));
        check(&["plan", &study, &spec], 2, wanted, "");
    }
}

#[test]
fn traffic_of_another_origin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let captures = folder.path().join("captures").to_string_lossy().into_owned();
    run_ok(&["simulate", "--out", &captures, "--dataset", "vca", "--flows", "5"]);
    let capture = |class: &str| format!("{captures}/{class}/vca-{class}-0.pcap");
    run_ok(&["ingest", &study, "--dataset", "vca", "--class", "meet", "--public", &capture("meet")]);
    let message = "the class vca/meet of this study is public, and this traffic would be";
    let private = ["ingest", &study, "--dataset", "vca", "--class", "meet", &capture("teams")];
    check(&private, 2, message, "a class has one origin");
    check(&["simulate", &study, "--dataset", "vca", "--class", "meet"], 2, message, "a class has one origin");
    run_ok(&["ingest", &study, "--dataset", "vca", "--class", "meet", "--public", &capture("teams")]);
    // Nor does a spec make public what came in as private.
    run_ok(&["ingest", &study, "--dataset", "own", "--class", "a", &capture("webex")]);
    let public = "[[dataset]]\nname = \"own\"\npublic = true\n[traces]";
    let spec = write_spec(
        folder.path(),
        &TINY_SPEC
            .replace("[traces]", public)
            .replace("netssm", "netdiffusion")
            .replace("width = 16\nlayers = 1\n", "start = \"study\"\n"),
    );
    check(&["plan", &study, &spec], 2, "holds its class `a` as captured traffic", "--public");
}

/// A run goes on when whoever read its progress has left, and what cannot be printed is an error and no panic.
#[test]
fn output_that_nobody_reads_ends_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let mut child =
        syntrace().args(["run", &study, &spec, "--quiet"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.finish().unwrap().status.success());
    let again = run_ok(&["plan", &study, &spec]);
    let counts = |kind: &str| -> Vec<u32> {
        let line = again.lines().find(|line| line.starts_with(kind)).unwrap_or_default();
        line.split_whitespace().skip(1).filter_map(|count| count.parse().ok()).collect()
    };
    assert_eq!(counts("train"), [2, 2, 0], "trained models stay in the counts:\n{again}");
    assert_eq!(counts("attribute"), [6, 6, 0], "{again}");
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = syntrace().args(["info", &study]).stdout(full).stderr(std::process::Stdio::piped()).spawn();
        let output = output.unwrap().finish().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with("error: cannot write to standard output"), "{stderr}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let study = small_study(folder.path());
    let mut child = syntrace()
        .args(["export", &study, "nprint", "--dataset", "os", "--class", "mac"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.finish().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// The link keeps pointing to the study. Following it makes libc hand over memory (`realpath`) that our allocator
/// frees: the process would end here if libc allocated with another one.
#[cfg(unix)]
#[test]
fn compact_packs_the_study_that_a_link_names_and_leaves_the_link() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (small_study(folder.path()), folder.path().join("link.redb"));
    let study = Path::new(&path);
    std::os::unix::fs::symlink(study, &link).unwrap();
    run_ok(&["compact", &link.to_string_lossy()]);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!std::fs::symlink_metadata(study).unwrap().is_symlink());
    assert_eq!(
        run_ok(&["sql", &path, "--format", "csv", "-c", "SELECT count(*) > 0 FROM traces"]).lines().nth(1),
        Some("true")
    );
}

/// redb grows a file ahead of its content; a run gives that back at its end.
#[cfg(feature = "torch")]
#[test]
fn a_run_leaves_a_packed_study() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(folder.path(), TINY_SPEC);
    let (code, _, stderr) = run(&["run", &study, &spec, "--quiet"]);
    assert!(code == 0 && stderr.contains("packed, "), "{stderr}");
    let size = || std::fs::metadata(&study).unwrap().len();
    let after_run = size();
    run_ok(&["verify", &study]);
    run_ok(&["compact", &study]);
    assert!(after_run <= size() + size() / 20, "{after_run} after the run, {} packed again", size());
    // A run that finds nothing to do leaves the file alone.
    let (code, _, stderr) = run(&["run", &study, &spec, "--quiet"]);
    assert!(code == 0 && !stderr.contains("packed, "), "{stderr}");
}

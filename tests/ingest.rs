//! Captures into a study: how files are found, named and kept.

use crate::common::{Finish, run, run_ok, syntrace};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use syntrace::base::NoProgress;
use syntrace::error::ErrorKind;
use syntrace::pipeline::{CaptureInput, IngestOptions, default_cut, ingest_files};
use syntrace::record::Origin;
use syntrace::store::{Store, StoreWriter};

const CACHE: usize = 16 << 20;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self.at(name)
    }
}

/// A capture of eight flows, another one for each seed.
fn capture(seed: u64) -> Vec<u8> {
    syntrace::pipeline::simulated_capture("os", "mac", 8, seed).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn answer(study: &str, sql: &str) -> String {
    run_ok(&["sql", study, "--format", "csv", "-c", sql]).trim_end().to_owned()
}

fn options(class: &str) -> IngestOptions {
    IngestOptions { dataset: "os".to_owned(), class: class.to_owned(), origin: Origin::Captured, traces: default_cut() }
}

#[test]
fn a_folder_gives_every_capture_rotated_or_packed_and_names_what_it_passes_over() {
    let folder = Folder::new();
    for (name, bytes) in [
        ("in/web/day.pcap", capture(1)),
        ("in/web/day.pcap1", capture(2)),
        ("in/web/day.pcap.2", capture(3)),
        ("in/web/deep/day.pcap.gz.3", gzip(&capture(4))),
        ("in/voip/day.pcap.zst", zstd::encode_all(capture(5).as_slice(), 3).unwrap()),
        ("in/voip/no-ending", gzip(&capture(6))),
        ("in/voip/notes.txt", b"not a capture".to_vec()),
        ("in/empty/readme", b"not a capture".to_vec()),
        ("in/loose.pcap", capture(7)),
    ] {
        folder.write(name, &bytes);
    }
    let study = folder.at("s");
    // Sub-folders are classes with --by-folder, and where no class is named.
    for arguments in [vec!["--by-folder", "in"], vec!["in"]] {
        let arguments: Vec<String> =
            arguments.iter().map(|text| if *text == "in" { folder.at("in") } else { (*text).to_owned() }).collect();
        let mut all = vec!["ingest", &study, "--dataset", "os"];
        all.extend(arguments.iter().map(String::as_str));
        let (code, _, stderr) = run(&all);
        assert_eq!(code, 0, "{stderr}");
        for passed in ["in/voip/notes.txt", "in/empty/readme", "in/empty`: no capture", "in/loose.pcap`: it is in no"] {
            assert!(stderr.lines().any(|line| line.starts_with("passed over `") && line.contains(passed)), "{stderr}");
        }
        assert!(stderr.contains("6 were there already") || stderr.contains("added 6 captures (0"), "{stderr}");
    }
    let classes = answer(&study, "SELECT class, count(DISTINCT capture_id) AS n FROM traces GROUP BY 1 ORDER BY 1");
    assert_eq!(classes, "class,n\nvoip,2\nweb,4");
    // With a class, the whole folder is of it; what comes back is what was packed.
    run_ok(&["ingest", &study, "--dataset", "x", "--class", "all", &folder.at("in")]);
    assert_eq!(answer(&study, "SELECT count(*) AS n FROM captures"), "n\n7");
    run_ok(&["export", &study, "capture", "day.pcap.gz.3", "-o", &folder.at("back.pcap")]);
    assert_eq!(std::fs::read(folder.at("back.pcap")).unwrap(), capture(4));
    run_ok(&["verify", &study]);
    // A spec that names the folder finds the same jobs done.
    let text = format!(
        "name = \"x\"\n[[dataset]]\nname = \"os\"\nfolder = {:?}\n[split]\nmembers = 2\nshadows = 1\n[generator.markov]\n",
        folder.at("in")
    );
    let (code, plan, stderr) = run(&["plan", &study, &folder.write("spec.toml", text.as_bytes())]);
    assert_eq!(code, 0, "{stderr}");
    let ingest: Vec<&str> = plan.lines().find(|line| line.starts_with("ingest")).unwrap().split_whitespace().collect();
    assert_eq!(ingest, ["ingest", "6", "6", "0"], "{plan}");
    assert!(stderr.contains("passed over"), "{stderr}");
}

fn ingest_stream(study: &str, bytes: &[u8], name: &[&str]) -> (i32, String) {
    let mut command = syntrace();
    command.args(["ingest", study, "-", "--dataset", "os", "--class", "mac"]).args(name);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.finish().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_capture_comes_in_on_standard_input_packed_or_not() {
    let folder = Folder::new();
    let study = folder.at("s");
    let (code, stderr) = ingest_stream(&study, &gzip(&capture(1)), &["--name", "live.pcap"]);
    assert!(code == 0 && stderr.contains("added 1 captures"), "{stderr}");
    let (code, stderr) = ingest_stream(&study, &capture(1), &[]);
    assert!(code == 0 && stderr.contains("1 were there already"), "{stderr}");
    assert_eq!(answer(&study, "SELECT name FROM capture_names ORDER BY 1"), "name\nlive.pcap\nstdin");
    run_ok(&["export", &study, "capture", "live.pcap", "-o", &folder.at("back.pcap")]);
    assert_eq!(std::fs::read(folder.at("back.pcap")).unwrap(), capture(1));
    let left: Vec<_> = std::fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing is left of the stream: {left:?}");
}

/// Also where several threads come to them at once.
#[test]
fn equal_bytes_under_several_names_are_one_capture_with_all_names() {
    let folder = Folder::new();
    for round in 0..10 {
        let study = folder.at(&format!("s{round}"));
        let files: Vec<String> =
            (0..8).map(|number| folder.write(&format!("{round}-{number}.pcap"), &capture(number / 4))).collect();
        let mut arguments = vec!["ingest", &study, "--dataset", "os", "--class", "mac"];
        arguments.extend(files.iter().map(String::as_str));
        let (code, _, stderr) = run(&arguments);
        assert!(code == 0 && stderr.contains("added 2 captures (6 were there already, 0 refused)"), "{stderr}");
        assert!(stderr.contains(&format!("{round}-3.pcap` holds the same capture as `{round}-0.pcap`")), "{stderr}");
        let names = answer(&study, "SELECT name FROM captures ORDER BY 1");
        assert_eq!(names, format!("name\n{round}-0.pcap\n{round}-4.pcap"), "the first of each in the order given");
        assert_eq!(answer(&study, "SELECT count(*) AS n FROM capture_names"), "n\n8");
        let back = folder.at(&format!("back{round}.pcap"));
        run_ok(&["export", &study, "capture", &format!("{round}-7.pcap"), "-o", &back]);
        assert_eq!(std::fs::read(back).unwrap(), capture(1));
        run_ok(&["verify", &study]);
        run_ok(&["compact", &study]);
        assert_eq!(answer(&study, "SELECT count(*) AS n FROM capture_names"), "n\n8");
    }
}

/// The classes of a spec are ingested side by side, by jobs of their own.
#[test]
fn equal_bytes_in_several_classes_are_one_capture_cut_for_each() {
    let folder = Folder::new();
    for class in ["a", "b", "c", "d"] {
        folder.write(&format!("in/{class}/{class}.pcap"), &capture(1));
    }
    let text = format!(
        "name = \"x\"\n[[dataset]]\nname = \"os\"\nfolder = {:?}\n[split]\nmembers = 2\nshadows = 1\n[generator.markov]\n",
        folder.at("in")
    );
    let spec = folder.write("spec.toml", text.as_bytes());
    for round in 0..5 {
        let study = folder.at(&format!("s{round}"));
        run_ok(&["run", &study, &spec, "--threads", "4", "--quiet"]);
        assert_eq!(answer(&study, "SELECT count(*) AS n FROM captures"), "n\n1");
        assert_eq!(answer(&study, "SELECT count(*) AS n FROM capture_names"), "n\n4");
        run_ok(&["verify", &study]);
    }
}

#[test]
fn bytes_that_were_left_out_are_kept_by_a_later_ingest() {
    let folder = Folder::new();
    let (study, file) = (folder.at("s"), folder.write("day.pcap", &capture(1)));
    let ingest = ["ingest", &study, "--dataset", "os", "--class", "mac", &file];
    run_ok(&[&ingest[..], &["--no-keep-captures"]].concat());
    assert_eq!(answer(&study, "SELECT kept FROM captures"), "kept\nfalse");
    let (code, _, stderr) = run(&ingest);
    assert!(code == 0 && stderr.contains("its bytes are kept since now"), "{stderr}");
    assert_eq!(answer(&study, "SELECT kept FROM captures"), "kept\ntrue");
    run_ok(&["export", &study, "capture", "day.pcap", "-o", &folder.at("back.pcap")]);
    assert_eq!(std::fs::read(folder.at("back.pcap")).unwrap(), capture(1));
    // Once more, and without: nothing changes.
    let before = answer(&study, "SELECT job_id FROM jobs ORDER BY 1");
    run_ok(&ingest);
    run_ok(&[&ingest[..], &["--no-keep-captures"]].concat());
    assert_eq!(answer(&study, "SELECT job_id FROM jobs ORDER BY 1"), before);
    run_ok(&["verify", &study]);
}

#[test]
fn an_ingest_in_which_all_was_refused_leaves_no_study_behind() {
    let folder = Folder::new();
    let text = folder.write("notes.txt", b"no capture");
    let study = folder.at("s");
    for file in [text.as_str(), "missing.pcap"] {
        let (code, _, stderr) = run(&["ingest", &study, "--dataset", "os", "--class", "mac", file]);
        assert!(code == 2 && stderr.contains("1 refused"), "{stderr}");
        assert!(!Path::new(&study).exists());
    }
    let (code, _, _) = run(&["simulate", &study, "--dataset", "os", "--class", "nope"]);
    assert!(code == 2 && !Path::new(&study).exists());
    // A study that was there stays, and so does one that something came into.
    let good = folder.write("day.pcap", &capture(1));
    let (code, _, _) = run(&["ingest", &study, "--dataset", "os", "--class", "mac", &text, &good]);
    assert!(code == 2 && Path::new(&study).exists());
    run(&["ingest", &study, "--dataset", "os", "--class", "mac", &text]);
    assert_eq!(answer(&study, "SELECT count(*) AS n FROM captures"), "n\n1");
}

#[test]
fn studies_that_know_one_capture_under_two_names_merge() {
    let folder = Folder::new();
    let study = |name: &str, file: &str, keep: bool| {
        let (path, file) = (folder.at(name), folder.write(file, &capture(1)));
        let keep = if keep { [].as_slice() } else { &["--no-keep-captures"] };
        run_ok(&[&["ingest", &path, "--dataset", "os", "--class", "mac", &file][..], keep].concat());
        path
    };
    let (a, b, c) = (study("a", "a.pcap", false), study("b", "b.pcap", true), study("c", "c.pcap", true));
    for source in [&b, &c, &b] {
        assert_eq!(run_ok(&["merge", &a, source]), "", "no conflict");
    }
    let facts = "SELECT name, kept FROM captures";
    assert_eq!(answer(&a, facts), "name,kept\na.pcap,true", "the destination's name, the source's bytes");
    assert_eq!(answer(&a, "SELECT name FROM capture_names ORDER BY 1"), "name\na.pcap\nb.pcap\nc.pcap");
    run_ok(&["export", &a, "capture", "c.pcap", "-o", &folder.at("back.pcap")]);
    run_ok(&["verify", &a]);
    assert_eq!(run_ok(&["merge", &folder.at("fresh"), &a]), "");
    assert_eq!(answer(&folder.at("fresh"), "SELECT name FROM capture_names ORDER BY 1").lines().count(), 4);
}

#[test]
fn a_study_that_is_deleted_or_replaced_while_it_is_written_is_noticed() {
    let folder = Folder::new();
    let files: Vec<PathBuf> =
        (0..3).map(|number| PathBuf::from(folder.write(&format!("{number}.pcap"), &capture(number)))).collect();
    let inputs: Vec<CaptureInput> = files.iter().map(|path| CaptureInput::file(path)).collect();
    for replaced in [false, true] {
        let path = PathBuf::from(folder.at("s"));
        let _ = std::fs::remove_file(&path);
        let store = StoreWriter::open_or_create(&path, CACHE).unwrap();
        assert!(ingest_files(&store, &options("a"), &inputs[..1], &NoProgress).unwrap()[0].is_ok());
        std::fs::remove_file(&path).unwrap();
        if replaced {
            drop(StoreWriter::open_or_create(&path, CACHE).unwrap());
        }
        let error = ingest_files(&store, &options("a"), &inputs, &NoProgress).unwrap_err();
        let what = if replaced { "the study file was replaced during" } else { "the study file was deleted during" };
        assert!(error.kind() == ErrorKind::User && error.to_string().contains(what), "{error}");
        assert!(!store.remove_if_unused().unwrap());
        assert_eq!(path.exists(), replaced, "what took its place stays");
    }
    // Packing a study gives it another file, and is no replacement.
    let path = PathBuf::from(folder.at("packed"));
    let mut store = StoreWriter::open_or_create(&path, CACHE).unwrap();
    ingest_files(&store, &options("a"), &inputs[..1], &NoProgress).unwrap();
    store.compact().unwrap();
    assert!(ingest_files(&store, &options("a"), &inputs, &NoProgress).unwrap().iter().all(Result::is_ok));
    drop(store);
    assert_eq!(Store::open(&path, CACHE).unwrap().snapshot().unwrap().captures().unwrap().len(), 3);
}

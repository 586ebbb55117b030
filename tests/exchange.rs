//! Studies as files that are passed around: merging, sharing, comparing, exporting.

use crate::common::{run, run_ok};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syntrace::base::{ClassId, JobId, NoProgress, SplitId};
use syntrace::record::{ClassRecord, JobKind, JobRecord, Origin, Role, SplitRecord};
use syntrace::store::schema::{SEGMENT_TABLES, SPLIT_TRACES, TRACES};
use syntrace::store::{JobResult, MergeReport, NewObject, NewSegment, Store, StoreWriter};

const CACHE: usize = 16 << 20;
/// Jobs of the made-up study that merges are tested with.
const JOBS: i64 = 10;

fn noise(length: usize, seed: u64) -> Vec<u8> {
    use rand::Rng;
    let mut bytes = vec![0; length];
    syntrace::base::Seed::root(seed).rng().fill_bytes(&mut bytes);
    bytes
}

fn class(number: i64, origin: Origin) -> ClassRecord {
    ClassRecord { class_id: ClassId(100 + number), dataset: "os".to_owned(), class: format!("c{number}"), origin }
}

fn split_rows(first: i64, rows: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows));
    let parts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|_| "member")));
    RecordBatch::try_from_iter([("trace_id", ids), ("part", parts)]).unwrap()
}

/// Job `number` of the made-up study, done at `clock`: reads job `number / 2`, writes a class that
/// others write as well, a split with rows and a blob that job `number + 3` writes as well.
fn job(number: i64, clock: i64, first_row: i64) -> JobResult {
    let mut result = JobResult::new(JobRecord {
        job_id: JobId(number),
        kind: JobKind::Split,
        label: format!("job {number}"),
        spec: format!("{{\"number\":{number}}}"),
        inputs: if number > 1 { vec![number / 2] } else { vec![] },
        seed: 1,
        code_version: 1,
        program: "test".to_owned(),
        started_us: clock,
        finished_us: clock + 1,
        threads: clock as u32,
        outputs: vec![],
    });
    let class = class(number % 3, Origin::Captured);
    let class_id = class.class_id;
    result.classes.push(class);
    let split_id = SplitId(1000 + number);
    let role = Role::Target;
    result.splits.push(SplitRecord { split_id, class_id, role, members: 9, held_out: 0, pool_digest: [0; 32] });
    result.segments.push(NewSegment { table: &SPLIT_TRACES, partition: split_id.0, rows: split_rows(first_row, 9) });
    result.objects.push(NewObject { kind: "weights", bytes: noise(5000, (number % 3) as u64) });
    result
}

fn study(path: &Path, jobs: &[i64], clock: i64) -> PathBuf {
    let store = StoreWriter::open_or_create(path, CACHE).unwrap();
    for number in jobs {
        store.commit(job(*number, clock, 50 * number)).unwrap();
    }
    path.to_owned()
}

fn merge(destination: &Path, source: &Path) -> MergeReport {
    let store = StoreWriter::open_or_create(destination, CACHE).unwrap();
    store.merge(&Store::open(source, CACHE).unwrap().snapshot().unwrap(), &[], &NoProgress).unwrap()
}

/// Everything that a study holds but wall clocks; fails where `verify` finds anything.
fn content(path: &Path) -> BTreeSet<String> {
    let snapshot = Store::open(path, CACHE).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.verify().findings, vec![]);
    let mut content = BTreeSet::new();
    for job in snapshot.jobs().unwrap() {
        content.insert(format!("{} {} {:?} {:?}", job.job_id, job.spec, job.inputs, job.outputs));
    }
    content.extend(snapshot.classes().unwrap().iter().map(|record| format!("{record:?}")));
    content.extend(snapshot.splits().unwrap().iter().map(|record| format!("{record:?}")));
    content.extend(snapshot.objects().unwrap().iter().map(|record| format!("{record:?}")));
    for table in SEGMENT_TABLES {
        content.extend(snapshot.segments(table).unwrap().iter().map(|record| format!("{record:?}")));
    }
    content
}

fn chosen(mask: u16) -> Vec<i64> {
    (1..=JOBS).filter(|number| mask & (1 << number) != 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Any three overlapping parts of one study, in any order and grouping, give the same union; merging
    /// again adds nothing. The slow twin: the study whose jobs were all done in one file.
    #[test]
    fn union_does_not_depend_on_order_grouping_or_repetition(a in 0u16..2048, b in 0u16..2048, c in 0u16..2048) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let whole = study(&at("whole"), &chosen(a | b | c), 1);
        let [a, b, c] = [("a", a, 2), ("b", b, 3), ("c", c, 4)].map(|(name, mask, clock)| study(&at(name), &chosen(mask), clock));
        for source in [&a, &b, &c] {
            merge(&at("left"), source);
        }
        merge(&at("inner"), &c);
        merge(&at("inner"), &b);
        merge(&at("right"), &at("inner"));
        merge(&at("right"), &a);
        let left = content(&at("left"));
        prop_assert_eq!(&left, &content(&at("right")));
        prop_assert_eq!(&left, &content(&whole));
        let again = merge(&at("left"), &b);
        prop_assert_eq!((again.added, again.bytes, again.conflicts.len(), again.blocked.len()), (0, 0, 0, 0));
        prop_assert_eq!(left, content(&at("left")));
    }
}

/// The same id with other content: reported in both directions, nothing overwritten, what builds on it
/// stays behind, what does not is taken over.
#[test]
fn conflicts_are_reported_and_their_followers_stay_behind() {
    let folder = tempfile::tempdir().unwrap();
    let here = study(&folder.path().join("here"), &[1, 2], 1);
    let there = folder.path().join("there");
    {
        let store = StoreWriter::open_or_create(&there, CACHE).unwrap();
        for (number, first_row) in [(1, 50), (2, 7777), (3, 150), (4, 200), (5, 250), (8, 400)] {
            store.commit(job(number, 1, first_row)).unwrap();
        }
    }
    let before = content(&here);
    let report = merge(&here, &there);
    assert_eq!(report.conflicts.iter().map(|conflict| conflict.job.as_str()).collect::<Vec<_>>(), ["job 2"]);
    assert!(report.conflicts[0].place.starts_with("table splits, partition 1002"), "{:?}", report.conflicts);
    assert_eq!(report.blocked, ["job 4", "job 5", "job 8"]);
    assert_eq!((report.added, report.present), (1, 1));
    assert!(content(&here).is_superset(&before));

    let (code, stdout, _) = run(&["merge", &there.to_string_lossy(), &here.to_string_lossy()]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("conflict: "), "{stdout}");
}

/// Private traces must not slip under a class that the other study calls public.
#[test]
fn traces_of_a_class_with_another_origin_are_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let with = |path: &Path, number: i64, origin, traces: bool| {
        let mut result = job(number, 1, 50 * number);
        // Of two jobs of one class the first alone writes the class's record.
        result.classes = if traces { vec![] } else { vec![class(number % 3, origin)] };
        if traces {
            let rows = RecordBatch::new_empty(syntrace::store::arrow_schema(&TRACES));
            result.segments.push(NewSegment { table: &TRACES, partition: 100 + number % 3, rows });
        }
        StoreWriter::open_or_create(path, CACHE).unwrap().commit(result).unwrap();
    };
    with(&here, 6, Origin::Public, false);
    with(&there, 3, Origin::Captured, false);
    with(&there, 9, Origin::Captured, true);
    let report = merge(&here, &there);
    let labels: Vec<&str> = report.conflicts.iter().map(|conflict| conflict.job.as_str()).collect();
    assert_eq!(labels, ["job 3", "job 9"], "{report:?}");
    assert!(report.conflicts.iter().all(|conflict| conflict.place == "classes, key 100"));
}

/// Of two captures of one class the first brings the class's record: where it conflicts, the second has no
/// class to belong to and stays behind, in whatever order the jobs come.
#[test]
fn a_capture_whose_class_stays_behind_stays_behind_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    run_ok(&["simulate", "--out", &at("caps"), "--dataset", "vca", "--flows", "5"]);
    let captures: Vec<String> =
        ["meet/vca-meet-0.pcap", "teams/vca-teams-0.pcap"].iter().map(|name| at(&format!("caps/{name}"))).collect();
    for (round, first) in [0, 1].into_iter().enumerate() {
        let (here, there) = (at(&format!("here{round}")), at(&format!("there{round}")));
        for capture in [&captures[first], &captures[1 - first]] {
            run_ok(&["ingest", &there, "--dataset", "x", "--class", "meet", capture]);
        }
        // A study that says something else of the first capture.
        let snapshot = Store::open(Path::new(&there), CACHE).unwrap().snapshot().unwrap();
        let name = Path::new(&captures[first]).file_name().unwrap().to_string_lossy();
        let mut other = snapshot.captures().unwrap().into_iter().find(|capture| capture.name == name).unwrap();
        other.packets += 1;
        other.kept = false;
        let mut result = JobResult { classes: vec![], splits: vec![], segments: vec![], ..job(1, 1, 1) };
        result.captures.push(other);
        StoreWriter::open_or_create(Path::new(&here), CACHE).unwrap().commit(result).unwrap();
        let (code, stdout, stderr) = run(&["merge", &here, &there]);
        assert_eq!(code, 1, "{stdout}{stderr}");
        let lines: Vec<&str> = stdout.lines().collect();
        assert!(lines[0].starts_with("conflict: ") && lines[1].starts_with("left behind: "), "{stdout}");
        assert_eq!(lines.len(), 2, "{stdout}");
        assert!(stderr.contains("0 jobs taken over"), "{stderr}");
        run_ok(&["verify", &here]);
        // Without the conflict both come, the class with the one that has it.
        let fresh = at(&format!("fresh{round}"));
        run_ok(&["merge", &fresh, &there]);
        assert_eq!(run_ok(&["merge", &fresh, &there]), "");
        run_ok(&["verify", &fresh]);
    }
}

/// A redacted copy stays one: nothing that was not redacted comes into it.
#[test]
fn nothing_is_added_to_a_redacted_copy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    run_ok(&["simulate", &at("s"), "--dataset", "vca", "--class", "meet", "--flows", "5"]);
    run_ok(&["export", &at("s"), "share", "-o", &at("copy")]);
    for verb in [
        vec!["simulate", &at("copy"), "--dataset", "os", "--class", "mac", "--flows", "5"],
        vec!["ingest", &at("copy"), "--dataset", "os", "--class", "mac", "no.pcap"],
        vec!["merge", &at("copy"), &at("s")],
    ] {
        let (code, stdout, stderr) = run(&verb);
        assert!(code == 2 && stderr.contains("is a redacted copy"), "{verb:?}: {stdout}{stderr}");
    }
    assert_eq!(run_ok(&["sql", &at("copy"), "--format", "csv", "-c", "SELECT count(*) AS n FROM traces"]), "n\n0\n");
    run_ok(&["verify", &at("copy")]);
    run_ok(&["compact", &at("copy")]);
    assert!(run_ok(&["info", &at("copy")]).contains("redacted"));
}

/// One flipped byte of a blob in the source: an error that names it, and the destination stays whole.
#[test]
fn damage_of_the_source_does_not_come_over() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), study(&folder.path().join("there"), &[1, 2, 3], 1));
    let mut bytes = std::fs::read(&there).unwrap();
    let blob = noise(5000, 2);
    // Pages of earlier transactions may hold it as well.
    let places: Vec<usize> =
        bytes.windows(32).enumerate().filter(|(_, window)| *window == &blob[100..132]).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&there, bytes).unwrap();
    let store = StoreWriter::open_or_create(&here, CACHE).unwrap();
    let error = store.merge(&Store::open(&there, CACHE).unwrap().snapshot().unwrap(), &[], &NoProgress).unwrap_err();
    assert!(error.to_string().starts_with("job 2: object "), "{error}");
    drop(store);
    assert_eq!(content(&here), BTreeSet::new());
}

#[test]
fn a_study_is_not_merged_into_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = study(&folder.path().join("s"), &[1], 1).to_string_lossy().into_owned();
    let (code, _, stderr) = run(&["merge", &path, &path]);
    assert_eq!(code, 2);
    assert!(stderr.contains("destination and source"), "{stderr}");
    run_ok(&["verify", &path]);
}

#[test]
fn differences_are_shown_down_to_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (first, same, other) = (at("first"), at("same"), at("other"));
    study(Path::new(&first), &[1, 2, 3], 1);
    study(Path::new(&same), &[3, 2, 1], 9);
    let (code, stdout, stderr) = run(&["diff", &first, &same]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    {
        let store = StoreWriter::open_or_create(Path::new(&other), CACHE).unwrap();
        for (number, first_row) in [(1, 50), (2, 7000), (4, 200)] {
            store.commit(job(number, 1, first_row)).unwrap();
        }
    }
    let (code, stdout, _) = run(&["diff", &first, &other, "--rows", "2"]);
    assert_eq!(code, 1);
    for line in [
        "split               2            1            1",
        "only in the first: job 3",
        "only in the second: job 4",
        "differs: job 2",
        "    splits, row 0, trace_id: 100 | 7000",
        "    splits, row 1, trace_id: 101 | 7001",
        "    splits, further rows: not listed | not listed",
    ] {
        assert!(stdout.lines().any(|found| found == line), "`{line}` in\n{stdout}");
    }
}

/// Things that must not be found in a shared copy, by their first eight bytes.
#[derive(Default)]
struct Secrets {
    by_start: std::collections::HashMap<[u8; 8], Vec<(String, Vec<u8>)>>,
    numbers: std::collections::HashMap<String, String>,
}

impl Secrets {
    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        if let Some(start) = bytes.first_chunk::<8>() {
            self.by_start.entry(*start).or_default().push((what.to_owned(), bytes.to_vec()));
        }
    }

    fn number(&mut self, what: &str, number: i64) {
        self.bytes(what, &number.to_le_bytes());
        self.bytes(what, &number.to_be_bytes());
        self.numbers.insert(number.to_string(), what.to_owned());
    }

    /// A digest as bytes and in hexadecimal; half of it would tell as much.
    fn digest(&mut self, what: &str, digest: &[u8; 32]) {
        self.bytes(what, &digest[..16]);
        self.bytes(what, &syntrace::base::Digest(*digest).hex().as_bytes()[..32]);
    }

    /// Runs of 24 bytes from all over some content.
    fn content(&mut self, what: &str, content: &[u8]) {
        for at in (0..content.len().saturating_sub(24)).step_by(content.len() / 40 + 1) {
            let run = &content[at..at + 24];
            // Runs of few different bytes (padding) are found anywhere.
            if run.iter().collect::<BTreeSet<_>>().len() > 12 {
                self.bytes(what, run);
            }
        }
    }

    fn found_in(&self, haystack: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, window) in haystack.windows(8).enumerate() {
            let candidates = self.by_start.get(window).into_iter().flatten();
            found.extend(
                candidates.filter(|(_, secret)| haystack[at..].starts_with(secret)).map(|(what, _)| what.clone()),
            );
        }
        for run in haystack.split(|byte| !byte.is_ascii_digit()).filter(|run| run.len() > 8) {
            found.extend(std::str::from_utf8(run).ok().and_then(|run| self.numbers.get(run)).cloned());
        }
        found
    }

    /// Everything of a study that is about single traces, or from which that follows.
    /// Those of a study, but for digests of results that its shared copy holds as they are.
    fn of(study: &Path, copy: &Path, seed: i64) -> Self {
        let kept = Store::open(copy, CACHE).unwrap().snapshot().unwrap().jobs().unwrap();
        let kept: BTreeSet<[u8; 32]> =
            kept.iter().flat_map(|job| job.outputs.iter().map(|output| output.digest)).collect();
        let snapshot = Store::open(study, CACHE).unwrap().snapshot().unwrap();
        let mut secrets = Self::default();
        secrets.number("seed", seed);
        snapshot.jobs().unwrap().iter().for_each(|job| secrets.number("job id", job.job_id.0));
        snapshot.splits().unwrap().iter().for_each(|split| secrets.number("split id", split.split_id.0));
        snapshot.models().unwrap().iter().for_each(|model| secrets.number("model id", model.model_id.0));
        snapshot.attacks().unwrap().iter().for_each(|attack| secrets.number("attack id", attack.attack_id.0));
        for capture in snapshot.captures().unwrap() {
            secrets.number("capture id", capture.capture_id.0);
            secrets.number("time of a capture", capture.first_us);
            secrets.digest("digest of a capture", &capture.digest);
            secrets.bytes("capture name", capture.name.as_bytes());
        }
        snapshot.splits().unwrap().iter().for_each(|split| secrets.digest("digest of a pool", &split.pool_digest));
        for job in snapshot.jobs().unwrap() {
            for word in job.spec.split(|character: char| !character.is_ascii_hexdigit()) {
                if let Some(digest) = syntrace::base::Digest::from_hex(word) {
                    secrets.digest("digest in jobs.spec", &digest.0);
                }
            }
            for output in job.outputs.iter().filter(|output| !kept.contains(&output.digest)) {
                secrets.digest("digest of an output", &output.digest);
            }
        }
        for object in snapshot.objects().unwrap() {
            let bytes = snapshot.object(&syntrace::base::Digest(object.digest)).unwrap();
            secrets.digest(&format!("digest of {}", object.kind), &object.digest);
            secrets.content(&format!("object of kind {}", object.kind), &bytes);
        }
        for table in syntrace::pipeline::WITHHELD_TABLES {
            for segment in snapshot.segments(table).unwrap() {
                let all: Vec<usize> = (0..table.columns.len()).collect();
                for (column, array) in table.columns.iter().zip(snapshot.read_columns(table, &segment, &all).unwrap()) {
                    let what = format!("{}.{}", table.name, column.name);
                    if column.name == "trace_id" {
                        let ids = array.as_any().downcast_ref::<Int64Array>().unwrap();
                        ids.values().iter().for_each(|id| secrets.number(&what, *id));
                    }
                    array_bytes(&array).iter().for_each(|bytes| secrets.content(&what, bytes));
                }
            }
        }
        secrets
    }
}

/// The values of an array and of what it holds, as they lie in memory.
fn array_bytes(array: &ArrayRef) -> Vec<Vec<u8>> {
    let data = array.to_data();
    let mut all: Vec<Vec<u8>> = vec![];
    let mut open = vec![data];
    while let Some(data) = open.pop() {
        // Offsets of texts and lists are lengths, no content.
        let first = usize::from(matches!(
            data.data_type(),
            arrow::datatypes::DataType::Utf8 | arrow::datatypes::DataType::Binary | arrow::datatypes::DataType::List(_)
        ));
        all.extend(data.buffers().iter().skip(first).map(|buffer| buffer.as_slice().to_vec()));
        open.extend(data.child_data().iter().cloned());
    }
    all
}

/// Every byte of a study: the file as it is, and everything in it unpacked.
fn every_byte(study: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(study).unwrap();
    let snapshot = Store::open(study, CACHE).unwrap().snapshot().unwrap();
    for table in SEGMENT_TABLES {
        for segment in snapshot.segments(table).unwrap() {
            let all: Vec<usize> = (0..table.columns.len()).collect();
            for array in snapshot.read_columns(table, &segment, &all).unwrap() {
                array_bytes(&array).iter().for_each(|part| bytes.extend(part));
            }
        }
    }
    for object in snapshot.objects().unwrap() {
        bytes.extend(snapshot.object(&syntrace::base::Digest(object.digest)).unwrap());
    }
    bytes
}

const SEED: i64 = 7_239_481_729_384_612_345;

/// A trained study and an imported generator beside it.
#[cfg(feature = "torch")]
fn full_study(folder: &Path) -> String {
    use crate::common::{TINY_SPEC, fixture, write_spec};
    let path = folder.join("s.redb").to_string_lossy().into_owned();
    let spec = write_spec(
        folder,
        &TINY_SPEC
            .replace("seed = 5", &format!("seed = {SEED}"))
            .replace("packets = 3", "packets = 10")
            .replace("\"mac\"", "\"windows\""),
    );
    run_ok(&["run", &path, &spec, "--quiet"]);
    let capture = fixture("import/real/mac.pcap");
    run_ok(&["ingest", &path, "--dataset", "os", "--class", "mac", &capture.to_string_lossy()]);
    run_ok(&["import", &path, &fixture("import").to_string_lossy()]);
    path
}

/// A mean of a few f64 in another order.
const SUM_ROUNDING: f64 = 1e-12;

/// Names of files, classes and datasets may hold spaces: which part of a label is the file's, only the spec says.
#[test]
fn no_part_of_a_captures_name_is_in_a_shared_copy() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let capture = syntrace::pipeline::simulated_capture("os", "mac", 5, 1).unwrap();
    for name in ["Zoltan Quixote at home.pcap", "again by Zoltan.pcap"] {
        std::fs::write(at(name), &capture).unwrap();
        let ingest = ["ingest", &at("s"), "--dataset", "my set", "--class", "two words", &at(name)];
        run_ok(&[&ingest[..], if name.starts_with('Z') { &["--no-keep-captures"] } else { &[] }].concat());
    }
    run_ok(&["export", &at("s"), "share", "-o", &at("copy")]);
    let is_in =
        |file: &str, text: &str| every_byte(Path::new(&at(file))).windows(text.len()).any(|at| at == text.as_bytes());
    for part in ["Zoltan", "Quixote", "at home"] {
        assert!(is_in("s", part) && !is_in("copy", part), "{part}");
    }
    let labels = run_ok(&["sql", &at("copy"), "--format", "csv", "-c", "SELECT label FROM jobs ORDER BY 1"]);
    assert_eq!(labels, "label\ningest\ningest my set/two words\n");
    // An exact size confirms a guess about a file.
    for sizes in ["bytes", "packets"] {
        let sizes = format!("SELECT DISTINCT rtrim(CAST({sizes} AS TEXT), '0') FROM captures");
        let digits = run_ok(&["sql", &at("copy"), "--format", "csv", "-c", &sizes]);
        let digits: Vec<&str> = digits.lines().skip(1).collect();
        assert!(digits.len() == 1 && digits[0].len() == 1, "{digits:?}");
    }
}

#[cfg(feature = "torch")]
#[test]
fn a_shared_copy_holds_every_result_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = full_study(folder.path());
    let copy = folder.path().join("copy.redb").to_string_lossy().into_owned();
    run_ok(&["export", &path, "share", "-o", &copy]);
    let secrets = Secrets::of(Path::new(&path), Path::new(&copy), SEED);
    assert!(secrets.by_start.len() > 2000, "{} secrets", secrets.by_start.len());
    // The search itself: it finds them where they are.
    let original: BTreeSet<String> = secrets.found_in(&every_byte(Path::new(&path))).into_iter().collect();
    let sought = ["seed", "job id", "splits.trace_id", "packets.data", "object of kind weights", "attributes.vector"];
    let digests = ["digest of a capture", "digest of weights", "digest of a pool", "digest in jobs.spec"];
    for what in sought.into_iter().chain(digests) {
        assert!(original.contains(what), "{what} is not among {original:?}");
    }
    let found: BTreeSet<String> = secrets.found_in(&every_byte(Path::new(&copy))).into_iter().collect();
    assert_eq!(found, BTreeSet::new());

    run_ok(&["verify", &copy]);
    // Bounds on epsilon come from scores: without them there is none, and not another one.
    let bounds = "SELECT count(*) AS models, count(epsilon_empirical) AS bounds, count(epsilon_provable) AS provable FROM privacy_audit";
    let found = |study: &str| run_ok(&["sql", study, "--format", "tsv", "-c", bounds]);
    assert_eq!(found(&path).lines().nth(1), Some("3\t3\t3"));
    assert_eq!(found(&copy).lines().nth(1), Some("3\t0\t3"));
    for query in ["mia_by_model_and_epsilon", "fidelity_by_model_and_epsilon", "privacy_ledger", "generalization_gap"] {
        let answer = |study: &str| run_ok(&["query", study, query, "--format", "csv"]);
        assert!(answer(&path).lines().count() > 2, "{query}");
        let (copied, original) = (answer(&copy), answer(&path));
        let cells = |text: &str| text.split([',', '\n']).map(str::to_owned).collect::<Vec<_>>();
        let (copied, original) = (cells(&copied), cells(&original));
        assert_eq!(copied.len(), original.len(), "{query}");
        for (copied, original) in copied.iter().zip(&original) {
            match (copied.parse::<f64>(), original.parse::<f64>()) {
                // Rows come in another order, and so do the terms of a sum.
                (Ok(a), Ok(b)) => {
                    assert!(a == b || (a - b).abs() <= SUM_ROUNDING * b.abs().max(1.0), "{query}: {a} and {b}");
                }
                // The unit of a gap comes from attributes, which stay behind.
                (Err(_), Ok(_)) => assert!(copied.is_empty() && query == "generalization_gap", "{query}: {copied}"),
                // A plan has its name and digits of its id, which is made anew.
                _ if original.starts_with("tiny ") => assert!(copied.starts_with("tiny "), "{query}: {copied}"),
                _ => assert_eq!(copied, original, "{query}"),
            }
        }
    }
    for (table, rows) in [("splits", 0), ("attributes", 0), ("packets", 0), ("attack_scores", 0), ("traces", 0)] {
        let count = run_ok(&["sql", &copy, "--format", "csv", "-c", &format!("SELECT count(*) FROM {table}")]);
        assert_eq!(count.lines().nth(1), Some(rows.to_string().as_str()), "{table}");
    }
    // Its ids are its own: it can neither be merged nor overwrite anything.
    assert_eq!(run(&["merge", &path, &copy]).0, 2);
    assert_eq!(run(&["export", &path, "share", "-o", &copy]).0, 2);
}

/// Shares of three machines, united and finished by a plain run, are the study of one machine.
#[cfg(feature = "torch")]
#[test]
fn shares_of_several_machines_unite_to_the_study_of_one() {
    use crate::common::{TINY_SPEC, write_spec};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    // Two classes: more cohorts than one share can take.
    let spec = write_spec(folder.path(), &TINY_SPEC.replace("[\"mac\"]", "[\"mac\", \"ubuntu\"]"));
    run_ok(&["run", &at("whole"), &spec, "--quiet"]);
    run_ok(&["run", &at("0"), &spec, "--quiet", "--shard", "0/3"]);
    let mut trained = Vec::new();
    for share in 1..=3 {
        let shard = format!("{share}/3");
        run_ok(&["run", &at(&share.to_string()), &spec, "--quiet", "--shard", &shard, "--from", &at("0")]);
        let snapshot = Store::open(Path::new(&at(&share.to_string())), CACHE).unwrap().snapshot().unwrap();
        let models: Vec<i64> = snapshot.models().unwrap().iter().map(|model| model.model_id.0).collect();
        assert!(!models.is_empty(), "share {share} has nothing to do");
        trained.extend(models);
    }
    let all = trained.len();
    trained.sort_unstable();
    trained.dedup();
    assert_eq!((trained.len(), all), (12, 12), "each model is trained once");
    run_ok(&["merge", &at("united"), &at("0"), &at("3"), &at("1"), &at("2")]);
    run_ok(&["run", &at("united"), &spec, "--quiet"]);
    run_ok(&["verify", &at("united")]);
    let (code, stdout, stderr) = run(&["diff", &at("whole"), &at("united")]);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    assert_eq!(run(&["run", &at("x"), &spec, "--shard", "4/3"]).0, 2);
}

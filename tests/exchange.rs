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
    store.merge(&Store::open(source, CACHE).unwrap().snapshot().unwrap(), &NoProgress).unwrap()
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
    let error = store.merge(&Store::open(&there, CACHE).unwrap().snapshot().unwrap(), &NoProgress).unwrap_err();
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

//! Processes that are killed while they write.

use super::content::CACHE;
use crate::common::{Finish, run_ok, syntrace};
use rand::RngExt;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use syntrace::base::{Digest, Seed};
use syntrace::store::schema::SEGMENT_TABLES;
use syntrace::store::{Store, StoreWriter};

/// Captures of each of three classes: one job a capture.
const CAPTURES: u32 = 4;

/// A folder of captures by class.
fn captures(folder: &Path) -> String {
    let captures = folder.join("captures").to_string_lossy().into_owned();
    for seed in 0..CAPTURES {
        run_ok(&["simulate", "--out", &captures, "--dataset", "os", "--flows", "15", "--seed", &seed.to_string()]);
    }
    captures
}

fn ingest(study: &Path, captures: &str) -> Child {
    syntrace()
        .args(["ingest", &study.to_string_lossy(), "--dataset", "os", "--by-folder", captures])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Everything that the captures determine: no clock.
fn contents(study: &Path) -> BTreeMap<String, String> {
    let snapshot = Store::open(study, CACHE).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.verify().findings, vec![]);
    let mut contents = BTreeMap::new();
    for job in snapshot.jobs().unwrap() {
        // Of several jobs of a class the first one writes its record: which one is a matter of time.
        let outputs: Vec<_> = job.outputs.iter().filter(|output| output.table != "classes").collect();
        contents.insert(job.label.clone(), format!("{} {outputs:?}", job.job_id));
    }
    for segment in SEGMENT_TABLES.iter().flat_map(|table| snapshot.segments(table).unwrap()) {
        contents.insert(format!("segment {}", segment.segment_id), format!("{segment:?}"));
    }
    for object in snapshot.objects().unwrap() {
        contents.insert(Digest(object.digest).hex(), format!("{object:?}"));
    }
    contents
}

/// What an uninterrupted process writes, and how long it takes.
fn uninterrupted(study: &Path, captures: &str) -> (BTreeMap<String, String>, Duration) {
    let started = Instant::now();
    assert!(ingest(study, captures).finish().unwrap().status.success());
    let took = started.elapsed();
    (contents(study), took)
}

/// Jobs of the killed process are there whole or not at all.
fn check_whole_jobs(study: &Path, whole: &BTreeMap<String, String>) {
    // Killed before the file was one: the next writer makes it.
    let Ok(writer) = StoreWriter::open_or_create(study, CACHE) else { return };
    drop(writer);
    for (name, content) in contents(study) {
        assert_eq!(whole.get(&name), Some(&content), "{name}");
    }
}

/// A process that is killed between making the file and making it a study: an empty redb file.
#[test]
fn a_study_that_was_killed_while_it_was_made_is_made_by_the_next_writer() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("blank.redb");
    drop(redb::Database::create(&study).unwrap());
    let Err(error) = Store::open(&study, CACHE) else { panic!("a file without content is no study") };
    assert!(error.hint_text().is_some_and(|hint| hint.contains("run that command again")), "{error}");
    let captures = captures(folder.path());
    assert!(ingest(&study, &captures).finish().unwrap().status.success());
    assert!(contents(&study).len() > 3 * CAPTURES as usize);
}

/// `SYNTRACE_KILLS=2000` (or any number) for a longer form. It has found two ways to leave a
/// half-made file behind, both in the first milliseconds of a study's life.
#[test]
fn a_writer_killed_at_any_moment_leaves_whole_jobs_and_the_next_one_goes_on() {
    let kills: u64 = std::env::var("SYNTRACE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(200);
    let folder = tempfile::tempdir().unwrap();
    let captures = captures(folder.path());
    let (whole, mut took) = uninterrupted(&folder.path().join("whole.redb"), &captures);
    assert!(whole.len() > 3 * CAPTURES as usize);
    let mut rng = Seed::root(11).rng();
    let study = folder.path().join("killed.redb");
    let mut done = 0;
    while done < kills {
        let from_nothing = !study.exists();
        let started = Instant::now();
        let mut child = ingest(&study, &captures);
        let moment = took.mul_f64(rng.random_range(0.05..1.0));
        let mut over = false;
        while !over && started.elapsed() < moment {
            std::thread::sleep(Duration::from_millis(1));
            over = child.try_wait().unwrap().is_some();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if over {
            // The first one may have been held up by a busy disk, and moments after the end kill nobody.
            if from_nothing {
                took = took.min(started.elapsed());
            }
            assert!(contents(&study) == whole, "an uninterrupted run of the same captures differs");
            std::fs::remove_file(&study).unwrap();
            continue;
        }
        done += 1;
        if std::fs::metadata(&study).is_ok_and(|metadata| metadata.len() > 0) {
            check_whole_jobs(&study, &whole);
        }
    }
    assert!(ingest(&study, &captures).finish().unwrap().status.success());
    assert!(contents(&study) == whole, "the study after {kills} kills differs from an uninterrupted one");
}

#[test]
fn of_two_processes_that_write_one_is_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let captures = captures(folder.path());
    let (whole, _) = uninterrupted(&folder.path().join("whole.redb"), &captures);
    let study = folder.path().join("two.redb");
    let children = [ingest(&study, &captures), ingest(&study, &captures)];
    let codes = children.map(|child| child.finish().unwrap().status.code());
    assert!(codes.contains(&Some(0)), "the one that came first ends well: {codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 75))), "the other is told so: {codes:?}");
    assert!(contents(&study) == whole, "the study of two writers differs from that of one");
}

//! Single bits that flip anywhere in a study: `verify` says so, or nothing of the content changed.

use super::content::{CACHE, commit, contents};
use rand::RngExt;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use syntrace::base::Seed;
use syntrace::store::{Store, StoreWriter};

/// Enough for a statement about every kind of page; `SYNTRACE_SAFETY_FACTOR` multiplies it: at 10
/// (20,000 flips) none went unnoticed.
const FLIPS: u64 = 2_000;

/// A packed study as bytes.
fn image() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flips.redb");
    let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    for number in 0..6 {
        commit(&writer, number).unwrap();
    }
    writer.compact().unwrap();
    drop(writer);
    std::fs::read(path).unwrap()
}

fn opened(image: &[u8]) -> syntrace::error::Result<StoreWriter> {
    let backend = redb::backends::InMemoryBackend::new();
    backend.set_len(image.len() as u64).unwrap();
    backend.write(0, image).unwrap();
    StoreWriter::on_backend(super::locks::Locked(backend), CACHE)
}

/// What became of a flip.
enum Outcome {
    /// The study does not open, or `verify` found it.
    Noticed,
    /// All content is as it was.
    Harmless,
    /// redb panicked where we do not catch it: noticed, but not as it should be.
    Panicked,
}

fn flip_caught(image: &[u8], at: usize, bit: u32, whole: &BTreeMap<String, String>) -> Outcome {
    let result = std::panic::catch_unwind(|| flip(image, at, bit, whole));
    result.unwrap_or_else(|panic| match panic.downcast_ref::<String>().is_some_and(|text| text.contains("unnoticed")) {
        true => std::panic::resume_unwind(panic),
        false => {
            eprintln!("bit {bit} of byte {at}: {:?}", panic.downcast_ref::<String>());
            Outcome::Panicked
        }
    })
}

fn flip(image: &[u8], at: usize, bit: u32, whole: &BTreeMap<String, String>) -> Outcome {
    let mut flipped = image.to_vec();
    flipped[at] ^= 1 << bit;
    let Ok(mut writer) = opened(&flipped) else { return Outcome::Noticed };
    match writer.verify() {
        Ok(report) if report.findings.is_empty() => {}
        _ => return Outcome::Noticed,
    }
    let found = contents(&writer.snapshot().unwrap());
    assert_eq!(&found, whole, "bit {bit} of byte {at}: content changed unnoticed");
    Outcome::Harmless
}

/// redb's panics over damaged pages are caught; their backtraces would be megabytes of log.
fn quiet_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|place| place.file().contains("redb")) {
            default(info);
        }
    }));
}

#[test]
fn no_single_bit_flip_changes_content_unnoticed() {
    quiet_panics();
    let image = image();
    let whole = contents(&opened(&image).unwrap().snapshot().unwrap());
    let factor = std::env::var("SYNTRACE_SAFETY_FACTOR").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1);
    let (noticed, harmless, panicked) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for lane in 0..2u64 {
            let (image, whole, noticed, harmless, panicked) = (&image, &whole, &noticed, &harmless, &panicked);
            scope.spawn(move || {
                let mut rng = Seed::root(lane).named("flips").rng();
                for _ in 0..FLIPS * factor / 2 {
                    let (at, bit) = (rng.random_range(0..image.len()), rng.random_range(0..8));
                    match flip_caught(image, at, bit, whole) {
                        Outcome::Noticed => noticed.fetch_add(1, Ordering::Relaxed),
                        Outcome::Harmless => harmless.fetch_add(1, Ordering::Relaxed),
                        Outcome::Panicked => panicked.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });
    let (noticed, harmless, panicked) = (noticed.into_inner(), harmless.into_inner(), panicked.into_inner());
    eprintln!(
        "{noticed} flips noticed, {harmless} in bytes that mean nothing, {panicked} panics, of a file of {} bytes",
        image.len()
    );
    assert_eq!(noticed + harmless + panicked, FLIPS * factor);
    assert_eq!(panicked, 0, "redb panics are caught and become errors");
    // Two thirds of this file is content; if far fewer were noticed, the test would look at nothing.
    assert!(noticed > FLIPS * factor / 3, "only {noticed} flips were noticed");
}

#[test]
fn a_study_cut_short_anywhere_is_refused_or_found_damaged() {
    let image = image();
    let whole = contents(&opened(&image).unwrap().snapshot().unwrap());
    let folder = tempfile::tempdir().unwrap();
    for part in 0..40 {
        let length = image.len() * part / 40;
        let path = folder.path().join(format!("{part}.redb"));
        std::fs::write(&path, &image[..length]).unwrap();
        let read = Store::open(&path, CACHE).and_then(|store| store.snapshot()).map(|snapshot| snapshot.verify());
        let sound = |findings: usize| findings == 0;
        if let Ok(report) = &read
            && sound(report.findings.len())
        {
            let snapshot = Store::open(&path, CACHE).unwrap().snapshot().unwrap();
            assert_eq!(contents(&snapshot), whole, "cut to {length} bytes: content is missing unnoticed");
        }
    }
}

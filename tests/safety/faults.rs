//! Disks that fail, fill up, or lose power in the middle of a write.

use super::content::{CACHE, check_prefix, commit, contents, uninterrupted};
use super::locks::Locked;
use rand::RngExt;
use redb::StorageBackend;
use std::io::{Error as IoError, ErrorKind};
use std::sync::{Arc, Mutex};
use syntrace::base::Seed;
use syntrace::store::StoreWriter;

const JOBS: i64 = 12;

/// A disk in memory that knows what a power failure would leave.
#[derive(Debug, Default)]
struct Disk {
    /// What is durable.
    synced: Vec<u8>,
    /// What a process sees.
    current: Vec<u8>,
    /// Writes since the last sync, in order.
    pending: Vec<(u64, Vec<u8>)>,
    /// Operations left before every one fails with this error.
    failure: Option<(u64, ErrorKind)>,
    /// Bytes that fit.
    capacity: Option<u64>,
    /// Operations so far.
    operations: u64,
}

impl Disk {
    fn step(&mut self) -> Result<(), IoError> {
        self.operations += 1;
        match &mut self.failure {
            Some((0, kind)) => Err(IoError::new(*kind, "injected")),
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is on the disk after a power failure: every write since the last sync got there, or did
    /// not, or half of it did.
    fn after_power_failure(&self, seed: u64) -> Vec<u8> {
        let mut rng = Seed::root(seed).named("power").rng();
        let mut image = self.synced.clone();
        image.resize(self.current.len().max(image.len()), 0);
        for (offset, bytes) in &self.pending {
            let kept = match rng.random_range(0..3) {
                0 => 0,
                1 => bytes.len(),
                // Sectors are written whole.
                _ => rng.random_range(0..=bytes.len() / 512) * 512,
            };
            let start = *offset as usize;
            image[start..start + kept.min(bytes.len())].copy_from_slice(&bytes[..kept.min(bytes.len())]);
        }
        image
    }
}

#[derive(Debug, Clone, Default)]
struct Backend(Arc<Mutex<Disk>>);

impl Backend {
    fn of(image: Vec<u8>) -> Self {
        let disk = Disk { synced: image.clone(), current: image, ..Disk::default() };
        Self(Arc::new(Mutex::new(disk)))
    }

    fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, IoError> {
        Ok(self.disk().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let mut disk = self.disk();
        disk.step()?;
        let start = offset as usize;
        let found =
            disk.current.get(start..start + out.len()).ok_or_else(|| IoError::from(ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), IoError> {
        let mut disk = self.disk();
        disk.step()?;
        if disk.capacity.is_some_and(|capacity| length > capacity) {
            return Err(IoError::from(ErrorKind::StorageFull));
        }
        disk.current.resize(length as usize, 0);
        disk.pending.retain(|(offset, bytes)| offset + bytes.len() as u64 <= length);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), IoError> {
        let mut disk = self.disk();
        disk.step()?;
        disk.synced = disk.current.clone();
        disk.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), IoError> {
        let mut disk = self.disk();
        disk.step()?;
        let start = offset as usize;
        let length = disk.current.len();
        let place = disk.current.get_mut(start..start + data.len());
        place.ok_or_else(|| IoError::other(format!("write beyond {length}")))?.copy_from_slice(data);
        disk.pending.push((offset, data.to_vec()));
        Ok(())
    }
}

/// Commits all jobs until one fails; gives how many were said to be finished, and the first error.
fn commit_until_failure(backend: &Backend) -> (i64, Option<syntrace::error::Error>) {
    let writer = match StoreWriter::on_backend(Locked(backend.clone()), CACHE) {
        Ok(writer) => writer,
        Err(error) => return (0, Some(error)),
    };
    for number in 0..JOBS {
        if let Err(error) = commit(&writer, number) {
            return (number, Some(error));
        }
    }
    (JOBS, None)
}

/// Opens what is left, checks it, goes on, and compares with a study that nothing interrupted.
fn check_and_resume(image: Vec<u8>, promised: i64, whole: &std::collections::BTreeMap<String, String>) {
    let writer = StoreWriter::on_backend(Locked(Backend::of(image)), CACHE).unwrap();
    let finished = check_prefix(&writer);
    assert!(finished >= promised, "{promised} jobs were said to be finished, {finished} are there");
    for number in 0..JOBS {
        commit(&writer, number).unwrap();
    }
    assert_eq!(&contents(&writer.snapshot().unwrap()), whole);
}

/// Operations of an undisturbed run.
fn operations() -> u64 {
    let backend = Backend::default();
    assert!(commit_until_failure(&backend).1.is_none());
    backend.disk().operations
}

/// How many more cases than the few seconds of every day allow; all passed with a factor of 10.
fn cases(few: u64) -> u64 {
    let factor = std::env::var("SYNTRACE_SAFETY_FACTOR").ok().and_then(|factor| factor.parse().ok());
    few * factor.unwrap_or(1)
}

#[test]
fn a_power_failure_anywhere_leaves_whole_jobs_and_the_rest_can_be_done() {
    let whole = uninterrupted(JOBS);
    let total = operations();
    for case in 0..cases(60) {
        let at = Seed::root(case).named("moment").rng().random_range(1..total);
        let backend = Backend::default();
        backend.disk().failure = Some((at, ErrorKind::Other));
        let (promised, _) = commit_until_failure(&backend);
        let image = backend.disk().after_power_failure(case);
        // Nothing was promised before the file itself was there.
        if promised > 0 || StoreWriter::on_backend(Locked(Backend::of(image.clone())), CACHE).is_ok() {
            check_and_resume(image, promised, &whole);
        }
    }
}

#[test]
fn failing_reads_and_writes_are_errors_and_leave_whole_jobs() {
    let whole = uninterrupted(JOBS);
    let total = operations();
    for case in 0..cases(40) {
        let at = Seed::root(case).named("failure").rng().random_range(1..total);
        let backend = Backend::default();
        backend.disk().failure = Some((at, ErrorKind::Other));
        let (promised, error) = commit_until_failure(&backend);
        let Some(error) = error else {
            // It failed when all was done, while the file was closed.
            assert_eq!(promised, JOBS);
            check_and_resume(backend.disk().current.clone(), promised, &whole);
            continue;
        };
        assert!(error.to_string().contains("injected") || error.to_string().contains("earlier write"), "{error}");
        // The disk works again, with what it has: no power was lost.
        let image = backend.disk().current.clone();
        if promised > 0 {
            check_and_resume(image, promised, &whole);
        }
    }
}

#[test]
fn a_full_disk_is_the_users_to_mend_and_leaves_whole_jobs() {
    let whole = uninterrupted(JOBS);
    let backend = Backend::default();
    assert!(commit_until_failure(&backend).1.is_none());
    let needed = backend.disk().current.len() as u64;
    for case in 1..8 {
        let backend = Backend::default();
        backend.disk().capacity = Some(needed * case / 8);
        let (promised, error) = commit_until_failure(&backend);
        let error = error.expect("the disk is too small");
        assert_eq!(error.exit_code(), 2, "{error}");
        if promised > 0 {
            assert!(error.hint_text().is_some_and(|hint| hint.contains("finished job")), "{error:?}");
            let image = backend.disk().current.clone();
            check_and_resume(image, promised, &whole);
        }
    }
}

//! Opens the redb file and translates redb's errors.

use super::overlay::Overlay;
use super::tables::{FORMAT_VERSION, META};
use redb::{Builder, ConcurrencyMode, Database, ReadOnlyDatabase, ReadableDatabase};
use std::path::{Path, PathBuf};
use syntrace_base::error::{Error, ErrorKind, Result, io_error};

const ARCHIVE: &str = "rkyv 0.8 little-endian unaligned pointer-width-32, heap";

/// Attempts to open a file that is replaced between opening and locking it.
const OPEN_ATTEMPTS: usize = 3;

/// An open study: for reading beside a writer, or for writing.
pub(super) enum Engine {
    Reading(ReadOnlyDatabase),
    Writing(Database),
    /// Closed.
    Closed,
}

impl Engine {
    /// Closes the file. redb writes its allocator's state then, from pages that may be damaged: errors and panics at
    /// this point are ignored.
    pub(super) fn close(&mut self) {
        let engine = std::mem::replace(self, Self::Closed);
        let _ = guarded(|| drop(engine));
    }

    pub(super) fn begin_read(&self) -> Result<redb::ReadTransaction> {
        let begun = guarded(|| match self {
            Self::Reading(database) => Some(database.begin_read()),
            Self::Writing(database) => Some(database.begin_read()),
            Self::Closed => None,
        })?;
        let begun = begun.ok_or_else(|| Error::internal("reading from a study that is closed"))?;
        begun.map_err(|error| storage_error("begin reading", error.into()))
    }
}

/// Runs a redb operation over pages that may be damaged. redb panics on some inconsistent pages; such a panic is
/// reported as damage.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        damaged_study(text.unwrap_or("a page contradicts itself"))
    })
}

/// One process writes; any number of readers run concurrently and see the last committed job.
fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

/// Opens an existing study for reading.
pub(super) fn open_reading(path: &Path, cache_bytes: usize) -> Result<Engine> {
    require_file(path)?;
    match guarded(|| builder(cache_bytes).open_read_only(path))? {
        Ok(database) => {
            let mut engine = Engine::Reading(database);
            if let Err(error) = guarded(|| check_format(&engine)).and_then(|checked| checked) {
                engine.close();
                return Err(or_damaged(path, error).context(format!("`{}`", path.display())));
            }
            Ok(engine)
        }
        // A writer was killed: readers may not repair, so a writer's opening does, at once.
        Err(redb::DatabaseError::RepairAborted) => {
            drop(open_existing(path, cache_bytes)?);
            let database = guarded(|| builder(cache_bytes).open_read_only(path))?;
            let database = database.map_err(|error| open_error(path, error))?;
            Ok(Engine::Reading(database))
        }
        Err(error) => Err(open_error(path, error)),
    }
}

/// Opens a study for writing; creates it if it does not exist.
pub(super) fn open_writing(path: &Path, cache_bytes: usize) -> Result<Database> {
    let fresh = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len() == 0,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(io_error("open", path, &error)),
    };
    if fresh {
        make(&linked(path), cache_bytes)?;
    }
    open_existing(path, cache_bytes)
}

/// Creates an empty study under a temporary name and renames it when it is complete, so that a killed process leaves no
/// incomplete study. If another process was faster, its study is kept.
fn make(path: &Path, cache_bytes: usize) -> Result<()> {
    let name = path.file_name().map(std::ffi::OsStr::to_string_lossy).unwrap_or_default();
    remove_abandoned(path, &name);
    let beside = path.with_file_name(format!("{name}{MAKING}{}", std::process::id()));
    // Two studies of one name made by one process at once take turns here.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let made = create(&beside, cache_bytes).and_then(|database| write_format(&database));
    let named = made.and_then(|()| match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => Ok(()),
        // An empty file has nothing to lose; a name that appears in between is another writer's study.
        Ok(_) => std::fs::rename(&beside, path).map_err(|error| io_error("make", path, &error)),
        Err(_) => match std::fs::hard_link(&beside, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has links.
            Err(_) => std::fs::rename(&beside, path).map_err(|error| io_error("make", path, &error)),
            Ok(()) => Ok(()),
        },
    });
    let _ = std::fs::remove_file(&beside);
    named
}

/// Separates the study's name from the process id in the temporary name.
const MAKING: &str = ".making-";

/// Removes temporary files that killed processes left behind.
fn remove_abandoned(path: &Path, name: &str) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name().to_string_lossy().into_owned();
        let maker = found.strip_prefix(name).and_then(|rest| rest.strip_prefix(MAKING));
        if maker.is_some_and(|maker| maker.parse::<u32>().is_ok() && !processes.join(maker).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Creates an empty redb file.
pub(super) fn create(path: &Path, cache_bytes: usize) -> Result<Database> {
    builder(cache_bytes).create(path).map_err(|error| open_error(path, error))
}

/// Opens or creates a study on a custom storage backend, with which tests inject I/O errors.
pub(super) fn open_backend(backend: impl redb::StorageBackend, cache_bytes: usize) -> Result<Database> {
    let place = Path::new("(a storage backend)");
    let fresh = backend.len().map_err(|error| io_error("open the study", place, &error))? == 0;
    let opened = guarded(|| builder(cache_bytes).create_with_backend(backend))?;
    let database = opened.map_err(|error| open_error(place, error))?;
    if fresh {
        write_format(&database)?;
        return Ok(database);
    }
    check_opened(place, database)
}

/// Device and inode number of a file.
pub(super) type FileIdentity = (u64, u64);

/// Identity of the file at a path: changes when the file is replaced.
pub(super) fn file_identity(path: &Path) -> Option<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn open_existing(path: &Path, cache_bytes: usize) -> Result<Database> {
    require_file(path)?;
    // `compact` may replace the file between opening and locking it: the lock is then on an unlinked file, and writes
    // to it would be lost.
    for _ in 0..OPEN_ATTEMPTS {
        let before = file_identity(path);
        let database = guarded(|| builder(cache_bytes).open(path))?.map_err(|error| open_error(path, error))?;
        if before.is_some() && before == file_identity(path) {
            // The creating process was killed before it wrote the study's tables: the file is empty.
            if guarded(|| is_blank(&database)).and_then(|blank| blank)? {
                write_format(&database)?;
            }
            return check_opened(path, database);
        }
    }
    Err(Error::busy(format!("`{}` is being replaced by another process", path.display())).hint("try again"))
}

/// Opens a study as a writer does, and leaves its file as it is (see [`Overlay`]).
pub(super) fn open_checking(path: &Path, cache_bytes: usize) -> Result<Database> {
    check_opened(path, open_over(path, cache_bytes)?)
}

fn open_over(path: &Path, cache_bytes: usize) -> Result<Database> {
    require_file(path)?;
    let file = std::fs::File::options().read(true).write(true).open(path);
    let file = file.map_err(|error| io_error("open the study", path, &error))?;
    let overlay = Overlay::new(file).map_err(|error| open_error(path, error))?;
    let opened = guarded(|| builder(cache_bytes).create_with_backend(overlay))?;
    opened.map_err(|error| open_error(path, error))
}

/// A file that does not look like a study may be a study with damaged pages: the page checksums tell the two apart.
fn or_damaged(path: &Path, error: Error) -> Error {
    // If the file cannot be read, the original error is reported.
    match pages_are_whole(path) {
        Ok(false) => damaged_study("a page has a wrong checksum"),
        Err(found) if found.kind() == ErrorKind::Internal => found,
        _ => error,
    }
}

/// Are the checksums of all pages valid? The file is not modified.
pub(super) fn pages_are_whole(path: &Path) -> Result<bool> {
    let mut database = open_over(path, CHECK_CACHE_BYTES)?;
    let whole = guarded(|| database.check_integrity())?.map_err(|error| storage_error("check", error.into()));
    Engine::Writing(database).close();
    whole
}

const CHECK_CACHE_BYTES: usize = 64 << 20;

pub(super) fn damaged_study(what: &str) -> Error {
    Error::internal(format!("the study is damaged: {what}"))
        .hint("restore a copy; `syntrace verify` says how much is left")
}

/// True for a redb file without any table.
fn is_blank(database: &Database) -> Result<bool> {
    let transaction = database.begin_read().map_err(|error| storage_error("begin reading", error.into()))?;
    let mut tables = transaction.list_tables().map_err(|error| storage_error("read", error.into()))?;
    Ok(tables.next().is_none())
}

fn check_opened(path: &Path, database: Database) -> Result<Database> {
    let mut engine = Engine::Writing(database);
    let checked = guarded(|| check_format(&engine)).and_then(|checked| checked);
    if let Err(error) = checked {
        engine.close();
        return Err(or_damaged(path, error).context(format!("`{}`", path.display())));
    }
    match engine {
        Engine::Writing(database) => Ok(database),
        Engine::Reading(_) | Engine::Closed => Err(Error::internal("a writer's handle became a reader's")),
    }
}

fn require_file(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| {
        let error_of_ours = io_error("open the study", path, &error);
        if error.kind() == std::io::ErrorKind::NotFound {
            error_of_ours.hint("`syntrace ingest`, `simulate` and `run` make a study; check the path")
        } else {
            error_of_ours
        }
    })?;
    if metadata.is_dir() {
        return Err(Error::user(format!("expected a study file, found the folder `{}`", path.display())));
    }
    if metadata.len() == 0 {
        return Err(Error::user(format!("expected a study file, found the empty file `{}`", path.display()))
            .hint("`syntrace ingest`, `simulate` and `run` make a study"));
    }
    Ok(())
}

fn write_format(database: &Database) -> Result<()> {
    let transaction = database.begin_write().map_err(|error| storage_error("begin writing", error.into()))?;
    {
        let mut meta = transaction.open_table(META).map_err(|error| storage_error("open a table", error.into()))?;
        let program = format!("syntrace {}", env!("CARGO_PKG_VERSION"));
        for (key, value) in [
            ("format", FORMAT_VERSION.to_le_bytes().to_vec()),
            ("archive", ARCHIVE.as_bytes().to_vec()),
            ("created_by", program.into_bytes()),
        ] {
            meta.insert(key, value.as_slice()).map_err(|error| storage_error("write", error.into()))?;
        }
    }
    transaction.commit().map_err(|error| storage_error("commit", error.into()))
}

fn check_format(engine: &Engine) -> Result<()> {
    let not_a_study = |what: &str| Error::user(format!("expected a study file of syntrace, found a redb file {what}"));
    let transaction = engine.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => {
            return Err(not_a_study("without the table `syntrace.meta`")
                .hint("if the first command that wrote to it was stopped, run that command again"));
        }
        Err(error) => return Err(storage_error("open a table", error.into())),
    };
    let read = |key: &str| -> Result<Option<Vec<u8>>> {
        let value = meta.get(key).map_err(|error| storage_error("read", error.into()))?;
        Ok(value.map(|guard| guard.value().to_vec()))
    };
    let version = read("format")?
        .and_then(|bytes| bytes.try_into().ok().map(u32::from_le_bytes))
        .ok_or_else(|| not_a_study("without a format version"))?;
    if version > FORMAT_VERSION {
        return Err(Error::user(format!(
            "the study has format {version}, this program reads formats 1 to {FORMAT_VERSION}"
        ))
        .hint("use a newer syntrace; nothing was changed"));
    }
    if read("archive")?.as_deref() != Some(ARCHIVE.as_bytes()) {
        return Err(not_a_study("with another archive layout"));
    }
    Ok(())
}

fn open_error(path: &Path, error: redb::DatabaseError) -> Error {
    let place = path.display();
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            Error::busy(format!("`{place}` is being written by another process"))
                .hint("wait for it, or stop it; `sql`, `info` and `report` work while it is running")
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(io)) => match io.kind() {
            std::io::ErrorKind::InvalidData if holds_our_tables(path) => {
                Error::internal(format!("`{place}` is damaged: it does not begin as a redb database ({io})"))
                    .hint("restore a copy")
            }
            std::io::ErrorKind::InvalidData => {
                Error::user(format!("expected a study file, found `{place}`, which is no redb database ({io})"))
                    .hint("a study is made by `syntrace ingest`, `simulate` or `run`")
            }
            std::io::ErrorKind::UnexpectedEof => {
                Error::user(format!("expected a study file, found `{place}`, which is truncated")).hint(CUT_SHORT)
            }
            _ => io_error("open the study", path, &io),
        },
        redb::DatabaseError::Storage(redb::StorageError::Corrupted(what)) => {
            Error::internal(format!("`{place}` is damaged: {what}"))
                .hint("restore a copy; `syntrace verify` says how much is left")
        }
        // No study was ever written in another version of redb's format: such a version number is damage.
        redb::DatabaseError::UpgradeRequired(version) => {
            Error::internal(format!("`{place}` is damaged: it claims version {version} of redb's file format"))
                .hint("restore a copy")
        }
        other => Error::internal(format!("cannot open `{place}`: {other}")),
    }
}

/// The names of a study's tables are within this many bytes of the start of the file, except in the largest studies.
const NAMED_WITHIN_BYTES: u64 = 64 << 20;

/// Does the start of a file contain the name of a study's table?
fn holds_our_tables(path: &Path) -> bool {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(NAMED_WITHIN_BYTES).read_to_end(&mut bytes));
    let name = redb::TableHandle::name(&META).as_bytes();
    read.is_ok() && bytes.windows(name.len()).any(|window| window == name)
}

const CUT_SHORT: &str = "truncated (interrupted copy or full disk): copy it again";

/// A redb failure while reading or writing: a full disk is a user error, damage an internal one.
pub(super) fn storage_error(action: &str, error: redb::Error) -> Error {
    described(action, error).of_storage()
}

fn described(action: &str, error: redb::Error) -> Error {
    match error {
        redb::Error::Io(io) => {
            let built = Error::user(format!("cannot {action} the study: {io}"));
            match io.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    Error::user(format!("cannot {action} the study: its file is truncated")).hint(CUT_SHORT)
                }
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    built.hint("free space on that disk and run the same command again; every finished job is stored")
                }
                _ => built.hint("every finished job is stored; run the same command again"),
            }
        }
        redb::Error::PreviousIo => {
            Error::user(format!("cannot {action} the study: an earlier write failed (its disk is full, most often)"))
                .hint("every finished job is stored; fix the cause and run the same command again")
        }
        redb::Error::Corrupted(what) => Error::damaged(format!("the study is damaged: {what}")),
        other => Error::internal(format!("cannot {action} the study: {other}")),
    }
}

/// The target of a symbolic link, so that the link keeps pointing to the study; also if the target does not exist yet.
pub(super) fn linked(path: &Path) -> PathBuf {
    let to_be = || std::fs::read_link(path).map(|target| path.parent().unwrap_or(Path::new("")).join(target));
    std::fs::canonicalize(path).or_else(|_| to_be()).unwrap_or_else(|_| path.to_owned())
}

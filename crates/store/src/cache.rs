//! Cache of decoded columns.
//!
//! A study stores equal columns once: all models that were trained on a split share its trace ids, in every regime and
//! attack. A query over all models would fetch, check and decode them for each. Contents are keyed by their digests, so
//! a cache entry is valid for every snapshot of a study.
//!
//! A column is cached at its second read: a scan over columns that nothing shares does not fill the cache. `verify`
//! bypasses it.

use super::records::ColumnRecord;
use super::schema::{Column, ColumnType};
use arrow::array::{Array, ArrayRef};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Capacity: bytes of cached arrays.
const HELD_BYTES: usize = 32 << 20;
/// Largest array that is cached.
const ARRAY_BYTES: usize = HELD_BYTES / 16;
/// Number of contents whose first read is remembered.
const SEEN: usize = 1 << 16;

/// The cache key of a decoded column: everything that decoding depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    digest: [u8; 16],
    encoding: u8,
    kind: ColumnType,
    nullable: bool,
    rows: u32,
    raw_bytes: u32,
    null_count: u32,
}

impl Key {
    fn of(column: &Column, record: &ColumnRecord, rows: u32) -> Self {
        Self {
            digest: record.digest,
            encoding: record.encoding,
            kind: column.kind,
            nullable: column.nullable,
            rows,
            raw_bytes: record.raw_bytes,
            null_count: record.null_count,
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.digest;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// A digest is as good as a hash: small columns are looked up hundreds of times in a query. What is kept has the
/// digest that it claims, so a stranger cannot choose where it lands.
#[derive(Default)]
struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

type ByDigest = BuildHasherDefault<DigestHasher>;

/// Decoded columns of one study.
#[derive(Default)]
pub(super) struct ColumnCache {
    /// Many threads look columns up at once; what is only read is not locked against others.
    inner: RwLock<Inner>,
    clock: AtomicU64,
}

#[derive(Default)]
struct Inner {
    held: HashMap<Key, Held, ByDigest>,
    bytes: usize,
    seen: HashSet<Key, ByDigest>,
}

struct Held {
    array: ArrayRef,
    bytes: usize,
    used: AtomicU64,
}

impl ColumnCache {
    /// The column, if it is here.
    pub fn get(&self, column: &Column, record: &ColumnRecord, rows: u32) -> Option<ArrayRef> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let held = inner.held.get(&Key::of(column, record, rows))?;
        held.used.store(self.clock.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some(held.array.clone())
    }

    /// Keeps a column that has been read before.
    pub fn offer(&self, column: &Column, record: &ColumnRecord, rows: u32, array: &ArrayRef) {
        let bytes = array.get_array_memory_size();
        if bytes > ARRAY_BYTES {
            return;
        }
        let key = Key::of(column, record, rows);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if !inner.seen.contains(&key) {
            if inner.seen.len() >= SEEN {
                inner.seen.clear();
            }
            inner.seen.insert(key);
            return;
        }
        if inner.bytes + bytes > HELD_BYTES {
            inner.forget();
        }
        let used = AtomicU64::new(self.clock.load(Ordering::Relaxed));
        if let Some(before) = inner.held.insert(key, Held { array: array.clone(), bytes, used }) {
            inner.bytes -= before.bytes;
        }
        inner.bytes += bytes;
    }
}

impl Inner {
    /// Lets go of the half that was used longest ago.
    fn forget(&mut self) {
        let mut times: Vec<u64> = self.held.values().map(|held| held.used.load(Ordering::Relaxed)).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.held.retain(|_, held| *held.used.get_mut() > median);
        self.bytes = self.held.values().map(|held| held.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use std::sync::Arc;

    const COLUMN: Column = Column { name: "c", kind: ColumnType::I64, nullable: false, doc: "" };

    fn record(number: u32) -> ColumnRecord {
        let mut digest = [0; 16];
        digest[..4].copy_from_slice(&number.to_le_bytes());
        ColumnRecord {
            encoding: 1,
            stored_bytes: 0,
            raw_bytes: 0,
            digest,
            inline: Vec::new(),
            null_count: 0,
            min: None,
            max: None,
        }
    }

    fn array(rows: usize) -> ArrayRef {
        Arc::new(Int64Array::from(vec![7; rows]))
    }

    #[test]
    fn what_is_read_twice_is_kept_and_only_as_it_was_read() {
        let cache = ColumnCache::default();
        cache.offer(&COLUMN, &record(1), 10, &array(10));
        assert!(cache.get(&COLUMN, &record(1), 10).is_none());
        cache.offer(&COLUMN, &record(1), 10, &array(10));
        assert_eq!(cache.get(&COLUMN, &record(1), 10).unwrap().len(), 10);
        // The same bytes under other claims are another column.
        assert!(cache.get(&COLUMN, &record(1), 9).is_none());
        assert!(cache.get(&COLUMN, &ColumnRecord { encoding: 2, ..record(1) }, 10).is_none());
        assert!(cache.get(&Column { kind: ColumnType::F64, ..COLUMN }, &record(1), 10).is_none());
        assert!(cache.get(&COLUMN, &record(2), 10).is_none());
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_was_used_last() {
        let cache = ColumnCache::default();
        let rows = ARRAY_BYTES / 8 - 100;
        for number in 0..40 {
            for _ in 0..2 {
                cache.offer(&COLUMN, &record(number), rows as u32, &array(rows));
            }
            // The first one is used all the time.
            assert!(cache.get(&COLUMN, &record(0), rows as u32).is_some(), "{number}");
            assert!(cache.inner.read().unwrap().bytes <= HELD_BYTES);
        }
        assert!(cache.get(&COLUMN, &record(1), rows as u32).is_none());
        let large = ARRAY_BYTES / 8 + 100;
        for _ in 0..2 {
            cache.offer(&COLUMN, &record(100), large as u32, &array(large));
        }
        assert!(cache.get(&COLUMN, &record(100), large as u32).is_none());
    }
}

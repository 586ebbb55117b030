//! redb wants locks of a storage that several processes may share; here there is only one.

use redb::{BackendError, StorageBackend};
use std::io::Error as IoError;
use std::ops::Bound;

/// A storage without locks, with locks that are always free.
#[derive(Debug)]
pub struct Locked<B>(pub B);

impl<B: StorageBackend> StorageBackend for Locked<B> {
    fn len(&self) -> Result<u64, IoError> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> Result<(), IoError> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> Result<(), IoError> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), IoError> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), IoError> {
        self.0.close()
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}

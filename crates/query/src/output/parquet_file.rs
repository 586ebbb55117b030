//! An answer as a Parquet file.

use super::text::{each, write_error};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_base::error::{Error, Result};

pub(crate) fn write_parquet(
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let failed = |error| Error::user(format!("cannot write Parquet: {error}"));
    let pending = Pending::default();
    let mut writer = ArrowWriter::try_new(pending.clone(), schema.clone(), None).map_err(failed)?;
    let rows = each(batches, |batch| {
        writer.write(&batch).map_err(failed)?;
        pending.drain(out)
    })?;
    writer.close().map_err(failed)?;
    pending.drain(out)?;
    Ok(rows)
}

/// Buffer between Parquet's writer, which requires a `Send` sink, and the output.
#[derive(Clone, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    fn drain(&self, out: &mut dyn Write) -> Result<()> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        out.write_all(&bytes).map_err(write_error)
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

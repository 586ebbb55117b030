//! Checkpoints of running jobs, inside a write transaction: a record with a digest, and the state in parts.

use super::codec;
use super::engine::storage_error;
use super::heap;
use super::output_key::open;
use super::records::CheckpointRecord;
use super::tables::{self, Bytes};
use redb::{Table, WriteTransaction};
use syntrace_base::base::{Digest, JobId};
use syntrace_base::error::Result;

pub(super) fn write_checkpoint(transaction: &WriteTransaction, job_id: JobId, state: &[u8]) -> Result<()> {
    let mut checkpoints = open(transaction, tables::CHECKPOINTS)?;
    let mut parts = open(transaction, tables::CHECKPOINT_PARTS)?;
    remove_parts(&mut parts, job_id)?;
    for (number, part) in state.chunks(heap::CHUNK_BYTES).enumerate() {
        parts.insert((job_id.0, number as u32), part).map_err(|error| storage_error("write", error.into()))?;
    }
    let record = CheckpointRecord { job_id, digest: Digest::of(state).0, bytes: state.len() as u64 };
    let bytes = codec::encode(&record)?;
    checkpoints.insert(job_id.0, bytes.as_slice()).map_err(|error| storage_error("write", error.into()))?;
    Ok(())
}

pub(super) fn drop_checkpoint(transaction: &WriteTransaction, job_id: JobId) -> Result<()> {
    let mut checkpoints = open(transaction, tables::CHECKPOINTS)?;
    let had = checkpoints.remove(job_id.0).map_err(|error| storage_error("write", error.into()))?.is_some();
    if had {
        remove_parts(&mut open(transaction, tables::CHECKPOINT_PARTS)?, job_id)?;
    }
    Ok(())
}

fn remove_parts(parts: &mut Table<'_, (i64, u32), Bytes>, job_id: JobId) -> Result<()> {
    parts
        .retain_in((job_id.0, 0)..=(job_id.0, u32::MAX), |_, _| false)
        .map_err(|error| storage_error("remove a checkpoint of", error.into()))
}

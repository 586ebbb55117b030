//! Names of captures: files of equal content may have several names, and all of them are kept.
//!
//! The record of a capture holds its first name and is covered by the digest in its job's outputs. Further names, and
//! the choice of the displayed one, are in a separate table that belongs to no job.

use super::codec;
use super::engine::storage_error;
use super::output_key::{Place, open};
use super::reader::Snapshot;
use super::records::CaptureNames;
use super::tables;
use redb::{ReadableTable, WriteTransaction};
use std::collections::HashMap;
use syntrace_base::base::CaptureId;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::CaptureRecord;

impl Snapshot {
    /// All names of every capture; the one that is shown comes first.
    ///
    /// # Errors
    /// `internal` for damaged records.
    pub fn capture_names(&self) -> Result<HashMap<CaptureId, Vec<String>>> {
        let several: Vec<CaptureNames> = self.all(tables::CAPTURE_NAMES, |key| key.to_string())?;
        let mut names: HashMap<_, _> =
            self.stored_captures()?.into_iter().map(|capture| (capture.capture_id, vec![capture.name])).collect();
        names.extend(several.into_iter().map(|several| (several.capture_id, several.names)));
        Ok(names)
    }

    /// As stored captures are shown: under the first of their names, and kept where their bytes are here.
    pub(super) fn shown(&self, mut captures: Vec<CaptureRecord>) -> Result<Vec<CaptureRecord>> {
        let names = self.open(tables::CAPTURE_NAMES)?;
        let objects = self.open(tables::OBJECTS)?;
        let failed = |error: redb::StorageError| storage_error("read", error.into());
        for capture in &mut captures {
            let key = capture.capture_id;
            let several = match &names {
                Some(names) => names.get(key.0).map_err(failed)?,
                None => None,
            };
            if let Some(several) = several {
                capture.name = shown_name(several.value(), key)?;
            }
            capture.kept |= match &objects {
                Some(objects) => objects.get(&capture.digest).map_err(failed)?.is_some(),
                None => false,
            };
        }
        Ok(captures)
    }
}

fn decoded(bytes: &[u8], key: CaptureId) -> Result<CaptureNames> {
    let names: CaptureNames = codec::decode(bytes, &|| format!("table `capture_names`, key {key}"))?;
    if names.capture_id != key || names.names.is_empty() {
        return Err(Error::damaged(format!(
            "table `capture_names`, key {key}: the record names another key, or nothing"
        )));
    }
    Ok(names)
}

fn shown_name(bytes: &[u8], key: CaptureId) -> Result<String> {
    let names = decoded(bytes, key)?;
    names.names.into_iter().next().ok_or_else(|| Error::internal(format!("capture {key} has no name")))
}

/// Appends names to those of a capture of the study.
pub(super) fn add_names(
    transaction: &WriteTransaction,
    capture: CaptureId,
    names: impl IntoIterator<Item = String>,
) -> Result<()> {
    let Some(record) = Place::Capture(capture.0).read_in(transaction)? else { return Ok(()) };
    let record = codec::decode::<CaptureRecord>(&record, &|| format!("table `captures`, key {capture}"))?;
    let mut table = open(transaction, tables::CAPTURE_NAMES)?;
    let stored = table.get(capture.0).map_err(|error| storage_error("read", error.into()))?;
    let stored = stored.map(|guard| decoded(guard.value(), capture)).transpose()?;
    let mut all = stored.map_or_else(|| vec![record.name], |stored| stored.names);
    let before = all.len();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    if all.len() > before {
        let bytes = codec::encode(&CaptureNames { capture_id: capture, names: all })?;
        table.insert(capture.0, bytes.as_slice()).map_err(|error| storage_error("write", error.into()))?;
    }
    Ok(())
}

//! Rewrites a study with a subset of its jobs: no page of the new file holds anything of the removed jobs.
//!
//! A record is kept if a kept job lists it among its outputs. Of several ingests of one capture, and of several
//! captures of one class, only the first lists the record of capture and class: if that job is removed and another is
//! kept, the record moves to the other. Checkpoints are dropped: they may have been trained on forgotten traces.

use super::compact::{self, copy_heap, copy_table, forget_training};
use super::engine::{Engine, file_identity, storage_error};
use super::output_key::{Place, open};
use super::reader::Snapshot;
use super::records::{CaptureNames, ObjectRecord};
use super::writer::StoreWriter;
use super::{codec, tables};
use redb::WriteTransaction;
use std::collections::{HashMap, HashSet};
use syntrace_base::base::{CaptureId, Digest};
use syntrace_base::error::{Error, Result};
use syntrace_base::record::{CaptureRecord, JobOutput, JobRecord};

/// What stays of a study.
#[derive(Debug, Clone, Default)]
pub struct Retained {
    /// Jobs, with those of their outputs that stay.
    pub jobs: Vec<JobRecord>,
    /// Captures whose names change: all names that each has from now on, the displayed one first.
    pub names: HashMap<CaptureId, Vec<String>>,
}

impl StoreWriter {
    /// Replaces the study's file by one that holds these jobs and nothing else; needs free space of its size.
    ///
    /// # Errors
    /// `internal` where the study is damaged: its file is then unchanged.
    pub fn retain(&mut self, retained: Retained) -> Result<()> {
        let snapshot = self.snapshot()?;
        let kept = Kept::new(&snapshot, retained)?;
        let fresh =
            compact::replace_by(&self.path, self.cache_bytes, &|transaction| kept.write(&snapshot, transaction))?;
        self.engine = Engine::Writing(fresh);
        self.identity = file_identity(&self.path);
        Ok(())
    }
}

struct Kept {
    jobs: Vec<JobRecord>,
    /// Bytes of the records that stay.
    records: HashMap<Place, Vec<u8>>,
    names: HashMap<CaptureId, Vec<String>>,
}

impl Kept {
    fn new(snapshot: &Snapshot, Retained { mut jobs, names: mended }: Retained) -> Result<Self> {
        let listed = jobs.iter().flat_map(|job| &job.outputs).map(Place::of).collect::<Result<HashSet<_>>>()?;
        let mut kept = Self { jobs: Vec::new(), records: HashMap::new(), names: HashMap::new() };
        for place in &listed {
            kept.keep(snapshot, *place)?;
        }
        for job in &mut jobs {
            for place in kept.named_by(snapshot, job)? {
                if !kept.records.contains_key(&place) {
                    kept.keep(snapshot, place)?;
                    job.outputs.push(JobOutput { table: place.table().to_owned(), key: place.key(), digest: [0; 32] });
                }
            }
        }
        for (capture, names) in snapshot.capture_names()? {
            let names = mended.get(&capture).cloned().unwrap_or(names);
            let place = Place::Capture(capture.0);
            let Some(bytes) = kept.records.get_mut(&place) else { continue };
            let mut record: CaptureRecord = codec::decode(bytes, &|| place.to_string())?;
            if mended.contains_key(&capture) {
                record.name = names.first().cloned().unwrap_or_default();
                *bytes = codec::encode(&record)?;
            }
            if names != [record.name] {
                kept.names.insert(capture, names);
            }
        }
        for output in jobs.iter_mut().flat_map(|job| &mut job.outputs) {
            let bytes = kept.records.get(&Place::of(output)?);
            output.digest = bytes.map_or(output.digest, |bytes| Digest::of(bytes).0);
        }
        kept.jobs = jobs;
        Ok(kept)
    }

    fn keep(&mut self, snapshot: &Snapshot, place: Place) -> Result<()> {
        let bytes = place.read(snapshot)?.ok_or_else(|| {
            Error::internal(format!("{place}: the record is missing"))
                .hint("nothing was changed; `syntrace verify STUDY` lists everything that is damaged")
        })?;
        self.records.insert(place, bytes);
        Ok(())
    }

    /// Class, capture and kept bytes behind the traces of an ingest.
    fn named_by(&self, snapshot: &Snapshot, job: &JobRecord) -> Result<Vec<Place>> {
        let mut named = Vec::new();
        for output in &job.outputs {
            let Place::Ingest((class, capture, _)) = Place::of(output)? else { continue };
            named.extend([Place::Class(class), Place::Capture(capture)]);
            let Some(capture) = snapshot.stored_capture(CaptureId(capture))? else { continue };
            let object = Place::Object(capture.digest);
            let Some(bytes) = object.read(snapshot)? else { continue };
            let record: ObjectRecord = codec::decode(&bytes, &|| object.to_string())?;
            named.extend(record.parts.iter().map(|part| Place::Object(*part)));
            named.push(object);
        }
        Ok(named)
    }

    fn write(&self, snapshot: &Snapshot, transaction: &WriteTransaction) -> Result<()> {
        copy_heap(snapshot, transaction, &|place| self.records.contains_key(&place))?;
        copy_table(snapshot, transaction, tables::META)?;
        forget_training(transaction)?;
        // What is left is no share of the plan.
        let shard = open(transaction, tables::META)?.remove(tables::SHARD).map(drop);
        shard.map_err(|error| storage_error("write", error.into()))?;
        for (place, bytes) in &self.records {
            place.insert(transaction, bytes)?;
        }
        let failed = |error: redb::StorageError| storage_error("write", error.into());
        let mut jobs = open(transaction, tables::JOBS)?;
        for job in &self.jobs {
            jobs.insert(job.job_id.0, codec::encode(job)?.as_slice()).map_err(failed)?;
        }
        let mut table = open(transaction, tables::CAPTURE_NAMES)?;
        for (capture, names) in &self.names {
            let bytes = codec::encode(&CaptureNames { capture_id: *capture, names: names.clone() })?;
            table.insert(capture.0, bytes.as_slice()).map_err(failed)?;
        }
        Ok(())
    }
}

//! Table and key of one output of a job, and its stored bytes.

use super::codec;
use super::engine::storage_error;
use super::reader::Snapshot;
use super::records::{ObjectRecord, SegmentRecord};
use super::schema::EPOCHS;
use super::tables::{self, Bytes};
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use syntrace_base::base::Digest;
use syntrace_base::error::{Error, Result};
use syntrace_base::record::*;

/// Table and key of a record that a job wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Class(i64),
    Capture(i64),
    Ingest((i64, i64, i64)),
    Split(i64),
    Model(i64),
    Attack(i64),
    Segment((u16, i64, i64)),
    Object([u8; 32]),
}

impl Place {
    /// Reads the table and key of a job's output.
    pub fn of(output: &JobOutput) -> Result<Self> {
        let numbers: Vec<i64> =
            output.key.trim_matches(['(', ')']).split(',').filter_map(|part| part.trim().parse().ok()).collect();
        match (output.table.as_str(), numbers.as_slice()) {
            ("classes", [id]) => Some(Self::Class(*id)),
            ("captures", [id]) => Some(Self::Capture(*id)),
            ("ingests", [class, capture, job]) => Some(Self::Ingest((*class, *capture, *job))),
            ("splits", [id]) => Some(Self::Split(*id)),
            ("models", [id]) => Some(Self::Model(*id)),
            ("attacks", [id]) => Some(Self::Attack(*id)),
            ("segments", [code, partition, id]) => {
                u16::try_from(*code).ok().map(|code| Self::Segment((code, *partition, *id)))
            }
            ("objects", _) => Digest::from_hex(&output.key).map(|digest| Self::Object(digest.0)),
            _ => None,
        }
        .ok_or_else(|| {
            Error::damaged(format!("job output `{}`/`{}`: unknown table or malformed key", output.table, output.key))
        })
    }

    /// Name of its table in a job's outputs.
    pub fn table(self) -> &'static str {
        match self {
            Self::Class(_) => "classes",
            Self::Capture(_) => "captures",
            Self::Ingest(_) => "ingests",
            Self::Split(_) => "splits",
            Self::Model(_) => "models",
            Self::Attack(_) => "attacks",
            Self::Segment(_) => "segments",
            Self::Object(_) => "objects",
        }
    }

    /// Its key in a job's outputs.
    pub fn key(self) -> String {
        match self {
            Self::Class(id) | Self::Capture(id) | Self::Split(id) | Self::Model(id) | Self::Attack(id) => {
                id.to_string()
            }
            Self::Ingest(key) => format!("{key:?}"),
            Self::Segment(key) => format!("{key:?}"),
            Self::Object(digest) => Digest(digest).hex(),
        }
    }

    fn id_table(self) -> Option<(TableDefinition<'static, i64, Bytes>, i64)> {
        match self {
            Self::Class(id) => Some((tables::CLASSES, id)),
            Self::Capture(id) => Some((tables::CAPTURES, id)),
            Self::Split(id) => Some((tables::SPLITS, id)),
            Self::Model(id) => Some((tables::MODELS, id)),
            Self::Attack(id) => Some((tables::ATTACKS, id)),
            Self::Ingest(_) | Self::Segment(_) | Self::Object(_) => None,
        }
    }

    /// The stored bytes under this key in a snapshot.
    pub fn read(self, snapshot: &Snapshot) -> Result<Option<Vec<u8>>> {
        macro_rules! get {
            ($table:expr, $key:expr) => {
                match snapshot.open($table)? {
                    Some(table) => value(table.get($key))?,
                    None => None,
                }
            };
        }
        Ok(match self {
            Self::Ingest(key) => get!(tables::INGESTS, key),
            Self::Segment(key) => get!(tables::SEGMENTS, key),
            Self::Object(key) => get!(tables::OBJECTS, &key),
            _ => match self.id_table() {
                Some((table, id)) => get!(table, id),
                None => None,
            },
        })
    }

    /// The same in an open transaction.
    pub fn read_in(self, transaction: &WriteTransaction) -> Result<Option<Vec<u8>>> {
        Ok(match self {
            Self::Ingest(key) => value(open(transaction, tables::INGESTS)?.get(key))?,
            Self::Segment(key) => value(open(transaction, tables::SEGMENTS)?.get(key))?,
            Self::Object(key) => value(open(transaction, tables::OBJECTS)?.get(&key))?,
            _ => match self.id_table() {
                Some((table, id)) => value(open(transaction, table)?.get(id))?,
                None => None,
            },
        })
    }

    /// Stores a record's bytes under this key.
    pub fn insert(self, transaction: &WriteTransaction, bytes: &[u8]) -> Result<()> {
        let failed = |error: redb::StorageError| storage_error("write", error.into());
        match self {
            Self::Ingest(key) => open(transaction, tables::INGESTS)?.insert(key, bytes).map(drop).map_err(failed),
            Self::Segment(key) => open(transaction, tables::SEGMENTS)?.insert(key, bytes).map(drop).map_err(failed),
            Self::Object(key) => open(transaction, tables::OBJECTS)?.insert(&key, bytes).map(drop).map_err(failed),
            _ => match self.id_table() {
                Some((table, id)) => open(transaction, table)?.insert(id, bytes).map(drop).map_err(failed),
                None => Err(Error::internal("an output key has no table")),
            },
        }
    }

    /// Fails unless the bytes are a valid record that belongs under this key.
    pub fn check(self, bytes: &[u8]) -> Result<()> {
        let place = || self.to_string();
        let belongs = match self {
            Self::Class(id) => codec::decode::<ClassRecord>(bytes, &place)?.class_id.0 == id,
            Self::Capture(id) => codec::decode::<CaptureRecord>(bytes, &place)?.capture_id.0 == id,
            Self::Ingest(key) => {
                let record = codec::decode::<IngestRecord>(bytes, &place)?;
                (record.class_id.0, record.capture_id.0, record.job_id.0) == key
            }
            Self::Split(id) => codec::decode::<SplitRecord>(bytes, &place)?.split_id.0 == id,
            Self::Model(id) => codec::decode::<ModelRecord>(bytes, &place)?.model_id.0 == id,
            Self::Attack(id) => codec::decode::<AttackRecord>(bytes, &place)?.attack_id.0 == id,
            Self::Segment(key) => {
                let record = codec::decode::<SegmentRecord>(bytes, &place)?;
                (record.table, record.partition, record.segment_id) == key
            }
            Self::Object(digest) => codec::decode::<ObjectRecord>(bytes, &place)?.digest == digest,
        };
        if belongs { Ok(()) } else { Err(Error::internal(format!("{self}: the record names another key"))) }
    }

    /// True if two records under this key are equal except for names of captures, which are merged.
    pub fn same_but_name(self, a: &[u8], b: &[u8]) -> Result<bool> {
        let place = || self.to_string();
        match self {
            _ if a == b => Ok(true),
            Self::Capture(_) => Ok(same_content(&codec::decode(a, &place)?, &codec::decode(b, &place)?)),
            _ => Ok(false),
        }
    }

    /// As [`Place::same_but_name`], and ignoring wall-clock times.
    pub fn same_but_clock(self, a: &[u8], b: &[u8]) -> Result<bool> {
        let place = || self.to_string();
        match self {
            _ if self.same_but_name(a, b)? => Ok(true),
            Self::Model(_) => {
                let timeless = |bytes| -> Result<Vec<u8>> {
                    codec::encode(&ModelRecord { seconds: 0.0, ..codec::decode::<ModelRecord>(bytes, &place)? })
                };
                Ok(timeless(a)? == timeless(b)?)
            }
            Self::Segment((code, _, _)) if code == EPOCHS.code => {
                let timeless = |bytes| -> Result<Vec<([u8; 16], u32, u8)>> {
                    let record = codec::decode::<SegmentRecord>(bytes, &place)?;
                    let named =
                        record.columns.iter().zip(EPOCHS.columns).filter(|(_, column)| column.name != "seconds");
                    let facts = |column: &super::ColumnRecord| (column.digest, record.rows, column.encoding);
                    Ok(named.map(|(column, _)| facts(column)).collect())
                };
                Ok(timeless(a)? == timeless(b)?)
            }
            _ => Ok(false),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Class(id) => write!(formatter, "classes, key {id}"),
            Self::Capture(id) => write!(formatter, "captures, key {id}"),
            Self::Ingest(key) => write!(formatter, "ingests, key {key:?}"),
            Self::Split(id) => write!(formatter, "splits, key {id}"),
            Self::Model(id) => write!(formatter, "models, key {id}"),
            Self::Attack(id) => write!(formatter, "attacks, key {id}"),
            Self::Segment((code, partition, id)) => {
                let table = super::schema::SEGMENT_TABLES.iter().find(|table| table.code == *code);
                let name = table.map_or("unknown", |table| table.name);
                write!(formatter, "table {name}, partition {partition}, segment {id}")
            }
            Self::Object(digest) => write!(formatter, "objects, key {}", Digest(*digest).hex()),
        }
    }
}

fn value(
    found: std::result::Result<Option<redb::AccessGuard<'_, Bytes>>, redb::StorageError>,
) -> Result<Option<Vec<u8>>> {
    found.map(|found| found.map(|guard| guard.value().to_vec())).map_err(|error| storage_error("read", error.into()))
}

pub(super) fn open<'t, K: redb::Key + 'static, V: redb::Value + 'static>(
    transaction: &'t WriteTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<redb::Table<'t, K, V>> {
    transaction.open_table(definition).map_err(|error| storage_error("open a table of", error.into()))
}

/// Compares two records of a capture by content alone: file name, kept bytes and damage of the compressed input are
/// ignored.
pub(super) fn same_content(a: &CaptureRecord, b: &CaptureRecord) -> bool {
    let plain =
        |capture: &CaptureRecord| CaptureRecord { name: String::new(), kept: false, damage: None, ..capture.clone() };
    plain(a) == plain(b)
}

//! Serialisation of records: a 12-byte header, then the rkyv archive.
//!
//! ```text
//! 0..2   "sy"
//! 2      kind of record
//! 3      layout version of that kind
//! 4..12  first 8 bytes of BLAKE3 over bytes 2..4 and the archive
//! 12..   rkyv archive (little-endian, unaligned, 32-bit relative pointers)
//! ```
//!
//! The checksum finds damage that still validates; rkyv's validation finds everything else, so a
//! hostile file gives an error and never undefined behaviour.

use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use syntrace_base::error::{Error, Result};

/// A type kept as a record.
pub(super) trait Record: rkyv::Archive + Sized {
    /// Code in the header; never reused.
    const KIND: u8;
    /// Layout version.
    const VERSION: u8;
    /// Name in messages.
    const NAME: &'static str;
}

macro_rules! records {
    ($($kind:literal $version:literal $type:ty => $name:literal;)+) => {
        $(impl Record for $type {
            const KIND: u8 = $kind;
            const VERSION: u8 = $version;
            const NAME: &'static str = $name;
        })+
    };
}

records! {
    1 1 syntrace_base::record::ClassRecord => "ClassRecord";
    2 1 syntrace_base::record::CaptureRecord => "CaptureRecord";
    3 1 syntrace_base::record::IngestRecord => "IngestRecord";
    4 1 syntrace_base::record::SplitRecord => "SplitRecord";
    5 1 syntrace_base::record::ModelRecord => "ModelRecord";
    6 1 syntrace_base::record::AttackRecord => "AttackRecord";
    7 1 syntrace_base::record::JobRecord => "JobRecord";
    8 1 super::records::ObjectRecord => "ObjectRecord";
    9 1 super::records::SegmentRecord => "SegmentRecord";
    10 1 super::records::CheckpointRecord => "CheckpointRecord";
    11 1 super::records::CaptureNames => "CaptureNames";
    12 1 super::records::ShardRecord => "ShardRecord";
}

const HEADER_BYTES: usize = 12;

fn checksum(kind_and_version: &[u8], archive: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind_and_version);
    hasher.update(archive);
    let mut sum = [0u8; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}

/// Record to stored bytes.
pub(super) fn encode<T>(record: &T) -> Result<Vec<u8>>
where
    T: Record + for<'a> rkyv::Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    let archive = rkyv::to_bytes::<rancor::Error>(record)
        .map_err(|error| Error::internal(format!("cannot archive a {}: {error}", T::NAME)))?;
    Ok(framed::<T>(&archive))
}

/// An archive behind its header.
pub(super) fn framed<T: Record>(archive: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + archive.len());
    bytes.extend_from_slice(b"sy");
    bytes.extend_from_slice(&[T::KIND, T::VERSION]);
    bytes.extend_from_slice(&checksum(&[T::KIND, T::VERSION], archive));
    bytes.extend_from_slice(archive);
    bytes
}

/// Stored bytes to record; `place` says where they were found.
pub(super) fn decode<T>(bytes: &[u8], place: &dyn Fn() -> String) -> Result<T>
where
    T: Record,
    T::Archived:
        for<'a> CheckBytes<HighValidator<'a, rancor::Error>> + rkyv::Deserialize<T, HighDeserializer<rancor::Error>>,
{
    let damaged = |what: String| {
        Error::damaged(format!("{what} instead of a {} of layout {}", T::NAME, T::VERSION)).context(place())
    };
    let Some((header, archive)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(damaged(format!("found {} bytes", bytes.len())));
    };
    // The checksum covers the layout version: an unknown version with a valid checksum is not damage.
    if checksum(&header[2..4], archive) != header[4..12] {
        return Err(damaged("found bytes with a wrong checksum".to_owned()));
    }
    match *header {
        [b's', b'y', kind, version, ..] if kind == T::KIND && version == T::VERSION => {}
        [b's', b'y', kind, version, ..] if kind == T::KIND && version > T::VERSION => {
            return Err(Error::user(format!(
                "{} has layout {version}, this program reads up to {}",
                T::NAME,
                T::VERSION
            ))
            .context(place())
            .hint("use a newer syntrace"));
        }
        _ => return Err(damaged(format!("found header {header:02x?}"))),
    }
    rkyv::from_bytes::<T, rancor::Error>(archive)
        .map_err(|error| damaged(format!("found an invalid archive ({error})")))
}

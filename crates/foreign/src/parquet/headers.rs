//! Validates footer and page headers of a Parquet file (Thrift's compact protocol) before the decoder reads them.
//!
//! The decoder trusts their claims: it allocates for the claimed number of row groups, columns and bytes, recurses into
//! a schema of any depth, and iterates over a list of two thousand million elements that take no bytes. A file of 665
//! bytes kept it busy for minutes, and one with 50,000 nested groups ended the program. Parquet 59 bounds most lists by
//! the remaining bytes, but not that of row groups: 31 bytes that claim 2^31 - 1 of them allocate 206 GB. A header that
//! passes here is complete: each claimed element has its bytes, each field that the decoder reads has the type that the
//! format defines (so that both parse the same), and sizes are within the limits below.
//!
//! Specification: parquet-format 2.12, `parquet.thrift`; Thrift compact protocol. Fields that it does not name
//! may be there, of any type.

use super::damaged;
use std::io::Read;
use syntrace_base::error::Result;

/// Nested groups; a list of numbers takes two.
const LEVELS_MAX: usize = 16;
const COLUMNS_MAX: usize = 100_000;
const NAME_BYTES_MAX: u64 = 256;
/// Bytes of one value of fixed length: the decoder allocates it for NULL too.
const WIDTH_MAX: i32 = 1024;
/// Nested structs and lists, of all kinds.
const DEPTH_MAX: usize = 32;

/// Content of a page header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Bytes of the header itself.
    pub header: u64,
    /// `DATA`, `INDEX`, `DICTIONARY` or `DATA_V2`.
    pub kind: i32,
    /// Bytes before compression.
    pub raw: u64,
    /// Bytes in the file, after the header.
    pub stored: u64,
    /// Of these, bytes of levels that are not compressed.
    pub levels: u64,
    /// Values, NULL among them.
    pub values: u64,
}

pub(super) const DATA: i32 = 0;
pub(super) const INDEX: i32 = 1;
pub(super) const DICTIONARY: i32 = 2;
pub(super) const DATA_V2: i32 = 3;

/// Reads the header of the page at which `read` stands.
///
/// # Errors
/// `user` where it ends too early, contradicts the format, or claims a negative size.
pub(super) fn page(read: impl Read) -> Result<Page> {
    let mut page = Page::default();
    // Of the three kinds of header that a page may have; the kind says which one counts.
    let (mut data, mut dictionary, mut data_v2) = (None, None, None);
    let mut claimed = |claim: Claim, value: i32| {
        let size = u64::try_from(value).map_err(|_| damaged(format!("a page claims {value} bytes or values")));
        match claim {
            Claim::PageKind => page.kind = value,
            Claim::RawBytes => page.raw = size?,
            Claim::StoredBytes => page.stored = size?,
            Claim::LevelBytes => page.levels += size?,
            Claim::DataValues => data = Some(size?),
            Claim::DictionaryValues => dictionary = Some(size?),
            Claim::DataV2Values => data_v2 = Some(size?),
            Claim::Name | Claim::Children | Claim::Width => {}
        }
        Ok(())
    };
    let mut walk = Walk { read, bytes: 0, claimed: &mut claimed };
    walk.structure(PAGE_HEADER, 0)?;
    page.header = walk.bytes;
    if [data, dictionary, data_v2].iter().flatten().count() > 1 {
        return Err(damaged("a page has headers of two kinds"));
    }
    page.values = match page.kind {
        INDEX => Some(0),
        DATA => data,
        DICTIONARY => dictionary,
        DATA_V2 => data_v2,
        _ => None,
    }
    .ok_or_else(|| damaged(format!("a page of kind {} without the header of such a page", page.kind)))?;
    Ok(page)
}

/// Walks the footer, without the eight bytes at its end.
///
/// # Errors
/// `user` where it ends too early, contradicts the format, or is over the limits of this module.
pub(super) fn check_footer(bytes: &[u8]) -> Result<()> {
    // Children that are still to come, of each group that is open.
    let (mut open, mut elements) = (Vec::<i32>::new(), 0usize);
    let mut claimed = |claim: Claim, value: i32| match claim {
        Claim::Name => {
            elements += 1;
            while open.last() == Some(&0) {
                open.pop();
            }
            match open.last_mut() {
                Some(left) => *left -= 1,
                None if elements == 1 => {}
                None => return Err(damaged("its schema has more columns than it claims")),
            }
            if elements > COLUMNS_MAX {
                return Err(damaged(format!("expected at most {COLUMNS_MAX} columns, found more")));
            }
            Ok(())
        }
        Claim::Children if value < 0 => Err(damaged(format!("a group of its schema claims {value} columns"))),
        Claim::Children => {
            open.push(value);
            if open.len() > LEVELS_MAX {
                return Err(damaged(format!("its schema is deeper than {LEVELS_MAX} levels")));
            }
            Ok(())
        }
        Claim::Width if value > WIDTH_MAX => {
            Err(damaged(format!("expected values of at most {WIDTH_MAX} bytes, found a column that claims {value}")))
        }
        _ => Ok(()),
    };
    let mut walk = Walk { read: bytes, bytes: 0, claimed: &mut claimed };
    walk.structure(FILE_META_DATA, 0)?;
    match open.iter().find(|left| **left > 0) {
        Some(left) => Err(damaged(format!("its schema claims {left} more columns than it has"))),
        None => Ok(()),
    }
}

/// An untrusted size that controls an allocation of the decoder.
#[derive(Debug, Clone, Copy)]
enum Claim {
    /// There is a schema element (its name, not the number).
    Name,
    Children,
    Width,
    PageKind,
    RawBytes,
    StoredBytes,
    LevelBytes,
    DataValues,
    DictionaryValues,
    DataV2Values,
}

/// What a field is, of those that the decoder reads.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Double,
    Binary,
    List(&'static Shape),
    Struct(&'static [(i16, Shape)]),
    /// An `I32` (a `Binary` for `Name`) that the caller asked for.
    Bounded(Claim),
    Unknown,
}

use Shape::{Binary, Bool, Bounded, Double, I8, I16, I32, I64, List, Struct, Unknown};

const EMPTY: Shape = Struct(&[]);
const TIME: Shape = Struct(&[(1, Bool), (2, Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))]);
const LOGICAL_TYPE: Shape = Struct(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Struct(&[(1, I32), (2, I32)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Struct(&[(1, I8), (2, Bool)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Struct(&[(1, I8)])),
    (17, Struct(&[(1, Binary)])),
    (18, Struct(&[(1, Binary), (2, I32)])),
]);
const SCHEMA_ELEMENT: Shape = Struct(&[
    (1, I32),
    (2, Bounded(Claim::Width)),
    (3, I32),
    (4, Bounded(Claim::Name)),
    (5, Bounded(Claim::Children)),
    (6, I32),
    (7, I32),
    (8, I32),
    (9, I32),
    (10, LOGICAL_TYPE),
]);
const STATISTICS: Shape =
    Struct(&[(1, Binary), (2, Binary), (3, I64), (4, I64), (5, Binary), (6, Binary), (7, Bool), (8, Bool)]);
const BOUNDING_BOX: Shape =
    Struct(&[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)]);
const KEY_VALUE: Shape = Struct(&[(1, Binary), (2, Binary)]);
const COLUMN_META_DATA: Shape = Struct(&[
    (1, I32),
    (2, List(&I32)),
    (3, List(&Binary)),
    (4, I32),
    (5, I64),
    (6, I64),
    (7, I64),
    (8, List(&KEY_VALUE)),
    (9, I64),
    (10, I64),
    (11, I64),
    (12, STATISTICS),
    (13, List(&Struct(&[(1, I32), (2, I32), (3, I32)]))),
    (14, I64),
    (15, I32),
    (16, Struct(&[(1, I64), (2, List(&I64)), (3, List(&I64))])),
    (17, Struct(&[(1, BOUNDING_BOX), (2, List(&I32))])),
]);
const COLUMN_CHUNK: Shape =
    Struct(&[(1, Binary), (2, I64), (3, COLUMN_META_DATA), (4, I64), (5, I32), (6, I64), (7, I32), (9, Binary)]);
const ROW_GROUP: Shape = Struct(&[
    (1, List(&COLUMN_CHUNK)),
    (2, I64),
    (3, I64),
    (4, List(&Struct(&[(1, I32), (2, Bool), (3, Bool)]))),
    (5, I64),
    (6, I64),
    (7, I16),
]);
const FILE_META_DATA: &[(i16, Shape)] = &[
    (1, I32),
    (2, List(&SCHEMA_ELEMENT)),
    (3, I64),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, Binary),
    (7, List(&Struct(&[(1, EMPTY)]))),
    (9, Binary),
];
const PAGE_HEADER: &[(i16, Shape)] = &[
    (1, Bounded(Claim::PageKind)),
    (2, Bounded(Claim::RawBytes)),
    (3, Bounded(Claim::StoredBytes)),
    (4, I32),
    (5, Struct(&[(1, Bounded(Claim::DataValues)), (2, I32), (3, I32), (4, I32), (5, STATISTICS)])),
    (6, EMPTY),
    (7, Struct(&[(1, Bounded(Claim::DictionaryValues)), (2, I32), (3, Bool)])),
    (
        8,
        Struct(&[
            (1, Bounded(Claim::DataV2Values)),
            (2, I32),
            (3, I32),
            (4, I32),
            (5, Bounded(Claim::LevelBytes)),
            (6, Bounded(Claim::LevelBytes)),
            (7, Bool),
            (8, STATISTICS),
        ]),
    ),
];

/// Types of fields and elements on the wire. A boolean is its own type: a field of it takes no byte.
mod wire {
    pub const STOP: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const I8: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
    pub const UUID: u8 = 13;
}

struct Walk<'a, R> {
    read: R,
    bytes: u64,
    claimed: &'a mut dyn FnMut(Claim, i32) -> Result<()>,
}

impl<R: Read> Walk<'_, R> {
    /// Fields up to the stop, in the order of their ids, as every writer has them.
    fn structure(&mut self, fields: &[(i16, Shape)], depth: usize) -> Result<()> {
        let mut last = 0i16;
        while let Some((wire, id)) = self.field(last)? {
            let shape = fields.iter().find(|(known, _)| *known == id).map_or(Unknown, |(_, shape)| *shape);
            if !fields.is_empty() && id <= last {
                return Err(damaged(format!("a header has field {id} after field {last}")));
            }
            self.value(shape, wire, depth)?;
            last = id;
        }
        Ok(())
    }

    fn field(&mut self, last: i16) -> Result<Option<(u8, i16)>> {
        let head = self.byte()?;
        let (delta, wire) = (i16::from(head >> 4), head & 0xf);
        match (wire, delta) {
            (wire::STOP, _) => Ok(None),
            (wire, 0) => Ok(Some((wire, self.integer()?))),
            (wire, delta) => {
                let id = last.checked_add(delta).ok_or_else(|| damaged("a header has too many fields"))?;
                Ok(Some((wire, id)))
            }
        }
    }

    fn value(&mut self, shape: Shape, wire: u8, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(damaged(format!("a header is deeper than {DEPTH_MAX} levels")));
        }
        match (shape, wire) {
            (Bool | Unknown, wire::TRUE | wire::FALSE) => Ok(()),
            (I8 | Unknown, wire::I8) => self.byte().map(drop),
            (I16 | Unknown, wire::I16) => self.integer::<i16>().map(drop),
            (I32 | Unknown, wire::I32) => self.integer::<i32>().map(drop),
            (I64 | Unknown, wire::I64) => self.integer::<i64>().map(drop),
            (Double | Unknown, wire::DOUBLE) => self.skip(8),
            (Bounded(Claim::Name), wire::BINARY) => {
                let length = self.unsigned()?;
                if length > NAME_BYTES_MAX {
                    return Err(damaged(format!(
                        "expected a column's name of at most {NAME_BYTES_MAX} bytes, found {length}"
                    )));
                }
                self.skip(length)?;
                (self.claimed)(Claim::Name, 0)
            }
            (Bounded(claim), wire::I32) => {
                let value = self.integer()?;
                (self.claimed)(claim, value)
            }
            (Binary | Unknown, wire::BINARY) => {
                let length = self.unsigned()?;
                self.skip(length)
            }
            (List(element), wire::LIST) => self.list(*element, depth),
            (Unknown, wire::LIST | wire::SET) => self.list(Unknown, depth),
            (Unknown, wire::MAP) => self.map(depth),
            (Struct(fields), wire::STRUCT) => self.structure(fields, depth + 1),
            (Unknown, wire::STRUCT) => self.structure(&[], depth + 1),
            (Unknown, wire::UUID) => self.skip(16),
            _ => Err(damaged(format!("a header has a field of type {wire} where the format has another"))),
        }
    }

    /// Each element takes a byte at least, so that a list is as long as its bytes at most.
    fn list(&mut self, element: Shape, depth: usize) -> Result<()> {
        let head = self.byte()?;
        // So some writers say that there is none.
        if head == 0 {
            return Ok(());
        }
        let size = match head >> 4 {
            15 => self.size()?,
            size => i32::from(size),
        };
        for _ in 0..size {
            self.element(element, head & 0xf, depth + 1)?;
        }
        Ok(())
    }

    fn map(&mut self, depth: usize) -> Result<()> {
        let size = self.size()?;
        let types = if size > 0 { self.byte()? } else { 0 };
        for _ in 0..size {
            self.element(Unknown, types >> 4, depth + 1)?;
            self.element(Unknown, types & 0xf, depth + 1)?;
        }
        Ok(())
    }

    fn element(&mut self, shape: Shape, wire: u8, depth: usize) -> Result<()> {
        // The format has no list of them here, and the decoder skips one without moving on.
        if matches!(wire, wire::TRUE | wire::FALSE) {
            return Err(damaged("a header has a list of booleans"));
        }
        self.value(shape, wire, depth)
    }

    fn size(&mut self) -> Result<i32> {
        let size = self.unsigned()?;
        i32::try_from(size).map_err(|_| damaged(format!("a header claims a list of {size} elements")))
    }

    /// A zigzag number that fits its type: the decoder would cut it.
    fn integer<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let raw = self.unsigned()?;
        let value = (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed();
        T::try_from(value).map_err(|_| damaged(format!("a header has {value} where the format has a smaller number")))
    }

    fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(damaged("a header has a number of more than 64 bits"))
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.read.read_exact(&mut byte).map_err(|_| cut())?;
        self.bytes += 1;
        Ok(byte[0])
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        if length == 0 {
            return Ok(());
        }
        let skipped = std::io::copy(&mut self.read.by_ref().take(length), &mut std::io::sink()).map_err(damaged)?;
        self.bytes += skipped;
        if skipped < length { Err(cut()) } else { Ok(()) }
    }
}

fn cut() -> syntrace_base::error::Error {
    damaged("a header ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::metadata::ParquetMetaDataReader;

    fn group(name: &str, children: u8) -> Vec<u8> {
        [&[0x48, name.len() as u8], name.as_bytes(), &[0x15, children * 2, 0]].concat()
    }

    /// A group that is optional: what is below the root says how often it is there.
    fn inner(name: &str) -> Vec<u8> {
        [&[0x35, 2, 0x18, name.len() as u8], name.as_bytes(), &[0x15, 2, 0]].concat()
    }

    fn leaf(name: &str) -> Vec<u8> {
        [&[0x15, 8, 0x25, 0, 0x18, name.len() as u8], name.as_bytes(), &[0]].concat()
    }

    /// Version 1, a schema of fewer than 15 elements, no rows, then `rest`.
    fn file(schema: &[Vec<u8>], rest: &[u8]) -> Vec<u8> {
        [&[0x15, 2, 0x19, (schema.len() as u8) << 4 | 12], schema.concat().as_slice(), &[0x16, 0], rest].concat()
    }

    fn plain(rest: &[u8]) -> Vec<u8> {
        file(&[group("schema", 1), leaf("x")], rest)
    }

    const NO_GROUPS: [u8; 3] = [0x19, 0x0c, 0];

    #[track_caller]
    fn refused(footer: &[u8], why: &str) {
        let error = check_footer(footer).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn a_whole_footer_passes_as_it_does_the_decoder_and_no_part_of_it_does() {
        let unknown = [0x19, 0x0c, 0xf8, 2, b'h', b'i', 0x1b, 1, 0x8c, 1, b'k', 0x15, 2, 0, 0];
        for footer in [plain(&NO_GROUPS), plain(&unknown), file(&[group("s", 1), inner("a"), leaf("x")], &NO_GROUPS)] {
            ParquetMetaDataReader::decode_metadata(&footer).unwrap();
            check_footer(&footer).unwrap();
            for end in 0..footer.len() {
                refused(&footer[..end], "ends too early");
            }
        }
    }

    #[test]
    fn what_the_decoder_would_make_room_for_or_count_through_is_refused() {
        refused(&plain(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7]), "ends too early"); // 2^31 - 1 row groups
        refused(&plain(&[0x19, 0x0c, 0x09, 40, 0xf2, 0xff, 0xff, 0xff, 0xff, 7, 0]), "booleans");
        refused(&plain(&[0x19, 0x0c, 0x09, 40, 0xf7, 0xff, 0xff, 0xff, 0xff, 7, 0]), "ends too early"); // doubles
        refused(&plain(&[0x19, 0x0c, 0x0b, 40, 0xff, 0xff, 0xff, 0xff, 7, 0x11, 0]), "booleans"); // a map of them
        refused(&plain(&[0x19, 0x0c, 0x08, 40, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), "ends too early");
        refused(&plain(&[0x19, 0x0c, 0x09, 40, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), "a list of");
        refused(&plain(&[[0x19, 0x0c, 0x0c, 40].as_slice(), &[0x1c; 200]].concat()), "deeper than 32");
        let deep: Vec<u8> = (0..1000).flat_map(|_| inner("a")).collect();
        let deep = [&[0x15, 2, 0x19, 0xfc, 0xea, 7], group("s", 1).as_slice(), &deep, &leaf("x"), &[0x16, 0]].concat();
        refused(&[deep.as_slice(), &NO_GROUPS].concat(), "deeper than 16");
        let many: Vec<u8> = (0..COLUMNS_MAX).flat_map(|_| leaf("x")).collect();
        let root = [0x48, 1, b's', 0x15, 0x80, 0xb5, 0x18, 0]; // 200,000 columns
        let many = [&[0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0x7f], root.as_slice(), &many].concat();
        refused(&many, "at most 100000 columns");
    }

    #[test]
    fn a_schema_has_the_columns_that_it_claims_and_short_names_and_values() {
        refused(&file(&[group("s", 2), leaf("x")], &NO_GROUPS), "claims 1 more columns than it has");
        refused(&file(&[group("s", 1), leaf("x"), leaf("y")], &NO_GROUPS), "more columns than it claims");
        refused(&file(&[[0x48, 1, b's', 0x15, 1, 0].to_vec()], &NO_GROUPS), "claims -1 columns");
        refused(&file(&[[0x48, 0x81, 2, b's'].to_vec()], &NO_GROUPS), "found 257");
        let wide = [0x15, 14, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0, 0x18, 1, b'x', 0];
        refused(&file(&[group("s", 1), wide.to_vec()], &NO_GROUPS), "claims 2147483647");
    }

    #[test]
    fn fields_that_the_decoder_reads_are_of_their_type_and_come_once() {
        refused(&[0x17, 2, 0, 0, 0, 0, 0, 0, 0, 0], "of type 7");
        refused(&[0x15, 2, 0x05, 2, 4, 0], "field 1 after field 1");
        refused(&plain(&[0x19, 0x08, 0x19, 0x1b, 1, b'a']), "of type 11");
        refused(&[0x15, 0xff, 0xff, 0xff, 0xff, 0x1f], "a smaller number");
        refused(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "64 bits");
        refused(&[0x1e, 0], "of type 14");
    }

    #[test]
    fn a_page_header_says_what_follows_it() {
        let data = [0x15, 0, 0x15, 20, 0x15, 16, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0, 99];
        let expected = Page { header: 17, kind: DATA, raw: 10, stored: 8, levels: 0, values: 3 };
        assert_eq!(page(data.as_slice()).unwrap(), expected);
        let dictionary = [0x15, 4, 0x15, 20, 0x15, 16, 0x4c, 0x15, 2, 0x15, 0, 0x12, 0, 0];
        let expected = Page { header: 14, kind: DICTIONARY, raw: 10, stored: 8, levels: 0, values: 1 };
        assert_eq!(page(dictionary.as_slice()).unwrap(), expected);
        let data_v2 = [0x15, 6, 0x15, 20, 0x15, 16, 0x5c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 0, 0x15, 4, 0x15, 2, 0, 0];
        let expected = Page { header: 21, kind: DATA_V2, raw: 10, stored: 8, levels: 3, values: 3 };
        assert_eq!(page(data_v2.as_slice()).unwrap(), expected);
        for (bytes, why) in [
            (&[0x15, 4, 0x15, 20, 0x15, 16, 0x2c, 0x15, 2, 0, 0][..], "kind 2 without"),
            (&[0x15, 8, 0x15, 20, 0x15, 16, 0][..], "kind 4 without"),
            (&[0x15, 0, 0x15, 1, 0x15, 16, 0][..], "claims -1"),
            (&[0x15, 4, 0x15, 20, 0x15, 16, 0x4c, 0x15, 2, 0, 0x1c, 0x15, 2, 0, 0][..], "two kinds"),
            (&[0xe3, 0xfb, 0xea, 0xf7, 0xea, 0xf7, 0xb3, 0xea, 2, 0x15][..], "ends too early"), // 760 million doubles
            (&data[..9], "ends too early"),
        ] {
            let error = page(bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}

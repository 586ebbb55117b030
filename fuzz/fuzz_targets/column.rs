//! A stored column with claims of its record: type, encoding, rows, raw bytes, NULLs, then its bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use syntrace::store::fuzz_decoders::{StoredColumn, decode_column};
use syntrace::store::schema::ColumnType::{self, Bool, Bytes, F32, F32List, F64, I16, I32, I64, Text};

const KINDS: [ColumnType; 9] = [Bool, I16, I32, I64, F32, F64, Text, Bytes, F32List];

fuzz_target!(|data: &[u8]| {
    let Some((head, stored)) = data.split_at_checked(14) else { return };
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let column = StoredColumn {
        kind: KINDS[head[0] as usize % KINDS.len()],
        encoding: head[1],
        rows: word(2),
        raw_bytes: word(6),
        null_count: word(10),
        stored: stored.to_vec(),
    };
    if let Ok(array) = decode_column(&column) {
        assert_eq!(array.len(), column.rows as usize);
    }
});

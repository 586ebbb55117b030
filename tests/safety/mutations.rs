//! Thousands of damaged inputs for everything that reads what strangers wrote: an error or an answer,
//! never a panic, never memory beyond what the input can bear. The same inputs every time; `fuzz/`
//! has the same targets for a fuzzer.

use crate::query::study;
use rand::RngExt;
use redb::{ReadableDatabase, ReadableTable, TableHandle};
use std::sync::Arc;
use syntrace::base::{Seed, StreamRng};
use syntrace::query::{Session, SessionOptions};
use syntrace::store::fuzz_decoders::{
    StoredColumn, decode_archive, decode_column, decode_segment, encode_column, framed_segment,
};
use syntrace::store::schema::{ColumnType, SEGMENT_TABLES};

/// Changes some bytes as damage and malice do: bits, extremes, cuts, repetitions, insertions.
fn mutate(bytes: &[u8], rng: &mut StreamRng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if out.is_empty() {
            out.push(rng.random_range(0..=255));
        }
        let at = rng.random_range(0..out.len());
        let length = rng.random_range(1..=16).min(out.len() - at);
        match rng.random_range(0..7) {
            0 => out[at] ^= 1 << rng.random_range(0..8),
            1 => out[at] = rng.random_range(0..=255),
            2 => out[at..at + length].fill([0, 0xff, 0x7f, 0x80][rng.random_range(0..4)]),
            3 => drop(out.drain(at..at + length)),
            4 => {
                let again = out[at..at + length].to_vec();
                out.splice(at..at, again);
            }
            5 => {
                let other = rng.random_range(0..out.len() - length + 1);
                out.copy_within(other..other + length, at);
            }
            _ => out.truncate(at),
        }
    }
    out
}

fn rng(name: &str) -> StreamRng {
    Seed::root(3).named(name).rng()
}

/// Kind and archive of every record of the small study.
fn archives() -> Vec<(u8, Vec<u8>)> {
    let study = study::small();
    let database = redb::ReadOnlyDatabase::open(&study.path).unwrap();
    let transaction = database.begin_read().unwrap();
    let mut found = Vec::new();
    macro_rules! read {
        ($key:ty, $($name:literal),+) => {$(
            let definition: redb::TableDefinition<$key, &[u8]> = redb::TableDefinition::new($name);
            if let Ok(table) = transaction.open_table(definition) {
                assert!(definition.name().starts_with("syntrace."));
                for row in table.iter().unwrap() {
                    let bytes = row.unwrap().1.value().to_vec();
                    found.push((bytes[2], bytes[12..].to_vec()));
                }
            }
        )+};
    }
    read!(
        i64,
        "syntrace.classes",
        "syntrace.captures",
        "syntrace.splits",
        "syntrace.models",
        "syntrace.attacks",
        "syntrace.jobs"
    );
    read!((i64, i64, i64), "syntrace.ingests");
    read!(&[u8; 32], "syntrace.objects");
    read!((u16, i64, i64), "syntrace.segments");
    found
}

#[test]
fn mutated_records_are_errors_or_records() {
    let archives = archives();
    assert!(archives.iter().map(|(kind, _)| kind).collect::<std::collections::BTreeSet<_>>().len() >= 9);
    let mut rng = rng("records");
    let mut refused = 0;
    for _ in 0..6_000 {
        let (kind, archive) = &archives[rng.random_range(0..archives.len())];
        decode_archive(*kind, archive).unwrap();
        refused += u32::from(decode_archive(*kind, &mutate(archive, &mut rng)).is_err());
    }
    assert!(refused > 1_000, "{refused} of 6000 were refused");
}

/// Columns of every type in every layout, out of the small study.
fn columns() -> Vec<StoredColumn> {
    let study = study::small();
    let snapshot = study.store().snapshot().unwrap();
    let mut found: Vec<StoredColumn> = Vec::new();
    for table in SEGMENT_TABLES {
        for segment in snapshot.segments(table).unwrap() {
            for (index, column) in table.columns.iter().enumerate() {
                let array = snapshot.read_columns(table, &segment, &[index]).unwrap().remove(0);
                found.push(encode_column(column.kind, &array).unwrap());
            }
        }
    }
    let longer: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(arrow::array::Int64Array::from_iter_values((0..3_000).map(|row| 1_000_000_000 + row * row))),
        Arc::new(arrow::array::StringArray::from_iter_values(
            (0..3_000).map(|row| format!("field {}", row * row % 91)),
        )),
        Arc::new(
            (0..3_000).map(|row| (row % 7 != 0).then_some(row as f64 / 3.0)).collect::<arrow::array::Float64Array>(),
        ),
    ];
    for (kind, array) in [ColumnType::I64, ColumnType::Text, ColumnType::F64].into_iter().zip(longer) {
        found.push(encode_column(kind, &array).unwrap());
    }
    found
}

#[test]
fn mutated_columns_are_errors_or_arrays() {
    let columns = columns();
    let mut rng = rng("columns");
    let mut refused = 0;
    for _ in 0..8_000 {
        let mut column = columns[rng.random_range(0..columns.len())].clone();
        decode_column(&column).unwrap();
        column.stored = mutate(&column.stored, &mut rng);
        match rng.random_range(0..5) {
            0 => column.rows = [0, 1, column.rows + 1, 1 << 20, u32::MAX][rng.random_range(0..5)],
            1 => column.raw_bytes = [0, column.raw_bytes + 1, 1 << 20, u32::MAX][rng.random_range(0..4)],
            2 => column.null_count = [0, 1, u32::MAX][rng.random_range(0..3)],
            3 => column.encoding = rng.random_range(0..=255),
            _ => {}
        }
        match decode_column(&column) {
            Ok(array) => assert_eq!(array.len(), column.rows as usize),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 2_000, "{refused} of 8000 were refused");
}

/// Archives of segments of the small study with the stored bytes of their columns.
fn segments() -> Vec<(Vec<u8>, Vec<u8>)> {
    let study = study::small();
    let snapshot = study.store().snapshot().unwrap();
    let mut archives = archives().into_iter().filter(|(kind, _)| *kind == 9).map(|(_, archive)| archive);
    let mut tables: Vec<_> = SEGMENT_TABLES.iter().collect();
    tables.sort_by_key(|table| table.code);
    let mut found = Vec::new();
    for table in tables {
        for segment in snapshot.segments(table).unwrap() {
            let mut bodies = Vec::new();
            for (index, column) in table.columns.iter().enumerate() {
                if segment.columns.get(index).is_some_and(|record| record.inline.is_empty()) {
                    let array = snapshot.read_columns(table, &segment, &[index]).unwrap().remove(0);
                    bodies.extend(encode_column(column.kind, &array).unwrap().stored);
                }
            }
            found.push((archives.next().unwrap(), bodies));
        }
    }
    found
}

#[test]
fn mutated_segments_are_errors_or_whole_columns() {
    let segments = segments();
    let mut rng = rng("segments");
    let mut refused = 0;
    for _ in 0..3_000 {
        let (archive, bodies) = &segments[rng.random_range(0..segments.len())];
        decode_segment(archive, bodies).unwrap();
        let (mut archive, mut bodies) = (archive.clone(), bodies.clone());
        match rng.random_range(0..3) {
            0 => bodies = mutate(&bodies, &mut rng),
            _ => archive = mutate(&archive, &mut rng),
        }
        match decode_segment(&archive, &bodies) {
            Ok(arrays) => assert!(arrays.windows(2).all(|pair| pair[0].len() == pair[1].len())),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 1_000, "{refused} of 3000 were refused");
}

/// What a record claims of its segment (rows, bounds, NULLs) is believed by plans before a column is read.
#[test]
fn queries_over_mutated_segments_are_errors_or_answers() {
    let study = study::small();
    let segments: Vec<_> = archives().into_iter().filter(|(kind, _)| *kind == 9).collect();
    let definition: redb::TableDefinition<(u16, i64, i64), &[u8]> = redb::TableDefinition::new("syntrace.segments");
    let mut rng = rng("queried segments");
    for round in 0..24 {
        let path = study.path.with_extension(format!("hostile-{round}"));
        std::fs::copy(&study.path, &path).unwrap();
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(definition).unwrap();
            let keys: Vec<_> = table.iter().unwrap().map(|row| row.unwrap().0.value()).collect();
            for (key, (_, archive)) in keys.iter().zip(&segments) {
                if rng.random_range(0..2) == 0 {
                    table.insert(key, framed_segment(&mutate(archive, &mut rng)).as_slice()).unwrap();
                }
            }
        }
        transaction.commit().unwrap();
        drop(database);
        let snapshot = syntrace::store::Store::open(&path, 1 << 20).unwrap().snapshot().unwrap();
        let session = Session::open(Arc::new(snapshot), SessionOptions { memory_bytes: 64 << 20, threads: 1 }).unwrap();
        for table in SEGMENT_TABLES {
            for sql in ["SELECT count(*) FROM", "SELECT * FROM"] {
                if let Ok(answer) = session.sql(&format!("{sql} {}", table.name)) {
                    for batch in answer.take(3) {
                        let _ = batch;
                    }
                }
            }
        }
        for sql in [
            "SELECT min(trace_id), max(loss), count(loss), bool_or(member) FROM attributes WHERE trace_id > 5",
            "SELECT class, max(ttl), min(data) FROM packets WHERE ip_length BETWEEN 3 AND 90 GROUP BY class",
        ] {
            if let Ok(answer) = session.sql(sql) {
                answer.for_each(drop);
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

/// Reads mutations of a file; gives how many were refused.
fn refused<T>(whole: &[u8], rounds: usize, read: impl Fn(&[u8]) -> syntrace::error::Result<T>) -> usize {
    assert!(read(whole).is_ok());
    let mut rng = rng("imports");
    (0..rounds).filter(|_| read(&mutate(whole, &mut rng)).is_err()).count()
}

#[test]
fn mutated_attribute_files_are_errors_or_finite_rows() {
    use syntrace::foreign::{FileAttribute, read_npy, read_npy_column, read_parquet, read_safetensors};
    let finite = |rows: syntrace::error::Result<Vec<FileAttribute>>| {
        let rows = rows?;
        assert!(rows.iter().all(|row| row.values.iter().all(|value| value.is_finite())));
        Ok(rows)
    };
    let npy = fixture("import/target/critic.npy");
    assert!(refused(&npy, 4_000, |bytes| finite(read_npy(bytes))) > 1_000);
    assert!(refused(&fixture("import/target/loss.npy"), 2_000, read_npy_column) > 500);
    let values: Vec<u8> = (0..8).flat_map(|value| (value as f32).to_le_bytes()).collect();
    let view = |kind, shape: &[usize], data| safetensors::tensor::TensorView::new(kind, shape.to_vec(), data).unwrap();
    use safetensors::tensor::Dtype;
    let tensors = [
        ("values", view(Dtype::F32, &[4, 2], &values)),
        ("trace_ids", view(Dtype::I64, &[4], &values)),
        ("member", view(Dtype::BOOL, &[4], &[1, 0, 1, 0])),
    ];
    let tensors = safetensors::serialize(tensors, None).unwrap();
    assert!(refused(&tensors, 4_000, |bytes| finite(read_safetensors(bytes))) > 1_000);
    let sql = "SELECT trace_id, member, kind, loss, vector FROM attributes ORDER BY trace_id LIMIT 20";
    let parquet = crate::query::formats::written(syntrace::query::Format::Parquet, sql);
    let read = |bytes: &[u8]| {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), bytes).unwrap();
        finite(read_parquet(path.reopen().unwrap(), &[]).map(|file| file.rows))
    };
    let quiet = std::panic::take_hook();
    // The decoder's own panics are caught and are errors.
    std::panic::set_hook(Box::new(|_| {}));
    let found = refused(&parquet, 1_500, read);
    std::panic::set_hook(quiet);
    assert!(found > 300, "{found} of 1500 were refused");
}

#[test]
fn mutated_lists_logs_and_manifests_are_errors_or_rows() {
    use syntrace::foreign::{read_log, read_members};
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    refused(&fixture("import/target/members.csv"), 3_000, |bytes| read_members(&text(bytes)));
    refused(&fixture("import/target/log.csv"), 3_000, |bytes| read_log(&text(bytes)));
    let manifest = fixture("import/import.toml");
    let parse = |bytes: &[u8]| syntrace::spec::ImportManifest::parse(&text(bytes), std::path::Path::new("."));
    assert!(refused(&manifest, 3_000, parse) > 500);
}

#[test]
fn mutated_specs_are_errors_or_specs() {
    let mut rng = rng("specs");
    for _ in 0..2_000 {
        let text = mutate(syntrace::spec::DEMO.as_bytes(), &mut rng);
        // An error is as good as a spec; a panic is neither.
        let _ = syntrace::spec::Spec::parse(&String::from_utf8_lossy(&text), std::path::Path::new("."));
    }
}

#[test]
fn mutated_captures_give_frames_and_say_where_they_break() {
    use crate::capture::build::*;
    let frame = ethernet(0x0800, &syn());
    let classic = pcap(1, &[frame.clone(), frame.clone(), frame.clone()]);
    let blocks = [section(LITTLE), interface(LITTLE, 1, 0, &[]), enhanced(LITTLE, 0, 1, &frame, &[])].concat();
    let mut rng = rng("captures");
    for whole in [classic, blocks] {
        for _ in 0..3_000 {
            let bytes = mutate(&whole, &mut rng);
            let options = options(10, 1);
            let _ = syntrace::capture::cut(bytes.as_slice(), &options);
        }
    }
}

#[test]
fn mutated_statements_are_errors_or_answers() {
    let study = study::small();
    let snapshot = Arc::new(study.store().snapshot().unwrap());
    let session = Session::open(snapshot, SessionOptions { memory_bytes: 64 << 20, threads: 1 }).unwrap();
    let texts: Vec<&str> = syntrace::query::named_queries().iter().map(|query| query.sql).collect();
    let short = [
        "SELECT generator, auc(score, member) FROM attack_scores GROUP BY generator",
        "SELECT hexdump(data), ip_text(src_ip) FROM packets WHERE ttl > 3 LIMIT 2",
        "SELECT class, jsd(ip_length, synthetic), entropy_bits(ttl) FROM packets GROUP BY class",
        "SELECT list_mean(vector) FROM attributes WHERE epsilon IS NULL ORDER BY 1 DESC",
    ];
    let mut rng = rng("statements");
    for number in 0..1_200 {
        let text = if number % 4 == 0 { texts[rng.random_range(0..texts.len())] } else { short[number % 4] };
        let text = String::from_utf8_lossy(&mutate(text.as_bytes(), &mut rng)).into_owned();
        if let Ok(answer) = session.sql(&text) {
            for batch in answer.take(3) {
                let _ = batch;
            }
        }
    }
}

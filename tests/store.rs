//! Tests of the study file: what is committed comes back, nothing is overwritten, damage is found,
//! wrong files are refused, and the size rule holds.

use arrow::array::*;
use redb::{ReadableDatabase, ReadableTable};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use syntrace::base::{Digest, JobId, SplitId};
use syntrace::record::{JobKind, JobRecord};
use syntrace::store::schema::*;
use syntrace::store::{JobResult, NewObject, NewSegment, Store, StoreWriter};

const CACHE: usize = 16 << 20;
/// The design's rule: file at most this multiple of the compressed payload after `compact`.
const SIZE_RATIO_MAX: f64 = 1.10;

fn job(number: i64) -> JobRecord {
    JobRecord {
        job_id: JobId(number),
        kind: JobKind::Split,
        label: format!("job {number}"),
        spec: "{}".to_owned(),
        inputs: vec![],
        seed: 1,
        code_version: 1,
        program: "test".to_owned(),
        started_us: 0,
        finished_us: 0,
        threads: 1,
        outputs: vec![],
    }
}

/// A trace id that looks like a real one: a hash.
fn trace_id(row: i64) -> i64 {
    syntrace::base::Identity::new("test-trace").int(row).finish().id63()
}

fn split_rows(first: i64, count: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((first..first + count).map(trace_id)));
    let parts: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..count).map(|row| if row % 2 == 0 { "member" } else { "held_out" })));
    RecordBatch::try_from_iter([("trace_id", ids), ("part", parts)]).unwrap()
}

fn result_with_rows(number: i64, partition: SplitId, first: i64, count: i64) -> JobResult {
    let mut result = JobResult::new(job(number));
    result.segments.push(NewSegment { table: &SPLIT_TRACES, partition: partition.0, rows: split_rows(first, count) });
    result
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    use rand::Rng;
    let mut bytes = vec![0; length];
    syntrace::base::Seed::root(seed).rng().fill_bytes(&mut bytes);
    bytes
}

#[test]
fn committed_rows_and_objects_come_back_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let blob = noise(200_000, 3);
    {
        let writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
        let mut result = result_with_rows(1, SplitId(7), 100, 1000);
        result.objects.push(NewObject { kind: "weights", bytes: blob.clone() });
        writer.commit(result).unwrap();
    }
    let snapshot = Store::open(&path, CACHE).unwrap().snapshot().unwrap();
    assert_eq!(snapshot.object(&Digest::of(&blob)).unwrap(), blob);
    let segments = snapshot.segments_of(&SPLIT_TRACES, 7).unwrap();
    assert_eq!(segments.len(), 1);
    let columns = snapshot.read_columns(&SPLIT_TRACES, &segments[0], &[0]).unwrap();
    let expected: ArrayRef = Arc::new(Int64Array::from_iter_values((100..1100).map(trace_id)));
    assert_eq!(&columns[0], &expected);
    assert_eq!(snapshot.counters().columns_read.load(Ordering::Relaxed), 1);
    assert_eq!(snapshot.counters().values_read.load(Ordering::Relaxed), 1000);
    assert!(snapshot.verify().findings.is_empty());
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StoreWriter::open_or_create(&folder.path().join("a.redb"), CACHE).unwrap();
    writer.commit(result_with_rows(1, SplitId(7), 0, 10)).unwrap();
    let error = writer.commit(result_with_rows(1, SplitId(7), 5, 10)).unwrap_err();
    assert!(error.to_string().contains("conflict"), "{error}");
    assert_eq!(writer.snapshot().unwrap().segments(&SPLIT_TRACES).unwrap().len(), 1);
    writer.commit(result_with_rows(1, SplitId(7), 0, 10)).expect("the same again is no conflict");
}

#[test]
fn a_reader_beside_a_writer_sees_the_last_finished_job() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    writer.commit(result_with_rows(1, SplitId(7), 0, 10)).unwrap();
    let reader = Store::open(&path, CACHE).unwrap();
    let before = reader.snapshot().unwrap();
    writer.commit(result_with_rows(2, SplitId(8), 0, 10)).unwrap();
    assert_eq!(before.segments(&SPLIT_TRACES).unwrap().len(), 1, "a snapshot does not change");
    assert_eq!(reader.snapshot().unwrap().segments(&SPLIT_TRACES).unwrap().len(), 2);
}

#[test]
fn two_writers_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let _first = StoreWriter::open_or_create(&path, CACHE).unwrap();
    let error = StoreWriter::open_or_create(&path, CACHE).err().unwrap();
    assert!(error.to_string().contains("being written by another process"), "{error}");
    assert_eq!(error.exit_code(), 75);
}

#[test]
fn a_checkpoint_is_replaced_and_goes_with_its_job() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    writer.save_checkpoint(JobId(1), &noise(300_000, 1)).unwrap();
    let second = noise(100_000, 2);
    writer.save_checkpoint(JobId(1), &second).unwrap();
    assert_eq!(writer.checkpoint(JobId(1)).unwrap().as_deref(), Some(second.as_slice()));
    writer.commit(result_with_rows(1, SplitId(7), 0, 10)).unwrap();
    assert_eq!(writer.checkpoint(JobId(1)).unwrap(), None);
    let sizes = writer.snapshot().unwrap().table_sizes().unwrap();
    let parts = sizes.iter().find(|table| table.name == "checkpoint_parts").unwrap();
    assert_eq!(parts.entries, 0, "nothing of a checkpoint is left");
}

#[test]
fn files_that_are_no_study_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.redb");
    std::fs::write(&text, b"hello, this is no database".repeat(1000)).unwrap();
    for error in [Store::open(&text, CACHE).err().unwrap(), StoreWriter::open_or_create(&text, CACHE).err().unwrap()] {
        assert!(error.to_string().contains("no redb database"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    assert_eq!(std::fs::read(&text).unwrap(), b"hello, this is no database".repeat(1000));
    let missing = Store::open(&folder.path().join("missing.redb"), CACHE).err().unwrap();
    assert!(missing.to_string().contains("missing.redb"), "{missing}");
    let other = folder.path().join("other.redb");
    drop(redb::Database::create(&other).unwrap());
    let error = Store::open(&other, CACHE).err().unwrap();
    assert!(error.to_string().contains("expected a study file"), "{error}");
}

#[test]
fn a_study_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    drop(StoreWriter::open_or_create(&path, CACHE).unwrap());
    let meta: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("syntrace.meta");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(meta).unwrap().insert("format", &99u32.to_le_bytes()[..]).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Store::open(&path, CACHE).err().unwrap();
    assert!(error.to_string().contains("format 99"), "{error}");
    assert!(error.hint_text().unwrap().contains("newer"), "{error:?}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_changed_record_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    drop({
        let writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
        writer.commit(result_with_rows(1, SplitId(7), 0, 1000)).unwrap();
        writer
    });
    let chunks: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("syntrace.chunks");
    {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(chunks).unwrap();
            let mut bytes = table.get(0).unwrap().unwrap().value().to_vec();
            bytes[10] ^= 1;
            table.insert(0, bytes.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let report = Store::open(&path, CACHE).unwrap().snapshot().unwrap().verify();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(report.findings[0].place.contains("trace_id"), "{report:?}");
}

#[test]
fn after_compact_the_file_is_at_most_a_tenth_larger_than_its_payload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    for number in 0..40 {
        let mut result = result_with_rows(number, SplitId(number), number * 100_000, 50_000);
        // Sizes that redb would double if they were single values.
        result.objects.push(NewObject { kind: "weights", bytes: noise(1 << 20, number as u64) });
        result
            .objects
            .push(NewObject { kind: "weights", bytes: noise(600_000 + 7_000 * number as usize, 1000 + number as u64) });
        writer.commit(result).unwrap();
    }
    writer.compact().unwrap();
    let payload = writer.snapshot().unwrap().payload_bytes().unwrap();
    drop(writer);
    let file = std::fs::metadata(&path).unwrap().len();
    let ratio = file as f64 / payload as f64;
    assert!(ratio <= SIZE_RATIO_MAX, "{file} bytes for {payload} bytes of payload: {ratio:.3}");
}

/// A result of a job with a random-looking id, as real ones have.
fn hashed_job(kind: JobKind, number: i64) -> JobRecord {
    let id = syntrace::base::Identity::new("test-job").text(kind.name()).int(number).finish().id63();
    let spec =
        format!("{{\"kind\":\"{}\",\"number\":{number},\"options\":{{\"epochs\":26,\"width\":32}}}}", kind.name());
    JobRecord { job_id: JobId(id), kind, label: format!("{} {number}", kind.name()), spec, ..job(number) }
}

fn random_rows(table: &'static SegmentTable, partition: i64, rows: usize, seed: u64) -> NewSegment {
    let bytes = noise(rows * 8, seed);
    let whole = |at: usize| i64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap());
    let small = |at: usize| whole(at) as u8 as f64 / 256.0;
    let columns = table.columns.iter().map(|column| -> ArrayRef {
        use syntrace::store::schema::ColumnType::*;
        match column.kind {
            Bool => Arc::new((0..rows).map(|at| Some(at % 2 == 0)).collect::<BooleanArray>()),
            I16 => Arc::new((0..rows).map(|at| whole(at) as u8 as i16).collect::<Int16Array>()),
            I32 => Arc::new((0..rows).map(|at| at as i32).collect::<Int32Array>()),
            I64 => Arc::new((0..rows).map(whole).collect::<Int64Array>()),
            F32 => Arc::new((0..rows).map(|at| small(at) as f32).collect::<Float32Array>()),
            F64 => Arc::new((0..rows).map(small).collect::<Float64Array>()),
            Text => Arc::new(StringArray::from_iter_values((0..rows).map(|_| column.name))),
            Bytes => Arc::new(BinaryArray::from_iter_values((0..rows).map(|at| noise(60, seed + at as u64)))),
            F32List => {
                let item = Arc::new(arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float32, false));
                let mut lists = ListBuilder::new(Float32Builder::new()).with_field(item);
                for at in 0..rows {
                    lists.append_value((0..64).map(|item| Some(small((at + item) % rows) as f32)));
                }
                Arc::new(lists.finish())
            }
            // Of imported files only.
            F64List => {
                let item = arrow::datatypes::Field::new("item", arrow::datatypes::DataType::Float64, false);
                new_null_array(&arrow::datatypes::DataType::List(Arc::new(item)), rows)
            }
        }
    });
    let rows = RecordBatch::try_new(syntrace::store::arrow_schema(table), columns.collect()).unwrap();
    NewSegment { table, partition, rows }
}

/// The shape of the demo, about a third of its size: 54 models with weights, attributes and epochs, 108
/// attacks of two tiny segments each, synthetic traces of 18 targets, 200 jobs in all.
fn commit_demo_shape(writer: &StoreWriter) {
    let mut seed = 0;
    let mut commit = |kind, number, object_bytes: usize, segments: &[(&'static SegmentTable, usize, usize)]| {
        let mut result = JobResult::new(hashed_job(kind, number));
        for &(table, count, rows) in segments {
            for _ in 0..count {
                seed += 1;
                let partition = syntrace::base::Identity::new("partition").int(seed).finish().id63();
                result.segments.push(random_rows(table, partition, rows, seed as u64));
            }
        }
        if object_bytes > 0 {
            result.objects.push(NewObject { kind: "weights", bytes: noise(object_bytes, 5000 + number as u64) });
        }
        writer.commit(result).unwrap();
    };
    for number in 0..6 {
        commit(JobKind::Simulate, number, 150_000, &[(&TRACES, 1, 240), (&PACKETS, 1, 2000)]);
    }
    for number in 0..54 {
        let epochs = [(&EPOCHS, 1, 26), (&PRIVACY_LEDGER, 1, 1)];
        commit(JobKind::Train, number, 120_000 + 100 * number as usize, &epochs);
        commit(JobKind::Attribute, number, 0, &[(&ATTRIBUTES, 1, 160)]);
    }
    for number in 0..54 {
        commit(JobKind::Attack, number, 0, &[(&ATTACK_SCORES, 2, 80), (&ROC, 2, 40)]);
    }
    for number in 0..18 {
        let synthetic = [(&SYNTHETIC_TRACES, 1, 100), (&SYNTHETIC_PACKETS, 1, 900)];
        commit(JobKind::Synthesize, number, 0, &synthetic);
        commit(JobKind::Fidelity, number, 0, &[(&FIDELITY, 1, 600)]);
    }
}

#[test]
fn a_study_of_many_small_segments_keeps_the_size_rule_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    commit_demo_shape(&writer);
    let before = writer.snapshot().unwrap().payload_bytes().unwrap();
    writer.compact().unwrap();
    let snapshot = writer.snapshot().unwrap();
    let payload = snapshot.payload_bytes().unwrap();
    assert_eq!(payload, before, "compact changes no content");
    assert_eq!(snapshot.verify().findings, vec![]);
    drop((snapshot, writer));
    let file = std::fs::metadata(&path).unwrap().len();
    let ratio = file as f64 / payload as f64;
    assert!(ratio <= SIZE_RATIO_MAX, "{file} bytes for {payload} bytes of payload: {ratio:.3}");
}

#[test]
fn equal_columns_and_objects_are_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StoreWriter::open_or_create(&folder.path().join("a.redb"), CACHE).unwrap();
    writer.commit(result_with_rows(1, SplitId(7), 0, 10_000)).unwrap();
    let once = writer.snapshot().unwrap().payload_bytes().unwrap();
    for number in 2..6 {
        writer.commit(result_with_rows(number, SplitId(number), 0, 10_000)).unwrap();
    }
    let snapshot = writer.snapshot().unwrap();
    let added = snapshot.payload_bytes().unwrap() - once;
    let column_bytes = snapshot.segments(&SPLIT_TRACES).unwrap()[0].stored_bytes();
    assert!(added < column_bytes, "four more segments added {added} bytes, one has {column_bytes}");
    assert_eq!(snapshot.verify().findings, vec![]);
}

#[test]
fn readers_go_on_through_a_compaction_and_see_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
    writer.commit(result_with_rows(1, SplitId(7), 0, 1000)).unwrap();
    let reader = Store::open(&path, CACHE).unwrap();
    let before = reader.snapshot().unwrap();
    writer.compact().unwrap();
    writer.commit(result_with_rows(2, SplitId(8), 500, 1000)).unwrap();
    assert_eq!(before.verify().findings, vec![], "a snapshot of the old file stays whole");
    assert_eq!(before.segments(&SPLIT_TRACES).unwrap().len(), 1);
    assert_eq!(reader.snapshot().unwrap().segments(&SPLIT_TRACES).unwrap().len(), 2);
    let second = StoreWriter::open_or_create(&path, CACHE).err().unwrap();
    assert!(second.to_string().contains("being written"), "the packed file is locked as the old one was: {second}");
}

#[test]
fn compaction_gives_the_same_contents_in_the_same_places_whatever_the_order_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let heap = |order: &[i64]| {
        let path = folder.path().join(format!("{order:?}.redb"));
        let mut writer = StoreWriter::open_or_create(&path, CACHE).unwrap();
        for &number in order {
            let mut result = result_with_rows(number, SplitId(number), number * 1000, 5000);
            result.objects.push(NewObject { kind: "weights", bytes: noise(70_000, number as u64) });
            writer.commit(result).unwrap();
        }
        writer.compact().unwrap();
        drop(writer);
        let database = redb::ReadOnlyDatabase::open(&path).unwrap();
        let chunks: redb::TableDefinition<u64, &[u8]> = redb::TableDefinition::new("syntrace.chunks");
        let chunks = database.begin_read().unwrap().open_table(chunks).unwrap();
        chunks.iter().unwrap().map(|row| row.unwrap().1.value().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(heap(&[1, 2, 3]), heap(&[3, 1, 2]));
}

#[test]
fn a_file_larger_than_a_part_comes_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let big = folder.path().join("big.bin");
    let bytes = noise((70 << 20) + 13, 9);
    std::fs::write(&big, &bytes).unwrap();
    let digest = Digest::of(&bytes);
    let writer = StoreWriter::open_or_create(&folder.path().join("a.redb"), CACHE).unwrap();
    let mut result = JobResult::new(job(1));
    let file = |digest| syntrace::store::NewFile {
        kind: "capture",
        path: big.clone(),
        digest,
        reader: Box::new(std::fs::File::open(&big).unwrap()),
    };
    result.files.push(file(digest));
    writer.commit(result).unwrap();
    assert_eq!(writer.snapshot().unwrap().object(&digest).unwrap(), bytes);
    let mut wrong = JobResult::new(job(2));
    wrong.files.push(file(Digest::of(b"other")));
    let error = writer.commit(wrong).unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}

#[test]
fn a_place_that_claims_an_absurd_length_is_refused_without_allocating() {
    // A stranger's file may claim anything; nothing is allocated beyond what is stored.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.redb");
    StoreWriter::open_or_create(&path, CACHE).unwrap().commit(result_with_rows(1, SplitId(7), 0, 1000)).unwrap();
    let places: redb::TableDefinition<&[u8; 16], (u64, u64)> = redb::TableDefinition::new("syntrace.places");
    {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(places).unwrap();
            let key = *table.first().unwrap().unwrap().0.value();
            table.insert(&key, (8, u64::MAX / 2)).unwrap();
        }
        transaction.commit().unwrap();
    }
    let report = Store::open(&path, CACHE).unwrap().snapshot().unwrap().verify();
    assert!(report.findings.iter().any(|finding| finding.problem.contains("a content claims bytes 8")), "{report:?}");
    assert!(report.findings.iter().any(|finding| finding.place == "chunks"), "{report:?}");
}

#[test]
fn the_record_of_a_job_that_is_there_is_never_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StoreWriter::open_or_create(&folder.path().join("a.redb"), CACHE).unwrap();
    let first = writer.commit(result_with_rows(1, SplitId(7), 0, 10)).unwrap();
    let mut again = result_with_rows(1, SplitId(7), 0, 10);
    again.job.finished_us = 99;
    assert_eq!(writer.commit(again).unwrap(), first);
    let snapshot = writer.snapshot().unwrap();
    assert_eq!(snapshot.job(JobId(1)).unwrap(), Some(first));
    assert_eq!(snapshot.verify().findings, vec![]);
}

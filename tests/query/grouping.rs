//! Grouping at the scan and filters that a running query learns: the same answers as without them, in
//! less reading, within the memory of the session.

use super::study::{self, flags, floats, ints, job, segment, texts};
use super::{OPTIONS, rows};
use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use syntrace::query::{Session, SessionOptions};
use syntrace::record::JobKind;
use syntrace::store::schema::ATTRIBUTES;
use syntrace::store::{JobResult, Store, StoreWriter};

const SEGMENTS: i64 = 40;
const ROWS: i64 = 5_000;

/// Whole sums, so that no order of adding them matters.
fn sums(session: &Session, from: &str, group_by: &str) -> Vec<String> {
    let mut found = rows(
        session,
        &format!(
            "SELECT {group_by}, count(*), count(shadow), sum(CAST(loss * 1024 AS BIGINT)), min(trace_id), \
             sum(position) FILTER (WHERE member) FROM {from} GROUP BY {group_by}"
        ),
    );
    found.sort();
    found
}

/// Many attribute segments: losses of 8 random bits, traces that repeat between the models.
fn large() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.redb");
    let writer = StoreWriter::open_or_create(&path, study::CACHE).unwrap();
    let mut rng = syntrace::base::Seed::root(3).named("grouping").rng();
    for model in 0..SEGMENTS {
        let losses: Vec<f64> = (0..ROWS).map(|_| f64::from(rng.next_u32() % 256) / 1024.0).collect();
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let offsets = OffsetBuffer::from_repeated_length(1, ROWS as usize);
        let columns: Vec<ArrayRef> = vec![
            ints((0..ROWS).map(|row| (row * 7919 + model) % 9_973)),
            flags((0..ROWS).map(|row| row % 3 == 0)),
            texts((0..ROWS).map(|row| if row % 2 == 0 { "logits" } else { "loss" })),
            // The later models have the larger losses: their segments' bounds say so.
            floats(losses.iter().map(|loss| loss + (model / 4) as f64)),
            Arc::new(ListArray::new(item, offsets, floats(losses.iter().copied()), None)),
        ];
        let mut result = JobResult::new(job(model, JobKind::Attribute));
        result.segments.push(segment(&ATTRIBUTES, model, columns));
        writer.commit(result).unwrap();
    }
    drop(writer);
    let store = Store::open(&path, study::CACHE).unwrap();
    (folder, store)
}

fn session_with(store: &Store, memory_bytes: usize) -> Session {
    let options = SessionOptions { memory_bytes, ..OPTIONS };
    Session::open(Arc::new(store.snapshot().unwrap()), options).unwrap()
}

fn plan(session: &Session, sql: &str) -> String {
    rows(session, &format!("EXPLAIN {sql}")).join("\n")
}

#[test]
fn grouping_at_the_scan_gives_the_groups_of_a_grouping_above_it() {
    let study = study::small();
    let session = session_with(&study.store(), OPTIONS.memory_bytes);
    let from = "(SELECT p.*, p.trace_id % 2 = 0 AS member, p.ip_length / 8.0 AS loss FROM packets p)";
    // A limit that leaves nothing out keeps the grouping above the scan.
    let above = "(SELECT p.*, p.trace_id % 2 = 0 AS member, p.ip_length / 8.0 AS loss FROM packets p LIMIT 1000000)";
    for keys in [
        "class",
        "generator, epsilon",
        "synthetic, position",
        "epsilon, class, src_port, dst_port",
        "coalesce(generator, 'real'), trace_id",
        "shadow, tcp_flags",
    ] {
        let found = sums(&session, from, keys);
        assert!(!found.is_empty());
        assert_eq!(found, sums(&session, above, keys), "{keys}");
    }
    let sql = "SELECT class, position, count(*) FROM packets WHERE ttl > 0 GROUP BY class, position";
    assert!(plan(&session, sql).contains("FragmentAggregate: packets, constants=[class], keys=[position]"));
    let without = "SELECT position, count(*) FROM packets GROUP BY position";
    assert!(!plan(&session, without).contains("FragmentAggregate"));
}

#[test]
fn measures_of_groups_are_the_same_at_the_scan_and_above_it() {
    let study = study::small();
    let session = session_with(&study.store(), OPTIONS.memory_bytes);
    let measures = "auc(loss, member), tpr_at_fpr(loss, member, 0.1), wasserstein(loss, member), \
                    entropy_bits(trace_id), jsd(trace_id, member), median(loss), count(DISTINCT trace_id)";
    let at = format!("SELECT epsilon, role, {measures} FROM attributes GROUP BY epsilon, role ORDER BY 1, 2");
    let above = at.replace("FROM attributes", "FROM (SELECT * FROM attributes LIMIT 1000000)");
    let found = rows(&session, &at);
    assert!(found.len() > 1);
    assert_eq!(found, rows(&session, &above));
}

#[test]
fn little_memory_hands_groups_on_early_and_changes_no_answer() {
    let (_folder, store) = large();
    let sql = "SELECT model_id, trace_id, count(*), sum(CAST(loss * 1024 AS BIGINT)) FROM attributes \
               GROUP BY model_id, trace_id";
    let sorted = |memory_bytes: usize| {
        let mut found = rows(&session_with(&store, memory_bytes), sql);
        found.sort();
        found
    };
    let plenty = sorted(1 << 30);
    assert_eq!(plenty.len(), (SEGMENTS * ROWS) as usize);
    assert!(plan(&session_with(&store, 12 << 20), sql).contains("FragmentAggregate"));
    // The groups of the two lanes together are larger than this: partial states are handed on, and the final
    // groups spill.
    assert_eq!(sorted(12 << 20), plenty);
}

#[test]
fn what_does_not_fit_into_the_memory_says_so() {
    let (_folder, store) = large();
    // All values of a group have to be held at once: 40 groups of 5,000 scores.
    let session = session_with(&store, 1 << 20);
    let sql = "SELECT model_id, auc(loss, member) FROM attributes GROUP BY model_id";
    let error = match session.sql(sql) {
        Ok(answer) => answer.collect_batches().unwrap_err(),
        Err(error) => error,
    };
    let text = format!("{error}");
    assert!(text.contains("the query needs more memory than it may use"), "{text}");
}

fn values_read(store: &Store, sql: &str) -> (Vec<String>, u64) {
    let snapshot = Arc::new(store.snapshot().unwrap());
    let session = Session::open(Arc::clone(&snapshot), OPTIONS).unwrap();
    let found = rows(&session, sql);
    (found, snapshot.counters().values_read.load(Ordering::Relaxed))
}

#[test]
fn a_top_k_reads_no_segment_whose_bounds_are_worse_than_what_it_holds() {
    let (_folder, store) = large();
    // Many rows share a loss: which of them come is open, their losses are not.
    let losses = |rows: Vec<String>| rows.iter().filter_map(|row| row.split('|').next().map(str::to_owned)).collect();
    let sql = "SELECT loss, trace_id, vector FROM attributes ORDER BY loss LIMIT 5";
    let (found, read) = values_read(&store, sql);
    let above = "SELECT loss, trace_id, vector FROM (SELECT *, row_number() OVER () AS n FROM attributes) WHERE n > 0 \
                 ORDER BY loss LIMIT 5";
    let found: Vec<String> = losses(found);
    assert_eq!(found.len(), 5);
    assert_eq!(found, losses(values_read(&store, above).0));
    // Each lane reads a few segments before it knows; then bounds and the sorted column alone decide.
    let all = (SEGMENTS * ROWS) as u64 * 3;
    assert!(read < all / 2, "{read} of {all} values");
}

#[test]
fn a_join_reads_only_the_models_that_the_other_side_has() {
    let (_folder, store) = large();
    let sql = "SELECT a.model_id, count(*), sum(CAST(a.loss * 1024 AS BIGINT)) FROM attributes a JOIN (VALUES (3), (17)) \
               AS wanted(id) ON a.model_id = wanted.id GROUP BY a.model_id ORDER BY 1";
    let (found, read) = values_read(&store, sql);
    let direct = "SELECT model_id, count(*), sum(CAST(loss * 1024 AS BIGINT)) FROM attributes WHERE model_id IN (3, 17) \
                  GROUP BY model_id ORDER BY 1";
    assert_eq!(found, values_read(&store, direct).0);
    assert_eq!(found.len(), 2);
    assert!(read < (SEGMENTS * ROWS) as u64 / 2, "{read}");
}

/// Segments of the same traces under several models, and of others under more: as splits are shared.
#[test]
fn traces_that_stand_under_many_models_are_counted_once_and_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.redb");
    let writer = StoreWriter::open_or_create(&path, study::CACHE).unwrap();
    for model in 0..12i64 {
        // Two splits that overlap in half of their traces.
        let first = (model % 2) * ROWS / 2;
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let offsets = OffsetBuffer::from_repeated_length(0, ROWS as usize);
        let columns: Vec<ArrayRef> = vec![
            ints((first..first + ROWS).map(|trace| trace * 7919 % 104_729)),
            flags((0..ROWS).map(|row| row % 3 == 0)),
            texts((0..ROWS).map(|_| "logits")),
            floats((0..ROWS).map(|row| row as f64 + model as f64)),
            Arc::new(ListArray::new(item, offsets, floats(std::iter::empty()), None)),
        ];
        let mut result = JobResult::new(job(model, JobKind::Attribute));
        result.segments.push(segment(&ATTRIBUTES, model, columns));
        writer.commit(result).unwrap();
    }
    drop(writer);
    let store = Store::open(&path, study::CACHE).unwrap();
    let sql = "SELECT shadow, count(DISTINCT trace_id) FROM attributes GROUP BY shadow";
    let (found, read) = values_read(&store, sql);
    assert_eq!(found, vec![format!("NULL|{}", ROWS + ROWS / 2)]);
    // Each lane reads each split once.
    assert_eq!(read, 2 * 2 * ROWS as u64);
    // Where something is computed of the rows, or some are left out, every row counts.
    let sql = "SELECT shadow, count(*), count(DISTINCT trace_id) FROM attributes GROUP BY shadow";
    assert_eq!(values_read(&store, sql).0, vec![format!("NULL|{}|{}", 12 * ROWS, ROWS + ROWS / 2)]);
    let sql = "SELECT shadow, count(DISTINCT trace_id) FROM attributes WHERE loss >= 5000 GROUP BY shadow";
    let above = sql.replace("FROM attributes", "FROM (SELECT * FROM attributes LIMIT 1000000)");
    assert_eq!(values_read(&store, sql).0, values_read(&store, &above).0);
}

/// A few models with what a question groups by; model 3 has two rows, model 99 none in the study.
const NAMED: &str = "(VALUES (0, 'a', 1.5), (1, 'a', 2.5), (3, 'b', 1.5), (3, 'c', NULL), (99, 'd', 4.0)) \
                     AS named(id, name, weight)";

#[test]
fn rows_are_grouped_before_they_are_joined_and_the_answer_is_the_same() {
    let (_folder, store) = large();
    let session = session_with(&store, OPTIONS.memory_bytes);
    let measures = "count(*), count(a.loss), sum(CAST(a.loss * 1024 AS BIGINT)), min(a.trace_id), median(a.loss), \
                    count(DISTINCT a.trace_id), sum(a.trace_id) FILTER (WHERE a.member), auc(a.loss, a.member)";
    // A limit that leaves nothing out keeps the scan out of the rule's sight.
    let hidden = "(SELECT * FROM attributes LIMIT 1000000)";
    for (join, keys) in [
        ("JOIN", "named.name"),
        ("JOIN", "named.name, a.member, a.shadow"),
        ("JOIN", "named.weight, a.model_id"),
        ("JOIN", "upper(named.name), NOT a.member"),
        ("LEFT JOIN", "named.name, a.member"),
    ] {
        let sql = |from: &str| {
            format!("SELECT {keys}, {measures} FROM {from} a {join} {NAMED} ON a.model_id = named.id GROUP BY {keys}")
        };
        let sorted = |sql: &str| {
            let mut found = rows(&session, sql);
            found.sort();
            found
        };
        let found = sorted(&sql("attributes"));
        assert!(found.len() > 1, "{found:?}");
        assert_eq!(found, sorted(&sql(hidden)), "{join} {keys}");
        let early = plan(&session, &sql("attributes"));
        let (above, below) = early.split_once("HashJoinExec").expect(&early);
        assert!(below.contains("FragmentAggregate: attributes"), "{early}");
        assert!(!above.contains("mode=Partial"), "{early}");
        assert!(!plan(&session, &sql(hidden)).contains("FragmentAggregate"));
    }
    let total = format!("SELECT count(*), sum(a.trace_id) FROM attributes a JOIN {NAMED} ON a.model_id = named.id");
    assert_eq!(rows(&session, &total), rows(&session, &total.replace("attributes", hidden)));
}

#[test]
fn rows_whose_groups_would_be_as_many_are_joined_first() {
    let (_folder, store) = large();
    let session = session_with(&store, OPTIONS.memory_bytes);
    let join = format!("FROM attributes a JOIN {NAMED} ON a.model_id = named.id");
    for sql in [
        // Thousands of traces, an argument of the other side, a key of both sides, a condition beside the key.
        format!("SELECT a.trace_id, a.loss, name, count(*) {join} GROUP BY a.trace_id, a.loss, name"),
        format!("SELECT name, sum(a.loss * weight) {join} GROUP BY name"),
        format!("SELECT name || a.kind, count(*) {join} GROUP BY name || a.kind"),
        format!("SELECT name, count(*) {join} AND a.loss > weight GROUP BY name"),
        // Another value for each row.
        format!("SELECT random() < 0.5, count(*) {join} GROUP BY random() < 0.5"),
    ] {
        let found = plan(&session, &sql);
        let (_, below) = found.split_once("HashJoinExec").expect(&found);
        assert!(!below.contains("Aggregate"), "{found}");
    }
}

#[test]
fn windows_over_whole_partitions_are_hashed_and_equal_sorted_ones() {
    let (_folder, store) = large();
    let session = session_with(&store, 1 << 30);
    // Ordered by what all its rows share, a partition is one peer group: the same numbers by DataFusion's sort.
    let sql = |order: &str| {
        let over = |keys: &str| format!("OVER (PARTITION BY {keys}{})", order.replace("KEY", "trace_id"));
        format!(
            "SELECT model_id, trace_id, member, count(*) {one} AS n, sum(CAST(loss * 1024 AS BIGINT)) {one} AS total, \
             max(CASE WHEN member THEN model_id END) {two} AS last, count(*) FILTER (WHERE member) {two} AS members \
             FROM attributes WHERE model_id < 12",
            one = over("trace_id"),
            two = over("kind, trace_id"),
        )
    };
    let sorted = |sql: &str| {
        let mut found = rows(&session, sql);
        found.sort();
        found
    };
    let found = sorted(&sql(""));
    assert_eq!(found.len(), 12 * ROWS as usize);
    assert_eq!(found, sorted(&sql(" ORDER BY KEY")));
    let hashed = plan(&session, &sql(""));
    assert!(hashed.contains("WholePartitions: keys=[trace_id"), "{hashed}");
    // A filter stays with DataFusion.
    assert!(hashed.contains("WindowAggExec"), "{hashed}");
    assert!(!plan(&session, &sql(" ORDER BY KEY")).contains("WholePartitions"));
    let all = "SELECT count(*) OVER () AS n FROM attributes WHERE model_id = 5 LIMIT 1";
    assert_eq!(rows(&session, all), vec![ROWS.to_string()]);
    // Where the rows may not fit, they are sorted: sorts spill.
    assert!(!plan(&session_with(&store, 1 << 20), &sql("")).contains("WholePartitions"));
}

//! What a query reads, by the snapshot's counters: projection, partition pruning, min and max pruning,
//! limits, and answers from statistics alone.

use super::study::{self, PACKETS_PER_TRACE, TRACES_PER_CLASS};
use super::{OPTIONS, batches};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use syntrace::query::{RecordBatch, Session};
use syntrace::store::Snapshot;

/// Rows of a class's packet segment.
const CLASS_PACKETS: u64 = (TRACES_PER_CLASS * PACKETS_PER_TRACE) as u64;

#[derive(Debug, PartialEq)]
struct Read {
    rows: usize,
    /// Visits to segments: two where a filter's columns are read first.
    visits: u64,
    columns: u64,
    values: u64,
}

/// Runs a query over a fresh snapshot and says what was read for it.
fn read(study: &study::Study, sql: &str) -> Read {
    let snapshot = Arc::new(study.store().snapshot().unwrap());
    let session = Session::open(Arc::clone(&snapshot), OPTIONS).unwrap();
    let rows = batches(&session, sql).iter().map(RecordBatch::num_rows).sum();
    counted(&snapshot, rows)
}

fn counted(snapshot: &Snapshot, rows: usize) -> Read {
    let counters = snapshot.counters();
    Read {
        rows,
        visits: counters.segments_read.load(Ordering::Relaxed),
        columns: counters.columns_read.load(Ordering::Relaxed),
        values: counters.values_read.load(Ordering::Relaxed),
    }
}

#[test]
fn projection_reads_only_the_named_columns() {
    let found = read(&study::small(), "SELECT ip_length, ttl FROM packets WHERE class = 'ubuntu'");
    assert_eq!(found, Read { rows: 24, visits: 1, columns: 2, values: 2 * CLASS_PACKETS });
}

#[test]
fn filters_on_model_columns_read_only_the_models_that_match() {
    let study = study::small();
    let found = read(&study, "SELECT loss FROM attributes WHERE epsilon = 4");
    assert_eq!(found, Read { rows: 8, visits: 1, columns: 1, values: 8 });
    let found = read(&study, "SELECT loss FROM attributes WHERE role = 'shadow' AND generator IN ('netssm', 'other')");
    assert_eq!(found, Read { rows: 8, visits: 1, columns: 1, values: 8 });
    let found = read(&study, "SELECT loss FROM attributes WHERE upper(generator) = 'NETSHARE' OR epsilon > 100");
    assert_eq!(found, Read { rows: 0, visits: 0, columns: 0, values: 0 });
}

#[test]
fn constants_of_a_partition_cost_no_reading() {
    let found = read(&study::small(), "SELECT DISTINCT generator, class, epsilon, synthetic FROM packets");
    assert_eq!(found, Read { rows: 4, visits: 0, columns: 0, values: 0 });
}

#[test]
fn counts_and_bounds_come_from_statistics() {
    let study = study::small();
    let nothing = Read { rows: 1, visits: 0, columns: 0, values: 0 };
    assert_eq!(read(&study, "SELECT count(*) FROM packets"), nothing);
    assert_eq!(read(&study, "SELECT count(*) FROM packets WHERE synthetic AND epsilon IS NULL"), nothing);
    assert_eq!(read(&study, "SELECT min(ip_length), max(ip_length) FROM packets"), nothing);
}

#[test]
fn bounds_of_segments_prune() {
    let study = study::small();
    // Only ubuntu has lengths above 65.
    let found = read(&study, "SELECT ip_length FROM packets WHERE ip_length > 65");
    assert_eq!(found, Read { rows: 8, visits: 1, columns: 1, values: CLASS_PACKETS });
    let found = read(&study, "SELECT position FROM packets WHERE trace_id BETWEEN 1002 AND 1003");
    assert_eq!(found, Read { rows: 6, visits: 2, columns: 2, values: 2 * CLASS_PACKETS });
    let found = read(&study, "SELECT position FROM packets WHERE trace_id IN (2001, 5000)");
    assert_eq!(found, Read { rows: 3, visits: 2, columns: 2, values: 2 * CLASS_PACKETS });
    let found = read(&study, "SELECT value FROM fidelity WHERE metric > 'x'");
    assert_eq!(found, Read { rows: 0, visits: 0, columns: 0, values: 0 });
    let found = read(&study, "SELECT value FROM fidelity WHERE value > 0.9 AND metric < 'a'");
    assert_eq!(found, Read { rows: 0, visits: 0, columns: 0, values: 0 });
}

#[test]
fn other_columns_are_read_only_where_a_row_matches() {
    // trace 1001 is within the bounds of one segment only, but no row of it has this port.
    let found = read(&study::small(), "SELECT data FROM packets WHERE trace_id = 1001 AND src_port + 1 = 7");
    assert_eq!(found, Read { rows: 0, visits: 1, columns: 2, values: 2 * CLASS_PACKETS });
}

#[test]
fn a_limit_stops_the_reading() {
    let found = read(&study::small(), "SELECT ttl FROM packets LIMIT 3");
    assert_eq!(found.rows, 3);
    // At most one segment per lane.
    assert!(found.visits <= OPTIONS.threads as u64, "{found:?}");
}

#[test]
fn pruned_and_plain_scans_give_the_same_rows() {
    let study = study::small();
    let snapshot = Arc::new(study.store().snapshot().unwrap());
    let session = Session::open(snapshot, OPTIONS).unwrap();
    let filters = [
        "epsilon = 4",
        "epsilon IS NULL",
        "epsilon IS NOT NULL AND ip_length < 50",
        "NOT synthetic OR ip_length = 55",
        "trace_id % 2 = 0 AND class <> 'ubuntu'",
        "position IN (0, 2) AND coalesce(epsilon, 0) < 1",
        "trace_id NOT IN (1000, 1001) AND direction = 1",
        "generator LIKE 'net%' AND time_us BETWEEN 10000000000 AND 10001001000",
        "tcp_flags IS NULL",
    ];
    for filter in filters {
        // A CASE over the filter is computed above the scan: nothing is pushed down.
        let pruned = format!("SELECT trace_id, position, epsilon FROM packets WHERE {filter} ORDER BY 1, 2, 3");
        let plain = format!(
            "SELECT trace_id, position, epsilon FROM (SELECT *, CASE WHEN {filter} THEN 1 ELSE 0 END AS hit, \
             row_number() OVER (ORDER BY trace_id, position) AS number FROM packets) WHERE hit = 1 AND number > 0 \
             ORDER BY 1, 2, 3"
        );
        assert_eq!(super::rows(&session, &pruned), super::rows(&session, &plain), "{filter}");
    }
}

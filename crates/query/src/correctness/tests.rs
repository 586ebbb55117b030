//! Statements that DataFusion 55.2 answers wrongly: here they are right, and there they still are not. The second half
//! of each test fails once DataFusion is right by itself; the rule that it names can go then.

use crate::context::SessionOptions;
use crate::session::Session;
use crate::{Format, write_answer};
use datafusion::prelude::{SessionConfig, SessionContext};
use std::sync::Arc;
use syntrace_store::{Store, StoreWriter};

const CACHE_BYTES: usize = 16 << 20;

/// A session over a study without content; the folder is the study's.
fn session(threads: usize) -> (Session, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.redb");
    drop(StoreWriter::open_or_create(&path, CACHE_BYTES).unwrap());
    let snapshot = Arc::new(Store::open(&path, CACHE_BYTES).unwrap().snapshot().unwrap());
    (Session::open(snapshot, SessionOptions { memory_bytes: 64 << 20, threads }).unwrap(), folder)
}

/// A rule that goes around one of DataFusion's, or beside it, does nothing where that has another name.
#[test]
fn the_rules_that_ours_are_put_around_have_their_names() {
    let physical = datafusion::physical_optimizer::optimizer::PhysicalOptimizer::new().rules;
    for name in ["EnsureRequirements", "FilterPushdown"] {
        assert!(physical.iter().any(|rule| rule.name().starts_with(name)), "{name}");
    }
    let logical = datafusion::optimizer::Optimizer::new().rules;
    assert!(logical.iter().any(|rule| rule.name() == "single_distinct_aggregation_to_group_by"));
}

/// Rows as text, `;` between rows and `,` between values; what fails is `error`.
fn ours(session: &Session, sql: &str) -> String {
    let answered = session.sql(sql).and_then(|answer| {
        let (schema, mut text) = (answer.schema(), Vec::new());
        write_answer(Format::Csv, &schema, answer, &mut text)?;
        Ok(text)
    });
    match answered {
        Ok(text) => String::from_utf8(text).unwrap().lines().skip(1).collect::<Vec<_>>().join(";"),
        Err(error) => format!("error: {error}"),
    }
}

/// What DataFusion answers by itself, with sorted rows where the order is free.
fn theirs(threads: usize, sql: &str) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(threads));
    let batches = runtime.block_on(async { context.sql(sql).await?.collect().await });
    let Ok(batches) = batches else { return "error".to_owned() };
    let mut text = Vec::new();
    let Some(schema) = batches.first().map(|batch| batch.schema()) else { return String::new() };
    write_answer(Format::Csv, &schema, batches.into_iter().map(Ok), &mut text).unwrap();
    String::from_utf8(text).unwrap().lines().skip(1).collect::<Vec<_>>().join(";")
}

/// Checks that a statement is answered rightly here, with one and more threads, and wrongly by DataFusion alone.
fn check(sql: &str, right: &str) {
    for threads in [1, 2, 4] {
        let (session, _folder) = session(threads);
        let found = ours(&session, sql);
        match right {
            "error" => assert!(found.starts_with("error"), "{threads} threads: {sql}\n{found}"),
            right => assert_eq!(found, right, "{threads} threads: {sql}"),
        }
    }
    let alone = theirs(4, sql);
    assert_ne!(alone, right, "DataFusion is right by itself now: {sql}");
}

/// Reports 25340 (constant; fixed after 55.2), 25347 (correlated), 25336 (with another comparison).
#[test]
fn not_in_with_null_is_unknown() {
    let tables =
        "WITH o(a, b) AS (VALUES (10, 1), (20, 2)), i(a, b) AS (VALUES (10, 1), (NULL, 2)) SELECT a FROM o WHERE";
    for (condition, right) in [
        ("99 NOT IN (SELECT a FROM i)", ""),
        ("NOT (99 IN (SELECT a FROM i))", ""),
        ("99 NOT IN (SELECT a FROM i) OR a = 10", "10"),
        ("(99 NOT IN (SELECT a FROM i)) IS NULL", "10;20"),
        ("99 NOT IN (SELECT i.a FROM i WHERE i.b = o.b)", "10"),
        ("a NOT IN (SELECT i.a FROM i WHERE i.b > o.b)", "20"),
    ] {
        check(&format!("{tables} {condition} ORDER BY a"), right);
    }
    // Of columns that cannot be NULL, where the optimizer later takes the value for one that can.
    let (session, _folder) = session(2);
    let sql = "SELECT count(*) FROM packets t1 FULL JOIN models t2 ON t1.model_id = t2.shadow WHERE coalesce(t2.shadow, 2) \
               NOT IN (SELECT t3.position FROM packets t3 WHERE t3.ip_length = t2.steps)";
    let found = ours(&session, sql);
    assert!(!found.starts_with("error"), "{found}");
}

/// Report 24927 (fixed after 55.2).
#[test]
fn distinct_rows_in_order_are_as_many_as_the_limit() {
    let sql = |unions: usize, order: &str, limit: usize| {
        let union = vec!["SELECT * FROM s"; unions].join(" UNION ALL ");
        format!(
            "WITH s(x) AS (SELECT * FROM (VALUES (3), (4), (5), (6)) v(x) ORDER BY 1 {order} LIMIT 4), t AS ({union}) \
             SELECT DISTINCT x FROM t ORDER BY x {order} LIMIT {limit}"
        )
    };
    check(&sql(4, "", 4), "3;4;5;6");
    check(&sql(3, "DESC", 3), "6;5;4");
}

/// Not reported: the limit that is kept with the order below an OFFSET (similar to #24927).
#[test]
fn an_offset_counts_the_rows_that_another_offset_left() {
    let rows = "SELECT x FROM (VALUES (5), (1), (3), (2), (4)) t(x) ORDER BY x";
    let copies =
        format!("WITH s AS ({rows} LIMIT 4) SELECT DISTINCT x FROM (FROM s UNION ALL FROM s UNION ALL FROM s) t");
    for threads in [1, 2, 4] {
        let (session, _folder) = session(threads);
        for (sql, right) in [
            (format!("SELECT x FROM ({rows} OFFSET 1) q ORDER BY x LIMIT 2 OFFSET 1"), "3;4"),
            (format!("SELECT x FROM ({rows} LIMIT 4 OFFSET 1) q ORDER BY x LIMIT 3 OFFSET 2"), "4;5"),
            (format!("{copies} ORDER BY x LIMIT 2 OFFSET 2"), "3;4"),
        ] {
            assert_eq!(ours(&session, &sql), right, "{threads} threads: {sql}");
        }
    }
}

/// Report 25350 (fixed after 55.2).
#[test]
fn distinct_rows_of_a_window_have_a_limit() {
    let window =
        "SELECT DISTINCT k, count(*) OVER (PARTITION BY k) AS n FROM (VALUES ('a'), ('a'), ('b')) t(k) LIMIT 9";
    for threads in [1, 2] {
        let (session, _folder) = session(threads);
        let found = ours(&session, window);
        assert!(["a,2;b,1", "b,1;a,2"].contains(&found.as_str()), "{found}");
    }
    assert_eq!(theirs(2, window), "error", "DataFusion is right by itself now");
}

/// Not reported: `aggregate_functional_dependencies` takes a key of one side of a join for a key of the row.
/// 21507 and 24787 (open) are of the kind.
#[test]
fn keys_of_grouped_rows_do_not_count_for_what_they_are_joined_with() {
    let tables = "WITH s AS (SELECT k, count(*) AS v FROM (VALUES (1), (1), (2)) t(k) GROUP BY k), \
        w(k, x) AS (VALUES (1, 5), (1, 4), (1, 3), (2, 1)), \
        j AS (SELECT s.k, w.x, count(*) AS c FROM s JOIN w ON s.k = w.k GROUP BY s.k, w.x)";
    for (sql, right) in [
        ("SELECT x, c FROM j ORDER BY k DESC, x", "1,1;3,1;4,1;5,1"),
        ("SELECT DISTINCT k FROM j ORDER BY k", "1;2"),
        ("SELECT k, sum(c) FROM j GROUP BY k, x ORDER BY k", "1,1;1,1;1,1;2,1"),
        ("SELECT k, x, sum(c) FROM j GROUP BY k", "error"),
        ("SELECT w.x FROM w WHERE w.k = (SELECT max(k) FROM (SELECT DISTINCT k FROM j) d) ORDER BY 1, 1", "1"),
    ] {
        match sql.contains("max(k)") {
            true => assert_eq!(ours(&session(2).0, &format!("{tables} {sql}")), right),
            false => check(&format!("{tables} {sql}"), right),
        }
    }
}

/// Report 24787 (open).
#[test]
fn keys_of_grouped_rows_are_none_of_unnested_ones() {
    let lists = "SELECT k, unnest(array_agg(x)) AS u FROM (VALUES (1, 3), (1, 2), (1, 4)) t(k, x) GROUP BY k";
    check(&format!("SELECT DISTINCT k FROM ({lists}) s"), "1");
    check(&format!("{lists} ORDER BY k, u"), "1,2;1,3;1,4");
}

/// Report 25052 (open).
#[test]
fn a_join_of_ordered_rows_is_ordered_by_one_side_only() {
    check(
        "SELECT r.b, l.a FROM (SELECT k, a FROM (VALUES (1, 10), (1, 20)) v(k, a) ORDER BY a LIMIT 10) l \
         JOIN (SELECT k, b FROM (VALUES (1, 7), (1, 7)) w(k, b) ORDER BY b LIMIT 10) r ON l.k = r.k ORDER BY r.b, l.a",
        "7,10;7,10;7,20;7,20",
    );
}

/// No report: the names of DataFusion's casts.
#[test]
fn a_cast_column_is_ordered_by_what_it_shows() {
    let (session, _folder) = session(2);
    let table = "(VALUES (9, 1), (10, 2), (10, 3)) t(x, y)";
    for (sql, right) in [
        ("SELECT x::text FROM {} ORDER BY x", "10;10;9"),
        ("SELECT t.x::text, y FROM {} ORDER BY x, y DESC", "10,3;10,2;9,1"),
        ("SELECT x::text, count(*) FROM {} GROUP BY x ORDER BY x", "10,2;9,1"),
        ("SELECT x::text AS s FROM {} ORDER BY x", "9;10;10"),
        ("SELECT y, x::text FROM {} ORDER BY 2, 1", "2,10;3,10;1,9"),
        ("SELECT x, x::text FROM {} ORDER BY y", "9,9;10,10;10,10"),
        ("SELECT t.x::text FROM {} ORDER BY t.x", "9;10;10"),
        ("SELECT x::text FROM {} ORDER BY x * 1, y", "9;10;10"),
        ("SELECT count(*) FROM (SELECT x::text, y FROM {} ORDER BY x LIMIT 2) q", "2"),
        ("SELECT y FROM {} WHERE x IN (SELECT x::int FROM {} ORDER BY x LIMIT 1) ORDER BY y", "1"),
        ("WITH q AS (SELECT x::text FROM {} ORDER BY x LIMIT 2) SELECT min(x) FROM q", "10"),
    ] {
        assert_eq!(ours(&session, &sql.replace("{}", table)), right, "{sql}");
    }
}

/// Report 25258 (open).
#[test]
fn quantified_comparisons_compare_with_the_subquery() {
    let table = "WITH o(a, b) AS (VALUES (1, 1), (20, 2)) SELECT a FROM o WHERE";
    for (condition, right) in [
        ("a > ANY (SELECT a FROM o)", "20"),
        ("a >= ALL (SELECT a FROM o)", "20"),
        ("NOT (a = ANY (SELECT a FROM o WHERE a > 5))", "1"),
    ] {
        check(&format!("{table} {condition} ORDER BY a"), right);
    }
    let (session, _folder) = session(2);
    for (condition, right) in [
        ("a <> ALL (SELECT b FROM o)", "20"),
        ("a <> ALL (SELECT CASE WHEN b = 2 THEN b END FROM o)", ""),
        ("a = ANY (SELECT i.b FROM o i WHERE i.a = o.a)", "1"),
        ("a > ALL (SELECT a FROM o WHERE false)", "1;20"),
    ] {
        assert_eq!(ours(&session, &format!("{table} {condition} ORDER BY a")), right, "{condition}");
    }
    let one_name = "WITH o(a, b) AS (VALUES (1, 1), (20, 2)) SELECT o.a FROM o JOIN o i ON i.b = 2 \
        WHERE o.a > ANY (SELECT o.a FROM o WHERE o.b < i.b)";
    assert!(ours(&session, one_name).contains("in a correlated ANY or ALL"), "{}", ours(&session, one_name));
}

/// Report 22881 (open).
#[test]
fn the_common_column_of_both_sides_is_refused_where_the_left_one_may_have_no_row() {
    let tables = "SELECT k FROM (VALUES (1)) a(k)";
    for join in ["RIGHT JOIN (VALUES (2)) b(k) USING (k)", "NATURAL FULL JOIN (VALUES (1), (2)) b(k)"] {
        check(&format!("{tables} {join} ORDER BY k"), "error");
        let rows = format!("SELECT count(*) - count(k) FROM ({tables} {join}) s");
        assert_eq!(theirs(1, &rows), "1", "DataFusion is right by itself now: {join}");
    }
    let (session, _folder) = session(1);
    assert_eq!(ours(&session, &format!("{tables} LEFT JOIN (VALUES (2)) b(k) USING (k)")), "1");
}

/// Reports 12955 and 12956 (open).
#[test]
fn a_value_beside_a_correlated_subquery_of_another_type_is_compared() {
    let (session, _folder) = session(2);
    let few = "WITH few(a, b) AS (SELECT CAST(a AS BIGINT), CAST(b AS INT) FROM (VALUES (100, 1), (2, 2), (NULL, 3)) v(a, b))";
    let asked = |condition: &str| ours(&session, &format!("{few} SELECT f.b FROM few f WHERE {condition} ORDER BY 1"));
    assert_eq!(asked("CAST(100 AS BIGINT) NOT IN (SELECT t.b FROM few t WHERE t.b = f.a)"), "1;2;3");
    assert_eq!(asked("f.a IN (SELECT t.b FROM few t WHERE t.b = f.a)"), "2");
    assert_eq!(asked("f.a NOT IN (SELECT t.b FROM few t WHERE t.b = f.b)"), "1");
}

#[test]
fn what_is_refused_is_refused_beside_a_call_too() {
    let (session, _folder) = session(1);
    let refused = |sql: &str| assert!(ours(&session, sql).contains("not supported"), "{sql}");
    refused("SELECT count(*) FROM (VALUES (1)) a(k) FULL JOIN (VALUES (2)) b(k) USING (k)");
    refused("SELECT lower(x) FROM (VALUES ('a')) a(x) EXCEPT ALL SELECT lower(x) FROM (VALUES ('b')) b(x)");
}

#[test]
fn copies_of_rows_are_counted_or_refused() {
    let sets = "SELECT x FROM (VALUES (1), (1), (2)) t(x)";
    check(&format!("SELECT count(*) FROM ({sets} EXCEPT ALL SELECT 1 AS x) s"), "error");
    check(&format!("SELECT count(*) FROM ({sets} INTERSECT ALL SELECT 1 AS x) s"), "error");
    assert_eq!(
        theirs(1, &format!("SELECT count(*) FROM ({sets} EXCEPT ALL SELECT 1 AS x) s")),
        "1",
        "right would be 2"
    );
    let (session, _folder) = session(2);
    assert_eq!(ours(&session, &format!("SELECT count(*) FROM ({sets} EXCEPT SELECT 1 AS x) s")), "1");
}

/// Reports 3520, 17539 and 21318 (open).
#[test]
fn integers_do_not_wrap() {
    for (sql, right) in [
        ("SELECT sum(x) FROM (VALUES (9223372036854775800), (100)) t(x)", "9223372036854775900"),
        ("SELECT sum(x) OVER () FROM (VALUES (9223372036854775807), (1)) t(x) LIMIT 1", "9223372036854775808"),
        ("SELECT x * x FROM (VALUES (5000000000)) t(x)", "error"),
        ("SELECT x + 1 FROM (VALUES (9223372036854775807)) t(x)", "error"),
        ("SELECT -x - 2 FROM (VALUES (9223372036854775807)) t(x)", "error"),
        ("SELECT CAST(32000 AS SMALLINT) + CAST(1000 AS SMALLINT)", "error"),
        ("SELECT 1 FROM (VALUES (CAST(2147483647 AS INT))) t(x) WHERE x + CAST(1 AS INT) < 0", "error"),
        ("SELECT -x FROM (VALUES (-9223372036854775807 - 1)) t(x)", "error"),
    ] {
        check(sql, right);
    }
}

/// No reports: PostgreSQL and DuckDB answer so.
#[test]
fn shifts_casts_and_long_numbers_are_exact_or_refused() {
    for (sql, right) in [
        ("SELECT 1 << x FROM (VALUES (64)) t(x)", "error"),
        ("SELECT x << 1 FROM (VALUES (9223372036854775807)) t(x)", "error"),
        ("SELECT x >> -1 FROM (VALUES (8)) t(x)", "error"),
        ("SELECT CAST(4 AS INT) << CAST(x AS INT) FROM (VALUES (31)) t(x)", "error"),
        ("SELECT CAST(x AS INT) FROM (VALUES (2.7), (-2.7), (3.5)) t(x) ORDER BY 1", "-3;3;4"),
        ("SELECT CAST(2.5 AS INT) + CAST(-2.5 AS BIGINT) * 10", "-27"),
        ("SELECT CAST(CAST(x AS NUMERIC(4, 1)) AS INT) FROM (VALUES ('12.5'), ('-0.6')) t(x) ORDER BY 1", "-1;13"),
        ("SELECT TRY_CAST(x AS INT) FROM (VALUES (2.7)) t(x)", "3"),
        ("SELECT x::real FROM (VALUES (1e300)) t(x)", "error"),
        ("SELECT 2 ^ 3", "error"),
        ("SELECT CAST(99999999999999999999 AS NUMERIC(38, 0))", "error"),
    ] {
        check(sql, right);
    }
    let (session, _folder) = session(2);
    for (sql, right) in [
        ("SELECT CAST(x AS INT) FROM (VALUES (2.5), (-0.5), (3.5)) t(x) ORDER BY 1", "0;2;4"),
        ("SELECT 5 << 2, -8 >> 1, CAST(-1 AS INT) << CAST(31 AS INT), 1 << NULL", "20,-4,-2147483648,"),
        ("SELECT x::real FROM (VALUES (1.5), ('Infinity'::double)) t(x) ORDER BY 1", "1.5;Infinity"),
        (
            "SELECT sum(CAST(x AS NUMERIC(38, 0))) FROM (VALUES ('99999999999999999999999999999999999999'), ('1')) t(x)",
            "100000000000000000000000000000000000000",
        ),
    ] {
        assert_eq!(ours(&session, sql), right, "{sql}");
    }
}

const AROUND: &str = "WITH o(a, b) AS (VALUES (10, 1), (20, 2), (NULL, 3)), i(a, b) AS (VALUES (10, 1), (NULL, 2)), \
    n(k) AS (SELECT k FROM (VALUES (1), (2)) v(k) WHERE k IS NOT NULL) SELECT";

/// No reports: in 55.2 all of them fail.
#[test]
fn in_and_exists_are_values() {
    for (sql, right) in [
        ("b, a IN (SELECT a FROM i) FROM o ORDER BY b", "1,true;2,;3,"),
        ("b, a NOT IN (SELECT a FROM i) AS x FROM o ORDER BY b", "1,false;2,;3,"),
        ("b, CASE WHEN a IN (SELECT a FROM i) THEN 'in' ELSE 'out' END FROM o ORDER BY b", "1,in;2,out;3,out"),
        ("b, EXISTS (SELECT 1 FROM i WHERE i.b = o.b) FROM o ORDER BY b", "1,true;2,true;3,false"),
        ("b, NOT EXISTS (SELECT 1 FROM i WHERE i.b = o.b LIMIT 1) FROM o ORDER BY b", "1,false;2,false;3,true"),
        ("b, EXISTS (SELECT 1 FROM i WHERE b > 5), EXISTS (SELECT 1 FROM i) FROM o WHERE b = 1", "1,false,true"),
        ("count(*) FILTER (WHERE a IN (SELECT a FROM i)) AS n FROM o", "1"),
        ("sum(CASE WHEN EXISTS (SELECT 1 FROM i WHERE i.b = o.b) THEN 1 ELSE 0 END) FROM o", "2"),
        ("a IN (SELECT a FROM i) AS x, count(*) FROM o GROUP BY a IN (SELECT a FROM i) ORDER BY x", "true,1;,2"),
        ("b, b IN (SELECT i.b FROM i WHERE i.a = o.a) FROM o ORDER BY b", "1,true;2,false;3,false"),
    ] {
        check(&format!("{AROUND} {sql}"), right);
    }
    let (session, _folder) = session(2);
    for sql in [
        "a, a > ANY (SELECT a FROM i) FROM o",
        "a, EXISTS (SELECT 1 FROM i WHERE i.b > o.b) FROM o",
        "a FROM o ORDER BY a IN (SELECT a FROM i)",
        "o.a FROM o LEFT JOIN i ON o.b = i.b AND o.a IN (SELECT a FROM i)",
        "a, (SELECT max(i.a) FROM i WHERE i.b < o.b) AS v FROM o",
        "a, (SELECT i.a FROM i WHERE i.b = o.b) AS v FROM o",
        "a, (SELECT i.a FROM i WHERE i.b = o.b ORDER BY i.a LIMIT 1) AS v FROM o",
        "a, (SELECT max(i.a + o.a) FROM i WHERE i.b = o.b) AS v FROM o",
        "sum((SELECT max(i.a) FROM i WHERE i.b = o.b)) FROM o",
        "a FROM o ORDER BY (SELECT max(i.a) FROM i WHERE i.b = o.b)",
        "o.a, l.x FROM o, LATERAL (SELECT i.a AS x FROM i WHERE i.b <= o.b ORDER BY i.a LIMIT 1) l",
        "a FROM o WHERE (a, b) IN (SELECT a, b FROM i)",
    ] {
        let error = session.sql(&format!("{AROUND} {sql}")).and_then(|answer| answer.collect_batches()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("not supported") && error.hint_text().is_some(), "{sql}\n{text}");
    }
}

/// Not reported.
#[test]
fn a_subquery_without_a_row_is_null() {
    let (session, _folder) = session(2);
    for (sql, right) in [
        ("coalesce((SELECT k FROM n WHERE k > 5), -1)", "-1"),
        ("(SELECT k FROM n WHERE k > 5) IS NULL, (SELECT count(*) FROM n HAVING count(*) > 5) IS NULL", "true,true"),
        (
            "b, coalesce((SELECT count(*) FROM i WHERE i.b = o.b HAVING count(*) > 1), -1) FROM o ORDER BY b",
            "1,-1;2,-1;3,-1",
        ),
        ("b FROM o WHERE (SELECT count(*) FROM i WHERE i.b = o.b HAVING count(*) > 0) IS NULL", "3"),
    ] {
        assert_eq!(ours(&session, &format!("{AROUND} {sql}")), right, "{sql}");
    }
    let sql = format!("{AROUND} coalesce((SELECT count(*) FROM n HAVING count(*) > 5), -1)");
    assert_eq!(ours(&session, &sql), "-1");
    assert_ne!(theirs(2, &sql), "-1", "DataFusion is right by itself now");
}

#[test]
fn sums_have_the_types_that_postgresql_gives_them() {
    let (session, _folder) = session(2);
    let kind =
        |value: &str, kind: &str| format!("SELECT arrow_typeof(sum(x)) FROM (SELECT CAST({value} AS {kind}) AS x) t");
    for (sql, right) in [
        (kind("1", "SMALLINT"), "Int64"),
        (kind("1", "INT"), "Int64"),
        (kind("1", "BIGINT"), "\"Decimal128(30, 0)\""),
        (kind("1", "DOUBLE"), "Float64"),
        ("SELECT arrow_typeof(sum(CASE WHEN x THEN 1 ELSE 0 END)) FROM (VALUES (true)) t(x)".to_owned(), "Int64"),
        ("SELECT arrow_typeof(sum(1) OVER ()) FROM (VALUES (true)) t(x)".to_owned(), "Int64"),
        ("SELECT sum(DISTINCT CAST(x AS INT)) FROM (VALUES (2), (2), (3)) t(x)".to_owned(), "5"),
        (
            "SELECT sum(CAST(x AS INT)) OVER (ORDER BY x ROWS 1 PRECEDING) FROM (VALUES (1), (2), (4)) t(x)".to_owned(),
            "1;3;6",
        ),
        ("SELECT k, sum(CAST(x AS INT)) + 1 FROM (VALUES (1, 2), (1, 3)) t(k, x) GROUP BY k".to_owned(), "1,6"),
    ] {
        assert_eq!(ours(&session, &sql), right, "{sql}");
    }
}

#[test]
fn answers_of_other_systems_are_ours() {
    let (session, _folder) = session(2);
    for (sql, right) in [
        ("FROM (VALUES (1, 'a')) t(x, y)", "1,a"),
        ("SELECT 1.5::numeric(2,1)::int, 2.7::numeric(2,1)::bigint", "2,3"),
        (
            "SELECT (2 = ANY(ARRAY[1, NULL])) IS NULL, (NOT (2 = ANY(ARRAY[1, NULL]))) IS NULL, 1 = ANY(ARRAY[1, NULL])",
            "true,true,true",
        ),
        ("SELECT avg(x) AS a, avg(x::double) AS b FROM (VALUES (1::real), (2::real)) t(x)", "1.5,1.5"),
        ("SELECT auc(s, m) FROM (VALUES ('NaN'::double, true), (1.0, true), (0.5, false)) t(s, m)", "error"),
        ("SELECT auc(s, m) FROM (VALUES (9007199254740993, true), (9007199254740992, false)) t(s, m)", "error"),
        (
            "SELECT auc(s - 9007199254740000, m) FROM (VALUES (9007199254740993, true), (9007199254740992, false)) t(s, m)",
            "1.0",
        ),
        ("SELECT wasserstein(s, m) FROM (VALUES (3, true), (1, false)) t(s, m)", "2.0"),
        ("SELECT jsd(s, m) FROM (VALUES ('NaN'::double, true), (1.0, true), (0.5, false)) t(s, m)", "error"),
        ("SELECT wasserstein(s, m) FROM (VALUES ('Infinity'::double, true), (1.0, false)) t(s, m)", "Infinity"),
        ("SELECT json_extract('{\"a\": {\"b\": [1, \"x\"]}}', '$.a.b[1]')", "\"\"\"x\"\"\""),
        ("SELECT '{\"a\": {\"b\": [1, \"x\"]}}' -> 'a' -> 'b' ->> 1", "x"),
        ("SELECT inet('10.1.2.3') << '10.1.0.0/16', inet('10.1.2.3') << '10.2.0.0/16'", "true,false"),
        ("SELECT 1 WHERE inet('10.1.2.3') = '10.1.2.3' AND inet('::1') IN ('::1', '::2')", "1"),
        ("SELECT 1 FROM (SELECT inet('10.1.2.3') AS src_ip) t WHERE src_ip = '10.1.2'", "error"),
        ("SELECT 1 FROM (SELECT inet('10.1.2.3') AS src_ip) t WHERE src_ip = '10.1.2.0/24'", "error"),
    ] {
        let found = ours(&session, sql);
        match right {
            "error" => assert!(found.starts_with("error"), "{sql}\n{found}"),
            right => assert_eq!(found, right, "{sql}"),
        }
    }
}

#[test]
fn an_accountant_without_an_answer_is_an_error_of_the_query() {
    let (session, _folder) = session(1);
    let sql = |accountant: &str| {
        format!("SELECT joint_epsilon('{accountant}', make_array(0.1), make_array(1.0), make_array(100000), 1e-14) > 0")
    };
    assert_eq!(ours(&session, &sql("rdp")), "true");
    assert!(ours(&session, &sql("pld")).contains("too small for double precision"));
}

#[test]
fn columns_of_one_name_are_all_in_json() {
    let (session, _folder) = session(1);
    let answer = session.sql("SELECT a.x, b.x, 3 AS x_2 FROM (VALUES (1)) a(x), (VALUES (2)) b(x)").unwrap();
    let (schema, mut text) = (answer.schema(), Vec::new());
    write_answer(Format::Jsonl, &schema, answer, &mut text).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "{\"x\":1,\"x_2\":2,\"x_2_2\":3}\n");
}

#[test]
fn columns_are_summarised_and_values_become_columns() {
    let (session, _folder) = session(2);
    let table = "(VALUES ('a', 1, 2), ('b', 1, 3), ('a', 1, 4), ('a', 2, 5), ('c', 3, 9)) t(k, g, x)";
    for (sql, right) in [
        (format!("SELECT * FROM {table} PIVOT (sum(x) FOR k IN ('a', 'b')) ORDER BY g"), "1,6,3;2,5,;3,,"),
        (
            format!(
                "SELECT p.g, \"x_n\" FROM {table} PIVOT (sum(x) AS s, count(*) AS n FOR k IN ('a' AS x)) p ORDER BY 1"
            ),
            "1,2;2,1;3,0",
        ),
        (format!("SUMMARIZE SELECT g, k FROM {table}"), "g,bigint,1,3,3,1.6,0.8944271909999159,5,0;k,text,a,c,3,,,5,0"),
        ("SUMMARIZE models".to_owned(), ""),
    ] {
        let found = ours(&session, &sql);
        match right {
            "" => assert!(found.contains("epsilon,double precision,,,0,,,0,0"), "{found}"),
            right => assert_eq!(found, right, "{sql}"),
        }
    }
    let refused = |sql: &str| session.sql(sql).err().unwrap();
    assert!(refused("PIVOT models ON role USING count(*)").hint_text().unwrap().contains("FOR k IN"));
    assert!(
        refused("SELECT * FROM models PIVOT (count(*) FOR role IN (ANY))").to_string().contains("expects the values")
    );
    assert!(refused("SUMMARIZE modles").to_string().contains("modles"));
}

#[test]
fn subqueries_that_a_join_cannot_stand_for_are_refused() {
    let (session, _folder) = session(1);
    let tables =
        "WITH o(a, b) AS (VALUES (10, 1), (20, 2)), i(a, b) AS (VALUES (10, 1), (NULL, 2)) SELECT a FROM o WHERE";
    for condition in [
        "a NOT IN (SELECT max(i.a) FROM i WHERE i.b = o.b)",
        "0 IN (SELECT count(*) FROM i WHERE i.b = o.b)",
        "a IN (SELECT i.a FROM i WHERE i.b = o.b ORDER BY i.a LIMIT 1)",
    ] {
        let found = ours(&session, &format!("{tables} {condition}"));
        assert!(found.contains("is not supported"), "{condition}: {found}");
    }
}

#[test]
fn faults_of_intervals_patterns_limits_and_subqueries_have_a_place() {
    let (session, _folder) = session(1);
    for (sql, place) in [
        ("SELECT interval 'x'", "       ^^^^^^^^"),
        ("SELECT 'a' ~ '('", "           ^"),
        ("SELECT 1 LIMIT 'a'", "         ^^^^^"),
        ("SELECT (SELECT x FROM (VALUES (1), (2)) t(x))", "        ^^^^^^"),
    ] {
        let found = ours(&session, sql);
        assert!(found.lines().nth(2).is_some_and(|line| line.ends_with(place)), "{found}");
    }
}

#[test]
fn faults_of_values_have_a_place() {
    let (session, _folder) = session(1);
    for (sql, place) in [
        ("SELECT x / (x - 1) FROM (VALUES (1)) t(x)", "/"),
        ("SELECT CAST(x AS INT) FROM (VALUES ('a')) t(x)", "'a'"),
        ("SELECT x::int FROM (SELECT concat('a', y) AS x FROM (VALUES ('b')) v(y)) t", "::"),
        ("SELECT x * x FROM (VALUES (5000000000)) t(x)", "*"),
    ] {
        let error = session.sql(sql).and_then(|answer| answer.collect_batches()).unwrap_err();
        let text = error.to_string();
        let caret = text.lines().last().unwrap();
        let before = "  1 | ".len() + sql.find(place).unwrap();
        assert_eq!(caret, format!("{}{}", " ".repeat(before), "^".repeat(place.len())), "{text}");
        assert!(error.hint_text().is_some(), "{text}");
    }
    let several =
        session.sql("SELECT x / y, x % y FROM (VALUES (1, 0)) t(x, y)").and_then(|answer| answer.collect_batches());
    let text = several.unwrap_err().to_string();
    assert!(text.contains("in one of these places"), "{text}");
}

/// Twice: the second time all plans come from the first session.
#[test]
fn views_named_queries_and_their_functions_answer_in_each_session() {
    for _ in 0..2 {
        let (session, _folder) = session(2);
        for sql in [
            "SELECT count(*) FROM leakage",
            "SELECT count(*) FROM queries.headline",
            "SELECT count(*) FROM queries.privacy_audit",
            "SELECT count(*) FROM table3('os')",
            "SELECT count(*) FROM table3('os') a JOIN privacy_ledger b ON true",
        ] {
            assert_eq!(ours(&session, sql), "0", "{sql}");
        }
        assert!(ours(&session, "SELECT * FROM queries.headlin").contains("error"));
        let notes = session.why_empty("SELECT * FROM models WHERE dataset = 'nope'", &Default::default()).unwrap();
        assert_eq!(notes, ["no row has the dataset `nope`: `models` has no dataset at all"]);
    }
}

/// sqlparser 0.62 takes what follows AND or OR for the right side of IS DISTINCT FROM.
#[test]
fn is_distinct_from_beside_or_needs_parentheses() {
    let (session, _folder) = session(1);
    for sql in ["SELECT true IS DISTINCT FROM true OR true", "SELECT 1 IS NOT DISTINCT FROM 2 AND false"] {
        assert!(ours(&session, sql).contains("expected parentheses around IS DISTINCT FROM"), "{sql}");
    }
    assert_eq!(ours(&session, "SELECT (true IS DISTINCT FROM true) OR true"), "true");
    assert_eq!(ours(&session, "SELECT true IS DISTINCT FROM (true OR true)"), "false");
    assert_eq!(theirs(1, "SELECT true IS DISTINCT FROM true OR true"), "false", "right by itself: the rule can go");
}

#[test]
fn limits_of_unions_of_constants_take_the_rows_that_come_first() {
    let union = "(SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3 ORDER BY x DESC LIMIT 2) u";
    for (sql, right) in [
        (format!("SELECT x FROM {union} ORDER BY x LIMIT 1"), "2"),
        (format!("SELECT count(*), min(x) FROM {union}"), "2,2"),
        (
            "SELECT count(*) FROM (VALUES (1), (2), (3)) t(x) WHERE x IN (SELECT k FROM \
             (SELECT 3 AS k UNION ALL SELECT 1 UNION ALL SELECT 2 ORDER BY k LIMIT 1) v WHERE k > 1)"
                .to_owned(),
            "0",
        ),
    ] {
        for threads in [1, 2, 4] {
            assert_eq!(ours(&session(threads).0, &sql), right, "{threads} threads: {sql}");
        }
    }
}

#[test]
fn intervals_are_not_compared_field_by_field() {
    check("SELECT INTERVAL '25 hours' > INTERVAL '1 day'", "error");
    check("SELECT max(x) FROM (VALUES (INTERVAL '25 hours'), (INTERVAL '1 day')) t(x)", "error");
    check("SELECT x FROM (VALUES (INTERVAL '25 hours'), (INTERVAL '1 day')) t(x) ORDER BY x", "error");
    let (session, _folder) = session(1);
    let error = ours(&session, "SELECT INTERVAL '25 hours' > INTERVAL '1 day'");
    assert!(error.contains("intervals are not compared"), "{error}");
    let seconds = "SELECT extract(epoch FROM INTERVAL '25 hours') > extract(epoch FROM INTERVAL '1 day')";
    assert_eq!(ours(&session, seconds), "true");
    assert_eq!(ours(&session, "SELECT INTERVAL '1 day' + INTERVAL '1 day' IS NULL"), "false");
}

#[test]
fn numbers_that_are_cast_to_decimals_keep_their_digits() {
    check("SELECT 12345678901234567890.5::decimal(30, 1)", "12345678901234567890.5");
    check("SELECT CAST(-123456789.123456789 AS NUMERIC(20, 9))", "-123456789.123456789");
}

#[test]
fn aggregates_of_two_casts_stand_beside_each_other() {
    check("SELECT avg(x), avg(x::double), avg(x::real) FROM (VALUES (1), (2)) t(x)", "1.5,1.5,1.5");
    check("SELECT sum(x::bigint) a, sum(x::double) b FROM (VALUES (1), (2)) t(x)", "3,3.0");
}

/// Report 25136 (fixed after 55.2).
#[test]
fn a_case_keeps_what_it_guards() {
    let values = "FROM (VALUES (1, 2), (0, 3), (4, 0)) AS t(y, z) WHERE";
    check(&format!("SELECT z {values} CASE WHEN y <> 0 THEN 5 / y > 1 ELSE false END"), "2");
    check(&format!("SELECT z {values} CASE WHEN y = 0 THEN true ELSE 5 / y > 1 END ORDER BY 1"), "2;3");
    check(&format!("SELECT z {values} NOT CASE WHEN y = 0 THEN true WHEN z = 0 THEN false ELSE 5 / y > 1 END"), "0");
}

#[test]
fn values_in_a_list_with_null_are_unknown() {
    let lists = "FROM (VALUES (1, make_array(1, 2)), (3, make_array(1, NULL)), (1, make_array(1, NULL))) AS t(x, list)";
    let (session, _folder) = session(2);
    let asked = |what: &str| ours(&session, &format!("SELECT {what} {lists}"));
    assert_eq!(asked("x = ANY(list)"), "true;;true");
    assert_eq!(asked("count(*) FILTER (WHERE NOT x = ANY(list))"), "0");
    assert_eq!(asked("count(*) FILTER (WHERE 7 = ANY(list))"), "0");
}

#[test]
fn subqueries_may_have_columns_of_one_name_and_booleans_stand_beside_text() {
    let (session, _folder) = session(2);
    let asked = |sql: &str| ours(&session, sql);
    assert_eq!(asked("SELECT a + b FROM (SELECT 1, 1) e(a, b)"), "2");
    assert_eq!(asked("WITH e(a, b) AS (SELECT 1, 1) SELECT a, b FROM e"), "1,1");
    assert!(asked("SELECT 1 AS a, 2 AS a").contains("two columns of an answer are called"));
    assert_eq!(asked("SELECT x FROM (SELECT -t.x, x FROM (VALUES (1)) t(x)) q"), "1");
    assert_eq!(asked("SELECT t.x, u.x FROM (VALUES (1)) t(x) JOIN (VALUES (1)) u(x) ON t.x = u.x"), "1,1");
    assert_eq!(
        asked("SELECT * FROM (SELECT x, X, t.x, sum(x) OVER (), SUM(x) OVER () FROM (VALUES (1)) t(x)) q"),
        "1,1,1,1,1"
    );
    assert_eq!(asked("SELECT a, a, b AS a_2 FROM (VALUES (1, 2)) t(a, b)"), "1,1,2");
    assert_eq!(asked("SELECT strpos(a, 'b'), position('b' IN a) FROM (VALUES ('ab')) t(a)"), "2,2");
    let booleans = "FROM (VALUES (1, true), (2, false), (3, NULL)) t(x, b) WHERE";
    assert_eq!(asked(&format!("SELECT x {booleans} b = 'true'")), "1");
    assert_eq!(asked(&format!("SELECT x {booleans} 'f' = b")), "2");
    assert_eq!(asked(&format!("SELECT x {booleans} b IN ('yes', 'no') ORDER BY x")), "1;2");
    assert!(asked(&format!("SELECT x {booleans} b = 'maybe'")).contains("expected true or false, found `maybe`"));
    assert!(asked("SELECT nth_value(x, 0) OVER () FROM (VALUES (1)) t(x)").contains("counts rows from 1"));
}

#[test]
fn a_statement_that_fails_at_once_writes_no_header() {
    let (session, _folder) = session(1);
    for format in [Format::Csv, Format::Json, Format::Markdown, Format::Table] {
        let answer = session.sql("SELECT 1 / x FROM (VALUES (0)) t(x)").unwrap();
        let (schema, mut text) = (answer.schema(), Vec::new());
        assert!(write_answer(format, &schema, answer, &mut text).is_err());
        assert!(text.is_empty());
    }
}

#[test]
fn a_filter_over_an_outer_join_is_on_the_side_that_it_names() {
    let tables = "WITH t(a, b) AS (VALUES (0, 0), (-1, 0)), u(a, b) AS (VALUES (4, 0), (0, 3)) SELECT u.a, u.b FROM t";
    check(&format!("{tables} RIGHT JOIN u ON t.a = u.a WHERE u.a > 0 AND t.b IS NULL"), "4,0");
    check(&format!("{tables} FULL JOIN u ON t.a = u.a WHERE u.a > 0 AND coalesce(t.b, 7) = 7"), "4,0");
    let (session, _folder) = session(2);
    let last =
        ours(&session, &format!("{tables} RIGHT JOIN u ON t.a = u.a WHERE u.a >= 0 ORDER BY t.b NULLS FIRST LIMIT 1"));
    assert_eq!(last, "4,0");
}

#[test]
fn dates_and_intervals_are_moments_and_patterns_are_whole() {
    let (session, _folder) = session(1);
    let asked = |sql: &str| ours(&session, sql);
    assert_eq!(asked("SELECT DATE '2024-02-03' + INTERVAL '1 hour'"), "2024-02-03T01:00:00");
    assert_eq!(asked("SELECT d - INTERVAL '1 second' FROM (VALUES (DATE '2024-02-03')) t(d)"), "2024-02-02T23:59:59");
    assert_eq!(asked("SELECT DATE '2024-02-03' - DATE '2024-02-01'"), "2");
    assert!(asked("SELECT 'ab' SIMILAR TO 'a'").contains("not supported"));
    assert!(asked("SELECT to_char(DATE '2024-02-03', 'YYYY-MM-DD')").contains("strftime"));
    assert_eq!(asked("SELECT to_char(DATE '2024-02-03', '%Y/%m')"), "2024/02");
}

#[test]
fn any_of_a_list_with_null_is_unknown_for_every_operator() {
    let (session, _folder) = session(1);
    let count =
        |condition: &str| ours(&session, &format!("SELECT count(*) FROM (VALUES (1), (2)) t(x) WHERE {condition}"));
    assert_eq!(count("NOT (x > ANY(make_array(5, NULL)))"), "0");
    assert_eq!(count("NOT (x <> ANY(make_array(1, NULL)))"), "0");
    assert_eq!(count("x <> ANY(make_array(1, NULL))"), "1");
    assert_eq!(count("NOT (x > ANY(ARRAY[1, 5]))"), "1");
}

#[test]
fn keys_of_rollups_and_sums_beside_distinct_counts_have_their_types() {
    let (session, _folder) = session(2);
    let asked = |sql: &str| ours(&session, sql);
    let values = "FROM (VALUES (1, 2), (3, 4), (3, 5)) t(x, y)";
    let rolled = format!(
        "SELECT CASE WHEN x > 1 THEN y / 2 > 1 ELSE false END AS c, count(*) {values} GROUP BY ROLLUP \
                          (CASE WHEN x > 1 THEN y / 2 > 1 ELSE false END) ORDER BY 2"
    );
    assert_eq!(asked(&rolled), "false,1;true,2;,3");
    assert_eq!(asked(&format!("SELECT sum(y::int), count(DISTINCT x) {values}")), "11,2");
    assert_eq!(asked("SELECT x, y = 'true' FROM (VALUES (1, true), (2, false)) t(x, y) ORDER BY 1"), "1,true;2,false");
    let refused = asked(&format!("SELECT rank() OVER (PARTITION BY x * 2 > 3 ORDER BY y) {values} ORDER BY 1"));
    assert!(refused.contains("over a comparison of computed values is not supported"), "{refused}");
    let computed = format!("FROM (SELECT *, x * 2 > 3 AS key {values}) AS t");
    assert_eq!(asked(&format!("SELECT rank() OVER (PARTITION BY key ORDER BY y) {computed} ORDER BY 1")), "1;1;2");
}

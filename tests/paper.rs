//! The paper's numbers beside the study's: what is embedded, and that verdicts follow their rules.

use crate::query::study;
use syntrace::query::{Session, SessionOptions, bind, cells, named};

const OPTIONS: SessionOptions = SessionOptions { memory_bytes: 64 << 20, threads: 2 };

fn session(study: &study::Study) -> Session {
    Session::open(std::sync::Arc::new(study.store().snapshot().unwrap()), OPTIONS).unwrap()
}

fn rows(session: &Session, sql: &str) -> Vec<String> {
    let answer = session.sql(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let schema = answer.schema();
    let batches = answer.collect_batches().unwrap_or_else(|error| panic!("{sql}\n{error}"));
    cells(&schema, &batches).unwrap().rows.iter().map(|row| row.join("|")).collect()
}

fn verdicts(session: &Session) -> Vec<Vec<String>> {
    let query = named("paper_agreement").unwrap();
    let answer = session.sql_with(query.sql, &bind(&query, &Default::default()).unwrap()).unwrap();
    let schema = answer.schema();
    let batches = answer.collect_batches().unwrap();
    cells(&schema, &batches).unwrap().rows
}

#[test]
fn published_tables_are_complete_and_agree_with_each_other() {
    let study = study::small();
    let session = session(&study);
    // sums over the printed digits, added by hand from the paper's pages
    assert_eq!(rows(&session, "SELECT count(*), count(mae), count(DISTINCT epsilon) FROM paper_table1"), ["90|45|4"]);
    assert_eq!(rows(&session, "SELECT count(*) FROM paper_table2"), ["8"]);
    assert_eq!(rows(&session, "SELECT count(*) FROM paper_table3"), ["6"]);
    // without DP, appendix Table 1 repeats Table 2 of section 3
    let differing = "SELECT count(*) FROM paper_table1 AS a JOIN paper_section3_table2 AS b
        ON a.dataset = b.dataset AND a.class = b.class AND a.generator = b.generator
        WHERE a.epsilon IS NULL AND (a.precision <> b.precision OR a.tpr <> b.recall OR a.fpr <> b.fpr)";
    assert_eq!(rows(&session, differing), ["0"]);
    assert_eq!(rows(&session, "SELECT count(*) FROM paper_section3_table2"), ["18"]);
    let range =
        "SELECT min(precision), max(precision) FROM paper_table1 WHERE generator = 'netshare' AND epsilon IS NULL";
    assert_eq!(rows(&session, range), ["0.88|0.99"]);
    let f1 = "SELECT DISTINCT f1 FROM paper_table1 WHERE generator = 'netssm' AND dataset = 'os'";
    assert_eq!(rows(&session, f1), ["1"]);
}

#[test]
fn every_takeaway_has_a_verdict_and_says_so_where_the_study_has_no_case() {
    let study = study::small();
    let session = session(&study);
    let found = verdicts(&session);
    let stated: usize = rows(&session, "SELECT takeaway FROM paper_takeaways").len();
    assert_eq!(found.len(), stated);
    let verdict = |name: &str| found.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no row for {name}"));
    // the study's netssm has an AUC of 0.9 (0.8 to 1) without DP and 0.45 (0.35 to 0.55) at epsilon 4
    assert_eq!(verdict("mia_netssm")[3..7], ["agrees", "1", "0", "0"]);
    assert_eq!(verdict("dp_netssm")[3..7], ["agrees", "1", "0", "0"]);
    // no netshare at all
    assert_eq!(verdict("mia_netshare")[3..7], ["cannot tell", "0", "0", "0"]);
    // MAE 30 without DP, 20 at epsilon 4, 10 on real traces
    assert_eq!(verdict("dp_regression")[3..7], ["agrees", "1", "0", "0"]);
    assert_eq!(verdict("real_regression")[3..7], ["agrees", "2", "0", "0"]);
    // accuracy 0.9 without DP and 0.5 at epsilon 4, tested on 100 traces: far more than two standard errors
    assert_eq!(verdict("dp_accuracy_os")[3..7], ["disagrees", "0", "1", "0"]);
    // JSD 0.25 without DP, 0.65 at epsilon 4
    assert_eq!(verdict("jsd_netssm")[3..7], ["agrees", "1", "0", "0"]);
    assert_eq!(verdict("dp_fidelity")[3..7], ["disagrees", "0", "1", "0"]);
}

#[test]
fn evidence_names_only_takeaways_that_are_stated() {
    let study = study::small();
    let sql = "SELECT DISTINCT takeaway FROM paper_evidence
        WHERE takeaway NOT IN (SELECT takeaway FROM paper_takeaways)";
    assert_eq!(rows(&session(&study), sql), Vec::<String>::new());
    let every = include_str!("../schema/views.sql");
    for takeaway in rows(&session(&study), "SELECT takeaway FROM paper_takeaways") {
        let built = takeaway.starts_with("mia_") || ["dp_netshare", "dp_netdiffusion"].contains(&takeaway.as_str());
        assert!(built || every.contains(&format!("'{takeaway}'")), "no case is ever collected for {takeaway}");
    }
}

#[test]
fn gaps_by_the_printed_formula_are_a_ten_thousandth_of_percents() {
    let study = study::small();
    let sql = "SELECT max(abs(relative_gap_percent - 10000 * relative_gap_printed)) < 1e-9,
        max(abs(relative_gap_percent - 100 * relative_gap)) < 1e-9, max(relative_gap_percent) > 0
        FROM generalization_by_class";
    assert_eq!(rows(&session(&study), sql), ["true|true|true"]);
}

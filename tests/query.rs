//! Tests of the query layer: what SQL answers about a study made by hand, what it reads for it, what it
//! refuses, and that the texts in schema/ and queries/ agree with the code.

mod commands;
pub mod formats;
mod grouping;
mod pruning;
mod several;
mod shell;
pub mod study;
mod texts;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use std::sync::Arc;
use syntrace::query::{RecordBatch, Session, SessionOptions, cells, named, named_queries};
use syntrace::{base, record, store};

const OPTIONS: SessionOptions = SessionOptions { memory_bytes: 128 << 20, threads: 2 };

/// Rounding of a few additions of doubles.
const ROUNDING: f64 = 1e-12;

fn session(study: &study::Study) -> Session {
    Session::open(Arc::new(study.store().snapshot().unwrap()), OPTIONS).unwrap()
}

fn batches(session: &Session, sql: &str) -> Vec<RecordBatch> {
    let answer = session.sql(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
    answer.collect_batches().unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

/// Rows as texts, in the readable form.
fn rows(session: &Session, sql: &str) -> Vec<String> {
    let answer = session.sql(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let schema = answer.schema();
    let batches = answer.collect_batches().unwrap_or_else(|error| panic!("{sql}\n{error}"));
    cells(&schema, &batches).unwrap().rows.iter().map(|row| row.join("|")).collect()
}

/// The single number of an answer.
fn number(session: &Session, sql: &str) -> f64 {
    let found = batches(session, sql);
    let batch = found.iter().find(|batch| batch.num_rows() > 0).expect("one row");
    let column = batch.column(0);
    assert!(column.is_valid(0), "{sql}: NULL");
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(0) as f64,
        DataType::Float64 => column.as_primitive::<Float64Type>().value(0),
        other => panic!("{sql}: {other}"),
    }
}

#[test]
fn every_table_has_content_and_every_column_can_be_named_unquoted() {
    let study = study::small();
    let session = session(&study);
    for table in syntrace::query::tables() {
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), table.name);
        let found: usize = batches(&session, &sql).iter().map(RecordBatch::num_rows).sum();
        // no spec stands behind this study, as behind those of earlier versions; tests/pipeline.rs has some, and
        // tests/whole_attributes.rs has whole attributes
        let elsewhere = table.name.starts_with("plan") || table.name == "whole_attributes";
        assert!(found > 0 || elsewhere, "{} is empty", table.name);
        let counted = number(&session, &format!("SELECT count(*) FROM {}", table.name));
        assert_eq!(found as f64, counted, "{}", table.name);
    }
}

#[test]
fn models_say_what_their_epsilon_means() {
    let session = session(&study::small());
    let found = rows(
        &session,
        "SELECT name, regime, epsilon, guarantee, epsilon_end_to_end, status FROM models ORDER BY model_id",
    );
    assert_eq!(
        found,
        [
            "netssm os/windows none target|no DP|NULL|none|NULL|trained",
            "netssm os/windows none shadow0|no DP|NULL|none|NULL|diverged at step 3",
            "netssm os/windows eps4 target|eps 4.0|4|end-to-end|4|trained",
            "netssm os/ubuntu eps0.5 target|eps 0.5|0.5|conditional|Infinity|trained",
        ]
    );
}

#[test]
fn packets_are_the_union_of_real_and_synthetic_ones() {
    let session = session(&study::small());
    let found = rows(
        &session,
        "SELECT dataset, class, synthetic, generator, epsilon, count(*), min(ip_length), max(ip_length) FROM packets \
         GROUP BY dataset, class, synthetic, generator, epsilon ORDER BY synthetic, class, epsilon NULLS FIRST",
    );
    assert_eq!(
        found,
        [
            "os|ubuntu|false|NULL|NULL|24|40|80",
            "os|windows|false|NULL|NULL|24|40|60",
            "os|windows|true|netssm|NULL|12|45|65",
            "os|windows|true|netssm|4|12|45|65",
        ]
    );
}

#[test]
fn undefined_measures_are_null_and_not_nan() {
    let session = session(&study::small());
    let sql = "SELECT precision, precision_low, auc FROM attacks WHERE epsilon = 4";
    assert_eq!(rows(&session, sql), ["NULL|0|0.45"]);
}

#[test]
fn scores_of_the_shadow_side_are_marked_as_such() {
    let session = session(&study::small());
    let sql = "SELECT DISTINCT evaluated_on, role, model_id, generator, class FROM attack_scores WHERE epsilon IS NULL \
               ORDER BY model_id";
    assert_eq!(rows(&session, sql), ["target|target|100|netssm|windows", "shadow_test|shadow|101|netssm|windows"]);
}

#[test]
fn aggregates_recompute_the_attack_from_its_scores() {
    let session = session(&study::small());
    let by_attack = "SELECT auc(score, member), tpr_at_fpr(score, member, 0.01) FROM attack_scores GROUP BY attack_id \
                     ORDER BY attack_id";
    assert_eq!(rows(&session, by_attack), ["1|NULL", "1|NULL", "0|NULL"]);
    // Four held-out traces tell 0.25 from 0; a rate of 0 asks for no false positive.
    let told = "SELECT tpr_at_fpr(score, member, 0.25), tpr_at_fpr(score, member, 0.24), tpr_at_fpr(score, member, 0.0) \
                FROM attack_scores WHERE evaluated_on = 'target' AND epsilon IS NULL";
    assert_eq!(rows(&session, told), ["1|NULL|1"]);
    // Constant scores: chance, whatever the order of the rows.
    assert_eq!(number(&session, "SELECT auc(CAST(1 AS DOUBLE), member) FROM attack_scores"), 0.5);
}

#[test]
fn a_loss_threshold_attack_is_one_query_over_attributes() {
    let session = session(&study::small());
    let sql = "SELECT auc(-loss, member) FROM attributes WHERE role = 'target' AND epsilon IS NULL";
    assert_eq!(number(&session, sql), 1.0);
}

#[test]
fn a_downstream_question_asked_again_has_its_newest_answer_alone() {
    let study = study::small();
    let sql = "SELECT synthetic_value FROM downstream WHERE metric = 'accuracy' AND epsilon IS NULL";
    assert_eq!(rows(&session(&study), sql), ["0.9"]);
    study::ask_again(&study, 0.7);
    let session = session(&study);
    assert_eq!(rows(&session, sql), ["0.7"]);
    let other = "SELECT synthetic_value FROM downstream WHERE metric = 'accuracy' AND epsilon = 4";
    assert_eq!(rows(&session, other), ["0.5"], "another question keeps its answer");
    let all = "SELECT count(*) FROM utility WHERE metric = 'accuracy' AND trained_on = 'synthetic' AND epsilon IS NULL";
    assert_eq!(number(&session, all), 2.0, "the table keeps both");
}

#[test]
fn augmentation_stands_beside_the_share_alone_and_replaces_no_other_answer() {
    let study = study::small();
    let before = rows(&session(&study), "SELECT * FROM downstream ORDER BY generator, epsilon, task, metric, class");
    study::add_augmentation(&study);
    let session = session(&study);
    // share, real traces, alone, augmented with its ends, gain with its ends, synthetic alone, all members
    let expected = ["os|netssm|no DP|0.1|40|0.6|0.7|0.6|0.8|0.1|0.02|0.18|0.9|0.9|NULL"];
    assert_eq!(named_rows(&session, "augmentation", &[]), expected);
    assert_eq!(rows(&session, "SELECT n_synthetic, alone_low, alone_high FROM augmentation"), ["100|0.5|0.7"]);
    assert_eq!(rows(&session, "SELECT * FROM downstream ORDER BY generator, epsilon, task, metric, class"), before);
}

#[test]
fn distances_compare_the_two_sides_of_a_group() {
    let session = session(&study::small());
    // Real lengths 40, 50, 60 against synthetic 45, 55, 65: disjoint, and shifted by 5.
    let sides = "FROM packets WHERE class = 'windows' AND (role IS NULL OR role = 'target')";
    assert_eq!(number(&session, &format!("SELECT jsd(ip_length, synthetic) {sides}")), 1.0);
    assert_eq!(number(&session, &format!("SELECT js_divergence(ttl, synthetic) {sides}")), 0.0);
    assert_eq!(number(&session, &format!("SELECT jsd(ip_text(src_ip), synthetic) {sides}")), 0.0);
    assert_eq!(number(&session, &format!("SELECT wasserstein(ip_length, synthetic) {sides}")), 5.0);
    let entropy = number(&session, "SELECT entropy_bits(ip_length) FROM packets WHERE class = 'ubuntu'");
    assert!((entropy - 3f64.log2()).abs() < ROUNDING, "{entropy}");
}

#[test]
fn list_functions_and_texts_reach_into_rows() {
    let session = session(&study::small());
    let sql = "SELECT list_sum(vector), list_mean(vector), round(list_std(vector), 6) FROM attributes \
               WHERE trace_id = 1000 AND role = 'target' AND epsilon = 4";
    assert_eq!(rows(&session, sql), ["3003|1001|0.8165"]);
    let sql = "SELECT ip_text(dst_ip), hexdump(data) FROM packets WHERE trace_id = 1001 AND position = 2";
    let found = rows(&session, sql);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("192.0.2.80|0000  70 61 63 6b 65 74 20 32"), "{found:?}");
    // IEEE 754 binary16, little endian: 1, -2, the largest, the smallest above 0
    let sql =
        "SELECT half_floats(decode('003c00c0ff7b0100', 'hex')), half_floats(decode('00', 'hex')), half_floats(NULL)";
    assert_eq!(rows(&session, sql), ["[1, -2, 65504, 5.96e-8]|NULL|NULL"]);
}

#[test]
fn every_named_query_runs_with_its_defaults() {
    let study = study::small();
    study::add_augmentation(&study);
    let session = session(&study);
    for query in named_queries() {
        let parameters = syntrace::query::bind(&query, &Default::default()).unwrap();
        let answer = session.sql_with(query.sql, &parameters).unwrap_or_else(|error| panic!("{}\n{error}", query.name));
        let found: usize = answer.map(|batch| batch.unwrap().num_rows()).sum();
        // this study has no traces of `vca`, no nPrint images, no log-probabilities of tokens and no whole attributes
        let elsewhere = ["figure7", "figure8", "extraction", "whole_against_summaries"].contains(&query.name);
        assert!(found > 0 || elsewhere, "{} found nothing", query.name);
    }
}

fn named_rows(session: &Session, name: &str, given: &[&str]) -> Vec<String> {
    let query = named(name).unwrap();
    let given = given.iter().map(|text| syntrace::query::parse_parameter(text).unwrap()).collect();
    let parameters = syntrace::query::bind(&query, &given).unwrap();
    let answer = session.sql_with(query.sql, &parameters).unwrap_or_else(|error| panic!("{name}\n{error}"));
    let schema = answer.schema();
    let batches = answer.collect_batches().unwrap();
    cells(&schema, &batches).unwrap().rows.iter().map(|row| row.join("|")).collect()
}

#[test]
fn the_headline_names_privacy_and_quality_of_each_budget() {
    let session = session(&study::small());
    assert_eq!(
        named_rows(&session, "study_overview", &[]),
        [
            "netssm|os|ubuntu|eps 0.5|1|Infinity|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
            "netssm|os|windows|no DP|2|NULL|mlp|0.9|0.8|1|0.9|12|0.25|0.05|NULL",
            "netssm|os|windows|eps 4.0|1|4|mlp|0.45|0.35|0.55|0.45|12|0.65|0.05|NULL",
        ]
    );
}

#[test]
fn membership_inference_is_reported_per_side() {
    let session = session(&study::small());
    let target = named_rows(&session, "mia_by_model_and_epsilon", &[]);
    assert_eq!(
        target,
        [
            "netssm|os|windows|no DP|mlp|logits|trace|target|8|0.9|0.8|1|0.775|0.8|0.75|0.2|NULL|true|traces|NULL",
            "netssm|os|windows|eps 4.0|mlp|logits|trace|target|8|0.45|0.35|0.55|0.775|NULL|0.75|0.2|NULL|false|traces|NULL",
        ]
    );
    let shadow = named_rows(&session, "mia_by_model_and_epsilon", &["evaluated_on=shadow_test"]);
    assert_eq!(
        shadow,
        [
            "netssm|os|windows|no DP|mlp|logits|trace|shadow_test|8|0.85|0.75|0.95|0.775|0.8|0.75|0.2|NULL|true|traces|NULL"
        ]
    );
}

#[test]
fn the_papers_tables_come_out_in_their_shape() {
    let session = session(&study::small());
    assert_eq!(
        named_rows(&session, "table1", &[]),
        [
            "no DP|os|windows|netssm|mlp|0.8|0.7|0.9|0.75|0.65|0.85|0.2|0.1|0.3|0.8|30|10|40|0.9|0.9|0.05|1|38.6|NULL",
            "eps 4.0|os|windows|netssm|mlp|NULL|0|1|0.75|0.65|0.85|0.2|0.1|0.3|NULL|20|10|40|0.51|0.51|0.56|1|37.1|NULL",
        ]
    );
    assert_eq!(named_rows(&session, "table2", &[]), ["os|netssm|0.25|0.65|0.4|2|0.05|0.48|0.75|0.27|NULL"]);
    // ubuntu 40, 60, 80: variance 800/3; windows 40, 50, 60: 200/3
    assert_eq!(
        named_rows(&session, "table3", &[]),
        ["os|ubuntu|24|60|16.3299|80|52|265.15|5844", "os|windows|24|50|8.165|60|40|359.71|6206"]
    );
    assert_eq!(
        named_rows(&session, "section3_table2", &[]),
        ["os|windows|netssm|mlp|0.8|0.75|0.2|0.9|0.8|1|0.9|0.9|0.05|NULL"]
    );
}

#[test]
fn exposed_traces_are_ordered_by_the_false_alarms_that_they_cost() {
    let session = session(&study::small());
    let found = named_rows(&session, "most_exposed_traces", &["limit=2"]);
    assert_eq!(
        found,
        [
            "1000|os|windows|netssm|no DP|mlp|0.9|0|3|6|10.0.0.1:41000|192.0.2.80:443",
            "1002|os|windows|netssm|no DP|mlp|0.88|0|3|6|10.0.0.1:41002|192.0.2.80:443",
        ]
    );
}

/// Values of trace t are t, t + 1 and t + 2, of all models, so their sum is ln p.
#[test]
fn the_probability_of_writing_out_a_trace_is_counted_in_draws() {
    let session = session(&study::small());
    let found = named_rows(&session, "extraction", &["kind=logits", "dataset=os"]);
    let members = found.iter().find(|row| row.starts_with("netssm|os|windows|no DP|member|")).expect("members");
    let values: Vec<&str> = members.split('|').collect();
    let largest = "SELECT max(trace_id) FROM attributes WHERE class = 'windows' AND member";
    let expected = (3.0 * number(&session, largest) + 3.0) / 10f64.ln();
    assert!((values[6].parse::<f64>().unwrap() / expected - 1.0).abs() < 1e-6, "{members}");
    // Each is as good as certain, so all are drawn.
    assert_eq!(values[5].parse::<f64>().unwrap(), values[8].parse::<f64>().unwrap(), "{members}");
}

#[test]
fn the_headline_has_a_row_for_each_generator_and_budget() {
    let session = session(&study::small());
    let found = named_rows(&session, "headline", &[]);
    let targets =
        "SELECT count(*) FROM (SELECT DISTINCT generator, epsilon, guarantee FROM models WHERE role = 'target')";
    assert_eq!(found.len() as f64, number(&session, targets), "{found:?}");
    let auc = "SELECT auc FROM leakage WHERE evaluated_on = 'target' AND epsilon IS NULL";
    let no_dp = found.iter().find(|row| row.contains("no DP")).expect("a row without DP");
    assert!(no_dp.contains(&rows(&session, auc)[0]) && no_dp.contains("1 of 1"), "{no_dp}");
    let conditional = found.iter().find(|row| row.contains("conditional")).expect("the fine-tuned one");
    assert!(conditional.contains("Infinity") || conditional.contains("inf"), "{conditional}");
}

#[test]
fn remaining_named_queries_answer_their_question() {
    let session = session(&study::small());
    assert_eq!(
        named_rows(&session, "drops_by_reason", &[]),
        ["os|windows|beyond_trace_length|1|9|", "os|windows|not_ip|1|5|ARP"]
    );
    assert_eq!(
        named_rows(&session, "generalization_gap", &[]),
        [
            "netssm|os|no DP|0|2|2|2.4|0.4|NULL|0.2|NULL",
            "netssm|os|no DP|1|2|1|1.8|0.8|NULL|0.8|NULL",
            "netssm|os|eps 4.0|0|1|2|2|0|NULL|0|NULL",
            "netssm|os|eps 4.0|1|1|1|1|0|NULL|0|NULL",
            "netssm|os|eps 0.5|0|1|2|2|0|NULL|0|NULL",
            "netssm|os|eps 0.5|1|1|1|1|0|NULL|0|NULL",
        ]
    );
    let ledger = named_rows(&session, "privacy_ledger", &[]);
    assert_eq!(ledger.len(), 2);
    assert!(ledger[0].ends_with("|0.495|1e-5|add or remove one trace|conditional|Infinity"), "{ledger:?}");
    let fidelity = named_rows(&session, "fidelity_by_field", &["metric=wasserstein"]);
    assert_eq!(fidelity[0], "netssm|os|no DP|ip_length|wasserstein|12|NULL|NULL|1|NULL");
    let trace = named_rows(&session, "one_trace", &["trace_id=10001"]);
    assert_eq!(trace.len(), study::PACKETS_PER_TRACE as usize);
    assert!(trace[1].starts_with("10001|true|os|windows|1|1|1000|10.0.0.1:40000|192.0.2.80:443|6|55|128|24|15|"));
    let bytes = named_rows(&session, "bytes_by_table", &[]);
    assert!(bytes.iter().any(|row| row.starts_with("packets|segments|2|")), "{bytes:?}");
    assert!(bytes.iter().any(|row| row.starts_with("weights|objects|1|5000|")), "{bytes:?}");
}

#[test]
fn writing_is_refused_and_says_what_works() {
    let session = session(&study::small());
    let refused = [
        "CREATE TABLE t (a INT)",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE models",
        "INSERT INTO models SELECT * FROM models",
        "DELETE FROM models",
        "UPDATE models SET name = 'x'",
        "COPY models TO 'models.csv'",
        "EXPLAIN ANALYZE COPY models TO 'models.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 't.csv'",
        "SELECT * INTO t FROM models",
        "SET datafusion.execution.batch_size = 1",
        "PREPARE p AS SELECT 1",
    ];
    for sql in refused {
        let error = session.sql(sql).err().unwrap_or_else(|| panic!("{sql} was not refused"));
        assert_eq!(error.exit_code(), 2, "{sql}: {error}");
        assert!(error.to_string().contains("only reads") || sql.starts_with("INSERT"), "{sql}: {error}");
    }
    for sql in ["EXPLAIN SELECT * FROM models", "SHOW TABLES", "DESCRIBE models", "SHOW COLUMNS FROM leakage"] {
        assert!(!batches(&session, sql).is_empty(), "{sql}");
    }
}

#[test]
fn errors_point_at_the_place_and_suggest_the_nearest_name() {
    let session = session(&study::small());
    let check = |sql: &str, message: &str, hint: &str| {
        let error = session.sql(sql).err().unwrap_or_else(|| panic!("{sql} worked"));
        assert_eq!(error.to_string(), message, "{sql}");
        assert_eq!(error.hint_text(), Some(hint), "{sql}");
        assert_eq!(error.exit_code(), 2);
    };
    check(
        "SELECT epsilom\nFROM models",
        "there is no column `epsilom` here\n  1 | SELECT epsilom\n             ^^^^^^^",
        "did you mean `epsilon`?",
    );
    check(
        "SELECT *\nFROM model",
        "there is no table or view `model`\n  2 | FROM model\n           ^^^^^",
        "did you mean `models`?",
    );
    check(
        "SELECT aucc(score, member) FROM attack_scores",
        "there is no function `aucc`\n  1 | SELECT aucc(score, member) FROM attack_scores\n             ^^^^",
        "did you mean `auc`?",
    );
    check(
        "SELECT auc(generator, member) FROM attack_scores",
        "no function takes `auc(Utf8, Boolean)`\n  1 | SELECT auc(generator, member) FROM attack_scores\n             ^^^",
        "it takes: auc(Float64, Boolean), auc(Int64, Boolean)",
    );
    check(
        "SELECT bad",
        "there is no column `bad` here\n  1 | SELECT bad\n             ^^^",
        "name the table that has it: SELECT ... FROM ...",
    );
    let error = session.sql("SELECT 1 BETWEEN true AND 2").err().unwrap();
    assert_eq!(error.to_string(), "failed to coerce types Int64 and Boolean in BETWEEN expression");
    assert_eq!(error.exit_code(), 2);
    let error = session.sql("SELECT FROM WHERE models").err().unwrap().to_string();
    assert!(error.contains('^') && !error.contains("ParserError"), "{error}");
    let error = session.sql("SELECT * FROM models WHERE model_id = $id").err().unwrap();
    assert_eq!(error.to_string(), "parameter `$id` has no value");
    let error = named("table4").unwrap_err();
    assert!(error.hint_text().unwrap().starts_with("did you mean `table"), "{error:?}");
}

#[test]
fn a_session_moves_to_a_newer_snapshot_when_told() {
    let study = study::small();
    let store = study.store();
    let session = Session::open(Arc::new(store.snapshot().unwrap()), OPTIONS).unwrap();
    assert_eq!(number(&session, "SELECT count(*) FROM target_models"), 3.0);
    {
        let writer = syntrace::store::StoreWriter::open_or_create(&study.path, study::CACHE).unwrap();
        let mut result = syntrace::store::JobResult::new(study::job(99, syntrace::record::JobKind::Split));
        let part = vec![study::ints([1]), study::texts(["member"])];
        result.segments.push(study::segment(&syntrace::store::schema::SPLIT_TRACES, 10, part));
        writer.commit(result).unwrap();
    }
    let count = "SELECT count(*) FROM splits";
    let before = number(&session, count);
    session.attach(Arc::new(store.snapshot().unwrap())).unwrap();
    assert_eq!(number(&session, count), before + 1.0);
    assert_eq!(number(&session, "SELECT count(*) FROM target_models"), 3.0, "views follow");
}

#[test]
fn the_report_is_one_file_with_the_figure_and_the_guarantees() {
    let session = session(&study::small());
    let text = syntrace::report::html(&session, "a <small> study", syntrace::report::Members::Named).unwrap();
    assert!(text.starts_with("<!doctype html>") && text.contains("<title>a &#60;small&#62; study</title>"));
    assert!(!text.contains("<script") && !text.contains("http:"), "nothing is loaded from outside");
    // Two budgets of one class: the value and its interval are on the marks.
    assert!(text.contains("netssm, no DP: mlp 0.9 (0.8 to 1)"));
    assert!(text.contains("netssm, epsilon 4: mlp 0.45 (0.35 to 0.55)"));
    assert!(text.contains("private only given upstream weights"));
    assert!(text.contains("<td class=\"n\">\u{221e}</td>"));
    for tag in ["section", "details", "figure", "table", "div", "svg", "ul", "nav", "main"] {
        let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        assert!(opened > 0, "{tag}");
    }
}

/// Whoever calls has the 2 MB of any thread; trees are read, walked and dropped beyond them.
#[test]
fn the_deepest_statements_run_on_any_callers_stack() {
    let study = study::small();
    let session = session(&study);
    let deepest = 1_990;
    for (text, expected) in [
        (format!("{}SELECT 1", "EXPLAIN ".repeat(deepest)), "nested EXPLAINs"),
        (format!("SELECT {}'1'", "INTERVAL ".repeat(deepest)), "at most 16 levels"),
        (format!("SELECT {}1", "- ".repeat(deepest)), "recursion limit"),
        (format!("SELECT {}1", "(".repeat(50_000)), "recursion limit"),
    ] {
        let error = session.sql(&text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{}: {error:.200}", text[..20].trim());
    }
    let casts = format!("SELECT 1{}", "::bigint".repeat(deepest / 2));
    assert_eq!(number(&session, &casts), 1.0);
    assert_eq!(number(&session, &format!("SELECT {}", vec!["1"; 600].join("+"))), 600.0);
    let chain: Vec<String> = (0..deepest / 2).map(|steps| format!("steps = {steps}")).collect();
    let all = number(&session, "SELECT count(*) FROM models WHERE steps < 995");
    assert_eq!(number(&session, &format!("SELECT count(*) FROM models WHERE {}", chain.join(" OR "))), all);
}

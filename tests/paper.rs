//! The paper's numbers beside the study's: what is embedded, and that verdicts follow their rules.

use crate::query::study;
use syntrace::query::{Session, SessionOptions, bind, cells, named};

const OPTIONS: SessionOptions = SessionOptions { memory_bytes: 128 << 20, threads: 2 };

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
    // the study's netssm has an AUC of 0.9 (0.8 to 1) without DP; at epsilon 4 it is 0.45 (0.35 to 0.55), which is at
    // chance for all that eight traces can tell, and so decides nothing
    assert_eq!(verdict("mia_netssm")[3..7], ["agrees", "1", "0", "0"]);
    assert_eq!(verdict("dp_netssm")[3..7], ["cannot tell", "0", "0", "1"]);
    assert_eq!(verdict("dp_netssm")[9..11], ["0.05", "0.1"], "the margin, and twice of it as resolution");
    // no netshare at all
    assert_eq!(verdict("mia_netshare")[3..7], ["cannot tell", "0", "0", "0"]);
    // MAE 30 without DP, 20 at epsilon 4, 10 on real traces, each 10 % more or less
    assert_eq!(verdict("dp_regression")[3..7], ["agrees", "1", "0", "0"]);
    assert_eq!(verdict("real_regression")[3..7], ["agrees", "2", "0", "0"]);
    // accuracy 0.9 without DP and 0.5 at epsilon 4, each 10 % more or less
    assert_eq!(verdict("dp_accuracy_os")[3..7], ["disagrees", "0", "1", "0"]);
    // mean JSD 0.25 without DP, 0.65 at epsilon 4, each 0.02 more or less
    assert_eq!(verdict("jsd_netssm")[3..7], ["agrees", "1", "0", "0"]);
    assert_eq!(verdict("dp_fidelity")[3..7], ["disagrees", "0", "1", "0"]);
    // one class: no interval over classes, so no verdict
    assert_eq!(verdict("image_entropy")[3..7], ["cannot tell", "0", "0", "1"]);
    assert_eq!(verdict("image_entropy")[10], "NULL");
}

/// The statement of `paper_evidence` over made-up measures of three classes.
#[test]
fn a_measure_without_an_interval_is_judged_by_its_spread_over_classes() {
    let study = study::small();
    let session = session(&study);
    let text = include_str!("../schema/paper.sql");
    let (_, view) = text.split_once("CREATE VIEW paper_evidence AS\n").unwrap();
    let start = view.find("singles AS (").unwrap();
    let end = view.find("means AS (").unwrap();
    let judge = |takeaway: &str, measured: [f64; 3]| {
        let values = measured.map(|one| format!("('{takeaway}', 'g', 'os', 4.0, 'p', {one:?}, 0.5, {one:?})"));
        let singles = format!(
            "singles AS (SELECT column1 AS takeaway, column2 AS generator, column3 AS dataset, column4 AS epsilon, \
             column5 AS plan, column6 AS ours, column7 AS compared_with, column8 AS measured FROM (VALUES {})), ",
            values.join(", ")
        );
        let sql = format!("{}{singles}{}", &view[..start], view[end..].trim_end().trim_end_matches(';'));
        let sql = format!("SELECT holds, round(resolution, 3) FROM ({sql}) WHERE plan = 'p'");
        rows(&session, &sql).join(" ")
    };
    // 4.303 standard errors of three: 4.303 * 0.01 / sqrt(3) = 0.025
    assert_eq!(judge("mode_collapse", [0.94, 0.95, 0.96]), "true|0.025");
    assert_eq!(judge("mode_collapse", [0.94, 0.2, 0.96]), "NULL|1.076");
    assert_eq!(judge("mode_collapse", [0.1, 0.11, 0.12]), "false|0.025");
    assert_eq!(judge("image_entropy", [0.02, 0.03, 0.04]), "true|0.025");
    assert_eq!(judge("image_entropy", [0.1, 0.12, 0.17]), "NULL|0.09");
    assert_eq!(judge("image_entropy", [0.5, 0.51, 0.52]), "false|0.025");
    assert_eq!(judge("copies_without_dp", [0.3, 0.31, 0.32]), "true|0.025");
    assert_eq!(judge("copies_without_dp", [0.05, 0.3, 0.6]), "NULL|0.684");
    assert_eq!(judge("copies_without_dp", [-0.1, -0.11, -0.12]), "false|0.025");
}

/// The named query over made-up evidence: cases that hold, that fail and that are open.
#[test]
fn a_takeaway_is_decided_by_two_thirds_of_its_cases_and_no_fewer_than_are_open() {
    let study = study::small();
    let session = session(&study);
    let query = named("paper_agreement").unwrap();
    let expected = [
        ([2, 1, 0], "agrees"),
        ([1, 2, 0], "disagrees"),
        ([1, 1, 0], "cannot tell"),
        ([0, 0, 3], "cannot tell"),
        ([3, 0, 3], "agrees"),
        ([3, 0, 4], "cannot tell"),
        ([0, 3, 4], "cannot tell"),
    ];
    for (counts, verdict) in expected {
        let cases = ["true", "false", "CAST(NULL AS BOOLEAN)"].iter().zip(counts);
        let cases = cases.flat_map(|(holds, count)| vec![format!("('mia_netssm', {holds}, 1.0)"); count]);
        let cases: Vec<String> = cases.collect();
        let evidence = format!(
            "WITH evidence AS (SELECT column1 AS takeaway, column2 AS holds, column3 AS ours, column3 AS compared_with, \
             column3 AS margin, column3 AS resolution, CAST(NULL AS TEXT) AS plan FROM (VALUES {})), counted AS",
            cases.join(", ")
        );
        let sql = query.sql.replace("FROM paper_evidence", "FROM evidence").replace("WITH counted AS", &evidence);
        assert_ne!(sql, query.sql);
        let answer = session.sql_with(&sql, &bind(&query, &Default::default()).unwrap()).unwrap();
        let schema = answer.schema();
        let found = cells(&schema, &answer.collect_batches().unwrap()).unwrap().rows;
        let row = found.iter().find(|row| row[0] == "mia_netssm").unwrap();
        assert_eq!(
            row[3..7],
            [verdict.to_owned(), counts[0].to_string(), counts[1].to_string(), counts[2].to_string()]
        );
    }
}

#[test]
fn evidence_names_only_takeaways_that_are_stated() {
    let study = study::small();
    let sql = "SELECT DISTINCT takeaway FROM paper_evidence
        WHERE takeaway NOT IN (SELECT takeaway FROM paper_takeaways)";
    assert_eq!(rows(&session(&study), sql), Vec::<String>::new());
    let every = include_str!("../schema/paper.sql");
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

#[test]
fn gaps_of_a_critic_are_in_deviations_and_know_no_offset() {
    let gaps = |offset| {
        let study = study::small();
        study::add_critic(&study, offset);
        let session = session(&study);
        let by_epoch =
            "SELECT epoch, round(standardised_gap, 3), relative_gap, relative_gap_percent, relative_gap_printed
            FROM generalization WHERE generator = 'netshare' ORDER BY epoch";
        // losses 1 and 2 of members, 2 and 3 of held-out traces: half a unit around each mean
        assert_eq!(rows(&session, by_epoch), ["0|1|NULL|NULL|NULL", "1|2|NULL|NULL|NULL"]);
        let zero = "SELECT DISTINCT has_zero, loss_has_zero FROM loss_scale JOIN models USING (model_id)
            WHERE models.generator = 'netshare'";
        assert_eq!(rows(&session, zero), ["false|false"]);
    };
    for offset in [0.0, -1.5, 1000.0] {
        gaps(offset);
    }
    // a likelihood keeps the published share
    let study = study::small();
    let share = "SELECT count(*), count(relative_gap_percent), count(standardised_gap) FROM generalization";
    assert_eq!(rows(&session(&study), share), ["8|8|0"]);
}

/// What a generator is, not what a spec calls it, decides which statements it is a case of.
#[test]
fn generators_are_chosen_by_their_training_and_lineage() {
    let study = study::small();
    let of = |sql: &str| rows(&session(&study), sql);
    assert_eq!(
        of("SELECT DISTINCT generator, family, start, published FROM model_kinds"),
        ["netssm|netssm|fresh|true"]
    );
    study::add_netshare(&study);
    let found = of("SELECT kinds.generator, kinds.epsilon, kinds.start, kinds.published FROM model_kinds AS kinds
        WHERE kinds.family = 'netshare' ORDER BY kinds.generator, kinds.epsilon NULLS FIRST");
    assert_eq!(
        found,
        ["gan|NULL|fresh|true", "gan|4|private weights|true", "scratch|NULL|fresh|true", "scratch|4|fresh|false"]
    );
    let cases = "SELECT takeaway, generator, epsilon, holds FROM paper_evidence
        WHERE takeaway LIKE '%netshare' ORDER BY takeaway, generator, epsilon";
    // the fine-tuned model is as open to the attack as without DP; the one trained afresh with DP is no case
    assert_eq!(of(cases), ["dp_netshare|gan|4|true", "mia_netshare|gan|NULL|true", "mia_netshare|scratch|NULL|true"]);
}

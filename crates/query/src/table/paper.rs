//! The paper's numbers as tables, so that a query can compare a study's with them.

use super::paper_takeaways::{TAKEAWAYS, Takeaway};
use super::paper_values::{SECTION3_TABLE2, TABLE1, TABLE2, TABLE3, Table1};
use super::record::{Fields, record_table};
use super::study::Study;
use crate::scan::relation::Relation;
use std::sync::Arc;

pub(super) fn table1(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<Table1>::new()
        .text("dataset", "dataset; `os` is the paper's CICIDS", |row| row.0.to_owned())
        .text("class", "class", |row| row.1.to_owned())
        .text("generator", "generator family", |row| row.2.to_owned())
        .real_or_null("epsilon", "target epsilon; NULL = no DP", |row| row.3)
        .real("precision", "precision of the attack", |row| row.4[0])
        .real("tpr", "true positive rate (recall) of the attack", |row| row.4[1])
        .real("fpr", "false positive rate of the attack", |row| row.4[2])
        .real("f1", "F1 of the class by a random forest trained on synthetic traces", |row| row.4[3])
        .real_or_null("mae", "median MAE of the next packet length, bytes; NULL for `vca`", |row| row.5);
    record_table(study, fields, |_| Ok(TABLE1.to_vec()))
}

pub(super) fn table2(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<(&str, &str, [f64; 3])>::new()
        .text("dataset", "dataset; `os` is the paper's CICIDS", |row| row.0.to_owned())
        .text("generator", "generator family", |row| row.1.to_owned())
        .real("min_jsd", "smallest average JSD over the budgets", |row| row.2[0])
        .real("max_jsd", "largest average JSD over the budgets", |row| row.2[1])
        .real("difference", "their difference, as printed", |row| row.2[2]);
    record_table(study, fields, |_| Ok(TABLE2.to_vec()))
}

pub(super) fn table3(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<(&str, &str, [f64; 3])>::new()
        .text("dataset", "dataset; `os` is the paper's CICIDS", |row| row.0.to_owned())
        .text("class", "class", |row| row.1.to_owned())
        .real("median", "median packet length, bytes", |row| row.2[0])
        .real("std_dev", "standard deviation of packet lengths, bytes", |row| row.2[1])
        .real("max", "largest packet length, bytes", |row| row.2[2]);
    record_table(study, fields, |_| Ok(TABLE3.to_vec()))
}

pub(super) fn section3_table2(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<(&str, &str, &str, [f64; 3])>::new()
        .text("dataset", "dataset; `os` is the paper's CICIDS", |row| row.0.to_owned())
        .text("class", "class", |row| row.1.to_owned())
        .text("generator", "generator family", |row| row.2.to_owned())
        .real("precision", "precision of the attack on models without DP", |row| row.3[0])
        .real("recall", "its recall", |row| row.3[1])
        .real("fpr", "its false positive rate", |row| row.3[2]);
    record_table(study, fields, |_| Ok(SECTION3_TABLE2.to_vec()))
}

pub(super) fn takeaways(study: &Arc<Study>) -> Arc<dyn Relation> {
    let fields = Fields::<Takeaway>::new()
        .text("takeaway", "its name here", |row| row.name.to_owned())
        .text("section", "where the paper says it", |row| row.section.to_owned())
        .text("statement", "what the paper says", |row| row.statement.to_owned())
        .text("rule", "what one case of a study must show to hold, and what is a case", |row| row.rule.to_owned())
        .text_or_null("paper_number", "the paper's own number, in words", |row| row.number.map(str::to_owned));
    record_table(study, fields, |_| Ok(TAKEAWAYS.to_vec()))
}

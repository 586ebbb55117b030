//! One self-contained HTML file about a study: headline tables and figures from named queries.
//!
//! Invariants: every number comes from a named query or a statement shown beside it; nothing is
//! written and no time is read; all text of the study is escaped; no scripts, no outside resources.

mod figure;
mod html;

use crate::error::Result;
use crate::query::{Parameters, Rendered, Session, bind, cells, named};
use figure::{Figure, Mark, Series};
use html::{escape, page, table};
use std::fmt::Write;

/// Jobs by kind: what was done, how long it took, with which program.
const PROVENANCE: &str = "SELECT kind, count(*) AS jobs, sum(seconds) AS seconds, max(threads) AS threads, \
     min(program) AS program, to_timestamp_micros(min(started_us)) AS first_start, \
     to_timestamp_micros(max(finished_us)) AS last_end FROM jobs GROUP BY kind ORDER BY min(started_us), kind";

/// Guarantees of the models whose output would leave the house.
const GUARANTEES: &str = "SELECT name, epsilon, delta, epsilon_spent, epsilon_end_to_end, guarantee, meaning, noise \
     FROM model_privacy WHERE role = 'target' ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST";

/// The report of a study as HTML text.
pub fn html(session: &Session, study: &str) -> Result<String> {
    let mut body = format!("<h1>{}</h1>\n{}", escape(study), INTRODUCTION);
    section(&mut body, session, "study_overview", "The study in short", "")?;
    section(
        &mut body,
        session,
        "mia_by_model_and_epsilon",
        "Privacy: membership inference",
        &leakage_figure(session)?,
    )?;
    statement_section(&mut body, session, GUARANTEES, "Privacy: what each epsilon promises", GUARANTEE_TEXT)?;
    let figure = fidelity_figure(session)?;
    section(&mut body, session, "fidelity_by_model_and_epsilon", "Quality: distance from real traffic", &figure)?;
    for (name, title) in [
        ("fidelity_by_field", "Quality by header field"),
        ("generalization_gap", "Generalization gap"),
        ("most_exposed_traces", "Most exposed traces"),
        ("privacy_ledger", "Privacy ledger"),
        ("table3", "Packet lengths of the real traffic"),
        ("drops_by_reason", "What ingest left out"),
        ("bytes_by_table", "Where the bytes lie"),
    ] {
        folded(&mut body, session, name, title)?;
    }
    statement_section(&mut body, session, PROVENANCE, "Provenance", "")?;
    Ok(page(study, &body))
}

const INTRODUCTION: &str = "<p>How private, and how good, is the synthetic traffic of this study? The unit of privacy is \
    one trace; neighbouring data sets differ by adding or removing one trace. An AUC of 0.5 is chance: the attack \
    learns nothing. A Jensen-Shannon distance of 0 is a perfect copy, 1 has nothing in common; held-out real \
    traffic says how small it can be.</p>\n";

const GUARANTEE_TEXT: &str = "<p>A guarantee is end-to-end only if nothing upstream of the weights saw the private \
    traces outside the mechanism. A conditional one has an infinite end-to-end epsilon.</p>\n";

fn run_named(session: &Session, name: &str) -> Result<(String, Rendered)> {
    let query = named(name)?;
    let answer = session.sql_with(query.sql, &bind(&query, &Parameters::new())?)?;
    let schema = answer.schema();
    Ok((query.question, cells(&schema, &answer.collect_batches()?)?))
}

fn section(body: &mut String, session: &Session, name: &str, title: &str, figure: &str) -> Result<()> {
    let (question, rendered) = run_named(session, name)?;
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "<section><h2>{}</h2>\n<p class=\"question\">{} <code>syntrace query STUDY {name}</code></p>\n{figure}{}</section>\n",
        escape(title),
        escape(&question),
        table(&rendered)
    );
    Ok(())
}

fn folded(body: &mut String, session: &Session, name: &str, title: &str) -> Result<()> {
    let (question, rendered) = run_named(session, name)?;
    let _ = write!(
        body,
        "<details><summary>{} ({} rows)</summary>\n<p class=\"question\">{} <code>syntrace query STUDY {name}</code></p>\n\
         {}</details>\n",
        escape(title),
        rendered.rows.len(),
        escape(&question),
        table(&rendered)
    );
    Ok(())
}

fn statement_section(body: &mut String, session: &Session, sql: &str, title: &str, text: &str) -> Result<()> {
    let answer = session.sql(sql)?;
    let schema = answer.schema();
    let rendered = cells(&schema, &answer.collect_batches()?)?;
    let _ = write!(body, "<section><h2>{}</h2>\n{text}{}</section>\n", escape(title), table(&rendered));
    Ok(())
}

/// The cell of a named column as a number.
fn number(rendered: &Rendered, row: &[String], name: &str) -> Option<f64> {
    text(rendered, row, name).and_then(|text| text.parse().ok()).filter(|value: &f64| value.is_finite())
}

fn text<'a>(rendered: &Rendered, row: &'a [String], name: &str) -> Option<&'a str> {
    let index = rendered.header.iter().position(|known| known == name)?;
    row.get(index).map(String::as_str)
}

/// Marks by series (generator, class and, where there is one, attack), in the order of the rows.
fn series(rendered: &Rendered, mark: impl Fn(&[String]) -> Option<Mark>) -> Vec<Series> {
    let mut found: Vec<Series> = Vec::new();
    for row in &rendered.rows {
        let names = ["generator", "dataset", "class"].map(|name| text(rendered, row, name).unwrap_or_default());
        let attack = text(rendered, row, "attack").map(|attack| format!(" {attack}")).unwrap_or_default();
        let name = format!("{} {}/{}{attack}", names[0], names[1], names[2]);
        let Some(mark) = mark(row) else { continue };
        match found.iter_mut().find(|series| series.name == name) {
            Some(series) => series.marks.push(mark),
            None => found.push(Series { name, marks: vec![mark] }),
        }
    }
    found
}

/// AUC on the targets by budget, with intervals.
fn leakage_figure(session: &Session) -> Result<String> {
    let (_, rendered) = run_named(session, "mia_by_model_and_epsilon")?;
    let series = series(&rendered, |row| {
        Some(Mark {
            place: text(&rendered, row, "regime")?.to_owned(),
            value: number(&rendered, row, "auc")?,
            low: number(&rendered, row, "auc_low"),
            high: number(&rendered, row, "auc_high"),
        })
    });
    let title = "AUC of membership inference on the target, by privacy budget";
    Ok(Figure { title, axis: "AUC", reference: Some((0.5, "chance")), series }.svg())
}

/// Mean Jensen-Shannon distance by budget.
fn fidelity_figure(session: &Session) -> Result<String> {
    let (_, rendered) = run_named(session, "fidelity_by_model_and_epsilon")?;
    let series = series(&rendered, |row| {
        Some(Mark {
            place: text(&rendered, row, "regime")?.to_owned(),
            value: number(&rendered, row, "jsd")?,
            low: None,
            high: None,
        })
    });
    let title = "Jensen-Shannon distance of synthetic from real packets, by privacy budget (0 = the same)";
    Ok(Figure { title, axis: "distance", reference: None, series }.svg())
}

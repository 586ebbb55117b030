//! One model: what it is and promises, how it was trained, what attacks, measures and audits say; and in what it differs
//! from another one.

use crate::answer::Answer;
use crate::failure::{Answered, Failure, InAddress};
use crate::grid::Grid;
use crate::layout::{Frame, page_of, text_of};
use crate::model_figures;
use crate::query_string::QueryString;
use crate::study::{Study, View};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::Rendered;
use syntrace_report::Drawing;

/// Rows of a section.
const ROWS_MAX: usize = 500;

/// Rows that are drawn: corners of all ROC curves of a model.
const DRAWN_MAX: usize = 50_000;

/// Name of the other model in an address.
const VERSUS: &str = "versus";

/// What the page shows of a model in words, by column.
const FACTS: &str = "models.name, models.generator, preset, models.dataset, models.\"class\", models.\"role\", models.shadow, \
    models.plan, status, models.unit, models.members, parameters, parameters_private, models.steps, expected_batch, models.sampling_rate, \
    seconds, models.epsilon, models.delta, models.noise_multiplier, models.clip_norm, models.epsilon_spent, \
    models.accountant, models.guarantee, models.epsilon_end_to_end, models.noise, meaning, config";

/// A section of the page: its statement for a model `$id`, whose rows are a table, or drawn with the table behind.
struct Part {
    title: &'static str,
    /// What to know to read it.
    text: &'static str,
    sql: &'static str,
    draw: Option<fn(&Answer) -> Result<Drawing>>,
}

const fn part(title: &'static str, text: &'static str, sql: &'static str) -> Part {
    Part { title, text, sql, draw: None }
}

const LINEAGE: &str = "SELECT number, kind, source_id, description, through_mechanism, saw_private FROM lineage WHERE model_id = $id ORDER BY number";

/// What was made of a model.
const RESULTS: &str = "SELECT (SELECT count(*) FROM synthetic_traces WHERE model_id = $id) AS synthetic, \
    (SELECT count(*) FROM attacks WHERE model_id = $id) AS attacks, \
    (SELECT count(*) FROM lineage WHERE source_id = $id AND kind IN ('weights', 'released_traces')) AS descendants";

/// The sections of the page; one without rows is left out.
const PARTS: &[Part] = &[
    part(
        "Privacy ledger",
        "Every mechanism that was applied to private traces; epsilon_after is the upper bound of all events up to that one.",
        "SELECT event, phase, mechanism, sampling_rate, noise_multiplier, clip_norm, steps, epsilon_after, delta, neighbours \
         FROM privacy_ledger WHERE model_id = $id ORDER BY event",
    ),
    part(
        "Audit",
        "What is claimed beside what attacks hint at and one-run audits prove.",
        "SELECT * FROM privacy_audit WHERE model_id = $id",
    ),
    part(
        "Attacks",
        "AUC: 0.5 is chance, 1 recognises every training trace. Intervals are 95 %.",
        "SELECT attack, attribute, evaluated_on, n, n_members, auc, auc_low, auc_high, recall, fpr, tpr_at_1pct_fpr \
         FROM attacks WHERE model_id = $id ORDER BY evaluated_on DESC, auc DESC NULLS LAST, attack",
    ),
    Part {
        title: "ROC curves",
        text: "On the model's own traces: what share of members an attack finds (up) while it accuses a share of held-out traces \
            (right). The left end is what matters for privacy.",
        sql: "SELECT roc.attack_id, concat(roc.attack, ', ', roc.attribute) AS name, attacks.auc, \
            1.0 / nullif(attacks.n - attacks.n_members, 0) AS smallest_fpr, roc.fpr, roc.tpr, roc.threshold FROM roc \
            JOIN attacks ON attacks.attack_id = roc.attack_id WHERE roc.model_id = $id AND roc.evaluated_on = 'target' \
            AND attacks.auc IS NOT NULL ORDER BY attacks.auc DESC, roc.attack_id, roc.fpr, roc.tpr",
        draw: Some(model_figures::roc),
    },
    Part {
        title: "Losses",
        text: "By epoch. A loss of held-out traces far above that of members is what membership inference lives on.",
        sql: "SELECT epoch, step, train_loss, member_loss, held_out_loss, held_out_loss - member_loss AS gap, gradient_norm, \
         clipped_fraction, seconds FROM epochs WHERE model_id = $id ORDER BY epoch",
        draw: Some(model_figures::losses),
    },
    part(
        "Fidelity by field",
        "Mean over packet positions of the Jensen-Shannon distance to member traces; held_out is what as many real traces get.",
        "SELECT field, avg(value) FILTER (WHERE compared = 'synthetic') AS synthetic, \
         avg(value) FILTER (WHERE compared = 'held_out') AS held_out FROM fidelity \
         WHERE model_id = $id AND aspect = 'header' AND metric = 'jsd' AND reference = 'members' GROUP BY field ORDER BY 2 DESC, 1",
    ),
    part(
        "Utility",
        "Of models that learnt from the synthetic traffic of its generator at its budget, tested on held-out real traces.",
        "SELECT downstream.task, downstream.metric, downstream.\"class\", synthetic_value, members_value, guess_value, n_test \
         FROM downstream JOIN models ON models.generator = downstream.generator AND models.dataset = downstream.dataset \
         AND models.regime = downstream.regime AND (models.plan IS NOT DISTINCT FROM downstream.plan) \
         WHERE models.model_id = $id AND models.\"role\" = 'target' ORDER BY 1, 2, 3",
    ),
    part(
        "Leakage",
        "Training traces inside synthetic ones; control is the same for traces that the model never saw.",
        "SELECT measure, kind, value, control, hits, n, control_hits, control_n, p_value FROM leaks WHERE model_id = $id \
         ORDER BY p_value NULLS LAST, measure, kind",
    ),
    part(
        "Generated traces",
        "The first of them that have a packet, then the others.",
        "SELECT trace_id, number, packets, rejected_packets, complete, mended_fields FROM synthetic_traces WHERE model_id = $id \
         ORDER BY packets = 0, number LIMIT 20",
    ),
];

#[derive(Template)]
#[template(path = "model.html")]
struct Page {
    frame: Frame,
    facts: Vec<(String, String)>,
    settings: Vec<(String, String)>,
    lineage: Option<Lineage>,
    sections: Vec<Section>,
    /// Models of the same class to compare with.
    others: Vec<(String, String)>,
    versus: Option<Versus>,
}

struct Section {
    title: &'static str,
    text: &'static str,
    grid: Grid,
    more: bool,
    drawing: Option<Drawing>,
}

/// What the weights descend from, and what came of the model.
struct Lineage {
    graph: String,
    grid: Grid,
}

/// In what two models differ.
struct Versus {
    name: String,
    rows: Vec<(String, String, String)>,
}

/// What is known of a model, by name: its columns, then its settings.
struct Facts {
    columns: Vec<(String, String)>,
    settings: BTreeMap<String, String>,
}

impl Facts {
    async fn read(view: &View<'_>, id: &str) -> std::result::Result<Self, Failure> {
        let number: i64 = id.parse().map_err(|_| Error::user(format!("expected the id of a model, found `{id}`")))?;
        let sql = format!(
            "SELECT {FACTS} FROM models JOIN model_privacy ON model_privacy.model_id = models.model_id \
             WHERE models.model_id = {number}"
        );
        let Rendered { header, rows, .. } = Answer::of_sql(view, &sql, 1).await?.rendered()?;
        let Some(row) = rows.into_iter().next() else {
            let error = Error::user(format!("there is no model `{id}`"));
            return Err(Failure::nothing(error.hint("the tables models and target_models have all")));
        };
        let mut columns: Vec<(String, String)> = header.into_iter().zip(row).collect();
        let config = columns.pop().map(|(_, config)| config).unwrap_or_default();
        let mut settings = BTreeMap::new();
        if let Ok(value) = serde_json::from_str(&config) {
            flatten("", &value, &mut settings);
        }
        Ok(Self { columns, settings })
    }

    fn name(&self) -> String {
        self.columns.first().map(|(_, name)| name.clone()).unwrap_or_default()
    }

    /// Names that have another value in `other`, with both.
    fn differences(&self, other: &Self) -> Vec<(String, String, String)> {
        let all = |facts: &Self| {
            let columns = facts.columns.iter().cloned();
            columns
                .chain(facts.settings.iter().map(|(name, value)| (format!("config.{name}"), value.clone())))
                .collect()
        };
        let (own, others): (BTreeMap<String, String>, BTreeMap<String, String>) = (all(self), all(other));
        let names = own.keys().chain(others.keys().filter(|name| !own.contains_key(*name)));
        let value = |facts: &BTreeMap<String, String>, name: &str| facts.get(name).cloned().unwrap_or_default();
        let both = names.map(|name| (name.clone(), value(&own, name), value(&others, name)));
        both.filter(|(_, own, other)| own != other).collect()
    }
}

/// The leaves of a JSON value, by their paths.
fn flatten(path: &str, value: &serde_json::Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                flatten(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, member, leaves);
            }
        }
        serde_json::Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

/// `/model/ID`
pub(crate) async fn page(State(study): State<Arc<Study>>, id: InAddress, RawQuery(query): RawQuery) -> Answered {
    let Path(id) = id?;
    let query = QueryString::parse(query.as_deref());
    let address = query.after(&format!("/model/{id}"));
    let view = study.view()?;
    let page = view.kept(&address, async { Ok(text_of(&of_model(&view, &id, &query).await?)?) });
    Ok(page_of(page.await?))
}

async fn of_model(view: &View<'_>, id: &str, query: &QueryString) -> std::result::Result<Page, Failure> {
    let facts = Facts::read(view, id).await?;
    let versus = match query.get(VERSUS) {
        Some(other) => {
            let other = Facts::read(view, other).await?;
            Some(Versus { name: other.name(), rows: facts.differences(&other) })
        }
        None => None,
    };
    let name = facts.name();
    let sections = try_join_all(PARTS.iter().map(|part| section(view, id, part)));
    let (lineage, sections, others) = tokio::try_join!(lineage(view, id, &name), sections, others(view, id))?;
    let compared = |(name, other): (String, String)| (name, query.with(VERSUS, other).after(&format!("/model/{id}")));
    Ok(Page {
        frame: view.study.frame("", name),
        others: others.into_iter().map(compared).collect(),
        facts: facts.columns.into_iter().filter(|(_, value)| value != "NULL").collect(),
        settings: facts.settings.into_iter().collect(),
        lineage,
        sections: sections.into_iter().flatten().collect(),
        versus,
    })
}

/// `None` without rows.
async fn section(view: &View<'_>, id: &str, part: &Part) -> Result<Option<Section>> {
    let rows_max = if part.draw.is_some() { DRAWN_MAX } else { ROWS_MAX };
    let answer = Answer::of_sql(view, &part.sql.replace("$id", id), rows_max).await?;
    if answer.rows() == 0 {
        return Ok(None);
    }
    let drawing = part.draw.map(|draw| draw(&answer)).transpose()?.filter(|drawing| !drawing.panels.is_empty());
    let shown = answer.head(ROWS_MAX);
    let grid = Grid::of(&shown, part.title)?;
    Ok(Some(Section { title: part.title, text: part.text, grid, more: shown.more, drawing }))
}

async fn lineage(view: &View<'_>, id: &str, name: &str) -> Result<Option<Lineage>> {
    let (rows, results) = (LINEAGE.replace("$id", id), RESULTS.replace("$id", id));
    let (rows, results) = tokio::try_join!(Answer::of_sql(view, &rows, ROWS_MAX), Answer::of_sql(view, &results, 1))?;
    if rows.rows() == 0 {
        return Ok(None);
    }
    let graph = model_figures::lineage(id, name, &rows, &results, view.study.names_members())?;
    Ok(Some(Lineage { graph, grid: Grid::of(&rows, "Lineage")? }))
}

/// The other models of its class and role, by name.
async fn others(view: &View<'_>, id: &str) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "SELECT other.name, CAST(other.model_id AS TEXT) FROM models AS own JOIN models AS other ON other.dataset = own.dataset \
         AND other.\"class\" = own.\"class\" AND other.\"role\" = own.\"role\" AND other.model_id <> own.model_id \
         WHERE own.model_id = {id} AND own.shadow IS NOT DISTINCT FROM other.shadow ORDER BY 1, 2"
    );
    let answer = Answer::of_sql(view, &sql, ROWS_MAX).await?;
    let rows = answer.rendered()?.rows.into_iter();
    Ok(rows.filter_map(|row| <[String; 2]>::try_from(row).ok()).map(|[name, id]| (name, id)).collect())
}

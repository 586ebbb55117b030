//! How far the newest run has come: jobs, rate, time left, losses of the models that were trained last.

use crate::answer::Answer;
use crate::failure::Failure;
use crate::grid::Grid;
use crate::layout::text_of;
use crate::study::{Study, View};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use syntrace_base::error::{Error, Result};
use syntrace_query::Parameters;

/// Time over which the rate is taken, or since the plan began; without a job for as long, nothing seems to run.
const RATE_SECONDS: i64 = 300;

/// Rows of losses.
const LOSSES_MAX: usize = 40;

/// The newest plan with its jobs and models, how many of them are done and were lately, and the jobs of the study.
const COUNTS: &str = "SELECT plans.plan, plans.started_us, plans.members, plans.done, lately.recent, jobs.jobs
FROM (SELECT * FROM plans ORDER BY started_us DESC, plan_id LIMIT 1) AS plans
CROSS JOIN (
    SELECT count(*) AS recent
    FROM plan_members
    LEFT JOIN models ON models.model_id = plan_members.id
    JOIN jobs ON jobs.job_id = coalesce(models.job_id, plan_members.id)
    WHERE jobs.finished_us >= $since
        AND plan_members.plan_id = (SELECT plan_id FROM plans ORDER BY started_us DESC, plan_id LIMIT 1)
) AS lately
CROSS JOIN (SELECT count(*) AS jobs FROM jobs) AS jobs";

/// The epochs of the models that the newest job trained.
const LOSSES: &str = "SELECT model_id, generator, dataset, \"class\", \"role\", shadow, epsilon, epoch, train_loss,
    member_loss, held_out_loss
FROM epochs
WHERE model_id IN (
    SELECT model_id FROM models WHERE job_id = (
        SELECT jobs.job_id FROM jobs WHERE jobs.job_id IN (SELECT models.job_id FROM models)
        ORDER BY jobs.finished_us DESC, jobs.job_id LIMIT 1
    )
)
ORDER BY epoch DESC, model_id";

/// How far a run has come.
#[derive(Template)]
#[template(path = "progress.html")]
pub(crate) struct Progress {
    /// The newest plan.
    pub plan: String,
    /// Jobs and models that belong to it.
    pub members: i64,
    /// Of them, those that are here.
    pub done: i64,
    /// Jobs of the study.
    pub jobs: i64,
    /// Of its jobs and models, those that were done in a minute, lately.
    pub per_minute: f64,
    /// Minutes until all members are there, at this rate.
    pub minutes_left: Option<f64>,
    /// The losses of the models that were trained last.
    pub losses: Option<Grid>,
}

/// What the kept pages have under this name says that nothing of the newest plan is missing.
const DONE: &str = "done";

impl Progress {
    /// Of the newest plan, as a part of a page; empty in a study without plans, and where all of it is there.
    pub async fn part(view: &View<'_>) -> std::result::Result<String, Failure> {
        if view.has_kept(DONE) {
            return Ok(String::new());
        }
        let Some(mut progress) = Self::counted(view).await?.filter(|progress| !progress.is_done()) else {
            view.kept(DONE, async { Ok(String::new()) }).await?;
            return Ok(String::new());
        };
        let losses = Answer::of_sql(view, LOSSES, LOSSES_MAX).await?;
        if losses.rows() > 0 {
            progress.losses = Some(Grid::of(&losses, "Losses of the models that were trained last")?);
        }
        Ok(text_of(&progress)?)
    }

    /// Without losses.
    async fn counted(view: &View<'_>) -> Result<Option<Self>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as i64);
        let (_, since) = syntrace_query::parse_parameter(&format!("since={}", now - RATE_SECONDS * 1_000_000))?;
        let given = Parameters::from([("since".to_owned(), since)]);
        let rows = Answer::first(view.ask(COUNTS, &given).await?, 1).await?.into_batch()?;
        if rows.num_rows() == 0 {
            return Ok(None);
        }
        let number = |name: &str| {
            let column = rows.column_by_name(name).and_then(|column| cast(column, &DataType::Int64).ok());
            let column = column.ok_or_else(|| Error::internal(format!("the progress has no number `{name}`")))?;
            let numbers = column.as_primitive::<Int64Type>();
            Ok::<i64, Error>(if numbers.is_null(0) { 0 } else { numbers.value(0) })
        };
        let plan = rows.column_by_name("plan").map(|column| column.as_string::<i32>().value(0).to_owned());
        let (members, done, recent) = (number("members")?, number("done")?, number("recent")?);
        let seconds = ((now - number("started_us")?) / 1_000_000).clamp(1, RATE_SECONDS);
        let per_minute = recent as f64 / (seconds as f64 / 60.0);
        let minutes_left = (recent > 0).then(|| (members - done) as f64 / per_minute);
        let (plan, jobs) = (plan.unwrap_or_default(), number("jobs")?);
        Ok(Some(Self { plan, members, done, jobs, per_minute, minutes_left, losses: None }))
    }

    /// Is all of the plan there?
    fn is_done(&self) -> bool {
        self.done >= self.members
    }

    /// The rate in words.
    pub fn rate(&self) -> String {
        match self.minutes_left {
            Some(minutes) => format!("{:.1} jobs and models a minute, about {} left", self.per_minute, time(minutes)),
            None => "no job was finished in the last five minutes".to_owned(),
        }
    }
}

/// Minutes in words.
fn time(minutes: f64) -> String {
    let minutes = minutes.ceil() as u64;
    if minutes < 90 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
}

/// `/progress.json`: what the script of the overview asks for.
pub(crate) async fn json(State(study): State<Arc<Study>>) -> std::result::Result<Response, Failure> {
    let progress = Progress::counted(&study.view()?).await?;
    let text = match progress {
        Some(progress) => format!(
            "{{\"done\": {}, \"members\": {}, \"jobs\": {}, \"rate\": \"{}\"}}\n",
            progress.done,
            progress.members,
            progress.jobs,
            progress.rate()
        ),
        None => "{\"done\": 0, \"members\": 0, \"jobs\": 0, \"rate\": \"\"}\n".to_owned(),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

//! Cohorts of generators that are fitted rather than trained: one model after the other, no checkpoint.

use super::plan::{CheckpointSink, CohortInput, CohortModel, CohortOutcome, ModelOutcome};
use syntrace_base::base::Progress;
use syntrace_base::error::{Error, Result};

/// Fits each model of a cohort; the time of its epochs is by the sink's clock.
///
/// # Errors
/// Of `fit`, with the model's label; interrupted, when asked to stop.
pub fn fit_one_by_one(
    input: &CohortInput<'_>,
    sink: &mut dyn CheckpointSink,
    progress: &dyn Progress,
    fit: impl Fn(&CohortModel) -> Result<ModelOutcome>,
) -> Result<CohortOutcome> {
    let mut models = Vec::with_capacity(input.models.len());
    progress.start(input.models.first().map_or("fitting", |model| model.label.as_str()), input.models.len() as u64);
    for model in &input.models {
        if progress.stop_requested() {
            return Err(Error::interrupted("fitting stopped").hint("run the same command again"));
        }
        let started = sink.seconds();
        let mut outcome = fit(model).map_err(|error| error.context(model.label.clone()))?;
        for epoch in &mut outcome.epochs {
            epoch.seconds = sink.seconds() - started;
        }
        models.push(outcome);
        progress.advance(1, "");
    }
    progress.finish();
    Ok(CohortOutcome { models })
}

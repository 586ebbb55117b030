//! The jobs behind an audit of a target model.

use super::{Ancestor, Builder, PlannedClass, PlannedModel, Work, ids};
use crate::base::JobId;
use crate::error::Result;
use crate::pipeline::job::JobHead;
use crate::record::{JobKind, Regime};

impl Builder<'_> {
    /// Leakage into the synthetic traces that a job (its id and index) makes.
    pub(super) fn leakage(
        &mut self,
        class: &PlannedClass,
        model: &PlannedModel,
        (synthesize, index): (JobId, usize),
    ) -> Result<()> {
        let spec = serde_json::json!({ "model": model.model_id.0 });
        let label = format!("leakage {}", model.label(&self.plan.generators[model.generator].name));
        let mut inputs = ids(&class.sources);
        inputs.extend([synthesize.0, model.split_id.0]);
        let head = JobHead::new(JobKind::Leakage, label, &spec, inputs, 0);
        let work = Work::Leakage { model: model.clone(), sources: class.sources.clone(), synthesize };
        self.add(head, work, vec![index]).map(|_| ())
    }

    /// A one-run audit of the mechanism that trains a private target, where the spec asks for it. A model
    /// that starts from weights that saw the same traces claims nothing that it could refute.
    pub(super) fn one_run(
        &mut self,
        model: &PlannedModel,
        split_index: usize,
        (encode, encode_index): (JobId, usize),
    ) -> Result<()> {
        let claims = model.regime != Regime::None && !matches!(model.ancestor, Ancestor::NonPrivate(_));
        if !self.plan.spec.audit.one_run || !claims {
            return Ok(());
        }
        let planned = &self.plan.generators[model.generator];
        let spec = serde_json::json!({ "model": model.model_id.0, "canaries": "split", "score": "relative_loss" });
        let label = format!("one-run audit {}", model.label(&planned.name));
        let mut inputs = vec![model.model_id.0, model.split_id.0, encode.0];
        inputs.extend(planned.base.map(|(base, _)| base.0));
        let mut after = vec![split_index, encode_index];
        after.extend(planned.base.and_then(|(_, index)| index));
        let head = JobHead::new(JobKind::OneRunAudit, label, &spec, inputs, self.plan.spec.seed);
        self.add(head, Work::OneRunAudit { model: model.clone(), encode }, after).map(|_| ())
    }
}

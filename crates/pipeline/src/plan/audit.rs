//! The jobs behind an audit of a target model.

use super::{Ancestor, Builder, JobRef, PlannedClass, PlannedModel, Work, ids};
use crate::jobs::job::JobHead;
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, Regime};
use syntrace_measure::audit::{ONE_RUN_CONFIDENCE, one_run_canaries, one_run_provable};
use syntrace_measure::privacy::{NONE_BY_DELTA, promises_nothing};
use syntrace_spec::NoiseSource;

impl Builder<'_> {
    /// Warns about budgets that guarantee nothing because of their delta, and about reproducible noise, which gives no
    /// privacy to anyone who knows the seed.
    pub(super) fn note_empty_promises(&mut self) {
        let private = self.plan.spec.regimes.iter().any(|regime| regime.delta().is_some());
        if private && self.plan.spec.noise == NoiseSource::Reproducible {
            self.plan.notes.push(
                "`regimes.noise = \"reproducible\"`: whoever holds the study can make the noise again, so every guarantee is \
                 `conditional`; it is for tests, and `system` for what is released"
                    .to_owned(),
            );
        }
        let members = u64::from(self.plan.spec.split.members);
        let empty = |regime: &&Regime| regime.delta().is_some_and(|delta| promises_nothing(delta, members));
        let empty: Vec<Regime> = self.plan.spec.regimes.iter().filter(empty).copied().collect();
        let Some(delta) = empty.first().and_then(|regime| regime.delta()) else { return };
        let epsilons: Vec<String> = empty.iter().filter_map(|regime| regime.epsilon()).map(|e| e.to_string()).collect();
        self.plan.notes.push(format!(
            "`regimes.delta` {delta} is 1/members (1/{members}) or more: whoever publishes a member whole keeps such a promise, so \
             epsilon {} promises nothing, its guarantee is `{NONE_BY_DELTA}` and no audit passes; set it far below {}",
            epsilons.join(", "),
            1.0 / members as f64
        ));
    }

    /// Leakage into the synthetic traces that a job makes.
    pub(super) fn leakage(&mut self, class: &PlannedClass, model: &PlannedModel, synthesize: JobRef) -> Result<()> {
        let spec = serde_json::json!({ "model": model.model_id.0 });
        let label = format!("leakage {}", model.label(&self.plan.generators[model.generator].name));
        let mut inputs = ids(&class.sources);
        inputs.extend([synthesize.id.0, model.split_id.0]);
        let head = JobHead::new(JobKind::Leakage, label, &spec, inputs, 0);
        let work = Work::Leakage { model: model.clone(), sources: class.sources.clone(), synthesize: synthesize.id };
        self.add(head, work, vec![synthesize.index]).map(|_| ())
    }

    /// A one-run audit of the mechanism that trains a private target, where the spec asks for it. A model
    /// that starts from weights that saw the same traces claims nothing that it could refute.
    pub(super) fn one_run(&mut self, model: &PlannedModel, split_index: usize, encode: JobRef) -> Result<()> {
        let claims =
            model.regime.is_private() && !matches!(model.ancestor, Ancestor::NonPrivate(_) | Ancestor::Released(_));
        if !self.plan.spec.audit.one_run || !claims {
            return Ok(());
        }
        self.note_what_cannot_be_refuted(model.regime);
        let planned = &self.plan.generators[model.generator];
        let spec = serde_json::json!({ "model": model.model_id.0, "canaries": "split", "score": "relative_loss" });
        let label = format!("one-run audit {}", model.label(&planned.name));
        let mut inputs = vec![model.model_id.0, model.split_id.0, encode.id.0];
        inputs.extend(planned.base.map(|(base, _)| base.0));
        let mut after = vec![split_index, encode.index];
        after.extend(planned.base.and_then(|(_, index)| index));
        let head = JobHead::new(JobKind::OneRunAudit, label, &spec, inputs, self.plan.spec.seed);
        self.add(head, Work::OneRunAudit { model: model.clone(), encode: encode.id }, after).map(|_| ())
    }

    /// Warns once for each claim that a one-run audit could not refute whatever the models do: such an audit trains
    /// three models to no effect.
    fn note_what_cannot_be_refuted(&mut self, regime: Regime) {
        let Regime::Dp { epsilon, delta } = regime else { return };
        let members = self.plan.spec.split.members;
        let canaries = 2 * u64::from(members);
        let begin = format!("one-run audits cannot refute epsilon {epsilon}: ");
        if self.plan.notes.iter().any(|note| note.starts_with(&begin)) {
            return;
        }
        let provable = one_run_provable(canaries, delta, ONE_RUN_CONFIDENCE);
        if provable > epsilon {
            return;
        }
        let enough = match one_run_canaries(epsilon, delta, ONE_RUN_CONFIDENCE) {
            Some(enough) => format!("about {enough} could (`split.members` is half of that, here {members})"),
            None => "no number of them up to 100,000 would do".to_owned(),
        };
        self.plan.notes.push(format!("{begin}{canaries} canaries prove at most {provable:.2}; {enough}"));
    }
}

//! Plans that are made of what a study holds, not of a spec.

use super::Plan;
use crate::audit::Limits;
use crate::pipeline::ingest::default_cut;
use crate::spec::{AuditSpec, Forecaster, NoiseSource, Spec, SplitSpec};
use std::collections::HashMap;

impl Plan {
    /// A plan without jobs, of a spec that asks for nothing.
    pub(in crate::pipeline) fn empty() -> Self {
        let spec = Spec {
            name: "stored".to_owned(),
            seed: 0,
            threads: None,
            datasets: Vec::new(),
            traces: default_cut(),
            split: SplitSpec { members: 0, shadows: 0, overlap: false },
            regimes: Vec::new(),
            noise: NoiseSource::System,
            generators: Vec::new(),
            attacks: Vec::new(),
            synthetic_traces: 0,
            // As in a spec that says nothing: what stands beside ours is measured as ours.
            forecaster: Forecaster::Small,
            audit: AuditSpec { one_run: false, limits: Limits::default() },
        };
        Self { jobs: Vec::new(), generators: Vec::new(), spec, cohort_of: HashMap::new(), notes: Vec::new() }
    }
}

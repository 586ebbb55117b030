//! The jobs that need libtorch: training, attributes, synthesis. Without the cargo feature `torch`
//! each of them says so.

#[cfg(feature = "torch")]
mod base;
#[cfg(feature = "torch")]
mod cohort;
#[cfg(feature = "torch")]
mod inputs;
#[cfg(feature = "torch")]
mod one_run;
#[cfg(feature = "torch")]
mod recipe;
#[cfg(feature = "torch")]
mod record;
#[cfg(feature = "torch")]
mod traces;

/// Limits libtorch to one thread in this worker: jobs run concurrently instead, and sums do not depend on the number
/// of cores.
pub(crate) fn use_one_thread() {
    #[cfg(feature = "torch")]
    syntrace_model::nn::use_threads(1);
}

#[cfg(feature = "torch")]
pub(crate) use base::base;
#[cfg(feature = "torch")]
pub use base::{cuda_devices, device_flops};
#[cfg(feature = "torch")]
pub(crate) use cohort::train;
#[cfg(feature = "torch")]
pub(crate) use one_run::one_run;
#[cfg(feature = "torch")]
pub use one_run::{Audited, Experiment};
#[cfg(feature = "torch")]
pub use recipe::{base_traces, train_recipe};
#[cfg(feature = "torch")]
pub(crate) use traces::{attributes, references, synthesize, whole_attributes};

#[cfg(not(feature = "torch"))]
pub(crate) use without_torch::{attributes, base, one_run, references, synthesize, train, whole_attributes};
#[cfg(not(feature = "torch"))]
pub use without_torch::{cuda_devices, device_flops};

#[cfg(not(feature = "torch"))]
mod without_torch {
    use crate::jobs::context::Context;
    use crate::jobs::job::JobHead;
    use crate::plan::{PlannedBase, PlannedModel};
    use syntrace_base::base::{Device, JobId, Progress, SplitId};
    use syntrace_base::error::{Error, Result};

    fn missing() -> Error {
        Error::user("training, attributes and synthesis need libtorch, and this syntrace was built without it")
            .hint("build with the feature `torch` (the default; `make build` fetches libtorch)")
    }

    pub fn train(_: &Context<'_>, _: &JobHead, _: &[PlannedModel], _: JobId, _: &dyn Progress) -> Result<()> {
        Err(missing())
    }

    pub fn attributes(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: JobId) -> Result<()> {
        Err(missing())
    }

    pub fn whole_attributes(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: JobId) -> Result<()> {
        Err(missing())
    }

    pub fn references(
        _: &Context<'_>,
        _: &JobHead,
        _: &PlannedModel,
        _: JobId,
        _: &[SplitId],
        _: &[String],
    ) -> Result<()> {
        Err(missing())
    }

    pub fn synthesize(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: u32, _: &dyn Progress) -> Result<()> {
        Err(missing())
    }

    pub fn one_run(_: &Context<'_>, _: &JobHead, _: &PlannedModel, _: JobId, _: &dyn Progress) -> Result<()> {
        Err(missing())
    }

    pub fn base(_: &Context<'_>, _: &JobHead, _: &PlannedBase, _: &dyn Progress) -> Result<()> {
        Err(missing())
    }

    /// Without libtorch no device can be used.
    pub fn cuda_devices() -> u32 {
        0
    }

    /// Without libtorch nothing trains here.
    pub fn device_flops(_: Device) -> Option<f64> {
        None
    }
}

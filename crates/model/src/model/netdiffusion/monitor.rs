//! Measurements of a trained model other than its losses.

use super::network::NetDiffusionNetwork;
use crate::train::{CohortInput, CohortModel, CohortOutcome, MonitorRow, Network};
use syntrace_base::error::Result;
use syntrace_traffic::encoding::{Encoded, IMAGE_ROWS, NprintImage};
use tch::Kind;

/// Held-out traces over which the error of the predicted noise is taken for each fixed step.
const EVALUATED_MAX: usize = 32;

/// Adds `image_entropy_bits` (mean over the members' images of the published height, paper section 3.4.2)
/// and `noise_error` (mean over held-out traces, for each fixed step) to each model.
pub(super) fn add_monitors(
    network: &NetDiffusionNetwork,
    input: &CohortInput<'_>,
    outcome: &mut CohortOutcome,
) -> Result<()> {
    for (index, (model, trained)) in input.models.iter().zip(&mut outcome.models).enumerate() {
        if let Some(entropy) = mean_entropy(input, model)? {
            trained.monitors.push(MonitorRow::new("image_entropy_bits", "", entropy));
        }
        let params = network.params().select(&[index]);
        let some: Vec<usize> = model.held_out.iter().copied().take(EVALUATED_MAX).collect();
        if some.is_empty() {
            continue;
        }
        for step in &network.config.fixed_steps {
            let (error, _) = network.at_fixed_step(&params, &some, *step);
            let value = error.mean(Kind::Double).double_value(&[]);
            trained.monitors.push(MonitorRow::new("noise_error", format!("t={step}"), value));
        }
    }
    Ok(())
}

fn mean_entropy(input: &CohortInput<'_>, model: &CohortModel) -> Result<Option<f64>> {
    let mut sum = 0.0;
    let members = model.members.iter().filter_map(|member| input.traces.get(*member));
    for trace in members {
        let encoded = Encoded { rows: trace.rows, width: trace.width, data: trace.data.clone() };
        sum += NprintImage::from_encoded(&encoded)?.entropy_bits(IMAGE_ROWS);
    }
    Ok((!model.members.is_empty()).then(|| sum / model.members.len() as f64))
}

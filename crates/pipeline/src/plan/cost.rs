//! The cost of a plan, as text.

use super::Plan;
use syntrace_base::error::Result;
use syntrace_base::record::{JobKind, PrivacyUnit};

/// Bytes of a stored number: weights and attributes are f32.
const NUMBER_BYTES: f64 = 4.0;

impl Plan {
    /// A block of lines per generator: the regimes that it is trained in, then what all its models take.
    pub fn training_lines(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let members = self.spec.split.traces_max();
        let unit = match self.spec.split.unit {
            PrivacyUnit::Trace => String::new(),
            PrivacyUnit::Host { traces_max } => format!(" a host of at most {traces_max} traces"),
        };
        for (number, generator) in self.generators.iter().enumerate() {
            let family = &generator.family;
            let attackable =
                !family.attribute_kinds().is_empty() || self.attacked_from_outside(number) || self.teaches(number);
            let roles = if attackable { self.spec.split.shadows + 1 } else { 1 };
            let models = f64::from(roles) * self.private_classes() as f64;
            let (mut flops, mut trained, mut weights) = (0.0, 0.0, 0.0);
            for &regime in self.spec.regimes.iter().filter(|regime| family.supports(regime.of_training())) {
                let (traces, trained_as) = generator.recipe(&self.spec, regime);
                let plan = family.plan(traces, trained_as);
                let noise = match self.noise_multiplier(&plan, trained_as)? {
                    Some(noise) => format!(", noise multiplier {noise:.4}{unit}"),
                    None if regime.is_private() => format!(", on {traces} released traces"),
                    None => String::new(),
                };
                lines.push(format!(
                    "{} {} ({} parameters): {roles} models a class, {} steps, sampling rate {:.4}{noise}",
                    generator.name,
                    regime.label(),
                    family.parameters_in(trained_as),
                    plan.steps,
                    plan.sampling_rate,
                ));
                flops += models * generator.training_flops(&self.spec, regime);
                trained += models;
                weights += models * family.parameters_in(trained_as) as f64 * NUMBER_BYTES;
            }
            let traces = trained * 2.0 * members as f64;
            let attributes = traces * family.attribute_values() as f64 * NUMBER_BYTES;
            let whole = self.whole(number).map_or(String::new(), |whole| {
                format!(", {} of whole vectors (`{}`)", bytes(traces * whole.bytes()), whole.kind)
            });
            lines.push(format!(
                "{} in all: {trained} models ({} shadows), {} of weights and {} of attributes before compression{whole}, \
                 {:.2e} operations",
                generator.name,
                trained - trained / f64::from(roles),
                bytes(weights),
                bytes(attributes),
                flops,
            ));
        }
        Ok(lines)
    }

    /// Classes that models are trained on.
    fn private_classes(&self) -> usize {
        let mut classes: Vec<i64> = Vec::new();
        for job in self.jobs.iter().filter(|job| job.head.kind == JobKind::Split) {
            if let super::Work::Split { class_id, .. } = &job.work
                && !classes.contains(&class_id.0)
            {
                classes.push(class_id.0);
            }
        }
        classes.len()
    }
}

pub(super) fn bytes(count: f64) -> String {
    match count {
        count if count >= 1e12 => format!("{:.1} TB", count / 1e12),
        count if count >= 1e9 => format!("{:.1} GB", count / 1e9),
        count if count >= 1e6 => format!("{:.1} MB", count / 1e6),
        count => format!("{:.1} kB", count / 1e3),
    }
}

/// A time for people: two digits of a guess are true at most.
pub fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 2.0 * 86400.0 => format!("{:.1} days", seconds / 86400.0),
        seconds if seconds >= 7200.0 => format!("{:.1} h", seconds / 3600.0),
        seconds if seconds >= 600.0 => format!("{:.0} min", seconds / 60.0),
        seconds if seconds >= 120.0 => format!("{:.1} min", seconds / 60.0),
        seconds if seconds >= 10.0 => format!("{seconds:.0} s"),
        seconds => format!("{seconds:.1} s"),
    }
}

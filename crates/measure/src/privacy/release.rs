//! Joint privacy cost of several models. Each released model spends separately, so against an attacker with all of
//! them only the composition of their ledgers is guaranteed.

use super::epsilon::SpentByBoth;
use super::ledger::Ledger;
use super::lineage::{NONE_BY_DELTA, promises_nothing};
use syntrace_base::base::Delta;
use syntrace_base::error::Result;

/// One model of a release.
#[derive(Debug, Clone, PartialEq)]
pub struct Released {
    /// Name of its guarantee (see [`super::promise`]).
    pub guarantee: &'static str,
    /// Delta of its guarantee; `None` without DP.
    pub delta: Option<f64>,
    /// Traces that it was trained on; `None` = not known.
    pub members: Option<u64>,
    /// Their privacy events; `None` if the mechanism was not observed.
    pub ledger: Option<Ledger>,
}

/// Privacy loss of a trace that is a member of all models of a release.
#[derive(Debug)]
pub struct Joint {
    /// The weakest of the parts' guarantees.
    pub guarantee: &'static str,
    /// Delta of every epsilon here; `None` where no part has one.
    pub delta: Option<f64>,
    /// Of all mechanisms together, upper bounds; infinite where a part has none.
    pub epsilon: SpentByBoth,
}

/// Words of guarantees, the weakest first.
const WEAKEST_FIRST: [&str; 4] = ["none", NONE_BY_DELTA, "conditional", "end-to-end"];

/// Composes the ledgers of models for a trace that all of them were trained on, at a delta or, without one, at the
/// smallest of theirs.
///
/// # Errors
/// Where the accountants contradict each other, or a delta is none.
pub fn joint(parts: &[Released], delta: Option<Delta>) -> Result<Joint> {
    let own = parts.iter().filter_map(|part| part.delta).min_by(f64::total_cmp);
    let delta = delta.map_or_else(|| own.map(Delta::new).transpose(), |delta| Ok(Some(delta)))?;
    let members = parts.iter().filter_map(|part| part.members).min();
    let nothing = delta.zip(members).is_some_and(|(delta, members)| promises_nothing(delta.get(), members));
    let is = |word: &&&str| (**word == NONE_BY_DELTA && nothing) || parts.iter().any(|part| part.guarantee == **word);
    let guarantee = WEAKEST_FIRST.iter().find(is).copied().unwrap_or("none");
    let mut ledger = Ledger::default();
    for part in parts {
        ledger.events.extend(part.ledger.iter().flat_map(|ledger| &ledger.events).cloned());
    }
    let epsilon = match delta {
        Some(delta) if parts.iter().all(|part| part.ledger.is_some()) => SpentByBoth::of(&ledger, delta)?,
        _ => SpentByBoth { rdp: Ok(f64::INFINITY), pld: Ok(f64::INFINITY) },
    };
    Ok(Joint { guarantee, delta: delta.map(Delta::get), epsilon })
}

#[cfg(test)]
mod tests {
    use super::super::pld_upper;
    use super::*;
    use syntrace_base::base::{ClipNorm, NoiseMultiplier, SamplingRate};
    use syntrace_base::record::{Mechanism, PrivacyEvent};

    fn event(noise: f64, steps: u64) -> PrivacyEvent {
        PrivacyEvent {
            phase: "training".to_owned(),
            mechanism: Mechanism::PoissonSubsampledGaussian,
            sampling_rate: SamplingRate::new(0.1).unwrap(),
            noise_multiplier: NoiseMultiplier::new(noise).unwrap(),
            clip_norm: ClipNorm::new(1.0).unwrap(),
            steps,
        }
    }

    fn part(guarantee: &'static str, events: Vec<PrivacyEvent>) -> Released {
        Released { guarantee, delta: Some(1e-5), members: Some(100), ledger: Some(Ledger { events }) }
    }

    #[test]
    fn models_compose_as_one_long_training() {
        let delta = Delta::new(1e-5).unwrap();
        let parts =
            [part("end-to-end", vec![event(1.5, 200)]), part("end-to-end", vec![event(1.5, 100), event(3.0, 50)])];
        let found = joint(&parts, None).unwrap();
        let together = Ledger { events: vec![event(1.5, 300), event(3.0, 50)] };
        assert_eq!(found.epsilon.pld.unwrap(), pld_upper(&together, delta).unwrap());
        assert_eq!((found.guarantee, found.delta), ("end-to-end", Some(1e-5)));
        // less than the sum of the parts at twice the delta, more than the larger of them
        let alone = |part: &Released| pld_upper(part.ledger.as_ref().unwrap(), delta).unwrap();
        let both = joint(&parts, None).unwrap().epsilon.pld.unwrap();
        assert!(both > alone(&parts[0]).max(alone(&parts[1])) && both < alone(&parts[0]) + alone(&parts[1]));
    }

    #[test]
    fn the_weakest_guarantee_is_that_of_the_release() {
        let word = |words: &[&'static str], delta: f64| {
            let parts: Vec<Released> = words.iter().map(|word| part(word, vec![event(2.0, 1)])).collect();
            joint(&parts, Some(Delta::new(delta).unwrap())).unwrap().guarantee
        };
        assert_eq!(word(&["end-to-end", "conditional"], 1e-5), "conditional");
        assert_eq!(word(&["conditional", "none: delta"], 1e-5), "none: delta");
        assert_eq!(word(&["none", "none: delta"], 1e-5), "none");
        assert_eq!(word(&["end-to-end"], 0.01), "none: delta");
        let without = Released { ledger: None, delta: None, ..part("none", Vec::new()) };
        let found = joint(&[part("end-to-end", vec![event(2.0, 1)]), without.clone()], None).unwrap();
        assert_eq!((found.guarantee, found.epsilon.pld.unwrap()), ("none", f64::INFINITY));
        let nothing = joint(&[without], None).unwrap();
        assert_eq!((nothing.guarantee, nothing.delta, nothing.epsilon.rdp.unwrap()), ("none", None, f64::INFINITY));
    }
}

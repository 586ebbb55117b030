//! Fidelity of one population of traces to another, in all aspects of traffic.
//!
//! A [`Population`] prepares everything about its traces once; [`fidelity`] then compares two. A
//! study compares synthetic and held-out traces with the members (the paper's figures; the held-out
//! value is what a perfect generator gets), and synthetic, member and held-out traces with fresh real
//! ones: copying the training traces looks good in the first and no better than members in the second.

use super::diversity::Diversity;
use super::dynamics::Dynamics;
use super::header::Header;
use super::joint::Joint;
use super::measure::{FidelityRow, PopulationName};
use super::rows::Rows;
use super::validity::Validity;
use super::variance::Variance;
use syntrace_base::record::Trace;

/// One population of traces, prepared for comparisons.
pub struct Population {
    name: PopulationName,
    header: Header,
    dynamics: Dynamics,
    validity: Validity,
    joint: Joint,
    diversity: Diversity,
    variance: Variance,
}

impl Population {
    /// Prepares the traces; those of a generator may be without packets, which count as absent.
    pub fn new(name: PopulationName, traces: &[&Trace]) -> Self {
        Self::generated(name, traces, 0)
    }

    /// As [`Population::new`] for a generator that put out `unreadable` packets besides, which do not parse and
    /// are in no trace.
    pub fn generated(name: PopulationName, traces: &[&Trace], unreadable: u64) -> Self {
        Self {
            name,
            header: Header::of(traces),
            dynamics: Dynamics::of(traces),
            validity: Validity::of(traces, unreadable),
            joint: Joint::of(traces),
            diversity: Diversity::of(traces),
            variance: Variance::of(traces),
        }
    }

    /// What its traces are.
    pub fn name(&self) -> PopulationName {
        self.name
    }
}

/// All measures of `compared` against `reference`, aspect by aspect in the order of [`Aspect`](super::Aspect), but for
/// [`Aspect::Detection`](super::Aspect::Detection) (see [`super::detection`]).
pub fn fidelity(reference: &Population, compared: &Population) -> Vec<FidelityRow> {
    let mut rows = Rows::new(reference.name, compared.name);
    reference.header.rows(&compared.header, &mut rows);
    reference.dynamics.rows(&compared.dynamics, &mut rows);
    reference.validity.rows(&compared.validity, &mut rows);
    reference.joint.rows(&compared.joint, &mut rows);
    reference.diversity.rows(&compared.diversity, &mut rows);
    reference.variance.rows(&compared.variance, &mut rows);
    rows.rows
}

/// The header fields of one population alone, prepared for comparisons: the paper's measures.
pub struct HeaderPopulation {
    name: PopulationName,
    header: Header,
}

impl HeaderPopulation {
    /// Prepares the traces.
    pub fn new(name: PopulationName, traces: &[&Trace]) -> Self {
        Self { name, header: Header::of(traces) }
    }
}

/// Only the paper's measures: header fields by position, in the order of [`super::FIELDS`].
pub fn header_fidelity(reference: &HeaderPopulation, compared: &HeaderPopulation) -> Vec<FidelityRow> {
    let mut rows = Rows::new(reference.name, compared.name);
    reference.header.rows(&compared.header, &mut rows);
    rows.rows
}

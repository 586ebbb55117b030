//! Measures: leakage, fidelity, intervals.

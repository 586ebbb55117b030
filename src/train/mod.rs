//! Cohort training with and without DP.

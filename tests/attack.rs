//! Tests of attack.

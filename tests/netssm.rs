#![cfg(feature = "torch")]
//! Tests of netssm.

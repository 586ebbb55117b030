#![cfg(feature = "torch")]
//! Tests of train.

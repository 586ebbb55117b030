#![cfg(feature = "torch")]
//! Tests of nn.

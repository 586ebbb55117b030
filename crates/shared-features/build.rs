//! Only there for the build dependency of Cargo.toml.
fn main() {}

//! The spec that a command names: a file, or the demo that the program has.

use crate::error::Result;
use crate::spec::{DEMO, Spec};
use std::path::Path;

pub(super) fn read_spec(spec: &str) -> Result<Spec> {
    if spec == "demo" { Spec::parse(DEMO, Path::new(".")) } else { Spec::read(Path::new(spec)) }
}

//! What crosses a study's border: files of other tools, redacted copies, comparisons, models made elsewhere.

pub(crate) mod compare;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod kit;
pub(crate) mod share;

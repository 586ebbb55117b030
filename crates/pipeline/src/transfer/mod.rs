//! Data exchange of a study: export to other tools, redacted copies, comparisons, import of external models.

pub(crate) mod compare;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod kit;
pub(crate) mod shards;
pub(crate) mod share;

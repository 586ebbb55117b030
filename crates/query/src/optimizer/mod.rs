//! Our rules for DataFusion's plans: three that make questions faster, two that make joins end when they are cancelled.

pub(crate) mod cancellation;
pub(crate) mod group_at_scan;
pub(crate) mod group_before_join;
pub(crate) mod hash_window;
pub(crate) mod rewrite;
pub(crate) mod yielding_joins;

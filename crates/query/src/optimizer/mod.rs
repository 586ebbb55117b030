//! Rules for DataFusion's physical plans: three that make queries faster, two that make joins cancellable.
//! `single_input` and `transform` serve them and the rules of `correctness`.

pub(crate) mod cancellation;
pub(crate) mod group_at_scan;
pub(crate) mod group_before_join;
pub(crate) mod hash_window;
pub(crate) mod single_input;
pub(crate) mod transform;
pub(crate) mod yielding_joins;

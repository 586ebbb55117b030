//! Wraps this program's errors in DataFusion's and unwraps them.

use datafusion::common::DataFusionError;
use syntrace_base::error::Error;

/// Wraps an error of this program in DataFusion's.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// An error of the study, wrapped in DataFusion's.
pub(crate) fn own_error(error: &DataFusionError) -> Option<Error> {
    match error {
        DataFusionError::External(inner) => inner.downcast_ref::<Error>().cloned(),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => own_error(inner),
        DataFusionError::Shared(inner) => own_error(inner),
        DataFusionError::Collection(all) => all.iter().find_map(own_error),
        _ => None,
    }
}

//! What to show, and the studies opened for it.

use crate::several;
use crate::study::Study;
use std::sync::Arc;
use syntrace_base::error::{Error, Result};
use syntrace_query::{RealTraces, Service, SessionOptions};
use syntrace_store::Store;
use tokio::runtime::Handle;

/// What to show.
pub struct UiOptions {
    /// The studies with their names, for titles and addresses. At least one.
    pub studies: Vec<(String, Store)>,
    /// May pages name real traces?
    pub real: RealTraces,
    /// Limits that all requests share.
    pub session: SessionOptions,
}

/// The studies over one service, so that their queries share threads and memory.
pub(crate) fn opened(options: UiOptions, queries: Handle) -> Result<Vec<Arc<Study>>> {
    if options.studies.is_empty() {
        return Err(Error::user("expected a study, found none"));
    }
    let service = Arc::new(Service::on_demand(options.session, queries)?);
    let is_one_of_several = options.studies.len() > 1;
    let names = several::names(options.studies.iter().map(|(name, _)| name.as_str()));
    let studies = options.studies.into_iter().zip(names).map(|((given, store), name)| {
        let study = |name: String| Study::new(store, Arc::clone(&service), name, options.real);
        Arc::new(if is_one_of_several { study(name).beside_others() } else { study(given) })
    });
    Ok(studies.collect())
}

//! Pages that were made already, of the newest state of the study: what many ask for is made once, also where they ask at the
//! same time. A page that depends on more than the study and its address (the clock, a statement of the reader) is not
//! kept.

use crate::failure::Failure;
use axum::body::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use syntrace_store::Generation;
use tokio::sync::OnceCell;

/// Pages that are kept.
const PAGES_MAX: usize = 512;

/// Bytes of pages and addresses that are kept.
const BYTES_MAX: usize = 32 << 20;

/// A page, once it is made.
type Cell = Arc<OnceCell<Bytes>>;

/// Pages by address.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    /// Of which state of the study.
    generation: Option<Generation>,
    /// The one that was asked for last is the last.
    pages: VecDeque<(String, Cell)>,
}

impl Kept {
    /// The page of an address, which `make` makes where it is not there.
    pub async fn page(
        &self,
        generation: Generation,
        address: &str,
        make: impl Future<Output = Result<String, Failure>>,
    ) -> Result<Bytes, Failure> {
        let cell = self.cell(generation, address);
        let page = cell.get_or_try_init(async || make.await.map(Bytes::from)).await?.clone();
        self.trim();
        Ok(page)
    }

    /// Is there a page of an address?
    pub fn has(&self, generation: Generation, address: &str) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_made = |(known, cell): &(String, Cell)| known == address && cell.initialized();
        kept.generation == Some(generation) && kept.pages.iter().any(is_made)
    }

    fn cell(&self, generation: Generation, address: &str) -> Cell {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != Some(generation) {
            *kept = Pages { generation: Some(generation), pages: VecDeque::new() };
        }
        let found = kept.pages.iter().position(|(known, _)| known == address);
        let entry = found.and_then(|place| kept.pages.remove(place));
        let entry = entry.unwrap_or_else(|| (address.to_owned(), Cell::default()));
        let cell = Arc::clone(&entry.1);
        kept.pages.push_back(entry);
        cell
    }

    /// Forgets what was asked for longest ago until the rest is within its bounds.
    fn trim(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = |(address, cell): &(String, Cell)| address.len() + cell.get().map_or(0, Bytes::len);
        let mut bytes: usize = kept.pages.iter().map(size).sum();
        while bytes > BYTES_MAX || kept.pages.len() > PAGES_MAX {
            let Some(oldest) = kept.pages.pop_front() else { break };
            bytes -= size(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_page_is_made_once_for_all_who_ask_and_memory_is_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (kept, made) = (Kept::default(), AtomicUsize::new(0));
        let page = |address: &'static str, bytes: usize| {
            let made = &made;
            kept.page(Generation::default(), address, async move {
                tokio::task::yield_now().await;
                made.fetch_add(1, Ordering::SeqCst);
                Ok("x".repeat(bytes))
            })
        };
        runtime.block_on(async {
            let (one, two) = tokio::join!(page("/a", 3), page("/a", 3));
            assert_eq!((one.ok(), two.ok()), (Some(Bytes::from("xxx")), Some(Bytes::from("xxx"))));
            assert_eq!(made.load(Ordering::SeqCst), 1);
            assert!(page("/b", BYTES_MAX - 4).await.is_ok());
            assert_eq!(kept.0.lock().unwrap().pages.len(), 1, "the older page is forgotten");
        });
    }
}

//! Who waits until a request and everything that it started have ended: the test client.
//!
//! Whatever goes on for a request keeps its watch: its task, its work on a thread, its late
//! answer. When the last of them is dropped the watcher is told, with what failed meanwhile. A
//! server's requests have no watch, and no cost but a look at an empty cell.

use pyo3::prelude::*;
use pyo3::types::PyList;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

/// One watched request; the clones count.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Watched>);

struct Watched {
    /// Called with a list of exceptions.
    on_end: Py<PyAny>,
    failures: Mutex<Vec<Py<PyAny>>>,
}

thread_local! {
    /// The watch of the request that this thread works on now.
    static CURRENT: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

impl Watch {
    /// `on_end(failures)` is called on whatever thread the request ends on, and must not block.
    pub(crate) fn new(on_end: Py<PyAny>) -> Self {
        Self(Arc::new(Watched {
            on_end,
            failures: Mutex::default(),
        }))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let failures = std::mem::take(
            self.failures
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner),
        );
        Python::attach(|py| {
            let told = PyList::new(py, failures).and_then(|list| self.on_end.call1(py, (list,)));
            if let Err(error) = told {
                error.write_unraisable(py, None);
            }
        });
    }
}

/// The watch of the request that this thread works on now.
pub(crate) fn current() -> Option<Watch> {
    CURRENT.with(|current| current.borrow().clone())
}

/// Works for the request of `watch` until what is returned is dropped.
pub(crate) fn within(watch: Option<Watch>) -> Within {
    Within(CURRENT.with(|current| current.replace(watch)))
}

/// The end of a stretch of work, which goes back to what was before.
pub(crate) struct Within(Option<Watch>);

impl Drop for Within {
    fn drop(&mut self) {
        let done = CURRENT.with(|current| current.replace(self.0.take()));
        // Dropped outside of the borrow: it may call Python, which may work for requests.
        drop(done);
    }
}

/// Tells the watcher of the present request what nobody handled; false when nobody watches.
pub(crate) fn failed(error: &Bound<'_, PyAny>) -> bool {
    let Some(Watch(watched)) = current() else {
        return false;
    };
    let mut failures = watched
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    // An error handler that raises anew what it was given reports it a second time.
    if !failures.iter().any(|known| known.is(error)) {
        failures.push(error.clone().unbind());
    }
    drop(failures);
    true
}

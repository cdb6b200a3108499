//! What was decided about a Python type, remembered for its next instance.

use pyo3::prelude::*;
use pyo3::types::PyType;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Types that are remembered; of an application that makes more classes than that, the others are
/// decided anew each time.
const TYPES_MAX: usize = 4096;

/// Decisions by a type's address; each type is kept, so that no other gets its address.
type Known<T> = HashMap<usize, (Py<PyType>, Arc<T>)>;

/// Decisions about types.
pub(crate) struct TypeCache<T> {
    known: Mutex<Option<Known<T>>>,
}

impl<T> TypeCache<T> {
    pub(crate) const fn new() -> Self {
        Self {
            known: Mutex::new(None),
        }
    }

    /// What was decided about `class`, or what `decide` says now.
    ///
    /// # Errors
    /// Those of `decide`.
    pub(crate) fn get(
        &self,
        class: &Bound<'_, PyType>,
        decide: impl FnOnce() -> PyResult<T>,
    ) -> PyResult<Arc<T>> {
        let address = class.as_ptr().addr();
        let known = self.lock(|known| known.get(&address).map(|(_, decided)| decided.clone()));
        if let Some(decided) = known {
            return Ok(decided);
        }
        let decided = Arc::new(decide()?);
        let kept = (class.clone().unbind(), decided.clone());
        self.lock(|known| {
            if known.len() < TYPES_MAX {
                known.insert(address, kept);
            }
        });
        Ok(decided)
    }

    /// No Python code runs while the lock is held, so it is never waited for.
    fn lock<R>(&self, act: impl FnOnce(&mut Known<T>) -> R) -> R {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        act(known.get_or_insert_default())
    }
}

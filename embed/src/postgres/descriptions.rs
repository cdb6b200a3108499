//! `_core.PgDescriptions`: what the connections of a pool have been told of their queries.
//!
//! A connection that has not prepared a query yet need not ask the server what it is like when
//! another one has asked: see `first_use.rs`.

use super::core::locked;
use super::statement::ColumnTuple;
use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// How many queries are remembered; those that were not used for longest go first.
const DESCRIPTIONS_MAX: usize = 1024;

/// What a server has told of a query.
#[derive(Debug)]
pub(crate) struct Described {
    /// The types of its parameters.
    pub(crate) parameter_oids: Vec<u32>,
    pub(crate) columns: Vec<ColumnTuple>,
}

#[derive(Debug, Default)]
struct Known {
    by_query: HashMap<Box<str>, (u64, Arc<Described>)>,
    uses: u64,
}

/// The descriptions; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Descriptions(Arc<Mutex<Known>>);

impl Descriptions {
    /// What is known of a query.
    pub(crate) fn find(&self, query: &str) -> Option<Arc<Described>> {
        let mut known = locked(&self.0);
        known.uses += 1;
        let uses = known.uses;
        let (used, described) = known.by_query.get_mut(query)?;
        *used = uses;
        Some(described.clone())
    }

    /// Remembers a query, perhaps in place of another.
    pub(crate) fn keep(&self, query: &str, described: Described) {
        let mut known = locked(&self.0);
        if known.by_query.len() >= DESCRIPTIONS_MAX && !known.by_query.contains_key(query) {
            let oldest = known.by_query.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(query, _)| query.clone()) {
                known.by_query.remove(&oldest);
            }
        }
        known.uses += 1;
        let entry = (known.uses, Arc::new(described));
        known.by_query.insert(query.into(), entry);
    }

    /// Forgets a query.
    pub(crate) fn forget(&self, query: &str) {
        locked(&self.0).by_query.remove(query);
    }

    /// Forgets all.
    pub(crate) fn forget_all(&self) {
        locked(&self.0).by_query.clear();
    }
}

/// What the connections of a pool share of their queries.
#[pyclass(frozen, module = "fasterapi._core")]
#[derive(Default)]
pub(crate) struct PgDescriptions {
    pub(crate) inner: Descriptions,
}

#[pymethods]
impl PgDescriptions {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __len__(&self) -> usize {
        locked(&self.inner.0).by_query.len()
    }
}

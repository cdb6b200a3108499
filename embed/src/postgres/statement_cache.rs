//! The statements that one connection has prepared and keeps.

use super::statement::{PgStatement, Statement};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Least recently used go first.
pub(crate) struct StatementCache {
    by_query: HashMap<Box<str>, Arc<Statement>>,
    /// At most so many; 0: nothing is kept.
    pub(crate) size_max: usize,
    /// Older ones are prepared anew; zero: never.
    pub(crate) lifetime: Duration,
    uses: u64,
    /// Names on the server that are to be closed.
    evicted: Vec<String>,
}

impl Default for StatementCache {
    fn default() -> Self {
        Self {
            by_query: HashMap::new(),
            size_max: 100,
            lifetime: Duration::from_secs(300),
            uses: 0,
            evicted: Vec::new(),
        }
    }
}

impl StatementCache {
    /// The statement of a query, unless it is too old.
    pub(crate) fn find(&mut self, query: &str) -> Option<Arc<Statement>> {
        let found = self.by_query.get(query)?;
        if !self.lifetime.is_zero() && found.since.elapsed() > self.lifetime {
            self.forget(query);
            return None;
        }
        self.uses += 1;
        found.touch(self.uses);
        Some(found.clone())
    }

    /// Keeps a statement, in place of others if need be.
    pub(crate) fn keep(&mut self, statement: &Arc<Statement>) {
        if self.size_max == 0 {
            return;
        }
        self.uses += 1;
        statement.touch(self.uses);
        let former = self
            .by_query
            .insert(statement.query.as_str().into(), statement.clone());
        self.evicted.extend(
            former
                .filter(|f| f.name != statement.name)
                .map(|f| f.name.clone()),
        );
        self.shrink();
    }

    /// Drops what is too much.
    pub(crate) fn shrink(&mut self) {
        while self.by_query.len() > self.size_max {
            let oldest = self
                .by_query
                .values()
                .min_by_key(|statement| statement.last_use());
            let Some(query) = oldest.map(|oldest| oldest.query.clone()) else {
                return;
            };
            self.forget(&query);
        }
    }

    /// Drops the statement of a query; its name is to be closed.
    pub(crate) fn forget(&mut self, query: &str) {
        let former = self.by_query.remove(query);
        self.evicted
            .extend(former.map(|former| former.name.clone()));
    }

    /// Drops all.
    pub(crate) fn forget_all(&mut self) {
        let former = std::mem::take(&mut self.by_query);
        self.evicted
            .extend(former.into_values().map(|former| former.name.clone()));
    }

    /// Notes names that are to be closed on the server.
    pub(crate) fn evict(&mut self, names: impl IntoIterator<Item = String>) {
        self.evicted.extend(names);
    }

    /// The names that are to be closed on the server, once.
    pub(crate) fn take_evicted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.evicted)
    }

    /// All that are kept.
    pub(crate) fn list(&self) -> Vec<PgStatement> {
        let kept = self.by_query.values();
        kept.map(|inner| PgStatement {
            inner: inner.clone(),
        })
        .collect()
    }
}

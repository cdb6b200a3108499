//! The PostgreSQL driver: what Python asks, what the server answers.
//!
//! The path of a query: `connection.rs`, or `pool.rs` -> `pool_core.rs`, which chooses a connection
//! -> `query.rs` (`first_use.rs` where it is new to the connection) -> `statement.rs` encodes ->
//! `core.rs` sends; `receive.rs` takes frames -> `operation.rs` -> `rows.rs` makes objects ->
//! `awaitable.rs` wakes.

mod abandon;
mod awaitable;
mod batch;
mod codec;
mod connection;
mod copy;
mod copy_records;
mod core;
mod descriptions;
mod errors;
mod first_use;
mod forgotten;
mod hooks;
mod link;
mod login;
mod operation;
mod pin;
mod pool;
mod pool_batch;
mod pool_core;
mod pool_deadline;
mod pool_queue;
mod query;
mod receive;
mod record;
mod rows;
mod session;
mod shard_link;
mod signal;
mod starting;
mod state;
mod statement;
mod statement_cache;
mod submission;
mod tls;
mod waiter;

pub(crate) use codec::PyTypes;
use pyo3::prelude::*;

/// Adds the driver's classes to `fasterapi._core`.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyTypes>()?;
    module.add_class::<awaitable::PgOperation>()?;
    module.add_class::<batch::PgBatch>()?;
    module.add_class::<copy::PgCopyIn>()?;
    module.add_class::<copy::PgCopyOut>()?;
    module.add_class::<copy_records::PgRecords>()?;
    module.add_class::<descriptions::PgDescriptions>()?;
    module.add_class::<state::PgState>()?;
    module.add_class::<connection::PgConnection>()?;
    module.add_class::<pool::PgPool>()?;
    module.add_class::<tls::PgTls>()?;
    module.add_class::<record::Record>()?;
    module.add_class::<statement::PgStatement>()?;
    module.add_function(wrap_pyfunction!(record::make_record, module)?)?;
    module.add_function(wrap_pyfunction!(login::scram_key, module)?)?;
    Ok(())
}

//! The PostgreSQL driver: what Python sees of it.

pub(crate) mod codec;

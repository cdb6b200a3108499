//! A PostgreSQL connection's socket and TLS against servers that do as they are told.
#![allow(clippy::unwrap_used)]

mod certificates;
mod peer;
mod settings;
mod tls;
mod verification;
mod wire;

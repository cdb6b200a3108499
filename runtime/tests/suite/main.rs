//! The runtime as its peers see it: raw bytes over sockets against a small Rust application.
#![allow(clippy::unwrap_used)]

mod bodies;
mod drain;
mod errors;
mod event_streams;
mod files;
mod harness;
mod late;
mod limits;
mod middleware;
mod persistence;
mod reactor;
mod routing;
mod streams;
mod timeouts;
mod websocket;

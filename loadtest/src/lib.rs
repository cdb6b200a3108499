//! Load generators for HTTP/1.1 servers on this machine: one thread, one epoll, latency histograms.
//!
//! In scope: sending one fixed request over keep-alive connections, closed loop or on a schedule;
//! WebSockets and event streams (`realtime`); latency percentiles; the server's CPU time and
//! memory. Out of scope: TLS, HTTP/2, other machines.

#![forbid(unsafe_code)]

mod connection;
pub mod curve;
mod descriptors;
pub mod generator;
pub mod process_tree;
pub mod realtime;
pub mod report;
pub mod response;
pub mod schedule;
pub mod settings;
pub mod svg_chart;
pub mod tally;
pub mod target;
pub mod text_plot;

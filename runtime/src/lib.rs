//! Sockets and time on one core: accepts connections and asks an [`Application`] for answers.
//!
//! In scope: one shard, on the thread that calls it. glommio is named only here.
//! Out of scope: Python, processes, which core (the caller pins its thread).

mod access_log;
mod answer;
mod answer_writer;
mod application;
mod body_feed;
mod chunk_queue;
mod connection;
mod deadlines;
mod error;
mod exchange;
mod file_answer;
pub mod limits;
mod metrics;
mod open_file;
mod reactor;
mod request_body;
mod route_pattern;
mod router;
mod shard;
mod static_files;
mod stream;
mod workspace;

pub use access_log::{AccessLog, AccessRecord};
pub use answer::{
    Answer, AnswerBody, AnswerReceiver, AnswerSender, FileBody, FileSource, answer_slot,
};
pub use application::{Application, BodyMode, Reply, Request, RequestBody};
pub use body_feed::{BodyFeed, FeedTake};
pub use chunk_queue::{ChunkReceiver, ChunkSender, chunk_queue};
pub use error::Error;
pub use limits::Limits;
pub use metrics::Metrics;
pub use open_file::OpenFile;
pub use protocols;
pub use reactor::{Reactor, Turn, enqueue, interrupt, is_running, sleep, spawn, wake, yield_now};
pub use route_pattern::Converter;
pub use router::{Found, PathParameters, RouteId, Router, RouterBuilder, Target};
pub use shard::{Shard, ShardOptions};
pub use static_files::StaticFolder;
pub use stream::{Listener, Peer};

//! Sockets and time on one core: accepts connections and asks an [`Application`] for answers.
//!
//! In scope: one shard, on the thread that calls it. glommio is named only here.
//! Out of scope: Python, processes, which core (the caller pins its thread).

mod access_log;
mod answer;
mod answer_writer;
mod application;
mod body_feed;
pub mod channels;
mod chunk_queue;
mod connection;
mod deadlines;
mod error;
mod event_member;
mod event_stream;
mod exchange;
mod file_answer;
mod forwarded;
pub mod limits;
mod links;
mod metrics;
pub mod middleware;
mod open_file;
mod origin;
pub mod postgres;
mod reactor;
mod request_body;
mod route_pattern;
mod router;
mod shard;
mod static_files;
mod stream;
mod websocket;
mod workspace;

pub use access_log::{AccessLog, AccessRecord};
pub use answer::{
    Answer, AnswerBody, AnswerReceiver, AnswerSender, FileBody, FileSource, answer_slot,
};
pub use application::{Application, BodyMode, Reply, Request, RequestBody};
pub use body_feed::{BodyFeed, FeedTake};
pub use chunk_queue::{ChunkFeed, ChunkReceiver, ChunkSender, Fed, chunk_queue};
pub use error::Error;
pub use event_stream::{EventCounts, KeepAlive};
pub use forwarded::{Forwarded, TrustedProxies};
pub use limits::Limits;
pub use links::Links;
pub use metrics::Metrics;
pub use open_file::OpenFile;
pub use origin::{Origin, Stated};
pub use protocols;
pub use reactor::{
    Reactor, Turn, enqueue, interrupt, is_running, sleep, spawn, spawn_resident, wake, yield_now,
};
pub use route_pattern::Converter;
pub use router::{Found, PathParameters, RouteId, Router, RouterBuilder, Target, WEBSOCKET};
pub use shard::{Drain, Shard, ShardOptions};
pub use static_files::StaticFolder;
pub use stream::{Listener, Peer};
pub use websocket::{ABNORMAL_CLOSE, Counts, Message, Sent, Socket, Taken, Upgrade};

//! The only door to whoever answers requests.

use crate::answer::{Answer, AnswerReceiver};
use crate::body_feed::BodyFeed;
use crate::origin::Origin;
use crate::router::{PathParameters, RouteId};
use crate::websocket::Socket;
use protocols::http1::RequestHead;
use std::rc::Rc;
use std::sync::Arc;

/// What an application wants with the body of a request to one of its routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyMode {
    /// Nothing: it is received and forgotten.
    Ignore,
    /// All of it before the handler runs.
    Collect,
    /// As it comes, if it has not all come yet.
    Stream,
}

/// The body as the application sees it.
pub enum RequestBody<'a> {
    /// All of it; empty when there is none.
    Full(&'a [u8]),
    /// It is still arriving.
    Stream(Rc<BodyFeed>),
}

/// One request. It borrows the receive buffer: what must outlive the call is copied.
pub struct Request<'a> {
    /// The parsed head; its spans point into `bytes`.
    pub head: &'a RequestHead,
    /// The received bytes, the head first.
    pub bytes: &'a [u8],
    /// The route the router found.
    pub route: RouteId,
    /// The path, percent-decoded.
    pub path: &'a str,
    /// What the path's parameters matched.
    pub parameters: PathParameters<'a>,
    /// The body.
    pub body: RequestBody<'a>,
    /// The WebSocket that the request asks for, if it is a handshake.
    pub websocket: Option<Rc<Socket>>,
    /// Who asks whom.
    pub origin: &'a Arc<Origin>,
}

/// What came of a request.
pub enum Reply {
    /// The answer.
    Ready(Answer),
    /// It will be put in this slot; dropping the slot cancels the request.
    Later(AnswerReceiver),
}

/// Answers requests. One shard calls one application, always on the shard's own thread.
pub trait Application: 'static {
    /// Says what becomes of the body of requests to `route`.
    fn body_mode(&self, route: RouteId) -> BodyMode;

    /// The route that answers what no other does: unknown paths, other methods, a slash too few.
    /// Without one the shard answers those itself.
    fn fallback(&self) -> Option<RouteId> {
        None
    }

    /// The route that answers handshakes of WebSockets which no other does. Without one the shard
    /// refuses them.
    fn websocket_fallback(&self) -> Option<RouteId> {
        None
    }

    /// Answers a request, now or later. It must not block.
    fn respond(&self, request: Request<'_>) -> Reply;
}

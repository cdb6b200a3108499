//! The only door to whoever answers requests.

use crate::answer::{Answer, AnswerReceiver};
use crate::body_feed::BodyFeed;
use crate::router::{PathParameters, RouteId};
use crate::stream::Peer;
use protocols::http1::RequestHead;
use std::rc::Rc;

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
    /// Who asks.
    pub peer: &'a Peer,
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

    /// Answers a request, now or later. It must not block.
    fn respond(&self, request: Request<'_>) -> Reply;
}

//! One request on a connection: route it, bring its body, get its answer.

use crate::access_log::AccessRecord;
use crate::answer::{Answer, AnswerBody, AnswerReceiver};
use crate::application::{Application, BodyMode, Reply, Request, RequestBody};
use crate::connection::{Connection, OUTPUT_BYTES_MAX, Stop};
use crate::forwarded::Forwarded;
use crate::metrics::Metrics;
use crate::middleware::Seen;
use crate::origin::Origin;
use crate::reactor;
use crate::request_body::{Arrived, BodyPump};
use crate::router::{Found, PathParameters, Target, WEBSOCKET};
use crate::websocket::{is_origin_allowed, socket_of};
use crate::workspace::Workspace;
use protocols::http1::{self, Reuse};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What must be known of a request once its head is forgotten.
#[derive(Clone, Copy)]
pub(crate) struct Exchange {
    /// HEAD: the answer has no body.
    pub(crate) head_only: bool,
    pub(crate) minor_version: u8,
    pub(crate) reuse: Reuse,
    /// When it began, if anybody wants to know.
    pub(crate) began: Option<Instant>,
}

/// Where the head's bytes are: in the receive buffer, or saved because the body overtook them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadAt {
    Input,
    Saved,
}

impl Workspace {
    /// The bytes that the head's spans point into.
    pub(crate) fn head_bytes(&self, at: HeadAt) -> &[u8] {
        match at {
            HeadAt::Input => self.input.bytes(),
            HeadAt::Saved => &self.saved,
        }
    }

    /// The request whose head was parsed last, as the middleware see it.
    fn seen<'w>(&'w self, at: HeadAt, origin: &'w Origin) -> Seen<'w> {
        Seen {
            head: &self.head,
            bytes: self.head_bytes(at),
            origin,
        }
    }

    /// Copies the head aside and takes it out of the receive buffer.
    pub(crate) fn save_head(&mut self, head_bytes: usize, used: usize) {
        self.saved.clear();
        let bytes = self.input.bytes();
        self.saved
            .extend_from_slice(&bytes[..head_bytes.min(bytes.len())]);
        self.input.consume(used);
        self.head_at = Some(HeadAt::Saved);
    }
}

impl<A: Application> Connection<A> {
    /// Answers the request whose head, `head_bytes` long, is at the front of the input.
    pub(crate) async fn answer_request(&mut self, head_bytes: usize) -> Result<Reuse, Stop> {
        let Some(work) = self.work.as_mut() else {
            return Err(Stop::Gone);
        };
        let head = &work.head;
        let exchange = Exchange {
            head_only: head.method.of(work.input.bytes()) == b"HEAD",
            minor_version: head.minor_version,
            reuse: head.reuse,
            began: self.shard.access_log.as_ref().map(|_| Instant::now()),
        };
        if head.upgrade == http1::Upgrade::WebSocket {
            protocols::websocket::check_handshake(head, work.input.bytes())?;
        }
        let arrived = Arrived::look(work, head_bytes, self.shard.limits.body_bytes_max)?;
        if let Arrived::Whole { body, used } = arrived {
            let reply = self.ask(HeadAt::Input, |work| {
                RequestBody::Full(&work.input.bytes()[body.clone()])
            });
            return self.conclude(reply, exchange, head_bytes, used).await;
        }
        Box::pin(self.answer_while_receiving(exchange, arrived, head_bytes)).await
    }

    /// Goes on once the application has spoken and the whole request has arrived.
    async fn conclude(
        &mut self,
        reply: Reply,
        exchange: Exchange,
        head_bytes: usize,
        used: usize,
    ) -> Result<Reuse, Stop> {
        match reply {
            Reply::Ready(answer) if answer.is_short(exchange.head_only) => {
                let reuse = self.write_short(&answer, exchange, HeadAt::Input);
                if let Some(work) = self.work.as_mut() {
                    work.input.consume(used);
                }
                let waiting = self.work.as_ref().map_or(0, |work| work.output.len());
                if self.unsent_answers >= self.shard.limits.pipelined_requests_max
                    || waiting >= OUTPUT_BYTES_MAX
                {
                    self.flush().await?;
                    reactor::yield_if_late().await;
                }
                Ok(reuse)
            }
            reply => {
                if let Some(work) = self.work.as_mut() {
                    work.save_head(head_bytes, used);
                }
                // Not `see_through`: one more level makes every idle connection's future larger.
                let answer = match reply {
                    Reply::Ready(answer) => answer,
                    Reply::Later(receiver) => self.wait_answer(receiver, None).await?,
                };
                self.write_answer(answer, exchange, None).await
            }
        }
    }

    /// The slow path: the body is still on its way when the request is known.
    async fn answer_while_receiving(
        &mut self,
        mut exchange: Exchange,
        arrived: Arrived,
        head_bytes: usize,
    ) -> Result<Reuse, Stop> {
        let mode = self.body_mode();
        let Some(work) = self.work.as_mut() else {
            return Err(Stop::Gone);
        };
        let expects = work.head.expect_continue;
        work.save_head(head_bytes, head_bytes);
        let mut pump = BodyPump::new(arrived, expects, mode == Some(BodyMode::Stream));
        if mode.is_none() || (mode == Some(BodyMode::Ignore) && expects) {
            // Nobody will read this body: answer at once and, unless all of it is here already,
            // let it go with the connection.
            if let Some(work) = self.work.as_mut() {
                pump.advance(&mut work.input, |_| ())?;
            }
            self.leave_body(&pump, &mut exchange);
            let reply = self.ask(HeadAt::Saved, |_| RequestBody::Full(&[]));
            return self.see_through(reply, exchange).await;
        }
        if mode != Some(BodyMode::Stream) {
            self.collect_body(&mut pump, mode == Some(BodyMode::Collect))
                .await?;
            let reply = self.ask(HeadAt::Saved, |work| RequestBody::Full(&work.body));
            return self.see_through(reply, exchange).await;
        }
        if self.take_what_arrived(&mut pump)? {
            let reply = self.ask(HeadAt::Saved, |work| RequestBody::Full(&work.body));
            return self.see_through(reply, exchange).await;
        }
        let feed = pump.feed.clone();
        let reply = self.ask(HeadAt::Saved, |_| match feed {
            Some(feed) => RequestBody::Stream(feed),
            None => RequestBody::Full(&[]),
        });
        let answer = match reply {
            Reply::Ready(answer) => answer,
            Reply::Later(receiver) => self.wait_answer(receiver, Some(&mut pump)).await?,
        };
        if !matches!(answer.body, AnswerBody::Stream(..)) {
            pump.stop();
        }
        pump.withdraw_invitation();
        self.leave_body(&pump, &mut exchange);
        self.write_answer(answer, exchange, Some(&mut pump)).await
    }

    /// What remains of a body would be taken for the next request: there will be none.
    fn leave_body(&mut self, pump: &BodyPump, exchange: &mut Exchange) {
        if !pump.is_done() {
            exchange.reuse = Reuse::Close;
            self.peer_sends_more = true;
        }
    }

    /// Decodes what came with the head; true when that was the whole body. What came of a longer
    /// one goes into its feed.
    fn take_what_arrived(&mut self, pump: &mut BodyPump) -> Result<bool, Stop> {
        let Some(work) = self.work.as_mut() else {
            return Err(Stop::Gone);
        };
        let Workspace { input, body, .. } = &mut **work;
        body.clear();
        pump.advance(input, |piece| body.extend_from_slice(piece))?;
        if pump.is_done() {
            return Ok(true);
        }
        if let Some(feed) = pump.feed.as_ref().filter(|_| !body.is_empty()) {
            feed.push(body);
            body.clear();
        }
        Ok(false)
    }

    /// Waits for the answer to a request that has arrived, if it has to, and writes it.
    async fn see_through(&mut self, reply: Reply, exchange: Exchange) -> Result<Reuse, Stop> {
        let answer = match reply {
            Reply::Ready(answer) => answer,
            Reply::Later(receiver) => self.wait_answer(receiver, None).await?,
        };
        self.write_answer(answer, exchange, None).await
    }

    /// What the route wants with a body; `None` when no route will read one.
    fn body_mode(&mut self) -> Option<BodyMode> {
        if self.answer_of_middleware(HeadAt::Input).is_some() {
            return None;
        }
        let shard = self.shard.clone();
        let work = self.work.as_mut()?;
        decode_path(work, HeadAt::Input);
        let method = work.head.method.of(work.input.bytes());
        match shard.router.find(method, path_of(work, HeadAt::Input)) {
            Found::Route(Target::Route(id), _) => Some(shard.application.body_mode(*id)),
            Found::Route(Target::Static(_), _) => None,
            _ => {
                let fallback = shard.application.fallback()?;
                Some(shard.application.body_mode(fallback))
            }
        }
    }

    /// Asks whoever answers the request, through what stands around them.
    fn ask(
        &mut self,
        at: HeadAt,
        body: impl for<'w> FnOnce(&'w Workspace) -> RequestBody<'w>,
    ) -> Reply {
        if let Some(answer) = self.answer_of_middleware(at) {
            return Reply::Ready(answer);
        }
        let mut reply = self.ask_application(at, body);
        if let Reply::Ready(answer) = &mut reply {
            self.pass_out(at, answer);
        }
        reply
    }

    /// The answer to a request that gets no further than the middleware.
    fn answer_of_middleware(&self, at: HeadAt) -> Option<Answer> {
        let chain = self.shard.middleware.as_ref()?;
        chain.enter(self.work.as_ref()?.seen(at, &self.origin))
    }

    /// Lets the middleware change an answer that comes from behind it.
    pub(crate) fn pass_out(&self, at: HeadAt, answer: &mut Answer) {
        if let Some(chain) = &self.shard.middleware
            && let Some(work) = self.work.as_ref()
        {
            chain.leave(work.seen(at, &self.origin), answer);
        }
    }

    /// Routes the request and asks whoever answers it.
    fn ask_application(
        &mut self,
        at: HeadAt,
        body: impl for<'w> FnOnce(&'w Workspace) -> RequestBody<'w>,
    ) -> Reply {
        let Some(work) = self.work.as_mut() else {
            return Reply::Ready(Answer::text(500, ""));
        };
        decode_path(work, at);
        let work: &Workspace = work;
        let bytes = work.head_bytes(at);
        let path = path_of(work, at);
        let method = work.head.method.of(bytes);
        let is_handshake = work.head.upgrade == http1::Upgrade::WebSocket;
        if is_handshake && !is_origin_allowed(&self.shard.websocket_origins, &work.head, bytes) {
            return Reply::Ready(Answer::text(403, ""));
        }
        let (method, fallback) = if is_handshake {
            let fallback = self.shard.application.websocket_fallback();
            (WEBSOCKET.as_bytes(), fallback)
        } else {
            (method, self.shard.application.fallback())
        };
        let found = self.shard.router.find(method, path);
        let (route, parameters) = match (found, fallback) {
            (Found::Route(Target::Route(id), parameters), _) => (*id, parameters),
            (Found::Route(Target::Static(folder), parameters), _) => {
                let now_ms = self.shard.deadlines.now_ms();
                return Reply::Ready(folder.answer(method, parameters.last(), now_ms));
            }
            (_, Some(fallback)) => (fallback, PathParameters::default()),
            (_, None) if is_handshake => return Reply::Ready(Answer::text(403, "")),
            (miss, None) => return Reply::Ready(answer_for_miss(miss, work, at)),
        };
        let request = Request {
            head: &work.head,
            bytes,
            route,
            path,
            parameters,
            body: body(work),
            websocket: is_handshake.then(|| {
                let shard = &self.shard;
                socket_of(&work.head, bytes, &shard.limits, &shard.deflate)
            }),
            origin: &self.origin,
        };
        let application = &self.shard.application;
        catch_unwind(AssertUnwindSafe(|| application.respond(request))).unwrap_or_else(|_| {
            Metrics::add(&self.shard.metrics.panics);
            let mut answer = Answer::text(500, "Internal Server Error");
            answer.close = true;
            Reply::Ready(answer)
        })
    }

    /// Waits for a late answer while the peer is watched and the body, if any, moves on.
    async fn wait_answer(
        &mut self,
        receiver: AnswerReceiver,
        pump: Option<&mut BodyPump>,
    ) -> Result<Answer, Stop> {
        self.flush().await?;
        let waited = self.drive(receiver, pump).await;
        if matches!(waited, Err(Stop::Gone)) {
            Metrics::add(&self.shard.metrics.requests_abandoned);
        }
        let mut answer = waited?;
        self.pass_out(HeadAt::Saved, &mut answer);
        Ok(answer)
    }

    /// Tells the access log, if there is one.
    pub(crate) fn log(&self, exchange: Exchange, at: HeadAt, status: u16, body: Option<u64>) {
        let (Some(log), Some(began)) = (&self.shard.access_log, exchange.began) else {
            return;
        };
        let Some(work) = self.work.as_ref() else {
            return;
        };
        let bytes = work.head_bytes(at);
        let forwarded = self.origin.forwarded(&work.head.fields, bytes);
        log(&AccessRecord {
            peer: &self.origin.peer,
            client: forwarded.and_then(Forwarded::client),
            method: work.head.method.of(bytes),
            target: work.head.target.of(bytes),
            minor_version: exchange.minor_version,
            status,
            body_bytes: body,
            took: began.elapsed(),
        });
    }
}

/// Puts the decoded path into the workspace, if decoding changes it.
fn decode_path(work: &mut Workspace, at: HeadAt) {
    work.path.clear();
    let bytes = match at {
        HeadAt::Input => work.input.bytes(),
        HeadAt::Saved => &work.saved,
    };
    if let Cow::Owned(decoded) = http1::decode_path(work.head.path(bytes)) {
        work.path.push_str(&String::from_utf8_lossy(&decoded));
    }
}

/// The path to route by.
fn path_of(work: &Workspace, at: HeadAt) -> &str {
    if work.path.is_empty() {
        // The parser lets only visible ASCII through.
        return std::str::from_utf8(work.head.path(work.head_bytes(at))).unwrap_or("/");
    }
    &work.path
}

/// The answer to a request that has no route.
fn answer_for_miss(miss: Found<'_>, work: &Workspace, at: HeadAt) -> Answer {
    match miss {
        Found::MethodNotAllowed { allow } => {
            let mut answer = Answer::json(405, r#"{"detail":"Method Not Allowed"}"#);
            add_field(&mut answer, b"allow", allow.as_bytes());
            answer
        }
        Found::Options { allow } => {
            let mut answer = Answer::text(200, "");
            add_field(&mut answer, b"allow", allow.as_bytes());
            answer
        }
        Found::Redirect { add_slash } => redirect(work, at, add_slash),
        Found::NotFound | Found::Route(..) => Answer::json(404, r#"{"detail":"Not Found"}"#),
    }
}

fn add_field(answer: &mut Answer, name: &[u8], value: &[u8]) {
    let mut fields = std::mem::take(&mut answer.fields).into_owned();
    // Names and values of ours are valid; a path that is not goes without the field.
    let _ = http1::encode_field(name, value, &mut fields);
    answer.fields = Cow::Owned(fields);
}

/// The same target with or without its last slash, as a path on this host.
fn redirect(work: &Workspace, at: HeadAt, add_slash: bool) -> Answer {
    let bytes = work.head_bytes(at);
    let mut location = work.head.path(bytes).to_vec();
    if add_slash {
        location.push(b'/');
    } else {
        let sent = location.len();
        while location.len() > 1 && location.last() == Some(&b'/') {
            location.pop();
        }
        if location.len() == sent {
            // Its last slash is an escape, which would lead here again.
            return Answer::json(404, r#"{"detail":"Not Found"}"#);
        }
    }
    let query = work.head.query.of(bytes);
    if !query.is_empty() {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    let mut answer = Answer::text(307, "");
    answer.fields = Cow::Borrowed(b"");
    answer.body = AnswerBody::Empty;
    add_field(&mut answer, b"location", &location);
    answer
}

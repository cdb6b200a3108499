//! One upgraded connection, from the answer to its handshake to its close.

use super::handshake::answer_fields;
use super::socket::{Message, Socket, State};
use crate::application::Application;
use crate::connection::{Connection, OUTPUT_BYTES_MAX, Stop};
use crate::deadlines::{Cut, Phase};
use crate::exchange::{Exchange, HeadAt};
use crate::metrics::Metrics;
use crate::reactor;
use protocols::http1::{ResponseFraming, Reuse};
use protocols::websocket::{Decoder, Event};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How often one connection receives before others get their turn.
const ROUNDS_MAX: usize = 16;
/// How long an application that waits for something else may take to notice that its peer has
/// gone; then it is told.
const NOTICE_GRACE: Duration = Duration::from_secs(5);

/// What the task knows of its connection.
struct Session {
    socket: Rc<Socket>,
    decoder: Decoder,
    /// When bytes came last, on the shard's clock, in milliseconds.
    heard_ms: u64,
    /// A ping is out, and nothing has come since.
    pinged: bool,
    /// Our close frame is out, and its deadline runs.
    closing: bool,
    /// The peer broke the protocol.
    failed: bool,
}

impl Session {
    /// True while the application has room, and once it wants no more: the peer's close frame
    /// has to be found then.
    fn listens(&self) -> bool {
        match self.socket.state() {
            State::Closed => false,
            State::Closing => true,
            State::Connecting | State::Open => self.socket.wants_more(),
        }
    }
}

/// Why the task's wait is over.
enum Step {
    /// Others come first, then there is more to do.
    Again,
    /// The connection has ended; what was queued has been sent.
    End,
}

impl<A: Application> Connection<A> {
    /// Answers the handshake and serves the WebSocket to its end.
    pub(crate) async fn serve_websocket(
        &mut self,
        socket: Rc<Socket>,
        fields: &[u8],
        exchange: Exchange,
    ) -> Result<Reuse, Stop> {
        let mut session = self.open_websocket(socket, fields, exchange)?;
        let open = &self.shard.metrics.websockets_open;
        open.set(open.get() + 1);
        let ended = self.run_websocket(&mut session).await;
        let open = &self.shard.metrics.websockets_open;
        open.set(open.get().saturating_sub(1));
        let slow = ended.is_err() && self.entry.phase() == Phase::Send;
        if session.socket.end(slow) {
            let socket = session.socket.clone();
            reactor::spawn(async move {
                reactor::sleep(NOTICE_GRACE).await;
                socket.abandon();
            });
        }
        self.peer_sends_more = session.failed;
        ended.map(|()| Reuse::Close)
    }

    fn open_websocket(
        &mut self,
        socket: Rc<Socket>,
        fields: &[u8],
        exchange: Exchange,
    ) -> Result<Session, Stop> {
        let shard = self.shard.clone();
        let limits = &shard.limits;
        let Some(work) = self.work.as_ref() else {
            return Err(Stop::Gone);
        };
        let bytes = work.head_bytes(HeadAt::Saved);
        let agreed = socket.deflate();
        let extensions = agreed.as_ref().map(|(_, answer)| answer.as_str());
        let fields = answer_fields(&work.head, bytes, fields, extensions)?;
        self.write_head(101, &fields, ResponseFraming::None, exchange);
        self.answered(exchange, HeadAt::Saved, 101, None);
        if shard.is_draining() {
            socket.close(shard.going_away(), "");
        }
        Ok(Session {
            decoder: Decoder::new(
                limits.websocket_message_bytes_max,
                agreed.map(|(params, _)| params),
            ),
            socket,
            heard_ms: shard.deadlines.now_ms(),
            pinged: false,
            closing: false,
            failed: false,
        })
    }

    async fn run_websocket(&mut self, session: &mut Session) -> Result<(), Stop> {
        self.await_frames(session);
        loop {
            let step = poll_fn(|cx| {
                session.socket.attend(cx.waker());
                let polled = self.poll_websocket(cx, session);
                session.socket.rest();
                polled
            })
            .await?;
            match step {
                Step::Again => reactor::yield_now().await,
                Step::End => return Ok(()),
            }
        }
    }

    /// Moves frames both ways until nothing more can be done.
    fn poll_websocket(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Result<Step, Stop>> {
        for _ in 0..ROUNDS_MAX {
            self.decode_input(session);
            session.socket.tell();
            let sent = self.poll_frames_out(cx, session)?;
            match session.socket.state() {
                State::Closed if sent.is_ready() => return Poll::Ready(Ok(Step::End)),
                State::Closed => {
                    self.entry.register(cx.waker());
                    return Poll::Pending;
                }
                State::Closing if !session.closing && sent.is_ready() => self.await_close(session),
                _ => {}
            }
            let listening = session.listens();
            if listening {
                let unread = self
                    .work
                    .as_ref()
                    .is_some_and(|work| !work.input.is_empty());
                if unread || self.poll_frames_in(cx, session)?.is_ready() {
                    continue;
                }
            }
            self.entry.register(cx.waker());
            let cut = self.cut_websocket(session, listening);
            if cut.is_ready() || sent.is_pending() || !session.socket.has_output() {
                return cut;
            }
        }
        Poll::Ready(Ok(Step::Again))
    }

    /// Receives once.
    fn poll_frames_in(
        &mut self,
        cx: &mut Context<'_>,
        session: &mut Session,
    ) -> Poll<Result<(), Stop>> {
        match self.poll_input(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Stop::Gone)),
            Poll::Ready(Ok(_)) => {
                session.heard_ms = self.shard.deadlines.now_ms();
                session.pinged = false;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Decodes what has been received, as far as the application has room for it.
    fn decode_input(&mut self, session: &mut Session) {
        let shard = self.shard.clone();
        let Some(work) = self.work.as_mut() else {
            return;
        };
        while !work.input.is_empty() && session.listens() {
            let mut codec = shard.deflate.borrow_mut();
            let decoded = session.decoder.decode(work.input.bytes(), &mut codec);
            drop(codec);
            if let Ok((used, _)) = &decoded {
                work.input.consume(*used);
            }
            match decoded {
                Ok((_, Some(Event::Message { kind, payload }))) => {
                    session.socket.push(Message { kind, payload });
                }
                Ok((_, Some(Event::Ping(payload)))) => session.socket.answer_ping(&payload),
                Ok((_, Some(Event::Pong(_)) | None)) => {}
                Ok((_, Some(Event::Close { code, reason }))) => {
                    // What came before is answered before.
                    session.socket.tell();
                    session.socket.peer_closed(code, reason);
                    return;
                }
                Err(error) => {
                    Metrics::add(&shard.metrics.websocket_failures);
                    let code = error.close_code().unwrap_or(PROTOCOL_ERROR);
                    session.socket.tell();
                    session.socket.fail(code, error.reason_for_log());
                    session.failed = true;
                    return;
                }
            }
        }
    }

    /// Sends what waits. Ready when all of it has been taken.
    fn poll_frames_out(
        &mut self,
        cx: &mut Context<'_>,
        session: &Session,
    ) -> Poll<Result<(), Stop>> {
        loop {
            if self.work.as_ref().is_none_or(|work| work.output.is_empty()) {
                if !session.socket.has_output() {
                    return Poll::Ready(Ok(()));
                }
                let work = self.work.get_or_insert_with(|| self.shard.pool.take());
                session.socket.fill(&mut work.output, OUTPUT_BYTES_MAX);
            }
            if self.poll_flush(cx)?.is_pending() {
                return Poll::Pending;
            }
            if self.entry.phase() == Phase::Send {
                self.await_frames(session);
            }
        }
    }

    /// Waits for frames: after a while of silence the peer is asked whether it is there.
    fn await_frames(&self, session: &Session) {
        let times = &self.shard.times;
        let (phase, limit_ms) = if session.closing {
            (Phase::Linger, Some(times.websocket_close_ms))
        } else if session.pinged {
            (Phase::Socket, Some(times.websocket_pong_ms))
        } else {
            let silent_ms = self.shard.deadlines.now_ms() - session.heard_ms;
            let left_ms = |after: u64| after.saturating_sub(silent_ms);
            (Phase::Socket, times.websocket_ping_ms.map(left_ms))
        };
        self.shard.wait_for(&self.entry, phase, limit_ms);
    }

    /// Our close frame is out; the peer has so long to answer it.
    fn await_close(&self, session: &mut Session) {
        session.closing = true;
        self.await_frames(session);
    }

    /// What a cut wait means; `listening` when the peer could have been heard.
    fn cut_websocket(&self, session: &mut Session, listening: bool) -> Poll<Result<Step, Stop>> {
        if self.entry.phase() == Phase::Send {
            // Whoever sends looks after it.
            return Poll::Pending;
        }
        let Some(cut) = self.entry.cut() else {
            return Poll::Pending;
        };
        if cut == Cut::Drained {
            session.socket.close(self.shard.going_away(), "");
            session.socket.tell();
            return Poll::Pending;
        }
        if session.closing {
            Metrics::add(&self.shard.metrics.timeouts);
            return Poll::Ready(Ok(Step::End));
        }
        let silent_ms = self.shard.deadlines.now_ms() - session.heard_ms;
        let silent = self
            .shard
            .times
            .websocket_ping_ms
            .is_some_and(|after| silent_ms >= after);
        if listening && session.pinged && !self.stream.has_bytes() {
            Metrics::add(&self.shard.metrics.timeouts);
            return Poll::Ready(Err(Stop::Gone));
        }
        if listening && silent && !session.pinged {
            session.socket.ping(b"");
            session.pinged = true;
        }
        self.await_frames(session);
        Poll::Pending
    }
}

/// The close code of what has none of its own (RFC 6455 section 7.4.1).
const PROTOCOL_ERROR: u16 = 1002;

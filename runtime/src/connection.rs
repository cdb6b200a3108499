//! One HTTP/1.1 connection, from its first byte to its close.

use crate::application::Application;
use crate::deadlines::{Cut, Entry, Phase};
use crate::exchange::HeadAt;
use crate::metrics::Metrics;
use crate::origin::Origin;
use crate::reactor;
use crate::shard::Shared;
use crate::stream::Stream;
use crate::workspace::Workspace;
use protocols::Parsed;
use protocols::http1::{self, HeadLimits, Reuse};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How long a closing connection waits for the peer's next byte or its end, in milliseconds.
const LINGER_MS: u64 = 2_000;
/// How long a connection may take to close in all, in milliseconds.
const LINGER_MAX_MS: u64 = 10_000;
/// How much a closing connection receives and forgets, in bytes.
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often a growing head is looked at whatever has come of it.
const HEAD_LOOKS_MAX: usize = 64;
/// Most bytes of later requests that are received while one is being answered.
pub(crate) const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Answers that wait for one write are sent once they are this long, in bytes.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Why a connection ends before its time.
#[derive(Debug)]
pub(crate) enum Stop {
    /// There is nobody to answer: the peer is gone, idle for too long, or drained.
    Gone,
    /// The peer is told this status, then the connection closes.
    Refuse(u16),
}

impl From<protocols::Error> for Stop {
    fn from(error: protocols::Error) -> Self {
        Self::Refuse(error.status())
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// A connection and the task that serves it.
pub(crate) struct Connection<A: Application> {
    pub(crate) stream: Stream,
    pub(crate) shard: Rc<Shared<A>>,
    pub(crate) entry: Rc<Entry>,
    pub(crate) origin: Arc<Origin>,
    /// Present while there is anything to parse, answer or send.
    pub(crate) work: Option<Box<Workspace>>,
    /// Bytes of `output` that were sent already.
    sent: usize,
    /// Requests answered since the last write.
    pub(crate) unsent_answers: usize,
    /// True once a request was answered: from then on waiting is idling.
    seasoned: bool,
    /// True when the connection closes although the peer could not know that it would.
    pub(crate) peer_sends_more: bool,
}

impl<A: Application> Connection<A> {
    pub(crate) fn new(
        stream: Stream,
        origin: Origin,
        shard: Rc<Shared<A>>,
        entry: Rc<Entry>,
    ) -> Self {
        Self {
            stream,
            shard,
            entry,
            origin: Arc::new(origin),
            work: None,
            sent: 0,
            unsent_answers: 0,
            seasoned: false,
            peer_sends_more: false,
        }
    }

    /// Serves requests in order until either side ends the connection.
    pub(crate) async fn serve(mut self) {
        loop {
            let outcome = match self.receive_head().await {
                Ok(head_bytes) => self.answer_request(head_bytes).await,
                Err(stop) => Err(stop),
            };
            match outcome {
                Ok(Reuse::Keep) => self.seasoned = true,
                Ok(Reuse::Close) => {
                    let unread = self
                        .work
                        .as_ref()
                        .is_some_and(|work| !work.input.is_empty());
                    let unread = unread || self.peer_sends_more;
                    if self.flush().await.is_ok() && unread {
                        Box::pin(self.linger()).await;
                    }
                    return;
                }
                Err(Stop::Refuse(status)) => {
                    self.refuse(status);
                    if self.flush().await.is_ok() {
                        Box::pin(self.linger()).await;
                    }
                    return;
                }
                Err(Stop::Gone) => return,
            }
        }
    }

    /// Receives until a request head is complete; its length in bytes.
    async fn receive_head(&mut self) -> Result<usize, Stop> {
        let (mut looks, mut seen, mut timed) = (0, 0, false);
        loop {
            if let Some(work) = self.work.as_mut()
                && !work.input.is_empty()
            {
                let limits = &self.shard.head_limits;
                let bytes = work.input.bytes();
                // Each look starts at the front: a peer that sends single bytes gets only so many.
                if looks < HEAD_LOOKS_MAX || may_end(bytes, seen, limits) {
                    looks += 1;
                    work.head_at = None;
                    let parsed = http1::parse_request_head(bytes, limits, &mut work.head)?;
                    if let Parsed::Complete { used, .. } = parsed {
                        work.head_at = Some(HeadAt::Input);
                        return Ok(used);
                    }
                }
                seen = work.input.len();
            }
            self.flush().await?;
            let begun = seen > 0;
            if !timed {
                self.wait_for_head(begun);
                timed = begun;
            }
            if self.receive().await? == 0 {
                return Err(if begun { Stop::Refuse(400) } else { Stop::Gone });
            }
            reactor::yield_if_late().await;
        }
    }

    /// The whole head has one deadline, counted from its first byte, so that a byte now and then
    /// does not extend it.
    fn wait_for_head(&self, begun: bool) {
        let times = &self.shard.times;
        let (phase, limit_ms) = match (begun, self.seasoned) {
            (true, _) => (Phase::Head, times.header_ms),
            (false, false) => (Phase::Idle, times.header_ms),
            (false, true) => (Phase::Idle, times.keep_alive_ms),
        };
        self.shard.wait_for(&self.entry, phase, Some(limit_ms));
    }

    /// Receives once; 0 is the peer's end.
    pub(crate) async fn receive(&mut self) -> Result<usize, Stop> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Stop>> {
        // What came at the last moment is answered all the same, so the cut is looked at last.
        let received = self.poll_input(cx);
        if received.is_pending() {
            if let Some(stop) = self.cut() {
                let late = self.entry.phase() == Phase::Idle && self.stream.has_bytes();
                if !late {
                    return Poll::Ready(Err(stop));
                }
            }
            self.entry.register(cx.waker());
        }
        received.map_err(Stop::from)
    }

    /// Receives into the workspace, which an idle connection gives back.
    pub(crate) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let mut work = self.work.take().unwrap_or_else(|| self.shard.pool.take());
        let polled = self.stream.poll_read(cx, work.input.spare());
        if let Poll::Ready(Ok(count)) = polled {
            work.input.received(count);
        }
        let rests = matches!(
            self.entry.phase(),
            Phase::Idle | Phase::Linger | Phase::Socket | Phase::Events
        );
        if rests && polled.is_pending() && work.input.is_empty() && work.output.is_empty() {
            self.shard.pool.give_back(work);
            return polled;
        }
        self.work = Some(work);
        polled
    }

    /// What a cut wait means in the present phase.
    pub(crate) fn cut(&self) -> Option<Stop> {
        match self.entry.cut()? {
            Cut::Drained => Some(Stop::Gone),
            Cut::Expired => {
                Metrics::add(&self.shard.metrics.timeouts);
                match self.entry.phase() {
                    Phase::Head | Phase::Body => Some(Stop::Refuse(408)),
                    Phase::Handler => Some(Stop::Refuse(LATE)),
                    _ => Some(Stop::Gone),
                }
            }
        }
    }

    /// Sends what waits in the output.
    pub(crate) async fn flush(&mut self) -> Result<(), Stop> {
        if self.work.as_ref().is_none_or(|work| work.output.is_empty()) {
            return Ok(());
        }
        let flushed = poll_fn(|cx| self.poll_flush(cx)).await;
        if self.entry.phase() == Phase::Send {
            // Whoever waits next says for what: that wait starts afresh.
            self.shard.wait_for(&self.entry, Phase::Handler, None);
        }
        flushed
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let Some(work) = self.work.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        while self.sent < work.output.len() {
            match self.stream.poll_write(cx, &work.output[self.sent..]) {
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    if self.entry.phase() == Phase::Send {
                        let limit = Some(self.shard.times.send_ms);
                        self.shard.wait_for(&self.entry, Phase::Send, limit);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => {
                    if self.entry.phase() != Phase::Send {
                        let limit = Some(self.shard.times.send_ms);
                        self.shard.wait_for(&self.entry, Phase::Send, limit);
                    } else if self.entry.cut().is_some() {
                        Metrics::add(&self.shard.metrics.timeouts);
                        return Poll::Ready(Err(Stop::Gone));
                    }
                    self.entry.register(cx.waker());
                    return Poll::Pending;
                }
            }
        }
        work.output.clear();
        if work.output.capacity() > OUTPUT_BYTES_MAX * 2 {
            work.output = Vec::with_capacity(4 * 1024);
        }
        self.sent = 0;
        self.unsent_answers = 0;
        Poll::Ready(Ok(()))
    }

    /// Says that no more answers come, then receives and forgets what the peer still sends:
    /// closing with unread bytes would reset the connection and could take the answer with it.
    async fn linger(&mut self) {
        self.stream.shutdown_write();
        let ends_ms = self.shard.deadlines.now_ms() + LINGER_MAX_MS;
        let mut forgotten = 0;
        while forgotten < LINGER_BYTES_MAX {
            if let Some(work) = self.work.as_mut() {
                work.input.consume(usize::MAX);
            }
            let left_ms = ends_ms.saturating_sub(self.shard.deadlines.now_ms());
            self.shard
                .wait_for(&self.entry, Phase::Linger, Some(LINGER_MS.min(left_ms)));
            match self.receive().await {
                Ok(0) | Err(_) => return,
                Ok(count) => forgotten += count,
            }
            reactor::yield_if_late().await;
        }
    }
}

/// The status of what the handler has not answered in time.
pub(crate) const LATE: u16 = 504;

/// Whether what came behind the first `seen` bytes can have ended a head or broken a bound.
fn may_end(bytes: &[u8], seen: usize, limits: &HeadLimits) -> bool {
    let passes = |bound: usize| seen <= bound && bytes.len() > bound;
    bytes[seen..].contains(&b'\n')
        || passes(limits.request_line_bytes_max)
        || passes(limits.head_bytes_max)
}

impl<A: Application> Drop for Connection<A> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.shard.pool.give_back(work);
        }
        let open = &self.shard.metrics.connections_open;
        open.set(open.get().saturating_sub(1));
        self.shard.connection_closed();
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;
    use crate::application::{Application, BodyMode, Reply, Request};

    struct Nobody;

    impl Application for Nobody {
        fn body_mode(&self, _: usize) -> BodyMode {
            BodyMode::Ignore
        }

        fn respond(&self, _: Request<'_>) -> Reply {
            Reply::Ready(crate::answer::Answer::text(200, ""))
        }
    }

    fn future_bytes<C, F: Future>(_: impl Fn(C) -> F) -> usize {
        size_of::<F>()
    }

    /// Each idle connection keeps one: what is rarely awaited belongs into a box of its own.
    #[test]
    fn the_future_of_a_connection_is_small() {
        let bytes = future_bytes(Connection::<Nobody>::serve);
        println!("a connection's future has {bytes} bytes");
        assert!(bytes <= 1_024, "{bytes}");
    }
}

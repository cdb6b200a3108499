//! What an event stream (`text/event-stream`) has beyond other streamed answers: comments that
//! keep it alive while nothing happens, and an end in order when its shard drains.

use crate::application::Application;
use crate::chunk_queue::ChunkReceiver;
use crate::connection::Connection;
use crate::deadlines::Phase;
use crate::reactor;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How an event stream is kept alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how long without a byte the comment is sent; `None`: never.
    pub after: Option<Duration>,
    /// The comment, with the empty line behind it.
    pub comment: &'static [u8],
}

impl KeepAlive {
    /// The comment of our own streams.
    pub const COMMENT: &'static [u8] = b": keep-alive\n\n";
}

/// What has been put into a streamed answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Events, without comments.
    pub events: u64,
    /// All bytes, before any compression.
    pub bytes: u64,
}

/// Tells when a stream has been silent for too long.
///
/// Events do not touch its timer: one that fires too early is set again for the rest, so that a
/// busy stream pays for a timer now and then and not with each event.
pub(crate) struct Silence {
    since: Instant,
    timer: Option<Timer>,
}

struct Timer {
    fires_at: Instant,
    sleep: Pin<Box<dyn Future<Output = ()>>>,
}

impl Silence {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            timer: None,
        }
    }

    /// Something is sent.
    pub(crate) fn break_now(&mut self) {
        self.since = Instant::now();
    }

    /// Ready, and the silence broken, once nothing has been sent for `after`.
    fn poll_too_long(&mut self, after: Option<Duration>, cx: &mut Context<'_>) -> Poll<()> {
        // An interval that reaches past the end of time is none.
        let Some(due) = after.and_then(|after| self.since.checked_add(after)) else {
            self.timer = None;
            return Poll::Pending;
        };
        loop {
            let now = Instant::now();
            if now >= due {
                self.since = now;
                return Poll::Ready(());
            }
            let timer = match &mut self.timer {
                Some(timer) if timer.fires_at <= due => timer,
                stale => stale.insert(Timer {
                    fires_at: due,
                    sleep: Box::pin(reactor::sleep(due - now)),
                }),
            };
            if timer.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
        }
    }
}

impl<A: Application> Connection<A> {
    /// While the next piece of an answer is waited for: sees to a comment when none comes for
    /// long, and to the end when the shard drains. Nothing to do for other answers.
    pub(crate) fn mind_event_stream(
        &self,
        receiver: &ChunkReceiver,
        silence: &mut Option<Silence>,
        cx: &mut Context<'_>,
    ) {
        let Some(KeepAlive { after, comment }) = receiver.keep_alive() else {
            return;
        };
        self.end_event_stream_if_draining(receiver);
        if self.entry.phase() == Phase::Handler {
            self.shard.wait_for(&self.entry, Phase::Events, None);
        }
        let silence = silence.get_or_insert_with(|| {
            self.stream.give_up_after(self.shard.times.send_ms);
            Silence::new()
        });
        if silence.poll_too_long(after, cx).is_ready() {
            receiver.add_comment(comment);
        }
    }

    /// Ends an event stream of a shard that drains, as soon as what waits has been sent.
    pub(crate) fn end_event_stream_if_draining(&self, receiver: &ChunkReceiver) {
        if self.shard.is_draining() && receiver.keep_alive().is_some() {
            receiver.close();
        }
    }
}

//! A request body between the socket and whoever reads it.

use crate::answer::{Answer, AnswerReceiver};
use crate::application::Application;
use crate::body_feed::BodyFeed;
use crate::connection::{Connection, LATE, READ_AHEAD_BYTES_MAX, Stop};
use crate::deadlines::Phase;
use crate::reactor;
use crate::workspace::{ReceiveBuffer, Workspace};
use protocols::http1::{self, BodyDecoder, BodyFraming, BodyPiece};
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};

/// How much of a request has arrived when its head is complete.
pub(crate) enum Arrived {
    /// All of it: the body's range in the input, and where the request ends.
    Whole { body: Range<usize>, used: usize },
    /// The body is still coming.
    Partly(BodyDecoder),
}

impl Arrived {
    /// Looks at what follows the head.
    pub(crate) fn look(
        work: &Workspace,
        head_bytes: usize,
        body_bytes_max: u64,
    ) -> Result<Self, Stop> {
        let decoder = BodyDecoder::new(work.head.framing, body_bytes_max)?;
        match work.head.framing {
            BodyFraming::None => Ok(Self::Whole {
                body: 0..0,
                used: head_bytes,
            }),
            BodyFraming::Length(length) => {
                let length = usize::try_from(length).map_err(|_| Stop::Refuse(413))?;
                let used = head_bytes.saturating_add(length);
                if work.input.len() >= used {
                    return Ok(Self::Whole {
                        body: head_bytes..used,
                        used,
                    });
                }
                Ok(Self::Partly(decoder))
            }
            BodyFraming::Chunked => Ok(Self::Partly(decoder)),
        }
    }
}

/// Moves a body from the input to a feed or a buffer.
pub(crate) struct BodyPump {
    decoder: Option<BodyDecoder>,
    /// The peer waits for `100 Continue`.
    expects: bool,
    pub(crate) feed: Option<Rc<BodyFeed>>,
}

impl BodyPump {
    pub(crate) fn new(arrived: Arrived, expects: bool, streamed: bool) -> Self {
        let decoder = match arrived {
            Arrived::Partly(decoder) => Some(decoder),
            Arrived::Whole { .. } => None,
        };
        Self {
            decoder,
            expects,
            feed: streamed.then(BodyFeed::new),
        }
    }

    /// Ends what is still arriving: nobody will bring it.
    pub(crate) fn stop(&self) {
        if let Some(feed) = &self.feed {
            feed.fail();
        }
    }

    /// True when the whole body has been received.
    pub(crate) fn is_done(&self) -> bool {
        self.decoder.as_ref().is_none_or(BodyDecoder::is_done)
    }

    /// The answer has begun: `100 Continue` would be taken for a part of it.
    pub(crate) fn withdraw_invitation(&mut self) {
        self.expects = false;
    }

    /// True while more should be received.
    fn is_hungry(&self) -> bool {
        !self.is_done() && self.feed.as_ref().is_none_or(|feed| feed.has_room())
    }

    /// Takes what it can from the input; each piece of body goes to `piece`.
    pub(crate) fn advance(
        &mut self,
        input: &mut ReceiveBuffer,
        mut piece: impl FnMut(&[u8]),
    ) -> Result<(), protocols::Error> {
        while let Some(decoder) = self.decoder.as_mut().filter(|decoder| !decoder.is_done()) {
            match decoder.decode(input.bytes())? {
                BodyPiece::Data { data, used } => {
                    // It comes without having been invited (RFC 9110 section 10.1.1).
                    self.expects = false;
                    piece(&input.bytes()[data]);
                    input.consume(used);
                }
                BodyPiece::Framing { used } => input.consume(used),
                BodyPiece::Incomplete => break,
                BodyPiece::End { used } => {
                    input.consume(used);
                    break;
                }
            }
            if self.feed.as_ref().is_some_and(|feed| !feed.has_room()) {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for BodyPump {
    /// Whoever still reads must learn that no more comes.
    fn drop(&mut self) {
        self.stop();
    }
}

impl<A: Application> Connection<A> {
    /// Receives the rest of a body, into the workspace or into nothing.
    pub(crate) async fn collect_body(
        &mut self,
        pump: &mut BodyPump,
        keep: bool,
    ) -> Result<(), Stop> {
        if std::mem::take(&mut pump.expects) {
            self.invite_body();
        }
        if let Some(work) = self.work.as_mut() {
            work.body.clear();
        }
        loop {
            let Some(work) = self.work.as_mut() else {
                return Err(Stop::Gone);
            };
            let Workspace { input, body, .. } = &mut **work;
            pump.advance(input, |piece| {
                if keep {
                    body.extend_from_slice(piece);
                }
            })?;
            if pump.is_done() {
                return Ok(());
            }
            self.flush().await?;
            reactor::yield_if_late().await;
            self.shard
                .wait_for(&self.entry, Phase::Body, Some(self.shard.times.body_ms));
            if self.receive().await? == 0 {
                return Err(Stop::Refuse(400));
            }
        }
    }

    /// Says `100 Continue` unless the body is coming already (RFC 9110 section 10.1.1).
    fn invite_body(&mut self) {
        if let Some(work) = self.work.as_mut()
            && work.input.is_empty()
        {
            work.output.extend_from_slice(http1::CONTINUE);
        }
    }

    /// Waits for the answer; meanwhile the peer is watched and the body moves on.
    pub(crate) async fn drive(
        &mut self,
        receiver: AnswerReceiver,
        mut pump: Option<&mut BodyPump>,
    ) -> Result<Answer, Stop> {
        let mut finished = false;
        let limit_ms = self.shard.times.answer_ms;
        self.shard.deadlines.wait_for_answer(&self.entry, limit_ms);
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(answer) = receiver.poll_answer(cx) {
                // A cancelled handler has no answer, and nobody waits for one.
                let gone = finished && receiver.was_dropped();
                return Poll::Ready(if gone { Err(Stop::Gone) } else { Ok(answer) });
            }
            if finished {
                return Poll::Pending;
            }
            match self.poll_peer(cx, pump.as_deref_mut()) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => {
                    // The peer will send no more. Most have gone; one that only closed its
                    // half still gets an answer from a handler that cannot be cancelled.
                    finished = true;
                    receiver.abandon();
                    match receiver.poll_answer(cx) {
                        Poll::Ready(answer) if !receiver.was_dropped() => Poll::Ready(Ok(answer)),
                        Poll::Ready(_) => Poll::Ready(Err(Stop::Gone)),
                        Poll::Pending => Poll::Pending,
                    }
                }
                // The handler is cancelled when the receiver goes.
                Poll::Ready(Err(Stop::Refuse(LATE))) => {
                    Poll::Ready(Ok(Answer::json(LATE, r#"{"detail":"Gateway Timeout"}"#)))
                }
                Poll::Ready(Err(stop)) => Poll::Ready(Err(stop)),
            }
        })
        .await;
        self.shard.deadlines.wait_for_answer(&self.entry, None);
        outcome
    }

    /// Receives and moves the body on until nothing more can be done; `Ok` is the peer's end.
    pub(crate) fn poll_peer(
        &mut self,
        cx: &mut Context<'_>,
        mut pump: Option<&mut BodyPump>,
    ) -> Poll<Result<(), Stop>> {
        loop {
            self.entry.register(cx.waker());
            let hungry = match pump.as_deref_mut() {
                Some(pump) => self.poll_body(cx, pump)?,
                None => false,
            };
            let ahead = self.work.as_ref().map_or(0, |work| work.input.len());
            let body_pending = pump.as_deref().is_some_and(|pump| !pump.is_done());
            if !hungry && (body_pending || ahead >= READ_AHEAD_BYTES_MAX) {
                return self
                    .cut()
                    .map_or(Poll::Pending, |stop| Poll::Ready(Err(stop)));
            }
            match self.poll_input(cx) {
                Poll::Pending => {
                    return self
                        .cut()
                        .map_or(Poll::Pending, |stop| Poll::Ready(Err(stop)));
                }
                Poll::Ready(Ok(0)) => {
                    if body_pending {
                        return Poll::Ready(Err(Stop::Gone));
                    }
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) if hungry && self.entry.phase() != Phase::Send => {
                    self.shard
                        .wait_for(&self.entry, Phase::Body, Some(self.shard.times.body_ms));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Stop::Gone)),
            }
        }
    }

    /// Feeds the handler from the input; true while more should be received for it.
    fn poll_body(&mut self, cx: &mut Context<'_>, pump: &mut BodyPump) -> Result<bool, Stop> {
        if pump.is_done() {
            return Ok(false);
        }
        let Some(feed) = pump.feed.clone() else {
            return Ok(false);
        };
        feed.on_taken(cx.waker().clone());
        if pump.expects && feed.is_wanted() {
            pump.expects = false;
            self.invite_body();
        }
        if let Some(work) = self.work.as_mut() {
            pump.advance(&mut work.input, |piece| feed.push(piece))?;
        }
        if pump.is_done() {
            feed.complete();
        }
        let hungry = pump.is_hungry();
        if self.poll_flush(cx)?.is_pending() {
            // The peer must take the invitation first; that has its own deadline.
            return Ok(hungry);
        }
        if !hungry || pump.expects {
            self.shard.wait_for(&self.entry, Phase::Handler, None);
        } else if self.entry.phase() != Phase::Body {
            self.shard
                .wait_for(&self.entry, Phase::Body, Some(self.shard.times.body_ms));
        }
        Ok(hungry)
    }
}

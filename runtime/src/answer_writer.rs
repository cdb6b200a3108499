//! An answer becomes bytes: at once when it is short, piece by piece when it is not.

use crate::answer::{Answer, AnswerBody, FileSource};
use crate::application::Application;
use crate::chunk_queue::{ChunkReceiver, Received};
use crate::connection::{Connection, OUTPUT_BYTES_MAX, Stop};
use crate::deadlines::Phase;
use crate::event_stream::Silence;
use crate::exchange::{Exchange, HeadAt};
use crate::metrics::Metrics;
use crate::reactor;
use crate::request_body::BodyPump;
use protocols::http1::{self, ResponseFraming, ResponseHead, Reuse};
use std::future::poll_fn;
use std::task::Poll;

/// The head of a streamed answer, and the length of its body where the handler has stated one.
struct StreamHead<'a> {
    status: u16,
    fields: &'a [u8],
    length: Option<u64>,
}

impl Answer {
    /// True when nothing has to be waited for but the socket; `head_only` is HEAD.
    pub(crate) fn is_short(&self, head_only: bool) -> bool {
        match &self.body {
            AnswerBody::Stream(..) | AnswerBody::WebSocket(_) => false,
            AnswerBody::File(file) => head_only && matches!(file.source, FileSource::Open(_)),
            _ => true,
        }
    }
}

impl AnswerBody {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Static(bytes) => bytes,
            Self::Empty
            | Self::Unsent(_)
            | Self::Stream(..)
            | Self::File(_)
            | Self::WebSocket(_) => &[],
        }
    }
}

impl<A: Application> Connection<A> {
    /// Appends a response head to the output.
    pub(crate) fn write_head(
        &mut self,
        status: u16,
        fields: &[u8],
        framing: ResponseFraming,
        exchange: Exchange,
    ) {
        let shard = self.shard.clone();
        let Some(work) = self.work.as_mut() else {
            return;
        };
        let mut date = shard.date.borrow_mut();
        let head = ResponseHead {
            status,
            fields,
            framing,
            reuse: exchange.reuse,
            minor_version: exchange.minor_version,
            date_line: date.at(shard.deadlines.unix_s()),
        };
        http1::encode_response_head(&head, &mut work.output);
    }

    /// Appends a whole answer to the output.
    pub(crate) fn write_short(&mut self, answer: &Answer, exchange: Exchange, at: HeadAt) -> Reuse {
        let exchange = self.with_last_word(exchange, answer.close);
        if let AnswerBody::File(file) = &answer.body
            && let FileSource::Open(file) = &file.source
        {
            self.file_head(answer.status, &answer.fields, file, exchange, at);
            return exchange.reuse;
        }
        let body = answer.body.bytes();
        let length = match answer.body {
            AnswerBody::Unsent(length) if exchange.head_only => length,
            _ => body.len() as u64,
        };
        let framing = if http1::body_allowed(answer.status) {
            ResponseFraming::Length(length)
        } else {
            ResponseFraming::None
        };
        self.write_head(answer.status, &answer.fields, framing, exchange);
        if !exchange.head_only
            && http1::body_allowed(answer.status)
            && let Some(work) = self.work.as_mut()
        {
            work.output.extend_from_slice(body);
        }
        self.answered(exchange, at, answer.status, Some(body.len() as u64));
        exchange.reuse
    }

    /// Settles whether the connection goes on, which it has to say in the head.
    fn with_last_word(&mut self, mut exchange: Exchange, close: bool) -> Exchange {
        if exchange.reuse == Reuse::Keep && (close || self.shard.is_draining()) {
            exchange.reuse = Reuse::Close;
            // The peer may have sent more, because it could not know.
            self.peer_sends_more = true;
        }
        exchange
    }

    /// Counts and logs an answer.
    pub(crate) fn answered(
        &mut self,
        exchange: Exchange,
        at: HeadAt,
        status: u16,
        body: Option<u64>,
    ) {
        self.unsent_answers += 1;
        Metrics::add(&self.shard.metrics.requests);
        self.log(exchange, at, status, body);
    }

    /// Writes an answer of any kind whose head has been saved.
    pub(crate) async fn write_answer(
        &mut self,
        answer: Answer,
        exchange: Exchange,
        pump: Option<&mut BodyPump>,
    ) -> Result<Reuse, Stop> {
        let Answer {
            status,
            fields,
            close,
            body,
        } = answer;
        if let AnswerBody::WebSocket(upgrade) = body {
            let Some(socket) = upgrade.take() else {
                return Err(Stop::Gone);
            };
            return Box::pin(self.serve_websocket(socket, &fields, exchange)).await;
        }
        let exchange = self.with_last_word(exchange, close);
        match body {
            AnswerBody::Stream(receiver, length) => {
                let head = StreamHead {
                    status,
                    fields: &fields,
                    length,
                };
                Box::pin(self.stream_answer(head, receiver, exchange, pump)).await
            }
            AnswerBody::File(file) => {
                Box::pin(self.file_answer(status, fields.into_owned(), file, exchange)).await
            }
            body => {
                let answer = Answer {
                    status,
                    fields,
                    close,
                    body,
                };
                Ok(self.write_short(&answer, exchange, HeadAt::Saved))
            }
        }
    }

    /// Sends an answer that the handler produces piece by piece.
    async fn stream_answer(
        &mut self,
        head: StreamHead<'_>,
        receiver: ChunkReceiver,
        mut exchange: Exchange,
        mut pump: Option<&mut BodyPump>,
    ) -> Result<Reuse, Stop> {
        let StreamHead {
            status,
            fields,
            length,
        } = head;
        let framing = match length {
            _ if !http1::body_allowed(status) => ResponseFraming::None,
            Some(length) => ResponseFraming::Length(length),
            None if exchange.minor_version == 0 => {
                exchange.reuse = Reuse::Close;
                ResponseFraming::UntilClose
            }
            None => ResponseFraming::Chunked,
        };
        self.write_head(status, fields, framing, exchange);
        self.answered(exchange, HeadAt::Saved, status, length);
        if exchange.head_only || !http1::body_allowed(status) {
            return Ok(exchange.reuse);
        }
        let mut left = length;
        let mut silence = None;
        loop {
            let next = self.next_chunk(&receiver, &mut silence, pump.as_deref_mut());
            match next.await? {
                Received::Chunk(chunk) => {
                    self.write_chunk(&chunk, framing, &mut left);
                    if receiver.is_within_chunk() {
                        // Each piece takes so long that the others come first.
                        reactor::yield_now().await;
                    }
                }
                Received::Aborted => {
                    // The peer must see that the answer is not whole: it ends without its end.
                    self.flush().await?;
                    if framing == ResponseFraming::UntilClose {
                        self.stream.reset_on_close();
                    }
                    return Err(Stop::Gone);
                }
                Received::Finished => break,
            }
        }
        if receiver.is_closed() {
            exchange.reuse = Reuse::Close;
            self.peer_sends_more = true;
        }
        match (framing, left) {
            (ResponseFraming::Chunked, _) => {
                let work = self.work.get_or_insert_with(|| self.shard.pool.take());
                work.output.extend_from_slice(http1::LAST_CHUNK);
                Ok(exchange.reuse)
            }
            // Fewer bytes than announced: the connection cannot go on.
            (ResponseFraming::Length(_), Some(1..)) => {
                self.flush().await?;
                Err(Stop::Gone)
            }
            _ => Ok(exchange.reuse),
        }
    }

    fn write_chunk(&mut self, chunk: &[u8], framing: ResponseFraming, left: &mut Option<u64>) {
        let work = self.work.get_or_insert_with(|| self.shard.pool.take());
        if framing == ResponseFraming::Chunked {
            http1::encode_chunk(chunk, &mut work.output);
            return;
        }
        let mut chunk = chunk;
        if let Some(left) = left.as_mut() {
            // More than announced would be read as the next answer.
            let fits = usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(chunk.len());
            chunk = &chunk[..fits];
            *left -= fits as u64;
        }
        work.output.extend_from_slice(chunk);
    }

    /// The next piece; what was written before is sent meanwhile, and the peer is watched.
    /// A handler that reads its request while it answers gets what arrives of it.
    async fn next_chunk(
        &mut self,
        receiver: &ChunkReceiver,
        silence: &mut Option<Silence>,
        mut pump: Option<&mut BodyPump>,
    ) -> Result<Received, Stop> {
        self.end_event_stream_if_draining(receiver);
        if self
            .work
            .as_ref()
            .is_some_and(|work| work.output.len() >= OUTPUT_BYTES_MAX)
        {
            self.flush().await?;
        }
        if let Some(received) = poll_fn(|cx| match receiver.poll_receive(cx) {
            Poll::Ready(received) => Poll::Ready(Some(received)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
        {
            return Ok(received);
        }
        self.flush().await?;
        if let Some(silence) = silence {
            silence.break_now();
        }
        self.shard.wait_for(&self.entry, Phase::Handler, None);
        poll_fn(|cx| {
            self.mind_event_stream(receiver, silence, cx);
            if let Poll::Ready(received) = receiver.poll_receive(cx) {
                return Poll::Ready(Ok(received));
            }
            match self.poll_peer(cx, pump.as_deref_mut()) {
                Poll::Pending => Poll::Pending,
                // Most peers have gone then. One that only closed its half still gets all of
                // an answer that nobody would stop; if it has gone, a write will fail.
                Poll::Ready(Ok(())) if !receiver.is_watched() => Poll::Pending,
                Poll::Ready(Ok(())) => Poll::Ready(Err(Stop::Gone)),
                // The head has been sent: there is no other answer any more.
                Poll::Ready(Err(_)) => Poll::Ready(Err(Stop::Gone)),
            }
        })
        .await
    }

    /// Appends the answer to a request that broke the protocol.
    pub(crate) fn refuse(&mut self, status: u16) {
        if self.work.is_none() {
            self.work = Some(self.shard.pool.take());
        }
        let exchange = Exchange {
            head_only: false,
            minor_version: 1,
            reuse: Reuse::Close,
            began: None,
        };
        let mut answer = refusal(status);
        if let Some(at) = self.work.as_ref().and_then(|work| work.head_at) {
            // The request was understood: a page may be told why it is not answered.
            self.pass_out(at, &mut answer);
        }
        let length = ResponseFraming::Length(answer.body.bytes().len() as u64);
        self.write_head(status, &answer.fields, length, exchange);
        if let Some(work) = self.work.as_mut() {
            work.output.extend_from_slice(answer.body.bytes());
        }
        Metrics::add(&self.shard.metrics.requests);
    }
}

/// What a peer is told whose request is not answered by the application.
fn refusal(status: u16) -> Answer {
    let body = match status {
        408 => r#"{"detail":"Request Timeout"}"#,
        413 => r#"{"detail":"Content Too Large"}"#,
        414 => r#"{"detail":"URI Too Long"}"#,
        417 => r#"{"detail":"Expectation Failed"}"#,
        426 => r#"{"detail":"Upgrade Required"}"#,
        431 => r#"{"detail":"Request Header Fields Too Large"}"#,
        501 => r#"{"detail":"Not Implemented"}"#,
        503 => r#"{"detail":"Service Unavailable"}"#,
        505 => r#"{"detail":"HTTP Version Not Supported"}"#,
        _ => r#"{"detail":"Bad Request"}"#,
    };
    let mut answer = Answer::json(status, body);
    if status == 426 {
        // RFC 6455 section 4.4: name the version that would do.
        const FIELDS: &[u8] = b"content-type: application/json\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
        answer.fields = std::borrow::Cow::Borrowed(FIELDS);
    }
    answer
}

//! What an application answers with, and the slot a late answer arrives in.

use crate::chunk_queue::ChunkReceiver;
use crate::open_file::OpenFile;
use crate::websocket::Upgrade;
use std::borrow::Cow;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One answer: status, header lines and body.
pub struct Answer {
    /// The status code, 200 to 599.
    pub status: u16,
    /// Header lines, encoded, each with its CRLF; without the framing, `date` and `connection`.
    pub fields: Cow<'static, [u8]>,
    /// True when the handler asked for the connection to end after this answer.
    pub close: bool,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an answer.
pub enum AnswerBody {
    /// None.
    Empty,
    /// None, as HEAD wants it; how long it is for GET, in bytes. No other method is told so.
    Unsent(u64),
    /// All of it.
    Bytes(Vec<u8>),
    /// Bytes that live as long as the program.
    Static(&'static [u8]),
    /// It comes piece by piece; its length in bytes, when the handler stated one.
    Stream(ChunkReceiver, Option<u64>),
    /// A file, sent in bounded pieces, with ranges and conditions.
    File(FileBody),
    /// The answer to a handshake: the connection is this WebSocket's from now on, whatever the
    /// status says.
    WebSocket(Upgrade),
}

/// A file to send.
pub struct FileBody {
    /// Which one.
    pub source: FileSource,
}

/// A file by name or already open.
pub enum FileSource {
    /// Where it is.
    Path(PathBuf),
    /// Open already, and perhaps for others too.
    Open(Rc<OpenFile>),
}

impl Answer {
    /// An answer with a constant plain-text body.
    pub fn text(status: u16, body: &'static str) -> Self {
        const PLAIN: &[u8] = b"content-type: text/plain; charset=utf-8\r\n";
        Self {
            status,
            fields: Cow::Borrowed(PLAIN),
            close: false,
            body: AnswerBody::Static(body.as_bytes()),
        }
    }

    /// An answer with a constant JSON body.
    pub fn json(status: u16, body: &'static str) -> Self {
        const JSON: &[u8] = b"content-type: application/json\r\n";
        Self {
            status,
            fields: Cow::Borrowed(JSON),
            close: false,
            body: AnswerBody::Static(body.as_bytes()),
        }
    }
}

#[derive(Default)]
struct Slot {
    answer: Option<Answer>,
    receiver: Option<Waker>,
    sender_gone: bool,
    receiver_gone: bool,
    delivered: bool,
    on_abandoned: Option<Box<dyn FnOnce()>>,
}

/// Where a handler that waited puts its answer.
pub struct AnswerSender {
    slot: Rc<RefCell<Slot>>,
}

/// Where the connection finds it. Dropping this abandons the request.
pub struct AnswerReceiver {
    slot: Rc<RefCell<Slot>>,
}

/// Makes the slot of one late answer.
pub fn answer_slot() -> (AnswerSender, AnswerReceiver) {
    let slot = Rc::new(RefCell::new(Slot::default()));
    (AnswerSender { slot: slot.clone() }, AnswerReceiver { slot })
}

impl AnswerSender {
    /// Delivers the answer.
    pub fn send(self, answer: Answer) {
        let mut slot = self.slot.borrow_mut();
        slot.answer = Some(answer);
        slot.delivered = true;
    }

    /// Calls `abandoned` once if the peer goes before it has its answer; now, if it has gone.
    pub fn on_abandoned(&self, abandoned: Box<dyn FnOnce()>) {
        let mut slot = self.slot.borrow_mut();
        if slot.receiver_gone {
            drop(slot);
            abandoned();
            return;
        }
        let replaced = slot.on_abandoned.replace(abandoned);
        drop(slot);
        drop(replaced);
    }
}

impl Drop for AnswerSender {
    fn drop(&mut self) {
        let mut slot = self.slot.borrow_mut();
        slot.sender_gone = true;
        // What it holds may reach for this slot while it is dropped.
        let abandoned = slot.on_abandoned.take();
        let waker = slot.receiver.take();
        drop(slot);
        drop(abandoned);
        if let Some(waker) = waker {
            crate::reactor::wake(waker);
        }
    }
}

impl AnswerReceiver {
    /// True when the sender went without an answer.
    pub(crate) fn was_dropped(&self) -> bool {
        self.slot.borrow().sender_gone && !self.slot.borrow().delivered
    }

    /// Tells the sender that nobody waits for the answer any more; it may come all the same.
    pub(crate) fn abandon(&self) {
        let abandoned = self.slot.borrow_mut().on_abandoned.take();
        if let Some(abandoned) = abandoned {
            abandoned();
        }
    }

    pub(crate) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut slot = self.slot.borrow_mut();
        if let Some(answer) = slot.answer.take() {
            return Poll::Ready(answer);
        }
        if slot.sender_gone {
            // Whoever had to answer has dropped the request: that is a fault of ours.
            return Poll::Ready(Answer::text(500, "Internal Server Error"));
        }
        slot.receiver = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for AnswerReceiver {
    fn drop(&mut self) {
        self.slot.borrow_mut().receiver_gone = true;
        self.abandon();
    }
}

//! One WebSocket as its application holds it: what has come, what is to go, and how it ended.

use super::outbox::Outbox;
use crate::channels::MemberId;
use protocols::websocket::{
    DeflateCodec, DeflateParams, MessageKind, Opcode, encode_close, encode_frame,
};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;

/// Most messages that wait for the application before the connection stops receiving.
const INBOX_MESSAGES_MAX: usize = 64;
/// Most bytes of such messages; one message may be longer.
const INBOX_BYTES_MAX: usize = 256 * 1024;
/// A shorter message is not compressed, in bytes: what is saved is less than it costs.
pub(super) const DEFLATE_BYTES_MIN: usize = 64;
/// The close code of a connection that ended without a close frame (RFC 6455 section 7.4.1).
pub const ABNORMAL_CLOSE: u16 = 1006;

/// A message that has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Text, which is valid UTF-8, or bytes.
    pub kind: MessageKind,
    /// What it says.
    pub payload: Vec<u8>,
}

/// What the application finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The next message.
    Message(Message),
    /// No more will come; [`Socket::close_reason`] says why.
    Closed,
    /// Nothing yet; [`Socket::notify`] tells when to look again.
    Empty,
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Queued,
    /// It is on its way, and the next one should wait for [`Socket::on_room`].
    Full,
    /// The socket is not open.
    Closed,
}

/// What has passed, without control frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages taken by the application.
    pub messages_received: u64,
    /// Their payloads, in bytes.
    pub bytes_received: u64,
    /// Messages that were queued to be sent.
    pub messages_sent: u64,
    /// Their payloads before compression, in bytes.
    pub bytes_sent: u64,
    /// Messages of channels that were dropped because the peer was too slow.
    pub messages_dropped: u64,
}

/// Where a socket is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The handshake has not been answered.
    Connecting,
    /// Messages go both ways.
    Open,
    /// A close frame is queued or sent; the peer's is awaited.
    Closing,
    /// Both have said so, or the connection is gone.
    Closed,
}

type Call = Box<dyn FnOnce()>;

/// How messages are compressed, and what the peer is told of it.
pub(super) struct Agreed {
    pub(super) params: DeflateParams,
    pub(super) codec: Rc<RefCell<DeflateCodec>>,
    /// The value of `sec-websocket-extensions`.
    pub(super) answer: String,
}

pub(super) struct Inner {
    pub(super) state: State,
    /// Why it closes or has closed.
    reason: Option<(u16, String)>,
    inbox: VecDeque<Message>,
    inbox_bytes: usize,
    pub(super) outbox: Outbox,
    pub(super) outbox_bytes_max: usize,
    pub(super) deflate: Option<Box<Agreed>>,
    /// Whoever waits for a message, by the name that [`Socket::notify`] gave.
    receivers: Vec<(u64, Call)>,
    last_receiver: u64,
    senders: Vec<Call>,
    /// Wakes the task that serves the connection.
    connection: Option<Waker>,
    /// That task is at work and will look by itself.
    attended: bool,
    /// The application knows that the socket has closed.
    told: bool,
    /// The peer did not take what was sent in time.
    slow: bool,
    on_lost: Option<Call>,
    pub(super) memberships: Vec<MemberId>,
    pub(super) counts: Counts,
}

/// One WebSocket, on its shard's thread.
pub struct Socket {
    id: u64,
    pub(super) inner: RefCell<Inner>,
}

thread_local! {
    static LAST_ID: Cell<u64> = const { Cell::new(0) };
}

impl Socket {
    /// Makes a socket whose handshake has not been answered.
    pub(super) fn new(outbox_bytes_max: usize, deflate: Option<Agreed>) -> Rc<Self> {
        let id = LAST_ID.with(|last| {
            last.set(last.get() + 1);
            last.get()
        });
        let inner = Inner {
            state: State::Connecting,
            reason: None,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            outbox: Outbox::default(),
            outbox_bytes_max,
            deflate: deflate.map(Box::new),
            receivers: Vec::new(),
            last_receiver: 0,
            senders: Vec::new(),
            connection: None,
            attended: false,
            told: false,
            slow: false,
            on_lost: None,
            memberships: Vec::new(),
            counts: Counts::default(),
        };
        Rc::new(Self {
            id,
            inner: RefCell::new(inner),
        })
    }

    /// Names the socket among those of its shard, from 1.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The application accepts the handshake: what it sends from now on follows the answer.
    pub fn accept(&self) {
        self.inner.borrow_mut().state = State::Open;
    }

    /// The application refuses the handshake.
    pub fn refuse(&self) {
        self.inner.borrow_mut().state = State::Closed;
    }

    /// True until the application accepts or refuses.
    pub fn is_connecting(&self) -> bool {
        self.inner.borrow().state == State::Connecting
    }

    /// True between the answer to the handshake and the first close frame.
    pub fn is_open(&self) -> bool {
        self.inner.borrow().state == State::Open
    }

    /// The close code and reason, once the socket closes (RFC 6455 section 7.1.5).
    pub fn close_reason(&self) -> Option<(u16, String)> {
        self.inner.borrow().reason.clone()
    }

    /// True when the connection ended because the peer did not take what was sent.
    pub fn was_slow(&self) -> bool {
        self.inner.borrow().slow
    }

    /// What has passed so far.
    pub fn counts(&self) -> Counts {
        self.inner.borrow().counts
    }

    /// Takes the next message, if there is one.
    pub fn take(&self) -> Taken {
        let mut inner = self.inner.borrow_mut();
        let was_full = inner.is_inbox_full();
        let Some(message) = inner.inbox.pop_front() else {
            if matches!(inner.state, State::Closing | State::Closed) {
                inner.told = true;
                return Taken::Closed;
            }
            return Taken::Empty;
        };
        inner.inbox_bytes -= message.payload.len();
        inner.counts.messages_received += 1;
        inner.counts.bytes_received += message.payload.len() as u64;
        if was_full {
            wake_connection(inner);
        }
        Taken::Message(message)
    }

    /// Calls `receiver` once, when [`Self::take`] has something new to say; its name for
    /// [`Self::withdraw`].
    pub fn notify(&self, receiver: Box<dyn FnOnce()>) -> u64 {
        let mut inner = self.inner.borrow_mut();
        inner.last_receiver += 1;
        let name = inner.last_receiver;
        inner.receivers.push((name, receiver));
        name
    }

    /// Forgets a receiver that has not been called.
    pub fn withdraw(&self, name: u64) {
        let mut inner = self.inner.borrow_mut();
        let at = inner.receivers.iter().position(|(known, _)| *known == name);
        let forgotten = at.map(|at| inner.receivers.remove(at));
        drop(inner);
        drop(forgotten);
    }

    /// Queues a message. One that is queued is sent unless the connection ends first.
    pub fn send(&self, kind: MessageKind, payload: &[u8]) -> Sent {
        let mut inner = self.inner.borrow_mut();
        if inner.state != State::Open {
            inner.told = true;
            return Sent::Closed;
        }
        inner.counts.messages_sent += 1;
        inner.counts.bytes_sent += payload.len() as u64;
        inner.push_message(self.id, kind, payload);
        let full = inner.outbox.is_full(inner.outbox_bytes_max);
        wake_connection(inner);
        if full { Sent::Full } else { Sent::Queued }
    }

    /// Calls `sender` once, when there is room again or the socket closes.
    pub fn on_room(&self, sender: Box<dyn FnOnce()>) {
        self.inner.borrow_mut().senders.push(sender);
    }

    /// Sends a ping of up to 125 bytes (RFC 6455 section 5.5.2).
    pub fn ping(&self, payload: &[u8]) -> Sent {
        self.send_control(Opcode::Ping, payload)
    }

    /// Sends a pong that answers no ping (RFC 6455 section 5.5.3).
    pub fn pong(&self, payload: &[u8]) -> Sent {
        self.send_control(Opcode::Pong, payload)
    }

    fn send_control(&self, opcode: Opcode, payload: &[u8]) -> Sent {
        let mut inner = self.inner.borrow_mut();
        if inner.state != State::Open {
            return Sent::Closed;
        }
        inner
            .outbox
            .push(|out| encode_frame(opcode, false, payload, out));
        let full = inner.outbox.is_full(inner.outbox_bytes_max);
        wake_connection(inner);
        if full { Sent::Full } else { Sent::Queued }
    }

    /// Begins the closing handshake (RFC 6455 section 7.1.2), behind what is queued.
    pub fn close(&self, code: u16, reason: &str) {
        let mut inner = self.inner.borrow_mut();
        if inner.state == State::Open {
            inner.close(code, reason);
            wake_connection(inner);
        }
    }

    /// Calls `lost` once if the connection has ended and the application does not notice.
    pub fn on_lost(&self, lost: Box<dyn FnOnce()>) {
        self.inner.borrow_mut().on_lost = Some(lost);
    }

    /// Nobody uses the socket any more: forgets whom it would call.
    pub fn detach(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.told = true;
        let forgotten = (
            std::mem::take(&mut inner.receivers),
            std::mem::take(&mut inner.senders),
            inner.on_lost.take(),
        );
        drop(inner);
        drop(forgotten);
    }
}

/// For the task that serves the connection.
impl Socket {
    /// What has been agreed on of compression, and what the peer is told of that.
    pub(super) fn deflate(&self) -> Option<(DeflateParams, String)> {
        let inner = self.inner.borrow();
        let agreed = inner.deflate.as_ref()?;
        Some((agreed.params, agreed.answer.clone()))
    }

    pub(super) fn has_output(&self) -> bool {
        !self.inner.borrow().outbox.is_empty()
    }

    pub(super) fn state(&self) -> State {
        self.inner.borrow().state
    }

    /// The connection's task looks after the socket until [`Self::rest`].
    pub(super) fn attend(&self, waker: &Waker) {
        let mut inner = self.inner.borrow_mut();
        inner.attended = true;
        if !inner
            .connection
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            inner.connection = Some(waker.clone());
        }
    }

    pub(super) fn rest(&self) {
        self.inner.borrow_mut().attended = false;
    }

    /// True while more should be received: for the application, and answers to pings.
    pub(super) fn wants_more(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.is_inbox_full() && !inner.outbox.is_full(inner.outbox_bytes_max)
    }

    /// Adds a message that has come.
    pub(super) fn push(&self, message: Message) {
        let mut inner = self.inner.borrow_mut();
        if inner.state == State::Open {
            inner.inbox_bytes += message.payload.len();
            inner.inbox.push_back(message);
        }
    }

    /// Answers a ping.
    pub(super) fn answer_ping(&self, payload: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        if inner.state == State::Open {
            inner
                .outbox
                .push(|out| encode_frame(Opcode::Pong, false, payload, out));
        }
    }

    /// The peer has closed: answers with its own code (RFC 6455 section 5.5.1).
    pub(super) fn peer_closed(&self, code: u16, reason: String) {
        let mut inner = self.inner.borrow_mut();
        if inner.state == State::Open {
            inner.outbox.push(|out| encode_close(code, "", out));
            inner.reason = Some((code, reason));
        }
        inner.state = State::Closed;
    }

    /// The peer broke the protocol: it is told, and nothing more is expected from it.
    pub(super) fn fail(&self, code: u16, reason: &str) {
        self.close(code, reason);
        self.inner.borrow_mut().state = State::Closed;
    }

    /// Calls whoever waits for a message if there is one, or the end.
    pub(super) fn tell(&self) {
        let mut inner = self.inner.borrow_mut();
        let ended = matches!(inner.state, State::Closing | State::Closed);
        if inner.receivers.is_empty() || (inner.inbox.is_empty() && !ended) {
            return;
        }
        let receivers = std::mem::take(&mut inner.receivers);
        drop(inner);
        receivers.into_iter().for_each(|(_, receiver)| receiver());
    }

    /// Moves what is to be sent into `out`, up to `bytes_max`.
    pub(super) fn fill(&self, out: &mut Vec<u8>, bytes_max: usize) {
        let mut inner = self.inner.borrow_mut();
        inner.outbox.fill(out, bytes_max);
        if inner.senders.is_empty() || !inner.outbox.has_room(inner.outbox_bytes_max) {
            return;
        }
        let senders = std::mem::take(&mut inner.senders);
        drop(inner);
        senders.into_iter().for_each(|sender| sender());
    }

    /// The connection is gone. `true` when the application has not been told and has to be.
    pub(super) fn end(&self, slow: bool) -> bool {
        let mut inner = self.inner.borrow_mut();
        inner.state = State::Closed;
        inner.slow |= slow;
        inner.reason.get_or_insert((ABNORMAL_CLOSE, String::new()));
        inner.connection = None;
        inner.outbox.clear();
        if let Some(agreed) = inner.deflate.take() {
            agreed.codec.borrow_mut().forget(self.id);
        }
        let receivers = std::mem::take(&mut inner.receivers);
        let senders = std::mem::take(&mut inner.senders);
        drop(inner);
        self.leave_all();
        receivers.into_iter().for_each(|(_, receiver)| receiver());
        senders.into_iter().for_each(|sender| sender());
        let inner = self.inner.borrow();
        !inner.told && inner.on_lost.is_some()
    }

    /// Calls who wanted to know of the connection's end, unless they have noticed.
    pub(super) fn abandon(&self) {
        let mut inner = self.inner.borrow_mut();
        let lost = inner.on_lost.take().filter(|_| !inner.told);
        drop(inner);
        if let Some(lost) = lost {
            lost();
        }
    }
}

impl Inner {
    fn is_inbox_full(&self) -> bool {
        self.inbox.len() >= INBOX_MESSAGES_MAX || self.inbox_bytes >= INBOX_BYTES_MAX
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.outbox.push(|out| encode_close(code, reason, out));
        self.state = State::Closing;
        self.reason = Some((code, reason.to_owned()));
    }

    /// Closes at once: what the peer has not taken is thrown away.
    pub(super) fn give_up(&mut self, code: u16, reason: &str) {
        self.outbox.clear();
        self.slow = true;
        self.close(code, reason);
    }

    fn push_message(&mut self, id: u64, kind: MessageKind, payload: &[u8]) {
        let opcode = opcode_of(kind);
        let Some(agreed) = self
            .deflate
            .as_ref()
            .filter(|_| payload.len() >= DEFLATE_BYTES_MIN)
        else {
            self.outbox
                .push(|out| encode_frame(opcode, false, payload, out));
            return;
        };
        let mut packed = Vec::new();
        agreed
            .codec
            .borrow_mut()
            .compress(id, &agreed.params, payload, &mut packed);
        self.outbox
            .push(|out| encode_frame(opcode, true, &packed, out));
    }
}

/// The opcode that a message begins with.
pub(super) fn opcode_of(kind: MessageKind) -> Opcode {
    match kind {
        MessageKind::Text => Opcode::Text,
        MessageKind::Binary => Opcode::Binary,
    }
}

/// Lets the connection's task look at the socket, unless it does.
pub(super) fn wake_connection(mut inner: RefMut<'_, Inner>) {
    if inner.attended {
        return;
    }
    if let Some(waker) = inner.connection.take() {
        drop(inner);
        crate::reactor::wake(waker);
    }
}

//! The buffers a connection needs while it is busy, pooled so that an idle one owns none.

use crate::exchange::HeadAt;
use protocols::http1::RequestHead;
use std::cell::RefCell;

/// What one receive may bring, and the size of a fresh receive buffer, in bytes.
const RECEIVE_BYTES: usize = 16 * 1024;
/// What one receive may bring from a peer that has sent more than that at once, in bytes: each
/// receive has its price, and mostly another acknowledgement.
const RECEIVE_MORE_BYTES: usize = 64 * 1024;
/// A buffer that grew past this is freed rather than pooled, in bytes.
const POOLED_BYTES_MAX: usize = 64 * 1024;
/// Most workspaces kept for reuse; more are freed.
const POOLED_MAX: usize = 256;

/// Received bytes that wait to be parsed: consumed from the front, filled at the back.
pub(crate) struct ReceiveBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last receive has left no room.
    was_filled: bool,
}

impl ReceiveBuffer {
    fn new() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BYTES],
            start: 0,
            end: 0,
            was_filled: false,
        }
    }

    /// The bytes that wait.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets `count` bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room for the next receive. It grows while a head or a body needs it to, and once for a peer
    /// that fills it.
    pub(crate) fn spare(&mut self) -> &mut [u8] {
        if self.was_filled && self.is_empty() && self.bytes.len() < RECEIVE_MORE_BYTES {
            self.bytes = vec![0; RECEIVE_MORE_BYTES];
        }
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                let doubled = self.bytes.len() * 2;
                self.bytes.resize(doubled, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Counts in what was received into [`Self::spare`].
    pub(crate) fn received(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
        self.was_filled = self.end == self.bytes.len();
    }
}

/// Everything a busy connection works on.
pub(crate) struct Workspace {
    pub(crate) head: RequestHead,
    /// Where the bytes of `head` are; `None` while it is not complete.
    pub(crate) head_at: Option<HeadAt>,
    pub(crate) input: ReceiveBuffer,
    /// Answers that wait for the next write.
    pub(crate) output: Vec<u8>,
    /// A head that its body has overtaken, or whose answer takes time.
    pub(crate) saved: Vec<u8>,
    /// A body that was collected from several receives.
    pub(crate) body: Vec<u8>,
    /// The decoded path of the request, when decoding changed it.
    pub(crate) path: String,
}

impl Workspace {
    fn new() -> Self {
        Self {
            head: RequestHead::default(),
            head_at: None,
            input: ReceiveBuffer::new(),
            output: Vec::with_capacity(4 * 1024),
            saved: Vec::new(),
            body: Vec::new(),
            path: String::new(),
        }
    }

    fn reset(&mut self) {
        self.head.clear();
        self.head_at = None;
        self.input.start = 0;
        self.input.end = 0;
        self.input.was_filled = false;
        self.output.clear();
        for buffer in [&mut self.body, &mut self.saved] {
            buffer.clear();
            if buffer.capacity() > POOLED_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
    }

    fn worth_keeping(&self) -> bool {
        self.input.bytes.len() <= POOLED_BYTES_MAX && self.output.capacity() <= POOLED_BYTES_MAX
    }
}

/// Workspaces of one shard that nobody uses just now.
#[derive(Default)]
pub(crate) struct WorkspacePool {
    #[expect(
        clippy::vec_box,
        reason = "a connection holds the box: it is passed on as it is"
    )]
    free: RefCell<Vec<Box<Workspace>>>,
}

impl WorkspacePool {
    /// The one that was given back last: its memory is the warmest.
    pub(crate) fn take(&self) -> Box<Workspace> {
        self.free
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Box::new(Workspace::new()))
    }

    pub(crate) fn give_back(&self, mut workspace: Box<Workspace>) {
        let mut free = self.free.borrow_mut();
        if free.len() < POOLED_MAX && workspace.worth_keeping() {
            workspace.reset();
            free.push(workspace);
        }
    }
}

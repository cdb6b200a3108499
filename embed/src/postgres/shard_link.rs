//! The reactor's task that serves one connection in a shard.

use super::core::{Core, locked};
use super::receive::Looked;
use pyo3::prelude::*;
use runtime::postgres::Line;
use std::future::poll_fn;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

/// What is asked of the task.
#[derive(Default)]
pub(crate) struct ShardLink {
    flush: AtomicBool,
    paused: AtomicBool,
    ended: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl ShardLink {
    /// Starts the task.
    ///
    /// # Errors
    /// When the descriptor cannot be duplicated.
    pub(crate) fn attach(self: &Arc<Self>, core: &Arc<Core>, fd: RawFd) -> PyResult<()> {
        // SAFETY: the connection's wire owns the descriptor and is alive here; it is duplicated.
        let socket = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
        let task = Task {
            core: Arc::downgrade(core),
            link: self.clone(),
        };
        runtime::enqueue(move || runtime::spawn(task.run(socket)));
        Ok(())
    }

    pub(crate) fn request_flush(&self) {
        self.flush.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        self.wake();
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        let waker = locked(&self.waker).take();
        if let Some(waker) = waker {
            runtime::wake(waker);
        }
    }
}

struct Task {
    core: Weak<Core>,
    link: Arc<ShardLink>,
}

impl Task {
    async fn run(self, socket: std::os::fd::OwnedFd) {
        let mut line = Line::new(socket);
        loop {
            match poll_fn(|cx| self.poll(cx, &mut line)).await {
                Looked::Ended => return,
                // Many rows must not keep the others waiting.
                Looked::More => runtime::yield_if_late().await,
                Looked::Empty => {}
            }
        }
    }

    fn poll(&self, cx: &mut Context<'_>, line: &mut Line) -> Poll<Looked> {
        let core = match self.core.upgrade() {
            Some(core) if !self.link.ended.load(Ordering::Relaxed) => core,
            _ => return Poll::Ready(Looked::Ended),
        };
        *locked(&self.link.waker) = Some(cx.waker().clone());
        // What the socket did not take goes on when there is room, and that wakes us.
        if self.link.flush.swap(false, Ordering::Relaxed) || core.link.is_writing() {
            core.link.begin_flush();
            Python::attach(|py| core.flush_with(py, |wire| line.flush(cx, wire)));
        }
        if self.link.paused.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        match core.look(|wire| line.receive(cx, wire)) {
            Looked::Empty => Poll::Pending,
            looked => Poll::Ready(looked),
        }
    }
}

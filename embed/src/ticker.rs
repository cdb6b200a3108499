//! Resumes tasks that gave way (`await asyncio.sleep(0)`) in the reactor's next turn.

use crate::request_task::{RequestTask, Resume};
use pyo3::prelude::*;
use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

struct Soon {
    task: Py<RequestTask>,
    error: Option<PyErr>,
}

#[derive(Default)]
struct Ticker {
    soon: Vec<Soon>,
    waker: Option<Waker>,
}

thread_local! {
    static TICKER: RefCell<Ticker> = RefCell::default();
}

/// Resumes `task` once every socket that is ready has been looked at.
pub(crate) fn resume_soon(task: Py<RequestTask>, error: Option<PyErr>) {
    let waker = TICKER.with(|ticker| {
        let mut ticker = ticker.borrow_mut();
        ticker.soon.push(Soon { task, error });
        ticker.waker.take()
    });
    if let Some(waker) = waker {
        runtime::wake(waker);
    }
}

/// Forgets the tasks of a reactor that has ended.
pub(crate) fn reset() {
    let forgotten = TICKER.with(RefCell::take);
    drop(forgotten);
}

/// Runs for as long as the shard does.
pub(crate) async fn run() {
    loop {
        poll_fn(|cx| {
            TICKER.with(|ticker| {
                let mut ticker = ticker.borrow_mut();
                if !ticker.soon.is_empty() {
                    return Poll::Ready(());
                }
                ticker.waker = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await;
        // Without this, tasks that only give way to each other would keep the sockets waiting.
        runtime::yield_now().await;
        let batch = TICKER.with(|ticker| std::mem::take(&mut ticker.borrow_mut().soon));
        Python::attach(|py| {
            for Soon { task, error } in batch {
                RequestTask::run(task.bind(py), error.map_or(Resume::Send, Resume::Throw));
            }
            if let Ok(event_loop) = crate::event_loop::EventLoop::current() {
                event_loop.after_python(py);
            }
        });
    }
}

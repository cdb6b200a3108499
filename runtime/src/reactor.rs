//! One io_uring reactor, run in turns so that an outer event loop can own the thread.

use crate::error::Error;
use crate::stream::Readiness;
use futures_lite::FutureExt;
use glommio::nop::NopSubmitter;
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// When glommio would leave tasks that are ready, to look at its rings: practically never. If that
/// moment came before the first of them had run, its executor would go to sleep with them
/// (0.9, `run_task_queues` returns false then), and with the shard. [`yield_now`] sees to it that
/// tasks which go on and on give way.
const PREEMPT_AFTER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Entries of each submission ring.
const RING_ENTRIES: usize = 256;
/// Locked memory for file reads with O_DIRECT, in bytes: none are made, glommio wants some.
const DIRECT_IO_BYTES: usize = 64 * 1024;

/// Why [`Reactor::turn`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The watched descriptor is readable.
    Readable,
    /// Somebody called [`interrupt`].
    Interrupted,
    /// The timeout passed.
    TimedOut,
}

/// What code on this thread may ask of the reactor without holding it.
#[derive(Default)]
struct Local {
    running: Cell<bool>,
    interrupted: Cell<bool>,
    turn: RefCell<Option<Waker>>,
    /// Wakers called between turns: glommio would take each for a call from another thread.
    deferred: RefCell<Vec<Waker>>,
    /// Tasks that end with the reactor. A thread that ends without [`Reactor::end`] leaves them:
    /// glommio cannot cancel a task outside of a turn.
    residents: RefCell<Vec<ManuallyDrop<glommio::Task<()>>>>,
    /// What was asked for between turns and needs one.
    commands: RefCell<Vec<Box<dyn FnOnce()>>>,
}

thread_local! {
    static LOCAL: Local = Local::default();
}

/// Makes the turn that runs now (or the next one) come back as soon as its tasks have run.
pub fn interrupt() {
    LOCAL.with(|local| {
        local.interrupted.set(true);
        if local.running.get()
            && let Some(waker) = local.turn.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    });
}

/// True while a turn runs on this thread; only then may tasks be spawned.
pub fn is_running() -> bool {
    LOCAL.with(|local| local.running.get())
}

/// Wakes a task of this thread's reactor, now or at the start of the next turn.
pub fn wake(waker: Waker) {
    LOCAL.with(|local| {
        if local.running.get() {
            waker.wake();
        } else {
            local.deferred.borrow_mut().push(waker);
        }
    });
}

/// Runs `command` inside a turn: now if one runs, else when the next begins.
pub fn enqueue(command: impl FnOnce() + 'static) {
    if is_running() {
        command();
    } else {
        LOCAL.with(|local| local.commands.borrow_mut().push(Box::new(command)));
    }
}

/// Waits for `duration`.
pub async fn sleep(duration: Duration) {
    glommio::timer::sleep(duration).await;
}

/// Spawns a task on the running reactor.
///
/// # Panics
/// Outside of a turn.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    glommio::spawn_local(task).detach();
}

/// Spawns a task that runs until [`Reactor::end`].
///
/// # Panics
/// Outside of a turn.
pub fn spawn_resident(task: impl Future<Output = ()> + 'static) {
    let task = glommio::spawn_local(task);
    LOCAL.with(|local| local.residents.borrow_mut().push(ManuallyDrop::new(task)));
}

/// Lets every other ready task run, and the reactor look at its sockets once.
///
/// It waits for an operation that does nothing: its completion comes with those of the sockets,
/// and only when no task is ready any more. A task that merely wakes itself would be run again
/// before the rings are looked at.
pub async fn yield_now() {
    // Where the ring refuses it there is no reason to wait.
    let _ = NopSubmitter::new().run_nop().await;
}

/// Lets others run if this task has run for long. Costs nothing when it has not.
pub async fn yield_if_late() {
    glommio::yield_if_needed().await;
}

/// A reactor on the thread that made it.
pub struct Reactor {
    executor: LocalExecutor,
    watched: OwnedFd,
    readiness: RefCell<Option<Readiness>>,
}

impl Reactor {
    /// Makes the reactor; turns also end when `watched` becomes readable.
    ///
    /// # Errors
    /// [`Error::Reactor`] when the kernel gives no io_uring.
    pub fn new(watched: BorrowedFd<'_>) -> Result<Self, Error> {
        let build = || {
            LocalExecutorBuilder::new(Placement::Unbound)
                .name("shard")
                .ring_depth(RING_ENTRIES)
                .io_memory(DIRECT_IO_BYTES)
                .preempt_timer(PREEMPT_AFTER)
                .make()
        };
        // glommio asserts where io_uring is missing.
        let executor = std::panic::catch_unwind(AssertUnwindSafe(build))
            .map_err(|_| Error::Reactor(std::io::ErrorKind::Unsupported.into()))?
            .map_err(|error| Error::Reactor(error.into()))?;
        Ok(Self {
            executor,
            watched: watched.try_clone_to_owned()?,
            readiness: RefCell::new(None),
        })
    }

    /// Runs tasks until the timeout, the watched descriptor or [`interrupt`] ends the turn.
    ///
    /// A zero timeout runs every task that is ready once.
    pub fn turn(&self, timeout: Option<Duration>) -> Turn {
        let _running = RunningGuard::enter();
        self.executor.run(async {
            LOCAL
                .with(|local| local.deferred.take())
                .into_iter()
                .for_each(Waker::wake);
            for command in LOCAL.with(|local| local.commands.take()) {
                command();
            }
            match timeout {
                Some(Duration::ZERO) => self.poll_once().await,
                Some(after) => {
                    let timer = async {
                        glommio::timer::sleep(after).await;
                        Turn::TimedOut
                    };
                    self.wait().or(timer).await
                }
                None => self.wait().await,
            }
        })
    }

    /// Ends the resident tasks, and lets those end that have nothing to wait for any more: what
    /// is not over when the reactor is dropped is never freed.
    pub fn end(self) {
        let _running = RunningGuard::enter();
        self.executor.run(async {
            for waker in LOCAL.with(|local| local.deferred.take()) {
                waker.wake();
            }
            for command in LOCAL.with(|local| local.commands.take()) {
                command();
            }
            for resident in LOCAL.with(|local| local.residents.take()) {
                ManuallyDrop::into_inner(resident).cancel().await;
            }
            yield_now().await;
            self.readiness.take();
            yield_now().await;
        });
    }

    async fn wait(&self) -> Turn {
        poll_fn(|cx| {
            if LOCAL.with(|local| local.interrupted.replace(false)) {
                return Poll::Ready(Turn::Interrupted);
            }
            LOCAL.with(|local| local.turn.replace(Some(cx.waker().clone())));
            self.poll_watched(cx)
        })
        .await
    }

    async fn poll_once(&self) -> Turn {
        yield_now().await;
        LOCAL.with(|local| local.interrupted.set(false));
        poll_fn(|cx| match self.poll_watched(cx) {
            Poll::Ready(turn) => Poll::Ready(turn),
            Poll::Pending => Poll::Ready(Turn::TimedOut),
        })
        .await
    }

    fn poll_watched(&self, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut slot = self.readiness.borrow_mut();
        if slot.is_none() {
            match Readiness::of(self.watched.as_fd()) {
                Ok(readiness) => *slot = Some(readiness),
                Err(_) => return Poll::Ready(Turn::Readable),
            }
        }
        let Some(readiness) = slot.as_mut() else {
            return Poll::Pending;
        };
        if Pin::new(readiness).poll(cx).is_pending() {
            return Poll::Pending;
        }
        *slot = None;
        Poll::Ready(Turn::Readable)
    }
}

/// Marks the thread as inside a turn, also while it unwinds.
struct RunningGuard;

impl RunningGuard {
    fn enter() -> Self {
        LOCAL.with(|local| local.running.set(true));
        Self
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.running.set(false);
            local.turn.replace(None);
        });
    }
}

//! One core: accepts connections, serves each in a task of its own, drains.

use crate::access_log::AccessLog;
use crate::application::Application;
use crate::connection::Connection;
use crate::deadlines::{Deadlines, Entry, Phase, SWEEP_EVERY};
use crate::forwarded::TrustedProxies;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::middleware::Chain;
use crate::origin::Origin;
use crate::reactor;
use crate::router::Router;
use crate::stream::{Listener, Stream};
use crate::workspace::WorkspacePool;
use futures_lite::FutureExt;
use protocols::http1::{DateLine, HeadLimits};
use protocols::websocket::DeflateCodec;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// Most connections accepted before others get their turn.
const ACCEPT_BATCH: usize = 64;
/// How long accepting rests after an error such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a peer gets when too many connections are open.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\nretry-after: 1\r\n\r\n";

/// What a shard is made of.
pub struct ShardOptions<A> {
    /// Who answers.
    pub application: A,
    /// What is where.
    pub router: Router,
    /// The bounds.
    pub limits: Limits,
    /// Who keeps the access log, if anybody does.
    pub access_log: Option<AccessLog>,
    /// What stands around the application.
    pub middleware: Option<Chain>,
    /// Whose pages may open WebSockets, as `scheme://host[:port]`; empty: all.
    pub websocket_origins: Vec<String>,
    /// Whose word on the client is taken; `None`: nobody's, not that of a Unix socket's peers.
    pub proxies: Option<TrustedProxies>,
}

/// The timeouts of [`Limits`] in the sweep's unit.
pub(crate) struct Times {
    pub(crate) header_ms: u64,
    pub(crate) body_ms: u64,
    /// `None`: handlers take as long as they take.
    pub(crate) answer_ms: Option<u64>,
    pub(crate) keep_alive_ms: u64,
    pub(crate) send_ms: u64,
    /// `None`: no peer is pinged.
    pub(crate) websocket_ping_ms: Option<u64>,
    pub(crate) websocket_pong_ms: u64,
    pub(crate) websocket_close_ms: u64,
}

/// Why a shard drains, which decides what WebSockets are told (RFC 6455 section 7.4.1 and the
/// registry it began).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// The server ends: 1001.
    Stop,
    /// Others serve on, and the peer should come again: 1012.
    Reload,
}

/// What every connection of a shard shares.
pub(crate) struct Shared<A> {
    pub(crate) application: A,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) head_limits: HeadLimits,
    pub(crate) times: Times,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) middleware: Option<Chain>,
    pub(crate) websocket_origins: Vec<String>,
    pub(crate) deflate: Rc<RefCell<DeflateCodec>>,
    proxies: Option<Arc<TrustedProxies>>,
    pub(crate) deadlines: Deadlines,
    pub(crate) metrics: Metrics,
    pub(crate) pool: WorkspacePool,
    pub(crate) date: RefCell<DateLine>,
    draining: Cell<Option<Drain>>,
    sweeping: Cell<bool>,
    /// Wakes whoever waits for the last connection to close.
    drained: RefCell<Vec<Waker>>,
    /// Wakes whoever waits for the drain to begin.
    drain_begins: RefCell<Vec<Waker>>,
}

impl<A> Shared<A> {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    /// The close code of a draining shard.
    pub(crate) fn going_away(&self) -> u16 {
        match self.draining.get() {
            Some(Drain::Reload) => 1012,
            Some(Drain::Stop) | None => 1001,
        }
    }

    pub(crate) fn wait_for(&self, entry: &Entry, phase: Phase, limit_ms: Option<u64>) {
        self.deadlines.wait_for(entry, phase, limit_ms);
    }

    pub(crate) fn connection_closed(&self) {
        self.deadlines.leave();
        if self.metrics.connections_open.get() == 0 {
            self.drained.take().into_iter().for_each(reactor::wake);
        }
    }

    /// Resolves when the shard is told to drain.
    async fn drain_begun(&self) {
        until(&self.drain_begins, || self.is_draining()).await;
    }

    /// Resolves when no connection is open.
    async fn emptied(&self) {
        until(&self.drained, || self.metrics.connections_open.get() == 0).await;
    }
}

/// Resolves when it is so; looks again when `wakers` are woken.
async fn until(wakers: &RefCell<Vec<Waker>>, is_so: impl Fn() -> bool) {
    poll_fn(|cx| {
        if is_so() {
            return Poll::Ready(());
        }
        register(wakers, cx.waker());
        Poll::Pending
    })
    .await;
}

/// A shard that serves, seen from outside.
pub struct Shard<A: Application> {
    shared: Rc<Shared<A>>,
}

impl<A: Application> Clone for Shard<A> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<A: Application> Shard<A> {
    /// Makes a shard that does not accept yet.
    pub fn new(options: ShardOptions<A>) -> Self {
        let ShardOptions {
            application,
            router,
            limits,
            access_log,
            middleware,
            websocket_origins,
            proxies,
        } = options;
        let ms = |seconds: f64| {
            Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |d| {
                u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
            })
        };
        let shared = Shared {
            head_limits: HeadLimits {
                head_bytes_max: limits.head_bytes_max,
                fields_max: limits.head_fields_max,
                request_line_bytes_max: limits.request_line_bytes_max,
            },
            times: Times {
                header_ms: ms(limits.header_timeout_s),
                body_ms: ms(limits.body_timeout_s),
                answer_ms: Some(ms(limits.answer_timeout_s)).filter(|ms| *ms > 0),
                keep_alive_ms: ms(limits.keep_alive_timeout_s),
                send_ms: ms(limits.send_timeout_s),
                websocket_ping_ms: Some(ms(limits.websocket_ping_interval_s)).filter(|ms| *ms > 0),
                websocket_pong_ms: ms(limits.websocket_ping_timeout_s),
                websocket_close_ms: ms(limits.websocket_close_timeout_s),
            },
            application,
            router,
            limits,
            access_log,
            middleware,
            websocket_origins,
            deflate: Rc::new(RefCell::new(DeflateCodec::new())),
            proxies: proxies.map(Arc::new),
            deadlines: Deadlines::new(),
            metrics: Metrics::default(),
            pool: WorkspacePool::default(),
            date: RefCell::new(DateLine::new()),
            draining: Cell::new(None),
            sweeping: Cell::new(false),
            drained: RefCell::default(),
            drain_begins: RefCell::default(),
        };
        Self {
            shared: Rc::new(shared),
        }
    }

    /// Accepts from `listener` until the shard drains.
    pub async fn accept_from(self, listener: Listener) {
        let shared = &self.shared;
        while !shared.is_draining() {
            match self.accept_batch(&listener) {
                Ok(true) => reactor::yield_now().await,
                Ok(false) => {
                    let ready = async {
                        if listener.readable().await.is_err() {
                            // No descriptor is left to wait with.
                            reactor::sleep(ACCEPT_PAUSE).await;
                        }
                    };
                    ready.or(shared.drain_begun()).await;
                }
                Err(_) => reactor::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    /// Accepts what waits, up to a batch; true when more may wait.
    fn accept_batch(&self, listener: &Listener) -> std::io::Result<bool> {
        for _ in 0..ACCEPT_BATCH {
            match listener.accept() {
                Ok(Some(socket)) => {
                    let mut origin = listener.origin_of(&socket);
                    let proxies = self.shared.proxies.as_ref();
                    origin.proxies = proxies
                        .filter(|proxies| proxies.trusts_peer(&origin.peer))
                        .cloned();
                    self.open(socket, origin);
                }
                Ok(None) => return Ok(false),
                // The peer gave up while it waited in the queue.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Serves a connected, non-blocking stream socket as if it had been accepted; for callers
    /// inside the reactor.
    pub fn open(&self, socket: OwnedFd, origin: Origin) {
        let shared = &self.shared;
        let open = &shared.metrics.connections_open;
        if open.get() as usize >= shared.limits.connections_max {
            Metrics::add(&shared.metrics.connections_refused);
            turn_away(&socket);
            return;
        }
        Metrics::add(&shared.metrics.connections_accepted);
        open.set(open.get() + 1);
        if !shared.sweeping.replace(true) {
            shared.deadlines.tick();
            reactor::spawn(sweep(shared.clone()));
        }
        let entry = shared.deadlines.enter();
        let connection = Connection::new(Stream::new(socket), origin, shared.clone(), entry);
        let shared = shared.clone();
        reactor::spawn(async move {
            let served = AssertUnwindSafe(connection.serve()).catch_unwind().await;
            if served.is_err() {
                Metrics::add(&shared.metrics.panics);
            }
        });
    }

    /// Stops accepting, closes idle connections and WebSockets, ends event streams, and tells the
    /// others that their next answer is the last.
    pub fn start_drain(&self, reason: Drain) {
        self.shared.draining.set(Some(reason));
        self.shared
            .drain_begins
            .take()
            .into_iter()
            .for_each(reactor::wake);
        self.shared.deadlines.drain_idle();
        self.shared.deadlines.drain_event_streams();
    }

    /// Resolves when no connection is open.
    pub async fn drained(&self) {
        self.shared.emptied().await;
    }

    /// What the shard has counted.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Who answers.
    pub fn application(&self) -> &A {
        &self.shared.application
    }
}

/// Adds a task to those that are to be woken, once.
fn register(wakers: &RefCell<Vec<Waker>>, waker: &Waker) {
    let mut wakers = wakers.borrow_mut();
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

/// Refuses a connection at no more cost than a few calls: best effort, for there are too many.
fn turn_away(socket: &OwnedFd) {
    let _ = nix::unistd::write(socket, REFUSAL);
    // A request left unread would turn the close into a reset, which can overtake the refusal.
    let mut request = [0; 4 * 1024];
    let _ = nix::unistd::read(socket, &mut request);
}

/// Sweeps deadlines while anybody is connected, then ends; at once after a drain, for the reactor
/// may end then, too.
async fn sweep<A: Application>(shared: Rc<Shared<A>>) {
    while shared.metrics.connections_open.get() > 0 {
        let over = async {
            shared.drain_begun().await;
            shared.emptied().await;
        };
        reactor::sleep(SWEEP_EVERY).or(over).await;
        shared.deadlines.sweep();
        if shared.is_draining() {
            shared.deadlines.drain_idle();
        }
    }
    shared.sweeping.set(false);
}

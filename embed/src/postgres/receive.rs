//! What comes from the server: frame by frame to the operation it answers.

use super::awaitable::PgOperation;
use super::core::{Core, locked};
use super::errors;
use super::operation::{Flow, Operation, Work};
use super::tls;
use crate::event_loop::EventLoop;
use bytes::BytesMut;
use pyo3::prelude::*;
use runtime::postgres::{Received, Wire};
use runtime::protocols::Error;
use runtime::protocols::Parsed;
use runtime::protocols::postgres::{
    ErrorFields, Message, TransactionStatus, frontend, parse_frame, tag,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a look at the socket came to.
pub(crate) enum Looked {
    /// There may be more.
    More,
    /// The socket is empty, or somebody else holds the wire.
    Empty,
    /// The connection has ended.
    Ended,
}

impl Core {
    /// Reads what the socket has and answers whom it concerns; for asyncio's loops.
    pub(crate) fn on_readable(self: &Arc<Self>, py: Python<'_>) {
        let looked = {
            let Ok(mut wire) = self.wire.try_lock() else {
                return;
            };
            let received = wire.receive();
            self.received(py, &mut wire, received, false)
        };
        self.settle(py, looked);
    }

    /// The same in the reactor, where no Python code runs below us: it is only called when
    /// something has come.
    pub(crate) fn look(
        self: &Arc<Self>,
        receive: impl FnOnce(&mut Wire) -> io::Result<Received>,
    ) -> Looked {
        let Ok(mut wire) = self.wire.try_lock() else {
            return Looked::Empty;
        };
        let received = receive(&mut wire);
        if let Ok(Received::WouldBlock) = received {
            return Looked::Empty;
        }
        Python::attach(|py| {
            let looked = self.received(py, &mut wire, received, true);
            drop(wire);
            let looked = self.settle(py, looked);
            if let Ok(event_loop) = EventLoop::current() {
                event_loop.after_python(py);
            }
            looked
        })
    }

    fn received(
        self: &Arc<Self>,
        py: Python<'_>,
        wire: &mut Wire,
        received: io::Result<Received>,
        is_now: bool,
    ) -> (Looked, Option<PyErr>) {
        match received {
            Ok(Received::Bytes) => match self.take(py, wire, is_now) {
                Ok(()) if wire.has_ended() => {
                    let end = wire.receive();
                    self.received(py, wire, end, is_now)
                }
                taken => (Looked::More, taken.err()),
            },
            Ok(Received::WouldBlock) => (Looked::Empty, None),
            Ok(Received::Closed) => (Looked::Ended, None),
            Err(error) => {
                // TLS may want to tell the server why.
                let _ = wire.flush();
                (Looked::Ended, Some(tls::failure(py, &error)))
            }
        }
    }

    /// After a look: sends what was asked for meanwhile, or ends the connection.
    fn settle(
        self: &Arc<Self>,
        py: Python<'_>,
        (looked, problem): (Looked, Option<PyErr>),
    ) -> Looked {
        if let Some(problem) = problem {
            let last_words = locked(&self.session).last_words.take();
            self.fail(py, Some(last_words.unwrap_or(problem)));
            return Looked::Ended;
        }
        if matches!(looked, Looked::Ended) {
            let last_words = locked(&self.session).last_words.take();
            self.fail(py, last_words);
            return looked;
        }
        if self.is_closed() {
            self.shut_down();
            return Looked::Ended;
        }
        self.flush(py);
        self.look_at_handshake(py, false);
        looked
    }

    /// Takes every whole frame that has come.
    fn take(self: &Arc<Self>, py: Python<'_>, wire: &mut Wire, is_now: bool) -> PyResult<()> {
        let mut current = self.next_operation(py);
        let mut used = 0;
        let bytes = wire.input();
        let taken = loop {
            let rest = &bytes[used..];
            let frame = match parse_frame(rest, self.message_bytes_max) {
                Ok(Parsed::Complete {
                    value,
                    used: length,
                }) => {
                    used += length;
                    value
                }
                Ok(Parsed::Incomplete) => break Ok(()),
                Err(error) => break Err(broken(py, error)),
            };
            let body = frame.body.of(rest);
            let handled = self.frame(py, &mut current, frame.tag, body, is_now);
            if let Err(error) = handled {
                break Err(error);
            }
            if self.is_closed() {
                break Ok(());
            }
        };
        wire.consume(used);
        match current {
            Some(current) if self.is_closed() => {
                let error = match current.error {
                    Some(own) => errors::lost(py, own),
                    None => errors::closed(py, "connection was closed in the middle of operation"),
                };
                PgOperation::finish(current.owner.bind(py), Err(error), false);
            }
            Some(current) => locked(&self.queue).push_front(current),
            None => {}
        }
        taken
    }

    /// The operation that the next message answers.
    fn next_operation(self: &Arc<Self>, py: Python<'_>) -> Option<Operation> {
        let mut next = locked(&self.queue).pop_front()?;
        if next.owner.get().is_abandoned() {
            if let Work::Rows(rows) = &mut next.work {
                rows.drop_rest();
            }
            self.watch_head(py);
        }
        Some(next)
    }

    fn frame(
        self: &Arc<Self>,
        py: Python<'_>,
        current: &mut Option<Operation>,
        kind: u8,
        body: &[u8],
        is_now: bool,
    ) -> PyResult<()> {
        match kind {
            tag::READY_FOR_QUERY => return self.ready(py, current, body, is_now),
            tag::NOTICE_RESPONSE => {
                let fields = ErrorFields::new(body).map_err(|error| broken(py, error))?;
                self.hooks.notice(py, &errors::fields_dict(py, &fields)?);
                return Ok(());
            }
            tag::NOTIFICATION_RESPONSE => {
                let told = Message::parse(kind, body).map_err(|error| broken(py, error))?;
                if let Message::NotificationResponse(told) = told {
                    self.hooks
                        .notification(py, told.pid, &told.channel, &told.payload);
                }
                return Ok(());
            }
            tag::PARAMETER_STATUS => {
                let set = Message::parse(kind, body).map_err(|error| broken(py, error))?;
                if let Message::ParameterStatus(set) = set {
                    locked(&self.session).set_parameter(set.name, set.value);
                }
                return Ok(());
            }
            _ => {}
        }
        let Some(operation) = current.as_mut() else {
            return self.unasked(py, kind, body);
        };
        match operation
            .message(py, kind, body)
            .map_err(|error| broken(py, error))?
        {
            Flow::Next => {
                if let Work::Start(starting) = &mut operation.work {
                    locked(&self.session).is_accepted = starting.is_done();
                    let bytes = starting.out.split();
                    if !bytes.is_empty() {
                        self.send_more(py, &bytes);
                    }
                }
            }
            Flow::Changed => self.changed.fire(py),
            Flow::NoData { with_sync } => self.send_no_data(py, with_sync)?,
            Flow::Tell(result) => self.tell(py, current, result, is_now),
        }
        Ok(())
    }

    /// Answers a COPY ... FROM STDIN that was sent as a query.
    fn send_no_data(self: &Arc<Self>, py: Python<'_>, with_sync: bool) -> PyResult<()> {
        // The server takes whatever was asked meanwhile for data, and hangs up.
        if !locked(&self.queue).is_empty() {
            let problem = "COPY ... FROM STDIN was sent as a query, and others after it";
            return Err(errors::protocol(py, problem));
        }
        let mut bytes = BytesMut::new();
        frontend::copy_fail("the client sent it as a query, without data", &mut bytes)
            .map_err(errors::request)?;
        if with_sync {
            frontend::sync(&mut bytes);
        }
        self.send_more(py, &bytes);
        Ok(())
    }

    /// A message although nothing was asked: only an error may come so, before the end.
    fn unasked(&self, py: Python<'_>, kind: u8, body: &[u8]) -> PyResult<()> {
        if kind != tag::ERROR_RESPONSE {
            let problem = "the server answers what was not asked";
            return Err(errors::protocol(py, problem));
        }
        let fields = ErrorFields::new(body).map_err(|error| broken(py, error))?;
        let error = errors::server(py, &fields, None);
        locked(&self.session).last_words = Some(error);
        Ok(())
    }

    /// A log-in wants a key or was refused: its awaiter is told, the log-in is kept.
    fn tell(
        self: &Arc<Self>,
        py: Python<'_>,
        current: &mut Option<Operation>,
        result: PyResult<Py<PyAny>>,
        is_now: bool,
    ) {
        let Some(operation) = current.take() else {
            return;
        };
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let owner = operation.owner;
        if let Work::Start(starting) = operation.work {
            locked(&self.session).starting = Some(starting);
        }
        PgOperation::finish(owner.bind(py), result, is_now);
    }

    /// The cycle of the current operation is over.
    fn ready(
        self: &Arc<Self>,
        py: Python<'_>,
        current: &mut Option<Operation>,
        body: &[u8],
        is_now: bool,
    ) -> PyResult<()> {
        let status = TransactionStatus::new(body).map_err(|error| broken(py, error))?;
        let Some(operation) = current.take() else {
            let problem = "the server is ready although nothing was asked";
            return Err(errors::protocol(py, problem));
        };
        {
            let mut session = locked(&self.session);
            session.status = status as u8;
            if let Work::Start(starting) = &operation.work {
                if !starting.is_done() {
                    drop(session);
                    return Err(errors::protocol(py, "the server skipped the log-in"));
                }
                session.pid = starting.pid;
                session.secret.clone_from(&starting.secret);
            } else {
                session.last_status.clone_from(&operation.tag);
            }
        }
        let left = self.in_flight.fetch_sub(1, Ordering::Relaxed) - 1;
        self.note_progress();
        let owner = operation.owner.clone_ref(py);
        if let Work::Rows(rows) = &operation.work {
            rows.settle_guess();
        }
        let result = operation.conclude(py);
        owner.get().keep_for_retry(py, self, &result);
        PgOperation::finish(owner.bind(py), result, is_now);
        if left == 0 || self.is_held() {
            self.changed.fire(py);
        }
        self.tell_pool(py);
        *current = self.next_operation(py);
        Ok(())
    }
}

/// The server broke the protocol: the connection cannot go on.
fn broken(py: Python<'_>, error: Error) -> PyErr {
    match error {
        Error::PostgresAuthentication(why) => errors::interface(py, why),
        other => errors::protocol(py, &other.to_string()),
    }
}

//! The end of an event stream, which its handler has sent while it ran.

use super::{Exchange, Finish, background_of};
use crate::pending::{self, RequestKey};
use pyo3::prelude::*;
use runtime::ChunkSender;

impl Exchange {
    /// Ends the event stream that the handler has filled: in order, or cut off where it failed.
    pub(super) fn end_events(
        self,
        py: Python<'_>,
        key: RequestKey,
        events: &ChunkSender,
        done: PyResult<Py<PyAny>>,
    ) -> Finish {
        pending::end_stream(key);
        let value = match done {
            Ok(value) => value,
            Err(error) => {
                // It can fail because the peer has gone: that is no fault of its own.
                if !events.is_gone() || !is_disconnect(py, &error) {
                    self.report_unless_cancelled(py, &error);
                }
                return Finish::Over(Err(error));
            }
        };
        events.finish();
        match background_of(value.bind(py)) {
            Some(background) => self.start_background(background.bind(py)),
            None => Finish::Over(Ok(value)),
        }
    }
}

/// Whether the handler was told that its peer has gone, and let that pass.
fn is_disconnect(py: Python<'_>, error: &PyErr) -> bool {
    error
        .get_type(py)
        .name()
        .is_ok_and(|name| name == "ClientDisconnect")
}

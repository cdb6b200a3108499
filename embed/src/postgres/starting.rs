//! The first operation of a connection: from StartupMessage until the session is ready.

use super::operation::Flow;
use bytes::BytesMut;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runtime::protocols::Error;
use runtime::protocols::postgres::{
    AuthStep, Authentication, Authenticator, Message, SaltedPassword, tag,
};

/// A log-in that has begun.
pub(crate) struct Starting {
    authenticator: Authenticator,
    /// What is to be sent next.
    pub(crate) out: BytesMut,
    pub(crate) pid: u32,
    pub(crate) secret: Vec<u8>,
}

impl Starting {
    /// Begins with `authenticator`.
    pub(crate) fn new(authenticator: Authenticator) -> Self {
        Self {
            authenticator,
            out: BytesMut::new(),
            pid: 0,
            secret: Vec::new(),
        }
    }

    /// Goes on with the key that was derived elsewhere.
    ///
    /// # Errors
    /// When none was asked for.
    pub(crate) fn key(&mut self, key: &SaltedPassword) -> Result<(), Error> {
        self.authenticator.key(key, &mut self.out)
    }

    /// Takes one message; `Flow::Tell` brings the salt and the iterations of a key that is wanted.
    ///
    /// # Errors
    /// When the server breaks the protocol or the log-in cannot go on.
    pub(crate) fn message(&mut self, py: Python<'_>, kind: u8, body: &[u8]) -> Result<Flow, Error> {
        match kind {
            tag::AUTHENTICATION => {
                let asked = Authentication::new(body)?;
                match self.authenticator.message(asked, &mut self.out)? {
                    AuthStep::Continue | AuthStep::Done => Ok(Flow::Next),
                    AuthStep::NeedsKey { salt, iterations } => {
                        let asked = (PyBytes::new(py, &salt), iterations);
                        let asked = asked.into_pyobject(py).map(|pair| pair.into_any().unbind());
                        Ok(Flow::Tell(asked))
                    }
                }
            }
            tag::BACKEND_KEY_DATA => {
                if let Message::BackendKeyData(data) = Message::parse(kind, body)? {
                    self.pid = data.pid;
                    self.secret = data.key.to_vec();
                }
                Ok(Flow::Next)
            }
            tag::NEGOTIATE_PROTOCOL_VERSION => Ok(Flow::Next),
            _ => Err(Error::PostgresProtocol(
                "this does not belong into a log-in",
            )),
        }
    }

    /// Whether the server has accepted the user.
    pub(crate) fn is_done(&self) -> bool {
        self.authenticator.is_done()
    }
}

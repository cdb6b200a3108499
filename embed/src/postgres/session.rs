//! What a session has told of itself.

use super::starting::Starting;
use super::tls::Handshake;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use std::collections::BTreeMap;

/// The known state of a session.
pub(crate) struct Session {
    /// `I` outside of a transaction, `T` inside, `E` inside one that has failed.
    pub(crate) status: u8,
    pub(crate) pid: u32,
    /// What a request to cancel must bring.
    pub(crate) secret: Vec<u8>,
    /// The server has let the user in (AuthenticationOk).
    pub(crate) is_accepted: bool,
    /// What the server reports of its settings.
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) last_status: Option<Box<str>>,
    /// Why the connection is closed. An object, not a `PyErr`: the garbage collector must see it.
    pub(crate) error: Option<Py<PyBaseException>>,
    /// An error that the server sent without being asked: it is about to hang up.
    pub(crate) last_words: Option<PyErr>,
    /// A TLS handshake that is not done.
    pub(crate) handshake: Option<Handshake>,
    /// A log-in that waits for its key.
    pub(crate) starting: Option<Box<Starting>>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            status: b'I',
            pid: 0,
            secret: Vec::new(),
            is_accepted: false,
            parameters: BTreeMap::new(),
            last_status: None,
            error: None,
            last_words: None,
            handshake: None,
            starting: None,
        }
    }
}

impl Session {
    /// How many settings are kept, whatever a server may send.
    const PARAMETERS_MAX: usize = 256;

    pub(crate) fn set_parameter(&mut self, name: &str, value: &str) {
        if self.parameters.len() < Self::PARAMETERS_MAX || self.parameters.contains_key(name) {
            self.parameters.insert(name.to_owned(), value.to_owned());
        }
    }
}

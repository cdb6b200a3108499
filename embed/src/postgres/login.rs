//! Logging in: what `PgConnection.start` and `authenticate` send.

use super::awaitable::PgOperation;
use super::core::{Core, locked};
use super::errors;
use super::operation::Work;
use super::starting::Starting;
use super::submission::Submission;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runtime::protocols::postgres::{
    Authenticator, LoginMethod, SaltedPassword, frontend, salted_password,
};
use std::sync::Arc;

/// What the program demands of the log-in.
pub(super) struct Demands {
    /// It is bound to the TLS connection.
    pub(super) must_bind: bool,
    /// It is one of these; `None`: any.
    pub(super) methods: Option<Vec<LoginMethod>>,
}

impl Demands {
    /// The demands by libpq's names.
    ///
    /// # Errors
    /// `ValueError` for a method that there is not.
    pub(super) fn new(must_bind: bool, methods: Option<Vec<String>>) -> PyResult<Self> {
        let named = |name: String| {
            LoginMethod::named(&name)
                .ok_or_else(|| PyValueError::new_err(format!("no method {name}")))
        };
        let methods = methods.map(|names| names.into_iter().map(named).collect());
        Ok(Self {
            must_bind,
            methods: methods.transpose()?,
        })
    }
}

/// Sends StartupMessage.
pub(super) fn start(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    parameters: &[(String, String)],
    password: Option<Vec<u8>>,
    demands: Demands,
) -> PyResult<()> {
    let user = parameters.iter().find(|(name, _)| name == "user");
    let user = user.map_or("", |(_, user)| user.as_str());
    let binding = core.channel_binding();
    let nonce = runtime::postgres::nonce()?;
    let mut authenticator = Authenticator::new(user, password, binding, &nonce);
    if demands.must_bind {
        authenticator = authenticator.require_channel_binding();
    }
    if let Some(methods) = demands.methods {
        authenticator = authenticator.require_methods(methods);
    }
    let work = Work::Start(Box::new(Starting::new(authenticator)));
    core.submit(owner, work, Submission::default(), |out| {
        let pairs = parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        frontend::startup(pairs, out).map_err(errors::request)
    })
}

/// Goes on with a derived key.
pub(super) fn authenticate(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    key: [u8; 32],
) -> PyResult<()> {
    let starting = locked(&core.session).starting.take();
    let Some(mut starting) = starting else {
        return Err(errors::interface(owner.py(), "no log-in waits for a key"));
    };
    starting
        .key(&SaltedPassword::from(key))
        .map_err(errors::request)?;
    let bytes = starting.out.split();
    core.submit(owner, Work::Start(starting), Submission::default(), |out| {
        out.extend_from_slice(&bytes);
        Ok(())
    })
}

/// Derives the key of a SCRAM-SHA-256 log-in from a password (RFC 5802, `SaltedPassword`).
///
/// It takes milliseconds: call it on another thread. The interpreter lock is given away meanwhile.
#[pyfunction]
pub(crate) fn scram_key<'py>(
    py: Python<'py>,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Bound<'py, PyBytes> {
    let (password, salt) = (password.to_vec(), salt.to_vec());
    let key = py.detach(move || salted_password(&password, &salt, iterations));
    PyBytes::new(py, key.as_bytes())
}

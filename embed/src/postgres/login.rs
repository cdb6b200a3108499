//! Logging in: what `PgConnection.start` and `authenticate` send.

use super::awaitable::PgOperation;
use super::core::{Core, locked};
use super::errors;
use super::operation::Work;
use super::starting::Starting;
use super::submission::Submission;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use runtime::protocols::postgres::{Authenticator, SaltedPassword, frontend, salted_password};
use std::sync::Arc;

/// Sends StartupMessage.
pub(super) fn start(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    parameters: &[(String, String)],
    password: Option<Vec<u8>>,
) -> PyResult<()> {
    let user = parameters.iter().find(|(name, _)| name == "user");
    let user = user.map_or("", |(_, user)| user.as_str());
    let binding = core.channel_binding();
    let authenticator = Authenticator::new(user, password, binding, &runtime::postgres::nonce()?);
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

//! `_core.PgTls`: how connections are secured, and the handshake.

use super::awaitable::PgOperation;
use super::core::{Core, locked};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use runtime::postgres::tls::{
    self, ClientCertificate, Roots, TlsConfig, TlsMode, TlsSettings, TlsVersion,
};
use std::io;
use std::sync::Arc;

/// A client's certificate, its key, and the password of the key.
type Certificate = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// Settings of TLS, read and checked once.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct PgTls {
    config: TlsConfig,
    is_direct: bool,
}

fn version(text: Option<&str>) -> PyResult<Option<TlsVersion>> {
    let parsed = text.map(str::parse::<TlsVersion>).transpose();
    parsed.map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pymethods]
impl PgTls {
    /// `mode` is "require", "verify-ca" or "verify-full"; `roots`, `certificate`, `key` and
    /// `revoked` are the contents of PEM files, `roots` `"system"` the system's.
    ///
    /// Raises `ValueError` for what cannot be used.
    #[new]
    #[pyo3(signature = (
        mode, *, roots = None, certificate = None, revoked = Vec::new(), versions = (None, None),
        is_direct = false, without_sni = false,
    ))]
    fn new(
        mode: &str,
        roots: Option<&Bound<'_, PyAny>>,
        certificate: Option<Certificate>,
        revoked: Vec<Vec<u8>>,
        versions: (Option<String>, Option<String>),
        is_direct: bool,
        without_sni: bool,
    ) -> PyResult<Self> {
        let mode = match mode {
            "require" => TlsMode::Require,
            "verify-ca" => TlsMode::VerifyCa,
            "verify-full" => TlsMode::VerifyFull,
            _ => return Err(PyValueError::new_err("there is no such mode")),
        };
        let roots = match roots {
            None => Roots::None,
            Some(roots) if roots.extract::<&str>().is_ok_and(|text| text == "system") => {
                Roots::System
            }
            Some(roots) => Roots::Pem(roots.extract()?),
        };
        let client_certificate =
            certificate.map(|(certificates, key, password)| ClientCertificate {
                certificates,
                key,
                password,
            });
        let settings = TlsSettings {
            mode,
            roots,
            client_certificate,
            revocation_lists: revoked,
            version_min: version(versions.0.as_deref())?,
            version_max: version(versions.1.as_deref())?,
            is_direct,
            without_sni,
        };
        let config = settings.client_config();
        let config = config.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self { config, is_direct })
    }
}

/// Begins the handshake with the server called `host`.
pub(super) fn begin(
    core: &Arc<Core>,
    owner: &Bound<'_, PgOperation>,
    settings: &PgTls,
    host: &str,
) -> PyResult<()> {
    let py = owner.py();
    let session = tls::session(&settings.config, host);
    let session = session.map_err(|error| PyValueError::new_err(error.to_string()))?;
    {
        let Ok(mut wire) = core.wire.try_lock() else {
            return Err(super::errors::interface(
                py,
                "TLS begins before anything else",
            ));
        };
        wire.set_tls(session).map_err(|error| failure(py, &error))?;
    }
    let waiting = Handshake {
        owner: owner.clone().unbind(),
        is_direct: settings.is_direct,
    };
    locked(&core.session).handshake = Some(waiting);
    core.flush(py);
    Ok(())
}

/// A handshake that has begun.
pub(crate) struct Handshake {
    owner: Py<PgOperation>,
    is_direct: bool,
}

impl Core {
    /// Tells who waits for the handshake when it is done.
    pub(super) fn look_at_handshake(self: &Arc<Self>, py: Python<'_>, is_now: bool) {
        let checked = {
            let Ok(wire) = self.wire.try_lock() else {
                return;
            };
            let mut session = locked(&self.session);
            if session.handshake.is_none() || wire.is_handshaking() {
                return;
            }
            let waiting = session.handshake.take();
            waiting.map(|waiting| {
                let checked = match wire.tls() {
                    Some(tls) if waiting.is_direct => tls::check_direct(tls),
                    _ => Ok(()),
                };
                (waiting.owner, checked)
            })
        };
        if let Some((owner, checked)) = checked {
            let result = match checked {
                Ok(()) => Ok(py.None()),
                Err(error) => Err(ssl_error(py, "SSLError", &error.to_string())),
            };
            PgOperation::finish(owner.bind(py), result, is_now);
        }
    }

    /// Tells who waits for the handshake that there will be none.
    pub(super) fn fail_handshake(&self, py: Python<'_>, error: Option<&PyErr>) {
        let waiting = locked(&self.session).handshake.take();
        if let Some(waiting) = waiting {
            let error = error.map_or_else(
                || super::errors::closed(py, "connection was closed in the middle of operation"),
                |error| error.clone_ref(py),
            );
            PgOperation::finish(waiting.owner.bind(py), Err(error), false);
        }
    }

    /// What binds a log-in to the TLS connection below it.
    pub(super) fn channel_binding(&self) -> Option<Vec<u8>> {
        let wire = self.wire.try_lock().ok()?;
        tls::server_end_point(wire.tls()?)
    }

    /// Whether what is sent is encrypted.
    pub(super) fn is_tls(&self) -> bool {
        self.wire.try_lock().is_ok_and(|wire| wire.tls().is_some())
    }
}

/// A failure of the socket or of TLS as a Python exception.
pub(super) fn failure(py: Python<'_>, error: &io::Error) -> PyErr {
    if tls::is_certificate_error(error) {
        return ssl_error(py, "SSLCertVerificationError", &error.to_string());
    }
    if error.kind() == io::ErrorKind::InvalidData {
        return ssl_error(py, "SSLError", &error.to_string());
    }
    super::errors::closed(py, &format!("the connection is lost: {error}"))
}

fn ssl_error(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let made = py
        .import("ssl")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((message,)));
    made.map_or_else(|error| error, PyErr::from_value)
}

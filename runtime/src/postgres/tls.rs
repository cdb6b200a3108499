//! TLS to a server: libpq's settings become a configuration of rustls.

mod certificate;
mod keys;
mod verifier;

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

pub use keys::ClientCertificate;
use verifier::{Check, Verifier};

/// The name of PostgreSQL's protocol, which direct TLS must agree on (manual, "SSL Session
/// Encryption").
pub const ALPN: &[u8] = b"postgresql";

/// What is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl TlsError {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// How much of the server's certificate is checked: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// `allow`, `prefer` and `require`: as `verify-ca` when there are root certificates, else
    /// nothing.
    #[default]
    Require,
    /// `verify-ca`: that a root certificate stands behind it.
    VerifyCa,
    /// `verify-full`: that it was issued for the server's name too.
    VerifyFull,
}

/// Whose certificates are trusted: libpq's `sslrootcert`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Nobody's.
    #[default]
    None,
    /// Those in this PEM file.
    Pem(Vec<u8>),
    /// Those that the system trusts; only with [`TlsMode::VerifyFull`], as libpq has it: anybody
    /// can have a certificate of one of them.
    System,
}

/// Versions of TLS, for `ssl_min_protocol_version` and `ssl_max_protocol_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0, which is not spoken.
    Tls10,
    /// TLS 1.1, which is not spoken.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl std::str::FromStr for TlsVersion {
    type Err = TlsError;

    /// Reads libpq's names, `TLSv1` to `TLSv1.3`, in any case.
    fn from_str(name: &str) -> Result<Self, TlsError> {
        match name.to_ascii_lowercase().as_str() {
            "tlsv1" | "tlsv1.0" => Ok(Self::Tls10),
            "tlsv1.1" => Ok(Self::Tls11),
            "tlsv1.2" => Ok(Self::Tls12),
            "tlsv1.3" => Ok(Self::Tls13),
            _ => Err(TlsError::new(format!("{name:?} is no version of TLS"))),
        }
    }
}

/// Everything that TLS connections to one server have in common.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// What is checked.
    pub mode: TlsMode,
    /// Who is trusted.
    pub roots: Roots,
    /// What the server may ask this client for.
    pub client_certificate: Option<ClientCertificate>,
    /// Revocation lists, PEM. When there are any, each certificate of a chain must be on the
    /// books of one, and none may be out of date.
    pub revocation_lists: Vec<Vec<u8>>,
    /// The oldest version to speak; TLS 1.2 when not given.
    pub version_min: Option<TlsVersion>,
    /// The newest version to speak; the newest when not given.
    pub version_max: Option<TlsVersion>,
    /// Whether TLS begins without a request: the protocol is then named in the handshake.
    pub is_direct: bool,
    /// Whether the server's name goes unencrypted into the handshake, as `sslsni` has it.
    pub without_sni: bool,
}

impl TlsSettings {
    /// The configuration for all connections with these settings. Reads the system's root
    /// certificates when they are asked for, so keep it.
    ///
    /// # Errors
    /// [`TlsError`] says what is wrong with the settings.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions()?)
            .map_err(|error| TlsError::new(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.client_certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let resolver: Arc<dyn ResolvesClientCert> = certificate.resolver(&provider)?;
                builder.with_client_cert_resolver(resolver)
            }
        };
        config.enable_sni = !self.without_sni;
        if self.is_direct {
            config.alpn_protocols = vec![ALPN.to_vec()];
        }
        Ok(Arc::new(config))
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
        let oldest = self.version_min.unwrap_or(TlsVersion::Tls12);
        let newest = self.version_max.unwrap_or(TlsVersion::Tls13);
        if newest < TlsVersion::Tls12 {
            return Err(TlsError::new("TLS 1.1 and older are not supported"));
        }
        if oldest > newest {
            return Err(TlsError::new(
                "the oldest version of TLS to speak is newer than the newest",
            ));
        }
        let all = [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)];
        let spoken = all
            .into_iter()
            .filter(|(version, _)| (oldest..=newest).contains(version));
        Ok(spoken.map(|(_, version)| version).collect())
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let algorithms = provider.signature_verification_algorithms;
        let certificates = self.root_certificates()?;
        let check = match (self.mode, &self.roots) {
            (TlsMode::Require, Roots::None) => {
                return Ok(Arc::new(Verifier::trusting_anybody(algorithms)));
            }
            (_, Roots::None) => {
                return Err(TlsError::new(
                    "the server's certificate cannot be checked without root certificates: \
                     give sslrootcert, or another sslmode",
                ));
            }
            (TlsMode::Require | TlsMode::VerifyCa, Roots::System) => {
                return Err(TlsError::new(
                    "the system's root certificates need sslmode=verify-full",
                ));
            }
            (TlsMode::Require | TlsMode::VerifyCa, _) => Check::Chain,
            (TlsMode::VerifyFull, _) => Check::ChainAndName,
        };
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        if added == 0 {
            return Err(TlsError::new("there is no usable root certificate"));
        }
        let mut builder =
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let lists = self.revocation_lists()?;
        let has_lists = !lists.is_empty();
        if has_lists {
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        let chain = builder.build().map_err(|error| {
            TlsError::new(format!("the certificate revocation list is bad: {error}"))
        })?;
        let verifier = Verifier::new(algorithms, chain, certificates, check, has_lists);
        Ok(Arc::new(verifier))
    }

    fn root_certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match &self.roots {
            Roots::None => Ok(Vec::new()),
            Roots::Pem(pem) => certificates(pem, "root certificates"),
            Roots::System => {
                let found = rustls_native_certs::load_native_certs();
                match (found.certs, found.errors.first()) {
                    (certificates, Some(error)) if certificates.is_empty() => Err(TlsError::new(
                        format!("the system's root certificates cannot be read: {error}"),
                    )),
                    (certificates, _) => Ok(certificates),
                }
            }
        }
    }

    fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let mut lists = Vec::new();
        for pem in &self.revocation_lists {
            for list in CertificateRevocationListDer::pem_slice_iter(pem) {
                lists.push(list.map_err(|error| {
                    TlsError::new(format!("the certificate revocation list is bad: {error}"))
                })?);
            }
        }
        if lists.is_empty() && !self.revocation_lists.is_empty() {
            return Err(TlsError::new("there is no certificate revocation list"));
        }
        Ok(lists)
    }
}

/// The certificates of a PEM file; `what` they are is for the error.
fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(TlsError::new(format!("there are no {what}"))),
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::new(format!("the {what} are bad: {error}"))),
    }
}

/// A session for one connection to `host`, a name or an address.
///
/// # Errors
/// [`TlsError`] when no certificate can be for such a host.
pub fn session(config: &Arc<ClientConfig>, host: &str) -> Result<ClientConnection, TlsError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| TlsError::new(format!("{host:?} is no name that a certificate can have")))?;
    ClientConnection::new(config.clone(), name).map_err(|error| TlsError::new(error.to_string()))
}

/// That a direct TLS handshake has agreed on PostgreSQL's protocol: otherwise the bytes could be
/// meant for another server (manual, "SSL Session Encryption").
///
/// # Errors
/// [`TlsError`] when it has not.
pub fn check_direct(connection: &ClientConnection) -> Result<(), TlsError> {
    match connection.alpn_protocol() {
        Some(ALPN) => Ok(()),
        _ => Err(TlsError::new(
            "the server has not agreed to speak PostgreSQL's protocol through direct TLS",
        )),
    }
}

/// What SCRAM binds a log-in to: the hash of the server's certificate, as `tls-server-end-point`
/// wants it (RFC 5929 section 4). `None` before the handshake, and for certificates whose
/// signature names no hash, such as Ed25519's: the binding is not defined for them.
pub fn server_end_point(connection: &ClientConnection) -> Option<Vec<u8>> {
    certificate::end_point_hash(connection.peer_certificates()?.first()?)
}

//! Which server's certificate is good enough. rustls judges chains; this adds what libpq accepts
//! and rustls does not know: no check at all, a chain without a name, the very certificate that is
//! trusted, and certificates as PostgreSQL's manual makes them.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Encode;

use super::certificate;

/// What makes a certificate good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Somebody trusted stands behind it.
    Chain,
    /// It is for the server's name, too.
    ChainAndName,
}

#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// `None`: anybody is trusted.
    trust: Option<Trust>,
}

#[derive(Debug)]
struct Trust {
    chain: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
    check: Check,
    has_revocation_lists: bool,
}

impl Verifier {
    pub(super) fn trusting_anybody(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            algorithms,
            trust: None,
        }
    }

    pub(super) fn new(
        algorithms: WebPkiSupportedAlgorithms,
        chain: Arc<WebPkiServerVerifier>,
        roots: Vec<CertificateDer<'static>>,
        check: Check,
        has_revocation_lists: bool,
    ) -> Self {
        let trust = Trust {
            chain,
            roots,
            check,
            has_revocation_lists,
        };
        Self {
            algorithms,
            trust: Some(trust),
        }
    }

    /// Checks a handshake's signature for a certificate that rustls does not read. The server must
    /// have the certificate's key in any case: SCRAM's channel binding rests on it.
    fn verify_old(
        &self,
        message: &[u8],
        der: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = || Error::from(CertificateError::BadSignature);
        let certificate = old(der).ok_or_else(bad)?;
        let candidates = self.algorithms.mapping.iter();
        let candidates = candidates
            .filter(|(scheme, _)| *scheme == signed.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter().copied())
            // TLS 1.3 fixes the curve with the scheme, which the first one of each has.
            .take(if tls13 { 1 } else { usize::MAX });
        let key = PublicKey::of(&certificate).ok_or_else(bad)?;
        let is_good = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
            key.is_for(*algorithm)
                && algorithm
                    .verify_signature(&key.bits, message, signed.signature())
                    .is_ok()
        };
        match candidates.into_iter().any(|algorithm| is_good(&algorithm)) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(bad()),
        }
    }
}

/// The certificate, if it is one that rustls does not read.
fn old(der: &CertificateDer<'_>) -> Option<Certificate> {
    certificate::parse(der).filter(certificate::is_old)
}

/// A public key as the algorithms of rustls want it.
struct PublicKey {
    /// The content of its AlgorithmIdentifier.
    algorithm: Vec<u8>,
    bits: Vec<u8>,
}

impl PublicKey {
    fn of(certificate: &Certificate) -> Option<Self> {
        let info = certificate.tbs_certificate().subject_public_key_info();
        Some(Self {
            algorithm: content(&info.algorithm)?,
            bits: info.subject_public_key.as_bytes()?.to_vec(),
        })
    }

    fn is_for(&self, algorithm: &dyn rustls::pki_types::SignatureVerificationAlgorithm) -> bool {
        algorithm.public_key_alg_id().as_ref() == self.algorithm
    }
}

/// The encoding of a sequence without its tag and length.
fn content(sequence: &impl Encode) -> Option<Vec<u8>> {
    use x509_cert::der::{AnyRef, Decode};
    let der = sequence.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

impl Trust {
    fn verify(
        &self,
        algorithms: &WebPkiSupportedAlgorithms,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.roots.contains(end_entity) || old(end_entity).is_some() {
            return self.verify_directly(algorithms, end_entity, server_name, now);
        }
        let outcome =
            self.chain
                .verify_server_cert(end_entity, intermediates, server_name, &[], now);
        match outcome {
            Ok(_) => Ok(()),
            // rustls looks at the name last: all else is good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.is_named(end_entity, server_name) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// For a certificate that is itself trusted, as self-signed ones are, or that is older than
    /// version 3 and signed by one that is trusted, without others in between.
    fn verify_directly(
        &self,
        algorithms: &WebPkiSupportedAlgorithms,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate = certificate::parse(end_entity).ok_or(CertificateError::BadEncoding)?;
        if !certificate::is_valid_at(&certificate, now) {
            return Err(CertificateError::Expired.into());
        }
        if !self.roots.contains(end_entity) {
            // Whether it was revoked is not looked up for such.
            if self.has_revocation_lists {
                return Err(CertificateError::UnknownRevocationStatus.into());
            }
            let mut roots = self.roots.iter().filter_map(certificate::parse);
            if !roots.any(|root| is_signed_by(&certificate, &root, algorithms, now)) {
                return Err(CertificateError::UnknownIssuer.into());
            }
        }
        let is_named_today = || {
            let parsed = rustls::server::ParsedCertificate::try_from(end_entity);
            parsed.is_ok_and(|parsed| {
                rustls::client::verify_server_name(&parsed, server_name).is_ok()
            })
        };
        match self.is_named(end_entity, server_name) || is_named_today() {
            true => Ok(()),
            false => Err(Error::from(CertificateError::NotValidForNameContext {
                expected: server_name.to_owned(),
                presented: certificate::common_name(&certificate).into_iter().collect(),
            })),
        }
    }

    /// Whether the name does not matter, or is right in the old way.
    fn is_named(&self, end_entity: &CertificateDer<'_>, server_name: &ServerName<'_>) -> bool {
        self.check == Check::Chain
            || certificate::parse(end_entity).is_some_and(|certificate| {
                certificate::is_commonly_named(&certificate, &server_name.to_str())
            })
    }
}

fn is_signed_by(
    certificate: &Certificate,
    root: &Certificate,
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> bool {
    let tbs = certificate.tbs_certificate();
    if tbs.issuer() != root.tbs_certificate().subject()
        || !certificate::is_plain_authority(root)
        || !certificate::is_valid_at(root, now)
    {
        return false;
    }
    let parts = (
        PublicKey::of(root),
        content(certificate.signature_algorithm()),
        certificate.signature().as_bytes(),
        tbs.to_der(),
    );
    let (Some(key), Some(algorithm), Some(signature), Ok(message)) = parts else {
        return false;
    };
    algorithms.all.iter().any(|candidate| {
        candidate.signature_alg_id().as_ref() == algorithm
            && key.is_for(*candidate)
            && candidate
                .verify_signature(&key.bits, &message, signature)
                .is_ok()
    })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            trust.verify(
                &self.algorithms,
                end_entity,
                intermediates,
                server_name,
                now,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old(certificate) {
            Some(_) => self.verify_old(message, certificate, signed, false),
            None => verify_tls12_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old(certificate) {
            // TLS 1.3 has no PKCS#1 v1.5 signatures in its handshake (RFC 8446 section 4.2.3).
            Some(_) if !is_of_tls13(signed.scheme) => Err(CertificateError::BadSignature.into()),
            Some(_) => self.verify_old(message, certificate, signed, true),
            None => verify_tls13_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_of_tls13(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::ECDSA_NISTP256_SHA256
            | SignatureScheme::ECDSA_NISTP384_SHA384
            | SignatureScheme::ECDSA_NISTP521_SHA512
            | SignatureScheme::RSA_PSS_SHA256
            | SignatureScheme::RSA_PSS_SHA384
            | SignatureScheme::RSA_PSS_SHA512
            | SignatureScheme::ED25519
            | SignatureScheme::ED448
    )
}

//! What is asked of a certificate beyond what rustls looks at.

use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{ContextSpecific, ObjectIdentifier};
use x509_cert::der::{AnyRef, Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, NameConstraints, SubjectAltName};
use x509_cert::spki::AlgorithmIdentifierRef;

/// The certificate, when it can be read.
pub(super) fn parse(der: &CertificateDer<'_>) -> Option<Certificate> {
    Certificate::from_der(der).ok()
}

/// The hash of the certificate with the hash function that its signature uses, or with SHA-256 in
/// place of MD5 and SHA-1 (RFC 5929 section 4.1).
pub(super) fn end_point_hash(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = parse(der)?;
    let algorithm = certificate.signature_algorithm();
    let hash = match algorithm.oid.to_string().as_str() {
        // RSASSA-PSS (RFC 4055 section 3.1): the parameters say it, SHA-1 when they do not.
        "1.2.840.113549.1.1.10" => match &algorithm.parameters {
            Some(parameters) => pss_hash(&parameters.to_der().ok()?)?,
            None => Hash::Sha256,
        },
        oid => Hash::of_signature(oid)?,
    };
    Some(match hash {
        Hash::Sha224 => Sha224::digest(der).to_vec(),
        Hash::Sha256 => Sha256::digest(der).to_vec(),
        Hash::Sha384 => Sha384::digest(der).to_vec(),
        Hash::Sha512 => Sha512::digest(der).to_vec(),
    })
}

#[derive(Clone, Copy)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the object identifier of a signature algorithm that implies its hash.
    fn of_signature(oid: &str) -> Option<Self> {
        Some(match oid {
            // md5WithRSAEncryption, sha1WithRSAEncryption, dsa-with-sha1, ecdsa-with-SHA1
            "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" => Self::Sha256,
            "1.2.840.10040.4.3" | "1.2.840.10045.4.1" => Self::Sha256,
            // With RSA, ECDSA and DSA
            "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.3.1" => {
                Self::Sha224
            }
            "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.3.2" => {
                Self::Sha256
            }
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Self::Sha384,
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Self::Sha512,
            _ => return None,
        })
    }

    /// By its own object identifier.
    fn of(oid: &str) -> Option<Self> {
        Some(match oid {
            // MD5, SHA-1
            "1.2.840.113549.2.5" | "1.3.14.3.2.26" => Self::Sha256,
            "2.16.840.1.101.3.4.2.4" => Self::Sha224,
            "2.16.840.1.101.3.4.2.1" => Self::Sha256,
            "2.16.840.1.101.3.4.2.2" => Self::Sha384,
            "2.16.840.1.101.3.4.2.3" => Self::Sha512,
            _ => return None,
        })
    }
}

/// `hashAlgorithm` of RSASSA-PSS-params, which is SHA-1 when it is left out.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let sequence = AnyRef::from_der(parameters).ok()?;
    let mut reader = SliceReader::new(sequence.value()).ok()?;
    if reader.is_finished() || *sequence.value().first()? != 0xa0 {
        return Some(Hash::Sha256);
    }
    let hash = ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode(&mut reader).ok()?;
    Hash::of(&hash.value.oid.to_string())
}

/// Whether the certificate is older than version 3, which rustls does not read: PostgreSQL's
/// manual shows how to make such.
pub(super) fn is_old(certificate: &Certificate) -> bool {
    certificate.tbs_certificate().version() != Version::V3
}

/// Whether `now` is inside the certificate's validity.
pub(super) fn is_valid_at(certificate: &Certificate, now: UnixTime) -> bool {
    let validity = certificate.tbs_certificate().validity();
    let begins = validity.not_before.to_unix_duration().as_secs();
    let ends = validity.not_after.to_unix_duration().as_secs();
    (begins..=ends).contains(&now.as_secs())
}

/// Whether the certificate may sign others, and without conditions that nobody would check.
pub(super) fn is_plain_authority(certificate: &Certificate) -> bool {
    if is_old(certificate) {
        return true;
    }
    let tbs = certificate.tbs_certificate();
    let is_authority = matches!(
        tbs.get_extension::<BasicConstraints>(),
        Ok(Some((_, BasicConstraints { ca: true, .. })))
    );
    let may_sign = match tbs.get_extension::<KeyUsage>() {
        Ok(None) => true,
        Ok(Some((_, usage))) => usage.key_cert_sign(),
        Err(_) => false,
    };
    let is_free = matches!(tbs.get_extension::<NameConstraints>(), Ok(None));
    is_authority && may_sign && is_free
}

/// `CN`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Whether the certificate's common name is `host`, where the certificate names no host in the way
/// of today. libpq still does so (manual, "SSL Support", "Client Verification of Server
/// Certificates"), and many certificates of databases have no other name.
pub(super) fn is_commonly_named(certificate: &Certificate, host: &str) -> bool {
    let tbs = certificate.tbs_certificate();
    match tbs.get_extension::<SubjectAltName>() {
        Ok(None) => {}
        Ok(Some((_, names))) => {
            let is_host = |name: &GeneralName| {
                matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))
            };
            if names.0.iter().any(is_host) {
                return false;
            }
        }
        Err(_) => return false,
    }
    common_name(certificate).is_some_and(|common| is_named(&common, host))
}

/// The last common name of the subject, which is the most specific.
pub(super) fn common_name(certificate: &Certificate) -> Option<String> {
    let parts = certificate.tbs_certificate().subject().iter();
    let common = parts.filter(|part| part.oid == COMMON_NAME).last()?;
    String::from_utf8(common.value.value().to_vec()).ok()
}

/// Whether `pattern` stands for `host`: itself, or `*.` and all but the first label of it.
fn is_named(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(suffix) = pattern.strip_prefix("*.") else {
        return false;
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    match host.split_once('.') {
        Some((first, rest)) => {
            !is_address
                && !first.is_empty()
                && suffix.contains('.')
                && rest.eq_ignore_ascii_case(suffix)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn names_and_patterns() {
        for (pattern, host, expected) in [
            ("db.example.com", "db.example.com", true),
            ("DB.example.com", "db.EXAMPLE.com", true),
            ("db.example.com", "example.com", false),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.com", "example.com", false),
            ("*", "localhost", false),
            ("d*.example.com", "db.example.com", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("*.0.0.1", "10.0.0.1", false),
            ("", "db", false),
        ] {
            assert_eq!(is_named(pattern, host), expected, "{pattern} {host}");
        }
    }
}

//! A client's certificate and its private key, in all the forms that OpenSSL writes keys in.

use std::fmt;
use std::sync::Arc;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};

use super::{TlsError, certificate, certificates};

/// What a server can ask a client for: libpq's `sslcert`, `sslkey` and `sslpassword`.
#[derive(Clone)]
pub struct ClientCertificate {
    /// PEM: the client's certificate, then those between it and the root.
    pub certificates: Vec<u8>,
    /// PEM: its private key.
    pub key: Vec<u8>,
    /// What the key is encrypted with, if it is.
    pub password: Option<Vec<u8>>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(..)")
    }
}

impl ClientCertificate {
    pub(super) fn resolver(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<dyn ResolvesClientCert>, TlsError> {
        let chain = certificates(&self.certificates, "client certificates")?;
        let is_old = certificate::parse(&chain[0]).is_some_and(|found| certificate::is_old(&found));
        let key = private_key(&self.key, self.password.as_deref())?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::new(format!("the private key cannot be used: {error}")))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            // Certificates older than version 3 cannot be looked into, but sent.
            Err(Error::InvalidCertificate(_)) if is_old => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(TlsError::new(
                    "the private key does not belong to the client certificate",
                ));
            }
            Err(error) => {
                return Err(TlsError::new(format!(
                    "the client certificate is bad: {error}"
                )));
            }
        }
        Ok(Arc::new(SingleCertAndKey::from(certified)))
    }
}

const NO_PASSWORD: &str = "the private key is encrypted and there is no sslpassword";
const WRONG_PASSWORD: &str =
    "the private key cannot be decrypted: sslpassword is wrong, or its cipher not supported";

/// The private key in a PEM file, decrypted if it must be.
fn private_key(pem: &[u8], password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let mut sections = Sections { rest: pem };
    let section = sections
        .find(|section| section.label.ends_with("PRIVATE KEY"))
        .ok_or(TlsError::new("there is no private key"))?;
    let der = BASE64
        .decode(&section.base64)
        .map_err(|_| TlsError::new("the private key is malformed"))?;
    let der = match &section.encryption {
        None => der,
        Some(encryption) => {
            decrypted(der, encryption, password.ok_or(TlsError::new(NO_PASSWORD))?)?
        }
    };
    match section.label {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        "ENCRYPTED PRIVATE KEY" => {
            let password = password.ok_or(TlsError::new(NO_PASSWORD))?;
            let key = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
                .and_then(|info| info.decrypt(password))
                .map_err(|_| TlsError::new(WRONG_PASSWORD))?;
            Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
        }
        label => Err(TlsError::new(format!(
            "private keys of the kind {label:?} are not supported"
        ))),
    }
}

/// One section of a PEM file.
struct Section<'a> {
    label: &'a str,
    /// `DEK-Info` (RFC 1421 section 4.6.1.3): a cipher and its start vector.
    encryption: Option<&'a str>,
    /// Without line ends.
    base64: String,
}

/// The sections of a PEM file. Unlike those of RFC 7468 they may have the header fields of RFC
/// 1421, which OpenSSL's older encrypted keys have.
struct Sections<'a> {
    rest: &'a [u8],
}

impl<'a> Sections<'a> {
    fn line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        // What is no text belongs to no section.
        Some(std::str::from_utf8(line).unwrap_or_default().trim_end())
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    fn next(&mut self) -> Option<Section<'a>> {
        let label = loop {
            let line = self.line()?;
            let label = line.strip_prefix("-----BEGIN ");
            if let Some(label) = label.and_then(|label| label.strip_suffix("-----")) {
                break label;
            }
        };
        let mut section = Section {
            label,
            encryption: None,
            base64: String::new(),
        };
        loop {
            let line = self.line()?;
            if line.starts_with("-----END ") {
                return Some(section);
            }
            match line.split_once(':') {
                Some(("DEK-Info", value)) => section.encryption = Some(value.trim()),
                Some(_) => {}
                None => section.base64.push_str(line.trim()),
            }
        }
    }
}

/// Decrypts what OpenSSL's older format has encrypted (`PEM_write_bio_PrivateKey_traditional`).
fn decrypted(mut der: Vec<u8>, encryption: &str, password: &[u8]) -> Result<Vec<u8>, TlsError> {
    let unsupported = || {
        TlsError::new(format!(
            "the private key's encryption is not supported: {encryption}"
        ))
    };
    let (cipher, vector) = encryption.split_once(',').ok_or_else(unsupported)?;
    let vector = u128::from_str_radix(vector, 16)
        .ok()
        .filter(|_| vector.len() == 32);
    let vector = vector.ok_or_else(unsupported)?.to_be_bytes();
    let key = key_of(password, &vector);
    macro_rules! decrypt {
        ($cipher:ty, $key_bytes:literal) => {
            cbc::Decryptor::<$cipher>::new_from_slices(&key[..$key_bytes], &vector)
                .map_err(|_| unsupported())?
                .decrypt_padded::<Pkcs7>(&mut der)
        };
    }
    let plain = match cipher {
        "AES-128-CBC" => decrypt!(aes::Aes128, 16),
        "AES-192-CBC" => decrypt!(aes::Aes192, 24),
        "AES-256-CBC" => decrypt!(aes::Aes256, 32),
        _ => return Err(unsupported()),
    };
    let bytes = plain.map_err(|_| TlsError::new(WRONG_PASSWORD))?.len();
    der.truncate(bytes);
    Ok(der)
}

/// `EVP_BytesToKey` with MD5 and one round: each block hashes the one before, the password and the
/// first eight bytes of the start vector.
fn key_of(password: &[u8], vector: &[u8; 16]) -> [u8; 32] {
    let mut key = [0; 32];
    let mut last = Vec::new();
    for block in key.chunks_exact_mut(16) {
        last = Md5::new()
            .chain_update(&last)
            .chain_update(password)
            .chain_update(&vector[..8])
            .finalize()
            .to_vec();
        block.copy_from_slice(&last);
    }
    key
}

//! The client's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677).
//!
//! The one slow step, [`salted_password`], is a function of its own: it can run elsewhere, and
//! what it gives can be kept for as long as password, salt and count stay the same.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::Error;

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";
/// Most iterations that a server may ask for: some seconds of work. PostgreSQL's default is 4,096.
pub const ITERATIONS_MAX: u32 = 10_000_000;

const HASH_BYTES: usize = 32;

/// `SaltedPassword` of RFC 5802 section 3. As good as the password where salt and count are the
/// same, so it is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct SaltedPassword([u8; HASH_BYTES]);

impl SaltedPassword {
    /// The key itself.
    pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl From<[u8; HASH_BYTES]> for SaltedPassword {
    fn from(key: [u8; HASH_BYTES]) -> Self {
        Self(key)
    }
}

impl fmt::Debug for SaltedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SaltedPassword(..)")
    }
}

/// Derives the key from a password: `Hi` of RFC 5802 section 2.2, PBKDF2 with one block.
///
/// It takes time in proportion to `iterations`: about one millisecond for PostgreSQL's default.
pub fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> SaltedPassword {
    let keyed = hmac(&prepared(password));
    let mut last: [u8; HASH_BYTES] = keyed
        .clone()
        .chain_update(salt)
        .chain_update(1u32.to_be_bytes())
        .finalize()
        .into_bytes()
        .into();
    let mut key = last;
    for _ in 1..iterations {
        last = keyed
            .clone()
            .chain_update(last)
            .finalize()
            .into_bytes()
            .into();
        for (byte, last) in key.iter_mut().zip(last) {
            *byte ^= last;
        }
    }
    SaltedPassword(key)
}

/// The password as SASLprep (RFC 4013) wants it, or as it is where that is impossible: PostgreSQL
/// does the same with passwords that are no UTF-8 or have prohibited characters.
fn prepared(password: &[u8]) -> Vec<u8> {
    let prepared = std::str::from_utf8(password)
        .ok()
        .and_then(|password| stringprep::saslprep(password).ok());
    match prepared {
        Some(prepared) => prepared.into_owned().into_bytes(),
        None => password.to_vec(),
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hmac_of(key: &[u8], text: &[u8]) -> [u8; HASH_BYTES] {
    hmac(key).chain_update(text).finalize().into_bytes().into()
}

/// What the exchange says about the connection that carries it (RFC 5802 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// This client cannot, or shall not, bind.
    Unsupported,
    /// It could, but the server did not offer it.
    NotOffered,
    /// `tls-server-end-point`: the hash of the server's certificate (RFC 5929 section 4).
    ServerEndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// `gs2-header`, without a name to act for.
    fn header(&self) -> &'static str {
        match self {
            Self::Unsupported => "n,,",
            Self::NotOffered => "y,,",
            Self::ServerEndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    /// The attribute `c` of the last message.
    fn encoded(&self) -> String {
        let mut input = self.header().as_bytes().to_vec();
        if let Self::ServerEndPoint(hash) = self {
            input.extend_from_slice(hash);
        }
        BASE64.encode(input)
    }
}

/// What the server wants the password to be salted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The salt.
    pub salt: Vec<u8>,
    /// How often the hash is repeated.
    pub iterations: u32,
}

/// One exchange, from the client's first message to the server's proof.
#[derive(Debug)]
pub struct ScramClient {
    binding: ChannelBinding,
    /// `client-first-message-bare`, and from then on the whole AuthMessage as far as it goes.
    transcript: String,
    client_nonce: String,
    /// Both nonces, once the server has added its own.
    nonce: Option<String>,
    /// `ServerKey`, once the client has proven itself; kept like the other key.
    server_key: Option<SaltedPassword>,
}

impl ScramClient {
    /// Begins an exchange. PostgreSQL takes the user from the start-up message and ignores `user`.
    ///
    /// `nonce` are random bytes, fresh for every exchange.
    pub fn new(user: &str, binding: ChannelBinding, nonce: &[u8]) -> Self {
        let client_nonce = BASE64.encode(nonce);
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            binding,
            transcript: format!("n={user},r={client_nonce}"),
            client_nonce,
            nonce: None,
            server_key: None,
        }
    }

    /// Whether the exchange is bound to its TLS connection.
    pub fn is_bound(&self) -> bool {
        matches!(self.binding, ChannelBinding::ServerEndPoint(_))
    }

    /// `client-first-message`.
    pub fn client_first(&self) -> String {
        format!("{}{}", self.binding.header(), self.transcript)
    }

    /// Reads `server-first-message`.
    ///
    /// # Errors
    /// [`Error::PostgresAuthentication`] when it is malformed, does not go on from this client's
    /// nonce, asks for an extension, or for more than [`ITERATIONS_MAX`] iterations.
    pub fn server_first(&mut self, message: &[u8]) -> Result<Challenge, Error> {
        let text = std::str::from_utf8(message).map_err(|_| MALFORMED)?;
        if text.starts_with("m=") {
            return Err(Error::PostgresAuthentication(
                "PostgreSQL server wants a SCRAM extension that is unknown",
            ));
        }
        // Behind the third attribute only optional extensions follow.
        let mut attributes = text.split(',');
        let mut attribute = |name| attributes.next()?.strip_prefix(name);
        let nonce = attribute("r=").ok_or(MALFORMED)?;
        let salt = attribute("s=").ok_or(MALFORMED)?;
        let iterations = attribute("i=").ok_or(MALFORMED)?;
        let added = nonce.strip_prefix(self.client_nonce.as_str());
        if self.nonce.is_some() || added.is_none_or(str::is_empty) {
            return Err(Error::PostgresAuthentication(
                "PostgreSQL server answers another SCRAM exchange",
            ));
        }
        let salt = BASE64.decode(salt).map_err(|_| MALFORMED)?;
        let is_number = !iterations.is_empty() && iterations.bytes().all(|b| b.is_ascii_digit());
        let iterations = iterations.parse().ok().filter(|_| is_number);
        let iterations = iterations.ok_or(MALFORMED)?;
        if !(1..=ITERATIONS_MAX).contains(&iterations) {
            return Err(Error::PostgresAuthentication(
                "PostgreSQL server wants an impossible number of SCRAM iterations",
            ));
        }
        self.nonce = Some(nonce.to_owned());
        self.transcript.push(',');
        self.transcript.push_str(text);
        Ok(Challenge { salt, iterations })
    }

    /// `client-final-message`, with the proof that this client knows the password.
    ///
    /// # Errors
    /// [`Error::PostgresAuthentication`] unless [`server_first`](Self::server_first) came before.
    pub fn client_final(&mut self, key: &SaltedPassword) -> Result<String, Error> {
        let nonce = self.nonce.take().ok_or(OUT_OF_ORDER)?;
        let without_proof = format!("c={},r={nonce}", self.binding.encoded());
        self.transcript.push(',');
        self.transcript.push_str(&without_proof);
        let client_key = hmac_of(&key.0, b"Client Key");
        let stored_key = Sha256::digest(client_key);
        let mut proof = hmac_of(&stored_key, self.transcript.as_bytes());
        for (byte, key) in proof.iter_mut().zip(client_key) {
            *byte ^= key;
        }
        self.server_key = Some(SaltedPassword(hmac_of(&key.0, b"Server Key")));
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Reads `server-final-message`: the server must know the password too.
    ///
    /// # Errors
    /// [`Error::PostgresAuthentication`] when it does not, reports an error, or comes too early.
    pub fn server_final(&mut self, message: &[u8]) -> Result<(), Error> {
        let server_key = self.server_key.take().ok_or(OUT_OF_ORDER)?;
        if message.starts_with(b"e=") {
            return Err(Error::PostgresAuthentication(
                "PostgreSQL server refuses the SCRAM proof",
            ));
        }
        let signature = message.strip_prefix(b"v=").ok_or(MALFORMED)?;
        let signature = signature.split(|&byte| byte == b',').next();
        let signature = BASE64
            .decode(signature.unwrap_or_default())
            .map_err(|_| MALFORMED)?;
        hmac(&server_key.0)
            .chain_update(self.transcript.as_bytes())
            .verify_slice(&signature)
            .map_err(|_| {
                Error::PostgresAuthentication("PostgreSQL server does not know the password")
            })
    }
}

const MALFORMED: Error = Error::PostgresAuthentication("PostgreSQL SCRAM message is malformed");
const OUT_OF_ORDER: Error =
    Error::PostgresAuthentication("PostgreSQL SCRAM messages are out of order");

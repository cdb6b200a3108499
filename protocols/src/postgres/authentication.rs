//! The log-in: answers what the server asks for until it says that all is well.

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;

use super::scram::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, SaltedPassword, ScramClient,
};
use super::{Authentication, Mechanisms, frontend};
use crate::Error;

/// Fewest random bytes that SCRAM is begun with, as libpq's.
pub const NONCE_BYTES_MIN: usize = 18;

/// What is to be done after a message of the log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStep {
    /// Send what was appended, if anything was, and read on.
    Continue,
    /// Derive the key with [`salted_password`](super::salted_password), or take it from where it
    /// was kept, and give it to [`Authenticator::key`].
    NeedsKey {
        /// What the password is salted with.
        salt: Vec<u8>,
        /// How often the hash is repeated.
        iterations: u32,
    },
    /// The server is content.
    Done,
}

/// How a server has the user prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// Not at all, or by what came before: a certificate, the socket's peer.
    None,
    /// By the password itself.
    Password,
    /// By a hash of the password.
    Md5,
    /// By SCRAM.
    Scram,
}

impl LoginMethod {
    /// The method by its name in libpq's `require_auth`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "password" => Self::Password,
            "md5" => Self::Md5,
            "scram-sha-256" => Self::Scram,
            _ => return None,
        })
    }

    fn refused(self) -> Error {
        Error::PostgresAuthentication(match self {
            Self::None => "authentication method requirement failed: the server asks for no proof",
            Self::Password => {
                "authentication method requirement failed: the server asks for the password itself"
            }
            Self::Md5 => {
                "authentication method requirement failed: the server asks for an MD5 hash"
            }
            Self::Scram => "authentication method requirement failed: the server asks for SCRAM",
        })
    }
}

/// One log-in.
pub struct Authenticator {
    user: String,
    password: Option<Vec<u8>>,
    end_point: Option<Vec<u8>>,
    must_bind: bool,
    /// `None`: any.
    methods: Option<Vec<LoginMethod>>,
    nonce: Vec<u8>,
    state: State,
}

enum State {
    /// Nothing was asked for yet.
    Begun,
    /// The password went out, in one form or the other.
    PasswordSent,
    /// SCRAM waits for the server's first message.
    ScramBegun(ScramClient),
    /// SCRAM waits for the key.
    NeedsKey(ScramClient),
    /// SCRAM waits for the server's proof.
    ScramProven(ScramClient),
    /// The server proved that it knows the password.
    ScramDone { bound: bool },
    /// It is over.
    Done,
    /// An error ended it.
    Failed,
}

impl Authenticator {
    /// A log-in of `user`.
    ///
    /// `channel_binding` is the hash of the server's certificate when TLS carries the connection
    /// (RFC 5929 section 4). `nonce` are at least [`NONCE_BYTES_MIN`] random bytes, fresh for
    /// every log-in.
    pub fn new(
        user: &str,
        password: Option<Vec<u8>>,
        channel_binding: Option<Vec<u8>>,
        nonce: &[u8],
    ) -> Self {
        debug_assert!(nonce.len() >= NONCE_BYTES_MIN);
        Self {
            user: user.to_owned(),
            // An empty password is none: PostgreSQL stores no such.
            password: password.filter(|password| !password.is_empty()),
            end_point: channel_binding,
            must_bind: false,
            methods: None,
            nonce: nonce.to_vec(),
            state: State::Begun,
        }
    }

    /// Accepts only SCRAM bound to the TLS connection, as libpq's `channel_binding=require`.
    pub fn require_channel_binding(mut self) -> Self {
        self.must_bind = true;
        self
    }

    /// Accepts only these methods, as libpq's `require_auth`.
    pub fn require_methods(mut self, methods: Vec<LoginMethod>) -> Self {
        self.methods = Some(methods);
        self
    }

    fn allow(&self, method: LoginMethod) -> Result<(), Error> {
        match &self.methods {
            Some(methods) if !methods.contains(&method) => Err(method.refused()),
            _ => Ok(()),
        }
    }

    /// The password, when there is one.
    pub fn password(&self) -> Option<&[u8]> {
        self.password.as_deref()
    }

    /// Whether the server has said that all is well.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes the server's next message, appends the answer to `out` and says how it goes on.
    ///
    /// # Errors
    /// [`Error::PostgresAuthentication`] when the log-in cannot go on, [`Error::PostgresProtocol`]
    /// when the message does not belong here; it is over then.
    pub fn message(
        &mut self,
        message: Authentication<'_>,
        out: &mut BytesMut,
    ) -> Result<AuthStep, Error> {
        let state = std::mem::replace(&mut self.state, State::Failed);
        let (state, step) = match (message, state) {
            (Authentication::Ok, state) => (self.finished(state)?, AuthStep::Done),
            (Authentication::CleartextPassword, State::Begun) => {
                self.allow(LoginMethod::Password)?;
                frontend::password(self.unbound_password()?, out)?;
                (State::PasswordSent, AuthStep::Continue)
            }
            (Authentication::Md5Password { salt }, State::Begun) => {
                self.allow(LoginMethod::Md5)?;
                let hash = md5_hash(self.user.as_bytes(), self.unbound_password()?, salt);
                frontend::password(hash.as_bytes(), out)?;
                (State::PasswordSent, AuthStep::Continue)
            }
            (Authentication::Sasl(offered), State::Begun) => {
                self.allow(LoginMethod::Scram)?;
                let scram = self.begin(offered, out)?;
                (State::ScramBegun(scram), AuthStep::Continue)
            }
            (Authentication::SaslContinue(data), State::ScramBegun(mut scram)) => {
                let challenge = scram.server_first(data)?;
                let step = AuthStep::NeedsKey {
                    salt: challenge.salt,
                    iterations: challenge.iterations,
                };
                (State::NeedsKey(scram), step)
            }
            (Authentication::SaslFinal(data), State::ScramProven(mut scram)) => {
                scram.server_final(data)?;
                let bound = scram.is_bound();
                (State::ScramDone { bound }, AuthStep::Continue)
            }
            (Authentication::Unsupported(method), State::Begun) => {
                return Err(unsupported(method));
            }
            _ => return Err(OUT_OF_ORDER),
        };
        self.state = state;
        Ok(step)
    }

    /// Goes on with the key that [`AuthStep::NeedsKey`] asked for.
    ///
    /// # Errors
    /// [`Error::PostgresAuthentication`] when none was asked for.
    pub fn key(&mut self, key: &SaltedPassword, out: &mut BytesMut) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::NeedsKey(mut scram) => {
                frontend::sasl_response(scram.client_final(key)?.as_bytes(), out)?;
                self.state = State::ScramProven(scram);
                Ok(())
            }
            _ => Err(Error::PostgresAuthentication(
                "PostgreSQL log-in has no use for a key now",
            )),
        }
    }

    /// A server may skip the log-in, but not break it off: it would not have to prove anything.
    fn finished(&self, state: State) -> Result<State, Error> {
        let bound = match state {
            State::Begun => {
                self.allow(LoginMethod::None)?;
                false
            }
            State::PasswordSent => false,
            State::ScramDone { bound } => bound,
            _ => return Err(OUT_OF_ORDER),
        };
        if self.must_bind && !bound {
            return Err(NOT_BOUND);
        }
        Ok(State::Done)
    }

    fn begin(&self, offered: Mechanisms<'_>, out: &mut BytesMut) -> Result<ScramClient, Error> {
        let (mechanism, binding) = match &self.end_point {
            Some(hash) if offered.contains(SCRAM_SHA_256_PLUS) => (
                SCRAM_SHA_256_PLUS,
                ChannelBinding::ServerEndPoint(hash.clone()),
            ),
            _ if self.must_bind => return Err(NOT_BOUND),
            _ if !offered.contains(SCRAM_SHA_256) => {
                return Err(Error::PostgresAuthentication(
                    "PostgreSQL server offers no SASL mechanism that this client speaks",
                ));
            }
            Some(_) => (SCRAM_SHA_256, ChannelBinding::NotOffered),
            None => (SCRAM_SHA_256, ChannelBinding::Unsupported),
        };
        self.given_password()?;
        let scram = ScramClient::new("", binding, &self.nonce);
        frontend::sasl_initial_response(mechanism, scram.client_first().as_bytes(), out)?;
        Ok(scram)
    }

    fn given_password(&self) -> Result<&[u8], Error> {
        self.password
            .as_deref()
            .ok_or(Error::PostgresAuthentication(
                "PostgreSQL server asks for a password and none was given",
            ))
    }

    /// The password, for a method that binds to no channel.
    fn unbound_password(&self) -> Result<&[u8], Error> {
        match self.must_bind {
            true => Err(NOT_BOUND),
            false => self.given_password(),
        }
    }
}

const OUT_OF_ORDER: Error =
    Error::PostgresProtocol("PostgreSQL authentication messages are out of order");
const NOT_BOUND: Error = Error::PostgresAuthentication(
    "PostgreSQL server does not bind the log-in to the TLS connection, which is required",
);

fn unsupported(method: &str) -> Error {
    Error::PostgresAuthentication(match method {
        "GSSAPI" => "PostgreSQL server asks for GSSAPI authentication, which is not supported",
        "SSPI" => "PostgreSQL server asks for SSPI authentication, which is not supported",
        _ => "PostgreSQL server asks for an authentication method that is not supported",
    })
}

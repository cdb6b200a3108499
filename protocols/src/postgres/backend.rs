//! Whatever a server may send, borrowed from the receive buffer.

use std::borrow::Cow;

use super::reader::Reader;
use super::row_description::{Column, CopyResponse, parameter_description, row_description};
use super::{DataRow, ErrorFields, tag};
use crate::Error;

/// Longest secret key of a backend (section "Message Formats", BackendKeyData; protocol 3.2).
pub const BACKEND_KEY_BYTES_MAX: usize = 256;
/// Shortest one, and the only length before protocol 3.2.
const BACKEND_KEY_BYTES_MIN: usize = 4;

/// One message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A step of the log-in.
    Authentication(Authentication<'a>),
    /// What a cancel request must say.
    BackendKeyData(BackendKeyData<'a>),
    /// Answers Bind.
    BindComplete,
    /// Answers Close.
    CloseComplete,
    /// A command is done: its tag, with the count of rows behind it.
    CommandComplete(&'a str),
    /// Only replication begins with it.
    CopyBothResponse(CopyResponse),
    /// A piece of a copy.
    CopyData(&'a [u8]),
    /// The server's copy is whole.
    CopyDone,
    /// The server waits for a copy.
    CopyInResponse(CopyResponse),
    /// The server begins a copy.
    CopyOutResponse(CopyResponse),
    /// One row.
    DataRow(DataRow<'a>),
    /// In place of `CommandComplete` when there was no command.
    EmptyQueryResponse,
    /// An error.
    ErrorResponse(ErrorFields<'a>),
    /// Answers the legacy function call; `None` is NULL.
    FunctionCallResponse(Option<&'a [u8]>),
    /// The server knows less than what was asked for.
    NegotiateProtocolVersion(NegotiateProtocolVersion<'a>),
    /// What was described returns no rows.
    NoData,
    /// A warning or something to know.
    NoticeResponse(ErrorFields<'a>),
    /// Somebody called NOTIFY.
    NotificationResponse(NotificationResponse<'a>),
    /// The types of a statement's parameters.
    ParameterDescription(Vec<u32>),
    /// A setting, at start and when it changes.
    ParameterStatus(ParameterStatus<'a>),
    /// Answers Parse.
    ParseComplete,
    /// Execute stopped at its row limit.
    PortalSuspended,
    /// The cycle is over.
    ReadyForQuery(TransactionStatus),
    /// The columns of the rows to come.
    RowDescription(Vec<Column>),
}

impl<'a> Message<'a> {
    /// The message with this tag and body, checked to its last byte.
    ///
    /// # Errors
    /// [`Error::PostgresProtocol`] when the tag is unknown or the body malformed.
    pub fn parse(tag: u8, body: &'a [u8]) -> Result<Self, Error> {
        let bare = |message| Reader::new(body).end().map(|()| message);
        match tag {
            tag::AUTHENTICATION => Authentication::new(body).map(Self::Authentication),
            tag::BACKEND_KEY_DATA => BackendKeyData::new(body).map(Self::BackendKeyData),
            tag::BIND_COMPLETE => bare(Self::BindComplete),
            tag::CLOSE_COMPLETE => bare(Self::CloseComplete),
            tag::COMMAND_COMPLETE => command_tag(body).map(Self::CommandComplete),
            tag::COPY_BOTH_RESPONSE => CopyResponse::new(body).map(Self::CopyBothResponse),
            tag::COPY_DATA => Ok(Self::CopyData(body)),
            tag::COPY_DONE => bare(Self::CopyDone),
            tag::COPY_IN_RESPONSE => CopyResponse::new(body).map(Self::CopyInResponse),
            tag::COPY_OUT_RESPONSE => CopyResponse::new(body).map(Self::CopyOutResponse),
            tag::DATA_ROW => DataRow::new(body).map(Self::DataRow),
            tag::EMPTY_QUERY_RESPONSE => bare(Self::EmptyQueryResponse),
            tag::ERROR_RESPONSE => ErrorFields::new(body).map(Self::ErrorResponse),
            tag::FUNCTION_CALL_RESPONSE => function_result(body).map(Self::FunctionCallResponse),
            tag::NEGOTIATE_PROTOCOL_VERSION => {
                NegotiateProtocolVersion::new(body).map(Self::NegotiateProtocolVersion)
            }
            tag::NO_DATA => bare(Self::NoData),
            tag::NOTICE_RESPONSE => ErrorFields::new(body).map(Self::NoticeResponse),
            tag::NOTIFICATION_RESPONSE => {
                NotificationResponse::new(body).map(Self::NotificationResponse)
            }
            tag::PARAMETER_DESCRIPTION => {
                parameter_description(body).map(Self::ParameterDescription)
            }
            tag::PARAMETER_STATUS => ParameterStatus::new(body).map(Self::ParameterStatus),
            tag::PARSE_COMPLETE => bare(Self::ParseComplete),
            tag::PORTAL_SUSPENDED => bare(Self::PortalSuspended),
            tag::READY_FOR_QUERY => TransactionStatus::new(body).map(Self::ReadyForQuery),
            tag::ROW_DESCRIPTION => row_description(body).map(Self::RowDescription),
            _ => Err(Error::PostgresProtocol(
                "PostgreSQL message of an unknown type",
            )),
        }
    }
}

/// A step of the log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Nothing more is asked for.
    Ok,
    /// The password is wanted as it is.
    CleartextPassword,
    /// The password is wanted as an MD5 hash.
    Md5Password {
        /// Goes into the hash.
        salt: [u8; 4],
    },
    /// One of these SASL mechanisms is to be begun.
    Sasl(Mechanisms<'a>),
    /// The mechanism goes on with this.
    SaslContinue(&'a [u8]),
    /// The mechanism ends with this.
    SaslFinal(&'a [u8]),
    /// A method that this client does not speak; its name.
    Unsupported(&'static str),
}

impl<'a> Authentication<'a> {
    /// Reads one body.
    ///
    /// # Errors
    /// [`Error::PostgresProtocol`] when it is malformed or its method is unknown.
    pub fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let step = match reader.u32()? {
            0 => Self::Ok,
            2 => Self::Unsupported("Kerberos V5"),
            3 => Self::CleartextPassword,
            5 => Self::Md5Password {
                salt: reader.array()?,
            },
            7 => Self::Unsupported("GSSAPI"),
            9 => Self::Unsupported("SSPI"),
            10 => return Mechanisms::new(reader.rest()).map(Self::Sasl),
            11 => return Ok(Self::SaslContinue(reader.rest())),
            12 => return Ok(Self::SaslFinal(reader.rest())),
            _ => {
                return Err(Error::PostgresProtocol(
                    "PostgreSQL authentication method is unknown",
                ));
            }
        };
        reader.end()?;
        Ok(step)
    }
}

/// The names of the SASL mechanisms that a server offers, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanisms<'a> {
    names: &'a [u8],
}

impl<'a> Mechanisms<'a> {
    fn new(names: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(names);
        while !reader.string()?.is_empty() {}
        reader.end()?;
        Ok(Self { names })
    }

    /// Whether `name` is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|offered| offered == name)
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.names);
        std::iter::from_fn(move || reader.string().ok().filter(|name| !name.is_empty()))
    }
}

/// Whether a transaction is open, as ReadyForQuery says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TransactionStatus {
    /// None is.
    Idle = b'I',
    /// One is.
    InTransaction = b'T',
    /// One is, and only its end will be accepted.
    Failed = b'E',
}

impl TransactionStatus {
    /// Reads the body of a ReadyForQuery.
    ///
    /// # Errors
    /// [`Error::PostgresProtocol`] when it is no status.
    #[inline]
    pub fn new(body: &[u8]) -> Result<Self, Error> {
        match body {
            b"I" => Ok(Self::Idle),
            b"T" => Ok(Self::InTransaction),
            b"E" => Ok(Self::Failed),
            _ => Err(Error::PostgresProtocol(
                "PostgreSQL transaction status is unknown",
            )),
        }
    }
}

/// What a cancel request must say to be heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendKeyData<'a> {
    /// The backend's process id.
    pub pid: u32,
    /// Its secret, at most [`BACKEND_KEY_BYTES_MAX`] bytes.
    pub key: &'a [u8],
}

impl<'a> BackendKeyData<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let (pid, key) = (reader.u32()?, reader.rest());
        if !(BACKEND_KEY_BYTES_MIN..=BACKEND_KEY_BYTES_MAX).contains(&key.len()) {
            return Err(Error::PostgresProtocol(
                "PostgreSQL cancel key has an impossible length",
            ));
        }
        Ok(Self { pid, key })
    }
}

/// Somebody called NOTIFY on a channel that this session listens to.
///
/// Text that is no UTF-8 is shown with replacement characters: in a database without an encoding
/// (`SQL_ASCII`) anybody may send such, and it must not end the sessions that listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationResponse<'a> {
    /// The process id of the notifying backend.
    pub pid: u32,
    /// The channel.
    pub channel: Cow<'a, str>,
    /// What is said; often nothing.
    pub payload: Cow<'a, str>,
}

impl<'a> NotificationResponse<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let found = Self {
            pid: reader.u32()?,
            channel: String::from_utf8_lossy(reader.string_bytes()?),
            payload: String::from_utf8_lossy(reader.string_bytes()?),
        };
        reader.end()?;
        Ok(found)
    }
}

/// A setting of the session that the server reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is now.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let (name, value) = (reader.string()?, reader.string()?);
        reader.end()?;
        Ok(Self { name, value })
    }
}

/// The server does not know the minor version asked for, or not all options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateProtocolVersion<'a> {
    /// The newest minor version of protocol 3 that it speaks.
    pub newest_minor: u32,
    /// The options that it does not know.
    pub unsupported: Vec<&'a str>,
}

impl<'a> NegotiateProtocolVersion<'a> {
    fn new(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        // Servers differ in whether the major version comes with it.
        let newest_minor = reader.u32()? & 0xffff;
        let count = reader.u32()?;
        let mut unsupported = Vec::new();
        for _ in 0..count {
            unsupported.push(reader.string()?);
        }
        reader.end()?;
        Ok(Self {
            newest_minor,
            unsupported,
        })
    }
}

/// The tag of a finished command, such as `SELECT 3`, in the body of a CommandComplete.
///
/// # Errors
/// [`Error::PostgresProtocol`] when it is malformed.
#[inline]
pub fn command_tag(body: &[u8]) -> Result<&str, Error> {
    let mut reader = Reader::new(body);
    let tag = reader.string()?;
    reader.end()?;
    Ok(tag)
}

fn function_result(body: &[u8]) -> Result<Option<&[u8]>, Error> {
    let mut reader = Reader::new(body);
    let value =
        match reader.i32()? {
            -1 => None,
            length => Some(reader.bytes(usize::try_from(length).map_err(|_| {
                Error::PostgresProtocol("PostgreSQL value has a negative length")
            })?)?),
        };
    reader.end()?;
    Ok(value)
}

/// The server's one byte in answer to a TLS request (section "SSL Session Encryption").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsAnswer {
    /// TLS begins with the next byte.
    Accepted,
    /// It goes on without.
    Refused,
}

/// Reads the answer to a TLS request.
///
/// Whoever calls reads this one byte and no more before TLS begins: what stands behind it was put
/// there by somebody in the middle (CVE-2021-23222).
///
/// # Errors
/// [`Error::PostgresProtocol`] for anything else than an answer, an ErrorResponse included: it is
/// not authenticated and must not be shown (CVE-2024-10977).
pub fn tls_answer(byte: u8) -> Result<TlsAnswer, Error> {
    match byte {
        b'S' => Ok(TlsAnswer::Accepted),
        b'N' => Ok(TlsAnswer::Refused),
        _ => Err(Error::PostgresProtocol(
            "PostgreSQL server does not answer the TLS request",
        )),
    }
}

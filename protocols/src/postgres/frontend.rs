//! Messages to the server. Each function appends one; when it fails it has appended nothing.

use std::io;

use bytes::{BufMut, BytesMut};
use postgres_protocol::message::frontend;

use crate::Error;

/// Execute of the unnamed portal without a row limit, and Sync.
pub const EXECUTE_SYNC: &[u8] = b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";
/// Sync.
pub const SYNC: &[u8] = b"S\0\0\0\x04";
/// The code in place of a version that makes a start-up packet a cancel request.
const CANCEL_CODE: i32 = 80_877_102;

pub(super) const NUL: Error = Error::PostgresRequest("text for PostgreSQL has a NUL in it");
pub(super) const TOO_LARGE: Error =
    Error::PostgresRequest("message for PostgreSQL is too large to be sent");

/// What Describe and Close are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement; the unnamed one has an empty name.
    Statement(&'a str),
    /// A portal; the unnamed one has an empty name.
    Portal(&'a str),
}

impl<'a> Target<'a> {
    fn parts(self) -> (u8, &'a str) {
        match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        }
    }
}

/// StartupMessage of protocol 3.0 with these parameters, `user` among them.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL, or a parameter without a name, which would end the list.
pub fn startup<'a>(
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let mut refused = Ok(());
    let mut checked = parameters.into_iter().map_while(|(name, value)| {
        refused = if name.is_empty() {
            Err(Error::PostgresRequest("PostgreSQL parameter has no name"))
        } else {
            without_nul(&[name.as_bytes(), value.as_bytes()])
        };
        refused.is_ok().then_some((name, value))
    });
    let start = out.len();
    let written = frontend::startup_message(&mut checked, out);
    match refused.and(written.map_err(|_| TOO_LARGE)) {
        Ok(()) => Ok(()),
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// SSLRequest, before the start-up message; [`tls_answer`](super::tls_answer) reads the answer.
pub fn ssl_request(out: &mut BytesMut) {
    frontend::ssl_request(out);
}

/// CancelRequest, alone on a connection of its own: process id and key as the server gave them.
pub fn cancel_request(pid: u32, key: &[u8], out: &mut BytesMut) {
    debug_assert!(key.len() <= super::BACKEND_KEY_BYTES_MAX);
    // Length, code and process id, then the key, which has four bytes before protocol 3.2.
    out.put_u32(12 + key.len() as u32);
    out.put_i32(CANCEL_CODE);
    out.put_u32(pid);
    out.extend_from_slice(key);
}

/// Terminate: the connection is closed next.
pub fn terminate(out: &mut BytesMut) {
    frontend::terminate(out);
}

/// PasswordMessage: a password or its MD5 hash.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL.
pub fn password(password: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    append(&[password], out, |out| {
        frontend::password_message(password, out)
    })
}

/// SASLInitialResponse.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL in the name.
pub fn sasl_initial_response(
    mechanism: &str,
    data: &[u8],
    out: &mut BytesMut,
) -> Result<(), Error> {
    append(&[mechanism.as_bytes()], out, |out| {
        frontend::sasl_initial_response(mechanism, data, out)
    })
}

/// SASLResponse.
///
/// # Errors
/// [`Error::PostgresRequest`] when it is too large.
pub fn sasl_response(data: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    append(&[], out, |out| frontend::sasl_response(data, out))
}

/// Query: one or more commands of the simple protocol.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL, or when it is too large.
pub fn query(sql: &str, out: &mut BytesMut) -> Result<(), Error> {
    append(&[sql.as_bytes()], out, |out| frontend::query(sql, out))
}

/// Parse: one command becomes the prepared statement `name`; the server finds out the types that
/// `parameter_oids` does not give, or gives as 0.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL, or when it is too large.
pub fn parse(
    name: &str,
    sql: &str,
    parameter_oids: impl IntoIterator<Item = u32>,
    out: &mut BytesMut,
) -> Result<(), Error> {
    append(&[name.as_bytes(), sql.as_bytes()], out, |out| {
        frontend::parse(name, sql, parameter_oids, out)
    })
}

/// Describe.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL.
pub fn describe(target: Target<'_>, out: &mut BytesMut) -> Result<(), Error> {
    let (kind, name) = target.parts();
    append(&[name.as_bytes()], out, |out| {
        frontend::describe(kind, name, out)
    })
}

/// Close.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL.
pub fn close(target: Target<'_>, out: &mut BytesMut) -> Result<(), Error> {
    let (kind, name) = target.parts();
    append(&[name.as_bytes()], out, |out| {
        frontend::close(kind, name, out)
    })
}

/// Execute: at most `rows_max` rows, or all of them when it is 0.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL, or a limit above `i32::MAX`.
pub fn execute(portal: &str, rows_max: u32, out: &mut BytesMut) -> Result<(), Error> {
    let rows_max = i32::try_from(rows_max)
        .map_err(|_| Error::PostgresRequest("PostgreSQL row limit is out of range"))?;
    append(&[portal.as_bytes()], out, |out| {
        frontend::execute(portal, rows_max, out)
    })
}

/// Sync: ends a cycle of the extended protocol.
pub fn sync(out: &mut BytesMut) {
    out.extend_from_slice(SYNC);
}

/// Flush: the server is to send what it has, without an end of the cycle.
pub fn flush(out: &mut BytesMut) {
    frontend::flush(out);
}

/// CopyData: one piece, cut where it suits the caller.
///
/// # Errors
/// [`Error::PostgresRequest`] when it is too large.
pub fn copy_data(data: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    let message = frontend::CopyData::new(data).map_err(|_| TOO_LARGE)?;
    message.write(out);
    Ok(())
}

/// CopyDone: the copy is whole.
pub fn copy_done(out: &mut BytesMut) {
    frontend::copy_done(out);
}

/// CopyFail: the copy is to fail, for this reason.
///
/// # Errors
/// [`Error::PostgresRequest`] for a NUL.
pub fn copy_fail(reason: &str, out: &mut BytesMut) -> Result<(), Error> {
    append(&[reason.as_bytes()], out, |out| {
        frontend::copy_fail(reason, out)
    })
}

pub(super) fn without_nul(texts: &[&[u8]]) -> Result<(), Error> {
    match texts.iter().any(|text| memchr::memchr(0, text).is_some()) {
        true => Err(NUL),
        false => Ok(()),
    }
}

/// Lets `write` append one message that holds `texts`, each ended by a NUL.
fn append(
    texts: &[&[u8]],
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
) -> Result<(), Error> {
    let start = out.len();
    write(out).map_err(|_| {
        out.truncate(start);
        // Whoever wrote it tells the two reasons apart by their wording only.
        without_nul(texts).err().unwrap_or(TOO_LARGE)
    })
}

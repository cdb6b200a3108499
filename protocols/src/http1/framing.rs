//! What the fields of a head say about the message and the connection, gathered line by line.

use super::authority::is_authority;
use super::syntax::{is_token, list_elements, parse_digits, trim_ows};
use crate::{Error, Span};

/// How the end of the request body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// No framing field: the request has no body.
    #[default]
    None,
    /// `Content-Length`, which may be 0.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// Whether the connection may serve another request after this one (RFC 9112 section 9.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// The peer can send another request.
    Keep,
    /// The answer is the last.
    #[default]
    Close,
}

/// The protocol the client asks to change to (RFC 9110 section 7.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// None that this server speaks.
    #[default]
    None,
    /// `websocket`, on an HTTP/1.1 GET whose `Connection` names `upgrade`.
    WebSocket,
}

/// What the field lines so far say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    host: Option<Span>,
    content_length: Option<u64>,
    coding: Coding,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    upgrade_websocket: bool,
    expect_continue: bool,
    expect_unknown: bool,
}

/// The transfer codings named so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coding {
    #[default]
    Absent,
    Chunked,
    /// Well-formed, but `chunked` has not come yet.
    Unknown,
    UnknownThenChunked,
    Malformed,
}

/// The meaning of a whole head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meaning {
    pub(crate) host: Span,
    pub(crate) framing: BodyFraming,
    pub(crate) expect_continue: bool,
    pub(crate) reuse: Reuse,
    pub(crate) upgrade: Upgrade,
}

impl Seen {
    /// Takes one field line of the head in `bytes` in.
    #[inline]
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8], bytes: &[u8]) -> Result<(), Error> {
        // The length and the first letter tell almost all fields apart.
        let Some(first) = name.first() else {
            return Ok(());
        };
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match (name.len(), first | 0x20) {
            (4, b'h') if is(b"host") => self.note_host(value, bytes)?,
            (6, b'e') if is(b"expect") => self.note_expect(value),
            (7, b'u') if is(b"upgrade") => {
                self.upgrade_websocket |= list_elements(value)
                    .any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
            }
            (10, b'c') if is(b"connection") => self.note_connection(value),
            (14, b'c') if is(b"content-length") => {
                // RFC 9112 section 6.3 lets `5, 5` or two equal lines pass as one; whoever sends
                // them is broken or lying, and hops disagree about what they mean.
                let length = parse_digits(value).ok_or(Error::BadContentLength)?;
                if self.content_length.replace(length).is_some() {
                    return Err(Error::BadContentLength);
                }
            }
            (17, b't') if is(b"transfer-encoding") => {
                for coding in list_elements(value) {
                    self.coding = self.coding.then(coding);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9112 section 3.2: at most one, and a valid one.
    fn note_host(&mut self, value: &[u8], bytes: &[u8]) -> Result<(), Error> {
        if self.host.replace(Span::within(bytes, value)).is_some() {
            return Err(Error::DuplicateHost);
        }
        if is_authority(value) {
            Ok(())
        } else {
            Err(Error::BadHost)
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        for expectation in list_elements(value).filter(|element| !element.is_empty()) {
            if expectation.eq_ignore_ascii_case(b"100-continue") {
                self.expect_continue = true;
            } else {
                self.expect_unknown = true;
            }
        }
    }

    /// Options nobody defined, and text that is no option at all, say nothing to this server.
    fn note_connection(&mut self, value: &[u8]) {
        for option in list_elements(value) {
            let is = |known: &[u8]| option.eq_ignore_ascii_case(known);
            match option.len() {
                5 => self.close |= is(b"close"),
                7 => self.connection_upgrade |= is(b"upgrade"),
                10 => self.keep_alive |= is(b"keep-alive"),
                _ => {}
            }
        }
    }

    /// Weighs the whole head after its last line.
    pub(crate) fn conclude(&self, method: &[u8], minor_version: u8) -> Result<Meaning, Error> {
        let is_http11 = minor_version >= 1;
        if is_http11 && self.host.is_none() {
            return Err(Error::MissingHost);
        }
        let framing = self.framing(is_http11)?;
        // RFC 9110 section 10.1.1: an HTTP/1.0 client's expectation is ignored.
        if is_http11 && self.expect_unknown {
            return Err(Error::UnknownExpectation);
        }
        let has_body = !matches!(framing, BodyFraming::None | BodyFraming::Length(0));
        let keep = !self.close && (is_http11 || self.keep_alive);
        let websocket =
            is_http11 && self.connection_upgrade && self.upgrade_websocket && method == b"GET";
        Ok(Meaning {
            host: self.host.unwrap_or_default(),
            framing,
            expect_continue: is_http11 && has_body && self.expect_continue,
            reuse: if keep { Reuse::Keep } else { Reuse::Close },
            upgrade: if websocket {
                Upgrade::WebSocket
            } else {
                Upgrade::None
            },
        })
    }

    /// RFC 9112 sections 6.1 and 6.3, always on the side that refuses.
    fn framing(&self, is_http11: bool) -> Result<BodyFraming, Error> {
        if self.coding == Coding::Absent {
            return Ok(self
                .content_length
                .map_or(BodyFraming::None, BodyFraming::Length));
        }
        if self.content_length.is_some() {
            return Err(Error::LengthAndCoding);
        }
        if !is_http11 {
            return Err(Error::CodingOnHttp10);
        }
        match self.coding {
            Coding::Chunked => Ok(BodyFraming::Chunked),
            Coding::UnknownThenChunked => Err(Error::UnknownCoding),
            // When chunked is not last the end of the body cannot be found.
            Coding::Absent | Coding::Unknown | Coding::Malformed => Err(Error::BadCoding),
        }
    }
}

impl Coding {
    /// With one more list element. An empty element counts as malformed: a hop that does not skip
    /// it would frame the body differently.
    fn then(self, element: &[u8]) -> Self {
        let mut parts = element.splitn(2, |&byte| byte == b';');
        let name = trim_ows(parts.next().unwrap_or_default());
        let has_parameters = parts.next().is_some();
        if !is_token(name) {
            return Self::Malformed;
        }
        let is_chunked = name.eq_ignore_ascii_case(b"chunked");
        match self {
            Self::Absent if is_chunked && !has_parameters => Self::Chunked,
            Self::Unknown if is_chunked && !has_parameters => Self::UnknownThenChunked,
            Self::Absent | Self::Unknown if !is_chunked => Self::Unknown,
            _ => Self::Malformed,
        }
    }
}

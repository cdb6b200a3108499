//! Everything a peer, a response field from the application or a database server can get wrong.

use std::fmt;

/// A protocol violation, answered once by the loop that owns the socket, which then closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The request line is not `method SP target SP version CRLF` (RFC 9112 section 3).
    BadRequestLine,
    /// The version is not `HTTP/` DIGIT `.` DIGIT (RFC 9112 section 2.3).
    BadVersion,
    /// A well-formed version with a major number other than 1.
    UnsupportedVersion,
    /// The target fits none of the four forms (RFC 9112 section 3.2), or not with this method.
    BadTarget,
    /// `CONNECT`: an origin server opens no tunnels.
    ConnectUnsupported,
    /// The request line passed its bound inside the target.
    RequestLineTooLong,
    /// The head passed its bound.
    HeadTooLarge,
    /// More field lines than allowed.
    TooManyFields,
    /// A field line that RFC 9112 section 5 does not allow, folding included.
    BadField,
    /// HTTP/1.1 without `Host` (RFC 9112 section 3.2).
    MissingHost,
    /// More than one `Host` line.
    DuplicateHost,
    /// `Host` is not `uri-host [ ":" port ]`.
    BadHost,
    /// `Content-Length` is not one run of digits that fits 64 bits, given once.
    BadContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`: the mark of request smuggling.
    LengthAndCoding,
    /// `Transfer-Encoding` is malformed, or `chunked` is not last or not alone in its kind.
    BadCoding,
    /// A transfer coding other than `chunked` comes first.
    UnknownCoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 section 6.1).
    CodingOnHttp10,
    /// `Expect` asks for something other than `100-continue`.
    UnknownExpectation,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// Chunk framing that RFC 9112 section 7.1 does not allow.
    BadChunk,
    /// The chunk extensions of one body passed their bound.
    ChunkExtensionsTooLarge,
    /// A malformed trailer field line.
    BadTrailer,
    /// The trailer section passed its bound.
    TrailerTooLarge,
    /// The peer finished sending before the body was whole.
    TruncatedBody,
    /// The opening handshake breaks RFC 6455 section 4.2.1.
    BadWebSocketHandshake,
    /// A WebSocket version other than 13; the answer carries `Sec-WebSocket-Version: 13`.
    WebSocketVersion,
    /// A frame that RFC 6455 section 5 does not allow; what is wrong with it.
    WebSocketProtocol(&'static str),
    /// Text that is no UTF-8 (RFC 6455 section 8.1).
    WebSocketText,
    /// A compressed message that cannot be inflated (RFC 7692 section 7.2.2).
    WebSocketDeflate,
    /// A message is longer than allowed.
    WebSocketTooLarge,
    /// A response field whose name is no token or whose value would end the line.
    BadResponseField,
    /// The name of a server-sent event is not a single line.
    BadEventName,
    /// The id of a server-sent event is not a single line, or has a NUL in it.
    BadEventId,
    /// A PostgreSQL server sent what its protocol does not allow; what is wrong with it.
    PostgresProtocol(&'static str),
    /// A PostgreSQL server sent, or announced, a longer message than allowed.
    PostgresTooLarge,
    /// Logging in to a PostgreSQL server cannot go on; why.
    PostgresAuthentication(&'static str),
    /// A message for a PostgreSQL server that cannot be written; why.
    PostgresRequest(&'static str),
}

impl Error {
    /// The status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequestLine
            | Self::BadVersion
            | Self::BadTarget
            | Self::BadField
            | Self::MissingHost
            | Self::DuplicateHost
            | Self::BadHost
            | Self::BadContentLength
            | Self::LengthAndCoding
            | Self::BadCoding
            | Self::CodingOnHttp10
            | Self::BadChunk
            | Self::BadTrailer
            | Self::TruncatedBody
            | Self::BadWebSocketHandshake
            | Self::WebSocketProtocol(_)
            | Self::WebSocketText
            | Self::WebSocketDeflate => 400,
            Self::BodyTooLarge | Self::ChunkExtensionsTooLarge | Self::WebSocketTooLarge => 413,
            Self::RequestLineTooLong => 414,
            Self::UnknownExpectation => 417,
            Self::WebSocketVersion => 426,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailerTooLarge => 431,
            Self::BadResponseField
            | Self::BadEventName
            | Self::BadEventId
            | Self::PostgresProtocol(_)
            | Self::PostgresTooLarge
            | Self::PostgresAuthentication(_)
            | Self::PostgresRequest(_) => 500,
            Self::ConnectUnsupported | Self::UnknownCoding => 501,
            Self::UnsupportedVersion => 505,
        }
    }

    /// The close code for a WebSocket (RFC 6455 section 7.4.1); `None` for what is no error of one.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::WebSocketProtocol(_) => Some(1002),
            Self::WebSocketText | Self::WebSocketDeflate => Some(1007),
            Self::WebSocketTooLarge => Some(1009),
            _ => None,
        }
    }

    /// One short phrase for the log; it repeats nothing the peer sent.
    pub fn reason_for_log(&self) -> &'static str {
        match self {
            Self::BadRequestLine => "malformed request line",
            Self::BadVersion => "malformed HTTP version",
            Self::UnsupportedVersion => "unsupported HTTP version",
            Self::BadTarget => "malformed request target",
            Self::ConnectUnsupported => "CONNECT is not supported",
            Self::RequestLineTooLong => "request line too long",
            Self::HeadTooLarge => "request head too large",
            Self::TooManyFields => "too many header fields",
            Self::BadField => "malformed header field",
            Self::MissingHost => "no Host field",
            Self::DuplicateHost => "more than one Host field",
            Self::BadHost => "malformed Host field",
            Self::BadContentLength => "malformed or repeated Content-Length",
            Self::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Self::BadCoding => "malformed Transfer-Encoding",
            Self::UnknownCoding => "unknown transfer coding",
            Self::CodingOnHttp10 => "Transfer-Encoding in an HTTP/1.0 request",
            Self::UnknownExpectation => "unknown expectation",
            Self::BodyTooLarge => "request body too large",
            Self::BadChunk => "malformed chunk",
            Self::ChunkExtensionsTooLarge => "chunk extensions too large",
            Self::BadTrailer => "malformed trailer field",
            Self::TrailerTooLarge => "trailer section too large",
            Self::TruncatedBody => "request body ended early",
            Self::BadWebSocketHandshake => "malformed WebSocket handshake",
            Self::WebSocketVersion => "unsupported WebSocket version",
            Self::WebSocketProtocol(what)
            | Self::PostgresProtocol(what)
            | Self::PostgresAuthentication(what)
            | Self::PostgresRequest(what) => what,
            Self::WebSocketText => "text that is not UTF-8",
            Self::WebSocketDeflate => "malformed compressed data",
            Self::WebSocketTooLarge => "message too large",
            Self::BadResponseField => "response field name or value cannot be sent",
            Self::BadEventName => "event name is not a single line",
            Self::PostgresTooLarge => "message from PostgreSQL too large",
            Self::BadEventId => "event id is not a single line without NUL",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason_for_log())
    }
}

impl std::error::Error for Error {}

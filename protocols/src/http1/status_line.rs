//! The status line of every registered status, ready to send.

/// The whole line for a status in the IANA registry.
pub(crate) fn status_line(status: u16) -> Option<&'static [u8]> {
    if status == 200 {
        return Some(OK);
    }
    let at = LINES.binary_search_by_key(&status, |line| line.0).ok()?;
    LINES.get(at).map(|line| line.1)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// Sorted by status.
#[rustfmt::skip]
static LINES: [(u16, &[u8]); 61] = [
    (100, b"HTTP/1.1 100 Continue\r\n"),
    (101, b"HTTP/1.1 101 Switching Protocols\r\n"),
    (102, b"HTTP/1.1 102 Processing\r\n"),
    (103, b"HTTP/1.1 103 Early Hints\r\n"),
    (200, OK),
    (201, b"HTTP/1.1 201 Created\r\n"),
    (202, b"HTTP/1.1 202 Accepted\r\n"),
    (203, b"HTTP/1.1 203 Non-Authoritative Information\r\n"),
    (204, b"HTTP/1.1 204 No Content\r\n"),
    (205, b"HTTP/1.1 205 Reset Content\r\n"),
    (206, b"HTTP/1.1 206 Partial Content\r\n"),
    (207, b"HTTP/1.1 207 Multi-Status\r\n"),
    (208, b"HTTP/1.1 208 Already Reported\r\n"),
    (226, b"HTTP/1.1 226 IM Used\r\n"),
    (300, b"HTTP/1.1 300 Multiple Choices\r\n"),
    (301, b"HTTP/1.1 301 Moved Permanently\r\n"),
    (302, b"HTTP/1.1 302 Found\r\n"),
    (303, b"HTTP/1.1 303 See Other\r\n"),
    (304, b"HTTP/1.1 304 Not Modified\r\n"),
    (305, b"HTTP/1.1 305 Use Proxy\r\n"),
    (307, b"HTTP/1.1 307 Temporary Redirect\r\n"),
    (308, b"HTTP/1.1 308 Permanent Redirect\r\n"),
    (400, b"HTTP/1.1 400 Bad Request\r\n"),
    (401, b"HTTP/1.1 401 Unauthorized\r\n"),
    (402, b"HTTP/1.1 402 Payment Required\r\n"),
    (403, b"HTTP/1.1 403 Forbidden\r\n"),
    (404, b"HTTP/1.1 404 Not Found\r\n"),
    (405, b"HTTP/1.1 405 Method Not Allowed\r\n"),
    (406, b"HTTP/1.1 406 Not Acceptable\r\n"),
    (407, b"HTTP/1.1 407 Proxy Authentication Required\r\n"),
    (408, b"HTTP/1.1 408 Request Timeout\r\n"),
    (409, b"HTTP/1.1 409 Conflict\r\n"),
    (410, b"HTTP/1.1 410 Gone\r\n"),
    (411, b"HTTP/1.1 411 Length Required\r\n"),
    (412, b"HTTP/1.1 412 Precondition Failed\r\n"),
    (413, b"HTTP/1.1 413 Content Too Large\r\n"),
    (414, b"HTTP/1.1 414 URI Too Long\r\n"),
    (415, b"HTTP/1.1 415 Unsupported Media Type\r\n"),
    (416, b"HTTP/1.1 416 Range Not Satisfiable\r\n"),
    (417, b"HTTP/1.1 417 Expectation Failed\r\n"),
    (418, b"HTTP/1.1 418 I'm a Teapot\r\n"),
    (421, b"HTTP/1.1 421 Misdirected Request\r\n"),
    (422, b"HTTP/1.1 422 Unprocessable Content\r\n"),
    (423, b"HTTP/1.1 423 Locked\r\n"),
    (424, b"HTTP/1.1 424 Failed Dependency\r\n"),
    (425, b"HTTP/1.1 425 Too Early\r\n"),
    (426, b"HTTP/1.1 426 Upgrade Required\r\n"),
    (428, b"HTTP/1.1 428 Precondition Required\r\n"),
    (429, b"HTTP/1.1 429 Too Many Requests\r\n"),
    (431, b"HTTP/1.1 431 Request Header Fields Too Large\r\n"),
    (451, b"HTTP/1.1 451 Unavailable For Legal Reasons\r\n"),
    (500, b"HTTP/1.1 500 Internal Server Error\r\n"),
    (501, b"HTTP/1.1 501 Not Implemented\r\n"),
    (502, b"HTTP/1.1 502 Bad Gateway\r\n"),
    (503, b"HTTP/1.1 503 Service Unavailable\r\n"),
    (504, b"HTTP/1.1 504 Gateway Timeout\r\n"),
    (505, b"HTTP/1.1 505 HTTP Version Not Supported\r\n"),
    (506, b"HTTP/1.1 506 Variant Also Negotiates\r\n"),
    (507, b"HTTP/1.1 507 Insufficient Storage\r\n"),
    (508, b"HTTP/1.1 508 Loop Detected\r\n"),
    (511, b"HTTP/1.1 511 Network Authentication Required\r\n"),
];

//! HTTP/1.1 messages (RFC 9112) and the field semantics a server acts on (RFC 9110).

mod authority;
mod body;
mod chunk;
mod conditional;
mod date;
mod entity_tag;
mod field_line;
mod framing;
mod percent;
mod range;
mod request_head;
mod request_line;
mod response_head;
mod status_line;
pub(crate) mod syntax;

pub use body::{BodyDecoder, BodyPiece};
pub use conditional::{Precondition, Validators, etag_for, evaluate, if_range_holds};
pub use date::{DateLine, http_date};
pub use framing::{BodyFraming, Reuse, Upgrade};
pub use percent::{decode_path, percent_decode, query_pairs};
pub use range::{RANGES_MAX, RangeOutcome, parse_range};
pub use request_head::{Field, HeadLimits, RequestHead, parse_request_head};
pub use response_head::{
    CONTINUE, LAST_CHUNK, ResponseFraming, ResponseHead, body_allowed, encode_chunk, encode_field,
    encode_response_head,
};

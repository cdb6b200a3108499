//! PostgreSQL's frontend/backend protocol, version 3: what a client reads, writes and proves.
//!
//! Section numbers are those of the PostgreSQL manual, chapter "Frontend/Backend Protocol".

mod authentication;
mod backend;
mod bind;
mod data_row;
mod error_fields;
mod frame;
pub mod frontend;
mod reader;
mod row_description;
mod scram;

pub use authentication::{AuthStep, Authenticator, LoginMethod, NONCE_BYTES_MIN};
pub use backend::{
    Authentication, BACKEND_KEY_BYTES_MAX, BackendKeyData, Mechanisms, Message,
    NegotiateProtocolVersion, NotificationResponse, ParameterStatus, TlsAnswer, TransactionStatus,
    command_tag, tls_answer,
};
pub use bind::{BindTemplate, IsNull};
pub use data_row::{DataRow, Values};
pub use error_fields::ErrorFields;
pub use frame::{Frame, HEADER_BYTES, SHORT_BODY_BYTES_MAX, frame_bytes, parse_frame, tag};
pub use row_description::{Column, CopyResponse, Format, parameter_description, row_description};
pub use scram::{Challenge, ChannelBinding, SaltedPassword, salted_password};
pub use scram::{ITERATIONS_MAX, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramClient};

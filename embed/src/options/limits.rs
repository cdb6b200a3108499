//! The bounds of a shard as options of `fasterapi run`.

use clap::Args;
use runtime::limits::Limits;

use crate::error::Error;

use super::{at_least, at_most, positive_time};

/// One option per field of [`Limits`], whose documentation says more.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Limits of each shard")]
pub struct LimitOptions {
    /// Largest request head, in bytes; past it the answer is 431
    #[arg(long, env = "FASTERAPI_HEAD_BYTES_MAX", hide_env_values = true, value_name = "BYTES",
          default_value_t = Limits::default().head_bytes_max)]
    pub head_bytes_max: usize,

    /// Most header fields in one head; past it the answer is 431
    #[arg(long, env = "FASTERAPI_HEAD_FIELDS_MAX", hide_env_values = true, value_name = "FIELDS",
          default_value_t = Limits::default().head_fields_max)]
    pub head_fields_max: usize,

    /// Longest request line, in bytes; past it the answer is 414
    #[arg(long, env = "FASTERAPI_REQUEST_LINE_BYTES_MAX", hide_env_values = true,
          value_name = "BYTES", default_value_t = Limits::default().request_line_bytes_max)]
    pub request_line_bytes_max: usize,

    /// Largest request body, in bytes; past it the answer is 413
    #[arg(long, env = "FASTERAPI_BODY_BYTES_MAX", hide_env_values = true, value_name = "BYTES",
          default_value_t = Limits::default().body_bytes_max)]
    pub body_bytes_max: u64,

    /// How long a head may take from its first byte, in seconds; then 408
    #[arg(long, env = "FASTERAPI_HEADER_TIMEOUT_S", hide_env_values = true, value_name = "SECONDS",
          allow_negative_numbers = true, default_value_t = Limits::default().header_timeout_s)]
    pub header_timeout_s: f64,

    /// How long a body may go without a byte, in seconds; then 408
    #[arg(long, env = "FASTERAPI_BODY_TIMEOUT_S", hide_env_values = true, value_name = "SECONDS",
          allow_negative_numbers = true, default_value_t = Limits::default().body_timeout_s)]
    pub body_timeout_s: f64,

    /// How long a handler may take to begin its answer, in seconds; then 504. 0: for ever
    #[arg(long, env = "FASTERAPI_ANSWER_TIMEOUT_S", hide_env_values = true, value_name = "SECONDS",
          allow_negative_numbers = true, default_value_t = Limits::default().answer_timeout_s)]
    pub answer_timeout_s: f64,

    /// How long a connection may idle between requests, in seconds
    #[arg(long, env = "FASTERAPI_KEEP_ALIVE_TIMEOUT_S", hide_env_values = true,
          value_name = "SECONDS", allow_negative_numbers = true,
          default_value_t = Limits::default().keep_alive_timeout_s)]
    pub keep_alive_timeout_s: f64,

    /// How long a peer may leave our bytes unread, in seconds
    #[arg(long, env = "FASTERAPI_SEND_TIMEOUT_S", hide_env_values = true, value_name = "SECONDS",
          allow_negative_numbers = true, default_value_t = Limits::default().send_timeout_s)]
    pub send_timeout_s: f64,

    /// Most requests of one connection whose answers share one write
    #[arg(long, env = "FASTERAPI_PIPELINED_REQUESTS_MAX", hide_env_values = true,
          value_name = "REQUESTS", default_value_t = Limits::default().pipelined_requests_max)]
    pub pipelined_requests_max: usize,

    /// Most open connections; past it the answer is 503
    #[arg(long, env = "FASTERAPI_CONNECTIONS_MAX", hide_env_values = true,
          value_name = "CONNECTIONS", default_value_t = Limits::default().connections_max)]
    pub connections_max: usize,

    /// How long a draining shard waits for answers in flight, in seconds
    #[arg(long, env = "FASTERAPI_DRAIN_TIMEOUT_S", hide_env_values = true, value_name = "SECONDS",
          allow_negative_numbers = true, default_value_t = Limits::default().drain_timeout_s)]
    pub drain_timeout_s: f64,
}

impl LimitOptions {
    /// The bounds as the runtime takes them, but for those of WebSockets.
    pub fn to_limits(&self) -> Limits {
        Limits {
            head_bytes_max: self.head_bytes_max,
            head_fields_max: self.head_fields_max,
            request_line_bytes_max: self.request_line_bytes_max,
            body_bytes_max: self.body_bytes_max,
            header_timeout_s: self.header_timeout_s,
            body_timeout_s: self.body_timeout_s,
            answer_timeout_s: self.answer_timeout_s,
            keep_alive_timeout_s: self.keep_alive_timeout_s,
            send_timeout_s: self.send_timeout_s,
            pipelined_requests_max: self.pipelined_requests_max,
            connections_max: self.connections_max,
            drain_timeout_s: self.drain_timeout_s,
            ..Limits::default()
        }
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        at_least("--head-bytes-max", self.head_bytes_max as u64, 256)?;
        at_most("--head-bytes-max", self.head_bytes_max as u64, 16 << 20)?;
        at_least("--head-fields-max", self.head_fields_max as u64, 1)?;
        at_most("--head-fields-max", self.head_fields_max as u64, 10_000)?;
        at_least(
            "--request-line-bytes-max",
            self.request_line_bytes_max as u64,
            64,
        )?;
        if self.request_line_bytes_max > self.head_bytes_max {
            return Err(Error::option(
                "--request-line-bytes-max",
                self.request_line_bytes_max,
                &format!(
                    "must not exceed --head-bytes-max, which is {}",
                    self.head_bytes_max
                ),
            ));
        }
        positive_time("--header-timeout-s", self.header_timeout_s)?;
        positive_time("--body-timeout-s", self.body_timeout_s)?;
        if self.answer_timeout_s != 0.0 {
            positive_time("--answer-timeout-s", self.answer_timeout_s)?;
        }
        positive_time("--keep-alive-timeout-s", self.keep_alive_timeout_s)?;
        positive_time("--send-timeout-s", self.send_timeout_s)?;
        at_least(
            "--pipelined-requests-max",
            self.pipelined_requests_max as u64,
            1,
        )?;
        at_least("--connections-max", self.connections_max as u64, 1)?;
        // Zero is of use here: whatever is in flight is given up.
        if self.drain_timeout_s == 0.0 {
            return Ok(());
        }
        positive_time("--drain-timeout-s", self.drain_timeout_s)
    }
}

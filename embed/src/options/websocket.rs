//! What WebSockets may do, as options.

use clap::Args;
use clap::builder::BoolishValueParser;
use runtime::limits::Limits;

use crate::error::Error;

use super::{at_least, at_most, positive_time};

/// One option per bound of [`Limits`] that is about WebSockets, and whose pages may open them.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "WebSockets")]
pub struct WebSocketOptions {
    /// Largest message, in bytes, compressed or not; past it the close code is 1009
    #[arg(long, env = "FASTERAPI_WEBSOCKET_MESSAGE_BYTES_MAX", hide_env_values = true,
          value_name = "BYTES", alias = "ws-max-size",
          default_value_t = Limits::default().websocket_message_bytes_max)]
    pub websocket_message_bytes_max: usize,

    /// How much may wait for a peer before who sends has to wait, in bytes
    #[arg(long, env = "FASTERAPI_WEBSOCKET_OUTBOX_BYTES_MAX", hide_env_values = true,
          value_name = "BYTES", default_value_t = Limits::default().websocket_outbox_bytes_max)]
    pub websocket_outbox_bytes_max: usize,

    /// How long a peer may be silent before it is pinged, in seconds; 0 for ever
    #[arg(long, env = "FASTERAPI_WEBSOCKET_PING_INTERVAL_S", hide_env_values = true,
          value_name = "SECONDS", alias = "ws-ping-interval", allow_negative_numbers = true,
          default_value_t = Limits::default().websocket_ping_interval_s)]
    pub websocket_ping_interval_s: f64,

    /// How long a peer may take to answer a ping, in seconds; then it is given up
    #[arg(long, env = "FASTERAPI_WEBSOCKET_PING_TIMEOUT_S", hide_env_values = true,
          value_name = "SECONDS", alias = "ws-ping-timeout", allow_negative_numbers = true,
          default_value_t = Limits::default().websocket_ping_timeout_s)]
    pub websocket_ping_timeout_s: f64,

    /// How long a peer may take to answer a close frame, in seconds
    #[arg(long, env = "FASTERAPI_WEBSOCKET_CLOSE_TIMEOUT_S", hide_env_values = true,
          value_name = "SECONDS", allow_negative_numbers = true,
          default_value_t = Limits::default().websocket_close_timeout_s)]
    pub websocket_close_timeout_s: f64,

    /// Compress messages for peers that offer permessage-deflate; this is the default
    #[arg(long, env = "FASTERAPI_WEBSOCKET_DEFLATE", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "true", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true,
          overrides_with = "no_websocket_deflate")]
    pub websocket_deflate: bool,

    /// Compress no messages, whatever the environment says
    #[arg(long, overrides_with = "websocket_deflate")]
    pub no_websocket_deflate: bool,

    /// Whose pages may open WebSockets: origins (https://example.com) with commas between them;
    /// all without it
    #[arg(
        long,
        env = "FASTERAPI_WEBSOCKET_ORIGINS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "LIST"
    )]
    pub websocket_origins: Vec<String>,
}

impl WebSocketOptions {
    /// Puts the bounds where the runtime takes them from.
    pub fn apply(&self, limits: &mut Limits) {
        limits.websocket_message_bytes_max = self.websocket_message_bytes_max;
        limits.websocket_outbox_bytes_max = self.websocket_outbox_bytes_max;
        limits.websocket_ping_interval_s = self.websocket_ping_interval_s;
        limits.websocket_ping_timeout_s = self.websocket_ping_timeout_s;
        limits.websocket_close_timeout_s = self.websocket_close_timeout_s;
        limits.websocket_deflate = self.websocket_deflate && !self.no_websocket_deflate;
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        let message_bytes_max = self.websocket_message_bytes_max as u64;
        at_least("--websocket-message-bytes-max", message_bytes_max, 125)?;
        at_most("--websocket-message-bytes-max", message_bytes_max, 1 << 30)?;
        let outbox_bytes_max = self.websocket_outbox_bytes_max as u64;
        at_least("--websocket-outbox-bytes-max", outbox_bytes_max, 1024)?;
        if self.websocket_ping_interval_s != 0.0 {
            positive_time(
                "--websocket-ping-interval-s",
                self.websocket_ping_interval_s,
            )?;
        }
        positive_time("--websocket-ping-timeout-s", self.websocket_ping_timeout_s)?;
        positive_time(
            "--websocket-close-timeout-s",
            self.websocket_close_timeout_s,
        )
    }
}

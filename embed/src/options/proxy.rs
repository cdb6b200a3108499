//! Whose word on the client is taken, as options.

use clap::Args;
use clap::builder::BoolishValueParser;
use runtime::TrustedProxies;

/// Uvicorn's and gunicorn's variable, which counts where ours says nothing.
pub const COMMON_VARIABLE: &str = "FORWARDED_ALLOW_IPS";

/// What is believed of the headers that proxies add.
#[derive(Clone, Debug, PartialEq, Args)]
#[command(next_help_heading = "Behind a proxy")]
pub struct ProxyOptions {
    /// Take the client's address from X-Forwarded-For and the scheme from X-Forwarded-Proto, where
    /// a trusted proxy sends them; this is the default
    #[arg(long, env = "FASTERAPI_PROXY_HEADERS", hide_env_values = true, num_args = 0..=1,
          require_equals = true, default_value = "true", default_missing_value = "true",
          hide_default_value = true, value_parser = BoolishValueParser::new(), value_name = "BOOL",
          action = clap::ArgAction::Set, hide_possible_values = true,
          overrides_with = "no_proxy_headers")]
    pub proxy_headers: bool,

    /// Believe no such headers, whatever the environment says
    #[arg(long, overrides_with = "proxy_headers")]
    pub no_proxy_headers: bool,

    /// Trusted proxies: addresses and networks (10.0.0.0/8) with commas between them, or * for
    /// all; peers on a Unix socket always are [also: FORWARDED_ALLOW_IPS]
    #[arg(
        long,
        env = "FASTERAPI_FORWARDED_ALLOW_IPS",
        hide_env_values = true,
        default_value = "127.0.0.1,::1",
        value_name = "LIST"
    )]
    pub forwarded_allow_ips: TrustedProxies,
}

impl ProxyOptions {
    /// Whose word is taken; `None` for nobody's.
    pub fn trusted(&self) -> Option<TrustedProxies> {
        let asked = self.proxy_headers && !self.no_proxy_headers;
        asked.then(|| self.forwarded_allow_ips.clone())
    }
}

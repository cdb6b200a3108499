//! HTTP dates (RFC 9110 section 5.6.7).

use std::io::Write as _;
use std::time::{Duration, SystemTime};

/// The last second of the year 9999, the last that an HTTP date can write.
const UNIX_SECONDS_MAX: u64 = 253_402_300_799;

const LINE: &[u8; 37] = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
const NAME_LEN: usize = b"date: ".len();

/// The `date` line of a response, formatted once per second.
#[derive(Clone, Debug)]
pub struct DateLine {
    unix_seconds: u64,
    line: [u8; LINE.len()],
}

impl DateLine {
    /// A line that has formatted the epoch.
    pub fn new() -> Self {
        Self {
            unix_seconds: 0,
            line: *LINE,
        }
    }

    /// The line for that second.
    #[inline]
    pub fn at(&mut self, unix_seconds: u64) -> &[u8] {
        if unix_seconds != self.unix_seconds {
            self.unix_seconds = unix_seconds;
            if let Some(mut date) = self.line.get_mut(NAME_LEN..) {
                // A date has one width, so this fills the line up to its CRLF and cannot fail.
                let written = write!(date, "{}", date_of(unix_seconds));
                debug_assert!(written.is_ok());
            }
        }
        &self.line
    }
}

impl Default for DateLine {
    fn default() -> Self {
        Self::new()
    }
}

/// The second as an IMF-fixdate, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(unix_seconds: u64) -> String {
    date_of(unix_seconds).to_string()
}

fn date_of(unix_seconds: u64) -> httpdate::HttpDate {
    let since_epoch = Duration::from_secs(unix_seconds.min(UNIX_SECONDS_MAX));
    httpdate::HttpDate::from(SystemTime::UNIX_EPOCH + since_epoch)
}

/// Reads a date in any of the three forms; `None` for anything else and before the epoch.
pub(crate) fn parse_http_date(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}

//! Text that is checked as it arrives (RFC 6455 section 8.1).

use crate::Error;

/// How many bytes at the front of `text` are whole characters, when the first `checked` are known
/// to be. What is behind them may still become a character.
///
/// # Errors
/// [`Error::WebSocketText`] as soon as nothing that may follow makes `text` UTF-8.
pub(super) fn check(text: &[u8], checked: usize) -> Result<usize, Error> {
    match std::str::from_utf8(&text[checked..]) {
        Ok(_) => Ok(text.len()),
        Err(error) if error.error_len().is_none() => Ok(checked + error.valid_up_to()),
        Err(_) => Err(Error::WebSocketText),
    }
}

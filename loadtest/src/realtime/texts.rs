//! What is sent: texts that look like JSON of an application, and texts that say when they were sent.

/// Hexadecimal digits at the beginning of a stamped text.
pub const STAMP_BYTES: usize = 16;
/// How many different texts a load has. Together they are longer than any window of a compressor,
/// where they are long at all: no server finds the last message in its context again.
pub const VARIANTS: usize = 8;

/// A text of exactly `bytes`, another for each `variant`.
pub fn text(bytes: usize, variant: usize) -> String {
    let mut state =
        0x2545_f491_4f6c_dd1d ^ (variant as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut random = move || {
        // Xorshift, Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = String::with_capacity(bytes + 128);
    while text.len() < bytes {
        let (id, price, amount) = (random() % 100_000, random() % 10_000, random() % 500);
        text.push_str(&format!(
            r#"{{"id":{id},"price":{}.{:02},"amount":{amount},"is_open":{},"note":"order {:06x}"}},"#,
            price / 100,
            price % 100,
            random() % 2 == 0,
            random() & 0xff_ffff,
        ));
    }
    text.truncate(bytes);
    text
}

/// A text of `bytes` (at least `STAMP_BYTES`) that begins with a time.
pub fn stamped(now_ns: u64, bytes: usize) -> String {
    let mut text = format!("{now_ns:016x}");
    while text.len() < bytes {
        text.push('.');
    }
    text
}

/// The time at the beginning of a text; a quotation mark before it, as of JSON, is skipped.
pub fn stamp(text: &[u8]) -> Option<u64> {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let digits = str::from_utf8(text.get(..STAMP_BYTES)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// The worker in the greeting of a broadcast server, `worker 1234`, quotation marks or not.
pub fn worker(text: &[u8]) -> Option<u32> {
    let text = str::from_utf8(text).ok()?.trim_matches('"');
    text.strip_prefix("worker ")?.parse().ok()
}

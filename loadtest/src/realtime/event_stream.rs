//! Events of a `text/event-stream` (WHATWG HTML, section 9.2): only their data, line by line.

/// No line of a stream is longer than this; the rest of it is left out.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// Finds the data of the events of one stream.
#[derive(Debug, Default)]
pub struct EventReader {
    /// The beginning of a line.
    line: Vec<u8>,
    /// Lines of data of the event so far.
    data: Vec<u8>,
    has_data: bool,
}

impl EventReader {
    /// A reader at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads all of `bytes` and reports the data of each event that ends in them.
    pub fn push(&mut self, bytes: &[u8], mut on_event: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if self.line.is_empty() {
                self.take_line(&rest[..end], &mut on_event);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&rest[..end]);
                self.take_line(&line, &mut on_event);
                line.clear();
                self.line = line;
            }
            rest = &rest[end + 1..];
        }
        let room = LINE_MAX_BYTES.saturating_sub(self.line.len());
        self.line.extend_from_slice(&rest[..rest.len().min(room)]);
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut impl FnMut(&[u8])) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if self.has_data {
                on_event(&self.data);
            }
            self.data.clear();
            self.has_data = false;
        } else if let Some(value) = line.strip_prefix(b"data:") {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data
                .extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.has_data = true;
        }
    }
}

//! A range into the receive buffer that survives the buffer's growth.

/// A range of bytes, counted from where the message head starts in the receive buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// How many bytes.
    pub len: u32,
}

impl Span {
    /// The span from `start` up to and without `end`.
    ///
    /// Heads are bounded far below 4 GiB (`parse_request_head` sees to it), so nothing is cut.
    pub(crate) fn between(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Self {
            start: start as u32,
            len: (end - start) as u32,
        }
    }

    /// The bytes meant; none when the range lies outside `bytes`.
    #[inline]
    pub fn of<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let start = self.start as usize;
        bytes
            .get(start..start + self.len as usize)
            .unwrap_or_default()
    }

    /// Whether no byte is meant.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

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

    /// The span of `inner`, which was cut out of `outer`.
    #[inline]
    pub(crate) fn within(outer: &[u8], inner: &[u8]) -> Self {
        let start = inner.as_ptr().addr() - outer.as_ptr().addr();
        Self::between(start, start + inner.len())
    }

    /// One past the last byte.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.start as usize + self.len as usize
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

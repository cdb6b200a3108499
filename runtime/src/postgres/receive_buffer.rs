//! What was received and not yet consumed: contiguous, and small again after a large message.

/// What a buffer has at first, and goes back to.
const FIRST_BYTES: usize = 8 * 1024;
/// A buffer that grew beyond this is given back once what it was needed for has been consumed.
/// Rows that come in bulk fill so much all the time.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// Bytes in the order they came.
///
/// All of `bytes` is initialised, so that receiving into it needs no unsafe code; it is zeroed
/// only when it grows.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReceiveBuffer {
    /// What has not been consumed.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The first `count` bytes have been used.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.unread().len());
        self.start = self.end.min(self.start + count);
        if self.start < self.end {
            return;
        }
        if self.bytes.len() > KEPT_BYTES_MAX {
            *self = Self::default();
        }
        self.start = 0;
        self.end = 0;
    }

    /// Prepares for receiving: what is unread goes to the front if that costs little, and memory
    /// that one large message needed goes back.
    pub(super) fn tidy(&mut self) {
        let unread = self.end - self.start;
        let size = self.bytes.len();
        if size > KEPT_BYTES_MAX && unread <= KEPT_BYTES_MAX / 2 {
            let mut smaller = vec![0; FIRST_BYTES.max(unread.next_power_of_two())];
            smaller[..unread].copy_from_slice(self.unread());
            self.bytes = smaller;
        } else if self.start > 0 && unread <= size / 2 {
            self.bytes.copy_within(self.start..self.end, 0);
        } else {
            return;
        }
        self.start = 0;
        self.end = unread;
    }

    /// Room for at least one byte, grown when there is none.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.grow();
        }
        &mut self.bytes[self.end..]
    }

    /// The first `count` bytes of the room have been filled.
    #[inline]
    pub(super) fn filled(&mut self, count: usize) {
        debug_assert!(self.end + count <= self.bytes.len());
        self.end += count;
    }

    #[cold]
    fn grow(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end > self.bytes.len() / 2 || self.bytes.is_empty() {
            let size = FIRST_BYTES.max(self.bytes.len() * 2);
            self.bytes.resize(size, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(buffer: &mut ReceiveBuffer, bytes: &[u8]) {
        let mut left = bytes;
        buffer.tidy();
        while !left.is_empty() {
            let room = buffer.room();
            let count = room.len().min(left.len());
            room[..count].copy_from_slice(&left[..count]);
            buffer.filled(count);
            left = &left[count..];
        }
    }

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    fn bytes_stay_in_order_whatever_is_consumed() {
        let sent = pattern(300_000);
        let mut buffer = ReceiveBuffer::default();
        let (mut received, mut consumed) = (0, 0);
        let mut step = 1;
        while consumed < sent.len() {
            let count = step.min(sent.len() - received);
            receive(&mut buffer, &sent[received..received + count]);
            received += count;
            assert_eq!(buffer.unread(), &sent[consumed..received]);
            let used = buffer.unread().len().min(step / 2 + 1);
            buffer.consume(used);
            consumed += used;
            step = step * 3 % 20_011 + 1;
        }
        assert_eq!(buffer.unread(), b"");
        assert!(buffer.bytes.len() <= KEPT_BYTES_MAX);
    }

    #[test]
    fn a_large_message_is_forgotten() {
        let mut buffer = ReceiveBuffer::default();
        let large = pattern(5_000_000);
        receive(&mut buffer, &large);
        receive(&mut buffer, b"next");
        assert_eq!(buffer.unread().len(), large.len() + 4);
        buffer.consume(large.len());
        receive(&mut buffer, b"!");
        assert_eq!(buffer.unread(), b"next!");
        assert_eq!(buffer.bytes.len(), FIRST_BYTES);
    }

    #[test]
    fn nothing_is_kept_of_a_large_message() {
        let mut buffer = ReceiveBuffer::default();
        let large = pattern(KEPT_BYTES_MAX + 1);
        receive(&mut buffer, &large);
        buffer.consume(large.len() - 1);
        assert_eq!(buffer.unread().len(), 1, "not what is unread");
        buffer.consume(1);
        assert_eq!(buffer.bytes.capacity(), 0);
        receive(&mut buffer, b"again");
        assert_eq!(buffer.unread(), b"again");
    }
}

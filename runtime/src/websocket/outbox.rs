//! Frames that wait for the peer to take them, in order.

use std::collections::VecDeque;
use std::rc::Rc;

/// Most frames that wait before a sender does.
pub(crate) const OUTBOX_FRAMES_MAX: usize = 1_024;
/// Frames of one socket are collected in a buffer until it is this long, in bytes.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// A queue that grew past this many pieces is freed once it is empty.
const KEPT_PIECES_MAX: usize = 16;

enum Piece {
    /// Frames of this socket alone.
    Own { bytes: Vec<u8>, frames: usize },
    /// One frame that many sockets share.
    Shared(Rc<[u8]>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own { bytes, .. } => bytes,
            Self::Shared(frame) => frame,
        }
    }

    fn frames(&self) -> usize {
        match self {
            Self::Own { frames, .. } => *frames,
            Self::Shared(_) => 1,
        }
    }
}

/// The queue of one socket. It bounds nothing itself: who adds looks at its size.
#[derive(Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Piece>,
    bytes: usize,
    frames: usize,
}

impl Outbox {
    /// How many bytes wait.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.bytes
    }

    /// True when nothing more should be added until the peer has taken some.
    pub(crate) fn is_full(&self, bytes_max: usize) -> bool {
        self.bytes >= bytes_max || self.frames >= OUTBOX_FRAMES_MAX
    }

    /// True when whoever waits for room may go on.
    pub(crate) fn has_room(&self, bytes_max: usize) -> bool {
        self.bytes <= bytes_max / 2 && self.frames <= OUTBOX_FRAMES_MAX / 2
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Adds the frame that `write` appends to a buffer.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = match self.pieces.back() {
            Some(Piece::Own { bytes, .. }) if bytes.len() < BUFFER_BYTES_MAX => bytes.len(),
            _ => {
                let (bytes, frames) = (Vec::new(), 0);
                self.pieces.push_back(Piece::Own { bytes, frames });
                0
            }
        };
        if let Some(Piece::Own { bytes, frames }) = self.pieces.back_mut() {
            write(bytes);
            *frames += 1;
            self.frames += 1;
            self.bytes += bytes.len() - before;
        }
    }

    /// Adds a frame that other sockets send too.
    pub(crate) fn push_shared(&mut self, frame: Rc<[u8]>) {
        self.bytes += frame.len();
        self.frames += 1;
        self.pieces.push_back(Piece::Shared(frame));
    }

    /// Drops the oldest shared frame; false when there is none.
    pub(crate) fn drop_oldest_shared(&mut self) -> bool {
        let is_shared = |piece: &Piece| matches!(piece, Piece::Shared(_));
        let Some(at) = self.pieces.iter().position(is_shared) else {
            return false;
        };
        if let Some(piece) = self.pieces.remove(at) {
            self.forget(&piece);
        }
        true
    }

    /// Moves frames to the end of `out` until it is `bytes_max` long or nothing is left.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, bytes_max: usize) {
        while out.len() < bytes_max {
            let Some(piece) = self.pieces.pop_front() else {
                if self.pieces.capacity() > KEPT_PIECES_MAX {
                    self.pieces = VecDeque::new();
                }
                return;
            };
            self.forget(&piece);
            match piece {
                Piece::Own { bytes, .. } if out.is_empty() && bytes.len() > out.capacity() => {
                    *out = bytes;
                }
                piece => out.extend_from_slice(piece.bytes()),
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, piece: &Piece) {
        self.bytes -= piece.bytes().len();
        self.frames -= piece.frames();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_in_order() {
        let mut outbox = Outbox::default();
        outbox.push(|out| out.extend_from_slice(b"one"));
        outbox.push(|out| out.extend_from_slice(b"two"));
        outbox.push_shared(Rc::from(&b"three"[..]));
        outbox.push(|out| out.extend_from_slice(b"four"));
        assert_eq!(outbox.bytes(), 15);
        let mut out = Vec::with_capacity(64);
        outbox.fill(&mut out, usize::MAX);
        assert_eq!(out, b"onetwothreefour");
        assert!(outbox.is_empty() && outbox.bytes() == 0 && outbox.frames == 0);
    }

    #[test]
    fn filling_stops_at_its_bound() {
        let mut outbox = Outbox::default();
        for _ in 0..4 {
            outbox.push_shared(Rc::from(&[0; 10][..]));
        }
        let mut out = Vec::new();
        outbox.fill(&mut out, 15);
        assert_eq!((out.len(), outbox.bytes()), (20, 20));
    }

    #[test]
    fn only_shared_frames_are_dropped() {
        let mut outbox = Outbox::default();
        outbox.push(|out| out.extend_from_slice(b"own"));
        outbox.push_shared(Rc::from(&b"old"[..]));
        outbox.push_shared(Rc::from(&b"new"[..]));
        assert!(outbox.drop_oldest_shared());
        let mut out = Vec::with_capacity(64);
        outbox.fill(&mut out, usize::MAX);
        assert_eq!(out, b"ownnew");
        assert!(!outbox.drop_oldest_shared());
    }

    #[test]
    fn it_is_full_by_bytes_or_by_frames() {
        let mut outbox = Outbox::default();
        outbox.push(|out| out.extend_from_slice(&[0; 100]));
        assert!(outbox.is_full(100) && !outbox.is_full(101));
        assert!(outbox.has_room(200) && !outbox.has_room(199));
        for _ in 1..OUTBOX_FRAMES_MAX {
            outbox.push(|out| out.push(0));
        }
        assert!(outbox.is_full(usize::MAX) && !outbox.has_room(usize::MAX));
    }
}

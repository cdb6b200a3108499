//! One connected socket to a server, plain or through TLS, never waiting.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use bytes::{Buf, BytesMut};
use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags, Shutdown};
use rustls::ClientConnection;

use super::receive_buffer::ReceiveBuffer;

/// Most bytes that one call receives, so that one connection cannot hold up the others.
pub const RECEIVE_BYTES_MAX: usize = 256 * 1024;
/// An output buffer that grew beyond this is given back once all of it was sent.
pub const OUTPUT_KEPT_BYTES_MAX: usize = 256 * 1024;
/// What is received at once of a TLS stream: some of its largest records.
const RECORDS_BYTES: usize = 64 * 1024;

/// What a look at the socket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// There is more to look at in [`Wire::input`].
    Bytes {
        /// Whether the socket may have more at once. If not, it was emptied, and readiness is to
        /// be waited for before the next call.
        more: bool,
    },
    /// Nothing came.
    WouldBlock,
    /// The server has closed the connection, through TLS in its words.
    Closed,
}

/// What became of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Everything that may be sent now has been.
    All,
    /// The socket takes no more now.
    WouldBlock,
}

/// One connection. Whoever owns it watches the descriptor and calls.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    tls: Option<Box<Tls>>,
    input: ReceiveBuffer,
    output: BytesMut,
    /// What came behind bytes that were to be looked at first.
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Tls {
    connection: ClientConnection,
    /// Encrypted bytes as they come: rustls by itself receives 4 KiB at once.
    records: Box<[u8]>,
}

#[derive(Debug)]
enum Ended {
    Closed,
    Failed(io::Error),
}

impl Wire {
    /// Takes over a connected stream socket, TCP or Unix. Whether it is non-blocking makes no
    /// difference.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            tls: None,
            input: ReceiveBuffer::default(),
            output: BytesMut::new(),
            ended: None,
        }
    }

    /// Everything from here on goes through TLS. [`flush`](Self::flush) and
    /// [`receive`](Self::receive) make the handshake.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when bytes have come already: somebody in the middle would like
    /// them to be taken for what TLS brought (CVE-2021-23222).
    pub fn set_tls(&mut self, connection: ClientConnection) -> io::Result<()> {
        if !self.input.unread().is_empty() || self.tls.is_some() {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "PostgreSQL server sent bytes before TLS began",
            ));
        }
        self.tls = Some(Box::new(Tls {
            connection,
            records: vec![0; RECORDS_BYTES].into(),
        }));
        Ok(())
    }

    /// The TLS session, once it was set.
    pub fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref().map(|tls| &tls.connection)
    }

    /// Whether the TLS handshake is not done yet.
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(|tls| tls.is_handshaking())
    }

    /// What was received and not consumed.
    #[inline]
    pub fn input(&self) -> &[u8] {
        self.input.unread()
    }

    /// The first `count` bytes of the input have been used.
    #[inline]
    pub fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }

    /// Where what is to be sent is appended. During a TLS handshake it stays there.
    #[inline]
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Whether [`flush`](Self::flush) has something to send.
    #[inline]
    pub fn wants_write(&self) -> bool {
        match &self.tls {
            None => !self.output.is_empty(),
            Some(tls) => {
                tls.connection.wants_write()
                    || (!self.output.is_empty() && !tls.connection.is_handshaking())
            }
        }
    }

    /// Gives back memory that a connection does not need while nothing happens on it.
    pub fn shrink(&mut self) {
        self.input.shrink();
        if self.output.is_empty() {
            self.output = BytesMut::new();
        }
    }

    /// Receives what the socket has, at most [`RECEIVE_BYTES_MAX`] bytes.
    ///
    /// TLS may want to answer: see [`wants_write`](Self::wants_write) afterwards. What came before
    /// the connection ended is given before its end is told.
    ///
    /// # Errors
    /// Those of the socket; [`ErrorKind::InvalidData`] with a [`rustls::Error`] inside when TLS
    /// fails; [`ErrorKind::UnexpectedEof`] when TLS is cut off, which anybody in the middle can do.
    pub fn receive(&mut self) -> io::Result<Received> {
        let socket = self.socket.as_raw_fd();
        self.receive_with(|into| receive_some(socket, into))
    }

    /// The same with a `receive` of one's own: how much was received, `None` when nothing is there
    /// now.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_with(
        &mut self,
        receive: impl FnMut(&mut [u8]) -> io::Result<Option<usize>>,
    ) -> io::Result<Received> {
        match self.ended.take() {
            Some(Ended::Closed) => {
                self.ended = Some(Ended::Closed);
                return Ok(Received::Closed);
            }
            Some(Ended::Failed(error)) => {
                self.ended = Some(Ended::Closed);
                return Err(error);
            }
            None => self.input.tidy(),
        }
        let mut count = 0;
        let outcome = match &mut self.tls {
            None => receive_plain(receive, &mut self.input, &mut count),
            Some(tls) => tls.receive(receive, &self.socket, &mut self.input, &mut count),
        };
        match outcome {
            Ok(Received::Closed) => self.ended = Some(Ended::Closed),
            Ok(Received::WouldBlock) if count > 0 => return Ok(Received::Bytes { more: false }),
            Ok(received) => return Ok(received),
            Err(error) if count > 0 => self.ended = Some(Ended::Failed(error)),
            Err(error) => {
                self.ended = Some(Ended::Closed);
                return Err(error);
            }
        }
        match count {
            0 => Ok(Received::Closed),
            _ => Ok(Received::Bytes { more: true }),
        }
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// Those of the socket. What the server said before it closed may still be received.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        let mut socket = Socket(self.socket.as_raw_fd());
        self.flush_to(&mut socket)
    }

    /// The same with a writer of one's own, which says `WouldBlock` when it takes no more.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn flush_to(&mut self, socket: &mut impl Write) -> io::Result<Flushed> {
        let flushed = match &mut self.tls {
            None => send_plain(socket, &mut self.output),
            Some(tls) => tls.send(socket, &mut self.output),
        }?;
        if self.output.is_empty() {
            if self.output.capacity() > OUTPUT_KEPT_BYTES_MAX {
                self.output = BytesMut::new();
            } else {
                self.output.clear();
            }
        }
        Ok(flushed)
    }

    /// Nothing more will be appended to the output: TLS is to say so behind it. The next
    /// [`flush`](Self::flush) sends it.
    pub fn close_tls(&mut self) -> io::Result<()> {
        if !self.is_handshaking() && !self.output.is_empty() {
            // What is in the output would come too late behind the close.
            self.flush()?;
        }
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
        }
        Ok(())
    }

    /// Ends both directions; whoever waits for the descriptor is woken. Dropping closes it.
    pub fn shutdown(&self) {
        // It fails only where the peer has done so already.
        let _ = socket::shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Receives once; `None` when there is nothing now.
#[inline]
fn receive_some(socket: RawFd, into: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket::recv(socket, into, MsgFlags::MSG_DONTWAIT) {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive_plain(
    mut receive: impl FnMut(&mut [u8]) -> io::Result<Option<usize>>,
    input: &mut ReceiveBuffer,
    total: &mut usize,
) -> io::Result<Received> {
    loop {
        let room = input.room();
        let size = room.len().min(RECEIVE_BYTES_MAX - *total);
        match receive(&mut room[..size])? {
            None => return Ok(Received::WouldBlock),
            Some(0) => return Ok(Received::Closed),
            Some(count) => {
                input.filled(count);
                *total += count;
                // A stream socket gives less than it was asked for only when it has no more.
                let more = count == size;
                if !more || *total == RECEIVE_BYTES_MAX {
                    return Ok(Received::Bytes { more });
                }
            }
        }
    }
}

fn send_plain(socket: &mut impl Write, output: &mut BytesMut) -> io::Result<Flushed> {
    while !output.is_empty() {
        match socket.write(output) {
            Ok(count) => output.advance(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Flushed::WouldBlock),
            Err(error) => return Err(error),
        }
    }
    Ok(Flushed::All)
}

impl Tls {
    /// As [`receive_plain`]; what counts is what was decrypted, what is bounded what was received.
    fn receive(
        &mut self,
        mut receive: impl FnMut(&mut [u8]) -> io::Result<Option<usize>>,
        socket: &OwnedFd,
        input: &mut ReceiveBuffer,
        total: &mut usize,
    ) -> io::Result<Received> {
        let mut received = 0;
        loop {
            match receive(&mut self.records)? {
                None => return Ok(Received::WouldBlock),
                Some(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the TLS connection to the PostgreSQL server was cut off",
                    ));
                }
                Some(count) => {
                    if self.decrypt(socket, count, input, total)? {
                        return Ok(Received::Closed);
                    }
                    received += count;
                    if count < self.records.len() {
                        // The rest of a record is worth no look of its own.
                        return Ok(Received::WouldBlock);
                    }
                    if received >= RECEIVE_BYTES_MAX {
                        return Ok(match *total {
                            0 => Received::WouldBlock,
                            _ => Received::Bytes { more: true },
                        });
                    }
                }
            }
        }
    }

    /// Decrypts the first `count` bytes of the records. True when the server says that it closes.
    fn decrypt(
        &mut self,
        socket: &OwnedFd,
        count: usize,
        input: &mut ReceiveBuffer,
        total: &mut usize,
    ) -> io::Result<bool> {
        let mut records = &self.records[..count];
        while !records.is_empty() {
            self.connection.read_tls(&mut records)?;
            let state = match self.connection.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // The server is told why, if that is possible at once.
                    let _ = self.connection.write_tls(&mut Socket(socket.as_raw_fd()));
                    return Err(io::Error::new(ErrorKind::InvalidData, error));
                }
            };
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let count = self.connection.reader().read(input.room())?;
                input.filled(count);
                *total += count;
                left -= count;
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn send(&mut self, socket: &mut impl Write, output: &mut BytesMut) -> io::Result<Flushed> {
        loop {
            if !output.is_empty() && !self.connection.is_handshaking() {
                // It takes some and leaves the rest: its own buffer is bounded.
                let count = self.connection.writer().write(output)?;
                output.advance(count);
            }
            if !self.connection.wants_write() {
                return Ok(Flushed::All);
            }
            match self.connection.write_tls(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Flushed::WouldBlock);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Sends without waiting, and without a signal when the peer is gone.
struct Socket(RawFd);

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            match socket::sendmsg::<()>(self.0, bytes, &[], flags, None) {
                Err(Errno::EINTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

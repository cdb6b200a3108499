//! One connected socket to a server, plain or through TLS, never waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use bytes::{Buf, BufMut, BytesMut};
use nix::sys::socket::{MsgFlags, recv, send};
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
    /// Something came. There may be more in [`Wire::input`] than before; with TLS there need not
    /// be, and there may be something to [`flush`](Wire::flush) instead.
    Bytes,
    /// Nothing came, and the socket has said that it is empty.
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
    /// `None` once it was closed.
    socket: Option<OwnedFd>,
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
    /// Encrypted bytes that the socket has not taken.
    encrypted: BytesMut,
}

#[derive(Debug)]
enum Ended {
    Closed,
    Failed(io::Error),
}

impl Wire {
    /// Takes over a connected stream socket, TCP or Unix. Whether it is non-blocking makes no
    /// difference.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket: Some(socket),
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
            encrypted: BytesMut::new(),
        }));
        Ok(())
    }

    /// The socket, until it is closed.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// The TLS session, once it was set.
    pub fn tls(&self) -> Option<&ClientConnection> {
        self.tls.as_deref().map(|tls| &tls.connection)
    }

    /// Whether the TLS handshake is not done yet.
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether [`receive`](Self::receive) has an end to tell. The socket may be silent about it: one
    /// that closes through TLS need not close below.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
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
                !tls.encrypted.is_empty()
                    || tls.connection.wants_write()
                    || (!self.output.is_empty() && !tls.connection.is_handshaking())
            }
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
        let fd = self.fd()?;
        self.receive_with(|into| Ok(recv(fd, into, MsgFlags::MSG_DONTWAIT)?))
    }

    /// The same with a `read` of one's own, which fails with [`ErrorKind::WouldBlock`] when there
    /// is nothing. It is called until it says so or gives less than there was room for, and it has
    /// said so last when nothing came.
    ///
    /// # Errors
    /// As those of [`receive`](Self::receive).
    pub fn receive_with(
        &mut self,
        read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Received> {
        match self.ended.take() {
            Some(ended) => {
                self.ended = Some(Ended::Closed);
                return match ended {
                    Ended::Closed => Ok(Received::Closed),
                    Ended::Failed(error) => Err(error),
                };
            }
            None => self.input.tidy(),
        }
        let mut count = 0;
        let outcome = match &mut self.tls {
            None => receive_plain(read, &mut self.input, &mut count),
            Some(tls) => tls.receive(read, &mut self.input, &mut count),
        };
        self.ended = match outcome {
            Ok(Received::WouldBlock) if count > 0 => return Ok(Received::Bytes),
            Ok(Received::Closed) => Some(Ended::Closed),
            Ok(received) => return Ok(received),
            // The socket stays readable, so that whoever watches it comes back for the error.
            Err(error) if count > 0 && error.kind() != ErrorKind::InvalidData => {
                Some(Ended::Failed(error))
            }
            Err(error) => {
                self.ended = Some(Ended::Closed);
                return Err(error);
            }
        };
        match count {
            0 => Ok(Received::Closed),
            _ => Ok(Received::Bytes),
        }
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// Those of the socket. What the server said before it closed may still be received.
    pub fn flush(&mut self) -> io::Result<Flushed> {
        let fd = self.fd()?;
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        self.flush_with(|bytes| Ok(send(fd, bytes, flags)?))
    }

    /// The same with a `write` of one's own, which fails with [`ErrorKind::WouldBlock`] when the
    /// socket takes no more.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn flush_with(
        &mut self,
        write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Flushed> {
        match &mut self.tls {
            None => write_all(write, &mut self.output),
            Some(tls) => tls.send(write, &mut self.output),
        }
    }

    /// Nothing more will be appended to the output: TLS is to say so behind it. The next
    /// [`flush`](Self::flush) sends it.
    ///
    /// # Errors
    /// As those of [`flush`](Self::flush).
    pub fn close_tls(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while !tls.connection.is_handshaking() && !self.output.is_empty() {
                tls.encrypt_some(&mut self.output)?;
            }
            tls.connection.send_close_notify();
        }
        Ok(())
    }

    /// Closes the socket, and forgets what was received and what was to be sent.
    pub fn close(&mut self) {
        self.socket = None;
        self.tls = None;
        self.input = ReceiveBuffer::default();
        self.output = BytesMut::new();
    }

    fn fd(&self) -> io::Result<RawFd> {
        let socket = self.socket.as_ref().ok_or(ErrorKind::NotConnected)?;
        Ok(socket.as_raw_fd())
    }
}

/// Reads once; `None` when there is nothing now.
#[inline]
fn read_some(
    read: &mut impl FnMut(&mut [u8]) -> io::Result<usize>,
    into: &mut [u8],
) -> io::Result<Option<usize>> {
    loop {
        match read(into) {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn receive_plain(
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    input: &mut ReceiveBuffer,
    total: &mut usize,
) -> io::Result<Received> {
    loop {
        let room = input.room();
        let size = room.len().min(RECEIVE_BYTES_MAX - *total);
        match read_some(&mut read, &mut room[..size])? {
            None => return Ok(Received::WouldBlock),
            Some(0) => return Ok(Received::Closed),
            Some(count) => {
                input.filled(count);
                *total += count;
                if count < size || *total == RECEIVE_BYTES_MAX {
                    return Ok(Received::Bytes);
                }
            }
        }
    }
}

fn write_all(
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    output: &mut BytesMut,
) -> io::Result<Flushed> {
    while !output.is_empty() {
        match write(output) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => output.advance(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Flushed::WouldBlock),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    give_back(output);
    Ok(Flushed::All)
}

/// Gives back an empty buffer's memory when it is much.
fn give_back(output: &mut BytesMut) {
    // Its capacity does not tell: that is counted from where the last bytes ended.
    if output.try_reclaim(OUTPUT_KEPT_BYTES_MAX + 1) {
        *output = BytesMut::new();
    }
}

impl Tls {
    /// As [`receive_plain`]; what is counted is encrypted.
    fn receive(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
        input: &mut ReceiveBuffer,
        total: &mut usize,
    ) -> io::Result<Received> {
        loop {
            let Some(count) = read_some(&mut read, &mut self.records)? else {
                return Ok(Received::WouldBlock);
            };
            if count == 0 {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the TLS connection to the PostgreSQL server was cut off",
                ));
            }
            *total += count;
            if self.decrypt(count, input)? {
                return Ok(Received::Closed);
            }
            if count < self.records.len() || *total >= RECEIVE_BYTES_MAX {
                return Ok(Received::Bytes);
            }
        }
    }

    /// Decrypts the first `count` bytes of the records. True when the server says that it closes.
    fn decrypt(&mut self, count: usize, input: &mut ReceiveBuffer) -> io::Result<bool> {
        let mut records = &self.records[..count];
        while !records.is_empty() {
            self.connection.read_tls(&mut records)?;
            // An error leaves an alert to be sent, which tells the server why.
            let state = self
                .connection
                .process_new_packets()
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let count = self.connection.reader().read(input.room())?;
                input.filled(count);
                left -= count;
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn send(
        &mut self,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
        output: &mut BytesMut,
    ) -> io::Result<Flushed> {
        loop {
            // Only then is more encrypted, so that it does not pile up twice.
            if write_all(&mut write, &mut self.encrypted)? == Flushed::WouldBlock {
                return Ok(Flushed::WouldBlock);
            }
            self.encrypt_some(output)?;
            if self.encrypted.is_empty() {
                return Ok(Flushed::All);
            }
        }
    }

    /// Encrypts as much output as rustls takes at once, and what it wants to say itself.
    fn encrypt_some(&mut self, output: &mut BytesMut) -> io::Result<()> {
        if !output.is_empty() && !self.connection.is_handshaking() {
            let count = self.connection.writer().write(output)?;
            output.advance(count);
            if output.is_empty() {
                give_back(output);
            }
        }
        let mut encrypted = (&mut self.encrypted).writer();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut encrypted)?;
        }
        Ok(())
    }
}

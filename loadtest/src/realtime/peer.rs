//! One connection of the crowd: a WebSocket or an event stream.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::event_stream::EventReader;
use super::frame::{self, FrameReader, Kind, Message};
use super::handshake;
use crate::connection::begin_connecting;
use crate::response::ResponseParser;

/// Which protocol a crowd speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 6455, with permessage-deflate if `has_deflate`.
    WebSocket {
        /// Whether compression is offered, and must be negotiated.
        has_deflate: bool,
    },
    /// `text/event-stream`; events are reported as text messages.
    Events,
}

/// The sending half.
#[derive(Debug)]
pub struct Output {
    stream: TcpStream,
    unsent: Vec<u8>,
    is_broken: bool,
    /// Whether epoll reports writability.
    pub(super) watches_writes: bool,
}

impl Output {
    /// Writes what the socket takes and keeps the rest.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut sent = 0;
        if self.unsent.is_empty() {
            sent = self.write(bytes);
        }
        self.unsent.extend_from_slice(&bytes[sent..]);
    }

    /// Writes what was kept.
    pub(super) fn flush(&mut self) {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent);
        self.unsent = unsent;
        self.unsent.drain(..sent);
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() && !self.is_broken {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.is_broken = true,
            }
        }
        sent
    }
}

/// The receiving half.
#[derive(Debug)]
enum Input {
    /// The head of a WebSocket's answer.
    Head {
        bytes: Vec<u8>,
        has_deflate: bool,
    },
    Frames(FrameReader),
    Events {
        response: Box<ResponseParser>,
        events: EventReader,
        is_open: bool,
    },
}

/// What arrived.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'a> {
    /// The server accepted the connection.
    Opened,
    /// A message or event; pings and closes stay inside.
    Message(Message<'a>),
}

/// One connection.
#[derive(Debug)]
pub struct Peer {
    /// Where to send.
    pub output: Output,
    input: Input,
}

impl Peer {
    /// Begins to connect and to ask.
    pub fn open(address: SocketAddr, protocol: Protocol, request: &[u8]) -> io::Result<Self> {
        let stream = begin_connecting(address)?;
        let mut output = Output {
            stream,
            unsent: Vec::new(),
            is_broken: false,
            watches_writes: false,
        };
        output.send(request);
        let input = match protocol {
            Protocol::WebSocket { has_deflate } => Input::Head {
                bytes: Vec::new(),
                has_deflate,
            },
            Protocol::Events => Input::Events {
                response: Box::new(ResponseParser::new("GET")),
                events: EventReader::new(),
                is_open: false,
            },
        };
        Ok(Self { output, input })
    }

    /// Reads once and reports what arrived; fails when the connection is over.
    pub fn receive(
        &mut self,
        buffer: &mut [u8],
        mut report: impl FnMut(&mut Output, Incoming<'_>),
    ) -> io::Result<()> {
        let count = match self.output.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut bytes = &buffer[..count];
        let mut head = Vec::new();
        if let Some((kept, length)) = self.take_head(bytes)? {
            head = kept;
            bytes = &head[length..];
            report(&mut self.output, Incoming::Opened);
        }
        self.read_messages(bytes, report)?;
        drop(head);
        if self.output.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    /// Reads the answer to a WebSocket's handshake: all bytes so far, and how long the head is.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<Option<(Vec<u8>, usize)>> {
        let Input::Head {
            bytes: kept,
            has_deflate,
        } = &mut self.input
        else {
            return Ok(None);
        };
        kept.extend_from_slice(bytes);
        let Some(length) = handshake::accepted(kept, *has_deflate)? else {
            return Ok(None);
        };
        let kept = std::mem::take(kept);
        self.input = Input::Frames(FrameReader::new());
        Ok(Some((kept, length)))
    }

    fn read_messages(
        &mut self,
        mut bytes: &[u8],
        mut report: impl FnMut(&mut Output, Incoming<'_>),
    ) -> io::Result<()> {
        let output = &mut self.output;
        match &mut self.input {
            Input::Head { .. } => Ok(()),
            Input::Frames(reader) => {
                while !bytes.is_empty() {
                    let (used, message) = reader.push(bytes).map_err(io::Error::other)?;
                    match message {
                        Some(message) if message.kind == Kind::Close => {
                            return Err(io::ErrorKind::ConnectionAborted.into());
                        }
                        Some(message) if message.kind == Kind::Ping => {
                            output.send(&frame::encode(Kind::Pong, false, message.payload));
                        }
                        Some(message) if message.kind == Kind::Pong => {}
                        Some(message) => report(output, Incoming::Message(message)),
                        None => {}
                    }
                    bytes = &bytes[used..];
                }
                Ok(())
            }
            Input::Events {
                response,
                events,
                is_open,
            } => {
                let mut on_event = |data: &[u8]| {
                    if !*is_open {
                        *is_open = true;
                        report(output, Incoming::Opened);
                    }
                    let message = Message {
                        kind: Kind::Text,
                        is_compressed: false,
                        payload: data,
                    };
                    report(output, Incoming::Message(message));
                };
                let progress = response
                    .push_with(bytes, |body| events.push(body, &mut on_event))
                    .map_err(io::Error::other)?;
                match progress.answer {
                    Some(answer) => Err(io::Error::other(format!(
                        "the stream ended with status {}",
                        answer.status
                    ))),
                    None => Ok(()),
                }
            }
        }
    }
}

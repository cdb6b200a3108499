//! The limit: one thread, one level-triggered epoll, a constant answer. No server on sockets does less.
//!
//! It reads no bodies: a request that is not GET is answered 501 and its connection closed.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

const EVENTS_MAX: usize = 256;
const INPUT_MAX_BYTES: usize = 16 * 1024;
const HEADER_FIELDS_MAX: usize = 32;
const CONNECTIONS_MAX: usize = 20_000;
const BODY: &str = "Hello, world";
const NOT_IMPLEMENTED: &[u8] =
    b"HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Answers every GET with the same bytes.
#[derive(Debug, Parser)]
#[command(name = "yardstick")]
struct Arguments {
    /// Port on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// The constant answer, rendered anew when the second of its date is over.
struct Answer {
    bytes: Vec<u8>,
    second: u64,
}

impl Answer {
    fn refresh(&mut self) {
        let now = SystemTime::now();
        let second = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if second != self.second || self.bytes.is_empty() {
            self.second = second;
            self.bytes = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\ndate: {}\r\n\r\n{BODY}",
                BODY.len(),
                httpdate::fmt_http_date(now)
            )
            .into_bytes();
        }
    }
}

/// What happens to a connection after an event.
#[derive(PartialEq, Eq)]
enum Next {
    Keep,
    Close,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    sent: usize,
    /// Epoll watches for writability, and nothing is read meanwhile: a peer that does not read waits.
    is_blocked: bool,
    is_closing: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            input: vec![0; INPUT_MAX_BYTES],
            filled: 0,
            output: Vec::new(),
            sent: 0,
            is_blocked: false,
            is_closing: false,
        })
    }

    /// Reads once and answers every complete request in the buffer with one write.
    fn receive(&mut self, answer: &[u8]) -> Next {
        let count = match self.stream.read(&mut self.input[self.filled..]) {
            // A full buffer without one complete request reads zero bytes too.
            Ok(0) => return Next::Close,
            Ok(count) => count,
            Err(error) if is_transient(&error) => return Next::Keep,
            Err(_) => return Next::Close,
        };
        self.filled += count;
        let mut used = 0;
        while used < self.filled && !self.is_closing {
            let mut fields = [httparse::EMPTY_HEADER; HEADER_FIELDS_MAX];
            let mut request = httparse::Request::new(&mut fields);
            match request.parse(&self.input[used..self.filled]) {
                Ok(httparse::Status::Complete(length)) if request.method == Some("GET") => {
                    used += length;
                    self.output.extend_from_slice(answer);
                }
                Ok(httparse::Status::Complete(_)) => {
                    self.output.extend_from_slice(NOT_IMPLEMENTED);
                    self.is_closing = true;
                }
                Ok(httparse::Status::Partial) => break,
                Err(_) => return Next::Close,
            }
        }
        self.input.copy_within(used..self.filled, 0);
        self.filled -= used;
        self.flush()
    }

    fn flush(&mut self) -> Next {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if is_transient(&error) => return Next::Keep,
                Err(_) => return Next::Close,
            }
        }
        self.output.clear();
        self.sent = 0;
        if self.is_closing {
            Next::Close
        } else {
            Next::Keep
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

struct Server {
    listener: TcpListener,
    epoll: Epoll,
    /// Indexed by file descriptor.
    connections: Vec<Option<Connection>>,
    answer: Answer,
}

impl Server {
    fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let token = listener.as_raw_fd() as u64;
        epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        let answer = Answer {
            bytes: Vec::new(),
            second: 0,
        };
        Ok(Self {
            listener,
            epoll,
            connections: Vec::new(),
            answer,
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        let listener = self.listener.as_raw_fd() as u64;
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            self.answer.refresh();
            for event in &events[..count] {
                if event.data() == listener {
                    self.accept();
                } else {
                    self.handle(event.data() as usize, event.events());
                }
            }
        }
    }

    /// Accepts one connection; level-triggered epoll reports those that still wait.
    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else {
            return;
        };
        let descriptor = stream.as_raw_fd() as usize;
        if descriptor >= CONNECTIONS_MAX {
            return;
        }
        let Ok(connection) = Connection::new(stream) else {
            return;
        };
        let event = EpollEvent::new(EpollFlags::EPOLLIN, descriptor as u64);
        if self.epoll.add(&connection.stream, event).is_err() {
            return;
        }
        if self.connections.len() <= descriptor {
            self.connections.resize_with(descriptor + 1, || None);
        }
        self.connections[descriptor] = Some(connection);
    }

    fn handle(&mut self, descriptor: usize, flags: EpollFlags) {
        let Some(Some(connection)) = self.connections.get_mut(descriptor) else {
            return;
        };
        let mut next = if flags.contains(EpollFlags::EPOLLOUT) {
            connection.flush()
        } else {
            connection.receive(&self.answer.bytes)
        };
        let must_wait = connection.sent < connection.output.len();
        if next == Next::Keep && must_wait != connection.is_blocked {
            connection.is_blocked = must_wait;
            let flags = if must_wait {
                EpollFlags::EPOLLOUT
            } else {
                EpollFlags::EPOLLIN
            };
            let mut event = EpollEvent::new(flags, descriptor as u64);
            if self
                .epoll
                .modify(connection.stream.as_fd(), &mut event)
                .is_err()
            {
                next = Next::Close;
            }
        }
        if next == Next::Close {
            self.connections[descriptor] = None;
        }
    }
}

fn run(port: u16) -> io::Result<()> {
    let mut server = Server::bind(port)?;
    println!("listening on {}", server.listener.local_addr()?);
    io::stdout().flush()?;
    server.serve()
}

fn main() -> ExitCode {
    match run(Arguments::parse().port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("yardstick: {error}");
            ExitCode::FAILURE
        }
    }
}

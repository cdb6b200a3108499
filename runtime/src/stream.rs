//! A connected socket, a listening socket and a readiness wait, over glommio.

use crate::origin::Origin;
use glommio::net::TcpStream;
use nix::sys::socket::{
    self, AddressFamily, SockFlag, SockaddrLike, SockaddrStorage, getpeername, getsockname, sockopt,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::{AsyncRead, AsyncWrite};

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A peer on this machine, without an address.
    Unix,
}

/// One accepted connection. TLS would become a second variant behind the same methods.
pub(crate) struct Stream {
    socket: TcpStream,
    fd: RawFd,
}

impl Stream {
    /// Takes over a connected, non-blocking socket of any family.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        let fd = socket.as_raw_fd();
        // SAFETY: the descriptor is owned and is given up here; glommio only ever calls recv,
        // send and shutdown on it, which suit a Unix stream socket as well as TCP.
        let socket = unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) };
        Self { socket, fd }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    /// Whether bytes wait in the socket, whatever the reactor knows of them.
    pub(crate) fn has_bytes(&self) -> bool {
        let flags = socket::MsgFlags::MSG_PEEK | socket::MsgFlags::MSG_DONTWAIT;
        matches!(socket::recv(self.fd, &mut [0], flags), Ok(1))
    }

    /// Makes the close that follows a reset: the peer must not take what it has for whole.
    pub(crate) fn reset_on_close(&self) {
        let now = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // SAFETY: the descriptor belongs to `socket`, which lives as long as `self`.
        let socket = unsafe { BorrowedFd::borrow_raw(self.fd) };
        // At worst the connection ends as if it were whole.
        let _ = socket::setsockopt(&socket, sockopt::Linger, &now);
    }

    /// Ends the connection when the peer's machine is silent for so long while it has bytes to
    /// acknowledge: one that vanished without a FIN is found out by what is sent to it.
    pub(crate) fn give_up_after(&self, silence_ms: u64) {
        // SAFETY: the descriptor belongs to `socket`, which lives as long as `self`.
        let socket = unsafe { BorrowedFd::borrow_raw(self.fd) };
        let silence_ms = u32::try_from(silence_ms).unwrap_or(u32::MAX);
        // A Unix socket has no such option, and no machine that could vanish.
        let _ = socket::setsockopt(&socket, sockopt::TcpUserTimeout, &silence_ms);
    }

    /// Tells the peer that no more bytes will come (FIN).
    pub(crate) fn shutdown_write(&self) {
        // A peer that is gone already makes this fail, which changes nothing.
        let _ = socket::shutdown(self.fd, socket::Shutdown::Write);
    }
}

/// A listening socket that the supervisor, systemd or a test bound.
pub struct Listener {
    socket: OwnedFd,
    unix: bool,
}

impl Listener {
    /// Takes over a listening socket and makes it non-blocking.
    ///
    /// # Errors
    /// When the descriptor is no socket.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        let address: SockaddrStorage = getsockname(socket.as_raw_fd())?;
        let flags = OFlag::from_bits_retain(fcntl(&socket, FcntlArg::F_GETFL)?);
        fcntl(&socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self {
            socket,
            unix: address.family() == Some(AddressFamily::Unix),
        })
    }

    /// Takes the next connection out of the queue; `None` when it is empty.
    pub(crate) fn accept(&self) -> io::Result<Option<OwnedFd>> {
        match socket::accept4(
            self.socket.as_raw_fd(),
            SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC,
        ) {
            Ok(raw) => {
                // SAFETY: accept4 has just returned this descriptor to us alone.
                let accepted = unsafe { OwnedFd::from_raw_fd(raw) };
                if !self.unix {
                    // Answers go out in one write already; Nagle would only delay them.
                    let _ = socket::setsockopt(&accepted, sockopt::TcpNoDelay, &true);
                }
                Ok(Some(accepted))
            }
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until a connection may be waiting.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        Readiness::of(self.socket.as_fd())?.await;
        Ok(())
    }

    /// Both ends of a connection that this socket accepted.
    pub(crate) fn origin_of(&self, accepted: &OwnedFd) -> Origin {
        let fd = accepted.as_raw_fd();
        let (peer, server) = if self.unix {
            (None, None)
        } else {
            (
                getpeername(fd).ok().and_then(tcp_address),
                getsockname(fd).ok().and_then(tcp_address),
            )
        };
        Origin {
            peer: peer.map_or(Peer::Unix, Peer::Tcp),
            server,
            stated: None,
            proxies: None,
        }
    }
}

/// The TCP address in a socket address, if it is one.
fn tcp_address(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|a| SocketAddr::from((a.ip(), a.port())));
    let either = v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|a| SocketAddr::from((a.ip(), a.port())))
    })?;
    // A socket for both families knows IPv4 peers by a mapped address.
    Some(SocketAddr::new(either.ip().to_canonical(), either.port()))
}

/// Resolves when a descriptor of any kind becomes readable.
///
/// glommio has no such call. A stream made from a duplicate arms an io_uring poll at once and
/// looks at the descriptor only when that has fired; that first read fails at once on what is
/// no connected socket (ENOTSOCK, ENOTCONN) and takes nothing from what is.
pub(crate) struct Readiness {
    probe: TcpStream,
}

impl Readiness {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let duplicate = fd.try_clone_to_owned()?;
        // SAFETY: the duplicate is owned and is given up here; the stream closes it.
        let probe = unsafe { TcpStream::from_raw_fd(duplicate.into_raw_fd()) };
        Ok(Self { probe })
    }
}

impl Future for Readiness {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A read into nothing takes nothing, whatever the descriptor is.
        Pin::new(&mut self.probe).poll_read(cx, &mut []).map(|_| ())
    }
}

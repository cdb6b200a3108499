//! Opens the listening sockets, which outlive every shard that accepts from them.

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, UnixAddr, bind, getpeername,
    getsockname, listen, setsockopt, socket,
};
use nix::sys::stat::{Mode, umask};

use crate::control::{ListenerConfig, ListenerKind};
use crate::error::Error;
use crate::logging;
use crate::options::ListenOptions;
use crate::systemd;

/// How often another port is tried when port 0 is wanted on several addresses at once.
const FREE_PORT_TRIES: usize = 16;

/// One listening socket.
#[derive(Debug)]
struct Listener {
    socket: Socket,
    kind: ListenerKind,
    name: String,
}

/// Whose descriptor a listening socket is.
#[derive(Debug)]
enum Socket {
    /// Opened here; closed on exec but for the shard it is meant for.
    Ours(OwnedFd),
    /// Inherited from whoever started the supervisor, hence inherited by every shard too.
    Inherited(RawFd),
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Ours(fd) => fd.as_raw_fd(),
            Socket::Inherited(fd) => *fd,
        }
    }
}

/// The listening sockets of the whole server.
#[derive(Debug)]
pub struct Listeners {
    shared: Vec<Listener>,
    per_shard: Vec<Vec<Listener>>,
    /// Removes the Unix socket's path at the end.
    _uds_path: Option<UdsPath>,
}

impl Listeners {
    /// Opens what the options ask for, or takes what systemd passed.
    pub fn open(options: &ListenOptions, shards: usize) -> Result<Self, Error> {
        let backlog = backlog(options.backlog);
        if let Some(fd) = options.fd {
            return Self::inherited(&[fd]);
        }
        let passed = systemd::listen_fds()?;
        if !passed.is_empty() {
            logging::info(format_args!(
                "systemd passed {} sockets; --host, --port and --uds do not count",
                passed.len()
            ));
            return Self::inherited(&passed);
        }
        match &options.uds {
            Some(path) => Self::unix(path, options.uds_permissions, backlog),
            None => Self::tcp(&options.host, options.port, shards, backlog),
        }
    }

    /// What a shard is told about its sockets.
    pub fn configs(&self, index: usize) -> Vec<ListenerConfig> {
        self.of_shard(index)
            .map(|listener| ListenerConfig {
                fd: listener.socket.as_raw_fd(),
                kind: listener.kind,
                name: listener.name.clone(),
            })
            .collect()
    }

    /// Where the server is found, for people: `http://127.0.0.1:8000`.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.of_shard(0).map(|l| l.name.as_str()).collect();
        names.join(" and ")
    }

    /// Lets the next child inherit the sockets of one shard, or no longer.
    pub fn set_inherited(&self, index: usize, inherited: bool) -> Result<(), Error> {
        let flags = if inherited {
            FdFlag::empty()
        } else {
            FdFlag::FD_CLOEXEC
        };
        for listener in self.of_shard(index) {
            if let Socket::Ours(fd) = &listener.socket {
                fcntl(fd, FcntlArg::F_SETFD(flags))
                    .map_err(|errno| Error::system("passing a socket on", errno))?;
            }
        }
        Ok(())
    }

    fn of_shard(&self, index: usize) -> impl Iterator<Item = &Listener> {
        self.shared
            .iter()
            .chain(self.per_shard.get(index).into_iter().flatten())
    }

    fn inherited(fds: &[RawFd]) -> Result<Self, Error> {
        let shared = fds.iter().map(|fd| adopt(*fd)).collect::<Result<_, _>>()?;
        Ok(Self {
            shared,
            per_shard: Vec::new(),
            _uds_path: None,
        })
    }

    fn unix(path: &Path, permissions: Option<u32>, backlog: Backlog) -> Result<Self, Error> {
        let (socket, uds_path) = open_unix(path, permissions, backlog)?;
        Ok(Self {
            shared: vec![Listener {
                socket: Socket::Ours(socket),
                kind: ListenerKind::Unix,
                name: format!("unix:{}", path.display()),
            }],
            per_shard: Vec::new(),
            _uds_path: Some(uds_path),
        })
    }

    fn tcp(host: &str, port: u16, shards: usize, backlog: Backlog) -> Result<Self, Error> {
        let addresses = resolve(host, port)?;
        let mut tries = if port == 0 { FREE_PORT_TRIES } else { 1 };
        let per_shard = loop {
            tries -= 1;
            match open_tcp(host, port, &addresses, shards, backlog) {
                Err(Error::PortInUse { .. }) if tries > 0 => {}
                result => break result?,
            }
        };
        Ok(Self {
            shared: Vec::new(),
            per_shard,
            _uds_path: None,
        })
    }
}

fn backlog(wanted: u32) -> Backlog {
    i32::try_from(wanted)
        .ok()
        .and_then(|wanted| Backlog::new(wanted).ok())
        .unwrap_or(Backlog::MAXCONN)
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    // Brackets belong to URLs, but nobody can mean anything else by them.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let unknown = |reason: String| Error::HostUnknown {
        host: host.to_owned(),
        reason,
    };
    let addresses: Vec<_> = (bare, port)
        .to_socket_addrs()
        .map_err(|error| unknown(error.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(unknown("the resolver returned none".to_owned()));
    }
    Ok(addresses)
}

/// One SO_REUSEPORT socket per shard and address, all on one port.
fn open_tcp(
    host: &str,
    mut port: u16,
    addresses: &[SocketAddr],
    shards: usize,
    backlog: Backlog,
) -> Result<Vec<Vec<Listener>>, Error> {
    let mut per_shard: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut failure = None;
    for address in addresses {
        let mut address = *address;
        address.set_port(port);
        if let Err(errno) = probe(address) {
            let error = bind_error(host, port, errno);
            // Such as ::1 for localhost where IPv6 is switched off.
            if matches!(errno, Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT) {
                failure.get_or_insert(error);
                continue;
            }
            return Err(error);
        }
        for listeners in &mut per_shard {
            let (fd, bound) =
                open_one(address, backlog).map_err(|errno| bind_error(host, port, errno))?;
            port = bound.port();
            address.set_port(port);
            listeners.push(Listener {
                socket: Socket::Ours(fd),
                kind: ListenerKind::Tcp,
                name: format!("http://{bound}"),
            });
        }
    }
    match failure {
        Some(error) if per_shard.iter().all(Vec::is_empty) => Err(error),
        _ => Ok(per_shard),
    }
}

/// Finds another server on the port: with SO_REUSEPORT the kernel would quietly let two servers
/// of one user share it.
fn probe(address: SocketAddr) -> Result<(), Errno> {
    let fd = stream_socket(address)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))
}

fn open_one(address: SocketAddr, backlog: Backlog) -> Result<(OwnedFd, SocketAddr), Errno> {
    let fd = stream_socket(address)?;
    setsockopt(&fd, ReusePort, &true)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&fd, backlog)?;
    let bound = getsockname::<SockaddrStorage>(fd.as_raw_fd())?;
    Ok((fd, to_std(&bound).unwrap_or(address)))
}

fn stream_socket(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    // Non-blocking, for several processes may wake for one connection.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, ReuseAddr, &true)?;
    if let SocketAddr::V6(address) = address {
        // The unspecified address takes IPv4 along, whatever net.ipv6.bindv6only says.
        setsockopt(&fd, Ipv6V6Only, &!address.ip().is_unspecified())?;
    }
    Ok(fd)
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into()))
    })
}

fn bind_error(host: &str, port: u16, errno: Errno) -> Error {
    let host = host.to_owned();
    match errno {
        Errno::EADDRINUSE => Error::PortInUse { host, port },
        Errno::EACCES | Errno::EPERM => Error::PortDenied { host, port },
        Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT => Error::HostForeign { host },
        errno => Error::system("opening a listening socket", errno),
    }
}

/// The path of a Unix socket that this process made, removed when it ends.
#[derive(Debug)]
struct UdsPath {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for UdsPath {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (self.device, self.inode));
        // Another server may have replaced it; then it is not ours to remove.
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            logging::warning(format_args!(
                "{} stays behind: {error}",
                self.path.display()
            ));
        }
    }
}

fn open_unix(
    path: &Path,
    permissions: Option<u32>,
    backlog: Backlog,
) -> Result<(OwnedFd, UdsPath), Error> {
    let unusable = |reason: String| Error::UdsUnusable {
        path: path.to_owned(),
        reason,
    };
    let failed = |errno: Errno| unusable(errno.desc().to_owned());
    let address = UnixAddr::new(path)
        .map_err(|_| unusable("is too long: a socket's path has at most 107 bytes".to_owned()))?;
    remove_stale(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(failed)?;
    // The umask, because between bind and chmod the socket would be open to others.
    let masked = permissions.map(|mode| umask(Mode::from_bits_truncate(!mode & 0o777)));
    let bound = bind(fd.as_raw_fd(), &address);
    if let Some(before) = masked {
        umask(before);
    }
    bound.map_err(failed)?;
    let metadata = std::fs::symlink_metadata(path).map_err(|error| unusable(error.to_string()))?;
    let uds_path = UdsPath {
        path: path.to_owned(),
        device: metadata.dev(),
        inode: metadata.ino(),
    };
    listen(&fd, backlog).map_err(failed)?;
    Ok((fd, uds_path))
}

/// Removes a socket that nobody listens on any more, as a killed server leaves behind.
fn remove_stale(path: &Path) -> Result<(), Error> {
    let unusable = |error: std::io::Error| Error::UdsUnusable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let path_buf = path.to_owned();
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(Error::UdsNotSocket { path: path_buf });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(unusable)
        }
        // A full backlog is a sign of life too.
        Ok(_) => Err(Error::UdsInUse { path: path_buf }),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(Error::UdsInUse { path: path_buf })
        }
        Err(error) => Err(unusable(error)),
    }
}

/// Takes over a socket that was inherited.
fn adopt(fd: RawFd) -> Result<Listener, Error> {
    let address = getsockname::<SockaddrStorage>(fd).map_err(|_| Error::FdNotSocket { fd })?;
    let (kind, name) = if let Some(address) = to_std(&address) {
        (ListenerKind::Tcp, format!("http://{address}"))
    } else if let Some(address) = address.as_unix_addr() {
        let path = address
            .path()
            .map_or_else(String::new, |path| path.display().to_string());
        (ListenerKind::Unix, format!("unix:{path}"))
    } else {
        return Err(Error::FdNotListening { fd });
    };
    let connected = getpeername::<SockaddrStorage>(fd).is_ok();
    if connected || known_to_listen(fd, kind) == Some(false) {
        return Err(Error::FdNotListening { fd });
    }
    Ok(Listener {
        socket: Socket::Inherited(fd),
        kind,
        name,
    })
}

/// Whether the kernel's tables say that a socket listens; `None` for a socket that is in none,
/// as one from another network namespace.
fn known_to_listen(fd: RawFd, kind: ListenerKind) -> Option<bool> {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    let inode = link
        .to_str()?
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .to_owned();
    let find = |table: &str, inode_column: usize| {
        let text = std::fs::read_to_string(format!("/proc/self/net/{table}")).ok()?;
        text.lines()
            .map(|line| {
                line.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .find(|columns| columns.get(inode_column) == Some(&inode))
    };
    match kind {
        ListenerKind::Unix => {
            // SO_ACCEPTCON in the flags (proc_net_unix in net/unix/af_unix.c).
            let flags = u32::from_str_radix(find("unix", 6)?.get(3)?, 16).ok()?;
            Some(flags & 0x1_0000 != 0)
        }
        ListenerKind::Tcp => {
            if let Some(columns) = find("tcp", 9).or_else(|| find("tcp6", 9)) {
                // TCP_LISTEN (include/net/tcp_states.h).
                return Some(columns.get(3)? == "0A");
            }
            // A bound TCP socket that does not listen is in no table, and neither is one of
            // another namespace; a UDP socket is.
            find("udp", 9).or_else(|| find("udp6", 9)).map(|_| false)
        }
    }
}

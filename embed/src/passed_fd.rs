//! A packet with a descriptor beside it (`SCM_RIGHTS`, unix(7)).

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Sends a packet, and a duplicate of `fd` with it.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fd: Option<BorrowedFd<'_>>,
    flags: MsgFlags,
) -> nix::Result<usize> {
    let fds = fd.map(|fd| [fd.as_raw_fd()]);
    let rights = fds.as_ref().map(|fds| [ControlMessage::ScmRights(fds)]);
    let control = rights.as_ref().map_or(&[][..], |rights| &rights[..]);
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        control,
        flags,
        None,
    )
}

/// Receives a packet and the descriptor that came with it, which no child of this process inherits.
/// The descriptor is missing where this process may have no more of them.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: MsgFlags,
) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut space = cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(bytes)];
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut passed = Vec::new();
    match received.cmsgs() {
        Ok(messages) => {
            for message in messages {
                if let ControlMessageOwned::ScmRights(fds) = message {
                    // SAFETY: recvmsg has just made these descriptors, for this process alone.
                    passed.extend(
                        fds.into_iter()
                            .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
                    );
                }
            }
        }
        // The kernel had to leave it away.
        Err(Errno::ENOBUFS) => {}
        Err(errno) => return Err(errno),
    }
    Ok((received.bytes, passed.into_iter().next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn a_descriptor_comes_with_its_packet_and_is_closed_on_exec() {
        let (one, two) = UnixDatagram::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        send(one.as_fd(), b"take", Some(far.as_fd()), MsgFlags::empty()).unwrap();
        send(one.as_fd(), b"nothing", None, MsgFlags::empty()).unwrap();
        drop(far);
        let mut bytes = [0; 16];
        let (length, passed) = receive(two.as_fd(), &mut bytes, MsgFlags::empty()).unwrap();
        assert_eq!(&bytes[..length], b"take");
        let passed = passed.unwrap();
        let flags = fcntl(&passed, FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
        near.write_all(b"x").unwrap();
        let mut letter = [0];
        UnixStream::from(passed).read_exact(&mut letter).unwrap();
        assert_eq!(&letter, b"x");
        let (length, passed) = receive(two.as_fd(), &mut bytes, MsgFlags::empty()).unwrap();
        assert!(length == 7 && passed.is_none());
        let none = receive(two.as_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT);
        assert_eq!(none.unwrap_err(), Errno::EAGAIN);
    }
}

//! The hand-over of a socket.

use super::socket::Socket;
use crate::reactor;
use std::rc::Rc;

/// A socket on its way from the application to the connection that is to serve it. When it does
/// not arrive, the socket ends.
pub struct Upgrade {
    socket: Option<Rc<Socket>>,
}

impl From<Rc<Socket>> for Upgrade {
    fn from(socket: Rc<Socket>) -> Self {
        Self {
            socket: Some(socket),
        }
    }
}

impl Upgrade {
    /// The socket, which the caller serves to its end.
    pub(crate) fn take(mut self) -> Option<Rc<Socket>> {
        self.socket.take()
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            // Whoever is told may not be called from here.
            reactor::enqueue(move || {
                reactor::spawn(async move {
                    if socket.end(false) {
                        socket.abandon();
                    }
                });
            });
        }
    }
}

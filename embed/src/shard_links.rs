//! This shard's links to the others, as the supervisor hands them out.

use crate::control::ToShard;
use crate::logging;
use runtime::Links;
use runtime::channels::Channels;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

thread_local! {
    static LINKS: RefCell<Option<Rc<Links>>> = const { RefCell::new(None) };
}

fn links() -> Option<Rc<Links>> {
    LINKS.with(|links| links.borrow().clone())
}

/// Does what the supervisor says of links; on the shard's thread.
pub(crate) fn hear(message: &ToShard, fd: Option<OwnedFd>) {
    match (message, fd) {
        (ToShard::Link, Some(mailbox)) => open(mailbox),
        (ToShard::Peer { process, histories }, Some(mailbox)) => {
            let Some(links) = links() else { return };
            links.add_peer(*process, mailbox);
            if *histories {
                links.ask_histories(*process);
            }
        }
        (ToShard::Link | ToShard::Peer { .. }, None) => {
            logging::error("too many open files (ulimit -n): channels do not reach every shard");
        }
        (ToShard::PeerGone { process }, _) => {
            if let Some(links) = links() {
                links.drop_peer(*process);
            }
        }
        (ToShard::Configure(_) | ToShard::Drain { .. } | ToShard::Stop, _) => {}
    }
}

fn open(mailbox: OwnedFd) {
    match Links::open(&Channels::current(), mailbox) {
        Ok(links) => {
            let former = LINKS.with(|known| known.replace(Some(links)));
            drop(former);
        }
        Err(error) => logging::error(format_args!("channels do not reach other shards: {error}")),
    }
}

/// Waits until the histories that this shard has asked for, if it has, are there.
pub(crate) async fn restored() {
    if let Some(links) = links() {
        links.restored().await;
    }
}

/// Sends what waits, as far as there is room, before this process ends.
pub(crate) fn flush() {
    if let Some(links) = links() {
        links.flush();
    }
}

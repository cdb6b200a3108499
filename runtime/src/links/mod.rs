//! Mailboxes between the shards of one server: what is published on one reaches all.
//!
//! A shard owns the receiving end of one `SOCK_SEQPACKET` socket, and sends into those of the
//! others; the supervisor makes them and hands them out. Every message goes to every other shard,
//! whether anybody there has joined its channel or not: a table of interests would be late, and
//! then somebody who has joined and tells a third of it would miss what the third publishes. One
//! packet costs a shard that has no use for it a few microseconds.
//!
//! Nothing here waits for another shard. What a shard does not take in time is dropped, the oldest
//! first, and counted; one that is gone is forgotten.

mod packet;
mod peer;
#[cfg(test)]
mod tests;

use crate::channels::{ChannelMessage, ChannelStats, Channels, Outlet};
use crate::reactor;
use crate::stream::Readiness;
use futures_lite::FutureExt;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv};
use packet::{PACKET_BYTES_MAX, Record};
use peer::{Peer, Sent};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Most packets taken out of the mailbox before others get their turn.
const PACKETS_BATCH: usize = 64;
/// How many shards that are gone are remembered: packets of theirs may still be in the mailbox.
const GONE_MAX: usize = 1024;
/// How long the tasks rest when they cannot wait for a socket, for want of a descriptor.
const PAUSE: Duration = Duration::from_millis(50);
/// Events taken from the set of full mailboxes at a time.
const EVENTS_MAX: usize = 64;

/// Something that one task waits for, on one thread.
#[derive(Default)]
struct Signal {
    is_set: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Signal {
    fn set(&self) {
        self.is_set.set(true);
        let waiter = self.waiter.take();
        if let Some(waiter) = waiter {
            reactor::wake(waiter);
        }
    }

    /// Waits until it is set, and resets it.
    async fn wait(&self) {
        poll_fn(|cx| {
            if self.is_set.replace(false) {
                return Poll::Ready(());
            }
            self.waiter.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// The links of one shard, on its thread.
pub struct Links {
    /// Which process of the server this is.
    process: u32,
    channels: Weak<Channels>,
    mailbox: OwnedFd,
    /// Tells when the mailbox is readable. glommio would find out with a read of no bytes, which
    /// takes a packet off this kind of socket; off an epoll set it takes nothing.
    arrivals: Epoll,
    /// The mailboxes of others that were full, to be told when they have room.
    full: Epoll,
    peers: RefCell<BTreeMap<u32, Peer>>,
    gone: RefCell<VecDeque<u32>>,
    /// Who asked for histories before it was introduced.
    early: RefCell<HashSet<u32>>,
    /// Whose histories are on their way here.
    source: Cell<Option<u32>>,
    /// Something is to be sent.
    work: Signal,
    /// The histories have come, or their source has gone.
    restored: Signal,
    dropped: Cell<u64>,
    malformed: Cell<u64>,
}

impl Links {
    /// Links the channels of this thread, whose process number is known, through the receiving end
    /// of this shard's mailbox.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn open(channels: &Rc<Channels>, mailbox: OwnedFd) -> io::Result<Rc<Self>> {
        let links = Self::new(channels, mailbox)?;
        let (reading, writing) = (links.clone(), links.clone());
        reactor::enqueue(move || {
            reactor::spawn_resident(read(reading));
            reactor::spawn_resident(write(writing));
        });
        Ok(links)
    }

    /// Links whose tasks do not run.
    fn new(channels: &Rc<Channels>, mailbox: OwnedFd) -> io::Result<Rc<Self>> {
        let arrivals = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        arrivals.add(&mailbox, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        let links = Rc::new(Self {
            process: channels.process(),
            channels: Rc::downgrade(channels),
            mailbox,
            arrivals,
            full: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            peers: RefCell::default(),
            gone: RefCell::default(),
            early: RefCell::default(),
            source: Cell::new(None),
            work: Signal::default(),
            restored: Signal::default(),
            dropped: Cell::new(0),
            malformed: Cell::new(0),
        });
        channels.set_outlet(links.clone());
        Ok(links)
    }

    /// Sends to the shard `process` from now on, into `mailbox`; it is told all counts first.
    pub fn add_peer(&self, process: u32, mailbox: OwnedFd) {
        let Some(channels) = self.channels.upgrade() else {
            return;
        };
        let mut peer = Peer::new(mailbox);
        for channel in channels.joined() {
            peer.tell_count(&channel);
        }
        if self.early.borrow_mut().remove(&process) {
            peer.send_histories(channels.kept());
        }
        let former = self.peers.borrow_mut().insert(process, peer);
        drop(former);
        self.work.set();
    }

    /// Asks the shard `process`, which has been added, for what it keeps.
    pub fn ask_histories(&self, process: u32) {
        if let Some(peer) = self.peers.borrow_mut().get_mut(&process) {
            peer.ask_histories();
            self.source.set(Some(process));
            self.work.set();
        }
    }

    /// Waits until the histories that were asked for have come, or cannot come any more.
    pub async fn restored(&self) {
        while self.source.get().is_some() {
            self.restored.wait().await;
        }
    }

    /// Forgets a shard that has ended.
    pub fn drop_peer(&self, process: u32) {
        let peer = self.peers.borrow_mut().remove(&process);
        if let Some(peer) = peer {
            // The set would keep it for as long as anybody else has the socket.
            let _ = self.full.delete(&peer);
        }
        let mut gone = self.gone.borrow_mut();
        if !gone.contains(&process) {
            gone.push_back(process);
            if gone.len() > GONE_MAX {
                gone.pop_front();
            }
        }
        drop(gone);
        self.early.borrow_mut().remove(&process);
        if self.source.get() == Some(process) {
            self.end_of_histories();
        }
        if let Some(channels) = self.channels.upgrade() {
            channels.forget_presence(process);
        }
    }

    /// Sends what waits if there is room for it, before the shard ends.
    pub fn flush(&self) {
        while self.send_all() {}
    }

    fn end_of_histories(&self) {
        self.source.set(None);
        self.restored.set();
    }

    /// Sends a batch to everybody who has room; whether more waits for those.
    fn send_all(&self) -> bool {
        let Some(channels) = self.channels.upgrade() else {
            return false;
        };
        let (mut more, mut gone) = (false, Vec::new());
        for (process, peer) in self.peers.borrow_mut().iter_mut() {
            if peer.is_blocked {
                continue;
            }
            match peer.send(self.process, &channels) {
                Sent::All => {}
                Sent::Some => more = true,
                // Where the kernel refuses to tell, the next message tries again.
                Sent::Full => peer.is_blocked = self.watch(*process, peer).is_ok(),
                Sent::Gone => gone.push(*process),
            }
        }
        gone.into_iter().for_each(|process| self.drop_peer(process));
        more
    }

    /// Has the set tell once when a mailbox has room.
    fn watch(&self, process: u32, peer: &Peer) -> nix::Result<()> {
        let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLONESHOT;
        let mut event = EpollEvent::new(flags, u64::from(process));
        match self.full.modify(peer, &mut event) {
            Err(Errno::ENOENT) => self.full.add(peer, event),
            other => other,
        }
    }

    /// Takes note of the mailboxes that have room again.
    fn unblock(&self) {
        let mut events = [EpollEvent::empty(); EVENTS_MAX];
        let Ok(count) = self.full.wait(&mut events, EpollTimeout::ZERO) else {
            return;
        };
        let mut peers = self.peers.borrow_mut();
        for event in &events[..count] {
            let process = u32::try_from(event.data()).ok();
            if let Some(peer) = process.and_then(|process| peers.get_mut(&process)) {
                peer.is_blocked = false;
            }
        }
    }

    fn has_blocked(&self) -> bool {
        self.peers.borrow().values().any(|peer| peer.is_blocked)
    }

    /// Takes a batch of packets out of the mailbox.
    fn receive_batch(&self, buffer: &mut [u8]) -> Arrived {
        let Some(channels) = self.channels.upgrade() else {
            return Arrived::End;
        };
        for _ in 0..PACKETS_BATCH {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
            match recv(self.mailbox.as_raw_fd(), buffer, flags) {
                Ok(0) => return Arrived::End,
                Ok(length) => match buffer.get(..length).map(packet::read) {
                    Some(Ok((process, records))) => {
                        for record in records {
                            self.apply(&channels, process, record);
                        }
                    }
                    // Longer than any packet is, or broken: nothing of it is believed.
                    _ => self.malformed.set(self.malformed.get() + 1),
                },
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Arrived::Nothing,
                Err(_) => return Arrived::End,
            }
        }
        Arrived::More
    }

    fn apply(&self, channels: &Rc<Channels>, process: u32, record: Record<'_>) {
        match record {
            Record::Message {
                channel,
                id,
                kind,
                data,
            } => channels.receive(channel, id, kind, data),
            Record::Kept {
                channel,
                id,
                kind,
                data,
            } => channels.restore(channel, id, kind, data),
            // Its last words may come after the news of its end.
            Record::Count { .. } | Record::WantsHistories
                if self.gone.borrow().contains(&process) => {}
            Record::Count { channel, count } => channels.set_presence(process, channel, count),
            Record::WantsHistories => match self.peers.borrow_mut().get_mut(&process) {
                Some(peer) => {
                    peer.send_histories(channels.kept());
                    self.work.set();
                }
                None => {
                    self.early.borrow_mut().insert(process);
                }
            },
            Record::HistoriesEnd => {
                if self.source.get() == Some(process) {
                    self.end_of_histories();
                }
            }
        }
    }
}

/// What a look into the mailbox has come to.
enum Arrived {
    /// It is empty.
    Nothing,
    /// There may be more.
    More,
    /// Nobody can send anything any more.
    End,
}

impl Outlet for Links {
    fn send(&self, channel: &str, message: &ChannelMessage) {
        let mut peers = self.peers.borrow_mut();
        if peers.is_empty() {
            return;
        }
        let mut record =
            Vec::with_capacity(packet::HEAD_BYTES + 32 + channel.len() + message.data.len());
        packet::write_message(channel, message, false, &mut record);
        let record: Rc<[u8]> = record.into();
        let dropped: u64 = peers
            .values_mut()
            .map(|peer| peer.push(record.clone()))
            .sum();
        self.dropped.set(self.dropped.get() + dropped);
        drop(peers);
        self.work.set();
    }

    fn count_changed(&self, channel: &Rc<str>) {
        let mut peers = self.peers.borrow_mut();
        if peers.is_empty() {
            return;
        }
        peers.values_mut().for_each(|peer| peer.tell_count(channel));
        drop(peers);
        self.work.set();
    }

    fn count_into(&self, stats: &mut ChannelStats) {
        let peers = self.peers.borrow();
        stats.peers = peers.len() as u64;
        stats.waiting_to_send = peers.values().map(|peer| peer.waiting() as u64).sum();
        stats.dropped_to_peers = self.dropped.get();
        stats.malformed_packets = self.malformed.get();
    }
}

/// Sends what waits, for as long as the reactor runs.
async fn write(links: Rc<Links>) {
    loop {
        if links.has_blocked() {
            links.work.wait().or(room(&links)).await;
            // Asked for in any case: who publishes all the time never waits for room.
            links.unblock();
        } else {
            links.work.wait().await;
        }
        // What else this turn publishes goes into the same packets.
        reactor::yield_now().await;
        if links.send_all() {
            links.work.set();
        }
    }
}

/// Waits until one of the full mailboxes may have room.
async fn room(links: &Links) {
    match Readiness::of(links.full.0.as_fd()) {
        Ok(ready) => ready.await,
        Err(_) => reactor::sleep(PAUSE).await,
    }
}

/// Takes in what comes, for as long as the reactor runs.
async fn read(links: Rc<Links>) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        match links.receive_batch(&mut buffer) {
            Arrived::More => reactor::yield_now().await,
            Arrived::Nothing => match Readiness::of(links.arrivals.0.as_fd()) {
                Ok(ready) => ready.await,
                Err(_) => reactor::sleep(PAUSE).await,
            },
            Arrived::End => return,
        }
    }
}

//! The channels of one shard, on its thread.

use super::history::Histories;
use super::inbox::{ChannelsHandle, Post, Publication};
use super::message::{ChannelMessage, MessageId};
use super::presence::Presence;
use super::registry::{MemberId, Registry};
use super::subscription::{Queue, Subscription};
use super::tap::Tap;
use super::{ChannelError, ChannelStats, Lag, Member, Outlet, check, check_name};
use crate::reactor;
use protocols::websocket::MessageKind;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::Poll;

/// Most messages of other threads delivered before sockets get their turn.
const POSTS_BATCH: usize = 256;

#[derive(Default)]
struct Counters {
    published: Cell<u64>,
    received: Cell<u64>,
    foreign: Cell<u64>,
    delivered: Cell<u64>,
    dropped_by_subscriptions: Rc<Cell<u64>>,
}

fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get() + count);
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Channels>>> = const { RefCell::new(None) };
}

/// The channels of one shard, for its own thread.
#[derive(Default)]
pub struct Channels {
    me: Weak<Self>,
    handle: ChannelsHandle,
    registry: RefCell<Registry>,
    histories: RefCell<Histories>,
    presence: RefCell<Presence>,
    outlet: RefCell<Option<Rc<dyn Outlet>>>,
    tap: RefCell<Option<Rc<Tap>>>,
    counters: Counters,
    /// True while members are delivered to; what is published meanwhile comes after.
    delivering: Cell<bool>,
    backlog: RefCell<VecDeque<(Publication, Source)>>,
}

/// Where a message comes from, which says where it still has to go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Here,
    OtherShard,
    OtherServer,
}

impl Channels {
    /// The channels of this thread, made by the first who asks.
    pub fn current() -> Rc<Self> {
        Self::try_current().unwrap_or_else(|| {
            let channels = Self::new();
            CURRENT.with(|current| current.replace(Some(channels.clone())));
            let delivered = channels.clone();
            reactor::enqueue(move || reactor::spawn_resident(deliver_posts(delivered)));
            channels
        })
    }

    /// Channels that nothing runs for.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            ..Self::default()
        })
    }

    /// The channels of this thread, if it has any.
    pub fn try_current() -> Option<Rc<Self>> {
        CURRENT.with(|current| current.borrow().clone())
    }

    /// Ends the channels of this thread, whose reactor ends.
    pub fn uninstall() {
        if let Some(channels) = CURRENT.with(RefCell::take) {
            channels.handle.close();
            channels.unset_outlet();
        }
    }

    /// The way in for other threads.
    pub fn handle(&self) -> &ChannelsHandle {
        &self.handle
    }

    /// Says which process of its server this is, for the ids of its messages.
    pub fn set_process(&self, process: u32) {
        self.handle.set_process(process);
    }

    /// Which process of its server this is; 0 for none.
    pub fn process(&self) -> u32 {
        self.handle.process()
    }

    /// Delivers a message to all who have joined the channel, here and on every other shard.
    ///
    /// # Errors
    /// [`ChannelError::NameInvalid`] and [`ChannelError::MessageTooLarge`]; nothing is sent then.
    pub fn publish(
        &self,
        channel: &str,
        kind: MessageKind,
        data: Vec<u8>,
    ) -> Result<MessageId, ChannelError> {
        check(channel, &data)?;
        let (waiting, id) = self.handle.take_and_stamp();
        self.do_posts(waiting);
        let publication = Publication {
            channel: channel.to_owned(),
            id,
            kind,
            data,
            is_foreign: false,
        };
        self.spread(publication, Source::Here);
        Ok(id)
    }

    /// Delivers what another server has published, on this shard only: the others hear of it by
    /// themselves.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_foreign(
        &self,
        channel: &str,
        id: MessageId,
        kind: MessageKind,
        data: Vec<u8>,
    ) -> Result<(), ChannelError> {
        check(channel, &data)?;
        let publication = Publication {
            channel: channel.to_owned(),
            id,
            kind,
            data,
            is_foreign: true,
        };
        self.spread(publication, Source::OtherServer);
        Ok(())
    }

    /// Delivers what another shard has published.
    pub(crate) fn receive(&self, channel: &str, id: MessageId, kind: MessageKind, data: &[u8]) {
        let publication = Publication {
            channel: channel.to_owned(),
            id,
            kind,
            data: data.to_vec(),
            is_foreign: false,
        };
        self.spread(publication, Source::OtherShard);
    }

    fn do_posts(&self, posts: impl IntoIterator<Item = Post>) {
        for post in posts {
            match post {
                Post::Publish(publication) if publication.is_foreign => {
                    self.spread(publication, Source::OtherServer);
                }
                Post::Publish(publication) => self.spread(publication, Source::Here),
                Post::Call(call) => call(self),
            }
        }
    }

    /// Brings a message everywhere, and then what was published meanwhile.
    fn spread(&self, publication: Publication, source: Source) {
        if self.delivering.replace(true) {
            self.backlog.borrow_mut().push_back((publication, source));
            return;
        }
        let _delivering = Delivering(&self.delivering);
        let mut next = Some((publication, source));
        while let Some((publication, source)) = next {
            self.spread_now(publication, source);
            next = self.backlog.borrow_mut().pop_front();
        }
    }

    fn spread_now(&self, publication: Publication, source: Source) {
        let Publication {
            channel,
            id,
            kind,
            data,
            ..
        } = publication;
        let message = ChannelMessage::new(id, kind, data);
        self.histories.borrow_mut().add(&channel, &message);
        match source {
            Source::Here => {
                add(&self.counters.published, 1);
                // Others first: they have the longer way.
                let outlet = self.outlet.borrow().clone();
                if let Some(outlet) = outlet {
                    outlet.send(&channel, &message);
                }
                let tap = self.tap.borrow().clone();
                if let Some(tap) = tap {
                    tap.push(&channel, &message);
                }
            }
            Source::OtherShard => add(&self.counters.received, 1),
            Source::OtherServer => add(&self.counters.foreign, 1),
        }
        self.deliver(&channel, &message);
    }

    fn deliver(&self, channel: &str, message: &Rc<ChannelMessage>) {
        let Some((name, mut members)) = self.registry.borrow_mut().begin_delivery(channel) else {
            return;
        };
        let delivered = members.deliver(|member, lag| member.deliver(message, lag));
        add(&self.counters.delivered, delivered);
        let (changed, gone) = self.registry.borrow_mut().end_delivery(&name, members);
        drop(gone);
        if changed {
            self.count_changed(&name);
        }
    }

    fn count_changed(&self, channel: &Rc<str>) {
        let outlet = self.outlet.borrow().clone();
        if let Some(outlet) = outlet {
            outlet.count_changed(channel);
        }
    }

    /// Lets `member` have every message of a channel from now on.
    ///
    /// # Errors
    /// [`ChannelError::NameInvalid`].
    pub fn join(
        &self,
        channel: &str,
        member: Rc<dyn Member>,
        lag: Lag,
    ) -> Result<MemberId, ChannelError> {
        check_name(channel)?;
        let id = self.registry.borrow_mut().join(channel, member, lag);
        self.count_changed(id.channel());
        Ok(id)
    }

    /// As [`Self::join`], after the kept messages with an id above `after` have been delivered.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn join_after(
        &self,
        channel: &str,
        member: Rc<dyn Member>,
        lag: Lag,
        after: MessageId,
    ) -> Result<MemberId, ChannelError> {
        check_name(channel)?;
        for message in self.history(channel, Some(after)) {
            member.deliver(&message, lag);
        }
        self.join(channel, member, lag)
    }

    /// Ends a membership; leaving twice is no error.
    pub fn leave(&self, id: &MemberId) {
        let before = self.count(id.channel());
        // Dropped without a borrow: that may call back.
        let member = self.registry.borrow_mut().leave(id);
        drop(member);
        if self.count(id.channel()) != before {
            self.count_changed(id.channel());
        }
    }

    /// A queue that gets every message of a channel from now on, and before that what is kept with
    /// an id above `after`. Past `queue_messages_max` it loses the oldest.
    ///
    /// # Errors
    /// [`ChannelError::NameInvalid`].
    pub fn subscribe(
        &self,
        channel: &str,
        queue_messages_max: usize,
        after: Option<MessageId>,
    ) -> Result<Subscription, ChannelError> {
        check_name(channel)?;
        let dropped_by_all = &self.counters.dropped_by_subscriptions;
        let queue = Queue::new(queue_messages_max, dropped_by_all);
        if after.is_some() {
            for message in self.histories.borrow().after(channel, after) {
                queue.push(message);
            }
        }
        let id = self.join(channel, queue.clone(), Lag::DropOldest)?;
        Ok(Subscription {
            queue,
            id,
            channels: self.me.clone(),
        })
    }

    pub(super) fn end_subscription(&self, id: &MemberId) {
        self.leave(id);
    }

    /// Keeps the last `messages_max` messages of the channel `pattern`; of all whose names begin
    /// alike, if it ends with `*`.
    ///
    /// # Errors
    /// [`ChannelError::NameInvalid`]; [`ChannelError::KeepInvalid`] past a bound.
    pub fn keep(&self, pattern: &str, messages_max: usize) -> Result<(), ChannelError> {
        check_name(pattern)?;
        self.histories.borrow_mut().keep(pattern, messages_max)
    }

    /// What is kept of a channel with an id above `after`, oldest first.
    pub fn history(&self, channel: &str, after: Option<MessageId>) -> Vec<Rc<ChannelMessage>> {
        let histories = self.histories.borrow();
        histories.after(channel, after).cloned().collect()
    }

    /// How many have joined or subscribed to a channel, on all shards of this server.
    pub fn presence(&self, channel: &str) -> u64 {
        u64::from(self.count(channel)) + self.presence.borrow().count(channel)
    }

    /// What has been counted.
    pub fn stats(&self) -> ChannelStats {
        let counters = &self.counters;
        let (channels, members) = self.registry.borrow().sizes();
        let (kept_channels, kept_messages, kept_bytes) = self.histories.borrow().sizes();
        let tap = self.tap.borrow().clone();
        let mut stats = ChannelStats {
            channels: channels as u64,
            members: members as u64,
            keep_rules: self.histories.borrow().rules() as u64,
            kept_channels: kept_channels as u64,
            kept_messages: kept_messages as u64,
            kept_bytes: kept_bytes as u64,
            published: counters.published.get(),
            received: counters.received.get(),
            foreign: counters.foreign.get(),
            delivered: counters.delivered.get(),
            dropped_by_subscriptions: counters.dropped_by_subscriptions.get(),
            dropped_to_backplane: tap.map_or(0, |tap| tap.dropped()),
            ..ChannelStats::default()
        };
        let outlet = self.outlet.borrow().clone();
        if let Some(outlet) = outlet {
            outlet.count_into(&mut stats);
        }
        stats
    }

    /// Gives out what is published on this shard, for a backplane; there is one tap at a time.
    pub fn tap(&self) -> Rc<Tap> {
        let tap = Rc::new(Tap::default());
        let former = self.tap.replace(Some(tap.clone()));
        drop(former);
        tap
    }

    /// Ends what [`Self::tap`] began.
    pub fn untap(&self) {
        let former = self.tap.take();
        drop(former);
    }

    // What the links to other shards need.

    pub(crate) fn set_outlet(&self, outlet: Rc<dyn Outlet>) {
        let former = self.outlet.replace(Some(outlet));
        drop(former);
    }

    pub(crate) fn unset_outlet(&self) {
        let former = self.outlet.take();
        drop(former);
    }

    /// How many members a channel has on this shard.
    pub(crate) fn count(&self, channel: &str) -> u32 {
        self.registry.borrow().count(channel)
    }

    /// The channels that have members on this shard.
    pub(crate) fn joined(&self) -> Vec<Rc<str>> {
        self.registry.borrow().names().cloned().collect()
    }

    /// The channels that keep messages.
    pub(crate) fn kept(&self) -> VecDeque<Rc<str>> {
        self.histories.borrow().names().cloned().collect()
    }

    /// Takes over what another shard has kept.
    pub(crate) fn restore(&self, channel: &str, id: MessageId, kind: MessageKind, data: &[u8]) {
        let message = ChannelMessage::new(id, kind, data.to_vec());
        self.histories.borrow_mut().add(channel, &message);
    }

    pub(crate) fn set_presence(&self, process: u32, channel: &str, count: u32) {
        self.presence.borrow_mut().set(process, channel, count);
    }

    pub(crate) fn forget_presence(&self, process: u32) {
        self.presence.borrow_mut().forget(process);
    }
}

/// Ends a delivery, also when a member panics.
struct Delivering<'a>(&'a Cell<bool>);

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Does what other threads want, for as long as the reactor runs.
async fn deliver_posts(channels: Rc<Channels>) {
    loop {
        // What is left stays where it is: what this thread publishes meanwhile comes after it.
        let posts = poll_fn(|cx| {
            let posts = channels.handle.take_or_wait(cx.waker(), POSTS_BATCH);
            if posts.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(posts)
            }
        })
        .await;
        channels.do_posts(posts);
        reactor::yield_now().await;
    }
}

//! The channels of one shard, without a reactor and without links.

use super::*;
use std::cell::{Cell, RefCell};

/// The channels of a test's own thread.
fn channels() -> Rc<Channels> {
    Channels::uninstall();
    Channels::current()
}

fn publish(channels: &Channels, channel: &str, text: &str) -> MessageId {
    let data = text.as_bytes().to_vec();
    channels.publish(channel, MessageKind::Text, data).unwrap()
}

fn texts(subscription: &Subscription) -> Vec<String> {
    let taken = std::iter::from_fn(|| subscription.take());
    taken
        .map(|message| String::from_utf8(message.data.clone()).unwrap())
        .collect()
}

/// Notes what it is given, calls back, and leaves after so many.
struct Recorder {
    seen: RefCell<Vec<Vec<u8>>>,
    left: Cell<usize>,
    each: Box<dyn Fn(&ChannelMessage)>,
}

impl Recorder {
    fn new(left: usize, each: impl Fn(&ChannelMessage) + 'static) -> Rc<Self> {
        Rc::new(Self {
            seen: RefCell::default(),
            left: Cell::new(left),
            each: Box::new(each),
        })
    }
}

impl Member for Recorder {
    fn deliver(&self, message: &Rc<ChannelMessage>, _: Lag) -> bool {
        if self.left.get() == 0 {
            return false;
        }
        self.left.set(self.left.get() - 1);
        self.seen.borrow_mut().push(message.data.clone());
        (self.each)(message);
        true
    }
}

#[test]
fn a_message_reaches_everybody_in_its_channel_and_nobody_else() {
    let channels = channels();
    let one = channels.subscribe("room", 8, None).unwrap();
    let two = channels.subscribe("room", 8, None).unwrap();
    let other = channels.subscribe("hall", 8, None).unwrap();
    let member = Recorder::new(9, |_| {});
    let id = channels
        .join("room", member.clone(), Lag::Disconnect)
        .unwrap();
    assert_eq!(
        (channels.presence("room"), channels.presence("hall")),
        (3, 1)
    );
    let ids = ["a", "b"].map(|text| publish(&channels, "room", text));
    assert!(ids[0] < ids[1]);
    assert_eq!(
        (texts(&one), texts(&two)),
        (vec!["a".to_owned(), "b".to_owned()], texts_of("ab"))
    );
    assert_eq!(texts(&other), Vec::<String>::new());
    assert_eq!(*member.seen.borrow(), [b"a", b"b"]);
    channels.leave(&id);
    channels.leave(&id);
    drop(one);
    publish(&channels, "room", "c");
    assert_eq!(texts(&two), ["c"]);
    assert_eq!(member.seen.borrow().len(), 2);
    drop((two, other));
    let stats = channels.stats();
    assert_eq!(
        (
            stats.channels,
            stats.members,
            stats.published,
            stats.delivered
        ),
        (0, 0, 3, 7)
    );
}

fn texts_of(letters: &str) -> Vec<String> {
    letters.chars().map(String::from).collect()
}

#[test]
fn who_lags_loses_the_oldest_and_is_told_how_many() {
    let channels = channels();
    let slow = channels.subscribe("room", 2, None).unwrap();
    let quick = channels.subscribe("room", 9, None).unwrap();
    for text in ["a", "b", "c", "d", "e"] {
        publish(&channels, "room", text);
    }
    assert_eq!((texts(&slow), slow.dropped()), (texts_of("de"), 3));
    assert_eq!((texts(&quick), quick.dropped()), (texts_of("abcde"), 0));
    assert_eq!(channels.stats().dropped_by_subscriptions, 3);
    let piece = CHANNEL_MESSAGE_BYTES_MAX;
    let fit = subscription::SUBSCRIPTION_BYTES_MAX / piece;
    let bounded = channels.subscribe("big", usize::MAX, None).unwrap();
    for _ in 0..fit + 3 {
        channels
            .publish("big", MessageKind::Binary, vec![0; piece])
            .unwrap();
    }
    assert_eq!(bounded.dropped(), 3);
    assert_eq!(std::iter::from_fn(|| bounded.take()).count(), fit);
}

#[test]
fn a_waiter_is_woken_by_a_message_and_by_the_end() {
    let channels = channels();
    let subscription = channels.subscribe("room", 2, None).unwrap();
    let woken = Rc::new(Cell::new(0));
    let wait = || {
        let woken = woken.clone();
        subscription.notify(Box::new(move || woken.set(woken.get() + 1)));
    };
    wait();
    assert_eq!(woken.get(), 0);
    publish(&channels, "room", "a");
    publish(&channels, "room", "b");
    assert_eq!(woken.get(), 1, "one wake serves all that came");
    wait();
    assert_eq!(woken.get(), 2, "something is there already");
    texts(&subscription);
    wait();
    subscription.close();
    assert_eq!((woken.get(), subscription.is_closed()), (3, true));
    publish(&channels, "room", "c");
    assert!(subscription.take().is_none());
    assert_eq!(channels.presence("room"), 0);
}

#[test]
fn members_that_are_gone_leave_the_channel() {
    let channels = channels();
    let brief = Recorder::new(1, |_| {});
    channels
        .join("room", brief.clone(), Lag::DropOldest)
        .unwrap();
    publish(&channels, "room", "a");
    assert_eq!(channels.presence("room"), 1);
    publish(&channels, "room", "b");
    assert_eq!(
        (channels.presence("room"), channels.stats().channels),
        (0, 0)
    );
    assert_eq!(Rc::strong_count(&brief), 1);
}

#[test]
fn what_is_published_by_a_receiver_comes_after() {
    let channels = channels();
    let answering = channels.clone();
    let echo = Recorder::new(2, move |message| {
        if message.data == b"ping" {
            publish(&answering, "room", "pong");
        }
    });
    channels.join("room", echo, Lag::DropOldest).unwrap();
    let last = channels.subscribe("room", 9, None).unwrap();
    publish(&channels, "room", "ping");
    assert_eq!(texts(&last), ["ping", "pong"]);
}

#[test]
fn history_is_what_is_kept_and_comes_before_what_is_new() {
    let channels = channels();
    channels.keep("tick*", 3).unwrap();
    let ids: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|text| publish(&channels, "ticks", text))
        .collect();
    assert_eq!(channels.history("ticks", None).len(), 3);
    assert_eq!(channels.history("ticks", Some(ids[2])).len(), 1);
    let resumed = channels.subscribe("ticks", 9, Some(ids[1])).unwrap();
    let member = Recorder::new(9, |_| {});
    let joined = channels.join_after("ticks", member.clone(), Lag::Disconnect, ids[2]);
    publish(&channels, "ticks", "e");
    assert_eq!(texts(&resumed), ["c", "d", "e"]);
    assert_eq!(*member.seen.borrow(), [b"d", b"e"]);
    assert!(joined.is_ok());
    let stats = channels.stats();
    assert_eq!((stats.kept_channels, stats.kept_messages), (1, 3));
}

#[test]
fn names_and_sizes_have_bounds() {
    let channels = channels();
    let longest = "\u{e9}".repeat(CHANNEL_NAME_CHARS_MAX);
    publish(&channels, &longest, "x");
    let largest = vec![0; CHANNEL_MESSAGE_BYTES_MAX];
    channels
        .publish("x", MessageKind::Binary, largest.clone())
        .unwrap();
    for name in [String::new(), longest + "x"] {
        let refused = channels.publish(&name, MessageKind::Text, Vec::new());
        assert_eq!(refused, Err(ChannelError::NameInvalid));
        assert!(channels.subscribe(&name, 1, None).is_err());
        assert_eq!(channels.keep(&name, 1), Err(ChannelError::NameInvalid));
        assert_eq!(
            channels
                .handle()
                .publish(&name, MessageKind::Text, Vec::new()),
            Err(ChannelError::NameInvalid)
        );
    }
    let larger = [largest, vec![0]].concat();
    assert_eq!(
        channels.publish("x", MessageKind::Binary, larger.clone()),
        Err(ChannelError::MessageTooLarge)
    );
    assert_eq!(
        channels.handle().publish("x", MessageKind::Binary, larger),
        Err(ChannelError::MessageTooLarge)
    );
}

#[test]
fn ids_of_all_threads_are_in_the_order_of_delivery() {
    let channels = channels();
    channels.set_process(7);
    let subscription = channels.subscribe("room", 9000, None).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let handle = channels.handle().clone();
            scope.spawn(move || {
                for _ in 0..1000 {
                    handle
                        .publish("room", MessageKind::Text, b"x".to_vec())
                        .unwrap();
                }
            });
        }
        for _ in 0..100 {
            publish(&channels, "room", "y");
            std::thread::yield_now();
        }
    });
    publish(&channels, "room", "last");
    let ids: Vec<_> = std::iter::from_fn(|| subscription.take())
        .map(|m| m.id)
        .collect();
    assert_eq!(ids.len(), 2101);
    assert!(ids.is_sorted() && ids.iter().all(|id| id.process == 7));
}

#[test]
fn threads_are_answered_and_told_of_the_end() {
    let channels = channels();
    let handle = channels.handle().clone();
    let asked = handle.clone();
    let asking = std::thread::spawn(move || asked.ask(|channels| channels.presence("room")));
    let _kept = channels.subscribe("room", 1, None).unwrap();
    while !asking.is_finished() {
        publish(&channels, "other", "x");
    }
    assert_eq!(asking.join().unwrap(), Ok(1));
    Channels::uninstall();
    assert!(handle.is_closed());
    let refused = handle.publish("room", MessageKind::Text, Vec::new());
    assert_eq!(refused, Err(ChannelError::Closed));
    assert_eq!(handle.ask(|_| ()), Err(ChannelError::Closed));
}

#[test]
fn a_tap_gets_what_is_published_here_alone() {
    let channels = channels();
    let tap = channels.tap();
    let subscription = channels.subscribe("room", 9, None).unwrap();
    let woken = Rc::new(Cell::new(false));
    let wake = woken.clone();
    tap.notify(Box::new(move || wake.set(true)));
    let id = MessageId {
        micros: 1,
        process: 1,
    };
    channels
        .publish_foreign("room", id, MessageKind::Text, b"theirs".to_vec())
        .unwrap();
    channels.receive("room", id, MessageKind::Text, b"next door");
    assert!(!woken.get());
    publish(&channels, "room", "ours");
    assert!(woken.get());
    let taken = tap.take().unwrap();
    assert_eq!(
        (&*taken.channel, &*taken.message.data),
        ("room", b"ours".as_slice())
    );
    assert!(tap.take().is_none());
    assert_eq!(texts(&subscription), ["theirs", "next door", "ours"]);
    let stats = channels.stats();
    assert_eq!((stats.published, stats.received, stats.foreign), (1, 1, 1));
    channels.untap();
    publish(&channels, "room", "ours");
    assert!(tap.take().is_none());
}

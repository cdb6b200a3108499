//! Shards that are linked: several on one thread, which takes turns for them.

use super::packet::{self, HEAD_BYTES, PACKET_BYTES};
use super::*;
use crate::channels::{MessageId, MessageKind, Subscription};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, send, setsockopt, socketpair, sockopt};

/// One shard of a test.
struct Shard {
    channels: Rc<Channels>,
    links: Rc<Links>,
    /// The sending end of its mailbox, as the supervisor keeps it.
    mailbox: OwnedFd,
    process: u32,
}

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap()
}

impl Shard {
    /// The tasks of its links are never run: `send` and `receive` do what they would.
    fn new(process: u32) -> Self {
        let channels = Channels::new();
        channels.set_process(process);
        let (mailbox, receiver) = pair();
        let links = Links::new(&channels, receiver).unwrap();
        Self {
            channels,
            links,
            mailbox,
            process,
        }
    }

    fn meet(&self, other: &Self) {
        self.links
            .add_peer(other.process, other.mailbox.try_clone().unwrap());
    }

    fn publish(&self, channel: &str, data: &[u8]) -> MessageId {
        self.channels
            .publish(channel, MessageKind::Binary, data.to_vec())
            .unwrap()
    }

    fn send(&self, channel: &str, data: &[u8]) {
        self.publish(channel, data);
    }

    fn subscribe(&self, channel: &str) -> Subscription {
        self.channels.subscribe(channel, 100_000, None).unwrap()
    }

    fn receive(&self) {
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        while let Arrived::More = self.links.receive_batch(&mut buffer) {}
    }

    fn throw_in(&self, packet: &[u8]) {
        send(self.mailbox.as_raw_fd(), packet, MsgFlags::empty()).unwrap();
    }
}

/// Lets the shards exchange all they have to say.
fn exchange(shards: &[&Shard]) {
    for _ in 0..1000 {
        for shard in shards {
            shard.links.unblock();
            shard.links.send_all();
        }
        shards.iter().for_each(|shard| shard.receive());
    }
}

/// Shards that all know each other.
fn linked<const N: usize>() -> [Shard; N] {
    let shards = std::array::from_fn(|at| Shard::new(at as u32 + 1));
    for one in &shards {
        for other in shards.iter().filter(|other| other.process != one.process) {
            one.meet(other);
        }
    }
    shards
}

fn taken(subscription: &Subscription) -> Vec<Vec<u8>> {
    let taken = std::iter::from_fn(|| subscription.take());
    taken.map(|message| message.data.clone()).collect()
}

#[test]
fn what_is_published_reaches_every_other_shard_in_order_and_once() {
    let [one, two, three] = linked();
    let (at_two, at_three) = (two.subscribe("room"), three.subscribe("room"));
    let wanted: Vec<_> = (0..5000_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    for part in wanted.chunks(500) {
        part.iter().for_each(|data| one.send("room", data));
        one.links.send_all();
        two.receive();
        three.receive();
    }
    exchange(&[&one, &two, &three]);
    assert!(taken(&at_two) == wanted && taken(&at_three) == wanted);
    assert_eq!(two.channels.stats().received, 5000);
    assert_eq!(one.channels.stats().received, 0);
    let stats = one.channels.stats();
    assert_eq!(
        (stats.peers, stats.waiting_to_send, stats.dropped_to_peers),
        (2, 0, 0)
    );
}

#[test]
fn messages_share_packets_and_a_large_one_goes_alone() {
    let [one, two] = linked();
    exchange(&[&one, &two]);
    let largest = vec![7; crate::channels::CHANNEL_MESSAGE_BYTES_MAX];
    let name = "\u{1f600}".repeat(crate::channels::CHANNEL_NAME_CHARS_MAX);
    let subscription = two.subscribe(&name);
    one.publish(&name, b"first");
    one.publish(&name, &largest);
    (0..100).for_each(|_| one.send(&name, b"small"));
    one.links.send_all();
    let mut buffer = vec![0; PACKET_BYTES_MAX + 1];
    let mut lengths = Vec::new();
    let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC;
    while let Ok(length) = recv(
        two.links.mailbox.as_raw_fd(),
        &mut buffer,
        peek | MsgFlags::MSG_DONTWAIT,
    ) {
        lengths.push(length);
        let mut taken = vec![0; PACKET_BYTES_MAX];
        let length = recv(two.links.mailbox.as_raw_fd(), &mut taken, MsgFlags::empty()).unwrap();
        let (from, records) = packet::read(&taken[..length]).unwrap();
        assert_eq!(from, 1);
        records
            .into_iter()
            .for_each(|record| two.links.apply(&two.channels, from, record));
    }
    // The first alone, as the next did not fit; the largest; the rest in packets of 64 KiB.
    assert!(
        lengths[0] < 1000 && lengths[1] > PACKET_BYTES && lengths.len() == 4,
        "{lengths:?}"
    );
    assert!(
        lengths[2..]
            .iter()
            .all(|length| (HEAD_BYTES..=PACKET_BYTES).contains(length))
    );
    let taken = taken(&subscription);
    assert_eq!((taken.len(), taken[1] == largest), (102, true));
}

#[test]
fn a_shard_that_takes_nothing_loses_the_oldest_and_holds_nobody_up() {
    let [one, deaf, three] = linked();
    let (at_deaf, at_three) = (deaf.subscribe("room"), three.subscribe("room"));
    exchange(&[&one, &deaf, &three]);
    let data = vec![1; 60 * 1024];
    let count = 200;
    for _ in 0..count {
        one.publish("room", &data);
        one.links.send_all();
        three.receive();
        assert_eq!(taken(&at_three).len(), 1);
    }
    assert!(one.links.has_blocked());
    let stats = one.channels.stats();
    assert!(
        stats.dropped_to_peers > 0 && stats.waiting_to_send < 80,
        "{stats:?}"
    );
    exchange(&[&one, &deaf, &three]);
    let arrived = taken(&at_deaf).len();
    assert_eq!(
        arrived as u64 + stats.dropped_to_peers + at_deaf.dropped(),
        count as u64
    );
    assert!(!one.links.has_blocked());
    one.publish("room", b"last");
    exchange(&[&one, &deaf, &three]);
    assert_eq!(taken(&at_deaf), [b"last"]);
}

#[test]
fn the_number_of_messages_that_wait_is_bounded() {
    let [one, _two] = linked();
    (0..peer::QUEUE_MESSAGES_MAX + 5).for_each(|_| one.send("room", b"x"));
    let stats = one.channels.stats();
    assert_eq!(stats.waiting_to_send as usize, peer::QUEUE_MESSAGES_MAX);
    assert_eq!(stats.dropped_to_peers, 5);
    let piece = vec![0; crate::channels::CHANNEL_MESSAGE_BYTES_MAX];
    (0..100).for_each(|_| one.send("room", &piece));
    let waiting = one.channels.stats().waiting_to_send as usize;
    assert!(waiting <= peer::QUEUE_BYTES_MAX / piece.len(), "{waiting}");
}

#[test]
fn a_dead_shard_is_forgotten_and_publishers_go_on() {
    let [one, two, three] = linked();
    let _at_two = two.subscribe("room");
    let at_three = three.subscribe("room");
    exchange(&[&one, &two, &three]);
    assert_eq!(one.channels.presence("room"), 2);
    let last_words = {
        let mut packet = Vec::new();
        packet::begin(2, &mut packet);
        packet::write_count("room", 9, &mut packet);
        packet
    };
    // The links and the channels of a process that was killed: its receiving end closes.
    let Shard {
        channels,
        links,
        mailbox,
        ..
    } = two;
    channels.unset_outlet();
    drop((links, channels, mailbox));
    one.publish("room", b"on");
    exchange(&[&one, &three]);
    let stats = one.channels.stats();
    assert_eq!((stats.peers, one.channels.presence("room")), (1, 1));
    assert_eq!(taken(&at_three), [b"on"]);
    one.throw_in(&last_words);
    one.receive();
    assert_eq!(one.channels.presence("room"), 1, "its last words come late");
    three.links.drop_peer(2);
    three.links.drop_peer(2);
    assert_eq!(three.channels.presence("room"), 1);
}

#[test]
fn counts_reach_everybody_also_those_who_come_later() {
    let [one, two] = linked();
    let first = one.subscribe("room");
    exchange(&[&one, &two]);
    assert_eq!(
        (one.channels.presence("room"), two.channels.presence("room")),
        (1, 1)
    );
    let three = Shard::new(3);
    let mine = three.subscribe("room");
    for (a, b) in [(&one, &three), (&two, &three)] {
        a.meet(b);
        b.meet(a);
    }
    exchange(&[&one, &two, &three]);
    assert_eq!(
        [&one, &two, &three].map(|shard| shard.channels.presence("room")),
        [2; 3]
    );
    drop((first, mine));
    exchange(&[&one, &two, &three]);
    assert_eq!(
        [&one, &two, &three].map(|shard| shard.channels.presence("room")),
        [0; 3]
    );
    // Many more than fit into one packet.
    let many: Vec<_> = (0..20_000)
        .map(|n| two.subscribe(&format!("room:{n}")))
        .collect();
    exchange(&[&one, &two, &three]);
    assert_eq!(three.channels.presence("room:19999"), 1);
    assert!((0..20_000).all(|n| one.channels.presence(&format!("room:{n}")) == 1));
    drop(many);
}

#[test]
fn a_newcomer_gets_the_histories_of_one_shard() {
    let one = Shard::new(1);
    one.channels.keep("*", 1000).unwrap();
    for n in 0..3000_u32 {
        one.publish(
            &format!("room:{}", n % 3),
            &[&n.to_le_bytes(), [0; 500].as_slice()].concat(),
        );
    }
    let two = Shard::new(2);
    two.channels.keep("room:*", 1000).unwrap();
    two.meet(&one);
    two.links.ask_histories(1);
    // It asks before the other has heard of it, and something is published meanwhile.
    two.links.send_all();
    one.receive();
    let late = two.publish("room:0", b"new");
    one.meet(&two);
    assert!(two.links.source.get().is_some());
    exchange(&[&one, &two]);
    assert!(two.links.source.get().is_none());
    for room in 0..3 {
        let room = format!("room:{room}");
        let ids = |shard: &Shard| -> Vec<_> {
            shard
                .channels
                .history(&room, None)
                .iter()
                .map(|message| message.id)
                .collect()
        };
        assert_eq!(ids(&two), ids(&one));
        assert_eq!(ids(&two).len(), 1000);
    }
    let kept = two.channels.history("room:0", None);
    assert!(kept.iter().any(|message| message.id == late));
    // Nobody waits for the histories of a shard that ends.
    two.links.ask_histories(1);
    two.links.drop_peer(1);
    assert!(two.links.source.get().is_none());
}

#[test]
fn malformed_packets_are_dropped_whole_and_counted() {
    let [one, two] = linked();
    let subscription = one.subscribe("room");
    let message = ChannelMessage::new(MessageId::default(), MessageKind::Text, b"x".to_vec());
    let mut good = Vec::new();
    packet::begin(2, &mut good);
    packet::write_message("room", &message, false, &mut good);
    let large = 1024 * 1024;
    setsockopt(&one.mailbox, sockopt::SndBuf, &large).unwrap();
    one.throw_in(b"nonsense");
    one.throw_in(&good[..good.len() - 1]);
    one.throw_in(&[good.as_slice(), b"\xff"].concat());
    one.throw_in(&[good.as_slice(), &vec![0; PACKET_BYTES_MAX]].concat());
    one.throw_in(&good);
    one.receive();
    assert_eq!(taken(&subscription), [b"x"]);
    assert_eq!(one.channels.stats().malformed_packets, 4);
    two.publish("room", b"y");
    exchange(&[&one, &two]);
    assert_eq!(taken(&subscription), [b"y"]);
}

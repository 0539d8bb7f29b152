//! Tracks in a mission at clients that do not read (mission.md 7.3): they are thinned and stay connected, and what remains
//! is a notice with its position behind it.
use std::{net::SocketAddr, path::PathBuf, sync::atomic::Ordering::Relaxed};

use bytes::Bytes;
use fts_plugin_api::cot::{Builder, Class};

use super::{
    hooks::{Aim, Outgoing, Seen},
    *,
};
use crate::{
    config::{Sources, load},
    directory::{Arrival, Bits, Client, Groups},
};

struct Bed {
    router: Router,
    sender: Arc<Client>,
    reader: Arc<Client>,
}

impl Bed {
    fn new() -> Self {
        let sources = Sources { data_dir: Some(PathBuf::from("/nonexistent")), ..Sources::default() };
        let router = Router::new(Arc::new(Directory::default()), Arc::new(load(&sources).unwrap().config));
        let config = router.policy().config.clone();
        let join = || {
            let arrival = Arrival {
                listener: Arc::new(config.listeners.cot_tcp.clone()),
                peer: SocketAddr::from(([127, 0, 0, 1], 0)),
                cert: None,
                tls: false,
                groups: Groups { receive: Bits::of([2]), ..Groups::default() },
                connected: 0,
            };
            router.directory.join(arrival, false)
        };
        let (sender, reader) = (join(), join());
        Self { router, sender, reader }
    }

    fn members(&self) -> Aim {
        Aim::Audience(Arc::new(Members::of([&self.sender, &self.reader].map(|c| (c.slot, c.conn)))))
    }

    /// A state of `uid` with so many notices.
    fn let_go(&self, n: u64, uid: &str, how: &str, notices: usize) -> LetGo {
        let dest = "<marti><dest mission=\"m\"/></marti>";
        let event = Builder::new("a-f-G", 1_700_000_000_000 + n as i64).uid(uid).how(how).detail_xml(dest);
        let seen = Seen {
            text: Bytes::from(event.to_text()),
            source: Source::Client(&self.sender).own(),
            origin: None,
            received: 0,
            journal: n,
            class: Class::Reliable,
            uid_hash: uid_hash(uid),
            replayed: false,
            held: vec![("mission".into(), "m".into())],
            served: Vec::new(),
            link: String::new(),
        };
        let from = Arc::new(FromPlugin {
            plugin: "mission".into(),
            send: self.router.directory.groups.all(),
            ..FromPlugin::default()
        });
        let notice = |k: usize| {
            let text = Builder::new("t-x-m-c", 1_700_000_000_000).uid(format!("{k}-{n}")).to_text();
            Outgoing { text: Bytes::from(text), from: from.clone(), aim: self.members() }
        };
        LetGo { notices: (0..notices).map(notice).collect(), seen: Arc::new(seen), aim: self.members() }
    }
}

/// (type, uid) of what waits for a client.
fn waiting(client: &Client) -> Vec<(String, String)> {
    let mut items = Vec::new();
    while client.out.take(&mut items, usize::MAX, usize::MAX) {}
    let cots = items.iter().map(|item| fts_plugin_api::cot::Cot::parse(item.event.xml().to_vec()).unwrap());
    cots.map(|cot| (cot.kind().to_owned(), cot.uid().into_owned())).collect()
}

#[test]
fn tracks_in_a_mission_are_thinned_with_their_notices() {
    let bed = Bed::new();
    for hundred in 0..45_u64 {
        let one = |n: u64| bed.let_go(hundred * 100 + n, if n.is_multiple_of(2) { "u" } else { "v" }, "m-g", 1);
        bed.router.release(&(0..100).map(one).collect::<Vec<_>>());
    }
    let pair =
        |notice: &str, uid: &str| [("t-x-m-c".to_owned(), notice.to_owned()), ("a-f-G".to_owned(), uid.to_owned())];
    assert!(!bed.reader.out.is_closed() && bed.reader.out.depth().coalesced > 8_000);
    assert_eq!(waiting(&bed.reader), [pair("0-4498", "u"), pair("0-4499", "v")].concat());
    let own = waiting(&bed.sender);
    assert_eq!(own, [("t-x-m-c".to_owned(), "0-4498".to_owned()), ("t-x-m-c".to_owned(), "0-4499".to_owned())]);
}

#[test]
fn a_reader_that_keeps_up_gets_every_one_in_order() {
    let bed = Bed::new();
    let all: Vec<_> = (0..100).map(|n| bed.let_go(n, "u", "m-g", 1)).collect();
    bed.router.release(&all);
    let got = waiting(&bed.reader);
    let wanted =
        (0..100).flat_map(|n| [("t-x-m-c".to_owned(), format!("0-{n}")), ("a-f-G".to_owned(), "u".to_owned())]);
    assert_eq!(got, wanted.collect::<Vec<_>>());
}

#[test]
fn markers_and_notices_that_say_something_else_are_not_thinned() {
    for (how, notices) in [("h-e", 1), ("m-g", 2)] {
        let bed = Bed::new();
        let all: Vec<_> = (0..2_200).map(|n| bed.let_go(n, "u", how, notices)).collect();
        bed.router.release(&all);
        assert_eq!(bed.reader.out.depth().coalesced, 0, "{how} {notices}");
        assert_eq!(waiting(&bed.reader).len(), 2_200 * (notices + 1));
    }
}

/// How many events each piece of a lane has, until it is empty.
fn pieces(lane: &mut waiting::Lane) -> Vec<usize> {
    let piece = || Some(lane.piece().iter().map(|ready| ready.events.len()).sum()).filter(|n| *n > 0);
    std::iter::from_fn(piece).collect()
}

#[test]
fn a_pile_is_delivered_in_pieces_that_end_with_a_bundle() {
    let bed = Bed::new();
    let mut lane = waiting::Lane::default();
    let add = |lane: &mut waiting::Lane, n, how, notices| {
        let mut ready = Vec::new();
        let bytes = bed.router.let_go(&bed.let_go(n, "u", how, notices), &mut ready);
        lane.add(ready, bytes);
    };
    (0..40).for_each(|n| add(&mut lane, n, "m-g", 1));
    assert_eq!(pieces(&mut lane), [32, 32, 16]);
    // One more before them: a piece would end between a notice and its event.
    add(&mut lane, 0, "h-e", 0);
    (1..=40).for_each(|n| add(&mut lane, n, "m-g", 1));
    assert_eq!(pieces(&mut lane), [33, 32, 16]);
    // Notices of markers are no bundle: they may go before the marker.
    (0..20).for_each(|n| add(&mut lane, n, "h-e", 2));
    assert_eq!(pieces(&mut lane), [32, 28]);
}

#[test]
fn what_comes_in_does_not_wait_for_a_pile() {
    let bed = Bed::new();
    // As while the turn's task is about to run.
    bed.router.turn.runs.store(true, Relaxed);
    bed.router.release(&(0..40).map(|n| bed.let_go(n, "u", "h-e", 1)).collect::<Vec<_>>());
    let marker = Builder::new("b-m-p-s-m", 1_700_000_000_000).uid("marker").to_text();
    bed.router.broadcast(&marker, &Bits::of([2]), 0);
    assert_eq!(waiting(&bed.reader), []);
    bed.router.deliver_piece(&mut None);
    assert_eq!(waiting(&bed.reader).len(), 32);
    bed.router.deliver_incoming(&mut None);
    assert_eq!(waiting(&bed.reader), [("b-m-p-s-m".to_owned(), "marker".to_owned())]);
    bed.router.drain();
    assert_eq!(waiting(&bed.reader).len(), 48, "the rest of the pile");
}

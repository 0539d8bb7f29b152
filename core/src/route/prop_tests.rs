//! Recipients ⊆ addressed ∩ reachable, against a model written from the specification (cot.md 5.2, 6.3, 10) and not
//! from the code.
//!
//! A world of connections with random groups, some identified, some gateways; one of them sends events with random
//! destinations through the real router, and what stands in every queue is compared with what the model says. What must
//! not happen: the sender gets its own event, somebody out of reach gets anything, a named event is seen by all.
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use fts_plugin_api::cot::{Builder, Cot, scan};
use proptest::{prelude::*, sample::Index};

use super::*;
use crate::{
    config::{Sources, load},
    directory::{Arrival, Bits, Client, Groups},
};

const GROUPS: [&str; 3] = ["Alpha", "Bravo", "Charlie"];
/// Some equal but for case, some taken twice (RULE-46, 52).
const CALLSIGNS: [&str; 6] = ["VIPER", "viper", "Viper", "COBRA", "cobra", "ECHO"];
const TEAMS: [&str; 2] = ["Cyan", "Red"];
const ROLES: [&str; 2] = ["HQ", "Medic"];
/// Destinations of the bound kind: who is a member is one bit each; "Z" is no mission, "R" may only be read.
const MISSIONS: [&str; 4] = ["M", "N", "Z", "R"];

/// One connection.
#[derive(Clone, Debug)]
struct Seat {
    send: u8,
    receive: u8,
    callsign: &'static str,
    team: &'static str,
    role: &'static str,
    identified: bool,
    /// A further contact behind this connection, with this callsign.
    gateway: Option<&'static str>,
    proto: bool,
}

#[derive(Clone, Debug)]
enum Dest {
    Callsign(&'static str),
    Uid(Name),
    Group(usize),
    Mission(usize),
    Publish,
    AllStreaming,
    ServerOnly,
    /// No known attribute: as if it were not there.
    Nothing,
}

/// A uid: of the n-th connection, of the contact behind it, or nobody's.
#[derive(Clone, Debug)]
enum Name {
    Of(Index),
    Behind(Index),
    Nobody,
}

#[derive(Clone, Debug)]
enum Content {
    Position,
    Everyone,
    Team(&'static str),
    Role(&'static str),
    Members(Vec<Name>),
    Direct(Name),
    Room(&'static str),
}

fn seat() -> impl Strategy<Value = Seat> {
    let who =
        (prop::sample::select(&CALLSIGNS[..]), prop::sample::select(&TEAMS[..]), prop::sample::select(&ROLES[..]));
    let gateway = prop::option::weighted(0.2, prop::sample::select(&CALLSIGNS[..]));
    (0..8_u8, 0..8_u8, who, any::<(bool, bool)>(), gateway).prop_map(
        |(send, receive, (callsign, team, role), (identified, proto), gateway)| Seat {
            send,
            receive,
            callsign,
            team,
            role,
            identified,
            gateway: gateway.filter(|_| identified),
            proto,
        },
    )
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        4 => any::<Index>().prop_map(Name::Of),
        1 => any::<Index>().prop_map(Name::Behind),
        1 => Just(Name::Nobody),
    ]
}

fn dest() -> impl Strategy<Value = Dest> {
    prop_oneof![
        4 => prop::sample::select(&CALLSIGNS[..]).prop_map(Dest::Callsign),
        4 => name().prop_map(Dest::Uid),
        2 => (0..=GROUPS.len()).prop_map(Dest::Group),
        2 => (0..MISSIONS.len()).prop_map(Dest::Mission),
        1 => Just(Dest::Publish),
        1 => Just(Dest::AllStreaming),
        1 => Just(Dest::ServerOnly),
        1 => Just(Dest::Nothing),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        4 => Just(Content::Position),
        1 => Just(Content::Everyone),
        1 => prop::sample::select(&TEAMS[..]).prop_map(Content::Team),
        1 => prop::sample::select(&ROLES[..]).prop_map(Content::Role),
        2 => prop::collection::vec(name(), 0..4).prop_map(Content::Members),
        2 => name().prop_map(Content::Direct),
        1 => prop::sample::select(&CALLSIGNS[..]).prop_map(Content::Room),
    ]
}

/// The world and the model of it.
struct World {
    seats: Vec<Seat>,
    sender: usize,
    /// Members of the two missions, one bit for each connection.
    members: [u8; 2],
}

impl World {
    fn uid(&self, name: &Name) -> String {
        match name {
            Name::Of(n) => format!("U{}", n.index(self.seats.len())),
            Name::Behind(n) => format!("G{}", n.index(self.seats.len())),
            Name::Nobody => "nobody".into(),
        }
    }

    fn all(&self, wanted: impl Fn(usize, &Seat) -> bool) -> BTreeSet<usize> {
        (0..self.seats.len()).filter(|n| wanted(*n, &self.seats[*n])).collect()
    }

    fn named(&self, uid: &str) -> BTreeSet<usize> {
        self.all(|n, s| s.identified && (format!("U{n}") == uid || s.gateway.is_some() && format!("G{n}") == uid))
    }

    fn called(&self, callsign: &str) -> BTreeSet<usize> {
        let goes_by =
            |s: &Seat, same: &dyn Fn(&str) -> bool| s.identified && (same(s.callsign) || s.gateway.is_some_and(same));
        let exact = self.all(|_, s| goes_by(s, &|c| c == callsign));
        if !exact.is_empty() {
            return exact;
        }
        self.all(|_, s| goes_by(s, &|c| c.eq_ignore_ascii_case(callsign)))
    }

    fn reach(&self) -> BTreeSet<usize> {
        self.all(|n, s| n != self.sender && self.seats[self.sender].send & s.receive != 0)
    }

    /// Who must get the event: exactly these.
    fn expected(&self, dests: &[Dest], content: &Content) -> BTreeSet<usize> {
        let (mut by_name, mut regardless) = (BTreeSet::new(), BTreeSet::new());
        let (mut recognised, mut streaming, mut others) = (false, false, false);
        // The legacy room name empties the callsign list (cot.md 5.2).
        let callsigns = !dests.iter().any(|d| matches!(d, Dest::AllStreaming));
        for dest in dests.iter().filter(|d| callsigns || !matches!(d, Dest::Callsign(_) | Dest::ServerOnly)) {
            recognised |= !matches!(dest, Dest::Nothing | Dest::AllStreaming);
            match dest {
                Dest::Callsign(callsign) => by_name.extend(self.called(callsign)),
                Dest::Uid(name) => by_name.extend(self.named(&self.uid(name))),
                Dest::Group(group) if self.seats[self.sender].send >> group & 1 == 1 => {
                    others = true;
                    by_name.extend(self.all(|_, s| s.receive >> group & 1 == 1));
                }
                Dest::Mission(mission) => {
                    others = true;
                    let members = self.members.get(*mission).copied().unwrap_or(0);
                    regardless.extend(self.all(|n, _| members >> n & 1 == 1));
                }
                Dest::AllStreaming => streaming = true,
                Dest::Group(_) | Dest::Publish | Dest::ServerOnly | Dest::Nothing => {}
            }
        }
        if streaming && !others {
            return self.reach();
        }
        let mut expected: BTreeSet<_> = if recognised || streaming {
            by_name.intersection(&self.reach()).copied().collect()
        } else {
            self.by_content(content)
        };
        expected.extend(regardless.iter().filter(|n| **n != self.sender));
        expected
    }

    /// RULE-62.
    fn by_content(&self, content: &Content) -> BTreeSet<usize> {
        let reach = self.reach();
        let alone = |found: BTreeSet<usize>| found.intersection(&reach).copied().collect();
        match content {
            Content::Position | Content::Everyone => reach,
            Content::Team(team) => alone(self.all(|_, s| s.identified && s.team == *team)),
            Content::Role(role) => alone(self.all(|_, s| s.identified && s.role == *role)),
            Content::Members(names) => {
                let known: BTreeSet<_> = names.iter().flat_map(|n| self.named(&self.uid(n))).collect();
                if known.is_empty() { reach } else { alone(known) }
            }
            Content::Direct(name) => alone(self.named(&self.uid(name))),
            Content::Room(callsign) => {
                let known = self.called(callsign);
                if known.is_empty() { reach } else { alone(known) }
            }
        }
    }

    fn text(&self, uid: &str, dests: &[Dest], content: &Content) -> Vec<u8> {
        let marti: String = dests
            .iter()
            .map(|dest| match dest {
                Dest::Callsign(callsign) => format!(r#"<dest callsign="{callsign}"/>"#),
                Dest::Uid(name) => format!(r#"<dest uid="{}"/>"#, self.uid(name)),
                Dest::Group(group) => format!(r#"<dest group="{}"/>"#, GROUPS.get(*group).unwrap_or(&"Unheard")),
                Dest::Mission(mission) => format!(r#"<dest mission="{}" path="/a"/>"#, MISSIONS[*mission]),
                Dest::Publish => r#"<dest publish="tcp:a:1"/>"#.into(),
                Dest::AllStreaming => r#"<dest callsign="All Streaming"/>"#.into(),
                Dest::ServerOnly => r#"<dest callsign="ffffffff-ffff-ffff-ffff-ffffffffffff"/>"#.into(),
                Dest::Nothing => r#"<dest after="x"/>"#.into(),
            })
            .collect();
        let room = |parent: &str, id: &str, members: &[String]| {
            let listed: String =
                members.iter().enumerate().map(|(n, uid)| format!(r#" uid{}="{uid}""#, n + 1)).collect();
            format!(
                r#"<__chat parent="{parent}" id="{id}" chatroom="{id}"><chatgrp id="{id}" uid0="U{}"{listed}/></__chat>"#,
                self.sender
            )
        };
        let (kind, detail) = match content {
            Content::Position => ("a-f-G", String::new()),
            Content::Everyone => ("b-t-f", room("RootContactGroup", "All Chat Rooms", &["All Chat Rooms".into()])),
            Content::Team(team) => ("b-t-f", room("TeamGroups", team, &[])),
            Content::Role(role) => ("b-t-f", room("RootContactGroup", role, &[])),
            Content::Members(names) => {
                ("b-t-f", room("UserGroups", "5f3c-group", &names.iter().map(|n| self.uid(n)).collect::<Vec<_>>()))
            }
            Content::Direct(name) => ("b-t-f", room("RootContactGroup", &self.uid(name), &[self.uid(name)])),
            Content::Room(callsign) => ("b-t-f", room("RootContactGroup", callsign, &[])),
        };
        let marti = if dests.is_empty() { marti } else { format!("<marti>{marti}</marti>") };
        Builder::new(kind, 1_700_000_000_000).uid(uid).detail_xml(&detail).detail_xml(&marti).to_text()
    }
}

/// The two missions, as a plugin would bind them.
struct Missions([Arc<Members>; 2]);

impl Binding for Missions {
    fn resolve(&self, name: &str, _: &Source<'_>) -> Resolved {
        match MISSIONS.iter().position(|m| *m == name) {
            Some(n) if n < 2 => Resolved::Audience(self.0[n].clone()),
            Some(3) => Resolved::NotWriter,
            _ => Resolved::Unknown,
        }
    }
}

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let sources = Sources { data_dir: Some(PathBuf::from("/nonexistent")), ..Sources::default() };
    Arc::new(load(&sources).unwrap().config)
});

fn join(router: &Router, seat: &Seat, n: usize) -> Arc<Client> {
    let bits =
        |mask: u8| Bits::of((0..3).filter(|g| mask >> g & 1 == 1).map(|g| router.directory.groups.bit(GROUPS[g])));
    let client = router.directory.join(
        Arrival {
            listener: Arc::new(CONFIG.listeners.cot_tcp.clone()),
            peer: SocketAddr::from(([127, 0, 0, 1], 0)),
            cert: None,
            tls: false,
            groups: Groups { send: bits(seat.send), receive: bits(seat.receive) },
            connected: 0,
        },
        false,
    );
    client.proto.store(seat.proto, Relaxed);
    let own = seat.identified.then_some((format!("U{n}"), seat.callsign));
    for (uid, callsign) in own.into_iter().chain(seat.gateway.map(|callsign| (format!("G{n}"), callsign))) {
        let sa = Builder::new("a-f-G-U-C", 1_700_000_000_000)
            .uid(uid)
            .child("contact", &[("callsign", callsign), ("endpoint", "*:-1:stcp")], "")
            .child("__group", &[("name", seat.team), ("role", seat.role)], "");
        send(router, &client, &[sa.to_text()]);
    }
    client
}

fn send(router: &Router, client: &Arc<Client>, texts: &[Vec<u8>]) {
    let mut batch = Batch::new(router, Source::Client(client), 1_000);
    texts.iter().for_each(|text| batch.admit(text, &scan(text).unwrap()).unwrap());
    let _ = batch.finish();
}

/// Empties a queue: (uid, type, text) of what stood in it.
fn drain(client: &Client) -> Vec<(String, String, String)> {
    let mut items = Vec::new();
    while client.out.take(&mut items, usize::MAX, usize::MAX) {}
    items
        .iter()
        .map(|item| {
            let cot = Cot::parse(item.event.xml().to_vec()).unwrap();
            (cot.uid().into_owned(), cot.kind().to_owned(), String::from_utf8_lossy(cot.text()).into_owned())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn who_gets_an_event_is_who_is_addressed_and_in_reach(
        seats in prop::collection::vec(seat(), 1..8),
        sender in any::<Index>(),
        members in any::<[u8; 2]>(),
        events in prop::collection::vec((prop::collection::vec(dest(), 0..4), content()), 1..5),
    ) {
        let world = World { sender: sender.index(seats.len()), seats, members };
        let router = Router::new(Arc::new(Directory::default()), CONFIG.clone());
        let clients: Vec<_> = world.seats.iter().enumerate().map(|(n, seat)| join(&router, seat, n)).collect();
        let slots = members.map(|mask| Arc::new(Members::of((0..clients.len()).filter(|n| mask >> n & 1 == 1).map(|n| (clients[n].slot, clients[n].conn)))));
        prop_assert!(router.destinations.bind("mission", Arc::new(Missions(slots))));
        clients.iter().for_each(|client| drop(drain(client)));

        let texts: Vec<_> = events.iter().enumerate().map(|(n, (dests, content))| world.text(&format!("E{n}"), dests, content)).collect();
        send(&router, &clients[world.sender], &texts);

        let queues: Vec<_> = clients.iter().map(|client| drain(client)).collect();
        for (n, (dests, content)) in events.iter().enumerate() {
            let uid = format!("E{n}");
            let got: BTreeSet<_> = (0..clients.len()).filter(|c| *c != world.sender && queues[*c].iter().any(|(u, _, _)| *u == uid)).collect();
            let expected = world.expected(dests, content);
            prop_assert_eq!(&got, &expected, "event {} to {:?} {:?}", n, dests, content);
            // To the sender comes at most the notice that its chat found nobody (RULE-63).
            let back: Vec<_> = queues[world.sender].iter().filter(|(u, _, _)| *u == uid).collect();
            let failed = back.len() == 1 && back[0].1 == "b-t-f-s" && got.is_empty() && !matches!(content, Content::Position);
            prop_assert!(back.is_empty() || failed, "{:?}", back);
        }
        for (n, queue) in queues.iter().enumerate() {
            prop_assert!(queue.iter().all(|(_, _, text)| !text.contains("<marti")), "RULE-55");
            // Once each and in the order they were sent (RULE-50).
            let uids: Vec<_> = queue.iter().map(|(uid, _, _)| uid).collect();
            prop_assert!(n == world.sender || uids.is_sorted_by(|a, b| a < b), "{:?}", uids);
        }
    }
}

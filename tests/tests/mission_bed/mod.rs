//! Who is on stage in the tests of missions, on the real server with TLS: alice (client A) and bob (B) in `__ANON__`,
//! carol (C) in `Red`, dora (D) in both. dora is a member of nothing: she says the fences, and hears what leaks.
//!
//! [`Stage::quiet`] shows that nobody has got anything that a test has not taken in. What must not happen: a test that
//! believes in silence without a fence.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Each test file uses a part.
use fts_tests::{Builder, Client, Element, Event, Pki, Reply, Server, Web, event, fence, marker};
use serde_json::Value;

use crate::accounts_bed;

/// The mission of the book, in a path.
pub const FLOOD: &str = "/Marti/api/missions/Flood%20North";
/// The destination that names it.
pub const TO_FLOOD: &str = r#"<dest mission="Flood North"/>"#;

/// A user with a device.
pub struct Person {
    pub pki: Pki,
    pub client: Client,
    pub web: Web,
}

impl Person {
    /// A device of a user there is.
    pub fn join(server: &Server, pki: Pki, uid: &str) -> Self {
        let (client, web) = (accounts_bed::join(server, &pki, uid), accounts_bed::web(server, &pki));
        Self { pki, client, web }
    }

    /// Sends a marker for these destinations.
    pub fn mark(&mut self, uid: &str, dest: &str) {
        self.client.send(&item(uid, dest));
    }

    /// The next event, which must be a notice of this type; its element `mission`.
    #[track_caller]
    pub fn told(&mut self, kind: &str) -> Element {
        let event = self.client.next();
        notice(&event, kind).clone()
    }

    /// The next event, which must be a `t-x-m-c`; its only change.
    #[track_caller]
    pub fn change(&mut self) -> Element {
        self.told("t-x-m-c").at("MissionChanges/MissionChange").expect("a change").clone()
    }

    /// The next two events must be the notice of this item and the item; the item.
    #[track_caller]
    pub fn item(&mut self, uid: &str) -> Event {
        assert_eq!(self.change().child("contentUid").expect("a map item").text(), uid);
        self.client.expect(uid)
    }

    /// The next event must be the notice of this item: the acknowledgement its sender gets.
    #[track_caller]
    pub fn acknowledged(&mut self, uid: &str) {
        assert_eq!(self.change().child("contentUid").expect("a map item").text(), uid);
    }

    /// A subscription to the mission of the book.
    pub fn subscribe(&self, mission: &str) -> Value {
        let path = format!("{mission}/subscription?uid={}", self.client.uid);
        self.web.put(&path, "", b"").expect(201).json()["data"].clone()
    }
}

/// See the file's head.
pub struct Stage {
    pub server: Server,
    pub alice: Person,
    pub bob: Person,
    pub carol: Person,
    pub dora: Person,
}

impl Stage {
    /// With the defaults.
    pub fn start() -> Self {
        Self::with(Server::build())
    }

    /// On this server, made new.
    pub fn with(build: Builder) -> Self {
        let server = build.secure().start();
        accounts_bed::group(&server, "Red");
        let people =
            [("alice", &["__ANON__"][..]), ("bob", &["__ANON__"]), ("carol", &["Red"]), ("dora", &["__ANON__", "Red"])];
        let pkis = people.map(|(name, groups)| {
            accounts_bed::user(&server, name, "user", groups);
            Pki::issue(&server, name)
        });
        Self::enter(server, pkis)
    }

    /// With alice's mission; bob is a member, too. Nobody has anything to read. Its guid.
    pub fn flood() -> (Self, String) {
        Self::flood_with(Server::build())
    }

    /// The same on this server.
    pub fn flood_with(build: Builder) -> (Self, String) {
        let mut stage = Self::with(build);
        let guid = stage.create("Flood%20North");
        stage.bob.subscribe(FLOOD);
        for other in [&mut stage.bob, &mut stage.dora] {
            other.told("t-x-m-n");
        }
        stage.quiet();
        (stage, guid)
    }

    /// Everybody comes again to this server, which ran before or was killed. Nobody has anything to read.
    pub fn again(self, build: Builder) -> Self {
        let Self { mut server, alice, bob, carol, dora } = self;
        let pkis = [alice, bob, carol, dora].map(|person| person.pki);
        server.kill();
        Self::enter(build.secure().again(&server).start(), pkis)
    }

    fn enter(server: Server, pkis: [Pki; 4]) -> Self {
        let mut uids = ["A", "B", "C", "D"].into_iter();
        let [alice, bob, carol, dora] = pkis.map(|pki| Person::join(&server, pki, uids.next().unwrap()));
        let mut stage = Self { server, alice, bob, carol, dora };
        stage.settle();
        stage
    }

    /// Everybody takes in what there is, whatever it is.
    pub fn settle(&mut self) {
        let Self { alice, bob, carol, dora, .. } = self;
        until_marker(&mut dora.client, [&mut alice.client, &mut bob.client, &mut carol.client]);
        until_marker(&mut alice.client, [&mut bob.client, &mut dora.client]);
    }

    /// The same while bob is away.
    pub fn settle_without_bob(&mut self) {
        let Self { alice, carol, dora, .. } = self;
        until_marker(&mut dora.client, [&mut alice.client, &mut carol.client]);
        until_marker(&mut alice.client, [&mut dora.client]);
    }

    /// Nobody has got anything that was not taken in.
    #[track_caller]
    pub fn quiet(&mut self) {
        let Self { alice, bob, carol, dora, .. } = self;
        fence(&mut dora.client, &mut [&mut alice.client, &mut bob.client, &mut carol.client]);
        fence(&mut alice.client, &mut [&mut bob.client, &mut dora.client]);
    }

    /// alice makes a mission; its guid. `rest` is its name in a path.
    pub fn create(&self, rest: &str) -> String {
        let path = format!("/Marti/api/missions/{rest}{}creatorUid=A", if rest.contains('?') { '&' } else { '?' });
        text(&self.alice.web.put(&path, "", b"").expect(201).json()["data"][0]["guid"])
    }
}

/// They read until they see what the sender says to everybody.
fn until_marker<const N: usize>(sender: &mut Client, others: [&mut Client; N]) {
    let uid = format!("settled-{}", uuid::Uuid::new_v4());
    sender.send(&marker(&uid));
    others.into_iter().for_each(|other| drop(other.until(|e| e.uid() == uid)));
}

/// A map item for these destinations.
pub fn item(uid: &str, dest: &str) -> String {
    event(uid, "b-m-p-s-m", &format!(r#"<contact callsign="Alpha"/><marti>{dest}</marti>"#))
}

/// The element `mission` of a notice of this type, which must be as 4.1 wants it.
#[track_caller]
pub fn notice<'e>(event: &'e Event, kind: &str) -> &'e Element {
    assert_eq!(event.kind(), kind, "{event:?}");
    assert!(event.detail("marti").is_none());
    let mission = event.detail("mission").expect("a notice names its mission");
    assert!(!mission.attr("guid").is_empty() && !mission.attr("name").is_empty());
    mission
}

/// The text of a JSON value.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A request with a JSON body.
pub fn put(web: &Web, path: &str, body: &Value) -> Reply {
    web.put(path, "application/json", body.to_string().as_bytes())
}

/// All changes of a mission, oldest first: (type, uid or hash).
pub fn changes(web: &Web, mission: &str) -> Vec<(String, String)> {
    let all = web.get(&format!("{mission}/changes?squashed=false")).expect(200).json();
    let of = |c: &Value| {
        let what = c["contentUid"].as_str().or_else(|| c["contentResource"]["hash"].as_str());
        (text(&c["type"]), what.unwrap_or_default().to_owned())
    };
    all["data"].as_array().unwrap().iter().rev().map(of).collect()
}

/// Uids of the map items a mission holds, sorted.
pub fn uids(web: &Web, mission: &str) -> Vec<String> {
    let whole = web.get(mission).expect(200).json();
    let mut all: Vec<_> = whole["data"][0]["uids"].as_array().unwrap().iter().map(|u| text(&u["data"])).collect();
    all.sort();
    all
}

/// Uids of the events of a dump or a history, in its order.
pub fn events(xml: &str) -> Vec<String> {
    xml.split("<event ")
        .skip(1)
        .map(|tag| tag.split("uid=\"").nth(1).unwrap().split('"').next().unwrap().to_owned())
        .collect()
}

//! Who is on stage in the tests of the plugin: alice (client A) and bob (B) in `__ANON__`, carol (C) in `Red`, an
//! administrator; all connected. Time stands still unless a test moves it.
// Each test program uses a part of it; what is not there fails the test.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]
pub mod zips;

use fts_plugin_api::{
    cot::{Builder, Cot},
    sdk::{Identity, Role},
    testkit::{Answer, Builder as HostBuilder, Call, Client, MockHost},
};
use fts_plugin_mission::Mission;
use serde_json::{Value, json};

/// 2026-03-01T10:00:00.123Z
pub const NOW: i64 = 1_772_359_200_123;
/// The mission of the book, in a path.
pub const FLOOD: &str = "/Marti/api/missions/Flood%20North";

/// The host and everybody's connection.
pub struct Scene {
    pub host: MockHost,
    pub a: u64,
    pub b: u64,
    pub c: u64,
}

/// Somebody who asks: a user and its groups.
#[derive(Clone, Copy)]
pub struct Who(pub &'static str, pub &'static str, pub Role);

pub const ALICE: Who = Who("alice", "__ANON__", Role::User);
pub const BOB: Who = Who("bob", "__ANON__", Role::User);
pub const CAROL: Who = Who("carol", "Red", Role::User);
pub const ADMIN: Who = Who("admin", "__ANON__", Role::Admin);
/// Plain HTTP.
pub const NOBODY: Who = Who("", "__ANON__", Role::Anonymous);

impl Scene {
    /// With this table.
    pub fn with(config: &Value) -> Self {
        Self::on(MockHost::builder().config(config))
    }

    /// On this host.
    pub fn on(builder: HostBuilder) -> Self {
        let host = builder.now(NOW).start::<Mission>().unwrap();
        let client = |uid: &str, callsign: &str, user: &str, group: &str| {
            host.connect(Client::new(uid, callsign).user(user).groups([group]))
        };
        let a = client("A", "alice", "alice", "__ANON__");
        let b = client("B", "bob", "bob", "__ANON__");
        let c = client("C", "carol", "carol", "Red");
        Self { host, a, b, c }
    }

    /// With the defaults.
    pub fn new() -> Self {
        Self::with(&json!({}))
    }

    /// With the mission `Flood North` of alice; what was sent for it is forgotten. Its guid and her token.
    pub fn flood() -> (Self, String, String) {
        let scene = Self::new();
        let (guid, token) = scene.create("Flood%20North?creatorUid=A&group=__ANON__&tool=public");
        scene.host.forget();
        (scene, guid, token)
    }

    /// A request of somebody.
    pub fn call(&self, who: Who, method: &str, path: &str) -> Call<'_> {
        let Who(user, group, role) = who;
        let groups = vec![group.to_owned()];
        let identity = Identity {
            user: user.to_owned(),
            role,
            groups_in: groups.clone(),
            groups_out: groups,
            ..Identity::default()
        };
        self.host.http(method, path).identity(identity)
    }

    /// A request that must be answered with this status; its JSON (Null when the body is empty).
    pub fn ask(&self, who: Who, method: &str, path: &str, status: u16) -> Value {
        answered(&self.call(who, method, path).send(), status)
    }

    /// alice makes a mission: the rest of the path with its query. Guid and token.
    pub fn create(&self, rest: &str) -> (String, String) {
        let made = self.ask(ALICE, "PUT", &format!("/Marti/api/missions/{rest}"), 201);
        let mission = &made["data"][0];
        (text(&mission["guid"]), text(&mission["token"]))
    }

    /// Somebody subscribes; the answer's data.
    pub fn subscribe(&self, who: Who, mission: &str, uid: &str) -> Value {
        self.ask(who, "PUT", &format!("{mission}/subscription?uid={uid}"), 201)["data"].clone()
    }

    /// What a connection got: (type, text), in order.
    pub fn got(&self, conn: u64) -> Vec<(String, String)> {
        let all = self.host.received(conn);
        all.iter().map(|e| (e.kind().to_owned(), String::from_utf8(e.text().to_vec()).unwrap())).collect()
    }

    /// Types of what a connection got.
    pub fn kinds(&self, conn: u64) -> Vec<String> {
        self.got(conn).into_iter().map(|(kind, _)| kind).collect()
    }

    /// The only notice a connection got; its element `mission` as text.
    pub fn only(&self, conn: u64) -> Cot {
        let all = self.host.received(conn);
        assert_eq!(all.len(), 1, "{:?}", self.got(conn));
        all[0].clone()
    }

    /// Rows of the database: the first column of each.
    pub fn rows(&self, sql: &str) -> usize {
        self.host.query(sql).unwrap().rows.len()
    }
}

/// The JSON of an answer with this status.
pub fn answered(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    if answer.body.is_empty() {
        return Value::Null;
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json().unwrap()
}

/// The text of a JSON value.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The same at another latitude than a marker has.
pub fn moved(uid: &str, dest: &str, lat: &str) -> Vec<u8> {
    let text = String::from_utf8(marker(uid, dest)).unwrap();
    assert!(text.contains("lat=\"44.5\""), "{text}");
    text.replace("lat=\"44.5\"", &format!("lat=\"{lat}\"")).into_bytes()
}

/// A marker addressed so: `mission="Flood North"`.
pub fn marker(uid: &str, dest: &str) -> Vec<u8> {
    let marti = if dest.is_empty() { String::new() } else { format!("<marti><dest {dest}/></marti>") };
    let marker = Builder::new("a-f-G", NOW).uid(uid).how("h-e").point(44.5, -63.5, 0.0, 1.0, 1.0);
    marker.child("contact", &[("callsign", "Alpha")], "").detail_xml(&marti).to_text()
}

//! Members are told of a new file a few at a time, on the real server (mission.md 4.6, `concurrent_downloads` = 1): alice adds it,
//! bob, dora and erin are told in the order they connected, each when somebody has fetched it to its end.
//!
//! [`Turns::nobody`] shows that nobody was told: an item for the mission passes through the same worker, behind what a
//! download may have caused, and its notice must be everybody's next event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::{accounts_bed, mission_bed};

use fts_tests::{Pki, Server, fence, marker};
use mission_bed::{FLOOD, Person, Stage, TO_FLOOD, put, text};
use serde_json::json;

/// More than the buffers of two sockets take.
const LONG: usize = 32 << 20;

/// All are members.
struct Turns {
    stage: Stage,
    erin: Person,
    items: usize,
}

impl Turns {
    fn start() -> Self {
        let build = Server::build().set("plugins.mission.concurrent_downloads", "1");
        let (mut stage, _) = Stage::flood_with(build);
        accounts_bed::user(&stage.server, "erin", "user", &["__ANON__"]);
        let pki = Pki::issue(&stage.server, "erin");
        let mut erin = Person::join(&stage.server, pki, "E");
        erin.subscribe(FLOOD);
        stage.dora.subscribe(FLOOD);
        // Everybody takes in that erin has come.
        erin.client.send(&marker("erin-here"));
        for person in [&mut stage.alice, &mut stage.bob, &mut stage.dora] {
            drop(person.client.until(|e| e.uid() == "erin-here"));
        }
        stage.alice.client.send(&marker("all-here"));
        for person in [&mut stage.bob, &mut stage.dora, &mut erin] {
            drop(person.client.until(|e| e.uid() == "all-here"));
        }
        let mut turns = Self { stage, erin, items: 0 };
        turns.nobody();
        turns
    }

    /// alice stores a file and adds it, and is told; the path it is fetched by.
    fn add(&mut self, content: &[u8]) -> String {
        let web = &self.stage.alice.web;
        let stored = web.post("/Marti/sync/upload?name=a.bin&creatorUid=A", "application/octet-stream", content);
        let hash = text(&stored.expect(200).json()["Hash"]);
        put(web, &format!("{FLOOD}/contents?creatorUid=A"), &json!({"hashes": [hash]})).expect(200);
        told(&mut self.stage.alice, &hash);
        told(&mut self.stage.bob, &hash);
        format!("/Marti/sync/content?hash={hash}")
    }

    /// See the file's head.
    #[track_caller]
    fn nobody(&mut self) {
        self.items += 1;
        let uid = format!("item-{}", self.items);
        self.stage.alice.mark(&uid, TO_FLOOD);
        self.stage.alice.acknowledged(&uid);
        for other in [&mut self.stage.bob, &mut self.stage.dora, &mut self.erin] {
            other.item(&uid);
        }
    }
}

/// The next event is the notice of the file that this hash, or the path it is fetched by, names.
#[track_caller]
fn told(person: &mut Person, path: &str) {
    let hash = path.rsplit('=').next().unwrap();
    let change = person.change();
    assert_eq!(change.child("type").unwrap().text(), "ADD_CONTENT");
    assert_eq!(change.at("contentResource/hash").expect("a file").text(), hash);
}

#[test]
fn one_is_told_with_each_download_that_ends() {
    let mut t = Turns::start();
    let path = t.add(b"by the river");
    t.nobody();
    let web = t.stage.bob.web.clone();
    let feed = format!("{path}&feedName=Flood%20North");
    // None of these is a finished download of this file for this mission.
    web.get(&path).expect(200);
    web.get(&format!("{path}&feedName=Another")).expect(200);
    web.send("HEAD", &feed, &[], b"").expect(200);
    web.send("GET", &feed, &[("range", "bytes=0-1")], b"").expect(206);
    web.get(&format!("{feed}&offset=0&length=3")).expect(206);
    web.get("/Marti/sync/content?hash=00&feedName=Flood%20North").expect(404);
    t.nobody();
    assert_eq!(web.get(&feed).expect(200).body, b"by the river");
    told(&mut t.stage.dora, &path);
    t.nobody();
    // The last part of one that went on after a break.
    assert_eq!(t.stage.dora.web.get(&format!("{feed}&offset=3")).expect(200).text(), "the river");
    told(&mut t.erin, &path);
    t.erin.web.get(&feed).expect(200);
    t.nobody();
}

#[test]
fn a_download_that_breaks_off_lets_nobody_be_told() {
    let mut t = Turns::start();
    let path = t.add(&vec![7; LONG]);
    let feed = format!("{path}&feedName=flood%20north");
    let web = t.stage.bob.web.clone();
    let mut wire = web.open();
    wire.write_all(&web.request("GET", &feed, &[], 0)).unwrap();
    wire.read_exact(&mut [0; 64 * 1024]).unwrap();
    drop(wire);
    let of = |l: &serde_json::Value| l["event"] == "http.request" && l["route"] == "/Marti/sync/content";
    let bytes = t.stage.server.wait_log(of)["bytes"].as_u64().unwrap();
    assert!(bytes > 0 && bytes < LONG as u64, "{bytes}");
    t.nobody();
    assert_eq!(web.get(&feed).expect(200).body.len(), LONG);
    told(&mut t.stage.dora, &path);
    t.nobody();
}

#[test]
fn who_has_left_is_skipped_and_a_file_that_is_gone_is_told_to_nobody() {
    let mut t = Turns::start();
    let path = t.add(b"one");
    t.stage.dora.web.delete(&format!("{FLOOD}/subscription?uid=D")).expect(200);
    t.stage.bob.web.get(&format!("{path}&feedName=Flood%20North")).expect(200);
    told(&mut t.erin, &path);
    fence(&mut t.stage.alice.client, &mut [&mut t.stage.bob.client, &mut t.stage.dora.client, &mut t.erin.client]);
    t.stage.dora.subscribe(FLOOD);
    t.nobody();
    let path = t.add(b"two");
    let hash = path.rsplit('=').next().unwrap();
    t.stage.alice.web.delete(&format!("{FLOOD}/contents?hash={hash}&creatorUid=A")).expect(200);
    for person in [&mut t.stage.alice, &mut t.stage.bob, &mut t.stage.dora, &mut t.erin] {
        assert_eq!(person.change().child("type").unwrap().text(), "REMOVE_CONTENT");
    }
    // Its bytes are still there for whoever knows the hash.
    t.stage.bob.web.get(&format!("{path}&feedName=Flood%20North")).expect(200);
    t.nobody();
}

//! Members are told of a file a few at a time (mission.md 4.6). alice adds, bob and two more in `__ANON__` wait.
#![allow(clippy::unwrap_used)]
mod scene;

use std::time::Duration;

use fts_plugin_api::{
    message,
    sdk::{Code, FETCHED, Fetched, FileInfo, Role},
    testkit::Client,
};
use scene::*;
use serde_json::json;

const DORA: Who = Who("dora", "__ANON__", Role::User);
const ERIN: Who = Who("erin", "__ANON__", Role::User);

/// With N; alice, bob, dora, erin are members, who connected in this order.
struct Turns {
    scene: Scene,
    hash: String,
    d: u64,
    e: u64,
}

fn turns(most: usize) -> Turns {
    let scene = Scene::with(&json!({"concurrent_downloads": most}));
    let client = |uid: &str, user: &str| scene.host.connect(Client::new(uid, user).user(user).groups(["__ANON__"]));
    let (d, e) = (client("D", "dora"), client("E", "erin"));
    scene.create("Flood%20North?creatorUid=A");
    for (who, uid) in [(ERIN, "E"), (BOB, "B"), (DORA, "D")] {
        scene.subscribe(who, FLOOD, uid);
    }
    let info = FileInfo { name: "a.jpg".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(FileInfo { submitter: "alice".into(), ..info }, b"content").sha256;
    scene.host.forget();
    Turns { scene, hash, d, e }
}

impl Turns {
    fn add(&self) {
        let call = self.scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A"));
        answered(&call.json(&json!({"hashes": [self.hash]})).send(), 200);
    }

    fn remove(&self) {
        self.scene.ask(ALICE, "DELETE", &format!("{FLOOD}/contents?hash={}&creatorUid=A", self.hash), 200);
    }

    fn fetched(&self, feed: &str) {
        let fetched = Fetched { sha256: self.hash.clone(), feed: feed.into(), user: "bob".into() };
        self.scene.host.publish(FETCHED, &message::pack(&fetched));
    }

    /// Time passes, and at its end what is due by itself is done.
    fn later(&self, seconds: i64) {
        self.scene.host.jump_to(self.scene.host.now() + seconds * 1_000);
        self.scene.host.tick(Duration::from_secs(1));
    }

    /// How many notices alice, bob, dora, erin have got since the last look.
    fn told(&self) -> [usize; 4] {
        let told = [self.scene.a, self.scene.b, self.d, self.e].map(|conn| self.scene.kinds(conn).len());
        self.scene.host.forget();
        assert!(self.scene.kinds(self.scene.c).is_empty());
        told
    }
}

#[test]
fn the_author_and_the_first_are_told_and_one_more_with_each_download() {
    let t = turns(1);
    t.add();
    assert_eq!(t.told(), [1, 1, 0, 0]);
    t.fetched("Another");
    assert_eq!(t.told(), [0; 4]);
    t.fetched("flood north");
    let got = t.scene.only(t.d);
    assert!(String::from_utf8_lossy(got.text()).contains(&t.hash));
    assert_eq!(t.told(), [0, 0, 1, 0]);
    t.fetched("Flood North");
    assert_eq!(t.told(), [0, 0, 0, 1]);
    t.fetched("Flood North");
    assert_eq!(t.told(), [0; 4], "nobody waits any more");
    let all = turns(3);
    all.add();
    assert_eq!(all.told(), [1; 4]);
    let off = turns(0);
    off.add();
    assert_eq!(off.told(), [1; 4]);
}

#[test]
fn later_notices_do_not_wait_and_newcomers_are_in_no_list() {
    let t = turns(1);
    t.add();
    t.told();
    t.scene.host.deliver(marker("m-1", "mission=\"Flood North\""), t.scene.a);
    assert_eq!(t.told(), [1, 2, 2, 2], "the notice, and for others the item");
    let f = t.scene.host.connect(Client::new("F", "frank").user("frank").groups(["__ANON__"]));
    t.scene.subscribe(Who("frank", "__ANON__", Role::User), FLOOD, "F");
    for _ in 0..3 {
        t.fetched("Flood North");
    }
    assert_eq!(t.scene.kinds(f), [""; 0]);
    assert_eq!(t.told(), [0, 0, 1, 1]);
}

#[test]
fn who_has_left_or_is_no_member_any_more_is_skipped() {
    let t = turns(1);
    t.add();
    t.told();
    t.scene.ask(DORA, "DELETE", &format!("{FLOOD}/subscription?uid=D"), 200);
    t.scene.host.forget();
    t.fetched("Flood North");
    assert_eq!(t.told(), [0, 0, 0, 1]);
    let t = turns(1);
    t.add();
    t.told();
    t.scene.host.disconnect(t.d, "closed");
    t.fetched("Flood North");
    assert_eq!(t.scene.kinds(t.e).len(), 1);
}

#[test]
fn nobody_is_told_of_a_file_that_is_gone() {
    let t = turns(1);
    t.add();
    t.told();
    t.remove();
    assert_eq!(t.told(), [1; 4], "its end is told to all");
    t.fetched("Flood North");
    t.later(3_700);
    assert_eq!(t.told(), [0; 4]);
    t.add();
    assert_eq!(t.told(), [1, 1, 0, 0], "a new round");
    t.scene.ask(ALICE, "DELETE", FLOOD, 200);
    t.scene.host.forget();
    t.fetched("Flood North");
    t.later(3_700);
    assert_eq!(t.told(), [0; 4]);
}

#[test]
fn added_again_a_file_begins_again() {
    let t = turns(1);
    t.add();
    t.add();
    assert_eq!(t.told(), [2, 2, 0, 0]);
    t.fetched("Flood North");
    t.fetched("Flood North");
    assert_eq!(t.told(), [0, 0, 1, 1], "once each");
}

#[test]
fn after_an_hour_and_before_a_reload_the_rest_is_told() {
    let t = turns(1);
    t.add();
    t.told();
    t.later(3_597);
    assert_eq!(t.told(), [0; 4]);
    t.later(2);
    assert_eq!(t.told(), [0, 0, 1, 1]);
    t.later(7_200);
    assert_eq!(t.told(), [0; 4]);
    t.add();
    t.told();
    t.scene.host.reload().unwrap();
    assert_eq!(t.told(), [0, 0, 1, 1]);
}

#[test]
fn what_cannot_be_sent_now_is_sent_a_moment_later() {
    let t = turns(1);
    t.add();
    t.told();
    t.scene.host.fail_next("cot.send", Code::Busy, "later");
    t.fetched("Flood North");
    assert_eq!(t.told(), [0; 4]);
    t.scene.host.tick(Duration::from_secs(1));
    assert_eq!(t.told(), [0, 0, 1, 0]);
}

//! Big missions (mission.md 7.2, 9: AC-57, AC-58): many items, many members, many at once.
//!
//! Times are for a release build; a debug build (its path says so) must only do the same work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;
use crate::mission_bed;
use crate::sync_bed;

use std::time::{Duration, Instant};

use fts_tests::{Client, Pki, Server, Web};
use mission_bed::{FLOOD, Person, TO_FLOOD, changes, events, item, put, uids};
use serde_json::json;
use sync_bed::{peak, reset_peak, rss};

fn release() -> bool {
    !fts_tests::binary().to_string_lossy().contains("/debug/")
}

/// alice alone in the group `Load`, with her mission.
fn start() -> (Server, Person) {
    let server = Server::build().secure().start();
    ["Load", "Void"].iter().for_each(|name| accounts_bed::group(&server, name));
    accounts_bed::user(&server, "alice", "user", &["Load"]);
    let alice = Person::join(&server, Pki::issue(&server, "alice"), "A");
    alice.web.put(&format!("{FLOOD}?creatorUid=A&group=Load"), "", b"").expect(201);
    (server, alice)
}

/// The fastest of some readings.
fn best(times: usize, mut f: impl FnMut()) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        f();
        begun.elapsed()
    };
    (0..times).map(once).min().unwrap()
}

#[test]
fn ac_57_eight_thousand_items_are_read_and_dumped_in_little_memory() {
    const ITEMS: usize = 8_192;
    let (server, mut alice) = start();
    let all: Vec<_> = (0..ITEMS).map(|n| format!("m-{n:05}")).collect();
    for some in all.chunks(128) {
        alice.client.send(&some.iter().map(|uid| item(uid, TO_FLOOD)).collect::<String>());
        some.iter().for_each(|uid| alice.acknowledged(uid));
    }
    assert_eq!(uids(&alice.web, FLOOD), all);
    let took = best(5, || drop(alice.web.get(FLOOD).expect(200)));
    println!("GET mission with {ITEMS} uids: {took:?}");
    assert!(!release() || took < Duration::from_millis(150), "{took:?}");
    let before = rss(server.pid());
    reset_peak(server.pid());
    let dump = alice.web.get(&format!("{FLOOD}/cot")).expect(200).text();
    let grown = peak(server.pid()).saturating_sub(before);
    println!("GET cot of {} bytes: {} kB more", dump.len(), grown / 1_024);
    let mut dumped = events(&dump);
    dumped.sort();
    assert_eq!(dumped, all);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

/// `members` of one user on devices of their own, whom nobody but alice shows anything, each get `count` changes.
fn all_hear(members: usize, count: usize) {
    let (server, mut alice) = start();
    accounts_bed::user(&server, "many", "user", &["Void:in", "Load:out"]);
    let pki = Pki::issue(&server, "many");
    let web = accounts_bed::web(&server, &pki);
    let ca = server.data_dir().join("certs/ca.pem");
    let config = pki.client(&ca, &[&rustls::version::TLS13]);
    let mut all: Vec<Client> = Vec::new();
    for n in 0..members {
        let uid = format!("S{n}");
        web.put(&format!("{FLOOD}/subscription?uid={uid}"), "", b"").expect(201);
        let client = Client::tls(&server, "cot_tls", config.clone()).unwrap();
        let mut client = client.greeted().identify(&uid, &uid);
        client.until(|e| e.uid() == "A");
        all.push(client);
    }
    let items: Vec<_> = (0..count).map(|n| format!("m-{n:03}")).collect();
    let begun = Instant::now();
    alice.client.send(&items.iter().map(|uid| item(uid, TO_FLOOD)).collect::<String>());
    items.iter().for_each(|uid| alice.acknowledged(uid));
    for client in &mut all {
        for uid in &items {
            let told = client.next();
            let change = mission_bed::notice(&told, "t-x-m-c").at("MissionChanges/MissionChange/contentUid").unwrap();
            assert_eq!(&change.text(), uid, "{}", client.uid);
            client.expect(uid);
        }
    }
    println!("{members} members heard of {count} changes each within {:?}", begun.elapsed());
    let log = changes(&alice.web, FLOOD);
    assert_eq!(log[1..].iter().map(|(_, uid)| uid).collect::<Vec<_>>(), items.iter().collect::<Vec<_>>());
}

#[test]
fn ac_57_every_one_of_many_members_hears_every_change_in_the_order_of_their_numbers() {
    all_hear(150, 40);
}

/// `cargo test -p fts-tests --test all mission_load:: -- --ignored --nocapture`
#[test]
#[ignore = "a minute and 2 000 descriptors: AC-57 in full size"]
fn ac_57_in_full_size_a_thousand_members_and_a_hundred_changes() {
    all_hear(1_000, 100);
}

#[test]
fn ac_58_of_a_hundred_parallel_creations_one_makes_the_mission() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let each = || scope.spawn(|| web.put(&format!("{FLOOD}?creatorUid=A"), "", b"").status);
        let all: Vec<_> = (0..100).map(|_| each()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let of = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((of(201), of(200)), (1, 99), "{statuses:?}");
    assert_eq!(changes(&web, FLOOD), [("CREATE_MISSION".to_owned(), String::new())]);
    put(&web, &format!("{FLOOD}/contents?creatorUid=A"), &json!({})).expect(400);
}

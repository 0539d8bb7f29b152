//! Groups and channels at run time (identity.md 8, cot.md RULE-78): who reaches whom, and what happens when that changes
//! while everybody is connected: goodbyes to those who lose sight, positions to those who gain it, and one `t-x-g-c` to
//! the devices that do not know yet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::accounts_bed;

use accounts_bed::{admin, group, join, user, web};
use fts_tests::{Client, Event, Pki, Server, fence, marker, marker_to, sa};
use serde_json::{Value, json};

fn start() -> Server {
    let server = Server::build().secure().start();
    for name in ["Blue", "Red"] {
        group(&server, name);
    }
    server
}

/// A device of a new user in these groups.
fn device(server: &Server, name: &str, groups: &[&str], uid: &str) -> (Pki, Client) {
    user(server, name, "user", groups);
    let pki = Pki::issue(server, name);
    let client = join(server, &pki, uid);
    (pki, client)
}

fn gone(event: &Event) -> &str {
    assert_eq!(event.kind(), "t-x-d-d", "{event:?}");
    event.detail("link").unwrap().attr("uid")
}

fn choose(web: &fts_tests::Web, uid: &str, choice: &Value) -> u16 {
    let path = format!("/Marti/api/groups/active?clientUid={uid}");
    let reply = web.put(&path, "application/json", choice.to_string().as_bytes());
    assert_eq!((reply.body.len(), reply.header("content-type")), (0, None), "{}", reply.text());
    reply.status
}

fn blue(active: bool) -> Value {
    let one = |direction| json!({"name": "Blue", "direction": direction, "created": 1_738_281_600_000_i64, "type": "SYSTEM", "bitpos": 3, "active": active});
    json!([one("IN"), one("OUT")])
}

#[test]
fn id12_19_in_and_out_decide_and_without_groups_everybody_sees_everybody() {
    let server = start();
    let (_, mut b) = device(&server, "b", &["Blue:out"], "B");
    let (_, mut c) = device(&server, "c", &["Red:out"], "C");
    let (_, mut a) = device(&server, "a", &["Blue:in"], "A");
    b.expect("A");
    a.send(&marker("m"));
    b.expect("m");
    a.send(&marker_to("d", r#"<dest uid="C"/>"#));
    a.sync();
    // What B sends reaches nobody: it is in no group that way.
    b.send(&marker("from-b"));
    b.sync();
    let (_, mut red) = device(&server, "red", &["Red:in"], "R");
    c.expect("R");
    fence(&mut red, &mut [&mut c]);
    let (_, mut both) = device(&server, "both", &["Blue"], "X");
    b.expect("X");
    fence(&mut both, &mut [&mut b]);
    let mut plain = Client::join(&server, "P", "PLAIN");
    let mut other = Client::join(&server, "Q", "OTHER");
    plain.expect("Q");
    other.expect("P");
    assert_eq!(server.client("A")["groups"], json!({"in": ["Blue"], "out": []}));
}

#[test]
fn id12_20_m15_11_a_channel_switched_off_hides_both_ways_and_tells_the_other_device() {
    let server = start();
    let (_, mut a) = device(&server, "a", &["Blue"], "A");
    let (pki, mut b1) = device(&server, "b", &["Blue"], "B1");
    a.expect("B1");
    b1.expect("A");
    let mut b2 = join(&server, &pki, "B2");
    a.expect("B2");
    b1.expect("B2");
    let seen: Vec<_> = (0..2).map(|_| b2.next().uid().to_owned()).collect();
    assert!(seen.contains(&"A".to_owned()) && seen.contains(&"B1".to_owned()), "{seen:?}");
    let tak = web(&server, &pki);
    assert_eq!(choose(&tak, "B1", &blue(false)), 200);
    // A is told of both devices, and sees nothing of them any more.
    let mut lost = [gone(&a.next()).to_owned(), gone(&a.next()).to_owned()];
    lost.sort();
    assert_eq!(lost, ["B1", "B2"]);
    // The device that chose loses sight of its sister (which clears its map anyway) and is told nothing else.
    assert_eq!(gone(&b1.next()), "B2");
    let told = b2.next();
    assert_eq!(told.kind(), "t-x-g-c", "{told:?}");
    assert!(told.uid().ends_with(".B1") && told.detail("link").unwrap().attr("relation") == "p-p");
    assert_eq!((told.attr("how"), told.tree().child("point").unwrap().attr("ce")), ("h-g-i-g-o", "9999999"));
    a.send(&marker("m"));
    a.send(&marker_to("d", r#"<dest uid="B1"/>"#));
    b1.send(&marker("n"));
    a.sync();
    b1.sync();
    // The same choice again changes nothing: nobody is told.
    assert_eq!(choose(&tak, "B1", &blue(false)), 200);
    assert_eq!(choose(&tak, "B1", &blue(true)), 200);
    // Both ways the last positions, then t-x-g-c for the other device only.
    let mut back = [a.next().uid().to_owned(), a.next().uid().to_owned()];
    back.sort();
    assert_eq!(back, ["B1", "B2"]);
    let mut shown = [b1.next().uid().to_owned(), b1.next().uid().to_owned()];
    shown.sort();
    assert_eq!(shown, ["A", "B2"]);
    let mut shown = [b2.next().uid().to_owned(), b2.next().uid().to_owned()];
    shown.sort();
    assert_eq!((shown, b2.next().kind().to_owned()), (["A".to_owned(), "B1".to_owned()], "t-x-g-c".to_owned()));
    fence(&mut a, &mut [&mut b1, &mut b2]);
    let groups = tak.get("/Marti/api/groups/all?useCache=true").expect(200).json();
    assert!(groups["data"].as_array().unwrap().iter().all(|g| g["active"] == true), "{groups}");
}

#[test]
fn a_choice_outlives_the_connection_and_a_restart() {
    let mut server = start();
    let (pki, b) = device(&server, "b", &["Blue"], "B");
    assert_eq!(choose(&web(&server, &pki), "B", &blue(false)), 200);
    drop(b);
    let b = join(&server, &pki, "B");
    assert_eq!(server.client("B")["groups"], json!({"in": [], "out": []}), "nothing on is not the default groups");
    drop(b);
    assert!(server.stop().success());
    let server = Server::build().secure().again(&server).start();
    let _b = join(&server, &pki, "B");
    assert_eq!(server.client("B")["groups"], json!({"in": [], "out": []}));
    let list = server.admin("GET", "/admin/groups", "").json();
    let bits: Vec<_> = list.as_array().unwrap().iter().map(|g| (g["name"].clone(), g["bitpos"].clone())).collect();
    assert_eq!(bits, [(json!("__ANON__"), json!(2)), (json!("Blue"), json!(3)), (json!("Red"), json!(4))]);
}

#[test]
fn id8_3_an_operator_moves_a_user_and_everybody_sees_what_they_may() {
    let server = start();
    let (_, mut a) = device(&server, "a", &["Blue"], "A");
    let (_, mut r) = device(&server, "r", &["Red"], "R");
    let (_, mut b) = device(&server, "b", &["Blue"], "B");
    a.expect("B");
    b.expect("A");
    let moved = server.cli(&["group", "grant", "Red", "b"]);
    assert!(moved.status.success(), "{moved:?}");
    // Gained, and nothing lost.
    r.expect("B");
    b.expect("R");
    assert_eq!(b.next().kind(), "t-x-g-c");
    b.send(&marker("both"));
    a.expect("both");
    r.expect("both");
    assert!(server.cli(&["group", "revoke", "Blue", "b"]).status.success());
    assert_eq!(gone(&a.next()), "B");
    assert_eq!(b.next().kind(), "t-x-g-c", "it clears its map by itself: no goodbye for A");
    b.send(&marker("red"));
    r.expect("red");
    a.send(&marker("blue"));
    fence(&mut r, &mut [&mut b]);
    let (_, mut x) = device(&server, "x", &["Blue"], "X");
    a.expect("X");
    fence(&mut x, &mut [&mut a]);
}

#[test]
fn only_one_direction_can_change() {
    let server = start();
    let (_, mut a) = device(&server, "a", &["Blue"], "A");
    let (_, mut b) = device(&server, "b", &["Blue"], "B");
    a.expect("B");
    b.expect("A");
    assert!(server.cli(&["group", "revoke", "Blue", "b", "--out"]).status.success());
    // B still sends to A: A loses nothing. B sees A no more and clears its map.
    assert_eq!(b.next().kind(), "t-x-g-c");
    a.send(&marker("unseen"));
    b.send(&marker("seen"));
    a.expect("seen");
    a.send(&sa("A", "ALICE"));
    a.sync();
    assert!(server.cli(&["group", "grant", "Blue", "b", "--out"]).status.success());
    b.expect("A");
    assert_eq!(b.next().kind(), "t-x-g-c");
    fence(&mut a, &mut [&mut b]);
}

#[test]
fn an_administrator_is_in_every_group_from_the_moment_it_is_made() {
    let server = start();
    user(&server, "boss", "admin", &[]);
    let mut boss = join(&server, &Pki::issue(&server, "boss"), "BOSS");
    group(&server, "Green");
    assert_eq!(boss.next().kind(), "t-x-g-c");
    let (_, mut green) = device(&server, "green", &["Green"], "G");
    boss.expect("G");
    green.expect("BOSS");
    admin(&server, "DELETE", "/admin/groups/Green", &Value::Null);
    // Green has no group left and is in the default one; the administrator is in that, too.
    let (told, _) = green.until(|e| e.kind() == "t-x-g-c");
    assert_eq!(told.kind(), "t-x-g-c");
    boss.until(|e| e.kind() == "t-x-g-c");
    green.send(&marker("still"));
    boss.until(|e| e.uid() == "still");
    assert_eq!(server.client("G")["groups"], json!({"in": ["__ANON__"], "out": ["__ANON__"]}));
}

#[test]
fn groups_all_with_send_latest_sa_shows_everybody_again() {
    let server = start();
    let (_, mut a) = device(&server, "a", &["Blue"], "A");
    let (_, _r) = device(&server, "r", &["Red"], "R");
    let (pki, mut b) = device(&server, "b", &["Blue"], "B");
    a.expect("B");
    b.expect("A");
    let reply = web(&server, &pki).get("/Marti/api/groups/all?useCache=true&sendLatestSA=true").expect(200).json();
    assert_eq!(reply["type"], "com.bbn.marti.remote.groups.Group");
    b.expect("A");
    fence(&mut a, &mut [&mut b]);
}

#[test]
fn force_and_update_are_for_administrators() {
    let server = start();
    let (pki, mut b) = device(&server, "b", &["Blue"], "B");
    let force = |web: &fts_tests::Web| {
        web.put("/Marti/api/groups/activeForce?username=b", "application/json", blue(false).to_string().as_bytes())
            .status
    };
    let own = web(&server, &pki);
    assert_eq!((force(&own), own.get("/Marti/api/groups/user?username=b").status), (403, 403));
    assert_eq!(own.get("/Marti/api/groups/update/b").status, 403);
    user(&server, "boss", "admin", &[]);
    let boss = web(&server, &Pki::issue(&server, "boss"));
    assert_eq!(force(&boss), 200);
    let told = b.next();
    assert!(told.kind() == "t-x-g-c" && !told.uid().contains('.'), "every device is told: {told:?}");
    let groups = boss.get("/Marti/api/groups/user?username=b").expect(200).json();
    assert!(groups["data"].as_array().unwrap().iter().all(|g| g["active"] == false), "{groups}");
    assert_eq!(boss.get("/Marti/api/groups/update/b").expect(200).json()["data"], true);
    assert_eq!(own.get("/Marti/api/groups/Blue/OUT").expect(200).json()["data"]["active"], false);
    assert_eq!(own.get("/Marti/api/groups/Red/OUT").status, 404);
    let plain = fts_tests::Web::plain(&server, "marti_http");
    let body = blue(true).to_string();
    assert_eq!(plain.put("/Marti/api/groups/active?clientUid=X", "application/json", body.as_bytes()).status, 401);
    let anonymous = plain.get("/Marti/api/groups/all").expect(200).json();
    assert_eq!((&anonymous["data"][0]["name"], anonymous["data"].as_array().unwrap().len()), (&json!("__ANON__"), 1));
}

#[test]
fn id12_21_m15_10_a_fresh_server_answers_as_fts() {
    let server = Server::build().secure().start();
    let web = web(&server, &Pki::issue(&server, "phone"));
    let mut answer = web.get("/Marti/api/groups/all").expect(200).json();
    answer["data"][0]["created"] = "2023-02-22".into();
    assert_eq!(
        answer["data"],
        json!([{"name": "__ANON__", "direction": "OUT", "created": "2023-02-22", "type": "SYSTEM", "bitpos": 2, "active": true, "description": ""}])
    );
    assert_eq!(web.get("/Marti/api/groups/groupCacheEnabled").expect(200).json()["data"], false);
    group(&server, "Blue");
    assert_eq!(web.get("/Marti/api/groups/groupCacheEnabled").expect(200).json()["data"], true);
}

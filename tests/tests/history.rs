//! Stored events over the TAK API (cot.md 12.4, 17 lines 47 and 50 to 53; marti-http.md 15 line 36): what comes back, in
//! which order, for whom, and what never does. Line 54, tracks as files, is of the plugin `kml`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Builder, Client, Server, Web, at, chat, event, join_all, marker, ping, sa, takp_q};

/// Uids of the events in a document, in order.
fn uids(text: &str) -> Vec<String> {
    let attribute = |tag: &str| tag.split("uid=\"").nth(1)?.split('"').next().map(str::to_owned);
    text.split("<event ").skip(1).filter_map(attribute).collect()
}

fn times(text: &str) -> Vec<String> {
    text.split("<event ").skip(1).map(|tag| tag.split(" time=\"").nth(1).unwrap()[..24].to_owned()).collect()
}

/// Uids of what comes before the event of this uid.
fn before(client: &mut Client, uid: &str) -> Vec<String> {
    client.until(|e| e.uid() == uid).1.iter().map(|e| e.uid().to_owned()).collect()
}

fn web(server: &Server) -> Web {
    Web::plain(server, "marti_http")
}

/// A position that was stale before it came.
fn outdated(uid: &str) -> String {
    let old = at(-400_000);
    format!(
        r#"<event version="2.0" uid="{uid}" type="a-f-G-U-C" how="m-g" time="{old}" start="{old}" stale="{old}"><point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/><detail/></event>"#
    )
}

#[test]
fn cot17_51_newest_all_window_box_and_part_of_a_uid() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let web = web(&server);
    for n in 0..2 {
        alice.send(&sa("A", &format!("ALICE-{n}")));
        alice.sync();
    }
    let newest = web.get("/Marti/api/cot/xml/A").expect(200);
    assert_eq!(newest.header("content-type"), Some("application/xml"));
    assert!(newest.text().starts_with("<?xml version='1.0' encoding='UTF-8' standalone='yes'?><event "));
    assert!(newest.text().contains("ALICE-1"));
    let all = web.get("/Marti/api/cot/xml/A/all").expect(200).text();
    let (all, order) = (uids(&all), times(&all));
    assert!(all == ["A", "A", "A"] && order.windows(2).all(|w| w[0] >= w[1]), "{order:?}");
    let window = format!("start={}&end={}", at(-60_000), at(60_000));
    let there = |query: &str| web.get(&format!("/Marti/api/cot/sa?{window}{query}"));
    assert_eq!(uids(&there("&left=-76&bottom=45&right=-75&top=46").expect(200).text()).len(), 3);
    there("&left=10&bottom=45&right=11&top=46").expect(404);
    web.get(&format!("/Marti/api/cot/sa?start={}&end={}", at(-86_500_000), at(0))).expect(400);
    web.get(&format!("/Marti/api/cot/sa?start={}&end={}", at(0), at(-1_000))).expect(400);
    assert_eq!(web.get("/Marti/api/cot/matchUid?search=A").expect(200).json(), serde_json::json!(["A"]));
    assert!(web.get("/Marti/api/cot/matchUid?search=nobody").expect(404).body.is_empty());
    server.eventually("it is more than a second ago", || web.get("/Marti/api/cot/xml/A/all?secago=1").status == 404);
}

#[test]
fn m15_36_a_known_uid_parses_and_an_unknown_one_is_an_empty_404() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&event(
        "x.1:y/z",
        "b-m-p-s-m",
        r#"<a:b xmlns:a="u" q="&lt;&quot;">Žluť 😀</a:b><marti><dest group="__ANON__"/></marti>"#,
    ));
    alice.sync();
    let web = web(&server);
    let text = web.get("/Marti/api/cot/xml/x.1:y%2Fz").expect(200).text();
    let tree = fts_tests::parse(text.split_once("?>").unwrap().1).unwrap();
    assert_eq!(tree.attr("uid"), "x.1:y/z");
    let detail = tree.child("detail").unwrap();
    assert!(detail.child("a:b").unwrap().attr("q") == "<\"" && detail.child("marti").is_none());
    assert_eq!(web.get("/Marti/api/cot/xml/x.1:y/z").expect(200).text(), text, "also with its slash as it is");
    let unknown = web.get("/Marti/api/cot/xml/nobody").expect(404);
    assert!(unknown.body.is_empty());
    let list = br#"["x.1:y/z", "nobody", "A"]"#;
    for method in ["GET", "POST"] {
        let reply = web.send(method, "/Marti/api/cot", &[("content-type", "application/json")], list).expect(200);
        assert_eq!(uids(&reply.text()), ["x.1:y/z", "A"], "{method}");
    }
    assert_eq!(
        web.post("/Marti/api/cot", "application/json", b"[\"nobody\"]")
            .expect(200)
            .text()
            .matches("<events></events>")
            .count(),
        1
    );
    web.post("/Marti/api/cot", "application/json", b"[]").expect(400);
}

#[test]
fn cot17_52_what_is_not_to_be_kept_and_what_the_server_consumes_is_not() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&event("secret", "b-m-p-s-m", r#"<marti archive="false"/>"#));
    alice.send(&ping("A"));
    alice.send(&takp_q("A-q", "7"));
    alice.send(&marker("kept"));
    alice.sync();
    let web = web(&server);
    web.get("/Marti/api/cot/xml/kept").expect(200);
    for uid in ["secret", "A-ping", "A-q"] {
        web.get(&format!("/Marti/api/cot/xml/{uid}/all")).expect(404);
    }
    let window = format!("/Marti/api/cot/sa?start={}&end={}&isFiltered=false", at(-60_000), at(60_000));
    assert_eq!(uids(&web.get(&window).expect(200).text()), ["kept", "A"]);
}

#[test]
fn cot17_50_a_deleted_marker_is_not_given_and_not_shown() {
    let server = Server::build().set("cot.replay_map_items", "true").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&marker("M"));
    alice.sync();
    let web = web(&server);
    web.get("/Marti/api/cot/xml/M").expect(200);
    alice.send(&event("d", "t-x-d-d", r#"<link uid="M" relation="p-p" type="b-m-p-s-m"/><__forcedelete/>"#));
    alice.sync();
    web.get("/Marti/api/cot/xml/M").expect(404);
    web.get("/Marti/api/cot/xml/M/all").expect(200);
    let mut carol = Client::join(&server, "C", "CAROL");
    alice.send(&marker("fence"));
    let shown = before(&mut carol, "fence");
    assert!(!shown.contains(&"M".to_owned()), "{shown:?}");
}

#[test]
fn cot17_53_old_rows_go_and_the_newest_that_is_good_stays() {
    let server = Server::build().set("retention.cot", "\"1s\"").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&sa("A", "ALICE"));
    alice.send(&outdated("S"));
    alice.sync();
    let web = web(&server);
    assert_eq!(uids(&web.get("/Marti/api/cot/xml/A/all").expect(200).text()).len(), 2);
    web.get("/Marti/api/cot/xml/S").expect(200);
    server.eventually("what is old is gone", || {
        server.cli_json(&["db", "vacuum"]);
        web.get("/Marti/api/cot/xml/S").status == 404 && uids(&web.get("/Marti/api/cot/xml/A/all").text()).len() == 1
    });
    web.get("/Marti/api/cot/xml/A").expect(200);
}

fn grouped() -> Builder {
    Server::build()
        .listener("red", "cot_tcp", "default_groups = [\"red\"]")
        .listener("blue", "cot_tcp", "default_groups = [\"blue\"]")
        .set("listeners.marti_http.default_groups", "[\"red\"]")
}

#[test]
fn nobody_reads_what_was_sent_to_others() {
    let server = grouped().start();
    let mut alice = Client::join_to(&server, "red", "A", "ALICE");
    let mut bob = Client::join_to(&server, "red", "B", "BOB");
    let mut carol = Client::join_to(&server, "blue", "C", "CAROL");
    carol.send(&marker("blue-marker"));
    carol.sync();
    alice.send(&marker("red-marker"));
    alice.send(&chat(("A", "ALICE"), "B", "BOB", "RootContactGroup", "private", r#"<dest callsign="BOB"/>"#));
    alice.send(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", "public", ""));
    alice.sync();
    before(&mut bob, "GeoChat.A.B.private");
    let web = web(&server);
    web.get("/Marti/api/cot/xml/red-marker").expect(200);
    for uid in ["blue-marker", "C", "blue-marker/all"] {
        web.get(&format!("/Marti/api/cot/xml/{uid}")).expect(404);
    }
    let window = format!("/Marti/api/cot/sa?start={}&end={}&isFiltered=false", at(-60_000), at(60_000));
    let listed = uids(&web.get(&window).expect(200).text());
    assert_eq!(listed, ["GeoChat.A.All Chat Rooms.public", "red-marker", "B", "A"], "no private chat, nothing blue");
    assert_eq!(web.get("/Marti/api/cot/matchUid?search=blue").status, 404);
    assert_eq!(web.get("/Marti/api/cot/matchUid?search=private").status, 404);
}

#[test]
fn the_map_is_as_it_was_after_a_restart() {
    let build = || Server::build().set("cot.replay_map_items", "true");
    let mut server = build().start();
    let [mut alice, bob, _eve] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("E", "EVE")]);
    alice.send(&marker("M"));
    alice.sync();
    drop(bob);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "B");
    assert!(server.stop().success());
    assert!(!server.data_dir().join("fts.db-wal").exists(), "the log is in the file");
    let again = build().set("storage.restore_positions", "true").again(&server).start();
    let mut looking = Client::connect(&again);
    let mut alice = Client::join(&again, "A", "ALICE");
    let mut carol = Client::join(&again, "C", "CAROL");
    carol.send(&marker("fence"));
    let sorted = |mut uids: Vec<String>| {
        uids.sort();
        uids
    };
    assert_eq!(sorted(before(&mut alice, "fence")), ["C", "E", "M"], "not itself, and not who said goodbye");
    alice.send(&marker("other"));
    assert_eq!(sorted(before(&mut carol, "other")), ["A", "E", "M"], "each once");
    // Who does not say who it is might be EVE herself: it sees her a little later.
    let (_, first) = looking.until(|e| e.uid() == "E");
    let first: Vec<&str> = first.iter().map(|e| e.uid()).collect();
    assert!(first.contains(&"fence") && first.contains(&"M"), "{first:?}");
    drop((looking, alice, carol, again));
    let off = Server::build().again(&server).set("storage.restore_positions", "false").start();
    let mut carol = Client::join(&off, "C", "CAROL");
    let mut dave = Client::join(&off, "D", "DAVE");
    dave.send(&marker("fence"));
    assert_eq!(before(&mut carol, "fence"), ["D"]);
}

#[test]
fn cot17_47_who_comes_back_is_sent_what_it_missed_once() {
    let server = Server::build().set("cot.store_forward_chat", "true").start();
    let [mut alice, bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    drop(bob);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "B");
    alice.send(&chat(("A", "ALICE"), "B", "BOB", "RootContactGroup", "m1", r#"<dest callsign="BOB"/>"#));
    let (pending, _) = alice.until(|e| e.uid() == "GeoChat.A.B.m1");
    assert_eq!(pending.kind(), "b-t-f-p", "it is kept for him");
    alice.send(&chat(("A", "ALICE"), "All Chat Rooms", "All Chat Rooms", "RootContactGroup", "m2", ""));
    alice.send(&chat(("A", "ALICE"), "X", "XENIA", "RootContactGroup", "m3", r#"<dest callsign="XENIA"/>"#));
    alice.sync();
    let mut bob = Client::join(&server, "B", "BOB");
    let mut chats = Vec::new();
    while chats.len() < 2 {
        let next = bob.next();
        if next.kind() == "b-t-f" {
            assert!(next.detail("marti").is_none());
            chats.push(next.uid().to_owned());
        }
    }
    assert_eq!(chats, ["GeoChat.A.B.m1", "GeoChat.A.All Chat Rooms.m2"]);
    drop(bob);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "B" && l["rx_events"] != 1);
    let mut bob = Client::join(&server, "B", "BOB");
    alice.send(&marker("fence"));
    let came = before(&mut bob, "fence");
    assert!(came.iter().all(|uid| !uid.starts_with("GeoChat")), "a second time nothing comes: {came:?}");
}

#[test]
fn figures_of_the_database_are_shown() {
    let server = Server::start();
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&marker("M"));
    alice.sync();
    web(&server).get("/Marti/api/cot/xml/M").expect(200);
    for name in ["fts_db_write_batch_rows_count", "fts_db_query_seconds_count", "fts_db_size_bytes"] {
        assert!(server.metric(name, &[]) > 0.0, "{name}");
    }
    assert!(server.metric("fts_db_query_seconds_count", &["op=\"latest\""]) > 0.0);
    let db = server.admin("GET", "/admin/db", "").json();
    assert!(db["bytes"].as_u64().unwrap() > 0 && db["trouble"].is_null(), "{db}");
}

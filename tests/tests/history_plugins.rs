//! Plugins and the history (plugins.md 1.2 item 7, 1.3): what they are asked and answer, what they may ask, and a source
//! that does not answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::plugin_bed;

use fts_tests::{Client, Server, Web, at, chat, event, marker};
use plugin_bed::{Asks, probe};
use serde_json::{Value, json};

fn now() -> i64 {
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(at.as_millis()).unwrap()
}

fn kept(uid: &str, text: &str, received: i64, group: &str) -> Value {
    json!({"uid": uid, "text": text.as_bytes(), "received": received, "groups": [group]})
}

fn uids(list: &Value) -> Vec<String> {
    let uid =
        |text: &Value| text.as_str().unwrap().split("uid=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    list.as_array().unwrap().iter().map(uid).collect()
}

#[test]
fn events_a_plugin_keeps_are_given_with_ours_by_time_and_to_whom_it_says() {
    let server = probe("").start();
    let web = Web::plain(&server, "marti_http");
    let mut alice = Client::join(&server, "A", "ALICE");
    alice.send(&event("M", "b-m-p-s-m", r#"<contact callsign="ours"/>"#));
    alice.sync();
    let theirs = |name: &str| event("M", "b-m-p-s-m", &format!(r#"<contact callsign="{name}"/>"#));
    let events = [
        kept("M", &theirs("older"), now() - 3_600_000, "__ANON__"),
        kept("M", &theirs("newer"), now() + 3_600_000, "__ANON__"),
        kept("M", &theirs("secret"), now() + 7_200_000, "red"),
        kept("only", &event("only", "b-m-p-s-m", ""), now(), "__ANON__"),
    ];
    server.probe(json!({"do": "keep", "events": events, "slow": false}));
    let text = web.get("/Marti/api/cot/xml/M/all").expect(200).text();
    let names: Vec<&str> = text.split("callsign=\"").skip(1).map(|t| t.split('"').next().unwrap()).collect();
    assert_eq!(names, ["newer", "ours", "older"], "newest first; what is for others the plugin keeps to itself");
    assert!(web.get("/Marti/api/cot/xml/M").expect(200).text().contains("newer"));
    web.get("/Marti/api/cot/xml/only").expect(200);
    let asked = server.diary("asked");
    assert!(asked.iter().any(|a| a["uid"] == "only" && a["user"] == ""), "{asked:?}");
    // One that does not answer costs two seconds and its own events.
    server.probe(json!({"do": "keep", "events": events, "slow": true}));
    assert!(web.get("/Marti/api/cot/xml/M").expect(200).text().contains("ours"));
    server.wait_plugin("probe", "plugin.slow", "what it keeps");
    server.probe(json!({"do": "keep", "events": [], "slow": false}));
    let before = server.diary("asked").len();
    server.probe(json!({"do": "stored", "uid": "M"}));
    assert_eq!(server.diary("asked").len(), before, "who asks is not asked");
}

#[test]
fn a_plugin_finds_stored_events_and_tracks() {
    let server = probe("").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    let mut bob = Client::join(&server, "B", "BOB");
    alice.send(&marker("M"));
    alice.send(&chat(("A", "ALICE"), "B", "BOB", "RootContactGroup", "private", r#"<dest callsign="BOB"/>"#));
    alice.sync();
    bob.until(|e| e.uid() == "GeoChat.A.B.private");
    let found = |query: Value| uids(&server.probe(query));
    server.eventually("they are stored", || {
        found(json!({"do": "stored", "types": ["b-t-f"], "addressed": true})).len() == 1
    });
    assert_eq!(found(json!({"do": "stored", "types": ["b-m-p"]})), ["M"]);
    assert!(
        found(json!({"do": "stored", "types": ["b-t-f"]})).is_empty(),
        "what is addressed only when it is asked for"
    );
    assert_eq!(found(json!({"do": "stored", "limit": 1})).len(), 1);
    assert!(found(json!({"do": "stored", "groups": ["red"]})).is_empty());
    assert!(found(json!({"do": "stored", "bbox": [0.0, 0.0, 1.0, 1.0]})).is_empty());
    assert!(found(json!({"do": "stored", "to": 1})).is_empty());
    let tracks = |query: Value| server.probe(query).as_array().unwrap().clone();
    let own = tracks(json!({"do": "tracks", "uid": "A"}));
    assert_eq!((own.len(), &own[0]["callsign"], &own[0]["lat"]), (1, &json!("ALICE"), &json!(45.5)));
    // An uploaded track: as it is, once.
    let points: Vec<Value> = (0..100)
        .map(|n| json!({"uid": "T", "time": 1_000_000_000_000_i64 + n, "lat": 1.0, "lon": 2.0, "groups": ["__ANON__"]}))
        .collect();
    assert_eq!(server.probe(json!({"do": "append", "points": points})), 100);
    assert_eq!(server.probe(json!({"do": "append", "points": points})), 0);
    let all = json!({"do": "tracks", "uid": "T", "from": 0, "to": 2_000_000_000_000_i64});
    let back = tracks(all);
    assert!(back.len() == 100 && back.windows(2).all(|w| w[0]["time"].as_i64() < w[1]["time"].as_i64()));
    assert_eq!(back[0]["source"], "probe");
    let (status, text) =
        server.refused(json!({"do": "append", "points": [{"uid": "T", "time": 1, "lat": 91.0, "lon": 0.0}]}));
    assert!(status >= 400 && text.contains("no point"), "{status} {text}");
    // The newest of a uid also when nobody of that name is there any more.
    drop(alice);
    server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "A");
    assert!(server.probe(json!({"do": "latest", "uid": "A"})).as_str().unwrap().contains("ALICE"));
    let _ = at(0);
}

#[test]
fn what_a_plugin_sends_is_stored_when_it_says_so() {
    let server: Server = probe("").start();
    let web = Web::plain(&server, "marti_http");
    let send = |uid: &str, archive: bool| {
        server.probe(json!({"do": "send", "text": marker(uid), "to": "All", "archive": archive}));
    };
    send("repeat", false);
    send("kept", true);
    // It is routed behind the answer.
    server.eventually("it is stored", || web.get("/Marti/api/cot/xml/kept").status == 200);
    web.get("/Marti/api/cot/xml/repeat").expect(404);
}

#[test]
fn who_waits_for_an_event_is_told_when_it_can_be_found_or_when_the_limit_is_over() {
    let server = probe("").start();
    let mut alice = Client::join(&server, "A", "ALICE");
    server.probe(json!({"do": "await", "uid": "soon", "ms": 60_000}));
    server.probe(json!({"do": "await", "uid": "never", "ms": 50}));
    server.eventually("one is told that it is late", || !server.saw("told").is_empty());
    let late = &server.diary("told")[0];
    assert_eq!(
        (late["uid"].as_str(), late["what"].as_str(), late["found"].as_bool()),
        (Some("never"), Some("Late"), Some(false))
    );
    alice.send(&event("soon", "b-m-p-s-m", ""));
    alice.send(&event("soon", "b-m-p-s-m", ""));
    server.eventually("the other is told", || server.saw("told").len() > 1);
    alice.sync();
    let told = server.diary("told");
    assert_eq!((told[1]["what"].as_str(), told[1]["found"].as_bool(), told.len()), (Some("Stored"), Some(true), 2));
}

//! Video feeds over HTTP (marti-http.md 8; 15 line 32).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use fts_tests::{Pki, Server, Web, parse};
use serde_json::json;

use crate::accounts_bed;

const GATE: &str = "<videoConnections><feed><protocol>rtsp</protocol><alias>Gate</alias><uid>v-1</uid><address>10.0.0.9</address><port>554</port>
<roverPort>-1</roverPort><ignoreEmbeddedKLV>false</ignoreEmbeddedKLV><preferredMacAddress/><path>/live</path><buffer>-1</buffer>
<timeout>5000</timeout><rtspReliable>0</rtspReliable></feed></videoConnections>";

const NAMES: [&str; 12] = [
    "protocol",
    "alias",
    "uid",
    "address",
    "port",
    "roverPort",
    "ignoreEmbeddedKLV",
    "preferredMacAddress",
    "path",
    "buffer",
    "timeout",
    "rtspReliable",
];

/// As ATAK posts it.
fn posted(web: &Web, xml: &str) -> u16 {
    web.send(
        "POST",
        "/Marti/vcm",
        &[("content-type", "application/xml"), ("content-encoding", "UTF-8")],
        xml.as_bytes(),
    )
    .status
}

fn feeds(web: &Web) -> Vec<fts_tests::Element> {
    let reply = web.get("/Marti/vcm").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/xml"));
    parse(&reply.text()).unwrap().children().cloned().collect()
}

#[test]
fn m15_32_feeds_of_the_first_version() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    assert!(web.get("/Marti/vcm").expect(200).text().contains("videoConnections"));
    assert_eq!(posted(&web, GATE), 200);
    let values = |feed: &fts_tests::Element| NAMES.map(|n| feed.child(n).unwrap().text());
    let sent = parse(GATE).unwrap();
    assert_eq!(values(&feeds(&web)[0]), values(sent.child("feed").unwrap()));
    assert_eq!(posted(&web, &GATE.replace("<preferredMacAddress/>", "").replace("v-1", "v-2")), 200);
    assert_eq!(posted(&web, &format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{GATE}")), 400);
    assert_eq!(posted(&web, &GATE.replace("<alias>Gate</alias>", "")), 400);
    assert_eq!(feeds(&web).len(), 2);
}

#[test]
fn m15_32_the_second_version_shows_the_same() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    assert_eq!(posted(&web, GATE), 200);
    let reply = web.get("/Marti/api/video").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let feed = reply.json()["videoConnections"][0]["feeds"][0].clone();
    assert_eq!((&feed["url"], &feed["roverPort"]), (&json!("rtsp://10.0.0.9:554/live"), &json!("-1")));
    let body = json!({"videoConnections": [{"uuid": "c-1", "alias": "Camp", "feeds": [{"alias": "N", "url": "srt://h:9000"}]}]});
    let made = web.post("/Marti/api/video", "application/json", body.to_string().as_bytes()).expect(200);
    assert!(
        made.body.is_empty() && made.header("content-type").is_none(),
        "node-tak parses a JSON body that is not there"
    );
    assert_eq!(feeds(&web).len(), 2);
    web.get("/Marti/api/video/c-1").expect(200);
    web.delete("/Marti/api/video/c-1").expect(200);
    assert_eq!(web.get("/Marti/api/video/c-1").expect(404).json()["status"], "NOT_FOUND");
}

#[test]
fn m08_1_itak_gets_whole_urls_and_nobody_gets_credentials() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    assert_eq!(posted(&web, &GATE.replace("10.0.0.9", "admin:hunter2@10.0.0.9")), 200);
    let itak = web.clone().header("user-agent", "iTAK/2.8.1 CFNetwork/1410");
    assert_eq!(feeds(&itak)[0].child("address").unwrap().text(), "rtsp://10.0.0.9:554/live");
    assert_eq!(feeds(&web)[0].child("address").unwrap().text(), "10.0.0.9");
    assert!(!web.get("/Marti/api/video").text().contains("hunter2"));
}

#[test]
fn m08_1_feeds_survive_a_restart_and_belong_to_their_owner() {
    let mut server = Server::build().secure().start();
    for name in ["alpha", "bravo"] {
        accounts_bed::user(&server, name, "user", &[]);
    }
    let (alpha, bravo) = (Pki::issue(&server, "alpha"), Pki::issue(&server, "bravo"));
    assert_eq!(posted(&Web::tls(&server, "marti_https", Some(&alpha)), GATE), 200);
    server.stop();
    let server = Server::build().secure().again(&server).start();
    let (alpha, bravo) =
        (Web::tls(&server, "marti_https", Some(&alpha)), Web::tls(&server, "marti_https", Some(&bravo)));
    assert_eq!(posted(&bravo, &GATE.replace("Gate", "Other")), 200);
    assert_eq!(feeds(&bravo)[0].child("alias").unwrap().text(), "Gate");
    bravo.delete("/Marti/vcm?id=v-1").expect(403);
    assert_eq!(posted(&alpha, &GATE.replace("Gate", "North gate")), 200);
    assert_eq!(feeds(&bravo)[0].child("alias").unwrap().text(), "North gate");
    alpha.delete("/Marti/vcm?id=v-1").expect(200);
    assert!(feeds(&bravo).is_empty());
}

#[test]
fn m02_6_a_feed_of_a_group_is_not_there_for_others() {
    let server = Server::build().secure().start();
    for (name, group) in [("alpha", "Blue"), ("bravo", "Red")] {
        accounts_bed::group(&server, group);
        accounts_bed::user(&server, name, "user", &[group]);
    }
    let web = |name| Web::tls(&server, "marti_https", Some(&Pki::issue(&server, name)));
    let (alpha, bravo) = (web("alpha"), web("bravo"));
    assert_eq!(posted(&alpha, GATE), 200);
    assert_eq!((feeds(&alpha).len(), feeds(&bravo).len(), feeds(&Web::plain(&server, "marti_http")).len()), (1, 0, 0));
    bravo.get("/Marti/api/video/v-1").expect(404);
    bravo.put("/Marti/api/video/v-1", "application/json", b"{}").expect(404);
    bravo.delete("/Marti/vcm?id=v-1").expect(404);
}

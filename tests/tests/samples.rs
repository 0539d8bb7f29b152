//! What becomes of every sample file (cot.md 17, lines 10 and 11): the events of other projects in ../shared/data/cot and
//! our own in tests/fixtures/cot. One table row per event says the outcome; a file without rows and rows without a file
//! fail.
//!
//! Each event is sent by a client of its own over TCP and looked at over TCP and TLS; then it goes XML to protobuf on one
//! server and the same frame on to XML on another. Equal means: the same tree, white space included (where `<marti>` was
//! cut out or protobuf was between: without white space between elements). Only flow tags, `<marti>` and the repairs of
//! the row are left out of the comparison; behind protobuf also what cot.md 3.5 says: order of typed elements, form of
//! numbers and times, `version`, attributes of `event` that protobuf does not have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use fts_tests::{Client, Element, Event, Node, Pki, Server, frame, marker, parse, sa_team};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

mod tables;
use tables::{OTHERS, OURS, Outcome, Row};

/// Who is there: callsign and team; the uid is `uid-<callsign>`.
const CAST: [(&str, &str); 7] = [
    ("HelioHQ", ""),
    ("corvo", ""),
    ("user2", "Red"),
    ("JOKER MAN", ""),
    ("LUCHS", "Teal"),
    ("OTTER", "Cyan"),
    ("WITNESS", "White"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files and their bytes; None where the folder is not there.
fn files(dir: PathBuf) -> Option<BTreeMap<String, Vec<u8>>> {
    let entries = fs::read_dir(&dir).ok()?;
    let xml = entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "xml"));
    Some(xml.map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&p).unwrap())).collect())
}

/// The rows of each file; every file has some and every row has its file.
fn rows<'t>(files: &BTreeMap<String, Vec<u8>>, table: &'t [Row]) -> BTreeMap<&'t str, Vec<&'t Row>> {
    let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    table.iter().for_each(|row| rows.entry(row.0).or_default().push(row));
    let without_row: Vec<_> = files.keys().filter(|f| !rows.contains_key(f.as_str())).collect();
    let without_file: Vec<_> = rows.keys().filter(|f| !files.contains_key(**f)).collect();
    assert!(without_row.is_empty() && without_file.is_empty(), "no row: {without_row:?}, no file: {without_file:?}");
    rows
}

/// The texts of a file's events.
fn events(bytes: &[u8], count: usize) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let begin = text.find("<event").unwrap();
    if count == 1 {
        return vec![text[begin..text.rfind("</event>").unwrap() + 8].to_owned()];
    }
    let parts: Vec<_> = text[begin..].split_inclusive("</event>").filter(|p| p.contains("<event")).collect();
    assert_eq!(parts.len(), count, "rows and events");
    parts.iter().map(|p| p[p.find("<event").unwrap()..].to_owned()).collect()
}

/// The tree a receiver must get: without `<marti>`, flow tags and with the row's repairs.
fn wanted(text: &str, row: &Row) -> Element {
    let mut tree = parse(text).unwrap();
    if tree.child("detail").is_none() {
        tree.nodes.push(Node::Element(Element { name: "detail".into(), ..Element::default() }));
    }
    for (element, name, value) in row.2 {
        let at = match *element {
            "event" => &mut tree,
            _ => child_mut(&mut tree, "point"),
        };
        at.attrs.insert((*name).into(), (*value).into());
    }
    tree
}

fn child_mut<'t>(tree: &'t mut Element, name: &str) -> &'t mut Element {
    let children = tree.nodes.iter_mut().filter_map(|n| if let Node::Element(e) = n { Some(e) } else { None });
    children.into_iter().find(|e| e.name == name).unwrap()
}

/// Both sides of a comparison.
fn bare(tree: Element) -> Element {
    let had_marti = tree.child("detail").is_some_and(|d| d.child("marti").is_some());
    let tree = tree.without(&["_flow-tags_", "marti"]);
    if had_marti { tree.tidy() } else { tree }
}

fn assert_relayed(got: &Event, text: &str, row: &Row, how: &str) {
    let wanted = bare(wanted(text, row));
    let mut got = bare(got.tree().clone());
    if parse(text).unwrap().child("detail").is_some_and(|d| d.child("marti").is_some()) {
        got = got.tidy();
    }
    assert_eq!(got, wanted, "{} {how}", row.0);
}

const TYPED: [&str; 6] = ["contact", "__group", "precisionlocation", "status", "takv", "track"];

/// An event as protobuf keeps it: (attributes, typed elements by name, the others in order).
fn essence(mut tree: Element) -> (BTreeMap<String, String>, Vec<Element>, Vec<Element>) {
    tree = tree.without(&["_flow-tags_", "marti"]).tidy();
    let mut attrs = tree.attrs.clone();
    const KNOWN: [&str; 11] =
        ["uid", "type", "how", "time", "start", "stale", "access", "qos", "opex", "caveat", "releasableTo"];
    attrs.retain(|name, value| KNOWN.contains(&name.as_str()) && !value.is_empty());
    for name in ["time", "start", "stale"] {
        let time = OffsetDateTime::parse(&attrs[name], &Rfc3339).unwrap();
        attrs.insert(name.into(), (time.unix_timestamp_nanos() / 1_000_000).to_string());
    }
    let number = |value: &str| value.parse::<f64>().map_or_else(|_| value.to_owned(), |n| n.to_string());
    attrs.extend(tree.child("point").unwrap().attrs.iter().map(|(n, v)| (format!("point/{n}"), number(v))));
    let detail = tree.child("detail").cloned().unwrap_or_default();
    let (mut typed, others): (Vec<_>, Vec<_>) =
        detail.children().cloned().partition(|c| TYPED.contains(&c.name.as_str()));
    typed.sort_by_key(|e| TYPED.iter().position(|t| *t == e.name));
    for element in &mut typed {
        let plain = element.name == "track" || element.name == "status";
        element.attrs.values_mut().filter(|_| plain).for_each(|v| *v = number(v));
    }
    (attrs, typed, others)
}

/// Everybody's events up to a marker that comes behind the sample, goodbyes of earlier senders left out.
fn until_fence(client: &mut Client, fence: &str, sent: &[String]) -> Vec<Event> {
    let (_, before) = client.until(|e| e.uid() == fence);
    let own = |e: &Event| sent.iter().any(|text| parse(text).is_ok_and(|t| t.attr("uid") == e.uid()));
    before.into_iter().filter(|e| e.kind() != "t-x-d-d" || own(e)).collect()
}

fn counted(server: &Server, reason: &str) -> f64 {
    let label = format!("reason=\"{reason}\"");
    ["fts_cot_rejected_total", "fts_cot_dropped_total"].iter().map(|m| server.metric(m, &[&label])).sum()
}

/// Over TCP to TCP and TLS receivers.
fn relay(files: &BTreeMap<String, Vec<u8>>, table: &[Row]) {
    // Each of the cast is there twice, with and without TLS.
    let server = Server::build().tls().set("plugins.enabled", "[]").set("cot.duplicate_uid", "\"allow\"").start();
    let config = Pki::issue(&server, "tls").client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let tls = || Client::tls(&server, "cot_tls", Arc::clone(&config)).unwrap().greeted();
    let mut cast: Vec<(&str, Client, Client)> = Vec::new();
    for (callsign, team) in CAST {
        let [plain, tls] = [Client::connect(&server), tls()].map(|mut client| {
            client.send(&sa_team(&format!("uid-{callsign}"), callsign, team, "Team Member"));
            client.sync();
            client
        });
        cast.push((callsign, plain, tls));
    }
    // Each has seen the others before the first sample comes.
    Client::connect(&server).send(&marker("begin"));
    for (_, plain, tls) in &mut cast {
        for client in [plain, tls] {
            client.until(|e| e.uid() == "begin");
        }
    }
    for (file, rows) in rows(files, table) {
        let bytes = &files[file];
        let broken = rows.iter().any(|r| matches!(r.1, Outcome::Nobody("xml" | "utf8" | "doctype")));
        let sent = if broken { Vec::new() } else { events(bytes, rows.len()) };
        let before: Vec<f64> = rows.iter().map(|r| counted(&server, r.1.reason())).collect();
        let mut sender = Client::connect(&server);
        sender.send_bytes(bytes);
        let fence = format!("fence-{file}");
        sender.send(&marker(&fence));
        for (callsign, plain, tls) in &mut cast {
            for (client, how) in [(plain, "TCP to TCP"), (tls, "TCP to TLS")] {
                let got = until_fence(client, &fence, &sent);
                let expected: Vec<_> = rows.iter().enumerate().filter(|(_, r)| r.1.reaches(callsign)).collect();
                assert_eq!(got.len(), expected.len(), "{file} at {callsign}, {how}: {got:?}");
                for (got, (n, row)) in got.iter().zip(expected) {
                    assert_relayed(got, &sent[n], row, how);
                }
            }
        }
        // The connection is open, and what was not relayed has its reason.
        sender.sync();
        for (row, before) in rows.iter().zip(before).filter(|(r, _)| !r.1.reason().is_empty()) {
            let same = rows.iter().filter(|r| r.1.reason() == row.1.reason()).count() as f64;
            assert_eq!(counted(&server, row.1.reason()) - before, same, "{file}: {}", row.1.reason());
        }
    }
}

/// XML to protobuf on one server, the same frame to XML on another.
fn round_trip(files: &BTreeMap<String, Vec<u8>>, table: &[Row]) {
    let [there, back] =
        [(), ()].map(|()| Server::build().set("plugins.enabled", "[]").set("cot.flow_tags", "false").start());
    for (file, rows) in rows(files, table) {
        let relayed = rows.iter().enumerate().filter(|(_, r)| CAST.iter().any(|(callsign, _)| r.1.reaches(callsign)));
        for (n, row) in relayed {
            let text = &events(&files[file], rows.len())[n];
            let tree = parse(text).unwrap();
            // Whom the event names, on the way there by `<marti>` or its content ...
            let callsign = if let Outcome::Directed(to) = row.1 { to[0] } else { "WITNESS" };
            let team = CAST.iter().find(|c| c.0 == callsign).unwrap().1;
            let mut proto = Client::connect(&there);
            proto.send(&sa_team(&format!("uid-{callsign}"), callsign, team, "Team Member"));
            proto.sync();
            let mut proto = proto.negotiate();
            let mut sender = Client::connect(&there);
            let got = behind_the_replay(&mut sender, text.as_bytes(), &mut proto, tree.attr("uid"));
            // ... and on the way back, where `<marti>` is gone, by its content alone.
            let (uid, room) = named_by_content(&tree);
            let mut xml = Client::connect(&back);
            xml.send(&sa_team(&uid, callsign, &room, "Team Member"));
            xml.sync();
            let mut again = Client::connect(&back).negotiate();
            let got = behind_the_replay(&mut again, &frame(&got.raw), &mut xml, tree.attr("uid"));
            assert_eq!(essence(got.tree().clone()), essence(wanted(text, row)), "{file} XML to protobuf to XML");
            assert_eq!(got.attr("version"), "2.0");
            again.sync();
            sender.sync();
        }
    }
}

/// Sends this and returns what the receiver gets of it, not what it was shown of earlier senders with the same uid.
fn behind_the_replay(sender: &mut Client, bytes: &[u8], receiver: &mut Client, uid: &str) -> Event {
    sender.send(&marker("replay-is-over"));
    receiver.until(|e| e.uid() == "replay-is-over");
    sender.send_bytes(bytes);
    receiver.until(|e| e.uid() == uid).0
}

/// Uid and team by which a chat finds its receiver.
fn named_by_content(event: &Element) -> (String, String) {
    let chat = ["__chat", "__chatreceipt"].iter().find_map(|name| event.at(&format!("detail/{name}")));
    let member = chat.and_then(|c| c.child("chatgrp")).map_or("", |g| g.attr("uid1"));
    let uid = if member.is_empty() { "uid-receiver" } else { member };
    (uid.to_owned(), chat.map_or("", |c| c.attr("id")).to_owned())
}

#[test]
fn line_10_and_11_every_sample_of_other_projects() {
    match files(root().join("../../shared/data/cot")) {
        None => eprintln!("../shared/data/cot is not here: only our own fixtures are tested"),
        Some(files) => {
            relay(&files, OTHERS);
            round_trip(&files, OTHERS);
        }
    }
}

#[test]
fn line_10_and_11_every_fixture_of_ours() {
    let files = files(root().join("fixtures/cot")).unwrap();
    relay(&files, OURS);
    round_trip(&files, OURS);
}

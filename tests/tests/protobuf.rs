//! The TAK protocol over real sockets (cot.md 17, lines 18 to 26, and RULE-25, 28 to 31): announcement, switch,
//! both conversions against the golden vectors, frames cut anywhere, garbage between frames. Line 25 (events too big for
//! a frame) is in `oversize.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::{net::UdpSocket, time::Duration};

use fts_tests::{
    Client, Event, Server, event, fence, frame, join_all, marker,
    proto::{CotEvent, Detail, TakControl, TakMessage},
    takp_q,
};
use prost::Message;

/// V1 of cot.md 3.5, a ping: the stream frame.
const V1: &str = "bf50124e0a07742d782d632d742a0e414e44524f49442d312d70696e673080d095ffbc313880d095ffbc3140909e96ffbc314a036d2d67\
61000000e0cf12634169000000e0cf12634171000000e0cf126341";
/// V2, a position with all typed elements and one that stays XML.
const V2: &str = "bfd70112d4010a09612d662d472d552d432a09414e44524f49442d313080d095ffbc313880d095ffbc3140d8c1acffbc314a036d2d67\
510000000000c04640590000000000d052c0610000000000a0514069000000000000244071000000e0cf1263417a750a143c7569642044726f69\
643d225649504552222f3e12120a092a3a2d313a73746370120556495045521a130a044379616e120b5465616d204d656d6265722a02085732\
1c0a05504958454c12084154414b2d4349561a0233342205352e322e303a1209000000000000f83f110000000000805640";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap()).collect()
}

/// The payload of V2's frame: its header has three bytes.
fn v2_payload() -> Vec<u8> {
    bytes(V2)[3..].to_vec()
}

fn v2() -> CotEvent {
    TakMessage::decode(&v2_payload()[..]).unwrap().cot_event.unwrap()
}

/// A server that adds no flow tags, so that conversions can be compared whole.
fn exact() -> Server {
    Server::build().set("cot.flow_tags", "false").start()
}

/// An XML client and a protobuf client who know each other.
fn pair(server: &Server) -> [Client; 2] {
    let [xml, proto] = join_all(server, [("X", "XML"), ("P", "PROTO")]);
    [xml, proto.negotiate()]
}

fn message(cot: CotEvent) -> TakMessage {
    TakMessage { cot_event: Some(cot), ..TakMessage::default() }
}

fn rejected(server: &Server, reason: &str) -> f64 {
    server.metric("fts_cot_rejected_total", &[&format!("reason=\"{reason}\"")])
}

fn assert_is_announcement(hello: &Event) {
    assert_eq!(hello.kind(), "t-x-takp-v");
    assert!(uuid::Uuid::parse_str(hello.uid()).is_ok());
    let control = hello.detail("TakControl").unwrap();
    let versions: Vec<_> = control.children().filter(|c| c.name == "TakProtocolSupport").collect();
    assert!(versions.len() == 1 && versions[0].attr("version") == "1", "{control:?}");
    assert!(!control.child("TakServerVersionInfo").unwrap().attr("serverVersion").is_empty());
}

#[test]
fn line_18_each_connection_is_told_once_that_protobuf_is_spoken() {
    let server = Server::build().tls().start();
    let pki = fts_tests::Pki::issue(&server, "alice");
    let config = pki.client(&server.data_dir().join("certs/ca.pem"), rustls::ALL_VERSIONS);
    let mut plain = Client::to(server.address("cot_tcp"), "plain");
    let mut tls = Client::tls(&server, "cot_tls", config).unwrap();
    // Both before anybody is there: who is there is shown first (line 27).
    let uids = [&mut plain, &mut tls].map(|client| {
        let hello = client.next_within(Duration::from_secs(1)).unwrap();
        assert_is_announcement(&hello);
        hello.uid().to_owned()
    });
    let mut other = Client::connect(&server);
    for (client, uid) in [(plain, "PLAIN"), (tls, "TLS")] {
        // It does not come again, not even at identification.
        let mut client = client.identify(uid, uid);
        other.send(&marker(uid));
        let (_, before) = client.until(|e| e.uid() == uid && e.kind() == "b-m-p-s-m");
        assert!(before.iter().all(|e| e.kind() != "t-x-takp-v"), "{before:?}");
    }
    assert_ne!(uids[0], uids[1], "a fresh uid each");
}

#[test]
fn line_19_and_rule_28_the_reader_switches_at_the_byte_behind_the_request() {
    let server = exact();
    let both = [takp_q("ask", "1").as_bytes(), &bytes(V1)].concat();
    let end = takp_q("ask", "1").len();
    let mut other = Client::connect(&server);
    for cut in [0, 1, end - 1, end, end + 1, end + 2, end + 3, both.len() - 1] {
        let mut client = Client::connect(&server);
        client.send_bytes(&both[..cut]);
        // Somebody who came later has been answered: the first part has been read.
        other.sync();
        client.send_bytes(&both[cut..]);
        let answer = client.next();
        assert_eq!((answer.kind(), answer.uid()), ("t-x-takp-r", "ask"));
        assert_eq!(answer.detail("TakControl/TakResponse").unwrap().attr("status"), "true");
        // From here on the harness takes nothing but frames.
        client.proto = true;
        assert_eq!(client.next().kind(), "t-x-c-t-r");
    }
}

#[test]
fn rule_28_what_was_xml_before_the_switch_is_garbage_behind_it() {
    let server = exact();
    let [mut xml, mut proto] = pair(&server);
    proto.send_bytes(marker("xml").as_bytes());
    proto.send(&marker("frame"));
    xml.expect("frame");
    assert_eq!(rejected(&server, "garbage"), 1.0);
    let line = server.wait_log(|l| l["event"] == "client.protobuf");
    assert_eq!(line["level"], "INFO");
    assert_eq!(server.client("P")["proto"], "protobuf");
}

#[test]
fn line_20_another_version_is_refused_and_may_be_asked_again() {
    let server = exact();
    let [mut bob] = join_all(&server, [("B", "BOB")]);
    let mut client = Client::connect(&server);
    bob.sync();
    for version in ["7", "", "one"] {
        client.send(&takp_q("no", version));
        let answer = client.until(|e| e.kind() == "t-x-takp-r").0;
        assert_eq!((answer.uid(), answer.detail("TakControl/TakResponse").unwrap().attr("status")), ("no", "false"));
        client.send(&marker("still-xml"));
        bob.expect("still-xml");
    }
    let mut client = client.negotiate();
    client.send(&marker("as-frame"));
    bob.expect("as-frame");
}

#[test]
fn rule_29_negotiation_is_never_relayed_and_answers_of_clients_mean_nothing() {
    let server = exact();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    for kind in ["t-x-takp-v", "t-x-takp-r", "T-X-TAKP-V", "t-x-takp-x"] {
        alice.send(&event("takp", kind, "<TakControl><TakResponse status='true'/></TakControl>"));
    }
    alice.sync();
    fence(&mut alice, &mut [&mut bob]);
    assert!(server.cli_json(&["why", "--event", "takp"]).as_array().unwrap().is_empty());
}

#[test]
fn rule_30_listeners_that_speak_only_protobuf_and_never() {
    let server = Server::build()
        .set("cot.flow_tags", "false")
        .listener("proto", "cot_tcp", "protobuf = \"only\"")
        .listener("xml", "cot_tcp", "protobuf = \"off\"")
        .start();
    let [mut bob] = join_all(&server, [("B", "BOB")]);
    let mut only = Client::to(server.address("proto"), "only");
    only.proto = true;
    let shown = only.next();
    assert_eq!(shown.uid(), "B", "no announcement: the replay is first");
    only.send_bytes(marker("xml").as_bytes());
    only.send_bytes(&bytes(V2));
    assert_eq!(bob.next().uid(), "ANDROID-1");
    bob.send(&marker("to-frame"));
    assert_eq!(only.next().cot().uid, "to-frame");
    let mut off = Client::to(server.address("xml"), "off");
    off.send(&takp_q("ask", "1"));
    let (answer, before) = off.until(|e| e.kind() == "t-x-takp-r");
    assert!(before.iter().all(|e| e.kind() != "t-x-takp-v"), "{before:?}");
    assert_eq!(answer.detail("TakControl/TakResponse").unwrap().attr("status"), "false");
    bob.send(&marker("to-xml"));
    off.until(|e| e.uid() == "to-xml").0.tree();
}

#[test]
fn line_21_protobuf_becomes_xml() {
    let server = Server::start();
    let [mut xml, mut proto] = pair(&server);
    proto.send_bytes(&bytes(V2));
    let got = xml.next();
    let attrs = [
        ("version", "2.0"),
        ("uid", "ANDROID-1"),
        ("type", "a-f-G-U-C"),
        ("how", "m-g"),
        ("time", "2023-11-14T22:13:20.000Z"),
        ("start", "2023-11-14T22:13:20.000Z"),
        ("stale", "2023-11-14T22:19:35.000Z"),
    ];
    attrs.iter().for_each(|(name, value)| assert_eq!(got.attr(name), *value));
    assert_eq!(got.tree().attrs.len(), attrs.len());
    let point = r#"<point lat="45.5" lon="-75.25" hae="70.5" ce="10.0" le="9999999.0"/>"#;
    assert_eq!(*got.tree().child("point").unwrap(), fts_tests::parse(point).unwrap());
    let detail = r#"<detail><contact endpoint="*:-1:stcp" callsign="VIPER"/><__group name="Cyan" role="Team Member"/>
        <status battery="87"/><takv device="PIXEL" platform="ATAK-CIV" os="34" version="5.2.0"/>
        <track speed="1.5" course="90.0"/><uid Droid="VIPER"/></detail>"#;
    let event = got.tree().clone().without(&["_flow-tags_"]);
    assert_eq!(*event.child("detail").unwrap(), fts_tests::parse(detail).unwrap().tidy());
}

#[test]
fn line_22_xml_becomes_protobuf_field_by_field() {
    let server = exact();
    let [mut xml, mut proto] = pair(&server);
    proto.send_bytes(&bytes(V2));
    let text = xml.next().text().to_owned();
    // P's position V2 made "ANDROID-1" a contact of P; the same text from X must arrive at P in the golden bytes.
    xml.send(&text);
    let got = proto.next();
    assert_eq!(got.raw, v2_payload());
    // With the server's own tag: nothing else is different.
    let tagging = Server::start();
    let [mut xml, mut proto] = pair(&tagging);
    xml.send(&text);
    let mut got = proto.next().cot().clone();
    let detail = got.detail.as_mut().unwrap();
    let tag = detail.xml_detail.split_off(detail.xml_detail.find("<_flow-tags_ ").unwrap());
    assert!(tag.ends_with("/>") && !tag[1..].contains('<'), "{tag}");
    assert_eq!(got, v2());
}

#[test]
fn line_23_an_element_moves_only_as_a_whole() {
    let server = exact();
    let [mut xml, mut proto] = pair(&server);
    let stay = [
        r#"<contact callsign="V" phone="1"/>"#,
        r#"<contact endpoint="*:-1:stcp"/>"#,
        r#"<contact callsign="V"> </contact>"#,
        r#"<contact callsign="V"><x/></contact>"#,
        r#"<__group name="Cyan"/>"#,
        r#"<precisionlocation altsrc="???"/>"#,
        r#"<status readiness="true"/>"#,
        r#"<status battery="87.5"/>"#,
        r#"<status battery="-1"/>"#,
        r#"<takv platform="P" os="o" version="v"/>"#,
        r#"<track speed="1" course="2" slope="3"/>"#,
        r#"<track speed="fast" course="2"/>"#,
        r#"<uid Droid="V"/>"#,
        r#"<contact callsign="V"/><contact callsign="W"/>"#,
    ];
    for element in stay {
        xml.send(&event("stays", "b-m-p-s-m", element));
        let got = proto.next().cot().detail.clone().unwrap();
        assert_eq!(got, Detail { xml_detail: element.into(), ..Detail::default() });
    }
    xml.send(&event("empty", "b-m-p-s-m", ""));
    assert_eq!(proto.next().cot().detail, None);
    // Both a message and its element: the element wins.
    let mut both = v2();
    both.uid = "both".into();
    both.detail.as_mut().unwrap().xml_detail = r#"<x/><contact callsign="FROM-XML" phone="2"/>"#.into();
    proto.send_bytes(&frame(&message(both).encode_to_vec()));
    let got = xml.next();
    let all: Vec<_> = got.tree().child("detail").unwrap().children().filter(|c| c.name == "contact").collect();
    assert!(all.len() == 1 && all[0].attr("callsign") == "FROM-XML", "{all:?}");
}

/// V2 under another uid, as a frame.
fn named(uid: &str) -> Vec<u8> {
    frame(&message(CotEvent { uid: uid.into(), ..v2() }).encode_to_vec())
}

#[test]
fn line_24_frames_cut_anywhere_and_garbage_between_them() {
    let server = exact();
    let [mut xml, mut proto] = pair(&server);
    let v2 = bytes(V2);
    for cut in 1..v2.len() {
        proto.send_bytes(&v2[..cut]);
        if cut % 16 == 1 {
            xml.sync();
        }
        proto.send_bytes(&v2[cut..]);
        xml.expect("ANDROID-1");
    }
    v2.iter().for_each(|byte| proto.send_bytes(&[*byte]));
    xml.expect("ANDROID-1");
    let three = ["one", "two", "three"];
    proto.send_bytes(&three.map(named).concat());
    three.iter().for_each(|uid| drop(xml.expect(uid)));
    // 100 bytes, in one piece and in two, a byte behind each frame as goatak has it.
    let garbage: Vec<u8> = (0..100).collect();
    proto.send_bytes(&[&named("a")[..], &garbage, &named("b"), &[0], &named("c")].concat());
    ["a", "b", "c"].iter().for_each(|uid| drop(xml.expect(uid)));
    proto.send_bytes(&garbage);
    xml.sync();
    proto.send_bytes(&[&garbage[..], &named("d")].concat());
    xml.expect("d");
    // Lengths that are none: the mark is garbage and the search goes on behind it.
    let mut n = 3.0;
    for (uid, head) in [
        ("ten", &[0xBF, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1][..]),
        ("zero", &[0xBF, 0]),
        ("much", &[0xBF, 0xFF, 0xFF, 0xFF, 0x7F]),
    ] {
        proto.send_bytes(&[head, &named(uid)].concat());
        xml.expect(uid);
        n += 1.0;
        assert_eq!(rejected(&server, "garbage"), n, "{uid}");
    }
    // More than a client may be sent, yet not more than it may send.
    let mut big = v2_event("big");
    big.detail.as_mut().unwrap().xml_detail = format!("<remarks>{}</remarks>", "x".repeat(70_000));
    proto.send_bytes(&frame(&message(big).encode_to_vec()));
    assert_eq!(xml.expect("big").detail("remarks").unwrap().text().len(), 70_000);
    proto.sync();
}

fn v2_event(uid: &str) -> CotEvent {
    CotEvent { uid: uid.into(), ..v2() }
}

#[test]
fn rule_25_payloads_that_are_no_event_cost_only_themselves() {
    let server = exact();
    let [mut xml, mut proto] = pair(&server);
    let control = TakMessage { tak_control: Some(TakControl::default()), ..TakMessage::default() };
    proto.send_bytes(&frame(&control.encode_to_vec()));
    proto.send_bytes(&named("behind-control"));
    xml.expect("behind-control");
    assert_eq!(rejected(&server, "proto"), 0.0);
    let broken_xml = |xml: &str| {
        let detail = Some(Detail { xml_detail: xml.into(), ..Detail::default() });
        message(CotEvent { detail, ..v2() }).encode_to_vec()
    };
    let bad = [
        b"no message".to_vec(),
        TakMessage { submission_time: 1, ..TakMessage::default() }.encode_to_vec(),
        broken_xml("<x>"),
        broken_xml("</detail><point lat='1' lon='2'/><detail>"),
        broken_xml("a < b"),
        message(CotEvent { how: "m-g\u{1}".into(), ..v2() }).encode_to_vec(),
    ];
    for (n, payload) in bad.iter().enumerate() {
        // A whole frame inside of the payload is skipped with it.
        let uid = format!("behind-{n}");
        proto.send_bytes(&[frame(payload), named(&uid)].concat());
        xml.expect(&uid);
        assert_eq!(rejected(&server, "proto"), (n + 1) as f64, "{n}");
    }
    proto.send_bytes(&frame(&message(CotEvent { lat: 95.0, ..v2() }).encode_to_vec()));
    proto.send_bytes(&frame(&message(CotEvent { uid: String::new(), ..v2() }).encode_to_vec()));
    fence(&mut proto, &mut [&mut xml]);
    assert_eq!(rejected(&server, "schema"), 2.0);
}

#[test]
fn rule_25_more_than_64_kib_of_garbage_end_the_connection() {
    let server = exact();
    let [mut xml, mut proto] = pair(&server);
    proto.send_bytes(&vec![0x55; 65_536]);
    proto.send_bytes(&named("still-there"));
    xml.expect("still-there");
    // The server may close while the last of it is being sent.
    let _ = proto.try_send(&vec![0x55; 65_537]);
    let line = server.wait_log(|l| l["event"] == "client.disconnected" && l["uid"] == "P");
    assert_eq!(line["reason"], "garbage");
}

#[test]
fn rule_31_unknown_fields_pass_when_nothing_is_changed() {
    let server = exact();
    let [mut proto, mut xml] = join_all(&server, [("P", "PROTO"), ("X", "XML")]);
    proto = proto.negotiate();
    let mut sender = Client::connect(&server).negotiate();
    // Field 77 of the message and field 99 of the event, as a newer client may have them.
    let mut event = v2_event("unknown").encode_to_vec();
    event.extend([0x9A, 0x06, 3, b'n', b'e', b'w']);
    let mut payload = vec![0x12];
    prost::encode_length_delimiter(event.len(), &mut payload).unwrap();
    payload.extend(event);
    payload.extend([0xE8, 0x04, 5]);
    sender.send_bytes(&frame(&payload));
    assert_eq!(proto.expect("unknown").raw, payload);
    xml.expect("unknown");
    // A repair changes it: then it is written anew.
    sender.send_bytes(&frame(&message(CotEvent { how: String::new(), ..v2_event("repaired") }).encode_to_vec()));
    assert_eq!(proto.expect("repaired").cot().how, "m-g");
}

#[test]
fn line_26_mesh_datagrams_of_version_1_only() {
    let server = Server::build().listener("mesh", "cot_udp", "").start();
    let [mut xml, mut proto] = pair(&server);
    let mesh = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |head: &[u8]| mesh.send_to(&[head, &v2_payload()].concat(), server.address("mesh")).unwrap();
    send(&[0xBF, 2, 0xBF]);
    server.eventually("version 2 is refused", || rejected(&server, "proto") == 1.0);
    fence(&mut xml, &mut [&mut proto]);
    send(&[0xBF, 1, 0xBF]);
    assert_eq!(xml.expect("ANDROID-1").detail("contact").unwrap().attr("callsign"), "VIPER");
    assert_eq!(proto.expect("ANDROID-1").cot().detail.as_ref().unwrap().contact.as_ref().unwrap().callsign, "VIPER");
    // The stream form of the header is none here.
    mesh.send_to(&bytes(V2), server.address("mesh")).unwrap();
    server.eventually("a stream frame is refused", || rejected(&server, "proto") == 2.0);
}

//! The event itself (cot.md 17, lines 14 to 17, and RULE-9, 10, 18 to 24): what is repaired, what is refused, what is
//! relayed as it came, and what makes a position one that identifies its sender.
//!
//! The servers here write no flow tags, so "as it came" means byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fts_tests::{Client, Event, Server, at, event, fence, join_all, marker, ping};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

fn exact() -> Server {
    Server::build().set("cot.flow_tags", "false").start()
}

fn pair(server: &Server) -> [Client; 2] {
    join_all(server, [("A", "ALICE"), ("B", "BOB")])
}

/// `marker` with one attribute (of the event or its point) written differently; "" = left out.
fn with(uid: &str, attribute: &str, value: &str) -> String {
    let text = marker(uid);
    let from = text.find(&format!(" {attribute}=\"")).unwrap();
    let quote = text[from..].find('"').unwrap() + from + 1;
    let to = text[quote..].find('"').unwrap() + quote + 1;
    let new = if value.is_empty() { String::new() } else { format!(" {attribute}=\"{value}\"") };
    format!("{}{new}{}", &text[..from], &text[to..])
}

fn millis(text: &str) -> i128 {
    OffsetDateTime::parse(text, &Rfc3339).unwrap().unix_timestamp_nanos() / 1_000_000
}

/// Bob gets this event with exactly these attributes different, the rest as it was sent.
fn repaired(alice: &mut Client, bob: &mut Client, sent: &str, repairs: &[(&str, &str)]) {
    alice.send(sent);
    let got = bob.next();
    let mut wanted = fts_tests::parse(sent).unwrap();
    for (name, value) in repairs {
        let is_point = ["lat", "lon", "hae", "ce", "le"].contains(name);
        if is_point {
            let point = wanted.nodes.iter_mut().find_map(|n| match n {
                fts_tests::Node::Element(e) if e.name == "point" => Some(e),
                _ => None,
            });
            point.unwrap().attrs.insert((*name).into(), (*value).into());
        } else {
            wanted.attrs.insert((*name).into(), (*value).into());
        }
    }
    assert_eq!(*got.tree(), wanted, "sent {sent}");
}

#[test]
fn line_14_times_are_rewritten_only_where_a_client_would_refuse_them() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    for good in ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.123Z"] {
        for name in ["time", "start", "stale"] {
            let sent = with("good", name, good);
            alice.send(&sent);
            assert_eq!(bob.next().text(), sent);
        }
    }
    for (odd, rewritten) in [
        ("2020-01-01T02:00:00+02:00", "2020-01-01T00:00:00.000Z"),
        ("2019-12-31T18:30:00.25-0530", "2020-01-01T00:00:00.250Z"),
        ("2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00.000Z"),
        ("2020-01-01t00:00:00.1z", "2020-01-01T00:00:00.100Z"),
        ("2020-01-01 00:00:00", "2020-01-01T00:00:00.000Z"),
        ("2020-01-01T00:00:00.123456789", "2020-01-01T00:00:00.123Z"),
    ] {
        for name in ["time", "start", "stale"] {
            repaired(&mut alice, &mut bob, &with("odd", name, odd), &[(name, rewritten)]);
        }
    }
}

#[test]
fn rule_21_a_time_nobody_understands_counts_as_missing() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    for wrong in ["yesterday", "2020-13-01T00:00:00Z", "2020-01-01T25:00:00Z", "1577836800", ""] {
        let began = millis(&at(0));
        alice.send(&with("wrong", "time", wrong));
        let time = millis(bob.next().attr("time"));
        assert!((began..=millis(&at(0))).contains(&time), "the time of receipt in the place of {wrong:?}");
        let sent = with("start", "start", wrong);
        let time = fts_tests::parse(&sent).unwrap().attr("time").to_owned();
        repaired(&mut alice, &mut bob, &sent, &[("start", &time)]);
        alice.send(&with("stale", "stale", wrong));
        let got = bob.next();
        assert_eq!(millis(got.attr("stale")), millis(got.attr("time")) + 300_000);
    }
}

#[test]
fn line_15_what_is_missing_is_added_and_what_cannot_be_is_refused() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    repaired(&mut alice, &mut bob, &with("how", "how", ""), &[("how", "m-g")]);
    for name in ["hae", "ce", "le"] {
        for wrong in ["", "nan", "NaN", "unknown", "inf"] {
            repaired(&mut alice, &mut bob, &with("point", name, wrong), &[(name, "9999999.0")]);
        }
    }
    let bare = r#"<event uid="bare" type="a-f-G"><point lat="1" lon="2"/></event>"#;
    alice.send(bare);
    demanded_by_atak(&bob.next());
    for (value, clamped) in [("90.00005", "90.0"), ("-90.0001", "-90.0")] {
        repaired(&mut alice, &mut bob, &with("edge", "lat", value), &[("lat", clamped)]);
    }
    let mut refused = 0.0;
    for (name, value) in [
        ("uid", ""),
        ("uid", " "),
        ("uid", "a&#10;b"),
        ("type", ""),
        ("lat", ""),
        ("lat", "95"),
        ("lat", "NaN"),
        ("lat", "north"),
        ("lat", "90.001"),
        ("lon", ""),
        ("lon", "-180.01"),
        ("lon", "inf"),
    ] {
        alice.send(&with("refused", name, value));
        fence(&mut alice, &mut [&mut bob]);
        refused += 1.0;
        assert_eq!(server.metric("fts_cot_rejected_total", &[r#"reason="schema""#]), refused, "{name}={value:?}");
    }
    let no_point = marker("no-point").replace("<point ", "<pt ");
    alice.send(&(no_point + &marker(&"u".repeat(1_025))));
    fence(&mut alice, &mut [&mut bob]);
    let longest = marker(&"u".repeat(1_024));
    alice.send(&longest);
    assert_eq!(bob.next().text(), longest);
    assert_eq!(server.metric("fts_cot_rejected_total", &[]), refused + 2.0);
}

/// Everything without which ATAK drops an event (RULE-18).
fn demanded_by_atak(event: &Event) {
    let point = event.tree().child("point").unwrap();
    for name in ["uid", "type", "how", "time", "start", "stale"] {
        assert!(!event.attr(name).is_empty(), "{name} in {event:?}");
    }
    for name in ["lat", "lon", "hae", "ce", "le"] {
        point.attr(name).parse::<f64>().unwrap_or_else(|e| panic!("{e}: {name} in {event:?}"));
    }
}

#[test]
fn rule_18_and_22_events_of_the_server_have_everything_and_one_form_of_time() {
    let server = Server::build().set("cot.welcome_message", "\"hello {callsign}\"").start();
    let mut alice = Client::connect(&server);
    let hello = alice.hello.clone().unwrap();
    alice.send(&ping("A"));
    let pong = alice.next();
    let mut alice = alice.identify("A", "ALICE");
    let welcome = alice.next();
    let mut bob = Client::join(&server, "B", "BOB");
    bob.until(|e| e.kind() == "b-t-f");
    alice.expect("B");
    drop(bob);
    let goodbye = alice.next();
    let kinds = ["t-x-takp-v", "t-x-c-t-r", "b-t-f", "t-x-d-d"];
    for (event, kind) in [hello, pong, welcome, goodbye].iter().zip(kinds) {
        assert_eq!(event.kind(), kind);
        demanded_by_atak(event);
        for name in ["time", "start", "stale"] {
            let text = event.attr(name);
            assert!(text.len() == 24 && text.ends_with('Z') && millis(text) > 0, "{name}={text:?} of {kind}");
        }
    }
}

#[test]
fn line_16_relay_is_lossless() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    let now = at(0);
    let odd = format!(
        "<event\n\tstale='{now}' access=\"Undefined\" qos='1-r-c' opex='e-spring' caveat='FOUO' releasableTo='NATO' x:own='1' \
         xmlns:x=\"urn:x\" type='u-d-f' how='h-e' uid='odd' start='{now}' time = \"{now}\" version='2.0' >\r\n\
         <detail more='yes'> text <x:y z=\"1\">t</x:y>\n<c a='1'/><c a='2'/><c a='1'/><_x-1.y>&#x1F600; &amp; \
         &lt;</_x-1.y><![CDATA[raw <&> ]]><!-- kept --><?keep me?><contact callsign='K&quot;9'></contact></detail >\
         <point  le='1' ce='2.50' hae='-0' lon='-0.0' lat='+1e1'/><detail/><other/> </event>"
    );
    alice.send(&odd);
    assert_eq!(bob.next().text(), odd);
    // With flow tags exactly one element is added, at the end of the first detail.
    let tagged = Server::start();
    let [mut alice, mut bob] = pair(&tagged);
    alice.send(&odd);
    let got = bob.next();
    let begin = got.text().find("<_flow-tags_ TAK-Server-").unwrap();
    let end = begin + got.text()[begin..].find("/>").unwrap() + 2;
    assert!(got.text()[end..].starts_with("</detail >"));
    assert_eq!(format!("{}{}", &got.text()[..begin], &got.text()[end..]), odd);
}

#[test]
fn rule_09_a_prefix_has_no_meaning() {
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    // A prefixed point is no point; a prefixed contact identifies nobody.
    alice.send(&marker("prefixed").replace("<point", "<c:point"));
    fence(&mut alice, &mut [&mut bob]);
    let mut carol = Client::connect(&server);
    carol.send(&event("C", "a-f-G-U-C", r#"<c:contact callsign="CAROL" endpoint="*:-1:stcp"/>"#));
    bob.expect("C");
    alice.expect("C");
    assert_eq!(identified(&server), ["A", "B"]);
    let default_namespace = marker("default").replacen("<event ", "<event xmlns=\"urn:cot\" ", 1);
    alice.send(&default_namespace);
    assert_eq!(bob.next().text(), default_namespace);
}

#[test]
fn line_17_stale_events_are_relayed_unless_told_otherwise() {
    let old = with("old", "stale", &at(-3_600_000));
    let server = exact();
    let [mut alice, mut bob] = pair(&server);
    alice.send(&old);
    assert_eq!(bob.next().text(), old);
    let before_start = with("early", "stale", "2020-01-01T00:00:00Z");
    alice.send(&before_start);
    assert_eq!(bob.next().text(), before_start);
    let strict = Server::build().set("cot.ignore_stale", "true").start();
    let [mut alice, mut bob] = pair(&strict);
    alice.send(&old);
    fence(&mut alice, &mut [&mut bob]);
    assert_eq!(strict.metric("fts_cot_rejected_total", &[r#"reason="stale""#]), 1.0);
}

#[test]
fn rule_23_a_stale_position_is_still_shown_to_who_comes_within_a_minute() {
    let server = exact();
    let mut alice = Client::connect(&server);
    let old = fts_tests::sa("A", "ALICE").replace(&stale_of(&fts_tests::sa("A", "ALICE")), &at(-60_000));
    alice.send(&old);
    alice.sync();
    let mut bob = Client::connect(&server);
    bob.expect("A");
}

fn stale_of(text: &str) -> String {
    fts_tests::parse(text).unwrap().attr("stale").to_owned()
}

/// Uids in the client list.
fn identified(server: &Server) -> Vec<String> {
    let list = server.cli_json(&["clients", "list"]);
    let uids = list.as_array().unwrap().iter().map(|c| c["uid"].as_str().unwrap().to_owned());
    let mut uids: Vec<_> = uids.filter(|uid| !uid.is_empty()).collect();
    uids.sort();
    uids
}

#[test]
fn rule_24_what_identifies_a_client_and_what_does_not() {
    let server = exact();
    let contact = r#"<contact callsign="X" endpoint="*:-1:stcp"/>"#;
    let takv = r#"<takv device="d" platform="iTAK" os="o" version="v"/>"#;
    let cases = [
        ("atom", "a-f-G-U-C", contact.to_owned(), true),
        ("atom-takv", "a-f-G", format!(r#"<contact callsign="X"/>{takv}"#), true),
        ("odd-type", "y-other", contact.to_owned(), true),
        ("no-endpoint", "a-f-G", r#"<contact callsign="X"/>"#.to_owned(), false),
        ("empty-endpoint", "a-f-G", r#"<contact callsign="X" endpoint=""/>"#.to_owned(), false),
        ("empty-callsign", "a-f-G", r#"<contact callsign="" endpoint="*:-1:stcp"/>"#.to_owned(), false),
        ("no-contact", "a-f-G", takv.to_owned(), false),
        ("other-takv", "y-other", format!(r#"<contact callsign="X"/>{takv}"#), false),
        ("chat", "b-t-f", contact.to_owned(), false),
        ("task", "t-x-y", contact.to_owned(), false),
        ("drawing", "u-d-f", contact.to_owned(), false),
        ("ack", "a-f-G", format!(r#"{contact}<ackresponse uid="u"/>"#), false),
    ];
    // All stay connected until the list is looked at.
    let mut all: Vec<Client> = Vec::new();
    for (uid, kind, detail, _) in &cases {
        let mut client = Client::connect(&server);
        client.send(&event(uid, kind, detail));
        client.sync();
        all.push(client);
    }
    let mut wanted: Vec<_> = cases.iter().filter(|c| c.3).map(|c| c.0.to_owned()).collect();
    wanted.sort();
    assert_eq!(identified(&server), wanted);
}

//! Events too big for ATAK's buffer, offered as files where HTTP is on (RULE-12, cot.md 17 line 25), and rewritten URLs of
//! offers (RULE-66). Without HTTP: `oversize.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::sync_bed;

use fts_tests::{Client, Element, Event, Server, Web, event, fence, join_all, sa};
use sync_bed::{search, sha256};

fn big(uid: &str, marti: &str) -> String {
    event(uid, "u-d-f", &format!("<remarks>{}</remarks>{marti}", "x".repeat(70_000)))
}

fn atak(server: &Server, uid: &str, callsign: &str) -> Client {
    let mut client = Client::connect(server);
    let takv = r#"<takv device="PIXEL" platform="ATAK-CIV" os="34" version="5.3.0"/></detail>"#;
    client.send(&sa(uid, callsign).replace("</detail>", takv));
    client.sync();
    client
}

/// The `<fileshare>` of an offer, in whichever form it came.
fn share(offer: &Event, proto: bool) -> Element {
    if !proto {
        return offer.detail("fileshare").unwrap().clone();
    }
    let detail = &offer.cot().detail.as_ref().unwrap().xml_detail;
    let whole = fts_tests::parse(&format!("<detail>{detail}</detail>")).unwrap();
    whole.child("fileshare").unwrap().clone()
}

/// Waits for the offer and fetches what it offers.
fn offered(client: &mut Client, web: &Web, proto: bool) -> (Element, Vec<u8>) {
    let (offer, _) = client.until(|e| e.kind() == "b-f-t-r");
    let share = share(&offer, proto);
    let path = share.attr("senderUrl").split_once("/Marti").map(|(_, rest)| format!("/Marti{rest}")).unwrap();
    let bytes = web.get(&path).expect(200).body;
    assert_eq!(share.attr("sha256"), sha256(&bytes));
    assert_eq!(share.attr("sizeInBytes"), bytes.len().to_string());
    assert!(offer.raw.len() < 65_536);
    (share, bytes)
}

#[test]
fn rule_12_who_cannot_take_it_is_offered_a_file() {
    let server = Server::start();
    let web = Web::plain(&server, "marti_http");
    let [mut xml, proto] = join_all(&server, [("X", "XML"), ("P", "PROTO")]);
    let mut proto = proto.negotiate();
    let mut phone = atak(&server, "K", "KILO");
    xml.until(|e| e.uid() == "K");
    proto.until(|e| e.uid() == "K");
    let mut alice = Client::connect(&server);
    alice.send(&big("big", ""));
    assert_eq!(xml.expect("big").detail("remarks").unwrap().text().len(), 70_000);
    for (client, form) in [(&mut phone, false), (&mut proto, true)] {
        let (share, bytes) = offered(client, &web, form);
        assert_eq!((share.attr("filename"), share.attr("name")), ("big.cot", "big"));
        let event = fts_tests::parse(&String::from_utf8(bytes).unwrap()).unwrap();
        assert_eq!(event.attr("uid"), "big");
    }
    fence(&mut alice, &mut [&mut xml, &mut phone, &mut proto]);
    let why = server.cli_json(&["why", "--event", "big", "--to", "KILO"]);
    assert_eq!(why[0]["clients"][0]["rule"], "oversize", "{why}");
    assert_eq!(server.metric("fts_cot_dropped_total", &[r#"reason="oversize_offered""#]), 2.0);
}

#[test]
fn rule_12_a_directed_event_is_offered_to_its_receiver_only() {
    let server = Server::build().set("cot.oversize", "\"filetransfer\"").start();
    let web = Web::plain(&server, "marti_http");
    let [mut alice, mut bob, mut carol] = join_all(&server, [("A", "ALICE"), ("B", "BOB"), ("C", "CAROL")]);
    alice.send(&big("secret", r#"<marti><dest callsign="BOB"/></marti>"#));
    let (_, bytes) = offered(&mut bob, &web, false);
    assert!(!String::from_utf8_lossy(&bytes).contains("marti"));
    fence(&mut alice, &mut [&mut carol]);
    for query in ["", "tool=private", "name=secret", "uid=secret", "tool=private&name=secret"] {
        assert!(search(&web, query).is_empty(), "only who was offered it knows it: {query}");
    }
}

#[test]
fn rule_12_send_and_drop_offer_nothing() {
    for (value, sent) in [("send", true), ("drop", false)] {
        let server = Server::build().set("cot.oversize", &format!("\"{value}\"")).start();
        let mut phone = atak(&server, "K", "KILO");
        let mut alice = Client::connect(&server);
        alice.send(&big("big", ""));
        if sent {
            phone.expect("big");
        }
        fence(&mut alice, &mut [&mut phone]);
    }
}

fn offer(url: &str) -> String {
    let share = format!(
        r#"<fileshare filename="a.zip" senderUrl="{url}" sizeInBytes="1" sha256="00" senderUid="A" senderCallsign="ALICE" name="a"/>"#
    );
    event("offer", "b-f-t-r", &share)
}

#[test]
fn rule_66_urls_are_rewritten_only_where_the_operator_says_so() {
    let ours = "http://127.0.0.1:8080/Marti/sync/content?hash=1&amp;x=2";
    let peer = "http://10.1.2.3:8080/getfile?file=0&amp;sender=A";
    for (on, host, url, wanted) in [
        (false, "tak.example.org", ours, ours),
        (true, "", ours, ours),
        (true, "tak.example.org", peer, peer),
        (true, "tak.example.org", ours, "http://tak.example.org:8080/Marti/sync/content?hash=1&amp;x=2"),
    ] {
        let server = Server::build()
            .set("cot.rewrite_sender_url", &on.to_string())
            .set("server.public_host", &format!("{host:?}"))
            .start();
        let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
        alice.send(&offer(url));
        let got = bob.expect("offer").detail("fileshare").unwrap().attr("senderUrl").to_owned();
        assert_eq!(got, wanted.replace("&amp;", "&"), "{on} {host} {url}");
    }
}

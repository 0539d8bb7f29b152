//! The list of the first version: what comes back, who changes what, what is refused.
use super::*;
use crate::http::marti::bed::{Ask, Bed};

const GATE: &str = "<videoConnections><feed><protocol>rtsp</protocol><alias>Gate</alias><uid>v-1</uid><address>10.0.0.9</address><port>554</port>
<roverPort>-1</roverPort><ignoreEmbeddedKLV>false</ignoreEmbeddedKLV><preferredMacAddress/><path>/live</path><buffer>-1</buffer>
<timeout>5000</timeout><rtspReliable>0</rtspReliable></feed></videoConnections>";

const TWELVE: [(&str, &str); 12] = [
    ("protocol", "rtsp"),
    ("alias", "Gate"),
    ("uid", "v-1"),
    ("address", "10.0.0.9"),
    ("port", "554"),
    ("roverPort", "-1"),
    ("ignoreEmbeddedKLV", "false"),
    ("preferredMacAddress", ""),
    ("path", "/live"),
    ("buffer", "-1"),
    ("timeout", "5000"),
    ("rtspReliable", "0"),
];

fn posted(xml: &str) -> Ask {
    Ask::new("POST", "/Marti/vcm").header("content-encoding", "UTF-8").body(xml.to_owned())
}

fn feeds(bed: &Bed, ask: Ask) -> Vec<Element> {
    let reply = ask.of(bed, list).unwrap();
    assert_eq!(reply.header("content-type"), "application/xml");
    Element::parse(&reply.text()).unwrap().children
}

fn feed_xml(uid: &str, more: &str) -> String {
    format!("<feed><protocol>rtsp</protocol><alias>{uid}</alias><uid>{uid}</uid>{more}</feed>")
}

#[test]
fn m15_32_an_empty_list_is_a_list() {
    let reply = Ask::get("/Marti/vcm").of(&Bed::new(), list).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (200, "<videoConnections></videoConnections>"));
}

#[test]
fn m15_32_a_feed_comes_back_with_its_twelve_values() {
    let bed = Bed::new();
    let reply = posted(GATE).of(&bed, post).unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (200, "Okay"));
    let feed = feeds(&bed, Ask::get("/")).pop().unwrap();
    assert_eq!(TWELVE.map(|(name, _)| (name, feed.text_of(name))), TWELVE);
    let without = GATE.replace("<preferredMacAddress/>", "").replace("v-1", "v-2");
    assert_eq!(posted(&without).of(&bed, post).unwrap().status, 200);
    assert_eq!(feeds(&bed, Ask::get("/")).len(), 2);
}

#[test]
fn m15_32_what_is_wrong_stores_nothing() {
    let bed = Bed::new();
    let dtd = format!("<!DOCTYPE videoConnections [<!ENTITY a 'b'>]>{GATE}");
    let half =
        format!("<videoConnections>{}<feed><uid>x</uid><alias>x</alias></feed></videoConnections>", feed_xml("ok", ""));
    for xml in [&dtd, &half, "", "<videoConnections>", "<other/>", "\u{1}"] {
        assert_eq!(posted(xml).refused(&bed, post), 400, "{xml}");
    }
    assert_eq!(Ask::new("POST", "/").body(vec![b'<', 0xFF]).refused(&bed, post), 400);
    assert!(feeds(&bed, Ask::get("/")).is_empty());
}

#[test]
fn m08_1_what_the_server_does_not_know_survives() {
    let bed = Bed::new();
    let more = r#"<extra a="1">x &amp; y<deep/></extra><!-- gone --><?run this?><source>drone</source>"#;
    posted(&feed_xml("v", more)).of(&bed, post).unwrap();
    let feed = feeds(&bed, Ask::get("/")).pop().unwrap();
    let extra = feed.child("extra").unwrap();
    assert_eq!((extra.attr("a"), extra.text.as_str(), extra.child("deep").is_some()), (Some("1"), "x & y", true));
    assert_eq!(feed.text_of("source"), "drone");
    let text = Ask::get("/").of(&bed, list).unwrap().text();
    assert!(!text.contains("gone") && !text.contains("<?"), "{text}");
}

#[test]
fn m08_1_a_feed_is_updated_by_its_owner_only() {
    let bed = Bed::new();
    let by = |user: &str, alias: &str| {
        let xml = feed_xml("v", "").replace("<alias>v", &format!("<alias>{alias}"));
        assert_eq!(posted(&xml).user(user, &["Blue"]).of(&bed, post).unwrap().status, 200);
        feeds(&bed, Ask::get("/").user("x", &["Blue"])).pop().unwrap().text_of("alias").to_owned()
    };
    assert_eq!(by("alpha", "one"), "one");
    assert_eq!(by("bravo", "two"), "one");
    assert_eq!(by("alpha", "three"), "three");
    assert_eq!(feeds(&bed, Ask::get("/").user("x", &["Blue"])).len(), 1);
}

#[test]
fn m02_6_feeds_are_seen_in_the_groups_of_their_owner() {
    let bed = Bed::new();
    posted(GATE).user("alpha", &["Blue"]).of(&bed, post).unwrap();
    assert!(feeds(&bed, Ask::get("/").user("x", &["Red"])).is_empty());
    assert!(feeds(&bed, Ask::get("/")).is_empty());
    let delete_by = |user, group| Ask::new("DELETE", "/?id=v-1").user(user, &[group]);
    assert_eq!(delete_by("x", "Red").refused(&bed, delete), 404);
    assert_eq!(delete_by("x", "Blue").refused(&bed, delete), 403);
    // The same uid of somebody who does not see it stays unstored, and does not replace it.
    posted(&GATE.replace("Gate", "Fake")).user("x", &["Red"]).of(&bed, post).unwrap();
    assert!(feeds(&bed, Ask::get("/").user("x", &["Red"])).is_empty());
    assert_eq!(feeds(&bed, Ask::get("/").user("x", &["Blue"]))[0].text_of("alias"), "Gate");
    let reader = |ask: Ask| ask.identity(|i| i.role = crate::http::auth::Role::ReadOnly);
    assert_eq!(reader(posted(GATE).user("r", &["Blue"])).refused(&bed, post), 403);
    assert_eq!(posted(GATE).user("r", &[]).refused(&bed, post), 403);
    assert_eq!(delete_by("alpha", "Blue").of(&bed, delete).unwrap().status, 200);
    assert_eq!(delete_by("alpha", "Blue").refused(&bed, delete), 404);
}

#[test]
fn m08_1_feeds_are_switched_on_and_off() {
    let bed = Bed::new();
    posted(GATE).of(&bed, post).unwrap();
    let set = |query: &str| Ask::new("POST", &format!("/?action=setActive&{query}"));
    assert_eq!(set("id=v-1&active=false").of(&bed, post).unwrap().status, 200);
    assert_eq!(feeds(&bed, Ask::get("/"))[0].text_of("active"), "false");
    set("id=v-1&active=TRUE").of(&bed, post).unwrap();
    assert_eq!(feeds(&bed, Ask::get("/"))[0].text_of("active"), "true");
    assert_eq!([set("id=v-1&active=x").refused(&bed, post), set("active=true").refused(&bed, post)], [400, 400]);
    assert_eq!(set("id=v-9&active=true").refused(&bed, post), 404);
    assert_eq!(Ask::new("POST", "/?action=other").refused(&bed, post), 400);
}

#[test]
fn m08_1_credentials_are_not_stored_unless_wanted() {
    let xml = feed_xml("v", "<address>user:secret@10.0.0.9</address><port>554</port><path>/live</path>");
    let address = |set: &[&str], ask: Ask| {
        let bed = Bed::with(set);
        posted(&xml).of(&bed, post).unwrap();
        feeds(&bed, ask)[0].text_of("address").to_owned()
    };
    assert_eq!(address(&[], Ask::get("/")), "10.0.0.9");
    assert_eq!(address(&["video.strip_credentials=false"], Ask::get("/")), "user:secret@10.0.0.9");
    let itak = Ask::get("/").header("user-agent", "iTAK/2.8 CFNetwork");
    assert_eq!(address(&[], itak), "rtsp://10.0.0.9:554/live");
}

#[test]
fn m08_1_itak_sends_whole_urls_back() {
    let bed = Bed::new();
    posted(&feed_xml("v", "<address>rtsp://u:p@h:554/live</address>")).of(&bed, post).unwrap();
    let feed = feeds(&bed, Ask::get("/")).pop().unwrap();
    assert_eq!(["address", "port", "path"].map(|n| feed.text_of(n)), ["h", "554", "/live"]);
}

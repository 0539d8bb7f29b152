//! Ping in the mock host.
#![allow(clippy::unwrap_used)] // A test may end so; clippy knows only those with the attribute.
use fts_plugin_api::{
    cot::Builder,
    sdk::Code,
    testkit::{Client, MockHost},
};

fn ping() -> MockHost {
    MockHost::builder().load(fts_plugin_ping::module(), "ping").unwrap()
}

fn chat(host: &MockHost, text: &str) -> Vec<u8> {
    Builder::new("b-t-f", host.now()).uid("chat-1").child("remarks", &[], text).to_text()
}

#[test]
fn who_says_ping_alone_gets_pong() {
    let host = ping();
    let (alice, bob) = (host.connect(Client::new("ALICE", "Alice")), host.connect(Client::new("BOB", "Bob")));
    host.deliver(chat(&host, " ping\n"), alice);
    let pongs = host.received(alice);
    assert_eq!(pongs.len(), 1);
    assert_eq!((pongs[0].kind(), pongs[0].detail("remarks").unwrap().inner_text().as_ref()), ("b-t-f", "pong"));
    // Bob has the chat, not the answer.
    assert_eq!(host.received(bob).iter().map(|e| e.uid().into_owned()).collect::<Vec<_>>(), ["chat-1"]);
    assert!(host.panics().is_empty());
}

#[test]
fn other_chats_and_other_types_are_none_of_its_business() {
    let host = ping();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    host.deliver(chat(&host, "ping?"), alice);
    host.deliver(Builder::new("b-t-f", host.now()).to_text(), alice);
    host.deliver(Builder::new("b-t-f-d", host.now()).child("remarks", &[], "ping").to_text(), alice);
    host.move_to(alice, 52.0, 13.0);
    assert!(host.sent().is_empty());
}

#[test]
fn an_answer_that_cannot_be_sent_is_logged_and_not_repeated() {
    let host = ping();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    host.fail_next("cot.send", Code::Busy, "over the plugin's rate");
    host.deliver(chat(&host, "ping"), alice);
    assert!(host.sent().is_empty());
    assert!(host.log().iter().any(|l| l.message.contains("over the plugin's rate")), "{:?}", host.log());
    host.deliver(chat(&host, "ping"), alice);
    assert_eq!(host.sent().len(), 1);
}

#[test]
fn it_survives_a_reload() {
    let host = ping();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    host.reload().unwrap();
    host.deliver(chat(&host, "ping"), alice);
    assert_eq!(host.received(alice).len(), 1);
    host.stop().unwrap();
    host.deliver(chat(&host, "ping"), alice);
    assert_eq!(host.received(alice).len(), 1);
}

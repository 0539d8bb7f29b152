//! The mock itself, seen through a plugin that uses nearly everything.
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Client, Fate, MockHost};
use crate::{
    cot::{Builder, Cot},
    message::SourceKind,
    params,
    sdk::{self, *},
};

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Config {
    word: String,
    generation: u32,
}

struct All {
    generation: u32,
}

fn notice(host: &Host, uid: &str) -> Cot {
    Builder::new("t-x-notice", host.now()).uid(uid).build().unwrap()
}

impl Plugin for All {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["intercept", "bind-dest", "kick"];

    fn check(config: &Config) -> Result<()> {
        if config.word == "bad" { Err(Error::config("word", "is bad")) } else { Ok(()) }
    }

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        host.sql().migrate(&[(1, "CREATE TABLE seen(journal INTEGER UNIQUE, uid TEXT)")])?;
        reg.intercept("b-rewrite", Band::Rewrite, |event, _| {
            Verdict::Replace(event.edit().append("<seen/>").into_text())
        });
        reg.intercept_at("b-*", Band::Rewrite, -1, |event, cx| match event.kind() {
            "b-drop" => Verdict::Drop("no"),
            "b-consume" => Verdict::Consume,
            "b-only" => Verdict::Retarget(Send::uid("BOB")),
            "b-boom" => panic!("boom"),
            "b-also" => {
                cx.also(&event.to_cot(), Send::uid("BOB"));
                Verdict::Pass
            }
            _ => Verdict::Pass,
        });
        reg.intercept("b-guarded", Band::Guard, |_, _| panic!("guard"));
        let h = host.clone();
        reg.intercept_keyed("tap", nothing(), Band::Tap, 0, move |_, _| {
            h.count("tapped", &[], 1);
            Verdict::Pass
        });
        let h = host.clone();
        reg.intercept("b-sql", Band::Tap, move |_, _| {
            let wrong = h.sql().query("SELECT 1", &[]).err().map(|e| e.code());
            h.gauge("refused", &[], f64::from(u8::from(wrong == Some(Code::InIntercept))));
            h.gauge("clients", &[], h.clients().all().map_or(0.0, |c| c.len() as f64));
            Verdict::Pass
        });
        let h = host.clone();
        reg.observe(Observer::reliable("b-store"), move |event, route| {
            let done =
                h.sql().exec("INSERT INTO seen VALUES (?1, ?2)", params![route.journal_id(), event.uid().as_ref()]);
            done.map(drop)
        });
        reg.observe(Observer::reliable("b-panic"), |_, route| {
            assert!(route.replayed, "the first time");
        });
        reg.observe(Observer::reliable("b-poison"), |_, _| -> () { panic!("always") });
        let h = host.clone();
        reg.observe(Observer::reliable(types(["b-loop"]).own()), move |event, _| {
            h.cot().send(&event.to_cot(), Send::all())
        });
        let (members, writers) = (host.clients().audience("members")?, host.clients().audience("writers")?);
        host.bind_dest(&Binding::new("mission", "m", &members, Mode::Hold).writers(&writers))?;
        host.bind_dest(&Binding::new("mission", "open", &members, Mode::Deliver))?;
        host.bind_dest(&Binding::new("mission", "Grün", &members, Mode::Deliver).any_case())?;
        let h = host.clone();
        reg.held(move |held| match held.event.kind() {
            "b-keep" => Ok(()),
            _ => {
                h.sql().tx(|t| {
                    let refused = h.cot().send(&notice(&h, "x"), Send::all()).err().map(|e| e.code());
                    assert_eq!(refused, Some(Code::InTransaction));
                    t.exec("INSERT OR IGNORE INTO seen VALUES (?1, 'held')", params![held.journal_id()]).map(drop)
                })?;
                let notice = notice(&h, "notice");
                held.release(
                    &[(notice, Send::to(Target::Audience("members".into())))],
                    Target::Audience("members".into()),
                )
            }
        });
        let (h, m, w) = (host.clone(), members, writers);
        reg.clients(move |event| {
            let ready = match event {
                ClientEvent::Ready(client) => client,
                ClientEvent::Gone { client, reason } => {
                    h.count("gone", &[("why", reason)], client.conn);
                    return Vec::new();
                }
                _ => return Vec::new(),
            };
            m.add([Member::uid(&ready.uid)]).unwrap();
            if ready.callsign == "Writer" {
                w.add([Member::Conn(ready.conn)]).unwrap();
            }
            vec![notice(&h, "welcome")]
        });
        let h = host.clone();
        reg.every(Duration::from_secs(30), move || h.cot().send(&notice(&h, "tick"), Send::all()));
        let h = host.clone();
        reg.at(host.now() + 45_000, move || h.status(sdk::Level::Warn, "late"));
        let h = host.clone();
        reg.service(move |method, args| match method {
            "echo" => Ok(args.to_vec()),
            "listen" if args.is_empty() => h.listen_to("tap", nothing()).map(|()| Vec::new()),
            "listen" => h.listen_to("tap", String::from_utf8_lossy(args).as_ref()).map(|()| Vec::new()),
            "wrong" => h.listen_to("b-sql", "*").map(|()| Vec::new()),
            "unbind" => h.unbind_dest("mission", "GRÜN").map(|()| Vec::new()),
            _ => Err(Error::not_found("no such method")),
        });
        reg.action("all", "Word", Scope::Read, |args| Ok(json!({"args": args})));
        let h = host.clone();
        reg.subscribe("topic", move |bytes| h.kv().set("topic", bytes));
        if host.saved() == Some(b"1") {
            host.kv().set("saved", *b"yes")?;
        }
        tracing::info!(word = config.word, "started");
        Ok(All { generation: config.generation })
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.generation.to_string().into_bytes())
    }
}

fn all() -> MockHost {
    MockHost::builder()
        .name("all")
        .config(json!({"word": "w", "generation": 1, "capabilities": []}))
        .start::<All>()
        .unwrap()
}

fn event(host: &MockHost, kind: &str, uid: &str) -> Vec<u8> {
    Builder::new(kind, host.now()).uid(uid).to_text()
}

fn to(host: &MockHost, kind: &str, dest: &str) -> Vec<u8> {
    let marti = format!("<marti>{dest}</marti>");
    Builder::new(kind, host.now()).uid("e").detail_xml(&marti).to_text()
}

fn uids(events: &[Cot]) -> Vec<String> {
    events.iter().map(|e| e.uid().into_owned()).collect()
}

#[test]
fn intercepts_decide_in_their_order() {
    let host = all();
    let (alice, bob) = (host.connect(Client::new("ALICE", "Alice")), host.connect(Client::new("BOB", "Bob")));
    let carol = host.connect(Client::new("CAROL", "Carol"));
    let fate = |kind: &str| host.deliver(event(&host, kind, "e"), alice);
    let rewritten = fate("b-rewrite");
    assert!(rewritten.event.unwrap().detail("seen").is_some());
    assert_eq!(rewritten.receivers, [bob, carol]);
    assert_eq!(fate("b-drop").dropped(), Some("no"));
    assert_eq!(fate("b-consume").fate, Fate::Consumed);
    assert_eq!(fate("b-only").receivers, [bob]);
    host.forget();
    assert_eq!(fate("b-also").receivers, [bob, carol]);
    assert_eq!((host.received(bob).len(), host.received(carol).len(), host.sent().len()), (2, 1, 1));
    assert_eq!(fate("b-boom").receivers, [bob, carol]);
    assert_eq!(fate("b-guarded").dropped(), Some("guard_down"));
    let panics = host.panics();
    assert_eq!(panics.len(), 2);
    assert!(panics[0].handler.contains("b-*") && panics[0].place.contains("tests.rs:"), "{:?}", panics[0]);
    fate("b-sql");
    assert_eq!((host.metrics()["fts_all_refused"], host.metrics()["fts_all_clients"]), (1.0, 3.0));
    assert!(host.deliver(b"<event/>", alice).dropped().unwrap().starts_with("schema"));
}

#[test]
fn an_intercept_listens_to_what_it_is_told() {
    let host = all();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    let tapped = || {
        host.deliver(event(&host, "a-f-G", "e"), alice);
        host.metrics().get("fts_all_tapped").copied().unwrap_or_default()
    };
    assert_eq!(tapped(), 0.0);
    host.call("listen", b"a-*").unwrap();
    assert_eq!((tapped(), tapped()), (1.0, 2.0));
    host.call("listen", b"b-*").unwrap();
    assert_eq!(tapped(), 2.0);
    host.call("listen", b"").unwrap();
    assert_eq!(tapped(), 2.0);
    assert_eq!(host.call("wrong", b"").unwrap_err().code(), Code::NotFound);
}

#[test]
fn groups_and_destinations_decide_who_gets_it() {
    let host = all();
    let red = |uid: &str, callsign: &str| host.connect(Client::new(uid, callsign).groups(["red"]));
    let (alice, bob) = (red("ALICE", "Alice"), red("BOB", "Bob"));
    let both = host.connect(Client::new("BOTH", "Both").groups_in_out(["blue"], ["red", "blue"]));
    let send = |dest: &str, from| host.deliver(to(&host, "b-x", dest), from);
    assert_eq!(send("", alice).receivers, [bob, both]);
    assert!(send("", both).receivers.is_empty());
    assert_eq!(send(r#"<dest callsign="Bob"/>"#, alice).receivers, [bob]);
    assert!(send(r#"<dest callsign="Bob"/>"#, both).receivers.is_empty());
    assert_eq!(send(r#"<dest uid="BOTH"/><dest callsign="Bob"/>"#, alice).receivers, [bob, both]);
    assert_eq!(send(r#"<dest callsign="All Streaming"/>"#, alice).receivers, [bob, both]);
    assert_eq!(send(r#"<dest group="red"/>"#, alice).receivers, [bob, both]);
    assert_eq!(send(r#"<dest group="blue"/>"#, alice).left_out.len(), 1);
    assert!(send(r#"<dest mission="none"/>"#, alice).receivers.is_empty());
    // Membership decides in a bound destination.
    assert_eq!(send(r#"<dest mission="open"/>"#, both).receivers, [alice, bob]);
    assert!(send(r#"<dest mission="OPEN"/>"#, both).receivers.is_empty(), "names are exact");
    let any = |name: &str| send(&format!("<dest mission=\"{name}\"/>"), both).receivers;
    assert_eq!((any("grün"), any("GRÜN"), any("Grün")), (vec![alice, bob], vec![alice, bob], vec![alice, bob]));
    host.call("unbind", b"").unwrap();
    assert!(any("Grün").is_empty());
}

#[test]
fn held_events_come_back_with_their_notices_first() {
    let host = all();
    let (reader, writer) = (host.connect(Client::new("R", "Reader")), host.connect(Client::new("W", "Writer")));
    host.forget();
    let refused = host.deliver(to(&host, "b-x", r#"<dest mission="m"/>"#), reader);
    assert_eq!((refused.held, refused.left_out.len()), (None, 1));
    let held = host.deliver(to(&host, "b-x", r#"<dest mission="m"/>"#), writer);
    assert!(held.held.is_some() && held.receivers.is_empty() && host.held().is_empty());
    assert_eq!(uids(&host.received(reader)), ["notice", "e"]);
    assert_eq!(uids(&host.received(writer)), ["notice"]);
    assert_eq!(host.sent()[1].released, held.held);
    // Named as well: at once, and not again.
    host.forget();
    host.deliver(to(&host, "b-x", r#"<dest mission="m"/><dest uid="R"/>"#), writer);
    assert_eq!(uids(&host.received(reader)), ["e", "notice"]);
    host.deliver(to(&host, "b-keep", r#"<dest mission="m"/>"#), writer);
    assert!(host.held().is_empty(), "dropped is discarded");
}

#[test]
fn observers_see_it_after_routing_and_a_panic_gives_it_again() {
    let host = all();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    let stored = |host: &MockHost| host.deliver(event(host, "b-store", "s"), alice);
    stored(&host);
    host.deliver(event(&host, "b-panic", "p"), alice);
    assert_eq!((host.panics().len(), host.poisoned().len()), (1, 0));
    host.deliver(event(&host, "b-poison", "q"), alice);
    assert_eq!((host.panics().len(), uids(&[host.poisoned()[0].0.clone()])), (3, vec!["q".into()]));
    assert!(host.is_tripped());
    assert_eq!(host.http("GET", "/").send().status, 503);
    host.start_again().unwrap();
    host.tick(Duration::from_secs(61));
    assert!(!host.is_tripped() && host.kicked().is_empty());
    stored(&host);
    assert!(host.log().iter().all(|l| !l.message.contains("UNIQUE")), "{:?}", host.log());
}

#[test]
fn a_loop_ends_by_its_hop_count() {
    let host = all();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    host.deliver(event(&host, "b-loop", "l"), alice);
    let sent: Vec<_> = host.sent().into_iter().filter(|s| s.event.uid() == "l").collect();
    assert_eq!(sent.last().unwrap().dropped.as_deref(), Some("plugin_loop"));
    assert_eq!(sent.iter().map(|s| s.hop).collect::<Vec<_>>(), (1..=9).collect::<Vec<u8>>());
}

#[test]
fn time_runs_timers_in_order() {
    let host = all();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    let begin = host.now();
    host.tick(Duration::from_secs(70));
    assert_eq!(host.now(), begin + 70_000);
    let ticks: Vec<_> = host.received(alice).iter().filter_map(|e| e.time(crate::cot::Attr::Time)).collect();
    assert_eq!(ticks, [begin, begin + 30_000, begin + 60_000]);
    assert_eq!(host.status().text, "late");
}

#[test]
fn clients_services_topics_and_state_over_a_reload() {
    let host = all();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    assert_eq!(uids(&host.received(alice)), ["welcome"]);
    host.disconnect(alice, "closed");
    assert_eq!(host.metrics()[r#"fts_all_gone{why="closed"}"#], 1.0);
    let silent = host.connect(Client::silent());
    assert!(host.received(silent).is_empty());
    let sa = Builder::new("a-f-G-U-C", host.now()).uid("S").how("m-g").point(1.0, 2.0, 0.0, 1.0, 1.0);
    host.deliver(sa.child("contact", &[("callsign", "Silent"), ("endpoint", "*:-1:stcp")], "").to_text(), silent);
    assert_eq!(host.client(silent).unwrap().callsign, "Silent");
    assert_eq!(uids(&host.received(silent)), ["welcome"]);
    assert_eq!(host.audience("members").unwrap(), [silent]);
    assert_eq!(host.call("echo", b"x").unwrap(), b"x");
    assert_eq!(host.call("none", b"x").unwrap_err().code(), Code::NotFound);
    assert_eq!(host.action("all", "Word", &json!(1)).unwrap(), json!({"args": 1}));
    host.publish("topic", b"news");
    assert_eq!(host.kv("topic").unwrap(), b"news");
    host.reload().unwrap();
    assert_eq!(host.kv("saved").unwrap(), b"yes");
    assert_eq!(host.audience("members").unwrap(), [silent], "the same audience, made again");
    assert!(host.log().iter().any(|l| l.message == "started word=\"w\""));
    let wrong = host.reconfigure(json!({"word": "bad"})).unwrap_err();
    assert_eq!((wrong.code(), wrong.to_string().as_str()), (Code::Config, "word: is bad"));
}

#[test]
fn what_a_plugin_did_not_ask_for_is_refused() {
    struct Greedy;
    impl Plugin for Greedy {
        type Config = NoConfig;
        const CAPABILITIES: &'static [&'static str] = &["routes"];
        fn start(_: NoConfig, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
            assert_eq!(host.links().dial("h", 1, Profile::default()).err().unwrap().code(), Code::Forbidden);
            reg.route(GET, "/Marti/x", Listeners::MARTI, Auth::Open, |_| Ok("x"));
            reg.intercept("*", Band::Tap, |_, _| Verdict::Pass);
            Ok(Greedy)
        }
    }
    let wrong = MockHost::builder().start::<Greedy>().err().unwrap();
    assert!(wrong.to_string().contains("\"intercept\" in Plugin::CAPABILITIES"), "{wrong}");
    let wrong = MockHost::builder().grant(["net"]).start::<Greedy>().err().unwrap();
    assert!(wrong.to_string().contains("has not granted the capability \"routes\""), "{wrong}");
    let wrong = MockHost::builder().config(json!({"n": 1})).start::<Greedy>().err().unwrap();
    assert_eq!((wrong.code(), wrong.to_string().as_str()), (Code::Config, "n: unknown key"));
}

#[test]
fn events_from_elsewhere_and_from_the_plugin() {
    let host = all();
    let alice = host.connect(Client::new("ALICE", "Alice"));
    host.forget();
    let source = SourceInfo { kind: SourceKind::Server, groups: vec!["__ANON__".into()], ..SourceInfo::default() };
    assert_eq!(host.deliver_from(event(&host, "b-x", "u"), source).receivers, [alice]);
    host.fail_next("cot.send", Code::Busy, "slow down");
    host.tick(Duration::from_secs(30));
    assert!(host.log().iter().any(|l| l.message.contains("slow down")));
}

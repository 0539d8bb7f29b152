//! What the tests of the hostile plugin share: servers with it and an honest neighbour, two honest clients that talk all
//! the while, and what is asked after each misdeed.
#![allow(dead_code)] // Every test file uses its part.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use fts_tests::{Builder, Client, Event, Http, Server, event};
use serde_json::Value;

use crate::abi;

/// A server with the hostile plugin in this mode and, as its neighbour, the plugin of `tests/abi/old`. `more` are lines of
/// `[plugins.hostile]`.
pub fn hostile(mode: &str, more: &str) -> Builder {
    let dir = abi::built().join("debug");
    Server::build().set("plugins.dirs", &format!("{:?}", abi::places(&[&dir]))).toml(&format!(
        "[plugins]\nenabled = [\"hostile\", \"old\"]\n[plugins.old]\ncapabilities = [\"intercept\"]\n\
         [plugins.hostile]\ncapabilities = [\"intercept\", \"bind-dest\", \"listen\", \"routes\"]\nmode = {mode:?}\n{more}"
    ))
}

/// What triggers it.
pub fn trigger(uid: &str) -> String {
    event(uid, "b-x-h", "<x/>")
}

/// A request to one of its routes.
pub fn ask(server: &Server, path: &str) -> Http {
    server.get(&format!("/api/plugins/hostile/{path}"))
}

/// It, as the admin API shows it.
pub fn shown(server: &Server) -> Value {
    server.admin("GET", "/admin/plugins/hostile", "").json()
}

/// The first line about it with this event that fits.
pub fn said(server: &Server, event: &str, mut fits: impl FnMut(&Value) -> bool) -> Value {
    server.wait_log(|l| l["event"] == event && l["plugin"] == "hostile" && fits(l))
}

/// The first line with this state of it.
pub fn state(server: &Server, state: &str) -> Value {
    said(server, "plugin.state", |l| l["state"] == state)
}

/// A figure of `/said`.
pub fn figure(server: &Server, name: &str) -> u64 {
    let said = ask(server, "said").body;
    let mut words = said.split(' ');
    words.find(|w| *w == name).unwrap_or_else(|| panic!("{name} in {said}"));
    words.next().unwrap().parse().unwrap()
}

/// The neighbour and the server are as they were.
#[track_caller]
pub fn assert_others_well(server: &Server) {
    assert_eq!(server.get("/livez").status, 200);
    let asked = server.get("/api/plugins/old/count");
    assert_eq!((asked.status, asked.body.as_str()), (200, "0"));
    assert_eq!(server.admin("GET", "/admin/plugins/old", "").json()["state"], "running");
}

/// Two honest clients that chat and move in turns, until [`Talk::end`]; each fails when an event of the other does not
/// come, or comes out of order.
pub struct Talk {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<(usize, Duration)>>,
}

impl Talk {
    /// Both are there and know each other.
    pub fn begin(server: &Server) -> Self {
        let mut alice = Client::join(server, "HONEST-A", "ALICE");
        let mut bob = Client::join(server, "HONEST-B", "BOB");
        from(&mut alice, "HONEST-B");
        from(&mut bob, "HONEST-A");
        let stop = Arc::new(AtomicBool::new(false));
        let (never, until) = (Arc::default(), stop.clone());
        let threads = vec![
            std::thread::spawn(move || talk(alice, "HONEST-B", &until)),
            std::thread::spawn(move || talk(bob, "HONEST-A", &never)),
        ];
        Self { stop, threads }
    }

    /// Ends it; rounds, and the longest of them.
    pub fn end(self) -> (usize, Duration) {
        self.stop.store(true, Relaxed);
        let told: Vec<_> = self.threads.into_iter().map(|t| t.join().expect("an honest client noticed")).collect();
        assert_eq!(told[0].0, told[1].0);
        told[0]
    }
}

fn talk(mut me: Client, partner: &str, stop: &AtomicBool) -> (usize, Duration) {
    let (own, callsign) = (me.uid.clone(), me.callsign.clone());
    let mut slowest = Duration::ZERO;
    for n in 0.. {
        if stop.load(Relaxed) {
            me.send(&event(&format!("{own}-end"), "b-t-f", "<remarks>end</remarks>"));
            // A socket that is closed with unread bytes is reset, and takes what was sent with it.
            me.sync();
            return (n, slowest);
        }
        let began = Instant::now();
        me.send(&event(&format!("{own}-chat-{n}"), "b-t-f", "<remarks>hello</remarks>"));
        let contact = format!("<contact callsign=\"{callsign}\" endpoint=\"*:-1:stcp\"/><status battery=\"{n}\"/>");
        me.send(&event(&own, "a-f-G-U-C", &contact));
        let said = from(&mut me, partner);
        if said.uid() == format!("{partner}-end") {
            return (n, slowest);
        }
        assert_eq!(said.uid(), format!("{partner}-chat-{n}"), "{own} expects the next chat");
        let moved = from(&mut me, partner);
        let battery = moved.detail("status").map(|s| s.attr("battery").to_owned()).unwrap_or_default();
        assert_eq!((moved.uid(), battery), (partner, n.to_string()), "{own} expects the next position");
        slowest = slowest.max(began.elapsed());
        // Not to wait for anything: two clients in a loop would have a processor for themselves.
        std::thread::sleep(Duration::from_millis(5));
    }
    unreachable!("there are more numbers")
}

/// The next event of the partner; others are none of their business.
fn from(me: &mut Client, partner: &str) -> Event {
    me.until(|e| e.uid().starts_with(partner)).0
}

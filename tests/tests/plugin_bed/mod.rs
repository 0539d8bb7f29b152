//! What the tests of the plugin contract share: servers with the probe (and its twin), asking the probe for things, a
//! room with members and writers, and the figures behind "nobody got it".
#![allow(dead_code)] // Every test file uses its part.
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use fts_tests::{Builder, DEADLINE, Server};
use serde_json::{Value, json};

/// Everything the probe asks for.
const GRANTED: &str = r#"["intercept", "bind-dest", "provide", "remote-contacts", "routes", "listen", "net", "kick", "certs.issue", "tokens"]"#;

/// A server with the probe; `own` are lines of `[plugins.probe]` (and of tables below it).
pub fn probe(own: &str) -> Builder {
    Server::build().toml(&format!("[plugins]\nenabled = [\"probe\"]\n[plugins.probe]\ncapabilities = {GRANTED}\n{own}"))
}

/// The same with the twin beside it.
pub fn both(own: &str, twin: &str) -> Builder {
    Server::build().toml(&format!(
        "[plugins]\nenabled = [\"probe\", \"twin\"]\n[plugins.probe]\ncapabilities = {GRANTED}\n{own}\n[plugins.twin]\n\
         capabilities = [\"bind-dest\", \"provide\", \"routes\", \"intercept\"]\n{twin}"
    ))
}

/// A member of an audience where the listener knows no users.
pub fn uid(uid: &str) -> Value {
    json!({"Client": {"uid": uid, "user": ""}})
}

/// What tests ask of the probe and know of plugins.
pub trait Asks {
    /// Asks the probe; fails with what it says.
    fn probe(&self, ask: Value) -> Value;
    /// Asks the probe for something it refuses; status and text.
    fn refused(&self, ask: Value) -> (u16, String);
    /// What a handler of the probe saw.
    fn diary(&self, what: &str) -> Vec<Value>;
    /// Uids of those notes.
    fn saw(&self, what: &str) -> Vec<String>;
    /// Uids of the held events the probe has stored.
    fn stored(&self) -> Vec<String>;
    /// A destination with members and writers, who are clients of a plain listener.
    fn room(&self, name: &str, members: &[&str], writers: &[&str]);
    /// `fts plugin <change> <name>`; what it says.
    fn change(&self, plugin: &str, change: &str) -> Result<String, String>;
    /// A plugin's entry.
    fn plugin(&self, name: &str) -> Value;
    /// Its state.
    fn state(&self, name: &str) -> String;
    /// Events dropped for this reason.
    fn dropped(&self, reason: &str) -> f64;
    /// Waits for a log line of this event that has this plugin.
    fn wait_plugin(&self, plugin: &str, event: &str, text: &str) -> Value;
    /// Returns when a held handler stands before its step.
    fn wait_paused(&self);
}

impl Asks for Server {
    fn probe(&self, ask: Value) -> Value {
        let answer = self.admin("POST", "/api/plugins/probe/do", &ask.to_string());
        assert_eq!(answer.status, 200, "{ask}: {}", answer.body);
        answer.json()
    }

    fn refused(&self, ask: Value) -> (u16, String) {
        let answer = self.admin("POST", "/api/plugins/probe/do", &ask.to_string());
        assert_ne!(answer.status, 200, "{ask}: {}", answer.body);
        (answer.status, answer.body)
    }

    fn diary(&self, what: &str) -> Vec<Value> {
        let notes = self.probe(json!({"do": "diary", "what": what}));
        notes.as_array().unwrap().iter().map(|n| n["seen"].clone()).collect()
    }

    fn saw(&self, what: &str) -> Vec<String> {
        self.diary(what).iter().map(|n| n["uid"].as_str().unwrap().to_owned()).collect()
    }

    fn stored(&self) -> Vec<String> {
        let events = self.probe(json!({"do": "events"}));
        events.as_array().unwrap().iter().map(|e| e["uid"].as_str().unwrap().to_owned()).collect()
    }

    fn room(&self, name: &str, members: &[&str], writers: &[&str]) {
        let (to, from) = (format!("{name}-members"), format!("{name}-writers"));
        self.probe(json!({"do": "bind", "kind": "probe", "name": name, "members": &to, "writers": &from}));
        for (audience, all) in [(&to, members), (&from, writers)] {
            for member in all {
                self.probe(json!({"do": "add", "audience": audience, "member": uid(member)}));
            }
        }
    }

    fn change(&self, plugin: &str, change: &str) -> Result<String, String> {
        let answer = self.admin("POST", &format!("/admin/plugins/{plugin}/{change}"), "");
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.body) }
    }

    fn plugin(&self, name: &str) -> Value {
        self.admin("GET", &format!("/admin/plugins/{name}"), "").json()
    }

    fn state(&self, name: &str) -> String {
        self.plugin(name)["state"].as_str().unwrap_or("none").to_owned()
    }

    fn dropped(&self, reason: &str) -> f64 {
        self.metric("fts_cot_dropped_total", &[&format!("reason={reason:?}")])
    }

    fn wait_plugin(&self, plugin: &str, event: &str, text: &str) -> Value {
        self.wait_log(|l| l["event"] == event && l["plugin"] == plugin && l.to_string().contains(text))
    }

    fn wait_paused(&self) {
        self.eventually("a handler stands before its step", || self.probe(json!({"do": "paused"})) == true);
    }
}

/// `<dest probe="name"/>`.
pub fn to(name: &str) -> String {
    format!("<dest probe={name:?}/>")
}

/// A connection to the local socket on which a request was begun: bytes as they are.
pub fn raw(server: &Server, head: &str) -> UnixStream {
    let mut stream = UnixStream::connect(server.data_dir().join("run/fts.sock")).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Status line and headers, read byte by byte so that nothing of the body is taken.
pub fn head(stream: &mut UnixStream) -> String {
    let (mut all, mut one) = (Vec::new(), [0]);
    while !all.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut one).unwrap(), 1, "closed: {}", String::from_utf8_lossy(&all));
        all.push(one[0]);
    }
    String::from_utf8(all).unwrap()
}

/// How long something took.
pub fn timed<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let began = Instant::now();
    let done = f();
    (began.elapsed(), done)
}

//! The scene of the emergency tests: a server with listeners of red, of blue and of both, texts of the book
//! (kml-emergency-reports.md b.1), and how to read past presence and repeats.
//!
//! Repeats come between everything else, so "nobody got it" is shown by [`quiet`]: up to a marker of the sender no alert
//! came. "It stopped" is shown by a second alert that goes on: its repeats are the clock.
#![allow(dead_code)] // Every test file uses a part of it.
use fts_tests::{Builder, Client, Event, Server, at, event, marker, sa};
use serde_json::{Value, json};

/// The uid of A's alert.
pub const UID: &str = "ANDROID-11aa-9-1-1";
/// A's own uid.
pub const A: &str = "ANDROID-11aa";

/// Keys of `[plugins.emergency]`; listeners `red`, `blue` and `both` beside the plain one of everybody.
pub fn build(keys: &str) -> Builder {
    Server::build()
        .set("canary.interval", "\"0s\"")
        .toml(&format!("[plugins.emergency]\n{keys}"))
        .listener("red", "cot_tcp", r#"default_groups = ["red"]"#)
        .listener("blue", "cot_tcp", r#"default_groups = ["blue"]"#)
        .listener("both", "cot_tcp", r#"default_groups = ["red", "blue"]"#)
}

/// The server of it, with the plugin running.
pub fn start(keys: &str) -> Server {
    running(build(keys).start())
}

/// The plugin runs here; the bundled binary has it without a file.
pub fn running(server: Server) -> Server {
    let plugin = server.admin("GET", "/admin/plugins/emergency", "").json();
    assert_eq!(plugin["state"], "running", "{plugin}");
    assert_eq!(plugin["file"] == "linked in", fts_tests::bundled(), "{}", plugin["file"]);
    server
}

/// Somebody who is there, and whom the plugin has served as a newcomer: what it gets from here on is no greeting.
pub fn join(server: &Server, listener: &str, uid: &str, callsign: &str) -> Client {
    let told = || {
        let plugin = server.admin("GET", "/admin/plugins/emergency", "").json();
        let handlers = plugin["handlers"].as_array().cloned().unwrap_or_default();
        handlers.iter().find(|h| h["name"] == "clients").and_then(|h| h["calls"].as_u64())
    };
    let before = told();
    let client = Client::join_to(server, listener, uid, callsign);
    // Connected, ready and identified; nothing where it does not run.
    server.eventually("the plugin knows it", || told() >= before.map(|n| n + 3));
    client
}

/// A, as ATAK calls itself in the book.
pub fn alice(server: &Server, listener: &str) -> Client {
    join(server, listener, A, "LIMA1")
}

/// A start of the book by this device; `more` stands behind the rest of the detail.
pub fn alert_of(uid: &str, device: &str, kind: &str, text: &str, more: &str) -> String {
    let detail = format!(
        r#"<link uid="{device}" type="a-f-G-U-C" relation="p-p"/><contact callsign="LIMA1-Alert"/><emergency type="{text}">LIMA1</emergency>{more}"#
    );
    // ATAK's alerts live ten seconds, not as long as other events.
    let text = event(uid, kind, &detail);
    let stale = text.find("stale=\"").unwrap() + "stale=\"".len();
    let end = stale + text[stale..].find('"').unwrap();
    format!("{}{}{}", &text[..stale], at(10_000), &text[end..])
}

/// A's 911 alert.
pub fn start_911() -> String {
    alert_of(UID, A, "b-a-o-tbl", "911 Alert", "")
}

/// A 911 alert of another device.
pub fn start_of(uid: &str) -> String {
    alert_of(uid, uid, "b-a-o-tbl", "911 Alert", "")
}

/// A cancel.
pub fn cancel(uid: &str) -> String {
    event(uid, "b-a-o-can", r#"<emergency cancel="true">LIMA1</emergency>"#)
}

/// Moves an event.
pub fn moved(text: &str, lat: &str) -> String {
    text.replace("lat=\"45.5\"", &format!("lat=\"{lat}\""))
}

/// A position at this latitude.
pub fn sa_at(uid: &str, callsign: &str, lat: &str) -> String {
    moved(&sa(uid, callsign), lat)
}

/// Is it about an emergency?
pub fn is_alert(event: &Event) -> bool {
    event.kind().starts_with("b-a-")
}

/// The next event about an emergency, past anything else.
pub fn next_alert(client: &mut Client) -> Event {
    client.until(is_alert).0
}

/// The next event about this one, past anything else; what other alerts came before it.
pub fn alert_about(client: &mut Client, uid: &str) -> (Event, Vec<Event>) {
    let (found, before) = client.until(|e| is_alert(e) && e.uid() == uid);
    (found, before.into_iter().filter(is_alert).collect())
}

/// The cancel of this one, past anything else.
pub fn cancel_of(client: &mut Client, uid: &str) -> Event {
    client.until(|e| e.kind() == "b-a-o-can" && e.uid() == uid).0
}

/// Up to a marker that `sender` broadcasts now, these got nothing about an emergency.
pub fn quiet(sender: &mut Client, silent: &mut [&mut Client]) {
    let uid = format!("fence-{}", uuid::Uuid::new_v4());
    sender.send(&marker(&uid));
    for client in silent {
        let (_, before) = client.until(|e| e.uid() == uid);
        let alerts: Vec<_> = before.iter().filter(|e| is_alert(e)).collect();
        assert!(alerts.is_empty(), "{} received what it must not: {alerts:?}", client.uid);
    }
}

/// Throws away what came so far.
pub fn forget(client: &mut Client) {
    while client.next_within(std::time::Duration::ZERO).is_ok() {}
}

/// The server goes on repeating `other`, and of `uid` nothing comes to this client any more. `other` must have repeated
/// three times meanwhile, so that `uid` would have, too. A cancel that met a repeat on its way is said again.
pub fn stopped(client: &mut Client, uid: &str, other: &str) {
    for _ in 0..3 {
        let (_, before) = alert_about(client, other);
        assert!(before.iter().all(|e| e.uid() != uid || e.kind() == "b-a-o-can"), "{uid} goes on: {before:?}");
    }
}

/// A time of an XML event, as text that sorts.
pub fn said_at<'a>(event: &'a Event, name: &str) -> &'a str {
    event.attr(name)
}

/// A call on the local socket that must be answered with 200.
pub fn ok(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = server.admin(method, path, &body);
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// `getEmergency`.
pub fn listed(server: &Server) -> Vec<Value> {
    ok(server, "GET", "/ManageEmergency/getEmergency", &Value::Null)["json_list"].as_array().unwrap().clone()
}

/// `/api/alerts` with this query.
pub fn alerts(server: &Server, query: &str) -> Value {
    ok(server, "GET", &format!("/api/alerts{query}"), &Value::Null)
}

/// Total and uids of that.
pub fn uids(server: &Server, query: &str) -> (u64, Vec<String>) {
    let all = alerts(server, query);
    let items = all["items"].as_array().unwrap().iter().map(|i| i["uid"].as_str().unwrap().to_owned());
    (all["total"].as_u64().unwrap(), items.collect())
}

/// `postEmergency`; the uid.
pub fn post(server: &Server, name: &str, kind: &str) -> String {
    let body = json!({"name": name, "emergencyType": kind, "latitude": 60, "longitude": 24});
    ok(server, "POST", "/ManageEmergency/postEmergency", &body)["message"].as_str().unwrap().to_owned()
}

/// enable, disable, reload or restart of the plugin.
pub fn change(server: &Server, what: &str) {
    ok(server, "POST", &format!("/admin/plugins/emergency/{what}"), &Value::Null);
}

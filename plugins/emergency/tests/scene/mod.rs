//! Who is on stage in the tests of the plugin: the events of b.1, clients, and a host whose clock begins at [`NOW`].
// Each test program uses a part of it; what is not there fails the test.
#![allow(dead_code, clippy::unwrap_used)]
use std::time::Duration;

use fts_plugin_api::{
    cot::format_time,
    testkit::{Answer, Client, MockHost},
};
use fts_plugin_emergency::Emergency;
use serde_json::Value;

/// The start of b.1, byte for byte.
pub const START: &str = r#"<event version="2.0" uid="ANDROID-11aa-9-1-1" type="b-a-o-tbl" how="m-g" time="2026-02-01T10:00:00.000Z" start="2026-02-01T10:00:00.000Z" stale="2026-02-01T10:00:10.000Z"><point lat="60.17" lon="24.94" hae="12.0" ce="9.0" le="9999999.0"/><detail><link uid="ANDROID-11aa" type="a-f-G-U-C" relation="p-p"/><contact callsign="LIMA1-Alert"/><emergency type="911 Alert">LIMA1</emergency></detail></event>"#;
/// And its cancel.
pub const CANCEL: &str = r#"<event version="2.0" uid="ANDROID-11aa-9-1-1" type="b-a-o-can" how="m-g" time="2026-02-01T10:05:00.000Z" start="2026-02-01T10:05:00.000Z" stale="2026-02-01T10:05:10.000Z"><point lat="60.17" lon="24.94" hae="12.0" ce="9.0" le="9999999.0"/><detail><emergency cancel="true">LIMA1</emergency></detail></event>"#;
/// Its uid.
pub const UID: &str = "ANDROID-11aa-9-1-1";
/// What a 911 alert ends with once it is relayed.
pub const REMARK: &str = "<remarks>CALL 911 NOW</remarks></detail>";
/// 2026-02-01T10:00:01.000Z: A's event has just arrived.
pub const NOW: i64 = 1_769_940_001_000;

/// The plugin with this table.
pub fn host(config: &Value) -> MockHost {
    MockHost::builder().config(config).now(NOW).start::<Emergency>().unwrap()
}

/// LIMA1.
pub fn a() -> Client {
    Client::new("ANDROID-11aa", "LIMA1").groups(["red"])
}

/// Another one in its group.
pub fn b() -> Client {
    Client::new("B", "BRAVO").groups(["red"])
}

/// The alert as relayed, at another time.
pub fn repeated(now: i64) -> String {
    let stale = format_time(now + 15_000);
    START
        .replacen("time=\"2026-02-01T10:00:00.000Z\"", &format!("time=\"{}\"", format_time(now)), 1)
        .replace("stale=\"2026-02-01T10:00:10.000Z\"", &format!("stale=\"{stale}\""))
        .replace("</detail>", REMARK)
}

/// What a connection got.
pub fn texts(host: &MockHost, conn: u64) -> Vec<String> {
    host.received(conn).iter().map(|e| String::from_utf8(e.text().to_vec()).unwrap()).collect()
}

/// Types of what a connection got.
pub fn kinds(host: &MockHost, conn: u64) -> Vec<String> {
    host.received(conn).iter().map(|e| e.kind().to_owned()).collect()
}

/// So many.
pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The JSON of a good answer.
pub fn body(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()
}

/// getEmergency.
pub fn listed(host: &MockHost) -> Vec<Value> {
    let list = body(&host.http("GET", "/ManageEmergency/getEmergency").send());
    list["json_list"].as_array().unwrap().clone()
}

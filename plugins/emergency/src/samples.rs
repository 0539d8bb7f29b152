//! Events of the specification (kml-emergency-reports.md b.1), byte for byte, for the tests of all files.
use fts_plugin_api::{
    cot::Cot,
    sdk::{Event, SourceInfo, SourceKind},
};

use crate::alert::{Alert, Said, read};

/// LIMA1 calls 911.
pub const START_A: &str = r#"<event version="2.0" uid="ANDROID-11aa-9-1-1" type="b-a-o-tbl" how="m-g" time="2026-02-01T10:00:00.000Z" start="2026-02-01T10:00:00.000Z" stale="2026-02-01T10:00:10.000Z"><point lat="60.17" lon="24.94" hae="12.0" ce="9.0" le="9999999.0"/><detail><link uid="ANDROID-11aa" type="a-f-G-U-C" relation="p-p"/><contact callsign="LIMA1-Alert"/><emergency type="911 Alert">LIMA1</emergency></detail></event>"#;

/// And is well again.
pub const CANCEL_A: &str = r#"<event version="2.0" uid="ANDROID-11aa-9-1-1" type="b-a-o-can" how="m-g" time="2026-02-01T10:05:00.000Z" start="2026-02-01T10:05:00.000Z" stale="2026-02-01T10:05:10.000Z"><point lat="60.18" lon="24.95" hae="12.0" ce="9.0" le="9999999.0"/><detail><emergency cancel="true">LIMA1</emergency></detail></event>"#;

/// A client without a user in these groups.
pub fn client(conn: u64, uid: &str, groups: &[&str]) -> SourceInfo {
    let groups = groups.iter().map(|g| (*g).to_owned()).collect();
    SourceInfo { kind: SourceKind::Client, conn, uid: uid.to_owned(), groups, ..SourceInfo::default() }
}

/// Looks at a text as a handler does.
pub fn look<T>(text: &str, f: impl FnOnce(&Event<'_>) -> T) -> T {
    let cot = Cot::parse(text.as_bytes().to_vec()).unwrap();
    f(&Event::of(cot.text(), cot.spans()))
}

/// [`START_A`] as the table takes it: sent by that device into these groups at `now`.
pub fn alert_a(groups: &[&str], now: i64) -> Alert {
    let Said::Start(alert) = look(START_A, read) else { panic!("no start") };
    let source = client(1, "ANDROID-11aa", groups);
    Alert { sender: (&source).into(), groups: source.groups, first: now, last: now, ..*alert }
}

//! `fts mission …` as text: tables, and sentences about what was done.
use serde_json::Value;

use crate::cli::output::{self, text};

fn rows<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// `2026-03-01 10:00:00` of a time of an answer.
pub fn time(value: &Value) -> String {
    value.as_str().and_then(|t| t.get(..19)).unwrap_or_default().replace('T', " ")
}

/// Name and guid.
pub fn named(mission: &Value) -> String {
    format!("{} ({})", text(&mission["name"]), text(&mission["guid"]))
}

/// What is in one.
pub fn amounts(mission: &Value) -> String {
    let n = |key: &str| text(&mission[key]);
    let bytes = |key: &str| output::size(mission[key].as_u64().unwrap_or_default());
    format!(
        "{} items, {} files ({}), {} changes, {} of events, {} members",
        n("items"),
        n("files"),
        bytes("file_bytes"),
        n("changes"),
        bytes("event_bytes"),
        n("subscribers")
    )
}

fn groups(mission: &Value) -> String {
    match mission["all_groups"] == true {
        true => "all".to_owned(),
        false => rows(mission, "groups").iter().map(text).collect::<Vec<_>>().join(","),
    }
}

/// All of them.
pub fn list(missions: &Value) -> String {
    let missions = missions.as_array().map(Vec::as_slice).unwrap_or_default();
    if missions.is_empty() {
        return "no missions\n".to_owned();
    }
    let heading = ["mission", "tool", "groups", "items", "files", "members", "changes", "events", "edited", "guid"];
    let mut table = vec![heading.map(str::to_owned).to_vec()];
    for mission in missions {
        let n = |key: &str| text(&mission[key]);
        table.push(vec![
            n("name"),
            n("tool"),
            groups(mission),
            n("items"),
            n("files"),
            n("subscribers"),
            n("changes"),
            output::size(mission["event_bytes"].as_u64().unwrap_or_default()),
            time(&mission["edited"]),
            n("guid"),
        ]);
    }
    output::table(&table)
}

/// One, with members and snapshots.
pub fn one(mission: &Value) -> String {
    let mut kept = Vec::new();
    for (key, is) in [("protected", "has a password"), ("invite_only", "by invitation only")] {
        kept.extend((mission[key] == true).then_some(is));
    }
    let mut out = format!("{}\n", named(mission));
    let edited = format!("{}, last change {}", time(&mission["created"]), time(&mission["edited"]));
    let expires = mission["expiration"].as_i64().filter(|at| *at >= 0);
    for (key, value) in [
        ("tool", text(&mission["tool"])),
        ("groups", groups(mission)),
        ("made by", text(&mission["creator_uid"])),
        ("made", edited),
        ("ends", expires.map(|at| fts_plugin_api::cot::format_time(at.saturating_mul(1000))).unwrap_or_default()),
        ("entry", kept.join(", ")),
        ("holds", amounts(mission)),
        ("qr code", text(&mission["qr_code"])),
    ] {
        if !value.is_empty() {
            out += &format!("  {key:<8} {value}\n");
        }
    }
    let mut members = vec![["member", "user", "role", "live", "since"].map(str::to_owned).to_vec()];
    for m in rows(mission, "members") {
        let live = if m["active"] == true { "yes" } else { "no" };
        members.push(vec![
            text(&m["client_uid"]),
            text(&m["user"]),
            text(&m["role"]),
            live.to_owned(),
            time(&m["since"]),
        ]);
    }
    let mut snapshots = vec![["snapshot", "taken"].map(str::to_owned).to_vec()];
    snapshots.extend(rows(mission, "snapshots").iter().map(|s| vec![text(&s["name"]), time(&s["taken"])]));
    for table in [members, snapshots].iter().filter(|t| t.len() > 1) {
        out += &format!("\n{}", output::table(table));
    }
    out
}

/// What an import has to say beside that it is done.
pub fn notes(imported: &Value) -> String {
    rows(imported, "notes").iter().map(|note| format!("note: {}\n", text(note))).collect()
}

/// What going back did, or would do.
pub fn restored(report: &Value, dry: bool) -> String {
    let (back, out) = (text(&report["restored"]), text(&report["removed"]));
    let mut said = match dry {
        true => format!("{back} things would come back or change, {out} would be taken out\n"),
        false => format!("{back} things came back or changed, {out} were taken out\n"),
    };
    rows(report, "messages").iter().for_each(|m| said += &format!("note: {}\n", text(m)));
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_and_sentences_say_what_is_there() {
        let mission = json!({"guid": "g", "name": "Flood North", "tool": "public", "groups": ["A", "B"],
            "all_groups": false, "creator_uid": "", "created": "2026-03-01T10:00:00.123Z", "edited": "2026-03-01T11:00:00.123Z",
            "expiration": -1, "protected": true, "invite_only": false, "items": 2, "files": 1, "subscribers": 1, "changes": 4,
            "event_bytes": 1200, "file_bytes": 3000, "qr_code": "h:8089:ssl,h-8443-ssl-Flood North,Flood North",
            "members": [{"client_uid": "A-1", "user": "alice", "role": "MISSION_OWNER", "active": true, "since": "2026-03-01T10:00:00.123Z"}],
            "snapshots": []});
        let all = list(&json!([mission]));
        assert!(
            all.contains("Flood North  public  A,B     2      1      1        4        1.2 kB  2026-03-01 11:00:00  g"),
            "{all}"
        );
        let page = one(&mission);
        assert!(
            page.contains("holds    2 items, 1 files (3.0 kB), 4 changes, 1.2 kB of events, 1 members\n"),
            "{page}"
        );
        assert!(page.contains("qr code  h:8089:ssl,h-8443-ssl-Flood North,Flood North\n"), "{page}");
        assert!(
            page.contains("entry    has a password\n") && page.contains("A-1     alice  MISSION_OWNER  yes"),
            "{page}"
        );
        assert!(!page.contains("made by") && !page.contains("ends") && !page.contains("snapshot"), "{page}");
        let ending = json!({"expiration": 1_772_359_200, "all_groups": true, "snapshots": [{"name": "s", "taken": "2026-03-01T10:00:00.123Z"}]});
        let page = one(&ending);
        assert!(page.contains("ends     2026-03-01T10:00:00.000Z") && page.contains("groups   all"), "{page}");
        assert!(page.contains("s         2026-03-01 10:00:00"), "{page}");
        assert_eq!(list(&json!([])), "no missions\n");
        assert_eq!(notes(&json!({"notes": ["a", "b"]})), "note: a\nnote: b\n");
        assert_eq!(notes(&json!({})), "");
        let report = json!({"restored": 2, "removed": 1, "messages": ["x"]});
        assert_eq!(restored(&report, true), "2 things would come back or change, 1 would be taken out\nnote: x\n");
        assert!(restored(&report, false).starts_with("2 things came back or changed, 1 were taken out\n"));
    }
}

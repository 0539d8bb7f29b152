//! `strict_uid_membership` (mission.md 5.3): what is an item of a mission comes for that mission, or goes nowhere.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::testkit::Client;
use scene::{zips::*, *};
use serde_json::json;

const TO_FLOOD: &str = "mission=\"Flood North\"";
const SECOND: &str = "/Marti/api/missions/Second";
const WHY: &str = "strict_uid_membership";

/// `Flood North` and `Second` of alice; bob is in both.
fn strict(on: bool) -> (Scene, String) {
    let scene = Scene::with(&json!({"strict_uid_membership": on}));
    let (guid, _) = scene.create("Flood%20North?creatorUid=A&group=__ANON__");
    scene.create("Second?creatorUid=A&group=__ANON__");
    for path in [FLOOD, SECOND] {
        scene.subscribe(BOB, path, "B");
    }
    scene.host.forget();
    (scene, guid)
}

/// Is it dropped when alice sends it to everybody?
fn kept_out(scene: &Scene, uid: &str) -> bool {
    scene.host.forget();
    let outcome = scene.host.deliver(marker(uid, ""), scene.a);
    let dropped = outcome.dropped();
    assert!(dropped.is_none_or(|why| why == WHY), "{dropped:?}");
    assert_eq!(scene.kinds(scene.b).is_empty(), dropped.is_some());
    dropped.is_some()
}

fn take_out(scene: &Scene, mission: &str, uid: &str) {
    scene.ask(ALICE, "DELETE", &format!("{mission}/contents?uid={uid}&creatorUid=A"), 200);
}

#[test]
fn an_item_that_comes_without_a_mission_goes_nowhere() {
    let (scene, guid) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c", "a-f-G"], "the plugin's own events pass");
    for dest in [
        "",
        "callsign=\"bob\"",
        "uid=\"B\"",
        "group=\"__ANON__\"",
        "mission=\"\"",
        "other=\"Flood North\"",
        // The first name of a destination decides.
        "callsign=\"bob\" mission=\"Flood North\"",
    ] {
        for conn in [scene.a, scene.b] {
            scene.host.forget();
            let outcome = scene.host.deliver(marker("m-1", dest), conn);
            assert_eq!((outcome.dropped(), outcome.receivers.len()), (Some(WHY), 0), "{dest}");
            assert!([scene.a, scene.b].iter().all(|conn| scene.kinds(*conn).is_empty()), "{dest}");
        }
    }
    assert_eq!(scene.rows("SELECT 1 FROM mission_cot"), 1);
    for dest in [
        TO_FLOOD.to_owned(),
        format!("mission-guid=\"{guid}\""),
        "callsign=\"bob\"/><dest mission=\"Flood North\"".to_owned(),
    ] {
        scene.host.forget();
        let outcome = scene.host.deliver(marker("m-1", &dest), scene.a);
        assert!(outcome.held.is_some() && outcome.dropped().is_none(), "{dest}");
        assert_eq!(scene.kinds(scene.b).len(), 2, "{dest}: notice and event");
    }
    assert!(!kept_out(&scene, "m-2"), "no item");
}

#[test]
fn an_item_of_one_mission_does_not_come_into_another() {
    let (scene, _) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.forget();
    for dest in ["mission=\"Second\"", "mission=\"Nowhere\""] {
        scene.host.deliver(marker("m-1", dest), scene.a);
        assert!(scene.kinds(scene.b).is_empty(), "{dest}");
    }
    let put = scene.call(ALICE, "PUT", &format!("{SECOND}/contents?creatorUid=A")).json(&json!({"uids": ["m-1"]}));
    assert!(text(&answered(&put.send(), 200)["messages"][0]).contains(WHY));
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 1);
}

#[test]
fn what_is_taken_out_is_free_again() {
    let (scene, _) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    // A newer state of it is the same item.
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    take_out(&scene, FLOOD, "m-1");
    take_out(&scene, FLOOD, "m-1");
    assert!(!kept_out(&scene, "m-1"));
    scene.host.deliver(marker("m-1", "mission=\"Second\""), scene.a);
    assert!(kept_out(&scene, "m-1"), "now it is the other's");
    scene.ask(ALICE, "DELETE", &format!("{SECOND}?creatorUid=A"), 200);
    assert!(!kept_out(&scene, "m-1"));
}

#[test]
fn an_item_without_an_event_counts_also_when_it_is_a_device() {
    let (scene, _) = strict(true);
    let put = scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A"));
    answered(&put.json(&json!({"uids": ["A", "m-7"]})).send(), 200);
    assert!(kept_out(&scene, "m-7") && kept_out(&scene, "A"), "the position of alice, too");
    take_out(&scene, FLOOD, "A");
    assert!(!kept_out(&scene, "A") && kept_out(&scene, "m-7"));
}

#[test]
fn what_was_refused_or_rolled_back_is_no_item() {
    let (scene, _) = strict(true);
    scene.host.fail_next("sql.commit", fts_plugin_api::sdk::Code::Other, "disk broken");
    let put = scene.call(ALICE, "PUT", &format!("{FLOOD}/contents?creatorUid=A")).json(&json!({"uids": ["m-1"]}));
    assert_eq!(put.send().status, 500);
    assert!(!kept_out(&scene, "m-1"));
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.c);
    assert!(!kept_out(&scene, "m-1"), "carol is no member");
}

#[test]
fn it_is_known_after_a_restart() {
    let (scene, _) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.stop().unwrap();
    scene.host.start_again().unwrap();
    assert!(kept_out(&scene, "m-1") && !kept_out(&scene, "m-2"));
    scene.host.reload().unwrap();
    assert!(kept_out(&scene, "m-1"));
    take_out(&scene, FLOOD, "m-1");
    assert!(!kept_out(&scene, "m-1"));
}

#[test]
fn with_the_option_off_nobody_is_asked() {
    let (scene, _) = strict(false);
    let of_all = |scene: &Scene| scene.host.intercepts().iter().filter(|i| i.types == ["*"]).count();
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.deliver(marker("m-1", "mission=\"Second\""), scene.a);
    assert!(!kept_out(&scene, "m-1") && of_all(&scene) == 0);
    assert_eq!(scene.rows("SELECT 1 FROM mission_uid"), 2);
    // Switched on later: it is in two missions, and free when it is in none.
    scene.host.reconfigure(json!({"strict_uid_membership": true})).unwrap();
    assert!(kept_out(&scene, "m-1") && of_all(&scene) == 1);
    take_out(&scene, FLOOD, "m-1");
    assert!(kept_out(&scene, "m-1"));
    take_out(&scene, SECOND, "m-1");
    assert!(!kept_out(&scene, "m-1"));
}

#[test]
fn copies_and_imports_count_and_so_does_their_end() {
    let (scene, _) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/copy?creatorUid=A&copyName=Copy"), 201);
    let exported = export(&scene, "").body;
    let delete = |path: &str| scene.ask(ALICE, "DELETE", &format!("{path}?creatorUid=A"), 200);
    delete(FLOOD);
    assert!(kept_out(&scene, "m-1"), "the copy has it");
    delete("/Marti/api/missions/Copy");
    assert!(!kept_out(&scene, "m-1"));
    // With its lines, and as an archive.
    let members = unpack(&exported);
    let archive = but(&members, |m| drop(m.remove(LINES)));
    for body in [exported, archive] {
        import(&scene, "", body, 201);
        assert!(kept_out(&scene, "m-1"));
        scene.ask(ADMIN, "DELETE", &format!("{FLOOD}?creatorUid=A"), 200);
        assert!(!kept_out(&scene, "m-1"));
    }
    // What is not whole goes, and its items with it.
    let lines = of(&members, LINES);
    let cut = lines.lines().filter(|line| !line.contains("\"end\"")).collect::<Vec<_>>().join("\n");
    import(&scene, "", cut.into_bytes(), 400);
    assert!(!kept_out(&scene, "m-1"));
}

#[test]
fn a_mission_that_goes_back_in_time_takes_its_items_back() {
    let (scene, _) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    scene.host.tick(std::time::Duration::from_secs(60));
    take_out(&scene, FLOOD, "m-1");
    scene.host.deliver(marker("m-2", TO_FLOOD), scene.a);
    let restore = format!("{ADMINS}/Flood%20North/restore?at=2026-03-01T10:00:30Z");
    answered(&call(&scene, "POST", &restore).send(), 200);
    assert!(kept_out(&scene, "m-1") && !kept_out(&scene, "m-2"));
}

#[test]
fn other_devices_are_dropped_as_members_are() {
    let (scene, _) = strict(true);
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    let outsider = scene.host.connect(Client::new("D", "dave").user("dave").groups(["__ANON__"]));
    assert_eq!(scene.host.deliver(marker("m-1", ""), outsider).dropped(), Some(WHY));
    let source = fts_plugin_api::sdk::SourceInfo { groups: vec!["__ANON__".into()], ..Default::default() };
    assert_eq!(scene.host.deliver_from(marker("m-1", ""), source).dropped(), Some(WHY));
}

//! Missions that end by themselves: acceptance line AC-53 of mission.md 9, M-15 and `plugins.mission.ttl`.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::time::Duration;

use fts_plugin_api::sdk::Code;
use scene::*;
use serde_json::{Value, json};

/// 10:00:02, nearly two seconds ahead.
const SOON: i64 = NOW / 1_000 + 2;

fn expire(scene: &Scene, query: &str, status: u16) -> Value {
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/expiration{query}"), status)
}

#[test]
fn ac_53_a_mission_ends_at_its_time() {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    assert_eq!(expire(&scene, &format!("?expiration={SOON}&creatorUid=A"), 200), Value::Null);
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["expiration"], json!(SOON));
    scene.host.forget();
    scene.host.tick(Duration::from_secs(1));
    scene.ask(BOB, "GET", FLOOD, 200);
    assert!(scene.kinds(scene.b).is_empty());
    scene.host.tick(Duration::from_secs(3));
    for path in [FLOOD.to_owned(), format!("/Marti/api/missions/guid/{guid}"), format!("{FLOOD}/role")] {
        assert_eq!(scene.ask(BOB, "GET", &path, 410)["code"], 8, "{path}");
    }
    // Everybody in its groups, and nobody else; nobody is the author.
    assert_eq!((scene.kinds(scene.a), scene.kinds(scene.b)), (vec!["t-x-m-d".to_owned()], vec!["t-x-m-d".to_owned()]));
    assert!(scene.kinds(scene.c).is_empty());
    assert!(scene.got(scene.b)[0].1.contains("type=\"DELETE\""));
    let archived = |file: &&fts_plugin_api::sdk::FileInfo| file.keywords.iter().any(|k| k == "ARCHIVED_MISSION");
    assert_eq!(scene.host.files().iter().filter(archived).count(), 1);
    scene.host.forget();
    assert_eq!(scene.host.deliver(marker("m-2", "mission=\"Flood North\""), scene.a).held, None);
    scene.host.tick(Duration::from_secs(5));
    assert!(scene.kinds(scene.b).is_empty(), "once");
}

#[test]
fn an_expiration_is_set_moved_and_taken_away_by_who_may_write() {
    let (scene, ..) = Scene::flood();
    for bad in ["?expiration=-2", "?expiration=soon", "?expiration=1.5"] {
        assert_eq!(expire(&scene, bad, 400)["code"], 2, "{bad}");
    }
    scene.ask(CAROL, "PUT", &format!("{FLOOD}/expiration?expiration={SOON}"), 404);
    for later in ["", "?expiration=", "?expiration=-1", "?expiration=9223372036854775807"] {
        expire(&scene, &format!("?expiration={SOON}"), 200);
        expire(&scene, later, 200);
    }
    scene.host.tick(Duration::from_secs(10));
    scene.ask(BOB, "GET", FLOOD, 200);
    // A time that is over ends it at once.
    expire(&scene, "?expiration=0", 200);
    scene.host.tick(Duration::from_secs(1));
    scene.ask(BOB, "GET", FLOOD, 410);
}

#[test]
fn what_expired_while_the_server_was_down_ends_at_the_start_and_the_seeded_ones_never() {
    let (scene, ..) = Scene::flood();
    scene.create("Later?creatorUid=A&expiration=1772359300");
    expire(&scene, &format!("?expiration={SOON}"), 200);
    scene.ask(ADMIN, "PUT", "/Marti/api/missions/citrap/expiration?expiration=5", 200);
    scene.host.jump_to(NOW + 60_000);
    scene.host.tick(Duration::from_secs(1));
    scene.ask(BOB, "GET", FLOOD, 410);
    scene.ask(BOB, "GET", "/Marti/api/missions/Later", 200);
    scene.host.tick(Duration::from_secs(60));
    scene.ask(BOB, "GET", "/Marti/api/missions/Later", 410);
    scene.ask(BOB, "GET", "/Marti/api/missions/citrap", 200);
}

#[test]
fn the_option_ends_every_mission_of_an_age_but_the_seeded_ones() {
    let scene = Scene::with(&json!({"ttl": "1h"}));
    scene.create("Old?creatorUid=A");
    scene.host.tick(Duration::from_secs(1_800));
    scene.create("Young?creatorUid=A");
    scene.host.tick(Duration::from_secs(1_801));
    scene.ask(BOB, "GET", "/Marti/api/missions/Old", 410);
    for path in ["Young", "citrap", "exchecktemplates"] {
        scene.ask(BOB, "GET", &format!("/Marti/api/missions/{path}"), 200);
    }
    scene.host.tick(Duration::from_secs(1_801));
    scene.ask(BOB, "GET", "/Marti/api/missions/Young", 410);
    scene.ask(BOB, "GET", "/Marti/api/missions/citrap", 200);
}

#[test]
fn one_that_cannot_be_ended_now_is_ended_later() {
    let (scene, ..) = Scene::flood();
    expire(&scene, "?expiration=1", 200);
    scene.host.fail_next(fts_plugin_api::message::op::SQL_BEGIN, Code::Busy, "busy");
    scene.host.tick(Duration::from_secs(1));
    scene.ask(BOB, "GET", FLOOD, 200);
    let failed = |line: &&fts_plugin_api::testkit::Line| format!("{line:?}").contains("mission.not_ended");
    scene.host.tick(Duration::from_secs(30));
    assert_eq!(scene.host.log().iter().filter(failed).count(), 1, "not every second");
    scene.host.tick(Duration::from_secs(31));
    scene.ask(BOB, "GET", FLOOD, 410);
}

#[test]
fn a_seeded_one_that_was_deleted_and_made_again_never_ends_either() {
    let scene = Scene::with(&json!({"ttl": "1h"}));
    let path = |name: &str| format!("/Marti/api/missions/{name}");
    for name in ["citrap", "ExCheckTemplates"] {
        scene.ask(ADMIN, "DELETE", &path(name), 200);
        let made = format!("{}?creatorUid=A&group=__ANON__&expiration={SOON}", path(name));
        scene.ask(ALICE, "PUT", &made, 201);
    }
    scene.create(&format!("Old?creatorUid=A&expiration={SOON}"));
    for step in [5, 7_200] {
        scene.host.tick(Duration::from_secs(step));
        scene.ask(BOB, "GET", &path("Old"), 410);
        for name in ["citrap", "exchecktemplates"] {
            scene.ask(BOB, "GET", &path(name), 200);
        }
    }
}

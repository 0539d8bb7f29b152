//! Data feeds attached to missions: whose events reach whom (mission.md 3.11, M-63 and M-64).
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::{
    sdk::{SourceInfo, SourceKind},
    testkit::Client,
};
use scene::*;
use serde_json::json;

/// An event of the listener `ais`, sent into these groups.
fn feed(scene: &Scene, uid: &str, dest: &str, groups: &[&str]) {
    let groups = groups.iter().map(|g| (*g).to_owned()).collect();
    let source = SourceInfo { kind: SourceKind::Datagram, listener: "ais".into(), groups, ..SourceInfo::default() };
    scene.host.deliver_from(marker(uid, dest), source);
}

fn times(scene: &Scene, conn: u64, uid: &str) -> usize {
    scene.host.received(conn).iter().filter(|e| e.uid() == uid).count()
}

/// dora is in `Sea` and `__ANON__` (she attaches), erik in `Land` only; both are live in a mission of all their groups.
fn shared() -> (Scene, u64, u64, String) {
    let scene = Scene::new();
    let dora = scene.host.connect(Client::new("D", "dora").user("dora").groups(["Sea", "__ANON__"]));
    let erik = scene.host.connect(Client::new("E", "erik").user("erik").groups(["Land"]));
    let path = "/Marti/api/missions/Coast";
    scene.ask(ADMIN, "PUT", &format!("{path}?creatorUid=x&group=Sea&group=Land&group=__ANON__"), 201);
    scene.subscribe(Who("dora", "Sea", fts_plugin_api::sdk::Role::User), path, "D");
    scene.subscribe(Who("erik", "Land", fts_plugin_api::sdk::Role::User), path, "E");
    (scene, dora, erik, path.to_owned())
}

const DORA: Who = Who("dora", "Sea", fts_plugin_api::sdk::Role::User);

/// What the server asks the plugin about for the sake of feeds.
fn asked(scene: &Scene) -> Vec<String> {
    scene.host.intercepts().into_iter().find(|i| i.key == "feeds").unwrap().types
}

#[test]
fn other_filters_of_an_attached_feed_count_at_once() {
    let (scene, .., path) = shared();
    let put = |types: &str| {
        let feed = json!({"uid": "f", "dataFeedUid": "ais", "filterCotTypesSerialized": types});
        let answer = scene.call(DORA, "PUT", &format!("{path}?creatorUid=D")).json(&json!({"feeds": [feed]})).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    put(r#"["a-*"]"#);
    assert_eq!(asked(&scene), ["a-*"]);
    put(r#"["b-*"]"#);
    assert_eq!(asked(&scene), ["b-*"]);
}

#[test]
fn only_what_some_feed_wants_is_asked_about() {
    let (scene, .., path) = shared();
    let attach = |filter: &str| {
        let query = format!("creatorUid=D&dataFeedUid=ais&filterCotTypes={filter}");
        assert_eq!(scene.call(DORA, "POST", &format!("{path}/feed?{query}")).send().status, 200);
    };
    assert!(asked(&scene).is_empty(), "no feed, no question");
    attach("%5B%22b-m-p%22,%22a-*-S-X%22%5D");
    assert_eq!(asked(&scene), ["a-*", "b-m-p"]);
    attach("");
    assert_eq!(asked(&scene), ["*"]);
    scene.host.start_again().unwrap();
    assert_eq!(asked(&scene), ["*"], "as the rows say");
    scene.ask(ALICE, "DELETE", &format!("{path}?creatorUid=x"), 403);
    scene.ask(ADMIN, "DELETE", &format!("{path}?creatorUid=x"), 200);
    assert!(asked(&scene).is_empty());
}

#[test]
fn what_passes_reaches_members_once_and_nobody_else() {
    let (scene, dora, erik, path) = shared();
    let query = "creatorUid=D&dataFeedUid=ais&filterCotTypes=%5B%22a-f-*%22%5D&filterCallsign=Alpha\
        &filterPolygon=-64,44&filterPolygon=-63,44&filterPolygon=-63,45&filterPolygon=-64,45";
    let made = scene.call(DORA, "POST", &format!("{path}/feed?{query}")).send();
    assert_eq!((made.status, made.body.len()), (200, 0));
    assert!(scene.got(erik).iter().any(|(k, x)| k == "t-x-m-c" && x.contains("CREATE_DATA_FEED")));
    feed(&scene, "ship", "", &["Sea"]);
    assert_eq!((times(&scene, dora, "ship"), times(&scene, erik, "ship")), (1, 1));
    // carol is no member, alice neither.
    assert_eq!((times(&scene, scene.c, "ship"), times(&scene, scene.a, "ship")), (0, 0));
    // Addressed events stay where they belong.
    feed(&scene, "letter", "callsign=\"dora\"", &["Sea"]);
    assert_eq!(times(&scene, erik, "letter"), 0);
    // Events of groups that dora does not receive do not pass, though erik is a member.
    feed(&scene, "spy", "", &["Red"]);
    assert_eq!(times(&scene, erik, "spy"), 0);

    let view = scene.ask(DORA, "GET", &path, 200)["data"][0]["feeds"].clone();
    assert_eq!((&view[0]["dataFeedUid"], &view[0]["filterCallsign"]), (&json!("ais"), &json!("Alpha")));
    assert!(view[0].get("seen").is_none());
    let uid = text(&view[0]["uid"]);
    scene.ask(DORA, "DELETE", &format!("{path}/feed/{uid}?creatorUid=D"), 200);
    scene.ask(DORA, "DELETE", &format!("{path}/feed/{uid}?creatorUid=D"), 404);
    feed(&scene, "late", "", &["Sea"]);
    assert_eq!((times(&scene, dora, "late"), times(&scene, erik, "late")), (1, 0));
}

#[test]
fn a_feed_outlives_a_restart_and_ends_with_its_mission() {
    let (scene, _, erik, path) = shared();
    scene.ask(DORA, "POST", &format!("{path}/feed?creatorUid=D&dataFeedUid=ais"), 200);
    scene.host.reload().unwrap();
    feed(&scene, "ship", "", &["Sea"]);
    assert_eq!(times(&scene, erik, "ship"), 1);
    scene.ask(ADMIN, "DELETE", &path, 200);
    feed(&scene, "late", "", &["Sea"]);
    assert_eq!(times(&scene, erik, "late"), 0);
}

#[test]
fn filters_that_cannot_be_read_are_refused() {
    let (scene, _, _, path) = shared();
    for bad in ["", "&dataFeedUid=ais&filterCotTypes=x", "&dataFeedUid=ais&filterPolygon=1,2"] {
        scene.ask(DORA, "POST", &format!("{path}/feed?creatorUid=D{bad}"), 400);
    }
    assert_eq!(scene.rows("SELECT id FROM mission_feed"), 0);
}

#[test]
fn a_newcomer_gets_what_is_there_but_nothing_stale_or_foreign() {
    let (scene, _, _, path) = shared();
    scene.ask(DORA, "POST", &format!("{path}/feed?creatorUid=D&dataFeedUid=ais"), 200);
    for uid in ["ship", "boat", "ship"] {
        feed(&scene, uid, "", &["Sea"]);
    }
    feed(&scene, "spy", "", &["Red"]);
    let land = Who("fred", "Land", fts_plugin_api::sdk::Role::User);
    let fred = scene.host.connect(Client::new("F", "fred").user("fred").groups(["Land"]));
    scene.subscribe(land, &path, "F");
    assert_eq!(["ship", "boat", "spy"].map(|uid| times(&scene, fred, uid)), [1, 1, 0]);
    // Attaching another feed forgets nothing; what is stale is not shown.
    scene.ask(DORA, "POST", &format!("{path}/feed?creatorUid=D&dataFeedUid=other"), 200);
    scene.host.forget();
    scene.subscribe(land, &path, "F");
    assert_eq!(times(&scene, fred, "boat"), 1);
    scene.host.forget();
    scene.host.tick(std::time::Duration::from_secs(60));
    scene.subscribe(land, &path, "F");
    assert!(scene.kinds(fred).is_empty());
}

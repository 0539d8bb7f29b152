//! Missions of one name in groups that do not see each other (mission.md 1.9, 2.4, 5.1; AC-13).
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::testkit::Client;
use scene::*;

const TO_FLOOD: &str = "mission=\"Flood North\"";

#[test]
fn a_mission_of_the_same_name_in_another_group_takes_nobodys_events() {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    // To carol the name is free (AC-13); hers is the newest.
    let hers = text(&scene.ask(CAROL, "PUT", &format!("{FLOOD}?creatorUid=C&group=Red"), 201)["data"][0]["guid"]);
    scene.host.forget();
    let stored = |guid: &str, uid: &str| {
        let sql = "SELECT 1 FROM mission_uid u JOIN mission m ON m.id = u.mission_id WHERE";
        scene.rows(&format!("{sql} m.guid = '{guid}' AND u.uid = '{uid}'")) == 1
    };
    scene.host.deliver(marker("m-1", TO_FLOOD), scene.a);
    assert_eq!((scene.kinds(scene.b), scene.kinds(scene.c)), (vec!["t-x-m-c".to_owned(), "a-f-G".to_owned()], vec![]));
    assert!(stored(&guid, "m-1") && !stored(&hers, "m-1"));
    scene.host.forget();
    scene.host.deliver(marker("m-2", TO_FLOOD), scene.c);
    assert_eq!((scene.kinds(scene.c), scene.kinds(scene.b)), (vec!["t-x-m-c".to_owned()], vec![]));
    assert!(stored(&hers, "m-2") && !stored(&guid, "m-2"));

    // Who joins or leaves one of them may, or may not, send to the name from then on.
    let d = scene.host.connect(Client::new("D", "dave").user("dave").groups(["__ANON__"]));
    let dave = Who("dave", "__ANON__", fts_plugin_api::sdk::Role::User);
    scene.host.deliver(marker("m-3", TO_FLOOD), d);
    scene.subscribe(dave, FLOOD, "D");
    scene.host.deliver(marker("m-4", TO_FLOOD), d);
    scene.ask(dave, "DELETE", &format!("{FLOOD}/subscription?uid=D&disconnectOnly=false"), 200);
    scene.host.deliver(marker("m-5", TO_FLOOD), d);
    assert_eq!(["m-3", "m-4", "m-5"].map(|uid| stored(&guid, uid)), [false, true, false]);

    // With two of one name a restart changes nothing; with one left the name is its alone.
    scene.host.stop().unwrap();
    scene.host.start_again().unwrap();
    scene.host.deliver(marker("m-6", TO_FLOOD), scene.b);
    scene.ask(ADMIN, "DELETE", &format!("/Marti/api/missions/guid/{guid}"), 200);
    scene.host.deliver(marker("m-7", TO_FLOOD), scene.b);
    scene.host.deliver(marker("m-8", TO_FLOOD), scene.c);
    let stored = |uid: &str| scene.rows(&format!("SELECT 1 FROM mission_cot WHERE uid = '{uid}'"));
    assert_eq!(["m-6", "m-7", "m-8"].map(stored), [1, 0, 1]);
}

//! Keywords: acceptance line AC-48 of mission.md 9.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use fts_plugin_api::sdk::FileInfo;
use scene::*;
use serde_json::{Value, json};

fn put(scene: &Scene, who: Who, path: &str, body: &Value, status: u16) -> Value {
    answered(&scene.call(who, "PUT", path).json(body).send(), status)
}

#[test]
fn ac_48_keywords_of_a_mission_are_replaced_and_its_groups_are_told() {
    let (scene, guid, _) = Scene::flood();
    let path = format!("{FLOOD}/keywords?creatorUid=A");
    let first = put(&scene, ALICE, &path, &json!(["water", "north", "water", " "]), 200);
    assert_eq!((&first["type"], &first["data"][0]["keywords"]), (&json!("Mission"), &json!(["water", "north"])));
    // bob is no member: it goes to the groups, but not to the author and not to others.
    let notice = scene.only(scene.b);
    assert_eq!(notice.kind(), "t-x-m-c-k");
    let wanted =
        format!("<mission type=\"CHANGE\" tool=\"public\" name=\"Flood North\" guid=\"{guid}\" authorUid=\"A\"/>");
    assert_eq!(notice.detail("mission").unwrap().xml(), wanted);
    assert!(scene.kinds(scene.a).is_empty() && scene.kinds(scene.c).is_empty());
    let twin = format!("/Marti/api/missions/guid/{guid}/keywords?creatorUid=A");
    assert_eq!(
        put(&scene, ALICE, &twin, &json!(["fire", "north"]), 200)["data"][0]["keywords"],
        json!(["fire", "north"])
    );

    scene.host.forget();
    let absent = scene.ask(ALICE, "DELETE", &format!("{FLOOD}/keywords/water?creatorUid=A"), 400);
    assert_eq!(absent["code"], 2);
    assert!(scene.kinds(scene.b).is_empty());
    let rest = scene.ask(ALICE, "DELETE", &format!("{FLOOD}/keywords/fire?creatorUid=A"), 200);
    assert_eq!(rest["data"][0]["keywords"], json!(["north"]));
    let none = scene.ask(ALICE, "DELETE", &format!("{FLOOD}/keywords?creatorUid=A"), 200);
    assert_eq!(none["data"][0]["keywords"], json!([]));
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c-k", "t-x-m-c-k"]);
    assert_eq!(
        scene.rows("SELECT 1 FROM mission_change WHERE mission_name = 'Flood North'"),
        1,
        "no change is recorded"
    );
}

#[test]
fn ac_48_keywords_of_an_item_are_shown_with_it_and_told_to_members() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    scene.host.forget();
    let path = format!("{FLOOD}/uid/m-1/keywords?creatorUid=A");
    assert_eq!(put(&scene, ALICE, &path, &json!(["<b>", "c"]), 200), Value::Null);
    let uids = scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["uids"].clone();
    assert_eq!(uids[0]["keywords"], json!(["<b>", "c"]));
    // Live members, the author among them, and nobody else.
    for conn in [scene.a, scene.b] {
        let notice = scene.only(conn);
        assert_eq!(notice.kind(), "t-x-m-c-k-u");
        let text = notice.detail("mission").unwrap().xml().to_owned();
        let inner =
            "<uidKeywords uid=\"m-1\"><uidKeyword keyword=\"&lt;b&gt;\"/><uidKeyword keyword=\"c\"/></uidKeywords>";
        assert!(text.contains(inner), "{text}");
    }
    assert!(scene.kinds(scene.c).is_empty());
    put(&scene, ALICE, &path, &json!(["d"]), 200);
    assert_eq!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["uids"][0]["keywords"], json!(["d"]));
    assert_eq!(scene.ask(ALICE, "DELETE", &path, 200), Value::Null);
    assert!(scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["uids"][0].get("keywords").is_none());
    assert_eq!(scene.kinds(scene.b), ["t-x-m-c-k-u"; 3]);
    for body in [json!([]), json!([" "])] {
        put(&scene, ALICE, &path, &body, 400);
    }
    put(&scene, ALICE, &format!("{FLOOD}/uid/m-2/keywords"), &json!(["d"]), 404);
}

#[test]
fn ac_48_keywords_of_a_file_are_shown_with_it_and_told_to_members() {
    let (scene, ..) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    let info = FileInfo { name: "a.jpg".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(info, b"a photo").sha256;
    let path = format!("{FLOOD}/content/{hash}/keywords?creatorUid=A");
    put(&scene, ALICE, &path, &json!(["photo"]), 404);
    assert!(scene.kinds(scene.b).is_empty());
    put(&scene, ALICE, &format!("{FLOOD}/contents?creatorUid=A"), &json!({"hashes": [hash]}), 200);
    scene.host.forget();
    assert_eq!(
        put(&scene, ALICE, &path.replace(&hash, &hash.to_uppercase()), &json!(["photo", "b"]), 200),
        Value::Null
    );
    let contents = || scene.ask(BOB, "GET", FLOOD, 200)["data"][0]["contents"][0].clone();
    assert_eq!((&contents()["data"]["hash"], &contents()["keywords"]), (&json!(hash), &json!(["photo", "b"])));
    let inner = format!(
        "<contentKeywords hash=\"{hash}\"><contentKeyword keyword=\"photo\"/><contentKeyword keyword=\"b\"/></contentKeywords>"
    );
    for conn in [scene.a, scene.b] {
        let notice = scene.only(conn);
        assert_eq!(notice.kind(), "t-x-m-c-k-c");
        assert!(notice.detail("mission").unwrap().xml().contains(&inner));
    }
    assert!(scene.kinds(scene.c).is_empty());
    scene.host.forget();
    assert_eq!(scene.ask(ALICE, "DELETE", &path, 200), Value::Null);
    assert!(contents().get("keywords").is_none());
    assert!(scene.got(scene.b)[0].1.contains(&format!("<contentKeywords hash=\"{hash}\"/>")));
}

#[test]
fn keywords_that_make_no_sense_are_refused() {
    let (scene, ..) = Scene::flood();
    let path = format!("{FLOOD}/keywords");
    let long = "x".repeat(1_025);
    let many: Vec<_> = (0..1_001).map(|n| n.to_string()).collect();
    for body in [json!("water"), json!([1]), json!([long]), json!(["a\u{7}b"]), json!(many)] {
        put(&scene, ALICE, &path, &body, 400);
    }
    scene.ask(ALICE, "PUT", &path, 400);
    assert!(scene.kinds(scene.b).is_empty());
    put(&scene, CAROL, &path, &json!(["x"]), 404);
}

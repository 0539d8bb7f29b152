//! AC-55: every path with a mission's name has a twin with its guid, and both answer the same; and what AC-60 and AC-56
//! need of the list of routes.
#![allow(clippy::panic)]
mod scene;

use std::collections::BTreeSet;

use scene::*;
use serde_json::Value;

const NAME: &str = "/Marti/api/missions/{name}";
const GUID: &str = "/Marti/api/missions/guid/{guid}";

#[test]
fn ac_55_every_path_has_its_twin() {
    let scene = Scene::new();
    let routes: BTreeSet<(String, String)> = scene
        .host
        .routes()
        .into_iter()
        .map(|r| (r.method, r.pattern))
        .filter(|(_, p)| p.contains("/missions/"))
        .collect();
    let by_name: Vec<_> = routes.iter().filter(|(_, p)| p.starts_with(NAME)).collect();
    assert!(by_name.len() > 20, "{by_name:?}");
    for (method, pattern) in by_name {
        let rest = pattern[NAME.len()..].replace("/parent/{parent}", "/parent/guid/{parent}");
        // Creating by name with POST makes a mission: it has no guid yet.
        if method == "POST" && rest.is_empty() {
            continue;
        }
        let twin = (method.clone(), format!("{GUID}{rest}"));
        assert!(routes.contains(&twin), "{method} {pattern} has no twin {}", twin.1);
    }
}

#[test]
fn ac_55_both_forms_answer_the_same() {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    let reads = scene.host.routes().into_iter().filter(|r| r.method == "GET" && r.pattern.starts_with(NAME));
    let mut compared = 0;
    for route in reads {
        let rest = &route.pattern[NAME.len()..];
        // Those need more than a mission.
        if rest.contains('{') {
            continue;
        }
        let query = if rest == "/subscription" { "?uid=B" } else { "" };
        let one = scene.call(BOB, "GET", &format!("{FLOOD}{rest}{query}")).send();
        let two = scene.call(BOB, "GET", &format!("/Marti/api/missions/guid/{guid}{rest}{query}")).send();
        assert_eq!((one.status, one.headers), (two.status, two.headers), "{rest}");
        if rest != "/archive" && rest != "/token" {
            assert_eq!(String::from_utf8_lossy(&one.body), String::from_utf8_lossy(&two.body), "{rest}");
        }
        let bad = scene.call(BOB, "GET", &format!("/Marti/api/missions/guid/no-guid{rest}{query}")).send();
        assert_eq!(answered(&bad, 400)["status"], "BAD_REQUEST", "{rest}");
        compared += 1;
    }
    assert!(compared >= 10, "{compared}");
}

/// TAKAware force-casts these, CloudTAK and node-tak check their schema.
#[test]
fn ac_56_keys_that_clients_rely_on_are_never_null() {
    let (scene, ..) = Scene::flood();
    scene.host.deliver(marker("m-1", "mission=\"Flood North\""), scene.a);
    let list = scene.ask(BOB, "GET", "/Marti/api/missions", 200);
    let one = scene.ask(BOB, "GET", &format!("{FLOOD}?changes=true&logs=true"), 200);
    for mission in [&list["data"][0], &one["data"][0]] {
        for key in
            ["name", "description", "creatorUid", "createTime", "guid", "tool", "chatRoom", "path", "classification"]
        {
            assert!(mission[key].is_string(), "{key}: {mission}");
        }
        for key in ["uids", "contents", "keywords", "groups", "externalData", "feeds", "mapLayers"] {
            assert!(mission[key].is_array(), "{key}: {mission}");
        }
        assert!(mission["passwordProtected"].is_boolean() && mission["expiration"].is_i64());
    }
    no_null(&list);
    no_null(&one);
}

fn no_null(value: &Value) {
    match value {
        Value::Null => panic!("null in an answer"),
        Value::Array(all) => all.iter().for_each(no_null),
        Value::Object(all) => all.values().for_each(no_null),
        _ => {}
    }
}

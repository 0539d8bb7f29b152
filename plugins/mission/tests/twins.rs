//! AC-55: every path with a mission's name has a twin with its guid, and both answer the same; and what AC-60 and AC-56
//! need of the list of routes.
#![allow(clippy::unwrap_used, clippy::panic)]
mod scene;

use std::collections::BTreeSet;

use fts_plugin_api::message::FileInfo;
use scene::*;
use serde_json::{Value, json};

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
        let twin = (method.clone(), format!("{GUID}{rest}"));
        assert!(routes.contains(&twin), "{method} {pattern} has no twin {}", twin.1);
    }
}

/// A mission with something of every kind in it, between a parent and a child.
fn rich() -> (Scene, String) {
    let (scene, guid, _) = Scene::flood();
    scene.subscribe(BOB, FLOOD, "B");
    scene.create("Above?creatorUid=A");
    scene.create("Below?creatorUid=A");
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/parent/Above?creatorUid=A"), 200);
    scene.ask(ALICE, "PUT", "/Marti/api/missions/Below/parent/Flood%20North?creatorUid=A", 200);
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/layers?creatorUid=A&name=Things&type=UID&uid=l-1"), 200);
    scene.host.deliver(marker("m-1", "mission=\"Flood North\" path=\"l-1\""), scene.a);
    let info = FileInfo { name: "a.jpg".into(), groups: vec!["__ANON__".into()], ..FileInfo::default() };
    let hash = scene.host.put_file(info, b"picture").sha256;
    let send = |method: &str, path: &str, body: Value, status: u16| {
        let path = format!("/Marti/api/missions/{path}");
        answered(&scene.call(ALICE, method, &format!("{path}?creatorUid=A")).json(&body).send(), status);
    };
    send("PUT", "Flood%20North/contents", json!({"hashes": [hash]}), 200);
    send("PUT", "Flood%20North/keywords", json!(["water"]), 200);
    send(
        "POST",
        "logs/entries",
        json!({"content": "it rises", "creatorUid": "A", "missionNames": ["Flood North"]}),
        201,
    );
    send("POST", "Flood%20North/externaldata", json!({"uid": "e-1", "name": "Report", "urlView": "http://v"}), 201);
    send(
        "POST",
        "Flood%20North/maplayers",
        json!({"uid": "t-1", "name": "Tiles", "type": "WMS", "url": "http://t"}),
        200,
    );
    scene.ask(ALICE, "PUT", &format!("{FLOOD}/invite/clientUid/C?creatorUid=A"), 200);
    (scene, guid)
}

#[test]
fn ac_55_both_forms_answer_the_same() {
    let (scene, guid) = rich();
    let reads = scene.host.routes().into_iter().filter(|r| r.method == "GET" && r.pattern.starts_with(NAME));
    let mut compared = 0;
    for route in reads {
        let rest = &route.pattern[NAME.len()..].replace("{uid}", "l-1");
        assert!(!rest.contains('{'), "{rest} needs more than a mission: what?");
        let query = if rest == "/subscription" { "?uid=B" } else { "" };
        let one = scene.call(BOB, "GET", &format!("{FLOOD}{rest}{query}")).send();
        let two = scene.call(BOB, "GET", &format!("/Marti/api/missions/guid/{guid}{rest}{query}")).send();
        let status = if rest == "/token" { 201 } else { 200 };
        assert_eq!((one.status, &one.headers), (status, &two.headers), "{rest}: {}", one.text());
        assert_eq!(two.status, status, "{rest}");
        let (_, said) = SAID.iter().find(|(path, _)| path == rest).unwrap_or_else(|| panic!("what does {rest} say?"));
        assert!(one.text().contains(said), "{rest} says nothing of {said}: {}", one.text());
        if rest != "/archive" && rest != "/token" {
            assert_eq!(String::from_utf8_lossy(&one.body), String::from_utf8_lossy(&two.body), "{rest}");
        }
        compared += 1;
    }
    assert_eq!(compared, SAID.len());
}

/// Every read of a mission, and what it tells of the rich one.
const SAID: &[(&str, &str)] = &[
    ("", "\"callsign\":\"Alpha\""),
    ("/archive", "MANIFEST/manifest.xml"),
    ("/changes", "ADD_CONTENT"),
    ("/children", "\"Below\""),
    ("/contacts", "\"alice\""),
    ("/cot", "uid=\"m-1\""),
    ("/invitations", "\"invitee\":\"C\""),
    ("/layers", "\"m-1\""),
    ("/layers/l-1", "\"m-1\""),
    ("/log", "it rises"),
    ("/parent", "\"Above\""),
    ("/role", "MISSION_SUBSCRIBER"),
    ("/subscription", "\"token\""),
    ("/subscriptions", "\"B\""),
    ("/subscriptions/roles", "MISSION_OWNER"),
    ("/token", "\"data\""),
];

/// Every write of a mission: method and path, query, body ("" = none), status.
const WRITES: &[(&str, &str, &str, &str, u16)] = &[
    ("PUT", "/contents", "", r#"{"uids": ["m-1"]}"#, 200),
    ("PUT", "/uid/{uid}/keywords", "", r#"["k"]"#, 200),
    ("DELETE", "/uid/{uid}/keywords", "", "", 200),
    ("PUT", "/content/{hash}/keywords", "", r#"["k"]"#, 200),
    ("DELETE", "/content/{hash}/keywords", "", "", 200),
    ("PUT", "/keywords", "", r#"["k", "j"]"#, 200),
    ("DELETE", "/keywords/{keyword}", "", "", 200),
    ("DELETE", "/keywords", "", "", 200),
    ("PUT", "/contents/missionpackage", "", "PK no zip", 400),
    ("PUT", "/copy", "&copyName=Copy", "", 201),
    ("POST", "/send", "&contacts=B", "", 200),
    ("POST", "/externaldata", "", r#"{"uid": "x", "name": "n"}"#, 201),
    ("POST", "/externaldata/{id}/change", "&notes=n", "tok", 200),
    ("DELETE", "/externaldata/{id}", "&notes=n", "", 200),
    ("POST", "/feed", "&dataFeedUid=x", "", 200),
    ("DELETE", "/feed/{uid}", "", "", 200),
    ("POST", "/maplayers", "", r#"{"uid": "x", "name": "n", "type": "WMS", "url": "http://t"}"#, 200),
    ("PUT", "/maplayers", "", r#"{"uid": "x", "name": "m", "type": "WMS", "url": "http://t"}"#, 200),
    ("DELETE", "/maplayers/{uid}", "", "", 200),
    ("PUT", "/layers", "&name=n&type=GROUP&uid=x", "", 200),
    ("PUT", "/layers/{uid}/name", "&name=m", "", 200),
    ("PUT", "/layers/{uid}/position", "", "", 200),
    ("PUT", "/layers/parent", "&layerUid=x", "", 200),
    ("DELETE", "/layers", "&uid=x", "", 200),
    ("PUT", "/parent/{parent}", "", "", 200),
    ("DELETE", "/parent", "", "", 200),
    ("PUT", "/invite/{type}/{invitee}", "", "", 200),
    ("DELETE", "/invite/{type}/{invitee}", "", "", 200),
    ("POST", "/invite", "", r#"[{"invitee": "C", "type": "clientUid"}]"#, 200),
    ("PUT", "/role", "&clientUid=B&role=MISSION_READONLY_SUBSCRIBER", "", 403),
    ("PUT", "/subscription", "&uid=A", "", 201),
    ("POST", "/subscription", "", r#"[{"clientUid": "B", "role": {"type": "MISSION_OWNER"}}]"#, 200),
    ("DELETE", "/subscription", "&uid=A&disconnectOnly=true", "", 200),
    ("PUT", "/expiration", "&expiration=-1", "", 200),
    ("PUT", "/password", "&password=river", "", 200),
    ("DELETE", "/password", "", "", 200),
    ("DELETE", "/contents", "&uid=m-1", "", 200),
    ("PUT", "", "&description=wet", "", 200),
    ("POST", "", "&description=dry", "", 200),
    ("DELETE", "", "", "", 200),
];

/// Hash of the file in the rich one.
const PICTURE: &str = "2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97";

fn part(rest: &str, by_guid: bool, above: &str) -> String {
    let rest = match by_guid {
        true => rest.replace("/parent/{parent}", &format!("/parent/guid/{above}")),
        false => rest.replace("{parent}", "Above"),
    };
    let rest = rest.replace("{keyword}", "k").replace("{type}", "clientUid").replace("{invitee}", "C");
    let rest = rest.replace("/uid/{uid}", "/uid/m-1").replace("{hash}", PICTURE);
    rest.replace("{uid}", "x").replace("{id}", "x")
}

/// Without what is different in every mission: tokens, uuids.
fn alike(mut value: Value) -> Value {
    match &mut value {
        Value::Array(all) => all.iter_mut().for_each(|v| *v = alike(v.take())),
        Value::Object(all) => {
            all.entry("token").and_modify(|v| *v = json!("-"));
            all.values_mut().for_each(|v| *v = alike(v.take()));
        }
        Value::String(text) if uuid::Uuid::try_parse(text).is_ok() => *text = "-".to_owned(),
        _ => {}
    }
    value
}

#[test]
fn ac_55_both_forms_write_the_same() {
    let ((by_name, _), (by_guid, guid)) = (rich(), rich());
    let above = text(&by_guid.ask(ALICE, "GET", "/Marti/api/missions/Above", 200)["data"][0]["guid"]);
    for (method, rest, query, body, status) in WRITES {
        let send = |scene: &Scene, mission: &str, guid: bool| {
            // The server names a feed.
            let feeds = || text(&scene.ask(ALICE, "GET", FLOOD, 200)["data"][0]["feeds"][0]["uid"]);
            let rest = if *rest == "/feed/{uid}" { format!("/feed/{}", feeds()) } else { part(rest, guid, &above) };
            let path = format!("{mission}{rest}?creatorUid=A{query}");
            let call = scene.call(ALICE, method, &path);
            let call =
                if body.starts_with(['{', '[']) { call.header("content-type", "application/json") } else { call };
            call.body(*body).send()
        };
        for scene in [&by_name, &by_guid] {
            scene.host.forget();
        }
        let one = send(&by_name, FLOOD, false);
        let two = send(&by_guid, &format!("/Marti/api/missions/guid/{guid}"), true);
        assert_eq!((one.status, two.status), (*status, *status), "{method} {rest}: {}{}", one.text(), two.text());
        match (one.json::<Value>(), two.json::<Value>()) {
            (Ok(one), Ok(two)) => assert_eq!(alike(one), alike(two), "{method} {rest}"),
            _ => assert_eq!((one.body.len(), two.body.len()), (0, 0), "{method} {rest}: {}", one.text()),
        }
        for conn in [by_name.a, by_name.b, by_name.c] {
            assert_eq!(by_name.kinds(conn), by_guid.kinds(conn), "{method} {rest}");
        }
    }
    let writes: BTreeSet<_> = WRITES.iter().map(|(method, rest, ..)| format!("{method} {rest}")).collect();
    let routes = by_name.host.routes().into_iter().filter(|r| r.method != "GET" && r.pattern.starts_with(NAME));
    let all: BTreeSet<_> = routes.map(|r| format!("{} {}", r.method, &r.pattern[NAME.len()..])).collect();
    assert_eq!(writes, all);
}

#[test]
fn ac_55_what_is_no_guid_is_refused_whatever_is_asked() {
    let (scene, guid) = rich();
    let routes = scene.host.routes().into_iter().filter(|r| r.pattern.starts_with(GUID));
    let mut methods = BTreeSet::new();
    for route in routes {
        let rest = part(&route.pattern[GUID.len()..].replace("/guid/{parent}", "/{parent}"), true, &guid);
        for bad in ["no-guid", "5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d2x", "5d1f0c1e4d364a0f9c550a8f4b6c7d21"] {
            let path = format!("/Marti/api/missions/guid/{bad}{rest}?creatorUid=A&uid=A&password=p");
            let answer = answered(&scene.call(ALICE, &route.method, &path).send(), 400);
            assert_eq!(
                (&answer["status"], &answer["code"]),
                (&json!("BAD_REQUEST"), &json!(2)),
                "{} {path}",
                route.method
            );
            assert!(text(&answer["message"]).contains("is no guid"), "{} {path}: {answer}", route.method);
        }
        methods.insert(route.method);
    }
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["DELETE", "GET", "POST", "PUT"]);
    scene.ask(ALICE, "PUT", &format!("/Marti/api/missions/guid/{guid}/parent/guid/no-guid?creatorUid=A"), 400);
    scene.ask(ALICE, "DELETE", "/Marti/api/missions?guid=no-guid&creatorUid=A", 400);
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

//! Missions without the plugin (mission.md 9, AC-60), and while it comes and goes: an event for a mission reaches nobody.
//!
//! Every endpoint of mission.md 3 is asked for on the listeners where it belongs, with the plugin and without it. The list
//! is compared with what the server says of itself, so that no endpoint is forgotten here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use crate::http_bed;
use crate::mission_bed;
use crate::plugin_bed;

use std::collections::BTreeSet;

use fts_tests::{Pki, Server, Web, fence, join_all, marker_to};
use http_bed::{token, user, web};
use mission_bed::{FLOOD, Stage, TO_FLOOD, changes, uids};
use plugin_bed::Asks;
use serde_json::json;

const GUID: &str = "5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21";

/// Methods and path below `/Marti/api` of the endpoints M-01 to M-74; `{m}` = by name and by guid.
const BOOK: &[(&str, &str)] = &[
    ("GET", "/missions"),
    ("GET", "/pagedmissions"),
    ("GET", "/missioncount"),
    ("GET", "/cops"),
    ("GET", "/cops/hierarchy"),
    ("PUT POST GET DELETE", "{m}"),
    ("DELETE", "/missions"),
    ("PUT", "{m}/copy"),
    ("GET", "{m}/archive"),
    ("POST", "{m}/send"),
    ("PUT DELETE", "{m}/password"),
    ("PUT", "{m}/expiration"),
    ("GET", "{m}/token"),
    ("PUT DELETE", "{m}/contents"),
    ("PUT", "{m}/contents/missionpackage"),
    ("GET", "{m}/contacts"),
    ("GET", "{m}/changes"),
    ("GET", "{m}/cot"),
    ("PUT DELETE", "{m}/keywords"),
    ("DELETE", "{m}/keywords/{keyword}"),
    ("PUT DELETE", "{m}/uid/{uid}/keywords"),
    ("PUT DELETE", "{m}/content/{hash}/keywords"),
    ("PUT GET DELETE POST", "{m}/subscription"),
    ("GET", "{m}/subscriptions"),
    ("GET", "{m}/subscriptions/roles"),
    ("GET", "/missions/all/subscriptions"),
    ("GET", "/missions/all/subscriptions/guid"),
    ("GET PUT", "{m}/role"),
    ("PUT DELETE", "{m}/invite/{type}/{invitee}"),
    ("POST", "{m}/invite"),
    ("GET", "/missions/invitations"),
    ("GET", "/missions/all/invitations"),
    ("GET", "{m}/invitations"),
    ("POST PUT", "/missions/logs/entries"),
    ("GET DELETE", "/missions/logs/entries/{id}"),
    ("GET", "{m}/log"),
    ("GET", "/missions/all/logs"),
    ("PUT", "/missions/{name}/parent/{parent}"),
    ("PUT", "/missions/guid/{guid}/parent/guid/{parent}"),
    ("GET DELETE", "{m}/parent"),
    ("GET", "{m}/children"),
    ("POST", "{m}/externaldata"),
    ("DELETE", "{m}/externaldata/{id}"),
    ("POST", "{m}/externaldata/{id}/change"),
    ("POST", "{m}/feed"),
    ("DELETE", "{m}/feed/{uid}"),
    ("POST PUT", "{m}/maplayers"),
    ("DELETE", "{m}/maplayers/{uid}"),
    ("GET PUT DELETE", "{m}/layers"),
    ("GET", "{m}/layers/{uid}"),
    ("PUT", "{m}/layers/{uid}/name"),
    ("PUT", "{m}/layers/{uid}/position"),
    ("PUT", "{m}/layers/parent"),
];

/// Method and whole path of each.
fn endpoints() -> BTreeSet<(String, String)> {
    let each = |(methods, path): &(&str, &str)| {
        let paths = match path.strip_prefix("{m}") {
            Some(rest) => vec![format!("/missions/{{name}}{rest}"), format!("/missions/guid/{{guid}}{rest}")],
            None => vec![(*path).to_owned()],
        };
        let all = paths.into_iter().flat_map(|path| methods.split(' ').map(move |method| (method, path.clone())));
        all.map(|(method, path)| (method.to_owned(), format!("/Marti/api{path}"))).collect::<Vec<_>>()
    };
    BOOK.iter().flat_map(each).collect()
}

/// Those the server says the plugin has on this listener.
fn described(web: &Web) -> BTreeSet<(String, String)> {
    let document = web.get("/openapi.json").expect(200).json();
    let mut all = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let own = methods.as_object().unwrap().iter().filter(|(_, o)| o["tags"].to_string().contains("mission"));
        all.extend(own.map(|(method, _)| (method.to_uppercase(), path.clone())));
    }
    all
}

/// A path for a mission there is not.
fn filled(path: &str) -> String {
    let path = path.replace("{guid}", GUID).replace("{name}", "Nowhere").replace("{type}", "clientUid");
    let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// The TAK API as anonymous, and with the certificates of a user and an administrator.
fn martis(server: &Server) -> Vec<(&'static str, Web)> {
    let [alice, root] = ["alice", "root"].map(|name| Pki::issue(server, name));
    vec![
        ("marti_http", web(server, "marti_http", None)),
        ("marti_https, alice", web(server, "marti_https", Some(&alice))),
        ("marti_https, root", web(server, "marti_https", Some(&root))),
    ]
}

fn people(server: &Server) {
    user(server, "alice", "user");
    user(server, "root", "admin");
}

#[test]
fn ac_60_with_the_plugin_every_endpoint_is_on_both_listeners_of_the_tak_api_and_missions_are_on_the_rest_port() {
    let server = Server::build().secure().start();
    people(&server);
    let all = endpoints();
    for (who, web) in martis(&server) {
        assert_eq!(described(&web), all, "{who}");
        for (method, path) in &all {
            // Making a mission succeeds, whoever asks: not here.
            let named = (method == "PUT" || method == "POST") && path == "/Marti/api/missions/{name}";
            let path = if named { "/Marti/api/missions/logs".to_owned() } else { filled(path) };
            let reply = web.send(method, &path, &[], b"");
            let body = reply.text();
            let own = reply.status != 404 || body.contains("Not Found: no mission") || body.contains("no log entry");
            assert!(
                own && reply.status < 500 && reply.status != 405,
                "{who}: {method} {path}: {} {body}",
                reply.status
            );
        }
    }
    let rest = web(&server, "rest", None).bearer(&token(&server, "root", "read"));
    assert_eq!(described(&rest), BTreeSet::from([("GET".to_owned(), "/MissionTable".to_owned())]));
    martis(&server)[0].1.put(&format!("{FLOOD}?creatorUid=A"), "", b"").expect(201);
    let table = rest.get("/MissionTable").expect(200).json();
    assert_eq!((&table["type"], &table["data"][0]["name"]), (&json!("Mission"), &json!("Flood North")));
}

#[test]
fn ac_60_without_the_plugin_no_endpoint_is_there_and_the_table_of_missions_is_empty() {
    let server = Server::build().secure().set("plugins.enabled", "[\"emergency\"]").start();
    people(&server);
    let rest = web(&server, "rest", None).bearer(&token(&server, "root", "read write admin"));
    let mut webs = martis(&server);
    webs.push(("rest", rest.clone()));
    for (who, web) in webs {
        assert!(described(&web).is_empty(), "{who}");
        for (method, path) in endpoints() {
            let path = filled(&path);
            let reply = web.send(&method, &path, &[], b"");
            assert_eq!(reply.status, 404, "{who}: {method} {path}: {}", reply.text());
        }
    }
    let reply = rest.get("/MissionTable").expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let mut table = reply.json();
    assert!(table["nodeId"].as_str().is_some_and(|id| !id.is_empty()), "{table}");
    table.as_object_mut().unwrap().remove("nodeId");
    assert_eq!(table, json!({"version": "3", "type": "Mission", "data": []}));
    assert_eq!(web(&server, "rest", None).get("/MissionTable").status, 401, "not for everybody");
}

#[test]
fn ac_60_without_the_plugin_an_event_for_a_mission_reaches_nobody() {
    let server = Server::build().set("plugins.enabled", "[\"emergency\"]").start();
    let [mut alice, mut bob] = join_all(&server, [("A", "ALICE"), ("B", "BOB")]);
    for (n, dest) in [
        r#"<dest mission="Flood"/>"#,
        r#"<dest mission-guid="5d1f0c1e-4d36-4a0f-9c55-0a8f4b6c7d21"/>"#,
        r#"<dest mission="Flood" path="layer"/>"#,
        r#"<dest mission="Flood"/><dest mission="Other"/>"#,
    ]
    .into_iter()
    .enumerate()
    {
        alice.send(&marker_to(&format!("m-{n}"), dest));
        fence(&mut alice, &mut [&mut bob]);
    }
    fence(&mut bob, &mut [&mut alice]);
    assert!(server.dropped("unbound_dest") >= 4.0);
}

#[test]
fn ac_60_switched_off_while_it_runs_it_leaks_nothing_and_goes_on_when_it_is_back() {
    let (mut stage, _) = Stage::flood();
    stage.alice.mark("before", TO_FLOOD);
    stage.alice.acknowledged("before");
    stage.bob.item("before");
    stage.server.change("mission", "disable").unwrap();
    stage.bob.web.get(FLOOD).expect(404);
    stage.alice.mark("meanwhile", TO_FLOOD);
    stage.quiet();
    stage.server.change("mission", "enable").unwrap();
    stage.alice.mark("after", TO_FLOOD);
    stage.alice.acknowledged("after");
    stage.bob.item("after");
    stage.server.change("mission", "reload").unwrap();
    stage.alice.mark("reloaded", TO_FLOOD);
    stage.alice.acknowledged("reloaded");
    stage.bob.item("reloaded");
    stage.quiet();
    assert_eq!(uids(&stage.bob.web, FLOOD), ["after", "before", "reloaded"]);
    assert_eq!(changes(&stage.bob.web, FLOOD).len(), 4, "with its creation");
}

#[test]
fn reloads_in_the_middle_of_a_stream_lose_double_and_leak_nothing() {
    const ROUNDS: usize = 4;
    const EACH: usize = 40;
    let (mut stage, _) = Stage::flood();
    for round in 0..ROUNDS {
        let uids: Vec<_> = (0..EACH).map(|n| format!("r{round}-{n:02}")).collect();
        std::thread::scope(|scope| {
            let reload = scope.spawn(|| stage.server.change("mission", "reload").unwrap());
            uids.iter().for_each(|uid| stage.alice.client.send(&mission_bed::item(uid, TO_FLOOD)));
            reload.join().unwrap();
        });
        // What comes while nothing is bound has nowhere to go: the last one shows where the stream ends.
        let last = format!("r{round}-last");
        stage.alice.mark(&last, TO_FLOOD);
        let mut got = Vec::new();
        while got.last() != Some(&last) {
            let told = stage.bob.change().child("contentUid").unwrap().text();
            stage.bob.client.expect(&told);
            stage.alice.acknowledged(&told);
            got.push(told);
        }
        got.pop();
        assert!(got.is_sorted() && got.iter().all(|uid| uids.contains(uid)), "{got:?}");
        assert_eq!(got.len(), EACH, "a reload holds them: {got:?}");
    }
    stage.quiet();
    let all = changes(&stage.bob.web, FLOOD);
    assert_eq!(all.len(), 1 + ROUNDS * (EACH + 1), "each is one change");
    assert_eq!(stage.server.plugin("mission")["held"], 0);
}
